"""The picture: SVG text, complete in itself.

Nothing in it is looked up elsewhere, shared by id or run: no script, style sheet, link or marker,
so that any number of pictures can stand on one page. It brings its own light background, so it can
also be read in a dark notebook.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from autotensor.drawing.boxes import SMALL, box_of, coordinate, draw, markup
from autotensor.drawing.budget import Budget
from autotensor.drawing.data import Edge, Vertex
from autotensor.drawing.flow import flow
from autotensor.drawing.labels import SHOWN, names_of
from autotensor.drawing.layout import Layout, Point, layout
from autotensor.drawing.legend import legend
from autotensor.drawing.measure import text_width
from autotensor.drawing.roles import KEPT, LINE, MUTED, Scale, first_bad

__all__ = ["svg"]

_FONT = "'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
_MARGIN = 16.0  # around the picture
_PER_EDGE = 15.0  # least width of a box for each edge that ends at it
_ARROW = 6.0
_READABLE = 640.0  # what the legend may take of the width in any case
_PAGE = 920.0  # width of a notebook's output
_SMALLEST = 0.75  # a picture shrinks by this at most to fit into that, so that it can be read


def svg(
    vertices: Sequence[Vertex],
    edges: Sequence[Edge],
    caption: str,
    *,
    show: Collection[str] = SHOWN,
    budget: Budget | None = None,
) -> str:
    """The graph as an SVG document.

    Parameters
    ----------
    vertices, edges : of the graph, or of the view of it that is drawn.
    caption : the sentence below the picture.
    show : the facts that the boxes tell, of ``shape dtype value grad bytes line scope``.
    budget : the time that the layout may take. Default: all it needs.
    """
    run = flow(vertices, edges)
    names = names_of(vertices)
    scale = Scale(v.grad for v in vertices if "grad" in show)
    bad = first_bad(vertices)
    ends = Counter(edge.target for edge in edges)
    ends.update({edge.source for edge, up in zip(edges, run.turned, strict=True) if up})
    boxes = [
        box_of(vertex, show, names, scale, vertex.id == bad, ends[vertex.id] * _PER_EDGE)
        for vertex in map(vertices.__getitem__, run.order)
    ]
    sizes = [(box.width, box.height) for box in boxes]
    places = layout(sizes, run.edges, run.turned, run.beside, budget)
    key, key_width, key_height = legend(
        vertices, edges, scale, max(places.width, _READABLE, text_width(caption, SMALL))
    )
    inner = max(places.width, key_width, text_width(caption, SMALL))
    width, height = inner + 2 * _MARGIN, places.height + key_height + 35 + 2 * _MARGIN
    shown = max(min(1.0, _PAGE / width), _SMALLEST)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{coordinate(width * shown)}" '
            f'height="{coordinate(height * shown)}" '
            f'viewBox="0 0 {coordinate(width)} {coordinate(height)}" role="img" '
            f'font-family="{_FONT}">',
            f"<title>{markup(caption)}</title>",
            f'<rect width="{coordinate(width)}" height="{coordinate(height)}" rx="6" '
            'fill="#fcfcfd"/>',
            f'<g transform="translate({coordinate((width - places.width) / 2)} '
            f'{coordinate(_MARGIN)})">',
            *_lines(edges, run.turned, places),
            '<g text-anchor="middle">',
            *(
                part
                for box, x, y in zip(boxes, places.x, places.y, strict=True)
                for part in draw(box, x, y)
            ),
            "</g>",
            "</g>",
            f'<g transform="translate({coordinate(_MARGIN)} '
            f'{coordinate(places.height + _MARGIN + 30)})" font-size="{SMALL}" fill="{MUTED}">',
            *key,
            f'<text y="{coordinate(key_height + 5)}">{markup(caption)}</text>',
            "</g>",
            "</svg>",
            "",
        ]
    )


def _lines(edges: Sequence[Edge], turned: Sequence[bool], places: Layout) -> Iterator[str]:
    """The lines with their arrow heads, and the numbers of edges that run in parallel."""
    for kept in (False, True):
        look = f' stroke="{KEPT}" stroke-dasharray="2 3"' if kept else f' stroke="{LINE}"'
        paths = [_path(points) for i, points in places.trunks if edges[i].kept == kept]
        heads = []
        for edge, up, points in zip(edges, turned, places.edges, strict=True):
            if edge.kept == kept:
                (x, y), sign = (points[0], 1) if up else (points[-1], -1)
                short = (x, y + sign * _ARROW)
                paths.append(_path([short, *points[1:]] if up else [*points[:-1], short]))
                heads.append(
                    f'<path d="M{coordinate(x)} {coordinate(y)}'
                    f'l-3.5 {coordinate(sign * (_ARROW + 1))}h7z"/>'
                )
        if paths or not kept:
            yield f'<g fill="none"{look} stroke-width="1.3">'
            yield from (f'<path d="{path}"/>' for path in paths)
            yield "</g>"
            yield f'<g fill="{KEPT if kept else LINE}">'
            yield from heads
            yield "</g>"
    yield from _numbers(edges, turned, places)


def _numbers(edges: Sequence[Edge], turned: Sequence[bool], places: Layout) -> Iterator[str]:
    """The places among the arguments, at edges that run in parallel."""
    parallel = Counter((edge.source, edge.target) for edge in edges)
    if max(parallel.values(), default=0) < 2:
        return
    yield f'<g fill="{MUTED}" font-size="9">'
    seen = set()
    for edge, up, points in zip(edges, turned, places.edges, strict=True):
        pair = edge.source, edge.target
        if parallel[pair] > 1:
            # To the left of the first line, to the right of the others.
            x, y = points[0] if up else points[-1]
            side = 'x="{}"' if pair in seen else 'text-anchor="end" x="{}"'
            place = side.format(coordinate(x + 4 if pair in seen else x - 4))
            y = y + 12 if up else y - 5
            yield f'<text {place} y="{coordinate(y)}">{edge.position + 1}</text>'
            seen.add(pair)
    yield "</g>"


def _path(points: Sequence[Point]) -> str:
    """Straight down where the points are above each other, otherwise an S that ends vertically."""
    parts = [f"M{coordinate(points[0][0])} {coordinate(points[0][1])}"]
    for (x, y), (x_next, y_next) in pairwise(points):
        if abs(x - x_next) < 0.05:
            if parts[-1][0] == "V":
                parts.pop()
            parts.append(f"V{coordinate(y_next)}")
        else:
            middle = coordinate((y + y_next) / 2)
            x_text = coordinate(x_next)
            parts.append(
                f"C{coordinate(x)} {middle} {x_text} {middle} {x_text} {coordinate(y_next)}"
            )
    return "".join(parts)
