"""Numbers of lower precision that a rule meets on its way.

``g * np.cos(x) * np.float32(1.1)`` is a float64 array, and right to seven digits only: too little
for the rule, and too much for a tolerance of 1e-6. So the rule runs once more on arrays that note
the dtypes of what they are combined with. That is a suspicion: weights in float32 that f has too
cost nothing. The numerical reference, which knows ten digits, decides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autotensor.checking.observed import Call

__all__ = ["lower_precision"]


def lower_precision(call: Call) -> np.dtype[Any] | None:
    """The first dtype of lower precision that a rule combines its arguments with, if any."""
    node = call.node
    if node.dtype.kind not in "fc" or call.parent.dtype.kind not in "fc":
        return None  # one of several results at once
    met: list[np.dtype[Any]] = []
    eps = max(float(np.finfo(d).eps) for d in (node.dtype, call.parent.dtype))
    traced = _traced((call.g, node.kept), met, eps)
    try:
        with np.errstate(all="ignore"):
            call.pull(traced[0], traced[1], node, call.parent)
    except Exception:  # such arrays need not be accepted
        return None
    return met[0] if met else None


class _Traced(np.ndarray[Any, Any]):
    """An array that notes the dtypes of lower precision that it meets, as do all made of it."""

    met: list[np.dtype[Any]]
    eps: float

    def __array_finalize__(self, made_of: Any) -> None:
        self.met = getattr(made_of, "met", [])
        self.eps = getattr(made_of, "eps", np.inf)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        result = super().astype(dtype, *args, **kwargs)
        _note((result,), self.met, self.eps)
        return result

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        _note(inputs, self.met, self.eps)
        if "out" in options:
            options["out"] = tuple(map(_plain, options["out"]))
        result = getattr(ufunc, method)(*map(_plain, inputs), **options)
        return _traced(result, self.met, self.eps)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        _note(args, self.met, self.eps)
        result = super().__array_function__(function, types, args, kwargs)
        return _traced(result, self.met, self.eps)


def _note(values: Any, met: list[np.dtype[Any]], eps: float) -> None:
    for value in values:
        if isinstance(value, (tuple, list)):
            _note(value, met, eps)
        elif (
            isinstance(value, (np.ndarray, np.generic))
            and value.dtype.kind in "fc"
            and np.finfo(value.dtype).eps > eps
        ):
            met.append(value.dtype)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, _Traced) else value


def _traced(value: Any, met: list[np.dtype[Any]], eps: float) -> Any:
    if type(value) is tuple:
        return tuple(_traced(v, met, eps) for v in value)
    if not isinstance(value, np.ndarray):
        return value
    traced = value.view(_Traced)
    traced.met, traced.eps = met, eps
    return traced
