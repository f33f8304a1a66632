"""What a gradient check found, as data and as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from autotensor.checking.containers import leaves
from autotensor.checking.layout import Array
from autotensor.checking.notebook import html
from autotensor.checking.source import source_of, source_of_function

__all__ = ["Finding", "GradcheckError", "GradcheckReport", "Table", "joined", "raised", "told"]


@dataclass(frozen=True, slots=True)
class Table:
    """A rule beside the reference: arrays of shape (rows, columns), for pictures.

    Attributes
    ----------
    rows, columns
        Labels of coordinates of the inputs, and of outputs.
    rule, numerical, error
        What the rule gives, what the differences give, and the error bar of these.
    wrong
        Where the two disagree.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    rule: Array
    numerical: Array
    error: Array
    wrong: Array


_CONVENTION = (
    "complex: the gradient of a real loss L is dL/d.real + 1j dL/d.imag, so a rule returns "
    "g * conj(f'(x)) for a holomorphic f"
)


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
    table
        The entries it is about, for a picture in a notebook.
    """

    verdict: Literal["fail", "inconclusive", "skipped"]
    title: str
    lines: tuple[str, ...] = ()
    table: Table | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, repr=False)
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
    passed
        The ids of the checks that passed.
    skipped
        The ids of the checks that had no object or were not wanted, with the reason.
    function, inputs, options
        What was checked: copies of the arguments, and the options that were given.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> report = at.gradcheck(np.tanh, np.array([0.5, -1.0]))
    >>> report.verdict, report.entries
    ('ok', 4)
    >>> report.reproduce
    'at.gradcheck(np.tanh, [np.array([0.5, -1.0])], seed=0)'
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
    skipped: Mapping[str, str]
    function: Callable[..., Any]
    inputs: list[Any]
    options: Mapping[str, Any]

    @property
    def verdict(self) -> Literal["ok", "fail", "inconclusive"]:
        """``"ok"``, ``"fail"``, or ``"inconclusive"`` where the reference cannot tell."""
        if any(finding.verdict == "fail" for _, finding in self.findings):
            return "fail"
        return "inconclusive" if self.findings else "ok"

    @property
    def reproduce(self) -> str:
        """Python source that repeats the run.

        What cannot be written out, such as a long array, is named by where this report keeps it.
        """
        fn = source_of_function(self.function, "report.function")
        inputs = ", ".join(source_of(x, f"report.inputs[{i}]") for i, x in enumerate(self.inputs))
        options = "".join(
            f", {key}={source_of(value, f'report.options[{key!r}]')}"
            for key, value in self.options.items()
        )
        return f"at.gradcheck({fn}, [{inputs}]{options})"

    @property
    def headline(self) -> str:
        """The report in one line."""
        verdict = {"ok": "ok", "fail": "FAILED", "inconclusive": "INCONCLUSIVE"}[self.verdict]
        kinks = f"{self.kinks:,} kink{'s' * (self.kinks > 1)}, " if self.kinks else ""
        return (
            f"gradcheck {verdict}: {self.name}  (order {self.order}, {self.dtype}, "
            f"{self.entries:,} entries, {kinks}{self.evaluations:,} evaluations, "
            f"{self.milliseconds:.0f} ms, seed {self.seed})"
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for JSON: no arrays, no functions.

        Examples
        --------
        >>> import autotensor as at, json, numpy as np
        >>> json.loads(json.dumps(at.gradcheck(np.exp, np.ones(1)).to_dict()))["verdict"]
        'ok'
        """
        plain = (
            "name",
            "order",
            "dtype",
            "entries",
            "kinks",
            "evaluations",
            "milliseconds",
            "seed",
        )
        return {
            "verdict": self.verdict,
            **{key: getattr(self, key) for key in plain},
            "findings": [
                {"check": check, "verdict": f.verdict, "title": f.title, "lines": list(f.lines)}
                for check, f in self.findings
            ],
            "passed": list(self.passed),
            "skipped": dict(self.skipped),
            "reproduce": self.reproduce,
        }

    def __bool__(self) -> bool:
        return self.verdict == "ok"

    def __str__(self) -> str:
        lines = [self.headline]
        if not self.findings:
            return lines[0]
        for check, finding in self.findings:
            lines.append(f"  {check} {finding.title}")
            lines += [f"        {line}" for line in finding.lines]
        if "complex" in self.dtype:
            lines.append(f"  {_CONVENTION}")
        lines.append(f"  passed: {_ranges(self.passed, self.kinks)}")
        if self.skipped:
            reasons = dict.fromkeys(self.skipped.values())
            groups = [
                f"{_ranges([i for i in self.skipped if self.skipped[i] == reason])} ({reason})"
                for reason in reasons
            ]
            lines.append(f"  skipped: {', '.join(groups)}")
        reproduce = self.reproduce
        lines.append(f"  reproduce:  {reproduce}")
        lines += [f"              {line}" for line in _kept(self, reproduce)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html(self)


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


def told(error: Exception) -> tuple[str, ...]:
    """An exception as lines of a finding."""
    return tuple(f"{type(error).__name__}: {error}".splitlines())


def raised(names: Sequence[str], title: str, error: Exception) -> Finding:
    """The finding that a rule for one of these inputs raised."""
    return Finding("fail", f"{title} ({', '.join(names)})", told(error))


def joined(values: Sequence[Any]) -> str:
    """Write each distinct value once, in order."""
    return ", ".join(dict.fromkeys(str(v) for v in values))


def _ranges(ids: Sequence[str], kinks: int | None = None) -> str:
    """Ids with runs of consecutive ones drawn together; G16 stands alone with its kinks."""
    groups: list[list[str]] = []
    for number, check in sorted((int(i[1:]), i) for i in ids):
        alone = kinks is not None and "G16" in (check, groups[-1][-1] if groups else "")
        if groups and int(groups[-1][-1][1:]) == number - 1 and not alone:
            groups[-1].append(check)
        else:
            groups.append([check])
    texts = []
    for group in groups:
        text = group[0] if len(group) == 1 else f"{group[0]}-{group[-1]}"
        if kinks is not None and text == "G16":
            text += f" ({kinks:,} kink{'s' * (kinks != 1)})"
        texts.append(text)
    return ", ".join(texts) or "none"


def _kept(report: GradcheckReport, reproduce: str) -> list[str]:
    """What stands behind the names in the line that reproduces a run."""
    if "report." not in reproduce:
        return []
    notes = ["report is what gradcheck returns, or the .report of the error; it holds"]
    if "report.function" in reproduce:
        notes.append(f"  .function, {report.name}")
    for i, value in enumerate(report.inputs):
        for label, leaf in leaves(value, f"inputs[{i}]"):
            if f"report.{label}" in reproduce:
                kind = type(leaf).__name__
                described = f"{leaf.dtype} {leaf.shape}" if isinstance(leaf, np.ndarray) else kind
                notes.append(f"  .{label}, {described}")
    return notes
