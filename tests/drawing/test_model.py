"""`Graph`: files by suffix, what a terminal and a notebook show, what is said without Graphviz."""

import base64
import io
import itertools
import shutil
import sys

import numpy as np
import pytest

import autotensor as at
from autotensor.drawing import Graph, GraphvizError, model
from autotensor.drawing.budget import Budget


@pytest.fixture
def g():
    x = at.tensor([1.0, 2.0], requires_grad=True, name="β")
    return at.graph(np.sum(x * x))


@pytest.fixture
def no_dot(monkeypatch):
    monkeypatch.setenv("PATH", "")


def test_files_by_suffix(g, tmp_path, no_dot):
    for name, text in {
        "net.svg": g.to_svg(),
        "net.dot": g.to_dot(),
        "net.TXT": g.to_text(ascii=False) + "\n",
    }.items():
        g.save(tmp_path / name)
        g.save(str(tmp_path / f"str-{name}"))
        assert (tmp_path / name).read_bytes().decode() == text
        assert (tmp_path / f"str-{name}").read_bytes().decode() == text


@pytest.mark.parametrize("name", ["net.gif", "net", ".svg"])
def test_an_unknown_suffix(g, tmp_path, name):
    with pytest.raises(ValueError, match=r"its suffix names no known format\.\nUse \.svg"):
        g.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_without_graphviz_the_error_says_what_to_do(g, tmp_path, no_dot, suffix):
    with pytest.raises(GraphvizError) as caught:
        g.save(tmp_path / f"net.{suffix}")
    text = str(caught.value)
    assert f"a .{suffix} file needs Graphviz" in text
    assert "apt install graphviz" in text
    assert ".svg, which needs nothing" in text
    assert len(text.split("\n")) <= 4
    assert isinstance(caught.value, RuntimeError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot of Graphviz")
@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_graphviz_renders_where_it_is_installed(g, tmp_path, suffix, magic):
    g.save(tmp_path / f"net.{suffix}")
    assert (tmp_path / f"net.{suffix}").read_bytes().startswith(magic)


def test_the_document_of_the_graphviz_package(g):
    assert g.to_graphviz().source == g.to_dot()


def test_a_terminal_shows_the_tree(g, capsys):
    print(g)  # noqa: T201
    assert capsys.readouterr().out == f"{g.to_text(ascii=False)}\n"
    assert repr(g) == str(g)


@pytest.mark.parametrize(
    ("encoding", "ascii"),
    [("utf-8", False), ("UTF8", False), ("utf-16", False), ("latin-1", True), ("cp1252", True)],
)
def test_a_stream_that_is_not_unicode_gets_ascii(g, monkeypatch, encoding, ascii):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    assert str(g).isascii() == ascii
    assert str(g) == g.to_text() == g.to_text(ascii=ascii)
    print(g, file=stream, flush=True)


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_streams_without_an_encoding_take_all_characters(g, monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream)
    assert "└─" in str(g)


def test_a_notebook_shows_the_picture(g):
    bundle = g._repr_mimebundle_()
    assert bundle["text/plain"] == g.to_text(ascii=False)
    assert bundle["image/svg+xml"] == g.to_svg()
    before, after = bundle["text/html"].split("data:image/svg+xml;base64,")
    data, end = after.split('"', 1)
    assert base64.b64decode(data).decode() == g.to_svg()
    assert "<" not in end.replace("</div>", "")
    assert before.startswith("<div")


def test_a_notebook_shows_large_graphs_as_text():
    x = at.tensor(1.0, requires_grad=True)
    for _ in range(2000):
        x = -x
    bundle = at.graph(x, max_nodes=3000)._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "too large to be shown as a picture" in bundle["text/plain"]


def test_graphs_are_data():
    def run():
        x = at.tensor([1.0, 2.0], requires_grad=True)
        return at.graph(x * x)

    first, second = run(), run()
    assert first == second
    assert hash(first) == hash(second)
    assert Graph(first.nodes, first.kept).to_svg() == second.to_svg()
    assert first != at.graph(at.ones(2))


def test_a_picture_that_takes_too_long_becomes_text(monkeypatch):
    x = at.tensor(np.ones(3), requires_grad=True)
    y = np.sin(x) * np.exp(x) + np.cos(x) * x
    # A clock on which a second passes with every look.
    ticks = itertools.count()
    monkeypatch.setattr(model, "Budget", lambda seconds: Budget(seconds, lambda: next(ticks)))
    shown = at.graph(y)._repr_mimebundle_()
    assert list(shown) == ["text/plain"]
    assert shown["text/plain"].endswith(
        "(the picture took more than 5 s; save('graph.svg') draws it)"
    )
    assert at.graph(y).to_svg().endswith("</svg>\n")
