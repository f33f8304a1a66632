"""The first NaN or infinity: found while it is made, or afterwards, with what made it and where."""

import sys

import numpy as np
import pytest

import autotensor as at
from autotensor import anomaly
from autotensor.engine.primitive import Op
from autotensor.errors import NonFiniteError
from tests import rules


@pytest.fixture(autouse=True)
def quiet():
    """NumPy's own warnings are not what is tested."""
    with np.errstate(all="ignore"):
        yield


def leaf(value, name=None):
    return at.tensor(value, name=name, requires_grad=True)


def below(lines):
    """The text of the line that stands so many lines below the call."""
    return f"test_anomaly.py:{sys._getframe(1).f_lineno + lines}"


def report(function, *args):
    """The first line of what `function` raises under `detect_anomaly`."""
    with at.detect_anomaly(), pytest.raises(NonFiniteError) as caught:
        function(*args)
    text = str(caught.value)
    assert len(text.splitlines()) <= 4
    return text.splitlines()[0]


# -- forward --------------------------------------------------------------------------------------


def masked(x):
    h = x - 3.0
    return np.sum(np.where(x > 3.0, np.log(h), 0.0))


def test_a_value_that_is_masked_later_is_found_where_it_is_made():
    first = masked.__code__.co_firstlineno
    text = (
        f"np.log (test_anomaly.py:{first + 2}) made 1 inf of 3 at [1]: its input was 0.0 and came "
        f"from np.subtract at test_anomaly.py:{first + 1}."
    )
    x = leaf([4.0, 3.0, 5.0])
    assert report(masked, x) == text
    with at.record_lines():
        loss = masked(x)
    assert loss.explain_nan().splitlines()[0] == text


def test_constants_are_checked_with_what_is_known_of_them():
    x = at.tensor([[1.0, 2.0], [0.0, 4.0]])
    end = " made 1 inf of 4 at [1, 0]: its inputs were 1.0 and 0.0."
    assert report(lambda: 1.0 / x).endswith(end)
    with at.no_grad():
        assert report(lambda: 1.0 / x).endswith(end)


@pytest.mark.parametrize("value", [[1.0, 0.0], 0.0])
@pytest.mark.parametrize("tracked", [True, False])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("np.divide", lambda x: x / x),
        ("np.divide", lambda x: x / 0.0),
        ("np.divide", lambda x: 1.0 / x),
        ("np.divide", lambda x: np.ones(2) / x),
        ("np.divide", lambda x: x.__itruediv__(0.0)),
        ("np.power", lambda x: x**-1.0),
        ("np.log", np.log),
        ("np.divide", lambda x: np.divide(1.0, x, out=at.zeros(x.shape))),
        ("np.sum", lambda x: (np.stack([x, x]) + 1e308).sum()),
        ("np.sum", lambda x: np.sum((x + 1e308) * np.ones(2), axis=0)),
        ("np.einsum", lambda x: np.einsum("...,...->...", x + 1e200, x + 1e200)),
    ],
)
def test_all_ways_to_an_op_are_checked(name, call, tracked, value):
    x = leaf(value) * 1.0 if tracked else at.tensor(value)
    assert report(call, x).startswith(f"{name} (test_anomaly.py:")


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("np.floor_divide", lambda x: x // 0.0),
        ("np.add.reduce", np.add.reduce),
        ("np.divmod", lambda x: np.divmod(x, 0.0)),
        ("np.nancumsum", np.nancumsum),
        ("np.linalg.norm", np.linalg.norm),
    ],
)
def test_functions_without_a_rule_are_checked(name, call):
    x = at.tensor([1e308, 1e308])
    assert report(call, x).startswith(f"{name} (test_anomaly.py:")


