"""Custom ops as other libraries write them."""

from types import SimpleNamespace

import numpy as np
import pytest

import autotensor as at
from autotensor.compat import Function, defjvp, defvjp, primitive
from autotensor.errors import DeclarationError, LostGradientError, NoRuleError, ShapeError

X = np.array([0.3, 0.8, 1.5])
Y = np.array([1.2, 0.7, 0.4])


def leaf(value=X):
    return at.tensor(value, requires_grad=True)


# -- Function -------------------------------------------------------------------------------------


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = np.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class Power(Function):
    """x * y**n, and which entry of x is largest."""

    @staticmethod
    def forward(ctx, x, y, n):
        ctx.save_for_backward(x, y)
        ctx.n, ctx.shape = n, x.shape
        largest = np.argmax(x) * 1.0
        ctx.mark_non_differentiable(largest)
        return x * y**n, largest

    @staticmethod
    def backward(ctx, g, nothing):
        x, y = ctx.saved_tensors
        assert nothing is None
        gx = gy = None
        if ctx.needs_input_grad[0]:
            gx = g * y**ctx.n
        if ctx.needs_input_grad[1]:
            gy = g * x * ctx.n * y ** (ctx.n - 1)
        assert ctx.shape == x.shape
        return gx, gy, None


class Two(Function):
    @staticmethod
    def forward(ctx, x, y):
        a, b = np.sin(x), x * np.exp(y)
        ctx.save_for_backward(x, y, b)
        return a, b

    @staticmethod
    def backward(ctx, g, h):
        x, y, b = ctx.saved_tensors
        return g * np.cos(x) + h * np.exp(y), h * b


class Hidden(Function):
    """What it saves is an intermediate."""

    way = "saved"

    @staticmethod
    def forward(ctx, x, way):
        slope = np.cos(x)
        if way == "saved":
            ctx.save_for_backward(slope)
        else:
            ctx.slope = {"list": [slope], "scalar": slope.sum(), "float": float(slope[0])}[way]
        return np.sin(x)

    @staticmethod
    def backward(ctx, g):
        raise AssertionError


def test_inputs_and_outputs_give_every_order():
    assert at.gradcheck(Exp.apply, X, order=3)
    assert at.gradcheck(Two.apply, [X, Y], order=2)
    assert at.gradcheck(lambda x, y: Power.apply(x, y, 3)[0], [X, Y], order=2)
    assert at.gradcheck(lambda x: Power.apply(x, Y, 2.5)[0], X, order=2)
    assert at.gradcheck(lambda y: Power.apply(X, y, 2.5)[0], Y, order=2)


def test_one_backward_serves_all_inputs():
    calls = []

    class Times(Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            calls.append(ctx.needs_input_grad)
            x, y = ctx.saved_tensors
            return g * y, g * x

    x, y = leaf(), leaf(Y)
    loss = Times.apply(x, y).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert calls == [(True, True), (True, True)]
    np.testing.assert_allclose(x.grad.numpy(), 2 * Y)
    Times.apply(x, at.tensor(Y)).sum().backward()
    assert calls[2] == (True, False)


def test_without_a_tensor_it_is_the_function():
    assert type(Exp.apply(X)) is np.ndarray
    value, largest = Power.apply(X, Y, 2)
    assert type(value) is np.ndarray
    assert largest == 2.0
    assert not Exp.apply(at.tensor(X)).requires_grad
    with at.no_grad():
        assert not Exp.apply(leaf()).requires_grad


def test_marked_outputs_carry_no_gradient():
    value, largest = Power.apply(leaf(), Y, 2)
    assert value.requires_grad
    assert not largest.requires_grad
    assert largest.item() == 2.0


@pytest.mark.parametrize(
    ("way", "what"),
    [("saved", r"saved_tensors\[0\]"), ("list", "slope"), ("scalar", "slope"), ("float", "slope")],
)
def test_an_intermediate_works_once_and_then_raises_by_name(way, what):
    class Sine(Hidden):
        @staticmethod
        def backward(ctx, g):
            slope = ctx.saved_tensors[0] if way == "saved" else ctx.slope
            return g * (slope[0] if way == "list" else slope), None

    slope = at.grad(lambda x: Sine.apply(x, way).sum())
    assert np.all(np.isfinite(slope(X)))
    with pytest.raises(NoRuleError, match=rf"Sine: ctx.{what} was computed in forward"):
        at.grad(lambda x: slope(x).sum())(X)


def test_what_is_saved_cannot_be_changed():
    y = Y.copy()
    x = leaf()
    value, _ = Power.apply(x, y, 1)
    y[:] = 100.0
    value.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), Y)

    class Writes(Exp):
        @staticmethod
        def backward(ctx, g):
            g *= 2.0
            return g

    with pytest.raises(ValueError, match="read-only"):
        Writes.apply(leaf()).sum().backward()
    out = Exp.apply(x := leaf())
    total = out.sum()
    out *= 3.0
    total.backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp(X))


