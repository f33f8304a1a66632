"""Shorter programs of the same meaning: one rule per function, applied by `rewriting`.

Every one keeps shape and dtype, and the value but for the rounding of a few operations.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container
from typing import Any

import numpy as np

from autotensor.drawing.numpy_source.program import Call, Program, Ref, refs_in
from autotensor.drawing.numpy_source.rewriting import Rewriting, Rule, alive, function_of

__all__ = ["simplify"]


def simplify(program: Program, named: Container[Any]) -> Program:
    """`program`, simplified; `named` are the nodes that have a name."""
    rewriting = Rewriting(named, _RULES)
    for call in program.calls:
        rewriting.add(call)
    outputs = [rewriting.moved[ref.place] for ref in program.outputs]
    return alive(Program(rewriting.calls, outputs))


_RULES: dict[Any, Rule] = {}


def _is_mask(call: Call | None) -> bool:
    return call is not None and call.dtype.kind == "b"


def _rule(*functions: Any) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(functions, rule))
        return rule

    return register


@_rule(np.multiply)
def _multiply(r: Rewriting, call: Call) -> Call | Ref | None:
    x, y = call.args
    a, b = r.number(x), r.number(y)
    if not call.shape and call.dtype.char == "d" and a is not None and b is not None:
        return r.put(Call(None, (), {}, (), call.dtype, value=np.float64(a * b)))
    for one, other in ((x, y), (y, x)):
        if r.is_number(one, 1) and r.same(other, call):
            return other  # type: ignore[no-any-return]
        if r.is_number(one, -1) and r.same(other, call):
            return r.new(call, np.negative, other)
        minus = r.made_by(other, np.negative)
        if minus is not None and r.number(one) is not None and r.of(one) is None:
            return r.new(call, np.multiply, -one, minus.args[0])
        filled = r.of(other)
        if filled is not None and filled.function is None and isinstance(filled.value, np.ndarray):
            # A number times an array of one number.
            number, scale = r.filling(other, call.dtype), r.plain(one, call)
            if scale is not None and number is not None and call.shape == filled.shape:
                full = np.full(call.shape, scale * number, call.dtype)
                return r.put(Call(None, (), {}, call.shape, call.dtype, value=full))
    product = r.made_by(y, np.multiply)
    if product is not None and r.same(product.args[1], call):
        # a * (b * y) = (a * b) * y for numbers a and b; a may be a quotient of two.
        a, b = r.plain(x, call), r.plain(product.args[0], call)
        quotient = r.made_by(x, np.divide)
        if a is not None and b is not None and _in_range(a * b, call):
            return r.new(call, np.multiply, a * b, product.args[1])
        if b is not None and quotient is not None:
            top, bottom = (r.plain(v, call) for v in quotient.args)
            if top is not None and bottom is not None and _in_range(top * b, call):
                scale = r.put(r.new(quotient, np.divide, top * b, bottom, part=True))
                return r.new(call, np.multiply, scale, product.args[1])
    if r.of(x) is not None and r.of(y) is None and r.plain(y, call) is not None:
        return r.new(call, np.multiply, y, x)
    return None


def _in_range(scale: float, call: Call) -> bool:
    """Whether a product of numbers neither overflows nor underflows where `call` is computed."""
    if call.dtype.kind not in "fc":
        return True
    known = np.finfo(call.dtype)
    return bool(known.tiny <= abs(scale) <= known.max)


@_rule(np.divide)
def _divide(r: Rewriting, call: Call) -> Call | Ref | None:
    x, y = call.args
    return x if r.is_number(y, 1) and r.same(x, call) else None


@_rule(np.add)
def _add(r: Rewriting, call: Call) -> Call | Ref | None:
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
def _subtract(r: Rewriting, call: Call) -> Call | Ref | None:
    x, y = call.args
    if r.is_number(y, 0) and r.same(x, call):
        return x  # type: ignore[no-any-return]
    minus = r.made_by(y, np.negative)
    return r.new(call, np.add, x, minus.args[0]) if minus is not None else None


@_rule(np.negative)
def _negative(r: Rewriting, call: Call) -> Call | Ref | None:
    minus = r.made_by(call.args[0], np.negative)
    if minus is not None:
        return minus.args[0]  # type: ignore[no-any-return]
    product = r.made_by(call.args[0], np.multiply)
    if product is not None and r.of(product.args[0]) is None:
        return r.new(call, np.multiply, -product.args[0], product.args[1])
    return None


@_rule(np.power)
def _power(r: Rewriting, call: Call) -> Call | Ref | None:
    x, y = call.args
    return x if r.is_number(y, 1) and r.same(x, call) else None


@_rule(np.reshape, np.broadcast_to, np.astype, np.copy, np.conjugate)
def _moved(r: Rewriting, call: Call) -> Call | Ref | None:
    x = call.args[0] if call.args else None
    function = function_of(call)
    if function is np.conjugate:
        return x if call.dtype.kind != "c" and r.same(x, call) else None
    if r.same(x, call):
        return x
    made = r.of(x)
    if function is np.astype and made is not None and r.number(x) is not None:
        return r.put(Call(None, (), {}, (), call.dtype, value=made.value.astype(call.dtype)))
    if function is np.reshape and made is not None and made.function is not None:
        inner = r.made_by(x, np.reshape)
        if inner is not None and not inner.options.get("order") and not call.options.get("order"):
            return r.new(call, np.reshape, inner.args[0], call.shape)
    return None


@_rule(np.copy)
def _copied(r: Rewriting, call: Call) -> Call | Ref | None:
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
def _transposed(r: Rewriting, call: Call) -> Call | Ref | None:
    axes = [*call.args[1:], *call.options.values()]
    turned = call.shape[::-1]
    swap = (None, (1, 0), [1, 0], (-1, -2), [-1, -2])
    if len(turned) != 2 or any(a not in swap for a in axes):
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
def _matmul(r: Rewriting, call: Call) -> Call | Ref | None:
    ones, g = call.args
    rows = r.of(g)
    known = r.of(ones)
    ones = known.value if known is not None and known.function is None else ones
    is_ones = isinstance(ones, np.ndarray) and ones.ndim == 1 and bool(np.all(ones == 1))
    if is_ones and rows is not None and len(rows.shape) == 2 and rows.dtype == call.dtype:
        return r.new(call, np.sum, g, options={"axis": 0})
    return None


@_rule(np.asarray)
def _same(r: Rewriting, call: Call) -> Call | Ref | None:
    return call.args[0]  # type: ignore[no-any-return]


@_rule(np.where)
def _where(r: Rewriting, call: Call) -> Call | Ref | None:
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
def _differs(r: Rewriting, call: Call) -> Call | Ref | None:
    """Masks that went through numbers and back."""
    x, y = call.args
    made = r.of(x)
    if made is None or not r.is_number(y, 0):
        return None
    if made.function is None and made.value is not None and np.all(made.value):
        return r.put(Call(None, (), {}, call.shape, call.dtype, value=np.ones(call.shape, bool)))
    mask = _mask_of(r, x, call)
    return mask if mask is not None and r.same(mask, call) else None


_MOVES = (np.broadcast_to, np.reshape, np.transpose, np.moveaxis, np.swapaxes, operator.getitem)


def _mask_of(r: Rewriting, x: Any, call: Call) -> Ref | None:
    """Where the numbers `x`, all of one sign, are not 0, if a mask that is there says so."""
    path: list[Call] = []
    made = r.of(x)
    while made is not None and made.args and not _is_mask(made):
        counted = function_of(made) is np.astype and _is_mask(r.of(made.args[0]))
        if not counted and function_of(made) not in (*_MOVES, np.negative, np.sum):
            break
        path.append(made)
        x = made.args[0]
        made = r.of(x)
    if not _is_mask(made):
        mask = _marked(r, x, call)
        if mask is None:
            return None
        x = mask
    for step in reversed(path):
        function = function_of(step)
        if function in (np.negative, np.astype):
            continue
        if function is np.sum and {*step.options} - {"axis", "keepdims"}:
            return None
        function = np.any if function is np.sum else step.function
        facts = {"shape": step.shape, "options": step.options, "part": True}
        x = r.put(r.new(call, function, x, *step.args[1:], **facts))
    return x  # type: ignore[no-any-return]


def _marked(r: Rewriting, x: Any, call: Call) -> Ref | None:
    """The mask of ``np.where(mask, positive, 0)``, where the positive numbers may be a mask's."""
    chosen = r.made_by(x, np.where)
    if chosen is None or not r.is_number(chosen.args[2], 0):
        return None
    mask, taken, _ = chosen.args
    if not _is_mask(r.of(mask)) or r.calls[mask.place].shape != chosen.shape:
        return None
    known = r.of(taken)
    value = known.value if known is not None and known.function is None else taken
    if isinstance(value, (np.ndarray, np.generic, float, int)) and np.all(np.greater(value, 0)):
        return mask  # type: ignore[no-any-return]
    numbers = r.made_by(taken, np.astype)
    if numbers is not None and _is_mask(r.of(numbers.args[0])):
        other = numbers.args[0]
        if r.of(other).shape == chosen.shape:  # type: ignore[union-attr]
            both = r.new(call, np.bitwise_and, mask, other, shape=chosen.shape, part=True)
            return r.put(both)
    return None
