"""Rules of users, as the engine calls them: nothing to write to, nothing lost on Tensors."""

import numpy as np
import pytest

import autotensor as at
from autotensor.engine.rules import own
from autotensor.errors import NoRuleError

X = np.array([0.3, 0.8, 1.5])
Y = np.array([1.2, 0.7, 0.4])


def op_with(rule, function=np.square, **facts):
    return at.custom_op(x=rule, **facts)(lambda x: function(x))


def leaf(value=X):
    return at.tensor(value, requires_grad=True)


# -- what a rule is given -------------------------------------------------------------------------


def write(array, result):
    array *= 2.0
    return result


WRITING = {
    "the cotangent": lambda g, x: write(g, g * x),
    "an argument": lambda g, x: write(x, g * x),
    "the result": lambda g, x, out: write(out, 2 * g * x),
}


@pytest.mark.parametrize("rule", WRITING.values(), ids=WRITING)
def test_a_rule_cannot_write_to_what_it_is_given(rule):
    op = op_with(rule)
    x = leaf()
    with pytest.raises(ValueError, match="read-only") as error:
        op(x).sum().backward()
    assert error.value.__notes__ == [
        "in the rule of <lambda> for 'x'; what it is given is read-only"
    ]
    assert x.tolist() == X.tolist()
    assert op.check(X, raise_exception=False).verdict == "fail"


def test_a_recorded_pass_hands_out_aliases_of_its_cotangents():
    seen = []

    def rule(g, x):
        if isinstance(g, at.Tensor):
            seen.append(g)
            g *= 10.0
        return 2 * g * x

    x, y = leaf(), leaf()
    h = y * 1.0
    (op_with(rule)(x * 1.0) + h).sum().backward(create_graph=True)
    assert seen
    np.testing.assert_array_equal(y.grad.numpy(), 1.0)
    x.grad = y.grad = None


@pytest.mark.parametrize("rule", [lambda g: g, lambda g: g[:], lambda g: g.view()])
def test_a_rule_may_return_its_cotangent(rule):
    op = op_with(rule, lambda x: x * 1.0)
    x = leaf()
    seed = np.ones(3)
    (op(x) + op(x)).backward(seed)
    x.grad += 1.0
    assert seed.tolist() == [1.0, 1.0, 1.0]
    assert x.grad.tolist() == [3.0, 3.0, 3.0]


def test_gradients_that_share_memory_are_apart():
    op = at.custom_op(x=lambda g: g, y=lambda g: g)(lambda x, y: x + y)
    x, y = leaf(), leaf()
    z = op(x, y)
    (z + x).sum().backward()
    x.grad *= 5.0
    assert y.grad.tolist() == [1.0, 1.0, 1.0]


def test_a_function_may_return_its_argument_or_what_it_holds():
    held = np.ones(3)
    for function in (lambda x: x, lambda x: x[::-1], lambda x: held):
        op = op_with(lambda g: g, function)
        x = leaf()
        y = op(x)
        y += 7.0
        assert x.tolist() == X.tolist()
        assert held.tolist() == [1.0, 1.0, 1.0]


# -- rules that cannot run on Tensors -------------------------------------------------------------


def filled(g, x):
    result = np.zeros(3)
    for k in range(3):
        result[k] = 2 * g[k] * x[k]
    return result


def assigned(g, x):
    result = np.zeros(3)
    result[:] = 2 * g * x
    return result


def by_out(g, x):
    result = np.empty(3)
    np.multiply(g, 2 * x, out=result)
    return result


LEAVING = {
    "filling entries": (filled, 3, "float() of the tensor of shape () would lose its gradient"),
    "filling": (assigned, 2, "converting to an ndarray of the tensor of shape (3,) would lose"),
    "out=": (by_out, 2, "the destination is a plain ndarray"),
    "asarray": (lambda g, x: 2 * np.asarray(g) * np.asarray(x), 0, "converting to an ndarray"),
    "no rule": (lambda g, x: np.ldexp(g * x, 1), 0, "np.ldexp has no derivative"),
    "values": (lambda g, x: 2 * _values(g) * _values(x), 0, "left NumPy on Tensors"),
}


def _values(x):
    return x.numpy() if isinstance(x, at.Tensor) else x


@pytest.mark.parametrize(("rule", "line", "why"), LEAVING.values(), ids=LEAVING)
def test_they_work_once_and_then_raise_with_op_and_line(rule, line, why):
    op = op_with(rule)
    np.testing.assert_allclose(at.grad(lambda x: op(x).sum())(X), 2 * X)
    where = rf"<lambda> for argument 'x' \(test_rules.py:{rule.__code__.co_firstlineno + line}\)"
    for again in (
        lambda: at.grad(lambda x: at.grad(lambda x: op(x).sum())(x).sum())(X),
        lambda: at.jvp(op, (X,), (X,)),
        lambda: at.jvp(at.grad(lambda x: op(x).sum()), (X,), (X,)),
    ):
        with pytest.raises(NoRuleError, match=where) as error:
            again()
        assert why in str(error.value)


