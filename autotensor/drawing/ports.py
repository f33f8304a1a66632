"""Where at the boxes edges leave and arrive: the part of the layout that readers see close up."""

from __future__ import annotations

from collections.abc import Sequence

from autotensor.drawing.layers import Layers

__all__ = ["ports"]

_CORNER = 12.0  # of a box, where no edge ends
_PORT = 16.0  # between the ends of edges at one box


def ports(
    layers: Layers,
    column: Sequence[int],
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    turned: Sequence[bool],
) -> list[tuple[float, float]]:
    """Both ends of each edge, upper and lower, as distances from the middle of the boxes."""
    arriving: dict[tuple[int, bool], list[int]] = {}  # at the top of a box, or at its foot
    for i, ((upper, lower), up) in enumerate(zip(edges, turned, strict=True)):
        arriving.setdefault((upper if up else lower, up), []).append(i)
    rising = {lower for (_, lower), up in zip(edges, turned, strict=True) if up}
    side = layers.side
    arrivals = [0.0] * len(edges)
    tops: dict[int, float] = {}  # where what rises from a box leaves it
    for (target, foot), numbers in arriving.items():
        if foot:
            numbers.sort(key=lambda i: side[edges[i][1]])  # what comes from the left first
        # The edge of the target's own column arrives in the middle, so that it is straight.
        last = len(numbers) - 1
        own = [k for k, i in enumerate(numbers) if _straight(layers, edges[i], i, foot, column)]
        middle = sum(own) / len(own) if own else last / 2
        slots = last
        if not foot and target in rising:
            slots = last + 1
            middle = slots if side[target] else middle
        reach = max(middle, slots - middle) or 1.0
        step = min(_PORT, (sizes[target][0] / 2 - _CORNER) / reach)
        for k, i in enumerate(numbers):
            arrivals[i] = (k - middle) * step
        if slots > last:
            tops[target] = (slots - middle) * step
    # Parallel edges leave as they arrive, so that they are parallel lines; others leave together,
    # but for those to the other side.
    parallel: dict[tuple[tuple[int, int], bool], list[float]] = {}
    for edge, up, arrival in zip(edges, turned, arrivals, strict=True):
        parallel.setdefault((edge, up), []).append(arrival)
    ends = []
    for i, ((upper, lower), up) in enumerate(zip(edges, turned, strict=True)):
        if up:
            start = tops.get(lower, 0.0)
        elif side[lower] > side[upper]:
            start = min(_PORT / 2, sizes[upper][0] / 2 - _CORNER)
        else:
            start = 0.0
        if layers.ends[i] == upper:
            together = parallel[edges[i], up]
            start += arrivals[i] - sum(together) / len(together)
        ends.append((arrivals[i], start) if up else (start, arrivals[i]))
    return ends


def _straight(
    layers: Layers, edge: tuple[int, int], number: int, foot: bool, column: Sequence[int]
) -> bool:
    """Whether an edge comes to its target straight, in the column of the target."""
    upper, lower = edge
    end = layers.ends[number]
    if end is None:
        return False
    if not foot:
        return column[end] == column[lower]
    points = layers.carried.get(layers.bundles[number])
    return column[points[0] if points else lower] == column[upper]
