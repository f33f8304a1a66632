"""One run of the checks: what they share, each part computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from autotensor.checking.layout import Array
from autotensor.checking.numerical import Flat, Reference
from autotensor.checking.observed import Observed, Walk
from autotensor.checking.problem import Problem

__all__ = ["Run"]

_WHOLE = 3000  # Jacobians with at most so many entries are checked entry by entry


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
        Mask of the coordinates of x that are not moved: at a kink there is no second derivative.
    domain
        For each input the set it stays in: a word, a function, or None.
    eps
        The widest step of the differences.
    skip
        Ids of checks that are not run.
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
    ) -> None:
        self.problem = problem
        self.order = order
        self.level = level
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.low_precision = problem.eps > np.finfo(float).eps
        self.rtol = rtol if rtol is not None else max(1e-6, 20 * problem.eps * self.low_precision)
        self.atol = atol or 0.0
        self.given = (rtol, atol)
        self.domain = list(domain or [None] * len(problem.arrays))
        self.eps = eps
        self.skip = skip
        self.evaluations = 0
        self.held = np.zeros(problem.inputs.size, bool) if held is None else held
        self.whole = problem.inputs.size * problem.outputs.size <= _WHOLE

    @cached_property
    def cotangents(self) -> Array:
        """Two random signed cotangents, as rows: the second makes all outputs count alike."""
        size = np.abs(self.problem.value)
        usable = size[(size > 0) & np.isfinite(size)]
        typical = np.median(usable) if usable.size else 1.0
        units = np.stack(
            [np.ones_like(size), 1 / np.maximum(np.where(size > 0, size, typical), 1e-6 * typical)]
        )
        signs = self.rng.choice([-1.0, 1.0], units.shape)
        return self.representable(units * signs * self.rng.uniform(0.5, 1.5, units.shape))

    def representable(self, cotangents: Array) -> Array:
        """Round to what the dtypes of the outputs hold, so that both sides use the same values."""
        outputs = self.problem.outputs
        return np.stack([outputs.pack(outputs.unpack(g, own_dtypes=True)) for g in cotangents])

    def gradients(
        self, cotangents: Array, pullback: Callable[[Array], Array] | None = None
    ) -> Array:
        """Pull back each row of `cotangents`; the results are columns."""
        pullback = pullback or self.pullback
        result = np.empty((self.problem.inputs.size, len(cotangents)))
        for k, g in enumerate(cotangents):
            result[:, k] = pullback(g)
        return result

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
        """The same walk once more."""
        assert isinstance(self.observed, Observed)
        return self.observed.walk(self.seeds)

    @cached_property
    def seeds(self) -> list[Array]:
        """The first cotangent, as arrays."""
        return self.problem.outputs.unpack(self.cotangents[0], own_dtypes=True)

    @cached_property
    def elsewhere(self) -> list[list[Array]]:
        """Other inputs of the same shapes, at which the function is finite; nearby ones last."""
        problem = self.problem
        rng = np.random.default_rng(self.seed + 1)

        def moved(a: Array) -> Array:
            typical = np.median(np.abs(a)) if a.size else 0.0
            steps = rng.choice([-1.0, 1.0], a.shape) / 16
            return np.asarray(a + steps * np.where(a == 0, typical or 1.0, a)).astype(a.dtype)

        found = []
        for change in (np.negative, _reversed, lambda a: a * 1.0625, moved):
            arrays = [np.asarray(change(a)).astype(a.dtype) for a in problem.arrays]
            try:
                with np.errstate(all="ignore"):
                    values = problem.evaluate(*[a.copy() for a in arrays])
            except Exception:  # outside the domain
                continue
            if all(np.all(np.isfinite(v)) for v in values):
                found.append(arrays)
        return found

    @cached_property
    def reference(self) -> Reference:
        """The numerical reference, in float64 if the function accepts it, else in its own dtype."""
        problem = self.problem
        flat = Flat(problem.evaluate, problem.arrays)
        try:
            return Reference(flat, self.seed, self.held)
        except Exception:
            if not self.low_precision:
                raise
        own = np.result_type(*(a.real.dtype for a in problem.arrays))
        return Reference(Flat(problem.evaluate, problem.arrays, own), self.seed, self.held)

    def rounding(self, cotangents: Array, gradients: Array, *, whole: bool) -> Array:
        """How far rounding may move the gradients.

        That is a few units in the last place of the largest entry for the same input and output
        (`whole`: one row of `cotangents` per entry of the outputs; else each is an output of its
        own), and what moving x and g by their last digits does. It is 0 in float64.
        """
        granted = np.zeros_like(gradients)
        if not self.low_precision:
            return granted
        for _ in range(2):
            arrays = [_jittered(a, self.rng, np.finfo(a.dtype).eps) for a in self.problem.arrays]
            moved = _jittered(cotangents, self.rng, self.problem.eps)
            again = self.gradients(moved, self.problem.pullback(arrays))
            granted = np.fmax(granted, np.abs(again - gradients))
        each = [slice(k, k + 1) for k in range(len(cotangents))]
        for rows in self.problem.inputs.spans:
            for columns in self.problem.outputs.spans if whole else each:
                block = np.abs(gradients[rows, columns])
                peak = np.max(block, initial=0.0, where=np.isfinite(block))
                granted[rows, columns] += self.problem.eps * peak
        return 4 * granted


def _reversed(a: Array) -> Array:
    return a.ravel()[::-1].reshape(a.shape)


def _jittered(a: Array, rng: np.random.Generator, eps: float) -> Array:
    """Move each entry by a few units in the last place; a single one may be lost in rounding."""
    digits = rng.choice([-4, -3, 3, 4], a.shape)
    return np.asarray(a * (1 + digits * float(eps))).astype(a.dtype)
