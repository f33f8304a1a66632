"""The numerical reference: derivatives by differences alone, each with an error bar to rely on.

Pure NumPy; nothing here knows what a Tensor is. Every function is seen as a map from real vectors
to real vectors (`Flat`): complex entries count twice, as real and imaginary part.

The derivative along one direction comes from a ladder of central differences. No step is right for
every function, so none is assumed: the steps shrink from a sixteenth of |x| to where rounding takes
over, Richardson extrapolation is tried at each, and the result is the entry with the least error
among those that no finer step contradicts. Rounding noise is measured, not guessed.

- `directional` is the light entry point: one direction, about 35 evaluations.
- `jacobian` gives every entry, or some columns, at 24 evaluations for each real coordinate.

The method is that of C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances
in Engineering Software 4 (1982); the noise estimate is that of J. J. Moré and S. M. Wild,
"Estimating computational noise", SIAM J. Sci. Comput. 33 (2011).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autotensor.checking.layout import Array, Layout

__all__ = ["Estimate", "Flat", "Reference", "directional", "jacobian", "random_direction"]

_COLUMNS = 5  # extrapolation cancels the error terms h², h⁴ … h⁸; beyond that, rounding wins
_SIGMAS = 3.0  # a difference quotient is trusted to three standard deviations of f, over h
_TELLING = 1e-3  # an error below this part of what is natural there says something


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
        """Combine with an estimate from finer steps, which has the last word where they disagree."""
        agree = np.abs(self.value - finer.value) <= self.error + finer.error
        keep = (agree & (self.error <= finer.error)) | ~(finer.error < np.inf)
        return Estimate(
            np.where(keep, self.value, finer.value),
            np.where(keep, self.error, finer.error),
            np.where(keep, self.spread, finer.spread),
        )


class Flat:
    """A function of arrays, seen as a function from real vectors to real vectors.

    Parameters
    ----------
    f
        Takes as many arrays as are given; returns an array or a tuple of arrays.
    arrays
        The point.
    dtype
        The real dtype to work in. float64 unless an input is wider: a float32 function that also
        accepts float64 is far better differentiated there.
    """

    def __init__(
        self, f: Callable[..., Any], arrays: Sequence[Array], dtype: np.dtype[Any] | None = None
    ) -> None:
        self.f = f
        self.evaluations = 0
        self.layout = Layout(arrays)
        self.dtype = dtype or np.result_type(np.float64, *(a.real.dtype for a in arrays))
        self.x = self.layout.pack(arrays, self.dtype)

    def __call__(self, vector: Array) -> Array:
        self.evaluations += 1
        out = self.f(*self.layout.unpack(vector))
        if isinstance(out, tuple):
            if len(out) > 1:
                return np.concatenate([_real_view(np.asarray(o)) for o in out])
            out = out[0]
        return _real_view(np.asarray(out))

    def scales(self) -> tuple[Array, Array]:
        """Two units of a step for each coordinate: its own |x|, and the largest |x| of its input.

        Both are powers of two, so that steps are exact. An entry that is 0 counts as the median of
        the others, or as 1 if all are 0.
        """
        own = self.layout.magnitudes(self.x)
        typical, largest = np.ones_like(own), np.ones_like(own)
        for span in self.layout.spans:
            usable = own[span][np.isfinite(own[span]) & (own[span] > 0)]
            if usable.size:
                typical[span] = np.median(usable)
                largest[span] = np.max(usable)
        own = np.where(np.isfinite(own) & (own > 0), own, typical)
        return _power_of_two(own), _power_of_two(largest)


class Reference:
    """Derivatives of one function at one point, along any number of directions.

    What all directions share is computed once: the value `y` at the point and the `noise` of each
    output.

    Parameters
    ----------
    flat
        The function and the point.
    seed
        Chooses the directions along which noise is measured.
    """

    @np.errstate(all="ignore")
    def __init__(self, flat: Flat, seed: int = 0) -> None:
        self.flat = flat
        self.x = flat.x
        self.y = flat(self.x)
        self.magnitudes = flat.layout.magnitudes(self.x)
        self.scale, self.largest = flat.scales()
        bits = np.finfo(flat.dtype).nmant // 2
        self.steps = np.ldexp(1.0, -4 - 2 * np.arange(max(3, (bits - 4) // 2 + 1)))
        self.noise = self._measure_noise(np.random.default_rng(seed))

    @np.errstate(all="ignore")  # steps may leave the domain: that is found by looking
    def along(self, directions: Iterable[Array], project: Array | None = None) -> Estimate:
        """Differentiate along each direction.

        Parameters
        ----------
        directions
            Vectors as long as `x`; the widest step is x ± direction/16.
        project
            (p, m) matrix of cotangents: differentiate p combinations of the m outputs instead.

        Returns
        -------
        Estimate
            Of shape (number of directions, m or p).
        """
        rise, fall = [], []
        for direction in directions:
            for step in self.steps:
                move = direction * step
                up, down = self.flat(self.x + move) - self.y, self.y - self.flat(self.x - move)
                rise.append(up if project is None else project @ up)
                fall.append(down if project is None else project @ down)
        width = self.y.size if project is None else len(project)
        shape = (-1, len(self.steps), width)
        h = self.steps[:, None]
        up_slope, down_slope = (np.reshape(r, shape) / h for r in (rise, fall))
        noise = self.noise if project is None else np.sqrt(project**2 @ self.noise**2)
        return _estimate(up_slope, down_slope, _SIGMAS * noise / h)

    def jacobian(self, columns: Sequence[int] | None = None, project: Array | None = None) -> Estimate:
        """Differentiate with respect to each coordinate of x, or those in `columns`.

        Returns
        -------
        Estimate
            Of shape (columns, m or p): row i holds the derivatives with respect to coordinate i.
        """
        chosen = np.arange(self.x.size) if columns is None else np.asarray(columns, int)
        result = self._columns(chosen, self.scale, project)
        # An entry far smaller than its neighbours drowns in their rounding, and one at the edge of
        # the domain needs steps below the ladder: try both where the first attempt says little.
        vague = ~np.all(self.telling(result, chosen, project), axis=1)
        for unit in (self.largest, self.scale * 2.0**-20):
            rows = np.flatnonzero(vague & (unit[chosen] != self.scale[chosen]))
            if rows.size:
                other = self._columns(chosen[rows], unit, project)
                old = result.rows(rows)
                wide, fine = (other, old) if unit is self.largest else (old, other)
                result = result.with_rows(rows, wide.or_finer(fine))
        return result

    def telling(self, estimate: Estimate, columns: Array, project: Array | None = None) -> Array:
        """Where the error bars of a Jacobian are small enough to say something.

        Small is meant against what is natural for an entry: the entry itself, the derivatives of
        the same output along the other coordinates of the same input, or |y| / max |x|.
        """
        size = np.abs(self.y) if project is None else np.abs(project) @ np.abs(self.y)
        natural = np.abs(estimate.value) + estimate.spread
        natural = np.where(estimate.error < np.inf, natural, 0.0)
        for span in self.flat.layout.spans:
            rows = (columns >= span.start) & (columns < span.stop)
            if rows.any():
                peers = np.max(natural[rows], axis=0)
                unit = np.max(self.magnitudes[span]) or 1.0
                natural[rows] = np.maximum(peers, size / unit)
        return np.asarray(4 * estimate.error <= _TELLING * natural)

    def _columns(self, columns: Array, unit: Array, project: Array | None) -> Estimate:
        def axes() -> Iterable[Array]:
            for i in columns:
                direction = np.zeros_like(self.x)
                direction[i] = unit[i]
                yield direction

        return self.along(axes(), project).times(1.0 / unit[columns, None])

    @np.errstate(all="ignore")
    def _measure_noise(self, rng: np.random.Generator) -> Array:
        """Standard deviation of the rounding in each output.

        Over points this close together a function worth the name is a cubic, so what is left after
        fitting one is noise, of f and of x + h alike. Values that mostly coincide have a coarser
        grain (float32 inside, or a small term added to a large one); a wider spacing shows it.
        """
        out_eps = float(np.finfo(self.y.dtype).eps)
        eps = max(out_eps, float(np.finfo(self.flat.dtype).eps))
        noise = np.zeros(self.y.shape)
        coarse = np.ones(self.y.shape, bool)
        for spacing in (64 * eps, eps**0.4):
            direction = random_direction(self.scale, rng) * spacing
            rows = [self.flat(self.x + t * direction) - self.y for t in _POINTS]
            residual = _RESIDUAL @ np.stack(rows)
            level = np.sqrt(np.sum(residual**2, axis=0) / (len(_POINTS) - 4))
            noise = np.where(coarse & np.isfinite(level), level, noise)
            coarse &= np.sum(np.diff(rows, axis=0) == 0, axis=0) >= len(_POINTS) // 2
            if not coarse.any():
                break
        return np.maximum(noise, out_eps / 4 * np.abs(self.y))


# Irregular, so that values on a grid (rounded ones are) cannot fall on a line by chance.
_POINTS = np.array([-3.1, -2.3, -1.2, -0.7, 0.6, 1.7, 2.4, 3.3])
_CUBIC = np.vander(_POINTS, 4)
_RESIDUAL = np.eye(len(_POINTS)) - _CUBIC @ np.linalg.pinv(_CUBIC)

def _estimate(up: Array, down: Array, noise: Array) -> Estimate:
    """Turn the slopes on both sides, (directions, steps, outputs), into one estimate."""
    central = _extrapolate((up + down) / 2, noise, ratio=4.0**2)
    if not np.all(central.error < np.inf):  # at the edge of the domain only one side is finite
        for side in (up, down):
            other = _extrapolate(side, 2 * noise, ratio=4.0)
            central = central.or_finer(other)
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
    # Slopes that still move apart from step to step converge to nothing: a vertical tangent, a jump.
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


def _real_view(a: Array) -> Array:
    """Flatten an array to a real vector; a complex entry becomes two."""
    flat = a.ravel()
    if flat.dtype.kind == "c":
        return flat.view(flat.real.dtype)
    return flat if flat.dtype.kind == "f" else flat.astype(float)


def _power_of_two(a: Array) -> Array:
    """Round down to a power of two, so that x + h loses no digits."""
    return np.ldexp(np.ones_like(a), np.frexp(a)[1] - 1)


def random_direction(scale: Array, rng: np.random.Generator) -> Array:
    """Draw a direction of random signs whose entries are between half of `scale` and all of it.

    Parameters
    ----------
    scale
        Powers of two; the few digits drawn keep x + h · direction exact.
    """
    return scale * rng.choice([-1.0, 1.0], scale.shape) * rng.integers(4, 9, scale.shape) / 8


def directional(
    f: Callable[..., Any], x: Array | tuple[Array, ...], v: Array | tuple[Array, ...], *, seed: int = 0
) -> Estimate:
    """Differentiate a function of arrays along one direction, in 31 or 37 evaluations.

    Parameters
    ----------
    f
        Takes the arrays of `x` as arguments, in float64 or complex128 whatever their dtype; returns
        an array of any shape.
    x, v
        The point and the direction: arrays of the same shape, or tuples of them.
    seed
        Chooses the points where noise is measured.

    Returns
    -------
    Estimate
        Of d f(x + t v) / dt at t = 0, in the shape of f(x).

    Examples
    --------
    >>> import numpy as np
    >>> slope = directional(np.exp, np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    >>> bool(np.all(abs(slope.value - [1, 2 * np.e]) <= slope.error))
    True
    >>> bool(np.all(slope.error < 1e-12))
    True
    """
    points, directions = (p if isinstance(p, tuple) else (p,) for p in (x, v))
    out = np.asarray(f(*points))
    flat = Flat(f, points)
    reference = Reference(flat, seed)
    direction = flat.layout.pack(directions, flat.dtype)
    moved = np.abs(direction) > 0
    ratios = reference.scale[moved] / np.abs(direction[moved])
    # The entry that is quickest to move by its own size sets the pace, unless it is next to nothing.
    unit = max(ratios.min(), np.median(ratios) * 2.0**-20) if ratios.size else 1.0
    unit = _power_of_two(np.asarray(unit))
    found = reference.along([direction * unit]).times(1 / unit)
    return _shaped(found, out.shape, np.iscomplexobj(out))


def jacobian(f: Callable[..., Any], x: Array | tuple[Array, ...], *, seed: int = 0) -> Estimate:
    """Differentiate a function of arrays along each coordinate of its inputs.

    Parameters
    ----------
    f, x, seed
        As in `directional`.

    Returns
    -------
    Estimate
        Of shape (coordinates of the inputs, coordinates of the output), all real: a complex entry
        is two coordinates, real and imaginary part. Row i is the derivative along coordinate i.

    Examples
    --------
    >>> import numpy as np
    >>> jacobian(np.square, np.array([1.0, 3.0])).value.round(6)
    array([[2., 0.],
           [0., 6.]])
    """
    return Reference(Flat(f, x if isinstance(x, tuple) else (x,)), seed).jacobian()


def _shaped(estimate: Estimate, shape: tuple[int, ...], is_complex: bool) -> Estimate:
    """Give the only row of an estimate the shape of the output it belongs to."""
    value, error, spread = (a[0] for a in (estimate.value, estimate.error, estimate.spread))
    if is_complex:
        value = value.view(np.result_type(value.dtype, np.complex64))
        error, spread = (np.hypot(a[::2], a[1::2]) for a in (error, spread))
    return Estimate(value.reshape(shape), error.reshape(shape), spread.reshape(shape))
