"""The page: a graph as one HTML file that works without a network.

The graph is in it as JSON, whole and unfolded; the scripts of the folder ``web`` fold it, lay it
out and draw it in the browser. Text of the user reaches the document as JSON in a data block, where
no ``<`` is left of it, and from there as the text of elements, never as markup.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from autotensor.drawing.data import Edge, Pulled, Step, Summary, Vertex
from autotensor.drawing.facts import described
from autotensor.drawing.labels import clean, lines, names_of, shape_text, title
from autotensor.drawing.roles import ROLES, role_of

__all__ = ["page"]

_SCRIPTS = (
    "ranks",
    "layers",
    "columns",
    "layout",
    "scopes",
    "drawn",
    "picture",
    "view",
    "details",
    "steps",
    "page",
)
_LONGEST = 1000  # of a text in the details
_LINES = 60  # of the text of a rule
# In JSON these are read as themselves, and in HTML they could end or change the block they are in.
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def page(
    vertices: Sequence[Vertex],
    edges: Sequence[Edge],
    caption: str,
    steps: Iterable[Step] = (),
    *,
    show: str = "shape dtype value grad",
    depth: int | None = None,
    max_nodes: int = 300,
    focus: int | None = None,
) -> str:
    """The graph as an HTML document, complete in itself.

    Parameters
    ----------
    vertices, edges : of the graph, all of them; the page folds by itself.
    caption : the sentence below the picture.
    steps : of the backward pass, in its order; where there are some, a slider goes through them.
    show : what the boxes show besides their title, words among ``shape dtype value grad bytes line
        scope``.
    depth : how many levels of scopes are unfolded at first; None for as many as fit.
    max_nodes : most boxes that are drawn at first.
    focus : id of the vertex that is selected at first, and unfolded for that.
    """
    shown = set(show.split())
    names = names_of(vertices)
    data = {
        "caption": clean(caption, _LONGEST),
        "depth": depth,
        "most": max_nodes,
        "focus": focus,
        "vertices": [_vertex(vertex, shown, names) for vertex in vertices],
        "edges": [[e.source, e.target, e.position, int(e.kept)] for e in edges],
        "steps": [_step(step) for step in steps],
        "roles": [[name, role.words] for name, role in ROLES.items()],
    }
    style = f":root {{ {_colours()} }}\n{_part('page.css')}"
    script = "\n".join(_part(f"{name}.js") for name in _SCRIPTS)
    return Template(_part("page.html")).substitute(style=style, data=_json(data), script=script)


@cache
def _part(name: str) -> str:
    return (resources.files("autotensor.drawing") / "web" / name).read_text(encoding="utf-8")


def _json(data: Any) -> str:
    """JSON that can stand in an element of HTML: nothing in it ends the element or opens another.

    Lone surrogates, which no encoding of a file takes, are escaped with all that is not ASCII.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


def _colours() -> str:
    """The colours of the roles as properties of the style sheet."""
    return " ".join(
        f"--{name}-fill: {role.fill}; --{name}-line: {role.outline};"
        for name, role in ROLES.items()
    )


def _vertex(vertex: Vertex, shown: set[str], names: Mapping[int, str]) -> dict[str, Any]:
    """What the page knows of a vertex; what there is nothing to say about is left out."""
    role = next(name for name, role in ROLES.items() if role == role_of(vertex))
    grad = vertex.grad
    facts = {
        "id": vertex.id,
        "kind": vertex.kind,
        "role": role,
        "title": title(vertex, names),
        "lines": [words for fact, words in lines(vertex, shown, names) if fact != "title"],
        "name": clean(vertex.name or "", _LONGEST),
        "op": clean(vertex.op),
        "shape": shape_text(vertex._replace(dtype="float64")),
        "dtype": clean(vertex.dtype),
        "value": clean(vertex.value, _LONGEST),
        "arguments": [a if isinstance(a, int) else clean(a) for a in vertex.arguments],
        "options": [f"{clean(name)}={clean(text)}" for name, text in vertex.options],
        "kept": vertex.kept,
        "line": clean(vertex.line, _LONGEST),
        "scope": clean(vertex.scope, _LONGEST),
        "bytes": vertex.bytes,
        # JSON has no NaN: what is not finite goes as text.
        "grad": grad if grad is None or math.isfinite(grad) else str(grad),
        "bad": clean(vertex.bad, _LONGEST),
        "of": vertex.of,
        "gradient": vertex.gradient,
    }
    return {name: fact for name, fact in facts.items() if fact not in ("", 0, None, [])}


def _step(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "incoming": _array(step.incoming),
        "outgoing": [_pulled(pulled) for pulled in step.outgoing],
        "made": list(step.made),
    }


def _pulled(pulled: Pulled) -> dict[str, Any]:
    rule = pulled.rule.split("\n")[:_LINES]
    return {
        "argument": clean(pulled.argument),
        "rule": "\n".join(clean(line.replace("\t", "    "), _LONGEST) for line in rule),
        "target": pulled.target,
        "cotangent": _array(pulled.cotangent),
    }


def _array(value: Any) -> str:
    """A cotangent in words: its shape, and its entries or their range; of several each."""
    if isinstance(value, tuple) and not isinstance(value, Summary):
        return ", ".join(map(_array, value))
    if isinstance(value, Summary):
        shape, text = value.shape, value.text
    else:
        value = np.asarray(value)
        shape, (text, bad) = value.shape, described(value)
        text = f"{text} ({bad})" if bad else text
    words = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    return clean(f"{words} = {text}", _LONGEST) if text else words
