"""Folding: several vertices drawn as one box, and never a cycle between boxes.

A view is a partition of the vertices into boxes. Whoever folds says which boxes belong together;
`merged` makes the partition, and where boxes that belong together have something between them that
both feed on each other's results through, it keeps the runs before and after it apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from autotensor.drawing.data import Vertex

__all__ = ["Box", "boxes_of", "links", "merged", "vertices_of"]


class Box(NamedTuple):
    """What is drawn as one: the ids of its vertices, and for a fold its name and the rest."""

    members: tuple[int, ...]
    name: str = ""
    scope: str = ""
    repeats: int = 1

    @property
    def id(self) -> int:
        """That of its last vertex, whose result is the result of the box."""
        return self.members[-1]


def boxes_of(vertices: Iterable[Vertex]) -> list[Box]:
    """A box for every vertex."""
    return [Box((vertex.id,), scope=vertex.scope) for vertex in vertices]


def links(vertices: Mapping[int, Vertex], boxes: Sequence[Box]) -> list[list[int]]:
    """For each box the places of the boxes that it uses, each once, in the order of their use."""
    place = {id: i for i, box in enumerate(boxes) for id in box.members}
    return [
        [
            source
            for source in dict.fromkeys(
                place[argument]
                for id in box.members
                for argument in vertices[id].arguments
                if argument in place
            )
            if source != i
        ]
        for i, box in enumerate(boxes)
    ]


def merged(
    vertices: Mapping[int, Vertex],
    boxes: Sequence[Box],
    keys: Sequence[Hashable],
    make: Callable[[Hashable, list[Box]], Box],
    *,
    split: bool = True,
) -> list[Box]:
    """The boxes with those of equal key made one.

    Parameters
    ----------
    vertices : of the graph, by their ids.
    boxes : in an order in which operands come first.
    keys : what each box belongs to; None where it stays as it is.
    make : ``make(key, boxes)`` is the fold of several boxes of one key.
    split : whether boxes of one key that cannot be one are folded run by run; otherwise they stay.

    Returns
    -------
    list of Box
        In an order in which operands come first; among the possible ones near that of the ids.
    """
    uses = links(vertices, boxes)
    keys = _without_shared_leaves(vertices, boxes, keys, uses)
    groups: list[tuple[Hashable, ...]] = [
        ("box", i) if key is None else ("fold", key) for i, key in enumerate(keys)
    ]
    tangled = _tangled(groups, uses)
    if tangled:
        run, last = 0, None
        for i, group in enumerate(groups):
            if group in tangled:
                # Runs of an order in which operands come first: no cycle can be left.
                run += group != last
                last = group
                groups[i] = (*group, run) if split else ("box", i)
    found: dict[Hashable, list[int]] = {}
    for i, group in enumerate(groups):
        found.setdefault(group, []).append(i)
    result = []
    runs: Counter[Hashable] = Counter()
    for places in found.values():
        if len(places) == 1:
            result.append(boxes[places[0]])
            continue
        key = keys[places[0]]
        runs[key] += 1
        fold = make(key, [boxes[i] for i in places])
        result.append(fold if runs[key] == 1 else fold._replace(name=f"{fold.name}.{runs[key]}"))
    return _ordered(vertices, result)


def _without_shared_leaves(
    vertices: Mapping[int, Vertex],
    boxes: Sequence[Box],
    keys: Sequence[Hashable],
    uses: Sequence[Sequence[int]],
) -> list[Hashable]:
    """The keys without those of leaves and constants that something outside of the fold uses.

    The backward pass is outside of every fold of the forward pass and uses what that keeps for it:
    it counts for its own constants only.
    """
    keys = [
        None if box.members[1:] == () and _is_root_leaf(vertices[box.id]) else key
        for box, key in zip(boxes, keys, strict=True)
    ]
    backward = [vertices[box.id].of > 0 for box in boxes]
    for i, sources in enumerate(uses):
        for source in sources:
            if backward[i] and not backward[source]:
                continue
            leaf = vertices[boxes[source].id].kind in ("leaf", "constant")
            if leaf and not uses[source] and keys[source] != keys[i]:
                keys[source] = None
    return keys


def _is_root_leaf(vertex: Vertex) -> bool:
    return vertex.root and vertex.kind in ("leaf", "constant")


def _tangled(groups: Sequence[Hashable], uses: Sequence[Sequence[int]]) -> set[Hashable]:
    """The groups on cycles, and on ways from one cycle to another."""
    below: dict[Hashable, set[Hashable]] = {group: set() for group in groups}
    above: dict[Hashable, set[Hashable]] = {group: set() for group in groups}
    for group, sources in zip(groups, uses, strict=True):
        for source in sources:
            if groups[source] != group:
                below[group].add(groups[source])
                above[groups[source]].add(group)
    left = dict.fromkeys(below)
    for toward, away in ((below, above), (above, below)):
        waiting = {group: len(toward[group] & left.keys()) for group in left}
        ready = [group for group, count in waiting.items() if not count]
        while ready:
            group = ready.pop()
            del left[group]
            for other in away[group]:
                if other in left:
                    waiting[other] -= 1
                    if not waiting[other]:
                        ready.append(other)
    return set(left)


def _ordered(vertices: Mapping[int, Vertex], boxes: Sequence[Box]) -> list[Box]:
    """The boxes by id, or where that puts one before what it uses, as near to it as can be."""
    boxes = sorted(boxes, key=lambda box: box.id)
    uses = links(vertices, boxes)
    if all(source < i for i, sources in enumerate(uses) for source in sources):
        return boxes
    order: list[int] = []
    done: set[int] = set()
    for i in range(len(boxes)):
        stack = [(i, iter(uses[i]))] if i not in done else []
        done.add(i)
        while stack:
            top, sources = stack[-1]
            ahead = next((source for source in sources if source not in done), None)
            if ahead is None:
                order.append(top)
                stack.pop()
            else:
                done.add(ahead)
                stack.append((ahead, iter(uses[ahead])))
    return [boxes[i] for i in order]


def vertices_of(vertices: Mapping[int, Vertex], boxes: Sequence[Box]) -> tuple[Vertex, ...]:
    """The boxes as vertices, whose arguments are boxes too; of what is left out they have names."""
    drawn = {id: box.id for box in boxes for id in box.members}

    def argument(value: int | str) -> int | str:
        if isinstance(value, str):
            return value
        return drawn.get(value) or vertices[value].name or f"#{value}"

    def elsewhere(id: int) -> int:
        return drawn.get(id, id)

    used = {
        a
        for vertex in vertices.values()
        for a in vertex.arguments
        if isinstance(a, int) and drawn.get(a) != drawn.get(vertex.id)
    }
    result = []
    for box in boxes:
        members = [vertices[id] for id in box.members]
        last = members[-1]
        # What a fold is the value of: its last vertex, or of those of a backward pass the last
        # that goes on from here, not the gradient of some parameter.
        if last.of and len(members) > 1:
            last = next((m for m in reversed(members) if m.id in used), last)
        if len(members) == 1:
            result.append(
                last._replace(
                    arguments=tuple(map(argument, last.arguments)),
                    of=elsewhere(last.of),
                    gradient=elsewhere(last.gradient),
                )
            )
            continue
        outside = dict.fromkeys(
            argument(value)
            for member in members
            for value in member.arguments
            if isinstance(value, int) and drawn.get(value) != box.id
        )
        bad = next((member for member in members if member.bad), None)
        result.append(
            Vertex(
                box.id,
                "fold",
                box.name,
                last.shape,
                last.dtype,
                any(member.root for member in members),
                last.value,
                arguments=tuple(outside),
                kept=sum(member.kept for member in members),
                scope=box.scope,
                bytes=sum(member.bytes for member in members),
                grad=last.grad,
                bad=f"#{bad.id} {bad.op or bad.kind}: {bad.bad}" if bad else "",
                of=elsewhere(max(member.of for member in members)),
                members=box.members,
                repeats=box.repeats,
            )
        )
    return tuple(result)
