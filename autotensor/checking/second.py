"""The symmetry of second derivatives, which needs no differences."""

import numpy as np

from autotensor.checking.layout import Array
from autotensor.checking.numerical import Flat, random_direction
from autotensor.checking.report import Finding
from autotensor.checking.rounding import unsteadiness
from autotensor.checking.run import Run

__all__ = ["symmetric"]

_PAIRS = 64  # inputs with at most so many coordinates have the worst pair of them named
_CANCELLED = 100.0  # roundings of what cancels in a gradient, granted too
_LOST = 1e3  # what moving x by a few digits changes, times this, is granted


@np.errstate(all="ignore")
def symmetric(run: Run, count: int) -> Finding | None:
    """Check u · H v = v · H u for the Hessian H of <g, f>, by two products with it.

    Parameters
    ----------
    run
        Of the problem one order up: its inputs are those of f, then g; its outputs the gradients.
    count
        How many inputs f has.
    """
    problem = run.problem
    size = problem.outputs.size
    if count != len(problem.outputs.shapes) or any(d is not None for d in run.domain):
        return None  # a gradient is only asked for along the domain
    if not size or run.low_precision:
        return None
    units = Flat(problem.evaluate, problem.arrays).scales()[0][:size]
    units = np.where(run.held[:size], 0.0, units)
    u, v = (random_direction(units, run.rng) for _ in range(2))
    of_u, of_v = _products(run, [u, v])
    terms = np.abs(u * of_v) + np.abs(v * of_u)
    gap = abs(np.sum(u * of_v) - np.sum(v * of_u))
    granted = _CANCELLED * np.sum((np.abs(u) + np.abs(v)) * problem.absorbed())
    if not gap > run.rtol * np.sum(terms) + granted + run.atol or not np.isfinite(gap):
        return None
    near = [a * (1 + 4 * np.finfo(a.dtype).eps) for a in problem.arrays]
    pull = problem.pullback(near)
    lost = abs(np.sum(u * (pull(v)[:size] - of_v))) + abs(np.sum(v * (pull(u)[:size] - of_u)))
    if gap <= _LOST * lost:
        return None
    lost = np.abs(u) @ unsteadiness(run, v)[:size] + np.abs(v) @ unsteadiness(run, u)[:size]
    if gap <= run.rtol * np.sum(terms) + lost:
        return None
    lines = [f"u · H v     {np.sum(u * of_v):.12g}", f"v · H u     {np.sum(v * of_u):.12g}"]
    return Finding("fail", "the second derivative is not symmetric", (*lines, *_pair(run, units)))


def _products(run: Run, vectors: list[Array]) -> list[Array]:
    return [run.pullback(v)[: len(v)] for v in vectors]


def _pair(run: Run, units: Array) -> list[str]:
    """Name the pair of coordinates that are furthest from symmetric."""
    size = len(units)
    if size > _PAIRS:
        return []
    hessian = np.stack(_products(run, list(np.eye(size))))
    gap = np.abs(hessian - hessian.T) * np.outer(units > 0, units > 0)
    i, j = (int(k) for k in np.unravel_index(np.argmax(np.nan_to_num(gap)), gap.shape))
    a, b = (run.problem.inputs.label(k) for k in (i, j))
    return [
        f"by {b} of the gradient by {a}: {hessian[i, j]:.12g}; the other way {hessian[j, i]:.12g}"
    ]
