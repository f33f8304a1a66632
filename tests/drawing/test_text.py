"""The text tree: compared as a whole for a few graphs, and its bookkeeping for random ones."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autotensor as at
from autotensor.drawing.data import Vertex
from autotensor.drawing.text import tree


def test_a_small_network():
    x, y = at.ones((4, 3)), at.ones((4, 2))
    w = at.tensor(np.ones((2, 3)), requires_grad=True)
    b = at.tensor([0.0, 1.0], requires_grad=True)
    loss = np.mean((at.nn.relu(x @ w.T + b) - y) ** 2)
    *lines, caption = str(at.graph(loss)).split("\n")
    assert lines == [
        "loss  ()               mean           = 6.5",
        "└─ (4, 2)              (#7 - y) ** 2",
        "   ├─ #7  (4, 2)       relu",
        "   │  └─ (4, 2)        x @ w.T + b    = 3 … 3.5 … 4",
        "   │     ├─ x  (4, 3)  constant       = all 1",
        "   │     ├─ w  (2, 3)  requires grad  = all 1",
        "   │     └─ b  (2,)    requires grad  = [0, 1]",
        "   └─ y  (4, 2)        constant       = all 1",
    ]
    assert caption.startswith("kept for backward: ")


def test_shared_nodes_are_shown_once():
    x = at.tensor(2.0, requires_grad=True)
    s = [x * x]
    t = s[0] * s[0]
    u = np.tanh(t) + np.exp(t)
    assert at.graph(u).to_text(ascii=True).split("\n") == [
        "u  ()              #4 + #5        = 8.886e+06",
        "|- #4  ()          tanh           = 1",
        "|  `- t  ()        #2 * #2        = 16",
        "|     `- #2  ()    x * x          = 4",
        "|        `- x  ()  requires grad  = 2",
        "`- #5  ()          exp(t)         = 8.886e+06",
        "kept for backward: 32 B in 4 arrays (largest: x 8 B)",
    ]


def test_several_roots_stand_at_the_margin():
    x = at.tensor([1.0, 2.0, 3.0, 4.0, 5.0], requires_grad=True)
    h = np.exp(x)
    total = h.sum()
    assert at.graph([total, h]).to_text(ascii=True).split("\n")[:-1] == [
        "h  (5,)     exp            = 2.718 ... 46.64 ... 148.4",
        "`- x  (5,)  requires grad  = 1 ... 3 ... 5",
        "total  ()   sum(h)         = 233.2",
    ]


def test_names_that_are_no_words_or_not_unique_are_mentioned_by_number():
    x = at.tensor(1.0, requires_grad=True, name="a b")
    y = at.tensor(1.0, requires_grad=True, name="w")
    z = at.tensor(1.0, requires_grad=True, name="w\0")  # shown as w
    v = at.tensor(1.0, requires_grad=True, name="layers.0.w")
    text = at.graph(x + y + z + v).to_text(ascii=True)
    assert "#1 + #2 + #3 + layers.0.w" in text
    assert "a b #1  ()" in text
    assert "w #2  ()" in text
    assert "w #3  ()" in text


def test_long_chains_stay_in_the_window():
    x = at.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(200):
        y = np.tanh(y)
    lines = at.graph(y).to_text().split("\n")
    assert len(lines) == 202
    assert max(map(len, lines)) < 80
    # Every line that starts anew at the margin was announced by its number above.
    margin = [re.match(r"#\d+", line)[0] for line in lines[1:-1] if line[0] == "#"]
    assert len(margin) > 5
    for number in margin:
        assert any(f"tanh({number}) " in line for line in lines)


def test_a_cut_tree_says_so():
    y = at.tensor(1.0, requires_grad=True)
    for _ in range(1200):
        y = np.tanh(y)
    g = at.graph(y, max_nodes=2000)
    assert len(str(g).split("\n")) == 1002
    assert "... and 201 more nodes; to_text() has all" in str(g)
    assert len(g.to_text().split("\n")) == 1202


def test_ascii_escapes_everything_else():
    β = at.tensor([1.0] * 9, requires_grad=True, name="β" * 70)
    text = at.graph(np.tanh(β)).to_text(ascii=True)
    assert text.isascii()
    assert r"\u03b2\u03b2..." in text


def test_wide_characters_keep_the_columns():
    x = at.tensor(np.ones(9), requires_grad=True, name="損失")
    lines = at.graph(x + np.exp(x), names={}).to_text().split("\n")
    assert lines[1] == "├─ 損失  (9,)  requires grad  = all 1"
    assert lines[2] == "└─ #2  (9,)    exp(損失)      = all 2.718"


@st.composite
def graphs(draw):
    """Vertices of a random graph: leaves, binary and unary ops, some named, one root."""
    count = draw(st.integers(1, 25))
    vertices = []
    for id in range(1, count + 1):
        name = draw(st.sampled_from([None, None, f"v{id}"]))
        op = draw(st.sampled_from(["", "tanh", "add", "power", "maximum"])) if id > 1 else ""
        operand = st.integers(1, max(id - 1, 1))
        arguments = {
            "": (),
            "tanh": (operand,),
            "power": (operand, st.just("2")),
        }.get(op, (operand, operand))
        kind = "op" if op else draw(st.sampled_from(["leaf", "constant"]))
        vertices.append(
            Vertex(
                id,
                kind,
                name,
                (3,),
                "float64",
                root=id == count or draw(st.integers(0, 9)) == 0,
                op=op,
                arguments=tuple(draw(a) for a in arguments),
            )
        )
    return vertices


def reachable(vertices):
    by_id = {v.id: v for v in vertices}
    found, stack = set(), [v.id for v in vertices if v.root]
    while stack:
        id = stack.pop()
        if id not in found:
            found.add(id)
            stack += [a for a in by_id[id].arguments if isinstance(a, int)]
    return [v for v in vertices if v.id in found]


@given(graphs())
def test_every_mention_has_its_line(vertices):
    vertices = reachable(vertices)
    lines = tree(vertices, "").split("\n")[:-1]
    heads, bodies = zip(*(re.split(r"(?<=\(3,\)) +", line) for line in lines), strict=True)
    shown = [m[0] for head in heads if (m := re.search(r"[#v]\d+", head))]
    mentioned = {m for body in bodies for m in re.findall(r"[#v]\d+", body)}
    assert len(shown) == len(set(shown))
    assert mentioned <= set(shown)
    # A number is there only to be mentioned; names always are.
    assert {s for s in shown if s[0] == "#"} <= mentioned
    assert {v.name for v in vertices if v.name} <= set(shown)
    # Leaves, names and roots have lines; every op is in a line of its own or in an expression.
    for op, sign in (("tanh", "tanh"), ("maximum", "maximum"), ("add", " + "), ("power", " ** ")):
        ops = [v for v in vertices if v.op == op]
        assert sum(body.count(sign) for body in bodies) == len(ops)


@pytest.mark.parametrize("max_lines", [0, 1, 2, 3])
def test_the_number_of_lines_is_kept(max_lines):
    x = at.tensor(np.ones(9), requires_grad=True)
    vertices = at.graph(np.tanh(np.exp(x))).nodes
    lines = tree(vertices, "caption", max_lines=max_lines).split("\n")
    assert len(lines) == max_lines + (2 if max_lines < 3 else 1)
    assert lines[-1] == "caption"


def test_lines_are_shown_where_they_were_recorded():
    x = at.tensor(2.0, requires_grad=True)
    with at.record_lines():
        y = np.exp(x)
    *lines, _ = at.graph(y * 1.0, show="shape value line").to_text(ascii=True).split("\n")
    number = test_lines_are_shown_where_they_were_recorded.__code__.co_firstlineno + 3
    assert lines == [
        "()           y * 1.0        = 7.389",
        f"`- y  ()     exp            = 7.389  test_text.py:{number}",
        "   `- x  ()  requires grad  = 2",
    ]
    assert f"keeps 8 B for backward, test_text.py:{number}</title>" in at.graph(y).to_svg()
