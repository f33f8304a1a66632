"""Ops that act entry by entry, with broadcasting."""

import numpy as np

from autotensor.engine.primitive import elementwise, linear, rule, same, selection

linear(np.add, same, same, jointly=True)
linear(np.subtract, same, lambda g: -g, jointly=True)
linear(np.negative, lambda g: -g)
linear(np.conjugate, lambda g: g.conj(), name="conj")
elementwise(np.multiply, lambda y: y, lambda x: x)
elementwise(
    np.divide,
    lambda y: np.divide(1, y),
    lambda y, out: -out / y,
    singular=True,
    domain={"x": "real", "y": "nonzero"},
)


def nonzero_with(x, y):
    """`x`, and 1 where both are 0, to keep ``0 * 0**-1`` from becoming NaN."""
    return x if isinstance(y, (int, float)) and y else x + (x == 0) * (y == 0)


def one_power_less(x, y):
    """`x` ** (`y` - 1); of a square `x` itself, as NumPy is slow at a power of 1."""
    return x if isinstance(y, (int, float)) and y == 2 else nonzero_with(x, y) ** (y - 1)


elementwise(
    np.power,
    lambda x, y: y * one_power_less(x, y),
    lambda x, out: out * np.log(x + (x == 0)),
    singular=True,
    domain={"x": "positive", "y": "real"},
)

elementwise(np.exp, lambda out: out)
elementwise(np.expm1, lambda out: out + 1)
elementwise(np.log, lambda x: 1 / x, singular=True, domain="positive")
elementwise(np.log1p, lambda x: 1 / (1 + x), singular=True, domain="positive")
elementwise(np.sqrt, lambda out: 0.5 / out, singular=True, domain="positive")
elementwise(np.square, lambda x: x + x)
elementwise(np.sin, lambda x: np.cos(x))
elementwise(np.cos, lambda x: -np.sin(x))
elementwise(np.tan, lambda out: 1 + out * out, domain="unit")
elementwise(np.tanh, lambda out: 1 - out * out)
elementwise(np.arctan, lambda x: 1 / (1 + x * x), domain="unit")


def over(x, r):
    """`x` / `r`, and 0 where `r` is 0, to all orders."""
    return x * (r != 0) / (r + (r == 0))


def direction(x, r):
    """The unit number along x, of absolute value r, and 0 at 0."""
    return np.sign(x) if x.dtype.kind != "c" else over(x, r)


rule(
    np.absolute,
    lambda g, x, out: g * direction(x, out),
    jvps={"x": lambda t, x, out: t * direction(x, out).conj()},
    domain="nonzero",
)

elementwise(
    np.hypot,
    lambda x, out: over(x, out),
    lambda y, out: over(y, out),
    domain="nonzero",
)
# By the length, as the sum of squares might overflow.
elementwise(
    np.arctan2,
    lambda x, y: over(over(y, np.hypot(x, y)), np.hypot(x, y)),
    lambda x, y: -over(over(x, np.hypot(x, y)), np.hypot(x, y)),
    domain="nonzero",
)

# Ties share the gradient evenly: (x > y) + (x == y) / 2.
selection(
    np.maximum,
    lambda x, y: (x > y) + 0.5 * (x == y),
    lambda x, y: (y > x) + 0.5 * (x == y),
    shares=True,
    complex=False,
)
selection(
    np.minimum,
    lambda x, y: (x < y) + 0.5 * (x == y),
    lambda x, y: (y < x) + 0.5 * (x == y),
    shares=True,
    complex=False,
)


def _inside(a, a_min, a_max):
    """Where `clip` takes `a` itself, its bounds included."""
    above = True if a_min is None else a >= a_min
    below = True if a_max is None else a <= a_max
    return above & below


selection(
    np.clip,
    signature="a, a_min=None, a_max=None, out=None, dtype=None, casting=None",
    aliases={"min": "a_min", "max": "a_max"},
    a=_inside,
    a_min=lambda a, a_min, a_max: a < a_min if a_max is None else (a < a_min) & (a_min <= a_max),
    a_max=lambda a, a_min, a_max: a > a_max if a_min is None else (a > a_max) | (a_min > a_max),
    complex=False,
    cases=[
        {"a": (4, 3), "a_min": -0.3, "a_max": 0.4},
        {"a": (3,), "a_min": None, "a_max": 0.5},
        {"a": (3,), "a_min": 0.2, "a_max": None},
        {"a": (4, 3), "a_min": (3,), "a_max": (4, 1)},
        {"a": (4, 3), "a_min": (3,), "a_max": None},
        {"a": (4, 3), "a_min": None, "a_max": (3,)},
    ],
)
selection(
    np.where,
    signature="condition, x, y",
    constants=["condition"],
    x=lambda condition: condition != 0,
    y=lambda condition: condition == 0,
    cases=[
        {"condition": [[True, False, True], [False, False, True]], "x": (2, 3), "y": (3,)},
        {"condition": True, "x": (2, 1), "y": (1, 3)},
        {"condition": [1, 0], "x": (), "y": (2,)},
    ],
)
