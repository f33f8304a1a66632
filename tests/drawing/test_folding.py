"""Folding: random graphs keep their edges and get no cycle; what real models fold to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autotensor as at
from autotensor.drawing.data import Vertex, edges_of
from autotensor.drawing.views import View, drawn

SCOPES = ["", "a", "a/b", "a/b/c", "d", "d/e"]


@st.composite
def scoped_graphs(draw):
    """Vertices of a random graph whose ops lie in scopes, entered anew at any time."""
    vertices = []
    for id in range(1, draw(st.integers(1, 40)) + 1):
        count = draw(st.integers(0, min(id - 1, 2)))
        arguments = tuple(draw(st.integers(1, id - 1)) for _ in range(count))
        op = draw(st.sampled_from(["tanh", "add"])) if count else ""
        kind = "op" if op else draw(st.sampled_from(["leaf", "constant"]))
        scope = draw(st.sampled_from(SCOPES))
        vertices.append(
            Vertex(id, kind, None, (3,), "float64", op=op, arguments=arguments, scope=scope)
        )
    used = {a for v in vertices for a in v.arguments}
    return [v._replace(root=v.id not in used) for v in vertices]


views = st.builds(
    View,
    show=st.just("shape"),
    focus=st.none(),
    depth=st.none() | st.integers(0, 3),
    max_nodes=st.integers(1, 45),
    radius=st.integers(0, 3),
)


@given(scoped_graphs(), views, st.integers(0, 60))
def test_folds_have_no_cycle_and_lose_no_vertex_and_no_edge(vertices, view, focus):
    if 0 < focus <= len(vertices):
        view = view._replace(focus=focus)
    boxes, words = drawn(vertices, view)
    assert len(boxes) <= view.max_nodes or view.focus
    ids = [box.id for box in boxes]
    members = {id: box.id for box in boxes for id in box.members or (box.id,)}
    assert len(members) == sum(len(box.members) or 1 for box in boxes)
    assert set(ids) == set(members.values())
    if "left out" not in words:
        assert members.keys() == {v.id for v in vertices}
    # Operands come first, so there is no cycle.
    place = {id: i for i, id in enumerate(ids)}
    edges = edges_of(boxes)
    assert all(place[edge.source] < place[edge.target] for edge in edges)
    expected = {
        (members[e.source], members[e.target])
        for e in edges_of(vertices)
        if e.source in members and e.target in members
    }
    assert {(e.source, e.target) for e in edges} == {(a, b) for a, b in expected if a != b}
    if not words and view.depth is None:
        assert list(boxes) == vertices


def test_a_scope_that_is_entered_twice_is_two_boxes_where_one_would_make_a_cycle():
    x = at.tensor([1.0, 2.0], requires_grad=True)
    with at.scope("encoder"):
        h = np.tanh(np.exp(x))
    h = h * 2.0
    with at.scope("encoder"):
        h = np.tanh(np.exp(h))
    g = at.graph(h, depth=0)
    assert [(v.kind, v.name) for v in g.drawn if v.kind != "leaf"] == [
        ("fold", "encoder"),
        ("op", None),
        ("fold", "encoder.2"),
    ]


class Block(at.nn.Module):
    def __init__(self, rng):
        self.inner = at.nn.Dense(4, 4, rng=rng)

    def __call__(self, x):
        return x + np.tanh(self.inner(x))


def network(count):
    rng = np.random.default_rng(0)
    return at.nn.Sequential(*[Block(rng) for _ in range(count)], at.nn.Dense(4, 1, rng=rng))


def test_equal_blocks_in_a_row_are_one_box():
    x = at.ones((2, 4))
    model = network(24)
    y = model(x)
    g = at.graph(y, depth=1)
    assert [(v.kind, v.name, v.repeats, len(v.members)) for v in g.drawn] == [
        ("constant", "x", 1, 0),
        ("fold", "Block", 24, 24 * 6),
        ("fold", "layers.24 (Dense)", 1, 4),
    ]
    assert str(g).split("\n")[1].split()[:4] == ["└─", "Block", "\N{MULTIPLICATION SIGN}", "24"]
    small = at.graph(y, depth=1, max_nodes=2)
    assert [v.name for v in small.drawn] == ["x", "Sequential"]
    assert "149 nodes in 2 boxes, folded: scopes to depth 0" in str(small)


def test_a_large_graph_folds_what_repeats_and_then_its_deepest_scopes():
    x = at.ones((2, 4))
    model = network(100)
    y = model(x)
    g = at.graph(y)
    assert [(v.name, v.repeats) for v in g.drawn if v.kind == "fold"] == [("Block", 100)]
    assert "606 nodes in 6 boxes, folded: repeated scopes\n".replace(
        "606", f"{len(g.nodes):,}"
    ) in (str(g))
    assert "folded: repeated scopes" in g.to_dot()
    assert "folded: repeated scopes, scopes to depth 0" in str(g.with_view(max_nodes=2))


def test_folds_of_the_backward_pass_hold_no_leaf_outside():
    x, y = at.ones((2, 4)), at.ones((2, 1))
    model = network(24)
    loss = np.mean((model(x) - y) ** 2)
    g = at.graph(loss, backward=True, depth=1)
    assert not [v for v in g.drawn if v.kind == "leaf"]
    (forward,) = (v for v in g.drawn if v.name == "Block" and not v.of)
    (back,) = (v for v in g.drawn if v.name == "Block" and v.of)
    assert (forward.repeats, back.repeats, back.of) == (24, 23, forward.id)
    assert back.shape == (2, 4)  # of the cotangent that goes on, not of the gradient of a bias


def test_numbered_scopes_are_called_by_what_is_around_them():
    h = at.tensor(np.ones(3), requires_grad=True)
    for i in range(5):
        with at.scope(f"block/{i}"):
            h = np.tanh(h) * 2.0
    assert [v.name for v in at.graph(h, depth=1).drawn if v.repeats == 4] == ["block"]


def test_blocks_repeat_without_scopes_too():
    h = x = at.tensor(np.ones(3), requires_grad=True)
    for _ in range(100):
        h = np.sin(h) * x + np.tanh(h)
    g = at.graph(h, max_nodes=20)
    assert [v.repeats for v in g.drawn if v.kind == "fold"] == [99]
    assert "folded: repeated blocks" in str(g)


def test_a_chain_is_one_box():
    x = at.tensor(np.ones(3), requires_grad=True)
    y = np.tanh(np.exp(np.sin(x)) + 1.0)
    (leaf, fold) = at.graph(y, max_nodes=2).drawn
    assert (leaf.kind, fold.kind, fold.name) == ("leaf", "fold", "4 ops: sin, exp, add, tanh")


def test_focus_by_tensor_and_by_name():
    x = at.tensor(1.0, requires_grad=True)
    a = x * 2.0
    b = a + 1.0
    c = np.exp(b)
    d = np.tanh(c)
    for focus in (b, "b"):
        g = at.graph(d, focus=focus, radius=1)
        assert [v.name for v in g.drawn] == ["a", "b", "c"]
        assert g.drawn[0].arguments == ("x", "2.0")
        assert "within 1 edge of b, 2 nodes left out" in str(g)
    assert [v.name for v in g.with_view(focus=None).drawn] == ["x", "a", "b", "c", "d"]
    with pytest.raises(ValueError, match="no node of this graph is called 'q'"):
        at.graph(d, focus="q")
    with pytest.raises(ValueError, match="the focus is not in this graph"):
        at.graph(d, focus=at.ones(1))


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"show": "shape colour"}, "the word 'colour'"),
        ({"depth": -1}, "depth must be at least 0, got -1"),
        ({"max_nodes": 0}, "max_nodes must be at least 1, got 0"),
        ({"radius": -1}, "radius must be at least 0"),
    ],
)
def test_views_that_cannot_be_meant(facts, text):
    with pytest.raises(ValueError, match=text):
        at.graph(at.ones(1), **facts)


def test_cut_where_nothing_folds():
    x = at.tensor(np.ones(3), requires_grad=True)
    tensors = [np.sin(x)]
    for i in range(30):
        tensors.append(tensors[i // 2] * tensors[i] + x)
    g = at.graph(tensors[-1], max_nodes=6)
    assert len(g.drawn) == 6
    assert "farthest from the result left out" in g.to_text()
