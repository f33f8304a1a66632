"""What NumPy does with Tensors: the two protocols, writing in place, operators and methods.

All of it ends in `autotensor.dispatch`; the binary operators have a shorter way to its `record`.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autotensor import anomaly
from autotensor.array import Tensor, attach
from autotensor.dispatch import (
    NO_OPTIONS,
    SCALARS,
    apply,
    apply_to_one,
    call,
    holds_tracked,
    record,
    unwrap,
    wrap,
)
from autotensor.engine.entries import is_basic
from autotensor.engine.modes import RECORD, WATCH, mode
from autotensor.engine.primitive import TABLE, Op, op_of
from autotensor.storage import View, read
from autotensor.writing import WRITERS, add_at, compute_into, into, replace, tracks, write

__all__ = ["short_way"]

_NO_CONTEXT = contextlib.nullcontext()
_NUMBERS = (Tensor, np.ndarray, np.generic, int, float, complex)

# -- NumPy's protocols ----------------------------------------------------------------------------


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if method == "__call__" and not kwargs:
        if len(inputs) == 1:
            short = _SHORT.get(ufunc)
            if short is not None:
                return short(self)
        elif type(inputs[0]) is Tensor is type(inputs[1]):
            short = _SHORT.get(ufunc)
            if short is not None:
                return short(*inputs)
    function = ufunc if method == "__call__" else getattr(ufunc, method)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if method == "at":
        return add_at(ufunc, name, *inputs)
    out = kwargs.pop("out", None)
    where = kwargs.pop("where", True) if method == "__call__" else True
    if where is not True and (holds_tracked(inputs) or mode.get() & WATCH):
        # Entries left out must not reach the gradient, whatever the derivative there.
        inputs = tuple(x if type(x) in SCALARS else np.where(where, x, 1) for x in inputs)
    with np.errstate(all="ignore") if where is not True else _NO_CONTEXT:
        result = call(function, name, inputs, kwargs)
    if isinstance(result, tuple):
        pairs = zip(out or [None] * len(result), result, strict=True)
        return tuple(into(o, r, where) for o, r in pairs)
    return into(out and out[0], result, where)


def _array_function(
    self: Tensor, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if not kwargs and len(args) == 2:
        short = _SHORT.get(function)
        if short is not None and type(args[0]) is Tensor is type(args[1]):
            return short(*args)
    writer = WRITERS.get(function)
    if writer is not None:
        return writer(*args, **kwargs)
    out = kwargs.get("out")
    rest = {k: v for k, v in kwargs.items() if k != "out"} if "out" in kwargs else kwargs
    entry = TABLE.get(function)
    if isinstance(entry, Op) and "out" in entry.params[: len(args)]:
        place = entry.params.index("out")
        names = entry.params[place + 1 : len(args)]
        out, rest = args[place], rest | dict(zip(names, args[place + 1 :], strict=True))
        args = args[:place]
    if out is None:
        return call(function, function.__name__, args, rest)
    where: Any = True
    if isinstance(entry, Op) and "where" in rest and "where" not in entry.params:
        rest = dict(rest)  # as of a ufunc, like clip: it says which entries of `out` are written
        where = rest.pop("where")
    return into(out, call(function, function.__name__, args, rest), where)


# -- operators ------------------------------------------------------------------------------------


def _unary(op: Op) -> Callable[[Tensor], Tensor]:
    """A ufunc of one Tensor. Its result is no view."""
    compute = op.compute

    def function(self: Tensor) -> Tensor:
        x = self._data
        node = self._node
        out = compute(x)
        bits = mode.get()
        if node is not None and node.requires_grad and bits & RECORD:
            result = record(op, 1, (node,), (x,), out, NO_OPTIONS)
        else:
            result = Tensor(out, None)
        if bits > RECORD:
            anomaly.observe(bits, op, (x,), result, given=((self,), NO_OPTIONS))
        return result

    return function


def _binary(ufunc: Any, compute: Callable[[Any, Any], Any]) -> tuple[Any, Any, Any]:
    """The operator, its reflection and its in-place form."""
    op = op_of(ufunc)

    def forward(self: Tensor, other: Any) -> Any:
        x = self._data
        a = self._node
        mask = 1 if a is not None and a.requires_grad else 0
        if type(other) is Tensor:
            y = other._data
            b: Any = other._node
            if b is not None and b.requires_grad:
                mask |= 2
        elif type(other) in SCALARS:
            y = b = other
        elif hasattr(other, "__array_ufunc__") or isinstance(other, (list, tuple)):
            return apply(op, (self, other), NO_OPTIONS)
        else:
            return NotImplemented
        out = compute(x, y)
        bits = mode.get()
        if mask and bits & RECORD:
            if a is None:
                a = self._leaf()
            if b is None:
                b = other._leaf()
            result = record(op, mask, (a, b), (x, y), out, NO_OPTIONS)
        else:
            result = Tensor(out, None)
        if bits > RECORD:
            anomaly.observe(bits, op, (x, y), result, given=((self, other), NO_OPTIONS))
        return result

    def reflected(self: Tensor, other: Any) -> Any:
        if type(other) not in SCALARS:
            if hasattr(other, "__array_ufunc__") or isinstance(other, (list, tuple)):
                return apply(op, (other, self), NO_OPTIONS)
            return NotImplemented
        x = self._data
        node = self._node
        out = compute(other, x)
        if type(out) is complex:  # Python's own product with np.float64, which is a float to it
            out = np.complex128(out)
        bits = mode.get()
        if node is None or not node.requires_grad or not bits & RECORD:
            result = Tensor(out, None)
        else:
            result = record(op, 2, (other, node), (other, x), out, NO_OPTIONS)
        if bits > RECORD:
            anomaly.observe(bits, op, (other, x), result, given=((other, self), NO_OPTIONS))
        return result

    def in_place(self: Tensor, other: Any) -> Any:
        if mode.get() <= RECORD and not tracks(self, other) and isinstance(other, _NUMBERS):
            return compute_into(self, ufunc, other)
        result = forward(self, other)
        return result if result is NotImplemented else replace(self, result)

    return forward, reflected, in_place


def _comparison(compute: Callable[[Any, Any], Any]) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        x, y = self._data, unwrap(other)
        result = wrap(compute(x, y))
        bits = mode.get()
        if bits > RECORD and type(result) is Tensor:
            anomaly.observe(bits, compute, (x, y), result, given=((self, other), NO_OPTIONS))
        return result

    return method


def _by_ufunc(ufunc: np.ufunc) -> tuple[Any, Any, Any]:
    """The forms of an operator that is constant, or has no rule: whatever NumPy's function does."""

    def forward(self: Tensor, other: Any) -> Any:
        return _array_ufunc(self, ufunc, "__call__", self, other)

    def reflected(self: Tensor, other: Any) -> Any:
        return _array_ufunc(self, ufunc, "__call__", other, self)

    def in_place(self: Tensor, other: Any) -> Any:
        return replace(self, forward(self, other))

    return forward, reflected, in_place


