"""Indexing: reading entries, and writing them into a copy."""

import operator

import numpy as np

from autotensor.engine.primitive import linear
from autotensor.engine.reverse import Deferred
from autotensor.engine.shapes import unbroadcast


class Scatter(Deferred):
    """The cotangent of ``x[index]``: what to add where, for any number of readings of one `x`.

    It stands for a full array of zeros per reading, so that n readings cost O(n).
    """

    __slots__ = ("indices", "shape", "values")

    def __init__(self, index, value, shape):
        self.indices = [index]
        self.values = [value]
        self.shape = shape

    def add(self, other):
        self.indices += other.indices
        self.values += other.values

    def dense(self):
        return scatter(self.values, tuple(self.indices), self.shape)


def _scatter(values, indices, shape):
    out = np.zeros(shape, np.result_type(*values))
    for index, value in zip(indices, values, strict=True):
        if _is_basic(index):
            out[index] += value
        else:
            np.add.at(out, index, value)
    return out


def _is_basic(index):
    """Whether `index` names no entry twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(p is None or p is ... or isinstance(p, (int, np.integer, slice)) for p in parts)


scatter = linear(
    _scatter,
    signature="[values], indices, shape",
    name="scatter",
    values=lambda g, i, indices: g[indices[i]],
    jointly=True,
    cases=[{"values": [(3,), (2,)], "indices": [1, (0, [0, 0])], "shape": (2, 3)}],
)

linear(
    operator.getitem,
    signature="a, index, /",
    a=lambda g, index, shape: Scatter(index, g, shape),
    cases=[
        {"a": (3, 4), "index": 1},
        {"a": (3, 4), "index": (slice(None, None, -2), None, ...)},
        {"a": (3, 4), "index": ([0, 2, 2], slice(1, 3))},
        {"a": (3, 4), "index": ([[0], [2]], [1, 1])},
        {"a": (2, 2), "index": ([[True, False], [True, True]],)},
        {"a": (3,), "index": ()},
    ],
)


def _with_entries(a, index, value):
    out = np.array(a)
    out[index] = value
    return out[()]


def _cleared(g, index):
    """`g` with the entries that were written over set to zero."""
    return with_entries(g, index, 0.0)


def _written(g, index, shape):
    """What `g` gives to the value of the given shape that was written at `index`."""
    taken = g[index] * _survives(index, g.shape)
    extra = max(len(shape) - taken.ndim, 0)  # leading axes of size 1 that the write ignored
    return unbroadcast(taken, shape[extra:]).reshape(shape)


def _survives(index, shape):
    """1 for the writes that last, 0 for those to an entry that a later one of them hit again."""
    if _is_basic(index):
        return 1
    last = np.zeros(shape, int)
    order = np.arange(last[index].size).reshape(last[index].shape)
    last[index] = order
    return last[index] == order


with_entries = linear(
    _with_entries,
    signature="a, index, value",
    name="with_entries",
    a=_cleared,
    value=_written,
    jointly=True,
    cases=[
        {"a": (3, 4), "index": 1, "value": (4,)},
        {"a": (3, 4), "index": (slice(None), 2), "value": ()},
        {"a": (3, 4), "index": ([0, 2],), "value": (1, 4)},
        {"a": (3, 4), "index": ([0, 2, 0],), "value": (3, 4)},
        {"a": (3, 4), "index": 0, "value": (1, 4)},
        {"a": (2, 3, 2), "index": slice(None), "value": (3, 2)},
    ],
)
