"""A training step: Dense, Relu and MSE over a batch, and plain gradient descent."""

from typing import NamedTuple

import numpy as np

from benchmarks.contenders import Array, Ready, Workload, made_for

LEARNING_RATE = 0.01


class Size(NamedTuple):
    batch: int
    inputs: int
    outputs: int


def data(size: Size) -> tuple[Array, Array, Array, Array]:
    """Batch, targets, first weight and first bias."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (size.batch, size.inputs))
    w = rng.uniform(-1, 1, (size.outputs, size.inputs))
    y = x @ w.T + rng.uniform(-1, 1, size.outputs)
    return x, y, rng.uniform(-1, 1, w.shape), np.zeros(size.outputs)


def by_hand(size: Size) -> Ready:
    x, y, w, b = data(size)
    lr = LEARNING_RATE
    g = np.empty(0)

    def step():
        nonlocal w, b, g
        z = x @ w.T + b
        h = np.maximum(z, 0)
        d = h - y
        loss = (d * d).mean()  # noqa: F841  (every contender has its loss at hand)
        g = d * (2 / d.size) * (z > 0)
        w -= lr * (g.T @ x)
        b -= lr * g.sum(0)

    return step, lambda: (g.T @ x, g.sum(0))


def with_autotensor(size: Size) -> Ready:
    import autotensor as at

    x, y, w, b = data(size)
    dense = at.nn.Dense(size.inputs, size.outputs)
    dense.weight = at.tensor(w, requires_grad=True)
    dense.bias = at.tensor(b, requires_grad=True)
    model = at.nn.Sequential(dense, at.nn.Relu())
    criterion = at.nn.MSE()
    optimizer = at.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    x, y = at.tensor(x), at.tensor(y)

    def step():
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()

    return step, lambda: (dense.weight.grad.numpy(), dense.bias.grad.numpy())


def with_torch(size: Size) -> Ready:
    import torch

    x, y, w, b = map(torch.tensor, data(size))
    dense = torch.nn.Linear(size.inputs, size.outputs, dtype=torch.float64)
    dense.weight, dense.bias = torch.nn.Parameter(w), torch.nn.Parameter(b)
    model = torch.nn.Sequential(dense, torch.nn.ReLU())
    criterion = torch.nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step():
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()

    return step, lambda: (dense.weight.grad.numpy(), dense.bias.grad.numpy())


def with_jax(size: Size) -> Ready:
    import jax
    import jax.numpy as jnp

    x, y, w, b = map(jnp.asarray, data(size))
    before = (w, b)

    def loss(w, b):
        d = jax.nn.relu(x @ w.T + b) - y
        return (d * d).mean()

    @jax.jit
    def update(w, b):
        value, (dw, db) = jax.value_and_grad(loss, (0, 1))(w, b)
        return value, w - LEARNING_RATE * dw, b - LEARNING_RATE * db

    def step():
        nonlocal w, b, before
        before = (w, b)
        _, w, b = update(w, b)
        b.block_until_ready()

    # Gradients among the results would cost time, so they are read off the update.
    return step, lambda: ((before[0] - w) / LEARNING_RATE, (before[1] - b) / LEARNING_RATE)


def with_mygrad(size: Size) -> Ready:
    import mygrad as mg

    x, y, w, b = data(size)
    w, b = mg.tensor(w), mg.tensor(b)

    def step():
        d = mg.maximum(mg.matmul(x, w.T) + b, 0) - y
        loss = (d * d).mean()
        loss.backward()
        w.data -= LEARNING_RATE * w.grad
        b.data -= LEARNING_RATE * b.grad

    return step, lambda: (w.grad, b.grad)


def with_autograd(size: Size) -> Ready:
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, y, w, b = data(size)
    gradients = (w, b)

    def loss(w, b):
        d = anp.maximum(anp.dot(x, w.T) + b, 0) - y
        return anp.mean(d * d)

    loss_and_gradients = value_and_grad(loss, (0, 1))

    def step():
        nonlocal w, b, gradients
        _, gradients = loss_and_gradients(w, b)
        w -= LEARNING_RATE * gradients[0]
        b -= LEARNING_RATE * gradients[1]

    return step, lambda: gradients


def workload(size: Size) -> Workload:
    return Workload(
        f"training step, Dense {size.inputs} → {size.outputs}, Relu, MSE, batch {size.batch}, SGD",
        made_for(size, by_hand, with_autotensor, with_torch, with_jax, with_mygrad, with_autograd),
    )


WORKLOADS = [workload(Size(512, 10, 2)), workload(Size(64, 10, 2)), workload(Size(4096, 20, 4))]
