"""How `autotensor.source` writes an op: the text that a user gives, or the function's own."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autotensor import errors

__all__ = ["definition", "op_source"]

_PLAIN = (bool, int, float, complex, str, type(None))


def op_source(
    name: str,
    given: Any,
    params: Sequence[str],
    defaults: Mapping[str, Any],
    keywords: Sequence[str],
) -> str:
    """`given`, an expression of the arguments or a whole definition, as a definition.

    Parameters
    ----------
    name : of the op.
    given : what the user wrote.
    params : the names of its arguments.
    defaults : of those that have one.
    keywords : those that go by name only.

    Raises
    ------
    DeclarationError
        Where it is neither, or names what a module with ``import numpy as np`` does not have.
    """
    if not isinstance(given, str):
        raise errors.bad_declaration(name, 'source= is a text: source="np.logaddexp(x, 0)"')
    text = given.strip()
    if not text.startswith("def "):
        _parsed(name, text, "eval")
        text = f"def {name}({_signature(name, params, defaults, keywords)}):\n    return {text}"
    tree = _parsed(name, text, "exec")
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if len(tree.body) != 1 or not defined or defined[0].name != name:
        raise errors.bad_declaration(name, f"source= defines one function, called {name}")
    args = defined[0].args
    if [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)] != list(params):
        raise errors.bad_declaration(
            name, f"the function in source= has the arguments {', '.join(params)}"
        )
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in names:
        if node.id not in bound and node.id != "np" and not hasattr(builtins, node.id):
            raise errors.bad_declaration(
                name, f"source= names {node.id!r}, which is no argument; it is to need np alone"
            )
    return text


def definition(function: Callable[..., Any]) -> str:
    """The definition of a function of this package, without docstring, comments and types."""
    tree: Any = ast.parse(inspect.getsource(function))
    if ast.get_docstring(tree.body[0]):
        del tree.body[0].body[0]
    tree.body[0].returns = None
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(tree)


def _parsed(name: str, text: str, mode: str) -> Any:
    try:
        return ast.parse(text, mode=mode)
    except SyntaxError as error:
        raise errors.bad_declaration(
            name,
            "source= is an expression of the arguments, or a def; this is no Python: "
            f"{error.msg} in line {error.lineno}",
        ) from None


def _signature(
    name: str, params: Sequence[str], defaults: Mapping[str, Any], keywords: Sequence[str]
) -> str:
    parts = []
    for param in params:
        if param in keywords and "*" not in parts:
            parts.append("*")
        if param in defaults and not isinstance(defaults[param], _PLAIN):
            raise errors.bad_declaration(
                name, f"the default of {param!r} is no number or text: write source= as a def"
            )
        parts.append(f"{param}={defaults[param]!r}" if param in defaults else param)
    return ", ".join(parts)
