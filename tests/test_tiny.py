"""The ten smallest things that must work: the first file to read, and the first to run."""

import numpy as np
import pytest

import autotensor as at


def test_a_product_has_two_gradients():
    x = at.tensor(3.0, requires_grad=True)
    y = at.tensor(4.0, requires_grad=True)
    (x * y).backward()
    assert x.grad.item() == 4.0
    assert y.grad.item() == 3.0


def test_numpy_functions_run_on_tensors():
    x = at.tensor([0.0, 1.0], requires_grad=True)
    np.sum(np.exp(x)).backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([0.0, 1.0]))


def test_broadcast_arguments_have_gradients_of_their_own_shape():
    x = at.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    b = at.tensor([10.0, 20.0, 30.0], requires_grad=True)
    (x * b).sum().backward()
    assert x.grad.tolist() == [[10.0, 20.0, 30.0], [10.0, 20.0, 30.0]]
    assert b.grad.tolist() == [5.0, 7.0, 9.0]


def test_indexing_and_assignment():
    x = at.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = at.zeros(2)
    y[0] = x[2] * x[0]
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 0.0, 1.0]


def test_a_value_used_twice_gets_both_gradients():
    x = at.tensor(2.0, requires_grad=True)
    y = x * x
    (y + y * x).backward()
    assert x.grad.item() == 2 * 2.0 + 3 * 2.0**2


def test_gradients_add_up_over_calls():
    x = at.tensor(2.0, requires_grad=True)
    (3 * x).backward()
    (4 * x).backward()
    assert x.grad.item() == 7.0


def test_no_grad_records_nothing():
    x = at.tensor(2.0, requires_grad=True)
    with at.no_grad():
        x -= 0.5
    assert x.item() == 1.5
    assert x.requires_grad


def test_derivatives_of_a_function():
    def cube(x):
        return x**3

    assert at.grad(cube)(2.0) == 12.0
    assert at.grad(at.grad(cube))(2.0) == 12.0
    assert at.jvp(cube, (2.0,), (1.0,)) == (8.0, 12.0)


def test_a_gradient_has_a_gradient():
    x = at.tensor(2.0, requires_grad=True)
    (x**3).backward(create_graph=True)
    slope, x.grad = x.grad, None
    slope.backward()
    assert x.grad.item() == 12.0


def test_a_tensor_that_would_lose_its_gradient_raises():
    x = at.tensor(2.0, requires_grad=True)
    with pytest.raises(TypeError, match="would lose its gradient"):
        float(x)
