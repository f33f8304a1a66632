"""Values as NumPy source that gives them back, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autotensor.engine.memory import Window
from autotensor.errors import UnwritableError

__all__ = ["index_text", "is_short", "literal", "number_text", "shape_text"]

_LONGEST = 64  # entries of an array that is written out


def is_short(value: Any) -> bool:
    """Whether an array is written in the text rather than given to it: small, or of one number."""
    return np.size(value) <= _LONGEST or _uniform(np.asarray(value))


def _uniform(array: Any) -> bool:
    flat = array.reshape(-1)
    return bool(array.size) and flat[:1].tobytes() * array.size == array.tobytes()


def literal(value: Any, weak: bool = False) -> str:
    """The source of a value that is no result.

    Parameters
    ----------
    value : number, array, str, None, dtype, slice, or tuples, lists and dicts of such.
    weak : whether a number may be written as Python's, which takes on the dtype of what it meets.

    Raises
    ------
    UnwritableError
        For anything else, and for arrays too large to be written out.
    """
    if isinstance(value, np.ndarray):
        return _array(value) if value.ndim else _scalar(value[()], weak)
    if isinstance(value, np.generic):
        return _scalar(value, weak)
    if isinstance(value, (bool, str, bytes, int, type(None), type(...))):
        return "..." if value is ... else repr(value)
    if isinstance(value, (float, complex)):
        return number_text(value)
    if isinstance(value, range):
        return repr(value)
    if type(value) in (tuple, list):
        inner = ", ".join(literal(v, weak) for v in value)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if type(value) is dict:
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    if type(value) is slice:
        bounds = (value.start, value.stop, *([] if value.step is None else [value.step]))
        return f"slice({', '.join(map(literal, bounds))})"
    if type(value) is Window:
        return literal(_as_index(value))
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return _dtype(np.dtype(value))
    if value in (float, int, bool, complex):
        return str(value.__name__)
    raise UnwritableError(
        f"at.source() cannot write a {type(value).__name__}, which is an argument of an op: only "
        "arrays, numbers, text and None, and tuples, lists and dicts of them.\nLet the op make it, "
        "or take it from where it is defined."
    )


def number_text(value: Any) -> str:
    """A float or complex number of Python's."""
    if isinstance(value, complex):
        if math.isfinite(value.real) and math.isfinite(value.imag) and not _loses_sign(value):
            return repr(value) if value.real else f"{value.imag!r}j".replace("--", "-")
        return f"complex({number_text(value.real)}, {number_text(value.imag)})"
    if value != value:
        return "np.nan"
    return ("-np.inf" if value < 0 else "np.inf") if math.isinf(value) else repr(value)


def _loses_sign(value: complex) -> bool:
    """Whether Python's own text of it is read back with another sign of a zero."""
    parts = value.real, value.imag
    return any(v == 0 and math.copysign(1, v) < 0 for v in parts) or (not parts[0] and parts[1] < 0)


def _scalar(value: Any, weak: bool) -> str:
    if value.dtype.kind == "b":
        return repr(bool(value))
    if weak and value.dtype.char in "dDl":
        return literal(value.item())
    return f"{_dtype(value.dtype)}({_entry(value)})"


def _entry(value: Any) -> str:
    """An entry of an array, so that the dtype of the array reads it back."""
    if value.dtype.char in "gG":  # wider than Python's own
        if value.dtype.kind == "c":
            parts = f"{_entry(value.real)}, {_entry(value.imag)}"
            return f"np.array([{parts}]).view(np.clongdouble)[0]"
        return f"np.longdouble({str(value)!r})"
    return literal(value.item())


def _dtype(dtype: Any) -> str:
    if dtype.isnative and dtype.name and hasattr(np, dtype.name) and dtype.kind in "fciu":
        return f"np.{dtype.name}"
    return "bool" if dtype.kind == "b" else f"np.dtype({dtype.str!r})"


