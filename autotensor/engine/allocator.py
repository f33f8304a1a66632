"""What the C library does with the memory that a graph frees."""

from __future__ import annotations

import functools

import numpy as np

__all__ = ["keep_freed_memory"]

_LARGEST = (32 << 20) - (64 << 10)  # bytes; glibc's limit, less what it adds to an array


@functools.cache
def keep_freed_memory() -> None:
    """Have the C library keep some of the memory that is freed, for the arrays of the next pass.

    A training step frees all its arrays and makes them anew. By default glibc hands freed memory
    back to the kernel at once: arrays of 128 KiB or more each have a mapping of their own, and of
    the heap all that is free at the end goes. The next step gets zeroed pages, one fault per page,
    which costs more than the arithmetic on them. But glibc adapts: when a mapping is freed, arrays
    of that size are taken from the heap from then on, and the heap keeps twice as much. So one
    mapping that nobody writes to, made and freed here, does for arrays of up to 32 MiB what the
    first large array of the program does for its own size. Up to 64 MiB stay with the process.

    It happens once, with the first backward pass, and never where the user has set the limits, as
    with the variable ``MALLOC_MMAP_THRESHOLD_``; other C libraries do not care.
    """
    np.empty(_LARGEST, np.uint8)
