"""Shapes that fit together, axes, and indices."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as extra

__all__ = ["Shape", "axes", "broadcastable_shapes", "gufunc_shapes", "indices", "shapes"]

Shape = tuple[int, ...]


def shapes(
    *, min_dims: int = 1, max_dims: int = 3, min_side: int = 1, max_side: int = 3
) -> st.SearchStrategy[Shape]:
    """Shapes, those with few axes and short ones first.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(shapes(), lambda shape: len(shape) == 2 and shape[1] > 1)
    (1, 2)
    """
    sides = st.integers(min_side, max_side)
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable_shapes(
    draw: st.DrawFn, count: int = 2, *, max_dims: int = 3, max_side: int = 3
) -> tuple[Shape, ...]:
    """Some shapes that broadcast together.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(broadcastable_shapes(), lambda pair: True)
    ((), ())
    """
    whole = draw(shapes(min_dims=0, max_dims=max_dims, max_side=max_side))
    found = []
    for _ in range(count):
        kept = draw(st.integers(0, len(whole)))
        part = whole[len(whole) - kept :]
        found.append(tuple(1 if draw(st.booleans()) else side for side in part))
    return tuple(found)


@st.composite
def gufunc_shapes(
    draw: st.DrawFn, signature: str, *, max_dims: int = 2, max_side: int = 3
) -> tuple[Shape, ...]:
    """Shapes of the inputs of a generalized ufunc, with leading axes that broadcast.

    Parameters
    ----------
    signature : str
        As NumPy writes it; sizes may be numbers, and axes marked with ``?`` may be left out.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(gufunc_shapes("(m,k),(k,n)->(m,n)"), lambda pair: True)
    ((1, 1), (1, 1))
    """
    inputs = re.findall(r"\(([^()]*)\)", signature.partition("->")[0])
    if not inputs:
        raise ValueError(f"{signature!r} is no signature; write one such as '(m,k),(k,n)->(m,n)'")
    sides: dict[str, int | None] = {}
    for axis in re.findall(r"[\w?]+", ",".join(inputs)):
        if axis not in sides:
            left_out = axis.endswith("?") and draw(st.booleans())
            name = axis.rstrip("?")
            side = int(name) if name.isdigit() else draw(st.integers(1, max_side))
            sides[axis] = None if left_out else side
    loops = draw(broadcastable_shapes(len(inputs), max_dims=max_dims, max_side=max_side))
    cores = [[sides[axis] for axis in re.findall(r"[\w?]+", term)] for term in inputs]
    return tuple(
        (*loop, *(side for side in core if side is not None))
        for loop, core in zip(loops, cores, strict=True)
    )


def axes(
    ndim: int, *, none: bool = True, tuples: bool = True, negative: bool = True
) -> st.SearchStrategy[Any]:
    """What a reduction of an array of `ndim` axes takes as its axis: None, an int, a tuple of ints.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(axes(3, negative=False), lambda axis: isinstance(axis, tuple) and len(axis) == 2)
    (0, 1)
    """
    choices: list[st.SearchStrategy[Any]] = [st.none()] * none
    one = st.integers(0, ndim - 1) if ndim else st.nothing()
    one = one | st.integers(-ndim, -1) if ndim and negative else one
    choices.append(one)
    if tuples:
        choices.append(st.lists(one, max_size=ndim, unique_by=lambda axis: axis % ndim).map(tuple))
    return st.one_of(*choices)


@st.composite
def indices(draw: st.DrawFn, shape: Shape) -> Any:
    """Indices into an array of this shape: basic, integer arrays, masks, newaxis, ellipsis, mixed.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(indices((2, 3)), lambda i: isinstance(i, np.ndarray) and i.dtype == bool and i.any())
    array([[False, False, False],
           [False, False,  True]])
    """
    kinds = ["basic", "mask"] + ["integers", "mixed"] * (0 not in shape and bool(shape))
    kind = draw(st.sampled_from(kinds))
    if kind == "basic":
        return draw(extra.basic_indices(shape, allow_newaxis=True))
    if kind == "mask":
        size = math.prod(shape)
        mask = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        return np.reshape(np.array(mask, bool), shape)
    if kind == "integers":
        few = extra.array_shapes(max_dims=2, max_side=3)
        return draw(extra.integer_array_indices(shape, result_shape=few))
    length = draw(st.integers(1, 3))
    parts: list[Any] = []
    for side in shape:
        number = st.integers(-side, side - 1)
        many = st.lists(number, min_size=length, max_size=length).map(np.array)
        parts.append(draw(st.slices(side) | number | many))
    parts = parts[: draw(st.integers(0, len(parts)))]
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if draw(st.booleans()):
        parts.append(...)
    return tuple(parts)
