"""The graph as data: what nodes keep, the order they come in, how deep it may get, when it dies."""

import gc
import tracemalloc
import weakref
from types import FunctionType

import numpy as np
import pytest

import autotensor as at
from autotensor.engine.graph import Elided, Leaf, Node, reachable


@pytest.fixture
def no_collector():
    """Without the garbage collector only reference counts free memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive():
    """How many nodes and tensors there are."""
    kinds = (Node, Leaf, at.Tensor)
    return sum(type(o) in kinds for o in gc.get_objects())


def chain(x, length):
    for _ in range(length // 2):
        x = x * 1.0 + 0.0
    return x


# -- nodes ----------------------------------------------------------------------------------------


def test_a_node_says_what_was_done_to_what():
    x = at.tensor([[1.0, 2.0]], requires_grad=True, name="x")
    node = np.sum(x, axis=1)._node
    assert node.op.name == "sum"
    assert node.parents == (x._node,)
    assert node.options == {"axis": 1}
    assert node.shape == (1,)
    assert node.dtype == np.float64
    assert node.requires_grad
    assert node.notes is None


def test_parents_are_nodes_leaves_or_scalars():
    x = at.tensor([1.0, 2.0], requires_grad=True)
    c = at.tensor([3.0, 4.0])
    product = x * c
    total = product + 1.5
    left, right = product._node.parents
    assert left is x._node
    assert right is c._node
    assert isinstance(right, Leaf)
    assert not right.requires_grad
    assert total._node.parents == (product._node, 1.5)
    foreign = (x * np.ones(2))._node.parents[1]
    assert isinstance(foreign, Leaf)
    assert not foreign.requires_grad


def test_numbers_rise_from_parents_to_children():
    x = at.tensor(1.0, requires_grad=True)
    y = np.sin(x) * np.array(2.0) + at.tensor(1.0)
    todo = [y._node]
    while todo:
        node = todo.pop()
        parents = [p for p in node.parents if isinstance(p, (Node, Leaf))]
        assert all(p.number < node.number for p in parents)
        todo += parents


def test_nodes_hold_no_function():
    x = at.tensor([1.0, 2.0], requires_grad=True)
    y = np.clip(x[1:] ** 2, 0.0, np.array([5.0])).sum()
    for node in reachable([y._node]):
        if isinstance(node, Node):
            held = [*node.parents, *node.kept, *node.options.values()]
            assert not any(isinstance(value, (FunctionType, at.Tensor)) for value in held)


def test_constants_are_not_recorded():
    c = at.tensor([1.0, 2.0])
    y = np.sin(c) * c + c[0]
    assert y._node is None
    assert not y.requires_grad


def test_freed_nodes_keep_what_a_picture_needs():
    x = at.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = np.exp(x)[np.array([0, 0])]
    getitem, exp = y._node, y._node.parents[0]
    y.sum().backward()
    assert exp.kept is None
    assert getitem.kept is None
    assert isinstance(getitem.options["index"], Elided)
    assert repr(getitem.options["index"]) == "array(2,)"
    assert getitem.options["index"].dtype == np.array([0]).dtype


def test_reachable_is_sorted_and_stops_where_it_is_told():
    x = at.tensor(1.0, requires_grad=True)
    a = np.sin(x)
    b = np.cos(a)
    c = a * b
    nodes = [t._node for t in (c, b, a, x)]
    assert reachable([c._node]) == nodes
    assert reachable([c._node], {a._node}) == nodes[:3]
    assert reachable([b._node, c._node]) == nodes
    assert reachable([]) == []


# -- deep and wide --------------------------------------------------------------------------------


def test_a_chain_of_200_000_nodes():
    x = at.tensor(1.5, requires_grad=True)
    y = chain(x, 200_000)
    y.backward()
    assert x.grad.item() == 1.0
    del y  # deallocation must not recurse either


def test_a_long_chain_forward():
    _, tangent = at.jvp(lambda x: chain(x, 20_000), (1.5,), (2.0,))
    assert tangent == 2.0


@pytest.mark.deep
def test_a_chain_of_1_000_000_nodes():
    x = at.tensor(1.5, requires_grad=True)
    y = chain(x, 1_000_000)
    y.backward()
    assert x.grad.item() == 1.0
    del y


def test_a_chain_of_writes_and_readings():
    x = at.tensor(np.arange(3.0), requires_grad=True)
    y = x.copy()
    for i in range(3_000):
        y[i % 3] = y[(i + 1) % 3] * 1.0
    y.sum().backward()
    assert x.grad.numpy().sum() == 3.0


def test_a_diamond_of_60_levels():
    x = at.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):
        y = y + y  # 2**60 paths
    y.backward(create_graph=True)
    assert x.grad.item() == 2.0**60
    z = x
    for _ in range(60):
        z = z * z
    x.grad = None
    z.backward()
    assert x.grad.item() == 2.0**60
    _, tangent = at.jvp(lambda x: _doubled(x, 60), (1.0,), (1.0,))
    assert tangent == 2.0**60


def _doubled(x, times):
    for _ in range(times):
        x = x + x
    return x


def test_one_node_with_many_users():
    x = at.tensor(np.ones(3), requires_grad=True)
    h = np.exp(x)
    np.sum(np.stack([h * k for k in range(500)])).backward()
    np.testing.assert_allclose(x.grad.numpy(), np.e * sum(range(500)))


# -- memory ---------------------------------------------------------------------------------------


def training_step(w, b, data):
    hidden = np.maximum(data @ w + b, 0)
    hidden.retain_grad()
    hidden.register_hook(lambda g: 2 * g)
    loss = ((hidden[1:] - 1.0) ** 2).mean() + np.concatenate([b, b]).sum()
    w.grad = b.grad = None
    loss.backward()
    with at.no_grad():
        w -= 0.01 * w.grad
        b -= 0.01 * b.grad


def model():
    rng = np.random.default_rng(0)
    w = at.tensor(rng.uniform(size=(3, 2)), requires_grad=True)
    b = at.tensor(np.zeros(2), requires_grad=True)
    return w, b, at.tensor(rng.uniform(size=(5, 3)))


def test_a_step_leaves_nothing_behind(no_collector):
    state = model()
    training_step(*state)
    before = alive()
    for _ in range(20):
        training_step(*state)
    assert alive() == before


def grown(steps):
    """Bytes by which memory grows over `steps` training steps, after some to warm up."""
    state = model()
    for _ in range(20):
        training_step(*state)
    tracemalloc.start()
    try:
        training_step(*state)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(steps):
            training_step(*state)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


def test_memory_stays_flat_without_the_collector(no_collector):
    assert grown(400) < 16_000


@pytest.mark.deep
def test_memory_stays_flat_over_10_000_steps(no_collector):
    assert grown(10_000) < 16_000


def test_a_dropped_result_frees_its_graph(no_collector):
    x = at.tensor(np.ones(3), requires_grad=True)
    before = alive()
    y = np.exp(x[::2] * 2).sum()
    watched = weakref.ref(y)
    assert alive() > before
    del y
    assert watched() is None
    assert alive() == before


def test_transforms_leave_nothing_behind(no_collector):
    def f(x):
        return np.sum(np.sin(x) * x**2)

    at.grad(at.grad(f))(1.0)
    before = alive()
    at.grad(at.grad(f))(1.0)
    at.jvp(at.grad(f), (1.0,), (1.0,))
    at.vjp(f, 1.0)[1](1.0)
    assert alive() == before


def test_an_error_in_a_pass_leaves_nothing_behind(no_collector):
    x = at.tensor(np.ones(3), requires_grad=True)
    y = np.exp(x)
    y.sum().backward()
    before = alive()
    with pytest.raises(RuntimeError, match="already used"):
        (y * 2).sum().backward()
    assert alive() == before


def test_a_recorded_gradient_is_a_cycle_only_while_it_hangs_on_its_leaf(no_collector):
    x = at.tensor(2.0, requires_grad=True)
    before = alive()
    (x**3).backward(create_graph=True)
    x.grad = None
    assert alive() == before


def test_backward_frees_arrays_as_it_passes():
    x = at.tensor(np.ones(1000), requires_grad=True)
    y = np.exp(x)
    watched = weakref.ref(y._node.kept[0])
    loss = y.sum()
    del y
    assert watched() is not None
    loss.backward()
    assert watched() is None
