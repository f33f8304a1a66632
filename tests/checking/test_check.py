"""`gradcheck` as it is called: right rules pass, however awkward; inputs, options and errors."""

import numpy as np
import pytest

import autotensor as at

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4))


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def logsumexp(x):
    m = np.max(x)
    return m + np.log(np.sum(np.exp(x - m)))


ORDINARY = {
    "tanh": (np.tanh, X),
    "matmul": (np.matmul, [X, RNG.normal(size=(4, 2))]),
    "matmul, float32": (
        np.matmul,
        [RNG.normal(size=(4, 40)).astype(np.float32), RNG.normal(size=(40, 30)).astype(np.float32)],
    ),
    "broadcasting": (lambda x, y: x * y + y, [X, X[0]]),
    "softmax": (softmax, 3 * X[0]),
    "softmax, float32": (softmax, 5 * X.ravel().astype(np.float32)),
    "several outputs": (lambda x: (np.sum(x), x * x), X),
    "complex": (lambda z: np.exp(z) * z, X[0] + 1j * X[1]),
    "complex64": (lambda z: np.exp(z) * z, (X[0] + 1j * X[1]).astype(np.complex64)),
    "complex to real": (np.abs, X[0] + 1j * X[1]),
    "float16": (np.exp, X.astype(np.float16)),
    "longdouble": (np.exp, X.astype(np.longdouble)),
    "0-d": (lambda x, y: x * np.sin(y), [np.array(0.5), np.array(2.0)]),
    "empty": (np.exp, np.zeros((0, 3))),
    "independent of an input": (lambda x, y: np.sin(x), [X[0], X[1]]),
    "many entries": (lambda x: np.tanh(x) * x, RNG.normal(size=2000)),
}

