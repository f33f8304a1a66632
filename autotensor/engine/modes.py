"""What is on or off for the code that runs now; context-local: right under threads and asyncio."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from autotensor.engine.graph import next_number

__all__ = [
    "LINES",
    "RECORD",
    "RULE",
    "SCOPED",
    "TRACE",
    "VALUES",
    "WATCH",
    "WRITE",
    "Mode",
    "detect_anomaly",
    "enable_grad",
    "in_rule",
    "mode",
    "no_grad",
    "open_scopes",
    "record_lines",
    "record_values",
    "recording",
    "scope",
    "scope_path",
    "tracing",
    "tracing_all",
    "unwatched",
]

P = ParamSpec("P")
R = TypeVar("R")

# The bits of the mode. Ops read it once: RECORD alone, and 0, are the two fast ways.
RECORD, WATCH, LINES, SCOPED, VALUES, TRACE, WRITE, RULE = 1, 2, 4, 8, 16, 32, 64, 128
mode: ContextVar[int] = ContextVar("mode", default=RECORD)

_scopes: ContextVar[tuple[tuple[int, str], ...]] = ContextVar("scopes", default=())

# What the open blocks will restore; here and not in the blocks, which threads may share.
_before: ContextVar[tuple[int, ...]] = ContextVar("before", default=())


def recording() -> bool:
    """Whether ops on tracked tensors are recorded."""
    return bool(mode.get() & RECORD)


def scope_path() -> str:
    """The names of the open scopes, joined by "/"."""
    return "/".join([name for _, name in _scopes.get()])


def open_scopes() -> tuple[tuple[int, str], ...]:
    """The open scopes, outermost first: the creation number at which each was opened, its name."""
    return _scopes.get()


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
                with self:
                    return await function(*args, **kwargs)

            return awaited  # type: ignore[return-value]

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
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


class detect_anomaly(Mode):  # noqa: N801 - the field's name for it, used like a function
    """Stop at the first op that makes a NaN or an infinity from finite inputs, either way.

    Inside the block every op is checked when it runs, on tensors that require grad and on others,
    and every rule when a backward pass calls it. A value that is masked later is found too, as is
    a derivative that is infinite where the cotangent is zero. Lines are recorded as by
    `record_lines`. Costs nothing outside such blocks, inside one look at each result. Also a
    decorator.

    Raises
    ------
    NonFiniteError
        From the op itself, so that a debugger stops there; a subclass of FloatingPointError.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> x = at.tensor([4.0, 0.0], name="x", requires_grad=True)
    >>> with at.detect_anomaly(), np.errstate(divide="ignore"):
    ...     loss = np.where(x > 0, np.log(x), 0).sum()
    Traceback (most recent call last):
    autotensor.errors.NonFiniteError: np.log (...) made 1 inf of 2 at [1]: its input was 0.0 and...

    See Also
    --------
    autotensor.Tensor.explain_nan : the same for a graph that is there already.
    """

    __slots__ = ()
    _sets = WATCH | LINES


class record_lines(Mode):  # noqa: N801 - used like a function
    """Note with every recorded op the line of the caller's file, for errors and pictures.

    The caller is the innermost frame that is neither autotensor's nor NumPy's. Also a decorator.

    Examples
    --------
    >>> import autotensor as at
    >>> x = at.tensor(3.0, requires_grad=True)
    >>> with at.record_lines():
    ...     y = x * x
    >>> print(at.graph(y, show="shape line"))
    y  ()     x * x          <doctest ...>:2
    └─ x  ()  requires grad
    kept for backward: 8 B in 1 array (x)
    """

    __slots__ = ()
    _sets = LINES


class record_values(Mode):  # noqa: N801 - used like a function
    """Keep the result of every recorded op, for pictures, and its gradient when that is computed.

    `autotensor.graph` then shows the value of every node, also after ``backward()``, and the norms
    of all gradients: they are retained as by `Tensor.retain_grad`. All that memory is held as long
    as the graph is. Also a decorator.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> x = at.tensor(3.0, requires_grad=True)
    >>> with at.record_values():
    ...     loss = np.square(x * 2.0)
    >>> loss.backward()
    >>> print(at.graph(loss))
    loss  ()     square         = 36  grad 1
    └─ ()        x * 2.0        = 6   grad 12
       └─ x  ()  requires grad  = 3   grad 24
    kept for backward: nothing
    """

    __slots__ = ()
    _sets = VALUES


class scope(Mode):  # noqa: N801 - used like a function
    """Note with every recorded op the name of the part of the model that it belongs to.

    Pictures of the graph show it and fold by it; the reports of `detect_anomaly` and of
    `Tensor.explain_nan` say it. Names of nested scopes are joined by "/". Modules need no scope:
    pictures know which ops they called. Also a decorator.

    Parameters
    ----------
    name : str
        Of the part; it may have slashes of its own.

    Raises
    ------
    TypeError
        If `name` is no str.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> x = at.tensor(-1.0, requires_grad=True)
    >>> with at.detect_anomaly(), np.errstate(invalid="ignore"):
    ...     with at.scope("encoder"), at.scope("norm"):
    ...         np.sqrt(x)
    Traceback (most recent call last):
    autotensor.errors.NonFiniteError: np.sqrt (..., in encoder/norm) made NaN: its input was -1.0...
    """

    __slots__ = ("name",)
    _sets = SCOPED

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"at.scope() needs a name, a str; got {type(name).__name__}")
        self.name = name

    def __enter__(self) -> None:
        super().__enter__()
        _scopes.set((*_scopes.get(), (next_number(), self.name)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _scopes.set(_scopes.get()[:-1])
        super().__exit__(kind, error, trace)


class unwatched(Mode):  # noqa: N801 - used like a function
    """Check no op that a walk runs on its way, as rules do on Tensors: what they return is checked.

    Not for users; see `autotensor.anomaly.watch`.
    """

    __slots__ = ()
    _clears = WATCH


class tracing(Mode):  # noqa: N801 - used like a function
    """Note of constants, too, how they are made: each gets a node `Made`.

    Not for users; see `autotensor.drawing.tracing`.
    """

    __slots__ = ()
    _sets = TRACE


class tracing_all(Mode):  # noqa: N801 - used like a function
    """`tracing` for `autotensor.source`: a rule that takes numbers out of a Tensor raises.

    Not for users.
    """

    __slots__ = ()
    _sets = TRACE | WRITE


class in_rule(Mode):  # noqa: N801 - used like a function
    """Run a rule of a user's: under `tracing_all` no numbers may come out of it. Not for users."""

    __slots__ = ()

    def __enter__(self) -> None:
        super().__enter__()
        if mode.get() & WRITE:
            mode.set(mode.get() | RULE)
