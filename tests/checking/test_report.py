"""The text of the report: one line when all is well, otherwise all one needs to find the bug."""

import json
import re

import numpy as np
import pytest

import autotensor as at
from autotensor.checking.report import Finding, GradcheckReport, joined

WRONG = """\
gradcheck FAILED: cube  (order 1, float64, 4 entries, # evaluations, # ms, seed 0)
  G15 wrong gradient        d output[1] / d x[1]
        rule        8
        numerical   12                 ± #      ratio 0.666667
        2 of 4 entries disagree: the 2 diagonal ones; the 2 others agree to 1e-16
        the rule is 0.666667 times the derivative there
  passed: #
  reproduce:  at.gradcheck(cube, [np.array([1.0, 2.0])], seed=0)"""


def shown(report):
    """The report without what may differ from one machine to another."""
    text = re.sub(r"\d+ (ms|evaluations)", r"# \1", str(report))
    return re.sub(r"± \de-\d+", "± #", text)


def made(**given):
    """A report with these fields, and dull ones besides."""
    fields = {
        "name": "f",
        "order": 1,
        "dtype": "float64",
        "entries": 4,
        "kinks": 0,
        "evaluations": 9,
        "milliseconds": 2.4,
        "seed": 0,
        "findings": (("G15", Finding("fail", "wrong")),),
        "passed": (),
        "skipped": {},
        "function": np.sin,
        "inputs": [],
        "options": {},
    }
    return GradcheckReport(**fields | given)


def test_a_failing_check_is_explained():
    @at.custom_op(x=lambda g, x: 2 * g * x * x)
    def cube(x):
        return x**3

    report = at.gradcheck(cube, np.array([1.0, 2.0]), raise_exception=False)
    assert re.sub("passed: .*", "passed: #", shown(report)) == WRONG
    assert not report


def test_all_is_well_in_one_line():
    report = at.gradcheck(np.sin, np.array([1.0, 2.0]), order=2, seed=3)
    assert re.fullmatch(
        r"gradcheck ok: sin  \(order 2, float64, 4 entries, \d+ evaluations, \d+ ms, seed 3\)",
        str(report),
    )
    assert repr(report) == str(report) == report.headline
    assert report.verdict == "ok"
    assert report.findings == ()
    assert {"G01", "G15", "G20"} <= set(report.passed)


def test_kinks_are_counted():
    report = at.gradcheck(np.abs, np.array([0.0, 1.0, 0.0]))
    assert "2 kinks" in str(report)


def test_an_inconclusive_check_says_so():
    text = str(at.gradcheck(np.sqrt, np.array([0.0])))
    assert text.startswith("gradcheck INCONCLUSIVE: sqrt")
    assert "numerical   unknown" in text
    assert "G20 (order 1 only)" in text


@pytest.mark.parametrize(
    ("ids", "kinks", "text"),
    [
        ([], 0, "passed: none"),
        (["G01"], 0, "passed: G01"),
        (["G01", "G02", "G04", "G03", "G07"], 0, "passed: G01-G04, G07"),
        (["G15", "G16", "G17"], 0, "passed: G15, G16 (0 kinks), G17"),
        (["G14", "G15", "G16"], 1, "passed: G14-G15, G16 (1 kink)"),
        (["G16"], 1200, "passed: G16 (1,200 kinks)"),
    ],
)
def test_ids_that_passed_are_drawn_together(ids, kinks, text):
    assert text in str(made(passed=tuple(ids), kinks=kinks)).splitlines()[2]


def test_what_was_skipped_has_its_reason():
    text = str(made(skipped={"G18": "not wanted", "G20": "order 1 only", "G19": "not wanted"}))
    assert "  skipped: G18-G19 (not wanted), G20 (order 1 only)\n" in text


def test_the_report_is_plain_data_too():
    data = json.loads(json.dumps(made(passed=("G01",), skipped={"G20": "order 1 only"}).to_dict()))
    assert data["verdict"] == "fail"
    assert data["findings"] == [{"check": "G15", "verdict": "fail", "title": "wrong", "lines": []}]
    assert data["passed"] == ["G01"]
    assert data["skipped"] == {"G20": "order 1 only"}
    assert data["reproduce"] == "at.gradcheck(np.sin, [])"


def test_values_are_joined_once_each():
    assert joined([np.dtype(float), np.dtype(int), np.dtype(float)]) == "float64, int64"


def again(report, **names):
    """The run that the last line of a report describes."""
    assert "\n              " not in str(report)
    line = str(report).rpartition("reproduce:  ")[2]
    return eval(f"{line[:-1]}, raise_exception=False)", {"at": at, "np": np, **names})


def test_a_run_is_reproduced_by_the_line_of_the_report():
    @at.custom_op(x=lambda g, x, y: 3 * g * y, y=lambda g, x: g * x)
    def product(x, y):
        return x * y

    inputs = [np.array([0.1, 1 / 3], np.float32), np.array(2 + 1j)]
    report = at.gradcheck(product, inputs, order=2, wrt=["x"], seed=4, raise_exception=False)
    assert "order=2, wrt=['x'], seed=4" in report.reproduce
    assert shown(again(report, product=product)) == shown(report)


def test_a_run_is_reproduced_with_every_option():
    @at.custom_op(a=lambda g, a: g)
    def shifted(a, n=None, *, words=()):
        return a * 2

    options = {"rtol": 1e-3, "atol": 1e-9, "names": ["first", "n"], "skip": ["G21"], "seed": 1}
    inputs = [np.linspace(0.5, 1, 3), slice(None, 2)]
    report = at.gradcheck(shifted, inputs, raise_exception=False, strict=True, **options)
    repeated = again(report, shifted=shifted)
    assert repeated.options == report.options == {**options, "strict": True}
    assert shown(repeated) == shown(report)


def test_what_is_too_long_to_write_out_is_kept_on_the_report():
    @at.custom_op(x=lambda g, x: g)
    def square(x):
        return x * x

    x = np.linspace(1.0, 2.0, 100)
    report = at.gradcheck(square, [{"x": x}["x"]], raise_exception=False)
    x[:] = 0  # the report has a copy
    assert "at.gradcheck(square, [report.inputs[0]], seed=0)\n" in str(report)
    assert str(report).endswith("  .inputs[0], float64 (100,)")
    names = {"at": at, "np": np, "square": square, "report": report}
    repeated = eval(f"{report.reproduce[:-1]}, raise_exception=False)", names)
    assert shown(repeated) == shown(report)


def test_a_layer_is_kept_on_the_report():
    report = at.gradcheck(at.nn.Relu(), np.array([1.0]))
    assert report.name == "Relu"
    assert report.reproduce.startswith("at.gradcheck(report.function, ")
    assert "  .function, f" in str(made(function=at.nn.Relu()))


def test_complex_inputs_have_their_convention_said():
    square = at.custom_op(z=lambda g, z: 2 * g * z)(lambda z: z * z)
    report = at.gradcheck(square, np.array([1 + 2j]), raise_exception=False)
    assert "g * conj(f'(x))" in str(report)
    assert "conj" not in str(at.gradcheck(np.square, np.array([1 + 2j])))
