"""What NumPy does with Tensors: operators, methods, indexing, writing, and the two protocols.

All of it ends in `apply`: run the function on the arrays, and where an input is tracked, `record`
a node. The unary and binary operators have a shorter way to the same `record`.
"""

from __future__ import annotations

import contextlib
import difflib
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.array import Tensor, attach
from autotensor.engine.graph import Leaf, Node
from autotensor.engine.modes import recording
from autotensor.engine.primitive import TABLE, Composite, Constant, Op
from autotensor.ops.indexing import with_entries

__all__ = ["apply", "unwrap"]

_NO_OPTIONS: dict[str, Any] = {}
_SCALARS = frozenset({int, float, complex, bool})


# -- recording ------------------------------------------------------------------------------------


def record(
    op: Op, mask: int, parents: Sequence[Any], values: Sequence[Any], out: Any, options: Any
) -> Tensor:
    """`out` as a Tensor with a node; the inputs in `mask` are tracked."""
    dtype = out.dtype
    kind = dtype.kind
    if kind not in "fc":
        return Tensor(out, None)
    plan = op.plans.get(mask) if kind == "f" else None
    if plan is None:
        plan = op.plan(mask, len(parents), kind == "c")
    keep = plan.keep
    kept = keep(values, out) if keep is not None else ()
    return Tensor(out, Node(plan, parents, kept, options, out.shape, dtype))


