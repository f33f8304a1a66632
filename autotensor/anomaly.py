"""Where the first NaN or infinity came from: while it is made, or afterwards from a graph.

`observe` looks at every op that ran, `check_pull` at every rule that a backward pass called, both
only while a mode asks for it; ``Tensor.explain_nan`` looks at what a graph still holds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np

from autotensor import errors, naming, traced
from autotensor.array import Tensor, attach
from autotensor.engine.graph import Leaf, Node, reachable
from autotensor.engine.modes import (
    LINES,
    SCOPED,
    TRACE,
    VALUES,
    WATCH,
    mode,
    open_scopes,
    scope_path,
)
from autotensor.engine.plan import OUT
from autotensor.engine.primitive import TABLE, Composite, Op
from autotensor.engine.reverse import reverse
from autotensor.engine.several import PICK, Cotangents
from autotensor.naming import (
    by_entry,
    count_bad,
    entry_text,
    first_bad,
    is_finite,
    numbers_in,
    origin_of,
    placed,
    range_text,
    written,
)

__all__ = ["check_pull", "observe", "watch"]

# Frames of these files are not the caller's.
_LIBRARIES = tuple(os.path.dirname(str(m.__file__)) + os.sep for m in (naming, np))
_SHOWN = 3  # inputs of one op that a report describes
_UNDEFINED = {np.empty_like}  # what these return may be anything

# -- while it is made -----------------------------------------------------------------------------


def observe(
    bits: int,
    op: Any,
    inputs: Sequence[Any],
    result: Tensor,
    options: Mapping[str, Any] | None = None,
    *,
    given: tuple[Sequence[Any], Mapping[str, Any]],
    place: int | None = None,
) -> None:
    """Note on the node of `result` what the mode asks for, and check the values under ``WATCH``.

    To be called after every op while the mode has more bits than ``RECORD``.

    Parameters
    ----------
    bits : the mode.
    op : the op, or the function where it is none.
    inputs, options : the arguments of its call by position and by name, arrays not Tensors.
    result : what it made.
    given : the arguments by position and by name as they were, with Tensors.
    place : which of several results this one is.

    Raises
    ------
    NonFiniteError
        If all inputs are finite and the result is not.
    """
    if bits & TRACE:
        traced.note(op, *given, result, place)
    node, options = result._node, options or {}
    failed = (
        bits & WATCH
        and not is_finite(result._data)
        and op not in _UNDEFINED
        and all(map(is_finite, numbers_in([*inputs, *options.values()])))
    )
    if not failed and not isinstance(node, Node):
        return
    notes: dict[str, Any] = _caller() if bits & LINES else {}
    if bits & SCOPED:
        notes["scope"], notes["scopes"] = scope_path(), open_scopes()
    if isinstance(node, Node):
        if bits & TRACE:
            notes["call"] = traced.call_of(*given, node.parents)
        node.notes = notes
        if bits & VALUES:
            node.notes = {**notes, "value": result._data, "retain": True, "grad": None}
        if node.op is PICK:
            node = node.parents[0]
            node.notes = notes
    if failed:
        raise _made(op, notes, result._data, _operands(op, inputs, options, node))


def _caller() -> dict[str, str]:
    """The caller's "line", and the composite function that it called as "via", if it did."""
    frame, notes = sys._getframe(2), {}
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(_LIBRARIES)
        or "__name__" not in frame.f_globals  # written by a plan
    ):
        if str(frame.f_globals.get("__name__")).startswith("autotensor.ops."):
            entry = _composite(frame.f_code)
            if entry is not None:
                notes["via"] = written(entry.function)
        frame = frame.f_back
    notes["line"] = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
    return notes


def _composite(code: CodeType) -> Composite | None:
    composites = (entry for entry in TABLE.values() if isinstance(entry, Composite))
    return next((entry for entry in composites if entry.run.__code__ is code), None)


