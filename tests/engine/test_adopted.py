"""Guards of adopted arrays: how long they last, and what they see."""

import gc
import threading

import numpy as np
import pytest

from autotensor.engine import adopted
from autotensor.engine.adopted import GUARDS, adopt, check
from autotensor.engine.graph import Leaf, Node
from autotensor.engine.memory import Window
from autotensor.engine.primitive import op_of
from autotensor.errors import InPlaceError


def node_with(kept, options=None, parent=None):
    """A node that keeps what it is given."""
    parent = parent or Leaf((3,), np.dtype(float), requires_grad=True)
    plan = op_of(np.sin).plan(1, 1, False)
    return Node(plan, (parent,), kept, options or {}, (3,), np.dtype(float))


LAYOUTS = {
    "one axis": lambda: np.arange(3.0),
    "rows": lambda: np.arange(6.0).reshape(2, 3),
    "columns": lambda: np.arange(6.0).reshape(2, 3).T,
    "gaps": lambda: np.arange(24.0).reshape(2, 3, 4)[:, ::2, 1:],
    "backwards": lambda: np.arange(6.0)[::-1],
    "axes moved": lambda: np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0),
    "broadcast": lambda: np.broadcast_to(np.arange(3.0), (2, 3)),
    "float16": lambda: np.ones(3, np.float16),
    "longdouble": lambda: np.ones(3, np.longdouble),
    "complex": lambda: np.ones(3, complex),
    "swapped bytes": lambda: np.ones(3, ">f8"),
    "bool": lambda: np.ones(3, bool),
    "subclass": lambda: np.ones((2, 2)).view(type("Sub", (np.ndarray,), {})),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_write_through_another_view_is_seen(name):
    given = LAYOUTS[name]()
    memory = given if given.base is None or given.base.flags.writeable is False else given.base
    view = memory[...]
    guard = adopt(np.asarray(given), given, None)
    assert np.shares_memory(guard, given)
    assert (guard.shape, guard.dtype, guard.strides) == (given.shape, given.dtype, given.strides)
    root = node_with((guard,))
    check([root])
    view[...] = 1 - view
    with pytest.raises(InPlaceError):
        check([root])


def test_only_what_the_graph_keeps_is_looked_at():
    guards, views = [], []
    for _ in range(3):
        given = np.ones(4)
        views.append(given[:])
        guards.append(adopt(given, given, None))
    root = node_with((guards[0],))
    views[1][0] = 5.0
    check([root])
    views[0][0] = 5.0
    with pytest.raises(InPlaceError):
        check([root])
    check([node_with((guards[2],), parent=root)], {root})


@pytest.mark.parametrize(
    "kept",
    [
        lambda a: {"kept": (a,)},
        lambda a: {"kept": (a[1:][::-1],)},
        lambda a: {"kept": (Window(a[1:], a).see(a)[1:],)},
        lambda a: {"kept": (1.0, (np.ones(2), a.reshape(2, 2).T))},
        lambda a: {"kept": (), "options": {"index": a}},
        lambda a: {"kept": (), "options": {"index": (0, [a[:1]])}},
        lambda a: {"kept": None, "options": {"deep": {"er": a}}},
    ],
)
def test_views_are_found_wherever_they_are_kept(kept):
    given = np.ones(4)
    view = given[:]
    root = node_with((), parent=node_with(**kept(adopt(given, given, None))))
    gc.collect()
    check([root])
    view[3] = 5.0  # of what the node keeps, or not: the array is one
    with pytest.raises(InPlaceError):
        check([root])
    check([root], {root})


def test_an_array_is_writeable_again_when_nobody_uses_it():
    given = np.ones(4)
    guard = adopt(given, given, None)
    view, another = guard[1:], adopt(given, given, None)
    count = len(GUARDS)
    assert not given.flags.writeable
    del guard
    assert len(GUARDS) == count  # the view has it
    del view
    assert len(GUARDS) == count - 1
    assert not given.flags.writeable
    del another
    assert len(GUARDS) == count - 2
    assert given.flags.writeable
    given.flags.writeable = False
    guard = adopt(given, given, None)
    del guard
    assert not given.flags.writeable  # as it was


def test_an_array_whose_base_is_locked_stays_so():
    base = np.ones(4)
    given = base[1:]
    inner = adopt(given, given, None)
    outer = adopt(base, base, None)
    del inner
    assert not given.flags.writeable
    del outer
    assert base.flags.writeable


def test_guards_may_come_and_go_in_threads():
    def work():
        for _ in range(300):
            adopt(shared, shared, None)

    shared = np.ones(4)
    keep = adopt(shared, shared, None)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        check([node_with((keep,))])
    for thread in threads:
        thread.join()
    assert not shared.flags.writeable
    del keep
    assert shared.flags.writeable


def test_a_walk_without_guards_looks_at_nothing(monkeypatch):
    import autotensor as at

    gc.collect()
    assert not GUARDS
    monkeypatch.setattr(adopted, "reachable", None)
    x = at.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    at.jvp(np.sin, (1.0,), (1.0,))
