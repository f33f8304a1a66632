"""What a gradient check found, as data and as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["Finding", "GradcheckError", "GradcheckReport", "joined", "raised", "source_of", "told"]

_SHOWN = 24  # arrays with more entries are not written out in the line that reproduces a run


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has to say when it did not pass.

    Attributes
    ----------
    verdict
        ``"fail"``, ``"inconclusive"``, or ``"skipped"`` where the check has no object.
    title
        What is wrong, in a few words, and where.
    lines
        The evidence.
    """

    verdict: Literal["fail", "inconclusive", "skipped"]
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GradcheckReport:
    """The result of `autotensor.gradcheck`; true if everything is ok, and printed as the report.

    Attributes
    ----------
    name
        Of the function that was checked.
    order
        The highest order of derivative that was checked.
    dtype
        Of the inputs.
    entries
        How many entries the Jacobian has.
    kinks
        How many coordinates of the inputs lie at a kink.
    evaluations
        How often the function was run for the numerical reference.
    milliseconds
        How long it took.
    seed
        What the random directions came from.
    findings
        Pairs of a check's id and what it found; empty when all is well.
    passed, skipped
        The ids of the checks that passed, or had no object.
    reproduce
        Python source that repeats the run.
    """

    name: str
    order: int
    dtype: str
    entries: int
    kinks: int
    evaluations: int
    milliseconds: float
    seed: int
    findings: tuple[tuple[str, Finding], ...]
    passed: tuple[str, ...]
    skipped: tuple[str, ...]
    reproduce: str

    @property
    def verdict(self) -> Literal["ok", "fail", "inconclusive"]:
        """``"ok"``, ``"fail"``, or ``"inconclusive"`` where the reference cannot tell."""
        if any(finding.verdict == "fail" for _, finding in self.findings):
            return "fail"
        return "inconclusive" if self.findings else "ok"

    def __bool__(self) -> bool:
        return self.verdict == "ok"

    def __str__(self) -> str:
        verdict = {"ok": "ok", "fail": "FAILED", "inconclusive": "INCONCLUSIVE"}[self.verdict]
        kinks = f"{self.kinks:,} kink{'s' * (self.kinks > 1)}, " if self.kinks else ""
        lines = [
            f"gradcheck {verdict}: {self.name}  (order {self.order}, {self.dtype}, "
            f"{self.entries:,} entries, {kinks}{self.evaluations:,} evaluations, "
            f"{self.milliseconds:.0f} ms, seed {self.seed})"
        ]
        if not self.findings:
            return lines[0]
        for check, finding in self.findings:
            lines.append(f"  {check} {finding.title}")
            lines += [f"        {line}" for line in finding.lines]
        lines.append(f"  passed: {' '.join(self.passed) or 'none'}")
        if self.skipped:
            lines.append(f"  skipped: {' '.join(self.skipped)}")
        lines.append(f"  reproduce:  {self.reproduce}")
        return "\n".join(lines)

    __repr__ = __str__


class GradcheckError(AssertionError):
    """A derivative is wrong; the text is the report.

    Attributes
    ----------
    report
        The `GradcheckReport`.
    """

    def __init__(self, report: GradcheckReport) -> None:
        super().__init__(str(report))
        self.report = report


def source_of(value: Any) -> str:
    """Write an argument as Python source; arrays that are too long for it as a description."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(source_of(v) for v in value)}]"
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.size > _SHOWN or not _is_plain(value):
        return f"<{value.dtype} array of shape {value.shape}>"
    dtype = "" if value.dtype in (float, complex, int, bool) else f", np.{value.dtype}"
    if not value.size:
        return f"np.zeros({value.shape}{dtype})"
    return f"np.array({value.tolist()}{dtype})"


def told(error: Exception) -> tuple[str, ...]:
    """An exception as lines of a finding."""
    return tuple(f"{type(error).__name__}: {error}".splitlines())


def raised(names: Sequence[str], title: str, error: Exception) -> Finding:
    """The finding that a rule for one of these inputs raised."""
    return Finding("fail", f"{title} ({', '.join(names)})", told(error))


def joined(values: Sequence[Any]) -> str:
    """Write each distinct value once, in order."""
    return ", ".join(dict.fromkeys(str(v) for v in values))


def _is_plain(value: np.ndarray[Any, Any]) -> bool:
    return value.dtype.kind in "biufc" and bool(np.all(np.isfinite(value)))