def _operands(
    op: Any, inputs: Sequence[Any], options: Mapping[str, Any], node: Any
) -> list[tuple[Any, Any]]:
    """The numbers that `op` was called with, each with the node or leaf it came from, or None."""
    if not isinstance(op, Op):
        return [(value, None) for value in numbers_in([*inputs, *options.values()])]
    bound = op.bind(inputs, options)
    values: list[Any] = []
    for name in op.inputs:
        value: Any = bound.get(name, op.defaults.get(name))
        values += value if name == op.sequence else [value]
    parents = node.parents if isinstance(node, Node) else [None] * len(values)
    return list(zip(values, parents, strict=True))


# -- in the backward pass -------------------------------------------------------------------------


def watch() -> Callable[[Node, str, Any, Any, Any], None] | None:
    """What a backward pass that begins now calls after every rule."""
    return check_pull if mode.get() & WATCH else None


def check_pull(node: Node, name: str, parent: Any, g: Any, c: Any) -> None:
    """Check what the rule of `node` for its argument `name`, made by `parent`, made of `g`.

    Raises
    ------
    NonFiniteError
        If `g` is finite and `c` is not.
    """
    c = c._data if isinstance(c, Tensor) else c
    if is_finite(c):
        return
    parts = g.values.values() if isinstance(g, Cotangents) else (g,)
    parts = tuple(x._data if isinstance(x, Tensor) else x for x in parts)
    g = parts if isinstance(g, Cotangents) else parts[0]
    if not is_finite(g):
        return
    op, at = node.op, None
    facts = [f"the cotangent is within {range_text(g)}"]
    if by_entry(op) and not isinstance(g, tuple):
        # Once more, before it was summed to the argument's shape; and on ones, for the derivative.
        pull = next(pull for _, argument, pull, _ in node.plan.pulls if argument == name)
        ones = np.ones(node.shape, node.dtype)[()]
        with np.errstate(all="ignore"):
            full, d = (pull(x, node.kept, node, parent) for x in (g, ones))
        if not is_finite(full):
            c, at = full, first_bad(full)
            facts = [f"its derivative is {entry_text(d, at)}", f"the cotangent {entry_text(g, at)}"]
    slots = op.slots(len(node.parents))
    for value, source in zip(node.kept or (), node.plan.sources, strict=True):
        if value is not None and not isinstance(source, range):
            what = "result" if source == OUT else repr(slots[source][0])
            seen = f"within {range_text(value)}" if at is None else entry_text(value, at)
            facts.append(f"its {what} {seen}")
    masked = f"np.where(mask, {name}, 1) in place of {name}"
    if by_entry(op):
        mask = f"{name} > 0" if op.unary else "mask"
        masked = f"np.where({mask}, {written(op)}({', '.join(op.inputs)}), 0)"
    raise errors.non_finite_pull(
        placed(op, node.notes or {}), f"{count_bad(c)} for {name!r}", ", ".join(facts), masked
    )


# -- afterwards -----------------------------------------------------------------------------------


def explain_nan(self: Tensor) -> str:
    """Say which op made the first NaN or infinity below this tensor, from what the graph holds.

    The earliest result is named that is not finite though all it was made from is; if there is
    none, the backward pass is tried from a cotangent of ones, and the first rule is named that
    makes such a value. Nothing is freed and no ``.grad`` changes; hooks run as in ``backward()``.

    Returns
    -------
    str
        The report, with lines where `autotensor.record_lines` noted them. Where arrays were freed
        or not kept it says how to see more: `autotensor.detect_anomaly`.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> x = at.tensor([4.0, 0.0], name="x", requires_grad=True)
    >>> print((np.sqrt(x) * 0.0).sum().explain_nan())
    the backward pass of np.sqrt made 1 NaN of 2 at [1] for 'x': its derivative is inf, the...
    Leave such entries out by a selection, np.where(x > 0, np.sqrt(x), 0): an entry that a...
    >>> (x * x).explain_nan()
    'no non-finite value in the 1 result of this graph, nor in its gradients.'
    """
    root = self._node
    if not isinstance(root, Node):
        if is_finite(self._data):
            return errors.finite(1, all_held=True)
        what = f"leaf {self.name!r}" if self.name else "this tensor"
        return errors.non_finite_held(f"{what} of shape {self.shape}", count_bad(self._data))
    order = [node for node in reversed(reachable([root])) if isinstance(node, Node)]
    with np.errstate(all="ignore"):
        text, other, complete = _look_up(order, _held(order) | {root: self._data})
        if text is None and is_finite(self._data):
            try:
                reverse({root: np.ones(self.shape, self.dtype)[()]}, watch=check_pull)
            except errors.NonFiniteError as error:
                text = str(error)
            except errors.GraphFreedError:
                complete = False
    return text or other or errors.finite(len(order), complete)


