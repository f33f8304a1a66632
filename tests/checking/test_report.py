"""The text of the report: one line when all is well, otherwise all one needs to find the bug."""

import re

import numpy as np
import pytest

import autotensor as at
from autotensor.checking.report import source_of

WRONG = """\
gradcheck FAILED: cube  (order 1, float64, 4 entries, # evaluations, # ms, seed 0)
  G15 wrong gradient        d output[1] / d x[1]
        rule        8
        numerical   12                 ± #      ratio 0.666667
        2 of 4 entries disagree: the 2 diagonal ones; the 2 others agree to 1e-16
        the rule is 0.666667 times the derivative there
  passed: G01 G04 G05 G07 G11
  reproduce:  at.gradcheck(cube, [np.array([1.0, 2.0])], seed=0)"""


def shown(report):
    """The report without what may differ from one machine to another."""
    text = re.sub(r"\d+ (ms|evaluations)", r"# \1", str(report))
    return re.sub(r"± \de-\d+", "± #", text)


def test_a_failing_check_is_explained():
    @at.custom_op(x=lambda g, x: 2 * g * x * x)
    def cube(x):
        return x**3

    report = at.gradcheck(cube, np.array([1.0, 2.0]), raise_exception=False)
    assert shown(report) == WRONG
    assert not report


def test_all_is_well_in_one_line():
    report = at.gradcheck(np.sin, np.array([1.0, 2.0]), order=2, seed=3)
    assert re.fullmatch(
        r"gradcheck ok: sin  \(order 2, float64, 4 entries, \d+ evaluations, \d+ ms, seed 3\)",
        str(report),
    )
    assert report.verdict == "ok"
    assert report.findings == ()
    assert report.passed[-6:] == ("G15", "G16", "G14", "G17", "G21", "G20")


def test_kinks_are_counted():
    report = at.gradcheck(np.abs, np.array([0.0, 1.0, 0.0]))
    assert "2 kinks" in str(report)


def test_an_inconclusive_check_says_so():
    text = str(at.gradcheck(np.sqrt, np.array([0.0])))
    assert text.startswith("gradcheck INCONCLUSIVE: sqrt")
    assert "numerical   unknown" in text
    assert "skipped: G17 G20" in text


def test_the_run_can_be_repeated_from_the_report():
    @at.custom_op(x=lambda g, x, y: 3 * g * y, y=lambda g, x: g * x)
    def product(x, y):
        return x * y

    inputs = [np.array([0.1, 1 / 3], np.float32), np.array(2 + 1j)]
    report = at.gradcheck(product, inputs, order=2, wrt=[0], raise_exception=False)
    again = eval(
        f"{report.reproduce[:-1]}, raise_exception=False)", {"at": at, "np": np, "product": product}
    )
    assert shown(again) == shown(report)


@pytest.mark.parametrize(
    ("value", "source"),
    [
        (np.array([1.0, 0.1]), "np.array([1.0, 0.1])"),
        (np.array([1.5], np.float32), "np.array([1.5], np.float32)"),
        (np.array(2j), "np.array(2j)"),
        (np.zeros((0, 2)), "np.zeros((0, 2))"),
        (np.zeros((30, 2)), "<float64 array of shape (30, 2)>"),
        (np.array([np.nan]), "<float64 array of shape (1,)>"),
        ([np.array([1]), "a", None, (2.5,)], "[np.array([1]), 'a', None, [2.5]]"),
    ],
)
def test_arguments_as_source(value, source):
    assert source_of(value) == source
