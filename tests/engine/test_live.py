"""Structural zeros: what a selection did not take contributes exactly zero, in both modes.

All cases go through `check`: the gradient, its derivative by both modes, and forward mode once and
twice, against closed forms. A function's own values may overflow; its derivatives may not warn.
"""

import numpy as np
import pytest

import autotensor as at
from autotensor.engine import live
from autotensor.engine.primitive import TABLE, linear

NAN = np.nan
X = np.array([-1.0, 0.0, 0.5, 2.0])
POSITIVE = X > 0
SAFE = np.where(POSITIVE, X, 1)
SQUARE = X.reshape(2, 2)
DATA = np.array([1.0, NAN, 3.0])
ROWS = np.array([[1.0, 2.0], [NAN, NAN], [3.0, 4.0]])
WHOLE = np.array([True, False, True])
W = np.array([[1.0, 2.0], [-1.0, 0.5]])
V = np.array([1.0, 2.0])


def log_like(order):
    """The first or second derivative of the logarithm where X is positive, elsewhere 0."""
    return np.where(POSITIVE, (1 / SAFE, -1 / SAFE**2)[order - 1], 0)


D1, D2 = log_like(1), log_like(2)


def quiet(function):
    def evaluated(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return evaluated


def derivatives(function, x, t):
    """The derivatives of the sum of `function` at `x`, along `t` where they are directional."""
    f = quiet(lambda x: np.sum(function(x)))

    def pushed(x):
        return at.jvp(f, (x,), (t,))[1]

    gradient = at.grad(f)
    return {
        "reverse": gradient(x),
        "forward": pushed(x),
        "reverse over reverse": at.grad(lambda x: np.sum(t * gradient(x)))(x),
        "forward over reverse": at.jvp(gradient, (x,), (t,))[1],
        "reverse over forward": at.grad(pushed)(x),
        "forward over forward": at.jvp(pushed, (x,), (t,))[1],
    }


def check(function, x, first, second, rtol=1e-12):
    """Both modes and orders against the gradient and the diagonal of the Hessian.

    A Hessian that is not diagonal is given as a function of the vector that it is applied to.
    """
    x = np.asarray(x)
    t = np.linspace(0.5, 2, x.size).reshape(x.shape).astype(x.dtype)
    product = second(t) if callable(second) else np.multiply(second, t)
    along = np.sum(np.asarray(first) * t)
    wanted = [first, along, product, product, product, np.sum(product * t)]
    for (mode, got), value in zip(derivatives(function, x, t).items(), wanted, strict=True):
        assert np.asarray(got).dtype == x.dtype, mode
        np.testing.assert_allclose(got, value, rtol=rtol, atol=rtol, err_msg=mode)


def where(y, mask=POSITIVE):
    return np.where(mask, y, 0)


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        (np.log, D1, D2),
        (np.sqrt, where(0.5 * SAFE**-0.5), where(-0.25 * SAFE**-1.5)),
        (lambda x: 1 / x, -(D1**2), 2 * D1**3),
        (lambda x: x**-0.5, where(-0.5 * SAFE**-1.5), where(0.75 * SAFE**-2.5)),
        (lambda x: 1 / (x * x), -2 * D1**3, 6 * D1**4),
        (lambda x: np.log(x) ** 2 + np.log(x), where((2 * np.log(SAFE) + 1) / SAFE), None),
        (lambda x: np.exp(1 / x), where(-np.exp(1 / SAFE) / SAFE**2), None),
    ],
    ids=["log", "sqrt", "reciprocal", "power", "divide", "shared", "chain"],
)
def test_where_leaves_singular_points_out(function, first, second):
    if second is None:  # no zeros are lost where there are none to be found
        safe = derivatives(lambda x: where(function(np.where(POSITIVE, x, 1))), X, np.ones(4))
        first, second = safe["reverse"], safe["reverse over reverse"]
    check(lambda x: where(function(x)), X, first, second)
    check(lambda x: np.where(~POSITIVE, 0, function(x)), X, first, second)
    check(lambda x: function(x)[POSITIVE], X, first, second)
    check(lambda x: function(x)[[2, 3]], X, first, second)
    check(lambda x: function(x)[2:], X, first, second)


def written(x):
    y = np.log(x)
    y[x <= 0] = 0
    return y


def written_through_a_view(x):
    y = np.log(x)
    first = y[:2]
    first[...] = 0
    return y**1


def written_with_it(x):
    y = x * 1
    y[:] = np.log(x)
    return y[2:]


