"""Indexing: reading entries, and writing them into a copy."""

import operator

import numpy as np

from autotensor.engine.deferred import Deferred
from autotensor.engine.memory import Window, is_basic
from autotensor.engine.primitive import linear
from autotensor.engine.shapes import unbroadcast


class Scatter(Deferred):
    """The cotangent of ``x[index]``: what to add where, for any number of readings of one `x`.

    It stands for a full array of zeros per reading, so that n readings cost O(n).
    """

    __slots__ = ("indices", "lives", "values")

    def __init__(self, index, value, shape):
        self.indices = [index]
        self.values = [value]
        self.shape = shape

    def own(self, live, mine):
        self.lives = [live]

    def absorb(self, other):
        if type(other) is not Scatter:
            return False
        self.indices += other.indices
        self.values += other.values
        self.lives += other.lives
        return True

    def add_to(self, total, mine):
        if not mine or type(total) is not np.ndarray or not _fit(self.indices, total):
            dense = scatter(self.values, tuple(self.indices), self.shape)
            return dense if total is None else total + dense
        for index, value in zip(self.indices, self.values, strict=True):
            _add_at(total, index, value)
        return total

    def mark(self, live, mine):
        if live is None:
            live = _zeros(self.indices, self.shape, np.dtype(bool))
        elif not _fit(self.indices, live):
            return live | self.mark(None, False)
        elif not mine or type(live) is not np.ndarray:
            live = np.array(live)
        for index, part in zip(self.indices, self.lives, strict=True):
            _add_at(live, index, True if part is None else part)  # for booleans this is "or"
        return live


class Cleared(Deferred):
    """The cotangent of an array some entries of which were written over: `g`, there set to zero.

    A `g` that belongs to the backward pass alone is cleared in place, so that n writes cost O(n).
    """

    __slots__ = ("g", "index", "live", "mine")

    def __init__(self, g, index):
        self.g = g
        self.index = index
        self.shape = g.shape

    def own(self, live, mine):
        self.live = live
        self.mine = mine and type(self.g) is np.ndarray

    def add_to(self, total, mine):
        if self.mine and _fit([self.index], self.g):
            g = self.g
            _set_at(g, self.index, 0)
        else:
            g = with_entries(self.g, self.index, 0.0)
        return g if total is None else g + total

    def mark(self, live, mine):
        left = np.ones(self.shape, bool) if self.live is None else self.live
        if type(self.index) is Window and self.index.dtype != self.index.whole[2]:
            # The other part of these complex numbers lives on.
            return left.copy() if live is None else left | live
        if not self.mine or type(left) is not np.ndarray or not _fit([self.index], left):
            left = _copied(left, self.index)
        _set_at(left, self.index, False)
        return left if live is None else left | live


def _fit(indices, array):
    """Whether every window among `indices` was cut in an array laid out like this one."""
    return all(type(index) is not Window or index.fits(array) for index in indices)


def _zeros(indices, shape, dtype):
    for index in indices:
        if type(index) is Window:
            if index.dtype != index.whole[2] and dtype.kind != "b":
                dtype = np.result_type(dtype, np.complex64)  # a part of complex memory
            return index.blank(dtype)
    return np.zeros(shape, dtype)


def _copied(a, index):
    """A copy of `a` to write to at `index`."""
    return index.laid_out(a) if type(index) is Window else np.array(a)


def _set_at(out, index, value):
    if type(index) is Window:
        index.see(out)[...] = value
    else:
        out[index] = value


def _add_at(out, index, value):
    if type(index) is Window:
        seen = index.see(out)
        if index.may_overlap():
            np.add.at(seen, tuple(np.indices(seen.shape)), value)
        else:
            seen += value
    elif is_basic(index):
        out[index] += value
    else:
        np.add.at(out, index, value)


def _scatter(values, indices, shape):
    out = _zeros(indices, shape, np.result_type(*values))
    for index, value in zip(indices, values, strict=True):
        _add_at(out, index, value)
    return out


def _take(a, index):
    return viewed(a, index) if type(index) is Window else a[index]


