"""The checks that need no numerical reference: what a rule returns, and what it must leave alone.

Each looks at a `Run` and returns None if all is well, or a `Finding`.
"""

import numpy as np

from autotensor import errors
from autotensor.checking.report import Finding, told
from autotensor.checking.run import Run

__all__ = [
    "every_gradient",
    "finite_gradient",
    "finite_value",
    "gradient_shapes",
    "linear_in_g",
]


def finite_value(run: Run) -> Finding | None:
    """G01: f(x) is finite."""
    bad = np.flatnonzero(~np.isfinite(run.problem.value))
    if not bad.size:
        return None
    where = run.problem.outputs.label(int(bad[0]))
    return Finding(
        "inconclusive",
        f"f(x) is not finite: {where} is {run.problem.value[bad[0]]}",
        (f"{bad.size:,} of {run.problem.outputs.size:,} outputs; choose x inside the domain",),
    )


def every_gradient(run: Run) -> Finding | None:
    """G04: there is a gradient for every input."""
    error = run.first
    if not isinstance(error, Exception) or isinstance(error, errors.ShapeError):
        return None
    return Finding("fail", "no gradient for every input", told(error))


def gradient_shapes(run: Run) -> Finding | None:
    """G05: every gradient has the shape of its input."""
    if isinstance(run.first, Exception):
        return Finding("fail", "gradient of the wrong shape", told(run.first))
    return None


def finite_gradient(run: Run) -> Finding | None:
    """G07: no gradient is NaN where f is finite. Infinite ones may be right: G15 decides."""
    assert isinstance(run.first, np.ndarray)
    bad = np.flatnonzero(np.isnan(run.first))
    if not bad.size:
        return None
    x = run.problem.inputs.pack(run.problem.arrays)[bad[0]]
    where = run.problem.inputs.label(int(bad[0]))
    return Finding(
        "fail",
        f"the gradient is NaN where f is finite: at {where} = {x:.12g}",
        (f"{bad.size:,} of {run.problem.inputs.size:,} entries",),
    )


def linear_in_g(run: Run) -> Finding | None:
    """G11: rule(-2.5 g + h) = -2.5 rule(g) + rule(h), and rule(0) = 0."""
    assert isinstance(run.first, np.ndarray)
    g = run.cotangents[0]
    (h,) = run.representable(g[None, ::-1])
    (mixed,) = run.representable(-2.5 * g[None] + h)
    of_g, of_h, of_mixed = run.first, run.pullback(h), run.pullback(mixed)
    of_zero = run.pullback(np.zeros_like(g))
    terms = 2.5 * np.abs(of_g) + np.abs(of_h)
    known = np.isfinite(terms)
    slack = run.rtol * terms + 1e3 * run.problem.eps * np.max(terms[known], initial=0.0)
    with np.errstate(invalid="ignore"):
        wanted = -2.5 * of_g + of_h
    bad = np.flatnonzero(known & ~(np.abs(of_mixed - wanted) <= slack))
    lines = []
    if bad.size:
        at = int(bad[np.argmax(np.abs(of_mixed - wanted)[bad])])
        where = run.problem.inputs.label(at)
        lines = [
            f"rule(-2.5 g + h)             {of_mixed[at]:.12g}      at {where}",
            f"-2.5 rule(g) + rule(h)       {wanted[at]:.12g}",
        ]
    zero = np.flatnonzero(known & (of_zero != 0))
    if zero.size:
        where = run.problem.inputs.label(int(zero[0]))
        lines.append(f"rule(0) is {of_zero[zero[0]]:.12g} at {where}, not 0")
    return Finding("fail", "the rule is not linear in g", tuple(lines)) if lines else None
