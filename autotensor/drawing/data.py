"""What a picture of a graph is made of: plain data, which every output format starts from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

__all__ = ["Edge", "Kept", "Pulled", "Step", "Summary", "Vertex", "edges_of"]


class Vertex(NamedTuple):
    """One box of the picture: a leaf, a constant or the result of an op.

    Attributes
    ----------
    id : rank of creation within the graph, from 1, so operands have smaller ids.
    kind : ``"leaf"`` (requires grad), ``"constant"``, ``"op"``, or ``"fold"`` for a box that stands
        for several vertices, as a view of a large graph has them.
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
    scope : the part of the model that it belongs to, as ``encoder/3``; empty outside of all.
    bytes : of the value.
    grad : the Euclidean norm of the gradient, where it is held.
    bad : what is not finite in a value that is held: ``"1 NaN of 12 at [3]"``; otherwise empty.
    of : for what the backward pass computes the id of the forward vertex whose rule does so; 0 for
        the forward pass. The forward vertices among its arguments are arrays kept for it.
    gradient : the id of the forward vertex whose whole gradient this is, or 0.
    members : for a fold the ids of the vertices it stands for.
    repeats : for a fold how many equal blocks it stands for.
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
    scope: str = ""
    bytes: int = 0
    grad: float | None = None
    bad: str = ""
    of: int = 0
    gradient: int = 0
    members: tuple[int, ...] = ()
    repeats: int = 1


class Edge(NamedTuple):
    """The use of one vertex by another.

    Attributes
    ----------
    source, target : ids of the operand and of the op that uses it.
    position : place among the arguments of the op, from 0. ``x * x`` has two edges.
    kept : whether the source is an array that was kept for the backward pass, which uses it here.
    """

    source: int
    target: int
    position: int
    kept: bool = False


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


class Pulled(NamedTuple):
    """What one rule made of a cotangent.

    Attributes
    ----------
    argument : the argument of the op that the rule is for.
    rule : the rule as it is written.
    target : id of the vertex whose cotangent this is, or a part of it.
    cotangent : array of the shape of the target; a tuple of them where the target is a call with
        several results.
    """

    argument: str
    rule: str
    target: int
    cotangent: Any


class Step(NamedTuple):
    """One op of the backward pass.

    Attributes
    ----------
    id : of the forward vertex.
    incoming : the cotangent of its result; a tuple of those of several, in the order of these.
    outgoing : what its rules made of that, by argument.
    made : ids of the backward vertices that these rules computed.
    """

    id: int
    incoming: Any
    outgoing: tuple[Pulled, ...]
    made: tuple[int, ...] = ()


class Summary(NamedTuple):
    """What is left of a large array of a step in a graph that was read from JSON.

    Attributes
    ----------
    dtype, shape : of the array.
    text : its least, mean and greatest entry.
    norm : its Euclidean norm.
    """

    dtype: str
    shape: tuple[int, ...]
    text: str
    norm: float


def edges_of(vertices: Iterable[Vertex]) -> tuple[Edge, ...]:
    """All edges, by target and then by position."""
    vertices = tuple(vertices)
    backward = {vertex.id for vertex in vertices if vertex.of}
    return tuple(
        Edge(argument, vertex.id, position, bool(vertex.of) and argument not in backward)
        for vertex in vertices
        for position, argument in enumerate(vertex.arguments)
        if isinstance(argument, int)
    )
