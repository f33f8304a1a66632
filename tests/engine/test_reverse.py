"""The backward pass: what it adds up, what it must not touch, and how it fails."""

import numpy as np
import pytest

import autotensor as at
from autotensor.errors import GraphFreedError, NoGradientError, NoRuleError, ShapeError


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


# -- accumulation ---------------------------------------------------------------------------------


def test_the_first_cotangent_is_not_written_to():
    # the rule of add returns g itself for both of its arguments
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    c = a + b
    d = c + a  # so a has two cotangents, of which the first is also b's
    e = d + a
    e.backward(np.ones(2))
    assert a.grad.tolist() == [3.0, 3.0]
    assert b.grad.tolist() == [1.0, 1.0]


def test_gradients_that_are_equal_are_independent():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (a + b).sum().backward()
    a.grad[0] = 7.0
    a.grad += 1.0
    assert a.grad.tolist() == [8.0, 2.0]
    assert b.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("make", [np.array, at.tensor])
def test_the_seed_is_not_changed_and_not_held(make):
    x = leaf([1.0, 2.0])
    seed = make([10.0, 20.0])
    for root in (x, x + 0.0):  # of a leaf too, whose gradient is the seed
        x.grad = None
        root.backward(seed)
        root.backward(seed)
        assert x.grad.tolist() == [20.0, 40.0]
        assert seed.tolist() == [10.0, 20.0]
    x.grad = None
    x.backward(seed)
    seed[0] = 99.0
    assert x.grad.tolist() == [10.0, 20.0]


def test_a_gradient_that_the_user_holds_never_changes():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    held, values = x.grad, x.grad.numpy()
    (x * x).sum().backward()
    x.grad *= 3.0
    assert held.tolist() == [2.0, 4.0]
    assert values.tolist() == [2.0, 4.0]
    assert x.grad.tolist() == [12.0, 24.0]


def test_gradients_may_be_set():
    x = leaf([1.0, 2.0], dtype=np.float32)
    start = np.array([10.0, 20.0], np.float32)
    x.grad = start
    start[:] = 0.0
    (2 * x).sum().backward()
    assert x.grad.tolist() == [12.0, 22.0]
    x.grad = np.array([1.0, 1.0])
    assert x.grad.dtype == np.float32
    x.grad = at.tensor([1.0, 1.0])
    assert x.grad.dtype == np.float32
    x.grad = None
    assert x.grad is None
    with pytest.raises(ShapeError):
        x.grad = np.ones(3)


def test_a_leaf_switched_off_after_recording_gets_nothing():
    x, y = leaf(2.0), leaf(3.0)
    product = x * y
    x.requires_grad = False
    product.backward()
    assert x.grad is None
    assert y.grad.item() == 2.0


def test_a_leaf_switched_on_after_recording_gets_nothing():
    x, y = at.tensor(2.0), leaf(3.0)
    product = x * y
    x.requires_grad = True
    product.backward()
    assert x.grad is None


# -- roots ----------------------------------------------------------------------------------------


def test_several_roots_are_walked_as_their_sum():
    x = leaf([1.0, 2.0])
    h = np.sin(x)
    losses = [h.sum(), h * h, x]
    seeds = [None, np.array([1.0, 2.0]), at.tensor([5.0, 5.0])]
    at.backward(losses, seeds)
    c, s = np.cos([1.0, 2.0]), np.sin([1.0, 2.0])
    np.testing.assert_allclose(x.grad.numpy(), c + 2 * s * c * [1.0, 2.0] + 5.0)


def test_a_root_may_lie_below_another_and_come_twice():
    x = leaf(2.0)
    h = x * x
    at.backward([h, h * x, h])
    assert x.grad.item() == 2 * 4.0 + 12.0


def test_several_roots_share_what_one_pass_would_free():
    x = leaf(1.0)
    h = np.exp(x)
    at.backward((h, 2 * h))
    assert x.grad.item() == 3 * np.e
    with pytest.raises(GraphFreedError):
        h.backward()


def test_bad_roots():
    x = leaf(1.0)
    for roots in ([], at.tensor(1.0), [x, at.tensor(1.0)]):
        with pytest.raises(NoGradientError):
            at.backward(roots)
    with pytest.raises(TypeError, match="needs Tensors; got ndarray"):
        at.backward([np.ones(2)])
    with pytest.raises(ValueError, match="2 tensors, but 1 gradients"):
        at.backward([x, x], [None])
    assert x.grad is None


