"""`at.source` as users call it: what it takes, what the text looks like, what it refuses."""

import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest

import autotensor as at
from autotensor import nn
from tests.drawing.numpy_source.running import compare, run


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def tour(rng):
    """The tensors of the README's model, and the loss."""
    x = at.tensor(rng.normal(size=(8, 3)))
    y = at.tensor(rng.normal(size=(8, 2)))
    w = at.tensor(rng.normal(size=(2, 3)), requires_grad=True)
    b = at.tensor(np.zeros(2), requires_grad=True)
    h = np.maximum(x @ w.T + b, 0)
    loss = np.mean((h - y) ** 2)
    return {"x": x, "w": w, "b": b, "y": y}, loss, h


def test_the_text_of_the_tour(rng):
    tensors, loss, h = tour(rng)
    assert at.source(loss, names={**tensors, "h": h, "loss": loss}) == dedent("""\
        import numpy as np


        def value_and_grad(w, b, x, y):
            v1 = x @ w.T + b                        # (8, 2)
            h = np.maximum(v1, 0)                   # (8, 2)
            v2 = h - y                              # (8, 2)
            loss = np.mean(v2 ** 2)                 # ()
            v3 = (v1 > 0) + 0.5 * (v1 == 0)         # (8, 2)  grad of maximum
            v4 = np.where(v3, 2 / 16 * v2, 0) * v3  # (8, 2)
            d_b = np.sum(v4, axis=0)                # (2,)  grad of add
            d_w = v4.T @ x                          # (2, 3)  grad of transpose
            return loss, d_w, d_b
    """)


def test_layers_and_losses(rng):
    model = nn.Sequential(nn.Dense(3, 4), nn.Relu(), nn.Dense(4, 2))
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    loss = nn.MSE()(model(x), y)
    loss.backward(retain_graph=True)
    text = at.source(loss)
    assert len(text.splitlines()) <= 15
    values = {name: p.numpy() for name, p in model.named_parameters()}
    values = {f"layers_{name[7:].replace('.', '_')}": v for name, v in values.items()}
    space = {}
    exec(text, space)
    value, *gradients = space["value_and_grad"](**values, x=x, y=y)
    wanted = [p.grad.numpy() for _, p in model.named_parameters()]
    compare([value, *gradients], [loss.numpy()[()], *wanted], text, exact=False)


