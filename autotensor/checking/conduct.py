"""The checks of what functions and rules do: change nothing, remember nothing, be linear in g.

Each looks at a `Run` and returns None if all is well, or a `Finding`. None needs a numerical
reference.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autotensor.array import Tensor
from autotensor.checking.layout import Array, Layout
from autotensor.checking.observed import Call, Observed, fingerprint
from autotensor.checking.problem import Problem
from autotensor.checking.report import Finding, raised, told
from autotensor.checking.rounding import grain, packed, unsteadiness
from autotensor.checking.run import Run
from autotensor.engine.memory import memory_of
from autotensor.replay import random_states

__all__ = [
    "deterministic_rule",
    "deterministic_value",
    "inputs_unchanged",
    "linear_in_g",
    "no_stale_state",
    "own_memory",
    "two_graphs",
    "writes_nothing",
]


def inputs_unchanged(run: Run) -> Finding | None:
    """G02: f leaves its inputs unchanged, byte for byte."""
    problem = run.problem
    if problem.refused is not None:
        lines = (*told(problem.refused), "compute a new array, or write to a copy")
        names = " or ".join(problem.inputs.names)
        return Finding("fail", f"f writes to its inputs: {names}", lines)
    arrays = [a.copy() for a in problem.arrays]
    tensors = [Tensor(a if a.ndim else a[()], None) for a in arrays]
    with np.errstate(all="ignore"):
        problem.function(*tensors)
    for i, (array, tensor, given) in enumerate(zip(arrays, tensors, problem.arrays, strict=True)):
        for now in (tensor.numpy(), array):
            if fingerprint(now) != fingerprint(given):
                return _changed(problem, i, now)
    return None


def _changed(problem: Problem, i: int, now: Array) -> Finding:
    name, lines = problem.inputs.names[i], ["compute a new array, or write to a copy"]
    if now.shape == problem.arrays[i].shape:
        before = problem.inputs.pack(problem.arrays)
        after = problem.inputs.pack([*problem.arrays[:i], now, *problem.arrays[i + 1 :]])
        at = _differing(before, after, 0.0)
        if at is not None:  # else it is the sign of a zero
            name = problem.inputs.label(at)
            lines.insert(0, f"{before[at]:.12g} before, {after[at]:.12g} after")
    return Finding("fail", f"f writes to its inputs: {name}", tuple(lines))


def deterministic_value(run: Run) -> Finding | None:
    """G03: f gives the same value each time."""
    problem = run.problem
    with np.errstate(all="ignore"):
        values = problem.evaluate(*[a.copy() for a in problem.arrays])
    title = "f is not deterministic"
    if Layout(values).shapes != problem.outputs.shapes:
        return Finding("fail", title, ("two calls on the same inputs give other shapes",))
    again = problem.outputs.pack(values)
    at = _differing(problem.value, again, _rounding(problem.outputs, problem.value))
    if at is None:
        return None
    lines = [f"{problem.value[at]:.12g} and then {again[at]:.12g}, for the same inputs"]
    source = _drawn_from(problem.function, lambda: problem.evaluate(*problem.arrays))
    if source is not None:
        lines.append(f"it draws from {source}: make a generator in f itself, from a fixed seed")
        if np.any((problem.value == 0) != (again == 0)):
            title += ", as dropout without a seed"
    return Finding("fail", f"{title}: {problem.outputs.label(at)}", tuple(lines))


def _drawn_from(function: Any, call: Callable[[], Any]) -> str | None:
    """The source of random numbers whose state a call of the function changes."""
    before = [(source, pickle.dumps(state)) for source, state in random_states(function)]
    with np.errstate(all="ignore"):
        call()
    now = {id(source): pickle.dumps(state) for source, state in random_states(function)}
    for source, state in before:
        if now.get(id(source), state) != state:
            return "np.random" if source is np.random else f"a {type(source).__name__} outside f"
    return None


def writes_nothing(run: Run) -> Finding | None:
    """G08: no rule writes into g, the inputs or the result."""
    writeable = [] if isinstance(run.first, Exception) else run.second.calls
    for call in (*run.walk.calls, *writeable):
        if call.wrote:
            what = ", ".join(call.wrote)
            return Finding(
                "fail",
                f"{call.where} writes to {what}",
                ("others use the same memory: return a new array, or write to a copy",),
            )
        if call.refused is not None:
            lines = ("the engine may give it some: copy first, g = g.copy()", *told(call.refused))
            return Finding("fail", f"{call.where} raises for read-only arrays", lines)
    return None


def own_memory(run: Run) -> Finding | None:
    """G09: gradients share memory with g alone, and a second call leaves the first's alone."""
    if isinstance(run.observed, Exception) or run.walk.error is not None:
        return None
    first = [call for call in run.walk.calls if _is_fresh(call)]
    before = [fingerprint(call.result) for call in first]
    again = [call for call in run.second.calls if _is_fresh(call)]
    # The usual cotangent of a scalar, which some rules treat apart; and one unlike the first.
    for_ones = run.observed.walk([np.ones_like(g) for g in run.seeds])
    for calls in (first, [call for call in for_ones.calls if _is_fresh(call)]):
        found = _shared_in(run.observed, calls)
        if found:
            return found
    for call, later in zip(first, again, strict=False):
        if call.result.flags.writeable and _overlap(call.result, later.result):
            return _shares(call, "with its next: it returns the same array each time")
    for call, was in zip(first, before, strict=True):
        if fingerprint(call.result) != was:
            return _shares(call, "with its next: a second call changes what the first returned")
    return None


