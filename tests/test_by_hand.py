"""Autodiff beside the derivatives that the exercise is usually solved with, written by hand.

The exercise: labels ``y = x @ w_real.T + b_real``, model Dense then Relu, mean squared error. Its
usual solution drops the constant 2 of the square and averages over the batch only:

    dMSE = y_pred - y_label        dW = mean over the batch of the outer products dy ⊗ x
    dRelu = dMSE * (y > 0)         db = mean over the batch of dy

MSE is a mean over all N = batch * outputs entries, so its true gradient has the factor 2 / N, where
the solution by hand has 1 / batch. For two outputs these are the same number.
"""

import numpy as np
import pytest

import autotensor as at


def gradients_by_hand(x, y_label, w, b):
    """The usual solution, one example at a time."""
    dw, db = np.zeros_like(w), np.zeros_like(b)
    for xi, label in zip(x, y_label, strict=True):
        y = w @ xi + b
        y_pred = np.maximum(y, 0)
        d_mse = y_pred - label
        d_relu = d_mse * (y > 0)
        dw += np.outer(d_relu, xi) / len(x)
        db += d_relu / len(x)
    return dw, db


def gradients_by_autodiff(x, y_label, w, b):
    dense = at.nn.Dense(w.shape[1], w.shape[0])
    dense.weight = at.tensor(w, requires_grad=True)
    dense.bias = at.tensor(b, requires_grad=True)
    model = at.nn.Sequential(dense, at.nn.Relu())
    at.nn.MSE()(model(at.tensor(x)), at.tensor(y_label)).backward()
    return dense.weight.grad.numpy(), dense.bias.grad.numpy()


def exercise(outputs, batch=512, spread=0.0, seed=0):
    """Data and parameters; with a spread, weights of both signs, so that Relu cuts some entries."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(batch, 10))
    y_label = x @ rng.uniform(size=(outputs, 10)).T + rng.uniform(size=outputs)
    w = rng.uniform(size=(outputs, 10)) - spread
    b = np.zeros(outputs)
    return x, y_label, w, b


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize("batch", [1, 7, 512])
def test_for_two_outputs_they_are_equal(seed, spread, batch):
    data = exercise(2, batch, spread, seed)
    for got, wanted in zip(gradients_by_autodiff(*data), gradients_by_hand(*data), strict=True):
        # a sum over the batch that nearly cancels is as accurate as its terms
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-15)


def test_relu_cuts_some_entries_and_not_others():
    x, _, w, b = exercise(2, spread=0.5)
    assert 0.1 < np.mean(x @ w.T + b > 0) < 0.9


@pytest.mark.parametrize("outputs", [1, 3, 5])
def test_for_other_numbers_of_outputs_they_differ_by_the_factor_that_was_dropped(outputs):
    data = exercise(outputs, spread=0.5)
    for got, wanted in zip(gradients_by_autodiff(*data), gradients_by_hand(*data), strict=True):
        np.testing.assert_allclose(got, wanted * 2 / outputs, rtol=1e-12, atol=1e-15)


def test_the_trained_parameters_are_equal_too():
    rng = np.random.default_rng(1)
    w_real, b_real = rng.uniform(size=(2, 10)), rng.uniform(size=2)
    w, b = rng.uniform(size=(2, 10)), np.zeros(2)
    dense, mse = at.nn.Dense(10, 2), at.nn.MSE()
    dense.weight = at.tensor(w, requires_grad=True)
    dense.bias = at.tensor(b, requires_grad=True)
    model = at.nn.Sequential(dense, at.nn.Relu())
    optimizer = at.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(50):
        x = rng.uniform(size=(16, 10))
        y_label = x @ w_real.T + b_real
        dw, db = gradients_by_hand(x, y_label, w, b)
        w, b = w - 0.01 * dw, b - 0.01 * db
        optimizer.zero_grad()
        mse(model(at.tensor(x)), at.tensor(y_label)).backward()
        optimizer.step()
    np.testing.assert_allclose(dense.weight.numpy(), w, rtol=1e-12)
    np.testing.assert_allclose(dense.bias.numpy(), b, rtol=1e-12)
