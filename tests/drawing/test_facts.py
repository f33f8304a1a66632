"""Values in words, norms, and what `record_values` keeps."""

import math

import numpy as np
import pytest

import autotensor as at
from autotensor.drawing.facts import described, norm


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.float64(2.5), ("2.5", "")),
        (np.float64(math.nan), ("nan", "NaN")),
        (np.array(-math.inf)[()], ("-inf", "-inf")),
        (np.array([1.0, math.nan]), ("[1, nan]", "1 NaN of 2 at [1]")),
        (np.arange(6), ("0 … 2.5 … 5", "")),
        (
            np.array([[1.0, math.nan], [math.inf, 3.0]]),
            ("1 … 2 … 3", "1 NaN and 1 inf of 4 at [0, 1]"),
        ),
        (np.full(9, math.nan), ("nothing finite", "9 NaN of 9 at [0]")),
        (np.ones((3, 3)) * (3 + 4j), ("all abs 5", "")),
        (np.arange(9) > 4, ("0 … 0.4444 … 1", "")),
        (np.full(5, 65504, np.float16), ("all 6.55e+04", "")),
        (
            np.array([60032.0] * 5 + [50016.0], np.float16),
            ("5.002e+04 … 5.836e+04 … 6.003e+04", ""),
        ),
        (np.zeros((0, 2)), ("", "")),
        (np.array(["a"] * 9), ("", "")),
    ],
)
def test_arrays_in_words(array, words):
    assert described(array) == words


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.float32(-3), 3.0),
        (np.array([3.0, 4.0]), 5.0),
        (np.array([3 + 4j]), 5.0),
        (np.array([3e200, 4e200]), 5e200),
        (np.array([3e-200, 4e-200]), 5e-200),
        (np.full(4, 60000, np.float16), 120000.0),
        (np.zeros((0, 2)), 0.0),
        (np.array([math.inf, 1.0]), math.inf),
    ],
)
def test_norms(array, expected):
    assert norm(array) == pytest.approx(expected, rel=1e-6)


def test_recorded_values_and_gradients_are_there_after_backward():
    x = at.tensor([1.0, 2.0], requires_grad=True)
    with at.record_values():
        loss = np.sum(np.exp(x * 2.0))
    loss.backward()
    g = at.graph(loss)
    assert [v.value for v in g.nodes] == ["[1, 2]", "[2, 4]", "[7.389, 54.6]", "61.99"]
    expected = [2 * math.hypot(math.e**2, math.e**4), math.hypot(math.e**2, math.e**4), 2**0.5, 1]
    assert [v.grad for v in g.nodes] == pytest.approx(expected)
    assert g.kept.bytes == 0


def test_recorded_values_do_not_change_by_later_writes():
    x = at.tensor([1.0, 2.0], requires_grad=True)
    with at.record_values():
        y = x * 2.0
    first = y
    z = y * 1.0
    y += 1.0
    y[0] = 9.0
    assert first is y
    assert at.graph(z).nodes[1].value == "[2, 4]"


def test_values_of_several_results_are_recorded_and_differentiated():
    @at.custom_op(vjp=lambda g, x: (g[0] + 2 * g[1],))
    def both(x):
        return x.copy(), 2 * x

    x = at.tensor([1.0, 2.0], requires_grad=True)
    with at.record_values():
        a, b = both(x)
        loss = (a * b).sum()
    loss.backward()
    g = at.graph(loss)
    assert [v.value for v in g.nodes if v.op == "result"] == ["[1, 2]", "[2, 4]"]
    assert all(v.grad is not None for v in g.nodes if v.op == "result")


def test_nothing_is_recorded_outside_of_the_block():
    x = at.tensor([1.0], requires_grad=True)
    with at.record_values():
        y = x * 2.0
    z = y * 2.0
    assert y._node.notes["value"].tolist() == [2.0]
    assert z._node.notes is None


def test_the_first_value_that_is_not_finite():
    x = at.tensor([1.0, 0.0], requires_grad=True)
    with np.errstate(all="ignore"):
        h = np.log(x)
        loss = np.sum(h * 0.0)
    g = at.graph(loss)
    assert g.nodes[g.first_bad - 1].op == "log"
    assert g.nodes[1].bad == "1 inf of 2 at [1]"
    assert "! first non-finite: 1 inf of 2 at [1]" in str(g)
    assert str(g).count("!") == 1
    assert at.graph(x).first_bad is None
