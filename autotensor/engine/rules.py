"""The rules that users give: what they ask for, and how they are called.

A rule of the table is called as it is. One of a user's is called through `Guarded`: it gets nothing
that it could write to, several cotangents as a tuple, and when it runs on Tensors and cannot, the
error says so; what it returns is made the engine's own. `Part` makes a rule for one argument of a
rule for all (``vjp=``).
"""

from __future__ import annotations

import contextlib
import inspect
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from sys import getrefcount
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.engine.modes import in_rule
from autotensor.engine.primitive import NO_RULE
from autotensor.engine.several import Cotangents, like

__all__ = ["Guarded", "Part", "any_tensor", "as_returned", "own", "read_only"]

_as_returned: ContextVar[bool] = ContextVar("as_returned", default=False)


class Guarded:
    """A rule as the engine calls it.

    Parameters
    ----------
    rule : what the user wrote: anything callable with plain parameters.
    op : the name of the op.
    argument : the one the rule is for, or all of them in words.

    Attributes
    ----------
    asks : the names of its parameters.
    """

    def __init__(self, rule: Callable[..., Any], op: str, argument: str) -> None:
        self.__wrapped__ = rule
        self.op = op
        self.argument = argument
        try:
            parameters = inspect.signature(rule).parameters.values()
        except (TypeError, ValueError):
            raise errors.bad_declaration(op, NO_RULE.format(argument)) from None
        plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if isinstance(rule, np.ufunc) or any(p.kind not in plain for p in parameters):
            raise errors.bad_declaration(op, NO_RULE.format(argument))
        self.asks = tuple(p.name for p in parameters)
        self._makes_partial = self.asks[:1] not in (("g",), ("t",))

    def __call__(self, *args: Any) -> Any:
        given: list[Any] = []
        on_tensors = tracked = False
        for value in args:
            if type(value) is np.ndarray:
                value = value.view()
                value.setflags(write=False)
            else:
                value = read_only(value)
                on_tensors = on_tensors or any_tensor(value)
                tracked = tracked or _tracked(value)
            given.append(value)
        try:
            with in_rule():
                result = self.__wrapped__(*given)
            if not self._makes_partial:  # else it is multiplied at once
                result = own(result, arrays=not on_tensors)
        except Exception as error:
            cause = _left_graph(error)
            if cause is not None:
                raise self._left_numpy(error, cause) from error
            error.add_note(
                f"in the rule of {self.op} for {self.argument!r}; what it is given is read-only"
            )
            raise
        if not tracked:
            return result
        plain = [(k, v) for k, v in _parts(result) if isinstance(v, (np.ndarray, np.generic))]
        if plain and not self._constant(given, plain):
            raise self._left_numpy()
        return result

    def _constant(self, args: list[Any], plain: list[tuple[Any, Any]]) -> bool:
        """Whether `plain`, parts of a result on Tensors that are arrays, depend on none of them.

        A rule may return zeros, or a partial that is constant. To tell these from what left NumPy
        and happens to be zero here, the rule runs once more on other values.
        """
        if not self._makes_partial and any(np.any(value) for _, value in plain):
            return False
        try:
            with np.errstate(all="ignore"):
                others = dict(_parts(self.__wrapped__(*[_moved(a) for a in args])))
            return all(np.array_equal(others[k], v, equal_nan=True) for k, v in plain)
        except Exception:  # it is no such simple rule
            return False

    def _left_numpy(
        self, error: Exception | None = None, cause: BaseException | None = None
    ) -> errors.NoRuleError:
        code = getattr(inspect.unwrap(self.__wrapped__), "__code__", None)
        where = ""
        if code is not None:
            line = code.co_firstlineno
            for frame, at in traceback.walk_tb(error.__traceback__ if error else None):
                if frame.f_code.co_filename == code.co_filename:
                    line = at
            where = f" ({os.path.basename(code.co_filename)}:{line})"
        return errors.rule_not_differentiable(self.op, self.argument, where, cause)


def _left_graph(error: BaseException | None) -> BaseException | None:
    """The error of a Tensor that was to leave the graph; NumPy may have put another before it."""
    while error is not None:
        if isinstance(error, (errors.LostGradientError, errors.NoRuleError)):
            return error
        error = error.__cause__ or error.__context__
    return None


