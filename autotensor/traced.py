"""How a constant was made, noted on it, so that a pass can be printed and drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import ref

import numpy as np

from autotensor.array import Tensor
from autotensor.engine.graph import Leaf, Made

__all__ = ["call_of", "note"]


def note(
    function: Any,
    args: Sequence[Any],
    options: Mapping[str, Any],
    result: Tensor,
    place: int | None = None,
) -> None:
    """Give `result`, a constant that `function` made, a node that says so.

    To be called after every op under `modes.tracing`.

    Parameters
    ----------
    function : the function, or the op.
    args, options : of its call, with Tensors among them.
    place : which of several results it is.
    """
    if result._node is None:
        data = result._data
        result._node = Made(function, *call_of(args, options), place, data.shape, data.dtype)


def call_of(
    args: Sequence[Any], options: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with nodes in place of Tensors and arrays."""
    return tuple(map(_node_of, args)), {name: _node_of(v) for name, v in options.items()}


def _node_of(value: Any) -> Any:
    """`value` with nodes in place of Tensors and arrays."""
    if type(value) is Tensor:
        node = value._node or value._leaf()
        if type(node) is Leaf and not node.requires_grad:
            node.notes = {"value": value._data, **(node.notes or {})}
        return node
    if isinstance(value, np.ndarray):
        leaf = Leaf(value.shape, value.dtype)
        leaf.notes = {"value": value.copy(), "array": ref(value)}
        return leaf
    if type(value) in (tuple, list):
        return type(value)(map(_node_of, value))
    if type(value) is slice:
        return slice(*map(_node_of, (value.start, value.stop, value.step)))
    return value
