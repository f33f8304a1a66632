"""From tensors to data: nodes, edges, names, and what is kept in memory."""

import gc
import weakref

import numpy as np
import pytest

import autotensor as at


def parameter(*values, **facts):
    return at.tensor(values, dtype=float, requires_grad=True, **facts)


def node(g, **facts):
    """The one node of `g` with these attributes."""
    (found,) = [
        v for v in g.nodes if all(getattr(v, name) == value for name, value in facts.items())
    ]
    return found


# What is in the graph.


def test_nodes_and_edges_as_data():
    x = parameter(1, 2, 3)
    c = at.tensor([1, 2, 3], dtype="float32")
    y = 2 - x * c
    g = at.graph(y)
    assert [(v.id, v.kind, v.op, v.name, v.shape, v.dtype, v.root) for v in g.nodes] == [
        (1, "leaf", "", "x", (3,), "float64", False),
        (2, "constant", "", "c", (3,), "float32", False),
        (3, "op", "multiply", None, (3,), "float64", False),
        (4, "op", "subtract", "y", (3,), "float64", True),
    ]
    assert [v.arguments for v in g.nodes] == [(), (), (1, 2), ("2", 3)]
    assert [tuple(e) for e in g.edges] == [(1, 3, 0, False), (2, 3, 1, False), (3, 4, 1, False)]


def test_parallel_edges_are_kept():
    x = parameter(1)
    assert [tuple(e) for e in at.graph(x * x).edges] == [(1, 2, 0, False), (1, 2, 1, False)]


def test_an_ndarray_operand_is_a_constant():
    x = parameter(1, 2)
    g = at.graph(x + np.ones(2))
    assert node(g, kind="constant").shape == (2,)


def test_sequences_have_an_edge_per_element():
    x, y = parameter(1), parameter(2)
    g = at.graph(np.concatenate([x, y, x]))
    assert [tuple(e) for e in g.edges] == [(1, 3, 0, False), (2, 3, 1, False), (1, 3, 2, False)]


def test_absent_arguments_are_shown_only_before_others():
    x = parameter(1)
    assert at.graph(np.clip(x, None, 2)).nodes[-1].arguments == (1, "None", "2")
    assert at.graph(np.clip(x, 0, None)).nodes[-1].arguments == (1, "0")


@pytest.mark.parametrize(
    ("compute", "options"),
    [
        (lambda x: x.sum(axis=0), (("axis", "0"),)),
        (lambda x: x.sum(axis=None), ()),
        (lambda x: x.sum(axis=(0, 1), keepdims=True), (("axis", "(0, 1)"), ("keepdims", "True"))),
        (lambda x: x.reshape(4, 1), (("shape", "(4, 1)"),)),
        (lambda x: x.astype("float32"), (("dtype", "float32"),)),
        (lambda x: x[0], (("index", "0"),)),
        (lambda x: x[..., None, :1], (("index", "(..., None, :1)"),)),
        (lambda x: x[::-1, 1:], (("index", "(::-1, 1:)"),)),
        (lambda x: x[np.array([0, 1])], (("index", "array(2,)"),)),
        (lambda x: x[[0, 1, 0, 1, 0]], (("index", "[0, 1, 0, 1, …]"),)),
        (lambda x: x[(np.int64(1),)], (("index", "(1,)"),)),
    ],
)
def test_options_as_one_writes_them(compute, options):
    x = at.tensor(np.ones((2, 2)), requires_grad=True)
    before = at.graph(y := compute(x)).nodes[-1].options
    assert before == options
    y.backward(np.ones(y.shape))
    assert at.graph(y).nodes[-1].options == options


def test_several_roots():
    x = parameter(1)
    a, b = x + 1, x * 2
    assert [v.name for v in at.graph([a, b]).nodes if v.root] == ["a", "b"]
    assert [v.name for v in at.graph((a, a)).nodes if v.root] == ["a"]
    # What only another root needs is not in the graph of one.
    assert len(at.graph(a).nodes) == 2


