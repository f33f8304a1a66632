"""``op.check``: gradcheck of an op at the arguments of a call."""

import subprocess
import sys

import numpy as np
import pytest

import autotensor as at

X = np.array([0.3, 0.8, 1.5])


@at.custom_op(x=lambda g, y: g * y, y=lambda g, x: g * x * 1.01)
def half_wrong(x, y, n=1):
    return x * y


@at.custom_op(x=lambda g, order: g * order)
def times(x, order):
    return x * order


def test_both_orders_and_both_modes():
    report = at.nn.sigmoid.check(X)
    assert report.verdict == "ok"
    assert report.order == 2
    assert {"G15", "G20", "G21"} <= {*report.passed}
    assert report.name == "sigmoid"


def test_a_wrong_rule_raises_and_names_the_argument():
    for call in (
        lambda **o: half_wrong.check(X, X, **o),
        lambda **o: half_wrong.check(X, y=X, **o),
    ):
        with pytest.raises(at.GradcheckError, match=r"/ d y\[2\]"):
            call()
        assert call(raise_exception=False).verdict == "fail"


def test_options_of_the_check_and_arguments_of_the_op():
    assert at.nn.softmax.check(np.ones((2, 3)), axis=0, order=1, seed=3).order == 1
    assert times.check(X, order=3).order == 2


def test_numbers_tensors_and_what_has_no_rule():
    assert half_wrong.check(2.0, 3, raise_exception=False).verdict == "ok"
    assert half_wrong.check(2.0, 3.0, raise_exception=False).verdict == "fail"
    assert at.nn.relu.check(at.tensor(X, requires_grad=True))
    assert times.check(X, np.full(3, 2.0))
    with pytest.raises(ValueError, match=r"nothing to check in this call of times.* for x, such"):
        times.check(1, 2)


def test_sequences():
    from autotensor.engine.primitive import op_of

    assert op_of(np.concatenate).check([X, X + 1])
    assert op_of(np.concatenate).check((X[None], np.ones((2, 3))), axis=0)


def test_it_is_loaded_when_it_is_called():
    code = (
        "import sys, autotensor as at\n"
        "assert 'autotensor.checking' not in sys.modules\n"
        "at.nn.relu.check(1.5)\n"
        "assert 'autotensor.checking' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
