"""The rules of ops as they are written, for people who step through a backward pass."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
from types import CodeType
from typing import Any

from autotensor.engine.plan import same
from autotensor.engine.primitive import Op

__all__ = ["rule_text"]


def rule_text(op: Op, argument: str) -> str:
    """What the backward pass computes for `argument`, of the cotangent ``g``.

    Examples
    --------
    >>> import numpy as np, autotensor
    >>> from autotensor.engine.primitive import TABLE
    >>> rule_text(TABLE[np.tanh], "x")
    'g * (1 - out * out)'
    >>> rule_text(TABLE[np.add], "x")
    'g'
    """
    rule = op.rules[argument]
    if rule is same:
        return "g"
    text, simple = _body(inspect.unwrap(rule))
    if op.kind == "elementwise":
        return f"g * {text}" if simple else f"g * ({text})"
    if op.kind == "selection":
        return f"where({text}, g, 0)"
    return text


def _body(rule: Any) -> tuple[str, bool]:
    """The expression that a lambda returns, or the call of a function; whether it is one term."""
    code = getattr(rule, "__code__", None)
    if code is None:
        return f"{getattr(rule, '__name__', type(rule).__name__)}(g, ...)", True
    if code.co_name != "<lambda>":
        return f"{code.co_name}({', '.join(code.co_varnames[: code.co_argcount])})", True
    return _lambda(code) or ("(a lambda whose source is not there)", True)


@functools.lru_cache(maxsize=1024)
def _lambda(code: CodeType) -> tuple[str, bool] | None:
    source = "".join(linecache.getlines(code.co_filename))
    # Where the instructions come from, but those of the function as a whole, which have no width.
    places = [(line, start) for line, _, start, end in code.co_positions() if start != end]
    for node in _lambdas(source):
        body = node.body
        start, end = (
            (body.lineno, body.col_offset),
            (body.end_lineno or 0, body.end_col_offset or 0),
        )
        if places and all(start <= place < end for place in places):
            text = " ".join(str(ast.get_source_segment(source, body)).split())
            return text, isinstance(body, (ast.Name, ast.Call, ast.Attribute))
    return None


@functools.lru_cache(maxsize=64)
def _lambdas(source: str) -> tuple[ast.Lambda, ...]:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # of a notebook's cell, with commands that are no Python
        return ()
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return tuple(reversed(found))  # inner ones first
