"""Writing in place: ``x[i] = v``, ``x += v``, ``out=``, and NumPy's functions that write.

All of it comes down to `write`, which changes entries, and `replace`, which changes all of them.
What is written under ``no_grad`` is a constant: the entries written over lose their gradient, the
others keep it. A leaf that requires grad stays the leaf it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autotensor import errors, traced
from autotensor.array import Tensor, name_of
from autotensor.dispatch import SCALARS, call, owned, record, unwrap
from autotensor.engine.entries import is_basic
from autotensor.engine.graph import Leaf, Made, Node
from autotensor.engine.memory import Window
from autotensor.engine.modes import TRACE, enable_grad, mode, recording
from autotensor.engine.primitive import op_of
from autotensor.ops.indexing import added_at, with_entries
from autotensor.storage import Storage, View, is_alone, is_quiet, storage_of, window_of

__all__ = ["WRITERS", "add_at", "compute_into", "into", "replace", "set_value", "tracks", "write"]

Array = np.ndarray[Any, Any]
_COPY = op_of(np.copy)


def tracks(*values: Any) -> bool:
    """Whether an op on these values is recorded."""
    return recording() and any(isinstance(v, Tensor) and v.requires_grad for v in values)


def write(tensor: Tensor, index: Any, value: Any) -> None:
    """``tensor[index] = value``, for it and for all tensors that see its memory."""
    storage = storage_of(tensor)
    _check_recorded(storage, tensor)
    window = _writeable_window(tensor)
    tracing = bool(mode.get() & TRACE)
    asked, index = index, unwrap(index)
    if tracks(value) and storage.array.dtype.kind not in "fc":
        raise errors.write_dtype(value.dtype, storage.array.dtype)
    if not isinstance(value, Tensor) and type(value) not in SCALARS:
        value = np.asarray(value)  # raises for a list that holds tracked tensors
    records = tracks(value) or isinstance(storage.node, Node)
    if window is not None and (records or tracing) and not is_basic(asked):
        with enable_grad():
            value = with_entries(tensor, asked, value if recording() else unwrap(value))
        asked = index = ...
    if _is_there(value, index, storage, window):
        return
    raw = _apart(unwrap(value), storage)
    before = Tensor(storage.array.copy(), storage.node) if tracing else None
    target = _settled(storage, window)
    try:
        target[index] = raw
    except FloatingPointError:
        _record_half(storage, window, index, raw)
        raise
    if records:
        _record(storage, window, index, value)
    if before is not None:
        _trace(storage, before, window, asked if window is None else index, value)


def replace(tensor: Tensor, result: Tensor) -> Tensor:
    """Give `tensor` the value and the gradient of `result`, of its shape and a dtype that fits."""
    if result.shape != tensor.shape:
        raise errors.write_shape(result.shape, tensor.shape)
    if result.dtype != tensor.dtype:
        if not np.can_cast(result.dtype, tensor.dtype, "same_kind"):
            raise errors.write_dtype(result.dtype, tensor.dtype)
        result = result.astype(tensor.dtype)
    shared = result._place is not None or not is_alone(tensor)
    # With other strides, a later reshape of it could copy where NumPy's would not.
    if shared or tensor._data.strides != result._data.strides:
        write(tensor, ..., result)
        return tensor
    _check_recorded(tensor._place and storage_of(tensor), tensor)
    node = tensor._node
    stays = node is not None and node.plan is None and node.requires_grad
    if not stays and (result.requires_grad or isinstance(node, Node) or mode.get() & TRACE):
        tensor._node = _named_after(result._node, node)
    tensor._data = result._data
    tensor._place = None
    return tensor


def compute_into(tensor: Tensor, ufunc: np.ufunc, other: Any) -> Tensor:
    """``ufunc(tensor, other, out=tensor)`` where nothing is recorded, in the memory itself."""
    storage = storage_of(tensor)
    _check_recorded(storage, tensor)
    window = _writeable_window(tensor)
    raw = unwrap(other)
    if ufunc.signature is None:
        shape = np.broadcast_shapes(tensor.shape, np.shape(raw))
        if shape != tensor.shape:
            raise errors.write_shape(shape, tensor.shape)
    raw = _apart(raw, storage)
    target = _settled(storage, window)
    try:
        ufunc(target, raw, out=target)
    except FloatingPointError:
        _record_half(storage, window, ..., target)
        raise
    except TypeError:
        kinds = (tensor.dtype, getattr(raw, "dtype", type(raw)), None)
        raise errors.write_dtype(ufunc.resolve_dtypes(kinds)[-1], tensor.dtype) from None
    if isinstance(storage.node, Node):
        _record(storage, window, ..., target)
    return tensor


def set_value(tensor: Tensor, data: Any) -> None:
    """Give a leaf another value, as an optimizer does; its node and its gradient stay."""
    if is_alone(tensor):
        tensor._data = data
        tensor._place = None
    else:
        storage = storage_of(tensor)
        window = window_of(tensor)
        _settled(storage, window)[...] = data


def _apart(raw: Any, storage: Storage) -> Any:
    """`raw`, or a copy where it is memory that is about to change."""
    shares = isinstance(raw, np.ndarray) and np.may_share_memory(raw, storage.array)
    return raw.copy() if shares else raw


def _settled(storage: Storage, window: Window | None) -> Array:
    """The memory that `window` shows, ready to be written to."""
    array = storage.settle()
    return array if window is None else window.see(array)


def _record_half(storage: Storage, window: Window | None, index: Any, raw: Any) -> None:
    """Where NumPy stopped in the middle of a write, what may have been written is a constant."""
    if isinstance(storage.node, Node):
        _record(storage, window, index, raw)


def _check_recorded(storage: Storage | None, tensor: Tensor) -> None:
    """While recording, a leaf that requires grad is not written to, nor what shares its memory.

    Nor is a view that was taken under ``no_grad``: it knows nothing of the gradient of the whole.
    """
    if not recording():
        return
    nodes = [tensor._node]
    if storage is not None:
        views = (known() for known in storage.leaves)
        nodes += [storage.node, *(view._node for view in views if view is not None)]
    for node in nodes:
        if isinstance(node, Leaf) and node.requires_grad:
            raise errors.leaf_in_place(node.name)
    if storage is not None and is_quiet(tensor):
        raise errors.quiet_view(tensor.name, tensor.shape)


def _writeable_window(tensor: Tensor) -> Window | None:
    """Where `tensor` is written to; not a view that NumPy makes read-only, like a broadcast one."""
    window = window_of(tensor)
    if window is not None and not window.writeable:
        raise ValueError("assignment destination is read-only")
    return window


def _is_there(value: Any, index: Any, storage: Storage, window: Window | None) -> bool:
    """Whether `value` is the very view it is to be written to, as at the end of ``x[i] += v``."""
    place = getattr(value, "_place", None)
    if type(place) is not View or place.storage is not storage or not is_basic(index):
        return False
    target = (storage.array if window is None else window.see(storage.array))[index]
    return isinstance(target, np.ndarray) and Window(target, storage.array).same(place.window)


def _record(storage: Storage, window: Window | None, index: Any, value: Any) -> None:
    """Give the storage its new node, after a write of `value` at `index` of what `window` sees."""
    old, array = storage.node, storage.array
    tracked = tracks(value)
    if window is None and (index is ... or (type(index) is slice and index == slice(None))):
        if not tracked:
            storage.node = None
            return
        if value.ndim <= array.ndim:  # what was there before is gone, and its graph with it
            value = value if value.dtype == array.dtype else value.astype(array.dtype)
            value = value if value.shape == array.shape else np.broadcast_to(value, array.shape)
            # A node of its own: hooks and names of this tensor are not those of the value.
            storage.node = _named_after(record(_COPY, 1, (value._node,), (), array, {})._node, old)
            return
    index = _of_whole(window, index, array)
    if tracked:
        given = value._node
    else:
        given = value if type(value) in SCALARS else Leaf(np.shape(value), array.dtype)
    parents = (old or Leaf(array.shape, array.dtype), given)
    mask = isinstance(old, Node) + 2 * tracked
    made = record(with_entries, mask, parents, (), array, {"index": owned(index)})
    storage.node = _named_after(made._node, old)


def _of_whole(window: Window | None, index: Any, array: Array) -> Any:
    """`index`, of what `window` sees, as one of the whole."""
    if window is None:
        return index
    parts = index if type(index) is tuple else (index,)
    parts = parts if ... in parts else (*parts, ...)
    return Window(window.see(array)[parts], array)


def _trace(storage: Storage, before: Tensor, window: Window | None, index: Any, value: Any) -> None:
    """Note how a write made the whole; `before` is what it was, and `index` may have Tensors."""
    node = storage.node
    given = before, _of_whole(window, index, storage.array), value
    if not isinstance(node, Node):
        shape, dtype = storage.array.shape, storage.array.dtype
        storage.node = Made(with_entries, *traced.call_of(given, {}), None, shape, dtype)
    elif node.op is with_entries:
        node.notes = {**(node.notes or {}), "call": traced.call_of(given, {})}
    elif storage.array.flags.c_contiguous:  # as the memory is, which decides the order of sums
        node.notes = {**(node.notes or {}), "call": (node.parents, {"order": "C"})}


def _named_after(node: Any, old: Any) -> Any:
    """`node`, with the name that the tensor had before the write, and its wish for a gradient."""
    name = name_of(old)
    if node is None:
        return None
    if name:
        node.notes = {**(node.notes or {}), "name": name}
    if isinstance(old, Node) and old.notes and old.notes.pop("retain", False):
        node.notes = {**(node.notes or {}), "retain": True, "grad": old.notes.pop("grad")}
    return node


def into(out: Any, result: Any, where: Any) -> Any:
    """Write `result` to the ``out=`` of a call, as NumPy does; return it where there is none."""
    if out is None:
        # NumPy leaves the other entries of its fresh result undefined; here they are zero.
        return result if where is True else np.where(where, result, result.dtype.type(0))
    if isinstance(out, Tensor):
        merged: Any = result if where is True else np.where(where, result, out)
        return replace(out, _spread(merged, out.shape))
    if isinstance(result, Tensor) and result.requires_grad:
        raise errors.filled_ndarray()
    np.copyto(out, unwrap(result), casting="same_kind", where=unwrap(where))
    return out


def _spread(result: Any, shape: tuple[int, ...]) -> Any:
    """`result` broadcast to the shape of an ``out``, as NumPy does."""
    if result.shape == shape or np.broadcast_shapes(result.shape, shape) != shape:
        return result
    return np.broadcast_to(result, shape)


def add_at(ufunc: np.ufunc, name: str, target: Any, *rest: Any) -> None:
    """``ufunc.at``; of a Tensor on a copy, because NumPy's writes even to read-only arrays."""
    if not isinstance(target, Tensor):
        if tracks(*rest):
            raise errors.filled_ndarray()
        ufunc.at(target, *map(unwrap, rest))
        return
    tracing = bool(mode.get() & TRACE)
    if tracks(target, *rest) or tracing:
        if ufunc not in (np.add, np.subtract):
            if not tracks(target, *rest):
                raise errors.untraced(f"np.{name}")
            raise errors.no_rule(f"np.{name}", None, ["np.add.at", "np.subtract.at"])
        index, value = rest
        replace(target, added_at(target, index, value if ufunc is np.add else np.negative(value)))
        return
    data = np.array(target._data)
    call(ufunc.at, name, (data, *rest), {})
    index = unwrap(rest[0])
    write(target, index, data[index])


