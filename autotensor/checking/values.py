"""The checks of numbers: a rule against the numerical reference, and both modes against each other.

Each looks at a `Run` and returns None if all is well, or a `Finding`.
"""

import numpy as np

from autotensor import errors
from autotensor.checking.kinks import MOST, outside
from autotensor.checking.layout import Array
from autotensor.checking.numerical import Estimate, Flat, Reference, random_direction
from autotensor.checking.opinions import Question
from autotensor.checking.report import Finding, told
from autotensor.checking.rounding import unsteadiness
from autotensor.checking.run import UNDERFLOWS, Run
from autotensor.checking.verdict import Comparison, compare, diagnose, evidence

__all__ = ["every_entry", "forward_mode", "kinks", "random_directions"]

_DIRECTIONS = 2
_SHORTEST = 2.0**-18  # of |x|, for a direction: the finest step is 2**-26 of that
_ENDS = 128.0  # of the smallest number: where x + h is off, over the widest steps
_UNITS = 200  # in the last place, by which both modes may differ in low precision


def every_entry(run: Run) -> Finding | None:
    """G15: each entry of the Jacobian, or of some columns of it, contracted with cotangents."""
    found = run.entries.found
    return _of_entries(run, found.only(found.reference.spread == 0))


@np.errstate(all="ignore")
def kinks(run: Run) -> Finding | None:
    """G16: at a kink the rule lies between the one-sided slopes, along each tested direction."""
    entries, reference = run.entries, run.reference
    at_kink = entries.found.reference.spread > 0
    if not at_kink.any():
        return None
    found = _of_entries(run, entries.found.only(at_kink))
    kinked = entries.columns[np.any(at_kink, axis=1)]
    if found is not None or kinked.size < 2:
        return found
    if kinked.size > MOST:
        kinked = np.sort(run.rng.permutation(kinked)[:MOST])
    project = None if run.whole else entries.cotangents
    unit = np.zeros_like(reference.x)
    unit[kinked] = reference.unheld[kinked]
    directions = [random_direction(unit, run.rng) for _ in range(_DIRECTIONS)]
    for u in (*directions, _together(reference, kinked, run.rng)):
        slopes = u @ np.where(u[:, None] != 0, entries.gradients, 0.0)
        beyond, low, high = outside(reference, u, kinked, project, slopes, run.rtol)
        beyond &= np.any(at_kink, axis=0) & (np.maximum(slopes - high, low - slopes) > run.atol)
        if beyond.any():
            k = int(np.argmax(beyond))
            where = run.problem.outputs.label(k) if run.whole else "<g, output>"
            count = np.count_nonzero(u)
            return Finding(
                "fail",
                f"outside the kink       d {where} along a direction through {count} kinks",
                (
                    f"rule        {slopes[k]:.12g}",
                    f"numerical   between {low[k]:.6g} and {high[k]:.6g}, nearby",
                ),
            )
    return None


def _together(reference: Reference, kinked: Array, rng: np.random.Generator) -> Array:
    """A direction that moves entries which are equal, and of one input, by equal amounts.

    Among them ties stay ties, however many there are: the shares of a rule must add up.
    """
    direction = np.zeros_like(reference.x)
    for span in reference.flat.layout.spans:
        own = kinked[(kinked >= span.start) & (kinked < span.stop)]
        for value in np.unique(reference.x[own]):
            equal = reference.x[span] == value
            unit = reference.unheld[own[reference.x[own] == value][:1]]
            direction[span][equal] = random_direction(unit, rng)
    return direction


def _of_entries(run: Run, found: Comparison) -> Finding | None:
    """What there is to say of the entries in a comparison."""
    if not found.wrong.any() and not found.unclear.any():
        return None
    inputs, outputs = run.moved.inputs, run.problem.outputs
    i, k = found.worst
    output = outputs.label(k) if run.whole else "<g, output>"
    title = f"d {output} / d {inputs.label(int(run.entries.columns[i]))}"
    lines = list(evidence(found, (i, k)))
    rows = [inputs.label(int(c)) for c in run.entries.columns]
    table = found.table(rows, _output_labels(run))
    if not found.wrong.any():
        lines.append(_unclear(found))
        return Finding("inconclusive", f"cannot tell           {title}", tuple(lines), table)
    if run.whole and len(run.entries.columns) == inputs.size:
        lines += diagnose(found, inputs, outputs, run.problem.arrays)
    else:
        drawn = "" if run.whole else " drawn"
        lines.append(f"{found.wrong.sum():,} of the {found.wrong.size:,} entries{drawn} disagree")
    return Finding("fail", f"wrong gradient        {title}", tuple(lines), table)


def _output_labels(run: Run) -> list[str]:
    if run.whole:
        return [run.problem.outputs.label(k) for k in range(run.problem.outputs.size)]
    return [f"<g{k}, output>" for k in range(len(run.cotangents))]


