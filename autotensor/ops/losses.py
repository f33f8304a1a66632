"""Softmax cross-entropy along the last axis."""

import numpy as np

from autotensor.engine.primitive import rule
from autotensor.ops.activation import by_softmax, log_softmax, softmax


def _excess(logits, labels):
    rows = logits.reshape(-1, logits.shape[-1])
    out = softmax.function(rows)
    out[np.arange(len(rows)), labels.reshape(-1)] -= 1
    return out.reshape(logits.shape)


# The probabilities minus 1 for the class that is right: the gradient of the sum of the losses.
excess = rule(
    _excess,
    signature="logits, labels",
    name="excess",
    logits=lambda g, logits: by_softmax(g, softmax(logits), -1),
    complex=False,
    cases=[
        {"logits": (2, 2, 3), "labels": np.array([[0, 1], [2, 2]])},
        {"logits": (4, 3), "labels": np.array([2, 0, 2, 1])},
    ],
    source="""def excess(logits, labels):
    rows = logits.reshape(-1, logits.shape[-1])
    out = np.exp(rows - rows.max(-1, keepdims=True))
    out /= out.sum(-1, keepdims=True)
    out[np.arange(len(rows)), labels.reshape(-1)] -= 1
    return out.reshape(logits.shape)
""",
)


def _cross_entropy(logits, labels, reduction="mean"):
    shifted = logits - logits.max(-1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(-1))
    if labels.dtype.kind == "f":
        # A probability of 0 counts 0, however unlikely the logits make its class.
        chosen = labels * np.where(labels == 0, 0, shifted)
        losses = losses * labels.sum(-1) - chosen.sum(-1)
    else:
        rows = shifted.reshape(-1, shifted.shape[-1])
        chosen = rows[np.arange(len(rows)), labels.reshape(-1)]
        losses -= chosen.reshape(labels.shape)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def _of_each(g, logits, reduction):
    """The cotangent of each loss, to be broadcast against the classes."""
    if reduction == "none":
        return g[..., None]
    return g * (1 / max(logits.size // logits.shape[-1], 1)) if reduction == "mean" else g


def _cross_entropy_logits(g, logits, labels, reduction):
    each = _of_each(g, logits, reduction)
    if labels.dtype.kind == "f":
        return each * (labels.sum(-1, keepdims=True) * softmax(logits) - labels)
    return each * excess(logits, labels)


cross_entropy = rule(
    _cross_entropy,
    signature="logits, labels, reduction='mean'",
    name="cross_entropy",
    logits=_cross_entropy_logits,
    labels=lambda g, logits, reduction: -_of_each(g, logits, reduction) * log_softmax(logits),
    complex=False,
    cases=[
        {"logits": (4, 3), "labels": np.array([2, 0, 2, 1])},
        {"logits": (4, 3), "labels": np.array([2, 0, 2, 1]), "reduction": "sum"},
        {"logits": (2, 2, 3), "labels": np.array([[0, 1], [2, 2]]), "reduction": "none"},
        {"logits": (3,), "labels": np.array(1)},
        {"logits": (2, 2, 3), "labels": (2, 2, 3)},
        {"logits": (3, 2), "labels": (3, 2), "reduction": "none"},
        {"logits": (2, 3), "labels": (2, 3), "reduction": "sum"},
    ],
    source=(_cross_entropy,),
)
