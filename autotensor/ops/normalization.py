"""What layer normalization is made of."""

import numpy as np

from autotensor.engine.primitive import rule
from autotensor.ops.activation import dot_along


def _mean(x):
    """The mean along the last axis, which is kept."""
    return np.einsum("...i->...", x)[..., None] / max(x.shape[-1], 1)


def _mean_product(a, b):
    return dot_along(a, b) / max(a.shape[-1], 1)


def _centred(x, eps):
    """`x` minus its mean along the last axis, and 1 / sqrt(variance + eps)."""
    if x.dtype.itemsize == 2:  # squares of float16 soon overflow
        x = x.astype(np.float32)
    centred = x - _mean(x)
    return centred, 1 / np.sqrt(_mean_product(centred, centred) + eps)


def _standardize(x, eps=1e-5):
    centred, scale = _centred(x, eps)
    centred *= scale
    return centred.astype(x.dtype) if x.dtype.itemsize == 2 else centred


def _standardize_vjp(g, x, out, eps):
    # The factor is computed again from x: to keep it would take a second result.
    _, scale = _centred(x, eps)
    result = g - _mean(g)
    result -= out * _mean_product(g, out)
    return result * scale


standardize = rule(
    _standardize,
    signature="x, eps=1e-5",
    name="standardize",
    x=_standardize_vjp,
    complex=False,
    cases=[{"x": (3,)}, {"x": (2, 3)}, {"x": (2, 0)}, {"x": (2, 2, 4), "eps": 0.5}],
)
