"""What errors say of functions, ops, arguments and values, and how a function gets a rule."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autotensor.engine.graph import Leaf, Node
from autotensor.engine.primitive import TABLE, Composite, Op

__all__ = [
    "argument_where",
    "by_entry",
    "by_register",
    "by_rule",
    "count_bad",
    "entry_text",
    "first_bad",
    "is_finite",
    "nearest",
    "number_text",
    "numbers_in",
    "origin_of",
    "placed",
    "public",
    "range_text",
    "written",
]


def public(function: Any, name: str) -> str:
    """`name` as users write it: ``np.linalg.norm``, ``np.add.reduce``; their own as it is."""
    # Ufuncs have no module, nor have their methods, which are NumPy's then.
    module = getattr(function, "__module__", None)
    if module is None:
        module = "scipy.special" if _is_scipys(function) else "numpy"
    if module.partition(".")[0] not in ("numpy", "scipy"):
        return name
    public_part = [part for part in module.split(".") if not part.startswith("_")]
    return ".".join([*public_part, name]).replace("numpy", "np", 1)


def _is_scipys(function: Any) -> bool:
    loaded = vars(sys.modules.get("scipy.special", np))
    return vars(np).get(function.__name__) is not function is loaded.get(function.__name__)


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


# -- ops and values --------------------------------------------------------------------------------


def by_entry(op: Any) -> bool:
    """Whether each entry of the result is made from the entries of the inputs in its place."""
    if isinstance(op, Op):
        if op.kind in ("elementwise", "selection"):
            return not op.reduces
        op = op.function
    return isinstance(op, np.ufunc) and op.signature is None and op.nout == 1


def placed(op: Any, notes: Mapping[str, Any]) -> str:
    """The op as it is written, and in parentheses where, as far as that was noted."""
    via = notes.get("via")
    name = written(op)
    if via is not None:
        name = via if via == f"np.{name}" else f"{name} in {via}"
    where = [notes["line"]] if "line" in notes else []
    where += [f"in {notes['scope']}"] if "scope" in notes else []
    return f"{name} ({', '.join(where)})" if where else name


def written(op: Any) -> str:
    """What users write for a function or an op: ``np.sqrt``, ``np.add.reduce``, ``softplus``."""
    function = op.function if isinstance(op, Op) else op
    name = str(function.__name__)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{name}"
    unsaid = "numpy" if vars(np).get(name) is function else ""  # for ufuncs
    module = getattr(function, "__module__", None) or unsaid
    if module.partition(".")[0] == "numpy":
        return f"{module.replace('numpy', 'np', 1)}.{name}"
    return op.name if isinstance(op, Op) else name


def origin_of(parent: Any) -> str:
    """What made an input, in words; nothing where that is not known."""
    while isinstance(parent, Node) and parent.op.name == "alias":
        parent = parent.parents[0]
    if isinstance(parent, Node):
        notes = parent.notes or {}
        line = f" at {notes['line']}" if "line" in notes else ""
        return f"{notes.get('via') or written(parent.op)}{line}"
    if isinstance(parent, Leaf):
        return f"leaf {parent.name!r}" if parent.name else "a leaf"
    return ""


def numbers_in(values: Sequence[Any]) -> Iterator[Any]:
    """The numbers and arrays of numbers among `values`, also in tuples and lists there."""
    for value in values:
        if isinstance(value, (np.ndarray, np.generic, int, float, complex)):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from numbers_in(value)


def is_finite(value: Any) -> bool:
    """Whether no number in `value`, or in the tuple it is, is NaN or infinite."""
    if isinstance(value, tuple):
        return all(map(is_finite, value))
    dtype = getattr(value, "dtype", None)
    if dtype is None and not isinstance(value, (float, complex)):
        return True
    return (dtype is not None and dtype.kind not in "fc") or bool(np.isfinite(value).all())


def first_bad(array: Any) -> tuple[int, ...]:
    """The index of the first entry that is not finite."""
    bad = ~np.isfinite(array)
    return tuple(int(i) for i in np.unravel_index(bad.argmax(), np.shape(array)))


def count_bad(array: Any) -> str:
    """``1 NaN of 1,024 at [17]``; of a scalar its value alone."""
    if np.ndim(array) == 0:
        return "NaN" if np.isnan(array) else number_text(array)
    nans = int(np.isnan(array).sum())
    infs = int((~np.isfinite(array)).sum()) - nans
    counts = " and ".join(f"{n:,} {word}" for n, word in ((nans, "NaN"), (infs, "inf")) if n)
    return f"{counts} of {array.size:,} at {list(first_bad(array))}"


def entry_text(value: Any, at: tuple[int, ...]) -> str:
    """The entry of `value` that an op uses for the entry `at` of its result."""
    shape = np.shape(value)
    place = at[len(at) - len(shape) :]
    index = tuple(i if n > 1 else 0 for i, n in zip(place, shape, strict=True))
    return number_text(np.asarray(value)[index])


def range_text(value: Any) -> str:
    """The least and the greatest entry; the moduli of complex ones."""
    if isinstance(value, tuple):  # several results
        return ", ".join(map(range_text, numbers_in(value)))
    if not np.size(value):
        return "nothing"
    value = np.abs(value) if np.iscomplexobj(value) else value
    return f"[{number_text(np.min(value))}, {number_text(np.max(value))}]"


def number_text(value: Any) -> str:
    """The shortest text that tells the number, as one writes it: -3e-9."""
    return str(value).replace("e-0", "e-").replace("e+", "e").replace("e0", "e")
