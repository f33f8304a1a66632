"""From tensors to a `Graph`: the walk over the nodes, and what is known of each of them."""

from __future__ import annotations

import contextlib
import gc
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from autotensor import errors
from autotensor.array import Tensor, name_of
from autotensor.drawing.backward import backward_part
from autotensor.drawing.callers import arrays_in, variables_of
from autotensor.drawing.data import Step, Vertex
from autotensor.drawing.facts import argument_text, described, norm
from autotensor.drawing.memory import Buffers, kept_values, option_arrays, owner
from autotensor.drawing.model import Graph
from autotensor.drawing.numpy_source.api import source_of
from autotensor.drawing.scopes import scopes_of
from autotensor.drawing.tracing import trace
from autotensor.drawing.views import SHOW, View
from autotensor.engine.graph import Leaf, Node

__all__ = ["graph"]

_NO_NOTES: Mapping[str, Any] = {}

Named = Sequence[tuple[str, Tensor]]


def graph(
    tensors: Tensor | Sequence[Tensor],
    *,
    names: Mapping[str, Tensor] | None = None,
    backward: bool = False,
    show: str = SHOW,
    depth: int | None = None,
    max_nodes: int = 300,
    focus: Tensor | str | None = None,
    radius: int = 2,
) -> Graph:
    """Look at the graph from which `tensors` were computed.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensors
        The roots of the graph.
    names : mapping from str to Tensor, optional
        What to call tensors in the picture. Other tensors have the name they were given
        (``at.tensor(..., name=)``); otherwise that of a local variable of the caller, or their
        path in a module among these, as in ``layers.0.weight``.
    backward : bool
        Run the backward pass too, from cotangents of ones, and have its ops in the graph, beside
        the forward ones. Nothing is freed, no ``.grad`` changes, and hooks run. The graph then has
        `steps`, which hold the cotangents.
    show : str
        What to say of a node, any of the words shape, dtype, value, grad, bytes, line and scope.
    depth : int, optional
        How many levels of scopes to open: with 0 every scope is one box. Scopes are those of
        `autotensor.scope` and the calls of modules. Where None, all are open while there is room.
    max_nodes : int
        How many boxes a picture has at most; beyond that scopes, chains of ops and repeated blocks
        are folded, and the caption says so. `nodes` of the graph and its JSON stay whole.
    focus : Tensor or str, optional
        Draw only what is near this tensor of the graph, or near the node of this name.
    radius : int
        How many edges away from `focus` a node may be.

    Returns
    -------
    Graph
        Plain data, without references to tensors or arrays: print it, save it, or let a notebook
        show it. After ``backward()`` it is the same, but that nothing is kept any more.

    Raises
    ------
    TypeError
        If something other than a Tensor is given.
    ValueError
        If no tensor is given, `show` has another word, or `focus` is not in the graph.
    NoGradientError, GraphFreedError
        With `backward`, if nothing requires grad, or a ``backward()`` has freed the graph.

    Examples
    --------
    >>> import autotensor as at
    >>> x = at.tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> print(at.graph(y))
    y  ()     x * x          = 9
    └─ x  ()  requires grad  = 3
    kept for backward: 8 B in 1 array (x)
    >>> at.graph(y, names={"square": y}).nodes[-1].name
    'square'
    """
    roots: list[Any] = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    given = dict(names or {})
    near = () if focus is None or isinstance(focus, str) else (focus,)
    for value in [*roots, *given.values(), *near]:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"at.graph() draws Tensors, and got {type(value).__name__}. An ndarray has no "
                "graph: pass the Tensor that the computation returned."
            )
    if not roots:
        raise ValueError("at.graph() needs at least one tensor to start from, and got none.")
    # The frame above is the user's; looked up here and not kept, as it holds all they hold.
    space = sys._getframe(1).f_locals
    found = _Found(roots, list(given.items()), list(variables_of(space)), arrays_in(space))
    view = View(show, depth, max_nodes, None, radius)
    with _without_collector():
        return _collect(found, view, focus, backward)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the garbage collector: of a large graph it looks at each box made here, many times."""
    pause = gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


class _Found(NamedTuple):
    """The tensors that the caller gave, and what others of the caller's are called."""

    roots: Sequence[Tensor]
    given: Named
    variables: Named
    arrays: dict[int, str]


