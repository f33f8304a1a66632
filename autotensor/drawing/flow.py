"""Which way a picture runs: the vertices in an order for the layout, and the edges between them.

The forward pass runs down. What the backward pass computes for an op stands beside it and runs up:
a cotangent is level with what it is the cotangent of, the gradients of the leaves with the leaves.
So the edges of the backward pass are turned round for the layout, which then places the user above
what it uses. An array that was kept for the backward pass comes from above where it is an operand
of the forward op, and from below where it is the result of that.

All this is one order: forward vertices as they depend on each other, and what was computed for one
of them right before it, the latest first. Whatever runs against the order is turned.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from autotensor.drawing.data import Edge, Vertex

__all__ = ["Flow", "flow"]


class Flow(NamedTuple):
    """A graph as the layout takes it.

    Attributes
    ----------
    order : the places of the vertices in the sequence given, from the top of the picture down.
    edges : by edge, ``(upper, lower)`` as places in `order`.
    turned : by edge, whether it runs upward.
    beside : by place in `order`, the place of the forward vertex it was computed for, or None.
    """

    order: list[int]
    edges: list[tuple[int, int]]
    turned: list[bool]
    beside: list[int | None]


def flow(vertices: Sequence[Vertex], edges: Sequence[Edge]) -> Flow:
    """Order a graph from top to bottom.

    Parameters
    ----------
    vertices, edges : of the graph; what folds stand for is found by their members. A cycle, as
        folds may make one, is cut at the vertex with the smallest id.
    """
    index = {vertex.id: i for i, vertex in enumerate(vertices)}
    pairs = [(index[edge.source], index[edge.target]) for edge in edges]
    backward = [bool(vertex.of) for vertex in vertices]
    if all(backward):
        backward = [False] * len(vertices)  # nothing to be beside
    forward = _sorted(vertices, pairs, backward)
    rank = {i: place for place, i in enumerate(forward)}
    home = {member: i for i, vertex in enumerate(vertices) for member in vertex.members} | index
    companion: dict[int, int] = {}
    for i, vertex in enumerate(vertices):
        if backward[i]:
            of = home.get(vertex.of, -1)
            companion[i] = of if of in rank else forward[-1]
    order = sorted(
        range(len(vertices)),
        key=lambda i: (rank[i], 1, 0) if i in rank else (rank[companion[i]], 0, -vertices[i].id),
    )
    place = [0] * len(order)
    for position, i in enumerate(order):
        place[i] = position
    turned = [place[source] > place[target] for source, target in pairs]
    return Flow(
        order,
        [(min(place[s], place[t]), max(place[s], place[t])) for s, t in pairs],
        turned,
        [place[companion[i]] if i in companion else None for i in order],
    )


def _sorted(
    vertices: Sequence[Vertex], pairs: Sequence[tuple[int, int]], backward: Sequence[bool]
) -> list[int]:
    """The forward vertices, operands first, otherwise by id."""
    users: dict[int, list[int]] = {}
    waiting = {i: 0 for i, aside in enumerate(backward) if not aside}
    for source, target in pairs:
        if source in waiting and target in waiting:
            users.setdefault(source, []).append(target)
            waiting[target] += 1
    ready = [(vertices[i].id, i) for i, missing in waiting.items() if not missing]
    heapq.heapify(ready)
    rest = iter(sorted(waiting, key=lambda i: vertices[i].id))
    order: list[int] = []
    done = set()
    while len(order) < len(waiting):
        i = heapq.heappop(ready)[1] if ready else next(r for r in rest if r not in done)
        if i in done:
            continue
        done.add(i)
        order.append(i)
        for user in users.get(i, ()):
            waiting[user] -= 1
            if not waiting[user] and user not in done:
                heapq.heappush(ready, (vertices[user].id, user))
    return order
