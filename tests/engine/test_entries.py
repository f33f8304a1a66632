"""Entries named by an index or by a window: read, written and added."""

import numpy as np
import pytest

from autotensor.engine import entries
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


RNG = np.random.default_rng(0)
ROWS = RNG.integers(-40, 40, 300)
# Of an array of shape (40, 5, 6), as what follows.
BY_ROWS = {
    "rows": ROWS,
    "small integers": (ROWS.astype(np.int8),),
    "unsigned": ROWS.astype(np.uint64) % 40,
    "a list": [*map(int, ROWS)],
    "one row over and over": np.zeros(300, int),
    "two axes of rows": ROWS.reshape(20, 15),
    "arrays together": (ROWS, ROWS % 5),
    "arrays broadcast": (ROWS[:100, None], np.array([0, -1, 0, 3], np.int16)),
    "all axes": (ROWS[:, None], ROWS[:10] % 5, 3),
}
OTHERWISE = {
    "a slice before": (slice(None), ROWS % 5),
    "a mask": RNG.random((40, 5, 6)) < 0.5,
    "a mask and rows": (RNG.permutation(40) < 20, ROWS[:20] % 5),
    "few": [1, 1],
}


def both_ways(index, dtype, order="C", turn=lambda values: values):
    """An array to which random values were added at `index`: by `add_at`, and by NumPy alone."""
    array = np.array(RNG.normal(size=(40, 5, 6)) * 9, dtype, order=order)
    values = turn(np.array(RNG.normal(size=array[index].shape) * 9, dtype))
    wanted = array.copy(order="K")
    np.add.at(wanted, index, values)
    add_at(array, index, values)
    return array, wanted


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "c8", "c16", "i4", ">f8"])
@pytest.mark.parametrize("index", [*BY_ROWS.values()], ids=[*BY_ROWS])
def test_rows_are_added_to_the_last_bit_as_numpy_does(index, dtype, monkeypatch):
    monkeypatch.setattr(entries, "_BLOCK", 64)  # in many blocks, the last not full
    assert entries._add_rows(np.zeros((40, 5, 6)), index, np.ones((40, 5, 6))[index])
    found, wanted = both_ways(index, dtype)
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("index", [*OTHERWISE.values()], ids=[*OTHERWISE])
def test_other_entries_are_added_as_numpy_does(index):
    found, wanted = both_ways(index, "f4")
    assert found.tobytes() == wanted.tobytes()


def test_rows_are_added_whatever_the_layout():
    index = BY_ROWS["rows"]
    found, wanted = both_ways(index, "f4", order="F")
    np.testing.assert_array_equal(found, wanted)
    for turn in (np.asfortranarray, lambda v: v[::-1], lambda v: np.broadcast_to(v[0], v.shape)):
        found, wanted = both_ways(index, "f4", turn=turn)
        assert found.tobytes() == wanted.tobytes()


def test_values_of_another_kind_or_shape_are_added_as_numpy_does():
    for value in (2.0, np.ones(6), np.ones((300, 5, 6), np.float32), np.ones((300, 5, 6), int)):
        found, wanted = np.zeros((2, 40, 5, 6))
        np.add.at(wanted, ROWS, value)
        add_at(found, ROWS, value)
        np.testing.assert_array_equal(found, wanted)


def test_rows_without_entries_take_none():
    array = np.zeros((3, 0))
    add_at(array, np.zeros(2000, int), np.zeros((2000, 0)))
    assert array.shape == (3, 0)
