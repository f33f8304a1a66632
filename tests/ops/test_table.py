"""Every rule of the table, on hypothesis' choice of case, shapes, dtype, order and inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from tests import rules

ENTRIES = rules.entries()
IDS = [name for name, _ in ENTRIES]


@st.composite
def cases(draw, entry):
    """A case of the declaration; for elementwise ops without any, broadcastable shapes."""
    if entry.cases:
        return draw(st.sampled_from(entry.cases))
    shapes = draw(
        mutually_broadcastable_shapes(
            num_shapes=len(entry.inputs), max_dims=3, max_side=3, min_side=0
        )
    )
    return dict(zip(entry.inputs, shapes.input_shapes, strict=True))


def dtypes(entry):
    return st.sampled_from([np.float64, np.complex128] if entry.complex else [np.float64])


@pytest.mark.parametrize("entry", [e for _, e in ENTRIES], ids=IDS)
def test_declares_what_it_is_tested_on(entry):
    elementwise = getattr(entry, "kind", "") in ("elementwise", "selection", "linear", "rule")
    assert entry.cases or (elementwise and entry.broadcasts)
    domains = {"real", "positive", "nonzero", "unit", "distinct", "apart"}
    assert set(entry.domain.values()) <= domains


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("entry", [e for _, e in ENTRIES], ids=IDS)
@given(data=st.data())
def test_rule_agrees_with_finite_differences(entry, order, data):
    case = data.draw(cases(entry), label="case")
    dtype = data.draw(dtypes(entry), label="dtype")
    only = data.draw(st.none() | st.integers(0, 2), label="only")
    seed = data.draw(st.integers(0, 2**16), label="seed")
    rules.check(entry, case, np.random.default_rng(seed), dtype, order, only)


@pytest.mark.parametrize("name", sorted({k.name for k in rules.KINKS if k.examples}))
def test_conventions_hold_at_kinks(name):
    rules.check_kinks(dict(ENTRIES)[name])


@pytest.mark.parametrize("entry", [e for _, e in ENTRIES], ids=IDS)
@given(data=st.data())
def test_float32_stays_float32(entry, data):
    case = data.draw(cases(entry), label="case")
    seed = data.draw(st.integers(0, 2**16), label="seed")
    function, inputs = rules.arguments(entry, case, np.random.default_rng(seed), np.float64)
    narrow = [x.astype(np.float32) for x in inputs]
    value, pullback = rules.at.vjp(function, *inputs)
    narrow_value, narrow_pullback = rules.at.vjp(function, *narrow)
    cotangent = rules.like(np.random.default_rng(seed), value)
    wanted = pullback(cotangent)
    got = narrow_pullback(cotangent.astype(narrow_value.dtype))
    for g, w in zip(got, wanted, strict=True):
        assert g.dtype == np.float32
        np.testing.assert_allclose(g, w, rtol=1e-4, atol=1e-4 * (1 + np.max(np.abs(w), initial=0)))
