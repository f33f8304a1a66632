"""The numerical reference: derivatives by differences alone, each with an error bar to rely on.

Pure NumPy; nothing here knows what a Tensor is. Every function is seen as a map from real vectors
to real vectors (`Flat`): complex entries count twice, as real and imaginary part.

The derivative along one direction comes from a ladder of central differences. No step is right for
every function, so none is assumed: the steps shrink from a sixteenth of |x| to where rounding takes
over, Richardson extrapolation is tried at each, and the result is the entry with the least error
among those that no finer step contradicts. Rounding noise is measured, not guessed.

- `directional` is the light entry point: one direction, in 21 evaluations, or up to 41.
- `jacobian` gives every entry, or some columns, at 12 evaluations for each real coordinate where
  the function is as smooth as most, else 24.

The steps of the method after the ladder is there are in `autotensor.checking.ladder`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autotensor.checking.flat import Flat, power_of_two
from autotensor.checking.ladder import TELLING, Estimate, estimate
from autotensor.checking.layout import Array
from autotensor.checking.noise import coarse_noise, fine_noise, random_direction

__all__ = ["Estimate", "Flat", "Reference", "directional", "jacobian", "random_direction"]

_SIGMAS = 3.0  # a difference quotient is trusted to three standard deviations of f, over h
_CLOSER = 2.0**-20  # a second ladder begins here, where the first leaves the domain
_ROUNDING = 1e-11  # as TELLING, where only other outputs tell what is natural
_PRECISE = 1e-9  # with an error below this part of what is natural no more steps are needed
_COUNT_LEAST = 4  # steps of a ladder
_IRREGULAR = 0.7028364  # about so many times the usual steps are irregular ones
_SPARE = 4  # digits that directions are drawn with


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
    held
        Mask of coordinates that are not to be moved, such as those at a kink.
    units
        16 times the widest step of each coordinate, or NaN where it is to depend on |x|.
    widest
        The widest step relative to a coordinate.
    linear
        The function is linear in the coordinates from this one on, which hence show no noise.
    """

    @np.errstate(all="ignore")
    def __init__(
        self,
        flat: Flat,
        seed: int = 0,
        held: Array | None = None,
        *,
        units: Array | None = None,
        widest: float = 1 / 16,
        linear: int | None = None,
    ) -> None:
        self.flat = flat
        self.seed = seed
        self.x = flat.x
        self.y = flat(self.x)
        self.magnitudes = flat.layout.magnitudes(self.x)
        self.scale, self.largest = flat.scales()
        if units is not None:
            given = np.isfinite(units)
            for scale in (self.scale, self.largest):
                scale[given] = power_of_two(units[given])
        self.unheld = self.scale.copy()
        if held is not None:
            self.scale[held] = 0.0
        bits = np.finfo(flat.dtype).nmant // 2
        top = int(np.floor(np.log2(widest)))
        count = max(_COUNT_LEAST, (bits + top) // 2 + 1)
        self.steps = np.ldexp(1.0, top - 2 * np.arange(count))
        self.linear = linear
        self.factor = 1.0
        self.sceptical = False
        self.noise = fine_noise(self, seed)

    def along(
        self, directions: Array, project: Array | None = None, *, thorough: bool = True
    ) -> Estimate:
        """Differentiate along each direction, a row of `directions`.

        Parameters
        ----------
        directions
            Vectors as long as `x`; the widest step is x ± direction/16.
        project
            (p, m) matrix of cotangents: differentiate p combinations of the m outputs instead.
        thorough
            Whether to try finer steps where these say little.

        Returns
        -------
        Estimate
            Of shape (number of directions, m or p).
        """
        directions = directions * self.factor
        result = self._sweep(len(directions), directions.__getitem__, project)
        vague = np.flatnonzero(~np.all(result.telling(0.0), axis=1) | self.sceptical)
        if vague.size and (thorough or self.sceptical):
            closer = directions[vague] * _CLOSER
            finer = self._sweep(len(closer), closer.__getitem__, project, True).times(1 / _CLOSER)
            result = result.with_rows(vague, result.rows(vague).or_finer(finer))
        return result.times(1 / self.factor)

    @np.errstate(all="ignore")
    def _sweep(
        self,
        count: int,
        direction: Callable[[int], Array],
        project: Array | None,
        close: bool = False,
    ) -> Estimate:
        """Differentiate along `count` directions, with all steps only where a few say little."""
        steps = self.steps
        few = np.unique([*range(min(4, len(steps))), (4 + len(steps)) // 2, len(steps) - 1])
        few = few[few < len(steps)]
        rest = np.setdiff1d(np.arange(len(steps)), few)
        noise = self._projected_noise(project)
        rise, fall = self._changes(range(count), direction, steps[few], project)
        result = estimate(rise, fall, steps[few], noise, close=close)
        size = np.abs(result.value)
        # Where nothing moves, what the other directions do to the same output is natural for it.
        size = np.where(size > 0, size, np.max(np.maximum(size, result.seen), axis=0, initial=0.0))
        good = (result.error <= _PRECISE * size) & (result.spread == 0)
        vague = np.flatnonzero(~np.all(good, axis=1))
        if rest.size and vague.size:
            order = np.argsort(np.concatenate([few, rest]))
            more = self._changes(vague, direction, steps[rest], project)
            both = [
                np.concatenate([quick[vague], slow], axis=1)[:, order]
                for quick, slow in zip((rise, fall), more, strict=True)
            ]
            fuller = estimate(both[0], both[1], steps, noise, close=close)
            result = result.with_rows(vague, fuller)
        return result

    def _changes(
        self,
        rows: Iterable[int],
        direction: Callable[[int], Array],
        steps: Array,
        project: Array | None,
    ) -> tuple[Array, Array]:
        """What f rises by ahead and behind, (rows, steps, outputs); steps may leave the domain."""
        rise, fall, count = [], [], 0
        for i in rows:
            count += 1
            along = direction(i)
            for step in steps:
                move = along * step
                up, down = self.moved(move) - self.y, self.y - self.moved(-move)
                rise.append(up if project is None else project @ up)
                fall.append(down if project is None else project @ down)
        shape = (count, len(steps), len(self.y) if project is None else len(project))
        return np.reshape(rise, shape), np.reshape(fall, shape)

    def _projected_noise(self, project: Array | None) -> Array:
        if project is None:
            return _SIGMAS * self.noise
        terms = np.abs(project) * self.noise
        peak = np.max(terms, axis=1, initial=0.0)
        parts = terms / np.where(peak > 0, peak, 1.0)[:, None]
        return np.asarray(_SIGMAS * peak * np.sqrt(np.sum(parts**2, axis=1)))

    def jacobian(self, columns: Array | None = None, project: Array | None = None) -> Estimate:
        """Differentiate with respect to each coordinate of x, or those in `columns`.

        Returns
        -------
        Estimate
            Of shape (columns, m or p): row i holds the derivatives with respect to coordinate i.
        """
        chosen = np.arange(self.x.size) if columns is None else columns
        result = self._columns(chosen, self.scale, project)
        # An entry far smaller than its neighbours drowns in their rounding, and one at the edge of
        # the domain needs steps below the ladder: try both where the first attempt says little.
        vague = ~np.all(self.telling(result, chosen, project), axis=1)
        for unit in (self.largest, self.scale * _CLOSER):
            close = unit is not self.largest
            tried = vague | (close and self.sceptical)
            rows = np.flatnonzero(tried & (unit[chosen] != self.scale[chosen]))
            if rows.size:
                other = self._columns(chosen[rows], unit, project, close)
                old = result.rows(rows)
                wide, fine = (old, other) if close else (other, old)
                result = result.with_rows(rows, wide.or_finer(fine))
        return result

    def telling(self, estimate: Estimate, columns: Array, project: Array | None = None) -> Array:
        """Where the error bars of a Jacobian are small enough to say something.

        Small is meant against what is natural for an entry: the entry itself, the derivatives of
        the same output along the other coordinates of the same input, or |y| / max |x|. Where all
        of these vanish, rounding beside the derivatives of the other outputs is small too.
        """
        size = np.abs(self.y)
        if project is not None:
            size = np.max(np.abs(project) * size, axis=1, initial=0.0)
        natural = np.where(estimate.error < np.inf, np.abs(estimate.value) + estimate.spread, 0.0)
        for span in self.flat.layout.spans:
            rows = (columns >= span.start) & (columns < span.stop)
            if rows.any():
                peers = np.max(natural[rows], axis=0)
                unit = np.max(self.magnitudes[span]) or 1.0
                natural[rows] = np.maximum(peers, size / unit)
                floor = _ROUNDING / TELLING * np.max(natural[rows], initial=0.0)
                natural[rows] = np.maximum(natural[rows], floor)
        return estimate.telling(natural)

    def moved(self, move: Array) -> Array:
        """The value beside the point; NaN where f refuses to go, or gives other shapes."""
        try:
            value = self.flat(self.x + move)
        except Exception:  # whatever a function raises to refuse
            return np.full(self.y.shape, np.nan)
        return value if value.shape == self.y.shape else np.full(self.y.shape, np.nan)

    def coarse_noise(self) -> Array:
        """The noise of a part of f that is in lower precision, while the rest moves smoothly."""
        return coarse_noise(self, self.unheld, self.seed)

    def _columns(
        self, columns: Array, unit: Array, project: Array | None, close: bool = False
    ) -> Estimate:
        def axis(i: int) -> Array:
            direction = np.zeros_like(self.x)
            direction[columns[i]] = unit[columns[i]] * self.factor
            return direction

        taken = unit[columns, None] * self.factor
        return self._sweep(len(columns), axis, project, close).times(1.0 / taken)

    def irregular(self, unit: Array | None = None, *, grainy: bool = False) -> Reference:
        """Give the same with steps that are no powers of two, though still exact.

        What repeats itself after a power of two looks straight otherwise. Finer steps are tried in
        any case.

        Parameters
        ----------
        unit
            Other units for the coordinates than their own.
        grainy
            Whether to look for noise of lower precision than that of f.
        """
        other = copy.copy(self)
        other.sceptical = True
        if unit is not None:
            other.scale = unit
            other.noise = fine_noise(other, self.seed)
        if grainy:
            other.noise = np.maximum(self.noise, self.coarse_noise())
        digits = np.finfo(self.flat.dtype).nmant + int(np.log2(self.steps[-1])) - _SPARE
        other.factor = np.ldexp(float(2 * round(_IRREGULAR * 2.0**digits / 2) + 1), -digits)
        return other

    def extended(self) -> Reference | None:
        """Give the same in extended precision; None where f, or the machine, has none."""
        if self.flat.dtype != np.float64 or np.finfo(np.longdouble).nmant <= 52:
            return None
        arrays = self.flat.layout.unpack(self.x.astype(np.longdouble))
        try:
            finer = Reference(
                Flat(self.flat.f, arrays),
                self.seed,
                self.scale == 0,
                units=self.unheld,
                widest=float(self.steps[0]),
                linear=self.linear,
            )
        except Exception:  # f need not accept such numbers
            return None
        return finer if finer.y.dtype == np.longdouble else None


def directional(
    f: Callable[..., Any],
    x: Array | tuple[Array, ...],
    v: Array | tuple[Array, ...],
    *,
    seed: int = 0,
) -> Estimate:
    """Differentiate a function of arrays along one direction, in 21 to 65 evaluations.

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
    >>> bool(np.all(slope.error < 1e-10))
    True
    """
    points, directions = (p if isinstance(p, tuple) else (p,) for p in (x, v))
    out = np.asarray(f(*points))
    flat = Flat(f, points)
    reference = Reference(flat, seed)
    direction = flat.layout.pack(directions, flat.dtype)
    moved = np.abs(direction) > 0
    ratios = reference.scale[moved] / np.abs(direction[moved])
    unit = power_of_two(np.asarray(np.median(ratios) if ratios.size else 1.0))
    found = reference.along((direction * unit)[None]).times(1 / unit)
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
    value, *sizes = (a[0] for a in (estimate.value, *estimate.sizes()))
    if is_complex:
        value = value.view(np.result_type(value.dtype, np.complex64))
        sizes = [np.hypot(a[::2], a[1::2]) for a in sizes]
    return Estimate(value.reshape(shape), *(a.reshape(shape) for a in sizes))
