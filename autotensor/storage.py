"""Memory that several tensors see: how a write through one of them reaches the others.

NumPy's views share memory, and so do those of Tensors; but what a node of the graph has kept must
stay as it was. So a write goes into the memory itself where nothing but tensors holds it, and into
a copy of it where something else does, which all its tensors see from then on. The write is
recorded as an op of the whole, after which every view is an op of the new whole. Nobody who used
the old value notices, and every view has the right gradient.

A write takes away what the tensors knew of their memory, their array and their node; they are made
anew when somebody asks (`Stale`). So a write costs the same however many views there
are, and a tensor that is never written to pays for a view one entry in a list.
"""

from __future__ import annotations

import contextlib
import threading
from sys import getrefcount
from typing import Any
from weakref import ref

import numpy as np

from autotensor.array import Tensor
from autotensor.engine.graph import Made, Node
from autotensor.engine.memory import Window, relaid
from autotensor.engine.modes import TRACE, mode, recording
from autotensor.ops.indexing import viewed

__all__ = [
    "Storage",
    "View",
    "is_alone",
    "is_quiet",
    "note_view",
    "read",
    "storage_of",
    "window_of",
]

Array = np.ndarray[Any, Any]


class Stale(Tensor):  # type: ignore[misc]
    """A Tensor that a write took its array and node away from, until somebody asks for one.

    A class of its own, as a class with ``__getattr__`` makes every attribute cost ten times as
    much. So ``type(x) is Tensor`` may be asked only where all goes well if a tensor is left out.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name != "_data" and name != "_node":
            raise AttributeError(f"'Tensor' object has no attribute {name!r}")
        with _LOCK:
            self._place.restore(self)
            found = object.__getattribute__(self, name)
            self.__class__ = Tensor  # type: ignore[assignment]
        return found


def _forget(tensor: Tensor) -> None:
    """Take away from `tensor` its array and its node."""
    with _LOCK:
        tensor.__class__ = Stale
        for slot in ("_data", "_node"):
            with contextlib.suppress(AttributeError):
                delattr(tensor, slot)


class Storage:
    """The memory of one tensor, its owner, and of the views of it; the owner's ``_place``.

    Attributes
    ----------
    array : the whole; an array also for an owner of shape (), which itself holds a scalar.
    node : of the whole.
    owner : weak reference to the tensor that is the whole.
    leaves : weak references to the views that were made leaves.
    fresh : weak references to the tensors that have their array and their node.
    limit : how long `fresh` may become before `register` prunes it.
    written : whether there was a write since the first view.

    Notes
    -----
    Before the first write the views have the storage itself as their place, and after it, when
    `settle` has come by, each a `View`: a view that nobody writes to costs no `Window`.
    """

    __slots__ = ("array", "fresh", "leaves", "limit", "node", "owner", "written")

    def __init__(self, owner: Tensor) -> None:
        data = owner._data
        self.array: Array = data if type(data) is np.ndarray else np.array(data)
        self.node = owner._node
        self.owner = ref(owner)
        self.fresh: list[Any] = [self.owner]
        self.leaves: list[Any] = []
        self.limit = 16
        self.written = False

    def restore(self, owner: Tensor) -> None:
        """Give the owner its array and its node again."""
        owner._data = self.array if self.array.ndim else self.array[()]
        owner._node = self.node
        self.register(owner)

    def adopt(self, tensor: Tensor) -> None:
        """Take note of the leaf that a tensor was given."""
        if self.owner() is tensor:
            self.node = tensor._node
        else:
            tensor._place = self.share(tensor, Window(tensor._data, self.array))
            tensor._place.adopt(tensor)

    def is_tracked(self) -> bool:
        """Whether the whole has a gradient."""
        return self.node is not None and self.node.requires_grad

    def share(self, tensor: Tensor, window: Window) -> View:
        """The place of `tensor`, which has what `window` shows."""
        return View(self, window, quiet=self.is_tracked() and not tensor.requires_grad)

    def register(self, tensor: Tensor) -> None:
        """Take note of a tensor that is fresh, and now and then forget those that are gone."""
        self.fresh.append(ref(tensor))
        if len(self.fresh) > self.limit:
            with _LOCK:
                # Of the part that is there now: what another thread appends meanwhile stays.
                count = len(self.fresh)
                self.fresh[:count] = [known for known in self.fresh[:count] if known() is not None]
                self.limit = 2 * len(self.fresh) + 16

    def settle(self) -> Array:
        """The whole, ready to be written to: held by nothing else, its tensors to be made anew."""
        for known in self.fresh:
            tensor = known()
            if tensor is None:
                continue
            place = tensor._place
            if place is self and known is not self.owner and tensor is not self.owner():
                tensor._place = self.share(tensor, Window(tensor._data, self.array))
            elif place is not self and (type(place) is not View or place.storage is not self):
                continue  # it has left for memory of its own
            _forget(tensor)
        self.fresh.clear()
        self.written = True
        if not self._is_free():
            self.array = relaid(self.array)
        return self.array

    def _is_free(self) -> bool:
        """Whether nothing but this object holds the memory."""
        array = self.array
        if not array.flags.writeable or getrefcount(array) > _HELD_ONCE:
            return False
        base = array.base
        if base is None:
            return True
        return type(base) is np.ndarray and base.base is None and getrefcount(base) <= _HELD_ONCE


class View:
    """A tensor's share of a storage that was written to; its ``_place``.

    Attributes
    ----------
    storage, window : the whole, and which entries of it the tensor has.
    quiet : whether the view was taken of a tracked whole under ``no_grad``, and stays a constant.
    leaf : None, or the leaf that the tensor was given by ``.requires_grad``, ``.name`` or an op.
    """

    __slots__ = ("leaf", "quiet", "storage", "window")

    def __init__(self, storage: Storage, window: Window, quiet: bool) -> None:
        self.storage = storage
        self.window = window
        self.quiet = quiet
        self.leaf: Any = None

    def restore(self, tensor: Tensor) -> None:
        """Give `tensor` its array and its node again."""
        storage, window = self.storage, self.window
        tensor._data = _cut(window, storage.array)
        of_whole = self.node()
        tensor._node = self.leaf if of_whole is None or self.is_leaf() else of_whole
        storage.register(tensor)

    def adopt(self, tensor: Tensor) -> None:
        """Take note of the leaf that the tensor was given."""
        self.leaf = tensor._node
        if self.is_leaf():
            self.storage.leaves.append(ref(tensor))

    def is_leaf(self) -> bool:
        """Whether the tensor is a leaf that requires grad, which it stays."""
        return self.leaf is not None and self.leaf.requires_grad

    def node(self) -> Node | Made | None:
        """A node for what the window shows of the whole, where that requires grad or is traced."""
        node, window = self.storage.node, self.window
        if isinstance(node, Made) or (self.quiet and mode.get() & TRACE):
            return Made(viewed, (node, window), {}, None, window.shape, window.dtype)
        if self.quiet or not self.storage.is_tracked() or window.dtype.kind not in "fc":
            return None
        plan = viewed.plan(1, 1, window.whole[2].kind == "c")
        return Node(plan, (node,), (), {"window": window}, window.shape, window.dtype)


def _cut(window: Window, array: Array) -> Any:
    """What the window shows: a copy if it is small, so that whoever keeps it keeps little alive."""
    if not window.shape:
        return window.see(array)[()]
    view = window.see(array)
    return relaid(view) if 2 * view.size <= array.size else view


def storage_of(tensor: Tensor) -> Storage:
    """The storage of `tensor`, made where there was none."""
    place = tensor._place
    if place is None:
        with _LOCK:  # two threads that view a tensor for the first time make one storage of it
            place = tensor._place = tensor._place or Storage(tensor)
    storage: Storage = place.storage if type(place) is View else place
    return storage


def window_of(tensor: Tensor) -> Window | None:
    """What `tensor`, which has a place, sees of its storage; None for the owner."""
    place = tensor._place
    if type(place) is View:
        return place.window
    return None if place.owner() is tensor else Window(tensor._data, place.array)


def is_alone(tensor: Tensor) -> bool:
    """Whether no other tensor sees the memory of `tensor`."""
    place = tensor._place
    return place is None or (type(place) is Storage and getrefcount(place) <= _HELD_ONCE)


def note_view(result: Tensor, out: Array, tensor: Tensor) -> None:
    """Note that `result`, made of `out`, is a view of `tensor`."""
    storage = storage_of(tensor)
    place = tensor._place
    x = tensor._data
    if type(x) is not np.ndarray:
        made: Any = out.base
        window = Window(out, made)  # of a scalar NumPy has made an array to view
    elif type(place) is View:
        window = Window(out, x)
    elif storage.written or result._data is not out:
        window = Window(out, storage.array)
    else:
        result._place = storage
        storage.register(result)
        return
    if type(place) is View:
        window.within(place.window)
    result._place = storage.share(result, window)
    if storage.written and type(place) is View:
        _forget(result)
        return
    if storage.written:
        result._data = _cut(window, storage.array)
    storage.register(result)


def read(tensor: Tensor, index: Any) -> Tensor:
    """``tensor[index]``, a basic index, of a view in a storage that was written to.

    The view itself is not cut out, and what is read is a node of the whole: so a loop that writes
    and reads through a view costs no more than one that does without.
    """
    storage, outer = tensor._place.storage, tensor._place.window
    index = index if type(index) is tuple else (index,)
    quiet = tensor._place.quiet or (storage.is_tracked() and not recording())
    seen = outer.see(storage.array)
    part = seen[index]
    if isinstance(part, np.ndarray):
        result = Tensor(None, None)
        result._place = View(storage, Window(part, seen).within(outer), quiet)
        _forget(result)
        return result
    return Tensor(part, View(storage, Window(seen[(*index, ...)], storage.array), quiet).node())


def is_quiet(tensor: Tensor) -> bool:
    """Whether `tensor`, which has a place, is a view taken of a tracked whole under ``no_grad``."""
    place = tensor._place
    if type(place) is View:
        return place.quiet and place.storage.is_tracked()
    return place.owner() is not tensor and place.is_tracked() and not tensor.requires_grad


def _held_once() -> int:
    """What `getrefcount` says of a local that one attribute or list holds too."""
    holder = [object()]
    held = holder[0]
    return getrefcount(held)


_HELD_ONCE = _held_once()
_LOCK = threading.RLock()
