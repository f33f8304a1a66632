"""Rules for functions that are there already: NumPy's, SciPy's, and others."""

import threading

import numpy as np
import pytest

import autotensor as at
from autotensor.engine.primitive import TABLE, Op, op_of
from autotensor.errors import DeclarationError, LostGradientError, NoRuleError

X = np.array([0.3, 0.8, 1.5])
Y = np.array([1.2, -0.7, 0.4])
# Whether these have a rule of the package or not.
USED = (np.cbrt, np.logaddexp, np.modf, np.nansum, np.linalg.eigh, np.float_power, np.partition)


@pytest.fixture(autouse=True)
def table():
    """A table without what is registered here, and as it was after the test."""
    before = dict(TABLE)
    facts = {entry: dict(vars(entry)) for entry in before.values()}
    for function in USED:
        TABLE.pop(function, None)
    yield
    TABLE.clear()
    TABLE.update(before)
    for entry, attributes in facts.items():
        vars(entry).update(attributes)


def leaf(value=X):
    return at.tensor(value, requires_grad=True)


def test_a_ufunc_of_one_input_by_any_name():
    for name in ("x", "z"):
        TABLE.pop(np.cbrt, None)
        rule = eval(f"lambda g, {name}, out: g / (3 * out * out)")
        op = at.register(np.cbrt, **{name: rule})
        assert isinstance(op, Op)
        assert op.check(X)
        assert at.gradcheck(np.cbrt, X, order=2)
    assert np.cbrt(leaf()).requires_grad
    np.testing.assert_allclose(np.cbrt(leaf(), where=X > 0.5, out=at.zeros(3))[0].item(), 0.0)


def test_a_ufunc_of_two_inputs():
    op = at.register(
        np.logaddexp,
        x=lambda x, out: np.exp(x - out),
        y=lambda y, out: np.exp(y - out),
        elementwise=True,
    )
    assert op.check(X, np.ones((2, 1)))
    x, y = leaf(), leaf(Y)
    for call in (
        lambda: np.logaddexp(x, y),
        lambda: np.logaddexp(x, Y),
        lambda: np.logaddexp(X, y),
    ):
        assert call().requires_grad
    np.logaddexp(x, y).sum().backward()
    np.testing.assert_allclose((x.grad + y.grad).numpy(), 1.0)


def test_names_out_of_order_cannot_be_mixed_up():
    with pytest.raises(DeclarationError, match=r"2 inputs: call them x, y, or .* in order"):
        at.register(np.logaddexp, b=lambda g: g, a=lambda g: g)
    op = at.register(
        np.float_power,
        signature="base, exponent",
        exponent=lambda g, base, out: g * out * np.log(base),
        base=lambda g, base, exponent: g * exponent * base ** (exponent - 1),
    )
    assert op.check(X, Y)
    assert at.gradcheck(np.float_power, [X, Y], order=2)
    with pytest.raises(DeclarationError, match="no argument 'y'"):
        at.register(np.cbrt, x=lambda g: g, y=lambda g: g)


def test_some_inputs_only():
    at.register(np.float_power, x=lambda g, x, y: g * y * x ** (y - 1))
    assert at.grad(lambda x: np.float_power(x, 3.0))(2.0) == 12.0
    with pytest.raises(NoRuleError, match=r"np.float_power has no derivative for argument 'y'"):
        np.float_power(X, leaf(Y))


def test_one_rule_for_all_inputs_of_a_ufunc():
    calls = []

    def rule(g, x, y, out):
        calls.append(1)
        return g * np.exp(x - out), g * np.exp(y - out)

    op = at.register(np.logaddexp, vjp=rule)
    np.logaddexp(leaf(), leaf(Y)).sum().backward()
    assert len(calls) == 1
    assert op.check(X, Y)
    assert op.check(X, np.ones((2, 1)))


def test_tangents_that_a_selection_left_pass_such_ufuncs():
    at.register(np.logaddexp, vjp=lambda g, x, y, out: (g * np.exp(x - out), g * np.exp(y - out)))
    at.register(np.modf, x=lambda g: g[0])
    root = lambda x: np.sqrt(np.maximum(x, 0.0))  # noqa: E731
    x = np.array([-1.0, 0.3, 0.8])
    _, slope = at.jvp(lambda x: np.logaddexp(root(x), Y), (x,), (np.ones(3),))
    r = np.sqrt(x[1:])
    np.testing.assert_allclose(slope, [0.0, *(0.5 / r / (1 + np.exp(Y[1:] - r)))])
    _, slope = at.jvp(lambda x: np.modf(root(x))[0], (x,), (np.ones(3),))
    np.testing.assert_allclose(slope, [0.0, *(0.5 / r)])


