"""Running a function on Tensors: on their arrays, with a node made where an input is tracked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import ref

import numpy as np

from autotensor import anomaly, errors
from autotensor.array import Tensor, attach
from autotensor.engine.graph import Leaf
from autotensor.engine.memory import Window
from autotensor.engine.modes import RECORD, TRACE, mode
from autotensor.engine.primitive import TABLE, Composite, Op
from autotensor.engine.several import like
from autotensor.naming import argument_where, by_register, by_rule, nearest, public
from autotensor.results import SCALARS, in_places, record, record_several
from autotensor.storage import note_view

__all__ = [
    "NO_OPTIONS",
    "SCALARS",
    "apply",
    "apply_to_one",
    "call",
    "holds_tracked",
    "owned",
    "record",
    "unwrap",
    "wrap",
]

NO_OPTIONS: dict[str, Any] = {}
# Options that every ufunc takes, and that a derivative does not depend on.
_OF_UFUNCS = frozenset({"dtype", "casting", "order", "subok", "signature"})
_OBJECT = np.dtype(object)
_ARRAYS = (np.ndarray, np.generic, list, tuple, *SCALARS)
# Options of these types are what they are: nothing in them is a Tensor, or may change.
_PLAIN = frozenset({*SCALARS, str, type(None), type(...)})


def apply(op: Op, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run `op` and record it, if an input is tracked and gradients are recorded."""
    if op.unary and len(args) == 1 and not kwargs and type(args[0]) is Tensor:
        return apply_to_one(op, args[0], op.compute)
    raw = [a._data if isinstance(a, Tensor) else _unwrap_nested(a) for a in args]
    raw_kwargs = {k: unwrap(v) for k, v in kwargs.items()} if kwargs else kwargs
    alone = not kwargs and len(args) == op.positional
    out = op.compute(*raw) if alone else op.function(*raw, **raw_kwargs)
    view = None
    if type(out) is np.ndarray:
        if out.base is not None or any(out is r for r in raw):
            view = out
        if out.ndim == 0:
            out = out[()]
    elif isinstance(out, np.generic):
        if op.views and isinstance(raw[0], np.generic):
            view = _scalar_seen(lambda x: op.function(x, *raw[1:], **raw_kwargs), raw[0])
    else:
        if type(out) not in SCALARS:
            return _other(op, args, kwargs, raw, raw_kwargs, out)
        out = np.asarray(out)[()]
    bits = mode.get()
    result = _recorded(op, args, kwargs, out) if bits & RECORD else None
    if result is None:
        result = Tensor(out, None)
    if bits > RECORD:
        anomaly.observe(bits, op, raw, result, raw_kwargs, given=(args, kwargs))
    if view is not None:
        _share(result, view, args)
    return result


def apply_to_one(op: Op, tensor: Tensor, compute: Callable[[Any], Any]) -> Any:
    """`apply` for a call with one Tensor and nothing else; `compute` does what the op does."""
    x = tensor._data
    out = compute(x)
    view = None
    if type(out) is np.ndarray:
        if out.base is not None or out is x:
            view = out
        if not out.ndim:
            out = out[()]
    elif isinstance(out, np.generic):
        if op.views and isinstance(x, np.generic):
            view = _scalar_seen(compute, x)
    else:
        if type(out) not in SCALARS:
            return _other(op, (tensor,), NO_OPTIONS, (x,), NO_OPTIONS, out)
        out = np.asarray(out)[()]
    node = tensor._node
    bits = mode.get()
    if node is not None and node.requires_grad and bits & RECORD:
        result = record(op, 1, (node,), (x,), out, NO_OPTIONS)
    else:
        result = Tensor(out, None)
    if bits > RECORD:
        anomaly.observe(bits, op, (x,), result, given=((tensor,), NO_OPTIONS))
    if view is not None:
        _share(result, view, (tensor,))
    return result


def _scalar_seen(compute: Callable[[Any], Any], x: Any) -> Any:
    """The view that `compute`, an op that makes views, gives of an array that holds the scalar."""
    whole = np.array(x)
    view = compute(whole)
    return whole[...] if view is whole else view


