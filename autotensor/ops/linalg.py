"""Products of matrices and of arrays, and norms."""

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from autotensor import errors
from autotensor.engine.primitive import composite, linear, rule
from autotensor.engine.shapes import expand
from autotensor.ops.elementwise import direction, over


def _matmul_x(g, y, shape):
    """The cotangent of x in x @ y; a vector counts as a row on the left, a column on the right."""
    y = y.conj()
    if y.ndim == 1:
        return g[..., None] * y
    if len(shape) == 1:
        return (g[..., None, :] * y).sum(-1)
    if y.ndim == 2 < g.ndim:  # one product of many rows, not many small ones
        return (_rows(g) @ y.T).reshape((*g.shape[:-1], y.shape[0]))
    return g @ y.mT


def _rows(a):
    """`a` as one matrix, its leading axes made one."""
    return a.reshape((math.prod(a.shape[:-1]), a.shape[-1]))


def _matmul_y(g, x, shape):
    x = x.conj()
    if x.ndim == 1:
        if len(shape) == 1:
            return g * x
        return x[:, None] * g[..., None, :]
    if len(shape) == 1:
        return x * g[..., None]
    if len(shape) == 2 < g.ndim == x.ndim:  # sums over the stack too
        return _rows(x).T @ _rows(g)
    return x.mT @ g


linear(
    np.matmul,
    _matmul_x,
    _matmul_y,
    cases=[
        {"x": (2, 3), "y": (3, 4)},
        {"x": (3,), "y": (3,)},
        {"x": (3,), "y": (3, 2)},
        {"x": (2, 3), "y": (3,)},
        {"x": (5, 2, 3), "y": (3, 2)},
        {"x": (5, 1, 2, 3), "y": (4, 3, 2)},
        {"x": (5, 2, 3), "y": (3,)},
        {"x": (3,), "y": (4, 3, 2)},
        {"x": (2, 0), "y": (0, 3)},
    ],
)


@composite(
    np.tensordot,
    inputs=("a", "b"),
    cases=[
        {"a": (2, 3), "b": (3, 2), "axes": 1},
        {"a": (2, 3, 4), "b": (4, 3, 2), "axes": ((2, 1), (0, 1))},
        {"a": (2,), "b": (3,), "axes": 0},
        {"a": (2, 2, 3), "b": (2, 3, 2)},
    ],
)
def tensordot(a, b, axes=2):
    """The sum of products over the paired `axes`, as one matrix product."""
    a, b = (x if hasattr(x, "ndim") else np.asarray(x) for x in (a, b))
    if isinstance(axes, (int, np.integer)):
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    of_a, of_b = (normalize_axis_tuple(x, y.ndim) for x, y in zip(axes, (a, b), strict=True))
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ValueError(f"tensordot: axes {axes} of shapes {a.shape} and {b.shape} do not match")
    free_a = tuple(i for i in range(a.ndim) if i not in of_a)
    free_b = tuple(i for i in range(b.ndim) if i not in of_b)
    size = math.prod(a.shape[i] for i in of_a)
    rows = a.transpose(free_a + of_a).reshape((math.prod(a.shape[i] for i in free_a), size))
    columns = b.transpose(of_b + free_b).reshape((size, math.prod(b.shape[i] for i in free_b)))
    shape = [a.shape[i] for i in free_a] + [b.shape[i] for i in free_b]
    return (rows @ columns).reshape(shape)


def _inner_a(g, b, shape):
    """The cotangent of a in ``np.inner(a, b)``, which sums over the last axis of both."""
    b = b.conj()
    if not shape:
        return (g * b).sum()
    if not b.ndim:
        return g * b
    return g @ b if b.ndim == 2 else np.tensordot(g, b, b.ndim - 1)


def _inner_b(g, a, shape):
    a = a.conj()
    if a.ndim == 2 and len(shape) == 2:
        return g.T.dot(a)
    if not shape:
        return (g * a).sum()
    if not a.ndim:
        return g * a
    axes = range(a.ndim - 1)
    return np.tensordot(g, a, (axes, axes))


def _inner(a, b):
    """np.inner, for the usual two matrices without NumPy's dispatch."""
    return a.dot(b.T) if a.ndim == b.ndim == 2 else np.inner(a, b)


linear(
    np.inner,
    _inner_a,
    _inner_b,
    compute=_inner,
    signature="a, b, /",
    cases=[
        {"a": (2, 3), "b": (4, 3)},
        {"a": (3,), "b": (3,)},
        {"a": (3,), "b": (2, 3)},
        {"a": (2, 3), "b": (3,)},
        {"a": (2, 4, 3), "b": (2, 3)},
        {"a": (2, 3), "b": (4, 2, 3)},
        {"a": (2, 2, 3), "b": (4, 2, 3)},
        {"a": (), "b": (2, 3)},
        {"a": (2, 3), "b": ()},
    ],
)


@composite(
    np.dot,
    inputs=("a", "b"),
    cases=[
        {"a": (3,), "b": (3,)},
        {"a": (2, 3), "b": (3, 2)},
        {"a": (), "b": (3, 2)},
        {"a": (2, 2, 3), "b": (3,)},
        {"a": (2, 2, 3), "b": (4, 3, 2)},
    ],
)
def dot(a, b):
    """The product over the last axis of `a` and the second to last of `b`."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) <= 2:
        return np.matmul(a, b)
    return tensordot(a, b, ((-1,), (-2,)))


@composite(
    np.outer,
    inputs=("a", "b"),
    cases=[{"a": (2,), "b": (3,)}, {"a": (2, 2), "b": ()}, {"a": (), "b": (2, 2)}],
)
def outer(a, b):
    """All products of an entry of `a` with an entry of `b`."""
    return np.multiply(np.ravel(a)[:, None], np.ravel(b))


def _norm_vjp(g, x, out, ord, axis, keepdims):
    g, out = (expand(a, x.shape, axis, keepdims) for a in (g, out))
    if ord is None or ord == "fro":
        return g * over(x, out)
    if (x.ndim if axis is None else np.size(axis)) == 2:
        raise errors.no_matrix_norm(ord)
    if ord == 2:
        return g * over(x, out)
    size = np.abs(x)
    u = g * direction(x, size)
    if ord == 0:
        return 0 * u
    if abs(ord) == np.inf:  # entries of the same size share it evenly, as in `max`
        taken = size == out
        return u * (taken / taken.sum(axis, keepdims=True))
    return u * ((size + (size == 0)) / (out + (out == 0))) ** (ord - 1)


rule(
    np.linalg.norm,
    signature="x, ord=None, axis=None, keepdims=False",
    reduces=True,
    domain="apart",
    x=_norm_vjp,
    cases=[
        {"x": (3,)},
        {"x": (2, 3)},
        {"x": (2, 3, 2), "axis": None, "keepdims": True},
        {"x": (2, 3), "axis": (0, 1), "ord": "fro"},
        {"x": (2, 3, 2), "axis": (2, 0), "keepdims": True},
        {"x": (2, 3), "axis": 1, "ord": 2},
        {"x": (2, 3), "axis": -2, "ord": 1, "keepdims": True},
        {"x": (2, 3, 2), "axis": 2, "ord": 1},
        {"x": (3,), "ord": np.inf},
        {"x": (2, 3), "axis": (1,), "ord": -np.inf},
        {"x": (3,), "ord": 0},
        {"x": (3,), "ord": 3},
        {"x": (2, 3), "axis": 0, "ord": 2.5},
        {"x": (3,), "ord": -1.5},
    ],
)
