"""The check of the rules is put to the test: every rule with a mistake in it must fail.

`tests.mutants` makes the mistakes. A mutant that passes shows that the declared cases or the check
are too weak, unless it computes the same: then it is listed here, with the reason.
"""

import ast
import dataclasses

import numpy as np
import pytest

from autotensor.engine.primitive import TABLE
from tests import mutants, rules

PARTS = {part.name: part for part in mutants.parts() if part.mutants()}
SHAPES = [[(), ()], [(2, 1), (3,)]]  # for ops whose declaration needs no cases

_OPTIMIZE = "`optimize` changes the order in which it is computed only"
_SPARE = "which of the spare labels is used does not matter"

_ONES = "a vector of ones too many changes nothing"
_EMPTY = "an empty array has no entry that would tell"
_HALF = "float16 alone goes that way: tests/test_regressions.py"
_REFUSED = "orders 'A' and 'K' are refused: tests/ops/test_calls.py"
_REFUSED_NORMS = "other norms of matrices are refused: tests/test_errors.py"
_SAME_PRODUCT = "a product either way round"
_NARROW = "float16 alone goes that way: tests/nn/test_functions.py"
_DEFAULT = "layer norm alone uses the default, and its own mutants the rest"
_SUMMED = "the sum of products is the same, only slower"
_RAISES = "it raises either way: the text is tested elsewhere"

