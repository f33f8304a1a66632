"""What changed between two graphs: their nodes matched, added, removed, changed.

Nodes are matched in rounds, from the surest evidence to the weakest: the same name in the same
scope, the same computation from the leaves up, the same op of the same shape, the same op. Every
round aligns what lies between the pairs found so far, so pairs never cross, and takes first what
is unique on both sides (a patience diff), so that its time grows with the number of nodes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from autotensor.drawing.data import Vertex
from autotensor.drawing.labels import clean, shape_text

__all__ = ["Changed", "GraphDiff", "difference"]

_COMPARED = (
    "kind", "name", "op", "arguments", "options", "shape", "dtype", "root", "scope", "kept",
    "value", "bad", "grad", "of", "gradient",
)  # fmt: skip

Pair = tuple[int, int]


class Changed(NamedTuple):
    """A node that is in both graphs and not the same.

    Attributes
    ----------
    before, after : the node in each graph.
    fields : the fields of `Vertex` that differ. Among ``arguments``, ``of`` and ``gradient`` the
        ids of matched nodes count as equal.
    """

    before: Vertex
    after: Vertex
    fields: tuple[str, ...]


class GraphDiff(NamedTuple):
    """What has to be done to one graph to get another. Printed, a line for each node.

    Attributes
    ----------
    added : nodes that only the second graph has.
    removed : nodes that only the first one has.
    changed : nodes of both that differ.
    """

    added: tuple[Vertex, ...] = ()
    removed: tuple[Vertex, ...] = ()
    changed: tuple[Changed, ...] = ()

    def __str__(self) -> str:
        lines = [(v.id, 0, f"- {_called(v)}") for v in self.removed]
        lines += [(v.id, 1, f"+ {_called(v)}") for v in self.added]
        lines += [(c.before.id, 2, f"~ {_called(c.before)}: {_words(c)}") for c in self.changed]
        return "\n".join(text for _, _, text in sorted(lines)) or "no difference"


def difference(before: Sequence[Vertex], after: Sequence[Vertex]) -> GraphDiff:
    """The difference of two graphs, given by their vertices."""
    pairs = _matched(before, after)
    to_after = {before[i].id: after[j].id for i, j in pairs}
    changed = []
    for i, j in pairs:
        a, b = before[i], after[j]
        moved = a._replace(
            arguments=tuple(to_after.get(x, -1) if isinstance(x, int) else x for x in a.arguments),
            of=to_after.get(a.of, -1) if a.of else 0,
            gradient=to_after.get(a.gradient, -1) if a.gradient else 0,
        )
        fields = tuple(
            name
            for name in _COMPARED
            if (x := getattr(moved, name)) != (y := getattr(b, name)) and (x == x or y == y)
        )
        if fields:
            changed.append(Changed(a, b, fields))
    left, right = {i for i, _ in pairs}, {j for _, j in pairs}
    return GraphDiff(
        tuple(v for j, v in enumerate(after) if j not in right),
        tuple(v for i, v in enumerate(before) if i not in left),
        tuple(changed),
    )


def _matched(before: Sequence[Vertex], after: Sequence[Vertex]) -> list[Pair]:
    # Leaves have no place of their own in the order, so their pairs may cross others.
    leaves, ops = _halves(before, after)
    pairs = _in_rounds(*leaves) + _in_rounds(*ops)
    return sorted(pairs)


def _halves(before: Sequence[Vertex], after: Sequence[Vertex]) -> Any:
    hashes: dict[Hashable, int] = {}
    sides = [_structures(vertices, hashes) for vertices in (before, after)]
    return [
        [
            [(i, v, sides[side][i]) for i, v in enumerate(vertices) if bool(v.op) is is_op]
            for side, vertices in enumerate((before, after))
        ]
        for is_op in (False, True)
    ]


def _structures(vertices: Sequence[Vertex], known: dict[Hashable, int]) -> list[int]:
    """A number for what each vertex computes from the leaves up, equal where that is equal."""
    found: list[int] = []
    place = {vertex.id: i for i, vertex in enumerate(vertices)}
    for vertex in vertices:
        arguments = tuple(found[place[a]] if isinstance(a, int) else a for a in vertex.arguments)
        leaf = "" if vertex.op else vertex.name
        key = (vertex.kind, vertex.op, leaf, vertex.shape, vertex.dtype, vertex.options, arguments)
        found.append(known.setdefault(key, len(known)))
    return found


Entry = tuple[int, Vertex, int]
_ROUNDS: tuple[Callable[[Entry], Hashable], ...] = (
    lambda e: e[1].name and (e[1].name, e[1].scope, e[1].kind),
    lambda e: (e[2], e[1].scope),
    lambda e: (e[1].kind, e[1].op, e[1].scope, e[1].shape, e[1].dtype),
    lambda e: (e[1].kind, e[1].op, e[1].shape, e[1].dtype),
    lambda e: (e[1].kind, e[1].op),
)


def _in_rounds(a: Sequence[Entry], b: Sequence[Entry]) -> list[Pair]:
    gaps = [(0, len(a), 0, len(b))]
    pairs: list[Pair] = []
    for key in _ROUNDS:
        left, right = [key(e) for e in a], [key(e) for e in b]
        found: list[Pair] = []
        for gap in gaps:
            found += _aligned(left, right, gap)
        pairs = sorted(pairs + found)
        marks = [(-1, -1), *pairs, (len(a), len(b))]
        gaps = [
            (i + 1, k, j + 1, m) for (i, j), (k, m) in pairwise(marks) if i + 1 < k and j + 1 < m
        ]
    return [(a[i][0], b[j][0]) for i, j in pairs]


def _aligned(
    a: Sequence[Hashable], b: Sequence[Hashable], gap: tuple[int, int, int, int]
) -> list[Pair]:
    """Pairs of equal keys that do not cross; keys of None are equal to nothing."""
    pairs: list[Pair] = []
    gaps = [gap]
    while gaps:
        i, i_end, j, j_end = gaps.pop()
        while i < i_end and j < j_end and a[i] == b[j] and a[i] is not None:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        while i < i_end and j < j_end and a[i_end - 1] == b[j_end - 1] and a[i_end - 1] is not None:
            i_end, j_end = i_end - 1, j_end - 1
            pairs.append((i_end, j_end))
        if i == i_end or j == j_end:
            continue
        anchors = _unique(a, b, (i, i_end, j, j_end))
        if not anchors:
            pairs += _greedy(a, b, (i, i_end, j, j_end))
            continue
        pairs += anchors
        marks = [(i - 1, j - 1), *anchors, (i_end, j_end)]
        gaps += [(p + 1, r, q + 1, s) for (p, q), (r, s) in pairwise(marks)]
    return pairs


def _unique(
    a: Sequence[Hashable], b: Sequence[Hashable], gap: tuple[int, int, int, int]
) -> list[Pair]:
    """The longest sequence of pairs, rising on both sides, of keys that each side has once."""
    i, i_end, j, j_end = gap
    once_a, once_b = Counter(a[i:i_end]), Counter(b[j:j_end])
    where = {key: place for place in range(j, j_end) if once_b[key := b[place]] == 1}
    pairs = [
        (place, where[key])
        for place in range(i, i_end)
        if once_a[key := a[place]] == 1 and key in where and key is not None
    ]
    ends: list[int] = []  # the least end of a rising sequence of each length
    places: list[int] = []
    back: list[int] = []
    for n, (_, q) in enumerate(pairs):
        length = bisect_left(ends, q)
        ends[length : length + 1] = [q]
        places[length : length + 1] = [n]
        back.append(places[length - 1] if length else -1)
    found: list[Pair] = []
    n = places[-1] if places else -1
    while n >= 0:
        found.append(pairs[n])
        n = back[n]
    return found[::-1]


def _greedy(
    a: Sequence[Hashable], b: Sequence[Hashable], gap: tuple[int, int, int, int]
) -> list[Pair]:
    """Each of `a` with the next equal one of `b` that is left."""
    i, i_end, j, j_end = gap
    waiting: dict[Hashable, deque[int]] = {}
    for place in range(j, j_end):
        waiting.setdefault(b[place], deque()).append(place)
    pairs, last = [], j - 1
    # The sides may differ in length by much: what is skipped at once is bounded.
    reach = max(j_end - j - (i_end - i), 0) + 8
    for place in range(i, i_end):
        queue = waiting.get(a[place])
        while queue and queue[0] <= last:
            queue.popleft()
        if queue and a[place] is not None and queue[0] - last <= reach:
            last = queue.popleft()
            pairs.append((place, last))
    return pairs


def _called(vertex: Vertex) -> str:
    name = f"{clean(vertex.name)} = " if vertex.name and vertex.op else clean(vertex.name or "")
    what = clean(vertex.op) if vertex.op else f" ({vertex.kind})" if name else vertex.kind
    scope = f" in {clean(vertex.scope)}" if vertex.scope else ""
    return f"#{vertex.id} {name}{what} {shape_text(vertex)}{scope}"


def _words(changed: Changed) -> str:
    return "; ".join(
        f"{name} {_text(name, changed.before)} -> {_text(name, changed.after)}"
        for name in changed.fields
    )


def _text(name: str, vertex: Vertex) -> str:
    value = getattr(vertex, name)
    if name == "arguments":
        return f"({', '.join(f'#{a}' if isinstance(a, int) else clean(a) for a in value)})"
    if name == "options":
        return clean(f"({', '.join('='.join(option) for option in value)})")
    if isinstance(value, float):
        return f"{value:.4g}"
    return clean(str(value)) if value not in ("", None) else "nothing"
