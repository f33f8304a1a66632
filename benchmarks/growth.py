"""Growth: time per unit at rising size, which is level where time is linear; and imports."""

import math
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

import autotensor as at
from benchmarks.contenders import Step
from benchmarks.loops import LOOPS
from benchmarks.measure import micro, print_row, quartiles, ratios, seconds, take_turns
from benchmarks.workloads.deep_chain import with_autotensor as deep_chain

ROOT = Path(__file__).resolve().parents[1]


def chain(nodes: int) -> Step:
    """A chain, as deep as it has nodes."""
    return deep_chain(nodes // 2)[0]


def random_graph(nodes: int) -> Step:
    """Each node of two random ones before it, so that many have many users."""
    draw = random.Random(0)
    places = [(draw.randrange(k + 1), draw.randrange(k + 1)) for k in range(nodes)]
    x = at.tensor(np.linspace(-1, 1, 10), requires_grad=True)

    def step() -> None:
        x.grad = None
        values = [x]
        for k, (i, j) in enumerate(places):
            values.append(np.tanh(values[i]) if k % 2 else values[i] - values[j])
        sum(values[-10:]).sum().backward()

    return step


def parameters(count: int) -> Step:
    """Layers one after the other with `count` parameters in all, and a step of Adam."""
    model = at.nn.Sequential(*[at.nn.Dense(4, 4, bias=True) for _ in range(count // 2)])
    optimizer = at.optim.Adam(model.parameters())
    x = at.tensor(np.random.default_rng(0).normal(size=(8, 4)))

    def step() -> None:
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()

    return step


# What grows, what is counted, how it is made, the sizes, and those of --quick.
CURVES: list[tuple[str, str, Callable[[int], Step], Sequence[int], Sequence[int]]] = [
    (
        "chain of multiply, add",
        "node",
        chain,
        (100, 1_000, 10_000, 100_000, 1_000_000, 2_000_000),
        (100, 1_000),
    ),
    (
        "random graph of subtract, tanh",
        "node",
        random_graph,
        (100, 1_000, 10_000, 100_000),
        (100, 1_000),
    ),
    (
        "layers 4 → 4 and Adam",
        "parameter",
        parameters,
        (10, 100, 1_000, 10_000),
        (10, 100),
    ),
]


def report_growth(rounds: int, quick: bool, sizes: bool) -> dict[str, dict[int, list[float]]]:
    """Print and give the times per unit at each size of each curve, and what memory they add.

    The exponent is that of a power law through the last two sizes: 1 where time is linear.
    """
    curves = {}
    rounds = max(1, rounds // 4)  # a turn here takes seconds, not hundredths
    for title, unit, make, usual, few in CURVES:
        counts = few if quick else usual
        print(f"\n{title}")
        turns = {}
        peaks = {}
        at_first = peak_memory()
        for count in counts:  # rising, since the peak is that of the whole process so far
            step = make(count)
            step()
            peaks[count] = peak_memory() - at_first
            repeats = max(1, counts[-1] // count // 10)
            turns[count] = partial(seconds, step, repeats, count)
        times = take_turns(turns, rounds)
        curves[title] = times
        print_row(f"{rounds} rounds", f"µs a {unit}", f"x {counts[0]:,}", "peak memory added")
        for count, own in times.items():
            added = f"{peaks[count] / 2**20:.0f} MiB"
            print_row(f"{count:,} {unit}s", micro(own), ratios(own, times[counts[0]]), added)
        print(f"  exponent {exponent(times, *counts[-2:]):.2f}")
    return curves


def exponent(times: dict[int, list[float]], small: int, large: int) -> float:
    """By which power of the size the time grows, between two sizes."""
    return 1 + math.log(quartiles(times[large], times[small])[1]) / math.log(large / small)


def peak_memory() -> int:
    """Highest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def report_loops(rounds: int, quick: bool, sizes: bool) -> None:
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


def report_import_time(rounds: int, quick: bool, sizes: bool) -> float:
    """Time to import NumPy alone, and autotensor with the NumPy it needs, in fresh processes."""
    with tempfile.TemporaryDirectory() as cache:
        turns = {name: partial(import_seconds, name, cache) for name in ("numpy", "autotensor")}
        take_turns(turns, 1)  # compiles and fills the caches
        times = take_turns(turns, rounds)
    print_row(f"{rounds} rounds", "ms", "x numpy")
    for name, own in times.items():
        print_row(name, f"{statistics.median(own) * 1e3:.1f}", ratios(own, times["numpy"]))
    return quartiles(times["autotensor"], times["numpy"])[1]


def import_seconds(module: str, cache: str) -> float:
    """Time of one import in a fresh interpreter, with byte code that lies ready in the cache."""
    code = f"from time import perf_counter as now; t = now(); import {module}; print(now() - t)"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": cache}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return float(subprocess.check_output([sys.executable, "-c", code], env=env))
