"""From tensors to a `Graph`: the walk over the nodes, and what is known of each of them."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autotensor.array import Tensor, name_of
from autotensor.drawing.data import Kept, Vertex
from autotensor.drawing.model import Graph
from autotensor.engine.graph import Elided, Leaf, Node
from autotensor.engine.plan import OUT

__all__ = ["graph", "variables_of"]

_SMALL = 4  # entries of a value that is shown, and of a sequence among the options

Named = Sequence[tuple[str, Tensor]]


def graph(
    tensors: Tensor | Sequence[Tensor], *, names: Mapping[str, Tensor] | None = None
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
        If no tensor is given.

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
    for value in [*roots, *given.values()]:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"at.graph() draws Tensors, and got {type(value).__name__}. An ndarray has no "
                "graph: pass the Tensor that the computation returned."
            )
    if not roots:
        raise ValueError("at.graph() needs at least one tensor to start from, and got none.")
    # The frame above is the user's; looked up here and not kept, as it holds all they hold.
    variables = list(variables_of(sys._getframe(1).f_locals))
    return _collect(roots, list(given.items()), variables)


def variables_of(space: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The tensors among the variables of a scope, then the parameters of its modules."""
    # Others are of the interpreter's making, or of a notebook's: _, _12.
    public = [(n, value) for n, value in space.items() if n.isidentifier() and n[0] != "_"]
    for name, value in public:
        if isinstance(value, Tensor):
            yield name, value
    for _, value in public:
        if any(kind.__module__ == "autotensor.nn.module" for kind in type(value).__mro__):
            yield from value.named_parameters()


def _collect(roots: Sequence[Tensor], given: Named, variables: Named) -> Graph:
    # A tensor that no op has met has no node of its own yet.
    loose = {id(tensor): Leaf(tensor.shape, tensor.dtype) for tensor in roots}

    def node_of(tensor: Tensor) -> Node | Leaf | None:
        return tensor._node or loose.get(id(tensor))

    tensors = {
        node_of(tensor): tensor for tensor in (*roots, *(t for _, t in (*variables, *given)))
    }
    starts = {node for root in roots if (node := node_of(root))}
    nodes = _below(starts)
    # Where one tensor has several names, the first wins, and those given win over all others.
    names = {node_of(tensor): name for name, tensor in reversed(variables)}
    names |= {node: own for node in nodes if (own := name_of(node))}
    names |= {node_of(tensor): name for name, tensor in reversed(given)}

    ids = {node: rank for rank, node in enumerate(nodes, 1)}
    known = {node: tensor for node, tensor in tensors.items() if node in ids}
    dtypes = {dtype: str(dtype) for dtype in {node.dtype for node in nodes}}
    buffers = _Buffers()
    vertices = tuple(
        Vertex(
            ids[node],
            _kind(node),
            names.get(node),
            node.shape,
            dtypes[node.dtype],
            node in starts,
            _value(known[node]._data) if node in known else "",
            node.op.name if node.op else "",
            _arguments(node, ids),
            _options(node) if isinstance(node, Node) else (),
            buffers.add(node) if isinstance(node, Node) else 0,
            node.notes.get("line", "") if node.notes else "",
        )
        for node in nodes
    )

    # A buffer is called by the tensor whose value it is, also where a view of it is kept.
    owners = {id(_owner(tensor._data)): node for node, tensor in known.items()}

    def label(key: int, holder: Node | Leaf) -> str:
        node = owners.get(key, holder)
        return names.get(node) or f"#{ids[node]} {node.op.name if node.op else _kind(node)}"

    return Graph(vertices, buffers.summary(label))


def _kind(node: Node | Leaf) -> str:
    if isinstance(node, Node):
        return "op"
    return "leaf" if node.requires_grad else "constant"


