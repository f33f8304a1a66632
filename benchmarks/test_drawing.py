"""How long pictures take to draw: our layout beside `dot`, and large pictures in all.

The ordinary test run goes through each once. To time them, with the ratio to `dot` in the column
in parentheses: ``pytest benchmarks/test_drawing.py --benchmark-enable``.
"""

import random
import shutil
import subprocess

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from autotensor.drawing.data import Vertex, edges_of
from autotensor.drawing.dot import dot
from autotensor.drawing.svg import svg


def op(id: int, *arguments: int) -> Vertex:
    if not arguments:
        return Vertex(id, "leaf", f"w{id}", (64, 64), "float64")
    return Vertex(id, "op", None, (64, 64), "float64", op="matmul", arguments=arguments)


def chain(count: int) -> list[Vertex]:
    return [op(i, *([i - 1] if i > 1 else [])) for i in range(1, count + 1)]


def grid(count: int) -> list[Vertex]:
    """A square in which each vertex uses two of the row above."""
    side = int(count**0.5)
    return [
        op(
            row * side + column + 1,
            *([(row - 1) * side + (column + aside) % side + 1 for aside in (0, 1)] if row else []),
        )
        for row in range(side)
        for column in range(side)
    ]


def random_dag(count: int) -> list[Vertex]:
    draw = random.Random(0)

    def operands(i: int) -> list[int]:
        return [draw.randrange(max(1, i - 30), i) for _ in range(draw.choice((1, 2)))]

    return [op(i, *(operands(i) if i > 5 else [])) for i in range(1, count + 1)]


def blocks(count: int) -> list[Vertex]:
    """24 blocks of products with weights, with residuals across a few ops and across the block."""
    draw = random.Random(0)
    vertices = [op(1)]

    def add(*arguments: int) -> int:
        vertices.append(op(len(vertices) + 1, *arguments))
        return len(vertices)

    last = 1
    for block in range(1, 25):
        mine = [last]
        while len(vertices) < count * block // 24:
            last = add(last, add())
            if draw.random() < 0.5:
                last = add(last, mine[max(0, len(mine) - draw.randint(1, 8))])
            mine.append(last)
        last = add(last, mine[0])
    return vertices


GRAPHS = {make.__name__: make for make in (chain, grid, random_dag, blocks)}


@pytest.mark.parametrize("contender", ["autotensor", "dot"])
@pytest.mark.parametrize("name", GRAPHS)
def test_layout_beside_dot(benchmark: BenchmarkFixture, name: str, contender: str) -> None:
    if contender == "dot" and shutil.which("dot") is None:
        pytest.skip("needs the program dot of Graphviz")
    # Once without timing, dot takes seconds for 2,000.
    vertices = GRAPHS[name](2000 if benchmark.enabled else 200)
    edges = edges_of(vertices)
    benchmark.group = f"{name} of 2,000 nodes to SVG"
    if contender == "dot":
        document = dot(vertices, edges, "").encode()
        command = ["dot", "-Tsvg"]

        def run() -> bytes:
            return subprocess.run(command, input=document, capture_output=True, check=True).stdout

        drawn = benchmark.pedantic(run)  # once: it may take a quarter of a minute
        assert drawn.count(b'class="node"') == len(vertices)
    else:
        drawn = benchmark(lambda: svg(vertices, edges, ""))
        assert drawn.count("<title>#") == len(vertices)


@pytest.mark.parametrize("name", GRAPHS)
def test_ten_thousand_nodes(benchmark: BenchmarkFixture, name: str) -> None:
    vertices = GRAPHS[name](10_000)
    benchmark.group = "10,000 nodes to SVG"
    drawn = benchmark(lambda: svg(vertices, edges_of(vertices), ""))
    assert drawn.count("<title>#") == len(vertices)