# -- NumPy's functions that write to their first argument -----------------------------------------


def _copyto(dst: Tensor, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    kind = src.dtype if hasattr(src, "dtype") else np.asarray(src).dtype
    if not np.can_cast(kind, dst.dtype, casting):
        raise errors.write_dtype(kind, dst.dtype)
    if where is True:
        write(dst, ..., src)
    else:
        mask: Any = np.broadcast_to(_plain(where), dst.shape)
        extra = max(np.ndim(src) - dst.ndim, 0)  # leading axes of size 1 are ignored
        src = np.reshape(src, np.shape(src)[extra:]) if extra else src
        src = np.broadcast_to(src, dst.shape)
        if isinstance(mask, Tensor) and not isinstance(src, Tensor):
            src = Tensor(src, None)
        write(dst, mask, src[mask])


def _put(a: Tensor, ind: Any, v: Any, mode: str = "raise") -> None:
    places = np.asarray(_known(ind, "np.put")).ravel()
    values = np.ravel(v)
    if not places.size or not values.size:
        return
    if mode != "raise":
        places = places % a.size if mode == "wrap" else places.clip(0, a.size - 1)
    elif places.min() < -a.size or places.max() >= a.size:
        raise IndexError(f"an index is out of bounds for a tensor of {a.size} entries")
    values = values[_cycle(places.size, values)]
    if not a.ndim:
        write(a, (), values[-1])
    else:
        write(a, np.unravel_index(places % a.size, a.shape), values)


def _putmask(a: Tensor, mask: Any, values: Any) -> None:
    values = np.ravel(values)
    if values.size:
        _copyto(a, values[_cycle(a.size, values)].reshape(a.shape), where=mask)


def _place(arr: Tensor, mask: Any, vals: Any) -> None:
    places = np.flatnonzero(_known(mask, "np.place"))
    if places.size and not np.size(vals):
        raise ValueError("np.place cannot fill entries from an empty array")
    _put(arr, places, vals)


def _fill_diagonal(a: Tensor, val: Any, wrap: bool = False) -> None:
    marks = np.zeros(a.shape, bool)
    np.fill_diagonal(marks, True, wrap)
    _put(a, np.flatnonzero(marks), val)


def _put_along_axis(arr: Tensor, indices: Any, values: Any, axis: int | None) -> None:
    places = np.arange(arr.size).reshape(arr.shape)
    places = np.take_along_axis(places, _known(indices, "np.put_along_axis"), axis)
    write(arr, np.unravel_index(places, arr.shape), values)


def _plain(value: Any) -> Any:
    """`value` without Tensors, but where it is noted what is done with them."""
    return value if mode.get() & TRACE else unwrap(value)


def _known(value: Any, name: str) -> Any:
    """`value` without Tensors, which may be none where it is noted what is done with them."""
    if isinstance(value, Tensor) and mode.get() & TRACE:
        raise errors.untraced(name)
    return unwrap(value)


def _cycle(count: int, values: Any) -> Any:
    return np.arange(count) % values.size


def _writer(function: Any, write_to: Any) -> Any:
    """`write_to` for a Tensor; NumPy's function for an ndarray, which takes no gradient in."""

    def writer(target: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(target, Tensor):
            write_to(target, *args, **kwargs)
        elif tracks(*args, *kwargs.values()):
            raise errors.filled_ndarray()
        else:
            function(target, *map(unwrap, args), **{k: unwrap(v) for k, v in kwargs.items()})

    return writer


WRITERS = {
    function: _writer(function, write_to)
    for function, write_to in {
        np.copyto: _copyto,
        np.put: _put,
        np.putmask: _putmask,
        np.place: _place,
        np.fill_diagonal: _fill_diagonal,
        np.put_along_axis: _put_along_axis,
    }.items()
}