def _below(starts: Iterable[Node | Leaf]) -> list[Node | Leaf]:
    """All nodes below `starts`, constants too, in the order of their creation."""
    found = set(starts)
    stack = list(found)
    while stack:
        for parent in stack.pop().parents:
            if isinstance(parent, (Node, Leaf)) and parent not in found:
                found.add(parent)
                stack.append(parent)
    return sorted(found, key=lambda node: node.number)


def _arguments(node: Node | Leaf, ids: Mapping[Any, int]) -> tuple[int | str, ...]:
    """The inputs as a picture shows them; absent ones only where something comes after them."""
    parents = node.parents
    while parents and parents[-1] is None:
        parents = parents[:-1]
    return tuple([ids.get(parent) or _text(parent) for parent in parents])


def _options(node: Node) -> tuple[tuple[str, str], ...]:
    """The other arguments of the call, without those that are what the op assumes anyway."""
    if not node.options:
        return ()
    defaults = node.op.defaults
    return tuple(
        (name, _text(value))
        for name, value in node.options.items()
        if name not in defaults or value is not defaults[name]
    )


def _text(value: Any) -> str:
    """An argument as one would write it, arrays and long sequences in short."""
    if isinstance(value, (np.ndarray, Elided)):
        return f"array{value.shape}"
    if isinstance(value, slice):
        parts = [value.start, value.stop] + ([] if value.step is None else [value.step])
        return ":".join("" if part is None else _text(part) for part in parts)
    if isinstance(value, (tuple, list)):
        parts = [_text(part) for part in value[:_SMALL]] + ["…"] * (len(value) > _SMALL)
        inner = ", ".join(parts)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if value is ...:
        return "..."
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (type, np.dtype)) or hasattr(value, "__name__"):
        return getattr(value, "__name__", None) or str(value)
    return reprlib.repr(value)


def _value(data: Any) -> str:
    """A small array in full, at four digits; nothing for larger ones."""
    if not isinstance(data, (np.ndarray, np.generic)) or data.size > _SMALL or data.ndim > 1:
        return ""
    if data.ndim == 0:
        return _number(data.item())
    return f"[{', '.join(map(_number, data.tolist()))}]"


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


class _Buffers:
    """The memory that nodes keep for their backward pass, each buffer counted once."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self.holders: dict[int, Node | Leaf] = {}

    def add(self, node: Node) -> int:
        """Count what `node` keeps; return the bytes that no node before it kept."""
        added = 0
        for array, holder in _kept_arrays(node):
            owner = _owner(array)
            key = id(owner)
            if key not in self.sizes:
                self.sizes[key] = size = owner.nbytes
                self.holders[key] = holder
                added += size
        return added

    def summary(self, label: Callable[[int, Any], str]) -> Kept:
        """All buffers together, and the largest, which `label` names."""
        if not self.sizes:
            return Kept()
        key = max(self.sizes, key=self.sizes.__getitem__)
        total = sum(self.sizes.values())
        return Kept(total, len(self.sizes), self.sizes[key], label(key, self.holders[key]))


def _kept_arrays(node: Node) -> Iterator[tuple[Any, Any]]:
    """Each array that `node` keeps, with the node or leaf whose value it is."""
    parents = node.parents
    for value, source in zip(node.kept or (), node.plan.sources, strict=False):
        if type(source) is range:
            for part, i in zip(value, source, strict=True):
                if hasattr(part, "nbytes"):
                    yield part, parents[i]
        elif source == OUT and type(value) is tuple:  # several results
            for part in value:
                if hasattr(part, "nbytes"):
                    yield part, node
        elif hasattr(value, "nbytes"):
            yield value, node if source == OUT else parents[source]
    for option in node.options.values():
        for part in option if isinstance(option, (tuple, list)) else (option,):
            if isinstance(part, np.ndarray):
                yield part, node


def _owner(array: Any) -> Any:
    """The array that owns the memory of `array`."""
    while (base := getattr(array, "base", None)) is not None:
        if isinstance(base, memoryview):
            base = base.obj
        if not hasattr(base, "nbytes"):
            break
        array = base
    return array
