"""Which box is in which layer, in what order: the first steps of `autotensor.drawing.layout`."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby

from autotensor.drawing.budget import Budget

__all__ = ["Layers", "Segment"]

_WIRES = 20_000  # most points for long edges; above it the longest edges run straight
_PATIENCE = 2  # sweeps over the order that may fail to better it
_EFFORT = 100_000  # segments looked at in all sweeps together, so that large graphs get few
_CROWDED = 400  # pairs of edges above which two boxes are not compared

# What a point is connected to in a neighbouring layer: the other point, and where along their width
# the segment leaves the upper and reaches the lower one, from 0 to 1.
Segment = tuple[int, float, float]


class Layers:
    """The points of every layer, left to right, and the segments between neighbouring layers.

    A point below `boxes` is a box; the others carry an edge through a layer. Edges that leave a box
    downward share these, so that a weight used in each of 50 steps costs 50 of them, not 1,275.

    Parameters
    ----------
    boxes : how many there are.
    edges : ``(upper, lower)`` with ``upper < lower``; those with one target in the order of its
        arguments.
    turned : by edge, whether it runs upward, from the lower box to the upper one.
    beside : by box, the box to whose right it stands, or None. The latter stands lower, or level,
        and its operands higher, or level.
    budget : is checked at every layer of every sweep.

    Attributes
    ----------
    layers : points by layer, top to bottom, in order.
    layer : of each point.
    place : of each point in its layer.
    side : of each point: 0 left, 2 right, 1 for what runs from one to the other, between them.
    up : by point, its segments to the layer above, in the order of arguments.
    down : by point, its segments to the layer below.
    ends : by edge, the last point before its lower end; the upper end itself for short edges, and
        None for edges that are too many to be led around the boxes.
    bundles : by edge, what it shares the points with that carry it; see `carried`.
    carried : by bundle, the points that carry its long edges.
    """

    def __init__(
        self,
        boxes: int,
        edges: Sequence[tuple[int, int]],
        turned: Sequence[bool],
        beside: Sequence[int | None],
        budget: Budget | None = None,
    ) -> None:
        self.boxes = boxes
        self._budget = budget or Budget()
        self._turned = any(turned)
        rank = _ranks(boxes, edges, beside)
        deepest = max(rank, default=0)
        self.layer = [deepest - r for r in rank]
        if not any(box is not None for box in beside):
            _raise(self.layer, edges)
        self.side = [0 if box is None else 2 for box in beside]
        self.bundles = [
            (upper, i if up else -1 - (self.side[lower] > self.side[upper]))
            for i, ((upper, lower), up) in enumerate(zip(edges, turned, strict=True))
        ]
        self.carried = self._wires(edges)
        total = len(self.layer)
        self.up: list[list[Segment]] = [[] for _ in range(total)]
        self.down: list[list[Segment]] = [[] for _ in range(total)]
        fractions = _fractions(edges, turned)
        leave = {b: f for b, f, up in zip(self.bundles, fractions, turned, strict=True) if up}
        for bundle, points in self.carried.items():
            above, departure = bundle[0], leave.get(bundle, 0.5)
            for point in points:
                self._connect(above, point, departure, 0.5)
                above, departure = point, 0.5
        self.ends: list[int | None] = []
        for (upper, lower), up, bundle, fraction in zip(
            edges, turned, self.bundles, fractions, strict=True
        ):
            gap = self.layer[lower] - self.layer[upper] - 1
            if gap and bundle not in self.carried:
                self.ends.append(None)
                continue
            end = self.carried[bundle][gap - 1] if gap else upper
            self.ends.append(end)
            self._connect(end, lower, fraction if up and not gap else 0.5, 0.5 if up else fraction)
        self.layers: list[list[int]] = [[] for _ in range(deepest + 1 if boxes else 0)]
        self.place = [0] * total
        self._order()

    def _wires(self, edges: Sequence[tuple[int, int]]) -> dict[tuple[int, int], range]:
        """Make the points that carry long edges, by bundle."""
        reach: dict[tuple[int, int], int] = {}
        side = {}
        for bundle, (upper, lower) in zip(self.bundles, edges, strict=True):
            length = self.layer[lower] - self.layer[upper] - 1
            reach[bundle] = max(reach.get(bundle, 0), length)
            side[bundle] = (self.side[upper] + self.side[lower]) // 2
        carried = {}
        for bundle in sorted(reach, key=reach.__getitem__):
            length = reach[bundle]
            if length and len(self.layer) + length <= self.boxes + _WIRES:
                first = len(self.layer)
                carried[bundle] = range(first, first + length)
                top = self.layer[bundle[0]] + 1
                self.layer.extend(range(top, top + length))
                self.side.extend([side[bundle]] * length)
        return carried

    def _connect(self, upper: int, lower: int, departure: float, arrival: float) -> None:
        self.down[upper].append((lower, departure, arrival))
        self.up[lower].append((upper, departure, arrival))

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
                    stack.extend([p for p, _, _ in reversed(self.up[point])])
        for layer in self.layers:
            layer.sort(key=self.side.__getitem__)
            self._number(layer)
        best, fewest = [list(layer) for layer in self.layers], self.crossings()
        failures = 0
        sweeps = max(1, _EFFORT // (1 + sum(map(len, self.up))))
        while fewest and failures < _PATIENCE and sweeps:
            sweeps -= 1
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
        self._budget.check()
        for place, point in enumerate(layer):
            self.place[point] = place

    def _above(self, point: int) -> float | None:
        """The mean place of what `point` is connected to in the layer above."""
        up = self.up[point]
        if len(up) == 1:
            return self.place[up[0][0]] + up[0][1]
        return sum([self.place[p] + leave for p, leave, _ in up]) / len(up) if up else None

    def _below(self, point: int) -> float | None:
        """The mean place of what `point` is connected to in the layer below."""
        down = self.down[point]
        if len(down) == 1:
            return self.place[down[0][0]] + down[0][2]
        return sum([self.place[p] + reach for p, _, reach in down]) / len(down) if down else None

    def _sort(self, layer: list[int], key: Callable[[int], float | None]) -> None:
        """Sort `layer` by side, then by `key`; points without one stay where they are."""
        if len(layer) == 1:
            return
        side = self.side
        keys = {p: (side[p], value) for p in layer if (value := key(p)) is not None}
        ordered = iter(sorted(keys, key=keys.__getitem__))
        layer[:] = [next(ordered) if point in keys else point for point in layer]
        layer.sort(key=side.__getitem__)
        self._number(layer)

    def _swap(self, layer: list[int]) -> None:
        """Swap neighbours in `layer` wherever fewer of their segments cross then."""
        for i in range(len(layer) - 1):
            left, right = layer[i], layer[i + 1]
            if self.side[left] == self.side[right] and self._profit(left, right) > 0:
                layer[i : i + 2] = right, left
                self.place[left], self.place[right] = i + 1, i

    def _profit(self, left: int, right: int) -> int:
        """How many crossings less there are if these neighbours change places."""
        up, other = self.up[left], self.up[right]
        if len(up) * len(other) > _CROWDED:
            return 0
        place = self.place
        profit = 0
        if up and other:
            ends = [place[p] + leave for p, leave, _ in other]
            for p, leave, _ in up:
                start = place[p] + leave
                for end in ends:
                    profit += (start > end) - (start < end)
        down, other = self.down[left], self.down[right]
        if down and other:
            ends = [place[p] + reach for p, _, reach in other]
            for p, _, reach in down:
                start = place[p] + reach
                for end in ends:
                    profit += (start > end) - (start < end)
        return profit

    def crossings(self) -> int:
        """How many pairs of segments cross."""
        crossings = 0
        for layer in self.layers:
            arrivals: list[float] = []
            for point in layer:
                down = self.down[point]
                together = [down]
                if self._turned and len(down) > 1:
                    down = sorted(down, key=_departure)
                    together = [list(group) for _, group in groupby(down, _departure)]
                for segments in together:
                    ends = [self.place[p] + reach for p, _, reach in segments]
                    for end in ends:
                        crossings += len(arrivals) - bisect_right(arrivals, end)
                    for end in ends:
                        insort(arrivals, end)
        return crossings


def _departure(segment: Segment) -> float:
    return segment[1]


def _ranks(boxes: int, edges: Sequence[tuple[int, int]], beside: Sequence[int | None]) -> list[int]:
    """The layer of every box, from the bottom: longest paths to the end.

    So every leaf is next to its first use. What stands beside a box is between it and its operands.
    """
    below: list[list[int]] = [[] for _ in range(boxes)]
    for upper, lower in edges:
        below[upper].append(lower)
    rank = [0] * boxes
    highest = [0] * boxes  # rank of what stands beside a box
    for box in range(boxes - 1, -1, -1):
        reached = max((max(rank[b] + 1, highest[b]) for b in below[box]), default=0)
        companion = beside[box]
        if companion is not None:
            reached = max(reached, rank[companion])
            highest[companion] = max(highest[companion], reached)
        rank[box] = reached
    return rank


def _raise(layer: list[int], edges: Sequence[tuple[int, int]]) -> None:
    """Move boxes up where their edges together get no longer, so that no end waits at the bottom.

    Boxes without operands follow their first use. With several ends this shortens many edges; with
    one, it moves branches from where they are used to where they begin.
    """
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for upper, lower in edges:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    for box in range(len(layer)):
        inner = [a for a in above.get(box, ()) if a in above]
        if inner and len(inner) >= len(below.get(box, ())):
            layer[box] = max([layer[a] for a in inner]) + 1
    for box, users in below.items():
        if box not in above:
            layer[box] = min([layer[user] for user in users]) - 1


def _fractions(edges: Sequence[tuple[int, int]], turned: Sequence[bool]) -> list[float]:
    """By edge, where in the width of its target it arrives, from 0 to 1: in order of arguments."""
    # At the top of the target, or at its foot where the edge comes from below.
    sides = [(upper if up else lower, up) for (upper, lower), up in zip(edges, turned, strict=True)]
    arity = Counter(sides)
    arrived: Counter[tuple[int, bool]] = Counter()
    fractions = []
    for side in sides:
        arrived[side] += 1
        fractions.append(arrived[side] / (arity[side] + 1))
    return fractions
