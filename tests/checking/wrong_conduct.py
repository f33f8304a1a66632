"""Wrong rules whose numbers may be right: state, memory, dtype, layout, and second derivatives."""

import numpy as np

import autotensor as at
from tests.checking.corpus import (
    EACH,
    NAMED,
    POSITIVE,
    U,
    V,
    W,
    X,
    Z,
    detach,
    exponential,
    norm,
    note,
    product,
    sine,
    softmax,
    square,
    total,
    wrong,
)

# Not linear in g.
wrong("abs(g)", sine, X, "G11", NAMED, x=lambda g, x: np.abs(g) * np.cos(x))
wrong(
    "g without its sign at a sum", total, X, "G11", NAMED, x=lambda g, shape: np.full(shape, abs(g))
)
wrong("negative g dropped", sine, X, "G11", NAMED, x=lambda g, x: np.maximum(g, 0) * np.cos(x))
wrong("g clipped at 1", sine, X, "G11", NAMED, x=lambda g, x: np.clip(g, -1, 1) * np.cos(x))
wrong("g clipped at 5", sine, X, "G11", NAMED, x=lambda g, x: np.clip(g, -5, 5) * np.cos(x))
wrong(
    "norm of g clipped at 10",
    sine,
    X,
    "G11",
    NAMED,
    x=lambda g, x: g * np.cos(x) * np.minimum(1, 10 / (np.sqrt(np.sum(g * g)) + 1e-300)),
)
wrong(
    "small g dropped",
    sine,
    X,
    "G11",
    NAMED,
    x=lambda g, x: np.where(np.abs(g) < 1e-2, 0, g) * np.cos(x),
)
wrong("g squared", sine, X, "G11", NAMED, x=lambda g, x: g * g * np.cos(x))
wrong("sign of g", sine, X, "G11", NAMED, x=lambda g, x: np.sign(g) * np.cos(x))
wrong(
    "g normalised",
    sine,
    X,
    "G11",
    NAMED,
    x=lambda g, x: g / (np.max(np.abs(g)) + 1e-300) * np.cos(x),
)
wrong("g in integers", sine, X, "G06 G11", NAMED, x=lambda g, x: np.round(g) * np.cos(x))
wrong("g not used", sine, X, "G11", NAMED, x=lambda g, x: np.cos(x))
wrong("something added to the gradient", sine, X, "G11", NAMED, x=lambda g, x: g * np.cos(x) + 1e-9)
wrong("weight decay in the rule", sine, X, "G11", NAMED, x=lambda g, x: g * np.cos(x) + 1e-4 * x)

# Shape, type and dtype.
wrong("gradient of another shape", sine, X, "G05", NAMED, x=lambda g, x: (g * np.cos(x)).T)
wrong("gradient flat", sine, X, "G05", NAMED, x=lambda g, x: (g * np.cos(x)).ravel())
wrong(
    "gradient in float32", sine, X, "G06", NAMED, x=lambda g, x: (g * np.cos(x)).astype(np.float32)
)
wrong("gradient in integers", square, V, "G06 G11", NAMED, x=lambda g, x: (g * 2 * x).astype(int))
wrong(
    "gradient an object array",
    sine,
    V,
    "G04 G06",
    NAMED,
    x=lambda g, x: (g * np.cos(x)).astype(object),
)
wrong("gradient a list", sine, V, "G04 G06", NAMED, x=lambda g, x: list(g * np.cos(x)))
wrong("gradient a Tensor", sine, V, "G04 G06", NAMED, x=lambda g, x: at.tensor(g * np.cos(x)))
wrong(
    "gradient a masked array",
    sine,
    V,
    "G06",
    NAMED,
    x=lambda g, x: np.ma.masked_array(g * np.cos(x)),
)
wrong("rule raises", sine, V, "G04", NAMED, x=lambda g, x: g * np.cos(x).nothing)


# State that outlives a call. Each of these makes forward and rules anew.
def input_of_the_last_call():
    last = {}

    def forward(x):
        last["x"] = np.array(x)
        return np.sin(x)

    return forward, {"x": lambda g: g * np.cos(last["x"])}


def result_of_the_last_call():
    def forward(x):
        forward.out = np.exp(x)
        return forward.out.copy()

    return forward, {"x": lambda g: g * forward.out}


def mutable_default():
    def forward(x, memory={}):  # noqa: B006 the mistake
        memory["x"] = np.array(x)
        return np.sin(x)

    return forward, {"x": lambda g, memory: g * np.cos(memory["x"])}


def slope_of_the_first_call():
    first = {}
    return sine, {"x": lambda g, x: g * first.setdefault("slope", np.cos(x))}


def slopes_kept_by_shape():
    cache = {}
    return sine, {"x": lambda g, x: g * cache.setdefault(x.shape, np.cos(x))}


def stack_of_inputs():
    """Right if graphs are walked in the reverse order of the calls, each once."""
    pushed = []

    def forward(x):
        pushed.append(np.array(x))
        return np.sin(x)

    return forward, {"x": lambda g: g * np.cos(pushed.pop() if pushed else 0 * g)}


