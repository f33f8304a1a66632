"""Layers for images, arrays of shape (images, channels, height, width)."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import DTypeLike

from autotensor.array import Tensor
from autotensor.creation import tensor
from autotensor.nn.module import Module
from autotensor.ops.convolution import conv2d, pair
from autotensor.ops.pooling import avg_pool2d, max_pool2d

__all__ = ["AvgPool2d", "Conv2d", "Flatten", "MaxPool2d"]

Two = int | tuple[int, int]


class Conv2d(Module):
    """Convolution with a bias: see `conv2d`.

    Parameters
    ----------
    inputs, outputs : int
        Channels of the argument and of the result.
    size : int or (int, int)
        Of the kernels, in rows and columns.
    stride, padding, dilation, groups
        As for `conv2d`.
    bias : bool
        Whether a bias is added; without one the attribute ``bias`` is None.
    dtype : dtype_like
        Of both parameters: floating or complex.
    rng : numpy.random.Generator, optional
        Draws the weight; a fresh ``np.random.default_rng()`` when None.

    Attributes
    ----------
    weight : Tensor, shape (outputs, inputs / groups, *size)
        Uniform within ± sqrt(6 / n), where n is how many entries of the argument go into one of the
        result.
    bias : Tensor, shape (outputs,), or None
        Zeros.

    Raises
    ------
    ValueError
        If `inputs` or `outputs` is less than 1, or no multiple of `groups`.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2: the
    variance 2 / n, here of a uniform distribution.

    Examples
    --------
    >>> import numpy as np
    >>> import autotensor as at
    >>> layer = at.nn.Conv2d(3, 8, 5, stride=2, padding=2, rng=np.random.default_rng(0))
    >>> layer(at.ones((4, 3, 32, 32))).shape
    (4, 8, 16, 16)
    >>> layer
    Conv2d(3, 8, (5, 5), stride=2, padding=2)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: Two,
        *,
        stride: Two = 1,
        padding: Two | str = 0,
        dilation: Two = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: DTypeLike = float,
        rng: np.random.Generator | None = None,
    ) -> None:
        if inputs < 1 or outputs < 1 or groups < 1 or inputs % groups or outputs % groups:
            raise ValueError(
                "Conv2d needs inputs and outputs of at least 1, both multiples of groups; "
                f"got {inputs}, {outputs} and {groups} groups"
            )
        rng = np.random.default_rng() if rng is None else rng
        shape = (outputs, inputs // groups, *pair(size, "size", 1))
        limit = (6 / prod(shape[1:])) ** 0.5
        self.weight = tensor(rng.uniform(-limit, limit, shape), dtype, requires_grad=True)
        self.bias = tensor(np.zeros(outputs), dtype, requires_grad=True) if bias else None
        self.stride, self.padding = stride, padding
        self.dilation, self.groups = dilation, groups

    def __call__(self, x: Tensor) -> Tensor:
        """Map shape (images, inputs, height, width) to (images, outputs, rows, columns)."""
        result: Tensor = conv2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return result

    def __repr__(self) -> str:
        outputs, inputs, *size = self.weight.shape
        usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
        given = {name: getattr(self, name) for name in usual}
        options = [f", {name}={value!r}" for name, value in given.items() if value != usual[name]]
        options += [", bias=False"] if self.bias is None else []
        return f"Conv2d({inputs * self.groups}, {outputs}, {tuple(size)}{''.join(options)})"


class _Pool(Module):
    """What the two layers of pooling share.

    Parameters
    ----------
    size, stride, padding
        As for `max_pool2d`.
    """

    def __init__(self, size: Two, stride: Two | None = None, padding: Two = 0) -> None:
        self.size, self.stride, self.padding = size, stride, padding

    def __repr__(self) -> str:
        stride = "" if self.stride is None else f", stride={self.stride}"
        padding = f", padding={self.padding}" if self.padding else ""
        return f"{type(self).__name__}({self.size}{stride}{padding})"


class MaxPool2d(_Pool):
    """The layer of `max_pool2d`: the largest entry of every window.

    Parameters
    ----------
    size : int or (int, int)
        Of the windows, in rows and columns.
    stride : int or (int, int), optional
        From one window to the next; their size, when None.
    padding : int or (int, int)
        By how much windows reach beyond each side of the images.

    Examples
    --------
    >>> import autotensor as at
    >>> at.nn.MaxPool2d(2)(at.arange(8.0).reshape(1, 1, 2, 4)).tolist()
    [[[[5.0, 7.0]]]]
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Map shape (images, channels, height, width) to (images, channels, rows, columns)."""
        result: Tensor = max_pool2d(x, self.size, self.stride, self.padding)
        return result


class AvgPool2d(_Pool):
    """The layer of `avg_pool2d`: the mean of every window.

    Parameters
    ----------
    size : int or (int, int)
        Of the windows, in rows and columns.
    stride : int or (int, int), optional
        From one window to the next; their size, when None.
    padding : int or (int, int)
        By how much windows reach beyond each side of the images; what is there counts as 0.

    Examples
    --------
    >>> import autotensor as at
    >>> at.nn.AvgPool2d(2)(at.arange(8.0).reshape(1, 1, 2, 4)).tolist()
    [[[[2.5, 4.5]]]]
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Map shape (images, channels, height, width) to (images, channels, rows, columns)."""
        result: Tensor = avg_pool2d(x, self.size, self.stride, self.padding)
        return result


class Flatten(Module):
    """All axes but the first made one.

    Examples
    --------
    >>> import autotensor as at
    >>> at.nn.Flatten()(at.ones((2, 3, 4, 5))).shape
    (2, 60)
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Map shape (images, ...) to (images, entries of one)."""
        result: Tensor = x.reshape(x.shape[0], prod(x.shape[1:]))
        return result