def _of_table(function: Any) -> Callable[..., Any]:
    """The method that calls `function` with the Tensor as its first argument."""
    name = function.__name__
    entry = TABLE[function]
    compute = getattr(entry, "compute", function)
    if compute is function:
        compute = operator.methodcaller(name)

    unary = entry if isinstance(entry, Op) and entry.unary else None

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if unary is not None and not args and not kwargs:
            return apply_to_one(unary, self, compute)
        return _array_function(self, function, (), (self, *args), kwargs)

    method.__name__ = name
    method.__doc__ = f"See `numpy.{name}`."
    return method


_GETITEM = op_of(operator.getitem)


def _getitem(self: Tensor, index: Any) -> Any:
    if type(self._place) is View and self._place.leaf is None and is_basic(index):
        return read(self, index)
    return apply(_GETITEM, (self, index), NO_OPTIONS)


def _reshape(self: Tensor, *shape: Any, order: str = "C") -> Any:
    """See `numpy.ndarray.reshape`: ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
    target = shape[0] if len(shape) == 1 else shape
    return apply(op_of(np.reshape), (self, target), {} if order == "C" else {"order": order})


def _transpose(self: Tensor, *axes: Any) -> Any:
    """See `numpy.ndarray.transpose`: ``x.transpose(1, 0)`` or ``x.transpose((1, 0))``."""
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
    return apply(op_of(np.transpose), (self,), {} if order is None else {"axes": order})


def _astype(self: Tensor, dtype: Any, *, copy: bool = True) -> Any:
    """The tensor converted to `dtype`, within the graph."""
    return apply(op_of(np.astype), (self, np.dtype(dtype)), {} if copy else {"copy": copy})


def _flatten(self: Tensor, order: str = "C") -> Any:
    """A copy of the tensor as one axis."""
    return self.ravel(order=order).copy()


def _fill(self: Tensor, value: Any) -> None:
    """Write one value to every entry."""
    write(self, ..., value)


def _clip(self: Tensor, min: Any = None, max: Any = None, **options: Any) -> Any:
    """See `numpy.ndarray.clip`, where both bounds may be left out."""
    return _array_function(self, np.clip, (), (self, min, max), options)


def _conj(self: Tensor) -> Any:
    """The complex conjugate; a real tensor itself."""
    return np.conjugate(self) if self._data.dtype.kind == "c" else self


def _real(self: Tensor) -> Any:
    """The real part; a real tensor itself. Setting it writes it in place."""
    return np.real(self) if self._data.dtype.kind == "c" else self


def _set_real(self: Tensor, value: Any) -> None:
    write(_real(self if self.ndim else self.reshape(1)), ..., value)


def _set_imag(self: Tensor, value: Any) -> None:
    if self._data.dtype.kind != "c":
        raise TypeError("a real tensor has no imaginary part to set: start with x.astype(complex)")
    write(np.imag(self if self.ndim else self.reshape(1)), ..., value)


_OPERATORS: dict[str, tuple[Any, Any, Any]] = {
    "add": _binary(np.add, operator.add),
    "sub": _binary(np.subtract, operator.sub),
    "mul": _binary(np.multiply, operator.mul),
    "truediv": _binary(np.divide, operator.truediv),
    "pow": _binary(np.power, operator.pow),
    "matmul": _binary(np.matmul, operator.matmul),
    "and": _by_ufunc(np.bitwise_and),
    "or": _by_ufunc(np.bitwise_or),
    "xor": _by_ufunc(np.bitwise_xor),
    "floordiv": _by_ufunc(np.floor_divide),
    "mod": _by_ufunc(np.remainder),
}


# What NumPy calls with one or two Tensors and nothing else has a way as short as the operators'.
_SHORT: dict[Any, Callable[..., Any]] = {}
for _op in TABLE.values():
    if not isinstance(_op, Op) or len(_op.inputs) != len(_op.params) or _op.sequence is not None:
        continue
    if len(_op.inputs) == 2:
        _SHORT[_op.function] = _binary(_op.function, _op.compute)[0]
    elif isinstance(_op.function, np.ufunc):
        _SHORT[_op.function] = _unary(_op)


def short_way(function: Any) -> Callable[[Any, Any], Any]:
    """`function` of a Tensor and another array, without NumPy's dispatch."""
    return _SHORT[function]