def _array(array: Any) -> str:
    if array.dtype.kind not in "fciub":
        raise UnwritableError(
            f"at.source() cannot write an array of dtype {array.dtype}, only of numbers and bools."
        )
    native = array.dtype.isnative
    dtype = "" if array.dtype.char == "d" and native else f", dtype={_dtype(array.dtype)}"
    if not array.size:
        return f"np.zeros({array.shape}{dtype})"
    if array.ndim and array.size > 1 and _uniform(array):
        shape = shape_text(array.shape)
        first = array.reshape(-1)[0]
        for number, name in ((0, "zeros"), (1, "ones")):
            if array.dtype.type(number).tobytes() == first.tobytes():
                return f"np.{name}({shape}{dtype})"
        return f"np.full({shape}, {_entry(first)}{dtype})"
    if array.size > _LONGEST:
        raise UnwritableError(
            f"at.source() cannot write out an array of {array.size:,} entries, which is an option "
            "of an op.\nGive it as an argument of the function."
        )
    inferred = array.dtype.char in "dDl?" and native
    return f"np.array({_nested(array)}{'' if inferred else dtype})"


def _nested(array: Any) -> str:
    if not array.ndim:
        return _entry(array[()])
    return f"[{', '.join(_nested(part) for part in array)}]"


def shape_text(shape: Sequence[int]) -> str:
    """A shape as the argument of ``np.zeros``."""
    return str(shape[0]) if len(shape) == 1 else str(tuple(shape))


def index_text(index: Any, write: Callable[[Any], str]) -> str:
    """What stands between brackets for `index`; `write` is for what is in it."""
    if type(index) is Window:
        index = _as_index(index)
    parts = index if type(index) is tuple else (index,)
    texts = []
    for part in parts:
        if type(part) is slice:
            bounds = [part.start, part.stop] + ([] if part.step is None else [part.step])
            texts.append(":".join("" if b is None else write(b) for b in bounds))
        else:
            texts.append(write(part))
    text = ", ".join(texts)
    if type(index) is tuple and len(parts) == 1:
        return text if type(parts[0]) in (slice, int, type(...)) else f"{text},"
    return text or "()"


def _as_index(window: Window) -> Any:
    """The index that reads what a window sees of an array laid out like its whole."""
    shape, _, dtype = window.whole
    if window.dtype != dtype:
        raise UnwritableError(
            "at.source() cannot write what is written in place into a view of the real or the "
            "imaginary part.\nMake the number anew: z = new_real + 1j * np.imag(z)."
        )
    if not shape and math.prod(window.shape) == 1:
        return (None,) * len(window.shape)
    if not math.prod(window.shape):
        return (np.zeros(window.shape, int),) * len(shape)
    seen = window.see(window.laid_out(np.arange(math.prod(shape)).reshape(shape)))
    basic = _basic(seen, shape)
    return np.unravel_index(seen, shape) if basic is None else basic


def _basic(seen: Any, shape: tuple[int, ...]) -> tuple[Any, ...] | None:
    """The basic index that reads the entries numbered `seen`, if one does in this order."""
    first = np.unravel_index(seen.reshape(-1)[0], shape)
    last = np.unravel_index(seen.reshape(-1)[-1], shape)
    parts: list[Any] = []
    axis = 0
    for start, end, n in zip(map(int, first), map(int, last), shape, strict=True):
        if start == end and not (axis < seen.ndim and seen.shape[axis] == 1):
            parts.append(start)
            continue
        count = seen.shape[axis] if axis < seen.ndim else 0
        step = (end - start) // (count - 1) if count > 1 else 1
        stop = end + (1 if step > 0 else -1)
        whole = step == 1 and start == 0 and stop == n
        begin, finish = (None, None) if whole else (start, stop if stop >= 0 else None)
        parts.append(slice(begin, finish, None if step == 1 else step))
        axis += 1
    try:
        read = np.arange(math.prod(shape)).reshape(shape)[tuple(parts)]
    except (IndexError, ValueError):
        return None
    return tuple(parts) if np.array_equal(read, seen) else None
