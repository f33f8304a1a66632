"""The tensor as data: its value and its text, its leaf, the ways out of the graph."""

import copy
import pickle
import weakref

import numpy as np
import pytest

import autotensor as at
from autotensor.errors import DtypeError, LostGradientError

DTYPES = [
    np.float16,
    np.float32,
    np.float64,
    np.longdouble,
    np.complex64,
    np.complex128,
    np.clongdouble,
]


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


# -- value ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [2.5, [1.0, 2.0], np.zeros((2, 0, 3)), np.arange(6).reshape(2, 3).T, np.array(True), 1 + 2j],
    ids=str,
)
def test_what_an_array_says_of_itself(value):
    array, x = np.asarray(value), at.tensor(value)
    assert x.shape == array.shape
    assert x.ndim == array.ndim
    assert x.size == array.size
    assert x.dtype == array.dtype
    assert x.itemsize == array.itemsize
    assert x.nbytes == array.nbytes
    assert x.tolist() == array.tolist()
    np.testing.assert_array_equal(x.numpy(), array)
    np.testing.assert_array_equal(np.asarray(x), array)


def test_numpy_is_a_snapshot_that_cannot_be_written_to():
    x = leaf([1.0, 2.0])
    values = x.numpy()
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 5.0
    with pytest.raises(ValueError, match="WRITEABLE"):
        values.flags.writeable = True
    with at.no_grad():
        x += 1.0
        x[0] = 7.0
    assert values.tolist() == [1.0, 2.0]
    assert x.tolist() == [7.0, 3.0]


@pytest.mark.parametrize("dtype", [*DTYPES, np.bool_, np.int8, ">f8"])
@pytest.mark.parametrize("shape", [(1,), (3,), (2, 3), (0, 2)])
def test_numpy_keeps_dtype_shape_and_layout(dtype, shape):
    array = np.ones(shape, dtype)
    for given in (array, np.asfortranarray(array), array[..., ::-1]):
        values = at.tensor(given).numpy()
        assert values.dtype == given.dtype
        assert values.shape == given.shape
        assert values.flags.f_contiguous >= given.flags.f_contiguous


