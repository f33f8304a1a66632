"""Memory that is freed after a backward pass is there for the next one."""

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import sys

import numpy as np

import autotensor as at


def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(1 << 18) for _ in range(16)]
    del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


if sys.argv[1] == "after":
    at.tensor(2.0, requires_grad=True).backward()
faults()
print(faults())
"""


def faults(when, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | variables
    run = [sys.executable, "-c", FAULTS, when]
    return int(subprocess.run(run, env=environment, capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is led to keep memory")
def test_large_arrays_are_made_of_memory_that_was_freed():
    without = faults("before")
    if without < 500:
        pytest.skip("this kernel gives large arrays few large pages")
    assert faults("after") < without / 10
    # Limits that the user has set hold.
    assert faults("after", MALLOC_MMAP_THRESHOLD_="131072") > without / 2
