"""Writing in place by NumPy's functions and attributes: its values, and the right gradients."""

import operator
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import autotensor as at
from autotensor import errors
from autotensor.errors import InPlaceError, LostGradientError, NoRuleError

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 4))
MASK = A > 0.1
COLUMNS, AGAIN = np.array([[0], [1], [0]]), np.zeros((2, 4), int)


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


# Each writes the second array into the first, linearly in both, and gives the shape of the second.
WRITES = {
    "copyto": (lambda a, v: np.copyto(a, v), (4,)),
    "copyto where": (lambda a, v: np.copyto(a, v, where=MASK), (3, 1)),
    "copyto a scalar": (lambda a, v: np.copyto(a, v, where=MASK[0]), ()),
    "put": (lambda a, v: np.put(a, [7, 0, -1], v), (3,)),
    "put again": (lambda a, v: np.put(a, [2, 2, 5, 2], v), (4,)),
    "put cyclic": (lambda a, v: np.put(a, [1, 5, 2, 5, 8], v), (2,)),
    "put wrapped": (lambda a, v: np.put(a, [12, -13], v, mode="wrap"), (2,)),
    "put clipped": (lambda a, v: np.put(a, [99, -99], v, mode="clip"), (2,)),
    "putmask": (lambda a, v: np.putmask(a, MASK, v), (3, 4)),
    "putmask cyclic": (lambda a, v: np.putmask(a, MASK, v), (5,)),
    "place": (lambda a, v: np.place(a, MASK, v), (12,)),
    "place cyclic": (lambda a, v: np.place(a, MASK, v), (2,)),
    "fill_diagonal": (lambda a, v: np.fill_diagonal(a, v), (3,)),
    "fill_diagonal with one": (lambda a, v: np.fill_diagonal(a, v, wrap=True), ()),
    "put_along_axis": (lambda a, v: np.put_along_axis(a, COLUMNS, v, 1), (3, 1)),
    "put_along_axis again": (lambda a, v: np.put_along_axis(a, AGAIN, v, 0), (2, 4)),
    "add.at": (lambda a, v: np.add.at(a, [0, 2, 0], v), (3, 4)),
    "add.at entries": (lambda a, v: np.add.at(a, ([0, 2, 0, 0], [1, 1, 1, 1]), v), (4,)),
    "add.at broadcast": (lambda a, v: np.add.at(a, ([0, 2, 0],), v), (3, 1)),
    "add.at one": (lambda a, v: np.add.at(a, ([0, 0], [1, 1]), v), ()),
    "add.at mask": (lambda a, v: np.add.at(a, MASK, v), ()),
    "add.at slice": (lambda a, v: np.add.at(a, (slice(None), [0, 0]), v), (3, 2)),
    "subtract.at": (lambda a, v: np.subtract.at(a, [0, 2, 0], v), (4,)),
}


def gradients(write, c, shape):
    """Those of ``(c * a).sum()`` after the write, from NumPy and linearity alone."""
    found = []
    for place in (0, 1):
        given = [np.zeros(A.shape), np.zeros(shape)]
        g = np.empty(given[place].shape)
        for i in np.ndindex(g.shape):
            a, v = (x.copy() for x in given)
            (a, v)[place][i] = 1.0
            write(a, v)
            g[i] = (c * a).sum()
        found.append(g)
    return found


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("tracked", [(True, True), (True, False), (False, True), (False, False)])
def test_functions_that_write_have_numpys_value_and_the_right_gradient(name, tracked):
    write, shape = WRITES[name]
    values = RNG.normal(size=shape)
    wanted = A.copy()
    write(wanted, values)
    x, v = (at.tensor(a, requires_grad=t) for a, t in zip((A, values), tracked, strict=True))
    target, c = x * 1, RNG.normal(size=A.shape)
    row, before = target[0], (target * target).sum()
    write(target, v if tracked[1] else values)
    np.testing.assert_array_equal(target.numpy(), wanted)
    np.testing.assert_array_equal(row.numpy(), wanted[0])
    if not any(tracked):
        return
    (before + (c * target).sum()).backward()
    by_x, by_v = gradients(write, c, shape)
    if tracked[0]:
        np.testing.assert_allclose(x.grad.numpy(), 2 * A + by_x, rtol=1e-12, atol=1e-12)
    if tracked[1]:
        np.testing.assert_allclose(v.grad.numpy(), by_v, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", WRITES)
def test_a_leaf_is_not_written_to_while_recording(name):
    write, shape = WRITES[name]
    x, wanted = leaf(A), A.copy()
    with pytest.raises(InPlaceError):
        write(x, np.ones(shape))
    np.testing.assert_array_equal(x.numpy(), A)
    with at.no_grad():
        write(x, np.ones(shape))
    write(wanted, np.ones(shape))
    np.testing.assert_array_equal(x.numpy(), wanted)
    assert x.is_leaf


def test_at_rounds_as_numpy_does_where_an_entry_is_hit_again():
    small, wanted = np.full(3, 1e-9), np.ones(2, np.float32)
    np.add.at(wanted, [0, 0, 1], small)
    x = leaf(np.ones(2, np.float32))
    y = x * np.float32(1)
    np.add.at(y, [0, 0, 1], small)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.numpy(), wanted)


