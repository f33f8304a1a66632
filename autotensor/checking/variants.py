"""The checks of the same derivative asked for in another way: layouts, shapes, single outputs.

Each looks at a `Run` and returns None if all is well, or a `Finding`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np

from autotensor.checking.layout import Array
from autotensor.checking.numerical import Flat, Reference, random_direction
from autotensor.checking.observed import Observed, acts_by_entry
from autotensor.checking.report import Finding, raised
from autotensor.checking.rounding import unsteadiness
from autotensor.checking.run import Run
from autotensor.engine.primitive import TABLE, Op

__all__ = ["any_layout", "each_output_alone"]


def any_layout(run: Run) -> Finding | None:
    """G18: memory layout, and for an elementwise op shape, do not matter to the gradient."""
    if isinstance(run.first, Exception):
        return None
    return _layouts(run, run.first) or _shapes(run)


def _layouts(run: Run, first: Array) -> Finding | None:
    problem, seeds = run.problem, run.seeds
    for name, change in _LAYOUTS.items():
        arrays = [change(a.copy()) for a in problem.arrays]
        moved = [change(g) for g in seeds]
        pairs = zip((*arrays, *moved), (*problem.arrays, *seeds), strict=True)
        if all(a.strides == b.strides and a.flags.writeable for a, b in pairs):
            continue
        graph = _recorded(run, arrays)
        if graph is None or [np.shape(y) for y in graph.outputs] != problem.outputs.shapes:
            continue
        walk = graph.walk(moved)
        title = f"the gradient differs for inputs and g {name}"
        if walk.error is not None:
            return raised(
                run.problem.inputs.names, f"the rule raises for inputs and g {name}", walk.error
            )
        found = problem.inputs.pack(_filled(arrays, walk.gradients))
        if _apart(run, problem.value, problem.outputs.pack(graph.outputs)) is not None:
            finding = _another_function(run, name, change, found)  # so its gradient may differ
            if finding:
                return finding
            continue
        at = _apart(run, first, found)
        if at is not None:
            line = f"{first[at]:.12g} in C order, {found[at]:.12g} so"
            return Finding("fail", f"{title}: {problem.inputs.label(at)}", (line,))
    return None


def _another_function(
    run: Run, name: str, change: Callable[[Array], Array], gradient: Array
) -> Finding | None:
    """What to say of the gradient where the layout of the inputs decides what f is."""
    problem = run.problem

    def function(*arrays: Array) -> tuple[Array, ...]:
        return problem.evaluate(*[change(a) for a in arrays])

    try:
        reference = Reference(Flat(function, problem.arrays), run.seed)
        direction = random_direction(reference.scale, np.random.default_rng(run.seed))
        slope = reference.along(direction[None], run.cotangents[:1])
    except Exception:  # the function refuses to be moved: nothing is known
        return None
    value, error, terms = slope.value[0, 0], slope.error[0, 0], direction * gradient
    if not 16 * error < abs(value) < np.inf or slope.spread[0, 0] or not np.all(np.isfinite(terms)):
        return None
    if abs(terms.sum() - value) <= 1e-3 * np.sum(np.abs(terms)) + 16 * error:
        return None
    line = (
        f"d <g, output> along a random direction: rule {terms.sum():.12g}, numerical {value:.12g}"
    )
    names = ", ".join(problem.inputs.names)
    return Finding(
        "fail", f"f and its rule differ for {names} {name}, each in its own way", (line,)
    )


def _backwards(a: Array) -> Array:
    """The same values at negative strides, with gaps between them."""
    if not a.ndim:
        return a
    back = (slice(None, None, -1),) * (a.ndim - 1)
    view = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)[(*back, slice(None, None, -2))]
    view[...] = a
    return view


def _locked(a: Array) -> Array:
    a = a.copy()
    a.flags.writeable = False
    return a


_LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "in Fortran order": lambda a: np.array(a, order="F"),
    "at negative strides": _backwards,
    "that are read-only": _locked,
}


def _shapes(run: Run) -> Finding | None:
    """The op on arrays of other shapes: no axes, no entries, axes of size 1."""
    op = _elementwise(run)
    if op is None:
        return None
    flat = [a.ravel() for a in np.broadcast_arrays(*run.problem.arrays)]
    if not flat[0].size:
        return None
    for shape, arrays, g, wanted in _cases(run, flat):
        graph = _recorded(run, arrays)
        if graph is None or len(graph.outputs) != 1 or np.shape(graph.outputs[0]) != g.shape:
            continue  # the op need not take such arrays
        walk = graph.walk([g.astype(graph.outputs[0].dtype)])
        title = f"for arrays of {shape}"
        if walk.error is not None:
            return raised(run.problem.inputs.names, f"the rule raises {title}", walk.error)
        for name, a, gradient, expected in zip(
            run.problem.inputs.names, arrays, _filled(arrays, walk.gradients), wanted, strict=True
        ):
            if np.shape(gradient) != a.shape:
                lines = (f"{np.shape(gradient)} for {name}, which has {a.shape}",)
                return Finding("fail", f"gradient of the wrong shape {title}", lines)
            if expected is None or not np.all(np.isfinite(expected)):
                continue
            got, scale = np.sum(gradient), np.sum(np.abs(expected))
            expected = np.sum(expected)
            apart = abs(got - expected)
            slack = (run.rtol + 1e3 * run.problem.eps) * scale
            if not apart <= slack:
                line = f"{got:.12g} for {name}, and {expected:.12g} in longer arrays"
                return Finding("fail", f"the gradient differs {title}", (line,))
    return None


_Case = tuple[str, Sequence[Array], Array, Sequence[Array | None]]


def _cases(run: Run, flat: list[Array]) -> Iterator[_Case]:
    """What to run the op on, the cotangent, and for each input what its gradient adds up to."""
    size = min(flat[0].size, 4)
    few = [a[:size] for a in flat]
    g = np.resize(run.cotangents[0], size)
    graph = _recorded(run, few)
    whole: list[Array] | None = None
    if graph is not None and np.shape(graph.outputs[0]) == (size,):
        whole = _gradients(graph, g)
    unknown = [None] * len(flat)
    for shape in ((), (1,), (1, 1)):
        wanted = unknown if whole is None else [c[:1] for c in whole]
        yield f"shape {shape}", [a[:1].reshape(shape) for a in few], g[:1].reshape(shape), wanted
    for shape in ((0,), (0, 3), (2, 0)):
        yield f"shape {shape}", [np.zeros(shape, a.dtype) for a in few], np.zeros(shape), unknown
    for i in range(len(flat)) if len(flat) > 1 else ():
        # One entry against many: its gradient is the sum of those that it has side by side.
        alike = [np.full(size, a[0]) if k == i else a for k, a in enumerate(few)]
        graph = _recorded(run, alike)
        beside = None if graph is None else _gradients(graph, g)
        if beside is not None:
            one = [a[:1] if k == i else a for k, a in enumerate(few)]
            yield f"shapes {(1,)} and {(size,)}", one, g, beside


def _gradients(graph: Observed, g: Array) -> list[Array] | None:
    walk = graph.walk([g.astype(graph.outputs[0].dtype)])
    return None if walk.error is not None else _filled(graph.inputs, walk.gradients)


def _elementwise(run: Run) -> Op | None:
    """The op that is checked, if it is declared to act entry by entry."""
    function = run.problem.function
    op = TABLE.get(function) if isinstance(function, Hashable) else None
    op = function if isinstance(function, Op) else op
    return op if isinstance(op, Op) and acts_by_entry(op) else None


def each_output_alone(run: Run) -> Finding | None:
    """G19: each output alone carries its part of the gradient."""
    problem = run.problem
    if len(problem.outputs.shapes) < 2:
        return Finding("skipped", "there is one output")
    if isinstance(run.first, Exception) or isinstance(run.observed, Exception):
        return None
    parts = []
    for k, (span, name) in enumerate(
        zip(problem.outputs.spans, problem.outputs.names, strict=True)
    ):
        g = np.zeros_like(run.cotangents[0])
        g[span] = run.cotangents[0][span]
        walk = run.observed.walk([s if k == i else None for i, s in enumerate(run.seeds)])
        title = f"{name} alone, without cotangents of the other outputs"
        if walk.error is not None:
            return raised(run.problem.inputs.names, f"the rule raises for {title}", walk.error)
        try:
            parts.append(run.pullback(g))
        except Exception as error:  # whatever a rule raises is a finding
            return raised(
                run.problem.inputs.names, f"the rule raises for zeros beside {name}", error
            )
        alone = problem.inputs.pack(_filled(problem.arrays, walk.gradients))
        at = _apart(run, parts[-1], alone)
        if at is not None:
            line = f"{alone[at]:.12g}, and {parts[-1][at]:.12g} if they are zeros"
            return Finding("fail", f"{title}: {problem.inputs.label(at)}", (line,))
    with np.errstate(all="ignore"):
        total, size = np.sum(parts, axis=0), np.sum(np.abs(parts), axis=0)
    at = _apart(run, run.first, total, size)
    if at is not None:
        at = _apart(run, run.first, total, size, unsteadiness(run, run.cotangents[0]))
    if at is None:
        return None
    line = f"{total[at]:.12g}, and {run.first[at]:.12g} for all outputs at once"
    title = f"the gradients of single outputs do not add up: {problem.inputs.label(at)}"
    return Finding("fail", title, (line,))


def _recorded(run: Run, arrays: Sequence[Array]) -> Observed | None:
    """The function recorded on other arrays; None where it does not take them."""
    try:
        return run.problem.observed(arrays)
    except Exception:
        return None


def _filled(arrays: Sequence[Array], gradients: Sequence[Array | None]) -> list[Array]:
    """The gradients, with zeros for those that there are none of."""
    return [
        np.zeros(np.shape(a), np.asarray(a).dtype) if g is None else np.asarray(g)
        for a, g in zip(arrays, gradients, strict=True)
    ]


def _apart(
    run: Run, a: Array, b: Array, size: Array | None = None, granted: Array | float = 0.0
) -> int | None:
    """The entry where two vectors are further apart than rounding explains, if there is one."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(a), np.abs(b)) if size is None else size
        peak = np.max(size, initial=0.0, where=np.isfinite(size))
        slack = run.rtol * size + (20 if run.low_precision else 1e3) * run.problem.eps * peak
        slack += granted
        bad = np.isfinite(size) & (np.abs(a - b) > slack)
    return int(np.argmax(np.where(bad, np.abs(a - b), -1.0))) if bad.any() else None
