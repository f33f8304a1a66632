"""Any text in any fact of a vertex comes back from SVG and DOT as it went in, and stays text."""

import json
import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autotensor.drawing.data import Vertex, edges_of
from autotensor.drawing.dot import dot
from autotensor.drawing.labels import SHOWN, clean, lines, names_of, short
from autotensor.drawing.roles import BAD, Scale
from autotensor.drawing.svg import svg
from tests.drawing.pictures import SVG
from tests.drawing.test_dot import HOSTILE, shown

ALL = SHOWN | {"bytes", "line", "scope"}
TEXT = st.text(min_size=1, max_size=80) | st.sampled_from([*HOSTILE, "]]>", "--", "'\" onload='"])
ELEMENTS = {"svg", "title", "g", "rect", "path", "text"}


def with_texts(name, value, bad, line, scope, dtype):
    """A leaf, a fold, its gradient and a constant, with these texts in all their facts."""
    facts = {"value": value, "bad": bad, "line": line, "scope": scope}
    return [
        Vertex(1, "leaf", name, (2,), dtype, grad=0.5, bytes=16, **facts),
        Vertex(2, "fold", name, (2,), dtype, arguments=(1,), members=(2, 3), repeats=2, **facts),
        Vertex(4, "op", name, (), dtype, op=name, arguments=(2, name), root=True, **facts),
        Vertex(5, "constant", None, (), dtype, of=4, **facts),
        Vertex(6, "op", None, (2,), dtype, op="f", arguments=(5, 1), of=2, gradient=1, **facts),
    ]


def expected(vertices):
    names = names_of(vertices)
    return [[words for _, words in lines(v, ALL, names)] for v in vertices]


@given(TEXT, TEXT, TEXT, TEXT, TEXT, TEXT)
@example(*['"/><script>alert(1)</script><a href="javascript:x">&#65;'] * 6)
def test_svg(name, value, bad, line, scope, dtype):
    vertices = with_texts(name, value, bad, line, scope, dtype)
    root = ElementTree.fromstring(svg(vertices, edges_of(vertices), name + value, show=ALL))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ELEMENTS
    attributes = {attribute for element in root.iter() for attribute in element.attrib}
    assert not {a for a in attributes if a.startswith("on") or "href" in a or a in ("id", "style")}
    assert root.find(f"{SVG}title").text == (clean(name + value, 1000) or None)
    boxes = root.find(f"{SVG}g/{SVG}g[@text-anchor]")
    found = {
        int(box.find(f"{SVG}title").text.split()[0][1:]): [
            text.text or "" for text in box.iter(f"{SVG}text")
        ]
        for box in boxes
    }
    assert [found[v.id] for v in vertices] == expected(vertices)


@given(TEXT, TEXT, TEXT, TEXT, TEXT, TEXT)
def test_dot(name, value, bad, line, scope, dtype):
    vertices = with_texts(name, value, bad, line, scope, dtype)
    statements = dot(vertices, edges_of(vertices), name, show=ALL).split("\n")
    pattern = r'  (\d+) \[label=("(?:[^"\\]|\\.)*") style="[a-z,]+" fillcolor="[#0-9a-f;.:]+" '
    labels = {int(m[1]): shown(m[2]) for s in statements if (m := re.match(pattern, s))}
    assert [labels[v.id] for v in vertices] == expected(vertices)
    assert len(statements) == 4 + len(vertices) + len(edges_of(vertices)) + 2


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot of Graphviz")
@pytest.mark.parametrize("text", HOSTILE)
def test_graphviz_reads_every_label_as_it_is(text):
    vertices = with_texts(*[text] * 6)
    document = dot(vertices, edges_of(vertices), text, show=ALL)
    output = subprocess.run(
        ["dot", "-Tjson"], input=document.encode(), capture_output=True, check=True
    )
    objects = json.loads(output.stdout)["objects"]
    drawn = ["".join(part["text"] for part in o["_ldraw_"] if part["op"] == "T") for o in objects]
    wanted = ["".join(words) for words in expected(vertices)]
    assert [label.replace("\xa0", " ") for label in drawn] == wanted
    assert {o["name"] for o in objects} == {str(v.id) for v in vertices}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.25, "0.25"),
        (0.00123, "1.2e-3"),
        (12345.0, "1.2e4"),
        (1e-300, "1.0e-300"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_short_numbers(number, text):
    assert short(number) == text


def lightness(colour):
    return sum(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def test_larger_gradients_are_darker():
    scale = Scale([None, 0.0, 2e-3, 5.0, float("nan")])
    assert (scale.low, scale.high) == (-3, 1)
    shades = [lightness(scale.colour(norm)) for norm in (1e-3, 1e-2, 0.1, 1.0, 10.0)]
    assert shades == sorted(set(shades), reverse=True)
    assert scale.colour(0.0) == scale.colour(1e-3) == scale.samples(5)[0]
    assert scale.colour(float("nan")) == scale.colour(float("inf")) == BAD


@pytest.mark.parametrize("norms", [[], [None], [0.0], [1.0], [1e-320], [float("inf")]])
def test_scales_of_few_gradients(norms):
    scale = Scale(norms)
    assert scale.high - scale.low in (0, 1)
    for norm in norms:
        if norm is not None:
            assert re.fullmatch("#[0-9a-f]{6}", scale.colour(norm))
