"""Shorter programs of the same meaning: equal calls merged, ones and zeros gone, dead code dropped.

Every rewriting keeps shape and dtype, and the value but for the rounding of a few operations.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container
from typing import Any

import numpy as np

from autotensor.drawing.source.program import Call, Program, Ref, mapped, refs_in
from autotensor.engine.primitive import Op

__all__ = ["alive", "function_of", "simplify"]

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


def simplify(program: Program, named: Container[Any]) -> Program:
    """`program`, simplified; a value that several nodes have is called as one of those `named`."""
    rewriting = _Rewriting(named)
    for call in program.calls:
        rewriting.add(call)
    outputs = [rewriting.moved[ref.place] for ref in program.outputs]
    return alive(Program(rewriting.calls, outputs))


class _Rewriting:
    """A program made anew, call by call."""

    def __init__(self, named: Container[Any]) -> None:
        self.named = named
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
        rule = _RULES.get(function_of(call))
        if function_of(call) in _BY_ENTRY and not call.options:
            shorter = self._without_full(call)
            if shorter is not None:
                return shorter
        return rule(self, call) if rule is not None else None

    def _without_full(self, call: Call) -> Call | None:
        """A number in place of an array of one number, beside one that has the shape."""
        for i, value in enumerate(call.args):
            other = call.args[1 - i]
            number = self._filling(value, call.dtype)
            if number is not None and self.same(other, call):
                args = list(call.args)
                args[i] = number
                return self.new(call, call.function, *args)
        return None

    def _filling(self, value: Any, dtype: Any) -> Any:
        """The one number that fills an array of this dtype, or None."""
        made = self.of(value)
        if made is not None and made.dtype == dtype and made.shape:
            if made.function is None:
                value = made.value
            elif made.function in (np.full, np.broadcast_to) or function_of(made) is np.broadcast_to:
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


def _is_mask(call: Call | None) -> bool:
    return call is not None and call.dtype.kind == "b"


# -- rules ----------------------------------------------------------------------------------------

Rule = Callable[[_Rewriting, Call], "Call | Ref | None"]
_RULES: dict[Any, Rule] = {}


def _rule(*functions: Any) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(functions, rule))
        return rule

    return register


@_rule(np.multiply)
def _multiply(r: _Rewriting, call: Call) -> Call | Ref | None:
    x, y = call.args
    for one, other in ((x, y), (y, x)):
        if r.is_number(one, 1) and r.same(other, call):
            return other  # type: ignore[no-any-return]
        if r.is_number(one, -1) and r.same(other, call):
            return r.new(call, np.negative, other)
        minus = r.made_by(other, np.negative)
        if minus is not None and r.number(one) is not None and r.of(one) is None:
            return r.new(call, np.multiply, -one, minus.args[0])
    product = r.made_by(y, np.multiply)
    if product is not None and r.same(product.args[1], call):
        # a * (b * y) = (a * b) * y for numbers a and b; a may be a quotient of two.
        a, b = r.plain(x, call), r.plain(product.args[0], call)
        quotient = r.made_by(x, np.divide)
        if a is not None and b is not None:
            return r.new(call, np.multiply, a * b, product.args[1])
        if b is not None and quotient is not None:
            top, bottom = (r.plain(v, call) for v in quotient.args)
            if top is not None and bottom is not None:
                scale = r.put(r.new(quotient, np.divide, top * b, bottom, part=True))
                return r.new(call, np.multiply, scale, product.args[1])
    if r.of(x) is not None and r.of(y) is None and r.plain(y, call) is not None:
        return r.new(call, np.multiply, y, x)
    return None


@_rule(np.divide)
def _divide(r: _Rewriting, call: Call) -> Call | Ref | None:
    x, y = call.args
    return x if r.is_number(y, 1) and r.same(x, call) else None


@_rule(np.add)
def _add(r: _Rewriting, call: Call) -> Call | Ref | None:
    x, y = call.args
    for zero, other in ((x, y), (y, x)):
        if r.is_number(zero, 0) and r.same(other, call):
            return other  # type: ignore[no-any-return]
        minus = r.made_by(zero, np.negative)
        if minus is not None and r.same(zero, call):
            return r.new(call, np.subtract, other, minus.args[0])
    if isinstance(x, Ref) and x == y:
        return r.new(call, np.multiply, 2.0 if call.dtype.kind in "fc" else 2, x)
    return None


@_rule(np.subtract)
def _subtract(r: _Rewriting, call: Call) -> Call | Ref | None:
    x, y = call.args
    if r.is_number(y, 0) and r.same(x, call):
        return x  # type: ignore[no-any-return]
    minus = r.made_by(y, np.negative)
    return r.new(call, np.add, x, minus.args[0]) if minus is not None else None


@_rule(np.negative)
def _negative(r: _Rewriting, call: Call) -> Call | Ref | None:
    minus = r.made_by(call.args[0], np.negative)
    if minus is not None:
        return minus.args[0]  # type: ignore[no-any-return]
    product = r.made_by(call.args[0], np.multiply)
    if product is not None and r.of(product.args[0]) is None:
        return r.new(call, np.multiply, -product.args[0], product.args[1])
    return None


@_rule(np.power)
def _power(r: _Rewriting, call: Call) -> Call | Ref | None:
    x, y = call.args
    return x if r.is_number(y, 1) and r.same(x, call) else None


@_rule(np.reshape, np.broadcast_to, np.astype, np.copy, np.conjugate)
def _moved(r: _Rewriting, call: Call) -> Call | Ref | None:
    x = call.args[0] if call.args else None
    function = function_of(call)
    if function is np.conjugate:
        return x if call.dtype.kind != "c" and r.same(x, call) else None
    if r.same(x, call):
        return x
    made = r.of(x)
    if function is np.reshape and made is not None and made.function is not None:
        inner = r.made_by(x, np.reshape)
        if inner is not None and not inner.options.get("order") and not call.options.get("order"):
            return r.new(call, np.reshape, inner.args[0], call.shape)
    return None


@_rule(np.copy)
def _copied(r: _Rewriting, call: Call) -> Call | Ref | None:
    spread = r.made_by(call.args[0], np.broadcast_to)
    made = r.of(spread.args[0]) if spread is not None else None
    if made is not None and not made.shape:
        number = r.number(spread.args[0])  # type: ignore[union-attr]
        if number is not None:
            full = np.full(call.shape, number, call.dtype)
            return r.put(Call(None, (), {}, call.shape, call.dtype, value=full))
        return r.new(call, np.full, call.shape, spread.args[0])  # type: ignore[union-attr]
    return _moved(r, call)


@_rule(np.transpose, np.matrix_transpose)
def _transposed(r: _Rewriting, call: Call) -> Call | Ref | None:
    axes = [*call.args[1:], *call.options.values()]
    turned = call.shape[::-1]
    if len(turned) != 2 or any(a is not None and tuple(a) not in ((1, 0), (-1, -2)) for a in axes):
        return None
    inner = r.made_by(call.args[0], np.transpose)
    if inner is not None and len(inner.args) == 1 and not inner.options:
        return inner.args[0]  # type: ignore[no-any-return]
    product = r.made_by(call.args[0], np.matmul)
    if product is not None and all(len(r.calls[v.place].shape) == 2 for v in refs_in(product.args)):
        x, y = (r.calls[v.place] for v in product.args)
        if function_of(x) is np.transpose or function_of(y) is np.transpose:
            parts = [
                r.put(r.new(call, np.transpose, v, part=True, shape=made.shape[::-1]))
                for v, made in zip(product.args, (x, y), strict=True)
            ]
            return r.new(call, np.matmul, parts[1], parts[0])
    if function_of(call) is np.transpose and not axes:
        return None
    return r.new(call, np.transpose, call.args[0])


@_rule(np.matmul)
def _matmul(r: _Rewriting, call: Call) -> Call | Ref | None:
    ones, g = call.args
    rows = r.of(g)
    known = r.of(ones)
    ones = known.value if known is not None and known.function is None else ones
    is_ones = isinstance(ones, np.ndarray) and ones.ndim == 1 and bool(np.all(ones == 1))
    if is_ones and rows is not None and len(rows.shape) == 2 and rows.dtype == call.dtype:
        return r.new(call, np.sum, g, options={"axis": 0})
    return None


@_rule(np.asarray)
def _same(r: _Rewriting, call: Call) -> Call | Ref | None:
    return call.args[0]  # type: ignore[no-any-return]


@_rule(np.where)
def _where(r: _Rewriting, call: Call) -> Call | Ref | None:
    if len(call.args) != 3:
        return None
    condition, x, y = call.args
    if isinstance(condition, Ref):
        known = r.calls[condition.place].value
        inner = r.made_by(x, np.where)
        if inner is not None and inner.args[0] == call.args[0]:
            return r.new(call, call.function, condition, inner.args[1], y)
        condition = condition if known is None else known
    if isinstance(x, Ref) and x == y and r.same(x, call):
        return x
    taken = isinstance(condition, (bool, np.bool_, np.ndarray)) and bool(np.all(condition))
    return x if taken and r.same(x, call) else None


@_rule(operator.ne, np.not_equal)
def _differs(r: _Rewriting, call: Call) -> Call | Ref | None:
    """Masks that went through numbers and back."""
    x, y = call.args
    made = r.of(x)
    if made is None or not r.is_number(y, 0):
        return None
    if _is_mask(made) and made.shape == call.shape:
        return x  # type: ignore[no-any-return]
    if made.function is None and made.value is not None and np.all(made.value):
        return r.put(Call(None, (), {}, call.shape, call.dtype, value=np.ones(call.shape, bool)))
    numbers = r.made_by(x, np.astype)
    if numbers is not None and _is_mask(r.of(numbers.args[0])):
        return numbers.args[0]  # type: ignore[no-any-return]
    chosen = r.made_by(x, np.where)
    if chosen is None or not r.is_number(chosen.args[2], 0):
        return None
    mask, taken, _ = chosen.args
    if not _is_mask(r.of(mask)) or r.calls[mask.place].shape != call.shape:
        return None
    known = r.of(taken)
    value = known.value if known is not None and known.function is None else taken
    if isinstance(value, (np.ndarray, float, int)) and bool(np.all(value)):
        return mask  # type: ignore[no-any-return]
    numbers = r.made_by(taken, np.astype)
    if numbers is not None and _is_mask(r.of(numbers.args[0])) and r.same(numbers.args[0], call):
        return r.new(call, np.bitwise_and, mask, numbers.args[0])
    return None
