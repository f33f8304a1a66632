"""Where the boxes go: a layered layout of our own, so that no picture needs a binary.

The steps are those of Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical
system structures" (IEEE Trans. SMC 11, 1981): layers by longest path, points in the layers between
for edges that are longer, an order of every layer with few crossings (barycentres), coordinates.
For the coordinates each vertex is aligned with its main operand, so that a chain of ops is one
straight line; the aligned columns are then moved as a whole, never closer than they may be.

Nothing here knows what a box shows: sizes and edges go in, positions and lines come out.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from typing import NamedTuple

from autotensor.drawing.columns import columns, settled

__all__ = ["Layout", "layout"]

Point = tuple[float, float]

_BESIDE = 22.0  # between boxes of a layer
_BESIDE_LINE = 16.0  # between a box and a line
_BETWEEN = 38.0  # between layers
_STEEP = 0.14  # of the widest step between two layers, added to the distance between them
_FURTHEST = 160.0  # most of that
_CORNER = 12.0  # of a box, where no edge ends
_PORT = 16.0  # between the ends of edges at one box
_WIRES = 20_000  # most points for long edges; above it the longest edges run straight
_PATIENCE = 2  # sweeps over the order that may fail to better it
_CROWDED = 400  # pairs of edges above which two boxes are not compared
_ROUNDS = 8  # passes over the coordinates


class Layout(NamedTuple):
    """Positions of a graph.

    Attributes
    ----------
    x, y : centre of each box.
    edges : the points each edge runs through, from its source, or from the trunk of its source,
        down to its target.
    trunks : by source, the points of the line that its long edges share.
    width, height : of the picture; it begins at 0, 0.
    """

    x: list[float]
    y: list[float]
    edges: list[list[Point]]
    trunks: dict[int, list[Point]]
    width: float
    height: float


def layout(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]) -> Layout:
    """Lay out a graph from top to bottom.

    Parameters
    ----------
    sizes : width and height of each box.
    edges : ``(source, target)`` with ``source < target``; those of one target in the order of its
        arguments, in which they then arrive from left to right. Equal pairs stay apart.
    """
    levels = _Levels(sizes, edges)
    _order(levels)
    return _place(levels, sizes, edges)


class _Levels:
    """The points of every layer, left to right, and the segments between neighbouring layers.

    A point below ``len(sizes)`` is a box; the others carry an edge through a layer. Edges from one
    source share these, so that a weight used in each of 50 steps costs 50 of them, not 1,275.

    Attributes
    ----------
    layers : points by layer, top to bottom, in order.
    up : by point, what it is connected to in the layer above, in the order of arguments.
    down : by point, ``(point below, where it arrives there from 0 to 1)``.
    ends : by edge, the last point before its target; the source itself for short edges, and None
        for edges that are too many to be led around the boxes.
    carried : by source, the points that carry its long edges.
    """

    def __init__(
        self, sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]
    ) -> None:
        count = len(sizes)
        self.boxes = count
        rank = [0] * count  # longest path to the end, so every leaf is next to its first use
        for source, target in sorted(edges, key=lambda edge: edge[1], reverse=True):
            rank[source] = max(rank[source], rank[target] + 1)
        deepest = max(rank, default=0)
        self.layer = [deepest - r for r in rank]
        reach: dict[int, int] = {}
        for source, target in edges:
            length = self.layer[target] - self.layer[source] - 1
            reach[source] = max(reach.get(source, 0), length)
        self.carried: dict[int, range] = {}
        for source in sorted(reach, key=reach.__getitem__):
            length = reach[source]
            if length and len(self.layer) + length <= count + _WIRES:
                first = len(self.layer)
                self.carried[source] = range(first, first + length)
                top = self.layer[source] + 1
                self.layer.extend(range(top, top + length))
        total = len(self.layer)
        self.up: list[list[int]] = [[] for _ in range(total)]
        self.down: list[list[tuple[int, float]]] = [[] for _ in range(total)]
        for source, points in self.carried.items():
            above = source
            for point in points:
                self.up[point].append(above)
                self.down[above].append((point, 0.5))
                above = point
        self.ends: list[int | None] = []
        arity = [0] * count
        for _, target in edges:
            arity[target] += 1
        arrived = [0] * count
        for source, target in edges:
            gap = self.layer[target] - self.layer[source] - 1
            arrived[target] += 1
            if gap and source not in self.carried:
                self.ends.append(None)
                continue
            end = self.carried[source][gap - 1] if gap else source
            self.ends.append(end)
            self.up[target].append(end)
            self.down[end].append((target, arrived[target] / (arity[target] + 1)))
        self.layers: list[list[int]] = [[] for _ in range(deepest + 1 if count else 0)]
        self.place = [0] * total

    def number(self, layer: Sequence[int]) -> None:
        """Note where in `layer` its points are."""
        for place, point in enumerate(layer):
            self.place[point] = place

    def above(self, point: int) -> float | None:
        """The mean place of what `point` is connected to in the layer above."""
        up = self.up[point]
        return sum(self.place[p] for p in up) / len(up) if up else None

    def below(self, point: int) -> float | None:
        """The mean place of what `point` is connected to in the layer below."""
        down = self.down[point]
        return sum(self.place[p] + arrival for p, arrival in down) / len(down) if down else None

    def sort(self, layer: list[int], key: Callable[[int], float | None]) -> None:
        """Sort `layer` by `key`; points without one stay where they are."""
        keys = {point: value for point in layer if (value := key(point)) is not None}
        ordered = iter(sorted(keys, key=keys.__getitem__))
        layer[:] = [next(ordered) if point in keys else point for point in layer]
        self.number(layer)

    def swap(self, layer: list[int]) -> None:
        """Swap neighbours in `layer` wherever fewer of their segments cross then."""
        for i in range(len(layer) - 1):
            left, right = layer[i], layer[i + 1]
            if self._crossed(left, right) > self._crossed(right, left):
                layer[i : i + 2] = right, left
                self.place[left], self.place[right] = i + 1, i

    def _crossed(self, left: int, right: int) -> int:
        """How many segments of two neighbours cross when `left` is on the left."""
        up, other = self.up[left], self.up[right]
        if len(up) * len(other) > _CROWDED:
            return 0
        place = self.place
        above = sum(place[p] > place[q] for p in up for q in other)
        ends = [place[q] + arrival for q, arrival in self.down[right]]
        return above + sum(place[p] + arrival > e for p, arrival in self.down[left] for e in ends)

    def crossings(self) -> int:
        """How many pairs of segments cross."""
        crossings = 0
        for layer in self.layers:
            arrivals: list[float] = []
            for point in layer:
                ends = [self.place[p] + arrival for p, arrival in self.down[point]]
                for end in ends:
                    crossings += len(arrivals) - bisect_right(arrivals, end)
                for end in ends:
                    insort(arrivals, end)
        return crossings


def _order(levels: _Levels) -> None:
    """Order every layer: first as a walk up from the end meets the points, then with sweeps."""
    seen = [False] * len(levels.layer)
    for start in range(levels.boxes - 1, -1, -1):
        stack = [start]
        while stack:
            point = stack.pop()
            if not seen[point]:
                seen[point] = True
                levels.layers[levels.layer[point]].append(point)
                stack.extend(reversed(levels.up[point]))
    for layer in levels.layers:
        levels.number(layer)
    best, fewest = [list(layer) for layer in levels.layers], levels.crossings()
    failures = 0
    while fewest and failures < _PATIENCE:
        for layer in levels.layers[1:]:
            levels.sort(layer, levels.above)
        for layer in reversed(levels.layers[:-1]):
            levels.sort(layer, levels.below)
        for layer in levels.layers:
            levels.swap(layer)
        crossings = levels.crossings()
        if crossings < fewest:
            best, fewest, failures = [list(layer) for layer in levels.layers], crossings, 0
        else:
            failures += 1
    levels.layers = best
    for layer in best:
        levels.number(layer)


def _place(
    levels: _Levels, sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]
) -> Layout:
    """Coordinates of the boxes, and the lines between them."""
    boxes = levels.boxes
    depth = [0] * len(levels.layer)
    for layer in levels.layers:
        for point in layer:
            grown = point < boxes  # a line is as deep as the box it comes from
            depth[point] = max((depth[p] + grown for p in levels.up[point]), default=0)
    down = [[p for p, _ in below] for below in levels.down]
    column = columns(levels.layers, levels.place, levels.up, down, depth, boxes)

    def half(point: int) -> float:
        return sizes[point][0] / 2 if point < boxes else 0.0

    def apart(left: int, right: int) -> float:
        between = _BESIDE if left < boxes and right < boxes else _BESIDE_LINE
        return half(left) + half(right) + between

    at = settled(levels.layers, column, down, apart, _ROUNDS)
    x = [at[c] for c in column]
    margin = min((x[p] - half(p) for p in range(len(x))), default=0.0)
    x = [value - margin for value in x]
    tops, bottoms = _bands(levels, sizes, x)
    y = [(tops[layer] + bottoms[layer]) / 2 for layer in levels.layer]
    return Layout(
        x=x[:boxes],
        y=y[:boxes],
        edges=_edge_lines(levels, sizes, edges, column, x, tops, bottoms),
        trunks={
            source: [
                (x[source], y[source] + sizes[source][1] / 2),
                (x[source], bottoms[levels.layer[source]]),
                *(
                    (x[point], end)
                    for point in points
                    for end in (tops[levels.layer[point]], bottoms[levels.layer[point]])
                ),
            ]
            for source, points in levels.carried.items()
        },
        width=max((x[p] + half(p) for p in range(len(x))), default=0.0),
        height=bottoms[-1] if bottoms else 0.0,
    )


def _bands(
    levels: _Levels, sizes: Sequence[tuple[float, float]], x: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Top and bottom of every layer; layers are further apart where lines run far sideways."""
    tops: list[float] = []
    bottoms: list[float] = []
    top = 0.0
    for layer in levels.layers:
        tops.append(top)
        bottoms.append(top + max((sizes[p][1] for p in layer if p < levels.boxes), default=0.0))
        aside = (abs(x[p] - x[q]) for p in layer for q, _ in levels.down[p])
        top = bottoms[-1] + _BETWEEN + min(_STEEP * max(aside, default=0.0), _FURTHEST)
    return tops, bottoms