def every_second_call_wrong():
    calls = []

    def rule(g, x):
        calls.append(0)
        return g * np.cos(x) * (1 if len(calls) % 2 else 1.01)

    return sine, {"x": rule}


def weights_of_its_own():
    """The rule takes a step with the weights that the op uses."""
    weights = W.copy()

    def rule(g, x):
        gradient = weights.T @ g
        weights[...] -= 1e-3 * np.outer(g, x)
        return gradient

    return lambda x: weights @ x, {"x": rule}


def wrong_if_it_was_used():
    """Right once: the second call with what was kept is not."""
    used = set()

    def rule(g, x):
        again = id(x) in used
        used.add(id(x))
        return g * np.cos(x) * (0 if again else 1)

    return sine, {"x": rule}


def never_set_to_zero():
    """What the call before has returned is added."""
    before = {}

    def rule(g, x):
        before[x.shape] = g * np.cos(x) + before.get(x.shape, 0.0)
        return before[x.shape]

    return sine, {"x": rule}


note("input of the last call", input_of_the_last_call, X, "G12")
note("result of the last call", result_of_the_last_call, X, "G12")
note("mutable default", mutable_default, X, "G12")
note("slope of the first call", slope_of_the_first_call, X, "G12 G13 G17")
note("slopes kept by shape", slopes_kept_by_shape, X, "G12 G13 G17")
note("a stack of inputs", stack_of_inputs, X, "G10 G11 G12 G13")
note("every second call wrong", every_second_call_wrong, X, "G10 G11")
note("takes a step with its weights", weights_of_its_own, U[:3], "G03 G08 G10 G11")
note("right for the first walk alone", wrong_if_it_was_used, X, "G10 G11 G12 G13")
note("never set to zero", never_set_to_zero, X, "G10 G11 G09")


# Randomness.
NOISE = np.random.default_rng(5)


def noise(shape):
    return NOISE.normal(size=shape)


wrong(
    "noise in the value",
    lambda x: np.sin(x) + 1e-3 * noise(x.shape),
    X,
    "G03",
    "output|determin",
    x=(lambda g, x: g * np.cos(x)),
)
wrong(
    "dropout without a seed",
    lambda x: x * (noise(x.shape) > 0),
    X,
    "G03",
    "output|determin",
    x=(lambda g, x, out: g * (out != 0)),
)
wrong(
    "noise in the rule",
    sine,
    X,
    "G10 G11",
    NAMED,
    x=lambda g, x: g * np.cos(x) * (1 + 1e-3 * noise(x.shape)),
)
wrong(
    "a little noise in the rule",
    sine,
    X,
    "G10",
    NAMED,
    x=lambda g, x: g * np.cos(x) * (1 + 1e-9 * noise(x.shape)),
)


# Memory.
def static_buffer():
    static = np.empty_like(X)
    return sine, {"x": lambda g, x: np.multiply(g, np.cos(x), out=static)}


def into_g(g, x):
    g *= np.cos(x)
    return g


def into_x(g, x):
    np.cos(x, out=x)
    return g * x


def into_out(g, out):
    out *= g
    return out


def cleared(g, x):
    c = g * np.cos(x)
    g[...] = 0
    return c


def forced(g, x):
    """Makes the input writable again, and centres it."""
    if not x.flags.writeable:
        x.flags.writeable = True
    x -= np.mean(x)
    return g - np.mean(g)


def writes_to_input(x):
    np.multiply(x, 1.5, out=x)
    return np.sin(x)


def writes_through_a_view(x):
    flat = x.reshape(-1)
    flat[0] = 0.25
    return np.sin(x)


def shared_by_both():
    """Both gradients are one array, computed once."""
    made = {}

    def first(g):
        made["c"] = 2 * g
        return made["c"]

    return lambda x, y: 2 * x + 2 * y, {"x": first, "y": lambda g: made["c"]}


note("gradient in a static buffer", static_buffer, X, "G09 G11")
wrong("writes to g", sine, X, "G08", r"\bg\b", x=into_g)
wrong("clears g", sine, X, "G08", r"\bg\b", x=cleared)
wrong("writes to the input", sine, X, "G08", NAMED, x=into_x)
wrong("writes to the output", exponential, X, "G08", "out", x=into_out)
wrong("writes to a protected input", lambda x: x - np.mean(x), X, "G08", NAMED, x=forced)
wrong(
    "forward writes to its input",
    writes_to_input,
    X,
    "G02",
    r"\bx\b|its inputs",
    x=lambda g, x: g * np.cos(x),
)
wrong(
    "forward writes through a view",
    writes_through_a_view,
    X,
    "G02",
    r"\bx\b|its inputs",
    x=lambda g, x: g * np.cos(x),
)
note("one array for two gradients", shared_by_both, [V, U], "G09 G12", r"\b[xy]\b")

# Layout.
wrong(
    "entries in the order of memory",
    lambda x: np.sin(x.ravel("K")),
    W,
    "G18",
    NAMED,
    x=lambda g, x: g.reshape(x.shape) * np.cos(x),
)
wrong(
    "flat in the order of memory",
    lambda x: np.sum(x.ravel("A") * np.arange(9)),
    W,
    "G18",
    NAMED,
    x=(lambda g, shape: g * np.arange(9.0).reshape(shape)),
)