def test_a_report_names_entries_and_where_they_came_from():
    x, y = leaf([[1.0], [0.0]], name="x"), leaf([1.0, 0.0, 2.0])

    def ratio():
        return x / (y * 1.0)

    line = f"test_anomaly.py:{ratio.__code__.co_firstlineno + 1}"
    assert report(ratio) == (
        f"np.divide ({line}) made 1 NaN and 1 inf of 6 at [0, 1]: its inputs were 1.0 from leaf "
        f"'x' and 0.0 from np.multiply at {line}."
    )
    with at.detect_anomaly(), pytest.raises(NonFiniteError, match=r"\(2, 1\), \(3,\) to \(2, 3\)"):
        ratio()


def test_a_report_gives_ranges_where_an_entry_has_no_place():
    x = leaf([[1e200, 1.0]])
    y = x.T
    assert report(lambda: x @ y).endswith(
        "made 1 inf of 1 at [0, 0]: its inputs were within [1.0, 1e200] from a leaf and "
        "[1.0, 1e200] from np.transpose."
    )


def test_a_report_stays_short_with_many_inputs():
    x = [leaf(1e200) for _ in range(5)]
    assert report(lambda: np.einsum(",,,,->", *x)).endswith(
        "made inf: its inputs were within [1e200, 1e200] from a leaf, [1e200, 1e200] from a leaf, "
        "[1e200, 1e200] from a leaf and 2 more."
    )


def test_an_op_without_input():
    @at.custom_op(x=lambda g: g)
    def constant(c, x=None):
        return np.log(c)

    assert report(constant, at.tensor(0.0)).endswith(" made -inf: it had no input.")


def test_a_report_of_complex_numbers():
    assert report(lambda: 1.0 / at.tensor([1 + 1j, 0j])).endswith(
        "made 1 NaN of 2 at [1]: its inputs were 1.0 and 0j."
    )
    x = at.tensor(np.array([3 + 4j, 1.0]) * 1e300)
    assert report(lambda: x.prod()).endswith("its input was within [1e300, 5e300].")


def test_what_a_composite_function_made_has_its_name():
    x = leaf([2.0, 2.0])

    def spread():
        v = np.var(x)
        return np.log(v)

    first = spread.__code__.co_firstlineno
    assert report(spread) == (
        f"np.log (test_anomaly.py:{first + 2}) made -inf: its input was 0.0 and came from np.var "
        f"at test_anomaly.py:{first + 1}."
    )
    assert report(lambda: np.std(leaf([1e200, 3e200]))).startswith("np.square in np.std (")


def test_scopes_are_named():
    with at.scope("encoder/3"), at.scope("norm"):
        assert report(lambda: np.log(at.tensor(0.0))) == (
            f"np.log ({below(-1)}, in encoder/3/norm) made -inf: its input was 0.0."
        )
    x = leaf(2.0)
    with at.scope("encoder"):
        y = x * x
    assert y._node.notes["scope"] == "encoder"


def test_lines_are_those_of_the_caller():
    x, layer, polyval = leaf(2.0), at.nn.Dense(1, 1), np.polynomial.polynomial.polyval
    y = x * x
    assert y._node.notes is None
    with at.record_lines():
        for call in (lambda: x * 3.0, lambda: layer(x.reshape(1)), lambda: polyval(x, [1, 2])):
            assert call()._node.notes["line"] == below(-1)
        y.backward(create_graph=True)
        assert x.grad._node.notes == {"line": below(-1)}


def test_what_was_not_finite_before_is_passed_on():
    x = leaf([1.0, np.nan, np.inf])
    with at.detect_anomaly():
        y = (x * 2.0 - x).sum()
        z = np.where([True, False], leaf([1.0, 2.0]), -np.inf)
        np.exp(z * 1.0).sum().backward()
        np.max(at.tensor([1.0]), initial=np.inf)
    assert np.isnan(y.item())


def test_values_that_nobody_sees_are_not_checked():
    x = at.tensor([4.0, 0.0])
    with at.detect_anomaly():
        assert np.log(x, where=x > 0.0).tolist() == [np.log(4.0), 0.0]
        for value in (np.nan, 1.0) * 10:  # the second finds the memory of the first
            np.empty_like(at.tensor(np.full(50, value)))


