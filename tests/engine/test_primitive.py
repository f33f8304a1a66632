"""Declarations: rules by name, refused where they cannot be right, keeping only what they name."""

import numpy as np
import pytest

import autotensor as at
from autotensor import creation
from autotensor.engine import primitive
from autotensor.engine.primitive import TABLE, Op, composite, constant, elementwise, linear, rule
from autotensor.errors import DeclarationError, LostGradientError, NoRuleError, ShapeError


@pytest.fixture(autouse=True)
def table():
    """The table as it was, after the test."""
    before = dict(TABLE)
    yield TABLE
    TABLE.clear()
    TABLE.update(before)


def halve(x, factor=0.5):
    return x * factor


# -- what is refused ------------------------------------------------------------------------------


def test_an_unknown_name_in_a_rule_lists_the_valid_ones():
    with pytest.raises(DeclarationError) as error:
        at.custom_op(x=lambda g, y: g)(halve)
    assert str(error.value) == (
        "the rule of halve for 'x' asks for 'y', which halve does not have. "
        "Valid names: x, factor, out, shape."
    )
    with pytest.raises(DeclarationError, match=r"asks for 'i'.* Valid names: x, out, shape\."):
        elementwise(lambda x: x, lambda i: 1.0, signature="x", name="f")
    with pytest.raises(DeclarationError, match=r"Valid names: xs, out, shape, i, shapes\."):
        linear(lambda xs: xs, lambda g, k: g, signature="[xs]", name="f")


def test_a_partial_takes_no_cotangent():
    with pytest.raises(DeclarationError, match="takes no cotangent 'g'"):
        elementwise(lambda x: x, lambda g, x: g * x, signature="x", name="f")


def test_an_argument_with_a_reserved_name_is_read_with_a_prefix():
    def tile(x, shape):
        return np.broadcast_to(x, shape)

    with pytest.raises(DeclarationError, match="Valid names: x, arg_shape, out, shape"):
        rule(tile, lambda g, shapes: g, signature="x, shape")
    op = rule(
        tile,
        lambda g, shape, arg_shape: g.sum() * np.ones(shape) + len(arg_shape),
        signature="x, shape",
    )
    x = at.tensor(1.0, requires_grad=True)
    op(x, (2, 3)).backward(np.ones((2, 3)))
    assert x.grad.item() == 6.0 + 2


def test_a_rule_for_an_argument_that_is_not_there():
    with pytest.raises(DeclarationError, match=r"no argument 'y' .* Its arguments: x, factor\."):
        at.custom_op(x=lambda g: g, y=lambda g: g)(halve)


def test_an_op_is_declared_once():
    with pytest.raises(DeclarationError, match="sin: it has a rule already"):
        elementwise(np.sin, lambda x: np.cos(x))
    with pytest.raises(DeclarationError, match="add: it has a rule already"):
        rule(np.add, lambda g: g, lambda g: g)


def test_more_rules_than_arguments():
    with pytest.raises(DeclarationError, match="halve: 2 rules for the arguments x"):
        linear(halve, lambda g: g, lambda g: g, signature="x")


def test_a_rule_is_a_python_function():
    with pytest.raises(DeclarationError, match="must be a Python function of plain"):
        elementwise(lambda x: x, np.cos, signature="x", name="f")


def test_a_jvp_may_not_ask_for_more_than_its_vjp_keeps():
    with pytest.raises(DeclarationError, match="which its vjp does not"):
        rule(halve, lambda g: g, signature="x", jvps={"x": lambda t, x: t * x})
    rule(halve, lambda g, x: g, signature="x, factor=0.5", jvps={"x": lambda t, x, factor: t})


def test_arguments_without_a_name_are_refused():
    with pytest.raises(DeclarationError, match="write out what is in"):

        @at.custom_op(x=lambda g: g)
        def scaled(x, *factors):
            return x * factors[0]


def test_what_is_refused_is_not_registered(table):
    before = dict(table)
    with pytest.raises(DeclarationError):
        at.custom_op(x=lambda g, y: g)(halve)
    assert table == before


# -- what is kept ---------------------------------------------------------------------------------

