"""What a picture of a graph is made of: plain data, which every output format starts from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Edge", "Kept", "Vertex", "edges_of"]


class Vertex(NamedTuple):
    """One box of the picture: a leaf, a constant or the result of an op.

    Attributes
    ----------
    id : rank of creation within the graph, from 1, so operands have smaller ids.
    kind : ``"leaf"`` (requires grad), ``"constant"`` or ``"op"``.
    name : what the user calls it, or None.
    shape : of the value.
    dtype : name of the dtype of the value.
    root : whether the picture was asked for this vertex.
    value : text of the value where it is known and small, otherwise empty.
    op : name of the op; empty for leaves and constants, like all that follows.
    arguments : the inputs of the op in order; an int is the id of a vertex, a str the text of a
        constant.
    options : the other arguments of the call, as ``(name, text)``.
    kept : bytes kept for the backward pass, without buffers that an earlier vertex keeps too.
    line : ``file:line`` of the call, where it was recorded.
    """

    id: int
    kind: str
    name: str | None
    shape: tuple[int, ...]
    dtype: str
    root: bool = False
    value: str = ""
    op: str = ""
    arguments: tuple[int | str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    kept: int = 0
    line: str = ""


class Edge(NamedTuple):
    """The use of one vertex by another.

    Attributes
    ----------
    source, target : ids of the operand and of the op that uses it.
    position : place among the arguments of the op, from 0. ``x * x`` has two edges.
    """

    source: int
    target: int
    position: int


class Kept(NamedTuple):
    """What a graph keeps in memory for its backward pass, each buffer counted once.

    Attributes
    ----------
    bytes : of all buffers together.
    arrays : how many buffers.
    largest : bytes of the largest one.
    holder : what the largest one is called: the name of its tensor, or the vertex that keeps it.
    """

    bytes: int = 0
    arrays: int = 0
    largest: int = 0
    holder: str = ""


def edges_of(vertices: Iterable[Vertex]) -> tuple[Edge, ...]:
    """All edges, by target and then by position."""
    return tuple(
        Edge(argument, vertex.id, position)
        for vertex in vertices
        for position, argument in enumerate(vertex.arguments)
        if isinstance(argument, int)
    )
