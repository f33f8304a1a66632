"""The verdict on derivatives from a rule, against the numerical reference; and what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autotensor.checking.layout import Array, Layout
from autotensor.checking.numerical import Estimate
from autotensor.checking.report import Table

__all__ = ["Comparison", "compare", "diagnose", "evidence"]

_LEAST = 4 * float(np.finfo(float).smallest_subnormal)  # products of the smallest numbers round


@dataclass(frozen=True, slots=True)
class Comparison:
    """Entries of a rule next to those of the reference; arrays of one shape.

    Attributes
    ----------
    rule
        What the rule gives.
    reference
        What the differences give.
    wrong
        Where the two disagree beyond doubt.
    unclear
        Where the reference is too uncertain to tell.
    telling
        Where its error bar says something.
    """

    rule: Array
    reference: Estimate
    wrong: Array
    unclear: Array
    telling: Array

    def only(self, judged: Array) -> "Comparison":
        """Judge the entries in a mask alone."""
        wrong, unclear = self.wrong & judged, self.unclear & judged
        return Comparison(self.rule, self.reference, wrong, unclear, self.telling)

    @property
    def noise(self) -> Array:
        """How much of each entry is lost in the noise of the function, as far as is known."""
        error = self.reference.error
        return np.where(error < np.inf, 4 * error, 0.0)

    def rows(self, chosen: Array) -> "Comparison":
        """Take some rows."""
        return Comparison(
            self.rule[chosen],
            self.reference.rows(chosen),
            *(a[chosen] for a in (self.wrong, self.unclear, self.telling)),
        )

    def with_rows(self, chosen: Array, other: "Comparison") -> "Comparison":
        """Replace some rows."""
        masks = [a.copy() for a in (self.wrong, self.unclear, self.telling)]
        for mine, theirs in zip(masks, (other.wrong, other.unclear, other.telling), strict=True):
            mine[chosen] = theirs
        return Comparison(self.rule, self.reference.with_rows(chosen, other.reference), *masks)

    def settled(self, second: "Comparison", exact: "Comparison") -> "Comparison":
        """Settle what is wrong or unclear by a better reference, and a better computed rule."""
        doubtful = self.wrong | self.unclear
        wrong = doubtful & second.wrong & (self.wrong | exact.wrong)
        unclear = doubtful & ~wrong & (second.unclear | second.wrong)
        reference = self.reference.where(~doubtful, second.reference)
        telling = np.where(doubtful, second.telling, self.telling)
        return Comparison(self.rule, reference, wrong, unclear, telling)

    @property
    def worst(self) -> tuple[int, ...]:
        """The wrong entry with the largest difference, or else the least certain one."""
        if self.wrong.any():
            with np.errstate(invalid="ignore"):
                gap = np.abs(self.rule - self.reference.value)
            size = np.where(self.wrong, gap, -1.0)
            size = np.where(np.isnan(size), np.inf, size)
        else:
            size = np.where(self.unclear, self.reference.error, -1.0)
        return tuple(int(i) for i in np.unravel_index(np.argmax(size), size.shape))

    def table(self, rows: Sequence[str], columns: Sequence[str]) -> Table:
        """The same with labels, for a picture."""
        value, error = self.reference.value, self.reference.error
        return Table(tuple(rows), tuple(columns), self.rule, value, error, self.wrong)


def compare(
    rule: Array, reference: Estimate, telling: Array, tolerance: Array | float, rtol: float
) -> Comparison:
    """Compare entry by entry: wrong if |a - d| > rtol · max(|a|, |d|) + 4 e + tolerance.

    Parameters
    ----------
    rule, reference
        a, and d ± e, both with a row for each coordinate of the inputs.
    telling
        Where e is small enough to say something; what is not finite is wrong there only.
    tolerance
        What is granted beside: `atol`, and the rounding of the rule itself.
    rtol
        Relative tolerance.
    """
    a, d, e = rule, reference.value, reference.error
    with np.errstate(invalid="ignore"):
        granted = rtol * np.maximum(np.abs(a), np.abs(d)) + 4 * e + reference.spread + tolerance
        granted = granted + _LEAST
        beyond = np.abs(a - d) > granted
    telling = telling & (e < np.inf) & (np.abs(d) <= np.finfo(float).max)  # as `rule` is float64
    # At a vertical tangent the rule is infinite, and NaN in the outputs that g leaves out.
    vertical = np.any(np.isinf(a) & (~telling | (reference.spread > 0)), axis=1, keepdims=True)
    wrong = np.where(np.isfinite(a), beyond, telling & ~vertical)
    # Nothing moves and the rule says so: there may be no scale to hold an error bar against.
    still = (a == 0) & (d == 0) & (e < np.inf)
    stairs = wrong & (a == 0) & (reference.stairs > 0)
    unclear = ~wrong & ~still & (~telling | ~np.isfinite(a))
    return Comparison(a, reference, wrong & ~stairs, unclear | stairs, telling)


def evidence(comparison: Comparison, at: tuple[int, ...]) -> tuple[str, str]:
    """Write one entry as two lines: the rule, and the reference with its error and the ratio."""
    a, d = comparison.rule[at], comparison.reference.value[at]
    e, spread = comparison.reference.error[at], comparison.reference.spread[at]
    numerical = f"numerical   {d:<18.12g} ± {e:.0e}" if e < np.inf else "numerical   unknown"
    if spread:
        numerical = f"numerical   between {d - spread:.12g} and {d + spread:.12g}"
    elif np.isfinite(a) and e < abs(d):
        numerical += f"      ratio {a / d:.6g}"
    return f"rule        {a:.12g}", numerical


@np.errstate(all="ignore")
def diagnose(
    comparison: Comparison, inputs: Layout, outputs: Layout, arrays: Sequence[Array] = ()
) -> list[str]:
    """Say which entries of a whole Jacobian, (inputs, outputs), are wrong, and how if it shows."""
    a, d, wrong = comparison.rule, comparison.reference.value, comparison.wrong
    rest = ~wrong & ~comparison.unclear
    count, total = int(wrong.sum()), wrong.size
    line = f"{count:,} of {total:,} entries disagree{_pattern(wrong, inputs, outputs)}"
    if rest.any():
        size = np.maximum(np.abs(a), np.abs(d))[rest]
        gap = np.abs(a - d)[rest] / np.where(size > 0, size, 1.0)
        line += f"; the {int(rest.sum()):,} others agree to {max(float(gap.max()), 1e-16):.0e}"
    return [line, *_causes(comparison, inputs, outputs, arrays)]


def _pattern(wrong: Array, inputs: Layout, outputs: Layout) -> str:
    if wrong.all():
        return ""
    rows: Array = np.any(wrong, axis=1)
    columns: Array = np.any(wrong, axis=0)
    if wrong.shape[0] == wrong.shape[1] > 1 and np.array_equal(
        wrong, np.eye(len(wrong), dtype=bool)
    ):
        return f": the {len(wrong)} diagonal ones"
    if rows.sum() == 1:
        return f": all with respect to {inputs.label(int(np.argmax(rows)))}"
    if columns.sum() == 1:
        return f": all of {outputs.label(int(np.argmax(columns)))}"
    whole = [
        name for name, span in zip(inputs.names, inputs.spans, strict=True) if rows[span].any()
    ]
    if 0 < len(whole) < len(inputs.names):
        return f": all with respect to {' and '.join(whole)}"
    return ""


def _causes(
    comparison: Comparison, inputs: Layout, outputs: Layout, arrays: Sequence[Array]
) -> list[str]:
    """Guess what would explain all wrong entries at once."""
    a, d, wrong = comparison.rule, comparison.reference.value, comparison.wrong
    near: Array = 4 * comparison.reference.error
    near = near + 1e-5 * np.max(np.abs(d), initial=0.0)
    if not np.all(np.isfinite(a)):
        return []
    found = _zeros(comparison, inputs, outputs) or _conjugated(a, d, wrong, near, inputs)
    return (
        found
        or _factor(comparison)
        or _moved_about(a, d, wrong, near, inputs)
        or _one_sided(wrong, inputs, arrays)
    )


def _zeros(comparison: Comparison, inputs: Layout, outputs: Layout) -> list[str]:
    """A rule that gives 0, for all or for some entries."""
    a, wrong = comparison.rule, comparison.wrong
    if a[wrong].any():
        return []
    for name, span in zip(inputs.names, inputs.spans, strict=True):
        if span.stop - span.start > 1 and not a[span].any() and _rows(wrong) == span:
            return [f"the rule gives 0 for all of {name}"]
    if a.shape[1] > 1:
        empty = np.flatnonzero(~a.any(axis=0) & wrong.any(axis=0))
        if empty.size and not wrong[:, np.setdiff1d(np.arange(a.shape[1]), empty)].any():
            return [f"the rule gives 0 for all of {outputs.label(int(empty[0]))}"]
    return ["the rule gives 0 there"]


def _rows(wrong: Array) -> slice:
    """The rows with something wrong, as a slice from the first to the last."""
    rows = np.flatnonzero(wrong.any(axis=1))
    return slice(int(rows[0]), int(rows[-1]) + 1)


def _conjugated(a: Array, d: Array, wrong: Array, near: Array, inputs: Layout) -> list[str]:
    for name, span, parts in zip(inputs.names, inputs.spans, inputs.parts, strict=True):
        if parts != 2 or not wrong[span].any():
            continue
        flipped = d[span] * np.resize([1.0, -1.0], (span.stop - span.start, 1))
        if np.all(np.abs(a[span] - flipped) <= near[span]):
            return [f"the gradient of {name} is conjugated"]
        # The cotangent is multiplied by f' instead of its conjugate: the Jacobian is transposed.
        if a.shape[1] % 2 == 0 and a[span].shape[0] % 2 == 0:
            blocks = d[span].reshape(a[span].shape[0] // 2, 2, -1, 2).transpose(0, 3, 2, 1)
            if np.all(np.abs(a[span] - blocks.reshape(a[span].shape)) <= near[span]):
                return [f"the gradient of {name} lacks a conjugate: g * np.conj(derivative)"]
    return []


def _factor(comparison: Comparison) -> list[str]:
    a, d, wrong = comparison.rule, comparison.reference.value, comparison.wrong
    sure = wrong & (np.abs(d) > 1e3 * comparison.reference.error)
    if not sure.any() or not np.array_equal(sure, wrong):
        return []
    ratios = a[sure] / d[sure]
    ratio = float(np.median(ratios))
    if not np.all(np.abs(ratios - ratio) <= 1e-5 * abs(ratio)):
        return []
    if abs(ratio + 1) < 1e-5:
        return ["the sign is wrong"]
    return [f"the rule is {ratio:.6g} times the derivative there"]


def _moved_about(a: Array, d: Array, wrong: Array, near: Array, inputs: Layout) -> list[str]:
    """Right entries at wrong places: transposed, of another input, or not summed."""
    if a.shape[0] == a.shape[1] > 1 and np.all(np.abs(a - d.T) <= near.T):
        return ["the rule is right for the transpose of the Jacobian"]
    places = list(zip(inputs.names, inputs.spans, inputs.shapes, strict=True))
    for name, span, shape in places:
        if not wrong[span].any():
            continue
        if len(shape) == 2 and shape[0] == shape[1] > 1 and set(inputs.parts) == {1}:
            order = np.arange(a[span].shape[0]).reshape(shape).T.ravel()
            if np.all(np.abs(a[span] - d[span][order]) <= near[span][order]):
                return [f"the gradient of {name} is transposed"]
        for other, where, _ in places:
            same = other != name and where.stop - where.start == span.stop - span.start
            if same and d[where].any() and np.all(np.abs(a[span] - d[where]) <= near[where]):
                return [f"the gradient of {name} is that of {other}"]
        if span.stop - span.start < a.shape[1] and _is_part(a[span], d[span], near[span]):
            return [f"the gradient of {name} is not summed: it is one term of several"]
    return []


def _is_part(a: Array, d: Array, near: Array) -> bool:
    """Whether each row has some of the entries of the right one, and 0 for the others."""
    right = np.abs(a - d) <= near
    zero = (a == 0) & (np.abs(d) > near)
    return bool(np.all(right | zero) and np.all(np.any(right & (a != 0), axis=1)) and zero.any())


def _one_sided(wrong: Array, inputs: Layout, arrays: Sequence[Array]) -> list[str]:
    """A rule that is right where an input is above 0, or below, and nowhere else."""
    rows: Array = np.any(wrong, axis=1)
    if len(arrays) != len(inputs.names) or rows.sum() < 2 or set(inputs.parts) != {1}:
        return []
    for name, span, x in zip(inputs.names, inputs.spans, arrays, strict=True):
        signs = np.sign(np.ravel(x))
        if len(signs) == span.stop - span.start and len(set(signs[signs != 0])) == 2:
            for sign, text in ((1, ">"), (-1, "<")):
                if rows.sum() == rows[span].sum() and np.array_equal(rows[span], signs == -sign):
                    return [f"the rule is right only where {name} {text} 0"]
    return []
