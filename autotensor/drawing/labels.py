"""The words in a picture: what a vertex is called, and how an op is written with its operands.

Every text that comes from the user goes through `clean` on its way into an output.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import isfinite

from autotensor.drawing.data import Kept, Vertex

__all__ = [
    "ATOM",
    "SHOWN",
    "applied",
    "bare",
    "byte_size",
    "cells",
    "clean",
    "constant",
    "is_infix",
    "kept_summary",
    "lines",
    "names_of",
    "plural",
    "shape_text",
    "short",
    "title",
]

SHOWN = frozenset(("shape", "dtype", "value", "grad"))  # what boxes tell unless asked otherwise
_LIMIT = 60
ATOM = 9  # precedence of what never needs parentheses
# How an op is written, its precedence, and the precedence its operands need to go unparenthesised.
_INFIX: dict[str, tuple[str, int, tuple[int, ...]]] = {
    "add": ("{} + {}", 1, (1, 2)),
    "subtract": ("{} - {}", 1, (1, 2)),
    "multiply": ("{} * {}", 2, (2, 3)),
    "divide": ("{} / {}", 2, (2, 3)),
    "matmul": ("{} @ {}", 2, (2, 3)),
    "negative": ("-{}", 3, (3,)),
    "power": ("{} ** {}", 4, (5, 3)),
    "transpose": ("{}.T", ATOM, (ATOM,)),
}
_UNITS = ("B", "KB", "MB", "GB", "TB")

# Illegal in XML 1.0 (controls, lone surrogates, the two non-characters of the basic plane), and the
# marks that reverse the direction of the text after them, which would make a label lie.
_ILLEGAL = (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)
_TURNING = (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SPACES = dict.fromkeys(map(ord, "\t\n\v\f\r\x85\u2028\u2029"), " ")
_SAFE = dict.fromkeys(_ILLEGAL + _TURNING) | _SPACES


def clean(text: str, limit: int = _LIMIT) -> str:
    """`text` on one line, at most `limit` characters, with nothing in it that XML forbids."""
    if not text.isascii() or not text.isprintable():
        text = text.translate(_SAFE)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def applied(vertex: Vertex, operands: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """The op of `vertex` written as an expression.

    Parameters
    ----------
    operands : text and precedence of each argument.

    Returns
    -------
    tuple of str and int
        The expression and its precedence.
    """
    known = _infix(vertex)
    if known is None:
        texts = [text for text, _ in operands]
        texts += [f"{clean(name)}={clean(text)}" for name, text in vertex.options]
        return f"{clean(vertex.op)}({', '.join(texts)})", ATOM
    form, precedence, needed = known
    texts = [
        text if inner >= least else f"({text})"
        for (text, inner), least in zip(operands, needed, strict=True)
    ]
    return form.format(*texts), precedence


def is_infix(vertex: Vertex) -> bool:
    """Whether `applied` writes this op with an operator sign or brackets."""
    return _infix(vertex) is not None


def _infix(vertex: Vertex) -> tuple[str, int, tuple[int, ...]] | None:
    if vertex.op == "getitem" and len(vertex.options) == 1:
        index = clean(vertex.options[0][1]).replace("{", "{{").replace("}", "}}")
        if index.startswith("(") and index.endswith(")") and len(index) > 2:
            index = index[1:-1]  # x[0, :2], as one would write it
        return f"{{}}[{index}]", ATOM, (ATOM,)
    known = _INFIX.get(vertex.op)
    fits = known is not None and not vertex.options and len(known[2]) == len(vertex.arguments)
    return known if fits else None


def constant(text: str) -> tuple[str, int]:
    """A constant among the arguments, as an operand of `applied`."""
    text = clean(text)
    return text, _INFIX["negative"][1] if text.startswith("-") else ATOM


def bare(vertex: Vertex) -> str:
    """The op without its operands: ``mean``, ``sum(axis=0)``."""
    options = ", ".join(f"{clean(name)}={clean(text)}" for name, text in vertex.options)
    return f"{clean(vertex.op)}({options})" if options else clean(vertex.op)


def names_of(vertices: Iterable[Vertex]) -> dict[int, str]:
    """What vertices are called, by id, of those that have a name."""
    return {vertex.id: clean(vertex.name) for vertex in vertices if vertex.name}


def title(vertex: Vertex, names: Mapping[int, str] | None = None) -> str:
    """The first line of a box: the name, the op, or both; constants are written into the op.

    Operands that have boxes of their own are dots: ``h = · ** 2``.

    Parameters
    ----------
    names : what vertices are called, by id; a gradient is called by what it is the gradient of.
    """
    name = clean(vertex.name) if vertex.name else ""
    if vertex.gradient and not name:
        of = (names or {}).get(vertex.gradient) or f"#{vertex.gradient}"
        name = f"grad of {clean(of)}"
    if vertex.kind == "fold":
        name = name or clean(vertex.scope) or "folded"
        name = f"backward of {name}" if vertex.of else name
        return f"{name} \N{MULTIPLICATION SIGN} {vertex.repeats:,}" if vertex.repeats > 1 else name
    if vertex.kind != "op":
        return name or vertex.kind
    if vertex.op == "getitem" or any(isinstance(a, str) for a in vertex.arguments):
        dots = [("·", ATOM) if isinstance(a, int) else constant(a) for a in vertex.arguments]
        op = applied(vertex, dots)[0]
    else:
        op = bare(vertex)
    return f"{name} = {op}" if name else op


def shape_text(vertex: Vertex) -> str:
    """The shape, and the dtype where it is not float64."""
    shape = _dimensions(vertex)
    return shape if vertex.dtype == "float64" else f"{shape} {clean(vertex.dtype)}"


def _dimensions(vertex: Vertex) -> str:
    return f"({', '.join(map(str, vertex.shape))}{',' if len(vertex.shape) == 1 else ''})"


def lines(
    vertex: Vertex, show: Collection[str], names: Mapping[int, str] | None = None
) -> Iterator[tuple[str, str]]:
    """What a box says, line by line: the fact, one of those in `show` or another, and its words.

    The title is always there, and so is what is not finite.

    Parameters
    ----------
    show : of ``shape dtype value grad bytes line scope``.
    names : see `title`.
    """
    yield "title", title(vertex, names)
    if vertex.members:
        yield "members", plural(len(vertex.members), "node")
    if "shape" in show and "dtype" in show:
        yield "shape", shape_text(vertex)
    elif "shape" in show:
        yield "shape", _dimensions(vertex)
    elif "dtype" in show:
        yield "dtype", clean(vertex.dtype)
    if vertex.value and "value" in show:
        yield "value", f"= {clean(vertex.value)}"
    if vertex.grad is not None and "grad" in show:
        yield "grad", f"|grad| {short(vertex.grad)}"
    sizes = [byte_size(vertex.bytes)] if vertex.bytes else []
    sizes += [f"keeps {byte_size(vertex.kept)}"] if vertex.kept else []
    if sizes and "bytes" in show:
        yield "bytes", ", ".join(sizes)
    if vertex.line and "line" in show:
        yield "line", clean(vertex.line)
    if vertex.scope and "scope" in show:
        yield "scope", clean(vertex.scope)
    if vertex.bad:
        yield "bad", clean(vertex.bad)


def short(number: float) -> str:
    """A number at two or three digits: ``0.25``, ``1.2e-3``."""
    if number and isfinite(number) and not 0.01 <= abs(number) < 1000:
        digits, exponent = f"{number:.1e}".split("e")
        return f"{digits}e{int(exponent)}"
    return f"{number:.3g}"


def byte_size(count: int) -> str:
    """``192 B``, ``1.5 KB``: 1 KB is 1000 B."""
    size, unit = float(count), 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if size >= 10 or not unit else f"{size:.1f} {_UNITS[unit]}"


def plural(count: int, noun: str, several: str | None = None) -> str:
    """``1 array``, ``2 arrays``; `several` is for other plurals."""
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def kept_summary(kept: Kept) -> str:
    """The caption: what the graph keeps for its backward pass."""
    if not kept.arrays:
        return "kept for backward: nothing"
    summary = f"kept for backward: {byte_size(kept.bytes)} in {plural(kept.arrays, 'array')}"
    if kept.arrays == 1:
        return f"{summary} ({clean(kept.holder)})"
    return f"{summary} (largest: {clean(kept.holder)} {byte_size(kept.largest)})"


def cells(text: str) -> int:
    """Width of `text` in terminal cells: East Asian characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 for c in text)
