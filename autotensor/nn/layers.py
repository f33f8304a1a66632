"""Layers: each is its parameters and the formula that uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autotensor.array import Tensor
from autotensor.creation import tensor
from autotensor.engine.graph import next_number
from autotensor.nn.module import Module, note_call
from autotensor.operators import short_way
from autotensor.ops.activation import relu

__all__ = ["Dense", "Relu", "Sequential"]


_inner = short_way(np.inner)


class Dense(Module, noted=False):
    """A linear map with a bias: ``x @ weight.T + bias``.

    Parameters
    ----------
    inputs, outputs : int
        Sizes of the last axis of the argument and of the result.
    bias : bool
        Whether a bias is added; without one the attribute ``bias`` is None.
    dtype : dtype_like
        Of both parameters: floating or complex.
    rng : numpy.random.Generator, optional
        Draws the weight; a fresh ``np.random.default_rng()`` when None.

    Attributes
    ----------
    weight : Tensor, shape (outputs, inputs)
        Uniform within ± sqrt(6 / inputs), which keeps the variance of the signal through layers
        that end in a Relu.
    bias : Tensor, shape (outputs,), or None
        Zeros.

    Raises
    ------
    ValueError
        If `inputs` or `outputs` is less than 1.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2: the
    variance 2 / inputs, here of a uniform distribution.

    Examples
    --------
    >>> import numpy as np
    >>> import autotensor as at
    >>> layer = at.nn.Dense(10, 2, rng=np.random.default_rng(0))
    >>> layer(at.ones((512, 10))).shape
    (512, 2)
    >>> [(name, parameter.shape) for name, parameter in layer.named_parameters()]
    [('weight', (2, 10)), ('bias', (2,))]
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool = True,
        dtype: DTypeLike = float,
        rng: np.random.Generator | None = None,
    ) -> None:
        if inputs < 1 or outputs < 1:
            raise ValueError(
                f"Dense needs inputs and outputs of at least 1, got {inputs}, {outputs}"
            )
        rng = np.random.default_rng() if rng is None else rng
        limit = (6 / inputs) ** 0.5
        weight = rng.uniform(-limit, limit, (outputs, inputs))
        self.weight = tensor(weight, dtype, requires_grad=True)
        self.bias = tensor(np.zeros(outputs), dtype, requires_grad=True) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        """Map the last axis: shape (..., inputs) to (..., outputs)."""
        weight, bias = self.weight, self.bias
        # The same product: np.inner needs no node for the transpose, but is slow for more axes.
        product = _inner(x, weight) if isinstance(x, Tensor) and x._data.ndim <= 2 else x @ weight.T
        return product if bias is None else product + bias

    def __repr__(self) -> str:
        outputs, inputs = self.weight.shape
        return f"Dense({inputs}, {outputs}{', bias=False' if self.bias is None else ''})"


class Relu(Module, noted=False):
    """The layer of `relu`: every entry or zero, whichever is greater.

    Examples
    --------
    >>> import autotensor as at
    >>> at.nn.Relu()(at.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to every entry; the shape stays."""
        result: Tensor = relu(x)
        return result


class Sequential(Module, noted=False):
    """Layers applied one after the other.

    Parameters
    ----------
    *layers : Module or callable
        Each takes the result of the one before; a plain function such as ``np.tanh`` will do.

    Raises
    ------
    TypeError
        If something given cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> import autotensor as at
    >>> model = at.nn.Sequential(at.nn.Dense(3, 16), np.tanh, at.nn.Dense(16, 1))
    >>> model(at.ones((5, 3))).shape
    (5, 1)
    """

    layers: tuple[Callable[[Any], Any], ...]
    _noted = True

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for layer in layers:
            if not callable(layer):
                raise TypeError(f"Sequential takes layers and functions, got {layer!r}")
        self.layers = layers

    def __call__(self, x: Any) -> Any:
        """Apply every layer in turn."""
        began = next_number()
        ends = []
        for layer in self.layers:
            x = layer(x)
            ends.append(next_number())
        note_call(x, began, self, ends)
        return x

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"