def _shared_in(graph: Observed, calls: list[Call]) -> Finding | None:
    """What one walk's results share memory with, but for g."""
    held = [a for a in (*graph.inputs, *graph.outputs) if isinstance(a, np.ndarray)]
    owners: dict[int, Call] = {}
    for call in calls:
        for name, value in call.seen().items():
            if any(_overlap(call.result, a) for a in _arrays(value)):
                return _shares(call, f"with {name}")
        if any(_overlap(call.result, a) for a in held):
            return _shares(call, "with an input or a result of f")
        if call.result.flags.writeable:
            other = owners.setdefault(id(memory_of(call.result)), call)
            if other is not call and _overlap(call.result, other.result):
                return _shares(call, f"with that of {other.where}")
    return None


def _shares(call: Call, what: str) -> Finding:
    lines = ("whoever writes to one changes the other: return a new array each time",)
    return Finding("fail", f"the result of {call.where} shares memory {what}", lines)


def _is_fresh(call: Call) -> bool:
    """Whether a rule returned an array that is neither g nor a view of it."""
    c = call.result
    if not isinstance(c, np.ndarray) or not c.size:
        return False
    return not any(_overlap(c, g) for g in call.cotangents)


def _overlap(a: Any, b: Any) -> bool:
    if not isinstance(b, np.ndarray) or not np.may_share_memory(a, b):
        return False
    try:
        return bool(np.shares_memory(a, b, max_work=10_000))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def _arrays(value: Any) -> Iterator[Array]:
    if isinstance(value, np.ndarray):
        yield value
    elif type(value) in (tuple, list, dict):
        for part in value.values() if type(value) is dict else value:
            yield from _arrays(part)


def deterministic_rule(run: Run) -> Finding | None:
    """G10: the rules give the same each time."""
    if isinstance(run.first, Exception) or run.walk.error is not None:
        return None
    inputs = run.problem.inputs
    for later in (packed(run, run.walk), packed(run, run.second)):
        at = _differing(run.first, later, _rounding(inputs, run.first))
        if at is None:
            continue
        lines = [f"{run.first[at]:.12g} and then {later[at]:.12g}, for the same x and g"]
        for one, other in zip(run.walk.calls, run.second.calls, strict=False):
            if isinstance(one.result, np.ndarray) and not _same(one.result, other.result):
                lines.append(f"it begins in {one.where}")
                break
        return Finding("fail", f"the rule is not deterministic: {inputs.label(at)}", tuple(lines))
    return None


def _same(a: Any, b: Any) -> bool:
    return isinstance(b, np.ndarray) and fingerprint(a) == fingerprint(b)


def linear_in_g(run: Run) -> Finding | None:
    """G11: rule(-2.5 g + h) = -2.5 rule(g) + rule(h), rule(s g) = s rule(g), and rule(0) = 0."""
    if isinstance(run.first, Exception):
        return None
    g = run.cotangents[0]
    (h,) = run.representable(g[None, ::-1])
    (mixed,) = run.representable(-2.5 * g[None] + h)
    of_g, label = run.first, run.problem.inputs.label
    lines: list[str] = []
    try:
        of_h, of_mixed = run.pullback(h), run.pullback(mixed)
        of_zero = run.pullback(np.zeros_like(g))
        with np.errstate(all="ignore"):
            terms, wanted = 2.5 * np.abs(of_g) + np.abs(of_h), -2.5 * of_g + of_h
        known = np.isfinite(terms) & (terms < _largest(run.problem.inputs) / 8)
        at = _nonlinear_at(run, wanted, of_mixed, _slack(run, terms), known)
        if at is not None:
            lines += [
                f"rule(-2.5 g + h)             {of_mixed[at]:.12g}      at {label(at)}",
                f"-2.5 rule(g) + rule(h)       {wanted[at]:.12g}",
            ]
        zero = np.flatnonzero(known & (of_zero != 0))
        if zero.size:
            lines.append(f"rule(0) is {of_zero[zero[0]]:.12g} at {label(int(zero[0]))}, not 0")
        for power in () if lines else _powers(run):
            scaled = run.pullback(g * 2.0**power) / 2.0**power
            # What over- or underflows says nothing of the rule.
            known = np.isfinite(of_g) & np.isfinite(scaled)
            lost = float(max(np.finfo(d).tiny for d in run.problem.inputs.dtypes)) / run.problem.eps
            slack = _slack(run, np.abs(of_g)) + lost / 2.0**power
            at = _nonlinear_at(run, of_g, scaled, slack, known)
            if at is not None:
                lines += [
                    f"rule(2**{power} g) / 2**{power}      {scaled[at]:.12g}      at {label(at)}",
                    f"rule(g)                    {of_g[at]:.12g}",
                ]
                break
    except Exception as error:  # whatever a rule raises is a finding
        return raised(run.problem.inputs.names, "the rule raises for some g", error)
    return Finding("fail", "the rule is not linear in g", tuple(lines)) if lines else None


