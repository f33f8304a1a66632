"""Memory that tensors share: when a write reuses it, when it copies, and what is left behind."""

import gc
import weakref

import numpy as np
import pytest

import autotensor as at
from autotensor.engine.memory import Window
from autotensor.storage import Stale, Storage, View, is_alone, storage_of, window_of


def address(tensor):
    return tensor._data.__array_interface__["data"][0]


def zeros():
    """A tensor that nothing else holds the memory of."""
    return at.tensor(np.zeros(100))


# -- memory is reused, or copied ------------------------------------------------------------------

WRITES = {
    "an entry": lambda x: x.__setitem__(0, 1.0),
    "a slice": lambda x: x.__setitem__(slice(1, 5), np.ones(4)),
    "a list": lambda x: x.__setitem__([0, 2], 1.0),
    "all": lambda x: x.__setitem__(..., 1.0),
    "+=": lambda x: x.__iadd__(1.0),
    "a view": lambda x: x[1:].__setitem__(0, 1.0),
    "+= to a view": lambda x: x[1:].__iadd__(1.0),
    "fill": lambda x: x.fill(1.0),
    "copyto": lambda x: np.copyto(x, 1.0),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("views", [0, 1, 2])
def test_a_write_reuses_memory_that_only_tensors_hold(write, views):
    x = zeros()
    kept = [x[1:], x.reshape(10, 10).T][:views]
    x[0] = 0.0  # gives the views their share
    before = address(x)
    for _ in range(3):
        write(x)
    assert address(x) == before
    assert x._data.any()
    assert all(np.shares_memory(view._data, x._data) for view in kept)


HOLDERS = {
    "a node": lambda x: x * x,
    "a node of a view": lambda x: x[1:] * x[1:],
    "detach": lambda x: x.detach(),
    "numpy": lambda x: x.numpy(),
    "a view of numpy": lambda x: x.numpy()[1:],
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("step", [1, 2])
def test_a_write_copies_memory_that_something_else_holds(write, hold, step):
    x = at.tensor(np.zeros(100 * step)[::step], copy=False)
    x[:] = at.tensor(np.full(100, 2.0), requires_grad=True) * 1.0
    view = x[:]
    x[0] = 2.0  # gives the view its share
    holder = hold(x)
    before, wanted = address(x), x.tolist()
    write(x)
    assert address(x) != before
    assert view.tolist() == x.tolist() != wanted
    held = holder._node.kept[0] if getattr(holder, "requires_grad", False) else holder
    assert set(np.ravel(held).tolist()) == {2.0}


def test_a_write_copies_memory_of_which_something_holds_a_view_of_numpys():
    # Those of the result of logsumexp, itself a view, hold not it but the memory of both.
    x, w = at.nn.logsumexp(at.tensor(np.zeros((2, 4))), 0), at.tensor(3.0, requires_grad=True)
    product = w * x[1:]
    x[:] = 5.0
    product.sum().backward()
    assert w.grad.item() == pytest.approx(3 * np.log(2))


def test_memory_is_reused_when_what_held_it_is_gone():
    x = zeros()
    x[0] = 1.0
    snapshot = x.numpy()
    x[1] = 1.0
    before = address(x)
    assert not np.shares_memory(snapshot, x._data)
    x[2] = 1.0
    assert address(x) == before


def test_recorded_writes_copy_nothing():
    x, y = at.tensor(np.ones(5), requires_grad=True), zeros()
    y[0] = x[0]
    before = address(y)
    for i in range(1, 5):
        y[i] = y[i - 1] * x[i]
    assert address(y) == before


def test_an_array_that_may_not_be_written_to_is_copied():
    given = np.zeros(3)
    x = at.tensor(given, copy=False)
    view = x[1:]
    view[0] = 5.0
    assert (given.tolist(), x.tolist()) == ([0.0, 0.0, 0.0], [0.0, 5.0, 0.0])


# -- tensors are made anew ------------------------------------------------------------------------


def test_a_write_takes_arrays_and_nodes_away_until_somebody_asks():
    x = at.tensor(np.ones(4), requires_grad=True) * 2.0
    view = x[1:]
    x[1] = 7.0
    for tensor in (x, view):
        for slot in ("_data", "_node"):
            with pytest.raises(AttributeError):
                object.__getattribute__(tensor, slot)
    assert view.tolist() == [7.0, 2.0, 2.0]
    assert view.requires_grad
    assert view._node.op.name == "view"
    assert type(x._place) is Storage
    assert type(view._place) is View


def test_a_small_part_is_cut_out_as_a_copy():
    x = zeros()
    small, large = x[:10], x[10:]
    x[0] = 1.0
    assert not np.shares_memory(small._data, x._data)
    assert np.shares_memory(large._data, x._data)


def test_places_and_windows():
    x = zeros()
    assert x._place is None
    assert is_alone(x)
    view = x[1:]
    storage = storage_of(x)
    assert storage_of(view) is storage
    assert window_of(x) is None
    assert window_of(view).same(Window(x._data[1:], x._data))
    assert not is_alone(x)
    other = zeros()
    assert storage_of(other) is not storage
    assert is_alone(other)


# -- a tensor that a write has passed by ----------------------------------------------------------

USES = {
    "np.tanh": np.tanh,
    "x * y": lambda x: at.ones(3, requires_grad=True) * x,
    "y * x": lambda x: x * at.ones(3, requires_grad=True),
    "number": lambda x: 2.0 - x,
    "array": lambda x: np.ones(3) * x,
    "method": lambda x: x.sum(),
    "option": lambda x: np.clip(at.ones(3), -1.0, a_max=x),
    "sequence": lambda x: np.stack([at.ones(3), x]),
    "index": lambda x: x[1:],
    "out": lambda x: np.add(1.0, at.ones(3), out=x),
    "in place": lambda x: x.__imul__(2.0),
    "written": lambda x: at.zeros(3).__setitem__(..., x),
    "constant": lambda x: np.argmax(x),
    "comparison": lambda x: at.ones(3) < x,
    "np.copyto": lambda x: np.copyto(at.zeros(3), x),
    "dense": lambda x: at.nn.Dense(3, 2, rng=np.random.default_rng(0))(x),
    "several": lambda x: np.modf(x.detach()),
    "requires_grad": lambda x: x.requires_grad,
    "copy": lambda x: at.tensor(x.detach()),
    "grad": lambda x: at.grad(lambda y: (y * y).sum())(x),
    "graph": lambda x: at.graph(x).to_text(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("tracked", [False, True])
def test_it_is_used_like_any_other(use, tracked):
    def made():
        base = at.tensor(np.arange(4.0), requires_grad=tracked) * 1.0
        view = base[1:]
        base[1] = 0.5
        return view

    stale, fresh = made(), made()
    fresh.shape  # noqa: B018  (reads it)
    assert type(stale) is Stale
    assert type(fresh) is at.Tensor
    with at.no_grad() if not tracked else at.enable_grad():
        found, expected = use(stale), use(fresh)
    assert str(found) == str(expected)
    assert getattr(found, "requires_grad", None) == getattr(expected, "requires_grad", None)
    assert repr(stale) == repr(fresh)
    assert type(stale) is at.Tensor


def test_what_it_does_not_have_is_an_error_as_elsewhere():
    base = at.tensor(np.arange(4.0))
    view = base[1:]
    base[1] = 0.5
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'nothing'"):
        view.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'nothing'"):
        at.ones(2).nothing  # noqa: B018


# -- nothing is left behind -----------------------------------------------------------------------


def test_views_that_are_gone_leave_no_trace():
    x = zeros()
    x[0] = 1.0
    for _ in range(1000):
        x[1:]
    assert len(x._place.fresh) <= 18
    assert is_alone(x)
    x[0] = 2.0
    assert x._place.fresh == []


def test_views_that_live_are_all_kept_when_those_that_are_gone_are_pruned():
    x = zeros()
    views = []
    for i in range(100):
        x[i:]
        views.append(x[i:])
    storage = x._place
    fresh = [known() for known in storage.fresh]
    assert all(any(tensor is view for tensor in fresh) for view in views)
    x[99] = 5.0
    assert all(view.tolist()[-1] == 5.0 for view in views)


def test_memory_lives_as_long_as_a_tensor_that_sees_it():
    x = zeros()
    view = x[1:]
    x[1] = 3.0
    owner = weakref.ref(x)
    del x
    gc.collect()
    assert owner() is None
    assert view[0].item() == 3.0
    view[0] = 4.0
    assert view[0].item() == 4.0
