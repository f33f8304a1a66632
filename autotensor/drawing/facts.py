"""What is known of a value, in a few words: itself where it is small, its range, its norm."""

from __future__ import annotations

import cmath
import reprlib
from typing import Any

import numpy as np

from autotensor.engine.graph import Elided
from autotensor.naming import count_bad

__all__ = ["argument_text", "described", "norm"]

_SMALL = 4  # entries of a value that is shown, and of a sequence among the options
_WORDS = {(n,): f"[{', '.join(['%.4g'] * n)}]" for n in range(1, _SMALL + 1)}


def argument_text(value: Any) -> str:
    """An argument as one would write it, arrays and long sequences in short."""
    if type(value) is float or type(value) is int:
        return repr(value)
    if isinstance(value, (np.ndarray, Elided)):
        return f"array{value.shape}"
    if isinstance(value, slice):
        parts = [value.start, value.stop] + ([] if value.step is None else [value.step])
        return ":".join("" if part is None else argument_text(part) for part in parts)
    if isinstance(value, (tuple, list)):
        parts = [argument_text(part) for part in value[:_SMALL]] + ["…"] * (len(value) > _SMALL)
        inner = ", ".join(parts)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if value is ...:
        return "..."
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (type, np.dtype)) or hasattr(value, "__name__"):
        return getattr(value, "__name__", None) or str(value)
    return reprlib.repr(value)


def described(data: Any) -> tuple[str, str]:
    """An array in words, and what in it is not finite: ``1 NaN of 12 at [3]``.

    It is given in full where it is small, otherwise as the least, mean and greatest of its
    numbers. Entries that are not finite do not count there; of complex numbers it is their
    absolute values.
    """
    # Long chains have many of these two; with "nan" and "inf" there is an n in the words.
    if type(data) is np.float64:
        words = f"{float(data):.4g}"
        return words, count_bad(data) if "n" in words else ""
    if type(data) is np.ndarray and data.dtype.kind == "f" and data.shape in _WORDS:
        words = _WORDS[data.shape] % tuple(data.tolist())
        return words, count_bad(data) if "n" in words else ""
    if not isinstance(data, (np.ndarray, np.generic)) or data.dtype.kind not in "biufc":
        return "", ""
    if 0 < data.size <= _SMALL and data.ndim == 1:
        entries = data.tolist()
        words = f"[{', '.join([number_text(entry) for entry in entries])}]"
        return words, "" if all(map(cmath.isfinite, entries)) else count_bad(data)
    if data.ndim == 0:
        number = data.item()
        return number_text(number), "" if cmath.isfinite(number) else count_bad(data)
    if not data.size:
        return "[]" if data.ndim == 1 else "", ""
    with np.errstate(all="ignore"):
        numbers: Any = np.abs(data) if data.dtype.kind == "c" else data
        low, high = numbers.min(), numbers.max()
        bad = "" if np.isfinite(low) and np.isfinite(high) else count_bad(data)
        if bad:
            numbers = numbers[np.isfinite(numbers)]
            if not numbers.size:
                return "nothing finite", bad
            low, high = numbers.min(), numbers.max()
        absolute = "abs " if data.dtype.kind == "c" else ""
        if low == high:
            return f"all {absolute}{number_text(low.item())}", bad
        mean = numbers.mean(dtype=np.result_type(numbers.dtype, float))
    shown = (low, mean, high) if data.dtype.kind != "b" else (0, mean, 1)
    return absolute + " … ".join(map(number_text, shown)), bad


def number_text(value: Any) -> str:
    """Four digits of a number, all of an integer."""
    if type(value) is float:
        return f"{value:.4g}"
    value = value.item() if isinstance(value, np.generic) else value
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def norm(data: Any) -> float:
    """The Euclidean norm; nothing overflows on the way to it."""
    if not data.ndim:
        return float(abs(data))
    if not data.size:
        return 0.0
    with np.errstate(all="ignore"):
        wide = data.dtype if data.dtype.itemsize > 4 else np.result_type(data.dtype, float)
        entries = np.asarray(data, wide).ravel()
        found = float(np.sqrt(np.vdot(entries, entries).real))
        if found == 0 or not np.isfinite(found):
            largest = np.abs(entries).max()
            if largest > 0 and np.isfinite(largest):
                found = float(largest * np.linalg.norm(entries / largest))
    return found
