"""The text gives the engine's numbers, also with other values of the arguments than it was made of.

Each program here went wrong once, or could.
"""

import numpy as np
import pytest

import autotensor as at
from tests.drawing.numpy_source.running import check, run


def written_constant(x, y):
    z = y * 1.0
    row = z[0]
    row += row * row
    return np.sum(x * z)


def written_zeros(x, y):
    z = at.zeros((2, 3))
    z += y
    z[0] = x[0] * 2
    return np.sum(z * z)


def written_where(x, y):
    z = x * 1.0
    z[z > 0] = 0.5
    return np.sum(z * y)


def copied_where(x, y):
    z = x * 1.0
    np.copyto(z, 0.5, where=y > 0)
    return np.sum(z * z)


def added_at(x, y):
    z = at.zeros((2, 3)) + y
    np.add.at(z, (slice(None), [2, 0, 0]), x)
    return np.sum(z * z * x)


def read_twice(x, y):
    z = np.sin(x)
    return np.sum(z[:, [2, 0, 0]] * y) + np.sum(np.cos(z) * z)


def through_views(x, y):
    z = x * y
    z.T[1] *= 3.0
    z.reshape(-1)[::2] = 1.0
    return np.sum(z * x)


def empty_view(x, y):
    z = x * y
    z[:, 3:] = 1.0
    return np.sum(z)


def mixed(x, y):
    z = np.where(x > 0, np.log(np.abs(x)), 0.0) @ y.T
    return np.sum(np.maximum(z, 0))


def dead_rows(x, y):
    # The roots of the rows left out have infinite derivatives; all rows are live at first.
    return np.sum(np.where(x[:, :1] > 0, np.sqrt(np.maximum(x[:, :1], 0)) @ y[:1], 0))


def inner_gradient(x, y):
    return np.sum(at.grad(lambda t: np.sum(t * t * np.tanh(t)))(y) * x)


def inner_jvp(x, y):
    return np.sum(at.jvp(lambda t: np.tanh(t) * t, (x,), (y,))[1])


def checkpointed(x, y):
    return np.sum(at.checkpoint(lambda t: np.tanh(t * y), x))


def detached(x, y):
    return np.sum(x.detach() * y * x)


def zero_plus(x, y):
    return np.sum(x + np.int64(0)) + np.std(y[0, 0] + 3 * np.arange(1).reshape(()))


def complex_scalar(x, y):
    return np.sum(np.abs(np.sum(x) * 1j + y))


def axes_by_name(x, y):
    return np.sum(np.transpose(x, (1, 0)) @ np.transpose(y, axes=[0, 1]))


def chosen_rows(x, y):
    z = x - np.max(x, axis=1, keepdims=True)
    z = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.mean(z[np.arange(2), np.argmax(y, axis=1)])


PROGRAMS = [f for f in list(vars().values()) if getattr(f, "__module__", "") == __name__]


def arguments(seed):
    rng = np.random.default_rng(seed)
    values = {"x": rng.normal(size=(2, 3)), "y": rng.normal(size=(2, 3))}
    values["x"][:, 0] = np.abs(values["x"][:, 0]) * (1 if seed == 1 else -1)
    return values


@pytest.mark.parametrize("wrt", [None, 0], ids=["both", "first"])
@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_also_with_other_values(function, wrt):
    check(function, arguments(1), [arguments(2), arguments(3)], wrt)


def test_an_unused_result_of_svd_is_traced():
    def f(x, y):
        return np.sum(x) * np.linalg.svd(y)[1][0]

    check(f, arguments(1), [arguments(2)], 0)


@pytest.mark.parametrize("dtype", ["f2", "f4", "c8", "c16"])
def test_other_dtypes(dtype):
    def f(x, y):
        return np.sum(np.abs(x * y * 2 + x / 3) ** 2)

    values = {name: v.astype(dtype) for name, v in arguments(1).items()}
    if dtype[0] == "c":
        values["x"] = values["x"] * values["x"].dtype.type(1 + 2j)
    check(f, values)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_shapes_without_axes_or_entries(shape):
    def f(x, y):
        return np.sum(np.tanh(x) * y)

    values = {"x": np.full(shape, 0.5)[()], "y": np.full(shape, 2.0)[()]}
    check(f, values)


def test_several_results_of_ops_of_users():
    @at.custom_op(vjp=lambda g, x, y: (g[0] * np.cos(y), -g[0] * x * np.sin(y) + g[1]))
    def duo(x, y):
        return x * np.cos(y), y

    class Scaled(at.compat.Function):
        @staticmethod
        def forward(ctx, x, n):
            ctx.n = n
            y = np.exp(x / n)
            ctx.save_for_backward(y)
            return y, x * n

        @staticmethod
        def backward(ctx, g, h):
            (y,) = ctx.saved_tensors
            return g * y / ctx.n + h * ctx.n, None

    def f(x, y):
        a, b = duo(x, y)
        c, d = Scaled.apply(a, 4)
        return np.sum(a * b) + np.sum(c * d)

    text = check(f, arguments(1), [arguments(2)], given={"duo": duo, "Scaled": Scaled})
    assert "# To be given to exec: duo, Scaled" in text
    assert "object" not in text


@pytest.mark.parametrize(
    ("dtype", "scale"), [("d", 1e200), ("d", 1e-200), ("f", 1e20), ("f", 1e-30)]
)
def test_numbers_whose_product_is_out_of_range_stay_apart(dtype, scale):
    scale = np.dtype(dtype).type(scale)
    x = np.full(2, 1 / scale, dtype)
    with np.errstate(all="ignore"):
        text = at.source(lambda x: np.sum(scale * (scale * x)))(x)
        value, _ = run(text, {"x": x})
    np.testing.assert_allclose(value, 2 * scale, rtol=1e-6)


def written_at(x, i, j):
    z = x * 1.0
    z[i] = z[j] * 2
    z[i] *= x[j]
    return np.sum(z**3)


def written_beside_an_infinite_derivative(x, i, j):
    z = np.sqrt(x)
    z[i] = x[j]
    z[0] = 0
    return np.sum(z)


def put_by_mask(x, i, j):
    z = x * 1.0
    np.putmask(z, x < 0.5, x * 2)
    return np.sum(z * z)


@pytest.mark.parametrize("f", [written_at, written_beside_an_infinite_derivative, put_by_mask])
def test_writes_at_places_that_are_arguments(f):
    def places(x, i, j):
        return {"x": np.array(x), "i": np.array(i), "j": np.array(j)}

    with np.errstate(divide="ignore", invalid="ignore"):  # of which the text warns
        check(
            f,
            places([0.2, 0.7, 0.4, 0.9], [0, 1, 1], [2, 3, 0]),
            [
                places([0.0, 0.8, 0.6, 0.9], [3, 3, 3], [0, 1, 2]),
                places([0.1, 0.2, 0.3, 0.4], [2, 0, 1], [1, 1, 1]),
            ],
            wrt=(0,),
        )
