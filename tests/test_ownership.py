"""A tensor owns its memory: what is written to from outside leaves gradients right, or raises.

Each case computes a loss from an array and gives what is written to afterwards. The gradient is
that without the write; where the array was adopted (``copy=False``), it may be an error instead.
"""

import gc
import itertools
import operator
import pickle

import numpy as np
import pytest

import autotensor as at
from autotensor.engine.adopted import GUARDS
from autotensor.errors import AutotensorError, InPlaceError

N = 4


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


@at.custom_op(x=lambda g, x, c: g * c * x)
def scaled(x, c):
    return x * x * c / 2


@at.custom_op(x=lambda g, x, c: g * c * x, c=lambda g, x: g * x * x / 2)
def scaled_by_both(x, c):
    return x * x * c / 2


@at.custom_op(x=lambda g, parts: g * parts[0][0])
def scaled_by_parts(x, parts):
    return x * parts[0][0]


def written(x, a):
    y = at.zeros(N)
    y[:] = x * x
    y[1:3] = a[1:3]
    return y * y * x


def written_at(x, a):
    y = x * x
    y[a] = 2.0 * x
    return y


def added_at(x, a):
    y = x * x
    np.add.at(y, a, 2.0 * x)
    return y


def where_out(x, a):
    y = at.zeros(N)
    np.multiply(x, x, out=y, where=a > 1)
    return y


# Of a leaf and an array of floats.
FLOATS = {
    "factor": lambda x, a: x * a,
    "np.multiply": lambda x, a: np.multiply(a, x),
    "power": lambda x, a: x**a,
    "divide": lambda x, a: a / x,
    "matmul": lambda x, a: np.outer(a, a) @ x,
    "dot": lambda x, a: np.dot(a, x),
    "einsum": lambda x, a: np.einsum("i,i->i", a, x),
    "maximum": lambda x, a: np.maximum(x, a),
    "clip": lambda x, a: np.clip(x, a, 3.0),
    "where": lambda x, a: np.where(a > 1, x, x * a),
    "concatenate": lambda x, a: np.concatenate([a * x, a]) ** 2,
    "written": written,
    "out where": where_out,
    "custom constant": scaled,
    "custom": scaled_by_both,
    "custom parts": lambda x, a: scaled_by_parts(x, ([a],)),
    "checkpoint": lambda x, a: at.checkpoint(lambda x, a: np.sin(x * a), x, a),
}
# Of a leaf and an array of indices.
INDICES = {
    "index": lambda x, a: x[a] ** 2,
    "index in a tuple": lambda x, a: (x[:, None] * x)[a, 1:] ** 2,
    "written at": written_at,
    "added at": added_at,
    "mask": lambda x, a: x[a > 1] ** 2,
    "condition": lambda x, a: np.where(a > 1, x, x * x),
    "where=": lambda x, a: np.sum(x * x, where=a > 1),
    "axes": lambda x, a: (x.reshape(1, N, 1, 1) * np.ones((3, N, 2, 5))).transpose(a) ** 2,
}
CASES = [(name, [0.5, 1.5, 2.5, 3.5]) for name in FLOATS]
CASES += [(name, [2, 0, 1, 3]) for name in INDICES]
USES = FLOATS | INDICES


def views(start):
    """Arrays of one value, and for each what is written to: itself, its base, its view."""
    whole = np.array(start)
    yield whole, whole
    base = np.array([start, start])
    yield base[1], base
    taken = np.array(start)
    yield taken, taken[...]
    wide = np.repeat(np.array(start), 2)
    yield wide[::2], wide


def gradient(use, x, operand, change=None):
    loss = use(x, operand).sum()
    if change is not None:
        change()
    loss.backward()
    return x.grad.tolist()


@pytest.mark.parametrize(("name", "start"), CASES)
def test_a_constant_array_may_be_written_to(name, start):
    values = [1.0, 2.0, 1.5, 0.5]
    wanted = gradient(USES[name], leaf(values), np.array(start))
    for array, target in views(start):
        got = gradient(USES[name], leaf(values), array, lambda t=target: t.fill(0))
        assert got == wanted


@pytest.mark.parametrize(("name", "start"), CASES)
@pytest.mark.parametrize("copy", [True, False])
def test_the_array_that_a_tensor_was_made_of_may_be_written_to(name, start, copy):
    values = [1.0, 2.0, 1.5, 0.5]
    wanted = gradient(USES[name], leaf(values), np.array(start))
    for array, target in views(start):
        constant = at.tensor(array, copy=copy)
        assert copy or not array.flags.writeable
        if not target.flags.writeable:
            with pytest.raises(ValueError, match="read-only"):
                target.fill(0)
            continue
        try:
            got = gradient(USES[name], leaf(values), constant, lambda t=target: t.fill(0))
        except AutotensorError:
            assert not copy
        else:
            assert got == wanted


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("copy", [True, False])
def test_the_array_that_a_leaf_was_made_of_may_be_written_to(name, copy):
    start, other = [1.0, 2.0, 1.5, 0.5], np.array([0.5, 1.5, 2.5, 3.5])
    wanted = gradient(USES[name], leaf(start), other)
    for array, target in views(start):
        x = leaf(array, copy=copy)
        if not target.flags.writeable:
            continue
        try:
            assert gradient(USES[name], x, other, lambda t=target: t.fill(0)) == wanted
        except AutotensorError:
            assert not copy


