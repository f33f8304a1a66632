"""A table of vectors, looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from autotensor.array import Tensor
from autotensor.creation import tensor
from autotensor.nn.functions import check_indices
from autotensor.nn.module import Module

__all__ = ["Embedding"]


class Embedding(Module):
    """One vector for each of `count` things: ``weight[indices]``.

    Parameters
    ----------
    count, width : int
        How many vectors there are, and how long they are.
    dtype : dtype_like
        Of the weight.
    rng : numpy.random.Generator, optional
        Draws the weight; a fresh ``np.random.default_rng()`` when None.

    Attributes
    ----------
    weight : Tensor, shape (count, width)
        Normal with mean 0 and variance 1.

    Raises
    ------
    ValueError
        If `count` or `width` is less than 1.

    Examples
    --------
    >>> import numpy as np
    >>> import autotensor as at
    >>> layer = at.nn.Embedding(1000, 16)
    >>> layer(np.array([[3, 1, 4], [1, 5, 9]])).shape
    (2, 3, 16)
    """

    weight: Tensor

    def __init__(
        self,
        count: int,
        width: int,
        *,
        dtype: DTypeLike = float,
        rng: np.random.Generator | None = None,
    ) -> None:
        if count < 1 or width < 1:
            raise ValueError(f"Embedding needs count and width of at least 1, got {count}, {width}")
        rng = np.random.default_rng() if rng is None else rng
        self.weight = tensor(rng.normal(size=(count, width)), dtype, requires_grad=True)

    def __call__(self, indices: Tensor | NDArray[Any]) -> Tensor:
        """The vectors of integers of any shape (...), as shape (..., width).

        Raises
        ------
        TypeError
            If the indices are no integers.
        ValueError
            If one of them is less than 0 or at least `count`.
        """
        if not isinstance(indices, (Tensor, np.ndarray)):
            indices = np.asarray(indices)
        if indices.dtype.kind not in "iu":
            raise TypeError(f"Embedding is called with integers, got {indices.dtype}")
        check_indices("Embedding", "index", indices, self.weight.shape[0])
        result: Tensor = self.weight[indices]
        return result

    def __repr__(self) -> str:
        count, width = self.weight.shape
        return f"Embedding({count}, {width})"
