"""The rules that users give: what they ask for, and how they are called.

A rule of the table is called as it is. One of a user's is called through `Guarded`: it gets nothing
that it could write to, several cotangents as a tuple, and when it runs on Tensors and cannot, the
error says so. `Part` makes a rule for one argument of a rule for all (``vjp=``).
"""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.engine.primitive import NO_RULE
from autotensor.engine.several import Cotangents

__all__ = ["Guarded", "Part", "read_only"]


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

    def __call__(self, *args: Any) -> Any:
        given: list[Any] = []
        tracked = False
        for value in args:
            if type(value) is np.ndarray:
                value = value.view()
                value.setflags(write=False)
            else:
                value = read_only(value)
                tracked = tracked or _tracked(value)
            given.append(value)
        try:
            result = self.__wrapped__(*given)
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
        linear = self.asks[:1] == ("g",)
        if linear and any(np.any(value) for _, value in plain):
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
        return type(value)(value._data, value._node)
    if type(value) is Cotangents:
        if value.node.alone:
            return read_only(value.values[0])
        return tuple(map(read_only, value.all()))
    return tuple(map(read_only, value)) if type(value) is tuple else value


def _is_tensor(value: Any) -> bool:
    return hasattr(type(value), "_apply_to_one")


def _tracked(value: Any) -> bool:
    if type(value) is tuple:
        return any(map(_tracked, value))
    return _is_tensor(value) and value.requires_grad


def _parts(result: Any) -> list[tuple[Any, Any]]:
    """What a rule returned, piece by piece, each with a key."""
    if isinstance(result, Mapping):
        return list(result.items())
    return list(enumerate(result)) if isinstance(result, (tuple, list)) else [(None, result)]


def _moved(value: Any) -> Any:
    """The array of a Tensor with every entry a little different; other values as they are."""
    if type(value) is tuple:
        return tuple(map(_moved, value))
    if not _is_tensor(value):
        return value
    data = value._data
    if not value.requires_grad or data.dtype.kind not in "fc":
        return data
    steps = 1e-3 * (1.5 + np.sin(np.arange(1.0, data.size + 1))).reshape(data.shape)
    moved = (data * (1 + steps) + steps).astype(data.dtype)
    return moved if moved.ndim else moved[()]
