"""Each bug that was found once, as its smallest program."""

import numpy as np
import pytest

import autotensor as at
from autotensor import errors


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


@pytest.mark.parametrize("function", [at.nn.softmax, at.nn.logsumexp, at.nn.relu])
def test_a_rule_for_real_input_refuses_complex_input(function):
    with pytest.raises(errors.NoRuleError, match="real input only"):
        function(leaf([1 + 0.5j, 0.3 - 1j]))


def test_a_pullback_made_under_no_grad_keeps_the_graph_of_its_cotangent():
    with at.no_grad():
        _, pullback = at.vjp(np.sin, 1.0)
    assert at.grad(lambda c: c * pullback(c)[0])(2.0) == pytest.approx(4 * np.cos(1.0))


def test_a_pullback_called_under_no_grad_returns_constants():
    w = leaf(3.0)
    _, pullback = at.vjp(lambda x: w * x, at.tensor(2.0))
    with at.no_grad():
        assert not pullback(1.0)[0].requires_grad
    assert pullback(1.0)[0].requires_grad


@pytest.mark.parametrize("view", [lambda x: np.split(x, 2)[0], np.flip, np.atleast_1d])
def test_a_view_by_a_function_without_a_rule_is_known_as_one(view):
    x = at.zeros(4)
    part = view(x)
    w = leaf(3.0)
    part[0] = w
    np.testing.assert_array_equal(view(x.numpy())[0], 3.0)
    x.sum().backward()
    assert w.grad.item() == 1.0


def test_a_conversion_that_copies_nothing_is_known_as_a_view():
    x = at.zeros(2)
    same = x.astype(float, copy=False)
    same += 1.0
    assert x.tolist() == [1.0, 1.0]


def test_the_mean_of_many_halves_has_a_gradient():
    gradient = at.grad(np.mean)(np.ones(100_000, np.float16))
    np.testing.assert_allclose(gradient.astype(float), 1e-5, rtol=1e-2)


def test_tensordot_refuses_what_numpy_refuses():
    a, b = leaf(np.arange(6.0).reshape(2, 3)), np.arange(6.0).reshape(3, 2)
    for axes in (((0, 1), (0, 1)), ((7,), (0,))):
        with pytest.raises(ValueError, match=r"tensordot|out of bounds"):
            np.tensordot(a, b, axes)


def test_tensordot_takes_lists():
    x = leaf([1.0, 2.0])
    np.tensordot([[3.0, 4.0]], x, 1).sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_entries_left_out_by_where_have_gradient_zero():
    x = leaf([0.0, 2.0])
    np.log(x, where=np.array([False, True])).sum().backward()
    assert x.grad.tolist() == [0.0, 0.5]


def test_an_op_that_reuses_its_buffer_is_copied():
    buffer = np.empty(2)

    @at.custom_op(x=lambda g, out: g * out)
    def exp(x):
        return np.exp(x, out=buffer)

    x = leaf([0.0, 1.0])
    y = exp(x)
    exp(2 * x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.exp([0.0, 1.0]))


def test_scalars_among_joined_arrays():
    x = leaf([1.0, 2.0])
    np.concatenate([x, 2.0], axis=None).sum().backward()
    np.einsum("i,->i", x, 2.0).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_power_by_booleans():
    x = leaf([2.0, 3.0])
    (x ** np.array([True, False])).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]


def test_a_freed_graph_that_does_not_lead_to_the_input_is_not_walked():
    k = np.sin(np.exp(leaf(2.0)))
    k.backward()
    assert at.grad(lambda x: k)(1.0) == 0.0


def test_a_division_by_zero_is_infinite_in_backward_too():
    x = leaf([1.0])
    with np.errstate(divide="ignore"):
        (x / 0.0).sum().backward()
    assert x.grad.tolist() == [np.inf]


def test_the_logarithm_of_a_tiny_sigmoid():
    assert at.grad(lambda x: np.log(at.nn.sigmoid(x)))(-40.0) == pytest.approx(1.0)


def test_a_recorded_gradient_keeps_its_graph_when_more_is_added():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    (x**2).backward()
    assert x.grad.requires_grad
    x.grad = None


def test_a_rule_that_leaves_numpy_has_no_forward_mode():
    @at.custom_op(x=lambda g, x: g.numpy() * np.cos(x))
    def sine(x):
        return np.sin(x)

    with pytest.raises(errors.NoRuleError, match="left NumPy"):
        at.jvp(sine, (1.0,), (1.0,))


def test_a_rule_without_the_cotangent_is_refused():
    with pytest.raises(errors.DeclarationError, match="takes 'g' as its first parameter"):
        at.custom_op(x=lambda x: 2 * x)(lambda x: x * x)


def test_a_power_with_exponent_zero_has_the_mixed_second_derivative():
    by_x = at.grad(np.power)
    assert at.grad(by_x, argnums=1)(2.0, 0.0) == 0.5
    assert at.grad(at.grad(np.power, argnums=1))(2.0, 0.0) == 0.5
    assert by_x(0.0, 0.0) == 0.0


def test_an_axis_to_stack_along_may_be_an_integer_of_numpy():
    x = leaf([1.0, 2.0])
    for axis in (np.int64(1), np.int8(-1)):
        x.grad = None
        (np.stack([x, x], axis) * [1.0, 10.0]).sum().backward()
        assert x.grad.tolist() == [11.0, 11.0]
