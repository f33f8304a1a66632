"""What is timed: each workload once by hand in NumPy, and once for every library.

A contender is a function that sets itself up and returns two others: the step, which is timed, and
one that reads the gradients of the last step, in an order that all contenders of a workload share.
Whoever times them first holds these gradients to the hand-written ones.

A contender imports its library itself, since none but NumPy is a dependency.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

HAND_WRITTEN = "hand-written"

# The library that a contender needs: the name to import, which is also the one to install.
LIBRARIES = {
    "autotensor": "autotensor",
    "PyTorch": "torch",
    "JAX, compiled": "jax",
    "MyGrad": "mygrad",
    "autograd": "autograd",
}

Array = np.ndarray[Any, np.dtype[np.float64]]
Step = Callable[[], None]
Ready = tuple[Step, Callable[[], Sequence[Any]]]
Contender = Callable[[], Ready]


@dataclass(frozen=True)
class Workload:
    """One thing to compute, and those who compute it."""

    title: str
    unit: str  # what the time is given for
    units: int  # how many of these one step goes through
    contenders: dict[str, Contender]


# A training step: Dense 10 -> 2, Relu, MSE over a batch of 512, and plain gradient descent.

BATCH, INPUTS, OUTPUTS, LEARNING_RATE = 512, 10, 2, 0.01


def training_data() -> tuple[Array, Array, Array, Array]:
    """Batch, targets, first weight and first bias."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (BATCH, INPUTS))
    y = x @ rng.uniform(-1, 1, (OUTPUTS, INPUTS)).T + rng.uniform(-1, 1, OUTPUTS)
    return x, y, rng.uniform(-1, 1, (OUTPUTS, INPUTS)), np.zeros(OUTPUTS)


def train_by_hand() -> Ready:
    x, y, w, b = training_data()
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


def train_autotensor() -> Ready:
    import autotensor as at

    x, y, w, b = training_data()
    dense = at.nn.Dense(INPUTS, OUTPUTS)
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


def train_torch() -> Ready:
    import torch

    x, y, w, b = map(torch.tensor, training_data())
    dense = torch.nn.Linear(INPUTS, OUTPUTS, dtype=torch.float64)
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


def train_jax() -> Ready:
    import jax
    import jax.numpy as jnp

    x, y, w, b = map(jnp.asarray, training_data())
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


def train_mygrad() -> Ready:
    import mygrad as mg

    x, y, w, b = training_data()
    w, b = mg.tensor(w), mg.tensor(b)

    def step():
        d = mg.maximum(mg.matmul(x, w.T) + b, 0) - y
        loss = (d * d).mean()
        loss.backward()
        w.data -= LEARNING_RATE * w.grad
        b.data -= LEARNING_RATE * b.grad

    return step, lambda: (w.grad, b.grad)


def train_autograd() -> Ready:
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, y, w, b = training_data()
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


# A chain of multiply, add and tanh on ten elements: here the engine's own work per node decides.

ROUNDS = 333
CHAIN_NODES = 3 * ROUNDS + 1


def chain_data() -> tuple[Array, Array, Array]:
    """Start, factor and summand; the gradients neither vanish nor overflow on the way back."""
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, 10), rng.uniform(0.95, 1.05, 10), rng.uniform(-0.01, 0.01, 10)


def chain(tanh: Callable[[Any], Any], h: Any, a: Any, b: Any) -> Any:
    """Go through the chain forward, with any library's arrays and its tanh."""
    for _ in range(ROUNDS):
        h = tanh(h * a + b)
    return h * a


def chain_by_hand() -> Ready:
    x, a, b = chain_data()
    ones = np.ones(10)
    gradients = (x, a, b)

    def step():
        nonlocal gradients
        h = x
        kept = [h]
        for _ in range(ROUNDS):
            h = np.tanh(h * a + b)
            kept.append(h)
        end = h * a  # noqa: F841  (every contender has the chain's value)
        g_a = ones * h
        g_b = np.zeros(10)
        g = ones * a
        for k in range(ROUNDS, 0, -1):
            g = g * (1 - kept[k] * kept[k])
            g_a += g * kept[k - 1]
            g_b += g
            g = g * a
        gradients = (g, g_a, g_b)

    return step, lambda: gradients


