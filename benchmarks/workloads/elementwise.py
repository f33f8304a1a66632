"""A sum of elementary functions over a large array: here memory traffic decides."""

from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contenders import Array, Ready, Workload, made_for


class Size(NamedTuple):
    entries: int
    dtype: str


def data(size: Size) -> Array:
    return np.random.default_rng(0).normal(size=size.entries).astype(size.dtype)


def loss(xp: ModuleType, x: Any) -> Any:
    """What is differentiated, with any library's functions."""
    return xp.sum(xp.tanh(x) * xp.exp(-(x**2)) + xp.sqrt(1 + x**2))


def by_hand(size: Size) -> Ready:
    x = data(size)
    gradient = x

    def step():
        nonlocal gradient
        square = x * x
        root = square + 1
        np.sqrt(root, out=root)
        bell = np.negative(square, out=square)
        np.exp(bell, out=bell)
        t = np.tanh(x)
        product = t * bell
        value = product.sum() + root.sum()  # noqa: F841  (every contender has its loss at hand)
        # bell (1 - t²) - 2 x t bell + x / root
        t *= product
        bell -= t
        product *= x
        product *= 2
        bell -= product
        np.divide(x, root, out=root)
        bell += root
        gradient = bell

    return step, lambda: (gradient,)


def with_autotensor(size: Size) -> Ready:
    import autotensor as at

    x = at.tensor(data(size), requires_grad=True)

    def step():
        x.grad = None
        loss(np, x).backward()

    return step, lambda: (x.grad.numpy(),)


def with_torch(size: Size) -> Ready:
    import torch

    x = torch.tensor(data(size), requires_grad=True)

    def step():
        x.grad = None
        loss(torch, x).backward()

    return step, lambda: (x.grad.numpy(),)


def with_jax(size: Size) -> Ready:
    import jax
    import jax.numpy as jnp

    x = jnp.asarray(data(size))
    gradient = x
    pull = jax.jit(jax.value_and_grad(partial(loss, jnp)))

    def step():
        nonlocal gradient
        _, gradient = pull(x)
        gradient.block_until_ready()

    return step, lambda: (gradient,)


def with_mygrad(size: Size) -> Ready:
    import mygrad as mg

    x = mg.tensor(data(size))

    def step():
        loss(mg, x).backward()

    return step, lambda: (x.grad,)


def with_autograd(size: Size) -> Ready:
    import autograd.numpy as anp
    from autograd import value_and_grad

    x = data(size)
    gradient = x
    pull = value_and_grad(partial(loss, anp))

    def step():
        nonlocal gradient
        _, gradient = pull(x)

    return step, lambda: (gradient,)


def workload(size: Size) -> Workload:
    return Workload(
        f"sum(tanh(x)·exp(-x²)+sqrt(1+x²)), {size.entries:,} {size.dtype}",
        made_for(size, by_hand, with_autotensor, with_torch, with_jax, with_mygrad, with_autograd),
        rtol=1e-5 if size.dtype == "float32" else 1e-9,
    )


ENTRIES = (1_000_000, 10_000, 4_000_000)
FLOAT64 = [workload(Size(entries, "float64")) for entries in ENTRIES]
FLOAT32 = [workload(Size(entries, "float32")) for entries in ENTRIES]