# -- adopted arrays -------------------------------------------------------------------------------


def adopted(value=(1.0, 2.0, 3.0), **kwargs):
    """A tensor that adopted an array, the array, and a view of that which is writeable."""
    array = np.array(value)
    view = array[...]
    return at.tensor(array, copy=False, **kwargs), array, view


# Of a product with the tensor `c`, and a pullback through it.
WALKS = {
    "backward": lambda y, pull: y.sum().backward(),
    "kept": lambda y, pull: y.sum().backward(retain_graph=True),
    "several": lambda y, pull: at.backward([y, 2 * y], [np.ones(3), np.ones(3)]),
    "recorded": lambda y, pull: y.sum().backward(create_graph=True),
    "pullback": lambda y, pull: pull(np.ones(3)),
}


@pytest.mark.parametrize("name", WALKS)
@pytest.mark.parametrize("seen", [lambda c: c, lambda c: c[:1], lambda c: c.reshape(3, 1).T[0]])
def test_every_walk_sees_that_an_adopted_array_was_written_to(name, seen):
    c, array, view = adopted(name="c")
    y, pull = leaf([1.0, 1.0, 1.0]) * seen(c), at.vjp(lambda x: x * seen(c), np.ones(3))[1]
    np.add.at(array, 2, 1.0)  # this heeds no flag
    with pytest.raises(InPlaceError, match="'c' adopted"):
        WALKS[name](y, pull)
    view[2] -= 1.0
    WALKS[name](y, pull)


def test_grad_and_jvp_see_a_write_inside_the_function():
    c, _, view = adopted()

    def f(x):
        y = np.sum(x * c)
        view[0] += 1.0
        return y

    for transform in (
        lambda: at.grad(f)(np.ones(3)),
        lambda: at.jvp(f, (np.ones(3),), (np.ones(3),)),
        lambda: at.grad(lambda x: np.sum(at.grad(f)(x) * x))(np.ones(3)),
    ):
        with pytest.raises(InPlaceError):
            transform()


def test_adopted_indices_are_watched_too():
    index = np.array([0, 0, 1])
    view = index[:]
    x = leaf([1.0, 2.0, 3.0])
    y = x[at.tensor(index, copy=False)].sum()
    view[:] = 2
    with pytest.raises(InPlaceError):
        y.backward()
    view[:] = [0, 0, 1]
    y.backward()
    assert x.grad.tolist() == [2.0, 1.0, 0.0]


def test_a_write_that_no_gradient_needs_is_let_through():
    c, _, view = adopted()
    x = leaf([1.0, 1.0, 1.0])
    y = (x + c).sum()
    view[0] = 5.0
    y.backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_an_adopted_array_is_not_written_to_by_its_tensor():
    for write in (
        lambda x: operator.setitem(x, 0, 9.0),
        lambda x: operator.iadd(x, 1.0),
        lambda x: operator.imul(x[1:], 5.0),
        lambda x: operator.setitem(x.T, [0, 2], 7.0),
        lambda x: x.fill(9.0),
        lambda x: np.copyto(x, 9.0),
        lambda x: np.put(x, [0], 9.0),
        lambda x: np.add(x, 1.0, out=x),
        lambda x: np.add.at(x, [0], 1.0),
        lambda x: setattr(x, "real", 9.0),
    ):
        x, array, _ = adopted()
        loss = (leaf([1.0, 1.0, 1.0]) * x).sum()
        write(x)
        assert array.tolist() == [1.0, 2.0, 3.0]
        assert x.tolist() != array.tolist()
        write(x)
        loss.backward()
        assert array.tolist() == [1.0, 2.0, 3.0]


def test_an_optimizer_does_not_write_to_an_adopted_array():
    x, array, _ = adopted(requires_grad=True)
    optimizer = at.optim.SGD([x], lr=0.5)
    for _ in range(2):
        (x * x).sum().backward()
        optimizer.step()
    assert array.tolist() == [1.0, 2.0, 3.0]
    assert x.tolist() != array.tolist()


def test_an_adopted_array_is_locked_only_while_it_is_used():
    x, array, _ = adopted(requires_grad=True)
    y = (x * x).sum()
    assert np.shares_memory(x.numpy(), array)
    del x
    assert not array.flags.writeable
    y.backward()
    assert array.flags.writeable
    gc.collect()
    assert not GUARDS


