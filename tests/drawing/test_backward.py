"""The backward pass in graphs: its vertices, its steps, and that running it leaves no trace."""

import numpy as np
import pytest

import autotensor as at


def model():
    x = at.tensor([[1.0, -2.0], [0.5, 3.0]], name="x")
    w = at.tensor([[1.0, 2.0]], name="w", requires_grad=True)
    return x, w, np.mean(np.square(np.tanh(x @ w.T)))


def test_vertices_belong_to_the_ops_whose_rules_compute_them():
    _, _, loss = model()
    g = at.graph(loss, backward=True)
    forward = [v for v in g.nodes if not v.of]
    backward = [v for v in g.nodes if v.of]
    assert [v.id for v in g.nodes] == list(range(1, len(g.nodes) + 1))
    assert g.nodes == (*forward, *backward)
    assert forward == list(at.graph(loss).nodes)
    names = {v.id: v.op for v in forward}
    assert {names[v.of] for v in backward} >= {"mean", "square", "tanh", "matmul"}
    (last,) = [v for v in backward if v.name == "grad of w"]
    assert g.nodes[last.gradient - 1].name == "w"
    assert last.shape == (1, 2)


def test_edges_from_the_forward_pass_are_what_was_kept():
    _, _, loss = model()
    g = at.graph(loss, backward=True)
    of = {v.id: v.of for v in g.nodes}
    assert any(edge.kept for edge in g.edges)
    for edge in g.edges:
        assert edge.kept == (of[edge.source] == 0 < of[edge.target])


def test_steps_are_the_pass():
    _, w, loss = model()
    g = at.graph(loss, backward=True)
    steps = list(g.steps())
    ops = {v.id: v.op for v in g.nodes}
    assert [ops[s.id] for s in steps] == ["mean", "square", "tanh", "matmul", "transpose"]
    assert steps[0].incoming == 1.0
    (tanh,) = steps[2].outgoing
    assert (tanh.argument, tanh.rule) == ("x", "g * (1 - out * out)")
    np.testing.assert_array_equal(tanh.cotangent, steps[3].incoming)
    loss.backward()
    np.testing.assert_array_equal(steps[-1].outgoing[0].cotangent, w.grad.numpy())
    made = [i for s in steps for i in s.made]
    assert sorted(made) == sorted({*made})
    assert {*made} <= {v.id for v in g.nodes if v.of}


def test_sums_of_cotangents_belong_to_what_they_are_the_gradient_of():
    x = at.tensor([1.0, 2.0], name="x", requires_grad=True)
    g = at.graph(np.sum(np.sin(x) * np.exp(x)), backward=True)
    (total,) = [v for v in g.nodes if v.name == "grad of x"]
    assert (total.op, g.nodes[total.of - 1].name) == ("add", "x")


def test_nothing_is_freed_and_no_gradient_changes():
    _, w, loss = model()
    calls = []
    w.register_hook(lambda g: calls.append(g))
    before = at.graph(loss)
    at.graph(loss, backward=True)
    at.source(loss)
    assert w.grad is None
    assert at.graph(loss) == before
    calls.clear()
    loss.backward()
    assert len(calls) == 1
    assert w.grad is not None


def test_several_roots_and_roots_that_are_no_scalars():
    x = at.tensor([1.0, 2.0], name="x", requires_grad=True)
    g = at.graph([x * x, np.exp(x)], backward=True)
    steps = {s.id: s for s in g.steps()}
    assert {tuple(s.incoming) for s in steps.values()} == {(1.0, 1.0)}
    assert g.source == ""


def test_what_cannot_be_run_says_so():
    x = at.tensor(2.0, requires_grad=True)
    y = x * x
    y.backward()
    with pytest.raises(at.errors.GraphFreedError, match="retain_graph"):
        at.graph(y, backward=True)
    with pytest.raises(at.errors.NoGradientError):
        at.graph(at.tensor(1.0), backward=True)
    with pytest.raises(ValueError, match="backward=True"):
        at.graph(y).steps()
