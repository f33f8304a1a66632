"""Making tensors: from data, from tensors, and by NumPy's creation functions."""

import numpy as np
import pytest

import autotensor as at
from autotensor.errors import DtypeError, LostGradientError, NoRuleError

CREATORS = {
    "zeros": [((2, 3),), (3,), ((),)],
    "ones": [((2, 3), np.float32), (3, int)],
    "full": [((2, 3), 7), (2, 1.5), ((), 2.0), ((2, 3), [1.0, 2.0, 3.0])],
    "arange": [(3,), (1.0, 2.0, 0.25), (5, 0, -2)],
    "linspace": [(0, 1, 5), (0.0, 3.0)],
    "eye": [(3,), (2, 3, 1)],
    "zeros_like": [(np.ones((2, 3), np.float32),)],
    "ones_like": [([1, 2],), (np.ones(2), complex)],
    "full_like": [(np.ones(2), 3.5), ([1, 2], 3.5)],
}


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


@pytest.mark.parametrize(("name", "args"), [(n, a) for n, calls in CREATORS.items() for a in calls])
def test_creation_functions_make_what_numpy_makes(name, args):
    wanted = np.asarray(getattr(np, name)(*args))
    x = getattr(at, name)(*args)
    np.testing.assert_array_equal(x.numpy(), wanted, strict=True)
    assert x.is_leaf
    assert not x.requires_grad
    if wanted.dtype.kind in "fc":
        x = getattr(at, name)(*args, requires_grad=True, name="x")
        assert x.requires_grad
        assert x.name == "x"
        (2 * x).sum().real.backward()
        np.testing.assert_array_equal(x.grad.numpy(), np.full(wanted.shape, 2.0))


def test_empty_tensors_have_shape_and_dtype():
    assert at.empty((2, 0, 3)).shape == (2, 0, 3)
    assert at.empty(3, dtype=np.float32).dtype == np.float32
    assert at.empty_like(leaf(np.ones((2, 3)))).shape == (2, 3)


def test_creation_functions_take_keywords_and_tensors():
    assert at.zeros(shape=(2,), dtype=int).dtype == int
    assert at.full(shape=at.tensor([2, 1]), fill_value=at.tensor(3.0)).tolist() == [[3.0], [3.0]]
    assert at.full_like(at.tensor([1.0, 2.0]), fill_value=5).tolist() == [5.0, 5.0]
    assert at.zeros_like(leaf([1.0])).tolist() == [0.0]
    assert at.arange(at.tensor(3)).tolist() == [0, 1, 2]
    assert at.linspace(0.0, 1.0, num=3, endpoint=False).tolist() == [0.0, 1 / 3, 2 / 3]
    assert at.eye.__name__ == "eye"


@pytest.mark.parametrize(
    "make",
    [
        lambda w: at.full((2,), w),
        lambda w: at.full((2,), [w, 1.0]),
        lambda w: at.full((2,), fill_value=w),
        lambda w: at.full_like(np.ones(2), w),
        lambda w: at.arange(w),
        lambda w: at.linspace(0.0, w, 3),
    ],
)
def test_values_that_require_grad_are_not_filled_in(make):
    w = leaf(2.0)
    with pytest.raises(NoRuleError, match="has no derivative"):
        make(w)
    with at.no_grad():
        assert not make(w).requires_grad


# -- tensor ---------------------------------------------------------------------------------------


def test_tensor_takes_what_an_array_takes():
    for data in (
        1,
        2.5,
        True,
        1j,
        [1, 2.5],
        [[1], [2]],
        (),
        np.float32(3),
        range(3),
        [True, False],
    ):
        wanted = np.array(data)
        x = at.tensor(data)
        np.testing.assert_array_equal(x.numpy(), wanted, strict=True)
    assert at.tensor([1, 2], float).dtype == np.float64
    assert at.tensor(2, dtype="float32").dtype == np.float32
    assert at.tensor([at.tensor(1.0), at.tensor(2.0)]).tolist() == [1.0, 2.0]


def test_tensor_copies_and_keeps_the_layout():
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    x = at.tensor(array)
    array[0, 0] = 9.0
    assert x.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert x.numpy().flags.f_contiguous


def test_without_a_copy_the_array_is_adopted_and_read_only():
    array = np.array([1.0, 2.0])
    x = at.tensor(array, copy=False)
    assert np.shares_memory(x.numpy(), array)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 5.0
    x += 1.0
    assert array.tolist() == [1.0, 2.0]
    assert x.tolist() == [2.0, 3.0]
    other = np.array([1, 2])
    assert at.tensor(other, float, copy=False).dtype == np.float64
    other[0] = 5  # converted, so not adopted
    assert at.tensor(np.array(2.0), copy=False).item() == 2.0
    assert at.tensor(x, copy=False).tolist() == [2.0, 3.0]


def test_tensor_of_a_tensor_is_a_new_leaf():
    x = at.tensor([1.0, 2.0], name="x")
    y = at.tensor(x, requires_grad=True)
    assert y.name is None
    assert not x.requires_grad
    x[0] = 9.0
    assert y.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("data", [leaf(1.0), leaf(1.0) * 2, [leaf(1.0), 2.0], [[leaf(1.0)]]])
def test_tensor_does_not_cut_a_graph(data):
    with pytest.raises(LostGradientError):
        at.tensor(data)


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.longdouble, np.complex64, np.clongdouble]
)
def test_float_and_complex_tensors_may_require_grad(dtype):
    x = at.tensor([1, 2], dtype, requires_grad=True)
    (x * x).sum().real.backward()
    assert x.grad.dtype == dtype
    assert x.grad.tolist() == [2, 4]


@pytest.mark.parametrize("data", [1, [1, 2], True, np.uint8(3)])
def test_whole_numbers_may_not(data):
    with pytest.raises(DtypeError, match=r"Use x\.astype\(float\)"):
        at.tensor(data, requires_grad=True)
    with pytest.raises(DtypeError):
        at.full((2,), data, dtype=int, requires_grad=True)


@pytest.mark.parametrize("data", ["text", None, object(), {"a": 1}, np.array(["2020"], "M8[D]")])
def test_only_numbers_are_held(data):
    with pytest.raises(DtypeError, match="holds numbers or booleans"):
        at.tensor(data)


# -- array and asarray ----------------------------------------------------------------------------


def test_array_stays_in_the_graph():
    a, b = leaf(2.0), leaf(3.0)
    x = at.array([[a, 1.0], [a * b, b]])
    assert x.tolist() == [[2.0, 1.0], [6.0, 3.0]]
    x.sum().backward()
    assert (a.grad.item(), b.grad.item()) == (1.0 + 3.0, 2.0 + 1.0)
    rows = at.array((leaf([1.0, 2.0]), [3.0, 4.0]), np.float32)
    assert rows.dtype == np.float32
    assert rows.requires_grad


def test_array_copies():
    x = leaf([1.0, 2.0])
    y = at.array(x)
    assert y is not x
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert at.array(x, np.float32).dtype == np.float32
    plain = np.ones(2)
    z = at.array(plain)
    plain[0] = 5.0
    assert z.tolist() == [1.0, 1.0]
    assert at.array([]).shape == (0,)


def test_asarray_passes_tensors_on():
    x = leaf([1.0, 2.0])
    assert at.asarray(x) is x
    assert at.asarray(x, float) is x
    assert at.asarray(x, np.float32).requires_grad
    assert at.asarray([1, 2]).tolist() == [1, 2]
    with pytest.raises(LostGradientError):
        at.asarray([x[0], 2.0])
