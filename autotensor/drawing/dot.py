"""DOT text, for Graphviz and what else reads it.

Labels are quoted here: the `graphviz` package passes labels of the form ``<...>`` on as HTML and
backslash sequences as they are, so a user's text could become markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from autotensor.drawing.data import Edge, Vertex
from autotensor.drawing.flow import flow
from autotensor.drawing.labels import SHOWN, clean, lines, names_of
from autotensor.drawing.roles import BAD, INK, KEPT, LINE, MUTED, Scale, first_bad, role_of

__all__ = ["dot", "quote"]


def dot(
    vertices: Sequence[Vertex],
    edges: Sequence[Edge],
    caption: str,
    *,
    show: Collection[str] = SHOWN,
) -> str:
    """The graph as a DOT document; arguments run from left to right.

    Parameters
    ----------
    vertices, edges : of the graph, or of the view of it that is drawn.
    caption : the sentence below the picture.
    show : the facts that the boxes tell, of ``shape dtype value grad bytes line scope``.
    """
    document = [
        "digraph {",
        f'  graph [rankdir=TB ordering=in bgcolor="#fcfcfd" labeljust=l label={quote(caption)} '
        f'fontname="Helvetica" fontsize=11 fontcolor="{MUTED}"]',
        f'  node [shape=box fontname="Helvetica" fontsize=12 fontcolor="{INK}" height=0.3 '
        "margin=0.11]",
        f'  edge [color="{LINE}" fontname="Helvetica" fontsize=9 fontcolor="{MUTED}" '
        "arrowsize=0.7]",
    ]
    names = names_of(vertices)
    scale = Scale(v.grad for v in vertices if "grad" in show)
    bad = first_bad(vertices)
    document += [_node(vertex, show, names, scale, vertex.id == bad) for vertex in vertices]
    parallel = Counter((edge.source, edge.target) for edge in edges)
    for edge, turned in zip(edges, flow(vertices, edges).turned, strict=True):
        looks = []
        if parallel[edge.source, edge.target] > 1:
            looks.append(f'label="{edge.position + 1}"')
        if edge.kept:
            looks.append(f'style=dotted color="{KEPT}"')
        ends = f"{edge.source} -> {edge.target}"
        if turned:  # the arrow head stays where it is; the target is above
            ends = f"{edge.target} -> {edge.source}"
            looks.append("dir=back")
        document.append(f"  {ends} [{' '.join(looks)}]" if looks else f"  {ends}")
    return "\n".join([*document, "}", ""])


def _node(
    vertex: Vertex, show: Collection[str], names: Mapping[int, str], scale: Scale, ringed: bool
) -> str:
    role = role_of(vertex)
    style = ",".join(
        ["filled"] + ["rounded"] * (role.round or not role.dashed) + ["dashed"] * role.dashed
    )
    texts = []
    fill = role.fill
    for fact, words in lines(vertex, show, names):
        texts.append(words)
        if fact == "grad" and vertex.grad is not None:
            fill = f"{scale.colour(vertex.grad)};0.06:{fill}"  # a stripe at the left end
    looks = [f"label={quote(*texts)}", f'style="{style}"', f'fillcolor="{fill}"']
    looks.append(f'color="{BAD if ringed else role.outline}"')
    if role.heavy or ringed:
        looks.append(f"penwidth={4 if ringed else 2}")
    if role.stack:
        looks.append("peripheries=2")
    return f"  {vertex.id} [{' '.join(looks)}]"


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
