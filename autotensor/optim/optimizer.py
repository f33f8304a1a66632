"""Optimizer: maps an update written for one parameter over all of them."""

from collections.abc import Iterable
from math import inf
from typing import Any

from numpy.typing import NDArray

from autotensor.array import Tensor
from autotensor.writing import set_value

__all__ = ["Array", "Optimizer", "State", "within"]

Array = NDArray[Any]
State = dict[str, Any]  # what an optimizer remembers of one parameter


class Optimizer:
    """Base of the optimizers. A subclass writes `update`, and `init` where it keeps a state.

    Parameters
    ----------
    parameters : iterable of Tensor
        Leaves that require grad, such as ``model.parameters()``.
    lr : float
        The learning rate, at least 0. A plain attribute: set ``optimizer.lr`` between steps to
        follow a schedule.

    Raises
    ------
    TypeError
        If something among the parameters is not a Tensor.
    ValueError
        If there are no parameters, if one is given twice or is not a leaf that requires grad, or
        if a hyper-parameter is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import autotensor as at
    >>> class SignDescent(at.optim.Optimizer):
    ...     def update(self, value, grad, state):
    ...         return value - self.lr * np.sign(grad)
    >>> w = at.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SignDescent([w], lr=0.5)
    >>> np.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.5]
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        self.lr = within("lr", lr, 0)
        self.parameters = _checked(parameters)
        self._states: list[State | None] = [None] * len(self.parameters)

    def init(self, value: Array) -> State:
        """State of a parameter with this value, before its first step; arrays like `value`."""
        return {}

    def update(self, value: Array, grad: Array, state: State) -> Array:
        """Return the value after one step, as a new array; the state is changed in place.

        `value` and `grad` have the same shape and dtype and are not to be written to.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define update")

    def step(self) -> None:
        """Update every parameter that has a ``grad``; the others stay as they are."""
        for i, parameter in enumerate(self.parameters):
            grad = parameter._node.grad  # type: ignore[union-attr]
            if grad is not None:
                value = parameter._data
                state = self._states[i]
                if state is None:
                    state = self._states[i] = self.init(value)
                value = self.update(value, grad._data, state)
                if parameter._place is None:
                    parameter._data = value
                else:  # views of it see the new value
                    set_value(parameter, value)

    def zero_grad(self) -> None:
        """Set the ``grad`` of every parameter to None."""
        for parameter in self.parameters:
            parameter._node.grad = None  # type: ignore[union-attr]


def within(name: str, value: float, low: float, high: float = inf, *, above: bool = False) -> float:
    """Return a hyper-parameter as a Python float, whatever it came as.

    A Python float leaves the dtype of float32 parameters alone, where a float64 scalar of NumPy
    would widen it.

    Raises
    ------
    ValueError
        If `value`, which may be NaN, is not in [low, high), or with `above` not in (low, high).
    """
    if not low <= value < high or (above and value == low):
        floor = f"{'greater than' if above else 'at least'} {low}"
        limits = f"{floor} and below {high}" if high < inf else f"finite and {floor}"
        raise ValueError(f"{name} must be {limits}, got {value!r}")
    return float(value)


def _checked(parameters: Iterable[Tensor]) -> tuple[Tensor, ...]:
    if isinstance(parameters, Tensor):
        raise TypeError("parameters must be a list of Tensors, got one Tensor: write [w]")
    parameters = tuple(parameters)
    if not parameters:
        raise ValueError("an optimizer needs at least one parameter, got none")
    for i, parameter in enumerate(parameters):
        if not isinstance(parameter, Tensor):
            raise TypeError(f"parameter {i} must be a Tensor, got {type(parameter).__name__}")
        label = f"parameter {i}{f' ({parameter.name!r})' if parameter.name else ''}"
        if not (parameter.is_leaf and parameter.requires_grad):
            what = "does not require grad" if parameter.is_leaf else "is the result of an op"
            raise ValueError(f"{label} must be a leaf that requires grad; it {what}")
        if any(parameter is earlier for earlier in parameters[:i]):
            raise ValueError(f"{label} is given twice: it would be updated twice a step")
    return parameters
