"""`custom_op`: the way users declare an op of their own."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.engine.primitive import Op

__all__ = ["custom_op"]


def custom_op(*misplaced: Any, **facts: Any) -> Callable[[Callable[..., Any]], Op]:
    """Make the decorated function an op, with one vjp per differentiable argument, by name.

    The rule's parameters say what it needs: the cotangent `g`, then the function's own arguments,
    ``out`` for the result, ``shape`` for the shape of the argument. Nothing else is kept.
    Write rules with NumPy functions on these, and derivatives of every order follow, in both modes.
    Arrays are copied when they are kept, also in tuples, lists and dicts; an object of another kind
    is kept as it is, so what is written to its attributes before `backward` changes the gradient.

    Raises
    ------
    DeclarationError
        For a rule of an argument that is not there, or that asks for a name that is not there.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> @at.custom_op(x=lambda g, x: g / (1 + np.exp(-x)))
    ... def softplus(x):
    ...     return np.logaddexp(x, 0.0)
    >>> softplus(np.array([0.0]))
    array([0.69314718])
    >>> at.grad(softplus)(0.0)
    np.float64(0.5)
    """
    rules = {key: facts.pop(key) for key in list(facts) if callable(facts[key])}
    if misplaced or not rules:
        raise errors.bad_declaration(
            "custom_op", "give it a rule per argument, @at.custom_op(x=lambda g, x: ...)"
        )

    def declare(function: Callable[..., Any]) -> Op:
        code = getattr(function, "__code__", None)
        if code is None:
            raise errors.bad_declaration(
                getattr(function, "__name__", repr(function)),
                "custom_op decorates a Python function",
            )
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if code.co_flags & inspect.CO_VARARGS:
            raise errors.bad_declaration(
                function.__name__, "an op names its arguments, and a parameter with * has none"
            )
        op = Op(
            _guarded(function),
            "rule",
            ", ".join(names),
            rules,
            **facts,
        )
        defaults = function.__defaults__ or ()
        op.defaults = dict(zip(names[code.co_argcount - len(defaults) :], defaults, strict=False))
        op.defaults |= function.__kwdefaults__ or {}
        return op

    return declare


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with its arrays read-only: writing there would change what other nodes keep."""

    def shield(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = value.view()
            value.flags.writeable = False
        return value

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        out = function(*map(shield, args), **{k: shield(v) for k, v in kwargs.items()})
        # A result that somebody else holds (two references are ours), or a view, is copied.
        if isinstance(out, np.ndarray) and (out.base is not None or sys.getrefcount(out) > 2):
            out = out.copy()
        return out

    return guarded
