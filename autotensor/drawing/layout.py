"""Where the boxes go: a layered layout of our own, so that no picture needs a binary.

The steps are those of Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical
system structures" (IEEE Trans. SMC 11, 1981): layers by longest path, points in the layers between
for edges that are longer, an order of every layer with few crossings (barycentres), coordinates.
For the coordinates each vertex is aligned with its main operand, so that a chain of ops is one
straight line; the aligned columns are then moved as a whole, never closer than they may be.

Nothing here knows what a box shows: sizes and edges go in, positions and lines come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from autotensor.drawing.columns import columns, settled
from autotensor.drawing.layers import Layers

__all__ = ["Layout", "layout"]

Point = tuple[float, float]

_BESIDE = 22.0  # between boxes of a layer
_BESIDE_LINE = 16.0  # between a box and a line
_BETWEEN = 38.0  # between layers
_STEEP = 0.14  # of the widest step between two layers, added to the distance between them
_FURTHEST = 160.0  # most of that
_CORNER = 12.0  # of a box, where no edge ends
_PORT = 16.0  # between the ends of edges at one box
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
    layers = Layers(len(sizes), edges)
    column = _columns(layers)
    x = _across(layers, column, sizes)
    top, bottom = _bands(layers, sizes, x)
    half = [height / 2 for _, height in sizes]
    y = [(top[i] + bottom[i]) / 2 for i in range(len(sizes))]
    trunks = {}
    for source, points in layers.carried.items():
        trunk = [(x[source], y[source] + half[source]), (x[source], bottom[source])]
        for point in points:
            trunk += [(x[point], top[point]), (x[point], bottom[point])]
        trunks[source] = trunk
    lines = []
    for (source, target), end, (start, port) in zip(
        edges, layers.ends, _ports(layers, column, sizes, edges), strict=True
    ):
        last = source if end is None else end
        line = [(x[last] + start, bottom[last])]
        if last == source:
            line.insert(0, (x[source] + start, y[source] + half[source]))
        line.append((x[target] + port, top[target]))
        line.append((x[target] + port, y[target] - half[target]))
        lines.append(line)
    width = max((x[p] + _half(p, sizes) for p in range(len(x))), default=0.0)
    return Layout(x[: len(sizes)], y, lines, trunks, width, max(bottom, default=0.0))


def _half(point: int, sizes: Sequence[Point]) -> float:
    """Half the width of a box; lines have none."""
    return sizes[point][0] / 2 if point < len(sizes) else 0.0


def _columns(layers: Layers) -> list[int]:
    """The column of each point; see `columns`."""
    depth = [0] * len(layers.layer)
    for layer in layers.layers:
        for point in layer:
            grown = point < layers.boxes  # a line is as deep as the box it comes from
            depth[point] = max((depth[p] + grown for p in layers.up[point]), default=0)
    return columns(layers, depth)


def _across(layers: Layers, column: Sequence[int], sizes: Sequence[Point]) -> list[float]:
    """The x of each point, from 0."""

    def apart(left: int, right: int) -> float:
        boxes = max(left, right) < len(sizes)
        return _half(left, sizes) + _half(right, sizes) + (_BESIDE if boxes else _BESIDE_LINE)

    at = settled(layers, column, apart, _ROUNDS)
    least = min((at[c] - _half(p, sizes) for p, c in enumerate(column)), default=0.0)
    return [at[c] - least for c in column]


def _bands(
    layers: Layers, sizes: Sequence[Point], x: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Top and bottom of the layer of each point; layers are further apart where lines run far."""
    tops = [0.0] * len(x)
    bottoms = [0.0] * len(x)
    top = 0.0
    for layer in layers.layers:
        bottom = top + max(sizes[p][1] for p in layer if p < len(sizes))
        for p in layer:
            tops[p], bottoms[p] = top, bottom
        aside = max((abs(x[p] - x[q]) for p in layer for q, _ in layers.down[p]), default=0.0)
        top = bottom + _BETWEEN + min(_STEEP * aside, _FURTHEST)
    return tops, bottoms


def _ports(
    layers: Layers,
    column: Sequence[int],
    sizes: Sequence[Point],
    edges: Sequence[tuple[int, int]],
) -> list[Point]:
    """Where each edge leaves and where it arrives, as distances from the middle of the boxes."""
    arriving: dict[int, list[int]] = {}
    for i, (_, target) in enumerate(edges):
        arriving.setdefault(target, []).append(i)
    ports = [0.0] * len(edges)
    for target, numbers in arriving.items():
        # The edge of the target's own column arrives in the middle, so that it is straight.
        ends = [layers.ends[i] for i in numbers]
        own = [k for k, e in enumerate(ends) if e is not None and column[e] == column[target]]
        last = len(numbers) - 1
        middle = sum(own) / len(own) if own else last / 2
        reach = max(middle, last - middle) or 1.0
        step = min(_PORT, (sizes[target][0] / 2 - _CORNER) / reach)
        for k, i in enumerate(numbers):
            ports[i] = (k - middle) * step
    # Parallel edges leave as they arrive, so that they are parallel lines; others leave together.
    parallel: dict[tuple[int, int], list[float]] = {}
    for edge, port in zip(edges, ports, strict=True):
        parallel.setdefault(edge, []).append(port)
    starts = []
    for edge, end, port in zip(edges, layers.ends, ports, strict=True):
        together = parallel[edge]
        starts.append(port - sum(together) / len(together) if end == edge[0] else 0.0)
    return list(zip(starts, ports, strict=True))
