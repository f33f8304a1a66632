"""The checks of what comes back: a finite value, and a gradient of the right kind for each input.

Each looks at a `Run` and returns None if all is well, or a `Finding`.
"""

from typing import Any

import numpy as np

from autotensor import errors
from autotensor.checking.numerical import random_direction
from autotensor.checking.observed import Call, acts_by_entry
from autotensor.checking.precision import lower_precision
from autotensor.checking.report import Finding, told
from autotensor.checking.run import Run
from autotensor.engine.deferred import Deferred

__all__ = [
    "every_gradient",
    "finite_gradient",
    "finite_value",
    "gradient_shapes",
    "gradient_types",
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
    """G04: there is a gradient for every input that f depends on, and no rule raises."""
    error = run.first
    if isinstance(error, Exception):
        calls = run.walk.calls
        writes = any(call.wrote or call.refused for call in calls)
        if writes or isinstance(error, (errors.ShapeError, errors.DtypeError)):
            return None  # other checks say it better
        if isinstance(error, errors.LostGradientError) and calls and calls[-1].result is not None:
            return None
        raised = calls and run.walk.error is not None and calls[-1].result is None
        place = (f"in {calls[-1].where}",) if raised else ()
        return Finding("fail", "no gradient for every input", (*place, *told(error)))
    if isinstance(run.observed, Exception):
        return None
    for i, reached in enumerate(run.observed.reached):
        found = None if reached else _cut_off(run, i)
        if found is not None:
            return found
    return None


def _cut_off(run: Run, i: int) -> Finding | None:
    """What to say of input `i`, which no gradient reached, if f depends on it."""
    name = run.problem.inputs.names[i]
    slope = _slope(run, run.problem.inputs.spans[i])
    if slope is None:
        return None  # constant, or constant in steps: then its gradient is 0
    return Finding(
        "fail",
        f"no gradient reaches {name}, though f depends on it",
        (
            f"rule 0, numerical {slope:.12g}: d <g, output> along a random direction of {name}",
            "a detach(), a NumPy array or a constant on the way cuts it off",
        ),
    )


def _slope(run: Run, span: slice) -> float | None:
    """The slope of <g, f> along a random direction of some coordinates, if it is known for sure."""
    try:
        reference = run.reference
        if reference.scale.size != run.problem.inputs.size:
            return None  # it moves along a domain that has coordinates of its own
        scale = np.zeros_like(reference.scale)
        scale[span] = np.where(run.held, 0.0, reference.scale)[span]
        direction = random_direction(scale, np.random.default_rng(run.seed))
        found = reference.along(direction[None], run.cotangents[:1])
    except Exception:  # the function refuses to be moved: nothing is known
        return None
    value, error = found.value[0, 0], found.error[0, 0]
    sure = 16 * error < abs(value) < np.inf and found.spread[0, 0] == 0
    return float(value) if sure else None


def gradient_shapes(run: Run) -> Finding | None:
    """G05: every rule returns the shape of its argument, or one that broadcasting explains."""
    if isinstance(run.first, errors.ShapeError):
        return Finding("fail", "gradient of the wrong shape", told(run.first))
    for call in run.walk.calls:
        # What an op that broadcasts returns is summed; too many axes would be summed with them.
        shape = getattr(call.result, "shape", ())
        one = call.node.dtype.kind in "fc"  # a node of several results has no shape
        if one and acts_by_entry(call.node.op) and not _broadcasts_to(shape, call.node.shape):
            error = errors.gradient_shape(call.node.op.name, call.name, shape, call.parent.shape)
            return Finding("fail", "gradient of the wrong shape", told(error))
    return None


def _broadcasts_to(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) <= len(wanted) and all(
        n in (1, m) for n, m in zip(shape[::-1], wanted[::-1], strict=False)
    )


def gradient_types(run: Run) -> Finding | None:
    """G06: every rule returns a plain array, in a dtype that holds the gradient."""
    for call in run.walk.calls:
        if call.result is None or isinstance(call.result, Deferred):
            continue
        wrong = _wrong_type(call) or _wrong_dtype(run, call)
        if wrong:
            return Finding(
                "fail", "gradient of the wrong type", (f"{call.where} {wrong[0]}", wrong[1])
            )
    if isinstance(run.first, errors.DtypeError):
        return Finding("fail", "gradient of the wrong type", told(run.first))
    return None if isinstance(run.first, Exception) else _lost_digits(run)


def _lost_digits(run: Run) -> Finding | None:
    """What to say of constants and casts of lower precision in a rule, if they cost digits."""
    if run.low_precision or run.given[0] is not None:
        return None  # the tolerance is in digits, or the caller's
    for call in run.walk.calls:
        met = None if call.wrote or call.refused else lower_precision(call)
        if met is None:
            continue
        apart = _contradicted(run, 3e-10)
        if apart is None or _contradicted(run, run.rtol):
            return None  # no harm is done; or so much that the checks of numbers say more
        return Finding(
            "fail",
            "gradient of lower precision",
            (
                f"{call.where} computes with {met} numbers, which cost digits",
                f"rule {apart[0]:.15g}, numerical {apart[1]:.15g} along a random direction",
                f"write constants as Python numbers, and keep arrays in {call.parent.dtype}",
            ),
        )
    return None


def _wrong_type(call: Call) -> tuple[str, str] | None:
    kind = type(call.result)
    if kind is np.ndarray or isinstance(call.result, (np.generic, int, float, complex)):
        return None
    return (
        f"returned {kind.__module__}.{kind.__name__}".replace("builtins.", ""),
        "return a plain array: other types have operators of their own, or none",
    )


def _wrong_dtype(run: Run, call: Call) -> tuple[str, str] | None:
    c = np.asarray(call.result)
    around = [call.parent.dtype, *(g.dtype for g in call.cotangents)]
    if c.dtype.kind not in "biufc":
        return f"returned dtype {c.dtype}", "return an array of numbers"
    if not np.any(c):
        return None  # zeros are the same in every dtype
    if c.dtype.kind in "biu":
        wanted = call.parent.dtype
        return f"returned dtype {c.dtype}, the argument has {wanted}", f"return {wanted}"
    if c.dtype.kind == "c" and all(d.kind == "f" for d in around):
        finite = c[np.isfinite(c)]
        size, imag = (np.max(np.abs(part), initial=0.0) for part in (finite, finite.imag))
        # The engine takes the real part, which may be what is meant, as in the rule of np.imag.
        if imag > np.sqrt(np.finfo(c.dtype).eps) * size and _contradicted(run, 1e-3):
            return (
                f"returned {c.dtype} with imaginary parts up to {imag:.3g}",
                "the engine drops them, since f and x are real, and the rest is not the gradient",
            )
    own = _eps(c.dtype)
    if own > max(map(_eps, around)) and not _coarse(run, own):
        return (
            f"returned {c.dtype}, which holds {int(-np.log10(own))} digits; "
            f"the argument has {call.parent.dtype}",
            f"compute in {call.parent.dtype}: a constant or an astype() of lower precision costs "
            "the digits",
        )
    return None


def _contradicted(run: Run, relative: float) -> tuple[float, float] | None:
    """The slopes of rule and reference along a random direction where they surely differ."""
    try:
        reference = run.reference
        free = np.where(run.held, 0.0, reference.scale)
        rng = np.random.default_rng(run.seed)
        directions = np.stack([random_direction(free, rng) for _ in range(4)])
        gradients = run.gradients(run.cotangents)
        found = reference.along(directions, run.cotangents)
    except Exception:  # the function refuses to be moved: nothing is known
        return None
    terms = np.abs(directions) @ np.abs(gradients)
    slopes = directions @ gradients
    natural = np.abs(run.cotangents) @ np.abs(run.problem.value)
    granted = relative * terms + 16 * found.error + 1e3 * run.problem.eps * natural + run.atol
    apart = np.abs(slopes - found.value)
    known = (found.spread == 0) & np.isfinite(terms) & (found.error < np.inf)
    worst = np.argmax(np.where(known, apart / (granted + np.finfo(float).tiny), -1.0))
    if not known.flat[worst] or not apart.flat[worst] > granted.flat[worst]:
        return None
    return float(slopes.flat[worst]), float(found.value.flat[worst])


def _eps(dtype: Any) -> float:
    return float(np.finfo(dtype).eps)


def _coarse(run: Run, eps: float) -> bool:
    """Whether f itself is computed in that precision, so that its rule may be too."""
    try:
        noise = run.reference.noise
    except Exception:
        return True
    return bool(np.any(noise > eps / 32 * np.abs(run.reference.y)))


def finite_gradient(run: Run) -> Finding | None:
    """G07: no gradient is NaN where f is finite. Infinite ones may be right: G15 decides."""
    if isinstance(run.first, Exception):
        return None
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
