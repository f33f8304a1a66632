"""The same gradient in other layouts and shapes (G18), and for single outputs (G19)."""

import numpy as np
import pytest

import autotensor as at
from autotensor.checking import variants
from autotensor.checking.checks import CHECKS
from autotensor.checking.problem import Problem
from autotensor.checking.run import Run
from autotensor.engine.primitive import Op
from tests.checking.structural import failing, sine

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))


# G18: layouts.


def in_memory_order(g, x):
    return g * np.cos(x).ravel(order="K").reshape(x.shape)


def of_raw_memory(g, x):
    raw = np.frombuffer(x.tobytes(order="A")).reshape(x.shape)
    return g * np.cos(raw)


def filled_by_ravel(g, x):
    c = np.zeros_like(x)
    c.ravel()[:] = (g * np.cos(x)).ravel()
    return c


def flat_in_fortran_order(g, x):
    return (g.ravel(order="A") * np.cos(x).ravel(order="A")).reshape(x.shape)


def reshaped_in_place(g, x):
    x = x.view()
    x.shape = (x.size,)
    return (g.ravel() * np.cos(x)).reshape(g.shape)


@pytest.mark.filterwarnings("ignore:Setting the shape")
@pytest.mark.parametrize(
    "rule",
    [in_memory_order, of_raw_memory, filled_by_ravel, flat_in_fortran_order, reshaped_in_place],
)
def test_rules_that_depend_on_the_layout_are_caught(rule):
    check, text = failing(sine(rule), X)
    assert check == "G18"
    assert "Fortran order" in text or "negative strides" in text


def test_a_rule_that_ignores_strides_is_caught():
    def rule(g, x):
        data = np.lib.stride_tricks.as_strided(x, strides=(x.itemsize,))
        return g * np.cos(data)

    check, text = failing(sine(rule), X[0])
    assert check == "G18"
    assert "negative strides" in text
    assert "x[" in text


def test_a_rule_that_ignores_the_strides_of_g_is_caught():
    def rule(g, x):
        assert g.flags.c_contiguous or g.flags.f_contiguous
        return g * np.cos(x)

    check, text = failing(sine(rule), X)
    assert check == "G18"
    assert "the rule raises for inputs and g at negative strides" in text


def test_a_function_may_refuse_a_layout():
    @at.custom_op(x=lambda g, x: g * np.cos(x))
    def sine(x):
        if not x.flags.c_contiguous:
            raise ValueError("x must be contiguous")
        return np.sin(x)

    assert at.gradcheck(sine, X)


def test_a_function_may_depend_on_the_layout_itself():
    def by_layout(g, x):
        return g * (np.cos(x) if x.flags.c_contiguous else -np.sin(x))

    @at.custom_op(x=by_layout)
    def either(x):
        return np.sin(x) if x.flags.c_contiguous else np.cos(x)

    assert at.gradcheck(either, X)


def test_a_function_that_depends_on_the_layout_must_have_such_a_rule():
    @at.custom_op(x=lambda g, x: g.reshape(x.shape) * np.cos(x))
    def in_memory_order(x):
        return np.sin(x.ravel(order="K"))

    check, text = failing(in_memory_order, X)
    assert check == "G18"
    assert "f and its rule differ for x in Fortran order" in text


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(x, axis=1) * np.mean(x),
        lambda x: np.reshape(x, (4, 3)) @ x,
        lambda x: np.ravel(x) ** 2,
        lambda x: np.max(x, axis=0),
        lambda x: x.T[::-1] * 2,
    ],
)
def test_functions_that_move_entries_are_right(function):
    assert at.gradcheck(function, X, order=2)


def test_rounding_in_another_order_is_no_difference():
    assert at.gradcheck(lambda x: np.sum(np.exp(x)) ** 2, RNG.normal(size=(20, 30)))
    x = RNG.normal(size=(20, 30)).astype(np.float32)
    assert at.gradcheck(lambda x: np.sum(np.exp(x)) ** 2, x)


# G18: shapes, for what is declared to act by entry.


