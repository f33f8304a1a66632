"""A small convolutional network: twice convolution and pooling, a linear layer, cross-entropy.

Forward and backward only, with the gradients of all parameters.
"""

from typing import NamedTuple

import numpy as np

from benchmarks.contenders import Array, Ready, Workload, made_for

CLASSES = 10


class Size(NamedTuple):
    batch: int
    channels: int
    side: int
    hidden: tuple[int, int]


def data(size: Size) -> tuple[Array, Array, list[Array]]:
    """Images, classes, and the parameters: weight and bias of each layer."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(size.batch, size.channels, size.side, size.side)).astype(np.float32)
    labels = rng.integers(0, CLASSES, size.batch)
    first, second = size.hidden
    shapes = [(first, size.channels, 3, 3), (second, first, 3, 3)]
    shapes.append((CLASSES, second * (size.side // 4) ** 2))
    parameters = []
    for shape in shapes:
        limit = (6 / np.prod(shape[1:])) ** 0.5
        parameters.append(rng.uniform(-limit, limit, shape).astype(np.float32))
        parameters.append(rng.uniform(-0.1, 0.1, shape[0]).astype(np.float32))
    return x, labels, parameters


# By hand. Windows side by side in memory, and one product of matrices for each image.


def windows(x: Array) -> Array:
    """(images, channels * 9, height * width): the entries under a 3 x 3 kernel with padding 1."""
    n, c, h, w = x.shape
    padded = np.zeros((n, c, h + 2, w + 2), x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    return seen.transpose(0, 1, 4, 5, 2, 3).reshape(n, c * 9, h * w)


def spread(columns: Array, shape: tuple[int, ...]) -> Array:
    """What `windows` does, backward: every entry added where it came from."""
    n, c, h, w = shape
    columns = columns.reshape(n, c, 3, 3, h, w)
    padded = np.zeros((n, c, h + 2, w + 2), columns.dtype)
    for i in range(3):
        for j in range(3):
            padded[:, :, i : i + h, j : j + w] += columns[:, :, i, j]
    return padded[:, :, 1:-1, 1:-1]


QUARTERS = [(..., slice(i, None, 2), slice(j, None, 2)) for i in (0, 1) for j in (0, 1)]


def pooled(x: Array) -> Array:
    rows = np.maximum(x[:, :, ::2], x[:, :, 1::2])
    return np.maximum(rows[..., ::2], rows[..., 1::2])


def unpooled(g: Array, x: Array, top: Array) -> Array:
    out = np.empty_like(x)
    for quarter in QUARTERS:
        np.multiply(g, x[quarter] == top, out=out[quarter])
    return out


def by_hand(size: Size) -> Ready:
    x, labels, (w1, b1, w2, b2, w3, b3) = data(size)
    n, _, side, _ = x.shape
    every = np.arange(n)
    gradients: tuple[Array, ...] = ()

    def step():
        nonlocal gradients
        columns1 = windows(x)
        first = w1.reshape(len(w1), -1) @ columns1
        first += b1[:, None]
        np.maximum(first, 0, out=first)
        first = first.reshape(n, -1, side, side)
        half = pooled(first)
        columns2 = windows(half)
        second = w2.reshape(len(w2), -1) @ columns2
        second += b2[:, None]
        np.maximum(second, 0, out=second)
        second = second.reshape(n, -1, side // 2, side // 2)
        quarter = pooled(second)
        flat = quarter.reshape(n, -1)
        z = flat @ w3.T + b3
        z -= z.max(1, keepdims=True)
        e = np.exp(z)
        total = e.sum(1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[every, labels]).mean()  # noqa: F841

        g = e / total
        g[every, labels] -= 1
        g /= n
        g_w3, g_b3 = g.T @ flat, g.sum(0)
        g = unpooled((g @ w3).reshape(quarter.shape), second, quarter)
        g *= second > 0
        g = g.reshape(n, len(w2), -1)
        g_w2, g_b2 = np.matmul(g, columns2.mT).sum(0), g.sum((0, 2))
        g = spread(w2.reshape(len(w2), -1).T @ g, half.shape)
        g = unpooled(g, first, half)
        g *= first > 0
        g = g.reshape(n, len(w1), -1)
        g_w1, g_b1 = np.matmul(g, columns1.mT).sum(0), g.sum((0, 2))
        gradients = (g_w1.reshape(w1.shape), g_b1, g_w2.reshape(w2.shape), g_b2, g_w3, g_b3)

    return step, lambda: gradients


def with_autotensor(size: Size) -> Ready:
    import autotensor as at

    x, labels, parameters = data(size)
    parameters = [at.tensor(p, requires_grad=True) for p in parameters]
    w1, b1, w2, b2, w3, b3 = parameters
    x = at.tensor(x)

    def step():
        for parameter in parameters:
            parameter.grad = None
        h = at.nn.max_pool2d(at.nn.relu(at.nn.conv2d(x, w1, b1, padding=1)), 2)
        h = at.nn.max_pool2d(at.nn.relu(at.nn.conv2d(h, w2, b2, padding=1)), 2)
        z = h.reshape(size.batch, -1) @ w3.T + b3
        at.nn.cross_entropy(z, labels).backward()

    return step, lambda: [p.grad.numpy() for p in parameters]


def with_torch(size: Size) -> Ready:
    import torch
    from torch.nn import functional

    x, labels, parameters = data(size)
    parameters = [torch.tensor(p, requires_grad=True) for p in parameters]
    w1, b1, w2, b2, w3, b3 = parameters
    x, labels = torch.tensor(x), torch.tensor(labels)

    def step():
        for parameter in parameters:
            parameter.grad = None
        h = functional.max_pool2d(functional.conv2d(x, w1, b1, padding=1).relu(), 2)
        h = functional.max_pool2d(functional.conv2d(h, w2, b2, padding=1).relu(), 2)
        functional.cross_entropy(functional.linear(h.flatten(1), w3, b3), labels).backward()

    return step, lambda: [p.grad.numpy() for p in parameters]


def with_jax(size: Size) -> Ready:
    import jax
    import jax.numpy as jnp

    x, labels, parameters = data(size)
    x, labels, parameters = jnp.asarray(x), jnp.asarray(labels), list(map(jnp.asarray, parameters))
    gradients = parameters

    def pool(h):
        shape = (1, 1, 2, 2)
        return jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, shape, shape, "VALID")

    def conv(h, w, b):
        return jax.lax.conv(h, w, (1, 1), "SAME") + b[:, None, None]

    def loss(parameters):
        w1, b1, w2, b2, w3, b3 = parameters
        h = pool(jax.nn.relu(conv(x, w1, b1)))
        h = pool(jax.nn.relu(conv(h, w2, b2)))
        z = h.reshape(size.batch, -1) @ w3.T + b3
        return -jax.nn.log_softmax(z)[jnp.arange(size.batch), labels].mean()

    pull = jax.jit(jax.value_and_grad(loss))

    def step():
        nonlocal gradients
        _, gradients = pull(parameters)
        gradients[0].block_until_ready()

    return step, lambda: gradients


def with_mygrad(size: Size) -> Ready:
    import mygrad as mg
    from mygrad import nnet

    x, labels, parameters = data(size)
    parameters = list(map(mg.tensor, parameters))
    w1, b1, w2, b2, w3, b3 = parameters

    def step():
        h = nnet.conv_nd(x, w1, stride=1, padding=1) + b1.reshape(-1, 1, 1)
        h = nnet.max_pool(nnet.relu(h), (2, 2), 2)
        h = nnet.conv_nd(h, w2, stride=1, padding=1) + b2.reshape(-1, 1, 1)
        h = nnet.max_pool(nnet.relu(h), (2, 2), 2)
        z = mg.matmul(h.reshape(size.batch, -1), w3.T) + b3
        nnet.softmax_crossentropy(z, labels).backward()

    return step, lambda: [p.grad for p in parameters]


def with_autograd(size: Size) -> Ready:
    import autograd.numpy as anp
    from autograd import grad
    from autograd.scipy.signal import convolve
    from autograd.scipy.special import logsumexp

    x, labels, parameters = data(size)
    every = np.arange(size.batch)
    gradients = parameters

    def conv(h, w, b):
        h = anp.pad(h, ((0, 0), (0, 0), (1, 1), (1, 1)), "constant")
        kernels = w[:, :, ::-1, ::-1]  # it turns them round
        product = convolve(h, kernels, axes=([2, 3], [2, 3]), dot_axes=([1], [1]), mode="valid")
        return product + b[:, None, None]

    def pool(h):
        n, c, height, width = h.shape
        return h.reshape((n, c, height // 2, 2, width // 2, 2)).max((3, 5))

    def loss(w1, b1, w2, b2, w3, b3):
        h = pool(anp.maximum(conv(x, w1, b1), 0))
        h = pool(anp.maximum(conv(h, w2, b2), 0))
        z = anp.dot(h.reshape((size.batch, -1)), w3.T) + b3
        return (logsumexp(z, axis=1) - z[every, labels]).mean()

    pull = grad(loss, tuple(range(6)))

    def step():
        nonlocal gradients
        gradients = pull(*parameters)

    return step, lambda: gradients


def workload(size: Size) -> Workload:
    side = f"{size.channels}x{size.side}x{size.side}"
    return Workload(
        f"CNN on {side}, 3x3 kernels, {size.hidden[0]} and {size.hidden[1]} channels, "
        f"batch {size.batch}, float32",
        made_for(size, by_hand, with_autotensor, with_torch, with_jax, with_mygrad, with_autograd),
        rtol=1e-4,
    )


WORKLOADS = [
    workload(Size(32, 1, 28, (8, 16))),
    workload(Size(8, 1, 28, (8, 16))),
    workload(Size(64, 3, 32, (16, 32))),
]
