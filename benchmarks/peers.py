"""Compare autotensor with hand-written NumPy and with every peer that is installed.

Contenders take turns, round by round, so that what the machine does besides falls on all of them
alike; a ratio is taken within each round, and the median of these ratios is printed with their
middle half in brackets. Everything runs on one thread. Run it on a machine that is doing nothing
else, with ``python -m benchmarks.peers``.
"""

import argparse
import gc
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.contenders import HAND_WRITTEN, LIBRARIES, Step, Workload
from benchmarks.loops import LOOPS
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.deep_chain import with_autotensor as deep_chain

Name = TypeVar("Name", str, int)

ROOT = Path(__file__).resolve().parents[1]

# How long a contender runs in one round, in seconds; --quick only shows that everything runs.
TURN = 0.05
QUICK_TURN = 0.002

DEEP_NODES = (10_000, 1_000_000, 2_000_000)
QUICK_DEEP_NODES = (100, 10_000, 20_000)


# Timing.


def seconds(step: Step, repeats: int, units: int = 1) -> float:
    """Time of one unit of a step, in seconds, without the garbage of whoever ran before."""
    gc.collect()
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / (repeats * units)


def take_turns(turns: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, list[float]]:
    """Let everyone be timed once a round, each round beginning with the next in line."""
    times: dict[Name, list[float]] = {name: [] for name in turns}
    names = list(turns)
    # The garbage collector no longer looks through what is there by now; else each library would be
    # slowed by the mere presence of the others.
    gc.collect()
    gc.freeze()
    for k in range(rounds):
        shift = k % len(names)
        for name in names[shift:] + names[:shift]:
            times[name].append(turns[name]())
    gc.unfreeze()
    return times


def ratios(times: Sequence[float], base: Sequence[float]) -> str:
    """Median and middle half of the ratios within each round, as text."""
    each = [time / of for time, of in zip(times, base, strict=True)]
    low, middle, high = np.percentile(each, (25, 50, 75))
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


# Reports.


def report_workload(works: Sequence[Workload], rounds: int, quick: bool) -> None:
    """Check and time all contenders of a workload that are installed."""
    workload = works[1 if quick else 0]
    print(f"\n{workload.title}")
    turns = {}
    _, hand_written = run_once(workload, HAND_WRITTEN)
    for name in workload.contenders:
        if name != HAND_WRITTEN and find_spec(LIBRARIES[name]) is None:
            continue
        step, gradients = run_once(workload, name)
        compare(name, gradients, hand_written, workload.rtol)
        repeats = math.ceil((QUICK_TURN if quick else TURN) / seconds(step, 3))
        turns[name] = partial(seconds, step, repeats, workload.units)

    times = take_turns(turns, rounds)

    print_row(f"{rounds} rounds", f"µs a {workload.unit}", "x hand-written", "x PyTorch")
    for name, own in times.items():
        print_row(
            name,
            f"{statistics.median(own) * 1e6:.2f}",
            ratios(own, times[HAND_WRITTEN]),
            ratios(own, times["PyTorch"]) if "PyTorch" in times else "-",
        )


def compare(
    name: str, gradients: Sequence[np.ndarray], expected: Sequence[np.ndarray], rtol: float
) -> None:
    """Raise AssertionError unless the gradients are as expected."""
    for found, known in zip(gradients, expected, strict=True):
        scale = float(np.abs(known).max())
        np.testing.assert_allclose(
            found, known, rtol=rtol, atol=rtol * scale, err_msg=f"{name}: wrong gradient"
        )


def run_once(workload: Workload, name: str) -> tuple[Step, list[np.ndarray]]:
    """Set a contender up; its step, and the gradients of the first one."""
    step, gradients = workload.contenders[name]()
    step()
    found = [np.array(gradient) for gradient in gradients()]
    return step, found


