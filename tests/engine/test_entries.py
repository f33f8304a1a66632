"""Entries named by an index or by a window: read, written and added."""

import numpy as np
import pytest

from autotensor.engine.entries import add_at, copied_for, fit, is_basic, put_at, zeros_for
from autotensor.engine.memory import Window

A = np.arange(12.0).reshape(3, 4)
# Each index with the marks of the entries that it names.
INDICES = {
    "an integer": 1,
    "a slice": (slice(None), slice(1, None, 2)),
    "a list": [0, 2],
    "a mask": A % 3 == 0,
    "a window": Window(A.T[1:, ::-2], A),
}


def marks(index):
    found = np.zeros(A.shape, bool)
    if type(index) is Window:
        index.see(found)[...] = True
    else:
        found[index] = True
    return found


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_values_are_put_and_added_where_the_index_says(index):
    array = A.copy()
    put_at(array, index, 7.0)
    np.testing.assert_array_equal(array, np.where(marks(index), 7.0, A))
    add_at(array, index, 2.0)
    np.testing.assert_array_equal(array, np.where(marks(index), 9.0, A))


def test_values_are_added_as_often_as_an_entry_is_named():
    array = np.zeros(3)
    add_at(array, [0, 0, 2], 1.0)
    assert array.tolist() == [2.0, 0.0, 1.0]
    sliding = np.lib.stride_tricks.sliding_window_view(array, 2)
    add_at(array, Window(sliding, array), 1.0)
    assert array.tolist() == [3.0, 2.0, 2.0]
    flags = np.zeros(2, bool)
    add_at(flags, [1, 1], True)
    assert flags.tolist() == [False, True]


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_copies_and_zeros_can_be_written_to_at_the_index(index):
    other = np.asfortranarray(A)
    assert fit([index], other) == (type(index) is not Window)
    copy, blank = copied_for(index, other), zeros_for([index], A.shape, A.dtype)
    assert fit([index], copy)
    assert fit([index], blank)
    assert not np.shares_memory(copy, other)
    np.testing.assert_array_equal(copy, A)
    assert (blank.shape, blank.dtype, blank.any()) == (A.shape, A.dtype, False)


def test_zeros_for_a_part_of_complex_memory_are_complex():
    z = np.zeros(3, complex)
    part = Window(z.imag, z)
    assert zeros_for([0, part], (3,), np.dtype(float)).dtype == complex
    assert zeros_for([0, part], (3,), np.dtype(bool)).dtype == bool


@pytest.mark.parametrize("index", [0, np.int8(0), slice(None), None, ..., (0, ..., None), ()])
def test_indices_that_give_views_are_basic(index):
    assert is_basic(index)


@pytest.mark.parametrize("index", [[0], np.array(0), True, np.True_, (0, [0]), np.ones(3, bool)])
def test_indices_that_give_copies_are_not_basic(index):
    assert not is_basic(index)
