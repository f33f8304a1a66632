"""Second opinions on entries that seem wrong, before anything is said of them.

Each is for one way in which the reference, or a right rule, misleads. They cost evaluations, so
nothing here runs while the rule and the reference agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autotensor.checking.flat import power_of_two
from autotensor.checking.layout import Array
from autotensor.checking.numerical import Estimate, Reference
from autotensor.checking.verdict import Comparison, compare

__all__ = ["Question", "by_irregular_steps", "by_own_scale", "excused", "rough", "shaken"]

_SHAKEN = 4.0  # times what a few units in the last place change, for the noise of a rule
_LITTLE = 1e-9  # of the entries beside: what changes more is no rounding
_UNITS = 32.0  # in the last place of 1, or of the largest entry, that low precision may cost
_NOTHING = 0.01  # a function with so much noise, of its own size, shows nothing else
_ROUGH = 100.0
_SPREADS = 0.1  # by which one kink may look different with other steps


@dataclass(frozen=True, slots=True)
class Question:
    """How a comparison was made, so that it can be made again.

    Attributes
    ----------
    pick
        Makes the rows of the rule out of the gradients.
    sizes
        The same for bounds, which are never negative.
    measure
        Gives some rows of the estimate by a reference, and where they are telling.
    cotangents
        One for each column.
    rtol
        Relative tolerance.
    """

    pick: Callable[[Array], Array]
    sizes: Callable[[Array], Array]
    measure: Callable[[Reference, Array], tuple[Estimate, Array]]
    cotangents: Array
    rtol: float


def by_irregular_steps(
    asked: Question,
    found: Comparison,
    rows: Array,
    reference: Reference,
    slack: Array,
    *,
    grainy: bool,
) -> Comparison:
    """Measure some rows by other steps; what is wrong must be so again, and in the same way.

    A function that repeats itself after a power of two, or that is noise at some of the steps,
    looks different then. So does one that rounds to lower precision on the way, if `grainy`: it is
    smooth over fine steps, and wrong there.
    """
    if not rows.size:
        return found
    estimate, telling = asked.measure(reference.irregular(grainy=grainy), rows)
    before = found.rows(rows)
    second = compare(before.rule, estimate, telling, slack[rows], asked.rtol)
    one, other = before.reference, estimate
    granted = 4 * (one.error + other.error)
    size = np.maximum(np.abs(one.value), np.abs(other.value))
    apart = np.abs(one.value - other.value) > granted + asked.rtol * size
    bent = np.maximum(one.spread, other.spread)
    apart = np.where(bent > 0, False, apart)
    bent = np.abs(one.spread - other.spread) > _SPREADS * bent + granted
    wrong = before.wrong & second.wrong & ~apart & ~bent
    taken_back = before.wrong & ~wrong
    doubtful = second.unclear | second.wrong | (bent & (other.spread > 0))
    unclear = before.unclear | (taken_back & doubtful)
    reference_now = one.where(~(taken_back & ~unclear), other)
    result = Comparison(before.rule, reference_now, wrong, unclear, before.telling)
    return found.with_rows(rows, result)


def by_own_scale(
    asked: Question, found: Comparison, rows: Array, columns: Array, reference: Reference
) -> tuple[Comparison, Array]:
    """Take back what is right of coordinates that are 0, at the scale that the rule speaks of.

    Nothing else says how far from 0 a function is straight. Where a rule gives a, f should leave
    its noise within noise / a.

    Returns
    -------
    tuple
        The comparison, and units for all coordinates: those at which the rule was right.
    """
    unit = reference.scale.copy()
    level = np.abs(asked.cotangents) @ reference.noise
    wanted = 16 * level / np.abs(found.rule[rows])
    wanted = np.where(found.wrong[rows] & np.isfinite(wanted), wanted, np.inf)
    wanted = np.min(wanted, axis=1, initial=np.inf)
    moved = (wanted < unit[columns[rows]]) & (wanted > np.finfo(float).tiny)
    moved &= reference.magnitudes[columns[rows]] == 0
    rows, wanted = rows[moved], wanted[moved]
    if not rows.size:
        return found, unit
    unit[columns[rows]] = power_of_two(wanted)
    estimate, telling = asked.measure(reference.irregular(unit), rows)
    before = found.rows(rows)
    second = compare(before.rule, estimate, telling, 0.0, asked.rtol)
    right = before.wrong & telling & ~second.wrong
    reference_now = before.reference.where(~right, estimate)
    wrong = before.wrong & ~right
    result = Comparison(before.rule, reference_now, wrong, before.unclear, before.telling)
    failed = np.any(wrong, axis=1)
    unit[columns[rows[failed]]] = reference.scale[columns[rows[failed]]]
    return found.with_rows(rows, result), unit


def rough(asked: Question, found: Comparison, reach: Array, reference: Reference) -> Comparison:
    """Call unclear what could not be seen: a rule that says f is rougher than its input is fine.

    Where f is nothing but noise, and by the rule it passes through all of that noise within the
    last digit of x, the noise is f itself.
    """
    level = np.abs(asked.cotangents) @ reference.noise
    only_noise = level > _NOTHING * (np.abs(asked.cotangents) @ np.abs(reference.y))
    only_noise &= level > np.finfo(reference.y.dtype).tiny  # else f is 0, and all around
    eps = float(np.finfo(reference.flat.dtype).eps)
    within = np.abs(found.rule) * reach[:, None] * eps
    hidden = found.wrong & only_noise & (within > _ROUGH * level) & np.isfinite(within)
    unclear = found.unclear | hidden
    return Comparison(found.rule, found.reference, found.wrong & ~hidden, unclear, found.telling)


def shaken(found: Comparison, draws: list[Array]) -> Array:
    """How far the rounding of a rule moves its entries, given what it says close by.

    Large terms that cancel leave noise. What is more than a trace of the entries beside is none: it
    comes from a rule that jumps.
    """
    lost = np.zeros(found.rule.shape)
    for draw in draws:
        lost = np.fmax(lost, np.abs(draw - found.rule))
    peak = np.max(np.abs(found.rule), axis=0, initial=0.0, where=np.isfinite(found.rule))
    return np.where(lost <= _LITTLE * peak, _SHAKEN * lost, 0.0)


def excused(asked: Question, found: Comparison, gradients: Array, eps: float) -> Array:
    """What an entry may lose to low precision, where the rule is right in a higher one.

    Parameters
    ----------
    asked, found
        The comparison, in low precision.
    gradients
        By the rule in float64.
    eps
        The low precision.
    """
    exact = asked.pick(gradients)
    right = ~compare(exact, found.reference, found.telling, 0.0, max(asked.rtol, eps)).wrong
    cotangents = np.max(np.abs(asked.cotangents), axis=1, initial=0.0)
    peak = np.max(np.abs(gradients), axis=0, initial=0.0, where=np.isfinite(gradients))
    bound = np.broadcast_to(_UNITS * eps * np.maximum(cotangents, peak), gradients.shape)
    lost = np.abs(found.rule - exact)
    return np.where(right & (lost <= asked.sizes(bound)), lost, 0.0)
