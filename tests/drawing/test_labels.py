"""The words of a picture: expressions that parse back, user text that is safe everywhere."""

import ast
import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotensor.drawing.data import Kept, Vertex
from autotensor.drawing.labels import (
    ATOM,
    applied,
    bare,
    byte_size,
    cells,
    clean,
    constant,
    kept_summary,
    title,
)

OPS = {
    "add": ast.Add,
    "subtract": ast.Sub,
    "multiply": ast.Mult,
    "divide": ast.Div,
    "matmul": ast.MatMult,
    "power": ast.Pow,
}


def is_number(expression):
    return isinstance(expression, str) and expression.lstrip("-")[0].isdigit()


LEAVES = st.sampled_from(["x", "y", "#3", "2", "0.5", "-2", "-0.5"])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from([*OPS]), inner, inner),
        st.tuples(st.sampled_from(["negative", "tanh"]), inner),
        # 2.T is no Python, and a number is never transposed.
        st.tuples(st.just("transpose"), inner.filter(lambda e: not is_number(e))),
    ),
    max_leaves=12,
)


def op(name, *arguments, **facts):
    return Vertex(9, "op", None, (), "float64", op=name, arguments=arguments or (1,), **facts)


def written(expression):
    """The text and precedence that `applied` gives an expression, from the inside out."""
    if isinstance(expression, str):
        return constant(expression) if is_number(expression) else (expression, ATOM)
    name, *operands = expression
    return applied(op(name, *range(len(operands))), [written(o) for o in operands])


def meant(expression):
    """The same expression with every operation in parentheses."""
    if isinstance(expression, str):
        return expression.replace("#", "n")
    name, *operands = expression
    texts = [f"({meant(o)})" for o in operands]
    if name in OPS:
        sign = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@"}
        return f" {sign.get(name, '**')} ".join(texts)
    return {"negative": "-{}", "transpose": "{}.T", "tanh": "tanh{}"}[name].format(*texts)


@given(EXPRESSIONS)
def test_an_expression_says_what_was_computed(expression):
    text = written(expression)[0].replace("#", "n")
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(meant(expression)))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (("add", ("matmul", "x", ("transpose", "w")), "b"), "x @ w.T + b"),
        (("subtract", "x", ("subtract", "y", "z")), "x - (y - z)"),
        (("power", ("negative", "x"), "2"), "(-x) ** 2"),
        (("negative", ("power", "x", "2")), "-x ** 2"),
        (("power", "-2", "x"), "(-2) ** x"),
        (("power", "x", "-2"), "x ** -2"),
        (("transpose", ("add", "x", "y")), "(x + y).T"),
    ],
)
def test_parentheses_are_there_only_where_needed(expression, text):
    assert written(expression)[0] == text


def test_what_is_no_operator_is_a_call():
    assert applied(op("clip", 1, "0", "1"), [("x", ATOM), ("0", ATOM), ("1", ATOM)])[0] == (
        "clip(x, 0, 1)"
    )
    with_axis = op("sum", 1, options=(("axis", "0"),))
    assert applied(with_axis, [("x", ATOM)])[0] == "sum(x, axis=0)"
    assert bare(with_axis) == "sum(axis=0)"
    # With options an operator is a call too: transpose(axes=...) is not .T
    assert applied(op("transpose", 1, options=(("axes", "(1, 0)"),)), [("x", ATOM)])[0] == (
        "transpose(x, axes=(1, 0))"
    )


@pytest.mark.parametrize(
    ("index", "text"),
    [("0", "x[0]"), ("(0, :2)", "x[0, :2]"), ("()", "x[()]"), ("{0}", "x[{0}]")],
)
def test_indexing_is_written_with_brackets(index, text):
    getitem = op("getitem", 1, options=(("index", index),))
    assert applied(getitem, [("x", ATOM)]) == (text, ATOM)


def test_titles():
    assert title(Vertex(1, "leaf", "w", (), "float64")) == "w"
    assert title(Vertex(1, "leaf", None, (), "float64")) == "leaf"
    assert title(Vertex(1, "constant", None, (), "float64")) == "constant"
    assert title(op("multiply", 1, 2)) == "multiply"
    assert title(op("power", 1, "2")) == "· ** 2"
    assert title(op("getitem", 1, options=(("index", "0"),))) == "·[0]"
    assert title(op("mean")._replace(name="loss")) == "loss = mean"


@given(st.text())
def test_clean_text_is_one_short_line_that_xml_can_hold(text):
    result = clean(text)
    assert clean(result) == result
    assert len(result) <= 60
    assert len(result.splitlines()) <= 1
    element = ElementTree.Element("text")
    element.text = result
    assert ElementTree.fromstring(ElementTree.tostring(element)).text == (result or None)


@given(st.text(st.characters(exclude_categories=["C", "Z"]), max_size=60))
def test_ordinary_text_stays_as_it_is(text):
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a\nb\tc", "a b c"),
        ("nul\0 bell\a esc\x1b[31m", "nul bell esc[31m"),
        ("\ud800lone\uffff", "lone"),
        ("evil\u202etxt", "eviltxt"),  # would be read from right to left
        ("x" * 61, "x" * 59 + "…"),
    ],
)
def test_what_is_dropped_or_replaced(text, result):
    assert clean(text) == result


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (192, "192 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (40_960, "41 KB"),
        (999_499, "999 KB"),
        (999_500, "1.0 MB"),
        (5e15, "5000 TB"),
    ],
)
def test_byte_sizes(count, text):
    assert byte_size(count) == text


def test_summary_of_what_is_kept():
    assert kept_summary(Kept()) == "kept for backward: nothing"
    assert kept_summary(Kept(8, 1, 8, "x")) == "kept for backward: 8 B in 1 array (x)"
    assert kept_summary(Kept(1200, 3, 800, "x")) == (
        "kept for backward: 1.2 KB in 3 arrays (largest: x 800 B)"
    )


@given(st.text(st.characters(max_codepoint=0x2FF, exclude_categories=["C"])))
def test_cells_of_latin_text_are_its_characters(text):
    assert cells(text) == len(text)


def test_cells_of_wide_and_combining_characters():
    assert cells("損失") == 4
    assert cells(unicodedata.normalize("NFD", "é")) == 1
