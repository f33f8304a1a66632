"""How wide text is, without asking a font."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

__all__ = ["BOLD", "text_width"]

BOLD = 1.08  # how much wider bold text is


def text_width(text: str, size: float) -> float:
    """Width of `text` in the widest of the fonts asked for, so that it fits in all of them."""
    return size * sum(map(_character_width, text))


@lru_cache(maxsize=4096)
def _character_width(c: str) -> float:
    if unicodedata.combining(c):
        return 0.0
    if c in "iljtfI.,:;'|!()[] ":
        return 0.4
    if c in "mwMW@%—…":
        return 1.0
    if c.isascii():
        return 0.78 if c.isupper() else 0.65
    return 1.05 if unicodedata.east_asian_width(c) in "WF" else 0.85
