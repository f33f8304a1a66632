"""Graphs as JSON text, and back.

The document is one object::

    {"format": "autotensor graph", "version": 1, "kept": {...}, "view": {...},
     "nodes": [{"id": 1, "kind": "leaf", ...}, ...],
     "steps": [{"id": 3, "incoming": ARRAY, "outgoing": [{"argument": ..., "cotangent": ARRAY}]}],
     "source": "import numpy as np ..."}

Nodes, steps and the rest have the fields of the classes in `autotensor.drawing.data`, in their
order, without those of a node that have their default. An ARRAY is
``{"dtype", "shape", "text", "norm", "values"}``: its range in words, its Euclidean norm, and its
entries in C order where there are at most 64, otherwise null. For a call with several results it is
a list of them. A number that JSON does not have is a string, ``"nan"``, ``"inf"`` or ``"-inf"``; a
complex one is ``[real, imag]``. Names and other texts of users are as they are: whoever shows them
has to escape them.

The text is ASCII, and the same for the same graph.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autotensor.drawing.data import Kept, Pulled, Step, Summary, Vertex
from autotensor.drawing.facts import described, norm
from autotensor.drawing.views import View

__all__ = ["from_json", "to_json"]

_FORMAT, _VERSION = "autotensor graph", 1
_SMALL = 64  # entries of an array of a step that is written in full


def to_json(
    nodes: Sequence[Vertex], kept: Kept, steps: Sequence[Step], view: View, source: str
) -> str:
    """The document described above."""
    document = {
        "format": _FORMAT,
        "version": _VERSION,
        "kept": kept._asdict(),
        "view": view._asdict(),
        "nodes": [_of_vertex(vertex) for vertex in nodes],
        "steps": [_of_step(step) for step in steps],
        "source": source,
    }
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def from_json(text: str | bytes) -> tuple[tuple[Vertex, ...], Kept, tuple[Step, ...], View, str]:
    """What `to_json` was given; of large arrays of steps a `Summary`.

    Raises
    ------
    ValueError
        If the text is no JSON, or of another format or version.
    """
    document = json.loads(text)
    found = document.get("format") if isinstance(document, dict) else None
    if found != _FORMAT:
        raise ValueError(f"this JSON text is no graph: its format is {found!r}, not {_FORMAT!r}")
    if document.get("version") != _VERSION:
        raise ValueError(
            f"this graph is of version {document.get('version')!r} of the format, and only "
            f"version {_VERSION} can be read"
        )
    try:
        return (
            tuple(_to_vertex(facts) for facts in document["nodes"]),
            Kept(**document["kept"]),
            tuple(_to_step(facts) for facts in document["steps"]),
            View(**document["view"]),
            document["source"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this JSON text is no whole graph: {error!r}") from error


def _of_vertex(vertex: Vertex) -> dict[str, Any]:
    defaults = Vertex._field_defaults
    facts = {
        name: value
        for name, value in zip(vertex._fields, vertex, strict=True)
        if name not in defaults or value != defaults[name]
    }
    if "grad" in facts:
        facts["grad"] = _number(facts["grad"])
    return facts


def _to_vertex(facts: dict[str, Any]) -> Vertex:
    facts = dict(facts)
    for name in ("shape", "arguments", "members"):
        facts[name] = tuple(facts.get(name, ()))
    facts["options"] = tuple((name, text) for name, text in facts.get("options", ()))
    if isinstance(facts.get("grad"), str):
        facts["grad"] = float(facts["grad"])
    return Vertex(**facts)


def _of_step(step: Step) -> dict[str, Any]:
    outgoing = [{**p._asdict(), "cotangent": _of_array(p.cotangent)} for p in step.outgoing]
    return {**step._asdict(), "incoming": _of_array(step.incoming), "outgoing": outgoing}


def _to_step(facts: dict[str, Any]) -> Step:
    outgoing = tuple(
        Pulled(**{**p, "cotangent": _to_array(p["cotangent"])}) for p in facts["outgoing"]
    )
    incoming, made = _to_array(facts["incoming"]), tuple(facts["made"])
    return Step(**{**facts, "incoming": incoming, "outgoing": outgoing, "made": made})


def _of_array(data: Any) -> Any:
    if isinstance(data, Summary):
        return {**data._asdict(), "norm": _number(data.norm), "values": None}
    if isinstance(data, tuple):
        return [_of_array(part) for part in data]
    data = np.asarray(data)
    values = [_number(n) for n in data.ravel().tolist()] if data.size <= _SMALL else None
    return {
        "dtype": str(data.dtype),
        "shape": data.shape,
        "text": described(data)[0],
        "norm": _number(norm(data)),
        "values": values,
    }


def _to_array(facts: Any) -> Any:
    if isinstance(facts, list):
        return tuple(_to_array(part) for part in facts)
    shape, values = tuple(facts["shape"]), facts["values"]
    if values is None:
        return Summary(facts["dtype"], shape, facts["text"], float(facts["norm"]))
    numbers = [complex(*map(float, n)) if isinstance(n, list) else float(n) for n in values]
    return np.array(numbers).astype(facts["dtype"]).reshape(shape)


def _number(value: Any) -> Any:
    """A number as JSON has it."""
    if isinstance(value, complex):
        return [_number(value.real), _number(value.imag)]
    if isinstance(value, np.generic):  # a longdouble stays one in a list
        value = float(value)
    return value if math.isfinite(value) else str(value)
