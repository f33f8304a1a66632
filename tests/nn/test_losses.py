"""MSE: its value, its gradient, and that it never broadcasts; CrossEntropy and its options."""

import numpy as np
import pytest

import autotensor as at
from autotensor import nn


@pytest.mark.parametrize("shape", [(), (3,), (4, 2), (2, 3, 4)])
def test_mse_and_its_gradient(shape):
    rng = np.random.default_rng(5)
    prediction, target = rng.normal(size=shape), rng.normal(size=shape)
    leaf = at.tensor(prediction, requires_grad=True)
    loss = nn.MSE()(leaf, at.tensor(target))
    assert loss.shape == ()
    np.testing.assert_allclose(loss.item(), np.mean((prediction - target) ** 2), rtol=1e-14)
    loss.backward()
    wanted = 2 / prediction.size * (prediction - target) if shape else 2 * (prediction - target)
    np.testing.assert_allclose(leaf.grad.numpy(), wanted, rtol=1e-14)


def test_the_target_gets_a_gradient_where_it_asks_for_one():
    prediction = at.tensor([1.0, 2.0], requires_grad=True)
    target = at.tensor([4.0, 0.0], requires_grad=True)
    nn.MSE()(prediction, target).backward()
    assert target.grad.tolist() == [3.0, -2.0]
    assert prediction.grad.tolist() == [-3.0, 2.0]


def test_the_target_may_be_an_ndarray():
    prediction = at.tensor([1.0, 2.0], requires_grad=True)
    assert nn.MSE()(prediction, np.array([1.0, 4.0])).item() == 2.0


def test_mse_of_float32_is_float32():
    prediction = at.tensor(np.ones(3, np.float32), requires_grad=True)
    loss = nn.MSE()(prediction, at.zeros(3, np.float32))
    assert loss.dtype == np.float32
    loss.backward()
    assert prediction.grad.dtype == np.float32


@pytest.mark.parametrize(("a", "b"), [((3,), (3, 1)), ((3, 1), (3,)), ((2, 3), (3,)), ((2,), ())])
def test_shapes_that_would_broadcast_are_an_error(a, b):
    with pytest.raises(ValueError, match="one shape, got") as caught:
        nn.MSE()(at.ones(a), at.ones(b))
    assert str(a) in str(caught.value)
    assert str(b) in str(caught.value)


def test_cross_entropy_with_its_options():
    logits = at.tensor(np.random.default_rng(2).normal(size=(3, 4)), requires_grad=True)
    labels = np.array([3, 0, 1])
    loss = nn.CrossEntropy()(logits, labels)
    assert loss.item() == nn.cross_entropy(logits, labels).item()
    options = {"reduction": "none", "label_smoothing": 0.1}
    criterion = nn.CrossEntropy(**options)
    wanted = nn.cross_entropy(logits, labels, **options)
    np.testing.assert_array_equal(criterion(logits, at.tensor(labels)).numpy(), wanted.numpy())
    loss.backward()
    np.testing.assert_allclose(logits.grad.numpy().sum(1), 0, atol=1e-15)
