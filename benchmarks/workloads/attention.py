"""An attention block, forward and backward: x + the projection of the heads of layer_norm(x)."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contenders import Array, Ready, Workload, made_for

EPS = 1e-5


class Size(NamedTuple):
    batch: int
    length: int
    width: int
    heads: int


NAMES = ("x", "scale", "shift", "wq", "wk", "wv", "wo")


def data(size: Size) -> list[Array]:
    """What is differentiated, by `NAMES`: x, the weights of the norm, and four projections."""
    rng = np.random.default_rng(0)
    n = size.width
    x = rng.normal(size=(size.batch, size.length, n))
    projections = [rng.normal(scale=n**-0.5, size=(n, n)) for _ in range(4)]
    found = [x, rng.uniform(0.5, 1.5, n), rng.uniform(-0.5, 0.5, n), *projections]
    return [a.astype(np.float32) for a in found]


def by_hand(size: Size) -> Ready:
    x, scale, shift, wq, wk, wv, wo = data(size)
    batch, length, width, heads = size
    apart = (batch, length, heads, width // heads)
    factor = float((width // heads) ** -0.5)
    gradients = data(size)

    def split(a):
        return np.ascontiguousarray(a.reshape(apart).transpose(0, 2, 1, 3))

    def joined(a):
        return a.transpose(0, 2, 1, 3).reshape(batch * length, width)

    def step():
        nonlocal gradients
        rows = x.reshape(-1, width)
        normal = rows - rows.mean(1, keepdims=True)
        inverse = 1 / np.sqrt(np.square(normal).mean(1, keepdims=True) + EPS)
        normal *= inverse
        u = normal * scale
        u += shift
        q, k, v = split(u @ wq), split(u @ wk), split(u @ wv)
        q *= factor
        p = q @ k.mT
        p -= p.max(-1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(-1, keepdims=True)
        mixed = joined(p @ v)
        y = mixed @ wo
        y += rows
        loss = np.square(y).mean()  # noqa: F841  (every contender has its loss)

        g = y
        g *= 2 / y.size
        g_wo = mixed.T @ g
        g_mixed = split(g @ wo.T)
        g_v = p.mT @ g_mixed
        g_p = g_mixed @ v.mT
        g_p -= (g_p * p).sum(-1, keepdims=True)
        g_p *= p
        g_q = g_p @ k
        g_q *= factor
        g_k = g_p.mT @ q
        g_q, g_k, g_v = joined(g_q), joined(g_k), joined(g_v)
        g_wq, g_wk, g_wv = u.T @ g_q, u.T @ g_k, u.T @ g_v
        g_u = g_q @ wq.T
        g_u += g_k @ wk.T
        g_u += g_v @ wv.T
        g_shift = g_u.sum(0)
        g_scale = (g_u * normal).sum(0)
        g_u *= scale
        g_x = g_u - g_u.mean(1, keepdims=True)
        g_x -= normal * (g_u * normal).mean(1, keepdims=True)
        g_x *= inverse
        g_x += g
        gradients = [g_x.reshape(x.shape), g_scale, g_shift, g_wq, g_wk, g_wv, g_wo]

    return step, lambda: gradients


def attend(size: Size, softmax: Any, u: Any, wq: Any, wk: Any, wv: Any, wo: Any) -> Any:
    """The heads' results and their projection, with any library's arrays and its softmax."""
    batch, length, width, heads = size
    apart = (batch, length, heads, width // heads)
    rows = u.reshape((batch * length, width))
    q, k, v = ((rows @ w).reshape(apart).swapaxes(1, 2) for w in (wq, wk, wv))
    p = softmax((q * float((width // heads) ** -0.5)) @ k.swapaxes(2, 3))
    mixed = (p @ v).swapaxes(1, 2).reshape((batch * length, width))
    return (mixed @ wo).reshape((batch, length, width))


def with_autotensor(size: Size) -> Ready:
    import autotensor as at

    given = [at.tensor(a, requires_grad=True) for a in data(size)]
    x, scale, shift, *projections = given

    def step():
        for a in given:
            a.grad = None
        u = at.nn.layer_norm(x, scale, shift, eps=EPS)
        y = x + attend(size, at.nn.softmax, u, *projections)
        np.square(y).mean().backward()

    return step, lambda: [a.grad.numpy() for a in given]


def with_torch(size: Size) -> Ready:
    import torch

    given = [torch.tensor(a, requires_grad=True) for a in data(size)]
    x, scale, shift, *projections = given
    softmax = partial(torch.softmax, dim=-1)

    def step():
        for a in given:
            a.grad = None
        u = torch.nn.functional.layer_norm(x, (size.width,), scale, shift, EPS)
        y = x + attend(size, softmax, u, *projections)
        (y * y).mean().backward()

    return step, lambda: [a.grad.numpy() for a in given]


def with_jax(size: Size) -> Ready:
    import jax
    import jax.numpy as jnp

    given = [jnp.asarray(a) for a in data(size)]
    gradients = given

    def loss(x, scale, shift, *projections):
        u = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + EPS)
        y = x + attend(size, jax.nn.softmax, u * scale + shift, *projections)
        return (y * y).mean()

    loss_and_gradients = jax.jit(jax.value_and_grad(loss, tuple(range(len(NAMES)))))

    def step():
        nonlocal gradients
        _, gradients = loss_and_gradients(*given)
        gradients[0].block_until_ready()

    return step, lambda: gradients


def with_mygrad(size: Size) -> Ready:
    import mygrad as mg
    from mygrad.nnet.activations import softmax

    given = [mg.tensor(a) for a in data(size)]
    x, scale, shift, *projections = given

    def step():
        u = (x - x.mean(-1, keepdims=True)) / mg.sqrt(x.var(-1, keepdims=True) + EPS)
        y = x + attend(size, softmax, u * scale + shift, *projections)
        (y * y).mean().backward()

    return step, lambda: [a.grad for a in given]


def with_autograd(size: Size) -> Ready:
    import autograd.numpy as anp
    from autograd import value_and_grad

    given = data(size)
    gradients = given

    def softmax(a):
        e = anp.exp(a - anp.max(a, axis=-1, keepdims=True))
        return e / anp.sum(e, axis=-1, keepdims=True)

    def loss(x, scale, shift, *projections):
        mean = anp.mean(x, axis=-1, keepdims=True)
        u = (x - mean) / anp.sqrt(anp.var(x, axis=-1, keepdims=True) + EPS)
        y = x + attend(size, softmax, u * scale + shift, *projections)
        return anp.mean(y * y)

    loss_and_gradients = value_and_grad(loss, tuple(range(len(NAMES))))

    def step():
        nonlocal gradients
        _, gradients = loss_and_gradients(*given)

    return step, lambda: gradients


def workload(size: Size) -> Workload:
    return Workload(
        f"attention block, batch {size.batch}, length {size.length}, width {size.width}, "
        f"{size.heads} heads, float32",
        made_for(size, by_hand, with_autotensor, with_torch, with_jax, with_mygrad, with_autograd),
        rtol=1e-4,
    )


WORKLOADS = [
    workload(Size(8, 128, 128, 4)),
    workload(Size(2, 32, 64, 4)),
    workload(Size(4, 256, 256, 8)),
]