def test_misuse():
    class Few(Exp):
        @staticmethod
        def backward(ctx, g):
            return g, g

    class Nothing(Exp):
        @staticmethod
        def backward(ctx, g):
            return None

    with pytest.raises(DeclarationError, match="returned 2 gradients for its 1 arguments"):
        Few.apply(leaf()).sum().backward()
    with pytest.raises(LostGradientError, match="no gradient for argument '0'"):
        Nothing.apply(leaf()).sum().backward()
    with pytest.raises(NoRuleError, match=r"Exp has no derivative for argument '0'. Pass each"):
        Exp.apply([leaf()])
    with pytest.raises(NotImplementedError):
        type("Empty", (Function,), {}).apply(leaf())


# -- primitive ------------------------------------------------------------------------------------


def scaled():
    @primitive
    def scaled(x, y, k=1):
        """Return the product."""
        return k * x * y

    return scaled


def test_vjps_of_every_order():
    op = scaled()
    defvjp(
        op, lambda ans, x, y, k=1: lambda g: k * g * y, lambda ans, x, y, k=1: lambda g: k * g * x
    )
    assert (op.__name__, op.__doc__) == ("scaled", "Return the product.")
    assert at.gradcheck(lambda x, y: op(x, y, k=3), [X, Y], order=2)
    assert at.gradcheck(lambda x, y: op(x, y, 3), [X, Y], order=2)
    assert at.grad(lambda x: op(x, 2.0))(1.0) == 2.0
    assert op(2.0, 3.0) == 6.0


def test_the_answer_several_results_and_none():
    op = primitive(lambda x, y: np.exp(x) + 0 * y)
    defvjp(op, lambda ans, x, y: lambda g: g * ans, None)
    assert at.gradcheck(op, [X, Y], order=3)
    both = primitive(lambda x: (np.sin(x), np.exp(x)))
    defvjp(both, lambda ans, x: lambda g: g[0] * np.cos(x) + g[1] * ans[1])
    assert at.gradcheck(both, X, order=2)


def test_argnums():
    op = scaled()
    defvjp(op, lambda ans, x, y, k=1: lambda g: k * g * x, argnums=(1,))
    assert at.grad(lambda y: op(2.0, y))(1.0) == 2.0
    with pytest.raises(
        NoRuleError, match=r"scaled has no derivative for argument '0'. Give it one"
    ):
        op(leaf(), Y)
    with pytest.raises(NoRuleError, match=r"scaled has no derivative for argument 'k'. Pass it by"):
        op(X, Y, k=leaf(2.0))


def test_forward_rules():
    calls = []
    op = scaled()
    defvjp(
        op, lambda ans, x, y, k=1: lambda g: k * g * y, lambda ans, x, y, k=1: lambda g: k * g * x
    )
    defjvp(
        op,
        lambda g, ans, x, y, k=1: [calls.append(1), k * g * y][1],
        lambda g, ans, x, y, k=1: k * g * x,
    )
    assert at.gradcheck(lambda x, y: op(x, y, k=3), [X, Y], order=2)
    assert calls
    shifted = primitive(lambda x, y: x + 0 * y)
    defvjp(shifted, lambda ans, x, y: lambda g: g, None)
    defjvp(shifted, "same", None)
    assert at.gradcheck(shifted, [X, Y])


