"""Ops that users declare: every form, at orders 1 and 2 in both modes, and what is refused."""

import functools
import inspect
import pydoc

import numpy as np
import pytest

import autotensor as at
from autotensor.errors import (
    DeclarationError,
    LostGradientError,
    NoRuleError,
    ShapeError,
)

X = np.array([0.3, 0.8, 1.5])
Y = np.array([1.2, -0.7, 0.4])


def leaf(value=X):
    return at.tensor(value, requires_grad=True)


def scaled(x, y=1.0, axis=None):
    """Return the product."""
    return x * y


# -- forms that are right -------------------------------------------------------------------------


@at.custom_op(x=lambda g, x: g / (1 + np.exp(-x)))
def softplus(x):
    return np.logaddexp(x, 0.0)


@at.custom_op(x=lambda g, y: g * y * y, y=lambda g, x, y: 2 * g * x * y)
def per_argument(x, y):
    return x * y * y


@at.custom_op(vjp=lambda g, x, y: (g * y * y, 2 * g * x * y))
def by_tuple(x, y):
    return x * y * y


@at.custom_op(vjp=lambda g, x, y, out: {"y": 2 * g * out / y, "x": g * out / x})
def by_dict(x, y):
    return x * y * y


@at.custom_op(vjp=lambda g, x: g * np.cos(x))
def of_one(x):
    return np.sin(x)


@at.custom_op(vjp=lambda g, x, w, b: (g @ w, g.T @ x, None if b is None else g.sum(0)))
def dense(x, w, b=None):
    return x @ w.T + (0 if b is None else b)


@at.custom_op(
    vjp=lambda g, x, n, mode: (g * n * x ** (n - 1) if mode == "power" else g, None, None)
)
def chosen(x, n, mode="power"):
    return x**n if mode == "power" else x


@at.custom_op(vjp=lambda g, x, n: (g * n * x ** (n - 1),))
def shorter(x, n=3):
    return x**n


@at.custom_op(x=lambda y: y, y=lambda x: x, elementwise=True)
def entrywise(x, y):
    return x * y


@at.custom_op(x=lambda x: 1 / (1 + x * x), elementwise=True, jvp=lambda t, x: t / (1 + x * x))
def arctangent(x):
    return np.arctan(x)


@at.custom_op(x=lambda g: 2 * g, y=lambda g: -g, linear=True)
def difference(x, y):
    return 2 * x - y


@at.custom_op(x=lambda g, y: g @ y.T, y=lambda g, x: x.T @ g, linear=True)
def product(x, *, y):
    return x @ y


@at.custom_op(x=lambda g, axis, shape: np.broadcast_to(np.expand_dims(g, axis), shape), linear=True)
def total(x, axis=0):
    return x.sum(axis)


@at.custom_op(x=lambda g, mask: g * mask, nondiff="mask")
def masked(x, mask):
    return x * mask


@at.custom_op(x=lambda g: 3 * g, jvp={"x": lambda t: 3 * t})
def thrice(x):
    return 3 * x


class Scale:
    def __init__(self, factor):
        self.factor = factor

    @at.custom_op(x=lambda g, self: self.factor * g)
    def apply(self, x):
        return self.factor * x


RIGHT = {
    "per argument": (per_argument, (X, Y), {}),
    "a tuple": (by_tuple, (X, Y), {}),
    "a dict": (by_dict, (X, Y), {}),
    "one argument, one rule": (of_one, (X,), {}),
    "an argument left out": (dense, (np.ones((4, 3)), np.ones((2, 3))), {}),
    "given by position": (dense, (np.ones((4, 3)), np.ones((2, 3)), np.ones(2)), {}),
    "given by name": (dense, (np.ones((4, 3)),), {"w": np.ones((2, 3)), "b": np.ones(2)}),
    "int and str": (chosen, (X, 3), {"mode": "power"}),
    "another str": (chosen, (X, 3, "none"), {}),
    "fewer, by the default": (shorter, (X,), {"n": 2}),
    "elementwise": (entrywise, (X, np.ones((2, 1))), {}),
    "elementwise of numbers": (entrywise, (2.0, 3.0), {}),
    "elementwise and jvp": (arctangent, (X,), {}),
    "linear in all together": (difference, (X, Y), {}),
    "linear in each": (product, (np.ones((2, 3)),), {"y": np.full((3, 2), 0.5)}),
    "linear with an option": (total, (np.ones((2, 3)),), {"axis": 1}),
    "nondiff": (masked, (X,), {"mask": np.array([1, 0, 1])}),
    "jvp by name": (thrice, (X,), {}),
}


