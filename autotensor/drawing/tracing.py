"""The backward pass as it runs: the same walk and rules, on Tensors that note what is done.

Nothing is freed by it, no ``.grad`` changes, and hooks run as in ``backward()``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autotensor.array import Tensor
from autotensor.engine.deferred import Deferred
from autotensor.engine.graph import Leaf, Made, Node, next_number, reachable
from autotensor.engine.modes import no_grad, tracing, tracing_all
from autotensor.engine.primitive import TABLE, Op
from autotensor.engine.reverse import reverse
from autotensor.engine.several import PICK

_SUM = TABLE[np.add]

__all__ = ["Pass", "Pull", "arranged", "call_of", "nodes_in", "parents_of", "trace"]


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

    def owners(self, made: Iterable[Any]) -> dict[Any, Any]:
        """For each of `made` the node whose rule computed it, or whose cotangent it sums up."""
        ends = [pull.end for pull in self.pulls]
        # A sum of cotangents that arrived at one node is made by the walk, not by the next rule.
        arrived: dict[Any, Any] = {
            pull.cotangent._node: pull.parent for pull in self.pulls if _is_made(pull.cotangent)
        }
        last = next(iter(self.gradients), None)
        owners = {}
        for node in sorted(made, key=lambda node: node.number):
            target = None
            if isinstance(node, Made) and node.function is _SUM:
                targets = {arrived.get(arg) for arg in node.args if isinstance(arg, Made)}
                target = targets.pop() if len(targets) == 1 else None
            if target is not None:
                arrived[node] = owners[node] = target
            else:
                place = bisect_left(ends, node.number)
                owners[node] = self.pulls[place].node if place < len(ends) else last
        return owners


def _is_made(tensor: Any) -> bool:
    return isinstance(tensor, Tensor) and isinstance(tensor._node, Made)


def trace(
    roots: Sequence[Tensor], stops: Collection[Any] | None = None, *, whole: bool = False
) -> Pass:
    """Run the backward pass of `roots` from cotangents of ones.

    Parameters
    ----------
    roots : Tensors; those that do not require grad have no part in it.
    stops : the nodes to differentiate by; None for all leaves.
    whole : nothing may be left out: a rule that takes numbers out of a Tensor raises.

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
            c.own(None, False)
            c = c.add_to(None, False)
        pulls.append(Pull(node, argument, parent, g, c, next_number()))

    _note_masks(reachable([r._node for r in roots if r._node is not None and r.requires_grad]))
    with no_grad(), tracing_all() if whole else tracing():
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


def parents_of(node: Any) -> list[Any]:
    """The nodes that `node` was made from, constants too."""
    if isinstance(node, Made):
        return nodes_in(node.args) + nodes_in(node.options)
    if node.notes and "call" in node.notes and node.op is not PICK:
        args, options = node.notes["call"]
        return nodes_in(args) + nodes_in(options)
    return nodes_in(node.parents)


def call_of(node: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call that a node stands for, with nodes in place of Tensors."""
    if node.notes and "call" in node.notes:
        return arranged(node.op, node.op.bind(*node.notes["call"]))
    op = node.op
    given: dict[str, Any] = dict(node.options)
    for (name, i), parent in zip(op.slots(len(node.parents)), node.parents, strict=True):
        if i is None:
            given[name] = parent
        else:
            given[name] = (*given.get(name, ()), parent)
    return arranged(op, given)


def arranged(op: Op, given: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by name as one writes them: inputs by position, options by name."""
    args: list[Any] = []
    rest = dict(given)
    for name in op.params[: op.positional]:
        if name in op.keywords or (name not in rest and name not in op.inputs):
            break  # the others go by name
        value = rest.pop(name, op.defaults.get(name))
        if op.variadic and name == op.sequence:
            args += value
        else:
            args.append(list(value) if name == op.sequence else value)
    missing = object()
    assumed = [n for n, v in rest.items() if v is op.defaults.get(n, missing)]
    return tuple(args), {n: v for n, v in rest.items() if n not in assumed}


def _note_masks(nodes: Iterable[Any]) -> None:
    """Give arrays that an op takes for constants, like the condition of `where`, leaves.

    They were computed of what is not known, so they are no literals.
    """
    for node in nodes:
        if isinstance(node, Node) and node.op.constants and "call" not in (node.notes or {}):
            masks = {
                name: Leaf(value.shape, value.dtype, name=name)
                for name, value in node.options.items()
                if name in node.op.constants and isinstance(value, np.ndarray)
            }
            if masks:
                args, options = call_of(node)
                node.notes = {
                    **(node.notes or {}),
                    "call": arranged(node.op, {**node.op.bind(args, options), **masks}),
                }
