"""`Graph`: the data of a picture, and the ways out of it."""

from __future__ import annotations

import base64
import codecs
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from autotensor.drawing.data import Edge, Kept, Vertex, edges_of
from autotensor.drawing.dot import dot
from autotensor.drawing.labels import kept_summary, plural
from autotensor.drawing.page import page
from autotensor.drawing.svg import svg
from autotensor.drawing.text import tree
from autotensor.errors import AutotensorError

__all__ = ["Graph", "GraphvizError"]

_PRINTED = 1000  # lines of a printed tree
_SHOWN = 2000  # vertices that a notebook shows as a picture


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

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """By target, then by position among its arguments; ``x * x`` has two."""
        return edges_of(self.nodes)

    def to_text(self, *, ascii: bool | None = None) -> str:
        """The text tree, in full.

        Parameters
        ----------
        ascii : bool, optional
            Whether to use ASCII characters only; where None, that is so if the standard output is
            not encoded as Unicode.
        """
        return self._text(ascii, None)

    def to_dot(self) -> str:
        """The graph in the DOT language of Graphviz."""
        return dot(self.nodes, self.edges, self._caption)

    def to_svg(self) -> str:
        """The picture as an SVG document; needs nothing installed.

        The data runs from top to bottom and arguments from left to right. Colours mean roles: blue
        with round ends is a leaf that requires grad, dashed grey a constant, white an op, heavy
        orange the root. A dot in a label stands for an operand with a box of its own. Parallel
        edges are numbered by argument.
        """
        return svg(self.nodes, self.edges, self._caption)

    def to_html(self) -> str:
        """A page that shows the graph in a browser: one file, which looks nothing up elsewhere.

        Drag it, zoom, fold and unfold scopes, search; point at a box to read about it. Where the
        graph has steps, a slider goes through the backward pass one op at a time.
        """
        return page(self.nodes, self.edges, self._caption)

    def to_graphviz(self) -> Any:
        """The graph as a ``graphviz.Source`` of the package ``graphviz``."""
        import graphviz  # type: ignore[import-untyped]

        return graphviz.Source(self.to_dot())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to a file, in the format of its suffix.

        ``.svg``, ``.dot``, ``.html`` and ``.txt`` need nothing; ``.png`` and ``.pdf`` need
        Graphviz.

        Raises
        ------
        ValueError
            If the suffix is none of these.
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
        elif suffix == ".txt":
            content = f"{self.to_text(ascii=False)}\n".encode()
        elif suffix in (".png", ".pdf"):
            content = self._render(suffix[1:])
        else:
            raise ValueError(
                f"a graph cannot be saved as {os.fspath(path)!r}: its suffix names no known "
                "format.\nUse .svg, .dot, .html or .txt; or .png or .pdf where Graphviz is there."
            )
        with open(path, "wb") as file:
            file.write(content)

    def __str__(self) -> str:
        return self._text(None, _PRINTED)

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows. The image in HTML is for notebooks that are not trusted."""
        if len(self.nodes) > _SHOWN:
            text = f"{self}\n(too large to be shown as a picture; save('graph.svg') draws it)"
            return {"text/plain": text}
        picture = self.to_svg()
        data = base64.b64encode(picture.encode()).decode("ascii")
        image = f'<img src="data:image/svg+xml;base64,{data}" alt="graph" style="max-width:none">'
        return {
            "text/plain": self._text(False, _PRINTED),
            "image/svg+xml": picture,
            "text/html": f'<div style="overflow:auto">{image}</div>',
        }

    @property
    def _caption(self) -> str:
        count = plural(len(self.nodes), "node")
        return f"{count}, {plural(len(self.edges), 'edge')}; {kept_summary(self.kept)}"

    def _text(self, ascii: bool | None, max_lines: int | None) -> str:
        if ascii is None:
            ascii = not _unicode(getattr(sys.stdout, "encoding", None))
        return tree(self.nodes, kept_summary(self.kept), ascii=ascii, max_lines=max_lines)

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