X = at.tensor([[0.5, 2.0], [1.0, 3.0]], requires_grad=True)
C = at.tensor([[1.0, 2.0], [3.0, 4.0]])
KEPT = {
    "add": (lambda: X + C, []),
    "subtract": (lambda: X - C, []),
    "multiply by a constant": (lambda: X * C, [C]),
    "multiply a constant": (lambda: C * X, [C]),
    "multiply": (lambda: X * X, [X, X]),
    "divide by a constant": (lambda: X / C, [C]),
    "divide a constant": (lambda: C / X, [X, "out"]),
    "power": (lambda: X**3, [X, 3]),
    "exp": (lambda: np.exp(X), ["out"]),
    "log": (lambda: np.log(X), [X]),
    "sin": (lambda: np.sin(X), [X]),
    "tanh": (lambda: np.tanh(X), ["out"]),
    "sum": (lambda: X.sum(), []),
    "mean": (lambda: X.mean(axis=0), []),
    "max": (lambda: X.max(), [X, "out"]),
    "matmul by a constant": (lambda: X @ C, [C]),
    "matmul a constant": (lambda: C @ X, [C]),
    "reshape": (lambda: X.reshape(4), []),
    "transpose": (lambda: X.T, []),
    "getitem": (lambda: X[0], []),
    "concatenate": (lambda: np.concatenate([X, C]), []),
    "where": (lambda: np.where(C.numpy() > 2, X, C), []),
    "relu": (lambda: at.nn.relu(X), [X]),
}


@pytest.mark.parametrize(("make", "wanted"), KEPT.values(), ids=KEPT)
def test_a_node_keeps_what_its_rules_name_and_nothing_else(make, wanted):
    y = make()
    arrays = [y._data if isinstance(w, str) else getattr(w, "_data", w) for w in wanted]
    kept = y._node.kept
    assert len(kept) == len(arrays)
    assert all(a is b for a, b in zip(kept, arrays, strict=True))


def test_only_foreign_arrays_are_copied():
    foreign = np.ones((2, 2))
    (kept,) = (X * foreign)._node.kept
    assert kept is not foreign
    assert not np.shares_memory(kept, foreign)


def test_a_sequence_is_kept_as_one_tuple():
    op = linear(
        lambda xs: np.prod(xs, axis=0),
        lambda g, i, xs: g * np.prod(np.stack([x for k, x in enumerate(xs) if k != i]), axis=0),
        signature="[xs]",
        name="product",
    )
    xs = [at.tensor([2.0], requires_grad=True), at.tensor([3.0]), np.array([5.0])]
    y = op(xs)
    assert [type(part) for part in y._node.kept] == [tuple]
    y.backward()
    assert xs[0].grad.tolist() == [15.0]


# -- calls ----------------------------------------------------------------------------------------


@pytest.fixture
def scale():
    @at.custom_op(x=lambda g, factor: g * factor, factor=lambda g, x: g * x)
    def scale(x, factor=2.0, *, power=1):
        return (x * factor) ** power

    return scale


def test_a_custom_op_on_arrays_is_the_function(scale):
    assert isinstance(scale, Op)
    assert repr(scale) == "<op scale>"
    result = scale(np.array([1.0, 2.0]), 3.0)
    assert type(result) is np.ndarray
    assert result.tolist() == [3.0, 6.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda op, x, f: op(x, f),
        lambda op, x, f: op(x, factor=f),
        lambda op, x, f: op(factor=f, x=x),
        lambda op, x, f: op(x, f, power=1),
    ],
)
def test_arguments_may_be_given_by_name(scale, call):
    x, f = at.tensor(5.0, requires_grad=True), at.tensor(7.0, requires_grad=True)
    call(scale, x, f).backward()
    assert (x.grad.item(), f.grad.item()) == (7.0, 5.0)


def test_a_tracked_argument_may_be_any_of_them(scale):
    f = at.tensor(7.0, requires_grad=True)
    scale(np.array(5.0), f).backward()
    assert f.grad.item() == 5.0
    f.grad = None
    scale(np.float32(5.0), factor=f).backward()
    assert f.grad.item() == 5.0


def test_an_argument_left_out_has_its_default_in_the_rule(scale):
    x = at.tensor(5.0, requires_grad=True)
    scale(x).backward()
    assert x.grad.item() == 2.0
    assert at.jvp(scale, (5.0,), (1.0,)) == (10.0, 2.0)
    assert at.grad(lambda x: at.grad(scale)(x) * x)(5.0) == 2.0


