"""A deep chain of multiply and add on one element."""

from typing import Any

import numpy as np

from benchmarks.contenders import Ready, Workload, made_for

FACTOR, SUMMAND = 1 - 1e-7, 1e-7


def chain(rounds: int, h: Any, a: Any, b: Any) -> Any:
    for _ in range(rounds):
        h = h * a + b
    return h


def by_hand(rounds: int) -> Ready:
    x, a, b = (np.array([value]) for value in (1.0, FACTOR, SUMMAND))
    gradients = (x, a, b)

    def step():
        nonlocal gradients
        h = x
        kept = []
        for _ in range(rounds):
            kept.append(h)
            h = h * a + b
        g, g_a, g_b = np.ones(1), np.zeros(1), np.zeros(1)
        for h in reversed(kept):
            g_b += g
            g_a += g * h
            g = g * a
        gradients = (g, g_a, g_b)

    return step, lambda: gradients


def with_autotensor(rounds: int) -> Ready:
    import autotensor as at

    x, a, b = (at.tensor([value], requires_grad=True) for value in (1.0, FACTOR, SUMMAND))
    ones = at.ones(1)

    def step():
        x.grad = a.grad = b.grad = None
        chain(rounds, x, a, b).backward(ones)

    return step, lambda: (x.grad.numpy(), a.grad.numpy(), b.grad.numpy())


def with_torch(rounds: int) -> Ready:
    import torch

    x, a, b = (
        torch.tensor([value], dtype=torch.float64, requires_grad=True)
        for value in (1.0, FACTOR, SUMMAND)
    )
    ones = torch.ones(1, dtype=torch.float64)

    def step():
        x.grad = a.grad = b.grad = None
        chain(rounds, x, a, b).backward(ones)

    return step, lambda: (x.grad.numpy(), a.grad.numpy(), b.grad.numpy())


def workload(nodes: int) -> Workload:
    return Workload(
        f"deep chain of {nodes:,} multiply, add on 1 element",
        made_for(nodes // 2, by_hand, with_autotensor, with_torch),
        unit="node",
        units=nodes,
    )


WORKLOADS = [workload(1_000_000), workload(10_000), workload(2_000_000)]
