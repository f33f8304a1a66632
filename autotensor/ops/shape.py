"""Ops that move entries without changing them: reshaping, reordering, joining, converting."""

import operator

import numpy as np

from autotensor.engine.primitive import linear, same
from autotensor.engine.shapes import normalize_axes, unbroadcast


def _stated(order):
    """`order`, unless it means the layout in memory: the layouts of x and of g may differ."""
    if order not in ("C", "F"):
        raise ValueError(f"order={order!r} depends on the layout in memory: use 'C' or 'F'")
    return order


linear(
    np.reshape,
    views=True,
    signature="a, shape, order='C', copy=None",
    a=lambda g, shape, order: g.reshape(shape, order=_stated(order)),
    jvps={"a": lambda t, arg_shape, order: t.reshape(arg_shape, order=_stated(order))},
    cases=[
        {"a": (2, 3), "shape": (3, -1)},
        {"a": (2, 3), "shape": 6, "order": "F"},
        {"a": (1,), "shape": ()},
        {"a": (0, 2), "shape": (2, 0)},
    ],
)
linear(
    np.ravel,
    signature="a, order='C'",
    a=lambda g, shape, order: g.reshape(shape, order=_stated(order)),
    jvps={"a": lambda t, order: t.ravel(order=_stated(order))},
    cases=[{"a": (2, 3)}, {"a": (2, 3), "order": "F"}, {"a": ()}],
)


def _transpose_back(g, axes):
    if axes is None:
        return g.transpose()
    return g.transpose(np.argsort(normalize_axes(axes, g.ndim)))


linear(
    np.transpose,
    views=True,
    signature="a, axes=None",
    a=_transpose_back,
    cases=[
        {"a": (2, 3)},
        {"a": (2, 3, 4), "axes": (2, 0, 1)},
        {"a": (2, 1, 3), "axes": (-1, 0, -2)},
    ],
)
linear(
    np.matrix_transpose,
    signature="x, /",
    x=lambda g: g.mT,
    cases=[{"x": (2, 3)}, {"x": (4, 2, 3)}],
)
linear(
    np.swapaxes,
    signature="a, axis1, axis2",
    a=lambda g, axis1, axis2: g.swapaxes(axis1, axis2),
    cases=[{"a": (2, 3, 4), "axis1": 0, "axis2": -1}],
)
linear(
    np.moveaxis,
    signature="a, source, destination",
    a=lambda g, source, destination: np.moveaxis(g, destination, source),
    cases=[
        {"a": (2, 3, 4), "source": 0, "destination": -1},
        {"a": (2, 3, 4), "source": (0, 2), "destination": (1, 0)},
    ],
)
linear(
    np.squeeze,
    views=True,
    signature="a, axis=None",
    a=lambda g, shape: g.reshape(shape),
    cases=[{"a": (1, 3, 1)}, {"a": (1, 3, 1), "axis": -1}, {"a": (1, 1)}],
)
linear(
    np.expand_dims,
    signature="a, axis",
    a=lambda g, shape: g.reshape(shape),
    cases=[{"a": (2, 3), "axis": 1}, {"a": (2,), "axis": (0, -1)}, {"a": (), "axis": 0}],
)
linear(
    np.broadcast_to,
    signature="array, shape, subok=False",
    array=unbroadcast,
    cases=[
        {"array": (3,), "shape": (2, 3)},
        {"array": (2, 1), "shape": (4, 2, 3)},
        {"array": (), "shape": (2,)},
    ],
)
linear(
    np.copy,
    signature="a, order='K', subok=False",
    a=same,
    cases=[{"a": (2, 3)}],
)
linear(
    np.astype,
    signature="x, dtype, /, copy=True, device=None",
    x=same,
    cases=[{"x": (2, 3), "dtype": "complex128"}, {"x": (3,), "dtype": "clongdouble"}],
)
linear(np.real, same, signature="val", cases=[{"val": (3,)}])
linear(np.imag, lambda g: 1j * g, singular=True, signature="val", cases=[{"val": (3,)}])


def _part(g, i, shapes, axis):
    """The part of `g` that is the `i`-th of the arrays joined along `axis`."""
    if axis is None:
        sizes = [int(np.prod(s)) for s in shapes]
        start = sum(sizes[:i])
        return g[start : start + sizes[i]].reshape(shapes[i])
    axis = axis % g.ndim
    start = sum(s[axis] for s in shapes[:i])
    return g[(slice(None),) * axis + (slice(start, start + shapes[i][axis]),)]


linear(
    np.concatenate,
    signature="[arrays], axis=0, out=None, dtype=None, casting=None",
    arrays=_part,
    jointly=True,
    cases=[
        {"arrays": [(2, 3), (1, 3)]},
        {"arrays": [(2, 1), (2, 3), (2, 0)], "axis": -1},
        {"arrays": [(2, 2), (3,), ()], "axis": None},
    ],
)


def _layer(g, i, axis):
    """The entries of `g` at place `i` of `axis`."""
    axis, whole = operator.index(axis), slice(None)
    return g[(whole,) * axis + (i,)] if axis >= 0 else g[(..., i) + (whole,) * (-axis - 1)]


linear(
    np.stack,
    signature="[arrays], axis=0, out=None, dtype=None, casting=None",
    arrays=_layer,
    jointly=True,
    cases=[
        {"arrays": [(2, 3), (2, 3)]},
        {"arrays": [(3, 4), (3, 4)], "axis": -1},
        {"arrays": [(2, 3), (2, 3)], "axis": -2},
        {"arrays": [(2, 3), (2, 3)], "axis": 1},
        {"arrays": [(), ()]},
    ],
)
