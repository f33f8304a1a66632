"""The comparison of checkers, as a test, and the time that `gradcheck` takes.

To time it: ``pytest benchmarks --benchmark-enable``.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import autotensor as at
from benchmarks import boxes
from benchmarks.checkers import CHECKERS, Case, Checker, judged, main
from tests.checking.corpus import Wrong, detach
from tests.checking.test_shrinking import BUGS, property_of

RNG = np.random.default_rng(3)


@at.custom_op(x=lambda g, x: g / (1 + np.exp(-x)))
def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, 0.0)


@at.custom_op(x=lambda g, out: out * (g - np.sum(g * out)))
def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


OPS = {
    "softplus, 100 entries": (softplus, RNG.normal(size=(10, 10))),
    "softmax, a Jacobian of 100 entries": (softmax, RNG.normal(size=10)),
    "matmul, 100 entries": (np.matmul, [RNG.normal(size=(5, 10)), RNG.normal(size=(10, 5))]),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", OPS)
def test_gradcheck(benchmark: BenchmarkFixture, name: str, order: int) -> None:
    benchmark.group = f"gradcheck, order {order}"
    function, inputs = OPS[name]
    assert benchmark(at.gradcheck, function, inputs, order=order)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_shrinking(benchmark: BenchmarkFixture, bug: Callable[[], Any]) -> None:
    test = property_of(*bug())
    benchmark.group = "a planted bug, found and shrunk"

    def find() -> None:
        with pytest.raises(at.GradcheckError):
            test()

    benchmark.pedantic(find)


def sine(x: np.ndarray) -> np.ndarray:
    return np.sin(x)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "ok"), (1.5, "fail")])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.name)
def test_a_checker_tells_right_from_wrong(
    checker: Checker, order: int, factor: float, verdict: str
) -> None:
    if find_spec(checker.package) is None:
        pytest.skip(f"{checker.package} is not installed")
    boxes.prepare()

    def first(g: np.ndarray, x: np.ndarray) -> np.ndarray:
        return g * np.cos(x) * factor

    def second(g: np.ndarray, x: np.ndarray) -> np.ndarray:
        return g * (np.cos(x) * factor + np.cos(detach(x)) * (1 - factor))

    rules = {"x": first if order == 1 else second}
    inputs = [np.array([0.3, -1.2, 2.0])]
    ids = ("G15", "G20")[order - 1 : order]
    wrong = Wrong(lambda: (sine, rules), inputs, ids, "", order, {}, None)
    case = Case("sine", inputs, order, wrong, wrong.function(), {})
    if checker.takes(case):
        assert judged(checker, case).split()[0] == verdict


def test_the_comparison_runs(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", "^(sign|tanh saturated)$"])
    assert "| autotensor `gradcheck` | 1 of 1 | 0 of 1 | - |" in capsys.readouterr().out
