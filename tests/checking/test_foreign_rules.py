"""Right rules that NumPy's functions alone cannot express: to be accepted at order 1 as they are.

They take arrays for what only arrays are: they look at memory, convert to Python numbers, fill a
fresh array, or call what knows no Tensors.
"""

import numpy as np
import pytest

import autotensor as at
from tests.checking.corpus import U, V, W, X, sine, total

TWICE = np.array([0, 0, 2])


def filled(g, shape):
    c = np.zeros(shape)
    c[::2] = g
    return c


def entry_by_entry(g, x):
    c = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        c[i] = float(g[i]) * np.cos(x[i])
    return c


def added(g, shape):
    c = np.zeros(shape)
    np.add.at(c, TWICE, g)
    return c


def filtered(x):
    return np.fft.irfft(np.fft.rfft(x, 8) * np.arange(5), 8)


RULES = {
    "looks at flags": (
        sine,
        X,
        lambda g, x: (g if g.flags.c_contiguous else g.copy()) * np.cos(x),
    ),
    "looks at strides": (sine, X, lambda g, x: g * np.cos(x) * (len(g.strides) - 1)),
    "bytes": (sine, V, lambda g, x: np.frombuffer(g.tobytes()) * np.cos(x)),
    "fills a fresh array": (lambda x: x[::2], V, filled),
    "out=": (sine, X, lambda g, x: np.multiply(g, np.cos(x), out=np.empty(x.shape))),
    "a loop over floats": (sine, X, entry_by_entry),
    "asarray": (sine, X, lambda g, x: np.asarray(g) * np.cos(x)),
    "lists": (
        sine,
        V,
        lambda g, x: np.array([a * b for a, b in zip(g.tolist(), np.cos(x), strict=True)]),
    ),
    "add.at": (lambda x: x[TWICE], V, added),
    "bincount": (lambda x: x[TWICE], V, lambda g: np.bincount(TWICE, g, 5)),
    "a transform": (filtered, np.arange(8.0) + 0.3, lambda g: filtered(g)),
    "item of a 0-d g": (total, V, lambda g, shape: np.full(shape, g.item())),
    "float of a 0-d g": (total, V, lambda g, shape: np.full(shape, float(g))),
    "a solver": (lambda x: np.linalg.solve(W, x), U[:3], lambda g: np.linalg.solve(W.T, g)),
}


@pytest.mark.parametrize("name", RULES)
def test_a_right_rule_is_accepted(name):
    forward, x, rule = RULES[name]
    op = at.custom_op(x=rule)(forward)
    report = at.gradcheck(op, x, raise_exception=False)
    assert report.verdict == "ok", str(report)


def test_forward_mode_says_that_there_is_none():
    forward, x, rule = RULES["looks at flags"]
    op = at.custom_op(x=rule)(forward)
    with pytest.raises(at.errors.NoRuleError, match="rule of sine for argument 'x'") as caught:
        at.jvp(op, (x,), (x,))
    assert "flags" in str(caught.value.__cause__)
