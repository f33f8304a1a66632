"""Reverse mode: cotangents down the graph.

The walk runs on plain arrays, or, to be differentiated again, on Tensors: then `wrap` makes a
Tensor of a kept array and the node it came from, and the rules run unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from copy import copy
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.engine.adopted import GUARDS, check
from autotensor.engine.allocator import keep_freed_memory
from autotensor.engine.deferred import Deferred
from autotensor.engine.graph import Leaf, Node, reachable
from autotensor.engine.live import pull_live
from autotensor.engine.modes import RECORD, TRACE, mode
from autotensor.engine.plan import OUT, SELECTS, pass_on
from autotensor.engine.several import Several
from autotensor.engine.shapes import unbroadcast

__all__ = ["fit", "reverse", "wrapped"]

Wrap = Callable[[Any, Any], Any]


def reverse(
    cotangents: dict[Any, Any],
    stops: Collection[Any] | None = None,
    *,
    wrap: Wrap | None = None,
    free: bool = False,
    watch: Callable[[Node, str, Any, Any, Any], None] | None = None,
) -> dict[Any, Any]:
    """Carry `cotangents` (node to array) down to the leaves, or to `stops`.

    Parameters
    ----------
    cotangents : of the roots; consumed.
    stops : the only nodes asked for, and where the walk ends; None for all leaves.
    wrap : ``wrap(array, node)`` makes a Tensor; given when the pass itself is differentiated.
    free : drop what the nodes kept, as the walk passes them.
    watch : ``watch(node, name, parent, g, c)`` sees what each rule made of its cotangent.

    Returns
    -------
    dict
        The cotangent of each leaf or stop that was reached; without `stops` also of each node that
        has "retain" among its notes.

    Raises
    ------
    GraphFreedError
        If a node needs what an earlier walk has freed.
    InPlaceError
        If an adopted array that a node keeps was written to.

    Notes
    -----
    NumPy does not warn where masks of a selection go down, whose entries left out may be infinite,
    nor in rules of ops that are declared ``singular``; of what overflows elsewhere it does. Where
    an infinite derivative is of concern, `Tensor.explain_nan` says more than a warning.

    Under `modes.tracing` it does all it does with Tensors, so that all is noted; and where nothing
    is recorded, what it does with arrays, bit for bit.
    """
    keep_freed_memory()
    bits = mode.get()
    traced = wrap is not None and bits & TRACE
    exact = traced and not bits & RECORD
    if GUARDS:
        check(cotangents, stops or ())
    needed = None if stops is None else _leading_to(stops, reachable(cotangents, stops))
    # The nodes that have a cotangent are taken latest first: by the time a node comes up, all that
    # use it have been there. One of them, `ahead` with its cotangent `coming`, is beside the heap
    # and the dict: in a chain it is the only one.
    pending: list[tuple[int, Any]] = []
    ahead: Any = None
    coming: Any = None
    if len(cotangents) == 1 and needed is None:
        ahead, coming = cotangents.popitem()
    else:
        pending += [(-node.number, node) for node in cotangents]
        heapify(pending)
    waiting: dict[Any, list[Deferred]] = {}
    owned: set[Any] = set()
    lives: dict[Any, Any] = {}
    results: dict[Any, Any] = {}
    while True:
        if ahead is not None and (not pending or -pending[0][0] < ahead.number):
            node, g = ahead, coming
            ahead = coming = None
        else:
            if ahead is not None:
                cotangents[ahead] = coming
                heappush(pending, (-ahead.number, ahead))
                ahead = coming = None
            elif not pending:
                break
            node = heappop(pending)[1]
            g = cotangents.pop(node, None)
            if waiting and node in waiting:
                g = _collect(node, g, waiting.pop(node), node in owned, lives)
                owned.add(node)
            if g is None or (needed is not None and node not in needed):
                continue
        notes = node.notes
        if notes is not None:
            if "hooks" in notes:
                before = g
                for hook in tuple(notes["hooks"].values()):
                    g = hook(g)
                if g is not before:
                    lives.pop(node, None)
                owned.discard(node)  # others hold it now
            if stops is None and "retain" in notes:
                results[node] = g
                owned.discard(node)
        plan = node.plan
        if plan is None or (stops is not None and node in stops):
            results[node] = g
            continue
        kept = node.kept
        if kept is None:
            raise errors.graph_freed(plan.op.name, node.shape)
        seen = node
        if wrap is not None:
            kept = wrapped(node, wrap)
            if traced:
                seen = _traced(node, wrap)
        live = None
        guarded = True if lives else node.fragile == SELECTS
        if guarded:
            live = lives.pop(node, None)
        parents = node.parents
        for slot, name, pull, way in plan.pulls:
            parent = parents[slot]
            if needed is not None and parent not in needed:
                continue
            if parent is ahead:
                cotangents[parent] = coming
                heappush(pending, (-parent.number, parent))
                ahead = coming = None
            if pull is pass_on and not guarded:
                c = g
                fits = node.shape == parent.shape and node.dtype is parent.dtype
            else:
                if guarded:
                    with np.errstate(all="ignore"):
                        raw = kept if traced else node.kept
                        c = pull_live(
                            g, live, kept, raw, seen, parent, pull, way, lives, cotangents
                        )
                else:
                    c = pull(g, kept, seen, parent)
                try:
                    fits = c.shape == parent.shape and c.dtype is parent.dtype
                except AttributeError:
                    fits = False
            if not fits or (wrap is not None and type(c) is not type(g)):
                if isinstance(c, Deferred):
                    if watch is not None:
                        watch(node, name, parent, g, c)
                    c.own(live, node in owned)
                    if parent not in waiting:
                        waiting[parent] = [c]
                        if parent not in cotangents or parent.plan is None:
                            heappush(pending, (-parent.number, parent))
                    elif not waiting[parent][-1].absorb(c):
                        waiting[parent].append(c)
                    continue
                c = fit(c, plan.op, name, parent, wrap)
            if watch is not None:
                watch(node, name, parent, g, c)
            if parent not in cotangents:
                # A leaf without hooks has nothing to wait for: its sum stays where it is.
                if (parent.plan is None and not parent.notes) or parent in waiting:
                    cotangents[parent] = c
                elif ahead is None:
                    ahead, coming = parent, c
                else:
                    cotangents[parent] = c
                    heappush(pending, (-parent.number, parent))
            elif parent in owned and not exact:
                cotangents[parent] += c
            else:
                cotangents[parent] = cotangents[parent] + c
                if wrap is None or exact:
                    owned.add(parent)
        g = c = None  # what nothing else holds is freed before the next rule makes its own
        if free:
            if node.options:
                node.free()
            elif kept:
                node.kept = None
    return results | cotangents if results else cotangents


def _collect(node: Any, g: Any, deferred: list[Deferred], mine: bool, lives: dict[Any, Any]) -> Any:
    """The sum of `g`, which may be None, and of what was deferred, and note its live entries."""
    if node.fragile and (g is None or node in lives):
        live, ours = lives.get(node), mine
        for d in deferred:
            live = d.mark(live, ours)
            ours = True
        lives.pop(node, None)
        # Where all entries are live there is nothing to keep apart; Tensors are not looked into.
        if live is not None and not (type(live) is np.ndarray and live.all()):
            lives[node] = live
    for d in deferred:
        g = d.add_to(g, mine)
        mine = True
    return g


def _leading_to(stops: Collection[Any], order: list[Any]) -> set[Any]:
    """The nodes of `order` (latest first) from which a stop can be reached."""
    needed = set(stops)
    for node in reversed(order):
        if node.plan is not None and any(node.parents[slot] in needed for slot in node.plan.slots):
            needed.add(node)
    return needed


def wrapped(node: Node, wrap: Wrap) -> tuple[Any, ...]:
    """What `node` kept, as Tensors that know where they came from."""
    result: list[Any] = []
    for value, source in zip(node.kept or (), node.plan.sources, strict=True):
        if source == OUT:
            result.append(
                node.wrapped_out(value, wrap) if isinstance(node, Several) else wrap(value, node)
            )
        elif isinstance(source, range):
            pairs = zip(value, node.parents[source.start : source.stop], strict=True)
            result.append(tuple(_wrapped(v, p, wrap) for v, p in pairs))
        else:
            result.append(_wrapped(value, node.parents[source], wrap))
    return tuple(result)


def _wrapped(value: Any, parent: Any, wrap: Wrap) -> Any:
    return wrap(value, parent) if isinstance(parent, (Node, Leaf)) else value


def _traced(node: Node, wrap: Wrap) -> Node:
    """`node` as rules see it, with Tensors in its options where Tensors were given."""
    call = node.notes and node.notes.get("call")
    if not call or not node.options:
        return node
    given = node.op.bind(*call)
    seen = copy(node)
    seen.options = {
        name: _with_nodes(value, given.get(name), wrap) for name, value in node.options.items()
    }
    return seen


def _with_nodes(value: Any, given: Any, wrap: Wrap) -> Any:
    """`value` with a Tensor wherever `given`, of the same structure, has a node."""
    if isinstance(given, (Node, Leaf)):
        return wrap(value, given)
    if type(given) in (tuple, list) and type(value) is type(given):
        pairs = zip(value, given, strict=True)
        return type(given)(_with_nodes(v, g, wrap) for v, g in pairs)
    return value


def _as_array(c: Any, op: Any, name: str, wrap: Wrap | None) -> Any:
    """`c` as what the pass runs on: an array or scalar of NumPy's, or a Tensor."""
    if isinstance(c, (int, float, complex)):
        c = np.asarray(c)[()]
    if not hasattr(c, "shape") or not hasattr(c, "dtype"):
        raise errors.gradient_type(op.name, name, c)
    if wrap is not None and isinstance(c, (np.ndarray, np.generic)):
        if np.any(c):
            raise errors.rule_not_differentiable(op.name, name)
        c = wrap(c, None)
    return c


def fit(c: Any, op: Any, name: str, parent: Node | Leaf, wrap: Wrap | None) -> Any:
    """Put right what `op` returned as the cotangent of its argument `name`: shape, dtype, type.

    Raises
    ------
    ShapeError
        Where the shape is wrong and `op` does not broadcast its inputs.
    LostGradientError
        Where `c` is no array.
    NoRuleError
        Where the pass is recorded (`wrap`) and the rule returned a plain array.
    """
    if type(c) is not np.ndarray or wrap is not None:
        c = _as_array(c, op, name, wrap)
    if c.shape != parent.shape:
        if not op.broadcasts:
            raise errors.gradient_shape(op.name, name, c.shape, parent.shape)
        try:
            c = unbroadcast(c, parent.shape)
        except ValueError:
            raise errors.gradient_shape(op.name, name, c.shape, parent.shape) from None
    if c.dtype is not parent.dtype and c.dtype != parent.dtype:
        if c.dtype.kind not in "fciub":
            raise errors.gradient_dtype(op.name, c.dtype, parent.dtype)
        if c.dtype.kind == "c" and parent.dtype.kind != "c":
            c = c.real
        c = c.astype(parent.dtype)
    return c
