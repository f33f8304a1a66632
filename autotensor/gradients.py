"""Adding up gradients: what `backward` leaves in ``.grad``."""

from __future__ import annotations

import threading
from typing import Any

from autotensor.array import Tensor
from autotensor.engine.memory import solid

__all__ = ["deposit", "sum_gradients"]

# Threads that share parameters run backward at the same time, and lose no gradient.
_LOCK = threading.Lock()


def deposit(gradients: dict[Any, Any]) -> None:
    """Add `gradients` (node to array) to what their nodes have."""
    with _LOCK:
        for node, g in gradients.items():
            if node.plan is not None:
                node.notes["grad"] = sum_gradients(node.notes["grad"], g)
            elif node.requires_grad:
                node.grad = sum_gradients(node.grad, g)


def sum_gradients(old: Tensor | None, g: Any) -> Tensor:
    """A new Tensor: the gradient `old` plus `g`."""
    if old is None:
        if isinstance(g, Tensor):
            return Tensor(solid(g._data), g._node)  # whoever gave it may write to it
        if g.base is not None:  # it may be one number seen many times
            g = solid(g)
        return Tensor(g if g.ndim else g[()], None)
    if old.requires_grad and not isinstance(g, Tensor):
        g = Tensor(g, None)
    return old + g if isinstance(g, Tensor) else Tensor(old._data + g, None)
