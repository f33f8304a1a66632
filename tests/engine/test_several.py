"""Several results of one op: at every order and in both modes, alone and together."""

import collections

import numpy as np
import pytest

import autotensor as at
from autotensor.errors import DeclarationError, GraphFreedError, LostGradientError, NonFiniteError

X = np.array([0.3, 0.8, 1.5])
Y = np.array([1.2, 0.7, 0.4])

Pair = collections.namedtuple("Pair", "sine growth")


@at.custom_op(
    vjp=lambda g, x, y, out: (g[0] * np.cos(x) + g[1] * out[1] * y, g[1] * out[1] * x),
)
def joint(x, y):
    return np.sin(x), np.exp(x * y)


@at.custom_op(
    x=lambda g, x, y, out: g[0] * np.cos(x) + g[1] * out[1] * y,
    y=lambda g, x, out: g[1] * out[1] * x,
)
def each(x, y):
    return Pair(np.sin(x), np.exp(x * y))


@at.custom_op(x=lambda g, x: g[0] * 2 * x, jvp=lambda t, x: (2 * t * x, None, None))
def mixed(x):
    return x * x, np.argmax(x), "text"


def plain(x, y):
    return np.sin(x), np.exp(x * y)


def leaf(value=X):
    return at.tensor(value, requires_grad=True)


@pytest.mark.parametrize("op", [joint, each])
def test_derivatives_of_every_order_are_those_of_numpys_own(op):
    assert op.check(X, Y, order=3)
    for loss in (
        lambda f, x, y: f(x, y)[0].sum(),
        lambda f, x, y: f(x, y)[1].sum(),
        lambda f, x, y: (f(x, y)[0] * f(x, y)[1]).sum(),
        lambda f, x, y: (lambda pair: pair[0] * pair[1] * pair[1])(f(x, y)).sum(),
    ):

        def second(f, loss=loss):
            def slope(x, y):
                gx, gy = at.grad(lambda x, y: loss(f, x, y), argnums=(0, 1))(x, y)
                return (gx * gx).sum() + (gx * gy).sum()

            return [
                *at.grad(slope, argnums=(0, 1))(X, Y),
                at.jvp(lambda x: slope(x, Y), (X,), (Y,))[1],
                at.jvp(lambda x: at.jvp(lambda x: loss(f, x, x), (x,), (Y,))[1], (X,), (Y,))[1],
            ]

        for ours, theirs in zip(second(op), second(plain), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_missing_cotangent_is_zeros_and_only_of_an_array_none():
    seen = []

    @at.custom_op(x=lambda g: [seen.append(g), g[0]][1])
    def split(x):
        return x[:2] * 1.0, x.sum(), 3, None, np.float32(x[0])

    first, total, count, nothing, single = split(leaf(np.ones(2)))
    assert (count.item(), nothing) == (3, None)
    assert single.dtype == np.float32
    (total * 2.0).backward()
    a, b, c, d, e = seen.pop()
    np.testing.assert_array_equal(a, [0.0, 0.0])
    assert b == 2.0
    assert c is d is None
    assert e == 0.0
    assert e.dtype == np.float32
    assert first.requires_grad
    assert not count.requires_grad


def test_what_it_returns_is_of_its_own_type():
    assert type(each(leaf(), Y)) is type(each(X, Y)) is type(each(at.tensor(X), Y)) is Pair
    assert isinstance(each(at.tensor(X), Y).sine, at.Tensor)
    assert type(joint(leaf(), Y)) is tuple
    with at.no_grad():
        assert not joint(leaf(), Y)[0].requires_grad


def test_a_result_used_twice_and_one_not_at_all():
    x = leaf()
    a, _ = joint(x, Y)
    (a * a + a).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), (2 * np.sin(X) + 1) * np.cos(X))


