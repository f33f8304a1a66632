"""Checkpoints: the gradients of the plain call, of every order, from a graph that is made again."""

import functools
import tracemalloc
import weakref

import numpy as np
import pytest

import autotensor as at
from autotensor.errors import GraphFreedError

X = np.array([0.5, -1.0, 2.0])
W = at.tensor([0.3, 0.7, -0.2], requires_grad=True)


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


def plain(function, *args, **kwargs):
    return function(*args, **kwargs)


def gradients(call, function, args, kwargs, leaves):
    """The value of a call, and what it leaves in ``.grad`` of some leaves."""
    for w in leaves:
        w.grad = None
    y = call(function, *args, **kwargs)
    np.sum(np.sin(y)).backward(retain_graph=True)
    return [y.numpy(), *(None if w.grad is None else w.grad.numpy() for w in leaves)]


def same(got, wanted):
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        if b is None:
            assert a is None
        else:
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-14)


def counted(function):
    def run(*args, **kwargs):
        run.times += 1
        return function(*args, **kwargs)

    run.times = 0
    return run


# -- the gradients of the plain call --------------------------------------------------------------


def of_a_global(x):
    return np.tanh(W * x) * W


def test_every_tensor_that_is_read_gets_its_gradient():
    x, y, w = leaf(X), leaf(2 * X), leaf([2.0, 1.0, 0.5])
    h = np.exp(w)
    constant = at.tensor(X)
    model = at.nn.Sequential(at.nn.Dense(3, 4, rng=np.random.default_rng(0)), np.tanh)
    for function, args, kwargs in [
        (np.sin, (x,), {}),
        (np.multiply, (x, y), {}),
        (np.multiply, (x, x), {}),
        (lambda a, b=None, *, c: a * b / (2 + np.cos(c)), (x,), {"b": y, "c": w}),
        (lambda pairs, d: pairs[0][0] * pairs[0][1] + d["y"][0], ([(x, w)],), {"d": {"y": [y]}}),
        (lambda a: a * w, (x,), {}),  # of the closure: a leaf,
        (lambda a: a * h + w, (x,), {}),  # a result, also beside what it was made from,
        (lambda a, b: a * b * x * h, (x, h), {}),  # or beside the argument that it is too
        (lambda: x * h, (), {}),
        (of_a_global, (x,), {}),
        (model, (x,), {}),
        (functools.partial(np.where, [True, False, True]), (x, y), {}),
        (lambda a, b: a * b, (x, constant), {}),
        (lambda a, b: a[0] * b + a[[1, 1]].sum(), (x, X), {}),
        (lambda a, unused: a * 2, (x, y), {}),
        (lambda a: a, (x,), {}),
        (lambda a: w, (x,), {}),
        (lambda a: a.detach() * w, (x,), {}),
    ]:
        leaves = [x, y, w, W, *model.parameters()]
        wanted = gradients(plain, function, args, kwargs, leaves)
        same(gradients(at.checkpoint, function, args, kwargs, leaves), wanted)
        nested = functools.partial(at.checkpoint, at.checkpoint)
        same(gradients(nested, function, args, kwargs, leaves), wanted)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, np.complex64])
def test_dtypes_are_kept(dtype):
    x, w = leaf(X.astype(dtype)), leaf(np.array(0.5, dtype))

    def f(a):
        return np.abs(a * w) ** 2

    leaves = [x, w]
    wanted = gradients(plain, f, (x,), {}, leaves)
    same(gradients(at.checkpoint, f, (x,), {}, leaves), wanted)


def test_results_have_the_structure_that_the_function_gives_them():
    x, w, c = leaf(X), leaf(2.0), at.tensor(1.0)

    def f(a):
        b = np.sin(a)
        return [b, (a * w, b, {"w": w})], a, c, np.argmax(a), None

    first, itself, constant, index, nothing = at.checkpoint(f, x)
    assert type(first) is list
    assert type(first[1]) is tuple
    b, (product, again, named) = first
    assert constant is c
    assert (index.item(), nothing) == (2, None)
    assert not index.requires_grad
    np.sum(3 * b + 5 * product + 7 * again + 11 * named["w"] + 13 * itself).backward()
    np.testing.assert_allclose(x.grad.numpy(), 10 * np.cos(X) + 5 * 2 + 13)
    np.testing.assert_allclose(w.grad.item(), 5 * X.sum() + 3 * 11)


