"""What users pass to `gradcheck`: arguments by position and name, options, and clear errors."""

import functools
import re

import numpy as np
import pytest

import autotensor as at
from autotensor.checking import check, checks
from autotensor.checking.arguments import Arguments
from autotensor.checking.domains import NAMES

X = np.array([0.5, -1.0, 2.0])


def product(x, y, n=2):
    return x * y * n


def loss(params, x):
    return np.sum(np.tanh(params["w"] * x) + params["b"])


PARAMS = {"w": X, "b": X[0:1]}


@pytest.mark.parametrize(
    ("wrt", "labels"),
    [
        (None, ["params['w']", "params['b']", "x"]),
        (0, ["params['w']", "params['b']"]),
        (-1, ["x"]),
        ("x", ["x"]),
        ("params", ["params['w']", "params['b']"]),
        ("params['b']", ["params['b']"]),
        (["x", "params['w']"], ["params['w']", "x"]),
        ((1, 0), ["params['w']", "params['b']", "x"]),
    ],
)
def test_wrt_names_arguments_or_arrays(wrt, labels):
    assert Arguments(loss, "loss", [PARAMS, X], wrt).labels == labels
    size = {"params['w']": 3, "params['b']": 1, "x": 3}
    report = at.gradcheck(loss, [PARAMS, X], wrt=wrt)
    assert report.entries == sum(size[label] for label in labels)


@pytest.mark.parametrize("wrt", [3, -4, "z", "n", 2, ["x", "params['c']"], []])
def test_wrt_must_name_something(wrt):
    with pytest.raises(ValueError, match="wrt"):
        at.gradcheck(product, [X, X, 3], wrt=wrt)


def test_what_wrt_could_name_is_listed():
    with pytest.raises(ValueError, match=r"those are: 0 \('x'\), 1 \('y'\)"):
        at.gradcheck(product, [X, X, 3], wrt="z")


@pytest.mark.parametrize(
    ("domain", "each"),
    [
        (None, [None, None, None]),
        ("positive", ["positive"] * 3),
        (abs, [abs] * 3),
        ({"x": "unit"}, [None, None, "unit"]),
        ({"params": "spd", "params['b']": abs}, ["spd", abs, None]),
        (["simplex", None], ["simplex", "simplex", None]),
        ((None, "unit"), [None, None, "unit"]),
    ],
)
def test_domains_are_for_all_or_by_name_or_for_each_argument(domain, each):
    assert Arguments(loss, "loss", [PARAMS, X]).domains(domain) == each


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("negative", f"one of {', '.join(NAMES)}; got 'negative'"),
        ({"z": "unit"}, "domain names 'z', and the arguments are params, x"),
        (["unit"], "domain has 1 items for 2 arguments"),
        (["unit", 3], "domain must be a function or one of"),
    ],
)
def test_a_domain_that_is_none_is_named(domain, message):
    with pytest.raises(ValueError, match=message):
        at.gradcheck(loss, [PARAMS, X], domain=domain)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.array([1, 2]), r"x is int64. Use x.astype\(float\)."),
        (at.tensor([1, 2]), r"x is int64. Use x.astype\(float\)."),
        ([np.array([True])], r"x is bool. Use x.astype\(float\)."),
        ([{"a": np.array([1])}], r"x\['a'\] is int64. Use x\['a'\].astype\(float\)."),
        ([1.0, 2.0], r"Write np.array\(\[1.0, 2.0\]\) for an array"),
        ([[1.0, 2.0]], r"Write np.array\(\[1.0, 2.0\]\) for an array"),
        (3, r"Write np.array\(\[1.0, 2.0\]\) for an array"),
        ([], "give float or complex arrays"),
        (["a", None], "give float or complex arrays"),
        (np.array(["a"]), "give float or complex arrays"),
    ],
)
def test_nothing_to_differentiate_says_what_to_write(inputs, message):
    with pytest.raises(ValueError, match="there is nothing to differentiate") as caught:
        at.gradcheck(lambda x=None, y=None: x, inputs)
    assert re.search(message, str(caught.value))
    assert len(str(caught.value).splitlines()) <= 4


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"order": 0}, ValueError, "order must be 1 or more; got 0"),
        ({"order": 1.5}, ValueError, "order must be 1 or more; got 1.5"),
        ({"seed": None}, ValueError, "seed must be a whole number"),
        ({"seed": -1}, ValueError, "seed must be a whole number"),
        ({"rtol": -1e-3}, ValueError, "rtol must be positive and finite"),
        ({"atol": float("nan")}, ValueError, "atol must be positive and finite"),
        ({"eps": 0}, ValueError, "eps must be positive and finite"),
        ({"eps": "1e-6"}, TypeError, "eps must be a number; got str"),
        ({"names": ["a"]}, ValueError, "names must be 2 strings, one for each argument"),
        ({"skip": ["G99"]}, ValueError, "skip names no check: 'G99'. The checks are G01 "),
        ({"skip": "G00"}, ValueError, "skip names no check: 'G00'"),
        ({"tolerance": 1}, TypeError, "unexpected keyword argument 'tolerance'"),
    ],
)
def test_options_that_make_no_sense_are_named(options, error, message):
    with pytest.raises(error, match=message):
        at.gradcheck(product, [X, X], **options)


