"""The text tree: the graph in a terminal.

The root comes first and its operands below it. A vertex is shown once and afterwards mentioned by
name or number; arithmetic on results that are used once is written as one expression.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from autotensor.drawing.data import Vertex
from autotensor.drawing.labels import (
    ATOM,
    applied,
    bare,
    byte_size,
    cells,
    clean,
    constant,
    is_infix,
    plural,
    shape_text,
    title,
)

__all__ = ["tree"]

_INLINE = 24  # longest expression that is written into another one
_LONGEST = 76  # longest expression of a line
_DEEPEST = 16  # deeper branches start anew at the margin, so that a long chain stays in the window
_WIDEST = 56  # where the second column starts at the latest
_PLAIN_NAME = re.compile(r"[\w./\[\]]*[^\W\d][\w./\[\]]*")
_BRANCHES = {False: ("├─ ", "└─ ", "│  ", "   "), True: ("|- ", "`- ", "|  ", "   ")}
_ASCII = str.maketrans({"…": "..."})


class _Line(NamedTuple):
    lead: str
    vertex: Vertex
    text: str


def tree(
    vertices: Sequence[Vertex],
    caption: str,
    *,
    show: str = "shape dtype value grad",
    ascii: bool = False,
    max_lines: int | None = None,
) -> str:
    """The text tree of a graph, one line per vertex that is not part of another's expression.

    Parameters
    ----------
    vertices : what is drawn, operands first.
    caption : the last line, or lines.
    show : what is said of each vertex: words of `autotensor.drawing.views`.
    ascii : draw the branches with ASCII characters and escape all others.
    max_lines : how many lines at most, with a sentence where that leaves some out; None for all.
    """
    expressions = _Expressions(vertices)
    lines, mentioned = _walk(vertices, expressions, _BRANCHES[ascii], max_lines)
    words = frozenset(show.split())
    first_bad = next((vertex.id for vertex in vertices if vertex.bad), None)
    rows = []
    for lead, vertex, text in lines:
        name = clean(vertex.name) if vertex.name and vertex.kind != "fold" else ""
        if vertex.id in mentioned and expressions.refs[vertex.id] != name:
            name = f"{name} #{vertex.id}".lstrip()
        if vertex.kind == "fold":
            name, text = (
                f"{name}  {title(vertex)}".strip(),
                f"{text}{plural(len(vertex.members), 'node')}",
            )
        head = "  ".join(filter(None, (name, _shape(vertex, words))))
        columns = (head, text, *_columns(vertex, words, vertex.id == first_bad))
        rows.append((lead, *(_plain(part) if ascii else part for part in columns)))
    output = _aligned(rows)
    left = len(vertices) - len(lines) - expressions.inlined
    if max_lines is not None and left > 0 and len(lines) >= max_lines:
        output.append(f"... and {plural(left, 'more node')}; to_text() has all")
    output += [_plain(line) if ascii else line for line in caption.split("\n")]
    return "\n".join(output)


def _shape(vertex: Vertex, words: Container[str]) -> str:
    if "shape" in words:
        return shape_text(vertex if "dtype" in words else vertex._replace(dtype="float64"))
    return clean(vertex.dtype) if "dtype" in words else ""


def _columns(vertex: Vertex, words: Container[str], is_first_bad: bool) -> tuple[str, str]:
    """The value, and the column after it: gradient, bytes, scope, line, and what is not finite."""
    value = f"= {clean(vertex.value)}" if vertex.value and "value" in words else ""
    facts = []
    if vertex.grad is not None and "grad" in words:
        facts.append(f"grad {vertex.grad:.3g}")
    if "bytes" in words:
        facts.append(byte_size(vertex.bytes))
        facts += [f"keeps {byte_size(vertex.kept)}"] if vertex.kept else []
    if vertex.scope and "scope" in words:
        facts.append(f"in {clean(vertex.scope)}")
    if vertex.line and "line" in words:
        facts.append(clean(vertex.line))
    if is_first_bad:
        facts.append(f"! first non-finite: {clean(vertex.bad)}")
    return value, "  ".join(facts)


class _Expressions:
    """How each op is written, and which vertices are mentioned in it.

    Built from the leaves upward, so that nothing recurses; the length of an expression that goes
    into another one is bounded, and so is the work per vertex.
    """

    def __init__(self, vertices: Sequence[Vertex]) -> None:
        names = Counter(clean(vertex.name) for vertex in vertices if vertex.name)
        self.refs: dict[int, str] = {}
        self.texts: dict[int, str] = {}
        self.mentions: dict[int, list[int]] = {}
        self.inlined = 0
        uses: Counter[int] = Counter()
        into_infix: dict[int, bool] = {}
        for vertex in vertices:
            infix = is_infix(vertex)
            for argument in vertex.arguments:
                if isinstance(argument, int):
                    uses[argument] += 1
                    into_infix[argument] = infix
            name = vertex.name and clean(vertex.name)
            plain = name and names[name] == 1 and _PLAIN_NAME.fullmatch(name)
            self.refs[vertex.id] = name if name and plain else f"#{vertex.id}"
        parts: dict[int, tuple[str, int]] = {}
        for vertex in vertices:
            if vertex.kind == "fold":
                below = [a for a in vertex.arguments if isinstance(a, int)]
                self.mentions[vertex.id] = below
                self.texts[vertex.id] = ", ".join(self.refs[a] for a in below)
            if vertex.kind != "op":
                continue
            operands, mentions = [], []
            for argument in vertex.arguments:
                if isinstance(argument, str):
                    operands.append(constant(argument))
                elif argument in parts:
                    operands.append(parts[argument])
                    mentions += self.mentions[argument]
                else:
                    operands.append((self.refs[argument], ATOM))
                    mentions.append(argument)
            text, precedence = applied(vertex, operands)
            self.texts[vertex.id] = clean(text, _LONGEST)
            self.mentions[vertex.id] = list(dict.fromkeys(mentions))
            single = uses[vertex.id] == 1 and not vertex.name and not vertex.root
            if single and into_infix[vertex.id] and is_infix(vertex) and len(text) <= _INLINE:
                parts[vertex.id] = text, precedence
        self.inlined = len(parts)


def _walk(
    vertices: Sequence[Vertex],
    expressions: _Expressions,
    branches: tuple[str, str, str, str],
    max_lines: int | None,
) -> tuple[list[_Line], set[int]]:
    """The lines from the roots downward, and the vertices that they mention in expressions."""
    tee, corner, bar, gap = branches
    by_id = {vertex.id: vertex for vertex in vertices}
    # Where the roots are left out, as around a focus, what nothing uses stands in their place.
    used = {argument for vertex in vertices for argument in vertex.arguments}
    margin = deque(v.id for v in vertices if v.root or v.id not in used)
    shown = set(margin)
    lines: list[_Line] = []
    mentioned: set[int] = set()
    while margin:
        stack = [(margin.popleft(), "", "", 0)]
        while stack:
            if len(lines) == max_lines:
                return lines, mentioned
            id, lead, indent, depth = stack.pop()
            vertex = by_id[id]
            mentions = expressions.mentions.get(id, [])
            below = []
            for operand in mentions:
                if operand in shown:
                    continue
                shown.add(operand)
                if depth < _DEEPEST or by_id[operand].kind in ("leaf", "constant"):
                    below.append(operand)
                else:
                    margin.append(operand)
            if vertex.kind == "fold":
                text = ""
                if len(mentions) != len(below) or len(below) > 1:
                    text = f"of {clean(expressions.texts[id], _LONGEST)}: "
                    mentioned.update(mentions)
            elif vertex.kind != "op":
                text = "requires grad" if vertex.kind == "leaf" else "constant"
            elif len(vertex.arguments) == len(below) == 1 and not is_infix(vertex):
                text = bare(vertex)
            else:
                text = expressions.texts[id]
                mentioned.update(mentions)
            lines.append(_Line(lead, vertex, text))
            for operand in reversed(below):
                last = operand == below[-1]
                branch = indent + (corner if last else tee)
                stack.append((operand, branch, indent + (gap if last else bar), depth + 1))
    return lines, mentioned


def _aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The rows as lines: branches and head, text, value, the rest, in columns of their own."""
    table = [[lead + head, *rest] for lead, head, *rest in rows]
    widths = [[cells(part) for part in row] for row in table]
    # Values are narrow enough to set the width of their column; long lines stand out of it.
    columns = [min(_WIDEST, max(column, default=0)) for column in zip(*widths, strict=True)]
    output = []
    for row, own in zip(table, widths, strict=True):
        line = ""
        for part, width, column in zip(row, own, columns, strict=True):
            if column:
                line += part + " " * max(column - width + 2, 2)
        output.append(line.rstrip())
    return output


def _plain(text: str) -> str:
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
