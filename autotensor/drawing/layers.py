"""Which box is in which layer, in what order: the first steps of `autotensor.drawing.layout`."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence

__all__ = ["Layers"]

_WIRES = 20_000  # most points for long edges; above it the longest edges run straight
_PATIENCE = 2  # sweeps over the order that may fail to better it
_CROWDED = 400  # pairs of edges above which two boxes are not compared


class Layers:
    """The points of every layer, left to right, and the segments between neighbouring layers.

    A point below `boxes` is a box; the others carry an edge through a layer. Edges from one source
    share these, so that a weight used in each of 50 steps costs 50 of them, not 1,275.

    Parameters
    ----------
    boxes : how many there are.
    edges : ``(source, target)`` with ``source < target``, those of one target in the order of its
        arguments.

    Attributes
    ----------
    layers : points by layer, top to bottom, in order.
    layer : of each point.
    place : of each point in its layer.
    up : by point, what it is connected to in the layer above, in the order of arguments.
    down : by point, ``(point below, where it arrives there from 0 to 1)``.
    ends : by edge, the last point before its target; the source itself for short edges, and None
        for edges that are too many to be led around the boxes.
    carried : by source, the points that carry its long edges.
    """

    def __init__(self, boxes: int, edges: Sequence[tuple[int, int]]) -> None:
        self.boxes = boxes
        rank = [0] * boxes  # longest path to the end, so every leaf is next to its first use
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
            if length and len(self.layer) + length <= boxes + _WIRES:
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
        arity = [0] * boxes
        for _, target in edges:
            arity[target] += 1
        arrived = [0] * boxes
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
        self.layers: list[list[int]] = [[] for _ in range(deepest + 1 if boxes else 0)]
        self.place = [0] * total
        self._order()

    def _order(self) -> None:
        """Order every layer: first as a walk up from the end meets the points, then with sweeps."""
        seen = [False] * len(self.layer)
        for start in range(self.boxes - 1, -1, -1):
            stack = [start]
            while stack:
                point = stack.pop()
                if not seen[point]:
                    seen[point] = True
                    self.layers[self.layer[point]].append(point)
                    stack.extend(reversed(self.up[point]))
        for layer in self.layers:
            self._number(layer)
        best, fewest = [list(layer) for layer in self.layers], self.crossings()
        failures = 0
        while fewest and failures < _PATIENCE:
            for layer in self.layers[1:]:
                self._sort(layer, self._above)
            for layer in reversed(self.layers[:-1]):
                self._sort(layer, self._below)
            for layer in self.layers:
                self._swap(layer)
            crossings = self.crossings()
            if crossings < fewest:
                best, fewest, failures = [list(layer) for layer in self.layers], crossings, 0
            else:
                failures += 1
        self.layers = best
        for layer in best:
            self._number(layer)

    def _number(self, layer: Sequence[int]) -> None:
        """Note where in `layer` its points are."""
        for place, point in enumerate(layer):
            self.place[point] = place

    def _above(self, point: int) -> float | None:
        """The mean place of what `point` is connected to in the layer above."""
        up = self.up[point]
        return sum(self.place[p] for p in up) / len(up) if up else None

    def _below(self, point: int) -> float | None:
        """The mean place of what `point` is connected to in the layer below."""
        down = self.down[point]
        return sum(self.place[p] + arrival for p, arrival in down) / len(down) if down else None

    def _sort(self, layer: list[int], key: Callable[[int], float | None]) -> None:
        """Sort `layer` by `key`; points without one stay where they are."""
        keys = {point: value for point in layer if (value := key(point)) is not None}
        ordered = iter(sorted(keys, key=keys.__getitem__))
        layer[:] = [next(ordered) if point in keys else point for point in layer]
        self._number(layer)

    def _swap(self, layer: list[int]) -> None:
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
