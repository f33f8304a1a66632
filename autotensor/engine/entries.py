"""Some entries of an array, named by an index or by a `Window`: written to, or added to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from autotensor.engine.memory import Window

__all__ = ["add_at", "copied_for", "fit", "is_basic", "names_each_once", "put_at", "zeros_for"]

Array = np.ndarray[Any, Any]

# Below as many entries `np.add.at` is done before its faster form has begun.
_FEW = 1000
# How many places are named at once, so that naming them takes little memory beside the values.
_BLOCK = 1 << 17
# Two real numbers side by side, added in one step and to the same bits.
_PAIRS = {np.dtype(np.float32): np.complex64, np.dtype(np.float64): np.complex128}


def is_basic(index: Any) -> bool:
    """Whether `index` is made of integers, slices, ``None`` and ``...``: it gives a view."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        p is None or p is ... or (isinstance(p, (int, np.integer, slice)) and type(p) is not bool)
        for p in parts
    )


def fit(indices: Iterable[Any], array: Array) -> bool:
    """Whether every window among `indices` was cut in an array laid out like this one."""
    return all(type(index) is not Window or index.fits(array) for index in indices)


def zeros_for(indices: Iterable[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros, laid out so that all of `indices` can be written to."""
    for index in indices:
        if type(index) is Window:
            if index.dtype != index.whole[2] and dtype.kind != "b":
                dtype = np.result_type(dtype, np.complex64)  # a part of complex memory
            return index.blank(dtype)
    return np.zeros(shape, dtype)


def copied_for(index: Any, array: Any) -> Array:
    """A copy of `array`, laid out so that `index` can be written to."""
    return index.laid_out(array) if type(index) is Window else np.array(array)


def put_at(array: Array, index: Any, value: Any) -> None:
    """Write `value` to the entries at `index`."""
    if type(index) is Window:
        index.see(array)[...] = value
    else:
        array[index] = value


def add_at(array: Array, index: Any, value: Any) -> None:
    """Add `value` to the entries at `index`, as often as one is named; for booleans, "or"."""
    if type(index) is Window:
        seen = index.see(array)
        if index.may_overlap():
            np.add.at(seen, tuple(np.indices(seen.shape)), value)
        else:
            seen += value
    elif is_basic(index) or names_each_once(index):
        array[index] += value
    elif not _add_rows(array, index, value):
        np.add.at(array, index, value)


def names_each_once(index: Any) -> bool:
    """Whether no entry can be named twice: by parts that give views, and masks."""
    parts = index if isinstance(index, tuple) else (index,)
    return is_basic(tuple([p for p in parts if getattr(p, "dtype", None) != np.dtype(bool)]))


def _add_rows(array: Array, index: Any, value: Any) -> bool:
    """`np.add.at` for whole rows: sums in the same order, several times as fast.

    NumPy has a fast loop for a single axis, so the array is taken as one. False, and nothing is
    done, where that would not be faster, or `index` does not name rows by arrays of integers.
    """
    if (
        type(value) is not np.ndarray
        or value.size < _FEW
        or array.ndim == 1
        or value.dtype != array.dtype
        or not array.flags.c_contiguous
    ):
        return False
    parts = [np.asarray(p) for p in (index if isinstance(index, tuple) else (index,))]
    if any(p.dtype.kind not in "iu" for p in parts):
        return False
    count = len(parts)
    if count == 1:
        rows = parts[0].astype(np.intp, copy=False)
    else:  # they were in bounds when they were read; "wrap" is for the negative ones
        rows = np.ravel_multi_index(tuple(parts), array.shape[:count], mode="wrap")
    if value.shape != rows.shape + array.shape[count:]:
        return False
    width = math.prod(array.shape[count:])
    pair = None if width % 2 else _PAIRS.get(array.dtype)
    flat = array.reshape(-1)
    if pair is not None:
        flat = flat.view(pair)
        width //= 2
    rows = rows.reshape(-1, 1)
    values = value.reshape(len(rows), -1)
    columns = np.arange(width)
    step = max(1, _BLOCK // width)
    for start in range(0, len(rows), step):
        some = np.ascontiguousarray(values[start : start + step])
        places = rows[start : start + step] * width + columns
        np.add.at(flat, places.reshape(-1), (some if pair is None else some.view(pair)).reshape(-1))
    return True
