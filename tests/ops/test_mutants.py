"""The check of the rules is put to the test: each rule with a mistake in it must fail.

`tests.mutants` makes the mistakes. A mutant that passes shows that the declared cases, or the check,
are too weak, unless it computes the same: then it is listed here, with the reason.
"""

import dataclasses

import numpy as np
import pytest

from autotensor.engine.primitive import TABLE
from tests import mutants, rules

PARTS = {part.name: part for part in mutants.parts()}
SHAPES = [[(), ()], [(2, 1), (3,)]]  # for ops whose declaration needs no cases

EQUIVALENT = {
}


def calls(entry):
    """The calls that a mutant has to pass, as arguments of `rules.check`."""
    cases = entry.cases or [dict(zip(entry.inputs, shapes, strict=False)) for shapes in SHAPES]
    dtypes = [np.float64, np.complex128] if entry.complex else [np.float64]
    for order in (1, 2):
        for case in cases:
            for dtype in dtypes:
                for seed, only in enumerate((None, 0, 1)):
                    yield case, np.random.default_rng(seed), dtype, order, only


def failure(mutant):
    """What the check says against a mutant; None if it passes."""
    with mutant.installed():
        try:
            for entry in mutant.entries:
                rules.check_kinks(entry)
                for call in calls(entry):
                    rules.check(entry, *call)
        except Exception as error:
            return error
    return None


def unchanged(part):
    """The part with an expression replaced by itself."""
    mutant = next(iter(part.mutants().values()))
    return dataclasses.replace(mutant, new=mutant.old)


def test_every_rule_has_parts():
    functions = {function for part in PARTS.values() for function in part.functions}
    entries = {entry for _, entry in rules.entries() if entry.function.__module__}
    print(functions, entries)


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.deep
def test_mistakes_are_caught(name):
    part = PARTS[name]
    assert failure(unchanged(part)) is None
    passed = {text for text, mutant in part.mutants().items() if failure(mutant) is None}
    listed = {text for text in EQUIVALENT if text.startswith(f"{name}: ")}
    assert sorted(passed - listed) == [], "passed, and is not listed as equivalent"
    assert sorted(listed - passed) == [], "is listed as equivalent, and does not pass"
