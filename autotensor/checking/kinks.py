"""Kinks: which derivatives are fair where f has none.

A fair one is a mean of the derivatives of f nearby. Along a direction through several kinks, or
where a kink meets a smooth edge, as for the largest of several numbers that are equal, that is more
than the two slopes at the point itself say.
"""

import numpy as np

from autotensor.checking.layout import Array
from autotensor.checking.numerical import Reference, random_direction
from autotensor.checking.verdict import Comparison

__all__ = ["slopes_nearby", "subgradients"]

_AWAY = 2.0**-12  # how far away the slopes nearby are taken, as a part of the widest move
_STEP = 2.0**-18
_RANDOM = 8  # points nearby in random directions
_MOST = 48  # kinks at once, and coordinates looked at
_GRANTED = 2e-3  # the slopes of a function that bends differ nearby


@np.errstate(all="ignore")
def slopes_nearby(
    reference: Reference, u: Array, kinked: Array, project: Array | None
) -> tuple[Array, Array]:
    """Give the least and the largest slope along `u` nearby, for each output or projection.

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
    """

    def slope(away: Array) -> Array:
        ahead = reference.moved(away + _STEP * u)
        rise = ahead - reference.moved(away - _STEP * u)
        return (rise if project is None else project @ rise) / (2 * _STEP)

    rng = np.random.default_rng(len(kinked))
    unit = np.zeros_like(reference.x)
    unit[kinked] = reference.unheld[kinked] * _AWAY
    found = [slope(_AWAY * sign * u) for sign in (1.0, -1.0)]
    found += [slope(random_direction(unit, rng)) for _ in range(_RANDOM)]
    # Where each kink is passed on the steeper side, and where on the other: the extremes of a sum.
    steeper = np.zeros((len(found[0]), len(kinked)), bool)
    for j, i in enumerate(kinked):
        axis = np.zeros_like(unit)
        axis[i] = unit[i]
        both = slope(axis), slope(-axis)
        found += both
        steeper[:, j] = both[0] > both[1]
    for pattern in np.unique(np.concatenate([steeper, ~steeper]), axis=0):
        corner = np.zeros_like(unit)
        corner[kinked] = np.where(pattern, 1.0, -1.0) * unit[kinked]
        found.append(slope(corner))
    slopes = np.stack(found)
    low, high = np.nanmin(slopes, axis=0), np.nanmax(slopes, axis=0)
    margin = _GRANTED * np.maximum(np.abs(low), np.abs(high))
    return low - margin, high + margin


def subgradients(
    reference: Reference, found: Comparison, columns: Array, project: Array | None
) -> Comparison:
    """Take back what is called wrong of outputs with a kink and is a mean of the slopes nearby."""
    spread = found.reference.spread > 0
    kinked = columns[np.any(spread, axis=1)]
    doubtful = found.wrong & np.any(spread, axis=0)
    rows = np.flatnonzero(np.any(doubtful, axis=1))
    if not kinked.size or kinked.size > _MOST or rows.size > _MOST:
        return found
    fair = np.zeros_like(found.wrong)
    for row in rows:
        u = np.zeros_like(reference.x)
        u[columns[row]] = reference.unheld[columns[row]]
        low, high = slopes_nearby(reference, u, kinked, project)
        rule = found.rule[row] * u[columns[row]]
        fair[row] = (rule >= low) & (rule <= high)
    return found.only(~(fair & doubtful))
