"""How far rounding may take the gradient that rules give, measured by moving last digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from autotensor.checking.layout import Array
from autotensor.checking.observed import Observed, Walk
from autotensor.checking.run import Run

__all__ = ["grain", "packed", "unsteadiness"]

_NUDGES = 4  # how often the last digits are moved
_UNSURE = 50.0  # a difference of so many times what they do may be rounding
_DIGITS = 1e4  # what moves by more, in units of the last place of what rules return, is no rounding


def unsteadiness(run: Run, g: Array) -> Array:
    """How much of each entry of the gradient for the cotangent `g` may be rounding.

    It is measured by moving the last digits of x, of g and of what each rule returns: much, where
    large terms cancel on the way. See J. Vignes, "A stochastic arithmetic for reliable scientific
    computation", Mathematics and Computers in Simulation 35 (1993).

    Entries of one array share the largest, as one of them may hit no rounding by chance.
    """
    rng = np.random.default_rng(run.seed)
    eps, smallest = grain(run)
    inputs = run.problem.inputs
    seeds = run.problem.outputs.unpack(g, own_dtypes=True)
    graph, given = run.observed, run.pullback(g)
    found = np.full(given.shape, 4 * smallest)

    def nudged(a: Any) -> Any:
        moved = a * (1 + rng.integers(-4, 5, a.shape) * eps)
        return moved.astype(a.dtype) if a.dtype.kind in "fc" else a

    largest: Any = np.max(np.abs(g), initial=0.0)
    for call in run.walk.calls:
        if isinstance(call.result, (np.ndarray, np.generic)) and call.result.dtype.kind in "fc":
            size = np.abs(call.result)
            largest = max(largest, np.max(size, initial=0.0, where=np.isfinite(size)))

    for _ in range(_NUDGES):
        gradients = [run.problem.pullback([nudged(a) for a in run.problem.arrays])(g)]
        if isinstance(graph, Observed):
            gradients.append(packed(run, graph.walk([nudged(s) for s in seeds], nudge=nudged)))
        for again in gradients:
            with np.errstate(all="ignore"):
                found = np.fmax(found, np.abs(again - given))
    for span in inputs.spans:
        found[span] = np.max(found[span], initial=0.0, where=np.isfinite(found[span]))
    most = _DIGITS * eps * largest + _UNSURE * smallest
    return np.asarray(np.minimum(_UNSURE * found, most))


def grain(run: Run) -> tuple[float, float]:
    """The coarsest precision, and the coarsest smallest number, of the arrays of the graph."""
    dtypes = {*run.problem.inputs.dtypes, *run.problem.outputs.dtypes}
    for call in run.walk.calls:
        dtypes |= {call.node.dtype, call.parent.dtype}
    known = [np.finfo(dtype) for dtype in dtypes if np.dtype(dtype).kind in "fc"]
    return max(float(f.eps) for f in known), max(float(f.smallest_subnormal) for f in known)


def packed(run: Run, walk: Walk) -> Array:
    """The gradients of a walk as one vector."""
    problem = run.problem
    filled = [
        np.zeros(a.shape, a.dtype) if g is None else g
        for a, g in zip(problem.arrays, walk.gradients, strict=True)
    ]
    return problem.inputs.pack(filled)
