"""Nested arguments and results: their leaves have the labels one would write, and come back."""

import re
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest

import autotensor as at
from autotensor.checking.containers import leaves, replaced

Layer = namedtuple("Layer", "w b")
X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


class Names(list):
    """A list of a kind of its own."""


def always(leaf):
    return True


@pytest.mark.parametrize(
    "tree",
    [
        [1, [2, 3]],
        (1, (2,)),
        {"a": 1, "b": {"c": 2}},
        Layer(1, [2]),
        OrderedDict(a=1),
        defaultdict(list, a=1),
        Names([1, 2]),
        [],
    ],
)
def test_a_container_is_rebuilt_as_what_it_was(tree):
    labels = [label for label, _ in leaves(tree, "x")]
    rebuilt = replaced(tree, iter(labels), always)
    assert type(rebuilt) is type(tree)
    assert [leaf for _, leaf in leaves(rebuilt, "x")] == labels
    assert len(set(labels)) == len(labels)
    assert replaced(rebuilt, iter([leaf for _, leaf in leaves(tree, "x")]), always) == tree


def test_a_container_without_chosen_leaves_is_passed_on_itself():
    tree = {"a": [1, 2]}
    assert replaced(tree, iter(()), lambda leaf: False) is tree


def test_a_function_gets_what_it_was_given():
    def function(layers, options):
        assert type(layers) is list
        assert type(layers[0]) is Layer
        assert type(layers[0].w) is at.Tensor
        assert options is given
        return layers[0].w @ layers[1]["v"] + layers[0].b

    given = {"n": 3, "kept": [1.0, None]}
    layers = [Layer(X, np.array(0.5)), {"v": X[0], "name": "v"}]
    report = at.gradcheck(function, [layers, given], order=2)
    assert report.entries == (6 + 1 + 3) * 2


@at.custom_op(w=lambda g, x: g * x * 1.5, x=lambda g, w: g * w)
def times(w, x):
    return w * x


@pytest.mark.parametrize(
    ("params", "label"),
    [
        ({"w": X, "b": X[0]}, r"d output\[[012]\] / d params\['w'\]\[0, \d\]"),
        ([X, X[0]], r"d output\[[012]\] / d params\[0\]\[0, \d\]"),
        (Layer(X, X[0]), r"d output\[[012]\] / d params.w\[0, \d\]"),
    ],
)
def test_entries_have_labels_as_one_would_write_them(params, label):
    def function(params):
        w, b = params.values() if isinstance(params, dict) else params
        return times(w[0], b)

    inputs = [params] if isinstance(params, list) else params
    report = at.gradcheck(function, inputs, raise_exception=False)
    assert report.verdict == "fail"
    assert re.search(label, str(report)), str(report)


def test_one_dict_or_namedtuple_is_one_argument():
    for inputs in ({"w": X, "b": X[0]}, Layer(X, X[0])):
        report = at.gradcheck(lambda p: np.tanh(p["w"] if isinstance(p, dict) else p.w), inputs)
        assert report.entries == 9 * 6


def test_outputs_may_be_nested():
    def function(x):
        return {"loss": np.sum(x * x), "parts": [np.sin(x), (x, 3, None, "a")], "n": np.argmax(x)}

    report = at.gradcheck(function, X, order=2)
    assert report.entries == 6 * (1 + 6 + 6)


@pytest.mark.parametrize(
    ("make", "label"),
    [
        (lambda x: x, "d output[0]"),
        (lambda x: [x], "d output[0]"),
        (lambda x: (np.argmax(x), x), "d output1[0]"),
        (lambda x: {"y": [x]}, "d output['y'][0][0]"),
        (lambda x: (x, Layer(x, 1)), "d output0[0]"),
    ],
)
def test_outputs_have_labels(make, label):
    report = at.gradcheck(lambda x: make(times(x, 2.0)), X[0, :1], raise_exception=False)
    assert label in str(report)


def test_an_array_beside_tensors_is_a_constant():
    assert at.gradcheck(lambda x: (np.sin(x), np.ones(2), X), X)
    lost = at.gradcheck(lambda x: (np.sin(x), 2 * x.numpy()), X, raise_exception=False)
    assert lost.verdict == "fail"


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x: x.numpy() * 2, "ndarray"),
        (lambda x: float(x[0, 0]), "float"),
        (lambda x: x[0, 0].item(), "float"),
        (lambda x: {"a": [x.tolist()[0][0]]}, "float"),
        (lambda x: "text", "str"),
        (lambda x: None, "none"),
        (lambda x: [], "none"),
    ],
)
def test_a_function_that_leaves_the_graph_is_told_so(function, kind):
    with pytest.raises(TypeError, match=f"must return a Tensor.*it returned {kind}") as caught:
        at.gradcheck(function, X)
    assert kind == "none" or "apply NumPy functions to the Tensor itself" in str(caught.value)