def added_through_a_view(x):
    y = np.log(x)
    y[2:] += 1
    return np.where(POSITIVE, y - 1, 0)


@pytest.mark.parametrize(
    "function", [written, written_through_a_view, written_with_it, added_through_a_view]
)
def test_entries_that_are_written_over_are_left_out(function):
    check(function, X, D1, D2)


TWICE = np.concatenate([POSITIVE, POSITIVE])


@pytest.mark.parametrize(
    ("function", "factor"),
    [
        (lambda x: np.where(POSITIVE[::-1], np.log(x)[::-1], 0), 1),
        (lambda x: np.where(POSITIVE.reshape(2, 2).T, np.log(x).reshape(2, 2).T, 0), 1),
        (lambda x: np.where(TWICE, np.concatenate([np.log(x), 2 * np.log(x)]), 0), 3),
        (lambda x: np.where(TWICE[:, None], np.stack([np.log(x)] * 2).reshape(8, 1), 0), 2),
        (lambda x: np.where(POSITIVE[:, None], np.stack([np.log(x), np.log(x)], 1), 0), 2),
        (lambda x: np.where(POSITIVE, np.broadcast_to(np.log(x), (3, 4)), 0), 3),
        (lambda x: np.where(POSITIVE[:, None], np.expand_dims(np.log(x), 1), 0), 1),
        (lambda x: where(np.log(x).astype(np.longdouble)).astype(float), 1),
        (lambda x: np.where([[True], [False]], where(np.log(x)), 0), 1),
        (lambda x: where(np.log(x), np.stack([POSITIVE, POSITIVE])), 2),
        (lambda x: np.log(x)[POSITIVE].reshape(2, 1).T, 1),
        (lambda x: np.where(X > 1, np.log(x), where(np.log(x), POSITIVE)), 1),
        (lambda x: where(np.log(where(x))), 1),
        (lambda x: np.log(np.where(POSITIVE, x, 1)), 1),
        (lambda x: (lambda y: where(y) + where(y))(np.log(x)), 2),
        (lambda x: np.sum(np.log(x), where=POSITIVE), 1),
        (lambda x: np.mean(np.log(x), where=POSITIVE), 0.5),
        (lambda x: sum(y for y, take in zip(np.log(x), POSITIVE, strict=True) if take), 1),
        (lambda x: np.where(POSITIVE, np.einsum("i->i", np.log(x)), 0), 1),
        (lambda x: at.checkpoint(quiet(lambda x: where(np.log(x))), x), 1),
    ],
)
def test_masks_travel_with_the_entries(function, factor):
    check(function, X, factor * D1, factor * D2)


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        (lambda x: np.log(x).sum(1), [[0, 0], [2, 0.5]], [[0, 0], [-4, -0.25]]),
        (lambda x: np.log(x).mean(1), [[0, 0], [1, 0.25]], [[0, 0], [-2, -0.125]]),
        (lambda x: np.sqrt(x).max(1), [[0, 0], [0, 2**-1.5]], [[0, 0], [0, -(2**-3.5)]]),
        (lambda x: np.log(x) @ V, [[0, 0], [2, 1]], [[0, 0], [-4, -0.5]]),
        (lambda x: np.einsum("ij,j->i", np.log(x), V), [[0, 0], [2, 1]], [[0, 0], [-4, -0.5]]),
        (
            lambda x: at.nn.logsumexp(np.log(x), axis=1),
            [[0, 0], [0.4, 0.4]],
            lambda t: -0.16 * np.array([[0, 0], [1, 1]]) * t[1].sum(),
        ),
        (
            lambda x: np.prod(1 / x, axis=1),
            [[0, 0], [-2, -0.5]],
            lambda t: np.stack([[0, 0], [8 * t[1, 0] + t[1, 1], t[1, 0] + t[1, 1] / 2]]),
        ),
    ],
    ids=["sum", "mean", "max", "matmul", "einsum", "logsumexp", "prod"],
)
def test_masks_travel_through_reductions(function, first, second):
    check(lambda x: np.where([False, True], function(x), 0), SQUARE, first, second)


