"""Derivatives of functions: values, types, nesting, and what a result carries."""

import numpy as np
import pytest

import autotensor as at
from autotensor.errors import DtypeError, LostGradientError, NoGradientError, ShapeError

X = np.array([0.5, -1.0, 2.0])


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


def cubes(x):
    return np.sum(x**3)


def nth(function, order, transform=at.grad):
    for _ in range(order):
        function = transform(function)
    return function


# -- orders ---------------------------------------------------------------------------------------


def closed_form(x, order):
    """The derivative of sin(x) exp(x) x**3, the imaginary part of exp(c x) x**3 with c = 1 + i.

    By Leibniz: the sum over k of binomial(order, k) c**(order - k) exp(c x) times the k-th
    derivative of x**3.
    """
    c = 1 + 1j
    powers = [x**3, 3 * x**2, 6 * x, 6 * np.ones_like(x), np.zeros_like(x)]
    binomial = {0: [1], 1: [1, 1], 2: [1, 2, 1], 3: [1, 3, 3, 1], 4: [1, 4, 6, 4, 1]}[order]
    terms = [b * c ** (order - k) * powers[k] for k, b in enumerate(binomial)]
    return (np.exp(c * x) * sum(terms)).imag


def example(x):
    return np.sum(np.sin(x) * np.exp(x) * x**3)


@pytest.mark.parametrize("order", range(5))
def test_gradients_to_the_fourth_order(order):
    for x in X:
        np.testing.assert_allclose(
            nth(example, order)(at.tensor(x)).item(), closed_form(x, order), rtol=1e-9
        )

    def summed(function):
        return lambda x: np.sum(at.grad(function)(x))

    # entries do not mix, so the gradient of the summed gradient is the next derivative
    if order:
        got = at.grad(nth(example, order - 1, summed))(X)
        np.testing.assert_allclose(got, closed_form(X, order), rtol=1e-9)


@pytest.mark.parametrize("order", range(1, 5))
def test_tangents_to_the_fourth_order(order):
    def pushed(function):
        return lambda x: at.jvp(function, (x,), (np.ones_like(X),))[1]

    got = nth(lambda x: np.sin(x) * np.exp(x) * x**3, order, pushed)(X)
    np.testing.assert_allclose(got, closed_form(X, order), rtol=1e-9)


@pytest.mark.parametrize(
    "modes", ["rf", "fr", "rrf", "rfr", "frr", "ffr", "frf", "rff", "rfrf", "frrf"]
)
def test_modes_may_be_mixed(modes):
    def pushed(function):
        return lambda x: at.jvp(function, (x,), (1.0,))[1]

    function = example
    for mode in modes:
        function = at.grad(function) if mode == "r" else pushed(function)
    np.testing.assert_allclose(function(0.7), closed_form(np.float64(0.7), len(modes)), rtol=1e-9)


def test_the_hessian_of_rosenbrock():
    def rosenbrock(x):
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    x = np.array([0.5, -1.0])
    wanted = np.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200]])
    slope = at.grad(rosenbrock)
    columns = [at.jvp(slope, (x,), (e,))[1] for e in np.eye(2)]
    rows = [at.vjp(slope, x)[1](e)[0] for e in np.eye(2)]
    np.testing.assert_allclose(columns, wanted, rtol=1e-14)
    np.testing.assert_allclose(rows, wanted, rtol=1e-14)


# -- perturbations are not confused ---------------------------------------------------------------


def slope_by_grad(function, x):
    return at.grad(function)(x)


def slope_by_jvp(function, x):
    return at.jvp(function, (x,), (1.0,))[1]


