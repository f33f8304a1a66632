"""Every rule by which printed programs get shorter: what is gone, and that the value is not."""

import numpy as np
import pytest

import autotensor as at
from tests.drawing.numpy_source.running import run

X = np.array([[0.5, -1.5], [2.0, 0.25]])


def expression(text):
    """What `value` is, without its comment."""
    (line,) = [part for part in text.splitlines() if part.lstrip().startswith("value = ")]
    return line.split("  #")[0].strip().removeprefix("value = np.sum(").removesuffix(")")


@pytest.mark.parametrize(
    ("function", "shorter"),
    [
        (lambda x: 1.0 * x, "x"),
        (lambda x: x / 1, "x"),
        (lambda x: x + 0.0, "x"),
        (lambda x: x - 0.0, "x"),
        (lambda x: x**1, "x"),
        (lambda x: np.negative(-x), "x"),
        (lambda x: -1.0 * x, "-x"),
        (lambda x: x + x, "2 * x"),
        (lambda x: 2.0 * (3.0 * x), "6 * x"),
        (lambda x: x - (-x), "2 * x"),
        (lambda x: x.T.T, "x"),
        (lambda x: x.reshape(4).reshape(2, 2), "x"),
        (lambda x: x.reshape(4).reshape(1, 4), "x.reshape(1, 4)"),
        (lambda x: x.copy(), "x"),
        (lambda x: np.where(x > 0, x, x), "x"),
        (lambda x: np.ones((2, 2)) * x, "x"),
        (lambda x: np.full((2, 2), 3.0) * x, "3 * x"),
        (lambda x: np.broadcast_to(x, (2, 2)), "x"),
        (lambda x: x.astype(float), "x"),
        (lambda x: np.conj(x), "x"),
    ],
)
def test_shorter(function, shorter):
    def loss(x):
        return np.sum(function(x))

    text = at.source(loss)(X)
    assert expression(text) == shorter
    value, gradient = at.value_and_grad(loss)(X)
    found = run(text, {"x": X})
    np.testing.assert_allclose(found[0], value, rtol=1e-14)
    np.testing.assert_allclose(found[1], gradient, rtol=1e-14)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.float32(1.0) * x.astype(np.float32),
        lambda x: np.ones((3, 2, 2)) * x,
        lambda x: 0.0 + x[:1],
        lambda x: np.ones((2, 1)) * x[:1],
        lambda x: x.astype(np.float32).astype(float),
    ],
)
def test_what_changes_shape_or_dtype_stays(function):
    def loss(x):
        return np.sum(function(x) ** 2)

    value, gradient = at.value_and_grad(loss)(X)
    found = run(at.source(loss)(X), {"x": X})
    assert (found[0].dtype, found[1].shape) == (value.dtype, gradient.shape)
    np.testing.assert_allclose(found[0], value, rtol=1e-6)
    np.testing.assert_allclose(found[1], gradient, rtol=1e-6)


def test_equal_calls_are_made_once():
    text = at.source(lambda x: np.sum(np.exp(x) * np.exp(x) + np.exp(x)))(X)
    assert text.count("np.exp") == 1
    exact = at.source(lambda x: np.sum(np.exp(x) * np.exp(x)), simplify=False)(X)
    assert exact.count("np.exp") == 2
