"""Layers: their values, their first weights, and that their gradients are those of the formula."""

import numpy as np
import pytest

import autotensor as at
from autotensor import nn


def test_dense_is_the_formula():
    rng = np.random.default_rng(1)
    layer = nn.Dense(3, 2, rng=rng)
    layer.bias = at.tensor([0.5, -1.0], requires_grad=True)
    x = rng.normal(size=(5, 3))
    wanted = x @ layer.weight.numpy().T + [0.5, -1.0]
    np.testing.assert_allclose(layer(at.tensor(x)).numpy(), wanted, rtol=1e-15)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (5, 3), (4, 5, 3)])
def test_dense_maps_the_last_axis(shape):
    assert nn.Dense(3, 2)(at.ones(shape)).shape == (*shape[:-1], 2)


def test_dense_gradients_are_those_of_the_formula():
    rng = np.random.default_rng(2)
    layer = nn.Dense(3, 2, rng=rng)
    x, g = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    layer(at.tensor(x)).backward(g)
    np.testing.assert_allclose(layer.weight.grad.numpy(), g.T @ x, rtol=1e-14)
    np.testing.assert_allclose(layer.bias.grad.numpy(), g.sum(0), rtol=1e-14)


def test_dense_starts_with_he_uniform_weights_and_no_bias():
    layer = nn.Dense(400, 300, rng=np.random.default_rng(3))
    weight = layer.weight.numpy()
    limit = np.sqrt(6 / 400)
    assert weight.shape == (300, 400)
    assert 0.999 * limit < np.abs(weight).max() <= limit
    np.testing.assert_allclose(weight.var(), 2 / 400, rtol=0.02)
    np.testing.assert_allclose(weight.mean(), 0, atol=5 * limit / np.sqrt(3 * weight.size))
    assert layer.bias.shape == (300,)
    assert not layer.bias.numpy().any()


def test_dense_draws_from_the_generator_it_is_given():
    a, b = (nn.Dense(3, 2, rng=np.random.default_rng(4)) for _ in range(2))
    assert a.weight.tolist() == b.weight.tolist()
    assert nn.Dense(3, 2).weight.tolist() != nn.Dense(3, 2).weight.tolist()


def test_dense_leaves_numpys_global_generator_alone():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - the subject of the test
    nn.Dense(3, 2)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_dense_without_bias():
    layer = nn.Dense(3, 2, bias=False)
    assert layer.bias is None
    assert len(layer.parameters()) == 1
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(layer(at.tensor(x)).numpy(), x @ layer.weight.numpy().T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_dense_keeps_its_dtype(dtype):
    layer = nn.Dense(3, 2, dtype=dtype)
    assert layer.weight.dtype == layer.bias.dtype == dtype
    assert layer(at.ones((4, 3), dtype=dtype)).dtype == dtype


def test_dense_of_integers_cannot_be_trained():
    with pytest.raises(TypeError, match="float or complex"):
        nn.Dense(3, 2, dtype=int)


@pytest.mark.parametrize("sizes", [(0, 2), (3, 0), (-1, 2)])
def test_dense_needs_sizes_of_at_least_one(sizes):
    with pytest.raises(ValueError, match=f"at least 1, got {sizes[0]}, {sizes[1]}"):
        nn.Dense(*sizes)


def test_relu_is_the_function_of_the_same_name():
    x = np.array([[-1.0, 0.0, 2.0]])
    leaf = at.tensor(x, requires_grad=True)
    out = nn.Relu()(leaf)
    assert out.tolist() == [[0.0, 0.0, 2.0]]
    out.backward(np.full((1, 3), 5.0))
    assert leaf.grad.tolist() == [[0.0, 0.0, 5.0]]


def test_sequential_applies_in_order():
    model = nn.Sequential(lambda x: x + 1, lambda x: x * 10)
    assert model(at.tensor([1.0, 2.0])).tolist() == [20.0, 30.0]


def test_sequential_takes_numpys_functions_among_its_layers():
    dense = nn.Dense(3, 2)
    x = at.ones((4, 3))
    model = nn.Sequential(dense, np.tanh)
    np.testing.assert_array_equal(model(x).numpy(), np.tanh(dense(x).numpy()))
    assert len(model.parameters()) == 2


def test_an_empty_sequential_is_the_identity():
    x = at.ones(3)
    assert nn.Sequential()(x) is x


def test_sequential_refuses_what_cannot_be_called():
    with pytest.raises(TypeError, match=r"takes layers and functions, got 'relu'"):
        nn.Sequential("relu")


def test_layers_work_on_plain_arrays_where_their_parameters_are_plain():
    dense = nn.Dense(3, 2)
    dense.weight, dense.bias = dense.weight.numpy(), dense.bias.numpy()
    out = nn.Sequential(dense, nn.Relu())(np.ones((4, 3)))
    assert type(out) is np.ndarray


def test_repr_reads_like_the_call():
    model = nn.Sequential(nn.Dense(10, 4), nn.Relu(), nn.Dense(4, 2, bias=False))
    assert repr(model) == "Sequential(Dense(10, 4), Relu(), Dense(4, 2, bias=False))"
