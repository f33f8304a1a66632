"""Pictures of every kind of graph, looked at geometrically; and where the backward pass stands."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotensor.drawing.data import Edge, Vertex, edges_of
from autotensor.drawing.dot import dot
from autotensor.drawing.flow import flow
from autotensor.drawing.layers import Layers
from autotensor.drawing.svg import svg
from tests.drawing.pictures import SVG, check, extent, parse
from tests.drawing.samples import NAMED, Net, drawn, folded, tour, transformer

CAPTION = "a caption"
ALL = frozenset(["shape", "dtype", "value", "grad", "bytes", "line", "scope"])


@st.composite
def networks(draw):
    """Forward and backward pass of a random network, some of it in scopes that are folded."""
    net = Net()
    ids = [net.leaf("w", (3, 3), grad=draw(st.sampled_from([None, 0.0, 1e-5, 2.0])))]
    for _ in range(draw(st.integers(1, 12))):
        op = draw(st.sampled_from(["matmul", "add", "tanh", "relu", "square", "multiply", "leaf"]))
        operands = [draw(st.sampled_from(ids)) for _ in range(2)]
        scope = draw(st.sampled_from(["", "", "a/1", "a/2", "b"]))
        bad = draw(st.sampled_from(["", "", "", "1 NaN of 9 at [0, 0]"]))
        if op == "leaf":
            ids.append(net.leaf(draw(st.sampled_from(["b", None, "name " * 12])), (3, 3)))
        elif op in ("matmul", "add", "multiply"):
            ids.append(net.op(op, *operands, scope=scope, bad=bad))
        else:
            ids.append(net.op(op, operands[0], scope=scope, bad=bad))
    loss = net.op("mean", ids[-1], shape=(), root=True)
    if draw(st.booleans()):
        net.backward(loss)
    fold = draw(st.sampled_from([None, False, True]))
    return net.vertices if fold is None else folded(net.vertices, repeats=fold)


@pytest.mark.parametrize("name", NAMED)
def test_named_pictures(name):
    check(svg(*drawn(name), CAPTION))
    check(svg(*drawn(name), CAPTION, show=ALL))


@given(networks(), st.sampled_from([ALL, frozenset(), frozenset(["grad"])]))
@settings(deadline=None)
def test_any_picture(vertices, show):
    edges = edges_of(vertices)
    document = svg(vertices, edges, CAPTION, show=show)
    check(document)
    graph = parse(document)[0].find(f"{SVG}g")
    heads = [p for g in graph.findall(f"{SVG}g[@fill]") for p in g if p.tag == f"{SVG}path"]
    assert sum(p.get("d").endswith("z") for p in heads) == len(edges)
    assert svg(vertices, edges, CAPTION, show=show) == document


def places(vertices):
    """The extent of every box, by its id."""
    _, boxes, _ = parse(svg(vertices, edges_of(vertices), CAPTION))
    return {int(box.find(f"{SVG}title").text.split()[0][1:]): extent(box) for box in boxes}


@pytest.mark.parametrize("name", ["tour-backward", "mlp-backward", "relu-backward"])
def test_the_backward_pass_rises_beside_the_forward_pass(name):
    vertices, edges = drawn(name)
    place = places(vertices)
    middle = {id: (top + bottom) / 2 for id, (_, top, _, bottom) in place.items()}
    forward = max(right for id, (_, _, right, _) in place.items() if not vertices[id - 1].of)
    backward = [v for v in vertices if v.of]
    loss = next(v.id for v in vertices if v.root)
    for v in backward:
        row = [u for u in vertices if not u.of and abs(middle[u.id] - middle[v.id]) < 1]
        assert all(place[u.id][2] < place[v.id][0] for u in row)
        if v.gradient:
            assert middle[v.gradient] == pytest.approx(middle[v.id], abs=30)
    assert middle[backward[0].id] == pytest.approx(middle[loss], abs=30)
    assert forward < max(place[v.id][2] for v in backward)
    for edge in edges:
        if not vertices[edge.target - 1].of or edge.kept:
            continue
        assert place[edge.target][3] < place[edge.source][1]  # the user above


@given(networks())
@settings(deadline=None)
def test_the_backward_pass_is_on_the_right_in_every_layer(vertices):
    run = flow(vertices, edges_of(vertices))
    layers = Layers(len(vertices), run.edges, run.turned, run.beside)
    for layer in layers.layers:
        sides = [layers.side[point] for point in layer]
        assert sides == sorted(sides)
    for box, companion in enumerate(run.beside):
        if companion is not None:
            assert layers.layer[box] <= layers.layer[companion]


def test_the_cotangents_of_a_chain_are_one_straight_line():
    vertices, _ = drawn("relu-backward")
    place = places(vertices)
    spine = [v for v in vertices if v.of and v.op in ("multiply", "broadcast_to", "matmul")]
    spine = [v for v in spine if not v.gradient and "2" not in v.arguments]
    assert len(spine) >= 5
    assert len({round(place[v.id][0] + place[v.id][2], 0) for v in spine}) == 1


def test_only_what_occurs_is_in_the_legend():
    def words(name):
        root, _, _ = parse(svg(*drawn(name), CAPTION))
        return [t.text for t in root.findall(f"{SVG}g")[1].iter(f"{SVG}text")]

    assert words("roots") == ["leaf, requires grad", "root", CAPTION]
    assert words("everything") == [
        "leaf, requires grad",
        "constant",
        "op",
        "folded",
        "root",
        "backward op",
        "gradient",
        "kept for backward",
        "first that is not finite",
        "|grad| 1e-2",
        "1e0",
        CAPTION,
    ]


def texts(vertices, **options):
    _, boxes, _ = parse(svg(vertices, edges_of(vertices), CAPTION, **options))
    return [[t.text for t in box.iter(f"{SVG}text")] for box in boxes]


def test_what_boxes_tell_is_chosen():
    vertices = tour()[4:5]
    vertices[0] = vertices[0]._replace(arguments=("x", "w"), grad=0.00123, dtype="float32")
    facts = {
        "shape": ["(64, 8)"],
        "dtype": ["float32"],
        "shape dtype": ["(64, 8) float32"],
        "grad": ["|grad| 1.2e-3"],
        "bytes": ["4.1 KB, keeps 1.5 KB"],
        "line": ["tour.py:12"],
        "": [],
    }
    for show, told in facts.items():
        assert texts(vertices, show=set(show.split())) == [["z = x @ w", *told]]


def test_folds_and_gradients_have_their_titles():
    assert texts(folded(transformer()))[2] == [
        "block \N{MULTIPLICATION SIGN} 24",
        "528 nodes",
        "(128, 64)",
    ]
    shown = [label[0] for label in texts(tour(backward=True))]
    assert {"grad of w = matmul", "grad of b = sum"} <= set(shown)
    lost = Vertex(5, "op", None, (), "float64", op="sum", of=2, gradient=1)
    assert texts([lost]) == [["grad of #1 = sum", "()"]]


def test_the_first_box_that_is_not_finite_is_ringed():
    vertices = NAMED["nan"]()
    root, boxes, _ = parse(svg(vertices, edges_of(vertices), CAPTION))
    rings = [[r.get("fill") for r in box.iter(f"{SVG}rect")].count("none") for box in boxes]
    assert rings == [0, 1, 0, 0]
    red = [t.text for t in root.iter(f"{SVG}text") if t.get("fill") == "#c81e1e"]
    assert red == ["1 NaN of 12 at [3]", "1 NaN of 12 at [3]", "NaN"]


def test_a_cycle_between_folds_is_drawn():
    # Two blocks that were entered twice each, so that each uses the other.
    def fold(id, *arguments):
        return Vertex(id, "fold", "f", (), "float64", arguments=arguments, members=(id,))

    vertices = [fold(1, 2), fold(2, 1)]
    check(svg(vertices, edges_of(vertices), CAPTION))
    assert "  1 -> 2\n  1 -> 2 [dir=back]\n" in dot(vertices, [Edge(1, 2, 0), Edge(2, 1, 0)], "")


def test_backward_vertices_alone_are_drawn_as_any_others():
    vertices = [v for v in tour(backward=True) if v.of]
    known = {v.id for v in vertices}
    vertices = [v._replace(arguments=tuple(a for a in v.arguments if a in known)) for v in vertices]
    check(svg(vertices, edges_of(vertices), CAPTION))


def test_wide_pictures_shrink_as_far_as_they_stay_readable():
    def scale(count):
        net = Net()
        net.op("concatenate", *(net.leaf(f"weight{i}", (8,)) for i in range(count)))
        root = parse(svg(net.vertices, edges_of(net.vertices), CAPTION))[0]
        return float(root.get("width")) / float(root.get("viewBox").split()[2])

    assert scale(3) == 1
    assert 0.75 < scale(9) < 1
    assert scale(40) == pytest.approx(0.75, abs=0.001)


@pytest.mark.parametrize("format", ["svg", "dot"])
def test_the_whole_document(format):
    vertices, edges = drawn("everything")
    document = {"svg": svg, "dot": dot}[format](vertices, edges, CAPTION)
    # Look at the new picture before it replaces this file.
    wanted = Path(__file__).with_name(f"everything.{format}").read_text(encoding="utf-8")
    assert document == wanted
