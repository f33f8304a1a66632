"""cross_entropy and layer_norm beside plain formulas, at limits, and what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import autotensor as at
from autotensor import nn
from tests.rules import check_function

INF = np.inf
EPS = {np.float16: 2e-2, np.float32: 2e-5, np.float64: 1e-11}

dtypes = st.sampled_from(list(EPS))
shapes = array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6)
seeds = st.integers(0, 2**16)


def as_tensor(a):
    return at.tensor(a, requires_grad=True)


def plain_losses(logits, labels):
    """Each row's loss and its gradient, class by class in plain Python."""
    rows = logits.reshape(-1, logits.shape[-1]).astype(float).tolist()
    if labels.dtype.kind == "f":
        chances = labels.reshape(-1, logits.shape[-1]).astype(float).tolist()
    else:
        chances = [[float(k == c) for k in range(len(rows[0]))] for c in labels.ravel()]
    losses, gradients = [], []
    for row, chance in zip(rows, chances, strict=True):
        total = math.log(sum(math.exp(v - max(row)) for v in row)) + max(row)
        losses.append(sum(p * (total - v) for v, p in zip(row, chance, strict=True)))
        whole = sum(chance)
        gradients.append(
            [whole * math.exp(v - total) - p for v, p in zip(row, chance, strict=True)]
        )
    return np.reshape(losses, logits.shape[:-1]), np.reshape(gradients, logits.shape)


@given(shape=shapes, dtype=dtypes, seed=seeds, soft=st.booleans(), layout=st.sampled_from("CF-"))
def test_cross_entropy_of_rows_beside_the_formula(shape, dtype, seed, soft, layout):
    rng = np.random.default_rng(seed)
    logits = (3 * rng.normal(size=shape)).astype(dtype)
    if layout == "F":
        logits = np.asfortranarray(logits)
    elif layout == "-":
        logits = logits[..., ::-1]
    labels = rng.dirichlet(np.ones(shape[-1]), shape[:-1]).astype(dtype)
    if not soft:
        labels = rng.integers(0, shape[-1], shape[:-1])
        labels = labels.astype(rng.choice(["i1", "u2", "i8"]))
    losses, gradients = plain_losses(logits, np.asarray(labels))
    close = {"rtol": EPS[dtype], "atol": EPS[dtype]}
    for reduction in ("none", "sum", "mean"):
        x = as_tensor(logits)
        result = nn.cross_entropy(x, labels, reduction=reduction)
        assert result.dtype == dtype
        wanted = losses if reduction == "none" else getattr(np, reduction)(losses)
        np.testing.assert_allclose(result.numpy(), wanted, **close)
        result.sum().backward()
        factor = 1 / losses.size if reduction == "mean" else 1
        np.testing.assert_allclose(x.grad.numpy(), factor * gradients, **close)


def test_cross_entropy_of_both_arguments_at_orders_one_and_two():
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(2, 3, 4)), rng.uniform(size=(2, 3, 4))
    check_function(nn.cross_entropy, [logits, labels], rng)
    check_function(at.grad(nn.cross_entropy, (0, 1)), [logits, labels], rng)


