"""Sets that the inputs must stay in: perturbations then move along the set, and only these count.

A `Chart` gives a set coordinates near a point, 0 being the point; `Charted` is a problem seen as a
function of such coordinates. The names of the sets:

================  ==============================================================================
``"positive"``    entries above 0
``"unit"``        entries between -1 and 1, without these; those between 0 and 1 stay there
``"spd"``         symmetric (or Hermitian) positive definite matrices, in the last two axes
``"simplex"``     entries above 0 that add up to 1 along the last axis; an entry that is 0 stays
``"orthogonal"``  matrices with orthonormal columns (or, if wide, rows; or unitary ones)
a callable        maps an array beside the set back to the set, and arrays in the set to themselves
================  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autotensor.checking.layout import Array, Layout
from autotensor.checking.numerical import jacobian
from autotensor.checking.problem import Problem

__all__ = ["NAMES", "Chart", "Charted", "chart"]

_MOST = 48  # coordinates along which a set given by a callable is followed


@dataclass(frozen=True, slots=True)
class Chart:
    """Coordinates of a set near a point, as one real vector.

    Attributes
    ----------
    start
        The coordinates of the point.
    units
        How far each can be moved: the widest step is a sixteenth of it.
    point
        Maps coordinates to an array of the set.
    pull
        Maps a gradient by the array to that by the coordinates.
    label
        Says what moving along one of them means, as ``[0, 1] and [1, 0]``.
    flat
        Whether the set is a part of a linear space.
    """

    start: Array
    units: Array
    point: Callable[[Array], Array]
    pull: Callable[[Array], Array]
    label: Callable[[int], str]
    flat: bool = True


def chart(domain: str | Callable[[Array], Any], x: Array, name: str) -> Chart:
    """Give a domain coordinates near `x`.

    Raises
    ------
    ValueError
        If `x` is not in it, or there is no domain of that name.
    """
    if callable(domain):
        return _projected(domain, x, name)
    if domain not in NAMES:
        known = ", ".join(repr(n) for n in NAMES)
        raise ValueError(f"there is no domain {domain!r}; give one of {known}, or a callable")
    return NAMES[domain](x, name)


class Charted:
    """A problem as a function of coordinates of the domains of its inputs; see `Problem`."""

    def __init__(self, problem: Problem, domains: Sequence[Any]) -> None:
        self.problem = problem
        names = problem.inputs.names
        self.charts = [
            None if d is None else chart(d, a, name)
            for d, a, name in zip(domains, problem.arrays, names, strict=True)
        ]
        self.arrays = [
            a if c is None else c.start for c, a in zip(self.charts, problem.arrays, strict=True)
        ]
        self.inputs = _Coordinates(self.arrays, names, self.charts)
        self.units = self.inputs.pack(
            [
                np.full(a.shape, np.nan) if c is None else c.units
                for c, a in zip(self.charts, self.arrays, strict=True)
            ]
        )

    def evaluate(self, *coordinates: Array) -> tuple[Array, ...]:
        """Run the function at the point of some coordinates."""
        return self.problem.evaluate(*self.points(coordinates))

    def points(self, coordinates: Sequence[Array]) -> list[Array]:
        """Give the inputs that have these coordinates."""
        return [
            a if c is None else c.point(a) for c, a in zip(self.charts, coordinates, strict=True)
        ]

    def restrict(self, gradient: Array) -> Array:
        """Turn a gradient by the inputs into one by their coordinates."""
        parts = self.problem.inputs.unpack(gradient)
        return self.inputs.pack(
            [a if c is None else c.pull(a) for c, a in zip(self.charts, parts, strict=True)]
        )


class _Coordinates(Layout):
    """The layout of coordinates, some of which move several entries of an input at once."""

    def __init__(
        self, arrays: Sequence[Array], names: Sequence[str], charts: Sequence[Chart | None]
    ) -> None:
        super().__init__(arrays, names)
        self._charts = charts

    def label(self, coordinate: int) -> str:
        which = int(np.searchsorted(self.offsets, coordinate, side="right")) - 1
        own = self._charts[which]
        if own is None:
            return super().label(coordinate)
        return f"{self.names[which]}{own.label(coordinate - int(self.offsets[which]))}"


def _open(x: Array, name: str, set_name: str, distance: Array) -> Chart:
    """A set that is open in the space of all arrays: coordinates are the entries themselves."""
    if x.dtype.kind == "c":
        raise ValueError(f"{name} is complex and cannot be in the domain {set_name!r}")
    bad = np.argwhere(~(distance > 0))
    if bad.size:
        at = tuple(bad[0].tolist())
        raise ValueError(f"{name}{list(at)} = {x[at]} is not in the domain {set_name!r}")
    wide = np.result_type(x, np.float64)

    def point(entries: Array) -> Array:
        return entries.reshape(x.shape)

    return Chart(
        x.ravel().astype(wide), distance.ravel(), point, np.ravel, lambda j: _index(x.shape, j)
    )


def _positive(x: Array, name: str) -> Chart:
    return _open(x, name, "positive", np.asarray(x))


def _unit(x: Array, name: str) -> Chart:
    size = np.abs(x)
    return _open(x, name, "unit", np.where(size > 0, np.minimum(size, 1 - size), 1.0))


def _spd(x: Array, name: str) -> Chart:
    n = _square(x, name, "spd")
    adjoint = np.conj(np.swapaxes(x, -1, -2))
    values = np.linalg.eigvalsh(_wide(x))
    size = np.max(np.abs(values), initial=0.0)
    if np.max(np.abs(x - adjoint), initial=0.0) > 1e3 * np.finfo(x.dtype).eps * size:
        raise ValueError(f"{name} is not symmetric, as the domain 'spd' demands")
    if not np.all(values > 0):
        raise ValueError(f"{name} is not positive definite: it has the eigenvalue {values.min()}")
    i, j, factors = _pairs(n, x.dtype.kind == "c", diagonal=1.0)

    def point(c: Array) -> Array:
        return _wide(x) + _matrices(c, x.shape, i, j, factors, 1)

    def pull(a: Array) -> Array:
        twice = a + np.conj(np.swapaxes(a, -1, -2))
        return _along(twice, i, j, factors, x.shape)

    # All coordinates at once still leave the least eigenvalue above 0.
    least = values[..., :1] / max(1.0, n / 4)
    units = np.broadcast_to(least, (*values.shape[:-1], len(i))).ravel()
    return Chart(np.zeros(units.size), units, point, pull, _pair_label(x.shape, i, j))


def _orthogonal(x: Array, name: str) -> Chart:
    if x.ndim < 2:
        raise ValueError(f"{name} of shape {x.shape} is no matrix, as 'orthogonal' demands")
    wide = _wide(x)
    adjoint = np.conj(np.swapaxes(wide, -1, -2))
    tall = x.shape[-2] >= x.shape[-1]
    gram = adjoint @ wide if tall else wide @ adjoint
    if np.max(np.abs(gram - np.eye(gram.shape[-1])), initial=0.0) > 1e3 * np.finfo(x.dtype).eps:
        raise ValueError(f"{name} is not orthogonal: the product with its transpose is no identity")
    n = max(x.shape[-2:])  # rotations of the longer side reach all of the set
    square = (*x.shape[:-2], n, n)
    i, j, factors = _pairs(n, x.dtype.kind == "c", diagonal=1j)
    one = np.eye(n)

    def point(c: Array) -> Array:
        skew = _matrices(c, square, i, j, factors, -1) / 2
        turn = np.linalg.solve(one - skew, one + skew)  # after Cayley
        return turn @ wide if tall else wide @ turn

    def pull(a: Array) -> Array:
        m = a @ adjoint if tall else adjoint @ a
        skew = m - np.conj(np.swapaxes(m, -1, -2))
        return _along(skew, i, j, factors, square)

    count = len(i) * int(np.prod(square[:-2], dtype=int))
    units = np.full(count, 1 / max(1.0, n / 8))
    return Chart(
        np.zeros(count), units, point, pull, _pair_label(square, i, j, "turned in "), False
    )


def _simplex(x: Array, name: str) -> Chart:
    if x.dtype.kind == "c" or x.ndim < 1:
        raise ValueError(f"{name} must be a real array with an axis for the domain 'simplex'")
    eps = np.finfo(x.dtype).eps
    if not np.all(x >= 0) or np.any(np.abs(np.sum(_wide(x), axis=-1) - 1) > 1e2 * eps):
        raise ValueError(f"{name} is not in the domain 'simplex': its rows must add up to 1")
    rows = _wide(x).reshape(-1, x.shape[-1])
    top = np.argmax(rows, axis=1)
    free = rows > 0
    free[np.arange(len(rows)), top] = False
    r, i = np.nonzero(free)
    most = rows[r, top[r]] * 8 / max(8, x.shape[-1])

    def point(c: Array) -> Array:
        moved = rows.astype(np.result_type(rows, c))
        np.add.at(moved, (r, i), c)
        np.subtract.at(moved, (r, top[r]), c)
        return moved.reshape(x.shape)

    def pull(a: Array) -> Array:
        a = a.reshape(rows.shape)
        return np.asarray(a[r, i] - a[r, top[r]])

    def label(k: int) -> str:
        ups, downs = (int(r[k]) * rows.shape[1] + int(t) for t in (i[k], top[r[k]]))
        return f"{_index(x.shape, ups)} against {_index(x.shape, downs)}"

    return Chart(np.zeros(len(r)), np.minimum(rows[r, i], most), point, pull, label)


def _projected(project: Callable[[Array], Any], x: Array, name: str) -> Chart:
    """The set that a callable maps to, along some entries of x."""
    start = _wide(x)
    layout = Layout([start])
    base = layout.pack([start])
    onto = np.asarray(project(start.copy()))
    tolerance = 1e3 * np.finfo(x.dtype).eps * np.max(np.abs(start), initial=0.0)
    if onto.shape != x.shape or not np.max(np.abs(onto - start), initial=0.0) <= tolerance:
        raise ValueError(f"the callable domain of {name} moves {name}: give an input that is in it")
    rng = np.random.default_rng(layout.size)
    moved = np.sort(rng.permutation(layout.size)[:_MOST])

    def point(c: Array) -> Array:
        vector = base.astype(np.result_type(base, c))
        vector[moved] += c
        return np.asarray(project(layout.unpack(vector)[0]))

    sizes = layout.magnitudes(base)
    usable = sizes[sizes > 0]
    units = np.where(sizes > 0, sizes, np.median(usable) if usable.size else 1.0)[moved]
    tangents = jacobian(lambda c: point(c * units), np.zeros(len(moved))).value / units[:, None]

    def pull(a: Array) -> Array:
        return np.asarray(tangents @ layout.pack([a]))

    return Chart(
        np.zeros(len(moved)),
        units,
        point,
        pull,
        lambda j: f"{layout.label(int(moved[j]))[1:]}, projected",
        False,
    )


NAMES: dict[str, Callable[[Array, str], Chart]] = {
    "positive": _positive,
    "unit": _unit,
    "spd": _spd,
    "simplex": _simplex,
    "orthogonal": _orthogonal,
}


def _pairs(n: int, is_complex: bool, *, diagonal: complex) -> tuple[Array, Array, Array]:
    """Rows, columns and factors of the matrices that span the (skew-)Hermitian ones."""
    below = np.tril_indices(n, -1)
    on = np.arange(n)
    parts: list[tuple[Any, complex]] = [(below, 1.0)]
    if diagonal == 1.0 or is_complex:
        parts.append(((on, on), diagonal))
    if is_complex:
        parts.append((below, 1j))
    i = np.concatenate([p[0][0] for p in parts])
    j = np.concatenate([p[0][1] for p in parts])
    factors = np.concatenate([np.full(len(p[0][0]), p[1]) for p in parts])
    return i, j, factors if is_complex else factors.real


def _matrices(
    c: Array, shape: tuple[int, ...], i: Array, j: Array, factors: Array, sign: int
) -> Array:
    """Combine them: factor at [i, j], and its conjugate, or minus that, at [j, i]."""
    terms = c.reshape(-1, len(i)) * factors
    result = np.zeros((len(terms), *shape[-2:]), np.result_type(terms, np.float64))
    rows = np.arange(len(terms))[:, None]
    np.add.at(result, (rows, i, j), terms)
    np.add.at(result, (rows, j, i), np.where(i == j, 0, sign * np.conj(terms)))
    return result.reshape(shape)


def _along(m: Array, i: Array, j: Array, factors: Array, shape: tuple[int, ...]) -> Array:
    """The slope along each of them, given the gradient plus or minus its adjoint."""
    slopes = (np.conj(m[..., i, j]) * factors).real
    return np.asarray(np.where(i == j, slopes / 2, slopes)).ravel()


def _pair_label(
    shape: tuple[int, ...], i: Array, j: Array, words: str = ""
) -> Callable[[int], str]:
    def label(k: int) -> str:
        batch, pair = divmod(k, len(i))
        index = [str(int(b)) for b in np.unravel_index(batch, shape[:-2])] if shape[:-2] else []
        a, b = str(int(i[pair])), str(int(j[pair]))
        first = f"[{', '.join([*index, a, b])}]"
        if words:
            return f" {words}{first}"
        return first if a == b else f"{first} and [{', '.join([*index, b, a])}]"

    return label


def _square(x: Array, name: str, set_name: str) -> int:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name} of shape {x.shape} is no square matrix, as {set_name!r} demands")
    return int(x.shape[-1])


def _index(shape: tuple[int, ...], entry: int) -> str:
    index = np.unravel_index(entry, shape) if shape else ()
    return f"[{', '.join(str(int(k)) for k in index)}]" if index else ""


def _wide(x: Array) -> Array:
    """At least double precision."""
    return x.astype(np.result_type(x, np.float64))