def apply(op: Op, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run `op` and record it, if an input is tracked and gradients are recorded."""
    if len(args) == 1 and not kwargs and type(args[0]) is Tensor:
        return _apply_to_one(op, args[0])
    raw = [a._data if type(a) is Tensor else _unwrap_nested(a) for a in args]
    raw_kwargs = {k: unwrap(v) for k, v in kwargs.items()} if kwargs else kwargs
    out = op.function(*raw, **raw_kwargs)
    if type(out) is np.ndarray and out.ndim == 0:
        out = out[()]
    if not isinstance(out, (np.ndarray, np.generic)):
        return _wrap(out)
    result = _recorded(op, args, kwargs, raw, raw_kwargs, out) if recording.get() else None
    if result is None:
        result = Tensor(out, None)
    if type(out) is np.ndarray and out.base is not None:
        _note_view(out, result, args)
    return result


def _apply_to_one(op: Op, tensor: Tensor) -> Tensor:
    """`apply` for a call with one Tensor and nothing else."""
    x = tensor._data
    out = op.function(x)
    if type(out) is np.ndarray and out.ndim == 0:
        out = out[()]
    node = tensor._node
    if node is not None and node.requires_grad and recording.get():
        result = record(op, 1, (node,), (x,), out, _NO_OPTIONS)
    else:
        result = Tensor(out, None)
    if type(out) is np.ndarray and out.base is not None:
        _note_view(out, result, (tensor,))
    return result


def _recorded(
    op: Op,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    raw: Sequence[Any],
    raw_kwargs: Mapping[str, Any],
    out: Any,
) -> Tensor | None:
    """`out` with a node, or None where no input is tracked."""
    given, values = op.bind(args, kwargs), op.bind(raw, raw_kwargs)
    originals: list[Any] = []
    inputs: list[Any] = []
    for name in op.inputs:
        if name == op.sequence:
            originals.extend(given.get(name, ()))
            inputs.extend(values.get(name, ()))
        else:
            originals.append(given.get(name))
            inputs.append(values.get(name))
    mask, parents, foreign = 0, [], []
    for slot, (x, value) in enumerate(zip(originals, inputs, strict=True)):
        if type(x) is Tensor:
            node = x._node or x._leaf()
            if node.requires_grad:
                mask |= 1 << slot
            parents.append(node)
        elif type(x) in _SCALARS or x is None:
            parents.append(x)
        else:
            inputs[slot] = value = np.asarray(value)
            foreign.append(slot)
            parents.append(Leaf(value.shape, value.dtype))
    options = {name: values[name] for name in values if name not in op.inputs}
    for name in options:
        original = given[name]
        if type(original) is Tensor:
            if original.requires_grad and name not in op.constants:
                raise errors.no_rule(op.name, name, ())
        elif type(original) not in _SCALARS:
            owned = _owned(options[name])
            options[name] = np.asarray(owned) if name in op.constants else owned
    if not mask:
        return None
    if foreign:
        for slot in op.plan(mask, len(parents), out.dtype.kind == "c").kept_slots:
            if slot in foreign:
                inputs[slot] = inputs[slot].copy()
    return record(op, mask, tuple(parents), inputs, out, options or _NO_OPTIONS)


def _owned(value: Any) -> Any:
    """`value` with its arrays copied, so that nothing outside can change them."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (tuple, list):
        return type(value)(_owned(v) for v in value)
    return value


def _note_view(out: np.ndarray[Any, Any], result: Tensor, args: Sequence[Any]) -> None:
    """Give `result` and the argument whose memory it views one token: its references count them."""
    for a in args:
        if type(a) is Tensor and (out.base is a._data or np.may_share_memory(out, a._data)):
            if a._shared is None:
                a._shared = object()
            result._shared = a._shared
            return


def unwrap(value: Any) -> Any:
    """`value` with every Tensor in it, also inside tuples and lists, replaced by its array."""
    return value._data if type(value) is Tensor else _unwrap_nested(value)


def _unwrap_nested(value: Any) -> Any:
    kind = type(value)
    if kind is tuple or kind is list:
        return kind([unwrap(v) for v in value])
    if kind is slice:
        return slice(unwrap(value.start), unwrap(value.stop), unwrap(value.step))
    return value


def _wrap(value: Any) -> Any:
    """`value` with every array in it made a constant Tensor."""
    if isinstance(value, (np.ndarray, np.generic)):
        return Tensor(value[()] if value.ndim == 0 else value, None)
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(map(_wrap, value))
    return [_wrap(v) for v in value] if type(value) is list else value


# -- NumPy's protocols ----------------------------------------------------------------------------


def call(function: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """NumPy's `function`, called with a Tensor among its arguments."""
    entry = TABLE.get(function)
    if isinstance(entry, Op):
        return apply(entry, args, kwargs)
    if isinstance(entry, Composite):
        return entry.run(*args, **kwargs)
    raw = [unwrap(a) for a in args]
    raw_kwargs = {k: unwrap(v) for k, v in kwargs.items()}
    tracked = _tracked(args) or _tracked(kwargs.values())
    if tracked and recording.get():
        if entry is None:
            raise errors.no_rule(name, None, _nearest(name))
        if not entry.complex and any(getattr(a, "dtype", np.dtype(bool)).kind == "c" for a in raw):
            raise errors.no_complex_rule(name)
    return _wrap(function(*raw, **raw_kwargs))


def _tracked(values: Any) -> bool:
    return any(
        v.requires_grad if type(v) is Tensor else type(v) in (list, tuple) and _tracked(v)
        for v in values
    )


def _nearest(name: str) -> list[str]:
    names = {entry.name for entry in TABLE.values() if isinstance(entry, (Op, Composite))}
    return [f"np.{n}" for n in difflib.get_close_matches(name, names, n=2)]


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if method == "__call__" and not kwargs:
        entry = TABLE.get(ufunc)
        if isinstance(entry, Op):
            return apply(entry, inputs, kwargs)
    function = ufunc if method == "__call__" else getattr(ufunc, method)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    out = kwargs.pop("out", None)
    where = kwargs.pop("where", True)
    with np.errstate(all="ignore") if where is not True else _NO_CONTEXT:
        result = call(function, name, inputs, kwargs)
    if out is not None:
        return _into(out[0], result, where)
    # NumPy leaves the other entries of its fresh result undefined; here they are zero.
    return result if where is True else np.where(where, result, 0)


def _array_function(
    self: Tensor, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    out = kwargs.get("out")
    if out is None:
        return call(function, function.__name__, args, kwargs)
    rest = {k: v for k, v in kwargs.items() if k != "out"}
    return _into(out, call(function, function.__name__, args, rest), True)


def _into(out: Any, result: Any, where: Any) -> Any:
    """Write `result` to the ``out=`` of a call, as NumPy does."""
    if isinstance(out, Tensor):
        _check_write(out)
        return _take_over(out, result if where is True else np.where(where, result, out))
    if isinstance(result, Tensor) and result.requires_grad:
        raise errors.filled_ndarray()
    np.copyto(out, unwrap(result), casting="same_kind", where=unwrap(where))
    return out


# -- writing in place -----------------------------------------------------------------------------


def _check_write(tensor: Tensor) -> None:
    node = tensor._node
    if node is not None and node.plan is None and node.requires_grad and recording.get():
        raise errors.leaf_in_place(tensor.name)
    # Two references are the slot's and the call's own; any more are other live tensors.
    if tensor._shared is not None and sys.getrefcount(tensor._shared) > 2:
        raise errors.shared_memory(tensor.name, tensor.shape)


def _take_over(tensor: Tensor, result: Tensor) -> Tensor:
    """Give `tensor` the value and node of `result`; whoever holds the old value keeps it."""
    if result.shape != tensor.shape:
        raise errors.write_shape(result.shape, tensor.shape)
    if result.dtype != tensor.dtype:
        if not np.can_cast(result.dtype, tensor.dtype, "same_kind"):
            raise errors.write_dtype(result.dtype, tensor.dtype)
        result = result.astype(tensor.dtype)
    tensor._data = result._data
    tensor._shared = None
    if isinstance(result._node, Node):
        tensor._node = result._node
    return tensor


def _set_value(tensor: Tensor, data: Any) -> None:
    """Rebind the memory of a leaf, as an optimizer does; its node and gradient stay."""
    if tensor._shared is not None and sys.getrefcount(tensor._shared) > 2:
        raise errors.shared_memory(tensor.name, tensor.shape)
    tensor._data = data
    tensor._shared = None


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    _check_write(self)
    _take_over(self, with_entries(self, index, value))


# -- operators ------------------------------------------------------------------------------------


def _binary(ufunc: Any, compute: Callable[[Any, Any], Any]) -> tuple[Any, Any, Any]:
    """The operator, its reflection and its in-place form."""
    op = TABLE[ufunc]
    assert isinstance(op, Op)

    def forward(self: Tensor, other: Any) -> Any:
        x = self._data
        a = self._node
        mask = 1 if a is not None and a.requires_grad else 0
        if type(other) is Tensor:
            y = other._data
            b: Any = other._node
            if b is not None and b.requires_grad:
                mask |= 2
        elif type(other) in _SCALARS:
            y = b = other
        elif hasattr(other, "__array_ufunc__") or isinstance(other, (list, tuple)):
            return apply(op, (self, other), _NO_OPTIONS)
        else:
            return NotImplemented
        out = compute(x, y)
        if not mask or not recording.get():
            return Tensor(out, None)
        if a is None:
            a = self._leaf()
        if b is None:
            b = other._leaf()
        return record(op, mask, (a, b), (x, y), out, _NO_OPTIONS)

    def reflected(self: Tensor, other: Any) -> Any:
        if type(other) not in _SCALARS:
            if hasattr(other, "__array_ufunc__") or isinstance(other, (list, tuple)):
                return apply(op, (other, self), _NO_OPTIONS)
            return NotImplemented
        x = self._data
        node = self._node
        out = compute(other, x)
        if node is None or not node.requires_grad or not recording.get():
            return Tensor(out, None)
        return record(op, 2, (other, node), (other, x), out, _NO_OPTIONS)

    def in_place(self: Tensor, other: Any) -> Any:
        _check_write(self)
        result = forward(self, other)
        return result if result is NotImplemented else _take_over(self, result)

    return forward, reflected, in_place


def _comparison(compute: Callable[[Any, Any], Any]) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        return _wrap(compute(self._data, unwrap(other)))

    return method


def _by_ufunc(ufunc: np.ufunc) -> tuple[Any, Any, Any]:
    """The forms of an operator that is constant, or has no rule: whatever NumPy's function does."""

    def forward(self: Tensor, other: Any) -> Any:
        return _array_ufunc(self, ufunc, "__call__", self, other)

    def reflected(self: Tensor, other: Any) -> Any:
        return _array_ufunc(self, ufunc, "__call__", other, self)

    def in_place(self: Tensor, other: Any) -> Any:
        _check_write(self)
        return _take_over(self, forward(self, other))

    return forward, reflected, in_place


def _of_table(function: Any) -> Callable[..., Any]:
    """The method that calls `function` with the Tensor as its first argument."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return _array_function(self, function, (), (self, *args), kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"See `numpy.{function.__name__}`."
    return method


def _reshape(self: Tensor, *shape: Any, order: str = "C") -> Tensor:
    """See `numpy.ndarray.reshape`: ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
    target = shape[0] if len(shape) == 1 else shape
    return apply(TABLE[np.reshape], (self, target), {} if order == "C" else {"order": order})


def _transpose(self: Tensor, *axes: Any) -> Tensor:
    """See `numpy.ndarray.transpose`: ``x.transpose(1, 0)`` or ``x.transpose((1, 0))``."""
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
    return apply(TABLE[np.transpose], (self,), {} if order is None else {"axes": order})


def _astype(self: Tensor, dtype: Any, *, copy: bool = True) -> Tensor:
    """The tensor converted to `dtype`, within the graph."""
    return apply(TABLE[np.astype], (self, np.dtype(dtype)), {} if copy else {"copy": copy})


def _flatten(self: Tensor, order: str = "C") -> Tensor:
    """A copy of the tensor as one axis."""
    return self.ravel(order=order).copy()


def _conj(self: Tensor) -> Tensor:
    """The complex conjugate; a real tensor itself."""
    return np.conjugate(self) if self._data.dtype.kind == "c" else self


def _real(self: Tensor) -> Tensor:
    """The real part; a real tensor itself."""
    return np.real(self) if self._data.dtype.kind == "c" else self


_NO_CONTEXT = contextlib.nullcontext()


def _complete() -> None:
    """Attach everything above to Tensor."""
    for name, ufunc, compute in (
        ("add", np.add, operator.add),
        ("sub", np.subtract, operator.sub),
        ("mul", np.multiply, operator.mul),
        ("truediv", np.divide, operator.truediv),
        ("pow", np.power, operator.pow),
        ("matmul", np.matmul, operator.matmul),
    ):
        for prefix, method in zip(("", "r", "i"), _binary(ufunc, compute), strict=True):
            attach(f"__{prefix}{name}__", method)
    for name, ufunc in (
        ("and", np.bitwise_and),
        ("or", np.bitwise_or),
        ("xor", np.bitwise_xor),
        ("floordiv", np.floor_divide),
        ("mod", np.remainder),
    ):
        for prefix, method in zip(("", "r", "i"), _by_ufunc(ufunc), strict=True):
            attach(f"__{prefix}{name}__", method)
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        attach(f"__{name}__", _comparison(getattr(operator, name)))
    for function in TABLE:
        name = getattr(function, "__name__", "")
        known = vars(np).get(name) is function and callable(getattr(np.ndarray, name, None))
        if known and not hasattr(Tensor, name):
            attach(name, _of_table(function))
    getitem = TABLE[operator.getitem]
    for name, value in {
        "__neg__": lambda self: apply(TABLE[np.negative], (self,), _NO_OPTIONS),
        "__pos__": lambda self: self.copy(),
        "__invert__": lambda self: call(np.invert, "invert", (self,), _NO_OPTIONS),
        "__abs__": lambda self: apply(TABLE[np.absolute], (self,), _NO_OPTIONS),
        "__getitem__": lambda self, index: apply(getitem, (self, index), _NO_OPTIONS),
        "__setitem__": _setitem,
        "__array_ufunc__": _array_ufunc,
        "__array_function__": _array_function,
        "reshape": _reshape,
        "transpose": _transpose,
        "astype": _astype,
        "flatten": _flatten,
        "conj": _conj,
        "conjugate": _conj,
        "T": property(lambda self: apply(TABLE[np.transpose], (self,), _NO_OPTIONS)),
        "mT": property(np.matrix_transpose),
        "real": property(_real),
        "imag": property(np.imag),
        "_set_value": _set_value,
        "_apply": staticmethod(apply),
    }.items():
        attach(name, value)


_complete()
