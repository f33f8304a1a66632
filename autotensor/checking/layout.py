"""Arrays as one real vector and back: where each entry lies, how large it is, what to call it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Layout"]

Array = NDArray[Any]


class Layout:
    """Where the entries of some arrays lie in one real vector; a complex entry takes two places.

    With both parts as coordinates of their own, the dot product of two vectors is Re⟨conj(v), u⟩:
    the inner product in which cotangents are paired with tangents.

    Parameters
    ----------
    arrays
        Only their shapes, dtypes and number count.
    names
        What to call them, one each.

    Examples
    --------
    >>> import numpy as np
    >>> layout = Layout([np.zeros(2), np.zeros((1, 1), complex)], ["x", "z"])
    >>> layout.pack([np.array([1.0, 2.0]), np.array([[3 + 4j]])])
    array([1., 2., 3., 4.])
    >>> layout.label(3)
    'z[0, 0].imag'
    """

    def __init__(self, arrays: Sequence[Array], names: Sequence[str] | None = None) -> None:
        self.shapes = [a.shape for a in arrays]
        self.dtypes = [a.dtype for a in arrays]
        self.parts = [2 if np.iscomplexobj(a) else 1 for a in arrays]
        counts = [a.size * parts for a, parts in zip(arrays, self.parts, strict=True)]
        self.offsets = np.concatenate([[0], np.cumsum(counts, dtype=int)])
        self.size = int(self.offsets[-1])
        self.spans = [slice(*pair) for pair in zip(self.offsets, self.offsets[1:], strict=False)]
        self.names = list(names or ["x"] * len(self.shapes))
        self._places = list(zip(self.spans, self.parts, self.shapes, strict=True))

    def pack(self, arrays: Sequence[Any], dtype: Any = np.float64) -> Array:
        """Write arrays of these shapes as one real vector."""
        vector = np.empty(self.size, dtype)
        for a, span, parts in zip(arrays, self.spans, self.parts, strict=True):
            flat = np.ravel(a)
            if parts == 2:
                vector[span][::2], vector[span][1::2] = flat.real, flat.imag
            else:
                vector[span] = flat
        return vector

    def unpack(self, vector: Array, *, own_dtypes: bool = False) -> list[Array]:
        """Cut a real vector into arrays of these shapes, in its precision or in `own_dtypes`."""
        arrays = [
            (_as_complex(vector[span]) if parts == 2 else vector[span]).reshape(shape)
            for span, parts, shape in self._places
        ]
        if own_dtypes:
            return [a.astype(dtype) for a, dtype in zip(arrays, self.dtypes, strict=True)]
        return arrays

    def magnitudes(self, vector: Array) -> Array:
        """Absolute value of each coordinate; for both parts of a complex entry, of the entry."""
        sizes = np.abs(vector)
        for a, span, parts in zip(self.unpack(vector), self.spans, self.parts, strict=True):
            if parts == 2:
                sizes[span] = np.repeat(np.abs(a).ravel(), 2)
        return sizes

    def least(self) -> Array:
        """The smallest number above 0 that the dtype of each coordinate has, in float64."""
        vector = np.empty(self.size)
        for dtype, span in zip(self.dtypes, self.spans, strict=True):
            vector[span] = np.finfo(dtype).smallest_subnormal
        return vector

    def label(self, coordinate: int) -> str:
        """Name of a coordinate, as one would write it: ``x[0, 2]``, ``z[1].imag``."""
        which = int(np.searchsorted(self.offsets, coordinate, side="right")) - 1
        entry, part = divmod(coordinate - int(self.offsets[which]), self.parts[which])
        index = np.unravel_index(entry, self.shapes[which]) if self.shapes[which] else ()
        text = f"[{', '.join(str(int(i)) for i in index)}]" if index else ""
        suffix = (".real", ".imag")[part] if self.parts[which] == 2 else ""
        return f"{self.names[which]}{text}{suffix}"


def _as_complex(pairs: Array) -> Array:
    pairs = np.ascontiguousarray(pairs)
    return pairs.view(np.result_type(pairs.dtype, np.complex64))
