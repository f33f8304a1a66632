"""What is on or off for the code that runs now; context-local: right under threads and asyncio."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

__all__ = ["RECORD", "WATCH", "Mode", "enable_grad", "mode", "no_grad", "recording"]

P = ParamSpec("P")
R = TypeVar("R")

# The bits of the mode. Ops read it once: RECORD alone, and 0, are the two fast ways.
RECORD, WATCH = 1, 2
mode: ContextVar[int] = ContextVar("mode", default=RECORD)

# What the open blocks will restore; here and not in the blocks, which threads may share.
_before: ContextVar[tuple[int, ...]] = ContextVar("before", default=())


def recording() -> bool:
    """Whether ops on tracked tensors are recorded."""
    return bool(mode.get() & RECORD)


class Mode:
    """Sets bits of the mode for a ``with`` block or for the calls of a decorated function."""

    __slots__ = ()
    _sets = 0
    _clears = 0

    def __enter__(self) -> None:
        _before.set((*_before.get(), mode.get()))
        mode.set(mode.get() & ~self._clears | self._sets)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        *rest, value = _before.get()
        _before.set(tuple(rest))
        mode.set(value)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{type(self).__name__} cannot decorate the generator {function.__name__}, whose "
                "body runs after the call; write `with` inside it, around what it computes"
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                with type(self)():
                    return await function(*args, **kwargs)

            return awaited  # type: ignore[return-value]

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped


class no_grad(Mode):  # noqa: N801 - the field's name for it, used like a function
    """Record nothing inside the block: results do not require grad.

    Also a decorator.

    Examples
    --------
    >>> import autotensor as at
    >>> w = at.tensor([1.0, 2.0], requires_grad=True)
    >>> with at.no_grad():
    ...     w -= 0.5 * w
    >>> w
    tensor([0.5, 1. ], requires_grad=True)
    """

    __slots__ = ()
    _clears = RECORD


class enable_grad(Mode):  # noqa: N801 - the field's name for it, used like a function
    """Record again inside a ``no_grad`` block. Also a decorator.

    Examples
    --------
    >>> import autotensor as at
    >>> x = at.tensor(3.0, requires_grad=True)
    >>> with at.no_grad(), at.enable_grad():
    ...     (x * x).requires_grad
    True
    """

    __slots__ = ()
    _sets = RECORD
