"""Cotangents that are not arrays yet."""

from __future__ import annotations

from typing import Any

__all__ = ["Deferred"]


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