@pytest.mark.parametrize(
    ("tensor", "kind", "value"),
    [
        (at.tensor(3.0), "constant", "3"),
        (at.tensor(True), "constant", "True"),
        (at.tensor(1 + 2j), "constant", "1+2j"),
        (at.tensor([1, 2]), "constant", "[1, 2]"),
        (at.tensor(1 / 3, requires_grad=True), "leaf", "0.3333"),
        (at.tensor(np.longdouble(0.5), requires_grad=True), "leaf", "0.5"),
        (at.tensor([]), "constant", "[]"),
        (at.zeros((0, 3)), "constant", ""),
        (at.zeros(5), "constant", "all 0"),
        (at.ones(2) * 2, "constant", "[2, 2]"),
    ],
)
def test_a_tensor_without_a_graph(tensor, kind, value):
    for g in (at.graph(tensor), at.graph([tensor, tensor])):
        (only,) = g.nodes
        assert (only.kind, only.value, only.root) == (kind, value, True)
        assert (only.shape, only.dtype) == (tensor.shape, str(tensor.dtype))
        assert g.edges == ()


def test_empty_arrays_and_scalars():
    x = at.tensor(np.ones((0, 3)), requires_grad=True)
    g = at.graph((x * 2).sum())
    assert [v.shape for v in g.nodes] == [(0, 3), (0, 3), ()]
    assert [v.value for v in g.nodes] == ["", "", "0"]


def test_the_graph_is_the_same_after_backward():
    x = parameter(1, 2)
    loss = np.sum(np.tanh(x[np.array([0, 1, 1])]) * 2)
    before = at.graph(loss)
    loss.backward()
    after = at.graph(loss)
    assert before.kept.bytes > 0
    assert after.kept == (0, 0, 0, "")
    lost = {"kept": 0, "value": "", "grad": None}
    assert [v._replace(**lost) for v in before.nodes] == [v._replace(**lost) for v in after.nodes]
    # Of the values those of tensors are left, and there are gradients now.
    assert [v.value for v in after.nodes if v.name] == ["[1, 2]", "5.379"]
    assert node(after, name="x").grad == pytest.approx(np.linalg.norm(x.grad.numpy()))
    assert before.edges == after.edges


def test_the_same_computation_gives_the_same_graph():
    def run():
        x = parameter(1, 2)
        y = np.exp(x) / x
        return at.graph([y.sum(), y])

    assert run() == run()


def test_the_graph_of_a_gradient():
    x = parameter(1, 2)
    np.sum(x**3).backward(create_graph=True)
    g = at.graph(x.grad)
    assert {v.name for v in g.nodes if v.kind == "leaf"} == {"x"}
    assert len(g.edges) > 2


# Names.


def test_given_names_win_over_own_names_over_variables():
    x = parameter(1, name="own")
    y = parameter(2, name="own")
    z = parameter(3)
    g = at.graph(x * y * z, names={"given": x})
    assert [v.name for v in g.nodes if v.kind == "leaf"] == ["given", "own", "z"]


def test_a_name_can_be_given_to_a_result():
    x = parameter(1)
    y = x * 2
    y.name = "doubled"
    assert node(at.graph(y + 1), op="multiply").name == "doubled"


def test_variables_of_the_caller_only():
    x = parameter(1)

    def inner(t):
        _hidden = t * 2
        return at.graph(_hidden)

    assert [v.name for v in inner(x).nodes] == ["t", None]


def test_the_first_variable_names_a_tensor():
    first = parameter(1)
    second = first
    assert at.graph(second).nodes[0].name == "first"


def test_a_variable_that_was_written_in_place_names_its_last_value():
    x = parameter(1)
    y = x * 2
    y += 1
    assert [v.name for v in at.graph(y * 1).nodes] == ["x", None, "y", None]


def test_parameters_of_modules_are_called_by_their_path():
    model = at.nn.Sequential(at.nn.Dense(2, 1), at.nn.Relu())
    g = at.graph(model(at.ones(2)))
    assert {v.name for v in g.nodes if v.kind == "leaf"} == {"layers.0.weight", "layers.0.bias"}


