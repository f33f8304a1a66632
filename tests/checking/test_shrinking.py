"""Planted bugs of different kinds: hypothesis ends with inputs one can work out by hand."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import just

import autotensor as at
from autotensor.checking import property_test, strategies


def scale():
    @at.custom_op(x=lambda g, x: g * 3 * x)
    def square(x):
        return x * x

    return square, {"x": strategies.arrays()}


def sign_below_zero():
    @at.custom_op(x=lambda g, x: g * 2 * np.abs(x))
    def square(x):
        return x * x

    return square, {"x": strategies.arrays()}


def broadcast_not_summed():
    @at.custom_op(
        x=lambda g, y: g * y,
        y=lambda g, x, y: (g * x) if np.shape(g) == np.shape(y) else np.sum(g * x) + 0 * y,
    )
    def product(x, y):
        return x * y

    return product, strategies.broadcastable_arrays()


def transposed():
    @at.custom_op(a=lambda g, b: g @ b.T, b=lambda g, a: a @ g)
    def product(a, b):
        return a @ b

    square = strategies.arrays((2, 2))
    return product, {"a": square, "b": square}


def swapped_arguments():
    @at.custom_op(x=lambda g, x: g * x, y=lambda g, y: g * y)
    def product(x, y):
        return x * y

    return product, {"x": strategies.arrays(2), "y": strategies.arrays(2)}


def dropped_keyword():
    @at.custom_op(x=lambda g, shape: np.broadcast_to(g, shape))
    def total(x, *, weight=1.0):
        return weight * np.sum(x)

    weights = strategies.arrays((), domain="positive").map(float)
    return total, {"x": strategies.arrays(), "weight": weights}


def negative_axis():
    @at.custom_op(x=lambda g, shape, axis: np.broadcast_to(_expanded(g, axis), shape))
    def total(x, axis):
        return np.sum(x, axis=axis)

    def _expanded(g, axis):
        return np.expand_dims(g, max(axis, 0))  # a negative axis counts from the end

    shape = strategies.shapes(min_dims=2, max_dims=2)
    return total, {
        "x": strategies.arrays(shape),
        "axis": strategies.axes(2, none=False, tuples=False),
    }


def wrong_where_large():
    @at.custom_op(x=lambda g, x: g * np.where(np.abs(x) < 3, 2 * x, 0 * x))
    def square(x):
        return x * x

    return square, {"x": strategies.arrays()}


def not_conjugated():
    @at.custom_op(z=lambda g, z: g * 2 * z)
    def square(z):
        return z * z

    return square, {"z": strategies.arrays(dtype=complex)}


def stale_state():
    latest = {}

    @at.custom_op(x=lambda g: g * 2 * latest["x"])
    def square(x):
        latest["x"] = np.array(x)
        return x * x

    return square, {"x": strategies.arrays()}


def not_linear_in_g():
    @at.custom_op(x=lambda g, x: np.abs(g) * np.cos(x))
    def sine(x):
        return np.sin(x)

    return sine, {"x": strategies.arrays()}


def second_order_only():
    @at.custom_op(v=lambda g, x: g * 2 * x, x=lambda g, v: g * v)  # 2 g v
    def slope(v, x):
        return v * 2 * x

    @at.custom_op(x=lambda g, x: slope(g, x))
    def square(x):
        return x * x

    return square, {"x": strategies.arrays(), "order": 2}


def one_entry():
    @at.custom_op(x=lambda g, x: g * np.where(np.arange(x.size).reshape(x.shape) == 2, 1.02, 1))
    def same(x):
        return x * 1.0

    return same, {"x": strategies.arrays()}


# For each bug: how many entries its smallest inputs have, and how large they are at most.
BUGS = {
    scale: (1, 1),
    sign_below_zero: (1, 1),
    broadcast_not_summed: (4, 2),
    transposed: (8, 2),
    swapped_arguments: (4, 1),
    dropped_keyword: (1, 2),
    negative_axis: (4, 1),
    wrong_where_large: (1, 4),
    not_conjugated: (1, 2),
    stale_state: (1, 1),
    not_linear_in_g: (1, 1),
    second_order_only: (1, 1),
    one_entry: (4, 1),  # of shape (3,), or of (2, 2), where shrinking may stop
}


def property_of(op, given):
    if isinstance(given, dict):
        return property_test(examples=200, **given)(op)
    return property_test(given, examples=200)(op)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_bug_ends_in_inputs_one_can_work_out(bug):
    entries, largest = BUGS[bug]
    op, given = bug()
    test = property_of(op, given)
    with pytest.raises(at.GradcheckError) as caught:
        test()
    report = caught.value.report
    arrays = [x for x in report.inputs if isinstance(x, np.ndarray)]
    assert sum(x.size for x in arrays) <= entries
    values = np.concatenate([x.ravel() for x in arrays])
    assert np.all(np.abs(values) <= largest)
    assert np.all(values == np.round(values))
    # The report is that of all checks again, not only of those that the search was left with.
    assert "not wanted" not in report.skipped.values()


def test_right_ops_pass_and_their_inputs_are_those_drawn():
    seen = []

    @property_test(x=strategies.positive(), axis=strategies.axes(1), examples=20)
    def test_total(x, axis):
        seen.append((x.shape, axis))
        return np.sum(np.log(x), axis=axis) if x.ndim == 1 else np.log(x)

    assert test_total() is None
    assert len({shape for shape, _ in seen}) > 3
    assert {axis for _, axis in seen} >= {None, 0}


def test_names_are_those_of_tests():
    @property_test(x=strategies.arrays())
    def test_tanh(x):
        """Says so."""
        return np.tanh(x)

    assert test_tanh.__name__ == "test_tanh"
    assert test_tanh.__doc__ == "Says so."
    assert property_test(x=strategies.arrays())(at.nn.relu).__name__ == "test_relu"


def test_arguments_by_name_only_are_bound():
    def scaled(x, /, y, *, factor, power=1):
        assert (factor, power) == (2, 3)
        return x * y * factor

    number = strategies.arrays((1,), domain="positive")
    fixed = {"factor": just(2), "power": just(3)}
    property_test(power=fixed["power"], y=number, factor=fixed["factor"], x=number, examples=5)(
        scaled
    )()


def test_all_arguments_at_once_by_name():
    drawn = strategies.broadcastable_arrays().map(lambda pair: {"x": pair[1], "y": pair[0]})
    property_test(drawn, examples=10)(np.multiply)()

    @property_test(drawn, examples=10)
    def test_quotient(x, y):
        return x / (1 + y * y)

    test_quotient()


def test_unclear_inputs_do_not_count():
    @property_test(x=strategies.arrays(1, domain=just(0.0)))
    def test_root(x):
        return np.sqrt(x)

    with pytest.raises(Unsatisfiable):
        test_root()
    with pytest.raises(at.GradcheckError, match="INCONCLUSIVE"):
        property_test(x=strategies.arrays(1, domain=just(0.0)), strict=True)(np.sqrt)()


def test_errors_of_the_function_itself_come_through():
    def broken(x):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        property_test(x=strategies.arrays())(broken)()


@pytest.mark.parametrize(
    ("together", "given", "message"),
    [
        ((), {}, "needs a strategy for each argument"),
        ((strategies.arrays(),), {"x": strategies.arrays()}, "or one for all"),
        ((np.ones(3),), {}, "needs a strategy for each argument"),
        ((), {"x": np.ones(3)}, "neither a strategy for an argument nor an option of gradcheck"),
        ((), {"x": strategies.arrays(), "ordr": 2}, "ordr=2 is neither .* order, "),
        ((), {"z": strategies.arrays()}, "f has no argument 'z', but x"),
    ],
)
def test_misuse_is_named(together, given, message):
    def f(x):
        return x

    with pytest.raises(TypeError, match=message):
        property_test(*together, **given)(f)


@pytest.mark.parametrize("name", ["strategies", "property_test"])
def test_hypothesis_is_loaded_on_use_and_named_where_it_is_missing(name):
    code = (
        "import sys, autotensor as at; at.gradcheck; assert 'hypothesis' not in sys.modules; "
        "import importlib.util as u; u.find_spec = lambda name: None; "
        f"at.checking.{name}"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "need hypothesis: pip install hypothesis" in run.stderr