@pytest.mark.parametrize(
    ("function", "x", "first", "second"),
    [
        (lambda x: np.sqrt(np.maximum(x, 0)), [-1, 4], [0, 0.25], [0, -1 / 32]),
        (lambda x: np.sqrt(-np.minimum(x, 0)), [1, -4], [0, -0.25], [0, -1 / 32]),
        (lambda x: np.sqrt(at.nn.relu(x)), [-1, 0, 4], [0, 0, 0.25], [0, 0, -1 / 32]),
        (lambda x: np.maximum(x, 0) ** 0.5, [-1, 4], [0, 0.25], [0, -1 / 32]),
        (lambda x: np.sqrt(np.clip(x, 0, 1)), [-1, 0.25, 3], [0, 1, 0], [0, -2, 0]),
        (lambda x: np.sqrt(np.where(x > 0, x, 0)), [-1, 0, 4], [0, 0, 0.25], [0, 0, -1 / 32]),
        (lambda x: np.sqrt(4 * np.maximum(x, 0)), [-1, 4], [0, 0.5], [0, -1 / 16]),
        (
            lambda x: np.sqrt(np.maximum(x, 0) + np.maximum(x - 4, 0)),
            [-1, 4.5],
            [0, 5**-0.5],
            [0, -(5**-1.5)],
        ),
        (lambda x: np.sqrt(np.stack([np.maximum(x, 0), x * x])), [-1, 4], [-1, 1.25], [0, -1 / 32]),
        (lambda x: np.sqrt(np.maximum(x, 0).reshape(2, 1).T), [-1, 4], [0, 0.25], [0, -1 / 32]),
        (
            lambda x: np.sqrt(np.concatenate([np.maximum(x, 0), [1]])),
            [-1, 4],
            [0, 0.25],
            [0, -1 / 32],
        ),
        (lambda x: np.sqrt(np.maximum(x, 0) @ np.ones(2)), [-1, 4], [0, 0.25], [0, -1 / 32]),
        (lambda x: np.clip(np.log(x), -5, 5), [0, 2], [0, 0.5], [0, -0.25]),
        (lambda x: np.maximum(np.log(x), -3), [0, 2], [0, 0.5], [0, -0.25]),
        (lambda x: np.minimum(1 / x, 3), [0, 2], [0, -0.25], [0, 0.25]),
        (lambda x: at.nn.relu(np.log(x)), [0, 2], [0, 0.5], [0, -0.25]),
        (lambda x: np.log(x).max(), [0, 2], [0, 0.5], [0, -0.25]),
        (lambda x: np.log(x).max(0, where=[False, True], initial=-9), [0, 2], [0, 0.5], [0, -0.25]),
        (lambda x: np.log(x)[np.argmax(x)], [0, 2], [0, 0.5], [0, -0.25]),
        (lambda x: np.where(x != 0, np.log(np.abs(x)), 0), [0, -2], [0, -0.5], [0, -0.25]),
    ],
)
def test_selections_by_value_leave_singular_points_out(function, x, first, second):
    check(function, np.array(x, float), first, second)


def test_missing_data_leave_no_nan_in_the_gradient():
    known = ~np.isnan(DATA)
    check(lambda mu: np.where(np.isnan(DATA), 0, (DATA - mu) ** 2), 0.5, -6.0, 4.0)
    check(lambda mu: ((DATA - mu) ** 2)[known], 0.5, -6.0, 4.0)
    check(lambda mu: np.sum((DATA - mu) ** 2, where=known), 0.5, -6.0, 4.0)
    check(lambda mu: np.mean((DATA - mu) ** 2, where=known), 0.5, -3.0, 2.0)
    check(lambda s: np.where(known, np.log(s * DATA), 0), 2.0, 1.0, -0.5)
    check(lambda w: np.where(known[:, None], DATA[:, None] * w, 0), V, [4, 4], [0, 0])


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        (lambda w: ROWS @ w @ V, np.outer([4, 6], V), np.zeros((2, 2))),
        (lambda w: np.einsum("ij,jk,k->i", ROWS, w, V), np.outer([4, 6], V), np.zeros((2, 2))),
        (lambda w: at.nn.relu(ROWS @ np.abs(w)) @ V, np.outer([4, 6], V) * np.sign(W), None),
        (
            lambda w: np.square(ROWS @ w) @ V,
            2 * ROWS[WHOLE].T @ (ROWS[WHOLE] @ W * V),
            lambda t: 2 * ROWS[WHOLE].T @ (ROWS[WHOLE] @ t * V),
        ),
    ],
    ids=["matmul", "einsum", "layers", "square"],
)
def test_rows_of_nan_that_are_left_out_after_products_leave_no_nan(function, first, second):
    check(lambda w: np.where(WHOLE, function(w), 0), W, first, 0 * W if second is None else second)
    check(lambda w: function(w)[WHOLE], W, first, 0 * W if second is None else second)