AWKWARD = {
    "log at 1e-7": (np.log, np.array([1e-7, 1e-12, 3.0])),
    "square at 1e11": (np.square, np.array([1e11, 1e-9])),
    "sin(1e5 x)": (lambda x: np.sin(1e5 * x), np.array([1.0, 2.3, 0.7])),
    "sqrt near 0": (np.sqrt, np.array([1e-12, 1e-100, 0.5])),
    "exp near overflow": (np.exp, np.array([700.0, -700.0, 0.0])),
    "tanh saturated": (np.tanh, np.array([15.0, 30.0, -18.0])),
    "logsumexp of large numbers": (logsumexp, np.array([1000.0, 999.0, -1000.0])),
    "variance far from 0": (np.var, 1e6 + X[0]),
    "variance far from 0, float32": (np.var, (100 + X[0]).astype(np.float32)),
    "norm of tiny entries": (lambda x: np.sqrt(np.sum(x * x)), 1e-8 * X[0]),
    "mixed scales": (lambda x: x * x[::-1], np.array([1e-8, 1.0, 1e8])),
    "rounding noise among the entries": (
        lambda x: np.sum(np.cos(x) * np.arange(5)),
        np.cos(np.linspace(0, np.pi, 5)),
    ),
    "a sum where some drown": (np.sum, np.array([1e16, 1.0, 1.0])),
    "zeros": (lambda x: np.sum(np.exp(x) * x), np.zeros(3)),
    "product with a zero": (np.prod, np.array([0.0, 2.0, 3.0])),
    "log1p near 0 and -1": (np.log1p, np.array([1e-20, -1e-20, -0.999999999])),
    "abs at 0": (np.abs, np.array([0.0, 1.0, -2.0])),
    "relu at 0": (at.nn.relu, np.array([0.0, 1.0, -2.0])),
    "abs at 0 only": (np.abs, np.zeros(1)),
    "maximum at a tie": (np.maximum, [np.array([1.0, 2.0]), np.array([1.0, 5.0])]),
    "maximum near a tie": (
        np.maximum,
        [np.array([1.0, 2.0, 3.0]), np.array([1.00001, 2 - 1e-9, 3 + 1e-14])],
    ),
    "max at a tie": (np.max, np.array([1.0, 3.0, 3.0])),
    "clip at its bounds": (lambda x: np.clip(x, -1, 1), np.array([-1.0, 0.3, 1.0, 0.999999])),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_right_rules_pass_at_both_orders(name):
    function, inputs = ORDINARY[name]
    assert at.gradcheck(function, inputs, order=2)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", AWKWARD)
def test_right_rules_pass_where_they_are_awkward_to_check(name, order):
    function, inputs = AWKWARD[name]
    assert at.gradcheck(function, inputs, order=order)


@pytest.mark.parametrize("seed", [33, 60, 111])
def test_sums_that_cancel_keep_the_rounding_of_their_terms(seed):
    # With these seeds a random direction gives a sum far smaller than its 2,000 terms.
    x = np.random.default_rng(seed).normal(size=2000).astype(np.float32)
    assert at.gradcheck(lambda x: x * 0.1, x, seed=seed)


@pytest.mark.parametrize("seed", [1, 11])
def test_entries_that_cancel_keep_the_rounding_of_their_terms(seed):
    # The derivative of exp(x) - 2.718 x near 1 is what is left of two numbers of size 2.7.
    x = np.random.default_rng(seed).uniform(0.5, 1.5, size=6).astype(np.float32)
    assert at.gradcheck(lambda x: np.exp(x) - 2.718 * x, x, order=2, seed=seed)


def test_sums_of_cotangents_that_cancel_keep_their_rounding():
    x = np.array([[1.263, -1.737, -1.362], [-1.112, -1.362, 1.263]], np.float32)
    assert at.gradcheck(np.sum, x, order=2)


def test_second_derivatives_that_cancel_keep_the_rounding_of_their_terms():
    z = np.array([2.263 + 0.2005j, 1.263 - 0.112j, 1.388 - 0.0495j], np.complex64)
    for seed in range(5):
        assert at.gradcheck(np.abs, z, order=2, seed=seed)


def test_kinks_that_are_not_among_the_entries_drawn_do_no_harm():
    assert at.gradcheck(at.nn.relu, np.maximum(RNG.normal(size=2000), 0)).kinks > 0


def test_a_derivative_that_overflows_is_no_failure():
    report = at.gradcheck(np.sqrt, np.array([1e-300, 0.5, 1e300]), order=2)
    assert report.verdict == "inconclusive"
    assert "order 2" in str(report)


def test_third_order():
    assert at.gradcheck(softmax, X[0], order=3)


def test_a_model_passes():
    rng = np.random.default_rng(2)
    x, y = rng.uniform(size=(64, 10)), rng.uniform(size=(64, 2))

    def loss(w, b):
        return np.mean((np.maximum(x @ w.T + b, 0) - y) ** 2)

    assert at.gradcheck(loss, [rng.uniform(size=(2, 10)), np.zeros(2)], order=2)


def test_parameters_outside_the_function_do_no_harm_and_get_no_gradient():
    layer = at.nn.Dense(4, 2, rng=np.random.default_rng(0))
    assert at.gradcheck(layer, X, order=2)
    assert layer.weight.grad is None


def test_the_check_is_cheap():
    report = at.gradcheck(lambda x: np.tanh(x) * np.exp(x), X.ravel()[:10])
    assert report.entries == 100
    assert report.evaluations <= 300


@pytest.mark.parametrize("make", [np.array, at.tensor, lambda x: at.tensor(x, requires_grad=True)])
def test_inputs_may_be_arrays_or_tensors_alone_or_in_a_sequence(make):
    for inputs in (make([0.5, 2.0]), [make([0.5, 2.0])], (make([0.5, 2.0]),)):
        report = at.gradcheck(np.sin, inputs)
        assert report
        assert report.entries == 4


def test_a_number_alone_is_a_point():
    assert at.gradcheck(np.sin, 2.0).entries == 1


def test_other_arguments_are_passed_on():
    def function(x, index, name, scale, options):
        assert type(index) is np.ndarray
        assert type(scale) is float
        assert (name, options) == ("name", None)
        return x[index] * scale

    report = at.gradcheck(function, [X[0], np.array([0, 2, 2]), "name", 2.5, None], order=2)
    assert report.entries == 12


def test_wrt_chooses_the_arguments():
    def function(x, y, z):
        assert isinstance(y, np.ndarray)
        return x * y * z

    assert at.gradcheck(function, [X[0], X[1], X[2]], wrt=[0, 2]).entries == 32
    assert at.gradcheck(np.multiply, [X[0], X[1]], wrt=1).entries == 16


def test_inputs_stay_as_they_are():
    x = X.copy()
    x.setflags(write=False)
    at.gradcheck(np.sin, x, order=2)
    np.testing.assert_array_equal(x, X)


def test_names_come_from_the_function_or_from_the_caller():
    @at.custom_op(a=lambda g, a: -g, b=lambda g: g)
    def both(a, b):
        return a + b

    inputs = [X[0], X[1]]
    assert "d a[" in str(at.gradcheck(both, inputs, raise_exception=False))
    named = at.gradcheck(both, inputs, names=["left", "right"], raise_exception=False)
    assert "d left[" in str(named)


def test_a_wrong_rule_raises_with_the_report():
    @at.custom_op(x=lambda g: 2 * g)
    def same(x):
        return x + 0

    with pytest.raises(at.GradcheckError, match="gradcheck FAILED: same") as caught:
        at.gradcheck(same, X)
    assert isinstance(caught.value, AssertionError)
    assert caught.value.report.verdict == "fail"
    assert str(caught.value) == str(caught.value.report)


def test_tolerances_can_be_widened():
    @at.custom_op(x=lambda g, x: g * np.cos(x) * 1.001)
    def sine(x):
        return np.sin(x)

    assert not at.gradcheck(sine, X, raise_exception=False)
    assert at.gradcheck(sine, X, rtol=0.01)
    assert at.gradcheck(sine, X, atol=0.01)


def test_a_run_is_the_same_each_time():
    x = RNG.normal(size=3)
    first, second = (at.gradcheck(np.tanh, x, seed=7) for _ in range(2))
    assert first.evaluations == second.evaluations
    assert first.seed == 7


@pytest.mark.parametrize("inputs", [np.array([1, 2]), [1.0, 2.0], [], [np.array(["a"])]])
def test_nothing_to_differentiate_is_an_error(inputs):
    with pytest.raises(ValueError, match="nothing to differentiate"):
        at.gradcheck(np.sin, inputs)


def test_wrt_must_name_arrays():
    with pytest.raises(ValueError, match="wrt=1 names an argument that is no float"):
        at.gradcheck(lambda x, n: x * n, [X, 3], wrt=1)


def test_order_must_be_positive():
    with pytest.raises(ValueError, match="order must be 1 or more"):
        at.gradcheck(np.sin, X, order=0)


def test_a_function_without_a_float_result_is_an_error():
    with pytest.raises(ValueError, match="nothing to check"):
        at.gradcheck(np.argmax, X)


def test_a_function_that_returns_no_tensor_is_an_error():
    with pytest.raises(TypeError, match="must return a Tensor"):
        at.gradcheck(lambda x: x.item(), np.array([1.0]))


def test_errors_of_the_function_itself_are_not_findings():
    with pytest.raises(ZeroDivisionError):
        at.gradcheck(lambda x: x / (1 // 0), X)
