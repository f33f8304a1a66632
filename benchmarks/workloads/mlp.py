"""A training step of a multilayer perceptron: softmax cross-entropy of three layers, and Adam."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contenders import Array, Ready, Workload, made_for

LEARNING_RATE = 1e-3
BETAS = (0.9, 0.999)
EPS = 1e-8


class Size(NamedTuple):
    batch: int
    widths: tuple[int, ...]


def data(size: Size) -> tuple[Array, Array, list[Array]]:
    """Batch, labels, and the weights (outputs, inputs) and biases of all layers in turn."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (size.batch, size.widths[0])).astype(np.float32)
    labels = rng.integers(0, size.widths[-1], size.batch)
    parameters = []
    for inputs, outputs in pairwise(size.widths):
        limit = (6 / inputs) ** 0.5
        weight = rng.uniform(-limit, limit, (outputs, inputs))
        parameters += [weight.astype(np.float32), np.zeros(outputs, np.float32)]
    return x, labels, parameters


def by_hand(size: Size) -> Ready:
    x, labels, parameters = data(size)
    weights, biases = parameters[::2], parameters[1::2]
    rows = np.arange(size.batch)
    firsts = [np.zeros_like(p) for p in parameters]
    seconds = [np.zeros_like(p) for p in parameters]
    beta1, beta2 = BETAS
    t = 0
    gradients = parameters

    def step():
        nonlocal gradients, t
        h = x
        kept = [x]
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            h = h @ w.T
            h += b
            np.maximum(h, 0, out=h)
            kept.append(h)
        z = h @ weights[-1].T
        z += biases[-1]
        z -= z.max(1, keepdims=True)
        picked = z[rows, labels]
        e = np.exp(z)
        sums = e.sum(1, keepdims=True)
        loss = (np.log(sums[:, 0]) - picked).mean()  # noqa: F841  (every contender has its loss)

        g = e
        g /= sums
        g[rows, labels] -= 1
        g *= 1 / size.batch
        gradients = []
        for k in range(len(weights) - 1, -1, -1):
            gradients = [g.T @ kept[k], g.sum(0), *gradients]
            if k:
                g = g @ weights[k]
                g *= kept[k] > 0

        t += 1
        rate = LEARNING_RATE * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
        eps = EPS * (1 - beta2**t) ** 0.5
        for p, d, m, v in zip(parameters, gradients, firsts, seconds, strict=True):
            m *= beta1
            m += (1 - beta1) * d
            v *= beta2
            square = d * d
            square *= 1 - beta2
            v += square
            move = np.sqrt(v)
            move += eps
            np.divide(m, move, out=move)
            move *= rate
            p -= move

    return step, lambda: gradients


def with_autotensor(size: Size) -> Ready:
    import autotensor as at

    x, labels, parameters = data(size)
    layers: list[Any] = []
    for w, b in zip(parameters[::2], parameters[1::2], strict=True):
        dense = at.nn.Dense(*w.shape[::-1], dtype=np.float32)
        dense.weight = at.tensor(w, requires_grad=True)
        dense.bias = at.tensor(b, requires_grad=True)
        layers += [dense, at.nn.Relu()]
    model = at.nn.Sequential(*layers[:-1])
    criterion = at.nn.CrossEntropy()
    optimizer = at.optim.Adam(model.parameters(), LEARNING_RATE, betas=BETAS, eps=EPS)
    x, labels = at.tensor(x), at.tensor(labels)

    def step():
        optimizer.zero_grad()
        loss = criterion(model(x), labels)
        loss.backward()
        optimizer.step()

    return step, lambda: [p.grad.numpy() for p in model.parameters()]


def with_torch(size: Size) -> Ready:
    import torch

    x, labels, parameters = data(size)
    x, labels = torch.tensor(x), torch.tensor(labels)
    layers: list[Any] = []
    for w, b in zip(parameters[::2], parameters[1::2], strict=True):
        linear = torch.nn.Linear(*w.shape[::-1])
        linear.weight = torch.nn.Parameter(torch.tensor(w))
        linear.bias = torch.nn.Parameter(torch.tensor(b))
        layers += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, betas=BETAS, eps=EPS)

    def step():
        optimizer.zero_grad()
        loss = criterion(model(x), labels)
        loss.backward()
        optimizer.step()

    return step, lambda: [p.grad.numpy() for p in model.parameters()]


