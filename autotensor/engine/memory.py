"""Where a view lies in the memory of an array: geometry alone, nothing of graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Window", "memory_of", "relaid", "solid"]

Array = np.ndarray[Any, Any]


class Window:
    """The entries of an array that a view of it sees, as places in memory.

    NumPy's views of views, transposes, reshapes and real parts all come down to it: a shape,
    strides, a dtype, and the distance from the start of the array. So it says what a view reads and
    what a write through it changes, also in another array that is laid out the same way.

    Attributes
    ----------
    shape, strides, dtype : of the view.
    offset : bytes from the first entry of the array to that of the view; may be negative.
    writeable : whether NumPy would write through the view.
    whole : shape, strides and dtype of the array, by which another one is known to fit.
    """

    __slots__ = ("dtype", "offset", "shape", "strides", "whole", "writeable")

    def __init__(self, view: Array, array: Array) -> None:
        self.shape = view.shape
        self.strides = view.strides
        self.dtype = view.dtype
        self.writeable: bool = view.flags.writeable
        if not self.writeable and not array.flags.writeable:
            self.writeable = not self.may_overlap()  # a copy of the array can be written to
        self.offset: int = _address(view) - _address(array)
        self.whole = (array.shape, array.strides, array.dtype)

    def __repr__(self) -> str:
        return f"window{self.shape}"

    def within(self, outer: Window) -> Window:
        """The window itself, cut in what `outer` sees, as one in the whole."""
        self.offset += outer.offset
        self.whole = outer.whole
        self.writeable = self.writeable and outer.writeable
        return self

    def same(self, other: Window) -> bool:
        """Whether both see the same entries, in the same order."""
        return (
            self.offset == other.offset
            and self.shape == other.shape
            and self.strides == other.strides
            and self.dtype == other.dtype
        )

    def fits(self, array: Array) -> bool:
        """Whether `array` is laid out like the whole."""
        shape, strides, own = self.whole
        return array.shape == shape and array.strides == _resized(strides, own, array.dtype)

    def see(self, array: Array) -> Array:
        """The view of `array`, which is laid out like the one that the window was cut in."""
        if not self.fits(array):
            raise ValueError(f"{self} was cut in an array laid out unlike this one")
        return np.asarray(_Interface(array, *self._scaled(array.dtype)))

    def laid_out(self, values: Array) -> Array:
        """A copy of `values`, laid out like the whole."""
        array = self.blank(values.dtype)
        array[...] = values
        return array

    def blank(self, dtype: np.dtype[Any]) -> Array:
        """An array of zeros, laid out like the whole."""
        shape, strides, own = self.whole
        return _spread(shape, _resized(strides, own, dtype), dtype, np.zeros)

    def may_overlap(self) -> bool:
        """Whether an entry may be seen twice; False where it certainly is not."""
        reach = self.dtype.itemsize
        for stride, n in sorted((abs(s), n) for s, n in zip(self.strides, self.shape, strict=True)):
            if n > 1:
                if stride < reach:
                    return True
                reach += stride * (n - 1)
        return False

    def _scaled(self, dtype: np.dtype[Any]) -> tuple[Any, ...]:
        """Shape, strides, dtype and offset of the view of an array of this dtype."""
        own = self.whole[2]
        if dtype == own:
            return self.shape, self.strides, self.dtype, self.offset
        part = dtype if self.dtype == own else np.empty(0, dtype).real.dtype
        *strides, offset = _resized((*self.strides, self.offset), own, dtype)
        return self.shape, tuple(strides), part, offset


class _Interface:
    """Offers memory of an array to NumPy in another shape; the view made of it keeps it alive."""

    def __init__(self, array: Array, shape: Any, strides: Any, dtype: Any, offset: int) -> None:
        self.array = array
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "strides": strides,
            "typestr": dtype.str,
            "data": (_address(array) + offset, False),
        }


def relaid(array: Array) -> Array:
    """A copy with the strides of `array`, whatever gaps they leave.

    They decide in which order NumPy adds, so that sums of both are equal to the last bit, and they
    let a `Window` that was cut in the one see the other.
    """
    copy = array.copy(order="K")
    if copy.strides != array.strides:
        copy = _spread(array.shape, array.strides, array.dtype, np.empty)
        copy[...] = array
    return copy


def solid(array: Array) -> Array:
    """`array`, or a copy of it where entries of it may be the same memory: it can be written to."""
    if array.flags.writeable or not array.ndim or not Window(array, array).may_overlap():
        return array
    return array.copy()


def memory_of(array: Array) -> Array:
    """The array at the root of what `array` is a view of; itself if it is none."""
    while True:
        base: Any = array.base
        if type(base) is _Interface:
            base = base.array
        if not isinstance(base, np.ndarray):
            return array
        array = base


def _address(array: Array) -> int:
    place: int = array.__array_interface__["data"][0]
    return place


def _resized(lengths: Any, old: np.dtype[Any], new: np.dtype[Any]) -> tuple[int, ...]:
    return tuple(n * new.itemsize // old.itemsize for n in lengths)


def _spread(shape: Any, strides: Any, dtype: np.dtype[Any], make: Callable[..., Array]) -> Array:
    """An array with these strides, in memory of its own."""
    if 0 in shape:
        return np.ndarray(shape, dtype)
    reach = [stride * (n - 1) for n, stride in zip(shape, strides, strict=True)]
    low = sum(r for r in reach if r < 0)
    high = sum(r for r in reach if r > 0)
    memory = make(high - low + dtype.itemsize, np.uint8)
    return np.ndarray(shape, dtype, memory, -low, strides)
