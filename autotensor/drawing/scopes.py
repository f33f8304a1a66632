"""Which part of the model each node belongs to: the scopes that were open, the modules called.

An op under ``at.scope`` has noted the scopes. A module notes only, on the node that it returned,
the creation number at which the call began: what is below that node and has a greater number was
made by the call. Scopes and calls nest in the order in which they began.

Small layers, of which speed is asked, note nothing: `Sequential` notes when each of its layers was
done, and a layer with parameters that another module called is where these are used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import takewhile
from typing import Any

from autotensor.array import Tensor
from autotensor.engine.graph import Leaf, Node

__all__ = ["scopes_of"]

Opened = tuple[float, str]  # the number at which a scope or call began, and its name


class _Call:
    """One call of a module: when it began, whose, the last nodes that it made, and all of them."""

    def __init__(self, began: float, name: str, module: Any, results: Sequence[Node]) -> None:
        self.began = began
        self.name = name
        self.module = module
        self.results = list(results)
        self.made: Sequence[Node] = ()


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
        for node in call.made:
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
    ends: dict[int, Sequence[int]] = {}
    for node in nodes:
        if not isinstance(node, Node):
            continue
        noted = node.calls
        while noted is not None:
            began, tag, ended, noted = noted
            if began in calls:
                calls[began].results.append(node)
            else:
                calls[began] = _Call(began, tag.name, tag.module(), [node])
                ends[began] = ended
    found: list[_Call] = []
    for began in sorted(calls):
        call = calls[began]
        call.made = sorted(_made_by(call), key=lambda node: node.number)
        found += [call, *_layers(call, ends[began]), *_users(call)]
    return sorted(found, key=lambda call: call.began)


def _made_by(call: _Call) -> set[Node]:
    """The nodes below the results of `call` that were made since it began."""
    made = set(call.results)
    stack: list[Any] = list(made)
    while stack:
        for parent in stack.pop().parents:
            if isinstance(parent, Node) and parent.number > call.began and parent not in made:
                made.add(parent)
                stack.append(parent)
    return made


def _layers(call: _Call, ends: Sequence[int]) -> Iterator[_Call]:
    """The calls of its layers, each done at one of `ends`, but of those that note theirs."""
    if not ends:
        return
    layers = call.module.layers if call.module is not None else (None,) * len(ends)
    began, i = call.began, 0
    for layer, end in zip(layers, ends, strict=True):
        made = []
        while i < len(call.made) and call.made[i].number < end:
            made.append(call.made[i])
            i += 1
        if made and not _notes(layer) and not (layer is None and _noted_since(made[-1], began)):
            name = getattr(layer, "__name__", type(layer).__name__)
            yield _part(began + 0.25, name if layer is not None else made[-1].op.name, layer, made)
        began = end


def _notes(layer: Any) -> bool:
    """Whether calls of `layer` are noted by itself."""
    return hasattr(layer, "named_modules") and layer._noted


def _noted_since(node: Node, began: float) -> bool:
    """Whether a module that returned `node` was called at `began` or later."""
    noted = node.calls
    while noted is not None and noted[0] < began:
        noted = noted[3]
    return noted is not None


def _users(call: _Call) -> Iterator[_Call]:
    """What uses the parameters of the layers that the module itself called."""
    owners = {
        parameter._node: layer
        for layer in getattr(call.module, "__dict__", {}).values()
        if hasattr(layer, "named_modules") and not _notes(layer)
        for parameter in vars(layer).values()
        if isinstance(parameter, Tensor)
    }
    groups: dict[Node, tuple[Any, list[Node]]] = {}
    for node in call.made if owners else ():
        layer = next((owners[p] for p in node.parents if p in owners), None)
        if layer is not None:
            before = next((groups[p] for p in node.parents if p in groups), None)
            if before is None or before[0] is not layer:
                before = (layer, [])
            before[1].append(node)
            groups[node] = before
    for node, (layer, made) in groups.items():
        if node is made[0]:
            yield _part(node.number - 0.5, type(layer).__name__, layer, made)


def _part(began: float, name: str, module: Any, made: Sequence[Node]) -> _Call:
    """A call that was not noted; it begins after the one that it is a part of."""
    call = _Call(began, name, module, made[-1:])
    call.made = made
    return call


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
        name = call.name
        if caller is not None and call.module is not None:
            if caller is call.module:
                names[call] = ""
                continue
            if id(caller) not in inside and hasattr(caller, "named_modules"):
                inside[id(caller)] = {id(m): path for path, m in caller.named_modules()}
            path = inside.get(id(caller), {}).get(id(call.module), "")
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
        if hasattr(module, "named_modules") and id(module) not in inner:
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