def test_a_tensor_owns_its_memory():
    array = np.array([1.0, 2.0])
    x = at.tensor(array)
    array[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


def test_zero_dimensional_values_are_scalars():
    x = at.tensor([1.0, 2.0])
    for scalar in (at.tensor(1.0), x.sum(), x[0], np.mean(x), x @ x, at.tensor(np.array(3.0))):
        assert scalar.shape == ()
        assert isinstance(scalar._data, np.generic)


def test_conversions():
    assert float(at.tensor(2.5)) == 2.5
    assert int(at.tensor(2.5)) == 2
    assert complex(at.tensor(1 + 2j)) == 1 + 2j
    assert [10, 20, 30][at.tensor(1)] == 20
    assert list(range(at.tensor(3))) == [0, 1, 2]
    assert bool(at.tensor(1.0))
    assert not at.tensor([0])
    assert at.tensor([[1.0, 2.0]]).item(1) == 2.0
    with pytest.raises(TypeError):
        [0][at.tensor(0.0)]
    with pytest.raises(ValueError, match="ambiguous"):
        bool(at.tensor([1, 2]))


def test_conversion_to_an_array():
    x = at.tensor([1.0, 2.0])
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    fresh = np.array(x)
    fresh[0] = 5.0
    assert x.tolist() == [1.0, 2.0]
    assert not np.asarray(x).flags.writeable
    assert np.array([at.tensor(1.0), at.tensor(2.0)]).tolist() == [1.0, 2.0]


def test_sequence():
    x = at.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert len(x) == 3
    assert [row.tolist() for row in x] == x.tolist()
    a, b, c = leaf([1.0, 2.0, 3.0])
    (a * b * c).backward()
    assert 4.0 in x
    assert 9.0 not in x
    assert at.tensor(4.0) in x
    assert 1.0 in at.tensor(1.0)
    for function in (iter, len):
        with pytest.raises(TypeError):
            function(at.tensor(1.0))


def test_tensors_are_hashed_by_identity():
    x, y = at.tensor(1.0), at.tensor(1.0)
    assert len({x, y, x}) == 2
    assert weakref.ref(x)() is x


# -- text -----------------------------------------------------------------------------------------

REPR = {
    "tensor(2.5)": lambda: at.tensor(2.5),
    "tensor(2)": lambda: at.tensor(2),
    "tensor(True)": lambda: at.tensor(True),
    "tensor([1., 2.])": lambda: at.tensor([1.0, 2.0]),
    "tensor([[1, 2],\n        [3, 4]])": lambda: at.tensor([[1, 2], [3, 4]]),
    "tensor([], shape=(0,))": lambda: at.tensor([]),
    "tensor([], shape=(0, 3))": lambda: at.zeros((0, 3)),
    "tensor([1.], dtype=float32)": lambda: at.tensor([1.0], np.float32),
    "tensor([1, 2], dtype=int8)": lambda: at.tensor([1, 2], np.int8),
    "tensor(1.+2.j, dtype=complex128)": lambda: at.tensor(1 + 2j),
    "tensor([1.], requires_grad=True)": lambda: leaf([1.0]),
    "tensor([1.], name='w')": lambda: at.tensor([1.0], name="w"),
    "tensor(1., dtype=float32, name='w', requires_grad=True)": lambda: leaf(
        1.0, dtype=np.float32, name="w"
    ),
    "tensor(2., op=multiply)": lambda: leaf(1.0) * 2,
    "tensor(2.)": lambda: at.tensor(1.0) * 2,
}


@pytest.mark.parametrize(("text", "make"), REPR.items(), ids=REPR)
def test_repr(text, make):
    assert repr(make()) == text
    assert str(make()) == text


def test_format():
    x = leaf(3.14159)
    assert f"{x:.2f}" == "3.14"
    assert f"{x * 2:8.3f}" == "   6.283"
    assert f"{x}" == "tensor(3.14159, requires_grad=True)"
    assert f"{at.tensor(7):04d}" == "0007"
    with pytest.raises(TypeError):
        f"{at.tensor([1.0]):.2f}"


# -- the leaf -------------------------------------------------------------------------------------


def test_leaves_and_results():
    x, c = leaf(1.0), at.tensor(1.0)
    assert x.is_leaf
    assert c.is_leaf
    assert (c * 2).is_leaf
    assert not (x * 2).is_leaf
    assert x.requires_grad
    assert not c.requires_grad
    assert (x * c).requires_grad


def test_requires_grad_can_be_set_on_leaves():
    x = at.tensor([1.0, 2.0])
    x.requires_grad = True
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    x.requires_grad = False
    assert not (x * x).requires_grad
    x.requires_grad = False
    result = leaf(1.0) * 2
    result.requires_grad = True
    with pytest.raises(LostGradientError):
        result.requires_grad = False
    with pytest.raises(DtypeError):
        at.tensor([1, 2]).requires_grad = True


def test_names():
    x = leaf(1.0, name="x")
    y = x * 2
    assert (x.name, y.name) == ("x", None)
    y.name = "y"
    x.name = "z"
    assert (x.name, y.name) == ("z", "y")
    c = at.tensor(1.0)
    c.name = "c"
    assert c.name == "c"
    assert not c.requires_grad


def test_detach_is_a_constant_with_the_value():
    x = leaf([1.0, 2.0])
    d = x.detach()
    y = x * d
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 2.0]
    d += 1.0  # a snapshot: neither sees the other's writes
    assert x.tolist() == [1.0, 2.0]
    with at.no_grad():
        x *= 5.0
    assert d.tolist() == [2.0, 3.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_have_the_dtype_of_their_leaf(dtype):
    x = leaf([1.0, 2.0], dtype=dtype)
    y = np.sum(x * x + 2.0 * x + 1)
    assert y.dtype == dtype
    y.real.backward()
    assert x.grad.dtype == dtype
    np.testing.assert_array_equal(x.grad.numpy(), [4.0, 6.0])
    x.grad = None
    np.sum(x * np.arange(2.0)).real.backward()  # by way of float64 or more
    assert x.grad.dtype == dtype
    assert x.grad.tolist() == [0.0, 1.0]
    x.grad = None
    x.astype(np.result_type(dtype, np.longdouble)).sum().real.backward()
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_empty_arrays(shape):
    x = leaf(np.ones(shape))
    y = np.sum(np.exp(x) * 2) + np.concatenate([x, x]).sum() + (x @ np.ones((shape[-1], 2))).sum()
    assert y.item() == 0.0
    y.backward()
    assert x.grad.shape == shape


def test_complex_gradients_point_uphill():
    z = leaf([1 + 2j, -3j])
    np.sum(z.real**2 + z.imag**2).backward()
    assert z.grad.tolist() == [2 + 4j, -6j]
    z.grad = None
    np.sum(np.abs(z)).backward()
    np.testing.assert_allclose(z.grad.numpy(), z.numpy() / abs(z.numpy()))
    z.grad = None
    (z * z)[0].backward(1)  # holomorphic: the conjugate of the derivative
    assert z.grad.tolist() == [2 - 4j, 0]
    x = leaf(2.0)  # real, by way of complex numbers
    np.real((x * (1 + 2j)) ** 2).backward()
    assert x.grad.item() == pytest.approx(2 * 2.0 * -3.0)
    assert x.grad.dtype == np.float64


# -- leaving the graph ----------------------------------------------------------------------------

WAYS_OUT = [
    np.asarray,
    np.array,
    float,
    int,
    complex,
    lambda x: np.array([x, x]),
    lambda x: np.full(2, x),
]


@pytest.mark.parametrize("way", WAYS_OUT)
def test_ways_out_of_the_graph_are_closed_while_recording(way):
    x = leaf(2.0)
    for tracked in (x, x * 1):
        with pytest.raises(LostGradientError):
            way(tracked)
        with at.no_grad():
            assert way(tracked) is not None
    assert way(x.detach()) is not None


def test_reading_is_free():
    x = leaf(2.0)
    assert (x.item(), x.tolist(), x.numpy().item(), bool(x), f"{x:.0f}") == (
        2.0,
        2.0,
        2.0,
        True,
        "2",
    )
    assert x == 2.0
    assert np.zeros_like(x).tolist() == 0.0


# -- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
@pytest.mark.parametrize("value", [1.5, [1.0, 2.0], 3, np.ones((2, 3), np.complex64)])
def test_leaves_are_copied_with_what_they_are(duplicate, value):
    x = at.tensor(value, name="w")
    x.requires_grad = x.dtype.kind in "fc"
    x.grad = np.ones(x.shape)
    y = duplicate(x)
    assert repr(y) == repr(x)
    assert y.dtype == x.dtype
    assert y.grad is None
    with at.no_grad():
        x += 1
    np.testing.assert_array_equal(y.numpy(), np.asarray(value))
    y.requires_grad = False
    assert x.requires_grad == (x.dtype.kind in "fc")


def test_constants_are_copied_without_a_leaf():
    y = pickle.loads(pickle.dumps(at.tensor([1.0]) * 2))
    assert y.tolist() == [2.0]
    assert not y.requires_grad


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps])
def test_results_are_not_copied_out_of_their_graph(duplicate):
    with pytest.raises(LostGradientError, match="only leaves can be"):
        duplicate(leaf(1.0) * 2)