def test_a_rule_for_all_runs_once_for_all_results():
    calls = []

    @at.custom_op(vjp=lambda g, x, y: [calls.append(1), (g[0] * y, g[0] * x + g[1])][1])
    def op(x, y):
        return x * y, y * 1.0

    x, y = leaf(), leaf(Y)
    a, b = op(x, y)
    (a * b).sum().backward()
    assert len(calls) == 1
    np.testing.assert_allclose(y.grad.numpy(), 2 * X * Y)


def test_results_without_gradient():
    x = leaf()
    square, place, text = mixed(x)
    assert (place.item(), text) == (2, "text")
    square.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * X)
    assert mixed.check(X)
    np.testing.assert_allclose(at.jvp(lambda x: mixed(x)[0], (X,), (Y,))[1], 2 * X * Y)


def test_other_things_among_the_results():
    op = at.custom_op(x=lambda g: 2 * g[1])(lambda x: ([[1], [1, 2]], 2 * x, {"a": 1}, 2.5))
    ragged, twice, table, number = op(leaf())
    assert (ragged, table) == ([[1], [1, 2]], {"a": 1})
    assert number.item() == 2.5
    twice.sum().backward()
    assert op(at.tensor(X))[0] == [[1], [1, 2]]


@pytest.mark.parametrize("lost", [(X, X), [1.0], {"a": X}, {"a": [X]}])
def test_arrays_deeper_in_the_results_would_lose_their_gradient(lost):
    op = at.custom_op(x=lambda g: g[0])(lambda x: (x * 1.0, lost))
    with pytest.raises(LostGradientError, match=f"a tuple that holds a {type(lost).__name__}"):
        op(leaf())
    assert type(op(X)[1]) is type(lost)


@pytest.mark.parametrize("made", [leaf(), at.tensor(X)])
def test_a_tensor_among_the_results_would_lose_its_gradient(made):
    op = at.custom_op(x=lambda g: g[0] + g[1])(lambda x: (x * made, x))
    with pytest.raises(LostGradientError, match="a tuple that holds a Tensor"):
        op(leaf())


def test_rules_see_named_tuples_as_the_function_returned_them():
    @at.custom_op(
        x=lambda g, x, out: g.sine * np.cos(x) + g.growth * out.growth,
        jvp=lambda t, x, out: Pair(t * np.cos(x), t * out.growth),
    )
    def both(x):
        return Pair(np.sin(x), np.exp(x))

    assert both.check(X)
    assert at.gradcheck(lambda x: both(x).growth, X, order=2)


def test_only_integers():
    places = at.custom_op(x=lambda g: g[0])(lambda x: (np.argmax(x), np.argsort(x)))
    assert [p.requires_grad for p in places(leaf())] == [False, False]


def test_a_result_may_be_written_to():
    same = at.custom_op(x=lambda g: g[0] + g[1])(lambda x: (x, x))
    x = leaf()
    a, b = same(x)
    a *= 3.0
    assert b.tolist() == x.tolist() == X.tolist()
    (a + b).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0, 4.0]
    held = np.ones(3)
    holding = at.custom_op(x=lambda g: g[1])(lambda x: (held, x * 1.0))
    a, _ = holding(leaf())
    held += 1.0
    assert a.tolist() == [1.0, 1.0, 1.0]
    a += 5.0
    assert held.tolist() == [2.0, 2.0, 2.0]


def test_hooks_retained_gradients_and_freeing():
    x = leaf()
    a, b = joint(x, Y)
    a.register_hook(lambda g: 10 * g)
    a.retain_grad()
    (a + 0 * b).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 10 * np.cos(X))
    assert a.grad.tolist() == [10.0, 10.0, 10.0]
    with pytest.raises(GraphFreedError):
        b.sum().backward()


def test_a_selection_above_and_below():
    x = leaf()
    np.where(X > 0.5, joint(np.maximum(x, 0.5), Y)[0], 0).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.where(X > 0.5, np.cos(X), 0))
    push = at.jvp(lambda x: joint(np.sqrt(np.maximum(x, 0.5)), Y)[0], (X,), (Y,))[1]
    expected = at.jvp(lambda x: plain(np.sqrt(np.maximum(x, 0.5)), Y)[0], (X,), (Y,))[1]
    np.testing.assert_allclose(push, expected)


