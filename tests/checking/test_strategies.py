"""The strategies: what they draw is what they say, and shrinks to what is small and simple."""

import functools

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import autotensor as at
from autotensor.checking import strategies

ANY = lambda x: True  # noqa: E731


def drawn(strategy, count=600):
    """So many values of a strategy, without a search for simpler ones."""
    found = []

    @settings(max_examples=count, phases=[Phase.generate], derandomize=True)
    @given(strategy)
    def draw(value):
        found.append(value)

    draw()
    return found


KINDS = {
    name: functools.cache(functools.partial(drawn, strategy))
    for name, strategy in (
        ("axes", strategies.axes(3)),
        ("indices", strategies.indices((2, 3))),
        ("layouts", strategies.layouts(strategies.arrays((2, 3)))),
        ("einsums", strategies.einsums()),
        ("gufunc", strategies.gufunc_shapes("(m?,k),(k,n?)->(m?,n?)", max_dims=0)),
    )
}


@given(strategies.arrays(dtype=strategies.dtypes()))
def test_arrays_are_small_and_of_their_dtype(x):
    assert 1 <= x.ndim <= 3
    assert set(x.shape) <= {1, 2, 3}
    assert x.dtype.kind in "fc"
    assert np.all(np.isfinite(x))


@pytest.mark.parametrize(
    ("domain", "inside"),
    [
        ("real", lambda x: (x == 0) | (np.abs(x) > 1e-6)),
        ("positive", lambda x: x >= 0.01),
        ("nonzero", lambda x: np.abs(x) >= 0.01),
        ("unit", lambda x: np.abs(x) <= 0.99),
        (st.sampled_from([2.0, 3.0]), lambda x: (x == 2) | (x == 3)),
    ],
)
def test_entries_lie_in_their_domain(domain, inside):
    @given(strategies.arrays(domain=domain))
    def run(x):
        assert np.all(inside(x))

    run()


def test_a_domain_that_is_none_is_named():
    with pytest.raises(ValueError, match="domain must be one of real, positive, nonzero, unit"):
        find(strategies.arrays(domain="negative"), ANY)


@given(strategies.arrays((3, 2), ties=True), strategies.arrays((3, 2), ties=False))
def test_ties_are_there_or_not(tied, apart):
    assert np.unique(tied).size <= 2
    assert np.unique(apart).size == 6


@given(strategies.arrays((2, 2), ties=False, dtype=np.float16))
def test_entries_are_apart_in_their_own_precision(x):
    assert np.unique(x).size == 4


@pytest.mark.parametrize("distance", [0, 2.0**-10, -1e-7])
def test_kinks_are_met_and_nearly_met(distance):
    def meets(x):
        return np.any(np.isclose(x - 1.5, distance, rtol=1e-6, atol=0))

    assert find(strategies.arrays(1, kinks=[1.5]), meets).size == 1


@given(strategies.positive(), strategies.unit(4), strategies.simplex(), strategies.permutations())
def test_sets_hold_what_they_say(p, u, s, q):
    assert np.all(p > 0)
    assert u.shape == (4,)
    assert np.all(np.abs(u) < 1)
    assert np.all(s > 0)
    assert np.allclose(s.sum(-1), 1, rtol=1e-12)
    assert sorted(q.ravel()) == list(range(1, q.size + 1))


@given(strategies.spd(), strategies.well_conditioned(), strategies.orthogonal())
def test_matrices_are_of_their_kind(a, b, q):
    assert np.array_equal(a, a.T)
    assert np.all(np.linalg.eigvalsh(a) > 0)
    assert np.linalg.cond(b) <= 5
    assert np.allclose(q @ q.T, np.eye(len(q)), atol=1e-12)


@pytest.mark.parametrize("make", ["spd", "well_conditioned", "orthogonal"])
def test_sizes_may_be_given(make):
    assert find(getattr(strategies, make)(3), ANY).shape == (3, 3)
    assert find(getattr(strategies, make)(st.just(2)), ANY).shape == (2, 2)


@given(strategies.broadcastable_shapes(3))
def test_shapes_broadcast(found):
    assert len(found) == 3
    np.broadcast_shapes(*found)


@pytest.mark.parametrize(
    "signature", ["(m,k),(k,n)->(m,n)", "(n),(n)->()", "(3),(3)->(3)", "(m?,k),(k,n?)->(m?,n?)"]
)
def test_shapes_fit_a_signature(signature):
    fits = {
        "(m,k),(k,n)->(m,n)": np.matmul,
        "(n),(n)->()": lambda a, b: np.sum(a * b, -1),
        "(3),(3)->(3)": np.cross,
        "(m?,k),(k,n?)->(m?,n?)": lambda a, b: None,
    }

    @given(strategies.gufunc_arrays(signature, domain="positive"))
    def run(pair):
        assert all(np.all(x > 0) for x in pair)
        fits[signature](*pair)

    run()