def test_seeds_are_cast():
    x = leaf([1.0, 2.0], dtype=np.float32)
    x.backward([1, 2])
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [1.0, 2.0]
    z = leaf(2.0)
    with pytest.raises(TypeError, match="imaginary part would be dropped"):
        (z * z).backward(1 + 5j)


# -- freeing --------------------------------------------------------------------------------------


def test_a_graph_is_walked_once():
    x = leaf(1.0)
    y = np.exp(x)
    y.backward()
    with pytest.raises(GraphFreedError, match="reached at exp of shape"):
        y.backward()
    assert x.grad.item() == np.e


def test_or_as_often_as_it_is_retained():
    x = leaf(1.0)
    y = np.exp(x)
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == pytest.approx(3 * np.e, rel=1e-15)
    with pytest.raises(GraphFreedError):
        y.backward()


def test_an_error_is_raised_only_where_a_freed_node_is_reached():
    x, w = leaf(1.0), leaf(1.0)
    trunk = np.exp(x)
    first, second = trunk * w, 2 * w + trunk.detach()
    first.backward()
    second.backward()  # beside it
    assert w.grad.item() == np.e + 2.0
    (3 * x).backward()  # below it
    with pytest.raises(GraphFreedError):
        (trunk + w).backward()  # above it


def test_nodes_that_keep_nothing_are_walked_as_often_as_you_like():
    x = leaf([1.0, 2.0])
    y = (x + x).reshape(2, 1).T.sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_a_pass_that_fails_changes_no_gradient():
    x, w = leaf(2.0), leaf(3.0)
    below = np.exp(x)
    below.backward()
    x.grad = w.grad = None
    middle = below * 2.0
    middle.retain_grad()
    top = middle * w
    top.retain_grad()
    with pytest.raises(GraphFreedError):
        top.backward()
    assert x.grad is None
    assert w.grad is None
    assert middle.grad is None
    assert top.grad is None


def test_a_hook_that_fails_changes_no_gradient():
    x, w = leaf(2.0), leaf(3.0)
    y = x * 2.0
    handle = y.register_hook(lambda g: 1 / 0)
    z = y * w
    with pytest.raises(ZeroDivisionError):
        z.backward(retain_graph=True)
    assert x.grad is None
    assert w.grad is None
    handle.remove()
    z.backward()
    assert (x.grad.item(), w.grad.item()) == (6.0, 4.0)


# -- derivatives of derivatives -------------------------------------------------------------------


def test_create_graph_to_the_fourth_order():
    x = leaf(1.5)
    y = x**5 + np.sin(x)
    wanted = [5 * 1.5**4 + np.cos(1.5), 20 * 1.5**3 - np.sin(1.5), 60 * 1.5**2 - np.cos(1.5)]
    for slope in [*wanted, 120 * 1.5 + np.sin(1.5)]:
        x.grad = None
        y.backward(create_graph=True)
        y = x.grad
        np.testing.assert_allclose(y.item(), slope, rtol=1e-13)


def test_create_graph_keeps_the_graph():
    x = leaf(1.0)
    y = np.exp(x)
    y.backward(create_graph=True)
    y.backward()
    assert x.grad.item() == 2 * np.e


def test_seeds_are_differentiated_too():
    for dtype in (np.float64, np.float32):  # a cast seed stays in the graph
        x, seed = leaf([1.0, 2.0]), leaf([3.0, 4.0], dtype=dtype)
        (x * x).backward(seed, create_graph=True)
        x.grad.sum().backward()
        assert seed.grad.dtype == dtype
        assert seed.grad.tolist() == [2.0, 4.0]


def test_a_gradient_penalty():
    w, x = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (w * x**2).sum().backward(create_graph=True)
    slope = x.grad
    w.grad = x.grad = None
    (slope**2).sum().backward()  # sum (2 w x)^2
    assert w.grad.tolist() == [8 * 1.0 * 9.0, 8 * 2.0 * 16.0]
    assert x.grad.tolist() == [8 * 1.0 * 3.0, 8 * 4.0 * 4.0]