def report_deep_chain(rounds: int, quick: bool) -> None:
    """Time and peak memory of autotensor per node, at rising depth."""
    sizes = QUICK_DEEP_NODES if quick else DEEP_NODES
    turns = {}
    peaks = {}
    at_first = peak_memory()
    for nodes in sizes:  # rising, since the peak is that of the whole process so far
        step, _ = deep_chain(nodes // 2)
        step()
        peaks[nodes] = peak_memory() - at_first
        repeats = max(1, sizes[1] // nodes)
        turns[nodes] = partial(seconds, step, repeats, nodes)
    rounds = max(1, rounds // 4)  # a turn here takes seconds, not hundredths
    times = take_turns(turns, rounds)

    print_row(
        f"{rounds} rounds", "µs a node", f"x {sizes[0]:,}", f"x {sizes[1]:,}", "peak memory added"
    )
    for nodes, own in times.items():
        print_row(
            f"{nodes:,} nodes",
            f"{statistics.median(own) * 1e6:.2f}",
            ratios(own, times[sizes[0]]),
            ratios(own, times[sizes[1]]),
            f"{peaks[nodes] / 2**20:.0f} MiB",
        )


def peak_memory() -> int:
    """Highest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def report_loops(rounds: int, quick: bool) -> None:
    """Time of loops over the entries of an array, at a length and at twice that."""
    short = 100 if quick else 10_000
    rounds = max(1, rounds // 4)
    print_row(f"{rounds} rounds", "length", "µs an entry", f"x {short:,}, in all")
    for name, loop in LOOPS.items():
        turns = {n: partial(seconds, loop(n), 1) for n in (short, 2 * short)}
        times = take_turns(turns, rounds)
        for n, own in times.items():
            median = statistics.median(own) / n
            print_row(name, f"{n:,}", f"{median * 1e6:.1f}", ratios(own, times[short]))


def report_import_time(rounds: int, quick: bool) -> None:
    """Time to import NumPy alone, and autotensor with the NumPy it needs, in fresh processes."""
    with tempfile.TemporaryDirectory() as cache:
        turns = {name: partial(import_seconds, name, cache) for name in ("numpy", "autotensor")}
        take_turns(turns, 1)  # compiles and fills the caches
        times = take_turns(turns, rounds)
    print_row(f"{rounds} rounds", "ms", "x numpy")
    for name, own in times.items():
        print_row(name, f"{statistics.median(own) * 1e3:.1f}", ratios(own, times["numpy"]))


def import_seconds(module: str, cache: str) -> float:
    """Time of one import in a fresh interpreter, with byte code that lies ready in the cache."""
    code = f"from time import perf_counter as now; t = now(); import {module}; print(now() - t)"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": cache}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return float(subprocess.check_output([sys.executable, "-c", code], env=env))


def print_row(name: str, *cells: str) -> None:
    print(f"  {name:<16}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


# The command.


def processor() -> str:
    """Name of the processor and how many cores the machine has."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores, of which one is used"


def versions() -> str:
    """Python, NumPy, and the libraries that are compared."""
    found = [f"Python {platform.python_version()}", f"numpy {np.__version__}"]
    for library in LIBRARIES.values():
        try:
            found.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            missing = find_spec(library) is None
            found.append(f"{library} {'not installed' if missing else 'from the checkout'}")
    return ", ".join(found)


def hold_to_one_thread() -> None:
    """Set what the environment variables of this package do not reach, and float64 for JAX."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    if find_spec("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)


def main(arguments: Sequence[str] | None = None) -> None:
    reports: dict[str, tuple[str, Callable[[int, bool], None]]] = {
        **{name: ("", partial(report_workload, works)) for name, works in WORKLOADS.items()},
        "growth": ("deep chain (multiply, add) on 1 element, by depth", report_deep_chain),
        "loops": ("loops over the entries of an array, forward and backward", report_loops),
        "import-time": ("import, in a fresh interpreter", report_import_time),
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=13, help="turns of each contender")
    parser.add_argument("--only", choices=reports, help="one of the comparisons")
    parser.add_argument("--quick", action="store_true", help="see that it runs; no figures to cite")
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)

    hold_to_one_thread()
    print("command:   ", parser.prog, *arguments)
    print("processor: ", processor())
    print("versions:  ", versions())
    for name in [options.only] if options.only else reports:
        title, report = reports[name]
        if title:
            print(f"\n{title}")
        report(options.rounds, options.quick)


if __name__ == "__main__":
    main()
