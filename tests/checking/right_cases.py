"""Right derivatives at awkward points: plain data, each of them a reason to reject a right rule.

``RIGHT`` maps a name to a function, its inputs and the options of `gradcheck`. All of the ops are
those of autotensor, or custom ops declared here with rules that are right.
"""

import numpy as np

import autotensor as at

__all__ = ["RIGHT", "UNCLEAR", "fresh_ops"]

RNG = np.random.default_rng(7)
X = RNG.normal(size=(3, 4))
V = RNG.normal(size=6)
M = RNG.normal(size=(3, 3))
SPD = M @ M.T + 3 * np.eye(3)
P = np.array([0.2, 0.3, 0.5])
Z = RNG.normal(size=4) + 1j * RNG.normal(size=4)
Q = np.linalg.qr(M)[0]


def fresh_ops():
    """Custom ops, declared anew, since tests forget the ops that a test declares."""

    def invert(x):
        return np.linalg.inv(x)

    def inverse_vjp(g, out):
        return -np.conj(np.swapaxes(out, -1, -2)) @ g @ np.conj(np.swapaxes(out, -1, -2))

    def logdet(x):
        return np.linalg.slogdet(x)[1]

    def cholesky_logdet(x):
        return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(x))))

    def ordered(x):
        return np.sort(x)

    def middle(x):
        return np.median(x)

    inverse = at.custom_op(x=inverse_vjp)(invert)
    return {
        "inverse": inverse,
        "logdet": at.custom_op(x=lambda g, x: g * inverse(x).T)(logdet),
        "cholesky_logdet": at.custom_op(x=lambda g, x: g * inverse(x).T)(cholesky_logdet),
        "sort": at.custom_op(
            x=lambda g, x: g[np.argsort(np.argsort(x.numpy() if hasattr(x, "numpy") else x))]
        )(ordered),
        "median": at.custom_op(x=lambda g, x, out: g * np.where(x == out, 1.0, 0.0))(middle),
        "cube root": at.custom_op(x=lambda g, out: g / (3 * out * out))(lambda x: np.cbrt(x)),
    }


OPS = fresh_ops()


def attention(q, k, v):
    return at.nn.softmax(q @ k.T / np.sqrt(q.shape[1]), axis=1) @ v


def in_place(x):
    y = x * 1.0
    y[1:] = y[1:] * y[:-1]
    y += x
    y[0] = 3.0
    return y


def layer_norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def chirp(x):
    return np.sin(1 / x)


def two_branches(x):
    return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), x * x)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def huber(x):
    return np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5)


def power_series(x):
    total = x * 0 + 1.0
    term = x * 0 + 1.0
    for k in range(1, 20):
        term = term * x / k
        total = total + term
    return total


