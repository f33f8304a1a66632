"""Loops over the entries of an array, forward and backward: ours alone, to see how time grows."""

from collections.abc import Callable

import numpy as np

Step = Callable[[], None]


def reading_loop(n: int) -> Step:
    """Read an array entry by entry."""
    import autotensor as at

    x = at.tensor(np.linspace(0.1, 1.0, n), requires_grad=True)

    def step():
        x.grad = None
        values = np.sin(x)
        sum(np.sin(values[i]) for i in range(n)).backward()

    return step


def writing_loop(n: int) -> Step:
    """Write an array entry by entry, each from the one before it."""
    import autotensor as at

    x = at.tensor(np.linspace(0.1, 1.0, n), requires_grad=True)

    def step():
        x.grad = None
        y = at.zeros(n)
        y[0] = x[0]
        for i in range(1, n):
            y[i] = np.sin(x[i]) * y[i - 1] + x[i]
        y.sum().backward()

    return step


def writing_loop_through_a_view(n: int) -> Step:
    """The same through a view of all entries but one."""
    import autotensor as at

    x = at.tensor(np.linspace(0.1, 1.0, n), requires_grad=True)

    def step():
        x.grad = None
        y = at.zeros(n + 1)
        view = y[1:]
        view[0] = x[0]
        for i in range(1, n):
            view[i] = np.sin(x[i]) * view[i - 1] + x[i]
        y.sum().backward()

    return step


LOOPS = {
    "f(x[i])": reading_loop,
    "y[i] = ...": writing_loop,
    "view[i] = ...": writing_loop_through_a_view,
}
