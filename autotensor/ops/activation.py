"""The functions of `autotensor.nn` that are not NumPy's: ops like all others."""

import numpy as np

from autotensor.engine.primitive import elementwise, rule, selection
from autotensor.engine.shapes import expand

_AXIS_CASES = [{"x": (3,)}, {"x": (2, 3), "axis": 0}, {"x": (2, 3), "axis": -1}]


def _relu(x):
    return np.maximum(x, 0)


def _sigmoid(x):
    # 1 / (1 + exp(-x)) without its overflow; exact also where the result is tiny.
    return np.exp(-np.logaddexp(0, -x))


def _softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


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
    x=lambda g, out, axis: out * (g - (g * out).sum(axis, keepdims=True)),
    jvps={"x": lambda t, out, axis: out * (t - (t * out).sum(axis, keepdims=True))},
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
