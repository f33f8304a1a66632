"""The workloads of ours and by hand, as tests and for pytest-benchmark.

The ordinary test run goes through each once and holds its gradients to the hand-written ones. To
time them: ``pytest benchmarks --benchmark-enable``.
"""

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import readme
from benchmarks.contenders import HAND_WRITTEN, Workload
from benchmarks.peers import REPORTS, compare, main, run_once
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


@pytest.mark.parametrize("name", REPORTS)
def test_the_comparison_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--rounds", "1", "--only", name])
    printed = capsys.readouterr().out
    assert f"--only {name}" in printed
    assert "1.00" in printed or "needs Linux" in printed


def test_only_all_figures_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--quick", "--write", "--only", "chain"])
    assert "--write is for all figures" in capsys.readouterr().err


def test_figures_are_written_between_the_markers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readme, "README", tmp_path / "README.md")
    readme.README.write_text("before\n<!-- bench: by x -->\nold\n<!-- /bench -->\nafter\n")
    times = {HAND_WRITTEN: [0.002] * 5, "autotensor": [0.002, 0.004, 0.003, 0.003, 0.005]}
    rows = [readme.Row("a chain", "node", times), readme.Row("b", "step", {HAND_WRITTEN: [2e-6]})]
    peaks = {"a chain": {HAND_WRITTEN: (100 << 20, 0), "autotensor": (110 << 20, 0)}}
    curves = {"nodes": {10: [1e-6], 1000: [1.5e-6]}, "weights": {10: [4e-5], 100: [4e-5]}}
    readme.write(rows, peaks, curves, 1.23, "a command")
    start, _, end = readme.README.read_text().partition("5 interleaved rounds of\n`a command`")
    assert start.startswith("before\n<!-- bench: by x -->\n")
    assert end.endswith(
        """
| work | by hand | autotensor |
|---|---|---|
| a chain, per node | 2.00 ms | 1.50 (1.50-2.00) |
| b | 2.00 µs | - |

Peak memory of the large ones, inputs and parameters included, in fresh processes:

| work | by hand | autotensor |
|---|---|---|
| a chain | 100 MiB | 1.10 |

Time per unit at rising size, level where it is linear:

| µs per unit, of | 10 | 100 | 1,000 | time grows as |
|---|---|---|---|---|
| nodes | 1.00 |  | 1.50 | n^1.09 |
| weights | 40 | 40 |  | n^1.00 |

`import autotensor` takes 1.2 times as long as `import numpy`.
<!-- /bench -->
after
"""
    )
