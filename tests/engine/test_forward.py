"""Forward mode: tangents up the recorded graph, which agree with cotangents down it."""

import numpy as np
import pytest

import autotensor as at
from autotensor.engine.forward import forward
from autotensor.errors import GraphFreedError, LostGradientError

X = np.array([0.5, -1.0, 2.0])
T = np.array([1.0, 3.0, -2.0])


def push(function, *primals):
    """The tangent of `function` along T, with the check that the transpose gives the same."""
    tangents = [T[: np.size(p)].reshape(np.shape(p)) for p in primals]
    value, tangent = at.jvp(function, primals, tangents)
    _, pullback = at.vjp(function, *primals)
    g = np.asarray(np.cos(value))
    pulled = pullback(g)
    wanted = sum(np.sum(a * b) for a, b in zip(pulled, tangents, strict=True))
    np.testing.assert_allclose(np.sum(g * tangent), wanted, rtol=1e-12, atol=1e-14)
    assert np.shape(tangent) == np.shape(value)
    assert tangent.dtype == value.dtype
    return tangent


def test_elementwise():
    np.testing.assert_allclose(push(np.sin, X), T * np.cos(X))


def test_tangents_of_several_inputs_add_up():
    np.testing.assert_allclose(push(lambda x, y: x * y, X, X + 1), T * (2 * X + 1))


def test_a_value_used_twice():
    np.testing.assert_allclose(push(lambda x: x * np.exp(x), X), T * np.exp(X) * (1 + X))


def test_tangents_are_broadcast_like_their_values():
    matrix = np.ones((2, 3))
    np.testing.assert_array_equal(push(lambda x: matrix + x, X), [T, T])
    np.testing.assert_array_equal(push(lambda x: x + at.tensor(matrix), X), [T, T])
    np.testing.assert_array_equal(push(lambda x: np.maximum(x, -9 * matrix), X), [T, T])


def test_jointly_linear_ops_with_constants_among_their_inputs():
    def joined(x):
        return np.concatenate([x, [1.0, 2.0], at.tensor([3]), 2 * x])

    np.testing.assert_array_equal(push(joined, X), [*T, 0, 0, 0, *(2 * T)])
    np.testing.assert_array_equal(push(lambda x: 1.0 - x, X), -T)

    def written(x):
        y = at.zeros(4)
        y[1:] = x
        y[2] = 7.0
        return y

    np.testing.assert_array_equal(push(written, X), [0, T[0], 0, T[2]])


def test_selections():
    np.testing.assert_array_equal(push(np.max, X), T[2])
    np.testing.assert_array_equal(push(lambda x: np.where(X > 0, x, 0), X), [T[0], 0, T[2]])
    np.testing.assert_array_equal(push(lambda x: x[[2, 2, 0]], X), T[[2, 2, 0]])


def test_a_missing_jvp_is_the_vjp_transposed():
    calls = []

    @at.custom_op(x=lambda g, x: calls.append(1) or g * np.cos(x))
    def sine(x):
        return np.sin(x)

    np.testing.assert_allclose(push(sine, X), T * np.cos(X))
    assert calls
    np.testing.assert_allclose(push(lambda x: at.jvp(sine, (x,), (T,))[1], X), -T * T * np.sin(X))

    @at.custom_op(x=lambda g: np.cumsum(g[::-1])[::-1], n=lambda g: g.sum())
    def nothing_like_numpy(x, n):
        return np.cumsum(x) + n

    with pytest.raises(TypeError, match=r"np.cumsum has no derivative"):
        at.jvp(nothing_like_numpy, (X, 1.0), (T, 1.0))


def test_a_rule_that_ignores_its_cotangent_pushes_zero():
    @at.custom_op(x=lambda g, shape: np.zeros(shape))
    def step(x):
        return np.floor(x)

    np.testing.assert_array_equal(push(step, X), np.zeros(3))
    assert push(lambda x: step(x) + x, X).tolist() == T.tolist()


