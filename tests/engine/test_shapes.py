"""Broadcasting backward is the adjoint of broadcasting forward, whatever NumPy broadcasts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, broadcastable_shapes

import autotensor as at
from autotensor.engine.shapes import broadcast, expand, normalize_axes, only, unbroadcast

SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
# Small integers: sums of their products are exact in every order.
WHOLE = st.integers(-9, 9).map(float)


@st.composite
def broadcast_pairs(draw):
    """A shape, and one that NumPy broadcasts it to."""
    shape = draw(SHAPES)
    other = draw(broadcastable_shapes(shape, min_dims=0, max_dims=4, min_side=0, max_side=3))
    return shape, np.broadcast_shapes(shape, other)


@given(broadcast_pairs(), st.sampled_from([np.float64, np.float16, np.complex64]), st.data())
def test_unbroadcast_is_the_adjoint_of_broadcasting(pair, dtype, data):
    shape, wide = pair
    x = data.draw(arrays(np.float64, shape, elements=WHOLE)).astype(dtype)
    g = data.draw(arrays(np.float64, wide, elements=WHOLE)).astype(dtype)
    narrow = unbroadcast(g, shape)
    assert narrow.shape == shape
    assert narrow.dtype == dtype
    # in a wide type, where the sums are exact
    wanted = np.sum(g.astype(complex) * np.broadcast_to(x, wide).astype(complex))
    if dtype is not np.float16:
        assert np.sum(narrow.astype(complex) * x.astype(complex)) == wanted


@given(broadcast_pairs())
def test_unbroadcast_counts_the_copies(pair):
    shape, wide = pair
    copies = np.prod(wide, dtype=int) // max(np.prod(shape, dtype=int), 1)
    assert np.all(unbroadcast(np.ones(wide), shape) == copies)


@given(broadcast_pairs())
def test_unbroadcast_of_tensors_stays_in_the_graph(pair):
    shape, wide = pair
    g = at.ones(wide, requires_grad=True)
    narrow = unbroadcast(g, shape)
    assert narrow.shape == shape
    narrow.backward(np.full(shape, 2.0))
    assert np.all(g.grad.numpy() == 2.0)


@given(SHAPES, SHAPES)
def test_unbroadcast_refuses_what_numpy_does_not_broadcast(shape, wide):
    try:
        fits = np.broadcast_shapes(shape, wide) == wide
    except ValueError:
        fits = False
    if fits:
        assert unbroadcast(np.zeros(wide), shape).shape == shape
    else:
        with pytest.raises(ValueError, match="does not broadcast"):
            unbroadcast(np.zeros(wide), shape)


def test_unbroadcast_to_the_same_shape_gives_the_array_itself():
    g = np.ones((2, 1))
    assert unbroadcast(g, (2, 1)) is g


def test_unbroadcast_keeps_nan_and_infinity_in_their_columns():
    g = np.array([[np.inf, 1.0, np.nan], [1.0, 1.0, 1.0]])
    np.testing.assert_array_equal(unbroadcast(g, (3,)), [np.inf, 2.0, np.nan])


@given(broadcast_pairs())
def test_broadcast_is_a_view_like_numpys(pair):
    shape, wide = pair
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    got = broadcast(x, wide)
    np.testing.assert_array_equal(got, np.broadcast_to(x, wide))
    assert wide == shape or got.base is not None


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.longdouble, np.complex64])
@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 0), (2, 1, 3)])
def test_broadcast_of_a_scalar(shape, dtype):
    np.testing.assert_array_equal(
        broadcast(dtype(2.5), shape), np.full(shape, dtype(2.5)), strict=True
    )


def test_broadcast_of_a_scalar_to_a_large_shape_takes_no_memory_and_no_writes():
    view = broadcast(np.float64(2.5), (1000, 1000))
    assert view.shape == (1000, 1000)
    assert np.all(view == 2.5)
    assert view.strides == (0, 0)
    assert not view.flags.writeable


@st.composite
def reductions(draw):
    """A shape and axes of it, as NumPy's functions take them."""
    shape = draw(SHAPES)
    n = len(shape)
    if n == 0:
        return shape, draw(st.sampled_from([None, ()]))
    one = st.integers(-n, n - 1)
    some = st.lists(one, max_size=n, unique_by=lambda a: a % n).map(tuple)
    return shape, draw(st.none() | one | some)


@given(reductions(), st.booleans())
def test_expand_undoes_the_loss_of_axes(reduction, keepdims):
    shape, axis = reduction
    reduced = np.sum(np.ones(shape), axis=axis, keepdims=keepdims)
    wide = expand(reduced, shape, axis, keepdims)
    kept = np.sum(np.ones(shape), axis=axis, keepdims=True)
    np.testing.assert_array_equal(np.broadcast_to(wide, shape), np.broadcast_to(kept, shape))


@given(reductions())
def test_normalized_axes_mean_the_same_and_are_not_negative(reduction):
    shape, axis = reduction
    axes = normalize_axes(axis, len(shape))
    assert all(0 <= a < max(len(shape), 1) for a in axes)
    assert np.sum(np.ones(shape), axes).shape == np.sum(np.ones(shape), axis).shape


def test_axes_may_be_numpy_integers():
    assert normalize_axes(np.int64(-1), 3) == (2,)
    assert normalize_axes([np.int64(0), -2], 3) == (0, 1)


@given(
    shape=broadcastable_shapes((40, 30), max_dims=2),
    few=st.booleans(),
    dtype=st.sampled_from(["f2", "f4", "f8", ">f4", "g", "c8", "i4"]),
    seed=st.integers(0, 2**16),
)
def test_only_is_where(shape, few, dtype, seed):
    rng = np.random.default_rng(seed)
    finite = [0.0, 1.5, -2.0]
    entries = finite if dtype == "i4" else [*finite, -0.0, np.inf, -np.inf, np.nan]
    g = rng.choice(entries, (40, 30)).astype(dtype)
    mask = rng.integers(0, 2, np.broadcast_shapes(shape, (1, 1))) == 1
    for array in (g, g.T.copy().T, g[::-1]):
        array = array[:, :1] if few else array
        kept = only(array, mask)
        wanted = np.where(mask, array, np.zeros((), dtype))
        np.testing.assert_array_equal(kept, wanted)
        np.testing.assert_array_equal(np.signbit(kept.real), np.signbit(wanted.real))
        assert kept.dtype.char == wanted.dtype.char


def test_only_of_what_is_no_array():
    assert only(np.float32(2), np.True_) == 2
    assert only(np.float64(np.nan), np.False_) == 0
    x = at.tensor([1.0, 2.0], requires_grad=True)
    only(x, np.array([True, False])).sum().backward()
    assert x.grad.tolist() == [1, 0]
