"""The checks of numbers: a rule against the numerical reference, and both modes against each other.

Each looks at a `Run` and returns None if all is well, or a `Finding`.
"""

import numpy as np

from autotensor import errors
from autotensor.checking.layout import Array
from autotensor.checking.numerical import random_direction
from autotensor.checking.report import Finding, told
from autotensor.checking.run import Run
from autotensor.checking.verdict import Comparison, compare, diagnose, evidence

__all__ = ["every_entry", "forward_mode", "random_directions"]

_SAMPLES = 48  # coordinates of each input that are checked where they are too many to check all
_DIRECTIONS = 2


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
    table = found.table([inputs.label(int(c)) for c in columns], _output_labels(run))
    if found.wrong.any():
        if run.whole:
            lines += diagnose(found, inputs, outputs)
        else:
            lines.append(
                f"{found.wrong.sum():,} of the {found.wrong.size:,} entries drawn disagree"
            )
        return Finding("fail", f"wrong gradient        {title}", tuple(lines), table)
    lines.append(_unclear(found))
    return Finding("inconclusive", f"cannot tell           {title}", tuple(lines), table)


def _output_labels(run: Run) -> list[str]:
    if run.whole:
        return [run.problem.outputs.label(k) for k in range(run.problem.outputs.size)]
    return [f"<g{k}, output>" for k in range(len(run.cotangents))]


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
            return Finding("skipped", "no forward mode", told(error))
        return Finding("fail", "forward mode raised", told(error))
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


def _is_ours(error: BaseException | None) -> bool:
    """Whether autotensor raised this, perhaps from within NumPy, which then hides it as a cause."""
    while error is not None:
        if isinstance(error, errors.AutotensorError):
            return True
        error = error.__cause__
    return False