def test_what_does_not_depend_on_the_input_has_a_zero_tangent():
    outer = at.tensor([1.0, 2.0, 3.0], requires_grad=True)
    np.testing.assert_array_equal(push(lambda x: at.tensor(X), X), np.zeros(3))
    _, tangent = at.jvp(lambda x: np.sin(outer), (X,), (T,))
    assert tangent.tolist() == [0.0, 0.0, 0.0]


def test_dtypes_stay():
    for dtype in (np.float16, np.float32, np.longdouble, np.complex64):
        x = X.astype(dtype)
        value, tangent = at.jvp(lambda x: np.sum(x * 2 + X[0]), (x,), (T.astype(dtype),))
        assert tangent.dtype == value.dtype


def test_complex_numbers_and_their_parts():
    z, t = 1 + 2j, 0.5 - 1j
    for function, slope in [
        (lambda z: z * z, 2 * z * t),
        (np.conj, np.conj(t)),
        (np.real, t.real),
        (np.imag, t.imag),
        (np.abs, (np.conj(z) * t).real / abs(z)),
        (lambda z: z.real * 1j, t.real * 1j),
    ]:
        np.testing.assert_allclose(at.jvp(function, (z,), (t,))[1], slope, rtol=1e-14)


def test_a_real_input_with_a_complex_value():
    np.testing.assert_allclose(
        at.jvp(lambda x: np.exp(1j * x), (0.5,), (2.0,))[1], 2j * np.exp(0.5j)
    )


def test_writes_in_place_are_followed():
    def f(x):
        x = x * 1.0
        x[0] = x[1] * 3
        x *= 2
        return x

    np.testing.assert_array_equal(push(f, X), [6 * T[1], 2 * T[1], 2 * T[2]])


def test_only_what_was_asked_for_comes_back():
    x = at.tensor(X, requires_grad=True)
    y, z = np.sin(x), at.tensor(1.0, requires_grad=True)
    found = forward({y._node, z._node}, {x._node: T}, at.Tensor, record=False)
    assert list(found) == [y._node]


def test_a_graph_that_was_freed_on_the_way_raises():
    def f(x):
        y = np.exp(x)
        y.backward(np.ones(3))
        return y

    with pytest.raises(GraphFreedError, match="reached at exp"):
        at.jvp(f, (X,), (T,))


def test_forward_over_reverse_over_forward():
    def f(x):
        return np.sum(np.sin(x) * x**2)

    def third(x):
        return at.jvp(at.grad(lambda x: at.jvp(f, (x,), (T,))[1]), (x,), (T,))[1]

    x = X
    wanted = (6 - x**2) * np.cos(x) - 6 * x * np.sin(x)
    np.testing.assert_allclose(third(X), wanted * T * T, rtol=1e-12)


WRONG_TANGENTS = {
    "NoneType": lambda t: None,
    "list": lambda t: [1.0, 2.0, 3.0],
    r"shape \(\)": lambda t: 0.0,
    r"shape \(1,\)": lambda t: t[:1],
    "dtype object": lambda t: t.astype(object),
}


@pytest.mark.parametrize("got", WRONG_TANGENTS)
def test_a_jvp_that_returns_no_tangent_raises(got):
    twice = at.custom_op(x=lambda g: 2 * g, jvp=WRONG_TANGENTS[got])(lambda x: 2 * x)
    with pytest.raises(
        LostGradientError, match=f"the jvp of <lambda> for argument 'x' returned {got}"
    ):
        at.jvp(twice, (X,), (T,))
    both = at.custom_op(x=lambda g: g[0], jvp=lambda t: (t, WRONG_TANGENTS[got](t)))(
        lambda x: (x * 1.0, x * 1.0)
    )
    with pytest.raises(LostGradientError, match=f"returned {got}"):
        at.jvp(both, (X,), (T,))


def test_the_tangent_of_an_argument_left_out_is_none():
    @at.custom_op(x=lambda g: g[:3], y=lambda g: g[3:], linear=True)
    def joined(x, y=None):
        return x * 1.0 if y is None else np.concatenate([x, y])

    np.testing.assert_array_equal(at.jvp(joined, (X,), (T,))[1], T)
    np.testing.assert_array_equal(push(joined, X, X), np.concatenate([T, T]))
