"""Some entries of an array, named by an index or by a `Window`: written to, or added to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from autotensor.engine.memory import Window

__all__ = ["add_at", "copied_for", "fit", "is_basic", "put_at", "zeros_for"]

Array = np.ndarray[Any, Any]


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
    elif is_basic(index):
        array[index] += value
    else:
        np.add.at(array, index, value)
