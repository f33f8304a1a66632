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
    args: Sequence[Any], options: Mapping[str, Any], parents: Sequence[Any] = ()
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with nodes in place of Tensors and arrays.

    `parents` are those of the node that records the call: an array among them has its leaf there.
    """
    known = {}
    for parent in parents:
        if type(parent) is Leaf and parent.notes and "array" in parent.notes:
            known[id(parent.notes["array"]())] = parent
    return (
        tuple([_node_of(v, known) for v in args]),
        {name: _node_of(v, known) for name, v in options.items()},
    )


def _node_of(value: Any, known: Mapping[int, Leaf]) -> Any:
    """`value` with nodes in place of Tensors and arrays."""
    if isinstance(value, Tensor):
        node = value._node or value._leaf()
        if type(node) is Leaf and not node.requires_grad:
            node.notes = {"value": value._data, **(node.notes or {})}
        return node
    if isinstance(value, np.ndarray):
        leaf = known.get(id(value)) or Leaf(value.shape, value.dtype)
        leaf.notes = {"value": value.copy(), "array": ref(value)}
        return leaf
    if type(value) in (tuple, list):
        return type(value)(_node_of(v, known) for v in value)
    if type(value) is slice:
        return slice(*[_node_of(v, known) for v in (value.start, value.stop, value.step)])
    return value