# name: (function, inputs, options)
RIGHT = {
    "relu at 0": (at.nn.relu, [np.array([-1.0, 0.0, 2.0])], {}),
    "relu of zeros": (at.nn.relu, [np.zeros(5)], {"order": 2}),
    "abs at 0": (np.abs, [np.array([0.0, -0.0, 1.5])], {"order": 2}),
    "max with ties": (np.max, [np.array([1.0, 3.0, 3.0, 3.0])], {"order": 2}),
    "maximum with ties": (np.maximum, [np.array([1.0, 2.0]), np.array([1.0, 3.0])], {"order": 2}),
    "clip at its bounds": (lambda x: np.clip(x, 0, 1), [np.array([0.0, 0.5, 1.0, 7.0])], {}),
    "difference of kinks": (
        lambda x: at.nn.relu(x[0]) - at.nn.relu(x[1]) + np.abs(x[2]),
        [np.zeros(3)],
        {},
    ),
    "nested kinks": (lambda x: np.maximum(np.minimum(x[0], x[1]), x[2]), [np.zeros(3)], {}),
    "kink close by": (np.abs, [np.array([1e-9, -1e-12, 1e-3])], {"order": 2}),
    "norm at 0": (np.linalg.norm, [np.zeros(3)], {}),
    "norm by rows, one of them 0": (
        lambda x: np.linalg.norm(x, axis=1),
        [np.array([[0.0, 0.0], [3.0, 4.0]])],
        {},
    ),
    "log at 1e-7": (np.log, [np.array([1e-7, 2.0, 1e-30])], {"order": 2}),
    "square at 1e11": (lambda x: x * x, [np.array([1e11, -3e11])], {"order": 2}),
    "sin(1e5 x)": (lambda x: np.sin(1e5 * x), [np.array([1.0, 2.3])], {"order": 2}),
    "sin(1e7 x)": (lambda x: np.sin(1e7 * x), [np.array([1.0, 2.3])], {}),
    "sqrt near 0": (np.sqrt, [np.array([1e-12, 1e-3, 4.0])], {"order": 2}),
    "sqrt of a sum near 0": (lambda x: np.sqrt(np.sum(x * x)), [np.array([1e-9, 2e-9])], {}),
    "cbrt near 0": (OPS["cube root"], [np.array([1e-9, 8.0])], {"order": 2}),
    "float32": (np.tanh, [X.astype(np.float32)], {"order": 2}),
    "float32 matmul": (np.matmul, [X.astype(np.float32), X.T.astype(np.float32)], {}),
    "float32 softmax": (at.nn.softmax, [(5 * V).astype(np.float32)], {"order": 2}),
    "float16": (np.exp, [V.astype(np.float16)], {"order": 2}),
    "float16 sum": (lambda x: np.sum(x * x), [V.astype(np.float16)], {}),
    "float32 constant inside": (
        lambda x: x * np.float32(1.1) + np.full(6, 0.1, np.float32),
        [V.astype(np.float32)],
        {},
    ),
    "longdouble": (np.tanh, [V.astype(np.longdouble)], {"order": 2}),
    "mixed dtypes": (lambda x, y: x * y, [V, V.astype(np.float32)], {}),
    "simplex": (lambda p: -np.sum(p * np.log(p)), [P], {"order": 2}),
    "simplex, one certain": (lambda p: np.log(p), [np.array([1 - 2e-9, 1e-9, 1e-9])], {}),
    "inverse": (OPS["inverse"], [SPD], {"order": 2}),
    "logdet by cholesky": (OPS["logdet"], [SPD], {"order": 2}),
    "scalar": (np.exp, [np.array(0.5)], {"order": 2}),
    "python float": (np.sin, 0.3, {"order": 2}),
    "empty": (np.tanh, [np.zeros((0, 3))], {}),
    "sum of nothing": (np.sum, [np.zeros(0)], {}),
    "negative strides": (np.tanh, [X[::-1, ::-2]], {"order": 2}),
    "transposed memory": (lambda a: np.tanh(a) @ a.T, [np.asfortranarray(X)], {}),
    "softmax with tiny gradients": (at.nn.softmax, [np.array([0.0, -260.0, 3.0])], {"order": 2}),
    "logsumexp at 1e3": (at.nn.logsumexp, [np.array([1000.0, 1001.0, -1000.0])], {"order": 2}),
    "sigmoid saturated": (at.nn.sigmoid, [np.array([-300.0, 0.0, 40.0, 300.0])], {"order": 2}),
    "tanh saturated": (np.tanh, [np.array([20.0, -400.0, 0.1])], {"order": 2}),
    "division by the tiny": (
        lambda x, y: x / y,
        [np.array([1.0, 2.0]), np.array([1e-12, -1e-30])],
        {"order": 2},
    ),
    "mixed scales": (lambda x: x * x, [np.array([1e-8, 1.0, 1e8])], {"order": 2}),
    "sum of mixed scales": (lambda x: np.sum(x * x), [np.array([1e-8, 1.0, 1e8])], {}),
    "product of mixed scales": (np.prod, [np.array([1e-100, 1e100, 3.0])], {}),
    "constant": (lambda x: x * 0 + 2, [V], {"order": 2}),
    "linear": (lambda x: X @ x, [V[:4]], {"order": 2}),
    "identity": (lambda x: x + 0, [V], {"order": 2}),
    "floor": (lambda x: np.floor(x) + x, [V], {}),
    "floor alone": (lambda x: np.floor(x) * x, [V], {"order": 2}),
    "sort": (OPS["sort"], [V], {}),
    "median": (OPS["median"], [V[:5]], {}),
    "where with an untaken NaN": (two_branches, [np.array([-1.0, 2.0, -1e-3])], {"order": 2}),
    "huge offset": (lambda x: (x - 1e9) ** 2, [np.array([1e9 + 1, 1e9 - 3.0])], {}),
    "small beside large": (lambda x: (1e6 + x) - 1e6, [V], {}),
    "cube at 0": (lambda x: x**3, [np.array([0.0, 1.0])], {"order": 2}),
    "square at 0": (lambda x: x**2, [np.zeros(3)], {"order": 2}),
    "power of a half at 0": (lambda x: x**1.5, [np.array([0.0, 1.0])], {}),
    "sin(x)/x away from 0": (lambda x: np.sin(x) / x, [np.array([1e-3, -2.0])], {}),
    "prod with a zero": (np.prod, [np.array([0.0, 2.0, 3.0])], {"order": 2}),
    "prod with two zeros": (np.prod, [np.array([0.0, 0.0, 3.0])], {"order": 2}),
    "einsum": (lambda a, b: np.einsum("ij,kj->ik", a, b), [X, X + 1], {"order": 2}),
    "indexing with repeats": (lambda x: x[[0, 0, 2]] * 3, [V], {"order": 2}),
    "abs of complex": (np.abs, [Z], {"order": 2}),
    "abs of complex at 0": (np.abs, [np.array([0j, 1 + 1j])], {}),
    "complex to real": (lambda z: np.sum((z * np.conj(z)).real), [Z], {"order": 2}),
    "real to complex": (lambda x: np.exp(1j * x), [V], {"order": 2}),
    "conj": (np.conj, [Z], {"order": 2}),
    "exp of complex": (np.exp, [Z.astype(np.complex64)], {}),
    "square of complex": (lambda z: z * z, [Z], {"order": 2}),
    "broadcasting": (
        lambda a, b: a * np.exp(b),
        [np.ones((3, 1)) * 0.3, np.linspace(-1, 1, 4)[None]],
        {"order": 2},
    ),
    "keepdims": (lambda a: a / np.sum(np.exp(a), axis=1, keepdims=True), [X], {"order": 2}),
    "many entries": (np.tanh, [np.linspace(-3, 3, 100_000)], {}),
    "many entries to one": (lambda x: np.sum(x * x), [np.linspace(-3, 3, 100_000)], {}),
    "several outputs": (lambda x: (np.sin(x), np.sum(x), x[:2]), [V], {"order": 2}),
    "integer argument": (lambda x, n: x**n, [V, 3], {"order": 2}),
    "integer array argument": (lambda x, i: x[i], [V, np.array([2, 0])], {}),
    "in-place program": (in_place, [V], {"order": 2}),
    "matmul of 100 by 100": (
        np.matmul,
        [RNG.normal(size=(100, 100)), RNG.normal(size=(100, 100))],
        {},
    ),
    "running sum": (lambda x: np.tril(np.ones((6, 6))) @ x, [V], {}),
    "attention": (attention, [X, X + 1, X - 1], {"order": 2}),
    "layer norm": (layer_norm, [X], {"order": 2}),
    "layer norm of equal entries": (layer_norm, [np.full((2, 3), 7.0)], {}),
    "std of nearly equal entries": (np.std, [1e4 + 1e-3 * V], {}),
    "exp that nearly overflows": (np.exp, [np.array([700.0, -700.0])], {"order": 2}),
    "exp(exp)": (lambda x: np.exp(np.exp(x)), [np.array([1.0, 6.5])], {}),
    "chirp": (chirp, [np.array([0.01, 0.3])], {}),
    "rosenbrock": (rosenbrock, [V], {"order": 2}),
    "huber at its joint": (huber, [np.array([1.0, -1.0, 0.3])], {}),
    "series": (power_series, [V], {"order": 2}),
    "denormal values": (lambda x: x * 1e-310, [np.array([1.0, 2.0])], {}),
    "tiny inputs": (lambda x: x * x, [np.array([1e-200, 1e-150])], {}),
    "large inputs": (np.arctan, [np.array([1e150, 1e10])], {}),
    "logits and labels": (
        lambda x: -np.mean((x - at.nn.logsumexp(x, axis=1, keepdims=True))[[0, 1, 2], [1, 0, 3]]),
        [100 * X],
        {"order": 2},
    ),
    "rounded inside": (lambda x: np.tanh(x.astype(np.float32)).astype(np.float64), [V], {}),
    "sharp bend": (lambda x: at.nn.sigmoid(1e4 * x), [np.array([0.0, 1e-3])], {"order": 2}),
    "arctan2 near its cut": (np.arctan2, [np.array([1e-8, -1e-8]), np.array([-1.0, -1.0])], {}),
    "positive domain": (np.log, [np.array([1e-3, 1.0])], {"order": 2, "domain": "positive"}),
    "unit domain": (
        lambda x: np.log(x) + np.log(1 - x),
        [np.array([1e-6, 0.5, 1 - 1e-6])],
        {"order": 2, "domain": "unit"},
    ),
    "simplex domain": (
        lambda p: np.where(np.abs(np.sum(p) - 1) < 1e-9, np.log(p), np.nan),
        [P],
        {"domain": "simplex"},
    ),
    "spd domain": (OPS["cholesky_logdet"], [SPD], {"domain": "spd", "order": 2}),
    "orthogonal domain": (lambda q: np.sum(q[0] ** 3), [Q], {"domain": "orthogonal"}),
}

# The reference cannot tell there, and says so: vertical tangents, and what noise hides.
UNCLEAR = {"rounded inside"}
