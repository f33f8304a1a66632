"""Which part of the model each node belongs to: the scopes that were open, the modules called.

An op under ``at.scope`` has noted the scopes. A module notes only, on the node that it returned,
the creation number at which the call began: what is below that node and has a greater number was
made by the call. Scopes and calls nest in the order in which they began.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import Any

from autotensor.engine.graph import Leaf, Node

__all__ = ["scopes_of"]

Opened = tuple[int, str]  # the number at which a scope or call began, and its name


class _Call:
    """One call of a module: when it began, whose, the nodes it returned."""

    def __init__(self, began: int, name: str, module: Any) -> None:
        self.began = began
        self.name = name
        self.module = module
        self.results: list[Node] = []


def scopes_of(nodes: Sequence[Node | Leaf], named: Collection[Any] = ()) -> dict[Node | Leaf, str]:
    """The scope of every node that is in one, names joined by "/".

    Parameters
    ----------
    nodes : of the graph, in the order of their creation.
    named : nodes of the caller's variables.

    Notes
    -----
    A module is called by its attribute path in the module that called it, with its class in
    parentheses, otherwise by its class; a second call from the same place has a number. A
    parameter belongs where all ops are that use it, and so does an array without a name.
    """
    opened: dict[Node | Leaf, list[Opened]] = {}
    for node in nodes:
        if node.notes and "scopes" in node.notes:
            opened[node] = list(node.notes["scopes"])
    calls = _calls(nodes)
    within: dict[Node | Leaf, list[_Call]] = {}
    for call in calls:
        for node in _made_by(call):
            within.setdefault(node, []).append(call)
    if not opened and not within:
        return {}
    names = _named(calls, opened, within)
    for node, around in within.items():
        parts = [*opened.get(node, ()), *((c.began, name) for c in around if (name := names[c]))]
        opened[node] = sorted(parts)
    found = {node: "/".join([name for _, name in parts]) for node, parts in opened.items() if parts}
    return found | _of_leaves(nodes, found, calls, named)


def _calls(nodes: Sequence[Node | Leaf]) -> list[_Call]:
    """All calls of modules in the order in which they began, hence the outer ones first."""
    calls: dict[int, _Call] = {}
    for node in nodes:
        if isinstance(node, Node) and node.calls:
            flat = node.calls
            for began, name, module in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
                if node.number > began:
                    if began not in calls:
                        calls[began] = _Call(began, name, module())
                    calls[began].results.append(node)
    return [calls[began] for began in sorted(calls)]


def _made_by(call: _Call) -> set[Node | Leaf]:
    """The nodes below the results of `call` that were made since it began."""
    made: set[Node | Leaf] = set(call.results)
    stack: list[Any] = list(made)
    while stack:
        for parent in stack.pop().parents:
            if isinstance(parent, Node) and parent.number > call.began and parent not in made:
                made.add(parent)
                stack.append(parent)
    return made


def _named(
    calls: Sequence[_Call],
    opened: dict[Node | Leaf, list[Opened]],
    within: dict[Node | Leaf, list[_Call]],
) -> dict[_Call, str]:
    """What each call is called; nothing where a module calls itself, as by ``super()``."""
    names: dict[_Call, str] = {}
    inside: dict[int, dict[int, str]] = {}  # the paths of the modules in one, by their ids
    counts: Counter[tuple[tuple[Opened, ...], str]] = Counter()
    for call in calls:
        result = call.results[0]
        outer = [c for c in within[result] if c.began < call.began and names[c]]
        caller = outer[-1].module if outer else None
        name = type(call.module).__name__ if call.module is not None else call.name
        if caller is not None and call.module is not None:
            if caller is call.module:
                names[call] = ""
                continue
            if id(caller) not in inside:
                inside[id(caller)] = {id(m): path for path, m in caller.named_modules()}
            path = inside[id(caller)].get(id(call.module), "")
            if path:
                name = path if path.lower() == name.lower() else f"{path} ({name})"
        name = name.replace("/", "|")
        parts = [(c.began, names[c]) for c in outer]
        parts += [part for part in opened.get(result, ()) if part[0] < call.began]
        place = tuple(sorted(parts)), name
        counts[place] += 1
        names[call] = name if counts[place] == 1 else f"{name}.{counts[place]}"
    return names


def _owned(calls: Sequence[_Call]) -> set[Any]:
    """The leaves that are parameters of the modules called."""
    found: set[Any] = set()
    inner: set[int] = set()
    for call in calls:  # outer ones first, whose parameters include those of the inner ones
        module = call.module
        if module is not None and id(module) not in inner:
            inner.update(id(m) for _, m in module.named_modules())
            inner.add(id(module))
            found.update(tensor._node for tensor in module.parameters())
    return found


def _of_leaves(
    nodes: Sequence[Node | Leaf],
    scopes: dict[Node | Leaf, str],
    calls: Sequence[_Call],
    named: Collection[Any],
) -> dict[Node | Leaf, str]:
    """The scope of each leaf that belongs in one: what the scopes of all its users begin with."""
    owned = _owned(calls)
    common: dict[Leaf, list[str]] = {}
    for node in nodes:
        path = scopes.get(node, "").split("/")
        for parent in node.parents:
            if isinstance(parent, Leaf):
                known = common.get(parent, path)
                same = takewhile(lambda pair: pair[0] == pair[1], zip(known, path, strict=False))
                common[parent] = path if known is path else [name for name, _ in same]

    def belongs(leaf: Leaf) -> bool:
        if leaf.requires_grad:  # a parameter, unless it is known which ones are
            return leaf in owned or not (owned or (calls and leaf in named))
        return not leaf.name and leaf not in named

    return {leaf: "/".join(path) for leaf, path in common.items() if any(path) and belongs(leaf)}