def test_a_tracked_argument_without_a_rule_raises(scale):
    with pytest.raises(NoRuleError, match="scale has no derivative for argument 'power'"):
        scale(1.0, power=at.tensor(1.0, requires_grad=True))
    with pytest.raises(NoRuleError, match=r"np.sum has no derivative for argument 'initial'"):
        at.tensor([1.0]).sum(initial=at.tensor(1.0, requires_grad=True))

    @at.custom_op(x=lambda g: g)
    def shifted(x, by):
        return x + sum(by)

    by = [at.tensor(1.0, requires_grad=True), 2.0]
    with pytest.raises(NoRuleError, match="shifted has no derivative for argument 'by'"):
        shifted(at.tensor(1.0, requires_grad=True), by)
    assert shifted(at.tensor(1.0, requires_grad=True), [1.0, 2.0]).item() == 4.0


def test_options_are_safe_from_later_writes():
    @at.custom_op(x=lambda g, by: g * by["k"][0])
    def times(x, by):
        return x * by["k"][0]

    by = {"k": [np.array([3.0, 4.0])]}
    x = at.tensor([1.0, 2.0], requires_grad=True)
    y = times(x, by)
    by["k"][0][:] = 0.0
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_an_op_may_return_a_python_number():
    @at.custom_op(x=lambda g, x: g * np.cos(x))
    def sine(x):
        return float(np.sin(x))

    x = at.tensor(1.0, requires_grad=True)
    (sine(x) + 2 * x).backward()
    assert x.grad.item() == np.cos(1.0) + 2.0


@pytest.mark.parametrize("result", [[1.0, 2.0], [np.ones(2)], None, "text", ("text", None)])
def test_an_op_that_returns_something_else_raises(result):
    @at.custom_op(x=lambda g: g)
    def strange(x):
        return result

    with pytest.raises(LostGradientError, match=f"strange returned a {type(result).__name__}"):
        strange(at.tensor(1.0, requires_grad=True))
    assert str(strange(1.0)) == str(result)


def test_an_op_cannot_write_to_its_arguments():
    @at.custom_op(x=lambda g, out: g * out)
    def shifted_exp(x):
        x -= x.max()
        return np.exp(x)

    x = at.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match="read-only"):
        shifted_exp(x)
    assert x.tolist() == [1.0, 2.0]


def test_a_gradient_of_the_wrong_shape_names_the_axes():
    @at.custom_op(x=lambda g, y: g * y, y=lambda g, x: (g * x).sum())
    def product(x, y):
        return x * y

    x, y = at.tensor([1.0, 2.0], requires_grad=True), at.ones((3, 2))
    with pytest.raises(
        ShapeError, match=r"shape \(2,\).\nThe argument was broadcast: sum over axes \(0,\)"
    ):
        product(x, y).sum().backward()
    with pytest.raises(ShapeError, match=r"Return an array of shape \(3, 2\)"):
        product(x.detach(), at.ones((3, 2), requires_grad=True)).sum().backward()


def test_linear_ops_are_their_own_jvp():
    op = linear(
        lambda x, k: np.roll(x, k), lambda g, k: np.roll(g, -k), signature="x, k", name="roll"
    )
    x, t = np.arange(4.0), np.array([1.0, 0.0, 0.0, 2.0])
    value, tangent = at.jvp(lambda x: at.jvp(lambda x: x[::1], (x,), (t,))[1] + x, (x,), (t,))
    assert value.tolist() == (x + t).tolist()
    assert tangent.tolist() == t.tolist()
    assert op.kind == "linear"


def test_composites_and_constants(table):
    def triple(x):
        raise AssertionError("runs in its place")

    triple.__module__ = "numpy"
    composite(triple, inputs=("x",), cases=[{"x": ()}])(lambda x: 3 * x)
    assert table[triple].run(2.0) == 6.0

    def sign_of_life(x):
        return np.floor(x)

    constant(sign_of_life)
    assert isinstance(table[sign_of_life], primitive.Constant)


@pytest.mark.parametrize("function", [np.floor, np.sign, np.argmax, np.isnan, np.zeros_like])
def test_constants_carry_no_gradient(function):
    x = at.tensor([1.5, 2.5], requires_grad=True)
    y = function(x)
    assert isinstance(y, at.Tensor)
    assert not y.requires_grad
    np.testing.assert_array_equal(y.numpy(), function(x.numpy()))


def test_every_op_of_numpy_is_public_under_its_name():
    for function, entry in TABLE.items():
        name = getattr(function, "__name__", "")
        if getattr(np, name, None) is function and name not in vars(creation):
            assert getattr(at, name) is function
            assert name in at.__all__
            assert entry.function is function