def test_other_objects_among_the_variables_are_left_alone():
    class Odd:
        def named_parameters(self, needed):
            raise AssertionError

        def __eq__(self, other):
            raise AssertionError

        __hash__ = None

    odd = Odd()
    x = parameter(1)
    assert at.graph(x).nodes[0].name == "x"
    assert odd is not None


def test_values_of_tensors_at_hand():
    x = parameter(1.5, 2)
    loss = np.sum(np.exp(x[0] * 0))
    g = at.graph(loss)
    assert [v.value for v in g.nodes] == ["[1.5, 2]", "", "", "1", "1"]


# Memory.


def test_each_buffer_is_counted_once():
    x = at.tensor(np.ones((10, 10)), requires_grad=True)
    y = at.tensor(np.ones((10, 10)), requires_grad=True)
    a = x * x  # keeps x
    b = x.T * y  # keeps a view of x, and y
    g = at.graph([a, b])
    assert (g.kept.bytes, g.kept.arrays, g.kept.largest) == (1600, 2, 800)
    assert node(g, name="a").kept == 800
    assert node(g, name="b").kept == 800
    assert sum(v.kept for v in g.nodes) == g.kept.bytes


def test_a_view_keeps_its_whole_buffer():
    x = at.tensor(np.ones((10, 10)), requires_grad=True)
    y = x[0] * x[0]
    assert at.graph(y).kept == (800, 1, 800, "x")


def test_the_largest_buffer_is_named():
    x = at.tensor(np.ones(5), requires_grad=True)
    h = np.exp(x)
    assert at.graph(h.sum()).kept.holder == "h"
    assert at.graph(np.exp(x).sum()).kept.holder == "#2 exp"
    assert at.graph((x * np.ones(5)).sum()).kept.holder == "#2 constant"


def test_arrays_among_the_options_are_kept_too():
    x = at.tensor(np.ones(5), requires_grad=True)
    y = x[np.zeros(100, dtype=np.int64)]
    assert at.graph(y).kept == (800, 1, 800, "y")
    z = np.concatenate([x, np.ones(3)])
    assert at.graph(z).kept.bytes == 0


def test_a_graph_keeps_no_tensor_alive():
    def draw():
        x = parameter(1, 2)
        y = np.exp(x)
        return weakref.ref(y), at.graph(y)

    gc.disable()
    try:
        tensor, g = draw()
        assert tensor() is None
    finally:
        gc.enable()
    assert g.nodes[-1].name == "y"


# Size.


def test_a_chain_of_100_000_ops():
    x = parameter(1)
    y = x
    for _ in range(100_000):
        y = np.tanh(y)
    g = at.graph(y)
    assert len(g.nodes) == 100_001
    assert len(g.edges) == 100_000
    assert str(g).startswith("tanh \N{MULTIPLICATION SIGN} 100,000  (1,)  100,000 nodes")


def test_a_diamond_of_40_levels():
    x = parameter(1)
    y = x
    for _ in range(40):
        y = y * y
    g = at.graph(y)
    assert len(g.nodes) == 41
    assert len(g.edges) == 80
    assert len(str(g).split("\n")) == 42
    assert g.to_svg().count("<rect") == 41 + 4


# Bad input.


@pytest.mark.parametrize("wrong", [np.ones(2), 1.0, [np.ones(2)], None])
def test_only_tensors_have_graphs(wrong):
    with pytest.raises(TypeError, match=r"at\.graph\(\) draws Tensors, and got "):
        at.graph(wrong)


def test_only_tensors_have_names():
    with pytest.raises(TypeError, match="got ndarray"):
        at.graph(at.ones(1), names={"x": np.ones(1)})


def test_no_tensor():
    with pytest.raises(ValueError, match="at least one tensor"):
        at.graph([])


def test_an_array_that_was_written_to_since_has_no_name():
    x = at.tensor([1.0, 2.0], requires_grad=True)
    c = np.array([3.0, 4.0])
    y = x * c
    assert "c" in {v.name for v in at.graph(y).nodes}
    c[:] = 7.0
    assert "c" not in {v.name for v in at.graph(y).nodes}