def test_results_may_be_used_alone():
    def f(a, b):
        return np.sin(a), a * b

    for place, wanted in enumerate([(np.cos(X), 0 * X), (2 * X, X)]):
        x, y = leaf(X), leaf(2 * X)
        at.checkpoint(f, x, y)[place].sum().backward()
        same([x.grad.numpy(), y.grad.numpy()], wanted)


def test_results_own_their_memory():
    x = leaf(X)
    h = x * 1.0
    for result in at.checkpoint(lambda a: (a, a[:2], a.reshape(3, 1)), h):
        assert not np.may_share_memory(result.numpy(), h.numpy())


def test_hooks_run_once():
    calls = []

    def doubled(name):
        return lambda g: calls.append(name) or 2 * g

    x, w = leaf(X), leaf(X)
    h, v = x * 1.0, w * 1.0
    for name, tensor in {"x": x, "w": w, "h": h, "v": v}.items():
        tensor.register_hook(doubled(name))

    def f(a):
        a.register_hook(doubled("a"))
        return a * v * w

    y = at.checkpoint(f, h)
    y.register_hook(doubled("y"))
    y.retain_grad()
    v.retain_grad()
    y.sum().backward()
    assert sorted(calls) == ["a", "h", "v", "w", "x", "y"]
    np.testing.assert_allclose(y.grad.numpy(), [2.0, 2.0, 2.0])
    np.testing.assert_allclose(v.grad.numpy(), 2 * 2 * X * X)
    np.testing.assert_allclose(x.grad.numpy(), 16 * X * X)
    np.testing.assert_allclose(w.grad.numpy(), 2 * (2 * X * X + 2 * 2 * X * X))


# -- orders and modes -----------------------------------------------------------------------------


def wave(x, w):
    return np.sum(np.sin(x * w) * x**3)


BOTH_WAYS = {
    "given": lambda x, w: at.checkpoint(wave, x, w),
    "captured": lambda x, w: at.checkpoint(lambda: wave(x, w)),
    "one of each": lambda x, w: at.checkpoint(lambda a: wave(a, w), x),
    "nested": lambda x, w: at.checkpoint(lambda a: at.checkpoint(lambda: wave(a, w)) * 1.0, x),
    "split": lambda x, w: np.sum(np.multiply(*at.checkpoint(lambda a: (np.sin(a * w), a**3), x))),
}


def slope(function, mode):
    if mode == "r":
        return lambda x, w: np.sum(at.grad(function)(x, w)) + np.sum(at.grad(function, 1)(x, w))
    return lambda x, w: np.sum(at.jvp(function, (x, w), (np.ones(x.shape), np.ones(w.shape)))[1])


@pytest.mark.parametrize("way", BOTH_WAYS)
@pytest.mark.parametrize("modes", ["r", "f", "rr", "rf", "fr", "ff", "rrr", "frf"])
def test_derivatives_of_every_order_in_both_modes(way, modes):
    f, g = wave, BOTH_WAYS[way]
    for mode in modes:
        f, g = slope(f, mode), slope(g, mode)
    for x, w in [(X, 2 * X), (leaf(X), at.tensor(2 * X))]:
        pairs = [(g, f), (at.grad(g), at.grad(f)), (at.grad(g, 1), at.grad(f, 1))]
        for got, wanted in [(a(x, w), b(x, w)) for a, b in pairs]:
            assert type(got) is type(wanted)
            np.testing.assert_allclose(at.asarray(got).numpy(), at.asarray(wanted).numpy(), 1e-12)


def test_gradients_of_gradients_by_backward():
    x, w = leaf(X), leaf(2 * X)
    for f in (wave, lambda x, w: at.checkpoint(lambda a: wave(a, w), x)):
        x.grad = w.grad = None
        f(x, w).backward(create_graph=True)
        np.sum(x.grad**2 + x.grad * w.grad).backward()
        if f is wave:
            wanted = [x.grad.numpy(), w.grad.numpy()]
    same([x.grad.numpy(), w.grad.numpy()], wanted)


def test_gradcheck():
    def f(x, w):
        a, b = at.checkpoint(lambda a: (np.tanh(a * w), a @ w), x)
        return a * b

    assert at.gradcheck(f, [X, 2 * X], order=2)