def test_live_rows_of_nan_stay_nan():
    gradient = at.grad(lambda w: np.sum(np.where([True, True, False], ROWS @ w, 0)))(V)
    np.testing.assert_array_equal(gradient, [NAN, NAN])
    mixed = np.array([[1.0, NAN], [NAN, 2.0]])
    gradient = at.grad(lambda w: np.sum(np.where([True, False], mixed @ w, 0)))(V)
    np.testing.assert_array_equal(gradient, [1, NAN])


def test_a_vector_of_length_0_is_left_out_of_its_normalization():
    def unit(x):
        n = np.sqrt(np.sum(x * x, 1, keepdims=True))
        return np.where(n > 0, x / n, 0) * V

    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    safe = np.array([[1.0, 1.0], [3.0, 4.0]])
    wanted = derivatives(lambda x: unit(x)[1], safe, np.linspace(0.5, 2, 4).reshape(2, 2))
    check(unit, x, wanted["reverse"], lambda t: wanted["reverse over reverse"], 1e-12)
    assert np.any(wanted["reverse over reverse"])


# A zero that is no selection's.


def test_a_live_zero_is_not_structural():
    x = np.array([0.0, 4.0])
    for function in (np.sqrt, lambda x: np.where(x >= 0, np.sqrt(x), 0)):
        for got in derivatives(lambda x: function(x) ** 2, x, np.ones(2)).values():  # noqa: B023
            assert np.isnan(got).any()
    gradient = at.grad(lambda x: np.sum(np.where(x >= 0, np.sqrt(x), 0) * [0.0, 1.0]))(x)
    np.testing.assert_array_equal(gradient, [NAN, 0.25])


@at.custom_op(x=lambda g: g + g.sum())
def mixed(x):
    return x + x.sum()


PATHS = {
    "where": lambda y: where(y),
    "index": lambda y: y[2:],
    "unread": lambda y: np.where([False, True], y[1:3], 0),
    "all": lambda y: y * 1,
    "read": lambda y: y[1:3],
    "product": lambda y: np.ones(4) * 0 @ y,
    "mixed": lambda y: where(mixed(y)),
}


@pytest.mark.parametrize("second", ["all", "read", "product", "mixed"])
@pytest.mark.parametrize("first", ["where", "index", "unread"])
@pytest.mark.parametrize("turned", [False, True])
def test_one_live_path_is_enough(first, second, turned):
    order = (second, first) if turned else (first, second)

    def function(x):
        y = np.log(x)
        a, b = (np.sum(PATHS[name](y)) for name in order)
        return a + b

    for got in derivatives(function, X, np.ones(4)).values():
        assert not np.all(np.isfinite(got))
    gradient = at.grad(quiet(function))(X)
    assert not np.isfinite(gradient[1])
    assert np.all(np.isfinite(gradient[2:]))


def test_marks_do_not_cancel():
    """Of a linear op that subtracts its entries from each other."""

    def difference(x):
        return x[1:] - x[:-1]

    op = linear(
        difference,
        lambda g: np.concatenate([-g[:1], g[:-1] - g[1:], g[-1:]]),
        signature="x",
    )
    del TABLE[difference]
    x = np.array([-1.0, 1.0, 4.0])
    check(
        lambda x: np.square(op(np.maximum(x, 0))),
        x,
        [0, -4, 6],
        lambda t: np.array([0, 4 * t[1] - 2 * t[2], 2 * t[2] - 2 * t[1]]),
    )
    check(
        lambda x: np.where([False, True], op(np.sqrt(x)), 0), x, [0, -0.5, 0.25], [0, 0.25, -1 / 32]
    )


def test_where_all_entries_were_read_there_are_no_masks_below(monkeypatch):
    x = at.tensor(np.ones((3, 4)), requires_grad=True)
    y = x @ np.ones((4, 4)) + 1.0  # a selection above this is fragile
    sum(np.sum(np.exp(y[i])) for i in range(2)).backward(retain_graph=True)
    weighed = live._weighed

    def below_the_readings(mask, shape):
        assert len(shape) < 2
        return weighed(mask, shape)

    monkeypatch.setattr(live, "_weighed", below_the_readings)
    sum(np.sum(np.exp(y[i])) for i in range(3)).backward()


def test_what_a_mask_left_out_lives_where_it_was_read_too():
    def read_and_selected(x):
        y = np.sqrt(x)
        return np.sum(np.where([True, False], y, 0)) + y[0] + y[1]

    gradient = at.grad(read_and_selected)(np.array([4.0, 0.25]))
    np.testing.assert_array_equal(gradient, [0.5, 1.0])