def test_a_derivative_that_happens_to_be_zero_is_no_constant():
    op = op_with(lambda g, x: 2 * _values(g) * _values(x))
    with pytest.raises(NoRuleError, match="left NumPy"):
        at.grad(at.grad(op))(0.0)


def test_a_partial_that_left_numpy_raises():
    op = op_with(lambda x: np.cos(_values(x)), np.sin, elementwise=True)
    assert at.grad(op)(0.5) == np.cos(0.5)
    with pytest.raises(NoRuleError, match="left NumPy"):
        at.grad(at.grad(op))(0.5)


CONSTANT = {
    "zeros": (lambda g, shape: np.zeros(shape), np.floor, {}),
    "a partial": (lambda x: np.full(x.shape, 2.0), lambda x: 2 * x, {"elementwise": True}),
    "a mask": (lambda x: 1.0 * (_values(x) > 0), lambda x: np.maximum(x, 0), {"elementwise": True}),
}


@pytest.mark.parametrize(("rule", "function", "facts"), CONSTANT.values(), ids=CONSTANT)
def test_what_is_constant_may_be_a_plain_array(rule, function, facts):
    op = op_with(rule, function, **facts)
    second = at.grad(lambda x: at.grad(lambda x: (op(x) * x).sum())(x).sum())(X)
    slope = at.grad(lambda x: op(x).sum())(X)
    np.testing.assert_allclose(second, 2 * slope)


def test_a_jvp_makes_up_for_a_rule_without_forward_mode():
    op = op_with(filled, jvp=lambda t, x: 2 * t * x)
    np.testing.assert_allclose(at.jvp(op, (X,), (X,))[1], 2 * X * X)
    push = lambda x: at.jvp(op, (x,), (X,))[1]  # noqa: E731
    np.testing.assert_allclose(at.jvp(push, (X,), (X,))[1], 2 * X * X)


def test_other_errors_of_rules_say_where():
    op = op_with(lambda g, x: g.no_such_attribute)
    with pytest.raises(AttributeError) as error:
        op(leaf()).sum().backward()
    assert "in the rule of <lambda> for 'x'" in error.value.__notes__[0]


# -- what a rule returns --------------------------------------------------------------------------

BUFFER = np.zeros(3)


def into_buffer(value):
    BUFFER[...] = value
    return BUFFER


KEPT = (np.zeros(3),)


def into_kept(value):
    KEPT[0][...] = value
    return KEPT


@pytest.mark.parametrize(
    "rule",
    [
        {"x": lambda g, x: into_buffer(g * np.cos(x))},
        {"x": lambda g, x: into_buffer(g * np.cos(x))[:]},
        {"vjp": lambda g, x: (into_buffer(g * np.cos(x)),)},
        {"vjp": lambda g, x: {"x": into_buffer(g * np.cos(x))}},
        {"vjp": lambda g, x: into_kept(g * np.cos(x))},
        {"x": lambda x: into_buffer(np.cos(x)), "elementwise": True},
    ],
)
def test_a_buffer_that_a_rule_uses_again_is_copied(rule):
    sine = at.custom_op(**rule)(lambda x: np.sin(x))
    a, b = leaf(X), leaf(-2 * X)
    c, d = a * 1.0, b * 1.0  # both cotangents wait until both rules have run
    (sine(c) + sine(d)).sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), np.cos(X))
    np.testing.assert_array_equal(b.grad.numpy(), np.cos(-2 * X))
    sine(b).sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), np.cos(X))


def test_a_buffer_that_a_jvp_uses_again_is_copied():
    sine = op_with(lambda g, x: g * np.cos(x), np.sin, jvp=lambda t, x: into_buffer(t * np.cos(x)))
    _, tangent = at.jvp(lambda x, y: sine(x) + sine(y), (X, Y), (Y, X))
    np.testing.assert_allclose(tangent, Y * np.cos(X) + X * np.cos(Y))


def test_only_what_something_else_holds_is_copied():
    where = {}

    def fresh():
        made = np.ones(3)
        where["it"] = made.__array_interface__["data"]
        return made

    def is_the_same(array):
        return array.__array_interface__["data"] == where["it"]

    held = np.ones(3)
    holder = (np.ones(3),)
    # Outside of assert, which pytest rewrites so that it holds values.
    copied = [
        not is_the_same(own(fresh())),
        not is_the_same(own((fresh(), 1))[0]),
        not is_the_same(own([fresh()])[0]),
        not is_the_same(own({"x": fresh()})["x"]),
    ]
    assert copied == [False] * 4
    assert own(held) is not held
    assert own((held,))[0] is not held
    assert own(held[:]).base is None
    assert own(holder)[0] is not holder[0]


def test_a_tensor_that_a_rule_returns_for_arrays_is_its_value():
    w = leaf(X)
    double = op_with(lambda g: g * w, lambda x: x * X)
    x = leaf()
    double(x).sum().backward()
    assert not x.grad.requires_grad
    np.testing.assert_array_equal(x.grad.numpy(), X)
