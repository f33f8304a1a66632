"""From slopes over a ladder of steps to one derivative with an error bar.

The method is that of C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances
in Engineering Software 4 (1982), with measured noise, and with the finer steps as a check on the
wider ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autotensor.checking.layout import Array

__all__ = ["TELLING", "Estimate", "estimate"]

TELLING = 1e-3  # an error below this part of what is natural for an entry says something

_ZERO = 1e-5  # the same, against the slope over the widest step, where the derivative is about 0
_STAIRS = 4  # so many stairs up or down make a slope, perhaps
_STEEPER = 3.0  # than over a step four times as wide, for a kink or a vertical tangent
_COLUMNS = 5  # extrapolation cancels the error terms h², h⁴ … h⁸; beyond that, rounding wins


@dataclass(frozen=True, slots=True)
class Estimate:
    """A derivative and how far to trust it; all arrays have the same shape.

    Attributes
    ----------
    value
        The derivative; at a kink, the mean of the slopes on both sides.
    error
        Estimated error of `value`; infinite where nothing is known.
    spread
        Half the difference of the one-sided slopes at a kink, 0 where the function is smooth.
        Whatever lies within it around `value` is a fair derivative there.
    seen
        The slope over the widest step: what is natural for the function nearby.
    stairs
        The same, where f may be a staircase whose derivative is 0; 0 elsewhere.
    """

    value: Array
    error: Array
    spread: Array
    seen: Array
    stairs: Array

    @np.errstate(all="ignore")
    def times(self, factor: Array | float) -> Estimate:
        """Scale derivative, error, spread and what was seen."""
        size = np.abs(factor)
        return Estimate(self.value * factor, *(a * size for a in self.sizes()))

    def rows(self, chosen: Array) -> Estimate:
        """Take some rows."""
        return Estimate(self.value[chosen], *(a[chosen] for a in self.sizes()))

    def with_rows(self, chosen: Array, other: Estimate) -> Estimate:
        """Replace some rows."""
        result = Estimate(self.value.copy(), *(a.copy() for a in self.sizes()))
        result.value[chosen] = other.value
        for mine, theirs in zip(result.sizes(), other.sizes(), strict=True):
            mine[chosen] = theirs
        return result

    def or_finer(self, finer: Estimate) -> Estimate:
        """Combine with an estimate from finer steps, which is right where they disagree."""
        agree = np.abs(self.value - finer.value) <= self.error + finer.error
        still = (finer.seen == 0) & (self.seen > 0) & (self.error < np.inf)  # perhaps below a grain
        unknown = ~(finer.error < np.inf)
        both = self.where((agree & (self.error <= finer.error)) | unknown | still, finer)
        seen = np.maximum(self.seen, finer.seen)
        return Estimate(both.value, both.error, both.spread, seen, both.stairs)

    def or_else(self, other: Estimate) -> Estimate:
        """Take the other estimate where nothing is known."""
        return self.where(self.error < np.inf, other)

    def telling(self, natural: Array | float) -> Array:
        """Where the error says something: it is small against the value, or what is natural for it.

        A value of 0, as of x² at 0, is as sure as its error is small against the slope that was
        seen. Elsewhere that slope says nothing: that of exp at -700 is 1e12 times steeper.
        """
        known = np.where(self.error < np.inf, np.abs(self.value) + self.spread, 0.0)
        small = 4 * self.error <= TELLING * np.maximum(known, natural)
        zero = (np.abs(self.value) <= 4 * self.error) & (4 * self.error <= _ZERO * self.seen)
        return np.asarray(small | zero)

    def sizes(self) -> tuple[Array, Array, Array, Array]:
        """Give what is beside the value: error, spread and what was seen."""
        return self.error, self.spread, self.seen, self.stairs

    def where(self, keep: Array, other: Estimate) -> Estimate:
        """Take the other estimate but where `keep` is set."""
        pairs = zip(self.sizes(), other.sizes(), strict=True)
        value = np.where(keep, self.value, other.value)
        return Estimate(value, *(np.where(keep, a, b) for a, b in pairs))


def estimate(
    rise: Array, fall: Array, steps: Array, noise: Array, *, close: bool = False
) -> Estimate:
    """Turn the changes on both sides into one estimate.

    Parameters
    ----------
    rise, fall
        f(x + h) - f(x) and f(x) - f(x - h), of shape (directions, steps, outputs).
    steps
        The steps h, from wide to fine.
    noise
        Of each output.
    close
        Whether even the widest step is so fine that what moves on one side only is no dead zone.
    """
    h = steps[:, None]
    grain = _grain(rise, fall, noise, close)
    stairs = grain > 0
    up, down, noise = rise / h, fall / h, np.maximum(noise, grain[:, None]) / h
    central = _extrapolate((up + down) / 2, noise, steps**2)
    if not np.all(central.error < np.inf):  # at the edge of the domain only one side is finite
        for side in (up, down):
            central = central.or_else(_extrapolate(side, 2 * noise, steps))
    seen = np.fmax(np.abs(up[:, 0]), np.abs(down[:, 0]))
    seen = np.where(np.isfinite(seen), seen, 0.0)
    # A few stairs say nothing; and what is a staircase along one coordinate may look constant along
    # another.
    few = stairs & (np.fmin(np.abs(rise[:, 0]), np.abs(fall[:, 0])) < _STAIRS * grain)
    still = np.any(stairs, axis=0) & np.all((rise == 0) & (fall == 0), axis=1)
    steepest = np.max(np.where(stairs, seen, 0.0), axis=0, initial=0.0)
    error = np.where(few, seen, np.where(still, steepest, central.error))
    return Estimate(
        np.where(few, 0.0, central.value),
        error,
        _kinks(up, down, noise),
        seen,
        np.where(stairs, seen, 0.0),
    )


def _grain(rise: Array, fall: Array, noise: Array, close: bool) -> Array:
    """The height of the stairs where f moves on both sides at wide steps, and no more at fine ones.

    That grain is too coarse to be measured as noise. Nobody can tell a staircase, whose derivative
    is 0, from a slope that was rounded, as in a difference from 1 of numbers close to 1.
    """
    still = (rise[:, -1] == 0) & (fall[:, -1] == 0)  # or the point is at the edge of a stair:
    still |= (rise[:, -1] == rise[:, -2]) & (fall[:, -1] == fall[:, -2])
    if not still.any():
        return np.zeros(still.shape)
    change = np.fmax(np.abs(rise), np.abs(fall))
    least = np.min(np.where(change > 0, change, np.inf), axis=1)
    moves = np.any(change > 0 if close else rise * fall > 0, axis=1)
    stairs = still & moves & (least > 2 * noise)
    return np.where(stairs, least, 0.0)


def _extrapolate(slopes: Array, noise: Array, scales: Array) -> Estimate:
    """Richardson extrapolation along axis 1, keeping the entry with the least credible error.

    The first error term of `slopes` is in proportion to `scales`, the next one to their squares,
    and so on. `noise` is the part of the error of each slope that grows instead.
    """
    value, error = slopes.copy(), np.full(slopes.shape, np.inf)
    last = slopes
    for j in range(1, min(_COLUMNS, slopes.shape[1])):
        ratio = (scales[:-j] / scales[j:])[:, None]
        now = last[:, 1:] + (last[:, 1:] - last[:, :-1]) / (ratio - 1)
        guess = np.abs(now - last[:, :-1]) + noise[:, j:]
        better = guess < error[:, j:]
        value[:, j:] = np.where(better, now, value[:, j:])
        error[:, j:] = np.where(better, guess, error[:, j:])
        last = now
    # A wide step on sin(1e7 x) has a small error by its own account. It counts only if it agrees
    # with every finer step, within the error of both.
    value = np.where(error < np.inf, value, 0.0)
    lowest_top = np.minimum.accumulate((value + error)[:, ::-1], axis=1)[:, ::-1]
    highest_bottom = np.maximum.accumulate((value - error)[:, ::-1], axis=1)[:, ::-1]
    credible = (value - error <= lowest_top) & (value + error >= highest_bottom)
    best = np.argmin(np.where(credible, error, np.inf), axis=1)[:, None]
    value = np.take_along_axis(value, best, axis=1)[:, 0]
    error = np.take_along_axis(error, best, axis=1)[:, 0]
    # Slopes that still move apart from step to step converge to nothing, as at a jump.
    change = np.abs(np.diff(slopes[:, -3:], axis=1))
    apart = (change[:, -1] > change[:, 0]) & (change[:, -1] > noise[:, -1])
    error = np.where(apart & (error > 0.01 * np.abs(value)), np.inf, error)
    rounding = 4 * np.finfo(slopes.dtype).eps * np.abs(value)
    zero = np.zeros_like(value)
    return Estimate(value, error + rounding, zero, zero, zero)


def _kinks(up: Array, down: Array, noise: Array) -> Array:
    """Half the jump of the slope at the point itself, 0 where there is none.

    The slopes on both sides of a smooth point come together in proportion to the step; at a kink
    they do not. Steps that see nothing but noise have no say.
    """
    jump = up - down
    seen = np.abs(jump) > 10 * noise
    last = seen.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)[:, None]
    finest = np.take_along_axis(jump, last, axis=1)[:, 0]
    before = np.take_along_axis(jump, np.maximum(last - 1, 0), axis=1)[:, 0]
    twice = np.take_along_axis(seen, np.maximum(last - 1, 0), axis=1)[:, 0] & (last[:, 0] > 0)
    kink = twice & (np.abs(finest) > np.abs(before) / 2) & (finest * before > 0)
    kink &= np.abs(finest) < _STEEPER * np.abs(before)  # at a jump it is 4 times as much
    return np.where(kink, np.abs(finest) / 2, 0.0)
