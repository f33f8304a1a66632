"""Seeded wrong rules: each must be caught, by the check whose message says best what is wrong."""

import numpy as np
import pytest

import autotensor as at
from autotensor.checking.checks import CHECKS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
W = RNG.normal(size=(3, 3))


def sine(rule):
    """Declare a sine of its own with the given rule."""

    @at.custom_op(x=rule)
    def sine(x):
        return np.sin(x)

    return sine


def failing(function, inputs, **options):
    """The only finding of a failing check: id and finding."""
    report = at.gradcheck(function, inputs, raise_exception=False, **options)
    assert report.verdict == "fail", str(report)
    ((check, finding),) = [pair for pair in report.findings if pair[1].verdict == "fail"]
    return check, "\n".join((finding.title, *finding.lines))


# name: (rule of the sine, the check that must find it, what the report must say)
WRONG_SINES = {
    "abs(g)": (lambda g, x: np.abs(g) * np.cos(x), "G11", "not linear in g"),
    "relu(g)": (lambda g, x: np.maximum(g, 0) * np.cos(x), "G11", "not linear in g"),
    "g squared": (lambda g, x: g * g * np.cos(x), "G11", "not linear in g"),
    "clipped g": (lambda g, x: np.clip(g, -1, 1) * np.cos(x), "G11", "not linear in g"),
    "something added": (lambda g, x: g * np.cos(x) + 1e-9, "G11", "rule(0)"),
    "g not used": (lambda g, x: np.cos(x), "G11", "rule(0)"),
    "factor": (lambda g, x: g * np.cos(x) * 1.001, "G15", "1.001 times the derivative"),
    "sign": (lambda g, x: -g * np.cos(x), "G15", "the sign is wrong"),
    "zero": (lambda g, x: g * 0, "G15", "the rule gives 0"),
    "wrong function": (lambda g, x: g * np.sin(x), "G15", "12 of 144 entries disagree"),
    "wrong for negative x": (
        lambda g, x: g * np.where(x < 0, 1.0, np.cos(x)),
        "G15",
        "others agree to",
    ),
    "mixes entries": (
        lambda g, x: (np.sum(g) - g) / 11 * np.cos(x),
        "G15",
        "144 of 144 entries disagree",
    ),
    "nan": (lambda g, x: g * np.sqrt(x), "G07", "at x[0, 1] ="),
    "no array": (lambda g, x: None, "G04", "NoneType"),
    "raises": (lambda g, x: g * x.nonsense, "G04", "AttributeError"),
    "sum missing": (lambda g, x: np.stack([g, g]) * np.cos(x), "G05", "sum over axes (0,)"),
    "wrong shape": (lambda g, x: np.sum(g), "G05", "shape (3, 4)"),
}


@pytest.mark.parametrize("name", WRONG_SINES)
def test_wrong_rules_are_caught(name):
    rule, wanted, words = WRONG_SINES[name]
    check, text = failing(sine(rule), X)
    assert check == wanted
    assert words in text


def test_the_right_sine_passes():
    assert at.gradcheck(sine(lambda g, x: g * np.cos(x)), X, order=2)


def test_a_small_gradient_replaced_by_zero_is_caught():
    @at.custom_op(x=lambda g, x: g * 0)
    def tiny(x):
        return 1e-9 * np.sin(x)

    assert failing(tiny, X)[0] == "G15"


def test_one_small_entry_beside_large_ones_is_caught():
    @at.custom_op(x=lambda g, x: g * np.where(x > 1e-7, 2 * x, 0))
    def square(x):
        return x * x

    check, text = failing(square, np.array([1e-8, 1.0, 1e8]))
    assert check == "G15"
    assert "x[0]" in text


def test_a_transposed_matrix_is_named():
    @at.custom_op(x=lambda g, w, x: w @ g)
    def apply(w, x):
        return w @ x

    check, text = failing(apply, [W, X[0, :3]], wrt=1)
    assert check == "G15"
    assert "transpose of the Jacobian" in text


