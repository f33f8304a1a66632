"""Arrays that tensors took over without a copy: who holds them, and whether they are unchanged.

An adopted array is seen through a read-only array of the tensor's own, the *guard*. Views of the
guard have it as their base, so it lives exactly as long as a tensor or a graph uses the memory.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
import zlib
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from autotensor import errors
from autotensor.engine.graph import Leaf, Node, reachable
from autotensor.engine.memory import memory_of

__all__ = ["GUARDS", "adopt", "check"]

Array = np.ndarray[Any, Any]


class _Guard(NamedTuple):
    """What is known of an adopted array; `unlock` says that it was writeable before."""

    known: weakref.ref[Array]
    given: Array
    unlock: bool
    checksum: int
    name: str | None


# By the id of the guard. Walks look here first: empty means that there is nothing to check.
GUARDS: dict[int, _Guard] = {}
# Reentrant, because an array may go while the lock is held, and takes it too.
_lock = threading.RLock()


def adopt(value: Any, given: Array, name: str | None) -> Array:
    """The guard of `value`, a view of `given`, which is read-only too until nobody uses it."""
    guard: Array = np.asarray(memoryview(value).toreadonly())
    key = id(guard)

    def release(_: object) -> None:
        with _lock:
            gone = GUARDS.pop(key)
            if gone.unlock and all(g.given is not gone.given for g in list(GUARDS.values())):
                with contextlib.suppress(ValueError):  # what it is a view of may be read-only now
                    gone.given.flags.writeable = True

    with _lock:
        unlock = given.flags.writeable or any(
            g.given is given and g.unlock for g in list(GUARDS.values())
        )
        given.flags.writeable = False
        GUARDS[key] = _Guard(weakref.ref(guard, release), given, unlock, _checksum(guard), name)
    return guard


def check(roots: Iterable[Node | Leaf], stops: Collection[Node | Leaf] = ()) -> None:
    """Compare what the nodes below `roots` keep of adopted arrays with what these held.

    Raises
    ------
    InPlaceError
        If one was written to since it was adopted.
    """
    checked: set[int] = set()
    for node in reachable(roots, stops):
        if node.plan is None or node in stops:
            continue
        for array in _arrays((node.kept, node.options)):
            memory = memory_of(array)
            guard = GUARDS.get(id(memory))
            if guard is None or guard.known() is not memory or id(memory) in checked:
                continue
            checked.add(id(memory))
            if _checksum(memory) != guard.checksum:
                raise errors.adopted_changed(memory.shape, guard.name)


def _arrays(value: Any) -> Iterator[Array]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _arrays(part)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))


def _checksum(array: Array) -> int:
    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    # Contiguous without a copy, whatever the order of the axes.
    rows = np.ascontiguousarray(array.transpose(axes))
    return zlib.crc32(rows.view(np.uint8).data)
