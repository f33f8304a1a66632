"""The report in a notebook: its text, and rule, numerical and difference as three heat maps.

Plain HTML with inline SVG, so that a notebook needs nothing installed to show it. Blue is negative,
red positive, white zero, black not finite; what disagrees has a border. Each cell says its numbers
when the mouse is over it.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from autotensor.checking.layout import Array
    from autotensor.checking.report import GradcheckReport, Table

__all__ = ["html"]

_MOST = 64  # rows and columns of a picture
_WIDTH = 240  # of a map, in pixels
_LABELLED = 24  # more rows or columns than that go without labels
_NAME = 64  # width of a row's label, in pixels


def html(report: GradcheckReport) -> str:
    """Give the report as HTML."""
    pictures = [_pictures(f.table) for _, f in report.findings if f.table is not None]
    return f"<div><pre>{escape(str(report))}</pre>{''.join(pictures)}</div>"


def _pictures(table: Table) -> str:
    rows, columns = (_chosen(np.any(table.wrong, axis=axis)) for axis in (1, 0))
    pick = np.ix_(rows, columns)
    rule, numerical = table.rule[pick], table.numerical[pick]
    error, wrong = table.error[pick], table.wrong[pick]
    with np.errstate(invalid="ignore"):
        difference = rule - numerical
    names = [table.rows[i] for i in rows], [table.columns[k] for k in columns]
    hover = [
        [
            f"d {output} / d {x}\nrule {rule[i, k]:.12g}\n"
            f"numerical {numerical[i, k]:.12g} ± {error[i, k]:.0e}\n"
            f"difference {difference[i, k]:.3g}"
            for k, output in enumerate(names[1])
        ]
        for i, x in enumerate(names[0])
    ]
    both = _peak(np.stack([rule, numerical]))
    maps = [
        _map(title, values, peak, wrong, names, hover)
        for title, values, peak in (
            ("rule", rule, both),
            ("numerical", numerical, both),
            ("difference", difference, _peak(difference)),
        )
    ]
    note = ""
    if rule.size < table.rule.size:
        all_rows, all_columns = table.rule.shape
        note = (
            f"<div>{len(rows)} of {all_rows:,} rows and {len(columns)} of {all_columns:,} columns, "
            "those that disagree first</div>"
        )
    style = "display:flex;flex-wrap:wrap;gap:16px;font:12px sans-serif"
    return f'<div style="{style}">{"".join(maps)}</div>{note}'


def _chosen(wrong: Array) -> Array:
    """So many as a picture has room for; those with something wrong first, in their own order."""
    order = np.argsort(~wrong, kind="stable")[:_MOST]
    return np.sort(order)


def _peak(values: Array) -> float:
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))


def _map(
    title: str,
    values: Array,
    peak: float,
    wrong: Array,
    names: tuple[list[str], list[str]],
    hover: list[list[str]],
) -> str:
    """One heat map: a row for each coordinate of the inputs, a column for each output."""
    rows, columns = values.shape
    size = max(4.0, min(28.0, _WIDTH / max(rows, columns, 1)))
    named_rows, named_columns = rows <= _LABELLED, columns <= _LABELLED
    left = _NAME if named_rows else 0
    parts = [
        f'<path d="M{left + 0.5} 0.5h{columns * size:.1f}v{rows * size:.1f}H{left + 0.5}z" '
        'fill="#fff" stroke="#bbb"/>'
    ]
    for i in range(rows):
        y = i * size
        if named_rows:
            parts.append(
                f'<text x="{left - 4}" y="{y + size / 2 + 3:.1f}" text-anchor="end" '
                f'font-size="9" fill="currentColor">{escape(names[0][i])}</text>'
            )
        for k in range(columns):
            border = ' stroke="#000" stroke-width="1.5"' if wrong[i, k] else ""
            parts.append(
                f'<rect x="{left + k * size + 1:.1f}" y="{y + 1:.1f}" width="{size - 2:.1f}" '
                f'height="{size - 2:.1f}" fill="{_colour(float(values[i, k]), peak)}"{border}>'
                f"<title>{escape(hover[i][k])}</title></rect>"
            )
    width, height = left + columns * size + 2, rows * size + 2
    if named_columns:
        for k in range(columns):
            x = left + (k + 0.5) * size + 3
            parts.append(
                f'<text transform="translate({x:.1f},{height + 4:.1f}) rotate(90)" font-size="9" '
                f'fill="currentColor">{escape(names[1][k])}</text>'
            )
        height += 6 + 6 * max(map(len, names[1]), default=0)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
    return f"<div><div><b>{escape(title)}</b> &nbsp;|.| ≤ {peak:.3g}</div>{svg}</div>"


def _colour(value: float, peak: float) -> str:
    """Blue to white to red; the square root makes small entries visible beside large ones."""
    if not np.isfinite(value):
        return "#000000"
    part = (abs(value) / peak) ** 0.5 if peak else 0.0
    fade = round(255 - 200 * part)
    return f"#ff{fade:02x}{fade:02x}" if value > 0 else f"#{fade:02x}{fade:02x}ff"
