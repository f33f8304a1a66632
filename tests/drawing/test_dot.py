"""DOT text: compared as a whole, and its quoting undone by the rules of the language."""

import re
import shutil
import subprocess
from html import unescape
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autotensor as at
from autotensor.drawing.dot import quote
from autotensor.drawing.labels import clean

HOSTILE = [
    '"];evil [label="',
    "<b>bold</b>",
    "<",
    "back\\slash \\N \\G \\",
    '\\"',
    "&lt; &amp; &#65; &",
    "a\nb",
    "β損🙂",
]


def test_the_whole_document():
    x = at.tensor([1.0, 2.0], requires_grad=True)
    c = at.tensor([3.0, 4.0], dtype="float32")
    loss = (x * x + c).sum()
    assert at.graph(loss).to_dot() == "\n".join(
        [
            "digraph {",
            '  graph [rankdir=TB ordering=in bgcolor="#fcfcfd" labeljust=l '
            'label="5 nodes, 5 edges; kept for backward: 16 B in 1 array (x)" '
            'fontname="Helvetica" fontsize=11 fontcolor="#52606d"]',
            '  node [shape=box fontname="Helvetica" fontsize=12 fontcolor="#1f2933" height=0.3 '
            "margin=0.11]",
            '  edge [color="#7b8794" fontname="Helvetica" fontsize=9 fontcolor="#52606d" '
            "arrowsize=0.7]",
            r'  1 [label="x\n(2,)\n= [1, 2]" style="filled,rounded" fillcolor="#dbeafe" '
            'color="#2563a8"]',
            r'  2 [label="multiply\n(2,)" style="filled,rounded" fillcolor="#ffffff" '
            'color="#52606d"]',
            r'  3 [label="c\n(2,) float32\n= [3, 4]" style="filled,dashed" fillcolor="#eef0f2" '
            'color="#7b8794"]',
            r'  4 [label="add\n(2,)" style="filled,rounded" fillcolor="#ffffff" color="#52606d"]',
            r'  5 [label="loss = sum\n()\n= 12" style="filled,rounded" fillcolor="#fde3c8" '
            'color="#b4531a" penwidth=2]',
            '  1 -> 2 [label="1"]',
            '  1 -> 2 [label="2"]',
            "  2 -> 4",
            "  3 -> 4",
            "  4 -> 5",
            "}",
            "",
        ]
    )


def shown(quoted):
    """The lines that Graphviz shows for a label: strings, then escapes, then HTML references."""
    string = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', quoted, re.DOTALL)
    assert string, quoted
    lines = [""]
    for plain, escaped in re.findall(r"([^\\])|\\(.)", string[1], re.DOTALL):
        if escaped == "n":
            lines.append("")
        else:
            assert escaped in ("", "\\", '"'), quoted
            lines[-1] += plain + escaped
    return [unescape(line) for line in lines]


@given(st.lists(st.text(), min_size=1, max_size=3))
@example(HOSTILE)
def test_quoting_is_undone_by_reading(lines):
    assert shown(quote(*lines)) == [clean(line, 1000) for line in lines]


@given(st.text(min_size=1))
def test_names_are_quoted(name):
    x = at.tensor(1.0, requires_grad=True)
    line = at.graph(x, names={name: x}).to_dot().split("\n")[4]
    label = re.match(r'  1 \[label=("(?:[^"\\]|\\.)*") style=', line)[1]
    assert shown(label)[0] == (clean(name) or "leaf")


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot of Graphviz")
def test_graphviz_shows_the_labels_as_they_are():
    names = {name: at.tensor(1.0, requires_grad=True) for name in HOSTILE}
    g = at.graph([*names.values()], names=names)
    svg = subprocess.run(
        ["dot", "-Tsvg"], input=g.to_dot().encode(), capture_output=True, check=True
    ).stdout
    texts = [t.text for t in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    labels = [text.replace("\xa0", " ") for text in texts]  # dot writes spaces as non-breaking
    assert {clean(name) for name in HOSTILE} <= set(labels)