@pytest.mark.parametrize(("op", "args", "options"), RIGHT.values(), ids=RIGHT)
def test_every_form_has_the_right_derivatives(op, args, options):
    assert op.check(*args, **options).verdict == "ok"


def test_arguments_that_are_not_tracked_need_no_gradient():
    x, y = leaf(), leaf(Y)
    chosen(x, 2, "power").sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * X)
    dense(np.ones((4, 3)), leaf(np.ones((2, 3))), None).sum().backward()
    by_tuple(X, y).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), 2 * X * Y)


def test_an_argument_with_a_rule_may_be_anything_where_it_has_no_gradient():
    seen = []

    @at.custom_op(vjp=lambda g, x, how: [seen.append(how), (g, None)][1])
    def tagged(x, how):
        return x * 1.0

    how = object()
    for value in (how, "text", None, np.dtype(float), True):
        tagged(leaf(), value).sum().backward()
        assert seen.pop() is value


def test_a_rule_for_all_runs_once_for_all():
    calls = []

    @at.custom_op(vjp=lambda g, x, y: [calls.append(1), (g * y, g * x)][1])
    def times(x, y):
        return x * y

    x, y = leaf(), leaf(Y)
    loss = times(x, y).sum()
    for count in (1, 2):
        loss.backward(retain_graph=True)
        assert len(calls) == count
        np.testing.assert_allclose(x.grad.numpy(), count * Y)
        np.testing.assert_allclose(y.grad.numpy(), count * X)


def test_a_tensor_in_nondiff_is_a_constant():
    x, mask = leaf(), leaf(np.array([1.0, 0.0, 1.0]))
    masked(x, mask).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0, 1.0]
    assert mask.grad is None
    assert not masked(X, mask).requires_grad


def test_linear_that_does_not_say_how_is_told_by_its_rules():
    assert difference.jointly
    assert not product.jointly
    for rule in (lambda g, x: g * x, lambda g, out: g * out):
        with pytest.raises(DeclarationError, match="no rule names one"):
            at.custom_op(x=rule, linear=True)(lambda x: np.exp(x))
    with pytest.raises(DeclarationError, match="leave it out here"):
        at.custom_op(x=lambda g: g, y=lambda g, x: g * x, linear=True)(scaled)
    with pytest.raises(DeclarationError, match="leave it out here"):
        at.custom_op(x=lambda g, x: g, y=lambda g, x: g * x, linear=True)(scaled)


# -- the op as a function -------------------------------------------------------------------------


def test_an_op_looks_like_its_function():
    op = at.custom_op(x=lambda g, y: g * y)(scaled)
    assert op.__name__ == op.name == "scaled"
    assert op.__doc__ == "Return the product."
    assert inspect.signature(op) == inspect.signature(scaled)
    assert inspect.unwrap(op) is scaled
    assert "Return the product." in pydoc.render_doc(op)