@pytest.mark.parametrize("inner", [slope_by_grad, slope_by_jvp])
@pytest.mark.parametrize("outer", [slope_by_grad, slope_by_jvp])
def test_nested_derivatives_that_close_over_outer_variables(outer, inner):
    assert outer(lambda x: x * inner(lambda y: x + y, 1.0), 1.0) == 1.0
    assert outer(lambda x: x * inner(lambda y: x * y, 2.0), 3.0) == 6.0
    assert outer(lambda x: x * inner(lambda y: y * y * x, x), 3.0) == 54.0
    assert outer(lambda x: inner(lambda y: x * 1.0, 2.0) + x, 3.0) == 1.0
    # d/dx (x * (d/dy sin(x y)) at y = x) = d/dx (x^2 cos x^2)
    got = outer(lambda x: x * inner(lambda y: np.sin(x * y), x), 0.7)
    np.testing.assert_allclose(got, 1.4 * np.cos(0.49) - 0.49 * 1.4 * np.sin(0.49), rtol=1e-14)

    def three_deep(x):
        return x * inner(lambda y: y * x * inner(lambda z: x * y * z * z, y), x)

    np.testing.assert_allclose(outer(three_deep, 1.1), 30 * 1.1**4, rtol=1e-14)  # of 6 x^5


def test_derivatives_by_cotangents_and_tangents():
    weights = np.array([1.0, 2.0, 3.0])
    by_cotangent = at.grad(lambda g: np.sum(weights * at.vjp(np.sin, X)[1](g)[0]))(np.ones(3))
    by_tangent = at.grad(lambda t: np.sum(weights * at.jvp(np.sin, (X,), (t,))[1]))(np.ones(3))
    for got in (by_cotangent, by_tangent):
        assert type(got) is np.ndarray
        np.testing.assert_array_equal(got, weights * np.cos(X))


def test_an_implicit_function_by_unrolling():
    def root(a):  # Newton's method for y**2 = a, with its own derivative
        y = a * 1.0
        for _ in range(8):
            y = y - (y * y - a) / at.grad(lambda y: y * y - a)(y)
        return y

    np.testing.assert_allclose(at.grad(root)(2.0), 0.5 / np.sqrt(2.0), rtol=1e-12)


# -- types ----------------------------------------------------------------------------------------


def test_a_float_gives_a_scalar_an_array_an_array_and_a_tensor_a_tensor():
    for given, kind in [
        (2.0, np.float64),
        (np.float32(2.0), np.float32),
        (np.array(2.0), np.float64),
        ([2.0, 3.0], np.ndarray),
        (np.ones(2), np.ndarray),
        (at.tensor([2.0]), at.Tensor),
        (leaf(2.0), at.Tensor),
    ]:
        gradient = at.grad(cubes)(given)
        value, same = at.value_and_grad(cubes)(given)
        pulled = at.vjp(cubes, given)[1](1.0)[0]
        pushed = at.jvp(cubes, (given,), (np.ones(np.shape(given)),))[1]
        assert type(gradient) is type(same) is type(pulled) is kind
        scalar = at.Tensor if kind is at.Tensor else np.generic
        assert isinstance(value, scalar)
        assert isinstance(pushed, scalar)


def test_each_argument_has_its_own_type():
    a, b = at.grad(lambda a, b: np.sum(a * b), (0, 1))(at.tensor([1.0, 2.0]), np.ones(2))
    assert isinstance(a, at.Tensor)
    assert type(b) is np.ndarray


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, np.complex64])
def test_dtypes_are_kept(dtype):
    x = X.astype(dtype)
    assert at.grad(lambda x: np.real(np.sum(x * np.float64(2))))(x).dtype == dtype
    value, gradient = at.value_and_grad(lambda x: np.real(cubes(x)))(x)
    assert value.dtype == x.real.dtype
    assert gradient.dtype == dtype


def test_results_are_writable_and_independent():
    for function in (np.sum, lambda x: np.sum(x * 1.0)):
        gradient = at.grad(function)(np.ones(3))
        gradient += 1.0
    value, pullback = at.vjp(np.add, np.zeros(2), np.zeros(2))
    a, b = pullback(np.ones(2))
    a += 1.0
    assert b.tolist() == [1.0, 1.0]
    value, pullback = at.vjp(np.exp, np.zeros(2))
    value *= 0.0
    assert pullback(np.ones(2))[0].tolist() == [1.0, 1.0]
    x = np.ones(2)
    _, pullback = at.vjp(lambda x: x * x, x)
    x[:] = 9.0
    assert pullback(np.ones(2))[0].tolist() == [2.0, 2.0]


# -- argnums, several outputs ---------------------------------------------------------------------


