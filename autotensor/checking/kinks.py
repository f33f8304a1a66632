"""Kinks: which derivatives are fair where f has none.

A fair one is a mean of the derivatives of f nearby. Along a direction through several kinks, or
where a kink meets a smooth edge, as for the largest of several numbers that are equal, that is more
than the two slopes at the point itself say.
"""

import numpy as np

from autotensor.checking.layout import Array
from autotensor.checking.numerical import Reference, random_direction
from autotensor.checking.verdict import Comparison

__all__ = ["MOST", "outside", "subgradients"]

MOST = 48  # kinks at once, and coordinates looked at

_AWAY = 2.0**-12  # how far away the slopes nearby are taken, as a part of the widest move
_STEP = 2.0**-18
_CLOSER = 0.25  # what is outside is looked at again, so much closer
_RANDOM = 8  # points nearby in random directions
_BENDS = 3.0  # times what coming closer changes is granted: a function may bend as well
_NOISE = 12.0  # standard deviations of f, over the step


@np.errstate(all="ignore")
def outside(
    reference: Reference,
    u: Array,
    kinked: Array,
    project: Array | None,
    rule: Array,
    rtol: float,
) -> tuple[Array, Array, Array]:
    """Say where a rule is outside of the slopes nearby.

    Parameters
    ----------
    reference
        Of the function and the point.
    u
        A direction, in units of the widest move.
    kinked
        The coordinates that are moved to get beside the kinks.
    project
        Cotangents, or None.
    rule
        The slope along `u` by the rule, for each output or projection.
    rtol
        Relative tolerance.

    Returns
    -------
    tuple
        A mask, and the least and the largest slope that are fair.
    """
    low, high, points = _extremes(reference, u, kinked, project)

    def beyond(low: Array, high: Array) -> Array:
        result: Array = ~((rule >= low) & (rule <= high)) & np.isfinite(low + high + rule)
        return result

    if beyond(low, high).any():
        slopes = np.stack([_slope(reference, u, project, p * _CLOSER, _CLOSER) for p in points])
        closer = np.nanmin(slopes, axis=0), np.nanmax(slopes, axis=0)
        margin = _BENDS * np.maximum(np.abs(low - closer[0]), np.abs(high - closer[1]))
        level = np.maximum(reference.noise, reference.coarse_noise())
        level = level if project is None else np.abs(project) @ level
        margin += rtol * np.maximum(np.abs(low), np.abs(high)) + _NOISE * level / _STEP
        low = np.minimum(low, closer[0]) - margin
        high = np.maximum(high, closer[1]) + margin
    return beyond(low, high), low, high


def _slope(
    reference: Reference, u: Array, project: Array | None, away: Array, factor: float = 1.0
) -> Array:
    step = _STEP * factor
    rise = reference.moved(away + step * u) - reference.moved(away - step * u)
    return (rise if project is None else project @ rise) / (2 * step)


def _extremes(
    reference: Reference, u: Array, kinked: Array, project: Array | None
) -> tuple[Array, Array, list[Array]]:
    """The least and the largest slope along `u` nearby, and the points where slopes were taken."""
    rng = np.random.default_rng(len(kinked))
    unit = np.zeros_like(reference.x)
    unit[kinked] = reference.unheld[kinked] * _AWAY
    points = [_AWAY * sign * u for sign in (1.0, -1.0)]
    points += [random_direction(unit, rng) for _ in range(_RANDOM)]
    found = [_slope(reference, u, project, p) for p in points]
    # Where each kink is passed on the steeper side, and where on the other: the extremes of a sum.
    steeper = np.zeros((len(found[0]), len(kinked)), bool)
    for j, i in enumerate(kinked):
        axis = np.zeros_like(unit)
        axis[i] = unit[i]
        both = [_slope(reference, u, project, p) for p in (axis, -axis)]
        points += [axis, -axis]
        found += both
        steeper[:, j] = both[0] > both[1]
    for pattern in np.unique(np.concatenate([steeper, ~steeper]), axis=0):
        corner = np.zeros_like(unit)
        corner[kinked] = np.where(pattern, 1.0, -1.0) * unit[kinked]
        points.append(corner)
        found.append(_slope(reference, u, project, corner))
    slopes = np.stack(found)
    return np.nanmin(slopes, axis=0), np.nanmax(slopes, axis=0), points


def subgradients(
    reference: Reference, found: Comparison, columns: Array, project: Array | None, rtol: float
) -> Comparison:
    """Take back what is called wrong of outputs with a kink and is a mean of the slopes nearby.

    Where there is one kink alone, the two slopes at the point say all.
    """
    spread = found.reference.spread > 0
    kinked = columns[np.any(spread, axis=1)]
    doubtful = found.wrong & np.any(spread, axis=0)
    if kinked.size == 1:
        doubtful &= ~spread
    rows = np.flatnonzero(np.any(doubtful, axis=1))
    if not 0 < kinked.size <= MOST or rows.size > MOST:
        return found
    fair = np.zeros_like(found.wrong)
    for row in rows:
        u = np.zeros_like(reference.x)
        u[columns[row]] = reference.unheld[columns[row]]
        rule = found.rule[row] * u[columns[row]]
        beyond, low, high = outside(reference, u, kinked, project, rule, rtol)
        fair[row] = ~beyond & np.isfinite(low + high + rule)
    return found.only(~(fair & doubtful))
