"""The workloads of ours and by hand, as tests and for pytest-benchmark.

The ordinary test run goes through each once and holds its gradients to the hand-written ones. To
time them: ``pytest benchmarks --benchmark-enable``.
"""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.peers import main, run_once
from benchmarks.workloads import HAND_WRITTEN, WORKLOADS, deep_chain, deep_chain_gradient


@pytest.mark.parametrize("contender", [HAND_WRITTEN, "autotensor"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_workload(benchmark: BenchmarkFixture, name: str, contender: str) -> None:
    workload = WORKLOADS[name]
    benchmark.group = workload.title
    step, gradients = run_once(workload, contender)
    _, expected = run_once(workload, HAND_WRITTEN)
    for found, known in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-12)
    benchmark(step)


@pytest.mark.parametrize("nodes", [100, 10_000])
def test_deep_chain(benchmark: BenchmarkFixture, nodes: int) -> None:
    benchmark.group = "deep chain"
    step, gradients = deep_chain(nodes)
    benchmark(step)
    np.testing.assert_allclose(gradients()[0], deep_chain_gradient(nodes), rtol=1e-9)


@pytest.mark.parametrize("name", [*WORKLOADS, "deep-chain", "loops", "import-time"])
def test_the_comparison_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--rounds", "1", "--only", name])
    printed = capsys.readouterr().out
    assert f"--only {name}" in printed
    assert "1 rounds" in printed
    assert "1.00 (1.00-1.00)" in printed
