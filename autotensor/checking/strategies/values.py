"""Arrays: of any values, of a domain, without ties; matrices of a kind; memory layouts; dtypes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autotensor.checking.layout import Array
from autotensor.checking.strategies.shapes import Shape, shapes

__all__ = [
    "arrays",
    "dtypes",
    "layouts",
    "orthogonal",
    "permutations",
    "positive",
    "simplex",
    "spd",
    "unit",
    "well_conditioned",
]

ShapeLike = Shape | int | st.SearchStrategy[Any] | None
Size = int | st.SearchStrategy[int] | None

# From simple to general: hypothesis shrinks towards the first, and within each towards 0.
_DOMAINS = {
    "real": (
        st.integers(-8, 8).map(float),
        st.integers(-16, 16).map(lambda k: k / 2),
        st.floats(-100, 100).map(lambda x: x if abs(x) > 1e-6 else 0.0),
    ),
    "positive": (
        st.integers(1, 8).map(float),
        st.integers(1, 32).map(lambda k: k / 4),
        st.floats(0.01, 100),
    ),
    "nonzero": (
        st.integers(1, 8).map(float) | st.integers(-8, -1).map(float),
        st.floats(0.01, 100) | st.floats(-100, -0.01),
    ),
    "unit": (
        st.integers(-7, 7).map(lambda k: k / 8),
        st.floats(-0.99, 0.99).map(lambda x: x if abs(x) > 1e-6 else 0.0),
    ),
}
_BESIDE = (0.0, 2.0**-10, -(2.0**-10), 1e-7, -1e-7)  # distances from a kink


def dtypes(*, complex: bool = True, low_precision: bool = True) -> st.SearchStrategy[Any]:
    """Dtypes that can be differentiated, float64 first.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(dtypes(), lambda d: d.kind == "c")
    dtype('complex128')
    """
    names = ["float64", *["float32", "float16"] * low_precision]
    names += ["complex128", *["complex64"] * low_precision] * complex
    return st.sampled_from([np.dtype(name) for name in names])


def drawn(draw: st.DrawFn, given: Any) -> Any:
    """A value, drawn if a strategy was given for it."""
    return draw(given) if isinstance(given, st.SearchStrategy) else given


def shape_of(draw: st.DrawFn, given: ShapeLike) -> Shape:
    """A shape, drawn if a strategy or nothing was given for it."""
    found: int | Shape = drawn(draw, shapes() if given is None else given)
    return (found,) if isinstance(found, int) else found


def size_of(draw: st.DrawFn, given: Size) -> int:
    """A size of a square matrix, drawn if a strategy or nothing was given for it."""
    return int(drawn(draw, st.integers(1, 3) if given is None else given))


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: ShapeLike = None,
    *,
    dtype: Any = float,
    domain: str | st.SearchStrategy[float] = "real",
    kinks: Sequence[float] = (),
    ties: bool | None = None,
) -> Array:
    """Arrays of a shape or of any small shape.

    Parameters
    ----------
    shape : tuple of int, int or strategy, optional
        By default one to three axes of length one to three.
    dtype : dtype or strategy
        See `dtypes`. Complex ones draw both parts.
    domain : str or strategy
        Of the entries: ``"real"``, with none closer to 0 than 1e-6 but 0 itself; ``"positive"``,
        from 0.01; ``"nonzero"``, as far from 0; ``"unit"``, between -1 and 1; or a strategy for an
        entry.
    kinks : sequence of float
        Values at which, and close to which, entries are to be.
    ties : bool, optional
        Whether most entries are to be equal to others, or none.

    Raises
    ------
    ValueError
        For a domain of another name.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(arrays(domain="positive"), lambda x: x.size == 3)
    array([1., 1., 1.])
    >>> find(arrays(3, ties=False), lambda x: True)
    array([ 0.,  1., -1.])
    >>> find(arrays(kinks=[0.5]), lambda x: 0 < abs(x - 0.5).max() < 0.01)
    array([0.50097656])
    """
    own_shape, own_dtype = shape_of(draw, shape), np.dtype(drawn(draw, dtype))
    parts = 2 if own_dtype.kind == "c" else 1
    if isinstance(domain, st.SearchStrategy):
        entries = domain
    elif domain in _DOMAINS:
        # One kind for all entries, and drawn first: an array of whole numbers is the simpler one.
        entries = _DOMAINS[domain][draw(st.integers(0, len(_DOMAINS[domain]) - 1))]
    else:
        raise ValueError(f"domain must be one of {', '.join(_DOMAINS)}; got {domain!r}")
    if kinks:
        entries |= st.builds(lambda a, b: a + b, st.sampled_from(kinks), st.sampled_from(_BESIDE))
    size = math.prod(own_shape) * parts
    if ties:
        pool = draw(st.lists(entries, min_size=1, max_size=2))
        entries = st.sampled_from(pool)
    if ties is False:
        precision = own_dtype.type(0).real.dtype.type
        values = draw(st.lists(entries, min_size=size, max_size=size, unique_by=precision))
    else:
        values = draw(st.lists(entries, min_size=size, max_size=size))
    flat = np.array(values, dtype=float)
    x = flat[::2] + 1j * flat[1::2] if parts == 2 else flat
    return np.asarray(x.reshape(own_shape).astype(own_dtype))


def positive(shape: ShapeLike = None) -> st.SearchStrategy[Array]:
    """Arrays of positive entries, 0.01 to 100.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(positive(), lambda x: np.log(x).sum() > 1)
    array([3.])
    """
    return arrays(shape, domain="positive")


def unit(shape: ShapeLike = None) -> st.SearchStrategy[Array]:
    """Arrays of entries between -1 and 1, 0.01 away from both.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(unit(2), lambda x: x[0] != x[1])
    array([0.   , 0.125])
    """
    return arrays(shape, domain="unit")


@st.composite
def simplex(draw: st.DrawFn, shape: ShapeLike = None) -> Array:
    """Arrays of positive entries that sum to 1 along the last axis.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(simplex(3), lambda p: p[0] > p[1])
    array([0.5 , 0.25, 0.25])
    """
    weights = draw(positive(shape))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


@st.composite
def permutations(draw: st.DrawFn, shape: ShapeLike = None) -> Array:
    """Arrays of the whole numbers from 1 in any order: no two are equal, and none is close.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(permutations(3), lambda x: x[0] > x[1])
    array([2., 1., 3.])
    """
    own = shape_of(draw, shape)
    order = draw(st.permutations(range(1, math.prod(own) + 1)))
    return np.asarray(np.array(order, float).reshape(own))


@st.composite
def spd(draw: st.DrawFn, size: Size = None) -> Array:
    """Symmetric positive definite matrices, of size 1 to 3 if no size is given.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(spd(), lambda a: a.size > 1 and a[0, 1] != 0)
    array([[1., 1.],
           [1., 2.]])
    """
    n = size_of(draw, size)
    entries = st.lists(st.integers(-2, 2), min_size=n * n, max_size=n * n)
    root = np.tril(np.reshape(draw(entries), (n, n)).astype(float), -1)
    root += np.diag(draw(st.lists(st.sampled_from([1.0, 2.0, 0.5]), min_size=n, max_size=n)))
    return np.asarray(root @ root.T)


@st.composite
def well_conditioned(draw: st.DrawFn, size: Size = None) -> Array:
    """Square matrices of size 1 to 3, or the size given, whose condition number is at most 5.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(well_conditioned(2), lambda a: a[0, 1] > a[0, 0])
    array([[0., 1.],
           [1., 0.]])
    """
    n = size_of(draw, size)
    sixteenths = st.lists(st.integers(-8, 8), min_size=n * n, max_size=n * n)
    small = np.reshape(draw(sixteenths), (n, n)) / (16.0 * n)
    peaks = draw(st.lists(st.sampled_from([1.0, 2.0, -1.0]), min_size=n, max_size=n))
    np.fill_diagonal(small, peaks)
    return np.asarray(small[list(draw(st.permutations(range(n))))])


@st.composite
def orthogonal(draw: st.DrawFn, size: Size = None) -> Array:
    """Orthogonal matrices of size 1 to 3, or the size given: signed permutations, and turns.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(orthogonal(2), lambda q: abs(q).max() < 1)
    array([[ 0.6, -0.8],
           [ 0.8,  0.6]])
    """
    n = size_of(draw, size)
    signs = draw(st.lists(st.sampled_from([1.0, -1.0]), min_size=n, max_size=n))
    q = np.diag(signs)[list(draw(st.permutations(range(n))))]
    for axis in range(n - 1):
        if draw(st.booleans()):
            a, b = draw(st.sampled_from([(3 / 5, 4 / 5), (5 / 13, 12 / 13)]))
            turn = np.eye(n)
            turn[axis : axis + 2, axis : axis + 2] = [[a, -b], [b, a]]
            q = turn @ q
    return np.asarray(q)


@st.composite
def layouts(draw: st.DrawFn, given: Array | st.SearchStrategy[Array]) -> Array:
    """Arrays as they are drawn from `given`, in any memory layout.

    C or Fortran order, negative strides, every second entry of a larger array, read-only; or with a
    stride of 0: then all along one axis are as the first.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(layouts(arrays((2, 2))), lambda x: x.strides[0] < 0).flags.c_contiguous
    False
    """
    x: Array = np.array(drawn(draw, given))
    ways = ["C", "read-only"] + ["F", "negative", "apart", "broadcast"] * (x.ndim > 0)
    way = draw(st.sampled_from(ways))
    if way == "F":
        return np.asfortranarray(x)
    if way == "read-only":
        x.flags.writeable = False
        return x
    if way == "C":
        return x
    axis = draw(st.integers(0, x.ndim - 1))
    every = (slice(None),) * axis
    if way == "negative":
        return np.flip(np.flip(x, axis).copy(), axis)
    if way == "apart":
        return np.repeat(x, 2, axis)[(*every, slice(None, None, 2))]
    return np.broadcast_to(x[(*every, slice(0, 1))], x.shape)
