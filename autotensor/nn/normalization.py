"""Layer normalization with its parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from autotensor.array import Tensor
from autotensor.creation import tensor
from autotensor.nn.functions import layer_norm
from autotensor.nn.module import Module

__all__ = ["LayerNorm"]


class LayerNorm(Module):
    """The layer of `layer_norm`, with a weight and a bias for each entry of the trailing axes.

    Parameters
    ----------
    shape : int or sequence of int
        Of the trailing axes that are normalized together.
    eps : float
        Greater than 0: added to the variance.
    bias : bool
        Whether there is a bias; without one the attribute ``bias`` is None.
    dtype : dtype_like
        Of both parameters.

    Attributes
    ----------
    weight : Tensor
        Ones.
    bias : Tensor or None
        Zeros.

    Raises
    ------
    ValueError
        If an axis of `shape` is shorter than 1, if there is none, or if `eps` is not positive.

    Examples
    --------
    >>> import autotensor as at
    >>> layer = at.nn.LayerNorm(4)
    >>> layer(at.tensor([[0.0, 0.0, 2.0, 2.0]])).numpy().round(3)
    array([[-1., -1.,  1.,  1.]])
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        eps: float = 1e-5,
        bias: bool = True,
        dtype: DTypeLike = float,
    ) -> None:
        axes = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)
        if not axes or min(axes) < 1:
            raise ValueError(f"LayerNorm needs axes of lengths of at least 1, got {shape}")
        if not eps > 0:
            raise ValueError(f"eps must be greater than 0, got {eps!r}")
        self.eps = float(eps)
        self.weight = tensor(np.ones(axes), dtype, requires_grad=True)
        self.bias = tensor(np.zeros(axes), dtype, requires_grad=True) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        """Normalize the trailing axes; the shape stays."""
        result: Tensor = layer_norm(x, self.weight, self.bias, eps=self.eps)
        return result

    def __repr__(self) -> str:
        shape = self.weight.shape
        size = shape[0] if len(shape) == 1 else shape
        return f"LayerNorm({size}{', bias=False' if self.bias is None else ''})"
