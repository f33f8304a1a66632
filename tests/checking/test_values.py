"""The checks of numbers on right rules at awkward points, and on what each of them is there for."""

import numpy as np
import pytest

import autotensor as at
from tests.checking.right_cases import RIGHT, UNCLEAR

RNG = np.random.default_rng(0)
X = RNG.normal(size=6)


def failing(function, inputs, **options):
    """Id and text of the finding of a failing check."""
    report = at.gradcheck(function, inputs, raise_exception=False, **options)
    assert report.verdict == "fail", str(report)
    ((check, finding),) = [pair for pair in report.findings if pair[1].verdict == "fail"]
    return check, "\n".join((finding.title, *finding.lines))


@pytest.mark.parametrize("name", RIGHT)
def test_right_derivatives_are_not_rejected(name):
    function, inputs, options = RIGHT[name]
    report = at.gradcheck(function, inputs, raise_exception=False, **options)
    wanted = ("ok", "inconclusive") if name in UNCLEAR else ("ok",)
    assert report.verdict in wanted, str(report)


def test_at_most_three_of_many_are_left_unclear():
    assert len(RIGHT) >= 50
    assert len(UNCLEAR) <= 3


def op_of(function, rule):
    """An op of the given function and rule for x."""
    return at.custom_op(x=rule)(function)


# -- G16: kinks ----------------------------------------------------------------------------------


def relu(slope):
    def relu(x):
        return np.maximum(x, 0.0)

    return op_of(relu, lambda g, x: g * np.where(x == 0, slope, x > 0))


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_a_subgradient_passes(slope):
    report = at.gradcheck(relu(slope), np.array([0.0, 0.0, 1.0]))
    assert report
    assert report.kinks == 2


@pytest.mark.parametrize("slope", [2.0, -0.01])
def test_what_is_outside_the_slopes_fails(slope):
    check, text = failing(relu(slope), np.array([0.0, 1.0]))
    assert check == "G16"
    assert "between" in text


def largest(share):
    def largest(x):
        return np.max(x)

    def rule(g, x, out):
        taken = x == out
        return g * taken * np.where(np.sum(taken) > 1, share, 1.0)

    return op_of(largest, rule)


def test_ties_that_share_a_gradient_share_one():
    ties = np.array([1.0, 2.0, 2.0, 0.0])
    assert at.gradcheck(largest(0.5), ties)
    check, text = failing(largest(1.0), ties)  # each tie by itself lies between 0 and 1
    assert check == "G16"
    assert "through 2 kinks" in text
    assert failing(largest(0.0), ties)[0] == "G16"


def test_conventions_may_differ_from_kink_to_kink():
    assert at.gradcheck(lambda x: at.nn.relu(x[0]) - np.abs(x[1]) - at.nn.relu(x[2]), np.zeros(3))


def test_where_kinks_meet_a_mean_of_the_slopes_nearby_is_fair():
    nested = RIGHT["nested kinks"][0]
    assert at.gradcheck(nested, np.zeros(3))
    check, _ = failing(lambda x: nested(x) + at.nn.relu(x[0]) - x[0].detach(), np.zeros(3))
    assert check in ("G14", "G15", "G16")


# -- G17: the neighbourhood ----------------------------------------------------------------------


def sine(rule):
    def sine(x):
        return np.sin(x)

    return op_of(sine, rule)


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        (lambda g, x: g * np.where(np.abs(x) > 6, 0.5, np.cos(x)), "at 40 x"),
        (lambda g, x: g * np.where(np.abs(x) < 0.03, 0.5, np.cos(x)), "at 0.02 x"),
        (lambda g, x: g * np.where(np.abs(x - 0.5) > 1e-3, 0.5, np.cos(x)), "moved by a tenth"),
    ],
)
def test_a_rule_that_is_wrong_elsewhere_is_caught_and_the_place_named(rule, place):
    check, text = failing(sine(rule), np.array([0.5, 0.5]))
    assert check == "G17"
    assert place in text
    assert "ratio" in text


def test_inputs_of_both_signs_are_negated():
    rule = sine(lambda g, x: g * np.where(x[0] < 0, 0.5, np.cos(x)))
    check, text = failing(rule, np.array([0.5, -0.5]))
    assert check == "G17"
    assert "at -x" in text


def test_functions_of_positive_numbers_are_not_asked_for_others():
    def root(x):
        if np.min(x) < 0:
            pytest.fail("an iteration would never end there")
        return np.sqrt(x)

    assert at.gradcheck(op_of(root, lambda g, out: g / (2 * out)), np.array([0.5, 2.0]))


