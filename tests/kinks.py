"""What holds at kinks, ties, bounds and singular points, where finite differences do not tell.

The README's table is made from this, and `tests.rules.check_kinks` checks it, in both modes.
"""

from typing import Any, NamedTuple

import numpy as np

INF, NAN = np.inf, np.nan


class Kink(NamedTuple):
    """One convention.

    ``examples`` are calls, each with the cotangents of the arguments differentiated, from ones,
    and, where that is meaningful, their derivative along 1, 2, 3 … in every argument.
    """

    name: str
    shown: str
    at: str
    derivative: str
    examples: list[tuple[Any, ...]]


KINKS = [
    Kink(
        "absolute",
        "np.abs(x)",
        "x = 0",
        "0",
        [
            ({"x": [0.0, -0.0]}, {"x": [0, 0]}, {"x": [0, 0]}),
            ({"x": [0j, 3 + 4j]}, {"x": [0, 0.6 + 0.8j]}, {"x": [0, (32 - 24j) / 125]}),
        ],
    ),
    Kink("sign", "np.sign(x)", "everywhere", "0: it is a constant", []),
    Kink(
        "relu",
        "at.nn.relu(x)",
        "x = 0",
        "0",
        [({"x": [-1.0, 0.0, 1.0]}, {"x": [0, 0, 1]}, {"x": [0, 0, 0]})],
    ),
    Kink(
        "maximum",
        "np.maximum(x, y)",
        "x = y",
        "one half for each",
        [
            (
                {"x": [1.0, 1.0], "y": [0.0, 1.0]},
                {"x": [1, 0.5], "y": [0, 0.5]},
                {"x": [0, 0], "y": [0, 0]},
            )
        ],
    ),
    Kink(
        "minimum",
        "np.minimum(x, y)",
        "x = y",
        "one half for each",
        [
            (
                {"x": [1.0, 1.0], "y": [0.0, 1.0]},
                {"x": [0, 0.5], "y": [1, 0.5]},
                {"x": [0, 0], "y": [0, 0]},
            )
        ],
    ),
    Kink(
        "max",
        "np.max(a)",
        "ties",
        "shared evenly",
        [
            ({"a": [2.0, 3.0, 3.0]}, {"a": [0, 0.5, 0.5]}, {"a": [0, 0, 0]}),
            ({"a": [[1.0, 1.0], [0.0, 1.0]], "axis": 0}, {"a": [[1, 0.5], [0, 0.5]]}),
            ({"a": [3.0, 3.0], "where": [True, False], "initial": 0.0}, {"a": [1, 0]}),
        ],
    ),
    Kink(
        "min",
        "np.min(a)",
        "ties",
        "shared evenly",
        [({"a": [2.0, 2.0, 2.0, 3.0]}, {"a": [1 / 3, 1 / 3, 1 / 3, 0]}, {"a": [0, 0, 0, 0]})],
    ),
    Kink(
        "max_pool2d",
        "at.nn.max_pool2d(x, size)",
        "ties in a window",
        "shared evenly; padding is never the largest",
        [
            (
                {"x": [[[[2.0, 2.0, 1.0, 5.0], [2.0, 0.0, 3.0, 4.0]]]], "size": 2},
                {"x": [[[[1 / 3, 1 / 3, 0, 1], [1 / 3, 0, 0, 0]]]]},
                {"x": [[[[0] * 4, [0] * 4]]]},
            ),
            (
                {"x": [[[[2.0, 2.0, 3.0]]]], "size": (1, 2), "stride": 1},
                {"x": [[[[0.5, 0.5, 1]]]]},
            ),
            (
                {"x": [[[[-INF, -1.0]]]], "size": (1, 2), "stride": 1, "padding": (0, 1)},
                {"x": [[[[1, 2]]]]},
            ),
            ({"x": [[[[NAN, 1.0]]]], "size": (1, 2)}, {"x": [[[[0, 0]]]]}),
        ],
    ),
    Kink(
        "clip",
        "np.clip(a, low, high)",
        "a at a bound",
        "1 for a, 0 for the bound",
        [
            ({"a": [0.0, 1.0, 3.0, 4.0], "a_min": 1.0, "a_max": 3.0}, {"a": [0, 1, 1, 0]}),
            (
                {"a": [1.0], "a_min": [1.0], "a_max": [3.0]},
                {"a": [1], "a_min": [0], "a_max": [0]},
                {"a": [0], "a_min": [0], "a_max": [0]},
            ),
            (
                {"a": [3.0], "a_min": [1.0], "a_max": [3.0]},
                {"a": [1], "a_min": [0], "a_max": [0]},
            ),
            ({"a": [1.0], "a_min": [1.0], "a_max": None}, {"a": [1], "a_min": [0]}),
            ({"a": [1.0], "a_min": None, "a_max": [1.0]}, {"a": [1], "a_max": [0]}),
        ],
    ),
    Kink(
        "clip",
        "np.clip(a, low, high)",
        "a < low = high, or low > high",
        "1 for the bound that NumPy takes: low, or else high",
        [
            (
                {"a": [0.0], "a_min": [1.0], "a_max": [1.0]},
                {"a": [0], "a_min": [1], "a_max": [0]},
            ),
            (
                {"a": [2.0], "a_min": [3.0], "a_max": [1.0]},
                {"a": [0], "a_min": [0], "a_max": [1]},
            ),
        ],
    ),
    Kink(
        "power",
        "x**y",
        "y = 0",
        "0 by x, also at `0**0`",
        [({"x": [3.0, 0.0, -2.0], "y": [0.0] * 3}, {"x": [0, 0, 0]}, {"x": [0, 0, 0]})],
    ),
    Kink(
        "power",
        "x**y",
        "x = 0",
        "by x that of a power: 0, 1, or infinite where y < 1",
        [
            (
                {"x": [0.0] * 4, "y": [1.0, 2.0, 0.5, -1.0]},
                {"x": [1, 0, INF, -INF]},
                {"x": [0, 4, -INF, INF]},
            )
        ],
    ),
    Kink(
        "power",
        "x**y",
        "x = 0",
        "by y 0, also at `0**0`; NaN where y < 0",
        [
            ({"x": [0.0, 0.0], "y": [0.0, 2.0]}, {"x": [0, 0], "y": [0, 0]}),
            ({"x": [0.0], "y": [2.0]}, {"x": [0], "y": [0]}, {"x": [2], "y": [0]}),
            ({"x": [0.0], "y": [-1.0]}, {"y": [NAN]}),
            ({"x": [1.0, 2.0], "y": [3.0, 1.0]}, {"x": [3, 1], "y": [0, 2 * np.log(2)]}),
        ],
    ),
    Kink("power", "x**y", "x < 0", "by y NaN", [({"x": [-2.0], "y": [2.0]}, {"y": [NAN]})]),
    Kink(
        "divide",
        "x / y",
        "y = 0",
        "infinite; by y NaN where x is 0 too",
        [
            ({"x": [1.0, 0.0], "y": [0.0, 0.0]}, {"x": [INF, INF], "y": [-INF, NAN]}),
            ({"x": [1.0], "y": [0.0]}, {"y": [-INF]}, {"y": [INF]}),
        ],
    ),
    Kink("sqrt", "np.sqrt(x)", "x = 0", "inf", [({"x": [0.0]}, {"x": [INF]}, {"x": [-INF]})]),
    Kink("log", "np.log(x)", "x = 0", "inf", [({"x": [0.0]}, {"x": [INF]}, {"x": [-INF]})]),
    Kink("log1p", "np.log1p(x)", "x = -1", "inf", [({"x": [-1.0]}, {"x": [INF]}, {"x": [-INF]})]),
    Kink(
        "hypot",
        "np.hypot(x, y)",
        "x = y = 0",
        "0",
        [
            (
                {"x": [0.0, 3.0], "y": [0.0, 4.0]},
                {"x": [0, 0.6], "y": [0, 0.8]},
                {"x": [0, 0.064], "y": [0, -0.048]},
            )
        ],
    ),
    Kink(
        "arctan2",
        "np.arctan2(x, y)",
        "x = y = 0",
        "0",
        [
            (
                {"x": [0.0, 0.0], "y": [0.0, -1.0]},
                {"x": [0, -1], "y": [0, 0]},
                {"x": [0, -2], "y": [0, -2]},
            ),
            ({"x": [3e-200], "y": [4e-200]}, {"x": [1.6e199], "y": [-1.2e199]}),
        ],
    ),
    Kink(
        "norm",
        "np.linalg.norm(x, ord)",
        "x = 0",
        "0 for every ord",
        [
            ({"x": [0.0, 0.0]}, {"x": [0, 0]}, {"x": [0, 0]}),
            ({"x": [0j, 0j]}, {"x": [0, 0]}, {"x": [0, 0]}),
            (
                {"x": [[0.0, 0.0], [4.0, 3.0]], "axis": 1},
                {"x": [[0, 0], [0.8, 0.6]]},
                {"x": [[0, 0], [-0.168, 0.224]]},
            ),
            *(
                ({"x": [0.0, 0.0], "ord": ord}, {"x": [0, 0]}, {"x": [0, 0]})
                for ord in (2, 1, INF, -INF, 0, 3, 1.5, 0.5, -1)
            ),
            ({"x": [0j, 0j], "ord": 3}, {"x": [0, 0]}, {"x": [0, 0]}),
            ({"x": [[0.0, 0.0]], "ord": "fro"}, {"x": [[0, 0]]}, {"x": [[0, 0]]}),
        ],
    ),
    Kink(
        "norm",
        "np.linalg.norm(x, p)",
        "an entry of x is 0",
        "0 by it, as for abs",
        [
            ({"x": [0.0, 2.0], "ord": 1}, {"x": [0, 1]}, {"x": [0, 0]}),
            *(({"x": [0.0, 2.0], "ord": p}, {"x": [0, 1]}) for p in (3, 1.5, 0.5)),
            ({"x": [0j, 3 + 4j], "ord": 3}, {"x": [0, 0.6 + 0.8j]}),
        ],
    ),
    Kink(
        "norm",
        "np.linalg.norm(x, np.inf)",
        "ties",
        "shared evenly",
        [
            ({"x": [3.0, -3.0, 0.0], "ord": INF}, {"x": [0.5, -0.5, 0]}, {"x": [0, 0, 0]}),
            ({"x": [3.0, -3.0, 4.0], "ord": -INF}, {"x": [0.5, -0.5, 0]}),
            ({"x": [[3.0, -3.0]], "ord": INF, "axis": 1}, {"x": [[0.5, -0.5]]}),
        ],
    ),
    Kink(
        "std",
        "np.std(a)",
        "equal entries",
        "0",
        [
            ({"a": [2.0, 2.0, 2.0]}, {"a": [0, 0, 0]}, {"a": [0, 0, 0]}),
            ({"a": [[1.0, 1.0], [1.0, 3.0]], "axis": 1}, {"a": [[0, 0], [-0.5, 0.5]]}),
            ({"a": [1j, 1j]}, {"a": [0, 0]}, {"a": [0, 0]}),
            ({"a": [5.0]}, {"a": [0]}, {"a": [0]}),
        ],
    ),
    Kink(
        "var",
        "np.var(a)",
        "equal entries",
        "0",
        [({"a": [2.0, 2.0]}, {"a": [0, 0]}, {"a": [-0.5, 0.5]})],
    ),
    Kink(
        "var",
        "np.var(a, ddof=n)",
        "not more than n entries",
        "NaN, as the value; so for std",
        [({"a": [1.0, 1.0], "ddof": 3}, {"a": [NAN, NAN]})],
    ),
    Kink(
        "prod",
        "np.prod(a)",
        "zeros",
        "the product of the others: nothing is divided by",
        [
            ({"a": [0.0, 2.0, 3.0]}, {"a": [6, 0, 0]}, {"a": [12, 3, 2]}),
            ({"a": [0.0, 0.0, 3.0]}, {"a": [0, 0, 0]}, {"a": [6, 3, 0]}),
        ],
    ),
    Kink(
        "logsumexp",
        "at.nn.logsumexp(x)",
        "entries -inf",
        "0 by them, also where all are",
        [
            ({"x": [-INF, 1.0]}, {"x": [0, 1]}, {"x": [0, 0]}),
            ({"x": [-INF, -INF]}, {"x": [0, 0]}, {"x": [0, 0]}),
            ({"x": [[-INF, -INF], [2.0, -INF]], "axis": 1}, {"x": [[0, 0], [1, 0]]}),
        ],
    ),
    Kink(
        "softmax",
        "at.nn.softmax(x)",
        "entries -inf",
        "0 by them; NaN, as the value, where all are",
        [
            ({"x": [-INF, 1.0, 1.0]}, {"x": [0, 0, 0]}, {"x": [0, 0, 0]}),
            ({"x": [-INF, -INF]}, {"x": [NAN, NAN]}),
        ],
    ),
    Kink(
        "log_softmax",
        "at.nn.log_softmax(x)",
        "entries -inf",
        "as of the others alone: 1 by themselves, 0 by them for the others",
        [({"x": [-INF, 1.0, 1.0]}, {"x": [1, -0.5, -0.5]}, {"x": [0, 0.75, -0.75]})],
    ),
    Kink(
        "cross_entropy",
        "at.nn.cross_entropy(x, labels)",
        "entries -inf",
        "softmax(x) minus the labels, also where the loss is inf",
        [
            (
                {"logits": [[-INF, 1.0, 1.0]], "labels": np.array([0])},
                {"logits": [[-1, 0.5, 0.5]]},
                {"logits": [[0, -0.25, 0.25]]},
            ),
            (
                {"logits": [[-INF, 1.0, 1.0]], "labels": np.array([[0.0, 1.0, 0.0]])},
                {"logits": [[0, -0.5, 0.5]]},
                {"logits": [[0, -0.25, 0.25]]},
            ),
        ],
    ),
]


def table():
    """The rows of the README's table."""
    rows = ["| function | where | derivative |", "|---|---|---|"]
    rows += [f"| `{kink.shown}` | {kink.at} | {kink.derivative} |" for kink in KINKS]
    return "\n".join(rows) + "\n"
