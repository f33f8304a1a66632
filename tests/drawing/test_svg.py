"""The picture: well-formed, complete in itself, every label in it and inside its box."""

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autotensor as at
from autotensor.drawing.labels import clean
from autotensor.drawing.measure import BOLD, text_width

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"/><script>alert(1)</script><a href="javascript:x" onload="y">&lt;&#65;]]>'


def parse(g):
    return ElementTree.fromstring(g.to_svg())


def texts(g):
    """The lines of text in the boxes."""
    boxes = parse(g).find(f"{SVG}g/{SVG}g[@text-anchor]")
    return [[t.text for t in box.iter(f"{SVG}text")] for box in boxes]


@given(st.text(min_size=1))
@example(HOSTILE)
def test_any_name_comes_back_as_it_is(name):
    x = at.tensor(np.ones(9), requires_grad=True)
    ((first, shape, _),) = texts(at.graph(x, names={name: x}))
    assert first == (clean(name) or "leaf")
    assert shape == "(9,)"


def test_no_name_becomes_markup():
    x = at.tensor(1.0, requires_grad=True, name=HOSTILE)
    y = x * 2
    y.name = "' onclick='z"
    root = parse(at.graph(y))
    allowed = {"svg", "title", "g", "rect", "path", "text"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == allowed
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on") or "href" in name}
    assert {"id", "class", "style"} & attributes == set()


def test_labels():
    x = at.tensor(np.ones((2, 3), np.float32), requires_grad=True)
    loss = np.mean(x[0] ** 2)
    assert texts(at.graph(loss)) == [
        ["x", "(2, 3) float32", "= all 1"],
        ["·[0]", "(3,) float32", "= [1, 1, 1]"],
        ["· ** 2", "(3,) float32"],
        ["loss = mean", "() float32", "= 1"],
    ]


def test_the_caption_and_the_legend_say_what_is_there():
    x = at.tensor(np.ones(9), requires_grad=True)
    loss = np.sum(x * at.ones(9))
    foot = parse(at.graph(loss)).findall(f"{SVG}g")[1]
    assert [t.text for t in foot.iter(f"{SVG}text")] == [
        "leaf, requires grad",
        "constant",
        "op",
        "root",
        "4 nodes, 3 edges; kept for backward: 72 B in 1 array (#2 constant)",
    ]
    foot = parse(at.graph(x)).findall(f"{SVG}g")[1]
    assert [t.text for t in foot.iter(f"{SVG}text")] == [
        "leaf, requires grad",
        "1 node, 0 edges; kept for backward: nothing",
    ]


def test_roles_have_their_colours():
    x = at.tensor(np.ones(9), requires_grad=True)
    loss = np.sum(x * at.ones(9))
    boxes = parse(at.graph(loss)).find(f"{SVG}g/{SVG}g[@text-anchor]")
    looks = [box.find(f"{SVG}rect").attrib for box in boxes]
    assert len({look["fill"] for look in looks}) == len({look["stroke"] for look in looks}) == 4
    assert [look.get("stroke-dasharray") is not None for look in looks] == [
        False,
        True,
        False,
        False,
    ]
    assert [look.get("stroke-width") for look in looks] == [None, None, None, "2"]


def test_parallel_edges_are_two_and_numbered():
    x = at.tensor(3.0, requires_grad=True)
    group = parse(at.graph(x * x)).find(f"{SVG}g")
    lines, heads, numbers, _ = group.findall(f"{SVG}g")
    assert len({path.get("d") for path in lines}) == len(heads) == 2
    assert [number.text for number in numbers] == ["1", "2"]
    assert len(parse(at.graph(x + x * 1)).find(f"{SVG}g").findall(f"{SVG}g")) == 3


def test_many_edges_have_room_at_their_box():
    x = [at.tensor(np.ones(9), requires_grad=True) for _ in range(12)]
    heads = parse(at.graph(np.concatenate(x))).find(f"{SVG}g").findall(f"{SVG}g")[1]
    ends = sorted(float(head.get("d")[1:].split()[0]) for head in heads)
    assert min(b - a for a, b in pairwise(ends)) > 10


def test_the_pointer_shows_number_and_memory():
    x = at.tensor(np.ones(9), requires_grad=True)
    titles = [t.text for t in parse(at.graph(np.exp(x))).iter(f"{SVG}title")]
    assert titles[1:] == ["#1 x, (9,)", "#2 exp, (9,), keeps 72 B for backward"]


def test_everything_is_inside_the_picture():
    x = at.tensor(np.ones(3), requires_grad=True, name="a rather long name " * 3)
    y = at.tensor(np.ones(3), requires_grad=True, name="損失" * 20)
    g = at.graph(np.concatenate([x, y, x * 2, np.sum(x) + y]))
    root = parse(g)
    _, _, width, height = map(float, root.get("viewBox").split())
    graph = root.find(f"{SVG}g")
    left, top = map(float, graph.get("transform")[len("translate(") : -1].split())
    for box in graph.find(f"{SVG}g[@text-anchor]"):
        rect = box.find(f"{SVG}rect").attrib
        x0, y0 = left + float(rect["x"]), top + float(rect["y"])
        assert x0 >= 10
        assert y0 >= 10
        assert x0 + float(rect["width"]) <= width - 10
        assert y0 + float(rect["height"]) <= height - 10
        for text in box.iter(f"{SVG}text"):
            assert text_width(text.text, float(text.get("font-size"))) < float(rect["width"]) - 16
            assert rect["y"] < text.get("y")


@pytest.mark.parametrize("face", ["DejaVuSans", "DejaVuSans-Bold"])
def test_boxes_are_wide_enough_for_wide_fonts(face):
    # DejaVu Sans is the widest of the fonts that the picture asks for; matplotlib brings it.
    matplotlib = pytest.importorskip("matplotlib")
    fonts = pytest.importorskip("matplotlib.ft2font")
    font = fonts.FT2Font(f"{matplotlib.get_data_path()}/fonts/ttf/{face}.ttf")
    font.set_size(100, 72)
    for text in (
        "matmul",
        "loss = mean",
        "WWWWMMMM@@@@%%%%",
        "sum(axis=(0, 1), keepdims=True)",
        "encoder.layers.0.weight",
        "(512, 10) float32",
        "θβγ = [0.1, -2.5e+04]",
        "____ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        "abcdefghijklmnopqrstuvwxyz",
    ):
        font.set_text(text)
        actual = font.get_width_height()[0] / 64
        assert actual <= text_width(text, 100) * (BOLD if face.endswith("Bold") else 1) + 20


def test_the_whole_document():
    x = at.tensor(3.0, requires_grad=True)
    y = x * x
    # Look at the new picture before it replaces this file.
    wanted = Path(__file__).with_name("square.svg").read_text(encoding="utf-8")
    assert at.graph(y).to_svg() == wanted
