"""Domains: their points lie in the set, and the gradient along them is that of the ambient one."""

import numpy as np
import pytest

import autotensor as at
from autotensor.checking.domains import NAMES, chart
from autotensor.checking.numerical import jacobian

RNG = np.random.default_rng(0)


def spd(n, is_complex=False):
    a = RNG.normal(size=(2, n, n)) + 1j * is_complex * RNG.normal(size=(2, n, n))
    a = a if is_complex else a.real
    return a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(n)


def orthonormal(rows, columns, is_complex=False):
    a = RNG.normal(size=(rows, columns)) + 1j * is_complex * RNG.normal(size=(rows, columns))
    a = a if is_complex else a.real
    if rows >= columns:
        return np.linalg.qr(a)[0]
    return np.linalg.qr(a.T)[0].T


def in_spd(x):
    adjoint = np.conj(np.swapaxes(x, -1, -2))
    return np.allclose(x, adjoint, atol=1e-13) and np.all(np.linalg.eigvalsh(x) > 0)


def in_simplex(x):
    return np.all(x > 0) and np.allclose(np.sum(x, axis=-1), 1, atol=1e-14)


def in_orthogonal(x):
    adjoint = np.conj(np.swapaxes(x, -1, -2))
    gram = adjoint @ x if x.shape[-2] >= x.shape[-1] else x @ adjoint
    return np.allclose(gram, np.eye(len(gram)), atol=1e-13)


def unit_vector(x):
    return x / np.sqrt(np.sum(x * x))


def in_sphere(x):
    return np.allclose(np.sum(x * x), 1, atol=1e-14)


P = np.array([[0.2, 0.3, 0.5], [0.01, 0.98, 0.01]])
SETS = {
    "positive": ("positive", np.array([1e-8, 1.0, 1e8]), lambda x: np.all(x > 0)),
    "unit": ("unit", np.array([0.0, -0.999, 1e-9, 0.5]), lambda x: np.all(np.abs(x) < 1)),
    "spd": ("spd", spd(3), in_spd),
    "hermitian": ("spd", spd(3, True), in_spd),
    "simplex": ("simplex", P, in_simplex),
    "orthogonal": ("orthogonal", orthonormal(3, 3), in_orthogonal),
    "tall": ("orthogonal", orthonormal(4, 2), in_orthogonal),
    "wide": ("orthogonal", orthonormal(2, 4), in_orthogonal),
    "unitary": ("orthogonal", orthonormal(3, 3, True), in_orthogonal),
    "callable": (unit_vector, unit_vector(np.array([1.0, 2.0, -2.0])), in_sphere),
}


@pytest.mark.parametrize("name", SETS)
def test_points_stay_in_the_set_and_slopes_are_those_along_it(name):
    domain, x, contains = SETS[name]
    found = chart(domain, x, "x")
    np.testing.assert_allclose(found.point(found.start).reshape(x.shape), x, atol=1e-14)
    for signs in (1.0, -1.0, RNG.choice([-1.0, 1.0], found.start.shape)):
        moved = found.point(found.start + signs * found.units / 16).reshape(x.shape)
        assert contains(moved)
        assert not np.allclose(moved, x, rtol=1e-9, atol=0)
    weights = RNG.normal(size=x.shape)
    if np.iscomplexobj(x):
        weights = weights + 1j * RNG.normal(size=x.shape)

    def value(scaled):
        at_point = found.point(found.start + scaled * found.units).reshape(x.shape)
        return np.sum((np.conj(weights) * at_point).real)

    slopes = jacobian(value, np.zeros(found.start.shape)).value[:, 0]
    scale = np.max(np.abs(weights * x))
    np.testing.assert_allclose(found.pull(weights) * found.units, slopes, atol=1e-9 * scale)
    assert all(isinstance(found.label(k), str) for k in range(found.start.size))


OUTSIDE = {
    "positive": (np.array([1.0, 0.0]), r"x\[1\] = 0.0 is not in the domain 'positive'"),
    "unit": (np.array([2.0]), "not in the domain 'unit'"),
    "spd": (np.array([[1.0, 2.0], [0.0, 1.0]]), "not symmetric"),
    "simplex": (np.array([0.5, 0.6]), "must add up to 1"),
    "orthogonal": (2 * np.eye(2), "not orthogonal"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_input_outside_is_refused(name):
    x, words = OUTSIDE[name]
    with pytest.raises(ValueError, match=words):
        chart(name, x, "x")


def test_other_inputs_that_fit_no_domain_are_refused():
    with pytest.raises(ValueError, match="not positive definite"):
        chart("spd", -np.eye(2), "x")
    with pytest.raises(ValueError, match="no domain 'sphere'"):
        chart("sphere", np.ones(2), "x")
    with pytest.raises(ValueError, match="moves x"):
        chart(unit_vector, np.array([1.0, 1.0]), "x")
    with pytest.raises(ValueError, match="no square matrix"):
        chart("spd", np.ones((2, 3)), "x")
    with pytest.raises(ValueError, match="complex"):
        chart("positive", np.array([1j]), "x")
    assert set(OUTSIDE) == set(NAMES)


def test_a_rule_that_is_right_along_the_set_passes_and_only_with_the_domain():
    # For unit vectors x·x = 1, so that the gradient may have any part along x.
    @at.custom_op(x=lambda g, x: g * (np.array([1.0, 2.0, 3.0]) + 5 * x))
    def height(x):
        return np.sum(np.array([1.0, 2.0, 3.0]) * x)

    x = unit_vector(np.array([1.0, 2.0, -2.0]))
    assert at.gradcheck(height, x, domain=unit_vector)
    assert not at.gradcheck(height, x, raise_exception=False)


def test_a_rule_that_is_wrong_along_the_set_fails_and_says_where():
    @at.custom_op(x=lambda g, x: g * np.linalg.inv(x).T * 1.01)
    def logdet(x):
        return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(x))))

    report = at.gradcheck(logdet, spd(3)[0], domain="spd", raise_exception=False)
    assert report.verdict == "fail"
    assert "1.01 times" in str(report)


def test_close_to_the_edge_of_a_domain_steps_are_small_and_exact():
    x = np.array([1e-3, 0.5, 0.999999])
    assert at.gradcheck(lambda x: np.sum(np.log(1 - x * x)), x, domain="unit", order=2)


def test_a_function_that_raises_outside_is_checked_inside():
    @at.custom_op(p=lambda g, p: g / p)
    def log_probability(p):
        if abs(np.sum(p) - 1) > 1e-9:
            raise ValueError("no probabilities")
        return np.log(p)

    assert at.gradcheck(log_probability, P[0], domain="simplex", order=2)
