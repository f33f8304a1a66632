"""conv2d against a loop over every product, for all its options, shapes and layouts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autotensor as at
from autotensor.ops import convolution
from autotensor.ops.convolution import conv2d, conv2d_w, conv2d_x


def two(value):
    return value if isinstance(value, tuple) else (value, value)


def by_loops(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """The sum over every entry of every kernel at every place."""
    (sh, sw), (dh, dw) = two(stride), two(dilation)
    outputs, channels, height, width = w.shape
    if padding == "same":
        total = (dh * (height - 1), dw * (width - 1))
        pads = [(n // 2, n - n // 2) for n in total]
    else:
        pads = [(n, n) for n in two(0 if padding == "valid" else padding)]
    x = np.pad(x, ((0, 0), (0, 0), *pads))
    rows = (x.shape[2] - dh * (height - 1) - 1) // sh + 1
    columns = (x.shape[3] - dw * (width - 1) - 1) // sw + 1
    out = np.zeros((len(x), outputs, rows, columns), np.result_type(x, w))
    for o, r, c in np.ndindex(outputs, rows, columns):
        first = o // (outputs // groups) * channels
        for k, i, j in np.ndindex(channels, height, width):
            out[:, o, r, c] += w[o, k, i, j] * x[:, first + k, r * sh + i * dh, c * sw + j * dw]
    return out if b is None else out + b[:, None, None]


@st.composite
def calls(draw):
    """Shapes and options that go together."""
    small = st.integers(1, 3)
    groups = draw(st.integers(1, 2))
    kernel = draw(st.tuples(small, small))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 3)) | st.integers(1, 2))
    same = draw(st.booleans())
    stride = 1 if same else draw(st.tuples(small, small) | small)
    padding = "same" if same else draw(st.tuples(st.integers(0, 2), small) | st.integers(0, 2))
    reach = [d * (k - 1) + 1 for d, k in zip(two(dilation), kernel, strict=True)]
    sides = [n + draw(st.integers(0, 4)) for n in reach]
    channels, outputs = groups * draw(st.integers(1, 2)), groups * draw(small)
    shapes = {
        "x": (draw(st.integers(0, 3)), channels, *sides),
        "w": (outputs, channels // groups, *kernel),
        "b": draw(st.sampled_from([None, (outputs,)])),
    }
    return shapes, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@given(calls(), st.sampled_from([np.float64, np.complex128]), st.integers(0, 3), st.data())
def test_value_and_gradients_are_those_of_the_loops(call, dtype, seed, data):
    shapes, options = call
    rng = np.random.default_rng(seed)

    def array(shape):
        part = rng.normal(size=shape)
        return part if dtype is np.float64 else part + 1j * rng.normal(size=shape)

    # In memory as NumPy lays it out, as conv2d does, and as neither.
    order = data.draw(st.sampled_from([(0, 1, 2, 3), (1, 2, 3, 0), (3, 0, 2, 1)]))
    x = np.ascontiguousarray(array(shapes["x"]).transpose(order)).transpose(np.argsort(order))
    w, b = array(shapes["w"]), None if shapes["b"] is None else array(shapes["b"])
    wanted = by_loops(x, w, b, **options)
    inputs = [x, w] if b is None else [x, w, b]
    value, pullback = at.vjp(lambda *a: conv2d(*a, **options), *inputs)
    np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12)
    assert value.dtype == wanted.dtype
    # It is linear in each, so the loops give every entry of a gradient by a unit vector.
    g = array(wanted.shape)
    for k, c in enumerate(pullback(g)):
        assert c.shape == inputs[k].shape
        for index in np.ndindex(c.shape):
            if data.draw(st.booleans()) or c.size < 8:
                unit = np.zeros_like(inputs[k])
                unit[index] = 1
                moved = [*inputs[:k], unit, *inputs[k + 1 :]][:2] if k < 2 else None
                slope = by_loops(*moved, **options) if moved else unit[:, None, None]
                np.testing.assert_allclose(
                    c[index], (slope.conj() * g).sum(), rtol=1e-11, atol=1e-11
                )
                break


@pytest.mark.parametrize(
    ("x", "w"),
    [
        ((9, 3, 40, 41), (4, 3, 3, 3)),
        ((40, 2, 9, 260), (2, 2, 5, 5)),  # one row of windows is more than a block
        ((3, 300, 16, 17), (2, 300, 3, 3)),  # few windows are
    ],
)
def test_blocks_make_no_difference(x, w, monkeypatch):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=x), rng.normal(size=w)
    g = rng.normal(size=conv2d(x, w).shape)
    made = []

    def all_three(blocks):
        def noted(windows):
            made.append(list(blocks(windows)))
            return made[-1]

        with monkeypatch.context() as patch:
            patch.setattr(convolution, "_blocks", noted)
            return conv2d(x, w), conv2d_x(g, w, x.shape[2:]), conv2d_w(g, x, w.shape[2:])

    def whole(windows):
        *_, height, width, images = windows.shape
        return [(slice(0, height), slice(0, width), slice(0, height * width * images))]

    in_blocks, at_once = all_three(convolution._blocks), all_three(whole)
    assert [len(blocks) > 1 for blocks in made] == [True] * 3 + [False] * 3
    for a, b in zip(in_blocks, at_once, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("x", [np.float16, np.float32, np.float64, np.longdouble, np.complex64])
@pytest.mark.parametrize("w", [np.float32, np.float64])
def test_dtypes_are_numpys(x, w):
    a, k = at.ones((2, 1, 3, 3), dtype=x), at.ones((1, 1, 2, 2), dtype=w)
    a.requires_grad = k.requires_grad = True
    y = at.nn.conv2d(a, k, padding=1)
    assert y.dtype == np.result_type(x, w)
    y.sum().real.backward()
    assert (a.grad.dtype, k.grad.dtype) == (x, w)
    assert a.grad.numpy().real.max() == 4


def test_nan_stays_where_it_is():
    x = np.ones((1, 1, 4, 4))
    x[0, 0, 0, 0] = np.nan
    y = at.nn.conv2d(x, np.ones((1, 1, 2, 2)))
    assert np.isnan(y).sum() == 1


def test_options_may_go_by_position_and_arrays_may_be_lists():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    w = [[[[1.0, 2.0], [3.0, 4.0]]]]
    wanted = by_loops(x, np.array(w), np.array([5.0]), stride=2, padding=1)
    np.testing.assert_array_equal(at.nn.conv2d(x, w, [5.0], 2, 1), wanted)


def test_a_result_is_memory_of_its_own():
    x = at.tensor(np.arange(4.0).reshape(1, 1, 2, 2), requires_grad=True)
    y = at.nn.conv2d(x, np.ones((1, 1, 1, 1)))
    y += 1.0
    row = y[0, 0, 0]
    row *= 3.0
    assert y.tolist() == [[[[3.0, 6.0], [3.0, 4.0]]]]
    assert x.tolist() == [[[[0.0, 1.0], [2.0, 3.0]]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[[3.0, 3.0], [1.0, 1.0]]]]


def test_entries_left_out_above_have_gradient_zero():
    x = at.tensor([[[[0.0, 4.0, 9.0]]]], requires_grad=True)
    y = at.nn.conv2d(np.sqrt(x), np.ones((1, 1, 1, 1)))
    np.where(x > 0, y, 0.0).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[[[0, 0.25, 1 / 6]]]])


def test_third_order():
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(1, 1, 3, 3)), rng.normal(size=(1, 1, 2, 2))
    assert at.gradcheck(lambda x, w: conv2d(x, w * w, padding=1) ** 2, [x, w], order=3)


IMAGES, KERNELS = np.ones((2, 4, 5, 5)), np.ones((6, 4, 3, 3))


@pytest.mark.parametrize(
    ("x", "w", "options", "message"),
    [
        (IMAGES[0], KERNELS, {}, r"\(images, channels, height, width\).*got \(4, 5, 5\)"),
        (IMAGES, KERNELS[0], {}, r"got \(2, 4, 5, 5\)\s+and \(4, 3, 3\)"),
        (IMAGES, KERNELS[:, :3], {}, r"got \(2, 4, 5, 5\)\s+and \(6, 3, 3, 3\) with 1 groups"),
        (IMAGES, KERNELS, {"groups": 2}, "outputs a multiple of groups"),
        (IMAGES, KERNELS[:5, :2], {"groups": 2}, "with 2 groups"),
        (IMAGES, KERNELS[:0], {}, "outputs"),
        (IMAGES, KERNELS, {"groups": 0}, "groups is an integer, at least 1; got 0"),
        (IMAGES, KERNELS, {"groups": 1.0}, "groups is an integer"),
        (IMAGES, KERNELS, {"b": np.ones(4)}, r"bias of shape \(6,\); got \(4,\)"),
        (IMAGES, KERNELS, {"dilation": 3}, r"dilation \(3, 3\) do not fit into images of \(5, 5\)"),
        (IMAGES, KERNELS[:, :, :0], {}, "do not fit"),
        (IMAGES, KERNELS, {"stride": 0}, "stride is one integer or two, each at least 1; got 0"),
        (IMAGES, KERNELS, {"stride": (1, 2, 3)}, "stride is one integer or two"),
        (IMAGES, KERNELS, {"dilation": 0}, "dilation is one integer or two, each at least 1"),
        (IMAGES, KERNELS, {"padding": -1}, "padding is one integer or two, each at least 0"),
        (IMAGES, KERNELS, {"padding": 1.5}, "padding is one integer or two"),
        (IMAGES, KERNELS, {"padding": "full"}, 'padding is "same", "valid", .*got \'full\''),
        (IMAGES, KERNELS, {"padding": "same", "stride": 2}, 'padding="same" needs stride 1'),
    ],
)
def test_what_does_not_go_together_is_refused(x, w, options, message):
    for tensors in (False, True):
        arrays = [at.tensor(x, requires_grad=True), at.tensor(w)] if tensors else [x, w]
        with pytest.raises(ValueError, match="(?s)" + message) as error:
            at.nn.conv2d(*arrays, **options)
        assert str(error.value).count("\n") < 4
