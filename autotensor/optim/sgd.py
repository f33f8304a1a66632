"""Gradient descent, plain or with momentum."""

from collections.abc import Iterable

from autotensor.array import Tensor
from autotensor.optim.optimizer import Array, Optimizer, State, within

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's form of it, and weight decay.

    With g the gradient, w the parameter, v its velocity (0 at first), µ the momentum and λ the
    weight decay, one step is::

        g = g + λ w
        v = µ v + g
        w = w - lr v              or, with nesterov,   w = w - lr (g + µ v)

    The learning rate stands outside the velocity, so that changing it acts at once.

    Parameters
    ----------
    parameters : iterable of Tensor
        Leaves that require grad.
    lr : float
        Learning rate, at least 0.
    momentum : float
        µ, in [0, 1).
    nesterov : bool
        Whether to look ahead by one velocity; needs a momentum.
    weight_decay : float
        λ, at least 0: adds the gradient of ``λ/2 * sum(w**2)``.

    Raises
    ------
    TypeError, ValueError
        As `Optimizer`, and ValueError if `nesterov` is set without a momentum.

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964, for
    the momentum; I. Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of
    initialization and momentum in deep learning", ICML 2013, equations 1 to 4, for both forms
    (their velocity is ours times -lr; their Nesterov parameter is the look-ahead point w - lr µ v,
    which is the one stored here).

    Examples
    --------
    >>> import autotensor as at
    >>> w = at.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = at.optim.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, 1.0]
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        self.momentum = within("momentum", momentum, 0, 1)
        self.nesterov = nesterov
        self.weight_decay = within("weight_decay", weight_decay, 0)
        if nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum greater than 0")

    def update(self, value: Array, grad: Array, state: State) -> Array:
        """Return the value after one step."""
        if self.weight_decay:
            grad = grad + self.weight_decay * value
        if self.momentum:
            velocity = self.momentum * state.get("velocity", 0.0) + grad
            state["velocity"] = velocity
            grad = grad + self.momentum * velocity if self.nesterov else velocity
        return value - float(self.lr) * grad