def elementwise(*partials):
    """A sine, or a product, with these partial derivatives."""
    if len(partials) == 1:
        return Op(lambda x: np.sin(x), "elementwise", "x", {"x": partials[0]}, broadcasts=True)
    rules = dict(zip("xy", partials, strict=True))
    return Op(lambda x, y: x * y, "elementwise", "x, y", rules, broadcasts=True)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (lambda x: np.cos(x) if x.ndim else 2.0, "for arrays of shape ()"),
        (lambda x: np.cos(x[0:]), "the rule raises for arrays of shape ()"),
        (lambda x: np.cos(x) * (2 if x.size == 1 else 1), "for arrays of shape"),
        (lambda x: np.cos(x) + 0 * np.max(x), "raises for arrays of shape (0,)"),
        (lambda x: np.cos(x) * (1 + (x.ndim == 2 and len(x) == 1)), "shape (1, 1)"),
    ],
)
def test_elementwise_rules_wrong_at_some_shapes_are_caught(rule, words):
    check, text = failing(elementwise(rule), X)
    assert check == "G18"
    assert words in text


def test_axes_of_size_one_are_caught():
    op = elementwise(lambda y: y, lambda x: x if x.shape != (1,) else 2 * x)
    check, text = failing(op, [X[0], X[1]])
    assert check == "G18"
    assert "y" in text


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 4), (4,)), ((), (2, 1)), ((1,), (0,))])
def test_elementwise_rules_are_right_at_all_shapes(shapes):
    op = elementwise(lambda y: y, lambda x: x)
    assert at.gradcheck(op, [RNG.normal(size=shape) for shape in shapes])
    assert at.gradcheck(np.multiply, [RNG.normal(size=shape) for shape in shapes], order=2)


def test_other_ops_are_not_run_at_other_shapes():
    def rule(g, x):
        assert x.shape == X.shape
        return g * np.cos(x)

    report = at.gradcheck(sine(rule), X, raise_exception=False)
    assert [check for check, _ in report.findings] == ["G12"] or report


# G19: single outputs.


def needs_all(g):
    if not np.all(g):
        raise ValueError("no zeros, please")
    return 2 * g


def counts(g, x):
    return g * (np.cos(x) if np.all(g) else -np.sin(x))


def run_of(function, *arrays):
    names = [f"x{i}" for i in range(len(arrays))]
    return Run(Problem("f", function, arrays, names), 1, None, None, 0)


@at.custom_op(x=needs_all)
def doubled(x):
    return 2 * x


def test_a_rule_that_raises_for_zeros_beside_a_single_output_is_caught():
    finding = variants.each_output_alone(
        run_of(lambda x: (np.sin(x), np.concatenate([doubled(x), x])), X)
    )
    assert "raises" in finding.title
    assert "no zeros, please" in "\n".join(finding.lines)


def test_gradients_that_do_not_add_up_are_caught():
    op = sine(counts)
    finding = variants.each_output_alone(run_of(lambda x: ((y := op(x))[:2], y[2:]), X))
    assert "do not add up: x0[" in finding.title


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (np.sum(x), x * x),
        lambda x: (np.sin(x), at.tensor(np.ones(2))),
        lambda x: (x, x),
        lambda x: [x[0], x[1] * x[2], np.exp(x)],
        lambda x: (np.sqrt(np.abs(x)), np.argmax(x), np.sum(x)),
    ],
)
def test_functions_of_several_outputs_are_right(function):
    assert at.gradcheck(function, X, order=2)


def test_one_output_is_no_object_of_the_check():
    assert variants.each_output_alone(run_of(np.sin, X)).verdict == "skipped"


def test_the_checks_stand_in_the_order_of_their_cost():
    ids = [check.id for check in CHECKS]
    structural = [i for i in ids if i in {f"G{n:02}" for n in range(1, 14)}]
    assert structural == [f"G{n:02}" for n in range(1, 14)]
    assert ids.index("G18") > ids.index("G14") > ids.index("G13")
