"""The picture: SVG text, complete in itself.

Nothing in it is looked up elsewhere, shared by id or run: no script, style sheet, link or marker,
so that any number of pictures can stand on one page. It brings its own light background, so it can
also be read in a dark notebook.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from autotensor.drawing.data import Edge, Vertex
from autotensor.drawing.labels import byte_size, clean, shape_text, title
from autotensor.drawing.layout import Layout, Point, layout
from autotensor.drawing.roles import INK, LINE, MUTED, ROLES, Role, role_of

__all__ = ["svg"]

_FONT = "'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
_TITLE, _SMALL = 13, 11  # font sizes
_HEIGHT = {_TITLE: 18, _SMALL: 15}  # of a line of text
_MARGIN = 16.0  # around the picture
_PADDING_X, _PADDING_Y = 11.0, 5.0  # inside a box
_PER_EDGE = 15.0  # least width of a box for each edge that ends at it
_ARROW = 6.0
_SWATCH = 18.0  # of the legend
_LONGEST = 1000  # of one line, whose parts are capped already
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


class _Text(NamedTuple):
    words: str
    size: int
    colour: str
    bold: bool = False

    @property
    def width(self) -> float:
        return text_width(self.words, self.size) * (1.08 if self.bold else 1.0)


def svg(vertices: Sequence[Vertex], edges: Sequence[Edge], caption: str) -> str:
    """The graph as an SVG document.

    Parameters
    ----------
    vertices, edges : of the graph; the vertices in the order of their ids.
    caption : the sentence below the picture.
    """
    labels = [_label(vertex) for vertex in vertices]
    arity = Counter(edge.target for edge in edges)
    sizes = [
        (
            max(max(text.width for text in label) + 2 * _PADDING_X, arity[v.id] * _PER_EDGE),
            sum(_HEIGHT[text.size] for text in label) + 2 * _PADDING_Y,
        )
        for v, label in zip(vertices, labels, strict=True)
    ]
    index = {vertex.id: i for i, vertex in enumerate(vertices)}
    places = layout(sizes, [(index[edge.source], index[edge.target]) for edge in edges])
    legend, legend_width = _legend(vertices)
    inner = max(places.width, legend_width, text_width(caption, _SMALL))
    width, height = inner + 2 * _MARGIN, places.height + 50 + 2 * _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
            f'viewBox="0 0 {_n(width)} {_n(height)}" role="img" font-family="{_FONT}">',
            f"<title>{_markup(caption)}</title>",
            f'<rect width="{_n(width)}" height="{_n(height)}" rx="6" fill="#fcfcfd"/>',
            f'<g transform="translate({_n((width - places.width) / 2)} {_n(_MARGIN)})">',
            *_lines(edges, places),
            *_boxes(vertices, labels, sizes, places),
            "</g>",
            f'<g transform="translate({_n(_MARGIN)} {_n(places.height + _MARGIN + 30)})" '
            f'font-size="{_SMALL}" fill="{MUTED}">',
            *legend,
            f'<text y="20">{_markup(caption)}</text>',
            "</g>",
            "</svg>",
            "",
        ]
    )


def _label(vertex: Vertex) -> list[_Text]:
    lines = [_Text(title(vertex), _TITLE, INK, bold=bool(vertex.name))]
    lines.append(_Text(shape_text(vertex), _SMALL, MUTED))
    if vertex.value:
        lines.append(_Text(f"= {clean(vertex.value)}", _SMALL, MUTED))
    return lines


def _lines(edges: Sequence[Edge], places: Layout) -> Iterator[str]:
    """The lines with their arrow heads, and the numbers of edges that run in parallel."""
    yield f'<g fill="none" stroke="{LINE}" stroke-width="1.3">'
    for trunk in places.trunks.values():
        yield f'<path d="{_path(trunk)}"/>'
    for points in places.edges:
        x, y = points[-1]
        yield f'<path d="{_path([*points[:-1], (x, y - _ARROW)])}"/>'
    yield "</g>"
    yield f'<g fill="{LINE}">'
    for points in places.edges:
        x, y = points[-1]
        yield f'<path d="M{_n(x)} {_n(y)}l-3.5 -{_n(_ARROW + 1)}h7z"/>'
    yield "</g>"
    parallel = Counter((edge.source, edge.target) for edge in edges)
    if max(parallel.values(), default=0) > 1:
        yield f'<g fill="{MUTED}" font-size="9">'
        seen = set()
        for edge, points in zip(edges, places.edges, strict=True):
            pair = edge.source, edge.target
            if parallel[pair] > 1:
                # To the left of the first line, to the right of the others.
                x, y = points[-1]
                side = 'x="{}"' if pair in seen else 'text-anchor="end" x="{}"'
                place = side.format(_n(x + 4 if pair in seen else x - 4))
                yield f'<text {place} y="{_n(y - 5)}">{edge.position + 1}</text>'
                seen.add(pair)
        yield "</g>"


def _path(points: Sequence[Point]) -> str:
    """Straight down where the points are above each other, otherwise an S that ends vertically."""
    parts = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for (x, y), (x_next, y_next) in pairwise(points):
        if abs(x - x_next) < 0.05:
            if parts[-1][0] == "V":
                parts.pop()
            parts.append(f"V{_n(y_next)}")
        else:
            middle = _n((y + y_next) / 2)
            parts.append(f"C{_n(x)} {middle} {_n(x_next)} {middle} {_n(x_next)} {_n(y_next)}")
    return "".join(parts)


def _boxes(
    vertices: Sequence[Vertex],
    labels: Sequence[Sequence[_Text]],
    sizes: Sequence[Point],
    places: Layout,
) -> Iterator[str]:
    yield '<g text-anchor="middle">'
    for vertex, label, size, x, y in zip(vertices, labels, sizes, places.x, places.y, strict=True):
        yield f"<g><title>{_markup(_hint(vertex))}</title>"
        yield _box(role_of(vertex), x - size[0] / 2, y - size[1] / 2, *size)
        line = y - size[1] / 2 + _PADDING_Y
        for text in label:
            line += _HEIGHT[text.size]
            bold = ' font-weight="600"' if text.bold else ""
            yield (
                f'<text x="{_n(x)}" y="{_n(line - 0.29 * text.size)}" font-size="{text.size}" '
                f'fill="{text.colour}"{bold}>{_markup(text.words)}</text>'
            )
        yield "</g>"
    yield "</g>"


def _box(role: Role, x: float, y: float, width: float, height: float) -> str:
    corner = min(height / 2, 14.0) if role.round else 5.0
    dashes = ' stroke-dasharray="4 3"' if role.dashed else ""
    heavy = ' stroke-width="2"' if role.heavy else ""
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
        f'rx="{_n(corner)}" fill="{role.fill}" stroke="{role.outline}"{heavy}{dashes}/>'
    )


def _hint(vertex: Vertex) -> str:
    """What the pointer shows over a box."""
    parts = [f"#{vertex.id} {title(vertex)}", shape_text(vertex)]
    if vertex.kept:
        parts.append(f"keeps {byte_size(vertex.kept)} for backward")
    if vertex.line:
        parts.append(vertex.line)
    return ", ".join(parts)


def _legend(vertices: Sequence[Vertex]) -> tuple[list[str], float]:
    """The roles that occur, in a row; and its width."""
    present = {role_of(vertex).words for vertex in vertices}
    parts, x = [], 0.0
    for role in ROLES.values():
        if role.words in present:
            parts.append(_box(role, x, -9, _SWATCH, 11))
            parts.append(f'<text x="{_n(x + _SWATCH + 5)}">{role.words}</text>')
            x += _SWATCH + 5 + text_width(role.words, _SMALL) + 14
    return parts, x


def text_width(text: str, size: float) -> float:
    """Width of `text` in the widest of the fonts asked for, so that it fits in all of them."""
    return size * sum(map(_character_width, text))


def _character_width(c: str) -> float:
    if unicodedata.combining(c):
        return 0.0
    if c in "iljtfI.,:;'|!()[] ":
        return 0.4
    if c in "mwMW@%—…":
        return 1.0
    if c.isascii():
        return 0.78 if c.isupper() else 0.65
    return 1.05 if unicodedata.east_asian_width(c) in "WF" else 0.85


def _markup(text: str) -> str:
    return clean(text, _LONGEST).translate(_ESCAPES)


def _n(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return str(round(value, 1) + 0.0).removesuffix(".0")
