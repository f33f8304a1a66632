"""The backward pass as it runs, op by op: the same walk and rules on Tensors that note what is done.

Nothing is freed by it, no ``.grad`` changes, and hooks run as in ``backward()``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from autotensor.array import Tensor
from autotensor.engine.deferred import Deferred
from autotensor.engine.graph import Leaf, Made, Node, next_number
from autotensor.engine.modes import no_grad, tracing
from autotensor.engine.primitive import TABLE
from autotensor.engine.reverse import reverse

_SUM = TABLE[np.add]

__all__ = ["Pass", "Pull", "nodes_in", "trace"]


class Pull(NamedTuple):
    """One call of a rule: what it made, for one argument of `node`, of the cotangent `g`.

    The nodes that it made have numbers below `end`.
    """

    node: Node
    argument: str
    parent: Node | Leaf
    g: Any
    cotangent: Any
    end: int


class Pass(NamedTuple):
    """A backward pass.

    Attributes
    ----------
    seeds : the cotangent of each root that has one, a Tensor, by its node.
    gradients : those of the leaves, or of the nodes asked for, likewise.
    pulls : the calls of rules, in their order.
    start : nodes of the pass have greater numbers.
    """

    seeds: dict[Any, Tensor]
    gradients: dict[Any, Tensor]
    pulls: list[Pull]
    start: int

    def owners(self, made: Iterable[Made]) -> dict[Made, Any]:
        """For each of `made` the node whose rule computed it, or whose cotangent it sums up."""
        ends = [pull.end for pull in self.pulls]
        # A sum of cotangents that arrived at one node is made by the walk, not by the next rule.
        arrived = {
            pull.cotangent._node: pull.parent for pull in self.pulls if _is_made(pull.cotangent)
        }
        last = next(iter(self.gradients), None)
        owners = {}
        for node in sorted(made, key=lambda node: node.number):
            targets = {arrived.get(arg) for arg in node.args if isinstance(arg, Made)}
            target = targets.pop() if len(targets) == 1 and node.function is _SUM else None
            if target is not None:
                arrived[node] = owners[node] = target
            else:
                place = bisect_left(ends, node.number)
                owners[node] = self.pulls[place].node if place < len(ends) else last
        return owners


def _is_made(tensor: Any) -> bool:
    return type(tensor) is Tensor and isinstance(tensor._node, Made)


def trace(roots: Sequence[Tensor], stops: Collection[Any] | None = None) -> Pass:
    """Run the backward pass of `roots` from cotangents of ones.

    Parameters
    ----------
    roots : Tensors; those that do not require grad have no part in it.
    stops : the nodes to differentiate by; None for all leaves.

    Raises
    ------
    GraphFreedError
        If an earlier pass has freed what this one needs.
    """
    pulls: list[Pull] = []
    seeds: dict[Any, Tensor] = {}
    start = next_number()

    def watch(node: Node, argument: str, parent: Any, g: Any, c: Any) -> None:
        if isinstance(c, Deferred):
            c = c.add_to(None, False)
        pulls.append(Pull(node, argument, parent, g, c, next_number()))

    with no_grad(), tracing():
        for root in roots:
            if root.requires_grad:
                one = np.ones(root.shape, root.dtype)[()]
                seed = seeds[root._node] = Tensor(one, None)
                seed._leaf().notes = {"value": one}
        gradients = reverse(dict(seeds), stops, wrap=_wrap, watch=watch)
    return Pass(seeds, gradients, pulls, start)


def _wrap(data: Any, node: Any) -> Tensor:
    tensor = Tensor(data, node)
    if node is None:
        tensor._leaf().notes = {"value": data}
    return tensor


def nodes_in(values: Any) -> list[Any]:
    """The nodes among the arguments of a call, also in tuples, lists and slices there."""
    found: list[Any] = []
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, (Node, Leaf)):
            found.append(value)
        elif type(value) in (tuple, list):
            found += nodes_in(value)
        elif type(value) is slice:
            found += nodes_in((value.start, value.stop, value.step))
    return found