def _other(
    op: Op,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    raw: Sequence[Any],
    raw_kwargs: Mapping[str, Any],
    out: Any,
) -> Any:
    """What an op that returned no array gives: several results, or indices that `where` finds."""
    bits = mode.get()
    parts = out if isinstance(out, (tuple, list)) else (out,)
    kinds = {_kind(part) for part in parts}
    made = None
    if (
        bits & RECORD
        and kinds - {*"iub"}
        and (holds_tracked(args) or holds_tracked(kwargs.values()))
    ):
        if not isinstance(out, tuple) or op.kind != "rule" or not kinds & {*"fc"}:
            raise errors.not_one_array(op.name, type(out).__name__)
        own = [r.copy() if isinstance(r, np.ndarray) and r.base is not None else r for r in out]
        made = _recorded(op, args, kwargs, like(out, own))
    if made is None:
        made = like(out, [wrap(v) for v in out]) if isinstance(out, tuple) else wrap(out)
    if bits > RECORD:
        for place, part in in_places(made):
            anomaly.observe(bits, op, raw, part, raw_kwargs, given=(args, kwargs), place=place)
    return made


def _kind(value: Any) -> str:
    """The kind of the dtype of an array or a number; that of an object for anything else."""
    if type(value) in SCALARS:
        return np.min_scalar_type(value).kind
    return getattr(value, "dtype", _OBJECT).kind


