"""The backward pass as vertices of a graph, and its steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autotensor.array import Tensor
from autotensor.drawing.data import Pulled, Step, Vertex
from autotensor.drawing.facts import argument_text, described
from autotensor.drawing.rules_text import rule_text
from autotensor.drawing.tracing import Pass, call_of, parents_of
from autotensor.engine.graph import Leaf, Made, Node
from autotensor.engine.primitive import Op

__all__ = ["backward_part"]


def backward_part(
    run: Pass, ids: Mapping[Any, int], scopes: Mapping[Any, str], names: Mapping[Any, str]
) -> tuple[list[Vertex], tuple[Step, ...]]:
    """What a traced backward pass computes, and what each of its steps does.

    Parameters
    ----------
    run : the pass.
    ids : of the forward vertices, by node.
    scopes, names : of the forward nodes.
    """
    cotangents = {pull.node: pull.g for pull in run.pulls} | run.seeds | run.gradients
    tensors: dict[Any, Tensor] = {
        t._node: t
        for t in (*cotangents.values(), *(pull.cotangent for pull in run.pulls))
        if isinstance(t, Tensor)
    }
    nodes = _computed([t._node for t in run.gradients.values()], run.start)
    owners: dict[Any, Any] = run.owners(nodes) | {t._node: node for node, t in run.seeds.items()}
    whole: dict[Any, Any] = {}
    for node, tensor in cotangents.items():
        # Those of leaves, roots and what the user has a name for are to be looked at. One that is
        # passed on as it is belongs to several nodes: it is called by the lowest.
        if isinstance(tensor, Tensor) and tensor._node is not None:
            held = whole.get(tensor._node)
            if node.plan is None or node in names or node in run.seeds:
                whole[tensor._node] = node if held is None or ids[node] < ids[held] else held
    places = dict(ids)
    vertices = []
    for node in nodes:
        places[node] = place = len(places) + 1
        owner = owners.get(node)
        value, bad = described(tensors[node]._data) if node in tensors else ("", "")
        vertices.append(
            Vertex(
                place,
                "op" if _name(node) else "constant",
                _gradient_name(whole.get(node), names),
                node.shape,
                str(node.dtype),
                value=value,
                op=_name(node),
                arguments=_arguments(node, places),
                options=_options(node),
                scope=scopes.get(owner, ""),
                bytes=math.prod(node.shape) * node.dtype.itemsize,
                bad=bad,
                of=ids.get(owner, 0) or max(ids.values()),
                gradient=ids.get(whole.get(node), 0),
            )
        )
    return vertices, _steps(run, ids, vertices)


def _computed(results: Sequence[Any], start: int) -> list[Any]:
    """The nodes that the pass made below `results`, in their order."""
    found = {node for node in results if node is not None and node.number > start}
    stack = list(found)
    while stack:
        for parent in parents_of(stack.pop()):
            if parent.number > start and parent not in found and not _is_literal(parent):
                found.add(parent)
                stack.append(parent)
    return sorted(found, key=lambda node: node.number)


def _gradient_name(node: Any, names: Mapping[Any, str]) -> str | None:
    if node is None:
        return None
    return f"grad of {names.get(node) or (node.op.name if node.op else 'leaf')}"


def _is_literal(node: Any) -> bool:
    """Whether a constant is written into what uses it: an array that a rule made."""
    return type(node) is Leaf and "array" in (node.notes or ())


def _name(node: Any) -> str:
    function = _call(node)[0]
    if function is None:
        return ""
    return function.name if isinstance(function, Op) else str(function.__name__)


def _call(node: Any) -> tuple[Any, tuple[Any, ...], Mapping[str, Any]]:
    """The function that made a node, None for constants, and the arguments of the call.

    What `autotensor.checkpoint` computes a second time is recorded, not only noted.
    """
    if isinstance(node, Made):
        return node.function, node.args, node.options
    return (node.op, *call_of(node)) if isinstance(node, Node) else (None, (), {})


def _arguments(node: Any, places: Mapping[Any, int]) -> tuple[int | str, ...]:
    args = []
    for arg in _call(node)[1]:
        parts = arg if type(arg) in (tuple, list) and any(map(_is_node, arg)) else (arg,)
        args += [places.get(p) or _text(p) if _is_node(p) else _text(p) for p in parts]
    return tuple(args)


def _is_node(value: Any) -> bool:
    return isinstance(value, (Node, Leaf))


def _text(value: Any) -> str:
    notes: Mapping[str, Any] = (value.notes or {}) if isinstance(value, Leaf) else {}
    if "value" in notes and np.ndim(notes["value"]) == 0:
        value = notes["value"]
    return f"array{value.shape}" if _is_node(value) else argument_text(value)


def _options(node: Any) -> tuple[tuple[str, str], ...]:
    function, _, options = _call(node)
    defaults = function.defaults if isinstance(function, Op) else {}
    return tuple(
        (name, _text(value))
        for name, value in options.items()
        if name not in defaults or value is not defaults[name]
    )


def _steps(run: Pass, ids: Mapping[Any, int], made: Sequence[Vertex]) -> tuple[Step, ...]:
    """The pulls by node, in their order."""
    by_node: dict[Any, list[Any]] = {}
    for pull in run.pulls:
        by_node.setdefault(pull.node, []).append(pull)
    of: dict[int, list[int]] = {}
    for vertex in made:
        of.setdefault(vertex.of, []).append(vertex.id)
    return tuple(
        Step(
            ids[node],
            _array(pulls[0].g),
            tuple(
                Pulled(
                    pull.argument,
                    rule_text(node.op, pull.argument),
                    ids[pull.parent],
                    _array(pull.cotangent),
                )
                for pull in pulls
            ),
            tuple(of.get(ids[node], ())),
        )
        for node, pulls in by_node.items()
    )


def _array(cotangent: Any) -> Any:
    """The array of a cotangent; a tuple of them for a call with several results."""
    if isinstance(cotangent, Tensor):
        return cotangent._data
    if hasattr(cotangent, "values"):
        return tuple(_array(cotangent.values[place]) for place in sorted(cotangent.values))
    return cotangent
