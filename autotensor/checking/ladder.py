"""From slopes over a ladder of steps to one derivative with an error bar.

The method is that of C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances
in Engineering Software 4 (1982), with measured noise, and with the finer steps as a check on the
wider ones.
"""

from dataclasses import dataclass

import numpy as np

from autotensor.checking.layout import Array

__all__ = ["Estimate", "estimate"]

_COLUMNS = 5  # extrapolation cancels the error terms h², h⁴ … h⁸; beyond that, rounding wins


@dataclass(frozen=True, slots=True)
class Estimate:
    """A derivative and how far to trust it; all three arrays have the same shape.

    Attributes
    ----------
    value
        The derivative; at a kink, the mean of the slopes on both sides.
    error
        Estimated error of `value`; infinite where nothing is known.
    spread
        Half the difference of the one-sided slopes at a kink, 0 where the function is smooth.
        Whatever lies within it around `value` is a fair derivative there.
    """

    value: Array
    error: Array
    spread: Array

    @np.errstate(all="ignore")
    def times(self, factor: Array | float) -> "Estimate":
        """Scale derivative, error and spread."""
        size = np.abs(factor)
        return Estimate(self.value * factor, self.error * size, self.spread * size)

    def rows(self, chosen: Array) -> "Estimate":
        """Take some rows."""
        return Estimate(self.value[chosen], self.error[chosen], self.spread[chosen])

    def with_rows(self, chosen: Array, other: "Estimate") -> "Estimate":
        """Replace some rows."""
        result = Estimate(self.value.copy(), self.error.copy(), self.spread.copy())
        result.value[chosen], result.error[chosen] = other.value, other.error
        result.spread[chosen] = other.spread
        return result

    def or_finer(self, finer: "Estimate") -> "Estimate":
        """Combine with an estimate from finer steps, which is right where they disagree."""
        agree = np.abs(self.value - finer.value) <= self.error + finer.error
        return self._where((agree & (self.error <= finer.error)) | ~(finer.error < np.inf), finer)

    def or_else(self, other: "Estimate") -> "Estimate":
        """Take the other estimate where nothing is known."""
        return self._where(self.error < np.inf, other)

    def _where(self, keep: Array, other: "Estimate") -> "Estimate":
        return Estimate(
            np.where(keep, self.value, other.value),
            np.where(keep, self.error, other.error),
            np.where(keep, self.spread, other.spread),
        )


def estimate(up: Array, down: Array, noise: Array) -> Estimate:
    """Turn the slopes on both sides, (directions, steps, outputs), into one estimate."""
    central = _extrapolate((up + down) / 2, noise, ratio=4.0**2)
    if not np.all(central.error < np.inf):  # at the edge of the domain only one side is finite
        for side in (up, down):
            central = central.or_else(_extrapolate(side, 2 * noise, ratio=4.0))
    return Estimate(central.value, central.error, _kinks(up, down, noise))


def _extrapolate(slopes: Array, noise: Array, ratio: float) -> Estimate:
    """Richardson extrapolation along axis 1, keeping the entry with the least credible error.

    The error term of `slopes` falls by `ratio` from one step to the next, the one after it by
    `ratio` squared, and so on. `noise` is the part of the error of each slope that grows instead.
    """
    value, error = slopes.copy(), np.full(slopes.shape, np.inf)
    last = slopes
    for j in range(1, min(_COLUMNS, slopes.shape[1])):
        now = last[:, 1:] + (last[:, 1:] - last[:, :-1]) / (ratio**j - 1)
        guess = np.abs(now - last[:, :-1]) + noise[j:]
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
    apart = (change[:, -1] > change[:, 0]) & (change[:, -1] > noise[-1])
    error = np.where(apart & (error > 0.01 * np.abs(value)), np.inf, error)
    rounding = 4 * np.finfo(slopes.dtype).eps * np.abs(value)
    return Estimate(value, error + rounding, np.zeros_like(value))


def _kinks(up: Array, down: Array, noise: Array) -> Array:
    """Half the jump of the slope at the point itself, 0 where there is none.

    The slopes on both sides of a smooth point come together by the factor 4 from step to step; at
    a kink they do not. Steps that see nothing but noise have no say.
    """
    jump = up - down
    seen = np.abs(jump) > 10 * noise
    last = seen.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)[:, None]
    finest = np.take_along_axis(jump, last, axis=1)[:, 0]
    before = np.take_along_axis(jump, np.maximum(last - 1, 0), axis=1)[:, 0]
    twice = np.take_along_axis(seen, np.maximum(last - 1, 0), axis=1)[:, 0] & (last[:, 0] > 0)
    kink = twice & (np.abs(finest) > np.abs(before) / 2) & (finest * before > 0)
    return np.where(kink, np.abs(finest) / 2, 0.0)
