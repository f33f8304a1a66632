"""The printed source of every op of the table gives the engine's numbers."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autotensor as at
from tests import rules
from tests.ops.test_table import ENTRIES, IDS, cases, dtypes


def run(text, values):
    space = {}
    exec(compile(text, "<source>", "exec"), space)
    function = space["value_and_grad"]
    assert [*inspect.signature(function).parameters] == [*values], text
    return function(**values)


def scalar(function, count):
    """A real scalar of what `function` of `count` inputs returns, with weights as arguments."""

    def loss(*args):
        result = function(*args[:count])
        parts = result if isinstance(result, tuple) else (result,)
        return sum(np.sum(np.real(w * y)) for w, y in zip(args[count:], parts, strict=True))

    return loss


def with_names(function, inputs):
    """`function` of arguments that are called x0, x1 and so on."""
    names = ", ".join(f"x{i}" for i in range(len(inputs)))
    return eval(f"lambda {names}: function({names})", {"function": function})


def prepare(entry, case, rng, dtype, order):
    """A scalar function of named arguments, their values, and how many are differentiated by."""
    function, inputs = rules.arguments(entry, case, rng, dtype)
    count = len(inputs)
    for _ in range(order):
        if count:
            weights = [rules.like(rng, y) for y in rules.arrays(function(*inputs))]
            function, inputs = scalar(function, len(inputs)), [*inputs, *weights]
            loss = function
            function = at.grad(function, tuple(range(count)))
    return (with_names(loss, inputs) if count else None), inputs, count


def check(function, inputs, count, simplify, ulps=64):
    wrt = tuple(range(count))
    value, gradients = at.value_and_grad(function, wrt)(*inputs)
    text = at.source(function, wrt, simplify=simplify)(*inputs)
    got = run(text, {f"x{i}": x for i, x in enumerate(inputs)})
    scalars = any(np.ndim(x) == 0 and np.iscomplexobj(x) for x in inputs)
    for g, wanted in zip(got, [value, *gradients], strict=True):
        assert (g.shape, g.dtype) == (np.shape(wanted), wanted.dtype), text
        if simplify or scalars:
            scale = np.max(np.abs(wanted), initial=0.0) + 1
            error = np.max(np.abs(g - wanted), initial=0.0)
            assert error <= ulps * np.finfo(g.dtype).eps * scale, text
        else:
            np.testing.assert_array_equal(g, wanted, err_msg=text)


@pytest.mark.parametrize("simplify", [False, True], ids=["exact", "simplified"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("entry", [e for _, e in ENTRIES], ids=IDS)
@settings(max_examples=settings.default.max_examples // 5)  # each prints and runs a program
@given(data=st.data())
def test_source_gives_the_numbers_of_the_engine(entry, order, simplify, data):
    case = data.draw(cases(entry), label="case")
    dtype = data.draw(dtypes(entry), label="dtype")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16), label="seed"))
    function, inputs, count = prepare(entry, case, rng, dtype, order)
    if count:
        check(function, inputs, count, simplify)
