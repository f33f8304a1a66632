"""Ops that reduce axes: sums, means, products, extremes, and what is composed of them."""

import math

import numpy as np

from autotensor.engine.primitive import composite, elementwise, linear, rule, selection
from autotensor.engine.shapes import broadcast, expand, normalize_axes
from autotensor.ops.elementwise import over

_AXES = "a, axis=None, dtype=None, out=None, keepdims=False"
_CASES = [
    {"a": (3,)},
    {"a": ()},
    {"a": (2, 3), "axis": 1},
    {"a": (2, 3), "axis": -2, "keepdims": True},
    {"a": (2, 3, 2), "axis": (0, -1)},
    {"a": (2, 3), "axis": None, "keepdims": True},
]
_MASK = {"a": (2, 3), "axis": 0, "where": [[True, False, True], [True, True, True]]}
_MASKS = [
    _MASK,
    {**_MASK, "axis": 1},
    {"a": (2, 3), "axis": 1, "where": [True, False, True]},
    {"a": (2, 3), "axis": 0, "where": [True, True, True]},
    {"a": (2, 3), "axis": 0, "where": [[True], [False]], "keepdims": True},
]


def _spread(g, shape, axis, keepdims):
    return broadcast(expand(g, shape, axis, keepdims), shape)


def _sum_vjp(g, shape, axis, keepdims, where):
    g = _spread(g, shape, axis, keepdims)
    return g if where is True else np.where(where, g, 0)


def _mean_vjp(g, shape, axis, keepdims, where):
    if where is True:
        if axis is None and g.dtype.itemsize > 2:
            return broadcast(g / (math.prod(shape) or 1), shape)
        count = (math.prod(shape) or 1) / (g.size or 1)
        g = g / count if g.dtype.itemsize > 2 else g * (1 / count)  # float16 ends at 65504
        return broadcast(g if axis is None else expand(g, shape, axis, keepdims), shape)
    count = np.broadcast_to(where, shape).sum(axis, keepdims=True)
    return np.where(where, broadcast(expand(g, shape, axis, keepdims) / count, shape), 0)


linear(
    np.sum,
    signature=f"{_AXES}, initial=0, where=True",
    constants=["where"],
    selects="where",
    a=_sum_vjp,
    jvps={  # without `initial`, which is a constant of the sum
        "a": lambda t, axis, keepdims, where: np.sum(t, axis, keepdims=keepdims, where=where)
    },
    cases=[
        *_CASES,
        *_MASKS,
        {"a": (0, 2), "axis": 0},
        {"a": (2, 3), "axis": 1, "keepdims": True, "initial": 2.0},
    ],
)


_FLOAT64 = np.dtype(float)


def _mean(a):
    """np.mean of all entries, bit for bit, in half the time: NumPy's own is written in Python."""
    if (a.dtype is not _FLOAT64 and a.dtype.char not in "fFD") or not a.size:
        return np.mean(a)
    total = np.add.reduce(a, None)
    mean = total / a.size
    return mean if mean.dtype is total.dtype else total.dtype.type(mean)


linear(
    np.mean,
    compute=_mean,
    signature=f"{_AXES}, where=True",
    constants=["where"],
    selects="where",
    a=_mean_vjp,
    cases=[*_CASES, *_MASKS, {"a": (2, 0), "axis": 0}],
)


def _take_extreme(a, out, axis, keepdims, where):
    """Where `a` has the extreme value, ties sharing it evenly."""
    taken = a == expand(out, a.shape, axis, keepdims)
    if where is not True:
        taken = taken & where
    return taken / np.maximum(taken.sum(axis, keepdims=True), 1)


for _extreme in (np.max, np.min):
    selection(
        _extreme,
        signature="a, axis=None, out=None, keepdims=False, initial=None, where=True",
        constants=["where"],
        a=_take_extreme,
        reduces=True,
        shares=True,
        domain="distinct",
        complex=False,
        cases=[*_CASES, *({**mask, "initial": 0.1} for mask in _MASKS)],
    )


def _others(a):
    """For each entry the product of all others along the last axis, in log2(n) steps.

    No division, so entries may be zero, and derivatives of all orders are right there.
    """
    n = a.shape[-1]
    if n < 2:
        return np.ones_like(a)
    half = n // 2
    left, right, rest = a[..., :half], a[..., half : 2 * half], a[..., 2 * half :]
    above = _others(np.concatenate([left * right, rest], -1))
    pairs = above[..., :half]
    return np.concatenate([pairs * right, pairs * left, above[..., half:]], -1)


def _prod_vjp(g, a, axis, keepdims, initial, where):
    shape = a.shape
    reduced = normalize_axes(axis, len(shape))
    order = tuple(i for i in range(len(shape)) if i not in reduced) + reduced
    if where is not True:
        a = np.where(where, a, 1)
    moved = a.transpose(order)
    free = moved.shape[: len(shape) - len(reduced)]
    rows = moved.reshape((*free, math.prod(shape[i] for i in reduced)))
    others = _others(rows).reshape(moved.shape).transpose(np.argsort(order))
    result = expand(g, shape, axis, keepdims) * (others * initial).conj()
    return result if where is True else result * where


rule(
    np.prod,
    reduces=True,
    signature=f"{_AXES}, initial=1, where=True",
    constants=["where"],
    a=_prod_vjp,
    cases=[
        *_CASES,
        *_MASKS,
        {"a": (5,)},
        {"a": (0,)},
        {"a": (2, 3, 4), "axis": 0},
        {"a": (3,), "initial": 2.0},
    ],
)


@composite(np.var, inputs=("a",), cases=[*_CASES, *_MASKS, {"a": (4,), "ddof": 1}])
def var(a, axis=None, dtype=None, *, ddof=0, keepdims=False, where=True, mean=None, correction=0):
    """The mean squared distance from the mean."""
    if mean is None:
        mean = np.mean(a, axis, dtype, keepdims=True, where=where)
    deviation = a - mean
    squares = np.square(deviation) if a.dtype.kind != "c" else (deviation * deviation.conj()).real
    total = np.sum(squares, axis, dtype, keepdims=keepdims, where=where)
    count = np.sum(np.broadcast_to(where, a.shape), axis, keepdims=keepdims)
    # in the type of the sum, which an int64 count would widen
    return total / np.maximum(count - (ddof or correction), 0).astype(total.dtype)


def _root(x):
    return np.sqrt(x)


# At 0, where all entries are equal, the derivative is 0, which makes it that of `std`.
root = elementwise(_root, lambda out: over(0.5, out), name="root", domain="positive")


@composite(
    np.std,
    inputs=("a",),
    domain="distinct",
    cases=[
        {"a": (3,)},
        {"a": (2, 3), "axis": 1},
        {"a": (2, 3, 2), "axis": (0, -1), "keepdims": True},
        {"a": (4,), "ddof": 1},
        {"a": (4,), "correction": 1},
        {"a": (4,), "mean": [0.1]},
        {"a": (2, 3), "axis": 1, "where": [[True, False, True], [True, True, True]]},
    ],
)
def std(a, axis=None, dtype=None, *, ddof=0, keepdims=False, where=True, mean=None, correction=0):
    """The square root of the variance."""
    return root(
        var(
            a,
            axis,
            dtype,
            ddof=ddof,
            keepdims=keepdims,
            where=where,
            mean=mean,
            correction=correction,
        )
    )
