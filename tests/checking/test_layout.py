"""Arrays as one real vector: back unchanged, and every coordinate under its name."""

import numpy as np
import pytest

from autotensor.checking.layout import Layout

ARRAYS = [
    np.array([[1.0, 2.0], [3.0, 4.0]], np.float32),
    np.array(5.0),
    np.array([3 + 4j, 1j]),
    np.zeros((0, 3)),
]


def test_packing_and_unpacking_gives_the_arrays_back():
    layout = Layout(ARRAYS)
    vector = layout.pack(ARRAYS)
    np.testing.assert_array_equal(vector, [1, 2, 3, 4, 5, 3, 4, 0, 1])
    for wanted, given in zip(ARRAYS, layout.unpack(vector, own_dtypes=True), strict=True):
        assert given.dtype == wanted.dtype
        np.testing.assert_array_equal(given, wanted, strict=True)


def test_unpacking_keeps_the_precision_of_the_vector():
    layout = Layout(ARRAYS)
    assert [a.dtype for a in layout.unpack(layout.pack(ARRAYS))] == [
        np.float64,
        np.float64,
        np.complex128,
        np.float64,
    ]
    narrow = layout.unpack(layout.pack(ARRAYS, np.float32))
    assert [a.dtype for a in narrow] == [np.float32, np.float32, np.complex64, np.float32]


def test_the_dot_product_is_the_real_inner_product():
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))
    layout = Layout([u])
    assert layout.pack([u]) @ layout.pack([v]) == pytest.approx(np.sum(np.conj(v) * u).real)


def test_a_complex_entry_has_one_magnitude():
    layout = Layout(ARRAYS)
    sizes = layout.magnitudes(layout.pack(ARRAYS))
    np.testing.assert_array_equal(sizes, [1, 2, 3, 4, 5, 5, 5, 1, 1])


def test_labels_are_what_one_would_write():
    layout = Layout(ARRAYS, ["w", "b", "z", "empty"])
    labels = [layout.label(i) for i in range(layout.size)]
    assert labels[1:6] == ["w[0, 1]", "w[1, 0]", "w[1, 1]", "b", "z[0].real"]
    assert labels[-1] == "z[1].imag"