def test_a_gradient_that_is_nan_far_out_is_caught():
    def softplus(x):
        return np.logaddexp(x, 0.0)

    rule = op_of(softplus, lambda g, x: g * np.exp(x) / (1 + np.exp(x)))
    check, text = failing(rule, np.array([30.0, 1.0]))
    assert check == "G17"
    assert "NaN where f is finite, at 40 x" in text


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.log(1 + np.exp(x)),  # overflows at 40 x
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: np.exp(x) / (1 + np.exp(x)),
        lambda x: np.sqrt(1 - x * x),  # NaN at 40 x
        lambda x: np.exp(-x * x * 1e3),  # underflows at 40 x
        lambda x: np.tanh(x) ** 2,
        lambda x: np.log(np.cos(x)),
    ],
)
def test_right_rules_pass_though_the_function_ends_nearby(function):
    assert at.gradcheck(function, np.array([0.6, -0.9, 0.99]), order=2)


def test_inputs_that_the_function_refuses_are_no_neighbourhood():
    def picky(x):
        if np.max(np.abs(x.numpy())) > 1:
            raise ValueError("out of range")
        return np.sin(x)

    assert at.gradcheck(picky, np.array([0.3, 0.5]))


# -- G14 and G15: many entries -------------------------------------------------------------------


def test_one_wrong_entry_of_a_hundred_thousand_is_caught():
    rule = sine(lambda g, x: g * np.cos(x) * np.where(np.arange(x.size) == 777, 1.5, 1))
    assert failing(rule, np.linspace(-3, 3, 100_000))[0] == "G14"


def test_small_entries_replaced_by_zero_are_caught_among_many():
    def exponential(x):
        return np.exp(x)

    rule = op_of(exponential, lambda g, out: g * np.where(out < 1e-6, 0, out))
    assert failing(rule, np.linspace(-15, 3, 5000))[0] in ("G14", "G15")


def test_a_rule_that_is_right_but_for_rounding_passes():
    # 1 - 1/(1 + e^x) keeps few digits of e^x: the rule is right, its digits are not there.
    def softplus(x):
        return np.logaddexp(x, 0.0)

    rule = op_of(softplus, lambda g, x: g * (1 - 1 / (1 + np.exp(x))))
    assert at.gradcheck(rule, np.array([-20.0, 1.0]))
    wrong = op_of(softplus, lambda g, x: g * (1.001 - 1.001 / (1 + np.exp(x))))
    assert failing(wrong, np.array([-20.0, 1.0]))[0] == "G15"


# -- G20: second order ---------------------------------------------------------------------------


def detached(x):
    return x.detach() if isinstance(x, at.Tensor) else x


def test_an_asymmetric_hessian_is_named():
    from autotensor.checking.problem import Problem
    from autotensor.checking.run import Run
    from autotensor.checking.second import symmetric

    def product(x):
        return x[0] * x[0] * x[1]

    def rule(g, x):
        return g * np.stack([2 * x[0] * detached(x[1]), x[0] * x[0]])

    def run(function):
        problem = Problem("f", function, [np.array([1.5, 2.0])], ["x"])
        return Run(problem.derivative(np.ones(1)), 2, None, None, 0, level=2)

    found = symmetric(run(op_of(product, rule)), 1)
    assert found.verdict == "fail"
    assert "x[0]" in found.lines[-1]
    assert "x[1]" in found.lines[-1]
    assert symmetric(run(product), 1) is None


def test_a_second_order_that_is_wrong_on_one_side_only_is_caught():
    def cube(x):
        return x**3

    rule = op_of(cube, lambda g, x: g * np.where(x[0] > 0, 3 * x * x, 3 * x * detached(x)))
    check, text = failing(rule, np.array([1.0, -2.0]), order=2)
    assert check == "G20"
    assert "at -x" in text


def test_the_check_takes_few_evaluations():
    first = at.gradcheck(np.tanh, X)
    second = at.gradcheck(np.tanh, X, order=2)
    assert first.evaluations <= 400
    assert second.evaluations <= 1000


def test_a_wider_or_narrower_step_may_be_asked_for():
    assert at.gradcheck(np.tanh, X, eps=1e-3)
    assert at.gradcheck(np.tanh, X, eps=1e-6)


# -- What seems wrong and is not -----------------------------------------------------------------


def raised_by(error):
    def picky(x):
        if np.max(x.numpy()) > 1:
            raise error
        return np.sin(x)

    return picky


