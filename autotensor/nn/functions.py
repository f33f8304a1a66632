"""Functions of `autotensor.nn` that check their arguments, or are composed of ops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotensor.array import Tensor
from autotensor.ops.losses import cross_entropy as _cross_entropy
from autotensor.ops.normalization import standardize

__all__ = ["check_indices", "cross_entropy", "layer_norm"]

Given = Tensor | NDArray[Any]


def cross_entropy(
    logits: Given,
    labels: Given | Sequence[Any],
    *,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Softmax cross-entropy: ``-log(softmax(logits))`` of the classes that are right.

    Parameters
    ----------
    logits : Tensor or ndarray, shape (..., classes)
        Scores before the softmax; the classes are the last axis.
    labels : integers, shape (...), or floats, shape (..., classes)
        The class of each row, from 0 to classes - 1; or a probability for every class, which may
        require grad. That these add up to 1 is not checked.
    reduction : {"mean", "sum", "none"}
        Of the losses of all rows; with "none" the result has one for each, shape (...).
    label_smoothing : float
        In [0, 1]: how much of each row's probability is spread evenly over all classes.

    Returns
    -------
    Tensor
        Of the dtype of `logits` where the labels are integers. It is infinite where a right
        class has the logit -inf, and the gradient is softmax(logits) minus the labels there too.
        A row that has a logit inf, or -inf only, gives NaN, as it does for `softmax`.

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is no class, or an option is none of those above.
    TypeError
        If the labels are neither integers nor real floats.

    Examples
    --------
    >>> import autotensor as at
    >>> logits = at.tensor([[2.0, 2.0], [0.0, 0.0]], requires_grad=True)
    >>> loss = at.nn.cross_entropy(logits, [1, 0])
    >>> round(loss.item(), 6)
    0.693147
    >>> loss.backward()
    >>> logits.grad.tolist()
    [[0.25, -0.25], [-0.25, 0.25]]
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be from 0 to 1, got {label_smoothing!r}")
    if not isinstance(labels, (Tensor, np.ndarray)):
        labels = np.asarray(labels)
    shape, kind = logits.shape, labels.dtype.kind
    if not shape or not shape[-1]:
        raise ValueError(f"cross_entropy needs logits of shape (..., classes), got {shape}")
    if kind not in "iuf":
        raise TypeError(
            f"cross_entropy needs labels that are integers, the classes, or floats, a probability "
            f"for each class; got {labels.dtype}.\nA mask becomes floats by labels.astype(float)."
        )
    wanted = shape if kind == "f" else shape[:-1]
    if labels.shape != wanted:
        what = "float labels, one for each class" if kind == "f" else "integer labels, one a row"
        raise ValueError(
            f"cross_entropy needs {what}: for logits of shape {shape} labels of shape {wanted}, "
            f"got {labels.shape}"
        )
    if kind != "f":
        check_indices("cross_entropy", "label", labels, shape[-1])
    if not label_smoothing:
        return _cross_entropy(logits, labels, reduction=reduction)
    even = np.full(shape, 1 / shape[-1], np.result_type(logits.dtype, np.float16))
    hard = _cross_entropy(logits, labels, reduction=reduction)
    spread = _cross_entropy(logits, even, reduction=reduction)
    return (1 - float(label_smoothing)) * hard + float(label_smoothing) * spread


def check_indices(function: str, what: str, indices: Given, count: int) -> None:
    """Raise a ValueError that names the first of the integers `indices` outside 0 … count - 1."""
    values = indices._data if isinstance(indices, Tensor) else indices
    if values.size and (values.min() < 0 or values.max() >= count):
        wrong = np.atleast_1d((values < 0) | (values >= count))
        first = np.argwhere(wrong)[0].tolist()
        value = np.atleast_1d(values)[tuple(first)]
        raise ValueError(
            f"{function} takes a {what} from 0 to {count - 1} here; the one at {first} is {value}"
        )


def layer_norm(
    x: Given, weight: Given | None = None, bias: Given | None = None, *, eps: float = 1e-5
) -> Any:
    """Layer normalization: mean 0 and variance 1 within each example, then scaled and shifted.

    Parameters
    ----------
    x : Tensor or ndarray, shape (..., *normalized)
    weight, bias : Tensor or ndarray, shape normalized, optional
        Factor and summand of each entry. Their shape says which trailing axes are normalized;
        without either it is the last one.
    eps : float
        Added to the variance, which is that of all entries, not of a sample.

    Returns
    -------
    Tensor
        Of the shape of `x`: ``(x - mean) / sqrt(variance + eps) * weight + bias``. For float16
        mean and variance are computed in float32.

    Raises
    ------
    ValueError
        If `weight` or `bias` has not the trailing axes of `x`, or they differ in shape.

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016, equation 3, with eps.

    Examples
    --------
    >>> import autotensor as at
    >>> at.nn.layer_norm(at.tensor([[1.0, 3.0], [5.0, 5.0]]), eps=0.0 + 1e-12).numpy().round(3)
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    shape = x.shape
    shapes = {a.shape for a in (weight, bias) if a is not None} or {shape[-1:]}
    (trailing, *others) = shapes
    if others or not trailing or shape[len(shape) - len(trailing) :] != trailing:
        raise ValueError(
            f"layer_norm needs weight and bias of the trailing axes of x, which has shape {shape}; "
            f"got {' and '.join(map(str, sorted(shapes)))}"
        )
    if len(trailing) > 1:
        rows = (*shape[: len(shape) - len(trailing)], math.prod(trailing))
        out = standardize(x.reshape(rows), eps=eps).reshape(shape)
    else:
        out = standardize(x, eps=eps)
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias
