"""What the caller calls tensors and arrays: the names of variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from autotensor.array import Tensor

__all__ = ["arrays_in", "variables_of"]


def variables_of(space: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The tensors among the variables of a scope, then the parameters of its modules."""
    public = _public(space)
    for name, value in public:
        if isinstance(value, Tensor):
            yield name, value
    for _, value in public:
        if any(kind.__module__ == "autotensor.nn.module" for kind in type(value).__mro__):
            yield from value.named_parameters()


def arrays_in(space: Mapping[str, Any]) -> dict[int, str]:
    """The names of the arrays among variables, by id."""
    return {id(v): n for n, v in reversed(_public(space)) if isinstance(v, np.ndarray)}


def _public(space: Mapping[str, Any]) -> list[tuple[str, Any]]:
    # Others are of the interpreter's making, or of a notebook's: _, _12.
    return [(n, value) for n, value in space.items() if n.isidentifier() and n[0] != "_"]