def test_a_rule_that_leaves_numpy_has_one_derivative_only():
    @at.custom_op(x=lambda g, x: g.item() * 2.0 * np.ones(x.shape))
    def double(x):
        return 2.0 * x

    x = leaf(3.0)
    double(x).backward()
    assert x.grad.item() == 2.0
    with pytest.raises(NoRuleError, match="has no derivative of its own"):
        double(x).backward(create_graph=True)


# -- hooks and retained gradients -----------------------------------------------------------------


def test_hooks_see_and_replace():
    x = leaf([1.0, 2.0])
    seen = []
    h = x * 3.0
    h.register_hook(seen.append)
    h.register_hook(lambda g: g * 10.0)
    h.register_hook(seen.append)
    x.register_hook(lambda g: g + 1.0)
    (h * h).sum().backward()
    assert [g.tolist() for g in seen] == [[6.0, 12.0], [60.0, 120.0]]
    assert x.grad.tolist() == [181.0, 361.0]


def test_hooks_are_removed():
    x = leaf(1.0)
    first = x.register_hook(lambda g: 2 * g)
    second = x.register_hook(lambda g: 3 * g)
    (x * 1.0).backward()
    first.remove()
    first.remove()
    (x * 1.0).backward()
    second.remove()
    (x * 1.0).backward()
    assert x.grad.item() == 6.0 + 3.0 + 1.0


def test_a_hook_gets_the_whole_gradient():
    x = leaf([1.0, 2.0])
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x[0] * x[1] + x.sum()).backward()
    assert seen == [[3.0, 2.0]]


def test_hooks_may_return_arrays_which_are_copied():
    buffer = np.array([7.0, 8.0], np.float32)
    x = leaf([1.0, 2.0], dtype=np.float32)
    first = x.register_hook(lambda g: buffer)
    (x * x).sum().backward()
    buffer[:] = 0
    assert x.grad.tolist() == [7.0, 8.0]
    first.remove()
    x.register_hook(lambda g: [1, 2])
    (x * x).sum().backward()
    assert x.grad.tolist() == [8.0, 10.0]
    assert x.grad.dtype == np.float32
    x.register_hook(lambda g: np.ones(3))
    with pytest.raises(ShapeError, match="the hook's gradient has shape"):
        (x * x).sum().backward()


def test_hooks_are_differentiated():
    x = leaf(2.0)
    handle = x.register_hook(lambda g: g * g)
    (x**3).backward(create_graph=True)  # (3 x^2)^2
    slope, x.grad = x.grad, None
    handle.remove()
    slope.backward()
    assert slope.item() == 144.0
    assert x.grad.item() == 36 * 2.0**3


def test_a_hook_needs_a_tensor_that_requires_grad():
    with pytest.raises(NoGradientError, match="needs a tensor that requires grad"):
        at.tensor(1.0).register_hook(print)


def test_retained_gradients_add_up_and_come_after_hooks():
    x = leaf(2.0)
    h = x * x
    h.retain_grad()
    h.retain_grad()
    h.register_hook(lambda g: 5 * g)
    assert h.grad is None
    y = 3 * h
    y.backward(retain_graph=True)
    assert h.grad.item() == 15.0
    assert x.grad.item() == 60.0
    y.backward()
    assert h.grad.item() == 30.0
    h.grad = None
    assert h.grad is None


def test_a_retained_gradient_can_be_differentiated():
    x = leaf(2.0)
    h = x * 1.0
    h.retain_grad()
    (h**3).backward(create_graph=True)
    x.grad = None
    h.grad.backward()
    assert x.grad.item() == 12.0


def test_transforms_touch_no_gradient():
    outer = leaf(2.0)

    def f(x):
        h = x * outer
        h.retain_grad()
        kept.append(h)
        return h * h

    kept = []
    assert at.grad(f)(3.0).item() == 24.0
    assert kept[0].grad is None
    assert outer.grad is None


def test_a_gradient_asked_of_a_result_warns_once():
    h = leaf(2.0) * 1.0
    h.backward()
    with pytest.warns(UserWarning, match="h is not a leaf; call h.retain_grad"):
        assert h.grad is None
    assert h.grad is None  # and no second warning, which would be an error here
