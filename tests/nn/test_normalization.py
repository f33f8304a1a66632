"""LayerNorm: its parameters, its shapes, and what it refuses."""

import numpy as np
import pytest

import autotensor as at
from autotensor import nn


@pytest.mark.parametrize("shape", [4, (4,), (3, 4), np.int64(4)])
def test_it_starts_as_the_function_without_parameters(shape):
    x = np.random.default_rng(1).normal(size=(2, 3, 4))
    layer = nn.LayerNorm(shape)
    axes = (-2, -1) if layer.weight.ndim == 2 else -1
    out = layer(at.tensor(x)).numpy()
    np.testing.assert_allclose(out.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(out.var(axes), 1, rtol=1e-3)


def test_its_parameters_get_gradients():
    layer = nn.LayerNorm(3, dtype=np.float32)
    x = at.tensor(np.array([[1, 2, 3], [4, 6, 8]], np.float32))
    layer(x).sum().backward()
    assert [(name, p.dtype) for name, p in layer.named_parameters()] == [
        ("weight", np.float32),
        ("bias", np.float32),
    ]
    assert layer.bias.grad.tolist() == [2, 2, 2]
    np.testing.assert_allclose(layer.weight.grad.numpy(), [-2.449, 0, 2.449], atol=1e-3)


def test_eps_is_that_of_the_layer():
    x = at.tensor([[0.0, 2.0]])
    assert nn.LayerNorm(2, eps=3.0)(x).tolist() == [[-0.5, 0.5]]


def test_without_a_bias():
    layer = nn.LayerNorm(3, bias=False)
    assert len(layer.parameters()) == 1
    assert repr(layer) == "LayerNorm(3, bias=False)"
    assert repr(nn.LayerNorm((2, 3))) == "LayerNorm((2, 3))"


@pytest.mark.parametrize("shape", [0, (), (3, 0), -1])
def test_shapes_that_cannot_be_are_refused(shape):
    with pytest.raises(ValueError, match="LayerNorm needs axes"):
        nn.LayerNorm(shape)


@pytest.mark.parametrize("eps", [0.0, -1.0, float("nan")])
def test_eps_must_be_positive(eps):
    with pytest.raises(ValueError, match="eps must be greater than 0"):
        nn.LayerNorm(3, eps=eps)
