"""Calls with several results, and calls whose one rule serves several arguments.

Such a call is one node, `Several`, and above it one node per result, of the op `PICK`. So the
cotangents of all results come down to it together, as one `Cotangents`, and whatever a rule makes
of them once can serve all arguments. Going up, its tangent is a `Tangents`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from autotensor import errors
from autotensor.engine.deferred import Deferred
from autotensor.engine.graph import Leaf, Node
from autotensor.engine.plan import Plan
from autotensor.engine.primitive import Op

__all__ = ["MANY", "PICK", "Cotangents", "Several", "Tangents", "like"]

# The dtype of a node that stands for several results at once.
MANY = np.dtype(object)


class Several(Node):
    """A node with several results.

    Attributes
    ----------
    results : ``(shape, dtype)`` of each, or None for one that carries no gradient; a named tuple
        where the function returned one.
    alone : the function returned one array, not a tuple.
    above : weak references to the nodes of the results, by their places.
    """

    __slots__ = ("above", "alone", "results")

    def __init__(
        self,
        plan: Plan,
        parents: tuple[Any, ...],
        kept: tuple[Any, ...] | None,
        options: dict[str, Any],
        results: tuple[tuple[tuple[int, ...], Any] | None, ...],
        alone: bool,
    ) -> None:
        super().__init__(plan, parents, kept, options, (), MANY)
        self.results = results
        self.alone = alone
        self.above: dict[int, ref[Picked]] = {}

    def pick(self, place: int) -> Node:
        """The node of the result at `place`."""
        known = self.above.get(place)
        node = known() if known is not None else None
        if node is None:
            shape, dtype = self.results[place]  # type: ignore[misc]
            plan = PICK.plan(1, 2, dtype.kind == "c")
            options = {"place": None if self.alone else place}
            node = Picked(plan, (self, None), (self,), options, shape, dtype)
            self.above[place] = ref(node)
        return node

    def wrapped_out(self, out: Any, wrap: Any) -> Any:
        """What rules call ``out``, one value or several, as Tensors that know what they are of."""
        if self.alone:
            return wrap(out, self.pick(0))
        values = [
            v if not hasattr(v, "dtype") else wrap(v, self.pick(place) if spec else None)
            for place, (v, spec) in enumerate(zip(out, self.results, strict=True))
        ]
        return like(out, values)

    def tangents(self, values: Any, *, of_rule: bool) -> Tangents:
        """The tangents of the results, from what a forward rule or a transposed one returned."""
        if self.alone and of_rule:
            values = (values,)
        if not isinstance(values, (tuple, list)) or len(values) != len(self.results):
            got = f"{len(values)} tangents" if isinstance(values, (tuple, list)) else "one tangent"
            raise errors.bad_declaration(
                self.op.name, f"its jvp returned {got} for {len(self.results)} results"
            )
        return Tangents([v if spec else None for v, spec in zip(values, self.results, strict=True)])

    def seeds(self, make: Any) -> tuple[list[Leaf | None], Cotangents]:
        """Cotangents of ones that are leaves of their own, to be differentiated by."""
        leaves = [spec and Leaf(*spec, requires_grad=True) for spec in self.results]
        g = Cotangents(self, 0, None)
        g.values = {
            place: make(np.ones(leaf.shape, leaf.dtype)[()], leaf)
            for place, leaf in enumerate(leaves)
            if leaf is not None
        }
        return leaves, g


class Picked(Node):
    """The node of one result of a `Several`, which knows it as long as somebody else does."""

    __slots__ = ("__weakref__",)


class Cotangents(Deferred):
    """The cotangents of the results of a `Several`, by their places.

    ``found`` is for the rule: what it made of them, to be used again for another argument.
    """

    __slots__ = ("found", "node", "values")
    shape = ()

    def __init__(self, node: Several, place: int, g: Any) -> None:
        self.node = node
        self.values = {place: g}
        self.found: Any = None

    def absorb(self, other: Any) -> bool:
        for place, g in other.values.items():
            self.values[place] = self.values[place] + g if place in self.values else g
        return True

    def add_to(self, total: Any, mine: bool) -> Cotangents:
        return self

    def all(self) -> Any:
        """A tuple with one for each result: zeros where nothing came, None where nothing can."""
        values = [
            self.values[place] if place in self.values else spec and np.zeros(*spec)[()]
            for place, spec in enumerate(self.node.results)
        ]
        return like(self.node.results, values)


class Tangents:
    """The tangents of the results of a `Several`, in their order."""

    __slots__ = ("values",)
    shape = ()
    dtype = MANY

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    def __add__(self, other: Tangents) -> Tangents:
        pairs = zip(self.values, other.values, strict=True)
        return Tangents([a if b is None else b if a is None else a + b for a, b in pairs])


def like(results: Sequence[Any], values: Sequence[Any]) -> Any:
    """`values` as the tuple, named tuple or list that `results` is."""
    make = getattr(type(results), "_make", list if isinstance(results, list) else tuple)
    return make(values)


def _picked(results: Any, node: Any, place: int | None) -> Any:
    return results if place is None else results[place]


PICK = Op(
    _picked,
    "rule",
    "results, node, place",
    {
        "results": lambda g, node, place: Cotangents(node, place or 0, g),
        # Never tracked; it is among the inputs so that the rule sees it.
        "node": lambda g: g,
    },
    jvps={"results": lambda t, place: t.values[place or 0]},
    name="result",
)
