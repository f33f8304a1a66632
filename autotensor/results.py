"""The results of a call as Tensors above one node: several, or one by a rule for all."""

from __future__ import annotations

from typing import Any

import numpy as np

from autotensor import errors
from autotensor.array import Tensor
from autotensor.engine.plan import INPUTS, RESULT
from autotensor.engine.primitive import Op
from autotensor.engine.several import Several, like
from autotensor.naming import public

__all__ = ["SCALARS", "record_several"]

SCALARS = frozenset({int, float, complex, bool})
_OBJECT = np.dtype(object)


def record_several(
    op: Op, mask: int, parents: tuple[Any, ...], values: tuple[Any, ...], out: Any, options: Any
) -> Any:
    """`out`, one result or a tuple of them, as Tensors above one node; see engine/several.py."""
    alone = not isinstance(out, tuple)
    results = [_scalars(r) for r in ((out,) if alone else out)]
    kinds = {r.dtype.kind for r in results if hasattr(r, "dtype")}
    if not kinds & {*"fc"}:
        return like((), results) if not alone else Tensor(out, None)
    if "c" in kinds and not op.complex:
        raise errors.real_only(public(op.function, op.name), "complex128")
    plan = op.plan(mask, len(parents), "c" in kinds)
    kept = results[0] if alone else tuple(results)
    keeps = plan.keeps
    if keeps is not None:
        kept = values if keeps is INPUTS else (kept,) if keeps is RESULT else keeps(values, kept)
    node = Several(
        plan,
        parents,
        kept if keeps is not None else (),
        options,
        [
            (r.shape, r.dtype) if getattr(r, "dtype", _OBJECT).kind in "fc" else None
            for r in results
        ],
        alone,
    )
    made = [
        r if not hasattr(r, "dtype") else Tensor(r, node.pick(place) if spec else None)
        for place, (r, spec) in enumerate(zip(results, node.results, strict=True))
    ]
    return made[0] if alone else like(out, made)


def _scalars(result: Any) -> Any:
    """An array or a number as a Tensor holds it; anything else as it is."""
    if type(result) in SCALARS:
        result = np.asarray(result)
    return result[()] if isinstance(result, np.ndarray) and not result.ndim else result
