"""A plan: one op with one choice of tracked inputs, its rules turned into positional calls.

Which arguments a call tracks decides which rules will run, and so what has to be kept. A plan is
made at the first such call and used by all later ones, so names cost nothing afterwards: it writes
one small function per rule that takes the arguments from where a node keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from autotensor.engine import shapes

if TYPE_CHECKING:
    from autotensor.engine.primitive import Op

__all__ = [
    "ENTRYWISE",
    "FRAGILE",
    "INPUTS",
    "MIXES",
    "MOVES",
    "OUT",
    "RESULT",
    "SELECTS",
    "Plan",
    "pass_on",
    "same",
]

OUT = -1
# What is said of a node: a linear op that mixes entries, like `matmul`, is at or below it; an
# entrywise op whose derivative depends on values is; it is a selection with such an op below. See
# engine/live.py.
MIXES, FRAGILE, SELECTS = 1, 2, 3
# How the entries of an input become those of the result: each its own, or only moved about.
ENTRYWISE, MOVES = "entrywise", "moves"
# The commonest answers to what a node keeps, told by identity to save a call.
INPUTS, RESULT = object(), object()


def same(g: Any) -> Any:
    """The rule of an op that passes its cotangent on; known by identity, it costs no call."""
    return g


def pass_on(g: Any, kept: Any, node: Any, parent: Any) -> Any:
    """The pull of `same`."""
    return g


def _identity(x: Any) -> Any:
    return x


class Plan:
    """How nodes of one op, with one choice of tracked inputs, keep arrays and are differentiated.

    Attributes
    ----------
    op : the op.
    slots : the places of the tracked inputs among a node's parents.
    keeps : what a node keeps: `INPUTS`, `RESULT`, None, or ``keeps(values, out)`` gives the tuple.
    sources : for each kept entry the slot it comes from, a range of slots, or `OUT`.
    kept_slots : the slots of the inputs among `sources`.
    pulls : ``(slot, argument, pull, way)`` per tracked input: the vjp ``pull(g, kept, node,
        parent)``, and how it moves entries: `ENTRYWISE`, `MOVES`, or None for neither.
    pushes : the same with the jvp ``push(t, kept, node, parent)``, or None: transpose the pull.
    push_all : for jointly linear ops, the jvp of all inputs at once.
    ways : of all pulls.
    selects : whether entries of an input may be left out of the result, or by which option.
    above : what a node with this plan is, for what its parent is; the greatest for several parents.
    above_selecting : the same if the option that selects is given.
    always : whether it is `FRAGILE` above any parent.
    ends : the first and last slot that decide it where there are no options; None if more do.
    """

    __slots__ = (
        "above",
        "above_selecting",
        "always",
        "ends",
        "keeps",
        "kept_slots",
        "op",
        "pulls",
        "push_all",
        "pushes",
        "selects",
        "slots",
        "sources",
        "ways",
    )

    def __init__(self, op: Op, mask: int, count: int, complex: bool) -> None:
        self.op = op
        slots = op.slots(count)
        tracked = tuple(slot for slot in range(len(slots)) if mask >> slot & 1)
        self.slots = tracked
        named = {name for slot in tracked for name in op.keeps[slots[slot][0]]}
        self.sources: list[Any] = []
        places: dict[str, str] = {}
        parts: list[str] = []
        for name in op.inputs:
            if name in named:
                places[name] = f"k[{len(parts)}]"
                where = [slot for slot, (n, _) in enumerate(slots) if n == name]
                if name == op.sequence:
                    self.sources.append(range(where[0], where[-1] + 1) if where else range(0))
                    parts.append(f"tuple(v[{where[0]}:{where[-1] + 1}])" if where else "()")
                else:
                    self.sources.append(where[0])
                    parts.append(f"v[{where[0]}]")
        if "out" in named:
            places["out"] = f"k[{len(parts)}]"
            self.sources.append(OUT)
            parts.append("out")
        self.kept_slots = [
            slot
            for source in self.sources
            if source != OUT
            for slot in (source if isinstance(source, range) else (source,))
        ]
        self.keeps: Any = None
        if self.sources == list(range(len(slots))):
            self.keeps = INPUTS
        elif self.sources == [OUT]:
            self.keeps = RESULT
        elif parts:
            self.keeps = eval(f"lambda v, out: ({', '.join(parts)},)")
        self.pulls: list[tuple[int, str, Callable[..., Any], str | None]] = []
        self.pushes: list[tuple[int, str, Callable[..., Any] | None]] = []
        for slot in tracked:
            name, i = slots[slot]
            pull = pass_on if op.rules[name] is same else _pull(op, name, i, places, complex)
            if op.singular:
                pull = _quiet(pull)
            self.pulls.append((slot, name, pull, _way(op, name)))
            self.pushes.append((slot, name, _push(op, name, i, places)))
        self.push_all = _push_all(op, slots) if op.jointly else None
        self.ways = [way for *_, way in self.pulls]
        self.selects = op.selects
        leaves_out = not {*op.inputs, "out"} & named
        selecting = (0, SELECTS if leaves_out else MIXES, SELECTS, SELECTS)
        self.above = (0, MIXES, FRAGILE, FRAGILE)
        self.above_selecting = selecting
        if op.selects is True:
            self.above = selecting
        elif op.kind != "linear" and ENTRYWISE in self.ways:
            self.above = (FRAGILE,) * 4
        elif op.kind == "linear" and None in self.ways:
            self.above = (MIXES, MIXES, FRAGILE, FRAGILE)
        self.always = self.above == (FRAGILE,) * 4 and op.selects is False
        self.ends = (tracked[0], tracked[-1]) if len(tracked) <= 2 else None


def _way(op: Op, name: str) -> str | None:
    """How the rule for argument `name` moves entries."""
    if op.kind == "selection" or (op.kind == "rule" and op.selects is True):
        return MOVES
    if op.kind == "linear" and not {*op.inputs, "out"} & {*op.needs[name]}:
        return MOVES  # it sees no values, so it treats all alike
    function = op.function
    by_entry = isinstance(function, np.ufunc) and not function.signature and function.nout == 1
    by_entry = by_entry and not op.joint
    return ENTRYWISE if op.kind == "elementwise" or by_entry or op.reduces else None


def _call(
    op: Op, rule: Any, names: tuple[str, ...], first: str, i: int | None, places: Mapping[str, str]
) -> str:
    """The source of a rule's call, its arguments taken from ``k`` (kept), ``n`` and ``p``."""
    known = {"shape": "p.shape", "shapes": "[q.shape for q in n.parents]", "i": str(i), **places}
    args = [first] if first else []
    args += [known.get(name) or _option(op, name) for name in names]
    code = getattr(rule, "__code__", None)
    if code is not None and code.co_code == _identity.__code__.co_code:
        return args[0]  # the rule is its first argument: no call then
    return f"rule({', '.join(args)})"