def chain_autotensor() -> Ready:
    import autotensor as at

    x, a, b = (at.tensor(value, requires_grad=True) for value in chain_data())
    ones = at.ones(10)

    def step():
        x.grad = a.grad = b.grad = None
        chain(np.tanh, x, a, b).backward(ones)

    return step, lambda: (x.grad.numpy(), a.grad.numpy(), b.grad.numpy())


def chain_torch() -> Ready:
    import torch

    x, a, b = (torch.tensor(value, requires_grad=True) for value in chain_data())
    ones = torch.ones(10, dtype=torch.float64)

    def step():
        x.grad = a.grad = b.grad = None
        chain(torch.tanh, x, a, b).backward(ones)

    return step, lambda: (x.grad.numpy(), a.grad.numpy(), b.grad.numpy())


def chain_jax() -> Ready:
    import jax
    import jax.numpy as jnp

    data = tuple(map(jnp.asarray, chain_data()))
    gradients = data

    @jax.jit
    def pull(*data):
        out, pullback = jax.vjp(lambda *data: chain(jnp.tanh, *data), *data)
        return out, pullback(jnp.ones_like(out))

    def step():
        nonlocal gradients
        _, gradients = pull(*data)
        gradients[0].block_until_ready()

    return step, lambda: gradients


def chain_mygrad() -> Ready:
    import mygrad as mg

    x, a, b = map(mg.tensor, chain_data())

    def step():
        chain(mg.tanh, x, a, b).backward()

    return step, lambda: (x.grad, a.grad, b.grad)


def chain_autograd() -> Ready:
    import autograd.numpy as anp
    from autograd import elementwise_grad

    data = chain_data()
    gradients = data
    pull = elementwise_grad(lambda *data: chain(anp.tanh, *data), (0, 1, 2))

    def step():
        nonlocal gradients
        gradients = pull(*data)

    return step, lambda: gradients


# A deep chain of multiply and add on one element: ours alone, to see that time grows linearly.


def deep_chain(nodes: int) -> Ready:
    """Forward and backward through this many nodes, by autotensor."""
    import autotensor as at

    x, a, b = (at.tensor([value], requires_grad=True) for value in (1.0, 1 - 1e-7, 1e-7))
    ones = at.ones(1)

    def step():
        x.grad = a.grad = b.grad = None
        h = x
        for _ in range(nodes // 2):
            h = h * a + b
        h.backward(ones)

    return step, lambda: (x.grad.numpy(),)


def deep_chain_gradient(nodes: int) -> float:
    """Derivative of the deep chain's end by its start, in closed form."""
    return (1 - 1e-7) ** (nodes // 2)


WORKLOADS = {
    "training-step": Workload(
        title=f"training step: Dense {INPUTS} -> {OUTPUTS}, Relu, MSE, batch {BATCH}, SGD",
        unit="step",
        units=1,
        contenders={
            HAND_WRITTEN: train_by_hand,
            "autotensor": train_autotensor,
            "PyTorch": train_torch,
            "JAX, compiled": train_jax,
            "MyGrad": train_mygrad,
            "autograd": train_autograd,
        },
    ),
    "chain": Workload(
        title=f"chain of {CHAIN_NODES:,} nodes (multiply, add, tanh) on 10 elements",
        unit="node",
        units=CHAIN_NODES,
        contenders={
            HAND_WRITTEN: chain_by_hand,
            "autotensor": chain_autotensor,
            "PyTorch": chain_torch,
            "JAX, compiled": chain_jax,
            "MyGrad": chain_mygrad,
            "autograd": chain_autograd,
        },
    ),
}
