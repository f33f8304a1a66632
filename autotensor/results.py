"""The results of a call as Tensors above one node: several, or one by a rule for all."""

from __future__ import annotations

from typing import Any

import numpy as np

from autotensor import errors
from autotensor.array import Tensor
from autotensor.engine.plan import INPUTS, RESULT
from autotensor.engine.primitive import Op
from autotensor.engine.several import Several, like
from autotensor.naming import numbers_in, public

__all__ = ["SCALARS", "in_places", "record_several"]

SCALARS = frozenset({int, float, complex, bool})


def record_several(
    op: Op, mask: int, parents: tuple[Any, ...], values: tuple[Any, ...], out: Any, options: Any
) -> Any:
    """`out`, one result or a tuple of them, as Tensors above one node; see engine/several.py.

    A result that is a Tensor already is a constant.
    """
    alone = not isinstance(out, tuple)
    results = [_scalars(r) for r in ((out,) if alone else out)]
    for r in results:
        if isinstance(r, Tensor) and op.sequence is None:  # those of compat return constants so
            raise errors.not_one_array(op.name, "tuple that holds a Tensor")
        if isinstance(r, (tuple, list, dict)) and _holds_floats(r):
            raise errors.not_one_array(op.name, f"tuple that holds a {type(r).__name__} of numbers")
    specs = [_spec(r) for r in results]
    is_complex = any(spec is not None and spec[1].kind == "c" for spec in specs)
    if is_complex and not op.complex:
        raise errors.real_only(public(op.function, op.name), np.dtype(complex))
    plan = op.plan(mask, len(parents), is_complex)
    results = [r._data if isinstance(r, Tensor) else r for r in results]
    whole = results[0] if alone else like(out, results)
    keeps = plan.keeps
    kept: tuple[Any, ...] = ()
    if keeps is not None:
        kept = values if keeps is INPUTS else (whole,) if keeps is RESULT else keeps(values, whole)
    node = Several(plan, parents, kept, options, tuple(specs) if alone else like(out, specs), alone)
    made = [
        Tensor(r, node.pick(place) if spec else None) if hasattr(r, "dtype") else r
        for place, (r, spec) in enumerate(zip(results, specs, strict=True))
    ]
    return made[0] if alone else like(out, made)


def _spec(result: Any) -> tuple[tuple[int, ...], Any] | None:
    """Shape and dtype of a result that carries a gradient; None for one that does not."""
    if isinstance(result, Tensor) or not hasattr(result, "dtype") or result.dtype.kind in "iub":
        return None
    if result.dtype.kind not in "fc":
        way = f"conversion to {result.dtype}"
        raise errors.lost_gradient(way, result.shape, None, "x.detach() first")
    return result.shape, result.dtype


def _holds_floats(result: Any) -> bool:
    values = result.values() if isinstance(result, dict) else result
    return any(np.asarray(v).dtype.kind in "fc" for v in numbers_in([*values]))


def _scalars(result: Any) -> Any:
    """An array or a number as a Tensor holds it; anything else as it is."""
    if type(result) in SCALARS:
        result = np.asarray(result)
    return result[()] if isinstance(result, np.ndarray) and not result.ndim else result


def in_places(made: Any) -> list[tuple[int | None, Tensor]]:
    """The Tensors among results, with their places; of one result the place is None."""
    if type(made) is Tensor:
        return [(None, made)]
    parts = enumerate(made if isinstance(made, (tuple, list)) else ())
    return [(place, part) for place, part in parts if type(part) is Tensor]
