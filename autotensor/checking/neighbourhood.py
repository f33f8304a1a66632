"""The check away from the point: rules that are right at x, and wrong close by or far out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autotensor.checking.domains import Charted
from autotensor.checking.layout import Array
from autotensor.checking.numerical import Flat, random_direction
from autotensor.checking.problem import Problem
from autotensor.checking.report import Finding, told
from autotensor.checking.run import Run
from autotensor.checking.values import every_entry, random_directions

__all__ = ["nearby_and_far"]

_FACTORS = (0.02, 40.0, -1.0)
_SCALABLE = {
    None: _FACTORS,
    "positive": (0.02, 40.0),
    "spd": (0.02, 40.0),
    "unit": (0.02,),
    "orthogonal": (-1.0,),
}
_JITTER = 0.1
_NAMED = 4  # entries that are NaN for which a derivative is looked for
_RTOL = 1e-5
_SLACK = 1e-12  # of the gradients at x: what is smaller may be lost in the rounding of the rule
_GROSS = 0.05  # how wrong a rule must be to be called so where f has underflowed on the way


@np.errstate(all="ignore")
def nearby_and_far(run: Run) -> Finding | None:
    """G17: G14 again at a jittered input, and at 0.02 x and 40 x, where f is finite there.

    Inputs of both signs are negated too; a function of positive numbers is left in peace.
    """
    if run.entries.found.unclear.any():
        return Finding("skipped", "unclear at x itself")
    base = np.max(np.abs(run.gradients(run.cotangents)), axis=1, initial=0.0)
    base = np.where(np.isfinite(base), base, 0.0)
    slack = np.zeros_like(base)
    for span in run.moved.inputs.spans:
        slack[span] = _SLACK * np.max(base[span], initial=0.0)
    flags = _Flags(run.problem, run.problem.arrays)
    for place, arrays in _places(run):
        if all(np.array_equal(a, b) for a, b in zip(arrays, run.problem.arrays, strict=True)):
            continue
        found = _at(run, arrays, slack, flags)
        if found is not None:
            title, *lines = found
            return Finding("fail", f"{title}, at {place}", tuple(lines))
    return None


def _places(run: Run) -> list[tuple[str, list[Array]]]:
    """Other points, with what to call them."""
    moved = run.moved
    try:
        flat = Flat(moved.evaluate, moved.arrays)
        unit = run.reference.unheld
        coordinates = flat.x + _JITTER * random_direction(unit, run.rng)
        points: Sequence[Array] = flat.layout.unpack(coordinates)
        points = moved.points(points) if isinstance(moved, Charted) else points
        result = [("an x moved by a tenth", list(points))]
    except Exception:  # the domain does not reach so far
        result = []
    for factor in _FACTORS:
        chosen = [
            a * factor if _reaches(factor, a, d) else a
            for a, d in zip(run.problem.arrays, run.domain, strict=True)
            if not callable(d)
        ]
        if len(chosen) == len(run.problem.arrays):
            result.append((f"{factor:g} x".replace("-1 x", "-x"), chosen))
    own = [a.dtype for a in run.problem.arrays]
    return [
        (place, [np.asarray(a).astype(t) for a, t in zip(arrays, own, strict=True)])
        for place, arrays in result
    ]


def _reaches(factor: float, a: Array, domain: Any) -> bool:
    """Whether an input may be multiplied by a factor."""
    if factor not in _SCALABLE.get(domain if isinstance(domain, str) else None, ()):
        return False
    return factor > 0 or a.dtype.kind == "c" or bool(np.any(a > 0) and np.any(a < 0))


def _at(run: Run, arrays: list[Array], slack: Array, flags: _Flags) -> tuple[str, ...] | None:
    """What is wrong at another point, title and lines; None if nothing is, or nobody can tell."""
    problem = run.problem
    there = _Flags(problem, arrays)
    if there.raised or (there.loud - flags.loud):
        return None  # f does not reach so far, or only just
    try:
        moved = Problem(
            problem.name, problem.function, arrays, problem.inputs.names, problem.outputs.names
        )
    except Exception:
        return None
    moved.below = problem.below
    same = (moved.outputs.shapes, moved.outputs.dtypes) == (
        problem.outputs.shapes,
        problem.outputs.dtypes,
    )
    if not same or not np.all(np.isfinite(moved.value)):
        return None
    sub = Run(
        moved,
        1,
        max(run.rtol, _RTOL),
        run.atol,
        run.seed,
        held=run.held.copy(),
        domain=run.domain,
        eps=run.eps,
        slack=slack,
        thorough=False,
    )
    try:
        gradients = sub.gradients(sub.cotangents)
    except (ArithmeticError, np.linalg.LinAlgError):
        return None
    except Exception as error:
        return ("the rule raises", *told(error))
    odd = _odd(sub, gradients)
    if odd is not None:
        return odd
    bad = np.flatnonzero(np.any(np.isnan(gradients), axis=1) & ~sub.held)[:_NAMED]
    if bad.size:
        if not np.any(sub.reference.jacobian(bad, sub.cotangents).error < np.inf):
            return None
        where = sub.moved.inputs.label(int(bad[0]))
        value = problem.inputs.pack(arrays)[bad[0]] if sub.moved is moved else np.nan
        return ("the gradient is NaN where f is finite", f"by {where} = {value:.6g}")
    return _numbers(run, sub, quiet=bool(there.quiet - flags.quiet))


def _odd(sub: Run, gradients: Array) -> tuple[str, ...] | None:
    """What is wrong with the gradients for -g; random ones do not show it, where others are 0."""
    opposite = -sub.gradients(-sub.cotangents)
    peak = np.max(np.abs(gradients), axis=0, initial=0.0, where=np.isfinite(gradients))
    granted = sub.rtol * np.maximum(peak, np.max(np.abs(sub.cotangents), axis=1, initial=0.0))
    gap = np.abs(opposite - gradients)
    if not np.any(gap > granted):
        return None
    i, k = np.unravel_index(int(np.nanargmax(gap)), gap.shape)
    return (
        "the rule is not linear in g",
        f"rule(-g)     {-opposite[i, k]:.12g}      at {sub.moved.inputs.label(int(i))}",
        f"-rule(g)     {-gradients[i, k]:.12g}",
    )


def _numbers(run: Run, sub: Run, *, quiet: bool) -> tuple[str, ...] | None:
    try:
        found = random_directions(sub)
        if found is None or found.verdict != "fail":
            return None
        if quiet and not _gross(sub):
            return None
        if not sub.whole:
            return (found.title, *found.lines)
        entry = every_entry(sub)  # names one, and is a second opinion
        if entry is None or entry.verdict != "fail":
            return None
        return (entry.title, *entry.lines)
    except Exception:  # f does not reach so far on all sides
        return None
    finally:
        run.evaluations += sub.reference.flat.evaluations


def _gross(sub: Run) -> bool:
    """Whether the rule is off by far more than an underflow on the way explains."""
    found = sub.entries.found
    size = np.maximum(np.abs(found.rule), np.abs(found.reference.value))
    off = np.abs(found.rule - found.reference.value)
    return bool(np.any(found.wrong & (off > _GROSS * size) & (size > 1e-100)))


class _Flags:
    """What the hardware said while f ran: underflow is `quiet`, overflow and the like `loud`."""

    def __init__(self, problem: Problem, arrays: Sequence[Array]) -> None:
        seen: set[Any] = set()
        self.raised = False
        with np.errstate(all="call", call=lambda kind, _: seen.add(kind)):
            try:
                problem.evaluate(*arrays)
            except Exception:
                self.raised = True
        self.quiet = {kind for kind in seen if kind == "underflow"}
        self.loud = seen - self.quiet
