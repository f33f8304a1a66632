"""Structural zeros in backward passes of every kind, in other dtypes and at third order."""

import numpy as np
import pytest

import autotensor as at
from tests.engine.test_live import D1, D2, POSITIVE, X, check, quiet


def masked_log(x=X):
    x = at.tensor(x, requires_grad=True)
    with np.errstate(all="ignore"):
        y = np.log(x)
        return x, y, np.where(x > 0, y, 0)


def test_hooks_that_leave_the_gradient_alone_leave_its_zeros():
    x, y, z = masked_log()
    seen = []
    y.register_hook(lambda g: seen.append(g.numpy().copy()))
    z.sum().backward()
    np.testing.assert_array_equal(seen, [POSITIVE])
    np.testing.assert_array_equal(x.grad.numpy(), D1)


def test_hooks_that_replace_a_gradient_make_all_of_it_live():
    x, y, z = masked_log()
    y.register_hook(lambda g: g + 1)
    z.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [-1, np.inf, 4, 1])


def test_a_graph_that_is_kept_gives_the_same_again():
    x, _, z = masked_log()
    loss = z.sum()
    loss.backward(retain_graph=True)
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * D1)


def test_zeros_are_structural_in_a_recorded_pass_and_in_the_one_through_it():
    x, _, z = masked_log()
    z.sum().backward(create_graph=True)
    first, x.grad = x.grad, None
    np.testing.assert_array_equal(first.numpy(), D1)
    first.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), D2)


def test_zeros_are_structural_at_third_order():
    third = at.grad(at.grad(at.grad(quiet(lambda x: np.where(x > 0, np.log(x), 0)))))
    assert [third(0.0), third(2.0)] == [0.0, 0.25]


def test_zeros_are_structural_in_float32():
    x = np.array([0, 2], np.float32)
    check(lambda x: np.where(x > 0, np.log(x), 0), x, [0, 0.5], [0, -0.25], rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda x: np.where(x != 0, np.log(x), 0), [0, 0.5]),
        (lambda x: np.log(x)[x != 0], [0, 0.5]),
        (lambda x: np.sqrt(np.where(x != 0, x, 0)), [0, 8**-0.5]),
        (lambda x: np.where(x != 0, np.log(np.abs(x)), 0), [0, 0.5]),
        (lambda x: np.sqrt(np.where(x != 0, x, 0).real), [0, 8**-0.5]),
        (lambda x: np.sqrt(np.where(x != 0, 1j * x, 0).imag), [0, 8**-0.5]),
    ],
)
def test_zeros_are_structural_for_complex_input(function, wanted):
    x = np.array([0j, 2 + 0j])
    f = quiet(function)
    np.testing.assert_allclose(at.grad(lambda x: np.sum(f(x).real))(x), wanted, atol=1e-15)
    pushed = at.jvp(f, (x,), (np.ones(2, complex),))[1]
    np.testing.assert_allclose(np.sum(pushed.real), np.sum(wanted), atol=1e-15)
    assert np.all(np.isfinite(pushed))
