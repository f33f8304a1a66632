"""What a check must find in values and gradients that come back wrong (G01, G04 to G07)."""

import numpy as np
import pytest

import autotensor as at
from autotensor.checking.checks import execute
from autotensor.checking.problem import Problem
from autotensor.checking.run import Run
from tests.checking.structural import failing, found, sine

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))


def test_a_value_that_is_not_finite_stops_the_run():
    report = at.gradcheck(lambda x, y: (x * y, np.log(x)), [np.array([1.0, -1.0]), np.ones(2)])
    assert report.verdict == "inconclusive"
    assert [check for check, _ in report.findings] == ["G01"]
    assert "output1[1] is nan" in str(report)
    assert report.passed == ()


def test_a_rule_that_returns_nothing_is_named():
    check, text = failing(sine(lambda g, x: None), X)
    assert check == "G04"
    assert "the rule of sine for 'x'" in text


def test_a_rule_that_raises_is_named():
    check, text = failing(sine(lambda g, x: g * x.nonsense), X)
    assert check == "G04"
    assert "in the rule of sine for 'x'" in text
    assert "AttributeError" in text


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: np.sin(x) + y.detach(),
        lambda x, y: np.sin(x) * y.numpy(),
        lambda x, y: np.sin(x) + float(y.detach().sum()),
    ],
)
def test_an_input_that_is_cut_off_is_named(function):
    check, text = failing(function, [X[0], X[1]])
    assert check == "G04"
    assert "no gradient reaches y" in text


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: np.sin(x),
        lambda x, y: np.sin(x) + np.floor(y),
        lambda x, y: np.sin(x) + np.sign(y),
        lambda x, y: np.sin(x) * (y > 0),
        lambda x, y: x[np.argsort(y)],
        lambda x, y: np.sin(x) + 0 * y.detach(),
    ],
)
def test_inputs_of_which_f_is_constant_in_steps_need_no_gradient(function):
    assert at.gradcheck(function, [X[0], X[1]])


def test_a_broadcast_that_was_not_summed_says_over_which_axes():
    @at.custom_op(x=lambda g, y: g * y, b=lambda g, x, y: g)
    def affine(x, y, b):
        return x * y + b

    check, text = failing(affine, [X, X + 1, X[:1]], wrt=[0, 2])
    assert check == "G05"
    assert "sum over axes (0,)" in text


def test_a_shape_too_large_for_an_op_that_broadcasts_is_caught():
    def sine(x):
        return np.sin(x)

    op = at.custom_op(x=lambda g, x: np.stack([g, g]) * np.cos(x), broadcasts=True, name="sine")
    check, _ = failing(op(sine), X)
    assert check == "G15"  # a broadcast sums: only numbers can tell


class Unusual(np.ndarray):
    pass


