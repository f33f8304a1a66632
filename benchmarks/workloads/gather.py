"""Rows of a table taken at random, as of embeddings: the sum of their squares."""

from typing import NamedTuple

import numpy as np

from benchmarks.contenders import Array, Ready, Workload, made_for


class Size(NamedTuple):
    rows: int
    width: int
    taken: int


def data(size: Size) -> tuple[Array, Array]:
    """The table, and which rows are taken: some are never, some more than once."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(size.rows, size.width)).astype(np.float32)
    return table, rng.integers(0, size.rows, size.taken)


def by_hand(size: Size) -> Ready:
    table, rows = data(size)
    gradient = table

    def step():
        nonlocal gradient
        taken = table.take(rows, 0)
        flat = taken.reshape(-1)
        value = flat @ flat  # noqa: F841  (every contender has its loss at hand)
        taken *= 2
        # Where rows come more than once they add up; np.add.at is fast for one axis alone.
        gradient = np.zeros_like(table)
        places = rows[:, None] * size.width + np.arange(size.width)
        np.add.at(gradient.reshape(-1), places.reshape(-1), flat)

    return step, lambda: (gradient,)


def with_autotensor(size: Size) -> Ready:
    import autotensor as at

    table, rows = data(size)
    table = at.tensor(table, requires_grad=True)

    def step():
        table.grad = None
        np.sum(table[rows] ** 2).backward()

    return step, lambda: (table.grad.numpy(),)


def with_torch(size: Size) -> Ready:
    import torch

    table, rows = map(torch.tensor, data(size))
    table.requires_grad_()

    def step():
        table.grad = None
        (table[rows] ** 2).sum().backward()

    return step, lambda: (table.grad.numpy(),)


def with_jax(size: Size) -> Ready:
    import jax
    import jax.numpy as jnp

    table, rows = map(jnp.asarray, data(size))
    gradient = table
    pull = jax.jit(jax.value_and_grad(lambda table: (table[rows] ** 2).sum()))

    def step():
        nonlocal gradient
        _, gradient = pull(table)
        gradient.block_until_ready()

    return step, lambda: (gradient,)


def with_mygrad(size: Size) -> Ready:
    import mygrad as mg

    table, rows = data(size)
    table = mg.tensor(table)

    def step():
        (table[rows] ** 2).sum().backward()

    return step, lambda: (table.grad,)


def with_autograd(size: Size) -> Ready:
    import autograd.numpy as anp
    from autograd import value_and_grad

    table, rows = data(size)
    gradient = table
    pull = value_and_grad(lambda table: anp.sum(table[rows] ** 2))

    def step():
        nonlocal gradient
        _, gradient = pull(table)

    return step, lambda: (gradient,)


def workload(size: Size) -> Workload:
    return Workload(
        f"{size.taken:,} rows gathered of a ({size.rows:,}, {size.width}) table, squared, float32",
        made_for(size, by_hand, with_autotensor, with_torch, with_jax, with_mygrad, with_autograd),
        rtol=1e-5,
    )


WORKLOADS = [
    workload(Size(100_000, 16, 100_000)),
    workload(Size(1_000, 16, 1_000)),
    workload(Size(50_000, 64, 200_000)),
]
