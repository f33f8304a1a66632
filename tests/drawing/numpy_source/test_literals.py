"""Values as text, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autotensor.drawing.numpy_source.literals import index_text, literal
from autotensor.engine.memory import Window
from autotensor.errors import UnwritableError

KINDS = ["?", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8", "g", "c8", "c16", "G", ">f8", ">i4"]
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e300, 5e-324, 0.1]


def back(text):
    return eval(text, {"np": np})


def same(a, b):
    assert type(a) is type(b) or np.ndim(a) == 0
    assert np.shape(a) == np.shape(b)
    assert np.asarray(a).dtype == np.asarray(b).dtype
    np.testing.assert_array_equal(a, b)
    if np.asarray(a).dtype.kind in "fc":
        for part in (np.real, np.imag):
            signs = [np.where(np.isnan(part(x)), False, np.signbit(part(x))) for x in (a, b)]
            np.testing.assert_array_equal(*signs)


@given(data=st.data())
def test_arrays(data):
    dtype = np.dtype(data.draw(st.sampled_from(KINDS)))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    array = data.draw(hnp.arrays(dtype, shape))
    same(back(literal(array)), array[()])
    same(back(literal(array.T)), array.T[()])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "c8", "c16", "G"])
@pytest.mark.parametrize("value", SPECIAL)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_special_numbers(dtype, value):
    number = np.array(value).astype(dtype)[()]
    same(back(literal(number)), number)
    same(back(literal(np.full(3, number))), np.full(3, number))
    if np.dtype(dtype).kind == "c":
        for z in (complex(value, -0.0), complex(-0.0, value)):
            number = np.array(z).astype(dtype)[()]
            same(back(literal(number)), number)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text(),
        lambda inner: st.tuples(inner) | st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=6,
    )
)
def test_objects_of_python(value):
    assert repr(back(literal(value))) == repr(value)


def test_slices_dtypes_and_dots():
    for value in (slice(None), slice(1, None, -2), ..., np.dtype("f4"), np.dtype(">i2"), range(3)):
        assert back(literal(value)) == value


@pytest.mark.parametrize("value", [object(), np.array(["a"]), np.arange(100.0), {1, 2}])
def test_what_cannot_be_written(value):
    with pytest.raises(UnwritableError, match="cannot write"):
        literal(value)


@given(data=st.data())
def test_windows_read_the_same_entries(data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    array = np.random.default_rng(0).normal(size=shape)
    view = array
    for _ in range(data.draw(st.integers(1, 3))):
        kind = data.draw(st.sampled_from(["index", "turn", "flat", "axis"]))
        if kind == "index" and view.ndim:
            view = view[..., data.draw(st.slices(view.shape[-1]))]
        elif kind == "turn":
            view = view.T
        elif kind == "axis":
            view = view[None]
        elif view.flags.c_contiguous and view.size:
            view = view.reshape(-1)
    text = index_text(Window(view, array), literal)
    np.testing.assert_array_equal(eval(f"array[{text}]", {"np": np, "array": array}), view)


@given(index=hnp.basic_indices((3, 4, 2), allow_newaxis=True))
def test_basic_indices(index):
    array = np.arange(24).reshape(3, 4, 2)
    text = index_text(index, literal)
    np.testing.assert_array_equal(eval(f"array[{text}]", {"array": array}), array[index])