# -- backward -------------------------------------------------------------------------------------


def rooted(x):
    h = np.sqrt(x)
    return np.sum(h * 0.0)


ROOTED = (
    f"the backward pass of np.sqrt (test_anomaly.py:{rooted.__code__.co_firstlineno + 1}) made 1 "
    "NaN of 2 at [1] for 'x': its derivative is inf, the cotangent 0.0, its result 0.0."
)


@pytest.mark.parametrize(
    "run",
    [
        lambda x: rooted(x).backward(),
        lambda x: rooted(x).backward(create_graph=True),
        lambda x: at.backward([rooted(x)]),
        lambda x: at.grad(rooted)(x),
        lambda x: at.grad(rooted)(x.numpy()),
        lambda x: at.vjp(rooted, x)[1](1.0),
        lambda x: at.grad(lambda z: np.sum(at.grad(rooted)(z) * z))(x.numpy()),
    ],
)
def test_an_infinite_derivative_times_zero_names_the_op(run):
    x = leaf([4.0, 0.0])
    assert report(run, x) == ROOTED
    assert x.grad is None


def test_an_infinite_derivative_is_explained_afterwards():
    with at.record_lines():
        loss = rooted(leaf([4.0, 0.0]))
    assert loss.item() == 0.0
    text = loss.explain_nan()
    assert text.splitlines()[0] == ROOTED
    assert "np.where(x > 0, np.sqrt(x), 0)" in text


def test_second_derivatives_are_checked():
    text = report(at.grad(at.grad(lambda x: x**1.5)), 0.0)
    assert text.startswith("the backward pass of np.power (test_anomaly.py:")
    assert "made inf for 'x': its derivative is inf, the cotangent " in text


def test_a_derivative_is_looked_up_before_it_is_summed():
    x, y = leaf(1.0), leaf([[2.0, 1e-200], [1.0, 1.0]])
    assert report(lambda: np.sum(x / y).backward()).endswith(
        "made 1 inf of 4 at [0, 1] for 'y': its derivative is -inf, the cotangent 1.0, its 'y' "
        "1e-200, its result 1e200."
    )
    y = leaf(1.0) * np.array([1e308, 1e308])
    assert report(lambda: y.backward(np.ones(2))).endswith(
        "made inf for 'x': the cotangent is within [1.0, 1.0], its 'y' within [1e308, 1e308]."
    )


def test_a_rule_that_does_not_go_by_entry_gives_ranges():
    def product():
        x = leaf([1e200, 1e-200, 1e200, 1e-200])
        (x.prod() * 1e308).backward()

    assert report(product) == (
        f"the backward pass of np.prod (test_anomaly.py:{product.__code__.co_firstlineno + 2}) "
        "made 2 inf of 4 at [1] for 'a': the cotangent is within [1e308, 1e308], its 'a' within "
        "[1e-200, 1e200]."
    )


def test_what_a_rule_masks_on_its_way_is_its_own_affair():
    @at.custom_op(x=lambda g, x: g * np.where(x > 0.0, 0.5 / np.sqrt(x), 0.0))
    def root(x):
        return np.sqrt(x)

    with at.detect_anomaly():
        x = leaf([4.0, 0.0])
        root(x).sum().backward()
        root(x).sum().backward(create_graph=True)
        assert x.grad.tolist() == [0.5, 0.0]
        assert at.jvp(root, (x,), (np.ones(2),))[1].tolist() == [0.25, 0.0]


# -- afterwards -----------------------------------------------------------------------------------


def test_explaining_changes_nothing():
    x = leaf([1.0, 2.0])
    loss = np.sum(np.exp(x) * x)
    for _ in range(2):
        assert loss.explain_nan() == (
            "no non-finite value in the 3 results of this graph, nor in its gradients."
        )
    assert x.grad is None
    loss.backward()
    assert np.all(np.isfinite(x.grad.numpy()))