def test_the_text_runs_in_a_fresh_interpreter(rng):
    tensors, loss, _ = tour(rng)
    text = at.source(loss, names=tensors)
    values = {name: t.tolist() for name, t in tensors.items()}
    program = (
        f"{text}\nimport sys\nvalues = {values!r}\n"
        "value, *_ = value_and_grad(**{k: np.array(v) for k, v in values.items()})\n"
        "assert 'autotensor' not in sys.modules\nprint(repr(float(value)))\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert float(made.stdout) == pytest.approx(loss.item(), rel=1e-12)


def test_nothing_of_the_graph_changes(rng):
    tensors, loss, _ = tour(rng)
    met = []
    tensors["w"].register_hook(lambda g: met.append(g.shape))
    first = at.source(loss, names=tensors)
    assert tensors["w"].grad is None
    assert met == [(2, 3)]
    assert at.source(loss, names=tensors) == first
    loss.backward()
    assert tensors["w"].grad is not None
    with pytest.raises(at.errors.GraphFreedError, match="retain_graph"):
        at.source(loss)


def test_hooks_are_in_the_text(rng):
    tensors, loss, _ = tour(rng)
    tensors["b"].register_hook(lambda g: g * 7.0)
    loss.backward(retain_graph=True)
    text = at.source(loss, tensors["b"], names=tensors)
    space = {}
    exec(text, space)
    values = {name: t.numpy() for name, t in tensors.items()}
    _, got = space["value_and_grad"](**values)
    np.testing.assert_allclose(got, tensors["b"].grad.numpy(), rtol=1e-12)
    assert "7" in text


def f(x, w=2.0, *rest, scale=3.0, **others):
    parts = [np.sum(x * w) * scale, *(np.sum(r * r) for r in rest)]
    return sum(parts) + np.sum(others.get("q", 0.0))


@pytest.mark.parametrize("wrt", [0, "x", (0,), ["x"]])
def test_wrt_by_place_or_name(wrt):
    text = at.source(f, wrt)(np.ones(2))
    value, gradient = run(text, {"x": np.full(2, 5.0)})
    assert value == 60.0
    np.testing.assert_array_equal(gradient, [6.0, 6.0])


def test_arguments_of_every_kind():
    text = at.source(f, ("rest1", "q", "x"))(np.ones(2), 2.0, np.ones(1), np.ones(3), q=np.ones(4))
    values = {"x": np.ones(2), "rest0": np.ones(1), "rest1": np.full(3, 2.0), "q": np.ones(4)}
    value, by_rest, by_q, by_x = run(text, values)
    assert value == 12.0 + 1.0 + 12.0 + 4.0
    np.testing.assert_array_equal(by_rest, [4.0, 4.0, 4.0])
    np.testing.assert_array_equal(by_q, np.ones(4))
    np.testing.assert_array_equal(by_x, [6.0, 6.0])


def test_arrays_in_lists_and_dicts_are_arguments():
    def g(x, parts, named):
        return np.sum(x * parts[0] + parts[1][0]) * named["scale"]

    call = np.ones(2), [np.ones(2), (np.ones(2), 4)], {"scale": np.float64(2.0)}
    names = ["x", "parts_0", "parts_1_0", "named_scale"]
    value, gradient = run(
        at.source(g)(*call), dict(zip(names, (*[np.full(2, 3.0)] * 3, 10.0), strict=True))
    )
    assert value == 240.0
    np.testing.assert_array_equal(gradient, [30.0, 30.0])


def test_long_constants_without_a_name_are_arguments():
    value, gradient = run(
        at.source(lambda x: np.sum(x * np.arange(100.0)))(np.ones(100)),
        {"x": np.ones(100), "constant": np.ones(100)},
    )
    assert value == 100.0
    np.testing.assert_array_equal(gradient, np.ones(100))


def test_names_that_are_taken():
    @at.custom_op(x=lambda g, x: g * 2.0, source="x * 2.0")
    def double(x):
        return x * 2.0

    op = double
    text = at.source(lambda double, np_: np.sum(op(double) * np_))(np.ones(2), np.ones(2))
    assert "def value_and_grad(double_2, np_):" in text
    compare(
        run(text, {"double_2": np.ones(2), "np_": np.ones(2)}),
        [np.float64(4.0), np.full(2, 2.0)],
        text,
        exact=True,
    )


def test_source_of_an_op():
    @at.custom_op(x=lambda g, x, n: g * n, source="x * n")
    def scaled(x, n=2.0, *, check=None):
        return x * n

    assert scaled.source == "def scaled(x, n=2.0, *, check=None):\n    return x * n"


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (3, "is a text"),
        ("np.exp(", "no Python"),
        ("x; x", "no Python"),
        ("x + z", "names 'z'"),
        ("def other(x): return x", "called op"),
        ("def op(y): return y", "arguments x"),
        ("def op(x): return x\nop = 3", "one function"),
    ],
)
def test_source_of_an_op_that_is_wrong(source, match):
    with pytest.raises(at.errors.DeclarationError, match=match):

        @at.custom_op(x=lambda g: g, source=source)
        def op(x):
            return x


def test_two_functions_of_one_name():
    def make(n):
        @at.custom_op(x=lambda g: g * n, source=f"x * {n}")
        def op(x):
            return x * n

        return op

    a, b = make(2.0), make(3.0)
    with pytest.raises(TypeError, match="two functions that are called op"):
        at.source(lambda x: np.sum(a(x) + b(x)))(np.ones(2))


@pytest.mark.parametrize("name", ["np", "value_and_grad", "range"])
def test_functions_that_have_a_name_of_the_text(name):
    @at.custom_op(x=lambda g: g, source="x * 1", name=name)
    def op(x):
        return x * 1

    with pytest.raises(TypeError, match=f"a function that is called {name}"):
        at.source(lambda x: np.sum(op(x)))(np.ones(2))


def leaky_rule():
    @at.custom_op(x=lambda g, x: g * np.cos(x.numpy() if isinstance(x, at.Tensor) else x))
    def op(x):
        return np.sin(x)

    return op


