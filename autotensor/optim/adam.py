"""Adam, and AdamW with its decoupled weight decay."""

from collections.abc import Iterable

import numpy as np

from autotensor.array import Tensor
from autotensor.optim.optimizer import Array, Optimizer, State, within

__all__ = ["Adam", "AdamW"]

# Bytes of a large array that go through all of a step at a time, so that they stay in the cache.
_BLOCK = 512 * 1024


class Adam(Optimizer):
    """Adam: steps scaled, entry by entry, by running estimates of the gradient's moments.

    With g the gradient, w the parameter, λ the weight decay, and m and v the moments (0 at
    first), step t = 1, 2, … is::

        g = g + λ w
        m = β1 m + (1 - β1) g
        v = β2 v + (1 - β2) |g|²
        w = w - lr (m / (1 - β1^t)) / (sqrt(v / (1 - β2^t)) + eps)

    t counts the steps in which the parameter had a gradient.

    Parameters
    ----------
    parameters : iterable of Tensor
        Leaves that require grad.
    lr : float
        Learning rate, at least 0.
    betas : (float, float)
        β1 and β2, each in [0, 1).
    eps : float
        Greater than 0: keeps the quotient finite where the gradient has always been 0. Rounds to
        0 in float16, whose parameters need a larger one, such as 1e-4.
    weight_decay : float
        λ, at least 0. The moments are taken of g + λ w; see `AdamW` for the other way.

    Raises
    ------
    TypeError, ValueError
        As `Optimizer`.

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    Examples
    --------
    The first step has the length of the learning rate, whatever the gradient's:

    >>> import autotensor as at
    >>> w = at.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = at.optim.Adam([w], lr=0.125)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(6).tolist()
    [0.875, 1.875]
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        self.betas = (within("betas[0]", betas[0], 0, 1), within("betas[1]", betas[1], 0, 1))
        self.eps = within("eps", eps, 0, above=True)
        self.weight_decay = within("weight_decay", weight_decay, 0)

    def init(self, value: Array) -> State:
        """Both moments at zero; the second is real for complex parameters too."""
        return {
            "t": 0,
            "m": np.zeros(value.shape, value.dtype),
            "v": np.zeros(value.shape, value.real.dtype),
        }

    def update(self, value: Array, grad: Array, state: State) -> Array:
        """Return the value after one step."""
        if self.weight_decay:
            grad = grad + self.weight_decay * value
        return self._moved(value, grad, state)

    def _moved(self, value: Array, grad: Array, state: State) -> Array:
        beta1, beta2 = self.betas
        state["t"] = t = state["t"] + 1
        # Both corrections as factors of numbers, which spares the arrays that many passes.
        late = (1 - beta2**t) ** 0.5
        rate = float(self.lr) * late / (1 - beta1**t)
        eps = self.eps * late
        result = np.empty(value.shape, value.dtype)
        every = [np.reshape(a, -1) for a in (value, grad, state["m"], state["v"], result)]
        entries = max(_BLOCK // result.itemsize, 1)
        for start in range(0, result.size, entries):
            w, g, m, v, new = (a[start : start + entries] for a in every)
            np.multiply(g, 1 - beta1, out=new)
            m *= beta1
            m += new
            np.multiply(g, g.conj(), out=new)
            square = new.real  # of a real array itself, like conj()
            square *= 1 - beta2
            v *= beta2
            v += square
            root = np.sqrt(v, out=square)
            root += eps
            np.divide(m, root, out=new)
            new *= rate
            np.subtract(w, new, out=new)
        return result[()]


class AdamW(Adam):
    """Adam with weight decay kept out of the moments.

    The weight is shrunk by the factor ``1 - lr λ`` and then moved as by `Adam` without decay, so
    that every weight decays at the same rate, however large its gradients are.

    Parameters
    ----------
    parameters, lr, betas, eps
        As `Adam`.
    weight_decay : float
        λ, at least 0.

    Raises
    ------
    TypeError, ValueError
        As `Optimizer`.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2, with
    the learning rate as the schedule that multiplies both terms.

    Examples
    --------
    >>> import autotensor as at
    >>> w = at.tensor([2.0], requires_grad=True)
    >>> optimizer = at.optim.AdamW([w], lr=0.5, weight_decay=0.5)
    >>> w.grad = at.zeros(1)
    >>> optimizer.step()
    >>> w.tolist()
    [1.5]
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(self, value: Array, grad: Array, state: State) -> Array:
        """Return the value after one step."""
        shrunk = (1 - float(self.lr) * self.weight_decay) * value
        return self._moved(shrunk, grad, state)
