"""Structural zeros: entries of a cotangent that a selection did not take.

Where ``np.where(x > 0, np.log(x), 0)`` takes the other branch, the cotangent of the logarithm is 0,
and 0 times its infinite derivative would be NaN. That zero is none of arithmetic: the entry is not
there. So below a selection a mask of the *live* entries goes down with the cotangent. It stays as
it is through ops that act entry by entry, which set the dead ones to zero again after their
derivative came in; it is moved by ops that only move entries; of those that mix them, it passes the
linear ones, like `matmul`, where an entry is dead that goes into dead ones only, and ends at all
others. Forward mode does the same above a selection, as for ``np.sqrt(np.maximum(x, 0))`` at
negative x, but there it ends at products too.

The masks cost something, so going down they begin only at selections with a nonlinear op below
(`Node.fragile`), and a graph without such a pair never comes here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autotensor.engine.modes import TRACE, mode
from autotensor.engine.plan import ENTRYWISE, MOVES
from autotensor.engine.shapes import expand, unbroadcast

__all__ = ["drop_dead", "pull_live", "push_live"]


def pull_live(
    g: Any,
    live: Any,
    kept: Any,
    raw: Any,
    node: Any,
    parent: Any,
    pull: Callable[..., Any],
    way: str | None,
    lives: dict[Any, Any],
    cotangents: Mapping[Any, Any],
) -> Any:
    """What `pull`, a rule of `node`, makes of `g`, of which only the entries in `live` count.

    ``live`` is None where all do; the masks are made of `raw`, which is `kept` as arrays. The mask
    of `parent` is noted in `lives`.
    """
    plan = node.plan
    if live is None and not plan.selects:
        lives.pop(parent, None)  # live as a whole, by this way
        return pull(g, kept, node, parent)
    c = pull(g, kept, node, parent)
    if getattr(c, "dtype", c) is None:
        return c  # deferred: what it touches is live
    below = None
    if way == MOVES:
        if live is not None or plan.selects:
            simple = plan.selects is True and live is not None
            marks = live.astype(np.int8) if simple else _weighed(live, node.shape)
            below = pull(marks, raw, node, parent) != 0
    elif way == ENTRYWISE and live is not None:
        below = live
        if plan.op.reduces:
            below = np.broadcast_to(
                expand(live, parent.shape, *plan.op.reduced(node.options)), parent.shape
            )
        c = np.where(below, c, 0)
    elif live is not None and plan.op.kind == "linear":
        # Where it is noted what is done, other values may be infinite, or 0, where these are not.
        traced = mode.get() & TRACE
        if traced or not np.all(np.isfinite(c)):
            c = _mended(pull, g, live, kept, raw, node, parent)
        if parent.fragile and (traced or not np.all(c)):
            below = pull(live.astype(float), _each(_ones, raw), node, parent) > 0
    if below is not None and below.shape != parent.shape:
        below = unbroadcast(below.astype(np.int8), parent.shape) != 0
    if below is None:
        lives.pop(parent, None)
    elif parent in lives:
        lives[parent] = lives[parent] | below
    elif parent.fragile and parent not in cotangents:
        lives[parent] = below
    return c


def _mended(pull: Any, g: Any, live: Any, kept: Any, raw: Any, node: Any, parent: Any) -> Any:
    """What ``pull(g, kept, …)`` makes of the entries in `live` of `g`, the others being 0.

    Where these meet infinite or NaN entries of `kept`, in a matrix product say, they are to stay 0.
    So such entries of `kept` count as 0, and the terms they have with live ones are NaN: there the
    rule, linear in each kept array, counts less terms than if all were finite.
    """
    c = pull(g, _each(lambda k: np.where(np.isfinite(k), k, 0), kept), node, parent)
    marks = live.astype(float)
    all_terms = pull(marks, _each(_ones, raw), node, parent)
    finite = pull(marks, _each(lambda k: np.isfinite(k) * 1.0, raw), node, parent)
    return np.where(all_terms > finite, np.nan, c)


def _each(function: Any, kept: Any) -> Any:
    return tuple(_each(function, k) if type(k) is tuple else function(k) for k in kept)


def _ones(k: Any) -> Any:
    return np.ones(k.shape)


def drop_dead(c: Any, live: Any, node: Any) -> Any:
    """`c`, what a tangent gives to `node`, with zeros where its entries are not in `live`."""
    if live is None or ENTRYWISE not in node.plan.ways or node.plan.op.reduces:
        return c
    return np.where(np.broadcast_to(live, node.shape), c, 0)


def push_live(node: Any, tangents: Mapping[Any, Any], lives: Mapping[Any, Any]) -> Any:
    """The entries of the tangent of `node` that are live, or None where all are."""
    plan = node.plan
    entrywise = isinstance(plan.op.function, np.ufunc)
    if plan.push_all is not None and not entrywise:
        marks = [_marks(parent, tangents, lives) for parent in node.parents]
        live = plan.push_all(marks, node.kept, node, None) != 0
    else:
        live = np.zeros(node.shape, bool)
        for (slot, _, push), way in zip(plan.pushes, plan.ways, strict=True):
            parent = node.parents[slot]
            if parent not in tangents:
                continue
            if (way == ENTRYWISE and not plan.op.reduces) or (entrywise and way == MOVES):
                marks = _marks(parent, tangents, lives)
                if plan.op.kind == "selection":
                    marks = push(marks, node.kept, node, parent)
                live = live | (np.broadcast_to(marks, node.shape) != 0)
            elif way == MOVES:
                live = live | (push(_marks(parent, tangents, lives), node.kept, node, parent) != 0)
            else:
                return None
    return None if np.all(live) else live


def _marks(parent: Any, tangents: Mapping[Any, Any], lives: Mapping[Any, Any]) -> Any:
    """Not 0 for each live entry of the tangent of `parent`, 0 for the others."""
    shape = getattr(parent, "shape", ())
    marks = _weighed(lives.get(parent), shape) if parent in tangents else np.zeros(shape)
    is_complex = getattr(parent, "dtype", marks.dtype).kind == "c"
    return marks * (1 + 1j) if is_complex else marks  # its parts are both live


def _weighed(live: Any, shape: tuple[int, ...]) -> Any:
    """Marks of the live entries, all different, so that an op like `diff` cannot cancel them."""
    weights = np.sqrt(np.arange(2.0, math.prod(shape) + 2)).reshape(shape)
    return weights if live is None else np.where(live, weights, 0)
