"""Broadcasting, forward and back: pure functions on anything that speaks NumPy."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

_BLAS = "fdFD"
_SMALL = 4096

__all__ = ["broadcast", "expand", "normalize_axes", "only", "pick", "unbroadcast"]


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` over the axes along which `shape` was broadcast to ``g.shape``.

    Raises ValueError where `shape` does not broadcast to ``g.shape``.
    """
    given = g.shape
    if type(g) is np.ndarray and len(given) == 2 and given[1:] == shape and g.dtype.char in _BLAS:
        # A product with ones adds up rows several times faster than g.sum(0).
        return _ones(given[0], g.dtype.char).dot(g)
    extra = len(given) - len(shape)
    if extra > 0:
        if given[extra:] == shape and shape and g.dtype.char in _BLAS and _once(g):
            rows = math.prod(given[:extra])
            if extra > 1 or len(shape) > 1:
                g = g.reshape((rows, math.prod(shape)))
            sums = _ones(rows, g.dtype.char) @ g
            return sums if len(shape) == 1 else sums.reshape(shape)
        g = g.sum(tuple(range(extra)))
        given = given[extra:]
    if extra < 0 or any(a != b and b != 1 for a, b in zip(given, shape, strict=True)):
        raise ValueError(f"{shape} does not broadcast to {given}")
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and given[i] != 1)
    return g.sum(stretched, keepdims=True) if stretched else g


def _once(g: Any) -> bool:
    """Whether `g` will not be differentiated: an array, or a Tensor that is a constant."""
    return type(g) is np.ndarray or not getattr(g, "requires_grad", False)


@functools.lru_cache(maxsize=16)
def _few_ones(count: int, char: str) -> np.ndarray[Any, Any]:
    ones = np.ones(count, char)
    ones.flags.writeable = False
    return ones


def _ones(count: int, char: str) -> np.ndarray[Any, Any]:
    return _few_ones(count, char) if count <= _SMALL else np.ones(count, char)


def broadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """`g` seen at `shape`: a view where that saves memory, an array where it is small.

    ``np.broadcast_to`` alone would do, in several microseconds.
    """
    if isinstance(g, np.generic):
        if math.prod(shape) <= _SMALL:
            full = np.empty(shape, g.dtype)
            full.fill(g)
            return full
        view = np.ndarray(shape, g.dtype, np.asarray(g), 0, (0,) * len(shape))
        view.flags.writeable = False
        return view
    # As above, where a Tensor only notes what is done with arrays: sums depend on the layout.
    traced = type(g) is not np.ndarray and _once(g)
    if traced and not g.shape and math.prod(shape) <= _SMALL:
        return np.broadcast_to(g, shape).copy(order="C")
    return g if g.shape == shape else np.broadcast_to(g, shape)


def normalize_axes(axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """The axes that `axis` means for an array of `ndim` axes, none of them negative."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, (int, np.integer)):
        axis = (int(axis),)
    return tuple(int(a) % ndim if ndim else int(a) for a in axis)


def expand(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """`g`, the shape of a reduction over `axis`, so that it broadcasts against `shape`."""
    if keepdims or axis is None or not shape:
        return g
    reduced = normalize_axes(axis, len(shape))
    return g.reshape(tuple(1 if i in reduced else n for i, n in enumerate(shape)))


def only(g: Any, mask: Any) -> Any:
    """`g` where the mask is true, and exactly 0 elsewhere, whatever `g` is there."""
    if type(g) is not np.ndarray:
        return np.where(mask, g, 0.0)
    if g.size >= 4096 and type(mask) is np.ndarray and mask.dtype.char == "?":
        # The bits times 0 or 1, without a branch for each entry: up to 16 times faster.
        integer = {"e": "i2", "f": "i4", "d": "i8"}.get(g.dtype.char)
        if integer is not None:
            return (g.view(integer) * mask).view(g.dtype)
    # NumPy takes half as long where it need not find out what 0.0 is.
    return np.where(mask, g, np.zeros((), g.dtype))


def pick(g: Any, mask: Any) -> Any:
    """`g` times a mask of fractions, but exactly 0 where the mask is, whatever `g` is there."""
    return np.where(mask, g, 0.0) * mask