def test_axes_that_may_be_left_out_are():
    dims = {tuple(map(len, shapes)) for shapes in KINDS["gufunc"]()}
    assert dims == {(1, 1), (1, 2), (2, 1), (2, 2)}


def test_a_signature_that_is_none_is_named():
    with pytest.raises(ValueError, match="'m,k' is no signature; write one such as"):
        find(strategies.gufunc_shapes("m,k"), ANY)


@given(st.data(), strategies.shapes(min_dims=0))
def test_axes_are_taken_by_a_reduction(data, shape):
    axis = data.draw(strategies.axes(len(shape)))
    np.sum(np.ones(shape), axis=axis)


@pytest.mark.parametrize(
    "kind",
    [
        lambda a: a is None,
        lambda a: isinstance(a, int) and a < 0,
        lambda a: a == (),
        lambda a: isinstance(a, tuple) and len(a) == 2 and a[1] < 0,
    ],
)
def test_axes_of_every_kind_are_drawn(kind):
    assert any(map(kind, KINDS["axes"]()))


@given(st.data(), strategies.shapes(min_dims=0, min_side=0))
def test_indices_are_taken_by_an_array(data, shape):
    index = data.draw(strategies.indices(shape))
    np.ones(shape)[index]


def parts(index):
    return index if isinstance(index, tuple) else (index,)


@pytest.mark.parametrize(
    "kind",
    [
        lambda i: any(p is None for p in parts(i)),
        lambda i: any(p is ... for p in parts(i)),
        lambda i: any(isinstance(p, slice) and p.step == -1 for p in parts(i)),
        lambda i: any(isinstance(p, np.ndarray) and p.dtype == bool for p in parts(i)),
        lambda i: (
            any(isinstance(p, np.ndarray) for p in parts(i))
            and any(isinstance(p, slice) for p in parts(i))
        ),
        lambda i: any(isinstance(p, np.ndarray) and np.any(p < 0) for p in parts(i)),
        lambda i: any(isinstance(p, np.ndarray) and p.ndim == 2 for p in parts(i)),
        lambda i: any(
            isinstance(p, np.ndarray) and p.dtype != bool and len(set(p.ravel())) < p.size
            for p in parts(i)
        ),
    ],
)
def test_indices_of_every_kind_are_drawn(kind):
    assert any(map(kind, KINDS["indices"]()))


@pytest.mark.parametrize(
    "kind",
    [
        lambda x: x.flags.c_contiguous and x.flags.writeable,
        lambda x: x.flags.fnc,
        lambda x: not x.flags.writeable and 0 not in x.strides,
        lambda x: min(x.strides) < 0,
        lambda x: 0 in x.strides,
        lambda x: not x.flags.contiguous and not x.flags.f_contiguous and min(x.strides) > 0,
    ],
)
def test_memory_is_laid_out_in_every_way(kind):
    assert any(map(kind, KINDS["layouts"]()))


@given(strategies.layouts(np.arange(6.0).reshape(2, 3)))
def test_a_layout_leaves_the_values(x):
    if 0 not in x.strides:
        np.testing.assert_array_equal(x, np.arange(6.0).reshape(2, 3))


@given(strategies.einsums())
def test_subscripts_fit_their_operands(call):
    subscripts, operands = call
    expected = np.einsum(subscripts, *operands)
    tensors = [at.tensor(x, requires_grad=True) for x in operands]
    np.testing.assert_allclose(np.einsum(subscripts, *tensors).numpy(), expected)


@pytest.mark.parametrize(
    "kind",
    [
        lambda s: "->" not in s and s,
        lambda s: s.partition("->")[0] == "ii",
        lambda s: s.count(",") == 2,
        lambda s: s.endswith("->"),
        lambda s: len(s.partition("->")[2]) == 2,
    ],
)
def test_subscripts_of_every_kind_are_drawn(kind):
    assert any(kind(subscripts) for subscripts, _ in KINDS["einsums"]())


@given(strategies.expressions())
def test_expressions_are_finite_functions_of_their_inputs(expression):
    assert np.all(np.isfinite(expression(*expression.inputs)))
    assert expression.__name__ == f"{{{expression.source}}}"
    assert set("xy") & set(expression.source.replace("exp", ""))  # of at least one


def test_what_is_simple_comes_first():
    assert find(strategies.arrays(), ANY).tolist() == [0.0]
    assert find(strategies.arrays(), lambda x: np.any(x > 3.2)).tolist() == [4.0]
    assert find(strategies.arrays(2), lambda x: 0 < x[1] < 1).tolist() == [0.0, 0.5]
    assert find(strategies.dtypes(), ANY) == np.float64
    assert find(strategies.expressions(), ANY).source == "x"