@np.errstate(all="ignore")
def random_directions(run: Run) -> Finding | None:
    """G14: all inputs at once along random signed directions, relative to |x|."""
    reference = run.reference
    free = np.where(run.held, 0.0, reference.scale)
    if not free.any():
        return Finding("skipped", "no coordinate is free to move")
    gradients = run.gradients(run.cotangents)
    drawn = [random_direction(free, run.rng) for _ in range(_DIRECTIONS)]
    # In low precision f may round its inputs: shorter moves might be none.
    if free.size > 1 and run.thorough and not run.low_precision:
        drawn.append(_evened(random_direction(free, run.rng), gradients, reference.magnitudes))
    directions = np.stack(drawn)
    sizes = np.abs(directions) @ np.abs(gradients)
    granted = run.rounding(run.cotangents, gradients, whole=False)
    slack = np.abs(directions) @ (granted.T + run.slack).T + run.atol
    slack = slack + _ENDS * (run.moved.inputs.least() @ np.abs(gradients))
    natural = np.maximum(sizes, np.abs(run.cotangents) @ np.abs(run.problem.value))

    def measure(by: Reference, rows: Array) -> tuple[Estimate, Array]:
        estimate = by.along(directions[rows], run.cotangents, thorough=run.thorough)
        return estimate, estimate.telling(natural[rows])

    estimate, telling = measure(reference, np.arange(len(directions)))
    found = compare(directions @ gradients, estimate, telling, slack, run.rtol)
    reach = np.ones(len(directions))
    asked = Question(
        lambda a: directions @ a,
        lambda a: np.abs(directions) @ a,
        measure,
        run.cotangents,
        run.rtol,
    )
    found = run.confirmed(found, asked, reach, slack)
    # Beside a kink, or through one, the slope need not be a mean of those at the point: G16.
    found = found.only((found.reference.spread == 0) & np.isfinite(found.rule))
    # Where each entry is known to be right, directions that cannot tell add no doubt.
    known = run.thorough and run.whole and not run.entries.found.unclear.any()
    if known and found.wrong.any():
        found = found.only(_beyond_entries(run, directions, found, slack))
    if not found.wrong.any() and (known or not found.unclear.any()):
        return None
    lines = evidence(found, found.worst)
    title = "d <g, output> along a random direction"
    if found.wrong.any():
        return Finding("fail", f"wrong gradient        {title}", lines)
    return Finding("inconclusive", f"cannot tell           {title}", (*lines, _unclear(found)))


def _beyond_entries(run: Run, directions: Array, found: Comparison, slack: Array) -> Array:
    """Where a rule is not what the entries add up to, which a singularity close by cannot blur."""
    entries, sizes = run.entries, np.abs(run.cotangents)
    by_entry = entries.found.reference
    along = directions[:, entries.columns]
    value = along @ by_entry.value @ run.cotangents.T
    error = np.abs(along) @ (4 * by_entry.error + by_entry.spread) @ sizes.T
    terms = np.abs(along) @ np.abs(by_entry.value) @ sizes.T
    off = np.abs(found.rule - value) > run.rtol * terms + error + slack
    return np.asarray(off | ~np.isfinite(value))


def _evened(direction: Array, gradients: Array, x: Array) -> Array:
    """Shorten a direction where the gradient is large, so that small entries are seen beside it.

    Not so far that the finest step would be lost beside `x`.
    """
    share = np.abs(direction) * np.max(np.abs(gradients), axis=1, initial=0.0)
    seen = share[(share > 0) & np.isfinite(share)]
    if not seen.size:
        return direction
    level = np.quantile(seen, 0.1)
    factor = np.where(share > level, level / np.where(share > 0, share, 1.0), 1.0)
    factor = np.minimum(np.maximum(factor, _SHORTEST * x / np.abs(direction)), 1.0)
    factor = np.where(np.isfinite(factor), factor, 1.0)
    return direction * np.exp2(np.floor(np.log2(np.where(factor > 0, factor, 1.0))))


def forward_mode(run: Run) -> Finding | None:
    """G21: ⟨v, jvp(u)⟩ = ⟨vjp(v), u⟩."""
    problem = run.problem
    inputs = problem.inputs
    u = random_direction(Flat(problem.evaluate, problem.arrays).scales()[0], run.rng)
    u = inputs.pack(inputs.unpack(u, own_dtypes=True))
    try:
        tangent = problem.push(u)
    except Exception as error:
        if _is_ours(error):
            return Finding("skipped", "no forward mode", told(error))
        return Finding("fail", "forward mode raised", told(error))
    for g in run.cotangents:
        forward, backward = g * tangent, run.pullback(g) * u
        size = np.sum(np.abs(forward)) + np.sum(np.abs(backward))
        a, b = forward.sum(), backward.sum()
        granted = _UNITS * problem.eps * size if run.low_precision else 0.0
        granted += UNDERFLOWS * (np.abs(g) @ problem.outputs.least() + np.abs(u) @ inputs.least())
        granted += problem.traceless() * np.sum(np.abs(g))
        if not np.isfinite(size) or abs(a - b) <= run.rtol * size + granted:
            continue
        granted += np.abs(u) @ unsteadiness(run, g)
        if abs(a - b) > run.rtol * size + granted and not _right(run, u, tangent):
            lines = (f"<v, jvp(u)>   {a:.12g}", f"<vjp(v), u>   {b:.12g}")
            return Finding("fail", "forward and reverse mode disagree", lines)
    return None


def _right(run: Run, u: Array, tangent: Array) -> bool:
    """Whether differences bear out each entry of a tangent, if not the sums made of it.

    A rule that is right as far as its rounding lets it be may leave nothing of a tiny sum.
    """
    if run.moved is not run.problem or run.entries.found.unclear.any():
        return False
    estimate = run.reference.along(u[None])
    telling = estimate.telling(np.abs(tangent)[None])
    found = compare(tangent[None], estimate, telling, run.atol, run.rtol)
    return not found.wrong.any() and not found.unclear.any()


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