def test_at_without_recording_leaves_the_gradient_of_the_other_entries():
    x = leaf([1.0, 2.0, 3.0])
    y = x * x
    with at.no_grad():
        np.add.at(y, [0, 0], 1.0)
    assert y.tolist() == [3.0, 4.0, 9.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 4.0, 6.0]


def test_at_of_other_functions_says_what_has_a_rule():
    with pytest.raises(NoRuleError, match=r"np\.maximum\.at has no.*\n.*np\.add\.at"):
        np.maximum.at(leaf([1.0, 2.0]) * 1, [0], 5.0)
    with pytest.raises(LostGradientError, match="plain ndarray"):
        np.multiply.at(np.ones(2), [0], leaf(2.0))
    counts = np.zeros(2, int)
    np.add.at(counts, at.tensor([0, 0, 1]), 1)
    assert counts.tolist() == [2, 1]


# -- memory of which several entries are the same -------------------------------------------------


def gradients_of_sums():
    """Gradients that need only one entry, or one row, of memory."""
    big = np.zeros((60, 100))
    x = leaf(big)
    np.mean(x).backward()
    yield x.grad
    x = leaf(big)
    x.sum(axis=0).backward(np.ones(100), create_graph=True)
    yield x.grad
    yield at.grad(np.mean)(at.tensor(big))
    yield at.vjp(lambda x: x.sum(axis=0), at.tensor(big))[1](np.ones(100))[0]
    kept = []
    x = leaf(big)
    y = x * 1
    y.register_hook(kept.append)
    y.sum().backward()
    yield kept[0]
    yield at.tensor(np.broadcast_to(np.ones(100), (60, 100)), copy=False)


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("index", [(0, 0), (slice(1), slice(2)), ([0], [1])])
def test_a_write_to_one_entry_of_a_gradient_reaches_no_other(place, index):
    g = list(gradients_of_sums())[place]
    wanted = np.array(g.numpy())
    row = g[0]
    wanted[index] = 5.0
    g[index] = 5.0
    row *= 3.0
    wanted[0] *= 3.0
    np.testing.assert_array_equal(g.numpy(), wanted)


def test_a_view_that_was_made_a_leaf_is_read_as_one():
    v = at.tensor([1.0, 2.0, 3.0])[1:]
    v.requires_grad = True
    for index in (1, slice(1, None), (..., 1)):
        v.grad = None
        (v[index] ** 2).sum().backward()
        assert v.grad.tolist() == [0.0, 6.0]


# -- attributes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
@pytest.mark.parametrize("part", ["real", "imag"])
def test_parts_can_be_set(part, shape):
    value = (RNG.normal(size=shape) + 1j * RNG.normal(size=shape))[()]
    x, v = leaf(value), leaf(RNG.normal(size=shape)[()])
    z, wanted = x * 1, np.array(value)
    setattr(z, part, v * 3)
    setattr(wanted, part, 3 * v.numpy())
    np.testing.assert_array_equal(z.numpy(), wanted)
    np.sum(z.real**2 + z.imag**2).backward()
    kept = {"real": 2j * value.imag, "imag": 2 * value.real + 0j}[part]
    np.testing.assert_allclose(x.grad.numpy(), kept)
    np.testing.assert_allclose(v.grad.numpy(), 18 * v.numpy())


@pytest.mark.parametrize("part", ["real", "imag"])
@pytest.mark.parametrize("index", [..., 0, [0, 0]])
def test_what_is_written_to_a_part_leaves_the_gradient_of_the_other(part, index):
    value = np.array([1 + 2j, 3 + 4j])
    x, marks = leaf(value), np.array([False, False])
    z = x * 1
    getattr(z, part)[index] = 5.0
    marks[index] = True
    np.sum(np.abs(z) ** 2).backward()
    kept = value.imag * 1j if part == "real" else value.real
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.where(marks, kept, value))


def test_a_real_tensor_has_one_part():
    x = leaf([1.0, 2.0])
    y = x * 1
    y.real = x * x
    y.sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([1.0, 4.0], [2.0, 4.0])
    with pytest.raises(TypeError, match=r"start with x\.astype\(complex\)"):
        y.imag = 1.0
    for part in ("real", "imag"):
        with pytest.raises(InPlaceError):
            setattr(leaf([1j]), part, 1.0)