def test_what_need_not_be_adopted_is_not():
    array = np.array([1, 2])
    kept = [
        at.tensor(array, float, copy=False),  # converted
        at.tensor([1.0, 2.0], copy=False),
        at.tensor(np.array(2.0), copy=False),
        at.tensor(at.tensor([1.0, 2.0]), copy=False),
    ]
    assert array.flags.writeable
    assert not GUARDS
    with pytest.raises(TypeError):
        leaf(array, copy=False)
    assert len(kept) == 4


def test_adopted_tensors_are_duplicated_with_memory_of_their_own():
    x, array, view = adopted(requires_grad=True, name="w")
    for y in (pickle.loads(pickle.dumps(x, 5)), at.tensor(x.detach()), at.array(x)):
        assert not np.shares_memory(y.numpy(), array)
    d = x.detach()
    d += 1.0
    view[:] = 0.0
    assert array.tolist() == [0.0, 0.0, 0.0]
    assert y.tolist() == [1.0, 2.0, 3.0]
    assert d.tolist() == [2.0, 3.0, 4.0]


def test_memory_that_is_no_array_can_be_adopted():
    memory = bytearray(np.ones(3).tobytes())
    c = at.tensor(np.frombuffer(memory), copy=False)
    x = leaf([1.0, 2.0, 3.0])
    y = (x * c).sum()
    memory[:8] = bytes(8)
    with pytest.raises(InPlaceError):
        y.backward()


# -- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("given", [np.ones, at.ones])
def test_seeds_may_be_written_to(given, create_graph):
    for make in (lambda x: x, lambda x: x * 1, lambda x: x[:]):
        x, seed = leaf([1.0, 2.0, 3.0]), given(3)
        view = seed[1:]
        y = make(x)
        y.retain_grad()
        y.backward(seed, create_graph=create_graph)
        seed[0] = 5.0
        view[0] = 6.0
        seed *= 2.0
        assert x.grad.tolist() == [1.0, 1.0, 1.0]
        assert y.grad.tolist() == [1.0, 1.0, 1.0]


def test_gradients_do_not_share_memory():
    for wrt, seed in itertools.product(range(3), (np.ones(3), at.ones(3))):
        a, b = leaf([1.0, 2.0, 3.0]), leaf([1.0, 2.0, 3.0])
        y = a + b
        y.retain_grad()
        y.backward(seed)
        tensors = [a, b, y]
        tensors[wrt].grad[0] = 5.0
        tensors[wrt].grad *= 2.0
        np.add.at(tensors[wrt].grad, 1, 7.0)
        for i, t in enumerate(tensors):
            assert t.grad.tolist() == ([10.0, 9.0, 2.0] if i == wrt else [1.0, 1.0, 1.0])
        assert seed.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("given", [np.ones, at.ones])
@pytest.mark.parametrize("create_graph", [False, True])
def test_what_a_hook_returned_may_be_written_to(given, create_graph):
    x, kept = leaf([1.0, 2.0, 3.0]), given(3)
    x.register_hook(lambda g: kept)
    (x * x).sum().backward(create_graph=create_graph)
    kept[0] = 5.0
    assert x.grad.tolist() == [1.0, 1.0, 1.0]
    x.grad[1] = 7.0
    assert kept.tolist() == [5.0, 1.0, 1.0]


def test_a_hook_may_write_to_what_it_is_given():
    x, seen = leaf([1.0, 2.0, 3.0]), []
    y = x * x
    y.register_hook(seen.append)
    y.register_hook(lambda g: g.fill(0.0))
    (y + y * 2.0 + y).sum().backward()
    assert seen[0].tolist() == [4.0, 4.0, 4.0]
    assert x.grad.tolist() == [8.0, 16.0, 24.0]


def test_an_array_given_as_grad_is_copied_and_a_tensor_is_taken():
    x, array, tensor = leaf([1.0, 2.0, 3.0]), np.ones(3), at.ones(3)
    x.grad = array
    array[:] = 5.0
    assert x.grad.tolist() == [1.0, 1.0, 1.0]
    x.grad = tensor
    assert x.grad is tensor
    (x * x).sum().backward()
    assert tensor.tolist() == [1.0, 1.0, 1.0]


def test_what_transforms_give_may_be_written_to():
    point, seed = np.zeros(3), np.ones(3)
    value, pull = at.vjp(np.exp, point)
    value[:], point[:] = 9.0, 9.0
    (found,) = pull(seed)
    found[:], seed[:] = 9.0, 1.0
    assert pull(seed)[0].tolist() == [1.0, 1.0, 1.0]
    for f in (lambda x: x, lambda x: x * 1):
        value, pull = at.vjp(f, point)
        (found,) = pull(seed)
        value, tangent = at.jvp(f, (point,), (seed,))
        seed[:] = 5.0
        assert found.tolist() == tangent.tolist() == [1.0, 1.0, 1.0]
        seed[:] = 1.0