def test_several_results():
    assert at.register(np.modf, x=lambda g: g[0]).check(X)
    fraction, whole = np.modf(leaf(X))
    (fraction * whole).sum().backward()

    def rule(g, out):
        values, vectors = out
        inverse = np.where(np.eye(2) > 0, 0, 1 / (values[None, :] - values[:, None] + np.eye(2)))
        inner = inverse * (vectors.T @ g[1]) + np.eye(2) * g[0]
        return vectors @ inner @ vectors.T

    at.register(np.linalg.eigh, signature="a", a=rule)
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    symmetric = lambda a: np.linalg.eigh((a + a.T) / 2)  # noqa: E731
    assert at.gradcheck(lambda a: symmetric(a)[0], a, order=2)
    assert at.gradcheck(lambda a: symmetric(a)[1] ** 2, a, order=2)
    assert type(np.linalg.eigh(leaf(a))) is type(np.linalg.eigh(a))


def test_a_function_with_options():
    def rule(g, a, axis):
        return np.where(a == a, g if axis is None else np.expand_dims(g, axis), 0)

    at.register(np.nansum, a=rule)
    x = np.array([[1.0, np.nan], [3.0, 4.0]])
    for axis in (None, 0, 1):
        slope = at.grad(lambda x, axis=axis: np.nansum(x, axis=axis).sum())(x)
        assert slope.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    for options in ({"keepdims": True}, {"where": x > 1}, {"initial": 2.0}):
        with pytest.raises(NoRuleError, match=f"with the option '{next(iter(options))}'"):
            np.nansum(leaf(x), **options)
        np.nansum(at.tensor(x), **options)
    assert np.nansum(leaf(x), dtype=np.float32).dtype == np.float32
    at.register(np.nansum, signature="a, axis=None, initial=0", a=rule, override=True)
    assert np.nansum(leaf(x), axis=0, initial=2.0).requires_grad


def test_a_function_that_converts_its_arguments_is_called_by_its_op():
    def determinant(a):
        return np.linalg.det(np.asarray(a))

    with pytest.raises(
        LostGradientError, match=r"op = at.register\(f, ...\) in place of a function"
    ):
        determinant(leaf(np.eye(2)))
    rule = lambda g, a, out: g * out * np.linalg.inv(a).T  # noqa: E731
    op = at.register(determinant, a=rule)
    assert op.__name__ == "determinant"
    a = np.array([[2.0, 0.5], [0.3, 1.0]])
    np.testing.assert_allclose(at.grad(op)(a), np.linalg.det(a) * np.linalg.inv(a).T)


def test_a_second_registration_is_an_error():
    at.register(np.cbrt, x=lambda g, out: g / (3 * out * out))
    for function in (np.cbrt, np.sin, np.sign, np.var):
        with pytest.raises(DeclarationError, match="has a rule already"):
            at.register(function, signature="x", x=lambda g: g)
    op = at.register(np.cbrt, x=lambda g: g, override=True)
    assert at.grad(np.cbrt)(8.0) == 1.0
    assert TABLE[np.cbrt] is op


def test_a_rule_of_the_package_can_be_replaced_everywhere():
    x = leaf()
    assert at.register(np.multiply, x=lambda g: 2 * g, y=lambda g: 3 * g, override=True)
    assert at.register(np.sin, x=lambda x: 7.0, elementwise=True, override=True)
    for product in (lambda x, y: x * y, np.multiply, lambda x, y: y.__rmul__(x)):
        assert at.grad(product, argnums=(0, 1))(5.0, 6.0) == (2.0, 3.0)
    assert at.grad(np.sin)(0.0) == 7.0
    at.register(np.multiply, vjp=lambda g: (4 * g, 5 * g), override=True)
    assert at.grad(lambda x, y: x * y, argnums=(0, 1))(5.0, 6.0) == (4.0, 5.0)
    with pytest.raises(DeclarationError, match="replaces its own is for x, y"):
        at.register(np.multiply, x=lambda g: g, override=True)
    at.register(np.sign, x=lambda g: 9 * g, override=True)
    at.register(np.var, a=lambda g, shape: 2 * g * np.ones(shape), override=True)
    assert at.grad(np.sign)(1.0) == 9.0
    np.var(x).backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    assert x.var().requires_grad


def test_what_replaces_it_is_that_of_the_graphs_made_afterwards():
    x = leaf()
    before = np.sin(x)
    at.register(np.sin, x=lambda x: 7.0, elementwise=True, override=True)
    before.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.cos(X))


def test_a_sequence_of_inputs():
    def rule(g, i, shapes):
        start = sum(shape[0] for shape in shapes[:i])
        return g[start : start + shapes[i][0]]

    def joined(parts):
        return np.concatenate(parts)

    op = at.register(joined, signature="[parts]", parts=rule)
    assert op.check([X, Y[:2]])
    x = leaf()
    op([x, Y, 2 * x]).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0, 3.0]


