"""One run of the checks: what they share, each part computed when it is first asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from autotensor.checking import opinions
from autotensor.checking.domains import Charted
from autotensor.checking.elsewhere import jittered, other_inputs
from autotensor.checking.kinks import subgradients
from autotensor.checking.layout import Array
from autotensor.checking.numerical import Estimate, Flat, Reference
from autotensor.checking.observed import Observed, Walk
from autotensor.checking.opinions import Question
from autotensor.checking.problem import Problem
from autotensor.checking.verdict import Comparison, compare

__all__ = ["UNDERFLOWS", "Entries", "Run"]

UNDERFLOWS = 8.0  # of the smallest number that there is: what a sum of products may lose
_DRAWS = 8  # of what a rule gives close by, where it seems wrong
_WHOLE = 3000  # Jacobians with at most so many entries are checked entry by entry
_SAMPLES = 48  # coordinates of each input that are checked where they are too many to check all
_FEW = 12  # the same, of a cotangent
_SIZES = 12.0  # a slope is lost in so many times the rounding of f, over the widest step
_CHUNK = 16  # rows that are looked at again at once, until one stays wrong
_ROUNDING = 0.05  # what a rule may lose to rounding, as a part of the entries beside


@dataclass(frozen=True, slots=True)
class Entries:
    """The Jacobian of a rule, or some rows of it, beside the reference.

    Attributes
    ----------
    columns
        The coordinates of the inputs that it is about.
    cotangents
        What the outputs are contracted with, as rows; the unit vectors for a whole Jacobian.
    gradients
        Of all coordinates, one column for each cotangent.
    found
        The comparison, a row for each of `columns`.
    """

    columns: Array
    cotangents: Array
    gradients: Array
    found: Comparison


class Run:
    """One problem under check, at one order of derivative.

    Parameters
    ----------
    problem
        What is checked.
    order
        The highest order of derivative to check.
    rtol, atol
        Tolerances; None for what the precision of the problem allows.
    seed
        For all random choices.
    level
        The order of the derivatives of `problem`: above 1, it is itself a gradient.
    held
        Mask of the coordinates that are not moved: at a kink there is no second derivative.
    domain
        For each input the set that it stays in: a name, a callable, or None for all of space; see
        `autotensor.checking.domains`.
    eps
        The widest step, relative to the entry that is moved; None for a sixteenth.
    skip
        Ids of checks that are not run.
    slack
        Absolute tolerance beside `atol`, for each coordinate.
    thorough
        Whether to look again at what is unclear, not only at what seems wrong.

    Attributes
    ----------
    moved
        The problem as a function of what can be moved: of the coordinates of the domains, if any.
    """

    def __init__(
        self,
        problem: Problem,
        order: int,
        rtol: float | None,
        atol: float | None,
        seed: int,
        level: int = 1,
        held: Array | None = None,
        *,
        domain: Sequence[Any] | None = None,
        eps: float | None = None,
        skip: frozenset[str] = frozenset(),
        slack: Array | float = 0.0,
        thorough: bool = True,
    ) -> None:
        self.problem = problem
        self.domain = [None] * len(problem.arrays) if domain is None else list(domain)
        free = all(d is None for d in self.domain)
        self.moved: Problem | Charted = problem if free else Charted(problem, self.domain)
        self.order = order
        self.level = level
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.low_precision = problem.eps > np.finfo(float).eps
        self.rtol = rtol if rtol is not None else max(1e-6, 20 * problem.eps * self.low_precision)
        self.atol = atol or 0.0
        self.slack = slack
        self.thorough = thorough
        self.given = (rtol, atol)
        self.eps = eps
        self.skip = skip
        self.evaluations = 0
        self.held = np.zeros(self.moved.inputs.size, bool) if held is None else held
        self.whole = self.moved.inputs.size * problem.outputs.size <= _WHOLE

    @cached_property
    def cotangents(self) -> Array:
        """Two random signed cotangents, as rows: the second makes all outputs count alike."""
        size = np.abs(self.problem.value)
        usable = size[(size > 0) & np.isfinite(size)]
        typical = np.median(usable) if usable.size else 1.0
        alike = np.clip(size / typical, 1e-6, 1e6)
        units = np.stack([np.ones_like(size), np.where(size > 0, 1 / alike, 1.0)])
        signs = self.rng.choice([-1.0, 1.0], units.shape)
        return self.representable(units * signs * self.rng.uniform(0.5, 1.5, units.shape))

    def representable(self, cotangents: Array) -> Array:
        """Round to what the dtypes of the outputs hold, so that both sides use the same values."""
        outputs = self.problem.outputs
        return np.stack([outputs.pack(outputs.unpack(g, own_dtypes=True)) for g in cotangents])

    def gradients(
        self, cotangents: Array, pullback: Callable[[Array], Array] | None = None
    ) -> Array:
        """Pull back each row of `cotangents` to what can be moved; the results are columns."""
        pullback = pullback or self.pullback
        result = np.empty((self.moved.inputs.size, len(cotangents)))
        for k, g in enumerate(cotangents):
            result[:, k] = self.along_domains(pullback(g))
        return result

    def along_domains(self, gradient: Array) -> Array:
        """The gradient by the coordinates that can be moved."""
        return self.moved.restrict(gradient) if isinstance(self.moved, Charted) else gradient

    @cached_property
    def pullback(self) -> Callable[[Array], Array]:
        return self.problem.pullback()

    @cached_property
    def first(self) -> Array | Exception:
        """The gradient for the first cotangent, or what was raised on the way to it."""
        try:
            return self.pullback(self.cotangents[0])
        except Exception as error:  # whatever a rule raises is a finding
            return error

    @cached_property
    def observed(self) -> Observed | Exception:
        """The function recorded once more, with its rules watched, or what was raised."""
        try:
            return self.problem.observed([a.copy() for a in self.problem.arrays])
        except Exception as error:
            return error

    @cached_property
    def walk(self) -> Walk:
        """The watched rules at work on the first cotangent."""
        if isinstance(self.observed, Exception):
            return Walk([], [], self.observed)
        return self.observed.walk(self.seeds)

    @cached_property
    def second(self) -> Walk:
        """The same walk once more, on arrays that rules may write to: some do so only then."""
        assert isinstance(self.observed, Observed)
        return self.observed.walk([g.copy() for g in self.seeds], locked=False)

    @cached_property
    def seeds(self) -> list[Array]:
        """The first cotangent, as arrays."""
        return self.problem.outputs.unpack(self.cotangents[0], own_dtypes=True)

    @cached_property
    def elsewhere(self) -> list[list[Array]]:
        """Other inputs of the same shapes, at which the function is finite; nearby ones last."""
        return other_inputs(self.problem, self.seed + 1)

    @cached_property
    def reference(self) -> Reference:
        """The numerical reference, in float64 if the function accepts it, else in its own dtype."""
        moved = self.moved
        units = moved.units if isinstance(moved, Charted) else None
        widest = 1 / 16 if self.eps is None else self.eps
        below = self.problem.below
        linear = None if below is None else moved.inputs.spans[len(below.arrays)].start

        def reference(dtype: Any = None) -> Reference:
            flat = Flat(moved.evaluate, moved.arrays, dtype)
            return Reference(flat, self.seed, self.held, units=units, widest=widest, linear=linear)

        try:
            return reference()
        except Exception:
            if not self.low_precision:
                raise
        return reference(np.result_type(*(a.real.dtype for a in moved.arrays)))

    @cached_property
    def entries(self) -> Entries:
        """The Jacobian entry by entry, or some rows of it contracted with cotangents.

        Coordinates at a kink are held from then on.
        """
        outputs = self.problem.outputs
        columns = np.flatnonzero(~self.held)
        if not self.whole:
            columns = self._some(columns)
        cotangents = np.eye(outputs.size) if self.whole else self.cotangents
        project = None if self.whole else cotangents
        gradients = self.gradients(cotangents)

        def measure(by: Reference, rows: Array) -> tuple[Estimate, Array]:
            estimate = by.jacobian(columns[rows], project)
            return estimate, by.telling(estimate, columns[rows], project)

        reference, telling = measure(self.reference, np.arange(len(columns)))
        slack = self.rounding(cotangents, gradients, whole=self.whole) + self.atol
        slack = (slack.T + self.slack).T[columns]
        found = compare(gradients[columns], reference, telling, slack, self.rtol)
        reach = self.reference.scale[columns]
        asked = Question(lambda a: a[columns], lambda a: a[columns], measure, cotangents, self.rtol)
        found = self.confirmed(found, asked, reach, slack, columns)
        kinked = found.reference.spread > 0
        if found.wrong.any():
            wrong = found.wrong
            found = subgradients(self.reference, found, columns, project, self.rtol)
            kinked |= wrong & ~found.wrong
        self.held[columns] |= np.any(kinked, axis=1)
        return Entries(columns, cotangents, gradients, found)

    @np.errstate(all="ignore")
    def confirmed(
        self,
        found: Comparison,
        asked: Question,
        reach: Array,
        slack: Array,
        columns: Array | None = None,
    ) -> Comparison:
        """Look again at what seems wrong or unclear, first in extended precision.

        Rounding that is constant nearby is not seen from there: in a small difference of large
        numbers each digit lost is one. An entry stays wrong if it is so by all opinions.

        Parameters
        ----------
        found
            A comparison with a row for each direction, a column for each cotangent.
        asked
            How it was made.
        reach
            16 times the widest step along each direction, in the unit that slopes are given in.
        slack
            What was granted.
        columns
            The coordinates that the rows are about, if they are about single ones.
        """
        doubtful = found.wrong | (found.unclear & self.thorough)
        rows = np.flatnonzero(np.any(doubtful, axis=1))
        if not rows.size:
            return found
        lost = np.abs(asked.cotangents) @ self.problem.absorbed()
        slack = slack + _SIZES * lost / (reach * self.reference.steps[0])[:, None]
        if found.wrong.any():
            slack = slack + self._rounded(found, asked)
        again = compare(found.rule, found.reference, found.telling, slack, self.rtol)
        found = found.only(again.wrong | found.unclear)
        reference = self.extended
        gradients = None if reference is None else self._wider_gradients(asked.cotangents)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            if reference is not None:
                found = self._in_extended(found, asked, chunk, reference, gradients, slack[chunk])
            best = reference or self.reference
            for grainy in (False, True):
                chunk = chunk[np.any(found.wrong[chunk], axis=1)]
                if chunk.size:
                    found = opinions.by_irregular_steps(
                        asked, found, chunk, best, slack, grainy=grainy
                    )
            if columns is not None and found.wrong[chunk].any():
                found, unit = opinions.by_own_scale(asked, found, chunk, columns, best)
                self.reference.scale[:] = unit
            if found.wrong[chunk].any():
                break
        return opinions.rough(asked, found, reach, self.reference) if found.wrong.any() else found

    def _in_extended(
        self,
        found: Comparison,
        asked: Question,
        rows: Array,
        reference: Reference,
        gradients: Array | None,
        granted: Array,
    ) -> Comparison:
        """Settle some rows by a reference in extended precision, and by the rule in it, if any."""
        estimate, telling = asked.measure(reference, rows)
        telling = telling & (np.abs(estimate.value) <= np.finfo(float).max)
        rule, before = found.rule[rows], found.rows(rows)
        exact = rule if gradients is None else asked.pick(gradients)[rows]
        lost = np.abs(rule - exact)
        size = np.where(estimate.error < np.inf, np.abs(estimate.value), 0.0)
        most = np.maximum(_ROUNDING * np.max(size, axis=0, initial=0.0), before.noise)
        lost = np.where(lost <= most, lost, 0.0)
        granted = granted + 2 * lost
        telling = telling | (4 * estimate.error <= lost)
        second = compare(rule, estimate, telling, granted, self.rtol)
        third = compare(exact, estimate, telling, granted, self.rtol)
        return found.with_rows(rows, before.settled(second, third))

    def _rounded(self, found: Comparison, asked: Question) -> Array:
        """What the rounding of the rule itself may explain of what seems wrong."""
        if self.low_precision:  # `rounding` has granted what can be seen from there
            gradients = self._wider_gradients(asked.cotangents)
            if gradients is None:
                return np.zeros(found.rule.shape)
            return opinions.excused(asked, found, gradients, self.problem.eps)
        draws = [asked.pick(a) for a in self._shaken_gradients(asked.cotangents, _DRAWS)]
        return opinions.shaken(found, draws)

    def _shaken_gradients(self, cotangents: Array, count: int) -> list[Array]:
        """The gradients a few units in the last place of x and g away, some draws of them."""
        draws = []
        for _ in range(count):
            arrays = [jittered(a, self.rng, np.finfo(a.dtype).eps) for a in self.problem.arrays]
            moved = jittered(cotangents, self.rng, self.problem.eps)
            with contextlib.suppress(Exception):  # outside the domain
                draws.append(self.gradients(moved, self.problem.pullback(arrays)))
        return draws

    @cached_property
    def extended(self) -> Reference | None:
        """The reference in extended precision; None where the function does not compute in it."""
        return None if self.low_precision else self.reference.extended()

    def _wider_gradients(self, cotangents: Array) -> Array | None:
        """The gradients computed in wider precision; None where the rule does not do that."""
        wider = np.float64 if self.low_precision else np.longdouble
        arrays = [a.astype(np.result_type(a.dtype, wider)) for a in self.problem.arrays]
        try:
            return self.gradients(cotangents, self.problem.pullback(arrays))
        except Exception:  # a rule need not accept such numbers
            return None

    def _some(self, columns: Array) -> Array:
        """Some of the given coordinates for each input, at random."""
        spans, below = self.moved.inputs.spans, self.problem.below
        primals = len(spans) if below is None else len(below.arrays)
        own = [columns[(columns >= s.start) & (columns < s.stop)] for s in spans]
        # A gradient is linear in g, which is checked: a few coordinates of g will do.
        most = [_SAMPLES] * primals + [_FEW] * (len(spans) - primals)
        chosen = [self.rng.permutation(c)[:n] for c, n in zip(own, most, strict=True)]
        return np.sort(np.concatenate(chosen))

    def rounding(self, cotangents: Array, gradients: Array, *, whole: bool) -> Array:
        """How far rounding may move the gradients.

        That is a few units in the last place of the largest entry for the same input and output
        (`whole`: a row of `cotangents` per entry of the outputs; else each is an output), and what
        moving x and g by their last digits does. In float64 it is only what leaves no trace.
        """
        least = UNDERFLOWS * self.moved.inputs.least()
        least = (least + self.problem.traceless() / self.reference.scale)[:, None]
        granted = np.zeros_like(gradients)
        if not self.low_precision:
            return granted + least
        for again in self._shaken_gradients(cotangents, 2):
            granted = np.fmax(granted, np.abs(again - gradients))
        each = [slice(k, k + 1) for k in range(len(cotangents))]
        for rows in self.moved.inputs.spans:
            for columns in self.problem.outputs.spans if whole else each:
                block = np.abs(gradients[rows, columns])
                peak = np.max(block, initial=0.0, where=np.isfinite(block))
                granted[rows, columns] += self.problem.eps * peak
        return 4 * granted + least
