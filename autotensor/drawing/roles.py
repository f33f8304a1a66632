"""What the colours mean: one role for every box, the same in SVG and DOT.

======================  ========================  =========================
role                    box                       outline
======================  ========================  =========================
leaf, requires grad     blue, round ends          solid
constant                grey                      dashed
op                      white                     solid
folded                  pale grey, a stack        solid
root                    orange                    solid, heavy
backward op             pale purple               solid
gradient                purple                    solid, heavy
======================  ========================  =========================

A fold of backward ops, or one with the root in it, has their colours and is a stack. The first
vertex, by id, whose value is not finite has a red ring. Edges that stand for arrays kept for the
backward pass are dotted.

Shape and outline say the same as the colour, for print and for readers who see colours differently;
blue, orange and purple, and the lightness of the scale for gradients, are told apart by nearly all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import ceil, floor, isfinite, log10
from typing import NamedTuple

from autotensor.drawing.data import Vertex

__all__ = [
    "BAD",
    "INK",
    "KEPT",
    "KEPT_WORDS",
    "LINE",
    "MUTED",
    "RING_WORDS",
    "ROLES",
    "Role",
    "Scale",
    "first_bad",
    "role_of",
]

INK, MUTED, LINE = "#1f2933", "#52606d", "#7b8794"  # text, lesser text, edges
KEPT, BAD = "#9b3f7c", "#c81e1e"  # edges of arrays that were kept; what is not finite
KEPT_WORDS, RING_WORDS = "kept for backward", "first that is not finite"
# From light to dark: small to large gradients.
_LIGHT_TO_DARK = ((253, 240, 181), (88, 178, 160), (33, 102, 142), (27, 32, 92))


class Role(NamedTuple):
    """How the boxes of one role look, and what the legend calls them."""

    words: str
    fill: str
    outline: str
    round: bool = False
    dashed: bool = False
    heavy: bool = False
    stack: bool = False


ROLES = {
    "leaf": Role("leaf, requires grad", "#dbeafe", "#2563a8", round=True),
    "constant": Role("constant", "#eef0f2", "#7b8794", dashed=True),
    "op": Role("op", "#ffffff", "#52606d"),
    "fold": Role("folded", "#f3f4f6", "#52606d", stack=True),
    "root": Role("root", "#fde3c8", "#b4531a", heavy=True),
    "backward": Role("backward op", "#faeef6", "#9b3f7c"),
    "gradient": Role("gradient", "#ecc8e0", "#7c2a60", heavy=True),
}


def role_of(vertex: Vertex) -> Role:
    """The role of `vertex`; a leaf or constant stays one where it is the root."""
    if vertex.kind not in ("op", "fold"):
        role = ROLES[vertex.kind]
    elif vertex.gradient:
        role = ROLES["gradient"]
    elif vertex.of:
        role = ROLES["backward"]
    else:
        role = ROLES["root" if vertex.root else vertex.kind]
    return role._replace(stack=vertex.kind == "fold")


def first_bad(vertices: Iterable[Vertex]) -> int:
    """The id of the first vertex whose value is not finite, or 0."""
    return min((vertex.id for vertex in vertices if vertex.bad), default=0)


class Scale:
    """Colours for the norms of gradients, by their logarithm.

    Parameters
    ----------
    norms : those that occur; the scale has the decades between them.

    Attributes
    ----------
    low, high : the exponents of ten at its ends; both 0 where no norm is finite and positive.
    """

    def __init__(self, norms: Iterable[float | None]) -> None:
        known = [log10(norm) for norm in norms if norm and isfinite(norm) and norm > 0]
        self.low = floor(min(known, default=0.0))
        self.high = max(ceil(max(known, default=0.0)), self.low + bool(known))

    def colour(self, norm: float) -> str:
        """The colour of one norm; red if it is not finite."""
        if not isfinite(norm):
            return BAD
        span = (self.high - self.low) or 1
        return _between((log10(norm) - self.low) / span if norm > 0 else 0.0)

    def samples(self, count: int) -> list[str]:
        """Colours from one end to the other."""
        return [_between(i / (count - 1)) for i in range(count)]


def _between(fraction: float) -> str:
    """A colour between the lightest, at 0, and the darkest, at 1."""
    steps: Sequence[tuple[tuple[int, ...], tuple[int, ...]]] = list(pairwise(_LIGHT_TO_DARK))
    position = min(max(fraction, 0.0), 1.0) * len(steps)
    step = min(int(position), len(steps) - 1)
    mixed = (round(a + (b - a) * (position - step)) for a, b in zip(*steps[step], strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)
