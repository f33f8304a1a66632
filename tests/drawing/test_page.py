"""The page as text: the graph is in it as it was, text stays text, nothing is looked up."""

import json
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autotensor as at
from autotensor.drawing import page as pages
from autotensor.drawing.data import edges_of
from autotensor.drawing.labels import clean
from tests.drawing.page_samples import network, small, with_backward

HOSTILE = '</script><script>alert(1)</script><!--<script>"]]>&lt;\u2028${style}'
WEB = resources.files("autotensor.drawing") / "web"


class Reader(HTMLParser):
    """The tags of a document, and the text of each element that has an id."""

    def __init__(self, document):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], {}, None
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.open = dict(attrs).get("id", self.open)

    def handle_data(self, data):
        self.texts[self.open] = self.texts.get(self.open, "") + data

    def handle_endtag(self, tag):
        self.open = None


def document(vertices, steps=(), **more):
    return pages.page(vertices, edges_of(vertices), "the caption", steps, **more)


def data(*args, **more):
    return json.loads(Reader(document(*args, **more)).texts["data"])


def without_data(text):
    before, rest = text.split('<script type="application/json" id="data">')
    block, after = rest.split("</script>", 1)
    return before + after, block


def test_the_whole_graph_is_in_it():
    vertices = network(3)
    found = data(vertices)
    assert [v["id"] for v in found["vertices"]] == [v.id for v in vertices]
    assert found["edges"] == [list(map(int, edge)) for edge in edges_of(vertices)]
    assert [v.get("scope", "") for v in found["vertices"]] == [v.scope for v in vertices]
    assert found["vertices"][-1] == {
        "id": len(vertices),
        "kind": "op",
        "role": "root",
        "title": "loss = mean",
        "lines": ["()"],
        "name": "loss",
        "op": "mean",
        "shape": "()",
        "dtype": "float64",
        "arguments": [len(vertices) - 1],
        "kept": 1024,
        "bytes": 1024,
    }


@given(st.text(min_size=1))
@example(HOSTILE)
@example("\ud800")
def test_any_name_comes_back_as_it_is_and_is_text_only(name):
    vertices = small(name)
    vertices = [v._replace(scope=name, line=name, value=name, bad=name) for v in vertices]
    found = data(vertices)["vertices"]
    assert found[0]["title"] == (clean(name) or "constant")
    for fact in ("scope", "line", "bad", "value"):
        assert {v.get(fact, "") for v in found} == {clean(name, 1000)}
    text = document(vertices)
    rest, block = without_data(text)
    assert rest == without_data(document(small()))[0]
    assert not set("<>&\u2028\u2029") & set(block)
    assert text.encode("utf-8")


def test_texts_of_steps_are_text_only_too():
    vertices, steps = with_backward(small())
    out = steps[0].outgoing[0]._replace(argument=HOSTILE, rule=f"def f(g):\n\treturn {HOSTILE}")
    steps = (steps[0]._replace(outgoing=(out,)), *steps[1:])
    text = document(vertices, steps)
    assert Reader(text).tags == Reader(document(small())).tags
    found = data(vertices, steps)["steps"][0]["outgoing"][0]
    assert found["argument"] == clean(HOSTILE)
    assert found["rule"] == f"def f(g):\n    return {clean(HOSTILE, 1000)}"


def test_steps():
    vertices, steps = with_backward(small())
    found = data(vertices, steps)["steps"]
    assert [step["id"] for step in found] == [step.id for step in steps]
    assert [step["made"] for step in found] == [list(step.made) for step in steps]
    first = found[0]
    assert first["incoming"] == "() = 1"
    assert first["outgoing"] == [
        {
            "argument": "x",
            "rule": "lambda g, x: g * x",
            "target": steps[0].outgoing[0].target,
            "cotangent": "(8, 16) = all 1.75",
        }
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.array([1.0, np.nan]), "(2,) = [1, nan] (1 NaN of 2 at [1])"),
        (np.arange(10.0), "(10,) = 0 … 4.5 … 9"),
        (np.where(np.arange(10) < 3, np.inf, 1), "(10,) = all 1 (3 inf of 10 at [0])"),
        (np.zeros((0, 3)), "(0, 3)"),
        (2.5, "() = 2.5"),
        (np.array([[1j]]), "(1, 1) = all abs 1"),
    ],
)
def test_cotangents_in_words(value, said):
    vertices, steps = with_backward(small())
    found = data(vertices, [steps[0]._replace(incoming=value)])["steps"][0]["incoming"]
    assert found == said


@pytest.mark.parametrize(("grad", "said"), [(np.nan, "nan"), (np.inf, "inf"), (0.5, 0.5)])
def test_gradients_that_are_not_finite(grad, said):
    assert data([small()[0]._replace(grad=grad)])["vertices"][0]["grad"] == said


def test_what_the_boxes_show():
    vertex = small()[-1]._replace(scope="s", line="f.py:3", grad=2.0, dtype="float32")
    (everything,) = data([vertex], show="shape dtype value grad bytes line scope")["vertices"]
    assert everything["lines"] == [
        "() float32",
        "= 12.41",
        "|grad| 2",
        "1.0 KB, keeps 1.0 KB",
        "f.py:3",
        "s",
    ]
    assert data([vertex], show="")["vertices"][0].get("lines", []) == []
    assert data([vertex], show="dtype")["vertices"][0]["lines"] == ["float32"]


def test_it_looks_nothing_up():
    text = document(small()).replace("http://www.w3.org/2000/svg", "")  # a name, not a place
    for word in ("http:", "https:", "//cdn", "@import", "url(", "fetch(", "XMLHttp", "import("):
        assert word not in text
    reader = Reader(text)
    assert not {"link", "img", "iframe", "object", "a", "base", "form"} & set(reader.tags)
    assert not {"src", "href", "srcset", "action"} & {name for name, _ in reader.attributes}
    assert "default-src 'none'" in dict(reader.attributes)["content"]


def test_no_script_makes_markup_of_text():
    text = document(small())
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in text


def test_every_script_is_in_it_and_short():
    scripts = {path.name for path in WEB.iterdir() if path.name.endswith(".js")}
    assert scripts == {f"{name}.js" for name in pages._SCRIPTS}
    for path in WEB.iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 400
        assert max(map(len, lines)) <= 100


def test_the_same_graph_gives_the_same_page(tmp_path):
    x = at.tensor(3.0, requires_grad=True)
    g = at.graph(x * x)
    g.save(tmp_path / "net.HTML")
    assert (tmp_path / "net.HTML").read_text(encoding="utf-8") == g.to_html() == g.to_html()
    assert g.to_html().startswith("<!DOCTYPE html>")


def test_no_vertices_at_all():
    assert data([])["vertices"] == []
