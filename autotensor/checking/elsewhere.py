"""Other inputs than the given ones, far and near, for checks that need a second call."""

import numpy as np

from autotensor.checking.layout import Array
from autotensor.checking.problem import Problem

__all__ = ["jittered", "other_inputs"]


def other_inputs(problem: Problem, seed: int) -> list[list[Array]]:
    """Find inputs of the same shapes at which the function is finite; nearby ones come last."""
    rng = np.random.default_rng(seed)

    def moved(a: Array) -> Array:
        typical = np.median(np.abs(a)) if a.size else 0.0
        steps = rng.choice([-1.0, 1.0], a.shape) / 16
        return np.asarray(a + steps * np.where(a == 0, typical or 1.0, a)).astype(a.dtype)

    found = []
    for change in (_negated, _reversed, lambda a: a * 1.0625, moved):
        arrays = [np.asarray(change(a)).astype(a.dtype) for a in problem.arrays]
        try:
            with np.errstate(all="ignore"):
                values = problem.evaluate(*[a.copy() for a in arrays])
        except Exception:  # outside the domain
            continue
        if all(np.all(np.isfinite(v)) for v in values):
            found.append(arrays)
    return found


def _negated(a: Array) -> Array:
    """Negate numbers of both signs: a function of positive ones may never come to an end."""
    mixed = a.dtype.kind == "c" or bool(np.any(a > 0) and np.any(a < 0))
    return -a if mixed else a * 1.5


def _reversed(a: Array) -> Array:
    return a.ravel()[::-1].reshape(a.shape)


def jittered(a: Array, rng: np.random.Generator, eps: float) -> Array:
    """Move each entry by a few units in the last place; a single one may be lost in rounding."""
    digits = rng.choice([-4, -3, 3, 4], a.shape)
    return np.asarray(a * (1 + digits * float(eps))).astype(a.dtype)
