"""A time budget: what takes longer than it may is given up."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import perf_counter

__all__ = ["Budget", "OutOfTimeError"]


class OutOfTimeError(Exception):
    """A picture was not done within its budget."""


class Budget:
    """So many seconds from now, by `clock`."""

    def __init__(self, seconds: float = inf, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def check(self) -> None:
        """Raise OutOfTimeError if no time is left."""
        if self._clock() > self._end:
            raise OutOfTimeError
