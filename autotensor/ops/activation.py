"""The functions of `autotensor.nn` that are not NumPy's: ops like all others."""

import numpy as np

from autotensor.engine.primitive import elementwise, rule, selection
from autotensor.engine.shapes import expand

_AXIS_CASES = [
    {"x": (3,)},
    {"x": (2, 3), "axis": 0},
    {"x": (2, 3), "axis": -1},
    {"x": (2, 3, 2), "axis": 1},
    {"x": (2, 3, 2), "axis": -2},
]


def dot_along(a, b, axis=-1):
    """The sum of a * b along `axis`, which is kept; along the last one without the product."""
    if axis in (-1, a.ndim - 1):
        total = np.einsum("...i,...i->...", a, b)
        return total[..., None]
    return (a * b).sum(axis, keepdims=True)


def by_softmax(t, out, axis):
    """`t` by the Jacobian of a softmax, `out`; it is symmetric."""
    result = t - dot_along(t, out, axis)
    result *= out
    return result


def _relu(x):
    return np.maximum(x, 0)


def _sigmoid(x):
    # 1 / (1 + exp(-x)) without its overflow; exact also where the result is tiny.
    return np.exp(-np.logaddexp(0, -x))


def _softmax(x, axis=-1):
    shifted = x - x.max(axis, keepdims=True)
    e = np.exp(shifted, out=shifted if shifted.dtype.kind == "f" else None)  # integers are no room
    e /= e.sum(axis, keepdims=True)
    return e


def _log_softmax(x, axis=-1):
    shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def _logsumexp(x, axis=None, keepdims=False):
    top = x.max(axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        out = np.log(np.exp(x - top).sum(axis, keepdims=True)) + top
    return out if keepdims else out.reshape(x.sum(axis).shape)


relu = selection(_relu, lambda x: x > 0.0, name="relu", complex=False)
sigmoid = elementwise(_sigmoid, lambda out: out * (1 - out), name="sigmoid", complex=False)


softmax = rule(
    _softmax,
    signature="x, axis=-1",
    name="softmax",
    x=lambda g, out, axis: by_softmax(g, out, axis),
    jvps={"x": lambda t, out, axis: by_softmax(t, out, axis)},
    complex=False,
    cases=_AXIS_CASES,
)
log_softmax = rule(
    _log_softmax,
    signature="x, axis=-1",
    name="log_softmax",
    x=lambda g, out, axis: g - np.exp(out) * g.sum(axis, keepdims=True),
    jvps={"x": lambda t, out, axis: t - dot_along(t, np.exp(out), axis)},
    complex=False,
    cases=_AXIS_CASES,
)


def _logsumexp_vjp(g, x, out, axis, keepdims):
    # Entries that are all -inf count 0, as each does beside a finite one.
    out = np.where(out == -np.inf, 0, out)
    return expand(g, x.shape, axis, keepdims) * np.exp(x - expand(out, x.shape, axis, keepdims))


logsumexp = rule(
    _logsumexp,
    signature="x, axis=None, keepdims=False",
    name="logsumexp",
    reduces=True,
    x=_logsumexp_vjp,
    complex=False,
    cases=[
        {"x": (3,)},
        {"x": (2, 3), "axis": 0, "keepdims": True},
        {"x": (2, 3, 2), "axis": (0, -1)},
    ],
)
