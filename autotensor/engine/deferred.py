"""Cotangents that are not arrays yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autotensor.engine.entries import add_at, copied_for, fit, is_basic, put_at, zeros_for
from autotensor.engine.memory import Window
from autotensor.engine.modes import TRACE, mode

__all__ = ["Cleared", "Deferred", "Scatter"]


def _traced() -> bool:
    """Whether it is noted what is done: then nothing is written to, so that no step is missed."""
    return bool(mode.get() & TRACE)


class Deferred:
    """A cotangent that is not an array yet; rules may return one where an array would be wasteful.

    ``dtype`` is None, which sends it past the path that arrays take.
    """

    __slots__ = ("shape",)
    dtype = None
    shape: tuple[int, ...]

    def own(self, live: Any, mine: bool) -> None:
        """Learn of the ``g`` it was made of: the live entries, and whether it may be changed."""

    def absorb(self, other: Deferred) -> bool:
        """Take in another one of the same kind, or refuse."""
        return False

    def add_to(self, total: Any, mine: bool) -> Any:
        """The sum with `total`, None for zero, which may be overwritten if it is `mine`."""
        raise NotImplementedError

    def mark(self, live: Any, mine: bool) -> Any:
        """The live entries: its own and those of `live`, None for none yet; None if all may be."""
        return None


class Scatter(Deferred):
    """The cotangent of ``x[index]``: what to add where, for any number of readings of one `x`.

    It stands for a full array of zeros per reading, so that n readings cost O(n). Where it cannot
    be added in place, ``op(values, indices, shape)`` makes the full array.
    """

    __slots__ = ("indices", "lives", "op", "values")

    def __init__(
        self, op: Callable[..., Any], index: Any, value: Any, shape: tuple[int, ...]
    ) -> None:
        self.op = op
        self.indices = [index]
        self.values = [value]
        self.shape = shape

    def own(self, live: Any, mine: bool) -> None:
        self.lives = [live]

    def absorb(self, other: Deferred) -> bool:
        if type(other) is not Scatter:
            return False
        self.indices += other.indices
        self.values += other.values
        self.lives += other.lives
        return True

    def add_to(self, total: Any, mine: bool) -> Any:
        if mine and total is not None and type(total) is not np.ndarray:
            for index, value in zip(self.indices, self.values, strict=True):
                if type(index) is Window or is_basic(index):
                    total = total + self.op([value], (index,), self.shape)
                else:  # added one by one where entries are hit more than once, as `add_at` does
                    total = self.op([total, value], (..., index), self.shape)
            return total
        if not mine or type(total) is not np.ndarray or not fit(self.indices, total):
            dense = self.op(self.values, tuple(self.indices), self.shape)
            return dense if total is None else total + dense
        for index, value in zip(self.indices, self.values, strict=True):
            add_at(total, index, value)
        return total

    def mark(self, live: Any, mine: bool) -> Any:
        if _traced():
            marks = [
                np.ones(value.shape, np.int8) if part is None else part.astype(np.int8)
                for value, part in zip(self.values, self.lives, strict=True)
            ]
            made = self.op(marks, tuple(self.indices), self.shape) != 0
            return made if live is None else live | made
        if live is None:
            live = zeros_for(self.indices, self.shape, np.dtype(bool))
        elif not fit(self.indices, live):
            return live | self.mark(None, False)
        elif not mine or type(live) is not np.ndarray:
            live = np.array(live)
        for index, part in zip(self.indices, self.lives, strict=True):
            add_at(live, index, True if part is None else part)
        return live


class Cleared(Deferred):
    """The cotangent of an array some entries of which were written over: `g`, there set to zero.

    A `g` that belongs to the backward pass alone is cleared in place, so that n writes cost O(n).
    Otherwise ``op(g, index, 0.0)`` makes a cleared copy.
    """

    __slots__ = ("g", "index", "live", "mine", "op")

    def __init__(self, op: Callable[..., Any], g: Any, index: Any) -> None:
        self.op = op
        self.g = g
        self.index = index
        self.shape = g.shape

    def own(self, live: Any, mine: bool) -> None:
        self.live = live
        self.mine = mine and type(self.g) is np.ndarray

    def add_to(self, total: Any, mine: bool) -> Any:
        if self.mine and fit([self.index], self.g):
            g = self.g
            put_at(g, self.index, 0)
        else:
            g = self.op(self.g, self.index, 0.0)
        return g if total is None else g + total

    def mark(self, live: Any, mine: bool) -> Any:
        left = np.ones(self.shape, bool) if self.live is None else self.live
        if type(self.index) is Window and self.index.dtype != self.index.whole[2]:
            # The other part of these complex numbers lives on.
            return left.copy() if live is None else left | live
        if _traced():
            left = self.op(left.astype(np.int8), self.index, 0) != 0
        else:
            if not self.mine or not fit([self.index], left):
                left = copied_for(self.index, left)
            put_at(left, self.index, False)
        return left if live is None else left | live