def test_in_a_checkpoint():
    def loss(f, x):
        a, b = f(x)
        return (a * b).sum()

    inner = lambda x: joint(x, x)  # noqa: E731
    kept = at.grad(lambda x: loss(lambda x: at.checkpoint(inner, x), x))(X)
    np.testing.assert_allclose(kept, at.grad(lambda x: loss(inner, x))(X))


def test_in_a_picture():
    x = leaf()
    x.name = "x"
    text = str(at.graph(joint(x, x)[1]))
    assert "result(place=1)" in text
    assert "joint(x, x)" in text
    assert "in 3 arrays" in text  # x, and both results


def test_a_nan_is_found_where_it_was_made():
    @at.custom_op(vjp=lambda g, x, y: (g[0] * y, g[1] * np.inf))
    def broken(x, y):
        return x * y, np.log(y)

    with np.errstate(all="ignore"):
        with (
            pytest.raises(NonFiniteError, match=r"^broken \(test_several.py:\d+\) made 1 NaN of"),
            at.detect_anomaly(),
        ):
            broken(leaf(), leaf(-Y[:1]))
        assert broken(leaf(), leaf(-Y))[1].sum().explain_nan().startswith("broken made 3 NaN of 3")
        with (
            pytest.raises(NonFiniteError, match=r"backward pass of broken .* made 3 inf.*for 'y'"),
            at.detect_anomaly(),
        ):
            broken(leaf(), leaf(Y))[1].sum().backward()
        report = broken(leaf(), leaf(Y))[1].sum().explain_nan()
        assert report.startswith("the backward pass of broken made 3 inf of 3")


def test_an_infinity_of_one_result_by_a_rule_for_all():
    op = at.custom_op(vjp=lambda g, x, y: (g * y, g * x))(lambda x, y: x * y)
    big = np.full(3, 1e300)
    with np.errstate(all="ignore"):
        assert op(leaf(big), leaf(big)).sum().explain_nan().startswith("<lambda> made 3 inf of 3")
        with pytest.raises(NonFiniteError, match="made 3 inf of 3"), at.detect_anomaly():
            op(leaf(big), leaf(big))


def test_complex_and_single_precision():
    @at.custom_op(z=lambda g: g[0] + 1j * g[1])
    def parts(z):
        return z.real.copy(), z.imag.copy()

    assert parts.check(np.array([1 + 2j, -0.5j]))
    z = at.tensor(np.array([1 + 2j], np.complex64), requires_grad=True)
    real, _ = parts(z)
    assert real.dtype == np.float32
    real.sum().backward()
    assert z.grad.dtype == np.complex64


@pytest.mark.parametrize("facts", [{"linear": True}, {"elementwise": True}])
def test_not_where_the_engine_derives_the_rule(facts):
    rule = (lambda: 1.0) if "elementwise" in facts else (lambda g: g)
    op = at.custom_op(x=rule, **facts)(lambda x: (x, x))
    with pytest.raises(LostGradientError, match="returned a tuple"):
        op(leaf())


def test_a_jvp_with_too_few_results_raises():
    op = at.custom_op(x=lambda g: g[0], jvp=lambda t: t)(lambda x: (x * 1.0, x.sum()))
    with pytest.raises(DeclarationError, match="returned one tangent for 2 results"):
        at.jvp(lambda x: op(x)[0], (X,), (X,))


@at.custom_op(vjp=lambda g, x, y, out: (g * y * out, g * x * out))
def growth(x, y):
    return np.exp(x * y)


@pytest.mark.parametrize("op", [lambda x: each(x, Y).growth, lambda x: growth(x, Y)])
def test_a_result_has_all_of_its_gradient_when_its_rule_asks_for_out(op):
    x = leaf()
    y = op(x)
    y.sum().backward(create_graph=True)
    first, x.grad = x.grad, None
    y.retain_grad()
    first.sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), Y)
