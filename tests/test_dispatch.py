"""Functions on tensors: ``out=``, ``where=``, no rule at all, and the memory of the user."""

import numpy as np
import pytest

import autotensor as at
from autotensor.errors import LostGradientError, NoRuleError

A = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]])
B = np.array([[2.0, 1.0, 0.5], [1.0, 3.0, 2.0]])


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


def same(got, wanted):
    """A Tensor of NumPy's value, bit by bit, and dtype."""
    assert isinstance(got, at.Tensor)
    np.testing.assert_array_equal(got.numpy(), np.asarray(wanted), strict=True)


# -- out= and where= ------------------------------------------------------------------------------


def test_out_takes_value_and_gradient():
    x, out = leaf([1.0, 2.0]), at.zeros(2)
    assert np.exp(x, out=out) is out
    same(out, np.exp([1.0, 2.0]))
    assert np.multiply(out, x, out) is out
    assert np.concatenate([x[:1], np.ones(1)], out=out) is out
    out.sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]
    out = at.zeros(2)
    np.multiply(np.exp(x, out=out), x, out=out)
    x.grad = None
    out.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1.0, 2.0]) * [2.0, 3.0], rtol=1e-15)


def test_out_may_be_given_by_position():
    x = at.tensor(A)
    for call in (
        lambda x, out: np.sum(x, 0, None, out),
        lambda x, out: np.max(x, 0, out),
        lambda x, out: x.mean(0, None, out),
        lambda x, out: x.sum(0, None, out, True),
    ):
        plain = np.zeros((1, 3)) if call(A, None).ndim == 2 else np.zeros(3)
        out = at.tensor(plain)
        product = leaf(plain) * out  # keeps the old value of out
        assert call(x, out) is out
        assert call(x, plain) is plain
        same(out, plain)
        assert np.all(product._node.kept[0] == 0.0)
        with pytest.raises(LostGradientError):
            call(leaf(A), plain)


def test_out_with_several_results():
    x = at.tensor([5.5, -7.0])
    out = at.zeros(2), np.zeros(2)
    result = np.divmod(x, 2.0, out=out)
    assert all(a is b for a, b in zip(result, out, strict=True))
    quotient, rest = np.divmod(np.array([5.5, -7.0]), 2.0)
    same(out[0], quotient)
    np.testing.assert_array_equal(out[1], rest)


def test_where_leaves_the_other_entries_of_out():
    x, old = leaf([4.0, 9.0]), leaf([10.0, 20.0])
    mask = np.array([True, False])
    out = old * 1.0
    np.sqrt(x, out=out, where=mask)
    same(out, [2.0, 20.0])
    out.sum().backward()
    assert x.grad.tolist() == [0.25, 0.0]
    assert old.grad.tolist() == [0.0, 1.0]


def test_where_without_out_leaves_zeros():
    mask = np.array([[True, False, True], [False, True, True]])
    x = leaf(A)
    y = np.multiply(x, 2.0, where=mask)
    same(y, np.where(mask, 2 * A, 0))
    y.sum().backward()
    same(x.grad, 2.0 * mask)
    same(np.add(at.tensor(A[0]), 1.0, where=mask), np.where(mask, A[0] + 1, 0))
    same(np.less(at.tensor(A), 1.0, where=mask), (A < 1) & mask)
    same(
        np.add(leaf(A.astype(np.float32)), 1, where=mask),
        np.where(mask, A.astype(np.float32) + 1, 0),
    )
    same(np.sqrt(at.tensor([4.0, -1.0]), where=[True, False]), [2.0, 0.0])


# -- functions without a rule ---------------------------------------------------------------------


def test_functions_without_a_rule_run_on_constants():
    x = at.tensor(A)
    same(np.cumsum(x, axis=1), np.cumsum(A, axis=1))
    same(np.add.reduce(x, axis=0), np.add.reduce(A, axis=0))
    same(np.add.reduce(x, where=A > 0), np.add.reduce(A, axis=0, where=A > 0))
    same(np.multiply.outer(x, B[0]), np.multiply.outer(A, B[0]))
    parts = np.modf(x)
    assert isinstance(parts, tuple)
    for part, wanted in zip(parts, np.modf(A), strict=True):
        same(part, wanted)
    assert [p.tolist() for p in np.split(x, 2)] == [p.tolist() for p in np.split(A, 2)]
    assert np.shape(x) == A.shape
    assert np.array_equal(x, A) is True
    with at.no_grad():
        same(np.cumsum(leaf(A)), np.cumsum(A))


