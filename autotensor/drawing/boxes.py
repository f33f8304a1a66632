"""The boxes of an SVG picture: their words, their sizes, and how each is drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from autotensor.drawing.data import Vertex
from autotensor.drawing.labels import byte_size, clean, lines, shape_text, title
from autotensor.drawing.measure import BOLD, text_width
from autotensor.drawing.roles import BAD, INK, MUTED, Role, Scale, role_of

__all__ = ["SMALL", "Box", "box_of", "coordinate", "draw", "markup", "outline", "ring"]

_TITLE, SMALL = 13, 11  # font sizes
_HEIGHT = {_TITLE: 18, SMALL: 15}  # of a line of text
_PADDING_X, _PADDING_Y = 11.0, 5.0  # inside a box
_CARD = 3.0  # by how much each of the two cards behind a fold shows
_RING = 4.0  # between a box and the ring around it
_BAR = 4.0  # height of the colour of a gradient
_LONGEST = 1000  # of one line, whose parts are capped already
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


class _Text(NamedTuple):
    words: str
    size: int
    colour: str
    bold: bool = False

    @property
    def width(self) -> float:
        return text_width(self.words, self.size) * (BOLD if self.bold else 1.0)


class Box(NamedTuple):
    """A box before it has its place.

    Attributes
    ----------
    width, height : with all that belongs to it: cards behind it, the ring around it.
    """

    role: Role
    texts: list[_Text]
    hint: str
    bar: str
    ringed: bool
    width: float
    height: float


def box_of(
    vertex: Vertex,
    show: Collection[str],
    names: Mapping[int, str],
    scale: Scale,
    ringed: bool,
    room: float,
) -> Box:
    """The box of one vertex.

    Parameters
    ----------
    show, names : see `autotensor.drawing.labels.lines`.
    scale : the colours of gradients.
    ringed : whether it has a ring around it.
    room : the least width of its upper and lower edge.
    """
    texts = []
    bar = ""
    for fact, words in lines(vertex, show, names):
        if fact == "title":
            texts.append(_Text(words, _TITLE, INK, bool(vertex.name or vertex.gradient)))
        else:
            texts.append(_Text(words, SMALL, BAD if fact == "bad" else MUTED, fact == "bad"))
        if fact == "grad" and vertex.grad is not None:
            bar = scale.colour(vertex.grad)
    role = role_of(vertex)
    more = 2 * _CARD * role.stack + 2 * _RING * ringed
    width = max(max(text.width for text in texts) + 2 * _PADDING_X, room)
    height = sum(_HEIGHT[text.size] for text in texts) + 2 * _PADDING_Y + (_BAR if bar else 0)
    return Box(role, texts, _hint(vertex, names), bar, ringed, width + more, height + more)


def draw(box: Box, x: float, y: float) -> Iterator[str]:
    """The box with its centre at `x`, `y`."""
    left, top = x - box.width / 2, y - box.height / 2
    width, height = box.width, box.height
    yield f"<g><title>{markup(box.hint)}</title>"
    if box.ringed:
        yield ring(left, top, width, height)
        left, top, width, height = left + _RING, top + _RING, width - 2 * _RING, height - 2 * _RING
    if box.role.stack:
        width, height = width - 2 * _CARD, height - 2 * _CARD
        for back in (2, 1):
            yield outline(box.role, left + back * _CARD, top + (2 - back) * _CARD, width, height)
        top += 2 * _CARD
    yield outline(box.role, left, top, width, height)
    line = top + _PADDING_Y
    middle = coordinate(left + width / 2)
    for text in box.texts:
        line += _HEIGHT[text.size]
        bold = ' font-weight="600"' if text.bold else ""
        yield (
            f'<text x="{middle}" y="{coordinate(line - 0.29 * text.size)}" '
            f'font-size="{text.size}" fill="{text.colour}"{bold}>{markup(text.words)}</text>'
        )
    if box.bar:
        yield (
            f'<rect x="{coordinate(left + 14)}" y="{coordinate(line + 2)}" '
            f'width="{coordinate(width - 28)}" height="{coordinate(_BAR)}" rx="2" '
            f'fill="{box.bar}" stroke="{MUTED}" stroke-width="0.5"/>'
        )
    yield "</g>"


def outline(role: Role, x: float, y: float, width: float, height: float) -> str:
    """The rectangle of a box, with the look of its role."""
    corner = min(height / 2, 14.0) if role.round else 5.0
    dashes = ' stroke-dasharray="4 3"' if role.dashed else ""
    heavy = ' stroke-width="2"' if role.heavy else ""
    return (
        f'<rect x="{coordinate(x)}" y="{coordinate(y)}" width="{coordinate(width)}" '
        f'height="{coordinate(height)}" rx="{coordinate(corner)}" fill="{role.fill}" '
        f'stroke="{role.outline}"{heavy}{dashes}/>'
    )


def ring(x: float, y: float, width: float, height: float) -> str:
    """The red ring around the first box that is not finite."""
    corner = coordinate(min(height / 2, 9.0))
    return (
        f'<rect x="{coordinate(x + 1)}" y="{coordinate(y + 1)}" width="{coordinate(width - 2)}" '
        f'height="{coordinate(height - 2)}" rx="{corner}" fill="none" stroke="{BAD}" '
        'stroke-width="2.5"/>'
    )


def markup(text: str) -> str:
    """`text` as XML has it between tags or in an attribute."""
    return clean(text, _LONGEST).translate(_ESCAPES)


def coordinate(value: float) -> str:
    """A number to a tenth of a pixel."""
    return str(round(value, 1) + 0.0).removesuffix(".0")


def _hint(vertex: Vertex, names: Mapping[int, str]) -> str:
    """What the pointer shows over a box."""
    parts = [f"#{vertex.id} {title(vertex, names)}", shape_text(vertex)]
    if vertex.kept:
        parts.append(f"keeps {byte_size(vertex.kept)} for backward")
    parts += [clean(text) for text in (vertex.scope, vertex.line) if text]
    return ", ".join(parts)
