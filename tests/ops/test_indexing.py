"""Indexing as NumPy knows it: every kind of index, read and written, with values and gradients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices, integer_array_indices

import autotensor as at
from autotensor.dispatch import unwrap
from autotensor.errors import LostGradientError

A = np.arange(12.0).reshape(3, 4)
INDICES = {
    "one": 1,
    "from the end": -1,
    "numpy integer": np.int64(2),
    "slice": slice(1, None),
    "steps": slice(None, None, -2),
    "nothing": slice(3, 3),
    "all": ...,
    "no axis": (),
    "new axes": (None, ..., None),
    "pair": (1, -2),
    "slices": (slice(None), slice(1, 3)),
    "list": [0, 2],
    "list with duplicates": [0, 0, -3],
    "empty list": [],
    "array": np.array([[0, 1], [1, 2]]),
    "zero-dimensional array": np.array(1),
    "two lists": ([0, 2, 0], [1, 1, 1]),
    "broadcast lists": ([[0], [2]], [1, 3]),
    "lists apart": ([0, 1], None, [1, 3]),
    "list and slice": (slice(None), [3, 3, 0]),
    "mask": A % 3 == 0,
    "mask of rows": [True, False, True],
    "mask and list": ([True, False, True], [1, 2]),
    "true": True,
    "false": False,
    "numpy true": np.True_,
}
LAYOUTS = [np.ascontiguousarray, np.asfortranarray, lambda a: a[::-1, ::-1]]


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


def gradient_by_numpy(shape, index, weights):
    """What reading at `index` gives back, by writing it out."""
    wanted = np.zeros(shape)
    np.add.at(wanted, index, weights)
    return wanted


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_reading(index, layout):
    x = leaf(layout(A))
    y = x[index]
    np.testing.assert_array_equal(y.numpy(), layout(A)[index], strict=True)
    weights = np.arange(1.0, y.size + 1).reshape(y.shape)
    np.sum(y * weights).backward()
    np.testing.assert_array_equal(x.grad.numpy(), gradient_by_numpy(A.shape, index, weights))


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("scalar", [False, True])
def test_writing(index, scalar):
    place = np.zeros(A.shape)[index]
    value = np.array(2.5) if scalar else np.arange(1.0, place.size + 1).reshape(place.shape)
    x, v = leaf(A), leaf(value)
    y = x * 1.0
    y[index] = v
    wanted = A.copy()
    wanted[index] = value
    np.testing.assert_array_equal(y.numpy(), wanted)

    weights = np.arange(1.0, 13.0).reshape(A.shape)
    np.sum(y * weights).backward()
    # entry k of the result is entry source[k] of the value, or of x where that is -1
    source = np.full(A.shape, -1)
    source[index] = 0 if scalar else np.arange(place.size).reshape(place.shape)
    left = 0.0 if x.grad is None else x.grad.numpy()  # None: nothing is left of x
    np.testing.assert_array_equal(left, np.where(source < 0, weights, 0.0))
    counted = np.zeros(value.size)
    np.add.at(counted, source[source >= 0], weights[source >= 0])
    np.testing.assert_array_equal(v.grad.numpy(), counted.reshape(value.shape))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["i1", "u8", "i8", "?"])
def test_rows_are_read_as_numpy_reads_them(layout, kind):
    x = layout(A)
    for rows in ([1, 0, 1], [[0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 1, 0]], 1):
        index = np.array(rows, kind)
        y = leaf(x)[index]._data
        np.testing.assert_array_equal(y, x[index], strict=True)
        assert kind == "?" or y.strides == x[index].strides
    with pytest.raises(IndexError, match="out of bounds"):
        leaf(x)[np.array([0, 3])]


@given(st.data())
def test_reading_and_writing_with_any_index(data):
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, max_side=4))
    kinds = basic_indices(shape, allow_newaxis=True) | integer_array_indices(shape)
    index = data.draw(kinds)
    value = np.arange(float(np.prod(shape))).reshape(shape)
    x = leaf(value)
    y = x[index]
    np.testing.assert_array_equal(y.numpy(), value[index], strict=True)
    y.sum().backward()
    wanted = gradient_by_numpy(shape, index, 1.0)
    np.testing.assert_array_equal(x.grad.numpy(), wanted)

    z, v = x.copy(), leaf(-1.0)
    z[index] = v
    x.grad = None
    z.sum().backward()
    left = np.zeros(shape) if x.grad is None else x.grad.numpy()  # None: nothing is left of x
    np.testing.assert_array_equal(left, wanted == 0)
    assert (v.grad is None and y.size == 0) or v.grad.item() == np.count_nonzero(wanted)


def test_indices_may_be_tensors():
    x = leaf(A)
    for index in (
        at.tensor(1),
        at.tensor([0, 0]),
        x.detach() > 4,
        (slice(at.tensor(1), None), at.tensor([1])),
        (at.tensor([0, 1]), 2),
    ):
        plain = unwrap(index)
        np.testing.assert_array_equal(x[index].numpy(), A[plain])
        x.grad = None
        x[index].sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), gradient_by_numpy(A.shape, plain, 1.0))
    np.testing.assert_array_equal(A[at.tensor([0, 0])], A[[0, 0]])


def test_scalars_are_indexed_like_arrays_without_axes():
    x = leaf(3.0)
    for index in ((), ..., None, (None, ...), True, False):
        y = x[index]
        np.testing.assert_array_equal(y.numpy(), np.array(3.0)[index])
        x.grad = None
        y.sum().backward()
        assert x.grad.item() == y.size
    with pytest.raises(IndexError):
        x[0]


@pytest.mark.parametrize("index", [3, (0, 4), [0, 3], (0, 0, 0), np.array([True, False]), 1.0, "a"])
def test_bad_indices_raise_numpys_error(index):
    with pytest.raises(IndexError):
        leaf(A)[index]
    y = at.zeros((3, 4))
    with pytest.raises(IndexError):
        y[index] = 1.0
    assert not y.numpy().any()


def test_the_last_write_wins_and_has_the_gradient():
    v = leaf([1.0, 2.0, 3.0, 4.0])
    y = at.zeros(3)
    y[[0, 1, 0, 0]] = v
    assert y.tolist() == [4.0, 2.0, 0.0]
    np.sum(y * [10.0, 20.0, 30.0]).backward()
    assert v.grad.tolist() == [0.0, 20.0, 0.0, 10.0]


def test_augmented_assignment():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 1.0
    y[0] *= 5.0
    y[1] += y[0]
    y[2] -= y[1] * y[0]
    assert y.tolist() == [5.0, 7.0, -32.0]
    y[2].backward()  # 3 - (2 + 5a) 5a
    assert x.grad.tolist() == [-10.0 - 50.0, -5.0, 1.0]


def test_values_are_broadcast_and_cast():
    v = leaf(np.ones((1, 1, 4)))
    y = at.zeros((3, 4), dtype=np.float32)
    y[:2] = v  # leading axes of length 1 are dropped, as NumPy drops them
    assert y.dtype == np.float32
    y.sum().backward()
    assert v.grad.dtype == np.float64
    assert v.grad.tolist() == [[[2.0, 2.0, 2.0, 2.0]]]
    with pytest.raises(ValueError, match="could not broadcast"):
        y[:2] = np.ones(3)
    with pytest.raises(LostGradientError):
        y[0] = [leaf(1.0), 2.0, 3.0, 4.0]


def test_many_readings_of_one_tensor_cost_no_array_each():
    x = leaf(np.zeros(5_000))
    total = 0.0
    for i in range(5_000):
        total = total + x[i] * float(i)
    total.backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.arange(5_000.0))


def test_readings_mix_with_other_uses():
    x = leaf([1.0, 2.0, 3.0])
    for y in (x[0] + x[[1, 1]].sum() + (x * x).sum(), (x * x).sum() + x[0] + x[[1, 1]].sum()):
        x.grad = None
        y.backward()
        assert x.grad.tolist() == [3.0, 6.0, 6.0]
    x.grad = None
    h = np.exp(x)
    (h[0] + h[1:].sum() + h.sum()).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp([1.0, 2.0, 3.0]), rtol=1e-15)


def test_indexing_at_higher_orders():
    x = leaf([2.0, 3.0])
    np.sum(x[[0, 0]] ** 3 * x[1]).backward(create_graph=True)  # 2 a^3 b
    slope, x.grad = x.grad, None
    assert slope.tolist() == [6 * 4.0 * 3.0, 2 * 8.0]
    slope[0].backward()
    assert x.grad.tolist() == [12 * 2.0 * 3.0, 6 * 4.0]
