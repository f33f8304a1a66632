"""The check accepts the rule of every op of the table, at any scale, where f does not overflow."""

import numpy as np
import pytest

import autotensor as at
from tests import rules

SHAPES = ((2, 1), (3,))  # for ops whose declaration needs no cases
ENTRIES = [entry for _, entry in rules.entries()]


def call(entry, scale):
    """A call of the last case of an op: a function of the arrays, and these."""
    cases = getattr(entry, "cases", None) or [dict(zip(entry.inputs, SHAPES, strict=False))]
    with_inputs = [
        rules.arguments(entry, case, np.random.default_rng(3), np.float64) for case in cases
    ]
    function, inputs = [pair for pair in with_inputs if pair[1]][-1]
    return function, [x * scale for x in inputs]


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_op_of_the_table_passes_at_any_scale(entry, scale):
    function, inputs = call(entry, scale)
    report = at.gradcheck(function, inputs, order=2, raise_exception=False)
    with np.errstate(all="ignore"):
        values = function(*inputs)
    values = values if isinstance(values, tuple) else (values,)
    if all(np.all(np.isfinite(v)) for v in values):
        assert report, str(report)
    else:
        assert report.verdict == "inconclusive", str(report)