def test_argnums():
    def f(a, b, c=1.0, *, power=1):
        return a * b * c**power

    assert at.grad(f)(2.0, 3.0) == 3.0
    assert at.grad(f, 1)(2.0, 3.0) == 2.0
    assert at.grad(f, -1)(2.0, 3.0) == 2.0
    assert at.grad(f, (1, 0))(2.0, 3.0) == (2.0, 3.0)
    assert at.grad(f, [2])(2.0, 3.0, 5.0, power=2) == (60.0,)
    assert at.value_and_grad(f, (0,))(2.0, 3.0) == (6.0, (3.0,))
    for twice in ((0, 0), (1, -1)):
        with pytest.raises(ValueError, match="names an argument twice"):
            at.grad(f, twice)(2.0, 3.0)
    with pytest.raises(TypeError, match="no positional argument"):
        at.grad(f, 2)(2.0, 3.0)
    assert at.grad(f).__name__ == "f"


def test_the_same_tensor_may_be_two_arguments():
    x = leaf(3.0)
    a, b = at.grad(lambda a, b: a * a * b, (0, 1))(x, x)
    assert (a.item(), b.item()) == (18.0, 9.0)
    assert at.grad(lambda a: a * a * x)(x).item() == 18.0


def test_several_outputs():
    def f(x, y):
        return x * y, np.sin(x), y, at.tensor(5.0)

    value, pullback = at.vjp(f, 2.0, 3.0)
    assert value == (6.0, np.sin(2.0), 3.0, 5.0)
    assert pullback(1.0, 0.0, 0.0, 7.0) == (3.0, 2.0)
    assert pullback(0.0, 1.0, 4.0, 0.0) == (np.cos(2.0), 4.0)
    with pytest.raises(ValueError, match="4 outputs, but 1 cotangents"):
        pullback(1.0)
    value, tangent = at.jvp(f, (2.0, 3.0), (1.0, 10.0))
    assert value[0] == 6.0
    assert tangent == (23.0, np.cos(2.0), 10.0, 0.0)
    value, pullback = at.vjp(lambda x: (x, x), X)
    np.testing.assert_array_equal(pullback(X, X)[0], 2 * X)
    with pytest.raises(ValueError, match="2 primals, but 1 tangents"):
        at.jvp(f, (2.0, 3.0), (1.0,))


def test_identity_and_constants():
    assert at.grad(lambda x: x)(2.0) == 1.0
    assert at.jvp(lambda x: x, (2.0,), (3.0,)) == (2.0, 3.0)
    assert at.grad(lambda x: at.tensor(5.0))(2.0) == 0.0
    assert at.grad(lambda x: np.sum(x > 0))(X).tolist() == [0.0, 0.0, 0.0]
    assert at.vjp(np.argmax, X)[1](1.0)[0].tolist() == [0.0, 0.0, 0.0]


# -- results that carry a graph -------------------------------------------------------------------


def test_a_result_carries_the_graph_of_what_is_outside():
    x, a = leaf(2.0), leaf(3.0)
    value, gradient = at.value_and_grad(lambda y: a * y**3)(x)
    (value + gradient).backward()
    assert x.grad.item() == 9 * 4.0 + 18 * 2.0
    assert a.grad.item() == 8.0 + 3 * 4.0

    x.grad = a.grad = None
    gradient = at.grad(lambda y: a * y**3)(2.0)  # by what it closes over alone
    assert isinstance(gradient, at.Tensor)
    gradient.backward()
    assert a.grad.item() == 12.0
    assert x.grad is None


def test_and_of_cotangents_and_tangents():
    g, t = leaf(5.0), leaf(7.0)
    at.vjp(np.sin, 1.0)[1](g)[0].backward()
    assert g.grad.item() == np.cos(1.0)
    at.jvp(np.sin, (1.0,), (t,))[1].backward()
    assert t.grad.item() == np.cos(1.0)


def test_a_result_without_anything_outside_carries_none():
    for gradient in (at.grad(cubes)(at.tensor(2.0)), at.vjp(cubes, at.tensor(2.0))[1](1.0)[0]):
        assert not gradient.requires_grad
    assert not at.value_and_grad(cubes)(at.tensor(2.0))[0].requires_grad


