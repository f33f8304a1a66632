"""Who is timed: the same work once by hand in NumPy, and once with every library.

A contender is a function that sets itself up and returns two others: the step, which is timed, and
one that reads the gradients of the last step, in an order that all contenders of a workload share.
Whoever times them first holds these gradients to the hand-written ones.

A contender imports its library itself, since none but NumPy is a dependency.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

HAND_WRITTEN = "hand-written"

# The library that a contender needs: the name to import, which is also the one to install.
LIBRARIES = {
    "autotensor": "autotensor",
    "PyTorch": "torch",
    "JAX, compiled": "jax",
    "MyGrad": "mygrad",
    "autograd": "autograd",
}

Array = np.ndarray[Any, np.dtype[Any]]
Step = Callable[[], None]
Ready = tuple[Step, Callable[[], Sequence[Any]]]
Contender = Callable[[], Ready]


@dataclass(frozen=True)
class Workload:
    """One thing to compute, at one size, and those who compute it.

    The first gradients of all contenders differ from the hand-written ones by at most `rtol` of the
    largest entry of each array.
    """

    title: str
    contenders: dict[str, Contender]
    unit: str = "step"  # what the time is given for
    units: int = 1  # how many of these one step goes through
    rtol: float = 1e-9


def made_for(size: Any, *makers: Callable[[Any], Ready]) -> dict[str, Contender]:
    """Contenders at one size: by hand first, then the libraries in the order of `LIBRARIES`."""
    pairs = zip((HAND_WRITTEN, *LIBRARIES), makers, strict=False)
    return {name: partial(maker, size) for name, maker in pairs}
