"""What of a gradient may be rounding: right rules whose terms cancel, and wrong ones that hide."""

import warnings

import numpy as np
import pytest

import autotensor as at
from autotensor.checking.problem import Problem
from autotensor.checking.rounding import grain, unsteadiness
from autotensor.checking.run import Run

X = np.array([0.125, -0.7, 0.64, 1.3])


def run_of(function, *arrays):
    return Run(Problem("f", function, list(arrays), ["x", "y"][: len(arrays)]), 1, None, None, 0)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sin(x) ** 2 + np.cos(x) ** 2,
        lambda x: np.log(np.exp(x)) - x,
        lambda x: np.tan(x) - np.sin(x) / np.cos(x),
        lambda x: np.sum(at.nn.softmax(x)),
        lambda x: at.nn.logsumexp(np.concatenate([x[:1] + 25, x])) - x[0] - 25,
    ],
)
def test_gradients_that_cancel_are_not_called_nonlinear(function):
    report = at.gradcheck(function, X, raise_exception=False)
    assert report.verdict != "fail", report


def test_rounding_is_as_large_as_what_cancels():
    run = run_of(lambda x: 1e8 * x - (1e8 - 1) * x, X)
    assert np.all(unsteadiness(run, run.cotangents[0]) > 1e-9)
    run = run_of(np.tanh, X)
    assert np.all(unsteadiness(run, run.cotangents[0]) < 1e-12)


def test_a_rule_that_changes_with_each_walk_is_not_excused():
    walks = []

    def rule(g, x):
        walks.append(1)
        return g * np.cos(x) * (1 + 1e-6 * len(walks))

    sine = at.custom_op(x=rule)(lambda x: np.sin(x))
    run = run_of(sine, X)
    assert np.all(unsteadiness(run, run.cotangents[0]) < 1e-10)


def test_the_grain_is_that_of_the_coarsest_array_on_the_way():
    run = run_of(lambda x: (x.astype(np.float16) ** 2).astype(float), X)
    assert grain(run)[0] == np.finfo(np.float16).eps
    assert grain(run_of(np.exp, X)) == (np.finfo(float).eps, 5e-324)


@pytest.mark.parametrize(("f", "x"), [(np.exp, np.array([-740.0])), (np.exp, np.float32([-100.0]))])
def test_steps_of_the_smallest_number_are_not_called_nonlinear(f, x):
    report = at.gradcheck(f, x, raise_exception=False)
    assert "G11" in str(report.passed)


def test_a_sum_of_cotangents_that_overflows_is_not_called_nonlinear():
    report = at.gradcheck(lambda x: x * x, np.float32([1.0, 1.6e38]), raise_exception=False)
    assert report.verdict != "fail", report


def test_points_out_of_the_domain_warn_nobody():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert at.gradcheck(np.log, np.array([1e-307, 1.0]), raise_exception=False)
        assert at.gradcheck(lambda x: x.var(ddof=1), X)