def with_jax(size: Size) -> Ready:
    import jax
    import jax.numpy as jnp

    x, labels, parameters = data(size)
    x, labels, parameters = jnp.asarray(x), jnp.asarray(labels), [*map(jnp.asarray, parameters)]
    firsts = [jnp.zeros_like(p) for p in parameters]
    seconds = firsts
    gradients = parameters
    beta1, beta2 = BETAS
    t = 0

    def loss(parameters):
        h = x
        for w, b in zip(parameters[::2], parameters[1::2], strict=True):
            h = (h if h is x else jax.nn.relu(h)) @ w.T + b
        chosen = jnp.take_along_axis(jax.nn.log_softmax(h), labels[:, None], 1)
        return -chosen.mean()

    @jax.jit
    def update(parameters, firsts, seconds, t):
        value, gradients = jax.value_and_grad(loss)(parameters)
        firsts = [beta1 * m + (1 - beta1) * g for m, g in zip(firsts, gradients, strict=True)]
        seconds = [beta2 * v + (1 - beta2) * g * g for v, g in zip(seconds, gradients, strict=True)]
        parameters = [
            p - LEARNING_RATE / (1 - beta1**t) * m / (jnp.sqrt(v / (1 - beta2**t)) + EPS)
            for p, m, v in zip(parameters, firsts, seconds, strict=True)
        ]
        return value, gradients, parameters, firsts, seconds

    def step():
        nonlocal parameters, firsts, seconds, gradients, t
        t += 1
        now = np.float32(t)
        _, gradients, parameters, firsts, seconds = update(parameters, firsts, seconds, now)
        gradients[0].block_until_ready()

    return step, lambda: gradients


def with_mygrad(size: Size) -> Ready:
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    x, labels, parameters = data(size)
    parameters = [mg.tensor(p) for p in parameters]
    update = adam([p.data for p in parameters])

    def step():
        h = x
        for w, b in zip(parameters[::2], parameters[1::2], strict=True):
            h = mg.matmul(h if h is x else mg.maximum(h, 0), w.T) + b
        loss = softmax_crossentropy(h, labels)
        loss.backward()
        update([p.grad for p in parameters])

    return step, lambda: [p.grad for p in parameters]


def with_autograd(size: Size) -> Ready:
    import autograd.numpy as anp
    from autograd import value_and_grad
    from autograd.scipy.special import logsumexp

    x, labels, parameters = data(size)
    rows = np.arange(size.batch)
    update = adam(parameters)
    gradients = parameters

    def loss(parameters):
        h = x
        for w, b in zip(parameters[::2], parameters[1::2], strict=True):
            h = anp.dot(h if h is x else anp.maximum(h, 0), w.T) + b
        return anp.mean(logsumexp(h, axis=1) - h[rows, labels])

    loss_and_gradients = value_and_grad(loss)

    def step():
        nonlocal gradients
        _, gradients = loss_and_gradients(parameters)
        update(gradients)

    return step, lambda: gradients


def adam(parameters: list[Array]) -> Any:
    """Adam for libraries that have none: a function that updates the arrays by their gradients."""
    firsts = [np.zeros_like(p) for p in parameters]
    seconds = [np.zeros_like(p) for p in parameters]
    beta1, beta2 = BETAS
    t = 0

    def update(gradients):
        nonlocal t
        t += 1
        for p, d, m, v in zip(parameters, gradients, firsts, seconds, strict=True):
            m *= beta1
            m += (1 - beta1) * d
            v *= beta2
            v += (1 - beta2) * d * d
            p -= LEARNING_RATE / (1 - beta1**t) * m / (np.sqrt(v / (1 - beta2**t)) + EPS)

    return update


def workload(size: Size) -> Workload:
    return Workload(
        f"training step, MLP {'-'.join(map(str, size.widths))}, Relu, cross-entropy, "
        f"batch {size.batch}, float32, Adam",
        made_for(size, by_hand, with_autotensor, with_torch, with_jax, with_mygrad, with_autograd),
        rtol=1e-4,
    )


WORKLOADS = [
    workload(Size(128, (784, 256, 128, 10))),
    workload(Size(32, (64, 64, 10))),
    workload(Size(256, (1024, 512, 512, 100))),
]
