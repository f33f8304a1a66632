"""Where the first NaN or infinity came from: while it is made, or afterwards from a graph.

`observe` looks at every op that ran, `check_pull` at every rule that a backward pass called, both
only while a mode asks for it; ``Tensor.explain_nan`` looks at what a graph still holds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.array import Tensor, attach
from autotensor.engine.graph import Leaf, Node, reachable
from autotensor.engine.modes import LINES, SCOPED, WATCH, mode, scope_path
from autotensor.engine.plan import OUT
from autotensor.engine.primitive import TABLE, Composite, Op
from autotensor.engine.reverse import reverse

__all__ = ["check_pull", "observe", "watch"]

# Frames of these files are not the caller's.
_LIBRARIES = tuple(os.path.dirname(str(m.__file__)) + os.sep for m in (errors, np))
_SHOWN = 3  # inputs of one op that a report describes
_UNDEFINED = {np.empty_like}  # what these return may be anything

# -- while it is made -----------------------------------------------------------------------------


def observe(
    bits: int,
    op: Any,
    inputs: Sequence[Any],
    result: Tensor,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Note on the node of `result` what the mode asks for, and check the values under ``WATCH``.

    To be called after every op while the mode has more bits than ``RECORD``.

    Parameters
    ----------
    bits : the mode.
    op : the op, or the function where it is none.
    inputs, options : the arguments of its call by position and by name, arrays not Tensors.
    result : what it made.

    Raises
    ------
    NonFiniteError
        If all inputs are finite and the result is not.
    """
    node, options = result._node, options or {}
    failed = (
        bits & WATCH
        and not _finite(result._data)
        and op not in _UNDEFINED
        and all(map(_finite, _numbers([*inputs, *options.values()])))
    )
    if not failed and not isinstance(node, Node):
        return
    notes: dict[str, Any] = _caller() if bits & LINES else {}
    if bits & SCOPED:
        notes["scope"] = scope_path()
    if isinstance(node, Node):
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
                notes["via"] = _name(entry.function)
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
        return [(value, None) for value in _numbers([*inputs, *options.values()])]
    bound = op.bind(inputs, options)
    values: list[Any] = []
    for name in op.inputs:
        value: Any = bound.get(name, op.defaults.get(name))
        values += value if name == op.sequence else [value]
    parents = node.parents if isinstance(node, Node) else [None] * len(values)
    return list(zip(values, parents, strict=True))


# -- in the backward pass -------------------------------------------------------------------------


def watch() -> Callable[[Node, str, Any, Any], None] | None:
    """What a backward pass that begins now calls after every rule."""
    return check_pull if mode.get() & WATCH else None


