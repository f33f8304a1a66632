"""DOT text, for Graphviz and what else reads it.

Labels are quoted here: the `graphviz` package passes labels of the form ``<...>`` on as HTML and
backslash sequences as they are, so a user's text could become markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from autotensor.drawing.data import Edge, Vertex
from autotensor.drawing.labels import clean, shape_text, title
from autotensor.drawing.roles import INK, LINE, MUTED, role_of

__all__ = ["dot", "quote"]


def dot(vertices: Sequence[Vertex], edges: Sequence[Edge], caption: str) -> str:
    """The graph as a DOT document; arguments run from left to right.

    Parameters
    ----------
    vertices, edges : of the graph.
    caption : the sentence below the picture.
    """
    lines = [
        "digraph {",
        f'  graph [rankdir=TB ordering=in bgcolor="#fcfcfd" labeljust=l label={quote(caption)} '
        f'fontname="Helvetica" fontsize=11 fontcolor="{MUTED}"]',
        f'  node [shape=box fontname="Helvetica" fontsize=12 fontcolor="{INK}" height=0.3 '
        "margin=0.11]",
        f'  edge [color="{LINE}" fontname="Helvetica" fontsize=9 fontcolor="{MUTED}" '
        "arrowsize=0.7]",
    ]
    for vertex in vertices:
        role = role_of(vertex)
        style = ",".join(
            ["filled"] + ["rounded"] * (role.round or not role.dashed) + ["dashed"] * role.dashed
        )
        texts = [title(vertex), shape_text(vertex)]
        if vertex.value:
            texts.append(f"= {vertex.value}")
        heavy = " penwidth=2" if role.heavy else ""
        lines.append(
            f'  {vertex.id} [label={quote(*texts)} style="{style}" fillcolor="{role.fill}" '
            f'color="{role.outline}"{heavy}]'
        )
    parallel = Counter((edge.source, edge.target) for edge in edges)
    for edge in edges:
        number = ""
        if parallel[edge.source, edge.target] > 1:
            number = f' [label="{edge.position + 1}"]'
        lines.append(f"  {edge.source} -> {edge.target}{number}")
    return "\n".join([*lines, "}", ""])


def quote(*lines: str) -> str:
    r"""`lines` as one DOT string that shows just these characters.

    In a label Graphviz reads backslash sequences and the character references of HTML, so the
    signs that begin them are escaped; ``\n`` stands between the lines.
    """
    safe = (
        clean(line, 1000).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
        for line in lines
    )
    return '"' + "\\n".join(safe) + '"'