def test_functions_without_a_rule_refuse_what_is_tracked():
    x = leaf(A)
    for name, call in {
        "np.cumsum": lambda: np.cumsum(x),
        "np.linalg.det": lambda: np.linalg.det(x),
        "np.add.reduce": lambda: np.add.reduce(x),
        "np.vstack": lambda: np.vstack([A, x]),
        "np.block": lambda: np.block([[A], [x]]),
        "np.multiply.at": lambda: np.multiply.at(x * 1.0, [0], 1.0),
    }.items():
        with pytest.raises(NoRuleError, match=f"^{name} has no derivative"):
            call()


def test_functions_that_write_to_their_argument_cannot_reach_what_is_kept():
    for write in (
        lambda c: np.copyto(c, 9.0),
        lambda c: np.put(c, [0], 9.0),
        lambda c: np.putmask(c, [True, False], 9.0),
        lambda c: np.place(c, [True, False], [9.0]),
        lambda c: np.put_along_axis(c, np.array([0]), 9.0, 0),
        lambda c: np.nan_to_num(c, copy=False),
        lambda c: np.add.at(c, [0, 0], 5.0),
    ):
        x, c = leaf([1.0, 1.0]), at.tensor([1.0, 2.0])
        y = (x * c).sum()
        try:
            write(c)
        except ValueError:
            assert c.tolist() == [1.0, 2.0]
        y.backward()
        assert x.grad.tolist() == [1.0, 2.0]
    assert c.tolist() == [11.0, 2.0]  # np.add.at is the one that works, on a copy


def test_results_do_not_share_memory_with_arrays_of_the_user():
    array, x = np.ones(2), leaf([1.0, 1.0])
    for view in (
        lambda: np.broadcast_arrays(at.tensor([1.0, 2.0]), array)[1],
        lambda: np.atleast_1d(at.tensor([1.0, 2.0]), array)[1],
    ):
        array[:], x.grad = 1.0, None
        c = view()
        y = (x * c).sum()
        array[:] = 9.0
        y.backward()
        assert x.grad.tolist() == [1.0, 1.0]


def test_lists_that_hold_tracked_tensors_are_refused():
    w = leaf(2.0)
    for x in (leaf([1.0, 2.0]), at.tensor([1.0, 2.0]), np.array([1.0, 2.0])):
        for use in (
            lambda x: x * at.tensor(1.0) * [w, 1.0],
            lambda x: [w, 1.0] - at.tensor(1.0) * x,
            lambda x: np.where(
                [True, False], [w, 1.0], at.tensor(x) if type(x) is np.ndarray else x
            ),
            lambda x: np.concatenate([[w, 1.0], at.tensor(1.0) * x]),
        ):
            with pytest.raises(LostGradientError):
                use(x)
            with at.no_grad():
                use(x)
    target = at.zeros(2)
    with pytest.raises(LostGradientError):
        target[:] = [w, w]


# -- what is kept is safe from later writes -------------------------------------------------------

KEPT = {
    "factor": lambda x, a: x * a,
    "reflected factor": lambda x, a: a * x,
    "view": lambda x, a: x * a[::-1][::-1],
    "divisor": lambda x, a: x / a,
    "exponent": lambda x, a: x**a,
    "matrix": lambda x, a: x @ a,
    "einsum": lambda x, a: np.einsum("i,i", x, a),
    "where": lambda x, a: np.where(a > 1, x, 0),
    "mask": lambda x, a: np.sum(x, where=a),
    "bound": lambda x, a: np.clip(x, a, None),
    "bound by name": lambda x, a: x.clip(max=a),
    "maximum": lambda x, a: np.maximum(a, x),
    "index": lambda x, a: x[a],
    "nested index": lambda x, a: x[:, None][a, 0],
    "written index": lambda x, a: _written(x, a),
    "sequence": lambda x, a: np.concatenate([a, x * a]),
}
WHOLE = {"index", "nested index", "written index"}


def _written(x, index):
    y = at.zeros(4)
    y[index] = 2.0 * x
    return y


@pytest.mark.parametrize("name", KEPT)
def test_arrays_of_the_user_may_be_written_to_before_the_pass(name):
    start = {"mask": [True, False, True]}.get(name, [2, 0, 1] if name in WHOLE else [1.0, 2.0, 3.0])
    gradients = []
    for change in (False, True):
        x, a = leaf([2.5, 1.5, 0.5]), np.array(start)
        loss = np.sum(KEPT[name](x, a))
        if change:
            a[:] = 0
        loss.backward()
        gradients.append(x.grad.tolist())
    assert gradients[0] == gradients[1]


def test_lists_of_the_user_may_be_changed_before_the_pass():
    x, index = leaf([1.0, 2.0, 3.0]), [0, 0]
    y = x[index].sum()
    index[0] = 2
    y.backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]


def test_tensors_may_be_written_to_before_the_pass():
    x, c = leaf([1.0, 2.0]), at.tensor([3.0, 4.0])
    y = (x * c).sum()
    c[:] = 0.0
    c *= 5.0
    y.backward()
    assert x.grad.tolist() == [3.0, 4.0]
