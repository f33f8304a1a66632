"""A computation as calls in a row, each of functions of NumPy on results of earlier ones."""

from __future__ import annotations

import operator
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from autotensor.array import Tensor
from autotensor.compat import FunctionCall
from autotensor.drawing.numpy_source.literals import is_short
from autotensor.drawing.tracing import arranged, call_of, parents_of
from autotensor.engine.graph import Leaf, Made, Node
from autotensor.engine.modes import no_grad, tracing
from autotensor.engine.primitive import Op
from autotensor.engine.several import PICK, Several
from autotensor.errors import UnwritableError
from autotensor.recompute import CHECKPOINT, RECOMPUTE

__all__ = ["Call", "Program", "Ref", "mapped", "program", "refs_in"]


@dataclass(frozen=True, slots=True)
class Ref:
    """The result of a call, by its place in the program."""

    place: int


@dataclass(slots=True)
class Call:
    """One call, or where `function` is None a value from outside.

    Attributes
    ----------
    function : the function or the op.
    args, options : of the call, with a `Ref` in place of each result.
    shape, dtype : of the result.
    node : the node that it is the value of, where it is one's.
    label : what the call belongs to, for a comment.
    value : of a value from outside, where it is known.
    """

    function: Any
    args: tuple[Any, ...]
    options: dict[str, Any]
    shape: tuple[int, ...]
    dtype: Any
    node: Any = None
    label: str = ""
    value: Any = field(default=None)


@dataclass(slots=True)
class Program:
    """Calls in a row, and the places of those whose results are asked for."""

    calls: list[Call]
    outputs: list[Ref]


def mapped(value: Any, change: Any) -> Any:
    """`value` with everything in it, also in tuples, lists and slices, run through `change`."""
    if type(value) in (tuple, list):
        return type(value)(mapped(v, change) for v in value)
    if type(value) is slice:
        return slice(*(mapped(v, change) for v in (value.start, value.stop, value.step)))
    if type(value) is dict:
        return {key: mapped(v, change) for key, v in value.items()}
    return change(value)


def refs_in(values: Any) -> Iterator[Ref]:
    """The results used among the arguments of a call."""
    stack = [values]
    while stack:
        value = stack.pop()
        if isinstance(value, Ref):
            yield value
        elif type(value) in (tuple, list):
            stack += reversed(value)
        elif type(value) is dict:
            stack += reversed(value.values())
        elif type(value) is slice:
            stack += (value.step, value.stop, value.start)


def program(outputs: Sequence[Any], labels: Mapping[Any, str], named: Container[Any]) -> Program:
    """The calls that compute the values of the nodes `outputs`.

    Parameters
    ----------
    outputs : nodes.
    labels : what nodes belong to, for comments.
    named : nodes that have a name, so a constant among them is no literal.
    """
    building = _Building(labels, named)
    for node in _below(outputs):
        building.add(node)
    return Program(building.calls, [building.places[node] for node in outputs])


def _below(nodes: Iterable[Any], known: Mapping[Any, Any] = MappingProxyType({})) -> list[Any]:
    """`nodes` and all that is below them and not `known`, in the order of their creation."""
    found = {node for node in nodes if node not in known}
    stack = list(found)
    while stack:
        for parent in parents_of(stack.pop()):
            if parent not in found and parent not in known:
                found.add(parent)
                stack.append(parent)
    # Leaves first, since those of arrays are made when they are used.
    return sorted(found, key=lambda node: (bool(parents_of(node)), node.number))


