"""What layer normalization is made of."""

import numpy as np

from autotensor.engine.primitive import rule
from autotensor.ops.activation import dot_along


def _mean(x):
    """The mean along the last axis, which is kept."""
    total = np.einsum("...i->...", x)
    return total[..., None] / max(x.shape[-1], 1)


def _mean_product(a, b):
    return dot_along(a, b) / max(a.shape[-1], 1)


def _wide(x):
    """`x`; float16, whose squares soon overflow, as float32."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


def _centred(x, eps):
    """`x` minus its mean along the last axis, and 1 / sqrt(variance + eps)."""
    centred = x - _mean(x)
    return centred, 1 / np.sqrt(_mean_product(centred, centred) + eps)


def _standardize(x, eps=1e-5):
    out, scale = _centred(_wide(x), eps)
    out *= scale
    return out.astype(x.dtype) if x.dtype.itemsize == 2 else out


def _standardize_vjp(g, x, out, eps):
    # The factor is computed again from x: to keep it would take a second result.
    g, out = _wide(g), _wide(out)
    _, scale = _centred(_wide(x), eps)
    result = g - _mean(g)
    result -= out * _mean_product(g, out)
    result *= scale
    return result


standardize = rule(
    _standardize,
    signature="x, eps=1e-5",
    name="standardize",
    x=_standardize_vjp,
    complex=False,
    cases=[{"x": (3,)}, {"x": (2, 3)}, {"x": (2, 0)}, {"x": (2, 1)}, {"x": (2, 2, 4), "eps": 0.5}],
)
