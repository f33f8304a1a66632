"""Every kind of graph in every format, and any text of the user's through all of them."""

import json
import re
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autotensor as at
from autotensor.drawing import Graph
from autotensor.drawing.labels import clean
from autotensor.errors import GraphFreedError, NoGradientError
from tests.drawing.test_dot import HOSTILE

DATA = re.compile(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', re.DOTALL)
FORMATS = ("svg", "dot", "html", "json", "txt")


def leaf(*shape):
    return at.tensor(np.full(shape, 0.5), requires_grad=True, name="w")


def before():
    return np.tanh(leaf(3)).sum()


def after():
    loss = before()
    loss.backward()
    return loss


def with_nan():
    with np.errstate(invalid="ignore"), at.record_values():
        return np.log(at.tensor([1.0, -1.0], requires_grad=True, name="w")).sum()


def two():
    w = leaf(2)
    return [np.sin(w), np.cos(w)]


def several():
    def sine_and_sum(x):
        return np.sin(x), np.sum(x)

    a, b = at.custom_op(x=lambda g, x: g[0] * np.cos(x) + g[1])(sine_and_sum)(leaf(3))
    return (a * b).sum()


def checkpointed():
    w, x = leaf(3), at.ones(3, name="x")
    a, b = at.checkpoint(lambda x: (np.tanh(w * x), w * 2.0), x)
    return (a * b).sum()


KINDS = {
    "before": before,
    "after": after,
    "no graph": lambda: np.tanh(at.ones(3)),
    "constant": lambda: at.ones(3),
    "leaf": lambda: leaf(3),
    "roots": two,
    "nan": with_nan,
    "0-d": lambda: leaf() * 2.0,
    "empty": lambda: (leaf(0, 3) * 2.0).sum(),
    "several results": several,
    "checkpoint": checkpointed,
}
DIFFERENTIABLE = [kind for kind in KINDS if kind not in ("after", "no graph", "constant")]


def check(g, folder, format):
    path = folder / f"graph.{format}"
    g.save(path)
    text = path.read_text(encoding="utf-8")
    named = {v.name for v in g.nodes if v.name}
    assert all(name in text for name in named)
    if format == "svg":
        boxes = ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}title")
        assert len([box for box in boxes if box.text.startswith("#")]) == len(g.drawn)
    elif format == "html":
        assert len(json.loads(DATA.search(text).group(1))["vertices"]) == len(g.nodes)
    elif format == "json":
        assert Graph.from_json(text) == g


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_forward(kind, format, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_: None)
    monkeypatch.setenv("PATH", str(tmp_path))  # no dot
    check(at.graph(KINDS[kind]()), tmp_path, format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", DIFFERENTIABLE)
def test_backward(kind, format, tmp_path):
    check(at.graph(KINDS[kind](), backward=True), tmp_path, format)


def test_what_is_not_finite_is_ringed():
    g = at.graph(with_nan())
    assert g.nodes[g.first_bad - 1].op == "log"
    assert "first that is not finite" in g.to_svg()


@pytest.mark.parametrize("kind", ["after", "no graph", "constant"])
def test_no_backward_pass_without_a_graph(kind):
    error = GraphFreedError if kind == "after" else NoGradientError
    with pytest.raises(error):
        at.graph(KINDS[kind](), backward=True)


def test_steps_of_several_results_from_json():
    g = at.graph(several(), backward=True)
    (incoming,) = (s.incoming for s in g.steps() if g.nodes[s.id - 1].op == "sine_and_sum")
    (read,) = (
        s.incoming for s in Graph.from_json(g.to_json()).steps() if type(s.incoming) is tuple
    )
    assert [part.shape for part in incoming] == [(3,), ()]
    for part, wanted in zip(read, incoming, strict=True):
        np.testing.assert_array_equal(part, wanted)


def test_what_a_checkpoint_computes_again():
    g = at.graph(checkpointed(), backward=True)
    again = [v for v in g.nodes if v.of and g.nodes[v.of - 1].op == "recompute"]
    assert [v.op for v in again].count("tanh") == 1
    assert [v.shape for v in again if not v.op] == [(3,)]  # x, which is not tracked
    used = {a for v in g.nodes for a in v.arguments}
    assert [v.name for v in g.nodes if v.of and v.id not in used] == ["grad of w"]


TEXT = st.text(min_size=1, max_size=40) | st.sampled_from(HOSTILE)


@given(TEXT, TEXT, TEXT)
def test_any_text_of_the_user(name, scope, op):
    def square(x):
        return x * x

    square.__name__ = square.__qualname__ = op
    square = at.custom_op(x=lambda g, x: g * 2 * x)(square)
    x = at.tensor([1.0, 2.0], requires_grad=True)
    with at.scope(scope):
        y = square(x)
    g = at.graph(y, names={name: x}, backward=True, show="shape value scope")
    wanted = clean(name)
    titles = [
        text.text
        for text in ElementTree.fromstring(g.to_svg()).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert (wanted or "leaf") in [title or "" for title in titles]
    assert Graph.from_json(g.to_json()) == g
    assert g.nodes[0].name == name
    (data,) = DATA.findall(g.to_html())
    assert json.loads(data)["vertices"][0].get("name", "") == clean(name, 1000)
    assert g.to_dot().encode("utf-8")
    assert g.to_text().encode("utf-8")
