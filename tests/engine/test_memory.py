"""Windows: what they see, in arrays of any layout and dtype, and copies laid out alike."""

import operator

import numpy as np
import pytest

from autotensor.engine.memory import Window, memory_of, relaid, solid

A = np.arange(24.0).reshape(2, 3, 4)
SHIFTED = operator.itemgetter((0, slice(1, None)))
VIEWS = {
    "all": lambda a: a[...],
    "an entry": lambda a: a[1, 2, 3, ...],
    "rows": lambda a: a[1:],
    "steps": lambda a: a[:, ::2, 1::2],
    "backwards": lambda a: a[::-1, :, ::-2],
    "a new axis": lambda a: a[:, None, 1],
    "transpose": lambda a: a.T[1:],
    "diagonal": lambda a: a.diagonal(axis1=1, axis2=2),
    "reshape": lambda a: a[1:].reshape(3, 1, 4),
    "a view of a view": lambda a: SHIFTED(a[:, 1:].swapaxes(0, 2)[1:]),
    "broadcast": lambda a: np.broadcast_to(a[0, 0], (5, 4)),
    "nothing": lambda a: a[:, 3:],
}
LAYOUTS = {
    "C": lambda a: a,
    "F": np.asfortranarray,
    "gaps": lambda a: np.repeat(a, 2, axis=2)[:, :, ::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("dtype", [float, np.float32, complex, bool])
def test_a_window_sees_in_another_array_what_the_view_would(view, dtype):
    window = Window(view(A), A)
    other = np.array(A[::-1] % 5, dtype)
    seen = window.see(other)
    np.testing.assert_array_equal(seen, view(other))
    assert seen.dtype == dtype
    assert seen.size == 0 or np.shares_memory(seen, other)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_copies_are_laid_out_as_the_window_expects(view, layout):
    array = layout(A)
    window = Window(view(array), array)
    for other in (window.laid_out(A * 2), window.blank(np.dtype(float)), relaid(array)):
        assert window.fits(other)
        assert not np.shares_memory(other, array)
        np.testing.assert_array_equal(window.see(other), view(other))
    np.testing.assert_array_equal(window.laid_out(A * 2), A * 2)
    assert not window.blank(np.dtype(float)).any()


def test_an_array_of_another_layout_does_not_fit():
    window = Window(A[1:], A)
    assert window.fits(A.astype(np.float32))
    assert not window.fits(np.asfortranarray(A))
    assert not window.fits(A[:1])
    with pytest.raises(ValueError, match="laid out unlike"):
        window.see(np.asfortranarray(A))


def test_a_part_of_complex_memory_is_seen_as_that_part():
    z = np.array([1 + 2j, 3 + 4j])
    window = Window(z.imag, z)
    assert window.see(z * 2).tolist() == [4.0, 8.0]
    assert window.see(z.astype(np.complex64)).dtype == np.float32


def test_a_window_within_another_is_one_in_the_whole():
    outer = Window(A.T[1:], A)
    inner = Window(A.T[1:][::2, 1], A.T[1:]).within(outer)
    other = A + 100
    np.testing.assert_array_equal(inner.see(other), other.T[1:][::2, 1])
    assert inner.same(Window(A.T[1:][::2, 1], A))


def test_the_same_window_has_the_same_entries_in_the_same_order():
    first = Window(A[0], A)
    assert first.same(Window(A[:1].reshape(3, 4), A))
    for other in (A[1], A[0, :2], A[0].view(np.int64)):
        assert not first.same(Window(other, A))
    assert not Window(A[0, :2, :2], A).same(Window(A[0, :2, :2].T, A))


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_only_windows_that_see_an_entry_twice_may_overlap(view, layout):
    array = layout(A)
    assert Window(view(array), array).may_overlap() == (view is VIEWS["broadcast"])


def test_sliding_windows_may_overlap():
    a = np.arange(5.0)
    assert Window(np.lib.stride_tricks.sliding_window_view(a, 3), a).may_overlap()


def test_a_window_is_writeable_as_the_view_is():
    frozen = A.copy()
    frozen.flags.writeable = False
    assert Window(A[0], A).writeable
    assert not Window(np.broadcast_to(A, (2, *A.shape)), A).writeable
    assert Window(frozen[0], frozen).writeable  # a copy of the whole will be
    assert not Window(np.broadcast_to(frozen, (2, *A.shape)), frozen).writeable
    assert not Window(A[0], A).within(Window(np.broadcast_to(A, A.shape), A)).writeable


@pytest.mark.parametrize("layout", [*LAYOUTS.values(), np.transpose, lambda a: a[:, ::2, 1::2]])
def test_a_relaid_array_has_the_strides_of_the_first_and_its_own_memory(layout):
    array = layout(A)
    copy = relaid(array)
    assert copy.strides == array.strides
    assert not np.shares_memory(copy, array)
    np.testing.assert_array_equal(copy, array)


def test_only_arrays_that_repeat_an_entry_are_copied_to_be_solid():
    repeated = np.broadcast_to(1.0, (3,))
    made = solid(repeated)
    made[0] = 2.0
    assert (made.tolist(), repeated.tolist()) == ([2.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    for array in (A, A.T, np.broadcast_to(A, A.shape)):
        assert solid(array) is array


def test_memory_is_that_of_the_root_also_through_windows():
    array = np.arange(6.0)
    for view in (array, array[1:], array[1:][1:], Window(array[1:], array).see(array)[1:]):
        assert memory_of(view) is array
    held = memoryview(bytearray(8))
    assert memory_of(np.frombuffer(held)[:]).base is not None