def _collect(found: _Found, view: View, focus: Tensor | str | None, backward: bool) -> Graph:
    roots, given, variables, arrays = found
    # A tensor that no op has met has no node of its own yet.
    loose = {id(tensor): Leaf(tensor.shape, tensor.dtype) for tensor in roots}

    def node_of(tensor: Tensor) -> Any:
        return tensor._node or loose.get(id(tensor))

    tensors = {
        node_of(tensor): tensor for tensor in (*roots, *(t for _, t in (*variables, *given)))
    }
    starts = {node for root in roots if (node := node_of(root))}
    nodes = _below(starts)
    scopes = scopes_of(nodes, {node_of(tensor) for _, tensor in (*variables, *given)})
    # Where one tensor has several names, the first wins, and those given win over all others.
    names = {node_of(tensor): name for name, tensor in reversed(variables)}
    names |= {node: own for node in nodes if (own := name_of(node))}
    names |= {node_of(tensor): name for name, tensor in reversed(given)}
    ids = {node: rank for rank, node in enumerate(nodes, 1)}
    known = {node: tensor._data for node, tensor in tensors.items() if node in ids}
    dtypes = {
        dtype: (str(dtype), 0 if dtype.kind == "O" else dtype.itemsize)
        for dtype in {node.dtype for node in nodes}
    }
    buffers = Buffers()
    values, held = _held(nodes, ids, buffers)
    for node, data in known.items():
        values[ids[node]] = data
    for node in nodes:
        if node.plan is None and node.notes and "array" in node.notes:
            array = node.notes["array"]()
            name = arrays.get(id(array))
            value = values[ids[node]]
            # Written to since, it is another one.
            if name and (value is None or np.array_equal(value, array, equal_nan=True)):
                names.setdefault(node, name)
    vertices = []
    for rank, node in enumerate(nodes, 1):
        notes = node.notes or _NO_NOTES
        if isinstance(node, Node):
            kind, op, gradient = "op", node.plan.op.name, notes.get("grad")
            options = _options(node) if node.options else ()
        else:
            kind, op, gradient, options = _kind(node), "", node.grad, ()
        value, bad = described(values[rank])
        shape, (dtype, itemsize) = node.shape, dtypes[node.dtype]
        vertices.append(
            Vertex(
                rank,
                kind,
                names.get(node),
                shape,
                dtype,
                node in starts,
                value,
                op,
                _arguments(node, ids),
                options,
                held[rank],
                notes.get("line", ""),
                scopes.get(node, ""),
                math.prod(shape) * itemsize,
                None if gradient is None else norm(gradient._data),
                bad,
            )
        )

    # A buffer is called by the tensor whose value it is, also where a view of it is kept.
    owners = {id(owner(data)): node for node, data in known.items()}

    def label(key: int, holder: Node | Leaf) -> str:
        node = owners.get(key, holder)
        return names.get(node) or f"#{ids[node]} {node.op.name if node.op else _kind(node)}"

    steps: tuple[Step, ...] = ()
    source = ""
    if backward:
        if not any(root.requires_grad for root in roots):
            raise errors.nothing_to_differentiate()
        try:
            run, whole = trace(roots, whole=True), True
        except errors.UnwritableError:  # a rule takes numbers out of a Tensor
            run, whole = trace(roots), False
        computed, steps = backward_part(run, ids, scopes, names)
        vertices += computed
        if whole and len(roots) == 1 and roots[0].size == 1:
            with contextlib.suppress(errors.UnwritableError):
                source = source_of(run, roots[0], [*run.gradients], names)
    g = Graph(tuple(vertices), buffers.summary(label), steps, view, source)
    if focus is None:
        return g
    return g.with_view(focus=focus if isinstance(focus, str) else ids.get(node_of(focus), 0))


def _kind(node: Node | Leaf) -> str:
    if node.plan is not None:
        return "op"
    return "leaf" if node.requires_grad else "constant"


def _held(
    nodes: Sequence[Node | Leaf], ids: Mapping[Any, int], buffers: Buffers
) -> tuple[list[Any], list[int]]:
    """The values that are held, kept for the backward pass or by `record_values`, by id.

    And the bytes that each node keeps, which are counted in `buffers`.
    """
    values: list[Any] = [None] * (len(nodes) + 1)
    held = [0] * (len(nodes) + 1)
    for rank, node in enumerate(nodes, 1):
        if isinstance(node, Node):
            if node.kept:
                for array, holder in kept_values(node):
                    held[rank] += buffers.add(array, holder)
                    if isinstance(holder, (Node, Leaf)) and array.dtype == holder.dtype:
                        values[ids[holder]] = array
            if node.options:
                for array in option_arrays(node):
                    held[rank] += buffers.add(array, node)
            if node.notes and "value" in node.notes:
                values[rank] = node.notes["value"]
    return values, held


def _below(starts: Iterable[Node | Leaf]) -> list[Node | Leaf]:
    """All nodes below `starts`, constants too, in the order of their creation."""
    found = set(starts)
    stack = list(found)
    while stack:
        for parent in stack.pop().parents:
            if isinstance(parent, (Node, Leaf)) and parent not in found:
                found.add(parent)
                stack.append(parent)
    return sorted(found, key=attrgetter("number"))


def _arguments(node: Node | Leaf, ids: Mapping[Any, int]) -> tuple[int | str, ...]:
    """The inputs as a picture shows them; absent ones only where something comes after them."""
    parents = node.parents
    if len(parents) == 2 and parents[1] is not None:
        x, y = parents
        return ids.get(x) or argument_text(x), ids.get(y) or argument_text(y)
    if len(parents) == 1 and parents[0] in ids:
        return (ids[parents[0]],)
    while parents and parents[-1] is None:
        parents = parents[:-1]
    return tuple([ids.get(parent) or argument_text(parent) for parent in parents])


def _options(node: Node) -> tuple[tuple[str, str], ...]:
    """The other arguments of the call, without those that are what the op assumes anyway."""
    defaults = node.op.defaults
    return tuple(
        (name, argument_text(value))
        for name, value in node.options.items()
        if name not in defaults or value is not defaults[name]
    )