def test_leaves_without_a_name_are_no_constants():
    def product():
        a, b = (at.tensor(np.ones(2), requires_grad=True) for _ in range(2))
        return np.sum(a * b)

    assert "def value_and_grad(x, x_2):" in at.source(product())


def branching_rule():
    @at.custom_op(x=lambda g, x: g if np.sum(x) > 0 else -g)
    def op(x):
        return x * 1

    return op


def leaky_function():
    class Doubled(at.compat.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.twice = x * 2
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.twice

    return Doubled.apply


@pytest.mark.parametrize("make", [leaky_rule, branching_rule, leaky_function])
def test_rules_that_take_numbers_out(make):
    op = make()
    with pytest.raises(TypeError, match="takes numbers out of a Tensor"):
        at.source(lambda x: np.sum(op(x)))(np.ones(2))
    if make is leaky_function:
        return
    x = at.tensor(np.ones(2), requires_grad=True)
    graph = at.graph(np.sum(op(x)), backward=True)
    assert graph.source == ""
    assert len(list(graph.steps())) == 2


def test_conversions_raise():
    with pytest.raises(TypeError, match=r"np\.stack"):
        at.source(lambda x, y: np.sum(x) + np.array([y, y])[0, 0])(np.ones(2), np.ones(2))


@pytest.mark.parametrize("write", [np.put, np.put_along_axis])
def test_writes_at_computed_places_raise(write):
    def g(x, y):
        z = x * 1.0
        write(z, np.argsort(y), 0.0, *([0] if write is np.put_along_axis else []))
        return np.sum(z)

    with pytest.raises(TypeError, match="x\\[index\\] = v"):
        at.source(g)(np.ones(2), np.ones(2))


def test_parts_of_complex_numbers_written_in_place_raise():
    def g(x):
        z = x + 1j
        z.real *= 2
        return np.sum(np.abs(z))

    with pytest.raises(TypeError, match="imaginary"):
        at.source(g)(np.ones(2))


def test_checkpoints_in_a_loss():
    x = at.tensor(np.ones(2), requires_grad=True)
    loss = np.sum(at.checkpoint(np.tanh, x))
    with pytest.raises(TypeError, match="give it the function"):
        at.source(loss)
    assert at.graph(loss, backward=True).source == ""


@pytest.mark.parametrize(
    ("call", "kind", "match"),
    [
        (lambda: at.source(np.ones(2)), TypeError, "writes a Tensor or a function"),
        (lambda: at.source(at.tensor([1.0])), at.errors.NoGradientError, "nothing to diff"),
        (lambda: at.source(lambda x: x)(np.ones(2)), at.errors.ShapeError, "scalar"),
        (lambda: at.source(lambda x: 3.0)(np.ones(2)), at.errors.LostGradientError, "Tensor"),
        (lambda: at.source(lambda x: np.sum(x), "y")(np.ones(2)), TypeError, "no argument 'y'"),
        (lambda: at.source(lambda x: np.sum(x), 3)(np.ones(2)), TypeError, "no argument 3"),
        (lambda: at.source(lambda x: np.sum(x))({"a": 1}), TypeError, "dict"),
    ],
)
def test_what_it_refuses(call, kind, match):
    with pytest.raises(kind, match=match):
        call()


def test_wrt_that_is_not_there(rng):
    _, loss, _ = tour(rng)
    with pytest.raises(at.errors.NoGradientError, match="does not depend"):
        at.source(loss, at.tensor([1.0], requires_grad=True))
    with pytest.raises(TypeError, match="tensors of the graph"):
        at.source(loss, "w")


def test_lines_that_are_too_long_are_broken():
    def g(x):
        return np.sum(x * np.array([0.123456789] * 10 + [0.987654321] * 10))

    text = at.source(g)(np.ones(20))
    assert max(map(len, text.splitlines())) <= 100
    value, _ = run(text, {"x": np.ones(20)})
    assert value == pytest.approx(11.1111111)


def test_names_are_of_tensors():
    x = at.tensor(1.0, requires_grad=True)
    with pytest.raises(TypeError, match="'a' has a int"):
        at.source(x * x, names={"a": 3})
