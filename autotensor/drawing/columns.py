"""Coordinates for ordered layers: straight columns, and each of them near what it is connected to.

The last step of `autotensor.drawing.layout`. A column is a run of points, one per layer, that share
their x: a chain of ops, or an edge that runs through several layers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import inf

from autotensor.drawing.layers import Layers, Segment

__all__ = ["columns", "settled"]


def columns(layers: Layers) -> list[int]:
    """The column of each point: points are linked with their main neighbours above and below.

    The main neighbour is the one on the same side with the longest chain above or below it, so that
    this goes on straight and short branches join it from the side; where two chains above are
    equally long the point goes between them.
    """
    depth = _longest(layers.layers, layers.up, layers)
    height = _longest(layers.layers[::-1], layers.down, layers)
    main: list[int | None] = []
    side = layers.side
    for point, above in enumerate(layers.up):
        alike = {p for p, _, _ in above if side[p] == side[point]}
        if len(alike) > 1:
            deepest = max(depth[p] for p in alike)
            alike = {p for p in alike if depth[p] == deepest}
        main.append(alike.pop() if len(alike) == 1 else None)
    column = list(range(len(layers.up)))
    for layer in layers.layers:
        links = []
        for point in layer:
            below = {p for p, _, _ in layers.down[point] if main[p] == point}
            if len(below) > 1:
                longest = max(height[p] for p in below)
                below = {p for p in below if height[p] == longest}
            # A line goes on as a line, a box goes on with a box where there is one.
            alike = {p for p in below if (p < layers.boxes) == (point < layers.boxes)} or below
            if len(alike) % 2:
                middle = sorted(alike, key=layers.place.__getitem__)[len(alike) // 2]
                links.append((point, middle))
        for above_point, point in _uncrossed(links, layers.place):
            column[point] = column[above_point]
    return column


def _longest(
    order: Sequence[Sequence[int]], neighbours: Sequence[Sequence[Segment]], layers: Layers
) -> list[int]:
    """How many boxes are on the longest way to each point, on its side; `order` begins there."""
    longest = [0] * len(neighbours)
    side = layers.side
    for layer in order:
        for point in layer:
            alike = [longest[p] for p, _, _ in neighbours[point] if side[p] == side[point]]
            if alike:  # a line is as far as the box it comes from
                longest[point] = max(alike) + (point < layers.boxes)
    return longest


def _uncrossed(links: list[tuple[int, int]], place: Sequence[int]) -> list[tuple[int, int]]:
    """The most links, of those sorted by their upper end, that do not cross each other."""
    tails: list[int] = []  # smallest lower place with which a run of each length can end
    ends: list[int] = []  # the link that it ends with
    previous = [-1] * len(links)
    for i, (_, point) in enumerate(links):
        length = bisect_left(tails, place[point])
        previous[i] = ends[length - 1] if length else -1
        tails[length : length + 1] = [place[point]]
        ends[length : length + 1] = [i]
    kept = []
    i = ends[-1] if ends else -1
    while i >= 0:
        kept.append(links[i])
        i = previous[i]
    return kept


def settled(
    layers: Layers,
    column: Sequence[int],
    apart: Callable[[int, int], float],
    rounds: int,
) -> dict[int, float]:
    """The x of each column.

    Between the leftmost and the rightmost solution lie all others, and so does their middle, where
    every layer is about centred. From there each column moves toward its neighbours as far as the
    columns beside it let it, for `rounds` passes.
    """
    before: dict[int, dict[int, float]] = {c: {} for c in dict.fromkeys(column)}
    after: dict[int, dict[int, float]] = {c: {} for c in before}
    size = dict.fromkeys(before, 0)
    pulls: dict[int, list[int]] = {c: [] for c in before}
    for layer in layers.layers:
        for left, right in pairwise(layer):
            a, b = column[left], column[right]
            after[a][b] = before[b][a] = max(after[a].get(b, 0.0), apart(left, right))
        for point in layer:
            a = column[point]
            size[a] += 1
            for lower, _, _ in layers.down[point]:
                if column[lower] != a:
                    pulls[a].append(column[lower])
                    pulls[column[lower]].append(a)
    order = _sorted(before, after)
    leftmost, rightmost = dict.fromkeys(order, 0.0), dict.fromkeys(order, 0.0)
    for c in order:
        leftmost[c] = max([leftmost[b] + gap for b, gap in before[c].items()], default=0.0)
    width = max(leftmost.values(), default=0.0)
    for c in reversed(order):
        rightmost[c] = min([rightmost[b] - gap for b, gap in after[c].items()], default=width)
    x = {c: (leftmost[c] + rightmost[c]) / 2 for c in order}
    weight = {c: sum([size[b] for b in pulls[c]]) for c in order}
    for i in range(rounds):
        for c in reversed(order) if i % 2 else order:
            if weight[c]:
                wanted = sum([x[b] * size[b] for b in pulls[c]]) / weight[c]
                least = max([x[b] + gap for b, gap in before[c].items()], default=-inf)
                most = min([x[b] - gap for b, gap in after[c].items()], default=inf)
                x[c] = max(least, min(wanted, most))
    return x


def _sorted(before: dict[int, dict[int, float]], after: dict[int, dict[int, float]]) -> list[int]:
    """The columns from left to right. There is such an order because columns do not cross."""
    missing = {c: len(others) for c, others in before.items()}
    order = [c for c, n in missing.items() if not n]
    for c in order:  # grows on the way
        for other in after[c]:
            missing[other] -= 1
            if not missing[other]:
                order.append(other)
    return order