WRONG_TYPES = {
    "float32": lambda g, x: (g * np.cos(x)).astype(np.float32),
    "float16": lambda g, x: (g * np.cos(x)).astype(np.float16),
    "matrix": lambda g, x: np.asmatrix(g * np.cos(x)),
    "masked": lambda g, x: np.ma.masked_array(g * np.cos(x), x > 10),
    "subclass": lambda g, x: (g * np.cos(x)).view(Unusual),
    "object": lambda g, x: (g * np.cos(x)).astype(object),
    "list": lambda g, x: (g * np.cos(x)).tolist(),
    "tensor": lambda g, x: at.tensor(g * np.cos(x)),
    "integers": lambda g, x: np.rint(1e6 * g * np.cos(x)).astype(int),
    "complex": lambda g, x: g * np.exp(1j * x) * 1j,
    "text": lambda g, x: (g * np.cos(x)).astype(str),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("name", WRONG_TYPES)
def test_gradients_of_the_wrong_type_are_caught(name):
    check, text = failing(sine(WRONG_TYPES[name]), X)
    assert check == "G06"
    assert "the rule of sine for 'x'" in text


def test_a_loss_of_precision_inside_a_longer_function_is_caught():
    op = sine(WRONG_TYPES["float32"])
    check, text = failing(lambda x: np.sum(np.exp(op(2 * x)) * x), X)
    assert check == "G06"
    assert "returned float32, which holds 6 digits" in text


def test_digits_that_the_tolerance_misses_are_left_to_the_checks_of_numbers():
    rule = sine(lambda g, x: g * np.cos(x) * np.float16(1.1) / 1.1)
    assert failing(rule, X)[0] == "G15"


WEIGHTS = RNG.normal(size=(4, 2)).astype(np.float32)

LOST_DIGITS = {
    "a constant": lambda g, x: g * np.cos(x) * np.float32(1.1) / 1.1,
    "a constant array": lambda g, x: g * np.cos(x) * np.full(4, 1.1, np.float32) / 1.1,
    "a cast of x": lambda g, x: g * np.cos(x.astype(np.float32)),
    "a cast of g and back": lambda g, x: g.astype(np.float32).astype(float) * np.cos(x),
    "a cosine in float32": lambda g, x: g * np.cos(np.asarray(x, np.float32)),
    "a branch": lambda g, x: g * np.where(x > 0, np.cos(x), np.cos(x.astype(np.float32))),
}


@pytest.mark.parametrize("name", LOST_DIGITS)
def test_constants_of_lower_precision_are_caught(name):
    check, text = failing(sine(LOST_DIGITS[name]), X)
    assert check == "G06"
    assert "the rule of sine for 'x' computes with float32 numbers" in text
    assert at.gradcheck(sine(LOST_DIGITS[name]), X, rtol=1e-5)


@at.custom_op(x=lambda g: g @ WEIGHTS.T)
def weighted(x):
    return x @ WEIGHTS


def saturated(partial):
    @at.custom_op(x=partial)
    def tanh(x):
        return np.tanh(x)

    return tanh


COST_NOTHING = {
    "weights that f has too": (weighted, X),
    "a constant that float32 holds": (sine(lambda g, x: g * np.cos(x) * np.float32(1)), X),
    "a mask": (sine(lambda g, x: g * np.cos(x) * (x < 9).astype(np.float32)), X),
    "a comparison": (sine(lambda g, x: g * np.where(x < np.float32(9.1), np.cos(x), 0)), X),
    "rounding of its own": (
        saturated(lambda g, out: g * np.float32(1) * (1 - out * out)),
        np.array([15.0, 12.0, -18.0]),
    ),
    "a large value": (
        saturated(lambda g, out: g * np.float32(1) * (1 - out * out)),
        np.array([15.0, 0.1, -18.0]),
    ),
}


@pytest.mark.parametrize("name", COST_NOTHING)
def test_numbers_of_lower_precision_that_cost_nothing_are_right(name):
    function, inputs = COST_NOTHING[name]
    # Two of them are wrong beyond 9: G17 sees that, at 40 x.
    assert at.gradcheck(function, inputs, skip="G17").verdict != "fail"


def rounded(x):
    return (x.astype(np.float32) * np.float32(1.1)).astype(x.dtype)


@at.custom_op(x=lambda g: g.astype(np.float32) * np.float32(1.1))
def in_float32(x):
    return rounded(x)


@at.custom_op(x=lambda g: (1 + 2j) * g)
def real_part_of_a_product(x):
    return ((1 + 5j) * x).real


RIGHT_TYPES = {
    "float64 for float32": (sine(lambda g, x: g * np.cos(x).astype(float)), X.astype(np.float32)),
    "longdouble for float64": (sine(lambda g, x: g * np.cos(x).astype(np.longdouble)), X),
    "zeros of integers": (lambda x: floor(x) + x, X),
    "a Python float": (sine(lambda g, x: float(g * np.cos(x))), np.array(0.5)),
    "a cast of the value": (lambda x: np.sin(x).astype(np.float32).astype(float), X),
    "an op that computes in float32": (in_float32, X),
    "a real part that is right": (real_part_of_a_product, X),
    "complex with no imaginary part": (sine(lambda g, x: g * np.cos(x) + 0j), X),
    "real for complex": (lambda z: np.real(z) + np.imag(z), X + 1j * X[::-1]),
    "complex weights": (lambda x: np.abs(np.exp(1j * x) + x), X),
    "the imaginary part of what is real": (np.imag, X),
    "a mask": (sine(lambda g, x: np.where(x < 99, g * np.cos(x), 0)), X),
}


@at.custom_op(x=lambda g, x: np.zeros(x.shape, int))
def floor(x):
    return np.floor(x)


@pytest.mark.parametrize("name", RIGHT_TYPES)
def test_gradients_of_other_types_that_lose_nothing_are_right(name):
    function, inputs = RIGHT_TYPES[name]
    report = at.gradcheck(function, inputs)
    assert report.verdict != "fail"
    assert not report.findings or name == "an op that computes in float32"


def test_a_gradient_that_is_not_a_number_names_the_entry():
    x = np.array([1.0, 0.0, 2.0])
    check, text = failing(sine(lambda g, x: g * np.cos(x) * (x / x)), x)
    assert check == "G07"
    assert "at x[1] = 0" in text


def test_checks_can_be_left_out():
    run = Run(Problem("sine", sine(lambda g, x: 0.5 * g), [X], ["x"]), 1, None, None, 0)
    run.skip = frozenset({"G14", "G15", "G17"})
    _, passed, skipped = execute(run)
    assert {"G14", "G15"} <= set(skipped)
    assert {"G01", "G13", "G18"} <= set(passed)


def test_without_a_gradient_and_the_check_that_says_so_no_numbers_are_compared():
    run = Run(Problem("sine", sine(lambda g, x: None), [X], ["x"]), 1, None, None, 0)
    run.skip = frozenset({"G04"})
    findings, _, skipped = execute(run)
    assert findings == []
    assert {"G04", "G14", "G15", "G20"} <= set(skipped)


def test_every_finding_is_short():
    for rule in WRONG_TYPES.values():
        assert len(found(sine(rule), X)[1].lines) <= 3
