"""One contender in a process of its own: its peak memory, and what page faults cost it.

Memory that a process has freed goes back to the system and costs a page fault for each 4 KiB when
it is fresh again, unless the allocator keeps it. What is there before decides that, so each
measurement has a fresh process: ``python -m benchmarks.alone NAME SIZE CONTENDER WHAT`` prints it
as JSON.
"""

import ctypes
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders import HAND_WRITTEN, LIBRARIES, Step
from benchmarks.machine import hold_to_one_thread
from benchmarks.measure import print_row, take_turns
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[1]

# In these small arrays decide, whose memory is not worth looking at.
SMALL = ("training-step", "chain", "deep-chain")
LARGE = [name for name in WORKLOADS if name not in SMALL]
COMPARED = (HAND_WRITTEN, "autotensor", "PyTorch")

# What tells the allocator of glibc to keep what is freed, both together: either alone is worse than
# none. Of its own accord it keeps more once a large array was freed, of 32 MiB at most.
KEPT = {"MALLOC_TRIM_THRESHOLD_": str(1 << 32), "MALLOC_MMAP_MAX_": "0"}
SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "as it is": ({}, "time"),
    "no huge pages": ({"NUMPY_MADVISE_HUGEPAGE": "0"}, "time"),
    "32 MiB freed": ({}, "time-after-a-large-array"),
    "memory kept": (KEPT, "time"),
}


# In the process of its own.


def measure(name: str, size: int, contender: str, what: str) -> dict[str, float]:
    """What is asked for of a contender, in this process."""
    if contender == "PyTorch":  # the others need none of the libraries that this imports
        hold_to_one_thread()
    works = WORKLOADS[name]
    warm, _ = works[1].contenders[contender]()
    for _ in range(3):  # now all code is loaded
        warm()
    del warm
    if what == "memory":
        before = resident()
        step, _ = works[size].contenders[contender]()
        ready = resident()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
        for _ in range(3):
            step()
        return {"peak": status("VmHWM") - before, "ready": ready - before}
    if what == "time-after-a-large-array":
        np.empty((32 << 20) - (1 << 16), np.uint8)
    step, _ = works[size].contenders[contender]()
    return timed(step)


def timed(step: Step) -> dict[str, float]:
    """Median seconds of a step, and its page faults."""
    step()
    each: list[float] = []
    faults = faults_so_far()
    while sum(each) < 0.3 or len(each) < 3:
        start = time.perf_counter()
        step()
        each.append(time.perf_counter() - start)
    return {
        "seconds": statistics.median(each),
        "faults": (faults_so_far() - faults) / len(each),
    }


def faults_so_far() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def resident() -> int:
    """Resident memory in bytes, once what is free has gone back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return status("VmRSS")


def status(field: str) -> int:
    """A size among what Linux tells of this process, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


# Beside others.


def run_alone(
    name: str, size: int, contender: str, what: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """`measure` in a fresh process with these variables set."""
    command = [sys.executable, "-m", "benchmarks.alone", name, str(size), contender, what]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    found: dict[str, Any] = json.loads(subprocess.check_output(command, env=env, cwd=ROOT))
    return found


def compared() -> list[str]:
    return [c for c in COMPARED if c == HAND_WRITTEN or find_spec(LIBRARIES[c])]


def can_measure() -> bool:
    """Whether this is Linux with glibc, and its memory open to look into."""
    return hasattr(ctypes.CDLL(None), "malloc_trim") and os.access("/proc/self/clear_refs", os.W_OK)


def report_memory(rounds: int, quick: bool, sizes: bool) -> dict[str, dict[str, tuple[int, int]]]:
    """Print and give the peak memory of the large workloads: what they take, and in three steps.

    All of a workload counts, inputs and parameters too. Each runs in a process of its own, in which
    the libraries have run the smaller size before.
    """
    if not can_measure():
        print("  needs Linux and glibc")
        return {}
    peaks: dict[str, dict[str, tuple[int, int]]] = {}
    for name in LARGE[:1] if quick else LARGE:
        for size in (1,) if quick else (0, 2) if sizes else (0,):
            work = WORKLOADS[name][size]
            print(f"\n{work.title}")
            print_row("peak memory", "MiB", "before the steps", "x hand-written")
            found = {}
            for contender in compared():
                if contender in work.contenders:
                    one = run_alone(name, size, contender, "memory", {})
                    found[contender] = (one["peak"], one["ready"])
            for contender, (peak, ready) in found.items():
                share = f"{peak / max(1, found[HAND_WRITTEN][0]):.2f}"
                print_row(contender, f"{peak / 2**20:.1f}", f"{ready / 2**20:.1f}", share)
            peaks[work.title] = found
    return peaks


def report_page_faults(rounds: int, quick: bool, sizes: bool) -> None:
    """Print time and page faults of a step as the allocator is set."""
    if not can_measure():
        print("  needs Linux and glibc")
        return
    rounds = max(1, rounds // 4)  # each is a process
    for name in LARGE[:1] if quick else LARGE:
        for size in (1,) if quick else (0, 2) if sizes else (0,):
            print(f"\n{WORKLOADS[name][size].title}")
            faults: dict[str, list[float]] = {}
            turns = {}
            for contender in (HAND_WRITTEN, "autotensor"):
                for setting, (environment, what) in list(SETTINGS.items())[:: 3 if quick else 1]:
                    label = f"{contender}, {setting}"
                    faults[label] = []

                    def turn(
                        contender: str = contender,
                        what: str = what,
                        environment: Mapping[str, str] = environment,
                        seen: list[float] = faults[label],
                        name: str = name,
                        size: int = size,
                    ) -> float:
                        one = run_alone(name, size, contender, what, environment)
                        seen.append(one["faults"])
                        return float(one["seconds"])

                    turns[label] = turn
            times = take_turns(turns, rounds)
            base = times[f"{HAND_WRITTEN}, as it is"]
            print_row(f"{rounds} rounds", "", "ms", "faults", "x hand-written as it is")
            for label, own in times.items():
                share = statistics.median(t / b for t, b in zip(own, base, strict=True))
                print_row(
                    f"{label:<30}",
                    f"{statistics.median(own) * 1e3:.2f}",
                    f"{statistics.median(faults[label]):.0f}",
                    f"{share:.2f}",
                )


if __name__ == "__main__":
    name, size, contender, what = sys.argv[1:]
    print(json.dumps(measure(name, int(size), contender, what)))
