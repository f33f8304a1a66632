"""The layers for images: their formulas, first weights, options and errors."""

import numpy as np
import pytest

import autotensor as at
from autotensor import nn


def test_conv2d_is_the_function_with_its_parameters():
    rng = np.random.default_rng(0)
    options = {"stride": (2, 1), "padding": 1, "dilation": (1, 2), "groups": 2}
    layer = nn.Conv2d(4, 6, (2, 3), rng=rng, **options)
    layer.bias = at.tensor(rng.normal(size=6), requires_grad=True)
    x = rng.normal(size=(3, 4, 5, 7))
    wanted = nn.conv2d(x, layer.weight.numpy(), layer.bias.numpy(), **options)
    np.testing.assert_array_equal(layer(at.tensor(x)).numpy(), wanted)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]


def test_conv2d_starts_with_he_uniform_weights_and_no_bias():
    layer = nn.Conv2d(40, 60, 5, groups=2, rng=np.random.default_rng(3))
    weight = layer.weight.numpy()
    limit = np.sqrt(6 / (20 * 25))
    assert weight.shape == (60, 20, 5, 5)
    assert 0.999 * limit < np.abs(weight).max() <= limit
    np.testing.assert_allclose(weight.var(), limit**2 / 3, rtol=0.02)
    assert not layer.bias.numpy().any()


def test_conv2d_draws_from_the_generator_it_is_given():
    a, b = (nn.Conv2d(1, 2, 3, rng=np.random.default_rng(4)) for _ in range(2))
    assert a.weight.tolist() == b.weight.tolist()
    assert nn.Conv2d(1, 2, 3).weight.tolist() != nn.Conv2d(1, 2, 3).weight.tolist()


def test_conv2d_without_bias():
    layer = nn.Conv2d(1, 2, 1, bias=False)
    assert layer.bias is None
    assert len(layer.parameters()) == 1
    assert (
        layer(at.ones((1, 1, 2, 2))).numpy()[0, :, 0, 0].tolist()
        == layer.weight.numpy()[:, 0, 0, 0].tolist()
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_conv2d_keeps_its_dtype(dtype):
    layer = nn.Conv2d(1, 2, 3, padding="same", dtype=dtype)
    assert layer.weight.dtype == layer.bias.dtype == dtype
    y = layer(at.ones((1, 1, 4, 4), dtype=dtype))
    assert (y.dtype, y.shape) == (dtype, (1, 2, 4, 4))


@pytest.mark.parametrize("sizes", [(0, 2, 1), (2, 0, 1), (3, 4, 2), (4, 3, 2), (2, 2, 0)])
def test_conv2d_needs_channels_that_its_groups_divide(sizes):
    inputs, outputs, groups = sizes
    with pytest.raises(ValueError, match="multiples of groups; got"):
        nn.Conv2d(inputs, outputs, 3, groups=groups)
    with pytest.raises(ValueError, match="size is one integer or two"):
        nn.Conv2d(1, 1, 0)


def test_pooling_and_flatten_are_their_functions():
    x = np.random.default_rng(1).normal(size=(2, 3, 6, 5))
    t = at.tensor(x)
    for layer, wanted in (
        (nn.MaxPool2d(2), nn.max_pool2d(x, 2)),
        (nn.MaxPool2d((3, 2), 1, (1, 0)), nn.max_pool2d(x, (3, 2), 1, (1, 0))),
        (nn.AvgPool2d(3, stride=2, padding=1), nn.avg_pool2d(x, 3, 2, 1)),
        (nn.Flatten(), x.reshape(2, -1)),
    ):
        np.testing.assert_array_equal(layer(t).numpy(), wanted)
    assert nn.Flatten()(at.ones((0, 2, 3))).shape == (0, 6)


def test_layers_say_what_they_are():
    layers = [
        nn.Conv2d(1, 2, 3),
        nn.Conv2d(2, 2, (1, 2), stride=2, padding="valid", dilation=3, groups=2, bias=False),
        nn.MaxPool2d(2),
        nn.AvgPool2d((2, 1), stride=1, padding=(1, 0)),
        nn.Flatten(),
    ]
    assert [repr(layer) for layer in layers] == [
        "Conv2d(1, 2, (3, 3))",
        "Conv2d(2, 2, (1, 2), stride=2, padding='valid', dilation=3, groups=2, bias=False)",
        "MaxPool2d(2)",
        "AvgPool2d((2, 1), stride=1, padding=(1, 0))",
        "Flatten()",
    ]


def network():
    rng = np.random.default_rng(5)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, rng=rng),
        nn.Relu(),
        nn.MaxPool2d(2),
        nn.Conv2d(2, 3, 2, rng=rng),
        nn.AvgPool2d(2, 1),
        nn.Flatten(),
        nn.Dense(6, 2, rng=rng),
    )


def test_a_network_has_the_gradients_of_differences():
    model = network()
    x = np.random.default_rng(6).normal(size=(2, 1, 8, 6))
    parameters = model.parameters()
    loss = (model(at.tensor(x)) ** 2).sum()
    loss.backward()
    for parameter in parameters:
        index = (0,) * parameter.ndim
        values = []
        with at.no_grad():
            for step in (1e-6, -2e-6):
                parameter[index] += step
                values.append((model(at.tensor(x)) ** 2).sum().item())
        slope = (values[0] - values[1]) / 2e-6
        assert parameter.grad.numpy()[index] == pytest.approx(slope, rel=1e-5)


def test_pictures_have_a_scope_for_each_convolution():
    y = network()(at.ones((1, 1, 8, 6)))
    folded = str(at.graph(y, depth=1))
    assert "Conv2d  (1, 2, 8, 6)" in folded
    assert "conv2d(" not in folded
    assert "conv2d(" in str(at.graph(y))