def _edge_lines(
    levels: _Levels,
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    column: Sequence[int],
    x: Sequence[float],
    tops: Sequence[float],
    bottoms: Sequence[float],
) -> list[list[Point]]:
    """The points of each edge from the last point of its trunk, or from its source."""
    arriving: dict[int, list[int]] = {}
    for i, (_, target) in enumerate(edges):
        arriving.setdefault(target, []).append(i)
    ports = [0.0] * len(edges)
    for target, numbers in arriving.items():
        # The edge of the target's own column arrives in the middle, so that it is straight.
        count = len(numbers)
        ends = [levels.ends[i] for i in numbers]
        straight = [k for k, e in enumerate(ends) if e is not None and column[e] == column[target]]
        middle = sum(straight) / len(straight) if straight else (count - 1) / 2
        reach = max(middle, count - 1 - middle) or 1.0
        step = min(_PORT, (sizes[target][0] / 2 - _CORNER) / reach)
        for k, i in enumerate(numbers):
            ports[i] = (k - middle) * step
    equal: dict[tuple[int, int], list[float]] = {}
    for edge, port in zip(edges, ports, strict=True):
        equal.setdefault(edge, []).append(port)
    lines: list[list[Point]] = []
    for (source, target), end, port in zip(edges, levels.ends, ports, strict=True):
        last = source if end is None else end
        start, layer = x[last], levels.layer[last]
        line = []
        if last == source:
            together = equal[source, target]  # parallel edges are parallel lines
            start += port - sum(together) / len(together) if len(together) > 1 else 0.0
            line.append((start, (tops[layer] + bottoms[layer] + sizes[source][1]) / 2))
        line.append((start, bottoms[layer]))
        layer = levels.layer[target]
        line.append((x[target] + port, tops[layer]))
        line.append((x[target] + port, (tops[layer] + bottoms[layer] - sizes[target][1]) / 2))
        lines.append(line)
    return lines
