"""Structural zeros in random expressions of selections, movements and singular functions.

The reference has harmless values in the place of what is left out, before anything is singular.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.test_live import NAN, derivatives, where

# From positive numbers to positive ones that are not large, with singular points at 0 or below.
STEPS = {
    "sqrt": np.sqrt,
    "reciprocal": lambda v: 1 / (v + v * v),
    "power": lambda v: v**-0.5,
    "three halves": lambda v: v**1.5 / (1 + v),
    "log": lambda v: np.log(v) ** 2 + 0.5,
    "log1p": lambda v: np.log1p(v - 1) ** 2 + v,
    "tanh": np.tanh,
    "quotient": lambda v: np.exp(-v) / v,
    "twice": lambda v: v * np.sqrt(v) / (1 + v),
    "clip": lambda v: np.sqrt(np.clip(v, 0, 1)) + np.maximum(np.log(v), -3) ** 2 + 0.25,
    "magnitude": lambda v: np.abs(v) ** -0.5,
}
MOVES = {
    "turn": lambda v: v[::-1],
    "transpose": lambda v: v.T,
    "reshape": lambda v: v.reshape(v.shape[::-1]),
    "join": lambda v: np.concatenate([v, v[:1]]),
    "stack": lambda v: np.stack([v, v], -1).reshape(v.shape[0], -1),
    "copies": lambda v: np.broadcast_to(v[None], (2, *v.shape))[1],
    "pick": lambda v: v[[0, -1, 0]],
    "swap": lambda v: np.moveaxis(np.swapaxes(v, 0, 1), 0, 1),
}


def overwritten(y, mask):
    y = y * 1
    y[~mask] = 0.0
    return y


def by_mask(y, mask):
    return np.tanh(y[mask]).sum() + where(y, mask)


SELECTIONS = {
    "where": where,
    "else": lambda y, mask: np.where(~mask, 0, y),
    "written": overwritten,
    "mask": by_mask,
    "indices": lambda y, mask: y[np.nonzero(mask)].sum() + where(y, mask),
    "sum": lambda y, mask: np.sum(y, where=mask) + where(y, mask),
    "nested": lambda y, mask: where(np.sqrt(where(y, mask)), mask),
}
program = st.lists(
    st.tuples(
        st.lists(st.sampled_from([*STEPS, *MOVES]), min_size=1, max_size=4),
        st.lists(st.sampled_from([*STEPS, "constant"]), max_size=1),
        st.sampled_from(list(SELECTIONS)),
    ),
    min_size=1,
    max_size=2,
)


def run(stages, x, harmless):
    """Each stage: steps and moves, perhaps a second branch, then a selection of what is positive.

    What it leaves out is 0, a singular point of the next stage.
    """
    for path, other, how in stages:
        mask = (x if isinstance(x, np.ndarray) else x.numpy()) > 0
        y = np.where(mask, x, 1) if harmless else x
        for name in path:
            y = (STEPS | MOVES)[name](y)
            mask = MOVES[name](mask) if name in MOVES else mask
        for name in other:  # a second way from the same node
            y = y * (STEPS[name](y) if name in STEPS else np.where(mask, 0.5, NAN))
        if harmless:
            y = np.where(mask, y, 1)
        x = SELECTIONS[how](y, mask)
    return np.tanh(x)


@given(
    stages=program,
    values=st.lists(st.sampled_from([0.0, NAN, -1.0, 0.5, 0.75, 1.5]), min_size=4, max_size=4),
)
def test_random_expressions(stages, values):
    x = np.array(values).reshape(2, 2)
    t = np.array([[0.5, -1.0], [1.5, 2.0]])
    got = derivatives(lambda x: run(stages, x, False), x, t)
    wanted = derivatives(lambda x: run(stages, x, True), x, t)
    for mode, value in wanted.items():
        assert np.all(np.isfinite(value))
        scale = 1 + np.max(np.abs(value))
        np.testing.assert_allclose(got[mode], value, rtol=1e-9, atol=1e-9 * scale, err_msg=mode)
