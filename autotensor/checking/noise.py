"""How much noise a function has: measured, never assumed."""

from typing import Protocol

import numpy as np

from autotensor.checking.flat import Flat, power_of_two
from autotensor.checking.layout import Array

__all__ = ["coarse_noise", "fine_noise", "random_direction"]


class Moved(Protocol):
    """A function at a point, as `Reference` is one."""

    flat: Flat
    y: Array
    scale: Array
    magnitudes: Array
    linear: int | None

    def moved(self, move: Array) -> Array:
        """The value beside the point."""


# Irregular, so that neither x nor f, which lie on the grid of their dtype, hit it by chance.
_POINTS = np.array([-3.1372, -2.2914, -1.1873, -0.7041, 0.6183, 1.6837, 2.4259, 3.3091])
_WIDER = np.array([2e-5, 5e-4, 1e-2])  # spacings at which a coarse grain shows
_CUBIC = np.vander(_POINTS, 4)
_RESIDUAL = np.eye(len(_POINTS)) - _CUBIC @ np.linalg.pinv(_CUBIC)
_GRAINY = np.exp2([[-6, -9, -12], [-16, -19, -22]])  # where float16 and float32 show
_ALIKE = 8.0
_STEPPED = np.column_stack([_CUBIC, np.sign(_POINTS)])
_BESIDE = np.eye(len(_POINTS)) - _STEPPED @ np.linalg.pinv(_STEPPED)
_JUMP = 0.01  # what is left of the residuals beside a jump is less
_STEEP = 1e-6  # of f, for a jump that is no rounding, not even in float32
# What the residuals of normal noise of size 1 add up to, on average.
_UNIT_RESIDUAL = float(np.sqrt(2 / np.pi) * np.sum(np.sqrt(np.diag(_RESIDUAL))))


def random_direction(scale: Array, rng: np.random.Generator) -> Array:
    """Draw a direction of random signs whose entries are between half of `scale` and all of it.

    Parameters
    ----------
    scale
        Powers of two; the few digits drawn keep x + h · direction exact.
    """
    signs = rng.choice([-1.0, 1.0], scale.shape)
    return np.asarray(scale * signs * rng.integers(4, 9, scale.shape) / 8)


@np.errstate(all="ignore")
def coarse_noise(reference: Moved, unit: Array, seed: int) -> Array:
    """The noise of a part of f that is in lower precision, while the rest moves smoothly.

    It is as large over wide spacings as over narrow ones, unlike what is left of a fit to
    anything else.
    """
    rng = np.random.default_rng(seed)
    grain = np.zeros(reference.y.shape)
    for spacings in _GRAINY:
        levels = []
        for spacing in spacings:
            direction = random_direction(unit * spacing, rng)
            rows = np.stack([reference.moved(t * direction) - reference.y for t in _POINTS])
            levels.append(np.sum(np.abs(_RESIDUAL @ rows), axis=0) / _UNIT_RESIDUAL)
        alike = np.max(levels, axis=0) < _ALIKE * np.min(levels, axis=0)
        grain = np.where(alike, np.maximum(grain, levels[-1]), grain)
    return grain


@np.errstate(all="ignore")
def fine_noise(reference: Moved, seed: int) -> Array:
    """Standard deviation of the rounding in each output.

    Over points this close together a function worth the name is a cubic, so what is left after
    fitting one is noise, of f and of x + h alike. Values that mostly coincide have a coarser
    grain (float32 inside, or a small term added to a large one); wider spacings show it.
    """
    rng = np.random.default_rng(seed)
    out_eps = float(np.finfo(reference.y.dtype).eps)
    eps = max(out_eps, float(np.finfo(reference.flat.dtype).eps))
    scale = reference.scale.copy()
    if reference.linear is not None and scale[: reference.linear].any():
        scale[reference.linear :] = 0.0
    digits = np.where(reference.magnitudes > 0, power_of_two(64 * eps * reference.magnitudes), 0.0)
    noise = np.zeros(reference.y.shape)
    coarse = np.ones(reference.y.shape, bool)
    for spacing in (64 * eps, eps**0.4, *_WIDER[2 * eps**0.4 < _WIDER]):
        # In a narrow domain the unit may be so small that x would not move at all.
        unit = np.where(scale > 0, np.maximum(scale * spacing, digits), 0.0)
        direction = random_direction(unit, rng)
        rows = [reference.moved(t * direction) - reference.y for t in _POINTS]
        residual = _RESIDUAL @ np.stack(rows)
        level = np.sum(np.abs(residual), axis=0) / _UNIT_RESIDUAL  # squares might underflow
        # A jump at the point itself is no noise either: f is smooth on both sides of it.
        beside = np.sum(np.abs(_BESIDE @ np.stack(rows)), axis=0) / _UNIT_RESIDUAL
        jump = (beside < _JUMP * level) & (level > _STEEP * np.abs(reference.y))
        level = np.where(jump, beside, level)
        still = np.sum(np.diff(rows, axis=0) == 0, axis=0)
        # Far apart a single jump between constants is no noise.
        seen = coarse & np.isfinite(level) & ((spacing < _WIDER[0]) | (still < len(rows) - 2))
        noise = np.where(seen, level, noise)
        coarse &= still >= len(_POINTS) // 2
        if spacing > 64 * eps:
            coarse &= reference.y != 0
        if not coarse.any():
            break
    # Both parts of a complex number are as uncertain as the larger one.
    floor: Array = out_eps / 4 * reference.flat.outputs.magnitudes(reference.y)
    floor = floor + np.finfo(reference.y.dtype).smallest_subnormal
    return np.asarray(np.maximum(noise, floor))