EQUIVALENT = {
    "_einsum_vjp: 1 -> 2": "any number below the length of an axis does",
    "_einsum_vjp: lengths.get(label, -1) < n -> lengths.get(label, -1) <= n": _ONES,
    "_einsum_vjp: zip(text, x.shape, strict=True) -> zip(x.shape, text, strict=True)": _ONES,
    "nonzero_with: (x == 0) * (y == 0) -> y == 0": "for y = 0: tests/test_regressions.py",
    "nonzero_with: x + (x == 0) * (y == 0) -> x - (x == 0) * (y == 0)": "-1 does as well as 1",
    "dot_along: -1 -> 1": _DEFAULT,
    "dot_along: 1 -> 2": _DEFAULT,
    "dot_along: a.ndim - 1 -> a.ndim": _SUMMED,
    "dot_along: a.ndim - 1 -> a.ndim + 1": _SUMMED,
    "dot_along: np.einsum('...i,...i->...', a, b) -> np.einsum('...i,...i->...', b, a)": (
        _SAME_PRODUCT
    ),
    "one_power_less: 2 -> 3": "of numbers as exponents: tests/test_regressions.py",
    "_written: type(index) -> index": "a window names no entry twice: found too, only slower",
    "tensordot: np.asarray(x) -> x": "for lists: tests/test_regressions.py",
    "tensordot: ValueError(f'tensordot: axes {axes} of shapes {a.shape} and {b.shape} do not"
    " match') -> f'tensordot: axes {axes} of shapes {a.shape} and {b.shape} do not match'": _RAISES,
    "_stated: ValueError(f\"order={order!r} depends on the layout in memory: use 'C' or 'F'\")"
    " -> f\"order={order!r} depends on the layout in memory: use 'C' or 'F'\"": _RAISES,
    "_mean_vjp: 1 -> 2": _EMPTY,
    "_mean_vjp: 1 -> 2 (2)": _EMPTY,
    "_mean_vjp: 1 -> 2 (3)": _EMPTY,
    "_mean_vjp: 1 -> 2 (4)": _HALF,
    "_mean_vjp: 2 -> 3 (2)": _HALF,
    "_mean_vjp: g.dtype.itemsize > 2 -> g.dtype.itemsize <= 2 (2)": _HALF,
    "_mean_vjp: g.dtype.itemsize > 2 -> g.dtype.itemsize >= 2 (2)": _HALF,
    "_inner_b: len(shape) -> shape": "tensordot is the same, only slower",
    "_mean_vjp: 1 / count -> 1": _HALF,
    "_mean_vjp: 1 / count -> count": _HALF,
    "_mean_vjp: 1 / count -> count / 1": _HALF,
    "_mean_vjp: 2 -> 3": _HALF,
    "_mean_vjp: g * (1 / count) -> 1 / count": _HALF,
    "_mean_vjp: g * (1 / count) -> g": _HALF,
    "_mean_vjp: g.dtype.itemsize > 2 -> g.dtype.itemsize <= 2": _HALF,
    "_mean_vjp: g.dtype.itemsize > 2 -> g.dtype.itemsize >= 2": _HALF,
    "reshape-a: _stated(order) -> order": _REFUSED,
    "reshape-a-jvp: _stated(order) -> order": _REFUSED,
    "ravel-a: _stated(order) -> order": _REFUSED,
    "ravel-a-jvp: _stated(order) -> order": _REFUSED,
    "over: r + (r == 0) -> r - (r == 0)": "0 / -1 is 0, as 0 / 1 is",
    "_logsumexp_vjp: 0 -> 1": "any finite number does",
    "by_softmax: dot_along(t, out, axis) -> dot_along(out, t, axis)": _SAME_PRODUCT,
    "log_softmax-x-jvp: dot_along(t, np.exp(out), axis) -> dot_along(np.exp(out), t, axis)": (
        _SAME_PRODUCT
    ),
    "_standardize_vjp: _mean_product(g, out) -> _mean_product(out, g)": _SAME_PRODUCT,
    "_mean_product: dot_along(a, b) -> dot_along(b, a)": _SAME_PRODUCT,
    "_mean_product: 1 -> 2 (2)": _EMPTY,
    "_centred: _mean_product(centred, centred) -> _mean_product(centred, centred)": _SAME_PRODUCT,
    "_centred: x - _mean(x) -> _mean(x) - x": "only the factor is used by the rule",
    "_wide: 2 -> 3": _NARROW,
    "_wide: x.astype(np.float32) -> x": _NARROW,
    "_standardize_vjp: _wide(g) -> g": _NARROW,
    "_standardize_vjp: _wide(out) -> out": _NARROW,
    "_standardize_vjp: _wide(x) -> x": _NARROW,
    "_of_each: max(logits.size // logits.shape[-1], 1) -> logits.size // logits.shape[-1]": _EMPTY,
    "_matmul_x: _rows(g) -> g": "the same product, only slower",
    "_matmul_y: len(shape) -> shape (3)": "the sum of many products is the same, only slower",
    "_norm_vjp: 0 * u -> -(0 * u)": "-0 is 0",
    "_norm_vjp: 2 -> 3": _REFUSED_NORMS,
    "_norm_vjp: errors.no_matrix_norm(ord) -> errors": _RAISES,
    "_sum_vjp: True -> False": "g * True is g: saves a product",
    "_mean_vjp: True -> False": "the way for masks is right without one: saves a sum",
    "_take_extreme: True -> False": "taken & True is taken: saves an operation",
    "_prod_vjp: True -> False": "np.where(True, a, 1) is a: saves a copy",
    "_prod_vjp: True -> False (2)": "result * True is result: saves a product",
    "var: a - mean -> mean - a": "it is squared",
    "swapaxes-a: g.swapaxes(axis1, axis2) -> g.swapaxes(axis2, axis1)": "the same exchange",
    "dot: np.ndim(b) <= 2 -> np.ndim(b) < 2": "tensordot is right there too: saves its reshaping",
    "_einsum_vjp: sorted(set(_LETTERS) - set(subscripts)) -> set(_LETTERS) - set(subscripts)": (
        _SPARE
    ),
    "_einsum_vjp: label in target -> label not in target": (
        "an identity matrix is right for every label, only slower"
    ),
    "einsum: False -> True": _OPTIMIZE,
    "einsum: optimize -> not optimize": _OPTIMIZE,
    "einsum: _einsum(_explicit(subscripts, [np.ndim(x) for x in arrays]), *arrays, **options)"
    " -> _einsum(_explicit(subscripts, [np.ndim(x) for x in arrays]), *arrays)": _OPTIMIZE,
    "_explicit: sorted(set(_LETTERS) - set(subscripts)) -> set(_LETTERS) - set(subscripts)": _SPARE,
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


@pytest.mark.deep
@pytest.mark.parametrize("name", PARTS)
def test_mistakes_are_caught(name):
    part = PARTS[name]
    assert failure(unchanged(part)) is None
    passed = {text for text, mutant in part.mutants().items() if failure(mutant) is None}
    listed = {text for text in EQUIVALENT if text.startswith(f"{name}: ")}
    wrong = [f"not caught: {text}" for text in sorted(passed - listed)]
    wrong += [f"listed as equivalent, but caught: {text}" for text in sorted(listed - passed)]
    assert not wrong, "\n".join(wrong)


# That the test above can be trusted.


def test_a_mistake_is_caught():
    mistake = PARTS["tanh-x"].mutants()["tanh-x: 1 - out * out -> 1 + out * out"]
    assert isinstance(failure(mistake), AssertionError)


def test_no_mistake_is_not_caught():
    assert failure(unchanged(PARTS["tanh-x"])) is None


def test_a_mistake_in_a_function_that_a_rule_calls_is_caught():
    mistake = PARTS["_matmul_x"].mutants()["_matmul_x: g @ y.mT -> y.mT @ g"]
    assert failure(mistake) is not None


def test_the_rules_are_put_back():
    tanh = TABLE[np.tanh]
    before = dict(vars(tanh))
    mistake = PARTS["tanh-x"].mutants()["tanh-x: 1 -> 2"]
    with pytest.raises(ZeroDivisionError), mistake.installed():
        assert 1 / (tanh.rules["x"](0.5) - 1.75)
    assert vars(tanh) == before
    assert failure(unchanged(PARTS["tanh-x"])) is None


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("x * y", "x"),
        ("x * y", "y"),
        ("x * y", "-(x * y)"),
        ("x / y", "y / x"),
        ("x + y", "x - y"),
        ("x + y", "x"),
        ("x @ y", "y @ x"),
        ("x ** y", "y ** x"),
        ("-x", "x"),
        ("not x", "x"),
        ("x > y", "x <= y"),
        ("x > y", "x >= y"),
        ("x == y", "x != y"),
        ("x and y", "x or y"),
        ("x & y", "x | y"),
        ("2", "3"),
        ("0.5", "1.5"),
        ("True", "False"),
        ("x.conj()", "x"),
        ("x.real", "x"),
        ("np.cos(x)", "x"),
        ("f(x, y)", "f(y, x)"),
        ("f(x, axis, y)", "f(x, y, axis)"),
        ("x.sum(0, keepdims=True)", "x.sum(0)"),
    ],
)
def test_mistakes_that_are_made(right, wrong):
    part = mutants.Part("f", ast.parse(f"lambda x: {right}"), None, ())
    assert f"f: {right} -> {wrong}" in part.mutants()


def test_a_condition_is_turned_round():
    part = mutants.Part("f", ast.parse("x if f(y) else y"), None, ())
    assert "f: f(y) -> not f(y)" in part.mutants()


def test_every_rule_has_mutants():
    rooms = ("autotensor.ops.", "autotensor.transforms")
    ours = {
        function
        for function, entry in TABLE.items()
        if any(rule.__module__.startswith(rooms) for rule in mutants.rules_of(entry))
    }
    assert ours == {function for part in PARTS.values() for function in part.functions}


def test_equivalent_mutants_are_of_parts_that_exist():
    assert {text.partition(": ")[0] for text in EQUIVALENT} - set(PARTS) == set()