def _complete() -> None:
    """Attach everything above to Tensor."""
    for name, forms in _OPERATORS.items():
        for prefix, method in zip(("", "r", "i"), forms, strict=True):
            attach(f"__{prefix}{name}__", method)
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        attach(f"__{name}__", _comparison(getattr(operator, name)))
    for function in TABLE:
        name = getattr(function, "__name__", "")
        known = vars(np).get(name) is function and callable(getattr(np.ndarray, name, None))
        if known and not hasattr(Tensor, name):
            attach(name, _of_table(function))
    transpose = op_of(np.transpose)
    transposed = operator.attrgetter("T")
    for name, value in {
        "__neg__": lambda self: apply(op_of(np.negative), (self,), NO_OPTIONS),
        "__pos__": lambda self: self.copy(),
        "__invert__": lambda self: call(np.invert, "invert", (self,), NO_OPTIONS),
        "__abs__": lambda self: apply(op_of(np.absolute), (self,), NO_OPTIONS),
        "__getitem__": _getitem,
        "__setitem__": write,
        "__array_ufunc__": _array_ufunc,
        "__array_function__": _array_function,
        "reshape": _reshape,
        "transpose": _transpose,
        "astype": _astype,
        "flatten": _flatten,
        "fill": _fill,
        "clip": _clip,
        "conj": _conj,
        "conjugate": _conj,
        "T": property(lambda self: apply_to_one(transpose, self, transposed)),
        "mT": property(np.matrix_transpose),
        "real": property(_real, _set_real),
        "imag": property(np.imag, _set_imag),
    }.items():
        attach(name, value)


_complete()
