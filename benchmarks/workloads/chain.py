"""Chains of small nodes: here the engine's own work per node decides."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contenders import Array, Ready, Workload, made_for


class Size(NamedTuple):
    rounds: int
    entries: int


def data(size: Size) -> tuple[Array, Array, Array]:
    """Start, factor and summand; the gradients neither vanish nor overflow on the way back."""
    rng = np.random.default_rng(0)
    n = size.entries
    return rng.uniform(-1, 1, n), rng.uniform(0.95, 1.05, n), rng.uniform(-0.01, 0.01, n)


def chain(rounds: int, tanh: Callable[[Any], Any], h: Any, a: Any, b: Any) -> Any:
    """Go through the chain forward, with any library's arrays and its tanh."""
    for _ in range(rounds):
        h = tanh(h * a + b)
    return h * a


def by_hand(size: Size) -> Ready:
    x, a, b = data(size)
    ones = np.ones(size.entries)
    gradients = (x, a, b)

    def step():
        nonlocal gradients
        h = x
        kept = [h]
        for _ in range(size.rounds):
            h = np.tanh(h * a + b)
            kept.append(h)
        end = h * a  # noqa: F841  (every contender has the chain's value)
        g_a = ones * h
        g_b = np.zeros(size.entries)
        g = ones * a
        for k in range(size.rounds, 0, -1):
            g = g * (1 - kept[k] * kept[k])
            g_a += g * kept[k - 1]
            g_b += g
            g = g * a
        gradients = (g, g_a, g_b)

    return step, lambda: gradients


def with_autotensor(size: Size) -> Ready:
    import autotensor as at

    x, a, b = (at.tensor(value, requires_grad=True) for value in data(size))
    ones = at.ones(size.entries)

    def step():
        x.grad = a.grad = b.grad = None
        chain(size.rounds, np.tanh, x, a, b).backward(ones)

    return step, lambda: (x.grad.numpy(), a.grad.numpy(), b.grad.numpy())


def with_torch(size: Size) -> Ready:
    import torch

    x, a, b = (torch.tensor(value, requires_grad=True) for value in data(size))
    ones = torch.ones(size.entries, dtype=torch.float64)

    def step():
        x.grad = a.grad = b.grad = None
        chain(size.rounds, torch.tanh, x, a, b).backward(ones)

    return step, lambda: (x.grad.numpy(), a.grad.numpy(), b.grad.numpy())


def with_jax(size: Size) -> Ready:
    import jax
    import jax.numpy as jnp

    start = tuple(map(jnp.asarray, data(size)))
    gradients = start

    @jax.jit
    def pull(*data):
        out, pullback = jax.vjp(lambda *data: chain(size.rounds, jnp.tanh, *data), *data)
        return out, pullback(jnp.ones_like(out))

    def step():
        nonlocal gradients
        _, gradients = pull(*start)
        gradients[0].block_until_ready()

    return step, lambda: gradients


def with_mygrad(size: Size) -> Ready:
    import mygrad as mg

    x, a, b = map(mg.tensor, data(size))

    def step():
        chain(size.rounds, mg.tanh, x, a, b).backward()

    return step, lambda: (x.grad, a.grad, b.grad)


def with_autograd(size: Size) -> Ready:
    import autograd.numpy as anp
    from autograd import elementwise_grad

    start = data(size)
    gradients = start
    pull = elementwise_grad(lambda *data: chain(size.rounds, anp.tanh, *data), (0, 1, 2))

    def step():
        nonlocal gradients
        gradients = pull(*start)

    return step, lambda: gradients


def workload(size: Size) -> Workload:
    nodes = 3 * size.rounds + 1
    return Workload(
        f"chain of {nodes:,} multiply, add, tanh on {size.entries} elements",
        made_for(size, by_hand, with_autotensor, with_torch, with_jax, with_mygrad, with_autograd),
        unit="node",
        units=nodes,
    )


WORKLOADS = [workload(Size(333, 10)), workload(Size(33, 10)), workload(Size(333, 100))]
