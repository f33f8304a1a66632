"""The results of a call as Tensors above a node: one, several, or one by a rule for all."""

from __future__ import annotations

from typing import Any

import numpy as np

from autotensor import errors
from autotensor.array import Tensor
from autotensor.engine.graph import Node, fragility, next_number
from autotensor.engine.plan import FRAGILE, INPUTS, RESULT
from autotensor.engine.primitive import Op
from autotensor.engine.several import Several, like
from autotensor.naming import numbers_in, public

__all__ = ["SCALARS", "in_places", "record", "record_several"]

SCALARS = frozenset({int, float, complex, bool})
_new = object.__new__
_FLOAT64 = np.dtype(float)


def record(
    op: Op, mask: int, parents: tuple[Any, ...], values: tuple[Any, ...], out: Any, options: Any
) -> Tensor:
    """`out` as a Tensor with a node; the inputs in `mask` are tracked."""
    dtype = out.dtype
    try:
        plan = op.plans[mask] if dtype is _FLOAT64 or dtype.kind == "f" else None
    except KeyError:
        plan = None
    if plan is None:
        kind = dtype.kind
        if kind in "iub":
            return Tensor(out, None)
        if kind not in "fc":
            way = f"conversion to {dtype}"
            raise errors.lost_gradient(way, out.shape, None, "x.detach() first")
        if kind == "c" and not op.complex:
            raise errors.real_only(public(op.function, op.name), dtype)
        plan = op.plan(mask, len(parents), kind == "c")
    keeps = plan.keeps
    if keeps is INPUTS:
        kept = values
    elif keeps is RESULT:
        kept = (out,)
    else:
        kept = keeps(values, out) if keeps is not None else ()
    # What Node(...) and Tensor(...) do, without the calls, which small ops would feel.
    node = _new(Node)
    node.plan = plan
    node.parents = parents
    node.kept = kept
    node.options = options
    node.shape = out.shape
    node.dtype = dtype
    node.number = next_number()
    node.notes = node.calls = None
    if plan.always:
        node.fragile = FRAGILE
    elif plan.ends is None or (options and plan.selects in options):
        node.fragile = fragility(plan, parents, options)
    else:
        first, last = plan.ends
        low = parents[first].fragile
        high = parents[last].fragile
        node.fragile = plan.above[low if low > high else high]
    result = _new(Tensor)
    result._data = out
    result._node = node
    result._place = None
    return result


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
    if isinstance(made, Tensor):
        return [(None, made)]
    parts = enumerate(made if isinstance(made, (tuple, list)) else ())
    return [(place, part) for place, part in parts if isinstance(part, Tensor)]