def test_a_pullback_can_be_called_again():
    _, pullback = at.vjp(lambda x: at.checkpoint(lambda a: np.sin(a * x), x), X)
    for scale in (1.0, 2.0):
        np.testing.assert_allclose(pullback(np.full(3, scale))[0], scale * 2 * X * np.cos(X * X))


def test_gradients_inside_of_the_function():
    def f(x):
        return np.sum(at.grad(lambda y: np.sum(y**3 * x))(x))

    wanted = at.grad(f)(X)
    np.testing.assert_allclose(at.grad(lambda x: at.checkpoint(f, x))(X), wanted)
    np.testing.assert_allclose(at.grad(lambda x: at.checkpoint(lambda: f(x)))(X), wanted)


def test_values_with_a_derivative_inside_of_the_function():
    w = leaf(2.0)
    value, slope = at.checkpoint(lambda: at.value_and_grad(lambda y: np.sum(y**3 * w))(X))
    (value + np.sum(slope)).backward()
    np.testing.assert_allclose(w.grad.item(), np.sum(X**3 + 3 * X**2))


def test_a_leaf_may_be_frozen_in_between():
    x, w = leaf(X), leaf(2.0)
    y = at.checkpoint(lambda a: a * w, x).sum()
    w.requires_grad = False
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    assert w.grad is None
    assert not w.requires_grad


def test_a_leaf_may_be_made_at_the_first_run():
    class Lazy:
        weight = None

        def __call__(self, x):
            if self.weight is None:
                self.weight = leaf(3.0)
            return x * self.weight

    lazy = Lazy()
    at.checkpoint(lazy, at.tensor(X)).sum().backward()
    assert lazy.weight.grad.item() == X.sum()


# -- random numbers -------------------------------------------------------------------------------


class Dropout(at.nn.Module):
    def __init__(self, rng):
        self.rng = rng

    def __call__(self, x):
        return x * (self.rng.uniform(size=x.shape) < 0.5)


def test_random_numbers_are_drawn_again():
    rng = np.random.default_rng(0)
    model = at.nn.Sequential(at.nn.Dense(3, 20, rng=rng), Dropout(rng), np.tanh, Dropout(rng))
    x = leaf(X)
    state = rng.bit_generator.state
    wanted = gradients(plain, model, (x,), {}, [x, *model.parameters()])
    after = rng.bit_generator.state
    rng.bit_generator.state = state
    same(gradients(at.checkpoint, model, (x,), {}, [x, *model.parameters()]), wanted)
    assert rng.bit_generator.state == after


# -- memory ---------------------------------------------------------------------------------------


def segment(x):
    for _ in range(3):
        x = np.sin(x) * np.exp(-x * x)
    return x


def measured(call):
    """Bytes after a chain of 20 segments in one array each, and the most during both passes."""
    x = leaf(np.linspace(0.0, 1.0, 50_000))
    size = x.nbytes
    tracemalloc.start()
    y = x
    for _ in range(20):
        y = call(segment, y)
    kept = tracemalloc.get_traced_memory()[0] / size
    y.sum().backward()
    peak = tracemalloc.get_traced_memory()[1] / size
    tracemalloc.stop()
    return kept, peak, x.grad.numpy()


def test_the_inner_graph_takes_no_memory():
    kept, peak, wanted = measured(plain)
    assert kept > 20 * 9
    kept, peak, got = measured(at.checkpoint)
    assert kept < 20 * 1.2
    assert peak < 20 * 1.2 + 25
    np.testing.assert_array_equal(got, wanted)


def test_backward_frees_what_was_kept():
    x = leaf(X)
    held = []

    def f(a, c):
        held.append(weakref.ref(a))
        return a * c

    constant = at.tensor(X) * 1.0
    y = at.checkpoint(f, x, constant)
    assert held[0]() is None
    function = weakref.ref(f)
    del f
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * X)
    assert function() is None
    with pytest.raises(GraphFreedError, match="first reached at recompute"):
        y.sum().backward()


def test_a_picture_shows_the_checkpoint():
    x, w = leaf(X, name="x"), leaf(X, name="w")
    text = str(at.graph(np.sum(at.checkpoint(lambda a: np.tanh(a * w), x))))
    assert "checkpoint" in text
    assert "recompute(x, w)" in text
    assert "tanh" not in text
