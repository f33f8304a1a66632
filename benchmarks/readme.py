"""The figures in the README, between their markers."""

import platform
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.contenders import HAND_WRITTEN, LIBRARIES
from benchmarks.growth import exponent
from benchmarks.machine import processor, version_of
from benchmarks.measure import quartiles

README = Path(__file__).resolve().parents[1] / "README.md"
MARKERS = re.compile(r"(<!-- bench: [^>]*-->\n)(.*?)(<!-- /bench -->)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """What one workload took at one size."""

    title: str
    unit: str
    times: Mapping[str, Sequence[float]]


Peaks = Mapping[str, Mapping[str, tuple[int, int]]]
Curves = Mapping[str, Mapping[int, list[float]]]


def write(rows: Sequence[Row], peaks: Peaks, curves: Curves, imports: float, command: str) -> None:
    """Put the figures in place of those that are there."""
    found = text(rows, peaks, curves, imports, command)
    README.write_text(MARKERS.sub(lambda m: m[1] + found + m[3], README.read_text()))


def text(rows: Sequence[Row], peaks: Peaks, curves: Curves, imports: float, command: str) -> str:
    """What stands between the markers."""
    rounds = len(rows[0].times[HAND_WRITTEN])
    python = ".".join(platform.python_version_tuple()[:2])
    lines = [
        f"{processor()}; Python {python}, NumPy {np.__version__}; {rounds} interleaved rounds of",
        f"`{command}`.",
        "Times relative to hand-written NumPy in the same round: medians, and the middle half for",
        "autotensor.",
        "",
        *times_table(rows),
    ]
    if peaks:
        lines += [
            "",
            "Peak memory of the large ones, inputs and parameters included, in fresh processes:",
            "",
            *memory_table(peaks),
        ]
    if curves:
        lines += ["", "Time per unit at rising size, level where it is linear:", ""]
        lines += growth_table(curves)
    lines += ["", f"`import autotensor` takes {imports:.1f} times as long as `import numpy`."]
    return "\n".join(lines) + "\n"


def times_table(rows: Sequence[Row]) -> list[str]:
    """A row per workload and size, a column per contender."""
    names = [name for name in LIBRARIES if any(name in row.times for row in rows)]
    lines = [
        "| work | by hand | " + " | ".join(map(titled, names)) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for row in rows:
        hand = row.times[HAND_WRITTEN]
        cells = [row.title + (f", per {row.unit}" if row.unit != "step" else "")]
        cells.append(duration(statistics.median(hand)))
        for name in names:
            cells.append("-")
            if name in row.times:
                low, middle, high = quartiles(row.times[name], hand)
                cells[-1] = digits(middle)
                if name == "autotensor":
                    cells[-1] += f" ({digits(low)}-{digits(high)})"
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def titled(name: str) -> str:
    """The name of a contender with the version of its library."""
    version = version_of(LIBRARIES[name])
    if version is None or name == "autotensor":
        return name
    short = ".".join(version.split(".")[:2])
    first, _, rest = name.partition(",")
    return f"{first} {short}" + (f",{rest}" if rest else "")


def memory_table(peaks: Peaks) -> list[str]:
    """A row per workload, in MiB by hand and as ratios."""
    names = [n for n in LIBRARIES if any(n in found for found in peaks.values())]
    lines = [
        "| work | by hand | " + " | ".join(map(titled, names)) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for title, found in peaks.items():
        hand = found[HAND_WRITTEN][0]
        cells = [digits(found[n][0] / max(1, hand)) if n in found else "-" for n in names]
        lines.append(f"| {title} | {hand / 2**20:.0f} MiB | {' | '.join(cells)} |")
    return lines


def growth_table(curves: Curves) -> list[str]:
    """A row per curve: microseconds per unit at each size, and the power by which time grows."""
    counts = sorted({count for curve in curves.values() for count in curve})
    lines = [
        "| µs per unit, of | "
        + " | ".join(f"{count:,}" for count in counts)
        + " | time grows as |",
        "|---|" + "---|" * len(counts) + "---|",
    ]
    for title, curve in curves.items():
        cells = [digits(statistics.median(curve[c]) * 1e6) if c in curve else "" for c in counts]
        power = exponent(dict(curve), *list(curve)[-2:])
        lines.append(f"| {title} | {' | '.join(cells)} | n^{power:.2f} |")
    return lines


def digits(value: float) -> str:
    """Two digits, or those before the point."""
    return f"{value:.2f}" if value < 9.95 else f"{value:.0f}"


def duration(time: float) -> str:
    """A time with a unit that suits it."""
    return f"{digits(time * 1e6)} µs" if time < 1e-3 else f"{digits(time * 1e3)} ms"
