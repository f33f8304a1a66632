"""What functions and their arguments are called in errors, and how one without a rule gets one."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autotensor.engine.primitive import TABLE, Composite, Op

__all__ = ["argument_where", "by_register", "by_rule", "nearest", "public"]


def public(function: Any, name: str) -> str:
    """`name` as users write it: ``np.linalg.norm``, ``np.add.reduce``; their own as it is."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module.replace('numpy', 'np', 1)}.{name}" if module.startswith("numpy") else name


def argument_where(
    condition: Callable[[Any], bool], function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str | None:
    """The name of the first argument that meets `condition`, where the function says its names."""
    if isinstance(function, np.ufunc):
        if function.nin > 3:
            return None
        names = dict(zip("xyz", args[: function.nin], strict=False))
    else:
        try:
            names = inspect.signature(function).bind(*args, **kwargs).arguments
        except (TypeError, ValueError):
            return None
    return next((n for n, value in names.items() if condition(value)), None)


def by_register(public: str, argument: str | None) -> str:
    """How a function without a rule gets one; nothing where it cannot, as a ufunc's method."""
    if argument is None:
        return ""
    return f"Give it one with at.register({public}, {argument}=lambda g, …: …)"


def by_rule(op: Op, argument: str) -> str:
    """How an argument of a user's op gets a rule."""
    if not op.users:
        return ""
    return f"Give it a rule, {argument}=lambda g, …: …, or name it in nondiff="


def nearest(name: str) -> list[str]:
    """Functions of NumPy that have a rule and a name like `name`."""
    derivable = [entry for entry in TABLE.values() if isinstance(entry, (Op, Composite))]
    names = {entry.name for entry in derivable if hasattr(np, entry.name)}
    return [f"np.{n}" for n in difflib.get_close_matches(name, names, n=2)]