def test_methods_partials_and_lambdas():
    scale = Scale(3.0)
    assert at.grad(scale.apply)(2.0) == 3.0
    assert scale.apply(2.0) == 6.0
    assert isinstance(Scale.apply, at.engine.primitive.Op)
    twice = at.custom_op(x=lambda g: 2 * g)(functools.partial(scaled, y=2.0))
    assert twice.name == "scaled"
    assert twice.check(X)
    assert at.custom_op(x=lambda g: 2 * g)(lambda x: 2 * x).check(X)
    five = at.custom_op(x=functools.partial(lambda k, g: k * g, 5.0))(lambda x: 5 * x)
    assert five.check(X)


def test_methods_have_their_check_and_signature():
    assert Scale.apply.check(Scale(2.0), X)
    assert Scale(2.0).apply.check(X)
    assert str(inspect.signature(Scale(2.0).apply)) == "(x)"
    assert Scale(2.0).apply.__name__ == "apply"


# -- what is refused ------------------------------------------------------------------------------


def keep(g):
    return g


REFUSED = {
    "bare": (lambda: at.custom_op(scaled), "@at.custom_op(x=lambda g, x: ...)"),
    "nothing given": (lambda: at.custom_op()(scaled), "@at.custom_op(x=lambda g, x: ...)"),
    "no function": (
        lambda: at.custom_op(x=lambda g, x: g, y=3)(scaled),
        "scaled: the rule for 'y' must be a Python function",
    ),
    "not a function's rule": (
        lambda: at.custom_op(x=np.cos)(scaled),
        "scaled: the rule for 'x' must be a Python function",
    ),
    "a ufunc": (
        lambda: at.custom_op(x=keep)(np.cbrt),
        "at.register() is for what is there already",
    ),
    "an unknown option": (
        lambda: at.custom_op(x=keep, factor=2)(scaled),
        "no argument 'factor' to give a rule to. Its arguments: x, y, axis.",
    ),
    "an unknown name": (
        lambda: at.custom_op(x=lambda g, z: g)(scaled),
        "asks for 'z', which scaled does not have. Valid names: x, y, axis, out, shape.",
    ),
    "an unknown name in a rule for all": (
        lambda: at.custom_op(vjp=lambda g, z: g)(scaled),
        "asks for 'z'",
    ),
    "the shape of all": (
        lambda: at.custom_op(vjp=lambda g, shape: g)(scaled),
        "no one 'shape': ask for x, x.shape",
    ),
    "no cotangent": (lambda: at.custom_op(x=lambda x: x)(scaled), "'g' as its first parameter"),
    "a cotangent of a partial": (
        lambda: at.custom_op(x=lambda g, y: g * y, elementwise=True)(scaled),
        "takes no cotangent 'g'",
    ),
    "a rule in nondiff": (
        lambda: at.custom_op(x=keep, nondiff=("axis", "x"))(scaled),
        "'x' has a rule and is in nondiff=",
    ),
    "unknown in nondiff": (lambda: at.custom_op(x=keep, nondiff="z")(scaled), "no argument 'z'"),
    "both kinds of rules": (
        lambda: at.custom_op(x=keep, vjp=lambda g: (g, g))(scaled),
        "give vjp= or the rule for 'x', not both",
    ),
    "elementwise for all": (
        lambda: at.custom_op(vjp=lambda x: x, elementwise=True)(scaled),
        "give vjp= or elementwise=True, not both",
    ),
    "both kinds of ops": (
        lambda: at.custom_op(x=keep, elementwise=True, linear=True)(scaled),
        "give elementwise=True or linear=True, not both",
    ),
    "one jvp for two": (
        lambda: at.custom_op(x=keep, y=keep, jvp=lambda t: t)(scaled),
        "give the jvp by argument: jvp={'x': lambda t, ...: ...}",
    ),
    "a jvp without rule": (
        lambda: at.custom_op(x=keep, jvp={"y": lambda t: t})(scaled),
        "no argument 'y'",
    ),
    "a jvp of a cotangent": (
        lambda: at.custom_op(x=keep, jvp=keep)(scaled),
        "takes 't' as its first parameter",
    ),
    "an option that is an argument": (
        lambda: at.custom_op(x=keep, linear=True)(lambda x, linear: x),
        "'linear' is both an argument of it and an option here",
    ),
    "a star": (
        lambda: at.custom_op(x=keep)(lambda x, *y: x),
        "write out what is in *args and **kwargs",
    ),
    "two stars": (
        lambda: at.custom_op(x=keep)(lambda x, **y: x),
        "write out what is in *args and **kwargs",
    ),
    "only facts": (lambda: at.custom_op(vjp=None)(scaled), "give it a rule per argument"),
}