def test_a_transposed_gradient_is_named():
    @at.custom_op(w=lambda g, w, x: np.outer(x, g), x=lambda g, w: w.T @ g)
    def apply(w, x):
        return w @ x

    check, text = failing(apply, [W, X[0, :3]])
    assert check == "G15"
    assert "with respect to w" in text
    assert "the gradient of w is transposed" in text


def test_a_missing_conjugate_is_named():
    @at.custom_op(z=lambda g, z: g * 2 * z)
    def square(z):
        return z * z

    check, text = failing(square, X[0] + 1j * X[1])
    assert check == "G15"
    assert ".imag" in text or ".real" in text


def test_a_conjugated_gradient_is_named():
    @at.custom_op(z=lambda g, z: g * 2 * z)
    def norm(z):
        return np.sum(z.real**2 - 0.5 * z.imag**2)

    @at.custom_op(z=lambda g, z: g * np.conj(2 * z.real - 1j * z.imag))
    def conjugated(z):
        return np.sum(z.real**2 - 0.5 * z.imag**2)

    assert "the gradient of z is conjugated" in failing(conjugated, X[0] + 1j * X[1])[1]
    assert "conjugated" not in failing(norm, X[0] + 1j * X[1])[1]


def test_only_the_diagonal_of_a_jacobian_is_caught():
    @at.custom_op(x=lambda g, out: g * out * (1 - out))
    def softmax(x):
        e = np.exp(x - np.max(x))
        return e / np.sum(e)

    assert failing(softmax, X[0])[0] == "G15"


def test_a_wrong_second_argument_is_caught():
    @at.custom_op(x=lambda g, y: g * y, y=lambda g, x, y: g * y)
    def product(x, y):
        return x * y

    check, text = failing(product, [X[0], X[1]])
    assert check == "G15"
    assert "with respect to y" in text


def test_a_missing_second_argument_is_caught():
    @at.custom_op(x=lambda g, y: g * y)
    def product(x, y):
        return x * y

    check, text = failing(product, [X[0], X[1]])
    assert check == "G04"
    assert "'y'" in text


def test_ten_percent_among_ten_thousand_entries_is_caught():
    rule = sine(lambda g, x: g * np.cos(x) * 1.1)
    check, text = failing(rule, np.linspace(-3, 3, 10_000))
    assert check == "G15"
    assert "entries drawn disagree" in text


def test_a_few_wrong_entries_among_ten_thousand_are_caught():
    # One entry in fifty: the random direction sees it where the entries drawn do not.
    rule = sine(lambda g, x: g * np.cos(x) * np.where(np.arange(x.size) % 50 == 7, 1.1, 1))
    assert failing(rule, np.linspace(-3, 3, 10_000))[0] in ("G15", "G14")


def test_a_wrong_rule_for_the_small_among_many_outputs_is_caught():
    scale = np.where(np.arange(2000) % 2, 1.0, 1e-9)

    @at.custom_op(x=lambda g, x: np.sum(g * np.trunc(scale)) * np.cos(x))
    def scaled(x):
        return scale * np.sin(x)

    assert failing(scaled, np.array([0.3, 0.4])[:1])[0] == "G15"
    assert failing(lambda x: scaled(x[:1]) + scaled(x[1:]), np.array([0.3, 0.4]))[0] == "G15"


def test_a_slip_in_float32_is_caught():
    rule = sine(lambda g, x: g * np.cos(x) * np.float32(1.0001))
    assert failing(rule, X.astype(np.float32))[0] == "G15"


def test_a_wrong_forward_rule_is_caught():
    @at.custom_op(x=lambda g, x: g * np.cos(x), jvps={"x": lambda t, x: t * np.sin(x)})
    def sine(x):
        return np.sin(x)

    check, text = failing(sine, X)
    assert check == "G21"
    assert "<v, jvp(u)>" in text


def value_of(x):
    return x.numpy() if isinstance(x, at.Tensor) else x


