"""Compare autotensor with hand-written NumPy and with every peer that is installed.

Contenders take turns, round by round, so that what the machine does besides falls on all of them
alike; a ratio is taken within each round, and the median of these ratios is printed with their
middle half in brackets. Everything runs on one thread, and no contender is timed before its
gradients are the hand-written ones. Run it on a machine that is doing nothing else, with
``python -m benchmarks.peers``; ``--write`` puts the tables into the README.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.alone import report_memory, report_page_faults
from benchmarks.contenders import HAND_WRITTEN, LIBRARIES, Step, Workload
from benchmarks.growth import report_growth, report_import_time, report_loops
from benchmarks.machine import hold_to_one_thread, processor, versions
from benchmarks.measure import micro, print_row, ratios, seconds, take_turns
from benchmarks.readme import Row, write
from benchmarks.workloads import WORKLOADS

# How long a contender runs in one round, in seconds; --quick only shows that everything runs.
TURN = 0.05
QUICK_TURN = 0.002


def report_workload(works: Sequence[Workload], rounds: int, quick: bool, sizes: bool) -> list[Row]:
    """Check and time all contenders of a workload that are installed, at one size or at all."""
    some = works[1:2] if quick else works if sizes else works[:1]
    return [timed(work, rounds, QUICK_TURN if quick else TURN) for work in some]


def timed(workload: Workload, rounds: int, turn: float) -> Row:
    """Check and time all contenders that are installed, each for `turn` seconds in a round."""
    print(f"\n{workload.title}")
    turns = {}
    _, hand_written = run_once(workload, HAND_WRITTEN)
    for name in workload.contenders:
        if name != HAND_WRITTEN and find_spec(LIBRARIES[name]) is None:
            continue
        step, gradients = run_once(workload, name)
        compare(name, gradients, hand_written, workload.rtol)
        once = seconds(step, 1)
        repeats = 1 if once > turn else math.ceil(turn / seconds(step, 3))
        turns[name] = partial(seconds, step, repeats, workload.units)
    times = take_turns(turns, rounds)
    print_row(f"{rounds} rounds", f"µs a {workload.unit}", "x hand-written", "x PyTorch")
    for name, own in times.items():
        beside = ratios(own, times["PyTorch"]) if "PyTorch" in times else "-"
        print_row(name, micro(own), ratios(own, times[HAND_WRITTEN]), beside)
    return Row(workload.title, workload.unit, times)


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


# Each prints, and gives what the README has of it; the title stands above those without their own.
REPORTS: dict[str, tuple[str, Callable[[int, bool, bool], Any]]] = {
    **{name: ("", partial(report_workload, works)) for name, works in WORKLOADS.items()},
    "memory": ("peak memory of the large workloads, in fresh processes", report_memory),
    "page-faults": ("page faults of the large workloads, in fresh processes", report_page_faults),
    "growth": ("growth with the number of nodes, and of parameters", report_growth),
    "loops": ("loops over the entries of an array, forward and backward", report_loops),
    "import-time": ("import, in a fresh interpreter", report_import_time),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=13, help="turns of each contender")
    parser.add_argument("--only", choices=REPORTS, help="one of the comparisons")
    parser.add_argument("--sizes", action="store_true", help="smaller and larger sizes too")
    parser.add_argument("--quick", action="store_true", help="see that it runs; no figures to cite")
    parser.add_argument("--write", action="store_true", help="put the tables into the README")
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    if options.write and (options.only or options.quick):
        parser.error("--write is for all figures: leave --only and --quick out")

    command = " ".join([parser.prog, *arguments])
    hold_to_one_thread()
    print("command:   ", command)
    print("processor: ", processor())
    print("versions:  ", versions())
    results = {}
    for name in [options.only] if options.only else REPORTS:
        title, report = REPORTS[name]
        if title:
            print(f"\n{title}")
        results[name] = report(options.rounds, options.quick, options.sizes)
    if options.write:
        rows = [row for name in WORKLOADS for row in results[name]]
        write(rows, results["memory"], results["growth"], results["import-time"], command)


if __name__ == "__main__":
    main()