def test_under_no_grad_results_carry_no_graph():
    x = leaf(2.0)
    with at.no_grad():
        value, gradient = at.value_and_grad(cubes)(x)
        second = at.grad(at.grad(cubes))(x)
        tangent = at.jvp(cubes, (x,), (x,))[1]
    results = [value, gradient, second, tangent]
    assert [r.item() for r in results] == [8.0, 12.0, 12.0, 24.0]
    assert not any(r.requires_grad for r in results)


def test_no_grad_inside_the_function_makes_constants():
    def f(x):
        with at.no_grad():
            scale = 2 * x
        return scale * x

    assert at.grad(f)(3.0) == 6.0
    assert at.grad(at.no_grad()(cubes))(3.0) == 0.0


def test_backward_inside_a_function():
    x = leaf(2.0)

    def f(y):
        z = y * x
        z.backward(retain_graph=True)
        return z

    assert at.grad(f)(3.0).item() == 2.0
    assert x.grad.item() == 3.0


def test_functions_may_write_to_their_argument():
    x = leaf([1.0, 2.0])

    def f(y):
        y *= 3.0
        y[0] = 5.0
        return np.sum(y * y)

    assert at.grad(f)(x).tolist() == [0.0, 36.0]
    assert at.jvp(f, (x,), (np.ones(2),))[1].item() == 36.0
    assert x.tolist() == [1.0, 2.0]


def test_a_value_may_be_written_to_before_its_pullback_is_used():
    x = leaf([1.0, 2.0])
    value, pullback = at.vjp(lambda x: x * x, x)
    value *= 100.0
    assert pullback(np.ones(2))[0].tolist() == [2.0, 4.0]


def test_an_argument_kept_for_later_is_a_constant():
    kept = []
    at.grad(lambda x: kept.append(x) or x * x)(3.0)
    assert not kept[0].requires_grad
    assert at.grad(lambda y: y * kept[0])(2.0) == 3.0


def test_what_is_outside_is_not_walked():
    outer = leaf(2.0)
    outer.register_hook(lambda g: pytest.fail("the gradient of outer is not asked for"))
    trunk = np.exp(outer)
    trunk.register_hook(lambda g: pytest.fail("nor that of trunk"))
    gradient = at.grad(lambda x: np.sum(x * trunk * outer))(X)
    np.testing.assert_array_equal(gradient.numpy(), np.full(3, np.exp(2.0) * 2.0))
    freed = np.exp(leaf(1.0))
    freed.backward()
    assert at.grad(lambda x: x * freed)(3.0).item() == np.e
    assert at.jvp(lambda x: x * freed, (3.0,), (1.0,))[1].item() == np.e


# -- misuse ---------------------------------------------------------------------------------------


def test_misuse():
    with pytest.raises(ShapeError, match="scalar result"):
        at.grad(np.sin)(X)
    with pytest.raises(LostGradientError, match="returned float"):
        at.grad(lambda x: x.item())(1.0)
    with pytest.raises(LostGradientError, match="returned tuple"):
        at.grad(lambda x: (x, x))(1.0)
    for integers in (3, np.array([1, 2]), at.tensor([1])):
        with pytest.raises(DtypeError):
            at.grad(cubes)(integers)
    with pytest.raises(ShapeError, match="the tangent has shape"):
        at.jvp(np.sin, (X,), (1.0,))
    with pytest.raises(ShapeError, match="the gradient has shape"):
        at.vjp(np.sin, X)[1](np.ones(2))
    with pytest.raises(NoGradientError):
        at.backward([])


def test_complex_functions():
    z = 1 + 2j
    assert at.grad(lambda z: np.sum(z.real**2 + z.imag**2))(z) == 2 * z
    np.testing.assert_allclose(at.grad(np.abs)(3 + 4j), 0.6 + 0.8j, rtol=1e-15)
    assert at.vjp(lambda z: z * z, z)[1](1.0)[0] == np.conj(2 * z)
    assert at.jvp(lambda z: z * z, (z,), (1j,))[1] == 2 * z * 1j
    assert at.grad(lambda x: np.real((x * z) ** 2))(1.0) == pytest.approx(2 * (z * z).real)
