"""What can be folded in a large graph: chains of ops, blocks that repeat, with scopes or without.

Each function gives the keys that `folding.merged` takes, and the fold for each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from autotensor.drawing.data import Vertex
from autotensor.drawing.folding import Box, links, merged

__all__ = [
    "fold_chains",
    "fold_repeated_scopes",
    "fold_repeats",
    "fold_rows",
    "fold_scopes",
    "levels",
]

_LONGEST = 1000  # ops in a block that is found to repeat
_FEWEST = 3  # equal blocks that are drawn as one
_LEAVES = ("leaf", "constant")

Vertices = Mapping[int, Vertex]


def levels(vertices: Vertices) -> int:
    """How deep the scopes are nested."""
    scopes = {vertex.scope for vertex in vertices.values()}
    return max((scope.count("/") + 1 for scope in scopes if scope), default=0)


def fold_scopes(vertices: Vertices, boxes: Sequence[Box], depth: int) -> list[Box]:
    """Every scope that is deeper than `depth` as one box, and equal ones in a row as one."""
    keys: list[Hashable] = []
    for box in boxes:
        parts = tuple(box.scope.split("/"))
        backward = vertices[box.id].of > 0
        keys.append((backward, parts[: depth + 1]) if len(parts) > depth and box.scope else None)

    def make(key: Any, found: list[Box]) -> Box:
        parts = key[1]
        return Box(_members(found), parts[-1], "/".join(parts[:-1]))

    return fold_rows(vertices, merged(vertices, boxes, keys, make))


def fold_repeated_scopes(vertices: Vertices, boxes: Sequence[Box]) -> list[Box]:
    """Equal scopes in a row as one box, the outermost first; all other scopes stay open."""
    found = list(boxes)
    for depth in range(levels(vertices)):
        rows = {box.id: box for box in fold_scopes(vertices, found, depth) if box.repeats > 1}
        row_of = {id: row for row, box in rows.items() for id in box.members}
        keys = [row_of.get(box.id) for box in found]
        found = merged(vertices, found, keys, _one_of(rows), split=False)
    return found


def _one_of(rows: Mapping[int, Box]) -> Callable[[Any, list[Box]], Box]:
    return lambda row, _: rows[row]


def fold_rows(vertices: Vertices, boxes: Sequence[Box]) -> list[Box]:
    """Folds that are equal and use each other in a row, as one that says how many they are."""
    uses = links(vertices, boxes)
    signatures = [
        _signature(vertices, box) if len(box.members) > 1 and box.repeats == 1 else None
        for box in boxes
    ]
    keys: list[Hashable] = [None] * len(boxes)
    followed: set[int] = set()
    for i, sources in enumerate(uses):
        for source in sources:
            alike = signatures[i] is not None and signatures[source] == signatures[i]
            if alike and source not in followed and boxes[source].scope == boxes[i].scope:
                if keys[source] is None:
                    keys[source] = source
                keys[i] = keys[source]
                followed.add(source)
                break
    return _merge_repeated(vertices, boxes, keys, lambda found: _common_name(found))


def _common_name(found: Sequence[Box]) -> str:
    """The name of equal folds: ``Block`` of ``blocks.0 (Block)``, ``block`` of ``block.2``."""
    names = [box.name for box in found]
    if names[0].endswith(")") and " (" in names[0]:
        return names[0].rpartition(" (")[2][:-1]
    stems = {name.rstrip("0123456789").rstrip("._-") for name in names}
    stem = stems.pop() if len(stems) == 1 else ""
    # Of block/0, block/1 … it is block.
    return stem or found[0].scope.rpartition("/")[2] or f"{names[0]} … {names[-1]}"


def _merge_repeated(
    vertices: Vertices, boxes: Sequence[Box], keys: Sequence[Hashable], name: Any
) -> list[Box]:
    counts = Counter(key for key in keys if key is not None)
    keys = [key if counts[key] >= _FEWEST else None for key in keys]

    def make(key: Hashable, found: list[Box]) -> Box:
        return Box(_members(found), name(found), found[0].scope, len(found))

    return merged(vertices, boxes, keys, make, split=False)


def fold_chains(vertices: Vertices, boxes: Sequence[Box]) -> list[Box]:
    """Ops of one argument and one use that keep the shape, one after the other, as one box each."""
    uses = links(vertices, boxes)
    counts = Counter(source for sources in uses for source in sources)
    keys: list[Hashable] = [None] * len(boxes)
    for i, (box, sources) in enumerate(zip(boxes, uses, strict=True)):
        if len(sources) != 1 or len(box.members) > 1:
            continue
        vertex, below = vertices[box.id], boxes[sources[0]]
        before = vertices[below.id]
        if (
            len(below.members) == 1
            and before.kind == "op"
            and not before.root
            and counts[sources[0]] == 1
            and (before.shape, before.scope, before.of) == (vertex.shape, vertex.scope, vertex.of)
        ):
            if keys[sources[0]] is None:
                keys[sources[0]] = sources[0]
            keys[i] = keys[sources[0]]

    def make(key: Hashable, found: list[Box]) -> Box:
        ops = [vertices[box.id].op for box in found]
        if len(set(ops)) == 1:
            return Box(_members(found), ops[0], found[0].scope, len(found))
        return Box(_members(found), ops_text(ops), found[0].scope)

    return merged(vertices, boxes, keys, make)


def ops_text(ops: Sequence[str]) -> str:
    """``3 ops: exp, add, tanh``; of many the first ones and the last."""
    shown = list(ops) if len(ops) <= 4 else [*ops[:2], "…", ops[-1]]
    return f"{len(ops):,} ops: {', '.join(shown).replace('…,', '…')}"


def fold_repeats(vertices: Vertices, boxes: Sequence[Box]) -> list[Box]:
    """Blocks of ops that repeat in a row, found by their ops, shapes and arguments alone."""
    uses = links(vertices, boxes)
    places = [
        i for i, box in enumerate(boxes) if len(box.members) > 1 or vertices[box.id].kind == "op"
    ]
    rank = {place: i for i, place in enumerate(places)}
    shapes: dict[Hashable, int] = {}
    codes = np.array(
        [
            shapes.setdefault(_local(vertices, boxes, rank, uses, place), len(shapes))
            for place in places
        ],
        dtype=np.int64,
    )
    keys: list[Hashable] = [None] * len(boxes)
    sizes: dict[Hashable, int] = {}
    for start, period, repeats in _repeats(codes):
        for i in range(start, start + period * repeats):
            keys[places[i]] = start
        sizes[start] = repeats
    users: dict[int, set[Hashable]] = {}
    for i, sources in enumerate(uses):
        for source in sources:
            users.setdefault(source, set()).add(keys[i])
    for i, box in enumerate(boxes):
        vertex = vertices[box.id]
        own = users.get(i, set())
        inner = vertex.kind == "leaf" or (vertex.kind == "constant" and not vertex.name)
        if inner and len(own) == 1 and len(box.members) == 1:
            keys[i] = own.pop()

    def make(key: Hashable, found: list[Box]) -> Box:
        inner = [box for box in found if vertices[box.id].kind not in _LEAVES]
        block = inner[: len(inner) // sizes[key]]
        named = [box.name or vertices[box.id].op for box in block]
        name = named[0] if len(named) == 1 else ops_text(named)
        scopes = {box.scope for box in found}
        return Box(_members(found), name, scopes.pop() if len(scopes) == 1 else "", sizes[key])

    return merged(vertices, boxes, keys, make, split=False)


def _repeats(codes: np.ndarray[Any, Any]) -> list[tuple[int, int, int]]:
    """``(start, period, repeats)`` of what repeats in a row, disjoint, what saves most first."""
    found = []
    for period in range(1, min(len(codes) // _FEWEST, _LONGEST) + 1):
        same = np.zeros(len(codes) - period + 2, dtype=np.int8)
        same[1:-1] = codes[period:] == codes[:-period]
        ends = np.flatnonzero(np.diff(same))
        for start, end in zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True):
            repeats = (end - start) // period + 1
            if repeats >= _FEWEST:
                found.append(((repeats - 1) * period, period, start, repeats))
    taken = np.zeros(len(codes), dtype=bool)
    result = []
    for _, period, start, repeats in sorted(found, key=lambda f: (-f[0], f[1], f[2])):
        if not taken[start : start + period * repeats].any():
            taken[start : start + period * repeats] = True
            result.append((start, period, repeats))
    return result


def _local(
    vertices: Vertices,
    boxes: Sequence[Box],
    rank: Mapping[int, int],
    uses: Sequence[Sequence[int]],
    place: int,
) -> Hashable:
    """What makes a box equal to another: what it computes, and how far back its operands are."""
    box = boxes[place]
    vertex = vertices[box.id]
    operands = [
        rank[place] - rank[source] if source in rank else _kind(vertices[boxes[source].id])
        for source in uses[place]
    ]
    texts = [argument for argument in vertex.arguments if isinstance(argument, str)]
    if len(box.members) > 1:
        return _signature(vertices, box), tuple(operands)
    return _kind(vertex), vertex.options, tuple(texts), tuple(operands)


def _kind(vertex: Vertex) -> Hashable:
    return vertex.kind, vertex.op, vertex.shape, vertex.dtype, vertex.of > 0


def _signature(vertices: Vertices, box: Box) -> Hashable:
    """Equal for folds of the same structure; what comes from outside is numbered."""
    place = {id: i for i, id in enumerate(box.members)}
    outside: dict[int, int] = {}
    parts = []
    for id in box.members:
        vertex = vertices[id]
        arguments: list[Any] = []
        for value in vertex.arguments:
            if isinstance(value, str):
                arguments.append(value)
            elif value in place:
                arguments.append(place[value])
            else:
                number = outside.setdefault(value, len(outside))
                arguments.append((number, vertices[value].shape, vertices[value].dtype))
        parts.append((_kind(vertex), vertex.options, tuple(arguments)))
    return tuple(parts)


def _members(found: Sequence[Box]) -> tuple[int, ...]:
    return tuple(sorted(id for box in found for id in box.members))