scatter = linear(
    _scatter,
    signature="[values], indices, shape",
    name="scatter",
    values=lambda g, i, indices: _take(g, indices[i]),
    jointly=True,
    cases=[{"values": [(3,), (2,)], "indices": [1, (0, [0, 0])], "shape": (2, 3)}],
)

linear(
    operator.getitem,
    signature="a, index, /",
    a=lambda g, index, shape: Scatter(index, g, shape),
    selects=True,
    cases=[
        {"a": (3, 4), "index": 1},
        {"a": (3, 4), "index": (slice(None, None, -2), None, ...)},
        {"a": (3, 4), "index": ([0, 2, 2], slice(1, 3))},
        {"a": (3, 4), "index": ([[0], [2]], [1, 1])},
        {"a": (2, 2), "index": ([[True, False], [True, True]],)},
        {"a": (3,), "index": ()},
    ],
)


def _viewed(a, window):
    return window.see(a if window.fits(a) else window.laid_out(a)).copy()


_sample = np.empty((3, 4))

viewed = linear(
    _viewed,
    signature="a, window",
    name="view",
    selects=True,
    a=lambda g, window, shape: Scatter(window, g, shape),
    cases=[
        {"a": (3, 4), "window": Window(_sample.T[1:, ::-2], _sample)},
        {"a": (3, 4), "window": Window(_sample[1, ...], _sample)},
        {"a": (3, 4), "window": Window(_sample[1, 1, ...], _sample)},
    ],
)


def _with_entries(a, index, value):
    out = _copied(a, index)
    _set_at(out, index, value)
    return out[()]


def _written(g, index, shape):
    """What `g` gives to the value of the given shape that was written at `index`."""
    taken = _take(g, index)
    if type(index) is not Window:
        # A copy, also because `g` may be cleared in place.
        taken = taken * _survives(index, g.shape)
    extra = max(len(shape) - taken.ndim, 0)  # leading axes of size 1 that the write ignored
    return unbroadcast(taken, shape[extra:]).reshape(shape)


def _survives(index, shape):
    """1 for the writes that last, 0 for those to an entry that a later one of them hit again."""
    parts = index if isinstance(index, tuple) else (index,)
    if is_basic(tuple(p for p in parts if getattr(p, "dtype", None) != np.dtype(bool))):
        return 1
    last = np.zeros(shape, int)
    order = np.arange(last[index].size).reshape(last[index].shape)
    last[index] = order
    return last[index] == order


with_entries = linear(
    _with_entries,
    signature="a, index, value",
    name="with_entries",
    selects=True,
    a=lambda g, index: Cleared(g, index),
    value=_written,
    jointly=True,
    cases=[
        {"a": (3, 4), "index": 1, "value": (4,)},
        {"a": (3, 4), "index": (slice(None), 2), "value": ()},
        {"a": (3, 4), "index": ([0, 2],), "value": (1, 4)},
        {"a": (3, 4), "index": ([0, 2, 0],), "value": (3, 4)},
        {"a": (3, 4), "index": 0, "value": (1, 4)},
        {"a": (2, 3, 2), "index": slice(None), "value": (3, 2)},
        {"a": (3, 4), "index": Window(_sample.T[1:, ::-2], _sample), "value": (3, 1)},
    ],
)


def _added_at(a, index, value):
    out = np.array(a)
    np.add.at(out, index, value)
    return out


# np.add.at, which adds up where an entry is hit more than once.
added_at = linear(
    _added_at,
    signature="a, index, value",
    name="add_at",
    a=lambda g: g,
    value=lambda g, index, shape: unbroadcast(g[index], shape),
    jointly=True,
    cases=[
        {"a": (3, 4), "index": 1, "value": (4,)},
        {"a": (3, 4), "index": ([0, 2, 0],), "value": (3, 1)},
        {"a": (3, 4), "index": ([0, 2, 0], [1, 1, 1]), "value": ()},
        {"a": (3,), "index": [0, 0, 2], "value": (3,)},
    ],
)
