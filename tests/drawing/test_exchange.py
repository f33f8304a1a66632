"""JSON: what comes back is the same; and the differences of graphs."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autotensor as at
from autotensor.drawing import Graph
from autotensor.drawing.data import Kept, Pulled, Step, Summary, Vertex

texts = st.text()
vertices = st.builds(
    Vertex,
    id=st.integers(1, 9),
    kind=st.sampled_from(["leaf", "constant", "op", "fold"]),
    name=st.none() | texts,
    shape=st.lists(st.integers(0, 5), max_size=3).map(tuple),
    dtype=texts,
    root=st.booleans(),
    value=texts,
    op=texts,
    arguments=st.lists(texts | st.integers(1, 9), max_size=3).map(tuple),
    options=st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    kept=st.integers(0),
    line=texts,
    scope=texts,
    bytes=st.integers(0),
    grad=st.none() | st.floats(allow_nan=False),
    bad=texts,
    of=st.integers(0, 9),
    gradient=st.integers(0, 9),
    members=st.lists(st.integers(1, 9)).map(tuple),
    repeats=st.integers(1, 99),
)


@given(st.lists(vertices), texts)
def test_any_graph_comes_back_from_json(nodes, holder):
    g = Graph(tuple(nodes), Kept(3, 1, 3, holder))
    text = g.to_json()
    assert text.isascii()
    assert Graph.from_json(text) == g == Graph.from_json(text.encode())
    assert Graph.from_json(text).to_json() == text
    assert [facts["name"] for facts in json.loads(text)["nodes"]] == [v.name for v in nodes]


@pytest.mark.parametrize(
    "array",
    [
        np.float64(1.5),
        np.array([1.0, math.nan, math.inf, -math.inf]),
        np.array([[1 + 2j, complex(0, math.inf)]]),
        np.zeros((0, 3)),
        np.arange(6).reshape(2, 3),
        np.ones((2, 2), np.float16),
    ],
)
def test_small_arrays_of_steps_come_back(array):
    g = Graph((), Kept(), (Step(3, array, (Pulled("x", "g * 2", 1, array),), (4, 5)),))
    (step,) = Graph.from_json(g.to_json()).steps()
    assert (step.id, step.made, step.outgoing[0][:3]) == (3, (4, 5), ("x", "g * 2", 1))
    for back in (step.incoming, step.outgoing[0].cotangent):
        np.testing.assert_array_equal(back, array)
        assert back.dtype == array.dtype


def test_large_arrays_of_steps_are_summaries():
    g = Graph((), Kept(), (Step(3, np.full((10, 10), 2.0), ()),))
    text = g.to_json()
    back = Graph.from_json(text)
    assert back.backward_steps[0].incoming == Summary("float64", (10, 10), "all 2", 20.0)
    assert back.to_json() == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is no graph"),
        ('{"format": "other"}', "its format is 'other'"),
        ('{"format": "autotensor graph", "version": 9}', "only version 1 can be read"),
        ('{"format": "autotensor graph", "version": 1}', "no whole graph"),
        ("{", "Expecting"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_json(text)


def test_a_json_file(tmp_path):
    x = at.tensor([1.0, math.nan], requires_grad=True)
    g = at.graph(np.exp(x), depth=1)
    g.save(tmp_path / "g.json")
    assert Graph.from_json((tmp_path / "g.json").read_bytes()) == g


def test_what_changed_between_two_models():
    x = at.ones((3, 2))
    w = at.tensor(np.ones((2, 2)), requires_grad=True)
    before = at.graph(np.tanh(x @ w).sum())
    after = at.graph(np.tanh(2.0 * (x @ w.astype("float32"))).mean())
    diff = before.diff(after)
    assert [v.op for v in diff.added] == ["astype", "multiply", "mean"]
    assert [v.op for v in diff.removed] == ["sum"]
    assert [c.before.op for c in diff.changed] == ["matmul", "tanh"]
    assert "~ #4 tanh (3, 2): arguments (#3) -> (#5)" in str(diff)
    assert str(before.diff(before)) == "no difference"
    assert before.diff(before) == ((), (), ())


def test_backward_changes_what_is_kept_and_known():
    x = at.tensor([1.0, 2.0], requires_grad=True)
    loss = np.sum(x * x)
    before = at.graph(loss)
    loss.backward()
    diff = before.diff(at.graph(loss))
    assert (diff.added, diff.removed) == ((), ())
    assert str(diff).split("\n") == [
        "~ #1 x (leaf) (2,): grad nothing -> 4.472",
        "~ #2 multiply (2,): kept 16 -> 0",
    ]


@pytest.mark.parametrize("place", [0, 2500, 4999])
def test_an_op_more_in_a_long_chain(place):
    def chain(extra):
        y = at.tensor([1.0], requires_grad=True)
        for i in range(5000):
            if i == extra:
                y = np.sqrt(y)
            y = np.sin(y) if i % 3 else np.tanh(y)
        return at.graph(y)

    diff = chain(None).diff(chain(place))
    assert [v.op for v in diff.added] == ["sqrt"]
    assert diff.removed == ()


@given(
    st.lists(vertices, max_size=8, unique_by=lambda v: v.id),
    st.lists(vertices, max_size=8, unique_by=lambda v: v.id),
)
def test_every_vertex_is_in_a_difference_once(before, after):
    def whole(nodes):
        nodes = sorted(nodes, key=lambda v: v.id)
        return [
            v._replace(
                arguments=tuple(a for a in v.arguments if a in {w.id for w in nodes[:i]}),
                of=0,
                gradient=0,
            )
            for i, v in enumerate(nodes)
        ]

    a, b = Graph(tuple(whole(before)), Kept()), Graph(tuple(whole(after)), Kept())
    diff = a.diff(b)
    assert len(a.nodes) - len(diff.removed) == len(b.nodes) - len(diff.added)
    assert str(a.diff(a)) == "no difference"
    assert "\n\n" not in str(diff)
