"""Mutants made by machine: `gradcheck` must see every change of a number that a rule returns.

Each op of the table is made a black box whose rules return what the op's own give, but for one
mutation. Whether a mutant ever returned another number than the op, at the inputs that are
checked, is measured on the way.
"""

import collections

import numpy as np
import pytest

import autotensor as at
from autotensor.engine.primitive import Composite
from tests import rules

ENTRIES = {
    f"{name} (composite)" if isinstance(entry, Composite) else name: entry
    for name, entry in rules.entries()
}
SHAPES = [[(), ()], [(2, 1), (3,)]]  # for ops whose declaration needs no cases
CHANGED = 1e-5  # relative; smaller changes are not to be seen


# The mutations: ``mutate(right, k, count, g, xs)`` is what the rule for input k of `count` returns,
# where ``right(g, xs)`` gives all gradients.


def scaled(factor):
    def mutate(right, k, count, g, xs):
        return right(g, xs)[k] * (factor if k == 0 else 1)

    return mutate


def last_scaled(right, k, count, g, xs):
    return right(g, xs)[k] * (0.999 if k == count - 1 else 1)


def of_abs(right, k, count, g, xs):
    return right(np.abs(g).astype(g.dtype) if k == 0 else g, xs)[k]


def at_other_point(right, k, count, g, xs):
    return right(g, [x * 1.003 for x in xs] if k == 0 else xs)[k]


def entry_scaled(factor):
    def mutate(right, k, count, g, xs):
        gradient = np.array(right(g, xs)[k])
        if k == 0 and gradient.size:
            gradient.flat[gradient.size // 2] *= factor
        return gradient

    return mutate


MUTATIONS = {
    "x 1.001": scaled(1.001),
    "x 1.0001": scaled(1.0001),
    "sign": scaled(-1),
    "one entry + 2 %": entry_scaled(1.02),
    "last input x 0.999": last_scaled,
    "abs(g)": of_abs,
    "at 1.003 x": at_other_point,
    "one entry zero": entry_scaled(0),
}


def black_box(function, inputs, mutate):
    """An op that gives `function`, flat, with mutated rules; and which calls at them changed."""
    changed, count = [], len(inputs)

    def forward(*xs):
        return np.concatenate([np.ravel(y) for y in rules.arrays(function(*xs))])

    def right(g, xs):
        value, pullback = at.vjp(function, *xs)
        shapes = [y.shape for y in rules.arrays(value)]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        parts = [p.reshape(s) for p, s in zip(np.split(g, ends[:-1]), shapes, strict=True)]
        return rules.arrays(tuple(pullback(*parts)))

    def rule(k, g, *xs):
        gradient, wanted = mutate(right, k, count, g, xs), right(g, xs)[k]
        size = np.maximum(np.abs(gradient), np.abs(wanted))
        beyond = CHANGED * size + 1e-13 * np.max(size, initial=0.0)  # not rounding alone
        if all(np.array_equal(x, given) for x, given in zip(xs, inputs, strict=True)):
            changed.append(np.any(np.abs(gradient - wanted) > beyond))
        return gradient

    names = ", ".join(f"x{k}" for k in range(count))
    space = {"forward": forward, "rule": rule}
    vjps = {f"x{k}": eval(f"lambda g, {names}: rule({k}, g, {names})", space) for k in range(count)}
    return at.custom_op(**vjps)(eval(f"lambda {names}: forward({names})", space)), changed


def calls(entry):
    """The cases of an entry, as functions of arrays, and these arrays."""
    cases = entry.cases or [dict(zip(entry.inputs, shapes, strict=False)) for shapes in SHAPES]
    for case in cases:
        for dtype in [np.float64, np.complex128] if entry.complex else [np.float64]:
            function, inputs = rules.arguments(entry, case, np.random.default_rng(7), dtype)
            if inputs:
                yield function, inputs


# Mutations that change nothing in any case of the op, by the reason.
EQUIVALENT = {
    "at 1.003 x": {
        "linear": "add add_at alias astype broadcast_to concatenate conj copy expand_dims getitem "
        "imag matrix_transpose mean moveaxis negative ravel real reshape scatter squeeze stack "
        "subtract sum swapaxes transpose view where with_entries",
        "linear between kinks": "absolute clip max maximum min minimum relu",
        "the derivative does not depend on the scale": "hypot norm",
    }
}


def outcomes(name):
    """How often each mutation of an op was caught, passed, or was no change."""
    found = {mutation: collections.Counter() for mutation in MUTATIONS}
    for function, inputs in calls(ENTRIES[name]):
        for mutation, mutate in MUTATIONS.items():
            op, changed = black_box(function, inputs, mutate)
            verdict = at.gradcheck(op, inputs, raise_exception=False).verdict
            found[mutation][verdict if any(changed) else "equivalent"] += 1
    return found


def equivalent(name):
    """The mutations of an op that are listed as no change."""
    return {
        mutation
        for mutation, reasons in EQUIVALENT.items()
        if any(name in names.split() for names in reasons.values())
    }


def check(name):
    found = outcomes(name)
    passed = {
        mutation: dict(count)
        for mutation, count in found.items()
        if {"ok", "inconclusive"} & {*count}
    }
    assert not passed
    assert {mutation for mutation, count in found.items() if not count["fail"]} == equivalent(name)


@pytest.mark.deep
@pytest.mark.parametrize("name", ENTRIES)
def test_every_mutant_of_an_op_is_caught(name):
    check(name)


@pytest.mark.parametrize("name", ["divide", "hypot", "maximum", "power", "softmax"])
def test_every_mutant_of_some_ops_is_caught(name):
    check(name)


def test_no_mutation_is_no_change_and_passes():
    for function, inputs in calls(ENTRIES["multiply"]):
        op, changed = black_box(function, inputs, lambda right, k, count, g, xs: right(g, xs)[k])
        assert at.gradcheck(op, inputs)
        assert changed
        assert not any(changed)


def test_a_change_too_small_to_be_seen_is_no_change():
    function, inputs = next(calls(ENTRIES["exp"]))
    op, changed = black_box(function, inputs, scaled(1 + 1e-8))
    assert at.gradcheck(op, inputs)
    assert not any(changed)


def test_equivalent_mutants_are_of_ops_that_exist():
    listed = [
        name
        for reasons in EQUIVALENT.values()
        for names in reasons.values()
        for name in names.split()
    ]
    assert len(set(listed)) == len(listed)
    assert set(listed) <= set(ENTRIES)