class _Building:
    def __init__(self, labels: Mapping[Any, str], named: Container[Any]) -> None:
        self.labels = labels
        self.named = named
        self.calls: list[Call] = []
        self.places: dict[Any, Ref] = {}
        self.arrays: dict[int, Ref] = {}  # of arrays that are used more than once

    def add(self, node: Any) -> None:
        """Add the call of one node, whose parents are there."""
        label = self.labels.get(node, "")
        if node not in self.places:
            self.places[node] = self._added(node, label)
        call = self.calls[self.places[node].place]
        if call.node is None or isinstance(call.node, Made):
            call.node = node
            call.label = call.label or label

    def _added(self, node: Any, label: str) -> Ref:
        if isinstance(node, Several):
            return self._function(node.op, *call_of(node), (), node.dtype, label)
        if isinstance(node, Node):
            if node.op is PICK:
                whole, place = self.places[node.parents[0]], node.options["place"]
                if place is None:
                    self.calls[whole.place].shape = node.shape
                    self.calls[whole.place].dtype = node.dtype
                    return whole
                return self._call(
                    operator.getitem, (node.parents[0], place), {}, node.shape, node.dtype, label
                )
            args, options = call_of(node)
            return self._function(node.op, args, options, node.shape, node.dtype, label)
        if isinstance(node, Made):
            ref = self._function(
                node.function, node.args, node.options, node.shape, node.dtype, label
            )
            if node.place is None:
                return ref
            return self._call(
                operator.getitem, (ref, node.place), {}, node.shape, node.dtype, label
            )
        if node.notes and "call" in node.notes:  # an alias of what is differentiated inside
            return self.places[node.notes["call"][0][0]]
        known = node.notes and node.notes.get("array") and node.notes["array"]()
        known_as = node in self.named or node.name
        value = node.notes.get("value") if node.notes and not known_as else None
        value = value if value is not None and is_short(value) else None
        if known is not None and id(known) in self.arrays:
            # The same array, noted by the graph and by what traced it, which alone has the value.
            ref = self.arrays[id(known)]
            call = self.calls[ref.place]
            if value is not None:
                call.value = value
            if node in self.named:
                call.node, call.value = node, None
            return ref
        self.calls.append(Call(None, (), {}, node.shape, node.dtype, node, "", value))
        ref = Ref(len(self.calls) - 1)
        if known is not None:
            self.arrays[id(known)] = ref
        return ref

    def _function(
        self, function: Any, args: Any, options: Any, shape: Any, dtype: Any, label: str
    ) -> Ref:
        inputs, made = [*args, *options.values(), None, None][:2]
        if isinstance(made, FunctionCall):
            args = list(made.args)
            for place, value in zip(made.places, inputs, strict=True):
                args[place] = value
            return self._call(made.function.apply, args, {}, shape, dtype, label)
        if isinstance(function, Op):
            if function in (CHECKPOINT, RECOMPUTE):
                raise UnwritableError(
                    "at.source() cannot write a graph that at.checkpoint left out: give it the "
                    "function, at.source(f)(*args), not its loss."
                )
            if _is_own(function):
                return self._expanded(function, args, options, label)
            args, options = arranged(function, function.bind(args, options))
        return self._call(function, args, options, shape, dtype, label)

    def _call(
        self, function: Any, args: Any, options: Any, shape: Any, dtype: Any, label: str
    ) -> Ref:
        args, options = mapped(tuple(args), self._ref), mapped(dict(options), self._ref)
        self.calls.append(Call(function, args, options, shape, dtype, None, label))
        return Ref(len(self.calls) - 1)

    def _ref(self, value: Any) -> Any:
        return self.places[value] if isinstance(value, (Node, Leaf)) else value

    def _expanded(self, op: Op, args: Any, options: Any, label: str) -> Ref:
        """The calls that an op which is no function of NumPy's is made of."""

        def stand_in(value: Any) -> Any:
            # What is computed with it is not looked at, only which functions are called.
            if not isinstance(value, (Node, Leaf)):
                return value
            return Tensor(np.zeros(value.shape, value.dtype)[()], value)

        with no_grad(), tracing(), np.errstate(all="ignore"):
            out = op.function(*mapped(args, stand_in), **mapped(options, stand_in))
        node = out._node
        for made in _below([node], self.places):
            self.places[made] = self._added(made, label)
        return self.places[node]


def _is_own(op: Op) -> bool:
    """Whether an op is made of NumPy's functions, inside the package."""
    module = getattr(op.function, "__module__", None) or ""
    return module.startswith("autotensor.") and not op.source and not op.users