def test_cross_entropy_agrees_with_the_composition():
    rng = np.random.default_rng(4)
    logits, labels = as_tensor(rng.normal(size=(50, 7))), rng.integers(0, 7, 50)
    loss = nn.cross_entropy(logits, at.tensor(labels))
    loss.backward()
    by_hand = logits.detach()
    by_hand.requires_grad = True
    (-nn.log_softmax(by_hand)[np.arange(50), labels]).mean().backward()
    np.testing.assert_allclose(logits.grad.numpy(), by_hand.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", list(EPS))
def test_large_logits_do_not_overflow(dtype):
    big = float(np.finfo(dtype).max) / 4
    logits = as_tensor(np.array([[big, 0, -big], [-big, -big, -big]], dtype))
    loss = nn.cross_entropy(logits, [0, 2], reduction="none")
    np.testing.assert_allclose(loss.numpy(), [0, math.log(3)], rtol=EPS[dtype])
    loss.sum().backward()
    third = 1 / 3
    wanted = [[0, 0, 0], [third, third, third - 1]]
    np.testing.assert_allclose(logits.grad.numpy(), wanted, rtol=EPS[dtype])


def test_a_class_that_cannot_be_counts_nothing_unless_it_is_the_right_one():
    logits = as_tensor([[-INF, 1.0, 1.0], [-INF, 0.0, 0.0]])
    loss = nn.cross_entropy(logits, [1, 0], reduction="none")
    np.testing.assert_allclose(loss.numpy(), [math.log(2), INF])
    loss.sum().backward()
    np.testing.assert_allclose(logits.grad.numpy(), [[0, -0.5, 0.5], [-1, 0.5, 0.5]])


def test_a_probability_of_zero_for_a_class_that_cannot_be():
    logits, labels = as_tensor([-INF, 0.0, 0.0]), as_tensor([0.0, 0.25, 0.75])
    loss = nn.cross_entropy(logits, labels)
    np.testing.assert_allclose(loss.item(), math.log(2))
    loss.backward()
    np.testing.assert_allclose(logits.grad.numpy(), [0, 0.25, -0.25])
    np.testing.assert_allclose(labels.grad.numpy(), [INF, math.log(2), math.log(2)])


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("row", [[INF, 0.0], [-INF, -INF], [np.nan, 0.0]])
def test_rows_without_a_softmax_give_nan_and_leave_the_others_alone(row):
    logits = as_tensor([row, [0.0, 0.0]])
    loss = nn.cross_entropy(logits, [0, 0], reduction="none")
    np.testing.assert_allclose(loss.numpy(), [np.nan, math.log(2)])
    loss.sum().backward()
    np.testing.assert_allclose(logits.grad.numpy(), [[np.nan, np.nan], [-0.5, 0.5]])


@pytest.mark.parametrize("soft", [False, True])
def test_label_smoothing_is_a_mixture_with_even_probabilities(soft):
    rng = np.random.default_rng(6)
    values = rng.normal(size=(5, 4)).astype(np.float32)
    hard = rng.integers(0, 4, 5)
    labels = np.eye(4, dtype=np.float32)[hard] if soft else hard
    mixed = (0.7 * np.eye(4)[hard] + 0.3 / 4).astype(np.float32)
    x, y = as_tensor(values), as_tensor(values)
    smooth, wanted = nn.cross_entropy(x, labels, label_smoothing=0.3), nn.cross_entropy(y, mixed)
    assert smooth.dtype == np.float32
    np.testing.assert_allclose(smooth.item(), wanted.item(), rtol=1e-6)
    smooth.backward()
    wanted.backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_no_rows_have_no_loss(reduction):
    x = as_tensor(np.ones((0, 3)))
    loss = nn.cross_entropy(x, np.ones(0, int), reduction=reduction).sum()
    assert loss.item() == 0
    loss.backward()
    assert x.grad.shape == (0, 3)


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_the_mean_of_no_rows_is_nan_as_numpys():
    x = as_tensor(np.ones((0, 3)))
    loss = nn.cross_entropy(x, np.ones(0, int))
    assert np.isnan(loss.item())
    loss.backward()
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        ([0, 3], ValueError, r"from 0 to 2 here; the one at \[1\] is 3"),
        ([-1, 0], ValueError, r"from 0 to 2 here; the one at \[0\] is -1"),
        ([[0], [1]], ValueError, r"labels of shape \(2,\), got \(2, 1\)"),
        ([0, 1, 2], ValueError, "integer labels, one a row"),
        ([0.0, 1.0], ValueError, r"float labels, one for each class.* \(2, 3\), got \(2,\)"),
        ([True, False], TypeError, r"got bool.\nA mask becomes floats by labels.astype\(float\)"),
        ([1j, 0j], TypeError, "got complex128"),
        (["a", "b"], TypeError, "integers, the classes, or floats"),
    ],
)
@pytest.mark.parametrize("wrap", [np.asarray, list])
def test_labels_that_do_not_fit_are_named(labels, kind, message, wrap):
    with pytest.raises(kind, match=message):
        nn.cross_entropy(as_tensor(np.ones((2, 3))), wrap(labels))


def test_labels_in_a_tensor_are_checked_too():
    with pytest.raises(ValueError, match=r"the one at \[1, 0\] is 3"):
        nn.cross_entropy(at.ones((2, 1, 3)), at.tensor([[0], [3]]))


@pytest.mark.parametrize("option", [{"reduction": "avg"}, {"label_smoothing": 1.5}])
def test_options_that_are_none_are_named(option):
    (name,) = option
    with pytest.raises(ValueError, match=f"^{name} must be "):
        nn.cross_entropy(at.ones((2, 3)), [0, 1], **option)


@pytest.mark.parametrize("shape", [(), (2, 0)])
def test_logits_without_classes_are_refused(shape):
    with pytest.raises(ValueError, match="logits of shape"):
        nn.cross_entropy(at.ones(shape), np.zeros(shape[:-1], int))


def test_arrays_in_give_an_array_out():
    assert type(nn.cross_entropy(np.ones((2, 3)), np.array([0, 1]))) is np.float64
    assert type(nn.layer_norm(np.ones((2, 3)))) is np.ndarray