def test_a_function_that_is_none_is_named():
    with pytest.raises(TypeError, match="gradcheck needs a function and its inputs; got ndarray"):
        at.gradcheck(X, np.sin)


def test_options_of_numpy_types_are_fine():
    assert at.gradcheck(np.sin, X, order=np.int64(1), seed=np.int32(3), rtol=np.float32(1e-4))


def test_skipped_checks_do_not_run():
    @at.custom_op(x=lambda g: g * 2)
    def same(x):
        return x + 0

    ids = [c.id for c in checks.CHECKS]
    report = at.gradcheck(same, X, skip=set(ids) - {"G01"}, order=2)
    assert report.verdict == "ok"
    assert report.passed == ("G01",)
    assert set(report.skipped) == set(ids) - {"G01"}
    assert set(report.skipped.values()) == {"not wanted"}


def test_skipped_checks_do_not_run_at_the_second_order_either(monkeypatch):
    levels = []
    found = (
        checks.Check("G15", lambda run: levels.append(run.level)),
        checks.Check("G20", checks.next_order),
    )
    monkeypatch.setattr(checks, "CHECKS", found)
    monkeypatch.setattr(check, "CHECKS", found)
    assert at.gradcheck(np.sin, X, order=2)
    assert levels == [1, 2]
    assert at.gradcheck(np.sin, X, order=2, skip="G15").passed == ("G20",)
    assert levels == [1, 2]


def test_inconclusive_raises_only_where_it_is_asked_for():
    assert at.gradcheck(np.sqrt, np.zeros(1)).verdict == "inconclusive"
    with pytest.raises(at.GradcheckError, match="gradcheck INCONCLUSIVE"):
        at.gradcheck(np.sqrt, np.zeros(1), strict=True)
    assert not at.gradcheck(np.sqrt, np.zeros(1), strict=True, raise_exception=False)
    assert at.gradcheck(np.sqrt, np.ones(1), strict=True)


def test_what_can_be_called_can_be_checked():
    class Scale:
        def __call__(self, values):
            return values * 3

        def method(self, values):
            return values**2

    layer = at.nn.Dense(3, 2, rng=np.random.default_rng(0))
    for fn in (Scale(), Scale().method, functools.partial(product, y=2.0), layer, at.nn.relu):
        assert at.gradcheck(fn, X, order=2)
    assert Arguments(Scale(), "f", X).labels == ["values"]
    assert Arguments(functools.partial(product, 2.0), "f", X).labels == ["y"]
    assert Arguments(layer, "f", X).labels == ["x"]


def test_other_arguments_are_passed_on_themselves():
    def function(x, rng, indices, f, text):
        assert rng is given[0]
        assert indices is given[1]
        assert f is np.sin
        assert text == "a"
        return f(x[indices])

    given = [np.random.default_rng(0), np.array([0, 0, 2])]
    assert at.gradcheck(function, [X, *given, np.sin, "a"])


def test_a_number_of_numpy_is_an_array():
    assert at.gradcheck(np.multiply, [np.float64(2.0), np.float32(3.0)], rtol=1e-4).entries == 2
