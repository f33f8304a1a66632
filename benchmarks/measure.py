"""Timing: everyone in turn, round by round."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from benchmarks.contenders import Step

Name = TypeVar("Name", str, int)


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


def quartiles(times: Sequence[float], base: Sequence[float]) -> tuple[float, float, float]:
    """The quartiles of the ratios within each round."""
    each = [time / of for time, of in zip(times, base, strict=True)]
    low, middle, high = np.percentile(each, (25, 50, 75))
    return float(low), float(middle), float(high)


def ratios(times: Sequence[float], base: Sequence[float]) -> str:
    """Median and middle half of the ratios within each round, as text."""
    low, middle, high = quartiles(times, base)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def micro(times: Sequence[float]) -> str:
    """The median in microseconds, as text."""
    return f"{statistics.median(times) * 1e6:.2f}"


def print_row(name: str, *cells: str) -> None:
    print(f"  {name:<16}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
