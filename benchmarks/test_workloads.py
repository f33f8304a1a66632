"""The workloads of ours and by hand, as tests and for pytest-benchmark.

The ordinary test run goes through each once and holds its gradients to the hand-written ones. To
time them: ``pytest benchmarks --benchmark-enable``.
"""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.contenders import HAND_WRITTEN, Workload
from benchmarks.peers import compare, main, run_once
from benchmarks.workloads import WORKLOADS

ALL = [
    pytest.param(work, id=work.title, marks=[pytest.mark.deep] if work.units > 100_000 else [])
    for works in WORKLOADS.values()
    for work in works
]


@pytest.mark.parametrize("contender", [HAND_WRITTEN, "autotensor"])
@pytest.mark.parametrize("workload", ALL)
def test_workload(benchmark: BenchmarkFixture, workload: Workload, contender: str) -> None:
    benchmark.group = workload.title
    step, gradients = run_once(workload, contender)
    _, expected = run_once(workload, HAND_WRITTEN)
    compare(contender, gradients, expected, workload.rtol)
    benchmark(step)


@pytest.mark.parametrize("name", [*WORKLOADS, "growth", "loops", "import-time"])
def test_the_comparison_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--rounds", "1", "--only", name])
    printed = capsys.readouterr().out
    assert f"--only {name}" in printed
    assert "1 rounds" in printed
    assert "1.00 (1.00-1.00)" in printed
