"""What a graph keeps in memory for its backward pass, each buffer counted once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autotensor.drawing.data import Kept
from autotensor.engine.graph import Leaf, Node
from autotensor.engine.plan import OUT

__all__ = ["Buffers", "kept_values", "option_arrays", "owner"]

_ARRAYS = (np.ndarray, np.generic)


class Buffers:
    """The memory that nodes keep for their backward pass, each buffer counted once."""

    def __init__(self) -> None:
        self.found: dict[int, tuple[int, Node | Leaf]] = {}

    def add(self, array: Any, holder: Any) -> int:
        """Count `array`; return its bytes, or 0 where its buffer was counted before."""
        base = array if array.base is None else owner(array)
        key = id(base)
        if key in self.found:
            return 0
        size: int = base.nbytes
        self.found[key] = size, holder
        return size

    def summary(self, label: Callable[[int, Any], str]) -> Kept:
        """All buffers together, and the largest, which `label` names."""
        if not self.found:
            return Kept()
        key = max(self.found, key=lambda key: self.found[key][0])
        largest, holder = self.found[key]
        total = sum(size for size, _ in self.found.values())
        return Kept(total, len(self.found), largest, label(key, holder))


def kept_values(node: Any) -> list[tuple[Any, Any]]:
    """Each array that `node` keeps for its rules, with the node or leaf whose value it is."""
    parents, sources = node.parents, node.plan.sources
    if len(sources) == 1:  # the usual op of one argument, or with a number
        value, source = node.kept[0], sources[0]
        if isinstance(value, _ARRAYS):
            return [(value, node if source == OUT else parents[source])]
        if type(value) in (float, int):
            return []
    found: list[tuple[Any, Any]] = []
    for value, source in zip(node.kept, sources, strict=False):
        if type(source) is range:
            found += [(part, parents[i]) for part, i in zip(value, source, strict=True)]
        elif source == OUT and type(value) is tuple:  # several results
            found += [(part, node) for part in value]
        else:
            found.append((value, node if source == OUT else parents[source]))
    return [pair for pair in found if isinstance(pair[0], _ARRAYS)]


def option_arrays(node: Node) -> list[Any]:
    """The arrays among the options of `node`."""
    return [
        part
        for option in node.options.values()
        for part in (option if isinstance(option, (tuple, list)) else (option,))
        if isinstance(part, np.ndarray)
    ]


def owner(array: Any) -> Any:
    """The array that owns the memory of `array`."""
    while (base := getattr(array, "base", None)) is not None:
        if isinstance(base, memoryview):
            base = base.obj
        if not hasattr(base, "nbytes"):
            break
        array = base
    return array
