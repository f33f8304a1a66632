"""A tanh RNN: the mean squared error of a linear read-out of every step.

The input product is made once for all steps; the steps themselves are one after the other.
"""

from typing import Any, NamedTuple

import numpy as np

from benchmarks.contenders import Array, Ready, Workload, made_for


class Size(NamedTuple):
    steps: int
    batch: int
    inputs: int
    hidden: int
    outputs: int = 8


def data(size: Size) -> tuple[Array, Array, list[Array]]:
    """Inputs, targets; and weights: of input, state, bias, read-out and its bias."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(size.steps, size.batch, size.inputs))
    y = rng.normal(size=(size.steps, size.batch, size.outputs))
    weights = [
        rng.normal(size=(size.inputs, size.hidden)) / size.inputs**0.5,
        rng.normal(size=(size.hidden, size.hidden)) / size.hidden**0.5,
        np.zeros(size.hidden),
        rng.normal(size=(size.hidden, size.outputs)) / size.hidden**0.5,
        np.zeros(size.outputs),
    ]
    single = [a.astype(np.float32) for a in (x, y, *weights)]
    return single[0], single[1], single[2:]


def loss(xp: Any, stack: Any, x: Any, y: Any, weights: Any, zeros: Any) -> Any:
    """Mean squared error, with any library's arrays and its functions `tanh` and `stack`."""
    w, u, b, v, c = weights
    drive = x @ w + b
    h = zeros
    states = []
    for t in range(len(x)):
        h = xp.tanh(drive[t] + h @ u)
        states.append(h)
    d = stack(states) @ v + c - y
    return (d * d).mean()


def by_hand(size: Size) -> Ready:
    x, y, (w, u, b, v, c) = data(size)
    steps, batch, inputs, hidden, outputs = size
    rows = x.reshape(-1, inputs)
    gradients = [w, u, b, v, c]

    def step():
        nonlocal gradients
        states = (rows @ w + b).reshape(steps, batch, hidden)
        h = states[0]
        np.tanh(h, out=h)
        for t in range(1, steps):
            before, h = h, states[t]
            h += before @ u
            np.tanh(h, out=h)
        flat = states.reshape(-1, hidden)
        d = flat @ v
        d += c
        d -= y.reshape(-1, outputs)
        value = np.vdot(d, d) / d.size  # noqa: F841  (every contender has its loss at hand)
        d *= 2 / d.size
        g = (d @ v.T).reshape(steps, batch, hidden)
        slope = 1 - states * states
        back = u.T.copy()
        g[-1] *= slope[-1]
        for t in range(steps - 1, 0, -1):
            g[t - 1] += g[t] @ back
            g[t - 1] *= slope[t - 1]
        below = g.reshape(-1, hidden)
        g_u = flat[:-batch].T @ below[batch:]
        gradients = [rows.T @ below, g_u, below.sum(0), flat.T @ d, d.sum(0)]

    return step, lambda: gradients


def with_autotensor(size: Size) -> Ready:
    import autotensor as at

    x, y, weights = data(size)
    x, y = at.tensor(x), at.tensor(y)
    weights = [at.tensor(w, requires_grad=True) for w in weights]
    zeros = at.tensor(np.zeros((size.batch, size.hidden), np.float32))

    def step():
        for w in weights:
            w.grad = None
        loss(np, np.stack, x, y, weights, zeros).backward()

    return step, lambda: [w.grad.numpy() for w in weights]


def with_torch(size: Size) -> Ready:
    import torch

    x, y, weights = data(size)
    x, y = torch.tensor(x), torch.tensor(y)
    weights = [torch.tensor(w, requires_grad=True) for w in weights]
    zeros = torch.zeros(size.batch, size.hidden)

    def step():
        for w in weights:
            w.grad = None
        loss(torch, torch.stack, x, y, weights, zeros).backward()

    return step, lambda: [w.grad.numpy() for w in weights]


def with_jax(size: Size) -> Ready:
    import jax
    import jax.numpy as jnp

    x, y, weights = data(size)
    x, y, weights = jnp.asarray(x), jnp.asarray(y), [*map(jnp.asarray, weights)]
    zeros = jnp.zeros((size.batch, size.hidden), jnp.float32)
    gradients = weights

    def scanned(weights):
        w, u, b, v, c = weights

        def one(h, drive):
            h = jnp.tanh(drive + h @ u)
            return h, h

        _, states = jax.lax.scan(one, zeros, x @ w + b)
        d = states @ v + c - y
        return (d * d).mean()

    pull = jax.jit(jax.value_and_grad(scanned))

    def step():
        nonlocal gradients
        _, gradients = pull(weights)
        gradients[0].block_until_ready()

    return step, lambda: gradients


def with_mygrad(size: Size) -> Ready:
    import mygrad as mg

    x, y, weights = data(size)
    weights = [*map(mg.tensor, weights)]
    zeros = np.zeros((size.batch, size.hidden), np.float32)

    def step():
        loss(mg, mg.stack, x, y, weights, zeros).backward()

    return step, lambda: [w.grad for w in weights]


def with_autograd(size: Size) -> Ready:
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, y, weights = data(size)
    zeros = np.zeros((size.batch, size.hidden), np.float32)
    gradients = weights
    pull = value_and_grad(lambda weights: loss(anp, anp.stack, x, y, weights, zeros))

    def step():
        nonlocal gradients
        _, gradients = pull(weights)

    return step, lambda: gradients


def workload(size: Size) -> Workload:
    return Workload(
        f"tanh RNN, {size.steps} steps, input {size.inputs}, hidden {size.hidden}, "
        f"batch {size.batch}, MSE of a linear read-out of every step, float32",
        made_for(size, by_hand, with_autotensor, with_torch, with_jax, with_mygrad, with_autograd),
        rtol=1e-3,
    )


WORKLOADS = [
    workload(Size(200, 32, 32, 64)),
    workload(Size(50, 8, 16, 32)),
    workload(Size(400, 64, 64, 128)),
]