def test_misuse_of_primitives():
    with pytest.raises(DeclarationError, match="decorated with @primitive"):
        defvjp(np.sin, lambda ans, x: lambda g: g)
    with pytest.raises(DeclarationError, match="1 rules for 2 argnums"):
        defvjp(scaled(), None, argnums=(0, 1))
    op = scaled()
    defvjp(op, None, None)
    with pytest.raises(DeclarationError, match="no jvp for argument 1"):
        defjvp(op, "same")


# -- nothing is lost, and nothing is another's ----------------------------------------------------

BUFFER = np.zeros(3)


def into_buffer(value):
    BUFFER[...] = value
    return BUFFER


class Buffered(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.sin(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return into_buffer(g * np.cos(x))


@primitive
def buffered(x):
    return np.sin(x)


defvjp(buffered, lambda ans, x: lambda g: into_buffer(g * np.cos(x)))


@pytest.mark.parametrize("op", [Buffered.apply, buffered])
def test_a_buffer_that_is_used_again_is_copied(op):
    a, b = leaf(), leaf(-2 * X)
    c, d = a * 1.0, b * 1.0
    (op(c) + op(d)).sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), np.cos(X))
    np.testing.assert_array_equal(b.grad.numpy(), np.cos(-2 * X))


@pytest.mark.parametrize(
    "keep",
    [lambda x: lambda: 2 * x, lambda x: SimpleNamespace(d=2 * x), lambda x: {"d": (2 * x,)}],
)
def test_what_objects_on_ctx_hold_is_no_constant(keep):
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            twice = 2 * x
            ctx.kept = keep(twice / 2)
            return x * x

        @staticmethod
        def backward(ctx, g):
            kept = ctx.kept
            d = kept() if callable(kept) else kept.d if hasattr(kept, "d") else kept["d"][0]
            return g * d

    np.testing.assert_allclose(at.grad(lambda x: Square.apply(x).sum())(X), 2 * X)
    with pytest.raises(NoRuleError, match=r"ctx.kept was computed in forward"):
        at.grad(lambda x: at.grad(lambda x: Square.apply(x).sum())(x).sum())(X)


def test_a_tensor_from_outside_in_the_results_raises():
    w = leaf()

    class Outside(Function):
        @staticmethod
        def forward(ctx, x):
            return x * w, x

    for x in (X, leaf()):
        with pytest.raises(LostGradientError, match="returned a Tensor of another graph"):
            Outside.apply(x)
    with at.no_grad():
        assert Outside.apply(leaf())[0].tolist() == (X * X).tolist()


def test_one_output_that_carries_no_gradient():
    class Rounded(Function):
        @staticmethod
        def forward(ctx, x):
            y = np.round(x)
            ctx.mark_non_differentiable(y)
            return y

    y = Rounded.apply(leaf())
    assert not y.requires_grad
    assert y.tolist() == np.round(X).tolist()


def test_gradients_of_defaults_that_were_not_given_may_be_none():
    class Power(Function):
        @staticmethod
        def forward(ctx, x, n=2):
            ctx.save_for_backward(x)
            ctx.n = n
            return x**n

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * ctx.n * x ** (ctx.n - 1), None

    assert at.gradcheck(Power.apply, X, order=2)


@primitive
def times(x, y):
    return x * y


defvjp(times, lambda ans, x, y: lambda g: g * y, lambda ans, x, y: lambda g: g * x)


class Times(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * y, g * x


@pytest.mark.parametrize("op", [times, Times.apply])
def test_a_gradient_of_the_wrong_shape_names_its_argument(op):
    y = leaf()
    with pytest.raises(ShapeError, match="for argument '1' returned shape"):
        op(at.tensor(np.ones((2, 3))), y).sum().backward()