@pytest.mark.parametrize("name", ["shape", "T", "mT", "dtype", "flat", "strides", "data", "size"])
def test_other_attributes_cannot_be_set(name):
    x = leaf([1.0, 2.0]) * 1
    with pytest.raises(AttributeError, match=f"{name}|no setter"):
        setattr(x, name, 5)
    with pytest.raises(AttributeError, match=r"x = x\.reshape\(\(2, 1\)\)"):
        x.shape = (2, 1)
    assert x.tolist() == [1.0, 2.0]


def test_a_buffer_written_over_is_not_the_tensor_it_was_written_with():
    w = leaf([1.0, 2.0, 3.0], name="w")
    x = at.zeros(3)
    x[:] = w
    x.name = "x"
    assert (w.name, x.is_leaf) == ("w", False)
    with at.no_grad():
        x[0] = 7.0
    x *= 2
    x.sum().backward()
    assert w.grad.tolist() == [0.0, 2.0, 2.0]

    w.grad = None
    y = 2 * w
    x[:] = y
    x.register_hook(lambda g: 10 * g)
    (x.sum() + y.sum()).backward()
    assert w.grad.tolist() == [22.0] * 3


def test_a_view_taken_under_no_grad_stays_a_constant():
    for write in (False, True):
        w = leaf([1.0, 2.0, 3.0, 4.0])
        x = w * 2
        with at.no_grad():
            target = x[:2]
        if write:
            x[3] = 0.0
            with at.no_grad():
                assert not any(v.requires_grad for v in (x[2:], x[0], target[1:], target[0]))
        (x[:2] * target).sum().backward()
        assert w.grad.tolist() == [4.0, 8.0, 0.0, 0.0]


def test_a_view_taken_under_no_grad_is_not_written_to_while_recording():
    w = leaf([1.0, 2.0])
    x = w * 2
    with at.no_grad():
        of_leaf, of_result = w[:1], x[:1]
    for view in (of_leaf, of_result):
        for change in (lambda v: operator.imul(v, 3), lambda v: operator.setitem(v, 0, 3.0)):
            with pytest.raises(errors.InPlaceError):
                change(view)
    with at.no_grad():
        of_result *= 3
    x.sum().backward()
    assert (x.tolist(), w.grad.tolist()) == ([6.0, 4.0], [0.0, 2.0])


def test_what_was_half_written_is_a_constant():
    w = leaf([1.0, 2.0, 3.0])
    x = w * 1
    with at.no_grad(), np.errstate(all="raise"), pytest.raises(FloatingPointError):
        x /= np.array([0.0, 1.0, 1.0])
    x[2] = w[1]
    x.sum().backward()
    assert w.grad.tolist() == [0.0, 1.0, 0.0]


def test_a_leaf_is_not_written_to_through_what_it_is_a_view_of():
    whole = at.zeros(4)
    part = whole[:2]
    part.requires_grad = True
    with pytest.raises(errors.InPlaceError):
        whole[:2] = leaf(3.0)
    with at.no_grad():
        whole[0] = 5.0
    assert part.tolist() == [5.0, 0.0]
    assert part.requires_grad
    assert part.is_leaf


def test_a_tracked_value_is_not_written_into_integers():
    x = at.tensor([1, 2])
    with pytest.raises(errors.DtypeError):
        x[0] = leaf(3.0)
    assert x.tolist() == [1, 2]


def test_a_wish_for_the_gradient_goes_with_the_tensor():
    y = leaf([1.0, 2.0]) * 1
    y.retain_grad()
    y[0] = 5.0
    (y * y).sum().backward()
    assert y.grad.tolist() == [10.0, 4.0]


def test_copyto_and_put_as_numpys():
    x = at.zeros(3)
    np.copyto(x, np.ones((1, 3)), where=np.array([True, False, True]))
    assert x.tolist() == [1.0, 0.0, 1.0]
    number = at.tensor(2.0)
    np.put(number, [0], 3.0)
    assert number.item() == 3.0
    with pytest.raises(TypeError):
        np.copyto(at.tensor([1, 2]), 1.5)
    with pytest.raises(ValueError, match="empty"):
        np.place(x, x > 0, [])


def test_readers_in_many_threads_lose_no_view():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(60):
                x = at.zeros(40)
                views = [
                    view
                    for part in pool.map(lambda _, x=x: [x[i : i + 1] for i in range(40)], range(4))
                    for view in part
                ]
                x[:] = 1.0
                assert all(view.tolist() == [1.0] for view in views)
    finally:
        sys.setswitchinterval(before)


def test_clip_writes_only_where_it_is_told_to():
    mask = np.array([True, False])
    constant = at.tensor([5.0, 5.0])
    np.clip(constant, 0.0, 1.0, where=mask, out=constant)
    assert constant.tolist() == [1.0, 5.0]

    def clipped(x):
        y = x * 1.0
        return np.clip(y, 0.0, 1.0, where=mask, out=y).sum()

    assert at.grad(clipped)(np.array([5.0, 5.0])).tolist() == [0.0, 1.0]
    assert at.grad(clipped)(np.array([0.5, 5.0])).tolist() == [1.0, 1.0]
