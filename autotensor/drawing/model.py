"""`Graph`: the data of a picture, and the ways out of it."""

from __future__ import annotations

import base64
import codecs
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import EllipsisType
from typing import Any

from autotensor.drawing.budget import Budget, OutOfTimeError
from autotensor.drawing.data import Edge, Kept, Step, Vertex, edges_of
from autotensor.drawing.diff import GraphDiff, difference
from autotensor.drawing.dot import dot
from autotensor.drawing.exchange import from_json, to_json
from autotensor.drawing.labels import kept_summary, plural
from autotensor.drawing.page import page
from autotensor.drawing.svg import svg
from autotensor.drawing.text import tree
from autotensor.drawing.views import WHOLE, View, drawn
from autotensor.errors import AutotensorError

__all__ = ["Graph", "GraphvizError"]

_PRINTED = 1000  # lines of a printed tree
_SHOWN = 2000  # boxes that a notebook shows as a picture
_SECONDS = 5  # that it waits for the layout
_PER_BOX = 5  # edges that a picture of that many boxes may have for each


class GraphvizError(AutotensorError, RuntimeError):
    """A format that only Graphviz writes was asked for, and Graphviz is not installed."""


@dataclass(frozen=True)
class Graph:
    """The graph below some tensors, as plain data. Made by `autotensor.graph`.

    In a notebook it shows itself as a picture, and ``print`` shows it as a text tree.

    Attributes
    ----------
    nodes : tuple of Vertex
        By id, which is the rank of creation: operands come before what is made of them.
    kept : Kept
        What is kept in memory for the backward pass, each buffer counted once.
    backward_steps : tuple of Step
        The backward pass, one op at a time; empty unless it was asked for.
    view : View
        What is drawn: the words said of a node, how scopes fold, the focus. `with_view` changes it.
    source : str
        The value and the gradient as NumPy source, as by `autotensor.source`, where the backward
        pass of one scalar was asked for.

    Examples
    --------
    >>> import autotensor as at
    >>> w = at.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> loss = (w**2).sum()
    >>> g = at.graph(loss)
    >>> print(g)
    loss  ()       sum            = 14
    └─ (3,)        w ** 2
       └─ w  (3,)  requires grad  = [1, 2, 3]
    kept for backward: 24 B in 1 array (w)
    """

    nodes: tuple[Vertex, ...]
    kept: Kept
    # Not compared, as it holds arrays.
    backward_steps: tuple[Step, ...] = field(default=(), compare=False)
    view: View = WHOLE
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        self.view.check()

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """By target, then by position among its arguments; ``x * x`` has two."""
        return edges_of(self.nodes)

    @cached_property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of the nodes and those around them, each before what is inside it."""
        found: dict[str, None] = {}
        for vertex in self.nodes:
            parts = vertex.scope.split("/") if vertex.scope else []
            found.update(("/".join(parts[: i + 1]), None) for i in range(len(parts)))
        return tuple(found)

    @property
    def first_bad(self) -> int | None:
        """The id of the first node whose value is known to have a NaN or an infinity, or None."""
        return next((vertex.id for vertex in self.nodes if vertex.bad), None)

    @property
    def drawn(self) -> tuple[Vertex, ...]:
        """The boxes of the picture, operands first: nodes, and folds that stand for several."""
        return self._view[0]

    @cached_property
    def _view(self) -> tuple[tuple[Vertex, ...], str]:
        return drawn(self.nodes, self.view)

    def with_view(
        self,
        *,
        show: str | EllipsisType = ...,
        depth: int | EllipsisType | None = ...,
        max_nodes: int | EllipsisType = ...,
        focus: int | str | EllipsisType | None = ...,
        radius: int | EllipsisType = ...,
    ) -> Graph:
        """The same graph drawn in another way; what is not given stays as it is.

        Parameters
        ----------
        show, depth, max_nodes, radius
            See `autotensor.graph`.
        focus : int, str or None
            The id or the name of a node.

        Raises
        ------
        ValueError
            If no node has this id or name, or a number is too small.

        Examples
        --------
        >>> import autotensor as at
        >>> x = at.tensor([1.0, 2.0], requires_grad=True)
        >>> with at.scope("layer"):
        ...     y = (x * 3.0 + 1.0) ** 2
        >>> print(at.graph(y).with_view(depth=0, show="shape"))
        layer  (2,)  4 nodes
        kept for backward: 16 B in 1 array (#3 add)
        """
        if isinstance(focus, str):
            named = [vertex.id for vertex in self.nodes if vertex.name == focus]
            if not named:
                raise ValueError(f"no node of this graph is called {focus!r}")
            focus = named[-1]  # the latest, where a variable was written to
        elif isinstance(focus, int) and focus not in {vertex.id for vertex in self.nodes}:
            raise ValueError(f"the focus is not in this graph of {plural(len(self.nodes), 'node')}")
        given = {
            "show": show,
            "depth": depth,
            "max_nodes": max_nodes,
            "focus": focus,
            "radius": radius,
        }
        changes: dict[str, Any] = {name: v for name, v in given.items() if v is not ...}
        return replace(self, view=self.view._replace(**changes))

    def diff(self, other: Graph) -> GraphDiff:
        """What has to be done to this graph to get the other one.

        Nodes are matched by name and scope, by structure, and in order; see `GraphDiff`.

        Examples
        --------
        >>> import autotensor as at, numpy as np
        >>> x = at.tensor([1.0, 2.0], requires_grad=True)
        >>> before, after = at.graph(np.exp(x).sum()), at.graph(np.exp(2.0 * x).sum())
        >>> print(before.diff(after))
        + #2 multiply (2,)
        ~ #2 exp (2,): arguments (#1) -> (#2); value [2.718, 7.389] -> [7.389, 54.6]
        ~ #3 sum (): value 10.11 -> 61.99
        """
        return difference(self.nodes, other.nodes)

    def steps(self) -> Iterator[Step]:
        """The backward pass one op at a time, latest first, as it runs.

        Raises
        ------
        ValueError
            If the graph was made without ``backward=True``, which runs that pass.

        Examples
        --------
        >>> import autotensor as at, numpy as np
        >>> x = at.tensor(0.5, requires_grad=True)
        >>> for step in at.graph(np.tanh(x) * 3.0, backward=True).steps():
        ...     for pulled in step.outgoing:
        ...         print(step.incoming, "->", pulled.rule, "=", round(float(pulled.cotangent), 4))
        1.0 -> g * y = 3.0
        3.0 -> g * (1 - out * out) = 2.3593
        """
        if not self.backward_steps:
            raise ValueError("this graph has no steps: make it by at.graph(..., backward=True)")
        return iter(self.backward_steps)

    def to_text(self, *, ascii: bool | None = None) -> str:
        """The text tree of what is drawn.

        Parameters
        ----------
        ascii : bool, optional
            Whether to use ASCII characters only; where None, that is so if the standard output is
            not encoded as Unicode.
        """
        return self._text(ascii, None)

    def to_dot(self) -> str:
        """What is drawn in the DOT language of Graphviz."""
        return dot(self.drawn, edges_of(self.drawn), self._caption, show=self.view.show.split())

    def to_svg(self) -> str:
        """The picture as an SVG document; needs nothing installed.

        The data runs from top to bottom and arguments from left to right. Colours mean roles: blue
        with round ends is a leaf that requires grad, dashed grey a constant, white an op, heavy
        orange the root. A dot in a label stands for an operand with a box of its own. Parallel
        edges are numbered by argument.
        """
        return svg(self.drawn, edges_of(self.drawn), self._caption, show=self.view.show.split())

    def to_json(self) -> str:
        """The whole graph as JSON text, the same for the same graph; see drawing/exchange.py."""
        return to_json(self.nodes, self.kept, self.backward_steps, self.view, self.source)

    @classmethod
    def from_json(cls, text: str | bytes) -> Graph:
        """The graph of which `to_json` gave `text`.

        Arrays of steps that were too large to be written are summaries.

        Raises
        ------
        ValueError
            If the text is no JSON, or not of a version that is known.
        """
        return cls(*from_json(text))

    def to_html(self) -> str:
        """A page that shows the graph in a browser: one file, which looks nothing up elsewhere.

        Drag it, zoom, fold and unfold scopes, search; point at a box to read about it. Where the
        graph has steps, a slider goes through the backward pass one op at a time.
        """
        return page(
            self.nodes,
            self.edges,
            f"{self._counts}; {kept_summary(self.kept)}",
            self.backward_steps,
            show=self.view.show,
            depth=self.view.depth,
            max_nodes=self.view.max_nodes,
            focus=self.view.focus,
        )

    def to_graphviz(self) -> Any:
        """The graph as a ``graphviz.Source`` of the package ``graphviz``."""
        import graphviz  # type: ignore[import-untyped]

        return graphviz.Source(self.to_dot())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to a file, in the format of its suffix.

        ``.svg``, ``.dot``, ``.html``, ``.json`` and ``.txt`` need nothing, ``.png`` and ``.pdf``
        Graphviz, ``.py`` a graph with the backward pass of one scalar.

        Raises
        ------
        ValueError
            If the suffix is none of these, or there is no source to write.
        GraphvizError
            If Graphviz is needed and not installed.
        """
        suffix = os.path.splitext(path)[1].lower()
        if suffix == ".svg":
            content = self.to_svg().encode()
        elif suffix == ".dot":
            content = self.to_dot().encode()
        elif suffix == ".html":
            content = self.to_html().encode()
        elif suffix == ".json":
            content = self.to_json().encode()
        elif suffix == ".py":
            if not self.source:
                raise ValueError(
                    "this graph has no source: make it of one scalar by at.graph(loss, "
                    "backward=True), or write what at.source(loss) returns."
                )
            content = self.source.encode()
        elif suffix == ".txt":
            content = f"{self.to_text(ascii=False)}\n".encode()
        elif suffix in (".png", ".pdf"):
            content = self._render(suffix[1:])
        else:
            raise ValueError(
                f"a graph cannot be saved as {os.fspath(path)!r}: its suffix names no known "
                "format.\nUse .svg, .dot, .html, .json, .py or .txt; or .png or .pdf with Graphviz."
            )
        with open(path, "wb") as file:
            file.write(content)

    def __str__(self) -> str:
        return self._text(None, _PRINTED)

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows. The image in HTML is for notebooks that are not trusted."""
        text = self._text(False, _PRINTED)
        if len(self.drawn) > _SHOWN or len(edges_of(self.drawn)) > _SHOWN * _PER_BOX:
            text += "\n(too large to be shown as a picture; save('graph.svg') draws it)"
            return {"text/plain": text}
        show = self.view.show.split()
        try:
            budget = Budget(_SECONDS)
            picture = svg(self.drawn, edges_of(self.drawn), self._caption, show=show, budget=budget)
        except OutOfTimeError:
            text += f"\n(the picture took more than {_SECONDS} s; save('graph.svg') draws it)"
            return {"text/plain": text}
        data = base64.b64encode(picture.encode()).decode("ascii")
        image = f'<img src="data:image/svg+xml;base64,{data}" alt="graph" style="max-width:none">'
        return {
            "text/plain": text,
            "image/svg+xml": picture,
            "text/html": f'<div style="overflow:auto">{image}</div>',
        }

    @property
    def _counts(self) -> str:
        return f"{plural(len(self.nodes), 'node')}, {plural(len(self.edges), 'edge')}"

    @property
    def _caption(self) -> str:
        return "; ".join(filter(None, (self._counts, self._view[1], kept_summary(self.kept))))

    def _text(self, ascii: bool | None, max_lines: int | None) -> str:
        if ascii is None:
            ascii = not _unicode(getattr(sys.stdout, "encoding", None))
        caption = "\n".join(filter(None, (self._view[1], kept_summary(self.kept))))
        return tree(self.drawn, caption, show=self.view.show, ascii=ascii, max_lines=max_lines)

    def _render(self, format: str) -> bytes:
        import graphviz

        try:
            return bytes(self.to_graphviz().pipe(format=format))
        except graphviz.ExecutableNotFound:
            raise GraphvizError(
                f"a .{format} file needs Graphviz, and its program dot is not installed. Install "
                "it (apt install graphviz, brew install graphviz,\nconda install graphviz, or "
                "https://graphviz.org/download), or save as .svg, which needs nothing."
            ) from None


def _unicode(encoding: str | None) -> bool:
    """Whether a stream of this encoding takes all characters; streams of text name none."""
    return encoding is None or codecs.lookup(encoding).name.startswith("utf")
