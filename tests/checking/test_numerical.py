"""The numerical reference: on awkward functions its error bars must hold, and be worth having."""

import numpy as np
import pytest

from autotensor.checking.numerical import Flat, Reference, directional, jacobian

EDGE = np.array([1 - 1e-10, 1 - 1e-6, 0.5])
POINTS = np.array([1.0, 2.3, 0.7])

# name: (function, point, its derivative entry by entry, how small the error bar must be)
AWKWARD = {
    "log at 1e-7": (np.log, np.array([1e-7, 1e-300]), lambda x: 1 / x, 1e-9),
    "square at 1e11": (np.square, np.array([1e11, -3e150]), lambda x: 2 * x, 1e-12),
    "sin(1e5 x)": (lambda x: np.sin(1e5 * x), POINTS, lambda x: 1e5 * np.cos(1e5 * x), 1e-7),
    "sqrt near 0": (np.sqrt, np.array([1e-12, 1e-200, 4.0]), lambda x: 0.5 / np.sqrt(x), 1e-11),
    "cbrt near 0": (np.cbrt, np.array([1e-9]), lambda x: np.cbrt(x) / (3 * x), 1e-11),
    "exp of a large number": (np.exp, np.array([700.0, -700.0]), np.exp, 1e-10),
    "arccos at the edge": (np.arccos, EDGE, lambda x: -1 / np.sqrt((1 - x) * (1 + x)), 1e-3),
    "near a kink": (np.abs, np.array([1e-9, -1e-3]), np.sign, 1e-12),
    "small beside large": (
        lambda x: (1 + 1e-8 * x) - 1,
        np.array([0.3, 0.5]),
        lambda x: np.full_like(x, 1e-8),
        1e-4,
    ),
    "float32 inside": (
        lambda x: np.sin(x.astype(np.float32)).astype(float),
        np.array([0.3, 0.5]),
        np.cos,
        1e-3,
    ),
    "noise": (
        lambda x: np.exp(x) + 1e-9 * np.sin(1e15 * x),
        np.array([1.0, 2.0]),
        np.exp,
        1e-5,
    ),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_error_bars_hold_on_awkward_functions(name):
    f, x, derivative, wanted = AWKWARD[name]
    found = jacobian(f, x)
    exact = np.diag(derivative(x))
    assert np.all(np.abs(found.value - exact) <= found.error)
    assert np.all(np.diag(found.error) <= wanted * np.abs(np.diag(exact)))


@pytest.mark.parametrize("name", AWKWARD)
def test_error_bars_hold_along_a_direction(name):
    f, x, derivative, _ = AWKWARD[name]
    v = np.linspace(0.6, -0.9, x.size) * np.abs(x)
    found = directional(f, x, v)
    assert np.all(np.abs(found.value - derivative(x) * v) <= found.error)
    assert np.all(found.error < np.inf)


@pytest.mark.parametrize("seed", range(20))
def test_error_bars_hold_for_ordinary_functions(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=20)
    found = jacobian(lambda x: np.tanh(x) * np.exp(x), x, seed=seed)
    exact = np.diag((1 - np.tanh(x) ** 2 + np.tanh(x)) * np.exp(x))
    assert np.all(np.abs(found.value - exact) <= found.error)
    assert np.all(found.error <= 1e-9 * np.maximum(1, np.abs(exact)))
    assert not found.spread.any()


def test_a_wide_step_that_looks_good_does_not_count():
    # By their own account the first steps on sin(1e7 x) are good to a few digits.
    x = POINTS
    found = jacobian(lambda x: np.sin(1e7 * x), x)
    exact = np.diag(1e7 * np.cos(1e7 * x))
    assert np.all(np.abs(found.value - exact) <= found.error)


def test_float32_inputs_are_differentiated_in_float64():
    x = np.array([1.0, 2.0], np.float32)
    found = jacobian(np.exp, x)
    np.testing.assert_allclose(np.diag(found.value), np.exp([1.0, 2.0]), rtol=1e-12)


def test_a_function_of_float32_only_is_differentiated_in_float32():
    def f(x):
        assert x.dtype == np.float32
        return np.exp(x)

    x = np.array([1.0, 2.0], np.float32)
    found = Reference(Flat(f, [x], np.dtype(np.float32))).jacobian()
    exact = np.diag(np.exp(x.astype(float)))
    assert np.all(np.abs(found.value - exact) <= found.error)
    assert np.all(np.diag(found.error) < 1e-3)


def test_complex_inputs_count_twice():
    z = np.array([1 + 2j, -0.5j])
    found = jacobian(lambda z: z**3, z)
    d = 3 * z[0] ** 2
    # Moving the real part moves f by d, moving the imaginary part by 1j d.
    wanted = [[d.real, d.imag], [-d.imag, d.real]]
    np.testing.assert_allclose(found.value[:2, :2], wanted, rtol=1e-11)
    assert np.all(found.value[:2, 2:] == 0)


def test_complex_results_along_a_direction():
    z, v = np.array([1 + 2j, 3j]), np.array([1j, 2.0])
    found = directional(np.exp, z, v)
    assert found.value.shape == found.error.shape == (2,)
    assert np.all(np.abs(found.value - np.exp(z) * v) <= found.error)


def test_several_inputs_and_any_shape_along_a_direction():
    rng = np.random.default_rng(0)
    a, b, u, v = rng.normal(size=(4, 3, 3))
    found = directional(np.matmul, (a, b), (u, v))
    assert found.value.shape == (3, 3)
    np.testing.assert_allclose(found.value, u @ b + a @ v, rtol=1e-11)


def test_entries_of_very_different_size_along_a_direction():
    x, v = np.array([1.0, 1e-9, 2.0, 3.0]), np.array([1.0, -1.0, 1.0, 1.0])
    found = directional(np.log, x, v)
    assert np.all(np.abs(found.value - v / x) <= found.error)
    assert np.all(found.error < 1e-3 / x)


def test_the_light_entry_point_is_light():
    calls = []

    def f(x):
        calls.append(x)
        return np.exp(x)

    directional(f, POINTS, POINTS)
    assert len(calls) <= 34


def test_at_the_edge_of_the_domain_one_side_is_enough():
    found = jacobian(lambda x: np.where(x < 0, np.nan, np.exp(x)), np.array([0.0]))
    assert abs(found.value[0, 0] - 1) <= found.error[0, 0] < 1e-9


def test_where_the_function_raises_is_outside_the_domain():
    def root(x):
        if np.any(x < 0):
            raise np.linalg.LinAlgError("negative")
        return np.sqrt(x)

    found = jacobian(lambda x: root(x) * x, np.array([4.0, 0.0]))
    np.testing.assert_allclose(found.value, [[3, 0], [0, 0]], rtol=1e-9, atol=1e-3)
    assert np.all(found.error < 1e-2)
    with pytest.raises(np.linalg.LinAlgError):
        jacobian(root, np.array([-1.0]))


def test_a_vertical_tangent_and_a_jump_are_unknown():
    for f, x in ((np.sqrt, 0.0), (np.floor, 1.0), (np.sign, 0.0)):
        found = jacobian(f, np.array([x]))
        assert found.error > abs(found.value) / 10


@pytest.mark.parametrize(
    ("f", "x", "slopes"),
    [
        (np.abs, 0.0, (-1, 1)),
        (lambda x: np.maximum(x, 0), 0.0, (0, 1)),
        (lambda x: np.clip(x, -2, 2) + x**2, 2.0, (4, 5)),
        (lambda x: np.maximum(x, 3) + np.exp(x), 3.0, (np.exp(3), 1 + np.exp(3))),
    ],
)
def test_a_kink_has_a_slope_on_each_side(f, x, slopes):
    found = jacobian(f, np.array([x]))
    low, high = found.value - found.spread, found.value + found.spread
    np.testing.assert_allclose([low.item(), high.item()], slopes, rtol=1e-6, atol=1e-6)


def test_noise_is_seen_whatever_the_seed():
    # x is rounded to its last digit, and the slope there is 70711.
    flat = Flat(np.arccos, [EDGE])
    noise = [Reference(flat, seed).noise[0] for seed in range(50)]
    assert min(noise) > 1e-13
    tiny = [Reference(Flat(np.exp, [np.array([-700.0])]), seed).noise[0] for seed in range(50)]
    assert min(tiny) > 1e-318  # exp(-700) is 1e-304, and its last digits are off by 700 ulp of x


def test_no_kink_is_seen_in_a_sharp_bend():
    # softplus(1e4 x) bends within 1e-4 of 0, yet it is smooth.
    found = jacobian(lambda x: np.logaddexp(0, 1e4 * x), np.array([0.0]))
    assert found.spread == 0
    np.testing.assert_allclose(found.value, 5e3, rtol=1e-6)


def test_an_entry_that_drowns_beside_its_neighbours_gets_wider_steps():
    found = jacobian(np.sum, np.array([1e16, 1.0, 1.0, 6e-17]))
    np.testing.assert_allclose(found.value, 1, rtol=1e-10)
    assert np.all(found.error < 1e-10)


def test_an_uncertain_derivative_is_not_telling():
    reference = Reference(Flat(lambda x: x + np.floor(1e3 * x * x[::-1]), [POINTS]))
    found = reference.jacobian()
    assert not np.all(reference.telling(found, np.arange(3)))
    smooth = Reference(Flat(np.exp, [POINTS]))
    assert np.all(smooth.telling(smooth.jacobian(), np.arange(3)))


def test_projections_are_combinations_of_the_outputs():
    x = np.array([0.3, 1.1, -2.0])
    weights = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 0.0]])
    found = Reference(Flat(np.sin, [x])).jacobian(np.array([0, 2]), weights)
    wanted = (weights * np.cos(x)).T[[0, 2]]
    assert np.all(np.abs(found.value - wanted) <= found.error)
    assert np.all(found.error < 1e-10)


def test_coordinates_that_are_held_stay():
    seen = []

    def f(x):
        seen.append(x[1])
        return np.abs(x)

    reference = Reference(Flat(f, [np.array([1.0, 0.0])]), held=np.array([False, True]))
    reference.jacobian(np.array([0]))
    assert set(seen) == {0.0}


def test_no_entries_give_no_derivatives():
    assert jacobian(np.exp, np.zeros((0, 2))).value.shape == (0, 0)
    assert jacobian(np.sum, np.zeros(0)).value.shape == (0, 1)
    assert directional(np.sum, np.zeros(0), np.zeros(0)).value == 0
