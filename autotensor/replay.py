"""Random numbers drawn again as they were: where they come from, and their states."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from autotensor.array import Tensor

__all__ = ["random_states", "replayed"]

# What no walk goes into.
_CLOSED = (Tensor, np.ndarray, type, types.ModuleType)
# The packages whose functions draw from nothing that they are not given.
_PURE = ("numpy", __name__.partition(".")[0])


def random_states(*starts: Any) -> list[tuple[Any, Any]]:
    """The sources of random numbers that `starts` lead to, with the state of each.

    NumPy's global state is always among them. The way leads through closures, defaults, bound
    objects, attributes and containers, and through the globals that the code of a function names.
    """
    return [(source, _state(source)) for source in _sources(starts)]


@contextmanager
def replayed(states: list[tuple[Any, Any]]) -> Iterator[None]:
    """Put the sources back into `states` for the block, and into their present ones after it."""
    present = [(source, _state(source)) for source, _ in states]
    try:
        for source, state in states:
            _set_state(source, state)
        yield
    finally:
        for source, state in present:
            _set_state(source, state)


def _state(source: Any) -> Any:
    is_bits = isinstance(source, np.random.BitGenerator)
    return source.state if is_bits else source.get_state(legacy=False)


def _set_state(source: Any, state: Any) -> None:
    if isinstance(source, np.random.BitGenerator):
        source.state = state
    else:
        source.set_state(state)


def _sources(starts: tuple[Any, ...]) -> list[Any]:
    found: list[Any] = [np.random]
    seen: dict[int, Any] = {}  # with the objects, since an id is free again when its object dies
    stack = list(starts)
    while stack:
        value = stack.pop()
        if id(value) in seen or isinstance(value, _CLOSED):
            continue
        seen[id(value)] = value
        if isinstance(value, (np.random.BitGenerator, np.random.RandomState)):
            found.append(value)
        elif isinstance(value, np.random.Generator):
            stack.append(value.bit_generator)
        elif isinstance(value, types.FunctionType):
            stack += [value.__closure__, value.__defaults__, value.__kwdefaults__, vars(value)]
            stack += _named_globals(value)
        else:
            stack += gc.get_referents(value)
            if callable(value):
                stack.append(type(value).__call__)
    return found


def _named_globals(function: types.FunctionType) -> list[Any]:
    """The globals that the code of `function` names, in functions inside it too."""
    space = function.__globals__
    if str(space.get("__name__")).partition(".")[0] in _PURE:
        return []
    codes, names = [function.__code__], set[str]()
    for code in codes:
        names.update(code.co_names)
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return [space[name] for name in names if name in space]