REFUSED = {
    "one rule for a sequence": (
        lambda: at.register(np.nansum, signature="[a]", vjp=lambda g: g),
        "vjp= is for arguments that are no sequence",
    ),
    "an op": (lambda: at.register(op_of(np.sin), x=lambda g: g), "ops have a rule already"),
    "no function": (lambda: at.register(3, x=lambda g: g), "needs a function"),
    "no rule": (lambda: at.register(np.cbrt), "give it a rule per argument"),
    "an unknown name": (lambda: at.register(np.cbrt, x=lambda g, y: g), "Valid names: x, out"),
    "an unknown argument": (
        lambda: at.register(np.partition, b=lambda g: g),
        "no argument 'b' to give a rule to. Its arguments: a, kth, axis, kind, order.",
    ),
}


@pytest.mark.parametrize(("call", "text"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused_and_not_registered(call, text):
    before = dict(TABLE)
    with pytest.raises(DeclarationError) as error:
        call()
    assert text in str(error.value)
    assert before == TABLE


def test_threads_register_once():
    outcomes = []

    def run():
        try:
            outcomes.append(at.register(np.cbrt, x=lambda g, out: g / (3 * out * out)))
        except DeclarationError:
            outcomes.append(None)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(op is not None for op in outcomes) == 1


def test_what_the_error_says_to_write_works():
    with pytest.raises(NoRuleError) as error:
        np.partition(leaf(), 1)
    assert str(error.value) == (
        "np.partition has no derivative for argument 'a'. Give it one with "
        "at.register(np.partition, a=lambda g, …: …),\nor use x.detach() if none is wanted."
    )
    at.register(np.partition, a=lambda g, a, kth: g[np.argsort(np.argpartition(a, kth))])
    x = leaf(np.array([3.0, 1.0, 2.0]))
    (np.partition(x, 1) * np.array([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [100.0, 1.0, 10.0]


def test_scipy():
    special = pytest.importorskip("scipy.special")
    linalg = pytest.importorskip("scipy.linalg")
    with pytest.raises(NoRuleError, match=r"at.register\(scipy.special.erf, x=lambda g"):
        special.erf(leaf())
    at.register(special.erf, x=lambda g, x: g * 2 / np.sqrt(np.pi) * np.exp(-x * x))
    assert at.gradcheck(special.erf, X, order=2)
    bessel = at.register(
        special.jv,
        signature="v, z",
        z=lambda v, z: (special.jv(v - 1, z) - special.jv(v + 1, z)) / 2,
        elementwise=True,
    )
    assert bessel.check(1, X)
    with pytest.raises(NoRuleError, match=r"scipy.special.jv has no derivative for argument 'v'"):
        special.jv(leaf(), X)
    expm = at.register(
        linalg.expm, signature="a", a=lambda g, a: linalg.expm_frechet(a.T, g, compute_expm=False)
    )
    a = np.array([[0.1, 0.5], [0.3, 0.2]])
    assert expm.check(a, order=1)
    with pytest.raises(NoRuleError, match=r"the rule of expm for argument 'a' \(test_register.py"):
        at.grad(lambda a: at.grad(lambda a: expm(a).sum())(a).sum())(a)


def test_a_rule_that_replaces_one_of_the_package_is_reached_by_all_its_names():
    at.register(
        np.clip,
        signature="a, a_min=None, a_max=None",
        a=lambda g, a, a_min, a_max: 7 * g * ((a >= a_min) & (a <= a_max)),
        a_min=lambda g, a: np.sum(g * 0.0),
        a_max=lambda g, a: np.sum(g * 0.0),
        override=True,
    )
    for f in (
        lambda x: np.clip(x, 0.5, 1.0),
        lambda x: np.clip(x, min=0.5, max=1.0),
        lambda x: x.clip(min=0.5, max=1.0),
    ):
        assert at.grad(lambda x, f=f: f(x).sum())(X).tolist() == [0.0, 7.0, 0.0]
    with pytest.raises(DeclarationError, match="signature= is a text"):
        at.register(np.cbrt, x=lambda g: g, signature=["x"])


def test_what_is_constant_by_nature_stays_so_with_another_rule():
    at.register(
        np.where,
        signature="condition, x, y",
        x=lambda g, condition: np.where(condition, g, 0.0),
        y=lambda g, condition: np.where(condition, 0.0, g),
        override=True,
    )
    assert at.grad(lambda x: np.where(x, 3 * x, 0.0).sum())(X).tolist() == [3.0, 3.0, 3.0]
