"""Random programs: short lists of steps that run on arrays and on tensors alike.

What single ops do not show, their combinations may: values used several times, writes in place
between uses, views, constants among results. All steps are smooth, so finite differences apply.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import autotensor as at
from tests.rules import check_function

MASK = np.array([[True, False, True], [False, True, True]])
CONSTANT = np.array([[0.5, -1.5, 1.0], [2.0, 0.3, -0.7]])


def written(x, y):
    x = x * 1.0
    x[0] = np.tanh(y[1])
    x[:, 1] = x[:, 1] * y[1, 1]
    return x


def scattered(x, y):
    x = x.copy()
    x[[0, 1, 0], [2, 2, 2]] = y[[0, 0, 1], [0, 1, 2]]
    return x


def added(x, y):
    x = x.copy()
    x += y
    x -= np.sin(x)
    return x


def filled(x, y):
    out = x * 2.0
    np.multiply(x, y, out=out)
    np.add(out, x, out=out, where=MASK)
    return out


def branched(x, y):
    z = x * y
    return z + z * x + np.cos(z)


# Each takes two matrices of shape (2, 3) and gives one.
STEPS = [
    lambda x, y: x + y,
    lambda x, y: x - 0.5 * y,
    lambda x, y: x * y,
    lambda x, y: x / (2 + np.sin(y)),
    lambda x, y: (1 + x * x) ** np.tanh(y),
    lambda x, y: CONSTANT - np.tanh(x),
    lambda x, y: np.exp(-x * x),
    lambda x, y: x[::-1] * y[:, [2, 0, 0]],
    lambda x, y: x - x.mean(axis=0),
    lambda x, y: x * y.sum(axis=1, keepdims=True),
    lambda x, y: x * np.var(y, axis=0) + np.prod(y[0]),
    lambda x, y: np.where(MASK, x, y),
    lambda x, y: np.concatenate([x[:, :1], y[:, 1:]], axis=1),
    lambda x, y: np.stack([y[1], x[0]]),
    lambda x, y: (x @ y.T) @ CONSTANT / 3,
    lambda x, y: np.einsum("ij,kj,kl->il", x, CONSTANT, y) / 3,
    lambda x, y: x.reshape(3, 2).T + y.T.reshape(2, 3),
    lambda x, y: np.broadcast_to(x[0], (2, 3)) * y,
    written,
    scattered,
    added,
    filled,
    branched,
]


def run(program, x, y):
    values = [x, y]
    for step, first, second in program:
        z = STEPS[step](values[first % len(values)], values[second % len(values)])
        values.append(z / (1 + np.sum(z * z)) ** 0.5)  # so that nothing grows
    return sum(np.sum(np.sin(v) * (k + 1)) for k, v in enumerate(values))


programs = st.lists(
    st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 20), st.integers(0, 20)),
    min_size=1,
    max_size=8,
)


@given(programs, st.integers(0, 2**16))
def test_programs_have_their_derivatives(program, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1.5, 1.5, size=(2, 2, 3))

    def function(x, y):
        return run(program, x, y)

    check_function(function, [x, y], rng)

    a, b = (at.tensor(v, requires_grad=True) for v in (x, y))
    function(a, b).backward()
    for create_graph in (False, True):
        c, d = (at.tensor(v, requires_grad=True) for v in (x, y))
        function(c, d).backward(create_graph=create_graph)
        np.testing.assert_allclose(c.grad.numpy(), a.grad.numpy(), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(d.grad.numpy(), b.grad.numpy(), rtol=1e-10, atol=1e-12)


@given(programs, st.integers(0, 2**16))
def test_programs_have_their_second_derivatives(program, seed):
    rng = np.random.default_rng(seed)
    x, y, t, u = rng.uniform(-1.5, 1.5, size=(4, 2, 3))

    def function(x, y):
        return run(program, x, y)

    slope = at.grad(function, (0, 1))
    _, pushed = at.jvp(slope, (x, y), (t, u))
    pulled = at.vjp(slope, x, y)[1](t, u)  # the Hessian is symmetric
    for forward, backward in zip(pushed, pulled, strict=True):
        np.testing.assert_allclose(forward, backward, rtol=1e-9, atol=1e-9)
    h = 1e-4
    ends = [slope(x + k * h * t, y + k * h * u)[0] for k in (1, -1, 2, -2)]
    wanted = (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * h)
    np.testing.assert_allclose(pushed[0], wanted, rtol=1e-6, atol=1e-6 * (1 + abs(wanted).max()))