def check_pull(node: Node, name: str, g: Any, c: Any) -> None:
    """Check what the rule of `node` for its argument `name` made of the cotangent `g`.

    Raises
    ------
    NonFiniteError
        If `g` is finite and `c` is not.
    """
    c = c._data if isinstance(c, Tensor) else c
    if _finite(c):
        return
    g = g._data if isinstance(g, Tensor) else g
    if not _finite(g):
        return
    op, at = node.op, None
    facts = [f"the cotangent is within {_range(g)}"]
    if _by_entry(op):
        # Once more, before it was summed to the argument's shape; and on ones, for the derivative.
        slot, _, pull, _ = next(p for p in node.plan.pulls if p[1] == name)
        ones = np.ones(node.shape, node.dtype)[()]
        with np.errstate(all="ignore"):
            full, d = (pull(x, node.kept, node, node.parents[slot]) for x in (g, ones))
        if not _finite(full):
            c, at = full, _first(full)
            facts = [f"its derivative is {_entry(d, at)}", f"the cotangent {_entry(g, at)}"]
    slots = op.slots(len(node.parents))
    for value, source in zip(node.kept or (), node.plan.sources, strict=True):
        if value is not None and not isinstance(source, range):
            what = "result" if source == OUT else repr(slots[source][0])
            facts.append(
                f"its {what} {f'within {_range(value)}' if at is None else _entry(value, at)}"
            )
    masked = f"np.where(mask, {name}, 1) in place of {name}"
    if _by_entry(op):
        mask = f"{name} > 0" if op.unary else "mask"
        masked = f"np.where({mask}, {_name(op)}({', '.join(op.inputs)}), 0)"
    raise errors.non_finite_pull(
        _place(op, node.notes or {}), f"{_count(c)} for {name!r}", ", ".join(facts), masked
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
        if _finite(self._data):
            return errors.finite(1, all_held=True)
        what = f"leaf {self.name!r}" if self.name else "this tensor"
        return errors.non_finite_held(f"{what} of shape {self.shape}", _count(self._data))
    order = [node for node in reversed(reachable([root])) if isinstance(node, Node)]
    with np.errstate(all="ignore"):
        text, other, complete = _look_up(order, _held(order) | {root: self._data})
        if text is None and _finite(self._data):
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
        if value is None:
            complete = False
        elif not _finite(value):
            notes = node.notes or {}
            finite = all(map(_finite, _numbers([*inputs, *node.options.values()])))
            if finite and not all_known:
                text = errors.non_finite_held(_place(node.op, notes), _count(value))
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


# -- words ----------------------------------------------------------------------------------------


def _made(
    op: Any, notes: Mapping[str, Any], out: Any, operands: Sequence[tuple[Any, Any]]
) -> errors.NonFiniteError:
    """The error about `op`, which made `out` from `operands`: values with their nodes or None."""
    known = [(value, parent) for value, parent in operands if value is not None]
    at = _first(out) if _by_entry(op) else None
    texts = []
    for value, parent in known[:_SHOWN]:
        text = _range(value) if at is None else _entry(value, at)
        origin = _origin(parent)
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
    return errors.non_finite(_place(op, notes), _count(out), inputs, shapes)


def _by_entry(op: Any) -> bool:
    """Whether each entry of the result is made from the entries of the inputs in its place."""
    if isinstance(op, Op):
        if op.kind in ("elementwise", "selection"):
            return not op.reduces
        op = op.function
    return isinstance(op, np.ufunc) and op.signature is None


def _place(op: Any, notes: Mapping[str, Any]) -> str:
    """The op as it is written, and in parentheses where, as far as that was noted."""
    via = notes.get("via")
    name = _name(op)
    if via is not None:
        name = via if via == f"np.{name}" else f"{name} in {via}"
    where = [notes["line"]] if "line" in notes else []
    where += [f"in {notes['scope']}"] if "scope" in notes else []
    return f"{name} ({', '.join(where)})" if where else name


def _name(op: Any) -> str:
    """What users write for a function or an op: ``np.sqrt``, ``np.add.reduce``, ``softplus``."""
    function = op.function if isinstance(op, Op) else op
    name = str(function.__name__)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{name}"
    unsaid = "numpy" if vars(np).get(name) is function else ""  # for ufuncs
    module = getattr(function, "__module__", None) or unsaid
    if module.partition(".")[0] == "numpy":
        return f"{module.replace('numpy', 'np', 1)}.{name}"
    return op.name if isinstance(op, Op) else name


def _origin(parent: Any) -> str:
    """What made an input, in words; nothing where that is not known."""
    while isinstance(parent, Node) and parent.op.name == "alias":
        parent = parent.parents[0]
    if isinstance(parent, Node):
        notes = parent.notes or {}
        line = f" at {notes['line']}" if "line" in notes else ""
        return f"{notes.get('via') or _name(parent.op)}{line}"
    if isinstance(parent, Leaf):
        return f"leaf {parent.name!r}" if parent.name else "a leaf"
    return ""


def _numbers(values: Sequence[Any]) -> Iterator[Any]:
    """The numbers and arrays of numbers among `values`, also in tuples and lists there."""
    for value in values:
        if isinstance(value, (np.ndarray, np.generic, int, float, complex)):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _numbers(value)


def _finite(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    if dtype is None and not isinstance(value, (float, complex)):
        return True
    return (dtype is not None and dtype.kind not in "fc") or bool(np.isfinite(value).all())


def _first(array: Any) -> tuple[int, ...]:
    """The index of the first entry that is not finite."""
    bad = ~np.isfinite(array)
    return tuple(int(i) for i in np.unravel_index(bad.argmax(), np.shape(array)))


def _count(array: Any) -> str:
    """``1 NaN of 1,024 at [17]``; of a scalar its value alone."""
    if np.ndim(array) == 0:
        return "NaN" if np.isnan(array) else _number(array)
    nans = int(np.isnan(array).sum())
    infs = int((~np.isfinite(array)).sum()) - nans
    counts = " and ".join(f"{n:,} {word}" for n, word in ((nans, "NaN"), (infs, "inf")) if n)
    return f"{counts} of {array.size:,} at {list(_first(array))}"


def _entry(value: Any, at: tuple[int, ...]) -> str:
    """The entry of `value` that an op uses for the entry `at` of its result."""
    shape = np.shape(value)
    place = at[len(at) - len(shape) :]
    index = tuple(i if n > 1 else 0 for i, n in zip(place, shape, strict=True))
    return _number(np.asarray(value)[index])


def _range(value: Any) -> str:
    if not np.size(value):
        return "nothing"
    value = np.abs(value) if np.iscomplexobj(value) else value
    return f"[{_number(np.min(value))}, {_number(np.max(value))}]"


def _number(value: Any) -> str:
    """The shortest text that tells the number, as one writes it: -3e-9."""
    return str(value).replace("e-0", "e-").replace("e+", "e").replace("e0", "e")


attach("explain_nan", explain_nan)
