"""What the colours mean: one role for every box, the same in SVG and DOT.

======================  ========================  =========================
role                    box                       outline
======================  ========================  =========================
leaf, requires grad     blue, round ends          solid
constant                grey                      dashed
op                      white                     solid
root                    orange                    solid, heavy
======================  ========================  =========================

Shape and outline say the same as the colour, for print and for readers who see colours differently.
"""

from __future__ import annotations

from typing import NamedTuple

from autotensor.drawing.data import Vertex

__all__ = ["INK", "LINE", "MUTED", "ROLES", "Role", "role_of"]

INK, MUTED, LINE = "#1f2933", "#52606d", "#7b8794"  # text, lesser text, edges


class Role(NamedTuple):
    """How the boxes of one role look, and what the legend calls them."""

    words: str
    fill: str
    outline: str
    round: bool = False
    dashed: bool = False
    heavy: bool = False


ROLES = {
    "leaf": Role("leaf, requires grad", "#dbeafe", "#2563a8", round=True),
    "constant": Role("constant", "#eef0f2", "#7b8794", dashed=True),
    "op": Role("op", "#ffffff", "#52606d"),
    "root": Role("root", "#fde3c8", "#b4531a", heavy=True),
}


def role_of(vertex: Vertex) -> Role:
    """The role of `vertex`; a leaf or constant stays one where it is the root."""
    kind = "op" if vertex.kind == "fold" else vertex.kind
    return ROLES["root" if vertex.root and kind == "op" else kind]