def _recorded(op: Op, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> Any:
    """`out`, one result or a tuple, with a node, or None where no input is tracked."""
    options = op.bind(args, kwargs)
    mask = 0
    parents: list[Any] = []
    values: list[Any] = []
    foreign: list[int] = []
    for name in op.inputs:
        given = options.pop(name, () if name == op.sequence else op.defaults.get(name))
        for x in given if name == op.sequence else (given,):
            if isinstance(x, Tensor):
                node = x._node or x._leaf()
                if node.requires_grad:
                    mask |= 1 << len(parents)
                parents.append(node)
                values.append(x._data)
            elif (type(x) in SCALARS and op.sequence is None) or x is None:
                parents.append(x)
                values.append(x)
            elif not isinstance(x, _ARRAYS) and not hasattr(x, "__array__"):
                parents.append(None)  # a str, or whatever else no gradient can be of
                values.append(x)
            else:
                value = np.asarray(x)  # raises for a list that holds tracked Tensors
                foreign.append(len(parents))
                parents.append(Leaf(value.shape, value.dtype))
                values.append(value)
                if value is x:
                    parents[-1].notes = {"array": ref(x)}
    for name, x in options.items():
        kind = type(x)
        if kind in _PLAIN or (kind is tuple and _PLAIN.issuperset(map(type, x))):
            continue
        constant = name in op.constants
        if not constant and name not in op.nondiff and holds_tracked((x,)):
            raise errors.no_rule(public(op.function, op.name), name, (), by_rule(op, name))
        if isinstance(x, Tensor):
            options[name] = x._data
        else:
            own = owned(_unwrap_nested(x))
            options[name] = np.asarray(own) if constant else own
    if not mask:
        return None
    unknown = [name for name in options if name not in op.params and name not in _OF_UFUNCS]
    if op.checked:
        unknown += [
            name
            for name in options
            if name in op.checked - _OF_UFUNCS
            and options[name] is not op.defaults.get(name, _OBJECT)
        ]
    if unknown or (len(args) > len(op.params) and not op.variadic):
        raise errors.no_rule_for_option(public(op.function, op.name), unknown[:1])
    if foreign:
        for slot in op.plan(mask, len(parents), False).kept_slots:
            if slot in foreign:
                values[slot] = values[slot].copy()
    make = record_several if op.joint or isinstance(out, tuple) else record
    return make(op, mask, tuple(parents), tuple(values), out, options or NO_OPTIONS)


def owned(value: Any) -> Any:
    """`value` with its arrays copied, so that nothing outside can change them."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (tuple, list):
        return type(value)(owned(v) for v in value)
    if type(value) is dict:
        return {key: owned(v) for key, v in value.items()}
    return value


def _share(result: Tensor, out: np.ndarray[Any, Any], args: Sequence[Any]) -> None:
    """Note the argument that `out`, the array of `result`, is a view of, if there is one."""
    for a in args:
        if isinstance(a, Tensor) and _sees(out, a._data):
            return note_view(result, out, a)
    return None


def _sees(out: np.ndarray[Any, Any], x: Any) -> bool:
    if type(x) is np.ndarray:
        return out is x or out.base is x or np.may_share_memory(out, x)
    # A scalar; NumPy views an array that it makes of it.
    return type(out.base) is np.ndarray and not out.base.ndim and out.base.dtype == x.dtype


def unwrap(value: Any) -> Any:
    """`value` with every Tensor in it, also inside tuples and lists, replaced by its array."""
    return value._data if isinstance(value, Tensor) else _unwrap_nested(value)


def _unwrap_nested(value: Any) -> Any:
    kind = type(value)
    if kind is tuple or kind is list:
        return kind([unwrap(v) for v in value])
    if kind is slice:
        return slice(unwrap(value.start), unwrap(value.stop), unwrap(value.step))
    return value


def wrap(value: Any) -> Any:
    """`value` with every array in it made a constant Tensor."""
    if isinstance(value, (np.ndarray, np.generic)):
        return Tensor(np.asarray(value)[()] if value.ndim == 0 else value, None)
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(map(wrap, value))
    return [wrap(v) for v in value] if type(value) is list else value


def call(function: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """NumPy's `function`, called with a Tensor among its arguments."""
    entry = TABLE.get(function)
    if isinstance(entry, Op):
        return apply(entry, args, kwargs)
    if isinstance(entry, Composite):
        return entry.run(*args, **kwargs)
    raw = [_read_only(a) for a in args]
    raw_kwargs = {k: _read_only(v) for k, v in kwargs.items()}
    tracked = holds_tracked(args) or holds_tracked(kwargs.values())
    bits = mode.get()
    if tracked and bits & RECORD:
        if entry is None:
            argument = argument_where(_requires_grad, function, args, kwargs)
            called = public(function, name)
            raise errors.no_rule(called, argument, nearest(name), by_register(called, argument))
        if not entry.complex and any(getattr(a, "dtype", np.dtype(bool)).kind == "c" for a in raw):
            raise errors.no_complex_rule(public(function, name))
    result = function(*raw, **raw_kwargs)
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    wrapped = wrap(_apart(result, arrays) if arrays else result)
    if hasattr(wrapped, "_fields") and bits & TRACE:
        wrapped = like(wrapped, [wrap(part) for part in wrapped])
    for place, made in in_places(wrapped):
        if isinstance(made._data, np.ndarray):
            if not made._data.flags.writeable:  # because its argument was not, most likely
                made._data = _writeable(made._data)
            _share(made, made._data, _flat((*args, *kwargs.values())))
        if bits > RECORD:
            observed = raw, made, raw_kwargs
            anomaly.observe(bits, function, *observed, given=(args, kwargs), place=place)
    return wrapped


def _flat(values: Sequence[Any]) -> list[Any]:
    """`values`, with those in tuples and lists among them."""
    found: list[Any] = []
    for value in values:
        found += _flat(value) if isinstance(value, (tuple, list)) else [value]
    return found


def _read_only(value: Any) -> Any:
    """`value` unwrapped so that a function which writes to its argument raises."""
    if not isinstance(value, Tensor) or not isinstance(value._data, np.ndarray):
        return unwrap(value)
    view = value._data.view()
    view.flags.writeable = False
    return view


def _writeable(view: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`view`, writeable again unless entries of it may be the same."""
    if not Window(view, view).may_overlap() and type(view.base) is np.ndarray:
        view.flags.writeable = view.base.flags.writeable
    return view


def _apart(result: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    """`result` with every array in it copied that shares memory with one of `arrays`."""
    if isinstance(result, (tuple, list)) and not hasattr(result, "_fields"):
        return type(result)(_apart(r, arrays) for r in result)
    if isinstance(result, np.ndarray) and any(np.may_share_memory(result, a) for a in arrays):
        return result.copy()
    return result


def holds_tracked(values: Any) -> bool:
    """Whether a Tensor that requires grad is among `values`, or in tuples and lists there."""
    return any(
        v.requires_grad if isinstance(v, Tensor) else type(v) in (list, tuple) and holds_tracked(v)
        for v in values
    )


def _requires_grad(value: Any) -> bool:
    return holds_tracked((value,))


attach("_apply", staticmethod(apply))
attach("_apply_to_one", staticmethod(apply_to_one))
