"""What a case of the corpus of wrong rules is, and the ops that the cases are made of.

Forward and rules are plain functions of a global `np`, and of `detach`, so that the ops of other
libraries can be made from them too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import autotensor as at

RNG = np.random.default_rng(20)
X = RNG.normal(size=(3, 4)) + 0.05
V = np.array([0.7, -1.3, 2.1, 0.4, -0.6])
U = np.array([1.1, 0.3, -0.8, 1.9, 2.4])
POSITIVE = np.array([0.6, 1.7, 2.9, 0.8])
W = RNG.normal(size=(3, 3)) + 0.05
B = RNG.normal(size=4)
Z = np.array([0.5 + 1.2j, -1.1 + 0.3j, 0.8 - 0.7j])

# What a finding says where every entry is wrong: one that belongs together, or the input alone.
EACH = r"d output(\[.*?\]) / d x\1"
NAMED = r"\bx\b"


@dataclass(frozen=True)
class Wrong:
    """A wrong rule, and what is to be said of it.

    Attributes
    ----------
    parts : ``parts()`` gives what the op is made of: forward, and the rules by argument. What they
        remember between calls is new each time.
    inputs : where the mistake is to be found; what is no array is passed on.
    ids : the checks one of which must find it.
    says : a regular expression for the finding, which has to name the input, and the entry if any.
    order : up to which the derivatives are to be checked.
    jvps : forward rules by argument, if not derived.
    within : ``within(op, *inputs)`` is what is checked, if not the op itself.
    """

    parts: Callable[[], tuple[Callable[..., Any], Mapping[str, Callable[..., Any]]]]
    inputs: list[Any]
    ids: tuple[str, ...]
    says: str
    order: int
    jvps: Mapping[str, Callable[..., Any]]
    within: Callable[..., Any] | None

    def function(self):
        """What is to be checked, made of an op of autotensor's."""
        forward, rules = self.parts()
        op = at.custom_op(**rules, jvps=self.jvps)(forward)
        if self.within is None:
            return op
        return lambda *inputs: self.within(op, *inputs)


WRONG: dict[str, Wrong] = {}


def wrong(name, forward, inputs, ids, says, *, order=1, jvps=None, within=None, **rules):
    """Note one case; `rules` by argument."""
    note(name, lambda: (forward, rules), inputs, ids, says, order, jvps, within)


def note(name, parts, inputs, ids, says=NAMED, order=1, jvps=None, within=None):
    """Note one case whose forward and rules are made by `parts`."""
    assert name not in WRONG
    inputs = inputs if isinstance(inputs, list) else [inputs]
    WRONG[name] = Wrong(parts, inputs, tuple(ids.split()), says, order, jvps or {}, within)


def detach(x):
    """`x` as a constant, whatever library it is of."""
    return x.detach() if isinstance(x, at.Tensor) else x


def sine(x):
    return np.sin(x)


def exponential(x):
    return np.exp(x)


def square(x):
    return x * x


def product(x, y):
    return x * y


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def rowwise_softmax(x):
    e = np.exp(x - np.max(x, 1, keepdims=True))
    return e / np.sum(e, 1, keepdims=True)


def applied(w, x):
    return w @ x


def total(x):
    return np.sum(x)


def total_sine(x):
    return np.sum(np.sin(x))


def norm(x):
    return np.sqrt(np.sum(x * x))


def beside(op, x):
    """Two outputs, the op's the last."""
    return np.cos(x), op(x)


def between(op, x):
    """Three outputs, the op's in the middle."""
    return np.cos(x), op(x), x * x