def _held(order: Sequence[Node]) -> dict[Any, Any]:
    """The values that nodes keep of themselves and of their parents."""
    found: dict[Any, Any] = {}
    for node in order:
        for value, source in zip(node.kept or (), node.plan.sources, strict=False):
            if source == OUT:
                found[node] = value
            elif isinstance(source, range):
                found.update(zip(node.parents[source.start : source.stop], value, strict=True))
            else:
                found[node.parents[source]] = value
    return found


def _look_up(order: Sequence[Node], known: dict[Any, Any]) -> tuple[str | None, str | None, bool]:
    """From the first node up: the first non-finite value that was made from finite ones.

    Returns
    -------
    made : the report of it, or None.
    other : that of the first non-finite value that was passed on, or made from what is not known.
    complete : whether all values up to there are known.
    """
    other, complete = None, True
    for node in order:
        inputs = [known.get(p) if isinstance(p, (Node, Leaf)) else p for p in node.parents]
        all_known = all(
            known.get(p) is not None for p in node.parents if isinstance(p, (Node, Leaf))
        )
        value = known.get(node)
        if value is None and all_known and node.kept is not None:
            value = known[node] = _recomputed(node, inputs)
        if isinstance(value, tuple):
            value = next((v for v in value if not is_finite(v)), value[0])
        if value is None:
            complete = False
        elif not is_finite(value):
            notes = node.notes or {}
            finite = all(map(is_finite, numbers_in([*inputs, *node.options.values()])))
            if finite and not all_known:
                text = errors.non_finite_held(placed(node.op, notes), count_bad(value))
            else:
                operands = list(zip(inputs, node.parents, strict=True))
                text = str(_made(node.op, notes, value, operands))
                if finite:
                    return text, other, complete
            other = other or text
    return None, other, complete


def _recomputed(node: Node, inputs: Sequence[Any]) -> Any:
    """The value of `node`, by its function from `inputs`."""
    op = node.op
    given = dict(node.options)
    for (name, i), value in zip(op.slots(len(inputs)), inputs, strict=True):
        if i is None:
            given[name] = value
        else:
            given.setdefault(name, []).append(value)
    args: list[Any] = []
    for name in op.params[: op.positional]:
        if name in op.keywords:
            continue
        value = given.pop(name, op.defaults.get(name))
        args += value if op.variadic and name == op.sequence else [value]
    return op.function(*args, **given)


def _made(
    op: Any, notes: Mapping[str, Any], out: Any, operands: Sequence[tuple[Any, Any]]
) -> errors.NonFiniteError:
    """The error about `op`, which made `out` from `operands`: values with their nodes or None."""
    known = [(value, parent) for value, parent in operands if value is not None]
    at = first_bad(out) if by_entry(op) else None
    texts = []
    for value, parent in known[:_SHOWN]:
        text = range_text(value) if at is None else entry_text(value, at)
        origin = origin_of(parent)
        if origin:
            text += f" and came from {origin}" if len(known) == 1 else f" from {origin}"
        texts.append(text)
    if len(known) > _SHOWN:
        texts.append(f"{len(known) - _SHOWN:,} more")
    within = "within " if at is None else ""
    if not known:
        inputs = "it had no input"
    elif len(known) == 1:
        inputs = f"its input was {within}{texts[0]}"
    else:
        inputs = f"its inputs were {within}{' and '.join([', '.join(texts[:-1]), texts[-1]])}"
    shapes = ", ".join(str(np.shape(value)) for value, _ in known[:_SHOWN])
    shapes = f"Shapes: {shapes} to {np.shape(out)}. " if shapes != "()" else ""
    return errors.non_finite(placed(op, notes), count_bad(out), inputs, shapes)


attach("explain_nan", explain_nan)