ALL_RIGHT = {
    "below the smallest normal number": (lambda x: x * x, np.array([3e-162])),
    "the smallest numbers": (lambda x: 2.0 * x, np.array([5e-324, 1e-310])),
    "underflow in float32": (lambda x: x * x, np.array([1e-25], np.float32)),
    "0 among the large": (np.tanh, np.array([0.0, 1e100, -1e100])),
    "fast at 0 among the large": (
        lambda x: np.sin(1e3 * x[0]) + x[1] * x[2],
        np.array([0.0, 1e6, 1e6]),
    ),
    "fast at 0": (lambda x: np.sin(1e200 * x), np.zeros(2)),
    "as fast as the steps": (lambda x: x + np.sin(np.pi * 2**20 * x) / 100, np.array([1.0])),
    "float32 inside": (
        lambda x: np.sin(x.astype(np.float32)).astype(float) * x,
        np.array([0.126, -0.132, 0.64]),
    ),
    "stairs, at the edge of one": (lambda x: x + np.floor(1000 * x), np.array([0.962, 0.1237])),
    "1 - out * out in float32": (np.tanh, np.array([3.0, 8.0, 10.0], np.float32)),
    "softmax - 1 in float32": (
        lambda z: at.nn.logsumexp(z) - z[0],
        np.array([12.0, 0.0, -1.0], np.float32),
    ),
    "two singular points at once": (
        lambda x: np.sqrt(1 - x) + np.sqrt(1 + x),
        np.array([1 - 1e-13, -1 + 1e-13, 0.3]),
    ),
    "refusal by an assertion": (raised_by(AssertionError("no")), np.array([0.3, 1.0])),
    "refusal by a lookup": (raised_by(KeyError("no")), np.array([0.3, 0.999])),
    "another shape close by": (lambda x: x[x.numpy() < 1.0001], np.array([1.0, 0.5])),
}


@pytest.mark.parametrize("name", ALL_RIGHT)
def test_what_only_seems_wrong_passes(name):
    function, x = ALL_RIGHT[name]
    assert at.gradcheck(function, x)


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: (x.astype(np.float32), x * 2), np.array([0.125, -0.13, 0.64])),
        (lambda x: x[:0], np.array([1.0, 2.0])),
    ],
)
def test_what_only_seems_wrong_passes_at_order_2(function, x):
    assert at.gradcheck(function, x, order=2)


def test_a_rule_may_have_noise_where_large_terms_cancel():
    inverse = at.custom_op(x=lambda g, out: -out.T @ g @ out.T)(lambda x: np.linalg.inv(x))

    def determinant(x):
        return np.linalg.det(x)

    op = op_of(determinant, lambda g, x, out: g * out * inverse(x).T)
    assert at.gradcheck(op, np.array([[1.0, 2.0], [2.0, 4.001]]), order=2)


def test_what_overflows_float64_is_unclear():
    with np.errstate(all="ignore"):
        report = at.gradcheck(np.log, np.array([np.longdouble("1e-1000")]), raise_exception=False)
    assert report.verdict == "inconclusive"


def test_rounding_to_float16_is_not_excused_in_float32():
    def rounded(g, out):
        return (g * (1 - out * out)).astype(np.float16).astype(g.dtype)

    rule = op_of(lambda x: np.tanh(x), rounded)
    assert failing(rule, np.array([0.5, -1.0], np.float32))[0] in ("G15", "G11")


def test_a_rule_of_the_size_of_g_is_seen_where_the_gradient_is_zero():
    def lower(x):
        return np.minimum(x, 1.0)

    rule = op_of(lower, lambda g, x: np.where(x < 1, np.abs(g), 0.0))
    assert failing(rule, np.array([1.5, 1.2]))[0] == "G17"


def test_many_ties_have_shares_that_add_up():
    def largest(x):
        return np.max(x)

    def share(factor):
        return op_of(largest, lambda g, x, out: factor * g * (x == out) / np.sum(x == out))

    assert at.gradcheck(share(1.0), np.ones(4000))
    check, text = failing(share(0.9), np.ones(4000))
    assert check == "G16"
    assert "4000 kinks" in text


def test_the_slopes_of_a_single_kink_have_no_margin():
    def size(x):
        return np.abs(x)

    rule = op_of(size, lambda g, x: g * np.where(x == 0, 1.0001, np.sign(x)))
    assert failing(rule, np.array([0.0, 1.0]))[0] == "G16"


def test_a_singularity_close_by_does_not_blur_what_the_entries_say():
    def slope(g, x):
        return -g / np.sqrt((1 - x) * (1 + x))

    arccos = at.custom_op(x=slope)(lambda x: np.arccos(x))
    x = np.array([0.9999999999999, -0.9999999999999, 0.3])
    for seed in range(5):
        report = at.gradcheck(arccos, x, seed=seed, raise_exception=False)
        assert report.verdict != "fail", report