def _option(op: Op, name: str) -> str:
    """The source that reads an option of the call, or its default."""
    name = name if name in op.params else name.removeprefix("arg_")
    if name in op.defaults:
        return f"n.options.get({name!r}, default_{name})"
    return f"n.options[{name!r}]"


def _applied(op: Op, values: Mapping[str, str]) -> str:
    """The source of a call of the op itself on `values`, with the options of the node."""
    args = []
    leading = op.params[: op.positional]
    for name in leading:
        value = values.get(name) or _option(op, name)
        if op.variadic and name == op.sequence:
            value = f"*{value}"
        args.append(f"{name}={value}" if name in op.keywords else value)
    skipped = [name for name in leading if name not in op.inputs]
    rest = "n.options"
    if skipped:
        rest = f"{{a: b for a, b in n.options.items() if a not in {skipped!r}}}"
    return f"op({', '.join(args)}, **{rest})"


def _compile(op: Op, rule: Any, first: str, body: str) -> Callable[..., Any]:
    space = {
        "rule": rule,
        "op": op,
        **{f"default_{name}": value for name, value in op.defaults.items()},
        "conj": np.conjugate,
        "expand": shapes.expand,
        "pick": shapes.pick,
        "only": shapes.only,
    }
    usual = re.sub(r"n\.options\.get\('\w+', (default_\w+)\)", r"\1", body)
    if usual != body:  # a call without options looks none of them up
        body = f"({body}) if n.options else {usual}"
    function: Callable[..., Any] = eval(f"lambda {first}, k, n, p: {body}", space)
    return function


def _pull(
    op: Op, name: str, i: int | None, places: Mapping[str, str], complex: bool
) -> Callable[..., Any]:
    rule = op.rules[name]
    if op.kind not in ("elementwise", "selection"):
        return _compile(op, rule, "g", _call(op, rule, op.needs[name], "g", i, places))
    d = _call(op, rule, op.needs[name], "", i, places)
    if complex and op.kind == "elementwise":
        d = f"conj({d})"
    g = "g"
    if op.reduces:
        g = f"expand(g, p.shape, {_option(op, 'axis')}, {_option(op, 'keepdims')})"
    if op.kind == "selection":
        body = f"pick({g}, {d})" if op.shares else f"only({g}, {d})"
    else:
        body = f"{g} * {d}"
    return _compile(op, rule, "g", body)


def _quiet(pull: Callable[..., Any]) -> Callable[..., Any]:
    """`pull` without NumPy's warnings: an infinite derivative may be one that nobody asks for."""

    def quiet(g: Any, kept: Any, node: Any, parent: Any) -> Any:
        with np.errstate(all="ignore"):
            return pull(g, kept, node, parent)

    return quiet


def _push(op: Op, name: str, i: int | None, places: Mapping[str, str]) -> Callable[..., Any] | None:
    """The jvp for one input; None where the pull is transposed, or all inputs go at once."""
    rule = op.rules[name]
    if name in op.jvps:
        names = op.names(name, op.jvps[name], "t")
        return _compile(op, op.jvps[name], "t", _call(op, op.jvps[name], names, "t", i, places))
    if op.kind in ("elementwise", "selection"):
        d = _call(op, rule, op.needs[name], "", i, places)
        if op.kind == "selection":
            body = f"pick(t, {d})" if op.shares else f"only(t, {d})"
        else:
            body = f"t * {d}"
        if op.reduces:
            body = f"({body}).sum({_option(op, 'axis')}, keepdims={_option(op, 'keepdims')})"
        return _compile(op, rule, "t", body)
    if op.kind == "linear" and not op.jointly:
        values = dict(places)
        if i is None:
            values[name] = "t"
        else:
            others = places[name]
            values[name] = f"[*{others}[:{i}], t, *{others}[{i + 1}:]]"
        return _compile(op, rule, "t", _applied(op, values))
    return None


def _push_all(op: Op, slots: list[tuple[str, int | None]]) -> Callable[..., Any]:
    """The jvp of a jointly linear op: the op applied to the tangents ``t`` of all its inputs."""
    values = {}
    for name in op.inputs:
        where = [slot for slot, (n, _) in enumerate(slots) if n == name]
        span = f"t[{where[0]}:{where[-1] + 1}]" if where else "()"
        values[name] = span if name == op.sequence else f"t[{where[0]}]"
    return _compile(op, None, "t", _applied(op, values))
