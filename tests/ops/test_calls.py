"""Calls that the cases of the declarations leave out: options that change value, order or dtype."""

import numpy as np
import pytest

import autotensor as at
from tests.rules import check_function

A = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]])
COLUMN = np.array([[2.0], [-1.0]])
MASK = np.array([[True, False, True], [False, True, True]])
FORTRAN = np.asfortranarray(A)
MOVED = np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)
WEIGHTS = np.cos(np.arange(24.0))


def weighted(y):
    return y * WEIGHTS[: y.size].reshape(y.shape)


DIFFERENTIABLE = {
    "sum from a start": (lambda x: np.sum(x, initial=5.0), A),
    "sum from a start along an axis": (lambda x: np.sum(x, 0, initial=5.0, where=MASK), A),
    "sum over no axis": (lambda x: np.sum(x, axis=()), A),
    "product from a start": (lambda x: np.prod(x, initial=3.0), A),
    "masked product from a start": (lambda x: np.prod(x, 1, initial=3.0, where=MASK), A),
    "maximum from a start": (lambda x: np.max(x, 1, initial=3.5), A),
    "minimum from a start": (lambda x: np.min(x, 1, initial=-1.5), A),
    "mean over no axis": (lambda x: np.mean(x, axis=()), A),
    "variance around a given mean": (lambda x: np.var(x, mean=0.5), A),
    "variance around a mean of its own": (lambda x: np.var(x, 0, mean=x[:1] * 2), A),
    "ravel in memory order": (lambda x: weighted(np.ravel(x, order="F")), FORTRAN),
    "reshape in memory order": (lambda x: weighted(np.reshape(x, (3, 2), order="F")), FORTRAN),
    "transpose with negative axes": (lambda x: weighted(np.transpose(x, (-1, 0, 1))), MOVED),
    "concatenate all entries": (lambda x: weighted(np.concatenate([x, x[0], COLUMN], None)), A),
    "concatenate along the last axis": (lambda x: weighted(np.concatenate([x, COLUMN], -1)), A),
    "stack along the last but one": (lambda x: weighted(np.stack([x, A], -2)), A),
    "einsum with lists": (lambda x: np.einsum(x, [0, 1], A, [2, 1], [0, 2]), A),
    "einsum over a length of one": (lambda x: np.einsum("ij,ij->", x, A), COLUMN),
    "einsum by a length of one": (lambda x: np.einsum("ij,ij->i", x, COLUMN), A),
    "einsum by another length of one": (lambda x: np.einsum("ij,jk->ik", x, np.ones((1, 4))), A),
    "clip by arrays": (lambda x: np.clip(x, -1.2 * np.ones(3), 1.3 * COLUMN), A),
    "power of whole numbers": (lambda x: x ** np.array([0, 1, 2]), A),
    "negative power": (lambda x: np.power(x, -2), A),
    "product with zeros": (lambda x: np.prod(x * [0.0, 1.0, 0.0], axis=1), A),
    "product with one zero": (lambda x: np.prod(x * [0.0, 1.0, 1.0], axis=1), A),
    "complex on the way": (lambda x: np.abs(np.exp(1j * x) + x) + np.imag(x / (x + 1j)), A),
    "complex product": (lambda x: np.prod(x + 1j, axis=0).imag, A),
    "complex variance": (lambda x: np.var(x * (1 + 2j)), A),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives(name):
    function, x = DIFFERENTIABLE[name]
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(function(at.tensor(x)).numpy(), function(x), strict=True)
    check_function(function, [x], rng)
    check_function(at.grad(lambda x: np.sum(np.sin(function(x)))), [x], rng)
    check_function(lambda x: at.jvp(function, (x,), (np.cos(x),))[1], [x], rng)


@pytest.mark.parametrize(("x", "order"), [(FORTRAN, "A"), (FORTRAN, "K"), (MOVED, "K")])
def test_orders_that_depend_on_the_layout_are_right_or_refused(x, order):
    def flat(x):
        return np.ravel(x, order=order)

    np.testing.assert_array_equal(flat(at.tensor(x)).numpy(), flat(x))
    places = np.empty_like(x, dtype=int)
    places[...] = np.arange(x.size).reshape(x.shape)
    wanted = np.empty(x.size)
    wanted[flat(places)] = WEIGHTS[: x.size]
    right = True
    try:
        gradient = at.grad(lambda x: np.sum(weighted(flat(x))))(x)
        right = np.array_equal(gradient, wanted.reshape(x.shape))
        _, tangent = at.jvp(flat, (x,), (np.ascontiguousarray(x),))
        right = right and np.array_equal(tangent, flat(x))
    except ValueError as error:
        right = "order" in str(error)
    assert right


NARROW = {
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "max": np.max,
    "var": np.var,
    "std": np.std,
    "var along an axis": lambda x: np.var(x, axis=0, ddof=1),
    "std of some": lambda x: np.std(x, axis=1, where=MASK),
    "clip": lambda x: np.clip(x, -1, 2.5),
    "where": lambda x: np.where(x > 0, x, 0),
    "maximum": lambda x: np.maximum(x, 0.5),
    "power": lambda x: abs(x) ** 1.5,
    "mean in a wide type": lambda x: np.mean(x, dtype=np.float64),
    "sum in a wide type": lambda x: np.sum(x, axis=0, dtype=np.float64),
    "product in a wide type": lambda x: np.multiply(x, x, dtype=np.longdouble),
    "concatenate in a wide type": lambda x: np.concatenate([x, x], dtype=np.float64),
    "einsum": lambda x: np.einsum("ij,kj", x, x),
    "relu": at.nn.relu,
    "sigmoid": at.nn.sigmoid,
    "softmax": at.nn.softmax,
    "logsumexp": at.nn.logsumexp,
    "log_softmax": at.nn.log_softmax,
    "standardize": at.nn.standardize,
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
@pytest.mark.parametrize("name", NARROW)
def test_results_have_numpys_dtype(name, dtype):
    x = A.astype(dtype)
    wanted = np.asarray(NARROW[name](x))
    y = NARROW[name](at.tensor(x, requires_grad=True))
    y = at.asarray(y)
    assert y.dtype == wanted.dtype
    np.testing.assert_allclose(y.numpy(), wanted, rtol=8 * np.finfo(dtype).eps)
    gradient = at.grad(lambda x: np.sum(NARROW[name](x)))(x)
    assert gradient.dtype == dtype
