"""Losses: one number for how far a prediction is from its target."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotensor.array import Tensor
from autotensor.engine.graph import next_number
from autotensor.engine.primitive import op_of
from autotensor.nn.functions import cross_entropy
from autotensor.nn.module import Module, note_call

__all__ = ["MSE", "CrossEntropy"]

_square = op_of(np.square)  # called as an op, it spares NumPy's dispatch


class MSE(Module, noted=False):
    """Mean squared error: the mean over all entries of ``(prediction - target)**2``.

    Its gradient with respect to the prediction is ``2 / prediction.size * (prediction - target)``.

    Examples
    --------
    >>> import autotensor as at
    >>> mse = at.nn.MSE()
    >>> prediction = at.tensor([1.0, 5.0], requires_grad=True)
    >>> loss = mse(prediction, at.tensor([1.0, 2.0]))
    >>> loss.item()
    4.5
    >>> loss.backward()
    >>> prediction.grad.tolist()
    [0.0, 3.0]
    """

    _noted = True

    def __call__(self, prediction: Tensor, target: Tensor | NDArray[Any]) -> Tensor:
        """Compare a prediction with a target of the same shape; the loss has shape ().

        Raises
        ------
        ValueError
            If the shapes differ: broadcasting (n,) against (n, 1) would compare every prediction
            with every target.
        """
        if prediction._data.shape != getattr(target, "_data", target).shape:
            raise ValueError(
                f"MSE needs prediction and target of one shape, "
                f"got {prediction.shape} and {target.shape}"
            )
        began = next_number()
        loss: Tensor = _square(prediction - target).mean()
        note_call(loss, began, self)
        return loss


class CrossEntropy(Module):
    """The loss of `cross_entropy`: of logits, and of the classes or probabilities that are right.

    Parameters
    ----------
    reduction, label_smoothing
        As of `cross_entropy`.

    Examples
    --------
    >>> import autotensor as at
    >>> criterion = at.nn.CrossEntropy(reduction="sum")
    >>> round(criterion(at.tensor([[0.0, 0.0], [1.0, 1.0]]), [0, 1]).item(), 6)
    1.386294
    """

    def __init__(self, *, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def __call__(self, logits: Tensor, labels: Any) -> Any:
        """Compare logits of shape (..., classes) with labels of shape (...) or (..., classes)."""
        return cross_entropy(
            logits, labels, reduction=self.reduction, label_smoothing=self.label_smoothing
        )
