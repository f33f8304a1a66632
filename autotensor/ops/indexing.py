"""Indexing: reading entries, and writing them into a copy."""

import math
import operator

import numpy as np

from autotensor.engine.deferred import Cleared, Scatter
from autotensor.engine.entries import add_at, copied_for, names_each_once, put_at, zeros_for
from autotensor.engine.memory import Window
from autotensor.engine.primitive import Op, linear
from autotensor.engine.shapes import unbroadcast


def _read(a, index):
    # Rows taken by `take` are the same, in a quarter of the time where they are short.
    rows = type(index) is type(a) is np.ndarray and index.dtype.kind == "i" and index.ndim
    return a.take(index, 0) if rows and a.ndim > 1 and a.flags.c_contiguous else a[index]


def _scatter(values, indices, shape):
    out = zeros_for(indices, shape, np.result_type(*values))
    for index, value in zip(indices, values, strict=True):
        add_at(out, index, value)
    return out


def _take(a, index):
    # As an op, since of arrays and indices either may be Tensors.
    return viewed(a, index) if type(index) is Window else _entries(a, index)


scatter = linear(
    _scatter,
    signature="[values], indices, shape",
    name="scatter",
    values=lambda g, i, indices: _take(g, indices[i]),
    jointly=True,
    cases=[{"values": [(3,), (2,)], "indices": [1, (0, [0, 0])], "shape": (2, 3)}],
    source="""def scatter(values, indices, shape):
    out = np.zeros(shape, np.result_type(*values))
    for index, value in zip(indices, values):
        np.add.at(out, index, value)
    return out
""",
)

_entries = linear(
    operator.getitem,
    signature="a, index, /",
    a=lambda g, index, shape: Scatter(scatter, index, g, shape),
    compute=_read,
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
    a=lambda g, window, shape: Scatter(scatter, window, g, shape),
    source="def view(a, window):\n    return a[window].copy()",
    cases=[
        {"a": (3, 4), "window": Window(_sample.T[1:, ::-2], _sample)},
        {"a": (3, 4), "window": Window(_sample[1, ...], _sample)},
        {"a": (3, 4), "window": Window(_sample[1, 1, ...], _sample)},
    ],
)


def _with_entries(a, index, value):
    out = copied_for(index, a)
    put_at(out, index, value)
    return out[()]


def _written(g, index, shape):
    """What `g` gives to the value of the given shape that was written at `index`."""
    taken = _take(g, index)
    if type(index) is not Window:
        # A copy, also because `g` may be cleared in place.
        taken = taken * _survives(index, g.shape)
    extra = max(len(shape) - taken.ndim, 0)  # leading axes of size 1 that the write ignored
    taken = unbroadcast(taken, shape[extra:])
    return taken if taken.shape == shape else taken.reshape(shape)


def _survives(index, shape):
    """1 for the writes that last, 0 for those to an entry that a later one of them hit again."""
    if names_each_once(index):
        return 1
    last = np.zeros(shape, int)
    hit = _take(last, index).shape
    order = np.arange(math.prod(hit)).reshape(hit)
    return _take(with_entries(last, index, order), index) == order


with_entries: Op = linear(
    _with_entries,
    signature="a, index, value",
    name="with_entries",
    selects=True,
    a=lambda g, index: Cleared(with_entries, g, index),
    value=_written,
    jointly=True,
    source="""def with_entries(a, index, value):
    out = np.array(a)
    out[index] = value
    return out[()]
""",
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
    source="""def add_at(a, index, value):
    out = np.array(a)
    np.add.at(out, index, value)
    return out
""",
    cases=[
        {"a": (3, 4), "index": 1, "value": (4,)},
        {"a": (3, 4), "index": ([0, 2, 0],), "value": (3, 1)},
        {"a": (3, 4), "index": ([0, 2, 0], [1, 1, 1]), "value": ()},
        {"a": (3,), "index": [0, 0, 2], "value": (3,)},
    ],
)