def test_a_value_that_came_from_outside_is_named():
    x = leaf([1.0, np.nan], name="x")
    text = np.exp(x * 2.0 * x).explain_nan().splitlines()[0]
    assert text == "np.multiply made 1 NaN of 2 at [1]: its inputs were nan from leaf 'x' and 2.0."
    assert x.explain_nan().startswith("leaf 'x' of shape (2,) holds 1 NaN of 2 at [1], and what ")
    assert at.tensor(np.inf).explain_nan().startswith("this tensor of shape () holds inf, and what")
    assert at.tensor(1.0).explain_nan().startswith("no non-finite value in the 1 result of")


def test_an_infinity_that_does_no_harm_is_named_last():
    mask = np.where([True, False], leaf([1.0, 2.0]), np.float64(-np.inf))
    flat = np.maximum(mask, 0.0)
    assert flat.sum().explain_nan().startswith("np.where holds 1 inf of 2 at [1], and what")
    text = (flat + np.sqrt(leaf(0.0))).sum().explain_nan()
    assert text.startswith("the backward pass of np.sqrt made inf for 'x'")


def test_what_was_not_kept_is_said():
    x = leaf([1.0, -1.0])
    text = np.sum(np.sqrt(x - 0.0)).explain_nan()
    again = "\nRun the computation again inside `with at.detect_anomaly():`, which "
    assert text == (
        "np.sqrt holds 1 NaN of 2 at [1], and what it was made from is freed or was not kept."
        f"{again}stops where the first is made."
    )
    text = (x * 2.0).sum().explain_nan()
    assert text == (
        "no non-finite value in what is still held of the 2 results of this graph; the rest is "
        f"freed or was not kept.{again}checks everything."
    )


def test_what_was_freed_is_said():
    for value, begins in ((2.0, "no non-finite value in what"), (0.0, "np.multiply holds -inf")):
        y = np.log(leaf(value)) * leaf(1.0)
        y.backward()
        assert y.explain_nan().startswith(begins)


def test_a_deep_graph_is_explained():
    y = np.log(leaf(0.0))
    for _ in range(10_000):
        y = np.sin(y)
    assert y.explain_nan().startswith("np.log made -inf: ")
    y = leaf(0.5)
    for _ in range(10_000):
        y = np.sin(y)
    assert y.explain_nan().startswith("no non-finite value in the 10,000 results")


OPS = [(name, entry) for name, entry in rules.entries() if isinstance(entry, Op)]


@pytest.mark.parametrize(("name", "entry"), OPS)
def test_every_op_is_computed_again_from_its_node(name, entry):
    for case in entry.cases:
        function, inputs = rules.arguments(entry, case, np.random.default_rng(0), np.float64)
        leaves = [leaf(x) for x in inputs]
        result = function(*leaves)
        values = {x._node: x.numpy() for x in leaves}
        node = result._node
        for value, source in zip(node.kept, node.plan.sources, strict=True):
            if type(source) is int and source >= 0:  # an array that was no Tensor
                values.setdefault(node.parents[source], value)
        again = anomaly._recomputed(node, [values.get(p, p) for p in node.parents])
        np.testing.assert_array_equal(again, result.numpy())


# -- what it costs --------------------------------------------------------------------------------


def test_nothing_is_looked_at_while_it_is_off(monkeypatch):
    calls = []
    for name in ("observe", "check_pull"):
        monkeypatch.setattr(anomaly, name, lambda *args, name=name, **kwargs: calls.append(name))

    def program():
        x = leaf([1.0, 2.0])
        y = np.sum(np.exp(x) / (1.0 + x) * np.sign(x.detach()))
        with at.no_grad():
            y * y
        y.backward()
        at.grad(at.grad(np.sin))(1.0)

    program()
    assert calls == []
    for block in (at.record_lines(), at.scope("name")):
        with block:
            program()
        assert {*calls} == {"observe"}
        calls.clear()
    with at.detect_anomaly():
        program()
    assert {*calls} == {"observe", "check_pull"}
