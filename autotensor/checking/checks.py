"""The checks, cheap and structural ones first, because their messages are the clearest.

A check looks at a `Run` and returns None if all is well, or a `Finding`. To add one, write the
function and put it into `CHECKS` at its place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autotensor import errors
from autotensor.checking.layout import Array
from autotensor.checking.numerical import random_direction
from autotensor.checking.report import Finding
from autotensor.checking.run import Run
from autotensor.checking.verdict import Comparison, compare, diagnose, evidence

__all__ = ["CHECKS", "Check", "execute"]

_SAMPLES = 48  # coordinates of each input that are checked where they are too many to check all
_DIRECTIONS = 2


@dataclass(frozen=True, slots=True)
class Check:
    """A check and the id it goes by; `essential` if nothing after it makes sense without it."""

    id: str
    run: Callable[[Run], Finding | None]
    essential: bool = False


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
    return Finding("fail", "no gradient for every input", _told(error))


def gradient_shapes(run: Run) -> Finding | None:
    """G05: every gradient has the shape of its input."""
    if isinstance(run.first, Exception):
        return Finding("fail", "gradient of the wrong shape", _told(run.first))
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


def every_entry(run: Run) -> Finding | None:
    """G15: each entry of the Jacobian, or of some columns of it, contracted with cotangents."""
    inputs, outputs = run.problem.inputs, run.problem.outputs
    columns = np.flatnonzero(~run.held)
    if run.whole:
        cotangents, project = np.eye(outputs.size), None
    else:
        columns, cotangents = _sampled(run, columns), run.cotangents
        project = cotangents
    gradients = run.gradients(cotangents)
    slack = run.rounding(cotangents, gradients, whole=run.whole)[columns]
    reference = run.reference.jacobian(columns, project)
    telling = run.reference.telling(reference, columns, project)
    found = compare(gradients[columns], reference, telling, slack + run.atol, run.rtol)
    run.held[columns] |= np.any(reference.spread > 0, axis=1)
    if not found.wrong.any() and not found.unclear.any():
        return None
    i, k = found.worst
    output = outputs.label(k) if run.whole else "<g, output>"
    title = f"d {output} / d {inputs.label(int(columns[i]))}"
    lines = list(evidence(found, (i, k)))
    if found.wrong.any():
        if run.whole:
            lines += diagnose(found, inputs, outputs)
        else:
            lines.append(
                f"{found.wrong.sum():,} of the {found.wrong.size:,} entries drawn disagree"
            )
        return Finding("fail", f"wrong gradient        {title}", tuple(lines))
    lines.append(_unclear(found))
    return Finding("inconclusive", f"cannot tell           {title}", tuple(lines))


def random_directions(run: Run) -> Finding | None:
    """G14: all inputs at once along random signed directions, relative to |x|."""
    reference = run.reference
    free = np.where(run.held, 0.0, reference.scale)
    if not free.any():
        return Finding("skipped", "no coordinate is free to move")
    directions = np.stack([random_direction(free, run.rng) for _ in range(_DIRECTIONS)])
    gradients = run.gradients(run.cotangents)
    sizes = np.abs(directions) @ np.abs(gradients)
    rounding = np.abs(directions) @ run.rounding(run.cotangents, gradients, whole=False)
    estimate = reference.along(directions, run.cotangents)
    natural = np.maximum(sizes, np.abs(run.cotangents) @ np.abs(run.problem.value))
    telling = 4 * estimate.error <= 1e-3 * natural
    found = compare(directions @ gradients, estimate, telling, rounding + run.atol, run.rtol)
    # The slope along a direction through several kinks need not be a mean of theirs.
    judged = (estimate.spread == 0) & np.isfinite(found.rule)
    wrong, unclear = found.wrong & judged, found.unclear & judged
    found = Comparison(found.rule, estimate, wrong, unclear)
    if not wrong.any() and not unclear.any():
        return None
    lines = evidence(found, found.worst)
    title = "d <g, output> along a random direction"
    if wrong.any():
        return Finding("fail", f"wrong gradient        {title}", lines)
    return Finding("inconclusive", f"cannot tell           {title}", (*lines, _unclear(found)))


def forward_mode(run: Run) -> Finding | None:
    """G21: ⟨v, jvp(u)⟩ = ⟨vjp(v), u⟩."""
    problem = run.problem
    inputs = problem.inputs
    u = random_direction(run.reference.scale, run.rng)
    u = inputs.pack(inputs.unpack(u, own_dtypes=True))
    try:
        tangent = problem.push(u)
    except Exception as error:
        if _is_ours(error):
            return Finding("skipped", "no forward mode", _told(error))
        return Finding("fail", "forward mode raised", _told(error))
    gradients = run.gradients(run.cotangents)
    slack = 2 * np.abs(u) @ run.rounding(run.cotangents, gradients, whole=False)
    for g, gradient, granted in zip(run.cotangents, gradients.T, slack, strict=True):
        forward, backward = g * tangent, gradient * u
        size = np.sum(np.abs(forward)) + np.sum(np.abs(backward))
        a, b = forward.sum(), backward.sum()
        if np.isfinite(size) and abs(a - b) > run.rtol * size + granted:
            lines = (f"<v, jvp(u)>   {a:.12g}", f"<vjp(v), u>   {b:.12g}")
            return Finding("fail", "forward and reverse mode disagree", lines)
    return None


def next_order(run: Run) -> Finding | None:
    """G20: the same checks on the rule itself, as a function of the inputs and the cotangent."""
    if run.level >= run.order:
        return Finding("skipped", f"order {run.order} only")
    try:
        problem = run.problem.derivative(run.cotangents[0])
    except Exception as error:
        return Finding("fail", "the gradient cannot be differentiated", _told(error))
    held = np.concatenate([run.held, np.zeros(run.problem.outputs.size, bool)])
    above = Run(problem, run.order, *run.given, run.seed, run.level + 1, held)
    findings, _, _ = execute(above)
    run.evaluations += above.evaluations
    if not findings:
        return None
    check, found = findings[-1]  # the one that failed, if any did
    label = "" if check == "G20" else f"order {above.level}, {check}: "
    return Finding(found.verdict, label + found.title, found.lines)


CHECKS = (
    Check("G01", finite_value, essential=True),
    Check("G04", every_gradient),
    Check("G05", gradient_shapes),
    Check("G07", finite_gradient),
    Check("G11", linear_in_g),
    Check("G15", every_entry),
    Check("G14", random_directions),
    Check("G21", forward_mode),
    Check("G20", next_order),
)


def execute(run: Run) -> tuple[list[tuple[str, Finding]], list[str], list[str]]:
    """Run the checks up to the first that fails; return findings, ids passed, ids skipped."""
    findings: list[tuple[str, Finding]] = []
    passed: list[str] = []
    skipped: list[str] = []
    for check in CHECKS:
        found = check.run(run)
        if found is None:
            passed.append(check.id)
        elif found.verdict == "skipped":
            skipped.append(check.id)
        else:
            findings.append((check.id, found))
            if found.verdict == "fail" or check.essential:
                break
    if "reference" in vars(run):
        run.evaluations += run.reference.flat.evaluations
    return findings, passed, skipped


def _sampled(run: Run, columns: Array) -> Array:
    """Some of the given coordinates for each input, at random."""
    chosen = []
    for span in run.problem.inputs.spans:
        own = columns[(columns >= span.start) & (columns < span.stop)]
        chosen.append(run.rng.permutation(own)[:_SAMPLES])
    return np.sort(np.concatenate(chosen))


def _unclear(found: Comparison) -> str:
    count = int(found.unclear.sum())
    return f"{count:,} of {found.unclear.size:,} entries are too noisy or too singular to judge"


def _told(error: Exception) -> tuple[str, ...]:
    return tuple(f"{type(error).__name__}: {error}".splitlines())


def _is_ours(error: BaseException | None) -> bool:
    """Whether autotensor raised this, perhaps from within NumPy, which then hides it as a cause."""
    while error is not None:
        if isinstance(error, errors.AutotensorError):
            return True
        error = error.__cause__
    return False