@pytest.mark.parametrize(("declare", "text"), REFUSED.values(), ids=REFUSED)
def test_a_declaration_that_cannot_be_meant_is_refused(declare, text):
    with pytest.raises(DeclarationError) as error:
        declare()
    assert text in str(error.value)


@pytest.mark.parametrize("name", ["g", "t", "out", "shape", "shapes", "i"])
def test_an_argument_may_not_have_a_name_that_rules_use(name):
    function = eval(f"lambda x, {name}: x")
    with pytest.raises(DeclarationError, match=f"its argument '{name}' has a name that means"):
        at.custom_op(x=keep)(function)


WRONG_RESULTS = {
    "too few": (lambda g: (g,), DeclarationError, "returned 1 gradients for its 2 arguments"),
    "too many": (lambda g: (g, g, g), DeclarationError, "in the order x, y"),
    "one array": (lambda g: g, DeclarationError, "returned ndarray for its 2 arguments"),
    "an unknown name": (lambda g: {"x": g, "z": g}, DeclarationError, "no argument 'z'"),
    "one is missing": (lambda g: {"x": g}, LostGradientError, "no gradient for argument 'y'"),
    "one is None": (lambda g: (g, None), LostGradientError, "no gradient for argument 'y'"),
    "a wrong shape": (lambda g: (g, g.sum()), ShapeError, "Return an array of shape (3,)"),
}


@pytest.mark.parametrize(("rule", "kind", "text"), WRONG_RESULTS.values(), ids=WRONG_RESULTS)
def test_a_rule_for_all_that_returns_something_else_raises(rule, kind, text):
    op = at.custom_op(vjp=rule)(lambda x, y: x * y)
    with pytest.raises(kind) as error:
        op(leaf(), leaf(Y)).sum().backward()
    assert text in str(error.value)


def test_the_argument_with_a_rule_need_not_be_the_first():
    op = at.custom_op(x=lambda g, n: g * n)(lambda n=2.0, x=1.0: n * x)
    assert op.check(3.0, X)
    x = leaf()
    op(x=x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(NoRuleError, match="no derivative for argument 'n'"):
        op(x)


def test_a_tracked_argument_without_rule_raises():
    op = at.custom_op(x=lambda g, y: g * y)(scaled)
    with pytest.raises(NoRuleError) as error:
        op(X, leaf())
    assert str(error.value) == (
        "scaled has no derivative for argument 'y'. Give it a rule, y=lambda g, …: …, or name it "
        "in nondiff=,\nor use x.detach() if none is wanted."
    )
    with at.no_grad():
        assert not op(X, leaf()).requires_grad


def test_a_class_method():
    class Scaled:
        factor = 3.0

        @classmethod
        @at.custom_op(x=lambda g, cls: g * cls.factor)
        def times(cls, x):
            return cls.factor * x

    assert at.gradcheck(Scaled.times, np.ones(2))
    assert at.gradcheck(Scaled().times, np.ones(2))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"jvp": 3}, "jvp= is a function"),
        ({"jvp": [lambda t: t]}, "or a dict"),
        ({"nondiff": 3}, "nondiff= names arguments"),
        ({"nondiff": True}, "nondiff= names arguments"),
    ],
)
def test_options_of_the_wrong_kind_are_refused(given, text):
    with pytest.raises(DeclarationError, match=text):
        at.custom_op(x=lambda g: g, **given)(lambda x: x)
