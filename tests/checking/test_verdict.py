"""The verdict on entries, and the diagnosis where one fits."""

import numpy as np

from autotensor.checking.ladder import Estimate
from autotensor.checking.layout import Layout
from autotensor.checking.verdict import compare, diagnose

RNG = np.random.default_rng(0)


def verdict(rule, value, error=0.0, spread=0.0, telling=True, rtol=1e-6):
    """``"wrong"``, ``"unclear"`` or ``"right"`` for one entry."""
    arrays = [np.array([[float(a)]]) for a in (rule, value, error, spread, 0.0, 0.0)]
    found = compare(arrays[0], Estimate(*arrays[1:]), np.array([[telling]]), 0.0, rtol)
    return "wrong" if found.wrong.all() else "unclear" if found.unclear.all() else "right"


def test_an_entry_is_wrong_beyond_the_tolerance_and_four_error_bars():
    assert verdict(1.0, 1 + 0.9e-6) == "right"
    assert verdict(1.0, 1 + 1.1e-6) == "wrong"
    assert verdict(1.0, 1.39, error=0.1, rtol=0) == "right"
    assert verdict(1.0, 1.41, error=0.1, rtol=0) == "wrong"


def test_the_tolerance_is_relative_at_any_size():
    assert verdict(0.0, 1e-200) == "wrong"
    assert verdict(1e-200 * (1 + 1e-7), 1e-200) == "right"


def test_inside_the_spread_of_a_kink_all_is_right():
    assert verdict(0.3, 0.5, spread=0.5) == "right"
    assert verdict(1.01, 0.5, spread=0.5) == "wrong"


def test_an_error_bar_too_large_to_tell_is_unclear():
    assert verdict(1.0, 0.5, error=1.0, telling=False) == "unclear"
    assert verdict(100.0, 0.5, error=1.0, telling=False) == "wrong"
    assert verdict(1.0, 0.0, error=np.inf, telling=False) == "unclear"


def test_what_is_not_finite_is_wrong_where_the_reference_is_sure():
    assert verdict(np.inf, 1.0) == "wrong"
    assert verdict(np.nan, 1.0) == "wrong"
    assert verdict(np.inf, 0.0, error=np.inf) == "unclear"


def causes(rule, value, inputs, outputs):
    """The lines of the diagnosis."""
    zero = np.zeros_like(value)
    found = compare(rule, Estimate(value, zero, zero, zero, zero), zero == 0, 0.0, 1e-6)
    return diagnose(found, Layout(inputs, [f"x{i}" for i in range(len(inputs))]), Layout(outputs))


def test_one_input_coordinate_is_named():
    value = RNG.normal(size=(4, 3))
    rule = value.copy()
    rule[2] = RNG.normal(size=3)
    lines = causes(rule, value, [np.zeros((2, 2))], [np.zeros(3)])
    assert lines == [
        "3 of 12 entries disagree: all with respect to x0[1, 0]; the 9 others agree to 1e-16"
    ]


def test_one_output_is_named():
    value = RNG.normal(size=(4, 3))
    rule = value.copy()
    rule[:, 1] *= -1
    lines = causes(rule, value, [np.zeros(4)], [np.zeros(3)])
    assert lines[0].startswith("4 of 12 entries disagree: all of x[1]")
    assert lines[1] == "the sign is wrong"


def test_factor_zero_and_transposes():
    value = RNG.normal(size=(4, 4))
    point, out = [np.zeros((2, 2))], [np.zeros(4)]
    assert causes(1.5 * value, value, point, out)[1] == "the rule is 1.5 times the derivative there"
    assert causes(0 * value, value, point, out)[1] == "the rule gives 0 for all of x0"
    assert (
        causes(value.T, value, point, out)[1]
        == "the rule is right for the transpose of the Jacobian"
    )
    swapped = value[[0, 2, 1, 3]]
    assert causes(swapped, value, point, out)[1] == "the gradient of x0 is transposed"


def test_no_cause_is_better_than_a_wrong_one():
    value = RNG.normal(size=(4, 4))
    lines = causes(RNG.normal(size=(4, 4)), value, [np.zeros((2, 2))], [np.zeros(4)])
    assert lines == ["16 of 16 entries disagree"]
