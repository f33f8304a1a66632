"""The legend of an SVG picture: what occurs in it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from autotensor.drawing.boxes import SMALL, coordinate, outline, ring
from autotensor.drawing.data import Edge, Vertex
from autotensor.drawing.measure import text_width
from autotensor.drawing.roles import (
    KEPT,
    KEPT_WORDS,
    RING_WORDS,
    ROLES,
    Role,
    Scale,
    first_bad,
    role_of,
)

__all__ = ["legend"]

_SWATCH = 18.0
_ROW = 18.0
_SAMPLES = 6  # colours of the scale
_CELL = 10.0  # width of each of them


def legend(
    vertices: Sequence[Vertex], edges: Sequence[Edge], scale: Scale, most: float
) -> tuple[list[str], float, float]:
    """The parts of the legend; and its width and height, from the baseline of its first row.

    Parameters
    ----------
    scale : the colours of gradients, without decades where none are shown.
    most : the width at which another row begins.
    """
    entries = []  # what is drawn, and its width
    for role in _present(vertices):
        drawn = outline(role, 0, -9, _SWATCH, 11)
        if role.stack:
            drawn = outline(role, 3, -11, _SWATCH - 3, 10) + outline(role, 0, -8, _SWATCH - 3, 10)
        entries.append(_entry(drawn, role.words))
    if any(edge.kept for edge in edges):
        dots = f'<path d="M0 -3.5h{coordinate(_SWATCH)}" fill="none" stroke="{KEPT}" '
        entries.append(_entry(f'{dots}stroke-width="1.3" stroke-dasharray="2 3"/>', KEPT_WORDS))
    if first_bad(vertices):
        entries.append(_entry(ring(0, -10, _SWATCH, 13), RING_WORDS))
    if scale.high > scale.low:
        entries.append(_colours(scale))
    parts = []
    x = width = 0.0
    y = 0.0
    for drawn, wide in entries:
        if x and x + wide > most:
            x, y = 0.0, y + _ROW
        parts.append(f'<g transform="translate({coordinate(x)} {coordinate(y)})">{drawn}</g>')
        x += wide
        width = max(width, x)
    return parts, width, y + 15


def _present(vertices: Sequence[Vertex]) -> list[Role]:
    """The roles that occur, a stack of whatever colour as what is folded."""
    roles = {role_of(vertex) for vertex in vertices}
    words = {role.words for role in roles}
    if any(role.stack for role in roles):
        words.add(ROLES["fold"].words)
    return [role for role in ROLES.values() if role.words in words]


def _entry(drawn: str, words: str) -> tuple[str, float]:
    text = f'<text x="{coordinate(_SWATCH + 5)}">{words}</text>'
    return drawn + text, _SWATCH + 5 + text_width(words, SMALL) + 14


def _colours(scale: Scale) -> tuple[str, float]:
    """The scale of the norms of gradients, with its ends in words."""
    start = f"|grad| 1e{scale.low}"
    x = text_width(start, SMALL) + 2
    drawn = f"<text>{start}</text>"
    for colour in scale.samples(_SAMPLES):
        drawn += (
            f'<rect x="{coordinate(x)}" y="-8" width="{coordinate(_CELL)}" height="9" '
            f'fill="{colour}"/>'
        )
        x += _CELL
    end = f"1e{scale.high}"
    drawn += f'<text x="{coordinate(x + 5)}">{end}</text>'
    return drawn, x + 5 + text_width(end, SMALL) + 14
