"""Views: which vertices of a graph are drawn, and as what.

A large graph is folded until it fits: the deepest scopes first, then chains of ops, then blocks
that repeat. What is folded or left out is said in words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from autotensor.drawing.data import Vertex
from autotensor.drawing.folding import Box, boxes_of, links, vertices_of
from autotensor.drawing.labels import clean, plural
from autotensor.drawing.patterns import (
    fold_chains,
    fold_repeated_scopes,
    fold_repeats,
    fold_scopes,
    levels,
)

__all__ = ["SHOW", "WHOLE", "WORDS", "View", "drawn"]

SHOW = "shape dtype value grad"
_COMFORTABLE = 100  # boxes that a picture which has to be folded should not exceed
WORDS = ("shape", "dtype", "value", "grad", "bytes", "line", "scope")


class View(NamedTuple):
    """What is drawn of a graph.

    Attributes
    ----------
    show : what is said of a vertex: words of ``WORDS``, separated by spaces.
    depth : how many levels of scopes are open; None for all that there is room for.
    max_nodes : how many boxes there are at most.
    focus : id of the vertex around which is drawn, or None for all.
    radius : how many edges a box may be away from it.
    """

    show: str = SHOW
    depth: int | None = None
    max_nodes: int = 300
    focus: int | None = None
    radius: int = 2

    def check(self) -> None:
        """Raise ValueError where this cannot be meant."""
        for word in self.show.split():
            if word not in WORDS:
                raise ValueError(
                    f"show={self.show!r} has the word {word!r}, which is none of: {' '.join(WORDS)}"
                )
        for name, value, least in (
            ("depth", self.depth, 0),
            ("max_nodes", self.max_nodes, 1),
            ("radius", self.radius, 0),
        ):
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")


WHOLE = View()


def drawn(nodes: Sequence[Vertex], view: View) -> tuple[tuple[Vertex, ...], str]:
    """The vertices that `view` shows, operands first, and what was folded or left out, in words."""
    vertices = {vertex.id: vertex for vertex in nodes}
    boxes = boxes_of(nodes)
    words: list[str] = []
    if view.depth is not None:
        boxes = fold_scopes(vertices, boxes, view.depth)
    if view.focus is not None:
        boxes = _near(vertices, boxes, view.focus, view.radius)
        left = len(nodes) - sum(len(box.members) for box in boxes)
        center = clean(vertices[view.focus].name or f"#{view.focus}")
        words.append(
            f"within {plural(view.radius, 'edge')} of {center}, {plural(left, 'node')} left out"
        )
    if len(boxes) > view.max_nodes:
        boxes, how = _fitted(vertices, boxes, view)
        words += how
    if not words and len(boxes) == len(nodes):
        return tuple(nodes), ""
    return vertices_of(vertices, boxes), "; ".join(words)


def _fitted(
    vertices: Mapping[int, Vertex], boxes: list[Box], view: View
) -> tuple[list[Box], list[str]]:
    """The boxes folded further until there are at most ``view.max_nodes``."""
    count, most = sum(len(box.members) for box in boxes), view.max_nodes
    how = []
    if view.depth is None:
        before = len(boxes)
        boxes = fold_repeated_scopes(vertices, boxes)
        if len(boxes) < before:
            how.append("repeated scopes")
    if len(boxes) > min(most, _COMFORTABLE):
        boxes, depth = _to_depth(vertices, boxes, view)
        if depth is not None:
            how.append(f"scopes to depth {depth}")
    for fold, what in ((fold_chains, "chains of ops"), (fold_repeats, "repeated blocks")):
        if len(boxes) > most:
            before = len(boxes)
            boxes = fold(vertices, boxes)
            if len(boxes) < before:
                how.append(what)
    words = [
        f"{plural(count, 'node')} in {plural(len(boxes), 'box', 'boxes')}, folded: {', '.join(how)}"
    ]
    if not how:
        words = []
    if len(boxes) > most:
        left = len(boxes) - most
        boxes = _nearest_to_roots(vertices, boxes, most)
        words.append(
            f"{plural(left, 'box', 'boxes')} farthest from the result left out; "
            "focus= draws other parts, max_nodes= more"
        )
    return boxes, words


def _to_depth(
    vertices: Mapping[int, Vertex], boxes: list[Box], view: View
) -> tuple[list[Box], int | None]:
    """The boxes with as many levels of scopes open as fit, and how many these are.

    So many that the picture is read at ease, if that leaves any open; otherwise that there is room.
    """
    open_levels = levels(vertices) if view.depth is None else view.depth
    tried: dict[int, list[Box]] = {open_levels: boxes}
    for most in (min(_COMFORTABLE, view.max_nodes), view.max_nodes):
        # That more levels are more boxes is nearly always so.
        low, high = 0, open_levels
        while low < high:
            middle = (low + high + 1) // 2
            if middle not in tried:
                tried[middle] = fold_scopes(vertices, boxes, middle)
            low, high = (low, middle - 1) if len(tried[middle]) > most else (middle, high)
        if low:
            break
    if low == open_levels:
        return boxes, None
    return tried.get(low) or fold_scopes(vertices, boxes, low), low


def _near(
    vertices: Mapping[int, Vertex], boxes: Sequence[Box], focus: int, radius: int
) -> list[Box]:
    """The boxes within `radius` edges of the one that `focus` is in."""
    uses = links(vertices, boxes)
    beside: list[list[int]] = [list(sources) for sources in uses]
    for i, sources in enumerate(uses):
        for source in sources:
            beside[source].append(i)
    start = next(i for i, box in enumerate(boxes) if focus in box.members)
    found = _breadth_first([start], beside, len(boxes), radius)
    return [box for i, box in enumerate(boxes) if i in found]


def _nearest_to_roots(vertices: Mapping[int, Vertex], boxes: Sequence[Box], most: int) -> list[Box]:
    """The `most` boxes with the fewest edges between them and a root."""
    starts = [i for i, box in enumerate(boxes) if any(vertices[id].root for id in box.members)]
    found = _breadth_first(starts[:most], links(vertices, boxes), most, len(boxes))
    return [box for i, box in enumerate(boxes) if i in found]


def _breadth_first(
    starts: Sequence[int], beside: Sequence[Sequence[int]], most: int, radius: int
) -> set[int]:
    found = set(starts)
    queue = deque((start, 0) for start in starts)
    while queue:
        place, distance = queue.popleft()
        for other in beside[place] if distance < radius else ():
            if other not in found:
                if len(found) == most:
                    return found
                found.add(other)
                queue.append((other, distance + 1))
    return found