def _nonlinear_at(run: Run, wanted: Array, got: Array, slack: Array, known: Array) -> int | None:
    """The entry where two vectors differ by more than rounding explains; None if there is none."""
    if _differing(wanted, got, slack, known) is None:
        return None
    return _differing(wanted, got, slack + unsteadiness(run, run.cotangents[0]), known)


def _largest(inputs: Layout) -> Array:
    """The largest number that each entry can be."""
    found = np.empty(inputs.size)
    for span, dtype in zip(inputs.spans, inputs.dtypes, strict=True):
        found[span] = float(min(np.finfo(dtype).max, np.finfo(float).max))
    return found


def _powers(run: Run) -> tuple[int, ...]:
    """Powers of two that a cotangent is scaled by: clipping and thresholds are at any size."""
    eps, _ = grain(run)
    return (-60, -24, 24, 60) if eps < 1e-10 else (-24, 24) if eps < 1e-5 else (-6, 6)


def no_stale_state(run: Run) -> Finding | None:
    """G12: the gradient of a call is the same after f ran on other inputs."""
    if isinstance(run.first, Exception):
        return None
    title = "the rule uses what a later call of f left behind"
    try:
        pull = run.problem.pullback()
        for arrays in (*_reshaped(run), *run.elsewhere):
            with contextlib.suppress(Exception), np.errstate(all="ignore"):
                run.problem.pullback(arrays)
                run.problem.evaluate(*[a.copy() for a in arrays])
            found = _stale(run, title, run.first, pull(run.cotangents[0]))
            if found:
                return found
    except Exception as error:  # whatever a rule raises is a finding
        return raised(run.problem.inputs.names, "the rule raises once f ran on other inputs", error)
    return None


def _reshaped(run: Run) -> Iterator[list[Array]]:
    """Inputs of other shapes, which f need not take."""
    arrays = run.problem.arrays
    yield [np.concatenate([a, a[:1]]) if a.ndim else a for a in arrays]
    yield [a[:1] if a.ndim else a for a in arrays]


def two_graphs(run: Run) -> Finding | None:
    """G13: two graphs that are there at once give their gradients in either order, and again."""
    if isinstance(run.first, Exception):
        return None
    problem, g = run.problem, run.cotangents[0]
    there, other = problem.arrays, run.first
    for arrays in run.elsewhere[-1:]:
        with contextlib.suppress(Exception):  # f may give another shape there, say
            there, other = arrays, problem.pullback(arrays)(g)
    title = "two graphs at once disturb each other"
    for first in (True, False):
        try:
            one, two = problem.pullback(), problem.pullback(there)
            if first:
                got, of_two = one(g), two(g)
            else:
                of_two, got = two(g), one(g)
            again = one(g)
        except Exception as error:  # whatever a rule raises is a finding
            return raised(run.problem.inputs.names, f"{title}: a rule raises", error)
        found = (
            _stale(run, title, run.first, got)
            or _stale(run, title, other, of_two)
            or _stale(run, "a second walk down one graph differs", run.first, again)
        )
        if found:
            return found
    return None


def _stale(run: Run, title: str, wanted: Array, got: Array) -> Finding | None:
    inputs = run.problem.inputs
    at = _differing(wanted, got, _rounding(inputs, wanted))
    if at is None:
        return None
    return Finding(
        "fail",
        f"{title}: {inputs.label(at)}",
        (
            f"{wanted[at]:.12g} by itself, {got[at]:.12g} here",
            "a rule may use its arguments, out and shape, but nothing that f stores elsewhere",
        ),
    )


def _differing(a: Array, b: Array, slack: Any, known: Any = True) -> int | None:
    """The entry where two vectors differ most, by more than `slack`; None if they do not."""
    with np.errstate(all="ignore"):
        apart = np.abs(a - b)
    apart[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    apart[np.isnan(apart)] = np.inf
    bad = (apart > slack) & known
    return int(np.argmax(np.where(bad, apart, -1.0))) if bad.any() else None


def _rounding(layout: Layout, vector: Array) -> Array:
    """A few units in the last place of the largest entry of each array.

    NumPy repeats a computation to the last bit, as measured with matrices of many sizes and at
    many addresses. Code with threads of its own may add in another order each time.
    """
    slack = np.zeros_like(vector)
    for span, dtype in zip(layout.spans, layout.dtypes, strict=True):
        sizes = np.abs(vector[span])
        peak = np.max(sizes, initial=0.0, where=np.isfinite(sizes))
        slack[span] = 8 * float(np.finfo(dtype).eps) * peak
    return slack


def _slack(run: Run, terms: Array) -> Array:
    """How far rounding may move a sum of terms."""
    peak = np.max(terms, initial=0.0, where=np.isfinite(terms))
    eps, _ = grain(run)
    units = 1000 if eps <= np.finfo(float).eps else 20
    return np.asarray(run.rtol * terms + units * eps * peak)