def test_what_the_losses_keep_may_be_changed_by_others_afterwards():
    labels = np.array([0, 1])
    logits = as_tensor(np.zeros((2, 2)))
    loss = nn.cross_entropy(logits, labels)
    labels[:] = 0
    loss.backward()
    assert logits.grad.tolist() == [[-0.25, 0.25], [0.25, -0.25]]


def test_the_source_of_a_batch_of_any_size_runs():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(200, 5)), at.tensor(rng.integers(0, 5, 200), name="labels")
    leaf = at.tensor(x, requires_grad=True, name="x")
    text = at.source(nn.cross_entropy(leaf, labels))
    space = {}
    exec(text, space)
    loss, gradient = space["value_and_grad"](x=x, labels=labels.numpy())
    nn.cross_entropy(leaf, labels).backward()
    np.testing.assert_array_equal(gradient, leaf.grad.numpy())
    assert loss == nn.cross_entropy(leaf, labels).item()


# -- layer_norm -----------------------------------------------------------------------------------


def plain_norm(x, axes, eps):
    mean = x.mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(np.square(x - mean).mean(axes, keepdims=True) + eps)


@given(
    shape=array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5),
    trailing=st.integers(1, 3),
    dtype=dtypes,
    seed=seeds,
    given_=st.sampled_from([(), ("weight",), ("bias",), ("weight", "bias")]),
    layout=st.sampled_from("CF-"),
)
def test_layer_norm_beside_the_formula(shape, trailing, dtype, seed, given_, layout):
    rng = np.random.default_rng(seed)
    trailing = min(trailing, len(shape)) if given_ else 1
    x = rng.normal(2, 3, shape).astype(dtype)
    x = {"C": x, "F": np.asfortranarray(x), "-": x[..., ::-1]}[layout]
    options = {name: rng.normal(size=shape[-trailing:]).astype(dtype) for name in given_}
    result = nn.layer_norm(as_tensor(x), **options, eps=0.1)
    assert result.dtype == dtype
    wanted = plain_norm(x.astype(float), tuple(range(-trailing, 0)), 0.1)
    wanted = wanted * options.get("weight", 1) + options.get("bias", 0)
    np.testing.assert_allclose(result.numpy(), wanted, rtol=EPS[dtype], atol=EPS[dtype])
    if dtype is np.float64:
        check_function(
            lambda x, *args: nn.layer_norm(x, **dict(zip(options, args, strict=True)), eps=0.1),
            [x, *options.values()],
            rng,
        )


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_gradient_of_layer_norm_in_few_digits(dtype):
    rng = np.random.default_rng(8)
    x, w, g = rng.normal(5, 2, (3, 40)), rng.normal(size=40), rng.normal(size=(3, 40))
    wanted = at.grad(lambda x: np.sum(g * nn.layer_norm(x, w)))(x)
    narrow = at.grad(lambda x: np.sum(g.astype(dtype) * nn.layer_norm(x, w.astype(dtype))))(
        x.astype(dtype)
    )
    assert narrow.dtype == dtype
    np.testing.assert_allclose(narrow, wanted, rtol=0, atol=4 * EPS[dtype])


def test_squares_that_float16_cannot_hold():
    x = np.array([[-3000.0, 0.0, 3000.0]], np.float16)
    leaf = as_tensor(x)
    result = nn.layer_norm(leaf)
    np.testing.assert_allclose(result.numpy(), [[-1.2247, 0, 1.2247]], rtol=1e-3)
    (result * np.array([1, 0, 1], np.float16)).sum().backward()
    assert np.isfinite(leaf.grad.numpy()).all()


def test_equal_entries_become_zero_and_their_gradient_stays_finite():
    x = as_tensor(np.full((2, 4), 7.0))
    result = nn.layer_norm(x)
    assert not result.numpy().any()
    (result * np.arange(4.0)).sum().backward()
    centred = (np.arange(4.0) - 1.5) / 1e-5**0.5
    np.testing.assert_allclose(x.grad.numpy(), [centred, centred])


def test_nothing_to_normalize():
    x = as_tensor(np.ones((2, 0)))
    nn.layer_norm(x).sum().backward()
    assert x.grad.shape == (2, 0)
    assert nn.layer_norm(as_tensor(np.ones((0, 3))), np.ones(3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("weight", "bias"),
    [((2,), None), (None, (3, 4)), ((4,), (3,)), ((), None), ((1, 2, 3, 4), None)],
)
def test_parameters_of_other_axes_are_refused(weight, bias):
    given_ = [None if shape is None else np.ones(shape) for shape in (weight, bias)]
    with pytest.raises(ValueError, match="weight and bias of the trailing axes of x") as caught:
        nn.layer_norm(at.ones((2, 3)), *given_)
    assert "(2, 3)" in str(caught.value)