wrong(
    "slopes in the order of memory",
    sine,
    W,
    "G18",
    NAMED,
    x=lambda g, x: g * np.cos(x.ravel("K")).reshape(g.shape),
)
wrong(
    "transposed where columns come first",
    sine,
    W,
    "G18",
    NAMED,
    x=lambda g, x: g * np.cos(x if x.flags.c_contiguous else x.T),
)

# Wrong at second order alone.
CUT = r"grad_[xy]\[|no gradient reaches (x|g_output)\b"
wrong(
    "x is a constant at order 2",
    sine,
    X,
    "G20",
    CUT,
    order=2,
    x=lambda g, x: g * np.cos(detach(x)),
)
wrong(
    "result is a constant at order 2",
    exponential,
    X,
    "G20",
    CUT,
    order=2,
    x=lambda g, out: g * detach(out),
)
wrong(
    "half of the second derivative",
    lambda x: x**3,
    POSITIVE,
    "G20",
    r"grad_x\[",
    order=2,
    x=lambda g, x: 3 * g * x * detach(x),
)
wrong(
    "second derivative not symmetric",
    product,
    [V, U],
    "G20",
    CUT,
    order=2,
    x=(lambda g, y: g * y),
    y=lambda g, x: g * detach(x),
)
wrong(
    "g is a constant at order 2",
    sine,
    X,
    "G20",
    CUT,
    order=2,
    jvps={"x": lambda t, x: t * np.cos(x)},
    x=lambda g, x: detach(g) * np.cos(x),
)
wrong("slopes made before", sine, X, "G12 G17 G20", NAMED, order=2, x=lambda g: g * np.cos(X))
wrong(
    "softmax with weights detached",
    softmax,
    V,
    "G20",
    r"grad_x\[",
    order=2,
    x=lambda g, out: out * (g - np.sum(g * detach(out))),
)
wrong(
    "norm is a constant at order 2",
    norm,
    V,
    "G20",
    r"grad_x\[",
    order=2,
    x=lambda g, x, out: g * x / detach(out),
)
wrong(
    "second derivative rounded away",
    square,
    V,
    "G20",
    r"grad_x\[",
    order=2,
    x=lambda g, x: g * (2 * detach(x) + 1e-3 * (x - detach(x))),
)
wrong(
    "slope by cases",
    lambda x: x * np.abs(x),
    V,
    "G20",
    r"grad_x\[",
    order=2,
    x=lambda g, x: 2 * g * np.where(x > 0, x, -detach(x)),
)
wrong(
    "one entry a constant at order 2",
    sine,
    V,
    "G20",
    r"grad_x\[2\]",
    order=2,
    x=lambda g, x: g * np.cos(np.where(np.arange(5) == 2, detach(x), x)),
)
wrong(
    "complex second derivative",
    lambda x: x**3,
    Z,
    "G20",
    r"grad_x\[",
    order=2,
    x=lambda g, x: 3 * g * np.conj(x * detach(x)),
)
wrong(
    "a constant at order 2 for negative x",
    exponential,
    V,
    "G20",
    r"grad_x\[[14]\]",
    order=2,
    x=(lambda g, x, out: g * np.where(x < 0, detach(out), out)),
)
wrong(
    "second derivative wrong for large x",
    lambda x: np.arctan(x),
    V,
    "G20",
    r"grad_x\[",
    order=2,
    x=(lambda g, x: g * np.where(np.abs(x) > 10, detach(1 / (1 + x * x)), 1 / (1 + x * x))),
)
wrong(
    "second derivative 1.0001 times",
    sine,
    V,
    "G20",
    r"grad_x\[",
    order=2,
    x=lambda g, x: g * (1.0001 * np.cos(x) - 0.0001 * np.cos(detach(x))),
)
wrong(
    "neighbours of one side a constant at order 2",
    lambda x: np.sum(x[:-1] * x[1:]),
    V,
    "G20",
    (r"grad_x\["),
    order=2,
    x=lambda g, x: (
        g * (np.concatenate([x[1:], 0 * x[:1]]) + np.concatenate([0 * x[:1], detach(x)[:-1]]))
    ),
)
wrong(
    "plain arrays at order 2",
    sine,
    X,
    "G20",
    "sine",
    order=2,
    x=lambda g, x: np.asarray(plain(g)) * np.cos(plain(x)),
)


def plain(x):
    """An array of NumPy's: a way out of the graph."""
    return x.numpy() if isinstance(x, at.Tensor) else x


@at.custom_op(x=lambda g, x: g * np.cos(x))
def cosine_with_another_slope(x):
    return np.cos(x)


wrong(
    "a rule made of a wrong op",
    sine,
    X,
    "G20",
    r"grad_x\[",
    order=2,
    x=lambda g, x: g * cosine_with_another_slope(x),
)
wrong(
    "factor 1.001 at order 2", sine, X, "G15", EACH, order=2, x=lambda g, x: g * np.cos(x) * 1.001
)
