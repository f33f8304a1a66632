"""Wrong rules that give wrong numbers: factors, entries, sums, axes, conjugates, regions."""

import numpy as np

from tests.checking.corpus import (
    EACH,
    NAMED,
    POSITIVE,
    RNG,
    B,
    U,
    V,
    W,
    X,
    Z,
    applied,
    beside,
    between,
    exponential,
    norm,
    product,
    rowwise_softmax,
    sine,
    softmax,
    square,
    total,
    total_sine,
    wrong,
)

TOOTH = np.where(np.arange(12).reshape(3, 4) == 6, 1.0, 0.0)  # only x[1, 2]
TWICE = np.array([0, 3, 1, 3])
LARGE = RNG.normal(size=(100, 100))
CHIPPED = np.where((np.arange(10_000) == 307).reshape(100, 100), 1.02, 1.0)
KERNEL = np.array([1.0, -0.5, 0.25])

# Factors and signs.
wrong("factor 1.02", sine, X, "G15", EACH, x=lambda g, x: g * np.cos(x) * 1.02)
wrong("factor 2", sine, X, "G15", EACH, x=lambda g, x: g * np.cos(x) * 2)
wrong("factor 1.00001", sine, X, "G15", EACH, x=lambda g, x: g * np.cos(x) * 1.00001)
wrong("sign", sine, X, "G15", EACH, x=lambda g, x: -g * np.cos(x))
wrong("zero", sine, X, "G15", EACH, x=lambda g, x: 0 * g * np.cos(x))
wrong(
    "constant in half precision",
    lambda x: np.tanh(np.sqrt(2 / np.pi) * x),
    X,
    "G15",
    EACH,
    x=lambda g, out: g * (1 - out * out) * np.float16(np.sqrt(2 / np.pi)),
)
wrong(
    "integer division of an exponent",
    lambda x: x**1.5,
    POSITIVE,
    "G15",
    EACH,
    x=lambda g, x: g * (3 // 2) * np.sqrt(x),
)
wrong("truncated to integers", square, V, "G15", EACH, x=lambda g, x: g * np.trunc(2 * x))
wrong("evaluated at rounded x", sine, X, "G15", EACH, x=lambda g, x: g * np.cos(np.round(x, 4)))
wrong(
    "a difference quotient",
    sine,
    X,
    "G15",
    EACH,
    x=lambda g, x: g * (np.sin(x + 1e-4) - np.sin(x)) / 1e-4,
)

# Entries.
wrong(
    "one entry 2 % off",
    sine,
    X,
    "G15",
    r"x\[1, 2\]",
    x=lambda g, x: g * np.cos(x) * (1 + 0.02 * TOOTH),
)
wrong("one entry zero", sine, X, "G15", r"x\[1, 2\]", x=lambda g, x: g * np.cos(x) * (1 - TOOTH))
wrong(
    "one entry from its neighbour",
    sine,
    X,
    "G15",
    r"x\[1, 2\]",
    x=lambda g, x: g * np.cos(np.where(TOOTH, np.roll(x, 1), x)),
)
wrong("off by one", square, V, "G15", r"x\[\d\]", x=lambda g, x: g * 2 * np.roll(x, 1))
wrong(
    "off by one at the end of a difference",
    lambda x: x[1:] - x[:-1],
    V,
    "G15",
    r"d x\[[04]\]",
    x=lambda g: np.concatenate([g[:1], g[:-1] - g[1:], g[-1:]]),
)
wrong(
    "cumulative sum not reversed",
    lambda x: np.cumsum(x),
    V,
    "G15",
    r"x\[\d\]",
    x=lambda g: np.cumsum(g),
)
wrong(
    "diagonal of the Jacobian alone",
    softmax,
    V,
    "G15",
    r"x\[\d\]",
    x=lambda g, out: g * out * (1 - out),
)
wrong(
    "diagonal 2 % off",
    softmax,
    V,
    "G15",
    EACH,
    x=lambda g, out: out * (g - np.sum(g * out)) + 0.02 * g * out * (1 - out),
)
wrong(
    "only the diagonal right",
    softmax,
    V,
    "G15",
    r"output\[(\d)\] / d x\[(?!\1)",
    x=lambda g, out: out * (g - 1.01 * np.sum(g * out)) + 0.01 * g * out * out,
)
wrong(
    "repeated index counted once",
    lambda x: x[TWICE],
    V,
    "G15",
    r"d x\[3\]",
    x=lambda g, shape: np.where(np.arange(5) == 3, g[3], np.array([g[0], g[2], 0, 0, 0])),
)
wrong("sort not undone", lambda x: np.sort(x), V, "G15", r"x\[\d\]", x=lambda g: g + 0)
wrong(
    "every second of a repetition",
    lambda x: np.repeat(x, 2),
    V,
    "G15",
    r"x\[\d\]",
    x=lambda g: g[::2] + 0,
)
wrong(
    "convolution for correlation",
    lambda x: np.convolve(x, KERNEL, "valid"),
    V,
    "G15",
    r"x\[\d\]",
    x=lambda g: np.convolve(g, KERNEL),
)
wrong(
    "the runner-up of a maximum",
    lambda x: np.max(x),
    V,
    "G15",
    r"d x\[[02]\]",
    x=lambda g, x: g * (x == np.sort(x)[-2]),
)
wrong("small gradient zero", lambda x: 1e-6 * np.sin(x), X, "G15", EACH, x=lambda g, x: 0 * g)
wrong(
    "smaller gradient zero beside larger ones",
    lambda x: np.array([1, 1e-12, 1, 1, 1]) * np.sin(x),
    V,
    "G15",
    r"x\[1\]",
    x=lambda g, x: g * np.array([1.0, 0, 1, 1, 1]) * np.cos(x),
)
wrong(
    "saturated gradient held up",
    lambda x: np.tanh(x),
    np.array([0.3, -1.0, 9.0]),
    "G15",
    r"x\[2\]",
    x=lambda g, out: g * np.maximum(1 - out * out, 1e-6),
)
wrong(
    "something added to a divisor",
    lambda x: np.log(x),
    np.array([1.0, 1e-4, 3.0]),
    "G15",
    r"x\[1\]",
    x=lambda g, x: g / (x + 1e-9),
)

# Sums, means and broadcasting.
wrong(
    "mean without 1/n",
    lambda x: np.mean(x),
    X,
    "G15",
    r"x\[\d, \d\]",
    x=lambda g, shape: np.full(shape, g),
)
wrong("sum with 1/n", total, X, "G15", r"x\[\d, \d\]", x=lambda g, shape: np.full(shape, g / 12))
wrong("sum not broadcast", total, X, "G05", NAMED, x=lambda g: g + 0.0)
wrong(
    "sum over broadcast axis missing",
    lambda x, b: x * b,
    [X, B],
    "G05",
    r"\bb\b(.|\n)*axes \(0,\)",
    x=lambda g, b: g * b,
    b=lambda g, x: g * x,
)
wrong(
    "sum over the wrong axis",
    lambda x, b: x * b,
    [W, B[:3]],
    "G15",
    r"d b\[\d\]",
    x=lambda g, b: g * b,
    b=lambda g, x: (g * x).sum(1),
)
wrong(
    "mean for the sum over a broadcast axis",
    lambda x, b: x * b,
    [X, B],
    "G15",
    r"d b\[\d\]",
    x=lambda g, b: g * b,
    b=lambda g, x: (g * x).mean(0),
)
wrong(
    "axis of size 1 lost",
    lambda x, b: x * b,
    [X, B.reshape(1, 4)],
    "G05",
    r"\bb\b",
    x=lambda g, b: g * b,
    b=lambda g, x: (g * x).sum(0),
)
wrong(
    "axis of size 1 squeezed", sine, X[:1], "G05", NAMED, x=lambda g, x: np.squeeze(g * np.cos(x))
)
wrong("0-d not thought of", sine, np.array(0.7), "G04 G05", NAMED, x=lambda g, x: g[:] * np.cos(x))
wrong(
    "rows of a batch mixed",
    rowwise_softmax,
    X,
    "G15",
    r"x\[\d, \d\]",
    x=lambda g, out: out * (g - np.sum(g * out)),
)
wrong(
    "centred over the batch",
    lambda x: x - np.mean(x, 1, keepdims=True),
    X,
    "G15",
    r"x\[\d, \d\]",
    x=lambda g: g - np.mean(g),
)
wrong(
    "loss not divided by the batch",
    lambda x: np.mean(np.log(np.sum(np.exp(x), 1)) - x[:, 0]),
    X,
    "G15",
    r"x\[\d, \d\]",
    x=lambda g, x: g * (np.exp(x) / np.sum(np.exp(x), 1, keepdims=True) - np.eye(4)[0]),
)

# Keywords that the rule does not read.
wrong(
    "axis dropped",
    lambda x, axis: np.sum(x * x, axis, keepdims=True),
    [W, 1],
    "G15",
    r"x\[\d, \d\]",
    x=lambda g, x, axis: 2 * x * g.reshape(1, -1),
)
wrong(
    "keepdims dropped",
    lambda x, keepdims: np.sum(x * x, 1, keepdims=keepdims),
    [X, True],
    "G05",
    NAMED,
    x=lambda g, x, keepdims: 2 * x * g[:, None],
)
wrong(
    "ddof dropped",
    lambda x, ddof: np.var(x, ddof=ddof),
    [V, 1],
    "G15",
    r"x\[\d\]",
    x=lambda g, x, ddof: g * 2 * (x - np.mean(x)) / x.size,
)

# Arguments, matrices.
wrong(
    "arguments swapped",
    lambda x, y: x * y * y,
    [V, U],
    "G15",
    r"d [xy]\[\d\]",
    x=lambda g, x, y: g * 2 * x * y,
    y=lambda g, x, y: g * y * y,
)
wrong(
    "numerator for denominator",
    lambda x, y: x / y,
    [V, U],
    "G15",
    r"d y\[\d\]",
    x=lambda g, y: g / y,
    y=lambda g, x, y: -g * y / (x * x),
)
wrong("no rule for an argument", product, [V, U], "G04", r"\by\b", x=lambda g, y: g * y)
wrong(
    "zero for an argument",
    product,
    [V, U],
    "G15",
    r"d y\[\d\]",
    x=lambda g, y: g * y,
    y=lambda g: 0 * g,
)
wrong(
    "None for an argument", product, [V, U], "G04", r"\by\b", x=lambda g, y: g * y, y=lambda g: None
)
wrong(
    "gradient transposed",
    applied,
    [W, U[:3]],
    "G15",
    r"d w\[\d, \d\]",
    w=lambda g, x: np.outer(x, g),
    x=lambda g, w: w.T @ g,
)
wrong(
    "matrix not transposed",
    applied,
    [W, U[:3]],
    "G15",
    r"d x\[\d\]",
    w=lambda g, x: np.outer(g, x),
    x=lambda g, w: w @ g,
)
wrong(
    "inverse not transposed",
    lambda x: np.linalg.inv(x),
    W,
    "G15",
    r"x\[\d, \d\]",
    x=lambda g, out: -out @ g @ out,
)
wrong(
    "determinant not transposed",
    lambda x: np.linalg.det(x),
    W,
    "G15",
    r"x\[\d, \d\]",
    x=(lambda g, x, out: g * out * np.linalg.inv(x)),
)
wrong(
    "as if symmetric", lambda x: x @ W @ x, U[:3], "G15", r"x\[\d\]", x=lambda g, x: 2 * g * (W @ x)
)

# Complex numbers.
wrong("conjugate missing", square, Z, "G15", r"x\[\d\]\.(real|imag)", x=lambda g, x: g * 2 * x)
wrong(
    "real part of g alone",
    exponential,
    Z,
    "G15",
    r"x\[\d\]\.(real|imag)",
    x=lambda g, out: np.real(g) * np.conj(out),
)
wrong(
    "real part of the gradient alone",
    exponential,
    Z,
    "G15",
    r"x\[\d\]\.imag",
    x=lambda g, out: np.real(g * np.conj(out)) + 0j,
)
wrong(
    "real part of a complex output alone",
    lambda x: np.exp(1j * x),
    V,
    "G15",
    r"imag / d x\[\d\]",
    x=(lambda g, out: np.real(g) * np.real(np.conj(1j * out))),
)
wrong(
    "conjugate too many",
    lambda x: np.abs(x),
    Z,
    "G15",
    r"x\[\d\]\.imag",
    x=lambda g, x, out: g * np.conj(x) / out,
)

# Right in a part of the domain alone.
wrong(
    "wrong for negative x",
    sine,
    V,
    "G15",
    r"x\[[14]\]",
    x=lambda g, x: g * np.where(x < 0, 1.0, np.cos(x)),
)
wrong(
    "wrong at one value",
    square,
    np.array([0.5, 1.0, 3.0]),
    "G15",
    r"x\[1\]",
    x=lambda g, x: g * np.where(x == 1, 1.0, 2 * x),
)
wrong(
    "wrong for large x",
    lambda x: np.arctan(x),
    V,
    "G17",
    NAMED,
    x=lambda g, x: g * np.where(np.abs(x) > 10, 1 / x**2, 1 / (1 + x * x)),
)
wrong(
    "wrong for small x",
    lambda x: np.arctan(x),
    U,
    "G17",
    NAMED,
    x=lambda g, x: g * np.where(np.abs(x) < 0.05, 1 - 2 * x * x, 1 / (1 + x * x)),
)
wrong("wrong beside zeros", sine, np.zeros(3), "G17", NAMED, x=lambda g, x: g * (1 - x))
wrong("right at these inputs alone", sine, X, "G17", NAMED, x=lambda g: g * np.cos(X))
wrong(
    "slope outside of a kink",
    lambda x: np.abs(x),
    np.array([0.0, 1.0]),
    "G15 G16",
    r"x\[0\]",
    x=(lambda g, x: g * np.where(x == 0, 3, np.sign(x))),
)
wrong(
    "slope outside of a kink of two arguments",
    lambda x, y: np.maximum(x, y),
    [np.array([1.0, 2.0]), np.array([0.5, 2.0])],
    "G15 G16",
    r"[xy]\[1\]",
    x=lambda g, x, y: g * (x >= y),
    y=lambda g, x, y: g * np.where(x > y, 0, 2.0),
)
wrong(
    "slope a little outside of a kink",
    lambda x: np.abs(x),
    np.array([0.0, 1.0]),
    "G15 G16",
    r"x\[0\]",
    x=(lambda g, x: g * np.where(x == 0, 1.001, np.sign(x))),
)
wrong(
    "leak at zeros alone",
    lambda x: np.maximum(x, 0),
    np.zeros(3),
    "G15 G16",
    r"x\[\d\]",
    x=(lambda g, x: g * np.where(x == 0, -0.01, x > 0)),
)
wrong(
    "both sides of a tie get all",
    lambda x, y: np.maximum(x, y),
    [np.array([1.0, 2.0, 3.0]), np.array([0.5, 2.0, 4.0])],
    "G14 G16",
    r"output\[1\]|direction",
    x=lambda g, x, y: g * (x >= y),
    y=lambda g, x, y: g * (y >= x),
)
wrong(
    "all that tie get all",
    lambda x: np.max(x),
    np.array([1.0, 3.0, 3.0]),
    "G14 G16",
    "direction",
    x=(lambda g, x, out: g * (x == out)),
)
wrong(
    "none that tie gets any",
    lambda x: np.max(x),
    np.array([1.0, 3.0, 3.0]),
    "G14 G16",
    "direction",
    x=(lambda g, x, out: g * (x == out) * (np.sum(x == out) == 1)),
)
wrong(
    "a gradient longer than 1 of a norm at 0",
    norm,
    np.zeros(2),
    "G14 G16",
    "direction",
    x=(lambda g, x, out: g * np.where(out == 0, 1.0, x / (out + (out == 0)))),
)
wrong(
    "NaN where the value is finite",
    lambda x: np.sinc(x / np.pi),
    np.array([0.5, 0.0, 2.0]),
    "G07",
    r"x\[1\]",
    x=lambda g, x: g * (np.cos(x) - np.sinc(x / np.pi)) / x,
)
wrong(
    "one entry of a large matrix",
    lambda x: LARGE @ x,
    np.linspace(-1, 1, 100),
    "G14 G15",
    (r"x\[7\]|random direction"),
    x=lambda g: (LARGE * CHIPPED).T @ g,
)
wrong(
    "one of 20,000 entries",
    total_sine,
    np.linspace(-1, 1, 20_000),
    "G14 G15",
    (r"x\[777\]|random direction"),
    x=lambda g, x: g * np.cos(x) * np.where(np.arange(20_000) == 777, 1.02, 1),
)
wrong(
    "tail of a large array left out",
    sine,
    RNG.normal(size=4100),
    "G14 G15",
    (r"x\[40\d\d\]|random direction"),
    x=lambda g, x: g * np.cos(x) * (np.arange(4100) < 4096),
)
wrong(
    "a tenth of a large array wrong",
    sine,
    RNG.normal(size=5000),
    "G14 G15",
    (r"x\[\d+\]|random direction"),
    x=lambda g, x: g * np.cos(x) * np.where(np.arange(5000) % 10 == 3, 1.1, 1),
)

# Several outputs, and both modes.
wrong(
    "the last output wrong",
    sine,
    V,
    "G15 G19",
    r"output1(.|\n)*x\[\d\]",
    within=beside,
    x=(lambda g, x: g * np.cos(x) * 1.001),
)
wrong(
    "an output in the middle wrong",
    sine,
    V,
    "G15 G19",
    r"output1(.|\n)*x\[2\]",
    within=between,
    x=(lambda g, x: g * np.where(np.arange(5) == 2, 1.02, 1) * np.cos(x)),
)
wrong(
    "output without gradient",
    sine,
    V,
    "G15 G19",
    r"output1(.|\n)*x\[\d\]",
    within=beside,
    x=(lambda g, x: 0 * g),
)
wrong(
    "forward mode wrong",
    sine,
    V,
    "G21",
    r"jvp",
    jvps={"x": lambda t, x: t * np.sin(x)},
    x=(lambda g, x: g * np.cos(x)),
)
wrong(
    "forward mode 0.1 % off",
    norm,
    V,
    "G21",
    r"jvp",
    jvps={"x": lambda t, x, out: 1.001 * np.sum(t * x) / out},
    x=lambda g, x, out: g * x / out,
)