def detached(x):
    return x.detach() if isinstance(x, at.Tensor) else x


def sine_with_jvp(rule):
    """As `sine`, with a right forward rule, so that reverse mode alone is wrong."""

    @at.custom_op(x=rule, jvps={"x": lambda t, x: t * np.cos(x)})
    def sine(x):
        return np.sin(x)

    return sine


def test_a_rule_wrong_at_second_order_only_is_caught():
    rule = sine(lambda g, x: g * np.cos(detached(x)))
    assert at.gradcheck(rule, X)
    check, text = failing(rule, X, order=2)
    assert check == "G20"
    assert "order 2, G04: no gradient reaches x" in text


def test_a_rule_wrong_in_the_cotangent_at_second_order_is_caught():
    rule = sine_with_jvp(lambda g, x: detached(g) * np.cos(x))
    assert at.gradcheck(rule, X)
    check, text = failing(rule, X, order=2)
    assert check == "G20"
    assert "order 2, G04: no gradient reaches g_output" in text


def test_a_rule_that_leaves_numpy_has_no_second_order():
    rule = sine_with_jvp(lambda g, x: value_of(g) * np.cos(value_of(x)))
    assert at.gradcheck(rule, X)
    check, text = failing(rule, X, order=2)
    assert check == "G20"
    assert "NoRuleError" in text


def test_a_rule_wrong_at_third_order_only_is_caught():
    @at.custom_op(x=lambda g, x: g * wrong_cosine(x))
    def sine(x):
        return np.sin(x)

    @at.custom_op(x=lambda g, x: -g * detached_sine(x))
    def wrong_cosine(x):
        return np.cos(x)

    def detached_sine(x):
        return np.sin(detached(x))

    assert at.gradcheck(sine, X[0], order=2)
    check, text = failing(sine, X[0], order=3)
    assert check == "G20"
    assert "order 3, G15" in text


def test_a_slope_outside_the_kink_is_caught():
    @at.custom_op(x=lambda g, x: g * np.where(x == 0, 3, np.sign(x)))
    def absolute(x):
        return np.abs(x)

    check, text = failing(absolute, np.array([0.0, 1.0]))
    assert check == "G16"
    assert "between -1 and 1" in text


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.3, 1.0])
def test_any_slope_inside_the_kink_is_right(slope):
    @at.custom_op(x=lambda g, x: g * np.where(x == 0, slope, np.sign(x)))
    def absolute(x):
        return np.abs(x)

    assert at.gradcheck(absolute, np.array([0.0, 1.0]))


def test_nothing_finite_stops_the_run():
    report = at.gradcheck(np.log, np.array([1.0, -1.0]))
    assert report.verdict == "inconclusive"
    assert [check for check, _ in report.findings] == ["G01"]
    assert "output[1] is nan" in str(report)
    assert report.passed == ()


def test_an_infinite_gradient_at_a_vertical_tangent_is_not_a_failure():
    assert at.gradcheck(np.sqrt, np.array([0.0, 0.5])).verdict == "inconclusive"


def test_an_infinite_gradient_of_a_smooth_function_is_a_failure():
    @at.custom_op(x=lambda g, x: g / x)
    def identity(x):
        return x + 0

    check, text = failing(identity, np.array([0.0, 1.0]))
    assert check == "G15"
    assert "inf" in text


def test_noise_is_inconclusive_and_raises_nothing():
    def noisy(x):
        return x + np.floor(1e3 * np.sin(1e9 * x.numpy()))

    report = at.gradcheck(noisy, X)
    assert report.verdict == "inconclusive"
    assert "too noisy" in str(report)


def test_a_composition_that_loses_its_gradient_is_caught():
    check, text = failing(lambda x: np.sin(x) + x.detach(), X)
    assert check == "G15"
    assert "the 12 diagonal ones" in text


def test_each_check_has_an_id_of_its_own_and_says_what_holds():
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids)
    for check in CHECKS:
        assert check.run.__doc__.startswith(f"{check.id}: ")
