"""Pooling against a loop over every window, for all its options, shapes and layouts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autotensor as at

KINDS = {"max": (at.nn.max_pool2d, -np.inf, np.max), "mean": (at.nn.avg_pool2d, 0.0, np.mean)}


def two(value):
    return value if isinstance(value, tuple) else (value, value)


def by_loops(kind, x, g, size, stride, padding):
    """Value, and the gradient for the cotangent `g`, window by window."""
    _, empty, combine = KINDS[kind]
    (height, width), (ph, pw) = two(size), two(padding)
    sh, sw = two(size if stride is None else stride)
    spread = ((0, 0), (0, 0), (ph, ph), (pw, pw))
    padded = np.pad(x, spread, constant_values=empty)
    inside = np.pad(np.ones(x.shape, bool), spread)
    rows, columns = (padded.shape[2] - height) // sh + 1, (padded.shape[3] - width) // sw + 1
    out, gradient = np.zeros((*x.shape[:2], rows, columns), x.dtype), np.zeros(padded.shape)
    for n, c, r, k in np.ndindex(out.shape):
        place = (n, c, slice(r * sh, r * sh + height), slice(k * sw, k * sw + width))
        out[n, c, r, k] = combine(padded[place])
        share = np.ones((height, width)) / (height * width)
        if kind == "max":
            taken = (padded[place] == out[n, c, r, k]) & inside[place]
            share = taken / taken.sum()
        gradient[place] += g[n, c, r, k] * share
    return out, gradient[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]]


@st.composite
def calls(draw):
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    size = draw(st.sampled_from([size, size[0]]))
    most = [k // 2 for k in two(size)]
    padding = draw(st.tuples(*(st.integers(0, n) for n in most)) | st.integers(0, min(most)))
    side = st.integers(1, 7)
    sides = [max(draw(side), k - 2 * p) for k, p in zip(two(size), two(padding), strict=True)]
    stride = draw(st.none() | st.just(size) | st.tuples(*[st.integers(1, 5)] * 2))
    return (draw(st.integers(0, 3)), draw(st.integers(1, 2)), *sides), (size, stride, padding)


@pytest.mark.parametrize("kind", KINDS)
@given(call=calls(), seed=st.integers(0, 2**16), data=st.data())
def test_value_and_gradient_are_those_of_the_loops(kind, call, seed, data):
    shape, (size, stride, padding) = call
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, shape) / 1.0  # with ties
    order = data.draw(st.sampled_from([(0, 1, 2, 3), (1, 2, 3, 0), (3, 0, 2, 1)]))
    x = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
    op = KINDS[kind][0]
    value, pullback = at.vjp(lambda x: op(x, size, stride, padding), x)
    g = rng.normal(size=value.shape)
    wanted, gradient = by_loops(kind, x, g, size, stride, padding)
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    np.testing.assert_allclose(pullback(g)[0], gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 4, 200, 130), (40, 3, 62, 66)])
def test_planes_in_parts(kind, shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    for laid_out in (x, np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)):
        value, pullback = at.vjp(lambda x: KINDS[kind][0](x, 2), laid_out)
        tiles = x.reshape(*shape[:2], shape[2] // 2, 2, shape[3] // 2, 2)
        np.testing.assert_allclose(value, KINDS[kind][2](tiles, (3, 5)))
        (c,) = pullback(np.ones_like(value))
        assert c.sum() == pytest.approx(value.size)
        if kind == "max":
            assert (x[c != 0] == np.repeat(np.repeat(value, 2, 2), 2, 3)[c != 0]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("size", [2, 12])
def test_dtypes_stay(kind, dtype, size):
    x = at.ones((1, 1, 12, 12), dtype=dtype)
    x.requires_grad = True
    y = KINDS[kind][0](x, size)
    assert y.dtype == dtype
    y.sum().backward()
    assert x.grad.dtype == dtype
    np.testing.assert_allclose(x.grad.numpy().astype(float), 1 / size**2, rtol=1e-3)


def test_means_of_float16_do_not_overflow():
    assert at.nn.avg_pool2d(np.full((1, 1, 2, 2), 6e4, np.float16), 2).item() == np.float16(6e4)


def test_integers_are_pooled():
    x = np.arange(-8, 8).reshape(1, 1, 4, 4)
    assert at.nn.max_pool2d(x, 2, 3, 1).tolist() == [[[[-8, -5], [4, 7]]]]
    assert at.nn.avg_pool2d(x, 4).tolist() == [[[[-0.5]]]]


def test_a_window_with_nan_gives_nan_and_takes_no_gradient():
    x = at.tensor([[[[1.0, np.nan, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]]], requires_grad=True)
    for options, wanted in (((2,), [0, 0, 0, 1]), ((2, 1), [0, 0, 0, 1])):
        x.grad = None
        y = at.nn.max_pool2d(x, *options)
        assert np.isnan(y[..., 0].item())
        y.sum().backward()
        assert x.grad[0, 0, 1].tolist() == wanted


def test_infinite_cotangents_stay_with_the_largest():
    x = np.arange(8.0).reshape(1, 1, 2, 4)
    for options in ((2,), (2, 1)):
        value, pullback = at.vjp(lambda x, options=options: at.nn.max_pool2d(x, *options), x)
        (c,) = pullback(np.full_like(value, np.inf))
        assert c[0, 0, 0].tolist() == [0] * 4


@pytest.mark.parametrize("padding", [0, (0, 1)])
def test_entries_left_out_have_gradient_zero_below(padding):
    x = at.tensor([[[[0.0, 4.0], [1.0, 9.0]]]], requires_grad=True)
    at.nn.max_pool2d(np.sqrt(x), 2, None, padding).sum().backward()
    assert np.isfinite(x.grad.numpy()).all()
    assert x.grad[0, 0, 0, 0].item() == 0


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((3, 4, 4), {"size": 2}, r"\(images, channels, height, width\); got \(3, 4, 4\)"),
        ((1, 1, 4, 4), {"size": 5}, r"windows of \(5, 5\) do not fit into images of \(4, 4\)"),
        ((1, 1, 4, 4), {"size": 2, "padding": 2}, "padding is at most half the size"),
        ((1, 1, 4, 4), {"size": 0}, "size is one integer or two, each at least 1; got 0"),
        ((1, 1, 4, 4), {"size": 2, "stride": 0}, "stride is one integer or two"),
        ((1, 1, 4, 4), {"size": 2, "padding": "same"}, "padding is one integer or two"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_go_together_is_refused(kind, shape, options, message):
    for x in (np.ones(shape), at.tensor(np.ones(shape), requires_grad=True)):
        with pytest.raises(ValueError, match=message) as error:
            KINDS[kind][0](x, **options)
        assert str(error.value).count("\n") < 4


def test_complex_images_have_no_largest_entry():
    with pytest.raises(TypeError, match="max_pool2d takes real numbers; got complex128"):
        at.nn.max_pool2d(np.ones((1, 1, 2, 2), complex), 2)
