"""The ops: declarations only, one file per family. Rules are plain NumPy and know no Tensor."""

from autotensor.ops import (
    activation,
    constants,
    convolution,
    einsum,
    elementwise,
    indexing,
    linalg,
    losses,
    normalization,
    pooling,
    reduction,
    shape,
)

__all__ = [
    "activation",
    "constants",
    "convolution",
    "einsum",
    "elementwise",
    "indexing",
    "linalg",
    "losses",
    "normalization",
    "pooling",
    "reduction",
    "shape",
]
