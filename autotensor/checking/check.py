"""`gradcheck`: whether the derivatives of a function are right.

The module is not called gradcheck because the function of that name would hide it in the package.
"""

import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autotensor.array import Tensor
from autotensor.checking.checks import execute
from autotensor.checking.problem import Problem
from autotensor.checking.report import GradcheckError, GradcheckReport, joined, source_of
from autotensor.checking.run import Run

__all__ = ["gradcheck"]


def gradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    *,
    order: int = 1,
    atol: float | None = None,
    rtol: float | None = None,
    raise_exception: bool = True,
    wrt: int | Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
    domain: Any = None,
    eps: float | None = None,
) -> GradcheckReport:
    """Compare the derivatives of a function with a numerical reference, and check their structure.

    Parameters
    ----------
    fn : callable
        Takes Tensors, returns a Tensor of any shape or a tuple of them.
    inputs : array, Tensor, or list or tuple
        The argument, or the arguments. Float and complex arrays are differentiated; anything else
        is passed on as it is.
    order : int
        2 checks the second derivatives too, by checking the gradient as a function of its own.
    atol, rtol : float, optional
        Tolerances beside the error bar of the reference. By default 0, and 1e-6 for float64 or 20
        units in the last place for lower precision.
    raise_exception : bool
        Whether to raise when a derivative is wrong, rather than only say so in the report.
    wrt : int or sequence of int, optional
        Positions of the arguments to differentiate by, if not all.
    names : sequence of str, optional
        What the report calls the arguments; by default what `fn` calls them.
    seed : int
        For the random directions; a run is the same each time.

    Returns
    -------
    GradcheckReport
        True if all is well. Its `verdict` is ``"inconclusive"``, and it is false though nothing is
        raised, where the reference cannot tell: f not finite, or too noisy.

    Raises
    ------
    GradcheckError
        If a derivative is wrong; carries the report.
    ValueError
        If there is nothing to differentiate.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> bool(at.gradcheck(np.tanh, np.array([-1.0, 0.0, 2.0]), order=2))
    True
    >>> @at.custom_op(x=lambda g, x: g * np.cos(x) * 1.01)
    ... def sine(x):
    ...     return np.sin(x)
    >>> report = at.gradcheck(sine, np.array([1.0, 2.0]), raise_exception=False)
    >>> report.verdict
    'fail'
    """
    start = time.perf_counter()
    if order < 1:
        raise ValueError(f"order must be 1 or more; got {order}")
    arguments = [_as_array(a) for a in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
    if not isinstance(inputs, (list, tuple)) and isinstance(arguments[0], (float, complex)):
        arguments = [np.asarray(arguments[0])]
    name = _name(fn)
    chosen = _differentiated(name, arguments, wrt)

    def of_chosen(*tensors: Any) -> Any:
        complete = list(arguments)
        for i, tensor in zip(chosen, tensors, strict=True):
            complete[i] = tensor
        return fn(*complete)

    called = _argument_names(fn, len(arguments)) if names is None else list(names)
    function = fn if len(chosen) == len(arguments) else of_chosen
    problem = Problem(name, function, [arguments[i] for i in chosen], [called[i] for i in chosen])
    run = Run(problem, order, rtol, atol, seed, domain=[domain] * len(chosen), eps=eps)
    findings, passed, skipped = execute(run)
    options = "".join(
        f", {key}={value!r}"
        for key, value, usual in (
            ("order", order, 1),
            ("atol", atol, None),
            ("rtol", rtol, None),
            ("wrt", wrt, None),
        )
        if value != usual
    )
    report = GradcheckReport(
        name=name,
        order=order,
        dtype=joined(problem.inputs.dtypes),
        entries=problem.inputs.size * problem.outputs.size,
        kinks=int(run.held.sum()),
        evaluations=run.evaluations,
        milliseconds=1e3 * (time.perf_counter() - start),
        seed=seed,
        findings=tuple(findings),
        passed=tuple(passed),
        skipped=tuple(skipped),
        reproduce=f"at.gradcheck({name}, {source_of(arguments)}{options}, seed={seed})",
    )
    if raise_exception and report.verdict == "fail":
        raise GradcheckError(report)
    return report


def _as_array(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        return argument.numpy() if argument.dtype.kind in "fc" else argument
    return np.asarray(argument) if isinstance(argument, np.generic) else argument


def _differentiated(name: str, arguments: list[Any], wrt: int | Sequence[int] | None) -> list[int]:
    """Positions of the arguments to differentiate by."""
    inexact = [
        i for i, a in enumerate(arguments) if isinstance(a, np.ndarray) and a.dtype.kind in "fc"
    ]
    if wrt is not None:
        wanted = [wrt] if isinstance(wrt, int) else list(wrt)
        if not set(wanted) <= set(inexact):
            raise ValueError(
                f"wrt={wrt!r} names an argument that is no float or complex array; those are at "
                f"{inexact}"
            )
        inexact = wanted
    if not inexact:
        raise ValueError(
            f"there is nothing to differentiate in the inputs of {name}: give float or complex "
            "arrays, such as np.array([1.0, 2.0])"
        )
    return inexact


def _name(fn: Callable[..., Any]) -> str:
    return str(getattr(fn, "__name__", None) or getattr(fn, "name", None) or type(fn).__name__)


def _argument_names(fn: Callable[..., Any], count: int) -> list[str]:
    """What a function calls its positional arguments; x, or x0, x1 … where it does not say."""
    try:
        parameters = inspect.signature(getattr(fn, "function", fn)).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    found = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(found) >= count:
        return found[:count]
    return ["x"] if count == 1 else [f"x{i}" for i in range(count)]