class Part:
    """The rule for one argument, by a rule for all, which runs once for the cotangents of a node.

    Parameters
    ----------
    whole : the rule for all.
    argument : the one this is for.
    order : the arguments that a tuple it returns is for.
    fewer : those it may be for instead: without the ones whose defaults cannot have a gradient.
    """

    def __init__(
        self, whole: Guarded, argument: str, order: Sequence[str], fewer: Sequence[str]
    ) -> None:
        self.whole = whole
        self.argument = argument
        self.order = tuple(order)
        self.fewer = tuple(fewer)
        self.asks = whole.asks
        self.__wrapped__ = whole.__wrapped__

    def __call__(self, g: Any, *args: Any) -> Any:
        if type(g) is not Cotangents:
            found = self._by_name(self.whole(g, *args))
        else:
            if g.found is None:
                g.found = self._by_name(self.whole(g, *args))
            found = g.found
        result = found.get(self.argument)
        if result is None:
            raise errors.no_gradient_for(self.whole.op, self.argument, list(found))
        return result

    def _by_name(self, result: Any) -> Mapping[str, Any]:
        if isinstance(result, Mapping):
            unknown = [name for name in result if name not in self.order]
            if unknown:
                raise errors.unknown_argument(self.whole.op, str(unknown[0]), self.order)
            return result
        if not isinstance(result, (tuple, list)):
            if len(self.order) > 1:
                raise errors.gradient_count(self.whole.op, type(result).__name__, self.order)
            return {self.order[0]: result}
        for names in (self.order, self.fewer):
            if len(result) == len(names):
                return dict(zip(names, result, strict=True))
        raise errors.gradient_count(self.whole.op, f"{len(result)} gradients", self.order)


def read_only(value: Any) -> Any:
    """`value` so that writing to it raises, or reaches nobody else: for Tensors, an alias."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.setflags(write=False)
        return value
    if _is_tensor(value):
        data = value._data
        return type(value)(data, value._node)
    if type(value) is Cotangents:
        if value.node.alone:
            return read_only(value.values[0])
        return read_only(value.all())
    return like(value, [*map(read_only, value)]) if isinstance(value, tuple) else value


@contextlib.contextmanager
def as_returned() -> Iterator[None]:
    """Inside, `own` changes nothing: for who wants to see what the rules of users return."""
    token = _as_returned.set(True)
    try:
        yield
    finally:
        _as_returned.reset(token)


def own(made: Any, *, arrays: bool = False) -> Any:
    """What a user's function made, an array or several, in memory that nobody else writes to.

    An array that something else holds, as a buffer that the function uses again, is copied, and so
    is a view. With `arrays`, Tensors become their arrays.
    """
    if _as_returned.get():
        return made
    held = getrefcount(made) > _HELD
    if not isinstance(made, (tuple, list, dict)):
        return _apart(made, held, arrays)
    parts = made.values() if isinstance(made, dict) else made
    counts = _references_in(parts)
    apart = [
        _apart(v, held or n > _HELD_IN_TUPLE, arrays) for v, n in zip(parts, counts, strict=True)
    ]
    if all(a is b for a, b in zip(apart, parts, strict=True)):
        return made
    return dict(zip(made, apart, strict=True)) if isinstance(made, dict) else like(made, apart)


def _apart(value: Any, held: bool, arrays: bool) -> Any:
    if arrays and _is_tensor(value):
        value, held = value._data, True
    copied = isinstance(value, np.ndarray) and (held or value.base is not None)
    return value.copy() if copied else value


def _references(made: Any) -> int:
    return getrefcount(made)


def _references_in(parts: Iterable[Any]) -> list[int]:
    return [getrefcount(v) for v in parts]


# What `own` counts where nothing else holds the array; it depends on the version of Python.
_HELD = _references(np.empty(0))
_HELD_IN_TUPLE = _references_in((np.empty(0),))[0]


def _is_tensor(value: Any) -> bool:
    return hasattr(type(value), "_apply_to_one")


def any_tensor(value: Any) -> bool:
    """Whether `value` is a Tensor, or a tuple that holds one."""
    return any(map(any_tensor, value)) if isinstance(value, tuple) else _is_tensor(value)


def _tracked(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(map(_tracked, value))
    return _is_tensor(value) and value.requires_grad


def _parts(result: Any) -> list[tuple[Any, Any]]:
    """What a rule returned, piece by piece, each with a key."""
    if isinstance(result, Mapping):
        return list(result.items())
    return list(enumerate(result)) if isinstance(result, (tuple, list)) else [(None, result)]


def _moved(value: Any) -> Any:
    """The array of a Tensor with every entry a little different; other values as they are."""
    if isinstance(value, tuple):
        return like(value, [*map(_moved, value)])
    if not _is_tensor(value):
        return value
    data = value._data
    if not value.requires_grad or data.dtype.kind not in "fc":
        return data
    steps = 1e-3 * (1.5 + np.sin(np.arange(1.0, data.size + 1))).reshape(data.shape)
    moved = (data * (1 + steps) + steps).astype(data.dtype)
    return moved if moved.ndim else moved[()]
