"""A program made anew, call by call: equal calls merged, rules applied, dead code dropped."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np

from autotensor.drawing.numpy_source.program import Call, Program, Ref, mapped, refs_in
from autotensor.engine.primitive import Op

__all__ = ["Rewriting", "Rule", "alive", "function_of"]

_BY_ENTRY = (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum)


def function_of(call: Call) -> Any:
    """NumPy's function, also where the call is of an op."""
    return call.function.function if isinstance(call.function, Op) else call.function


def alive(program: Program) -> Program:
    """`program` without the calls that no output needs."""
    used = {ref.place for ref in program.outputs}
    for place in range(len(program.calls) - 1, -1, -1):
        if place in used:
            call = program.calls[place]
            used |= {ref.place for ref in refs_in((call.args, call.options))}
    moved = {place: Ref(new) for new, place in enumerate(sorted(used))}
    return _replaced(program, [program.calls[place] for place in sorted(used)], moved)


def _replaced(program: Program, calls: list[Call], moved: dict[int, Ref]) -> Program:
    def change(value: Any) -> Any:
        return moved[value.place] if isinstance(value, Ref) else value

    for call in calls:
        call.args, call.options = mapped(call.args, change), mapped(call.options, change)
    return Program(calls, [moved[ref.place] for ref in program.outputs])


class Rewriting:
    """A program made anew, call by call.

    Parameters
    ----------
    named : nodes that have a name; a value that several nodes have is called as one of these.
    rules : by function, what finds a simpler call.
    """

    def __init__(self, named: Container[Any], rules: Mapping[Any, Rule]) -> None:
        self.named = named
        self.rules = rules
        self.calls: list[Call] = []
        self.moved: list[Ref] = []
        self.known: dict[Any, Ref] = {}

    def add(self, call: Call) -> None:
        """Add a call of the old program, or find what stands for it."""

        def change(value: Any) -> Any:
            return self.moved[value.place] if isinstance(value, Ref) else value

        call.args, call.options = mapped(call.args, change), mapped(call.options, change)
        ref = self.put(call)
        self.moved.append(ref)
        kept = self.calls[ref.place]
        if kept is not call and kept.function is not None and kept.node not in self.named:
            kept.node = call.node

    def put(self, call: Call) -> Ref:
        """The place of the value of `call`, simplified; a call that is new comes last."""
        while call.function is not None:
            found = self._simpler(call)
            if isinstance(found, Ref):
                return found
            if found is None:
                break
            call = found
        key = _key(call)
        ref = self.known.get(key) if key is not None else None
        if ref is None:
            ref = Ref(len(self.calls))
            self.calls.append(call)
            if key is not None:
                self.known[key] = ref
        return ref

    def new(self, like: Call, function: Any, *args: Any, **facts: Any) -> Call:
        """A call that takes the place of `like`, or is a part of what does."""
        shape, dtype = facts.get("shape", like.shape), facts.get("dtype", like.dtype)
        node = None if facts.get("part") else like.node
        return Call(function, args, facts.get("options", {}), shape, dtype, node, like.label)

    def of(self, value: Any) -> Call | None:
        """The call that made `value`."""
        return self.calls[value.place] if isinstance(value, Ref) else None

    def made_by(self, value: Any, *functions: Any) -> Call | None:
        """The call that made `value`, if it is of one of `functions`."""
        call = self.of(value)
        return call if call is not None and function_of(call) in functions else None

    def same(self, value: Any, call: Call) -> bool:
        """Whether `value` has the shape and dtype of the result of `call`."""
        made = self.of(value)
        return made is not None and made.shape == call.shape and made.dtype == call.dtype

    def number(self, value: Any) -> Any:
        """The number that `value` is known to be, if it has no axes; else None."""
        made = self.of(value)
        if made is not None:
            if made.function is None and not made.shape and made.value is not None:
                return made.value
            return None
        return value if isinstance(value, (int, float, complex, np.number)) else None

    def plain(self, value: Any, like: Call) -> Any:
        """The number that `value` is known to be, as Python's, where that makes the same dtype."""
        number = self.number(value)
        if isinstance(number, np.generic) and number.dtype.kind == "f":
            number = number.item() if number.dtype.itemsize <= like.dtype.itemsize else None
        plain = isinstance(number, (int, float)) and not isinstance(number, bool)
        return number if plain and number == number else None

    def is_number(self, value: Any, wanted: int) -> bool:
        number = self.number(value)
        return number is not None and not isinstance(number, bool) and bool(number == wanted)

    def _simpler(self, call: Call) -> Call | Ref | None:
        """Another call of the same value, or where that value is already; None if there is none."""
        rule = self.rules.get(function_of(call))
        if function_of(call) in _BY_ENTRY and not call.options:
            shorter = self._without_full(call)
            if shorter is not None:
                return shorter
        return rule(self, call) if rule is not None else None

    def _without_full(self, call: Call) -> Call | None:
        """A number in place of an array of one number, beside one that has the shape."""
        for i, value in enumerate(call.args):
            other = call.args[1 - i]
            number = self.filling(value, call.dtype)
            if number is not None and self.same(other, call):
                args = list(call.args)
                args[i] = number
                return self.new(call, call.function, *args)
        return None

    def filling(self, value: Any, dtype: Any) -> Any:
        """The one number that fills an array of this dtype, or None."""
        made = self.of(value)
        if made is not None and made.dtype == dtype and made.shape:
            if made.function is None:
                value = made.value
            elif (
                made.function in (np.full, np.broadcast_to) or function_of(made) is np.broadcast_to
            ):
                number = made.args[1] if made.function is np.full else made.args[0]
                inner = self.of(number)
                return number if inner is None or not inner.shape else None
        if isinstance(value, np.ndarray) and value.ndim and value.size and value.dtype == dtype:
            flat = value.reshape(-1)
            if flat[0].tobytes() * flat.size == flat.tobytes():
                return flat[0].item() if dtype.char in "fdFD" else flat[0]
        return None


def _key(call: Call) -> Any:
    """What is equal for calls of one value; None where that cannot be told."""
    if call.function is None:
        if call.value is None or np.ndim(call.value):
            return None
        return (None, call.dtype, repr(call.value)) if call.node is None else None
    try:
        key = (function_of(call), _frozen(call.args), _frozen(call.options), call.dtype, call.shape)
        hash(key)
    except TypeError:
        return None
    return key


def _frozen(value: Any) -> Any:
    if type(value) in (tuple, list):
        return (type(value), *map(_frozen, value))
    if type(value) is dict:
        return tuple((name, _frozen(v)) for name, v in sorted(value.items()))
    if type(value) is slice:
        return (slice, *map(_frozen, (value.start, value.stop, value.step)))
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype, value.tobytes())
    return value if isinstance(value, Ref) else (type(value), repr(value), value)


Rule = Callable[[Rewriting, Call], "Call | Ref | None"]
