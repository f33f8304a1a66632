"""Forward mode: tangents up the same recorded graph."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.engine.adopted import GUARDS, check
from autotensor.engine.deferred import Deferred
from autotensor.engine.graph import Leaf, reachable
from autotensor.engine.live import drop_dead, push_live
from autotensor.engine.modes import enable_grad
from autotensor.engine.reverse import Wrap, fit, reverse, wrapped
from autotensor.engine.several import Several, Tangents
from autotensor.engine.shapes import broadcast

__all__ = ["forward"]


@np.errstate(all="ignore")  # an infinite derivative may be one that a selection leaves out
def forward(
    roots: Collection[Any], tangents: dict[Any, Any], make: Wrap, *, record: bool
) -> dict[Any, Any]:
    """Carry `tangents` (node to array) up to `roots`; the walk starts at the nodes given.

    Parameters
    ----------
    roots : the nodes whose tangents are asked for.
    tangents : of the nodes where the walk begins.
    make : ``make(array, node)`` makes a Tensor.
    record : whether the result is to be differentiated again, so runs on Tensors.

    Returns
    -------
    dict
        The tangent of each root; a root that does not depend on `tangents` is missing.

    Raises
    ------
    GraphFreedError
        If a node needs what an earlier walk has freed.
    InPlaceError
        If an adopted array that a node keeps was written to.
    """
    if GUARDS:
        check(roots, tangents)
    found = dict(tangents)
    lives: dict[Any, Any] = {}
    for node in reversed(reachable(roots, tangents)):
        if node in tangents or node.plan is None:
            continue
        live = [p for p in node.plan.pushes if node.parents[p[0]] in found]
        if not live:
            continue
        if node.kept is None:
            raise errors.graph_freed(node.plan.op.name, node.shape)
        kept = wrapped(node, make) if record else node.kept
        guarded = node.plan.op.kind == "selection" or (lives and _below(node, lives))
        if node.plan.push_all is not None:
            total = node.plan.push_all(_all_tangents(node, found), kept, node, None)
        else:
            total = None
            for slot, name, push in live:
                parent = node.parents[slot]
                t = found[parent]
                if push is not None:
                    c = push(t, kept, node, parent)
                else:
                    c = _transposed(t, kept, node, slot, name, make, record)
                if type(node) is Several:
                    c = node.tangents(c, of_rule=push is not None)
                if node.plan.op.users and name in node.plan.op.jvps:
                    c = _checked(c, node, name)
                if guarded:
                    c = drop_dead(c, lives.get(parent), node)
                total = c if total is None else total + c
        found[node] = total if type(node) is Several else _fit_tangent(total, node)
        if guarded or (node.plan.selects and node.plan.push_all is not None):
            live_here = push_live(node, found, lives)
            if live_here is not None:
                lives[node] = live_here
    return {root: found[root] for root in roots if root in found}


def _below(node: Any, lives: dict[Any, Any]) -> bool:
    return any(node.parents[slot] in lives for slot in node.plan.slots)


def _all_tangents(node: Any, found: dict[Any, Any]) -> list[Any]:
    """The tangents of all inputs, zeros where there is none."""
    result: list[Any] = []
    for parent in node.parents:
        if parent in found:
            result.append(found[parent])
        elif hasattr(parent, "shape"):
            result.append(np.zeros(parent.shape, parent.dtype))
        else:
            result.append(None if parent is None else 0.0)
    return result


def _transposed(
    t: Any, kept: Any, node: Any, slot: int, name: str, make: Wrap, record: bool
) -> Any:
    """The jvp of one input from its vjp, which is linear in ``g``: pull `t` back through it.

    See Radul et al., "You Only Linearize Once" (2022), where linearity is used the other way round.
    """
    parent = node.parents[slot]
    if type(node) is Several:
        leaves, g = node.seeds(make)
    else:
        leaves = [Leaf(node.shape, node.dtype, requires_grad=True)]
        g = make(np.ones(node.shape, node.dtype)[()], leaves[0])
    pull = next(pull for at, _, pull, _ in node.plan.pulls if at == slot)
    with enable_grad():
        try:
            c = pull(g, kept, node, parent)
        except errors.AutotensorError:
            raise
        except (AttributeError, TypeError) as error:  # it asks for what only arrays have or are
            raise errors.rule_not_differentiable(node.plan.op.name, name) from error
        c = c.add_to(None, False) if isinstance(c, Deferred) else c
        c = fit(c, node.plan.op, name, parent, make)
    if c._node is not None and c._node.requires_grad:
        result = reverse({c._node: t}, {*leaves} - {None}, wrap=make if record else None)
    elif np.any(c):
        raise errors.rule_not_differentiable(node.plan.op.name, name)
    else:
        result = {}
    tangents = [leaf and result.get(leaf, np.zeros(leaf.shape, leaf.dtype)) for leaf in leaves]
    return tuple(tangents) if type(node) is Several else tangents[0]


def _checked(t: Any, node: Any, name: str) -> Any:
    """What the jvp of a user's op made, if it is the tangent of a result."""
    if isinstance(t, Tangents):
        specs = zip(t.values, node.results, strict=True)
        return Tangents([spec and _as_tangent(v, spec[0], node.plan.op, name) for v, spec in specs])
    return _as_tangent(t, node.shape, node.plan.op, name)


def _as_tangent(t: Any, shape: tuple[int, ...], op: Any, name: str) -> Any:
    if isinstance(t, (int, float, complex)):
        t = np.asarray(t)[()]
    if not hasattr(t, "shape") or not hasattr(t, "dtype"):
        raise errors.bad_tangent(op.name, name, type(t).__name__, shape)
    if t.dtype.kind not in "fciub":
        raise errors.bad_tangent(op.name, name, f"dtype {t.dtype}", shape)
    if t.shape != shape and not op.broadcasts:
        raise errors.bad_tangent(op.name, name, f"shape {t.shape}", shape)
    return t


def _fit_tangent(t: Any, node: Any) -> Any:
    if t.shape != node.shape:
        t = broadcast(t, node.shape)
    if t.dtype != node.dtype:
        if t.dtype.kind == "c" and node.dtype.kind != "c":
            t = t.real
        t = t.astype(node.dtype)
    return t
