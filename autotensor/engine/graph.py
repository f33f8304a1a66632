"""The graph: nodes as plain data, and their order.

A `Node` records one application of an op. It holds no function of its own, so that it can be drawn,
printed, walked up or down and differentiated again. The order of creation is a topological order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from autotensor.engine.plan import Plan
    from autotensor.engine.primitive import Op

__all__ = ["Elided", "Leaf", "Made", "Node", "fragility", "next_number", "reachable"]


next_number: Callable[[], int] = count().__next__


class Node:
    """One application of an op whose result carries a gradient.

    Attributes
    ----------
    plan : the op with its choice of tracked inputs.
    parents : one per input: a `Node` or `Leaf`, or a plain scalar (None where absent).
    kept : the arrays its rules ask for; None once they are freed.
    options : the other arguments of the call, by name.
    shape, dtype : of the result.
    number : rises with creation, so parents have smaller ones.
    fragile : 0, `MIXES`, `FRAGILE` or `SELECTS` of engine/plan.py.
    notes : None, or what is rarely there, by name: "hooks"; "retain" and "grad"; "name"; "line",
        "via", "scope" and "scopes" of the call; "value"; under `modes.tracing` the "call", as of
        `Made`.
    calls : None, or of the last module that returned this node: the creation number at which its
        call began, its tag, the numbers at which the layers that it called were done, and the same
        of the one before it.
    """

    __slots__ = (
        "calls",
        "dtype",
        "fragile",
        "kept",
        "notes",
        "number",
        "options",
        "parents",
        "plan",
        "shape",
    )
    requires_grad = True

    def __init__(
        self,
        plan: Plan,
        parents: tuple[Any, ...],
        kept: tuple[Any, ...] | None,
        options: dict[str, Any],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self.plan = plan
        self.parents = parents
        self.kept = kept
        self.options = options
        self.shape = shape
        self.dtype = dtype
        self.number = next_number()
        self.notes: dict[str, Any] | None = None
        self.calls: tuple[Any, ...] | None = None
        self.fragile = fragility(plan, parents, options)

    @property
    def op(self) -> Op:
        return self.plan.op

    def free(self) -> None:
        """Drop the arrays, keep what a picture needs."""
        if self.kept:
            self.kept = None
        if self.options:
            light = {name: _light(value) for name, value in self.options.items()}
            if any(light[name] is not value for name, value in self.options.items()):
                self.options, self.kept = light, None


def fragility(plan: Plan, parents: tuple[Any, ...], options: dict[str, Any]) -> int:
    """What ``fragile`` is for a node: the greatest that a tracked parent makes it."""
    above = plan.above_selecting if plan.selects in options else plan.above
    found = 0
    for slot in plan.slots:
        below: int = above[parents[slot].fragile]
        if below > found:
            found = below
    return found


class Leaf:
    """Where a graph begins: a value that no recorded op made.

    ``requires_grad`` is False for constants, which are in the graph for its picture only. A walk
    knows a leaf by its ``plan``, which is None. Notes, beside hooks: of an array "array", a weak
    reference to it, and under `modes.tracing` the "value" of a constant, or of an alias a "call"
    whose one argument is what it stands for.
    """

    __slots__ = ("dtype", "grad", "name", "notes", "number", "requires_grad", "shape")
    plan = None
    op = None
    fragile = 0
    parents: tuple[Any, ...] = ()
    kept: tuple[Any, ...] = ()

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        requires_grad: bool = False,
        name: str | None = None,
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.number = next_number()
        self.requires_grad = requires_grad
        self.grad: Any = None
        self.name = name
        self.notes: dict[str, Any] | None = None


class Made(Leaf):
    """A constant of which it is known how it was made, as under `modes.tracing`.

    Attributes
    ----------
    function : the function, or the op.
    args, options : of its call, with nodes in place of Tensors, also in tuples and lists.
    place : which of several results it is, or None.
    """

    __slots__ = ("args", "function", "options", "place")

    def __init__(
        self,
        function: Any,
        args: tuple[Any, ...],
        options: dict[str, Any],
        place: int | None,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        super().__init__(shape, dtype)
        self.function = function
        self.args = args
        self.options = options
        self.place = place


class Elided:
    """Stands for an array that was among a node's options and is freed."""

    __slots__ = ("dtype", "shape")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.shape = array.shape
        self.dtype = array.dtype

    def __repr__(self) -> str:
        return f"array{self.shape}"


def _light(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return Elided(value)
    if isinstance(value, (tuple, list)) and any(isinstance(v, np.ndarray) for v in value):
        return type(value)(map(_light, value))
    return value


def reachable(
    roots: Iterable[Node | Leaf], stops: Collection[Node | Leaf] = ()
) -> list[Node | Leaf]:
    """All tracked nodes below `roots`, latest first; the walk does not go below `stops`."""
    seen = set(roots)
    stack = list(seen)
    found: list[Node | Leaf] = []
    while stack:
        node = stack.pop()
        found.append(node)
        if node.plan is None or node in stops:
            continue
        parents = node.parents
        for slot in node.plan.slots:
            parent = parents[slot]
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    found.sort(key=attrgetter("number"), reverse=True)
    return found
