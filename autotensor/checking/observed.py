"""One recorded call of a function whose rules are watched: what each is given, returns and does.

The engine puts cotangents right before anyone else sees them: it casts them, takes real parts,
sums over what was broadcast. So whoever judges rules has to stand between them and the engine. The
nodes of one graph get plans of their own for it; no other graph is touched.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autotensor.array import Tensor
from autotensor.checking.layout import Array
from autotensor.engine.deferred import Deferred
from autotensor.engine.graph import Leaf, Node, reachable
from autotensor.engine.memory import relaid
from autotensor.engine.modes import enable_grad, no_grad
from autotensor.engine.plan import OUT, Plan, pass_on
from autotensor.engine.primitive import Op
from autotensor.engine.reverse import reverse

__all__ = ["Call", "Observed", "Walk", "acts_by_entry", "fingerprint"]


def acts_by_entry(op: Op) -> bool:
    """Whether `op` is declared to act entry by entry on arrays that broadcast, to one result."""
    if isinstance(op.function, np.ufunc):
        return op.function.signature is None and op.function.nout == 1
    return op.kind in ("elementwise", "selection") and op.broadcasts and not op.reduces


@dataclass(slots=True)
class Call:
    """One call of a rule.

    Attributes
    ----------
    node, parent
        Of the result and of the argument that is differentiated.
    name
        Of that argument.
    g, pull
        The cotangent that the rule was given, and the rule as the engine calls it.
    result
        What the rule returned, as it is; None if it raised.
    wrote
        The names of what the rule wrote to.
    refused
        What the rule raised because `g` is read-only, though it does not write to it.
    """

    node: Node
    parent: Any
    name: str
    g: Any
    pull: Callable[..., Any]
    result: Any = None
    wrote: list[str] = field(default_factory=list)
    refused: Exception | None = None

    @property
    def cotangents(self) -> list[Any]:
        """What `g` is made of: one array, or several where the op has several results."""
        several = getattr(self.g, "values", None)
        return list(several.values()) if several is not None else [self.g]

    @property
    def where(self) -> str:
        """Which rule it was, in words."""
        return f"the rule of {self.node.op.name} for {self.name!r}"

    def seen(self) -> dict[str, Any]:
        """What the rule may read besides `g`, by name."""
        node, op = self.node, self.node.op
        slots = op.slots(len(node.parents))
        named: dict[str, Any] = {}
        for value, source in zip(node.kept or (), node.plan.sources, strict=True):
            first = source[0] if isinstance(source, range) and source else source
            name = "out" if source == OUT else slots[first][0] if isinstance(first, int) else "?"
            named[name] = value
        return named | node.options


@dataclass(slots=True)
class Walk:
    """One pass down the graph: the calls of rules, and the gradients or what was raised."""

    calls: list[Call]
    gradients: list[Any]
    error: Exception | None = None


class Observed:
    """A call of a problem's function on arrays, recorded.

    Parameters
    ----------
    function
        Takes Tensors, returns a tuple of them.
    arrays
        The arguments, which are taken as they are: memory layout and flags included.
    """

    def __init__(self, function: Callable[..., Any], arrays: Sequence[Array]) -> None:
        self.leaves = [Leaf(a.shape, a.dtype, requires_grad=True) for a in arrays]
        self.inputs = [a if a.ndim else a[()] for a in arrays]
        tensors = [Tensor(a, leaf) for a, leaf in zip(self.inputs, self.leaves, strict=True)]
        with np.errstate(all="ignore"), enable_grad():
            results = function(*tensors)
        self.outputs = [r._data for r in results]
        self.roots = [r._node if r.requires_grad else None for r in results]
        for leaf in self.leaves:
            leaf.requires_grad = False  # a constant, for any other walk that gets here
        plans: dict[Plan, Plan] = {}
        stops = set(self.leaves)
        order = reachable({root for root in self.roots if root is not None}, stops)
        found = set(order)
        self.reached = [leaf in found for leaf in self.leaves]
        self._calls: list[Call] = []
        self._called: set[tuple[Node, int]] = set()
        self._locked = True
        self._nudge: Callable[[Any], Any] | None = None
        for node in order:
            if isinstance(node, Node) and (node.dtype.kind in "fc" or hasattr(node, "results")):
                if node.plan not in plans:
                    plans[node.plan] = self._watched(node.plan)
                node.plan = plans[node.plan]
                node.kept = _each(_read_only, node.kept)
                node.options = _each(_read_only, node.options)

    def walk(
        self,
        cotangents: Sequence[Array | None],
        *,
        locked: bool = True,
        nudge: Callable[[Any], Any] | None = None,
    ) -> Walk:
        """Carry cotangents of the outputs down, None for one that has none.

        Rules get read-only arrays if `locked`, else such that they may write to. What they return
        goes through `nudge` on its way.
        """
        self._calls, self._called, self._locked, self._nudge = [], set(), locked, nudge
        seeds: dict[Any, Any] = {}
        for root, g in zip(self.roots, cotangents, strict=True):
            if root is not None and g is not None:
                g = g if g.ndim else g[()]
                seeds[root] = seeds[root] + g if root in seeds else g
        try:
            with np.errstate(all="ignore"), no_grad():
                found = reverse(seeds, set(self.leaves))
        except Exception as error:  # whatever a rule raises is a finding
            return Walk(self._calls, [], error)
        return Walk(self._calls, [found.get(leaf) for leaf in self.leaves])

    def _watched(self, plan: Plan) -> Plan:
        """A copy of `plan` whose rules are watched."""
        watched = copy.copy(plan)
        watched.pulls = [
            (slot, name, pull if pull is pass_on else self._watch(slot, name, pull), way)
            for slot, name, pull, way in plan.pulls
        ]
        return watched

    def _watch(self, slot: int, name: str, pull: Callable[..., Any]) -> Callable[..., Any]:
        def watched(g: Any, kept: Any, node: Node, parent: Any) -> Any:
            if (node, slot) in self._called:
                return pull(g, kept, node, parent)  # a mask of live entries; see engine/live.py
            self._called.add((node, slot))
            call = Call(node, parent, name, g, pull)
            self._calls.append(call)
            if not self._locked:
                kept = _each(relaid, kept)
            held = (*kept, *node.options.values())
            seen = {"g": call.cotangents} | dict(zip(call.seen(), held, strict=True))
            before = {key: fingerprint(value) for key, value in seen.items()}
            try:
                call.result = pull(_read_only(g) if self._locked else g, kept, node, parent)
            except Exception as error:
                call.result = _tried_again(call, pull, kept, error)
            else:
                call.wrote += [
                    key for key, value in seen.items() if fingerprint(value) != before[key]
                ]
            if isinstance(call.result, Deferred):
                return pull(g, kept, node, parent)  # the engine may write to the g that it holds
            if self._nudge is not None and isinstance(call.result, (np.ndarray, np.generic)):
                return self._nudge(call.result)
            return call.result

        return watched


def _tried_again(call: Call, pull: Callable[..., Any], kept: Any, error: Exception) -> Any:
    """Run a rule that raised on copies that it may write to, and note whether it does."""
    node, options = call.node, call.node.options
    g, kept, node.options = _each(relaid, (call.g, kept, options))
    seen = {"g": g} | dict(zip(call.seen(), (*kept, *node.options.values()), strict=True))
    before = {key: fingerprint(value) for key, value in seen.items()}
    try:
        result = _unguarded(call, pull)(g, kept, node, call.parent)
        call.wrote += [key for key, value in seen.items() if fingerprint(value) != before[key]]
        if not call.wrote:
            try:
                pull(_read_only(g), kept, node, call.parent)
            except Exception as refused:
                call.refused = refused
    except Exception:
        if "read-only" in str(error):
            call.wrote.append("what it is given: g, an input or out")
        raise error from None
    finally:
        node.options = options
    return result


def _unguarded(call: Call, pull: Callable[..., Any]) -> Callable[..., Any]:
    """The pull of the rule as the user wrote it, where the engine hands it read-only arrays."""
    node, op = call.node, copy.copy(call.node.op)
    rule: Any = op.rules[call.name]
    if not hasattr(rule, "asks") or node.dtype.kind not in "fc":
        return pull
    op.rules = op.rules | {call.name: rule.__wrapped__}
    plan = Plan(
        op, sum(1 << slot for slot in node.plan.slots), len(node.parents), node.dtype.kind == "c"
    )
    found: Callable[..., Any] = next(p for _, name, p, _ in plan.pulls if name == call.name)
    return found


def _each(function: Callable[[Array], Any], value: Any) -> Any:
    """`value` with ``function`` of each array in it, also inside tuples, lists and dicts."""
    if isinstance(value, np.ndarray):
        return function(value)
    if type(value) in (tuple, list):
        return type(value)(_each(function, v) for v in value)
    if type(value) is dict:
        return {key: _each(function, v) for key, v in value.items()}
    return value


def _read_only(array: Any) -> Any:
    if isinstance(array, np.ndarray) and array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def fingerprint(value: Any) -> Any:
    """What tells whether the arrays in `value` were written to, or are the same to the last bit."""
    if isinstance(value, np.ndarray):
        if value.dtype.char in "gG":  # their padding holds anything
            with np.errstate(all="ignore"):
                value = value.astype("D" if value.dtype.char == "G" else "d")
        return hash(value.tobytes())
    if type(value) in (tuple, list):
        return [fingerprint(v) for v in value]
    if type(value) is dict:
        return {key: fingerprint(v) for key, v in value.items()}
    return None
