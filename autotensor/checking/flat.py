"""A function of arrays, seen as one from real vectors to real vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autotensor.checking.layout import Array, Layout

__all__ = ["Flat", "power_of_two"]


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
        out = self.f(*self.layout.unpack(np.asarray(vector, self.dtype)))
        parts = [np.asarray(o) for o in (out if isinstance(out, tuple) else (out,))]
        if self.evaluations == 1:
            self.outputs = Layout(parts)
        if len(parts) > 1:
            return np.concatenate([_real_view(part) for part in parts])
        return _real_view(parts[0])

    def scales(self) -> tuple[Array, Array]:
        """Two units of a step for each coordinate: its own |x|, and the largest |x| of its input.

        Both are powers of two, so that steps are exact. An entry that is 0 counts as the median of
        the others, but as 1 at most: nothing says that f is straight so far out.
        """
        own = self.layout.magnitudes(self.x)
        typical, largest = np.ones_like(own), np.ones_like(own)
        for span in self.layout.spans:
            usable = own[span][np.isfinite(own[span]) & (own[span] > 0)]
            if usable.size:
                typical[span] = min(np.median(usable), 1.0)
                largest[span] = np.max(usable)
        own = np.where(np.isfinite(own) & (own > 0), own, typical)
        return power_of_two(own), power_of_two(largest)


def _real_view(a: Array) -> Array:
    """Flatten an array to a real vector; a complex entry becomes two."""
    flat = a.ravel()
    if flat.dtype.kind == "c":
        return flat.view(flat.real.dtype)
    return flat if flat.dtype.kind == "f" else flat.astype(float)


def power_of_two(a: Array) -> Array:
    """Round down to a power of two, so that x + h loses no digits."""
    return np.asarray(np.ldexp(np.ones_like(a), np.frexp(a)[1] - 1))
