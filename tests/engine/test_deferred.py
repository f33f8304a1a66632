"""`Scatter` and `Cleared`: added in place where the array is the pass's own, and only there."""

import numpy as np
import pytest

from autotensor.engine.deferred import Cleared, Scatter
from autotensor.engine.memory import Window
from autotensor.ops.indexing import scatter, with_entries

WHOLE = np.zeros((3, 4))
FLIPPED = Window(WHOLE.T[1:, ::-2], WHOLE)  # shape (3, 2)
OVERLAPPING = Window(np.lib.stride_tricks.sliding_window_view(WHOLE[0], 2), WHOLE)
INDICES = [1, (slice(None), [0, 0, 2]), WHOLE == 0, FLIPPED, OVERLAPPING]


def scattered(index, live=None):
    seen = index.see(WHOLE) if isinstance(index, Window) else WHOLE[index]
    record = Scatter(scatter, index, np.arange(1.0, seen.size + 1).reshape(seen.shape), (3, 4))
    record.own(live, mine=False)
    return record


def cleared(index, *, mine, live=None):
    g = np.arange(1.0, 13.0).reshape(3, 4)
    record = Cleared(with_entries, g, index)
    record.own(live, mine)
    return g, record


@pytest.mark.parametrize("index", INDICES)
def test_a_scatter_adds_in_place_what_it_adds_to_a_copy(index):
    dense = scattered(index).add_to(None, False)
    total = np.ones((3, 4))
    copy = scattered(index).add_to(total, False)
    np.testing.assert_array_equal(copy, dense + 1)
    assert (total == 1).all()
    assert scattered(index).add_to(total, True) is total
    np.testing.assert_array_equal(total, copy)


def test_a_scatter_leaves_an_array_of_another_layout_alone():
    total = np.ones((3, 4), order="F")
    result = scattered(FLIPPED).add_to(total, True)
    assert result is not total
    assert (total == 1).all()
    np.testing.assert_array_equal(result, scattered(FLIPPED).add_to(None, False) + 1)


def test_scatters_absorb_their_own_kind_only():
    one, other = scattered(1), scattered(1)
    assert one.absorb(other)
    np.testing.assert_array_equal(one.add_to(None, False), 2 * other.add_to(None, False))
    assert not one.absorb(cleared(0, mine=False)[1])


@pytest.mark.parametrize("index", INDICES)
def test_what_a_scatter_touches_is_live(index):
    touched = scattered(index).add_to(None, False) != 0
    np.testing.assert_array_equal(scattered(index).mark(None, False), touched)
    before = np.eye(3, 4) > 0
    np.testing.assert_array_equal(scattered(index).mark(before, False), touched | before)
    np.testing.assert_array_equal(before, np.eye(3, 4) > 0)
    marked = before.copy()
    scattered(index).mark(marked, True)
    np.testing.assert_array_equal(marked, touched | before)


def test_an_entry_read_twice_lives_if_one_reading_does():
    live = np.array([[True, False]] * 3)
    marked = scattered((slice(None), [0, 0]), live).mark(None, False)
    assert marked.tolist() == [[True, False, False, False]] * 3


@pytest.mark.parametrize("index", INDICES[:-1])
def test_only_an_array_of_the_pass_is_cleared_in_place(index):
    wanted = with_entries(np.arange(1.0, 13.0).reshape(3, 4), index, 0.0)
    for mine in (False, True):
        g, record = cleared(index, mine=mine)
        result = record.add_to(None, False)
        np.testing.assert_array_equal(result, wanted)
        assert (result is g) == mine
        assert mine or g.all()
        np.testing.assert_array_equal(record.add_to(np.ones((3, 4)), True), wanted + 1)


@pytest.mark.parametrize("index", INDICES[:-1])
def test_what_was_written_over_is_dead(index):
    for mine in (False, True):
        for live in (None, np.eye(3, 4) > 0):
            _, record = cleared(index, mine=mine, live=None if live is None else live.copy())
            left = np.ones((3, 4), bool) if live is None else live
            wanted = with_entries(left, index, False)
            other = np.tri(3, 4) > 0
            np.testing.assert_array_equal(record.mark(other, True), wanted | other)


def test_a_write_to_real_parts_leaves_the_imaginary_ones_alive():
    z = np.zeros(3, complex)
    record = Cleared(with_entries, np.ones(3, complex), Window(z.real[1:], z))
    record.own(None, mine=True)
    assert record.mark(None, False).tolist() == [True] * 3
    assert record.add_to(None, False).tolist() == [1, 0, 0]
