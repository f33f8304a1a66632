"""Where the boxes go: a layered layout of our own, so that no picture needs a binary.

The steps are those of Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical
system structures" (IEEE Trans. SMC 11, 1981): layers by longest path, points in the layers between
for edges that are longer, an order of every layer with few crossings (barycentres), coordinates.
For the coordinates each vertex is aligned with its main operand, so that a chain of ops is one
straight line; the aligned columns are then moved as a whole, never closer than they may be.

Edges may run upward, and boxes stand at the side of others: so the backward pass rises beside the
forward pass that it belongs to. Where edges end at a box is decided in `autotensor.drawing.ports`.

Nothing here knows what a box shows: sizes and edges go in, positions and lines come out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from autotensor.drawing.budget import Budget
from autotensor.drawing.columns import columns, settled
from autotensor.drawing.layers import Layers
from autotensor.drawing.ports import ports

__all__ = ["Layout", "layout"]

Point = tuple[float, float]

_BESIDE = 22.0  # between boxes of a layer
_BESIDE_LINE = 16.0  # between a box and a line
_BETWEEN = 38.0  # between layers
_STEEP = 0.14  # of the widest step between two layers, added to the distance between them
_FURTHEST = 160.0  # most of that
_ROUNDS = 8  # passes over the coordinates
_EFFORT = 60_000  # points moved in all passes together, so that large graphs get few


class Layout(NamedTuple):
    """Positions of a graph.

    Attributes
    ----------
    x, y : centre of each box.
    edges : the points each edge runs through, from its upper box, or from the trunk that it shares,
        down to its lower box.
    trunks : the lines that several long edges from one box share: the number of one of these edges,
        and the points.
    width, height : of the picture; it begins at 0, 0.
    """

    x: list[float]
    y: list[float]
    edges: list[list[Point]]
    trunks: list[tuple[int, list[Point]]]
    width: float
    height: float


def layout(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    turned: Sequence[bool] | None = None,
    beside: Sequence[int | None] | None = None,
    budget: Budget | None = None,
) -> Layout:
    """Lay out a graph from top to bottom.

    Parameters
    ----------
    sizes : width and height of each box.
    edges : ``(upper, lower)`` with ``upper < lower``; those of one target in the order of its
        arguments, in which they then arrive from left to right. Equal pairs stay apart.
    turned : by edge, whether it runs upward, so that its target is the upper box. Default: none.
    beside : by box, the box to whose right it stands, with a greater number, or None. Default: all
        None.
    budget : the time that it may take. Default: all it needs.
    """
    turned = turned or [False] * len(edges)
    layers = Layers(len(sizes), edges, turned, beside or [None] * len(sizes), budget)
    column = columns(layers)
    x = _across(layers, column, sizes)
    top, bottom = _bands(layers, sizes, x)
    half = [height / 2 for _, height in sizes]
    y = [(top[i] + bottom[i]) / 2 for i in range(len(sizes))]
    users = Counter(layers.bundles)
    trunks: dict[tuple[int, int], tuple[int, list[Point]]] = {}
    lines = []
    for i, (start, port) in enumerate(ports(layers, column, sizes, edges, turned)):
        (upper, lower), end, bundle = edges[i], layers.ends[i], layers.bundles[i]
        line = [(x[upper] + start, y[upper] + half[upper]), (x[upper] + start, bottom[upper])]
        if end is not None and end != upper:
            if users[bundle] == 1 or bundle not in trunks:
                for point in layers.carried[bundle]:
                    line += [(x[point], top[point]), (x[point], bottom[point])]
            if users[bundle] > 1:
                trunks.setdefault(bundle, (i, line))
                line = [(x[end], bottom[end])]
        line.append((x[lower] + port, top[lower]))
        line.append((x[lower] + port, y[lower] - half[lower]))
        lines.append(line)
    width = max((x[p] + _half(p, sizes) for p in range(len(x))), default=0.0)
    return Layout(x[: len(sizes)], y, lines, [*trunks.values()], width, max(bottom, default=0.0))


def _half(point: int, sizes: Sequence[Point]) -> float:
    """Half the width of a box; lines have none."""
    return sizes[point][0] / 2 if point < len(sizes) else 0.0


def _across(layers: Layers, column: Sequence[int], sizes: Sequence[Point]) -> list[float]:
    """The x of each point, from 0."""

    def apart(left: int, right: int) -> float:
        boxes = max(left, right) < len(sizes)
        return _half(left, sizes) + _half(right, sizes) + (_BESIDE if boxes else _BESIDE_LINE)

    rounds = min(_ROUNDS, max(2, _EFFORT // (1 + len(column))))
    at = settled(layers, column, apart, rounds)
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
        aside = max([abs(x[p] - x[q]) for p in layer for q, _, _ in layers.down[p]], default=0.0)
        top = bottom + _BETWEEN + min(_STEEP * aside, _FURTHEST)
    return tops, bottoms
