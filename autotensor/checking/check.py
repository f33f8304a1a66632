"""`gradcheck`: whether the derivatives of a function are right.

The module is not called gradcheck because the function of that name would hide it in the package.
"""

import time
import warnings
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from autotensor.checking.arguments import Arguments, check_numbers, chosen_ids
from autotensor.checking.checks import CHECKS, execute
from autotensor.checking.containers import Call
from autotensor.checking.problem import Problem
from autotensor.checking.report import GradcheckError, GradcheckReport, joined
from autotensor.checking.run import Run
from autotensor.checking.source import name_of
from autotensor.engine.modes import no_grad
from autotensor.engine.primitive import TABLE, Op

__all__ = ["gradcheck"]

Domain = str | Callable[..., Any] | None


def gradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    *,
    order: int = 1,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    raise_exception: bool = True,
    wrt: int | str | Sequence[int | str] | None = None,
    domain: Domain | Sequence[Domain] | Mapping[str, Domain] = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
    skip: Collection[str] = (),
    strict: bool = False,
) -> GradcheckReport:
    """Compare the derivatives of a function with a numerical reference, and check their structure.

    Parameters
    ----------
    fn : callable
        Takes Tensors, returns a Tensor of any shape, or Tensors in tuples, lists and dicts: a
        Python function, an op, a `functools.partial`, a layer. Of a layer the derivatives by its
        inputs are checked; for those by its parameters write a function of them.
    inputs : array, Tensor, dict or namedtuple; or list or tuple
        The only argument; or a list or tuple of all the arguments. An argument may be a container
        of arrays: a dict of parameters, say. Float and complex arrays, of any shape, are
        differentiated; anything else is passed on as it is, numbers of Python included.
    order : int
        2 checks the second derivatives too, by checking the gradient as a function of its own.
    eps : float, optional
        The widest step of the differences, in units of |x|; chosen by itself if not given.
    atol, rtol : float, optional
        Tolerances beside the error bar of the reference. By default 0, and 1e-6 for float64 or 20
        units in the last place for lower precision.
    raise_exception : bool
        Whether to raise when a derivative is wrong, rather than only say so in the report.
    wrt : int, str, or sequence of these, optional
        Positions or names of the arguments to differentiate by, if not all; or labels of arrays in
        them, such as ``"params['w']"``.
    domain : str or callable; or a sequence or dict of these, optional
        A set in which x stays while it is moved: ``"positive"``, ``"unit"`` (between -1 and 1),
        ``"spd"``, ``"simplex"``, ``"orthogonal"``, or a function that maps an array beside the set
        back into it. One for all arguments, one for each, or by name.
    names : sequence of str, optional
        What the report calls the arguments; by default what `fn` calls them.
    seed : int
        For the random directions; a run is the same each time.
    skip : collection of str
        Ids of checks that are not to be run, such as ``("G03",)`` for a function that draws random
        numbers.
    strict : bool
        Whether to raise also where the reference cannot tell.

    Returns
    -------
    GradcheckReport
        True if all is well. Its `verdict` is ``"inconclusive"``, and it is false though nothing is
        raised, where the reference cannot tell: f not finite, or too noisy.

    Raises
    ------
    GradcheckError
        If a derivative is wrong, or with `strict` if that cannot be told; carries the report.
    ValueError
        If there is nothing to differentiate, or an option has a value that makes no sense.
    TypeError
        If `fn` returns no Tensor, or an option is of the wrong type.

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
    >>> def loss(params, x):
    ...     return np.mean(np.tanh(x @ params["w"] + params["b"]) ** 2)
    >>> x = np.array([[0.5, -1.0], [2.0, 0.25]])
    >>> at.gradcheck(loss, [{"w": np.array([1.0, -0.5]), "b": np.array(0.1)}, x]).entries
    7
    """
    start = time.perf_counter()
    if not callable(fn):
        raise TypeError(f"gradcheck needs a function and its inputs; got {type(fn).__name__} first")
    if not isinstance(order, Integral) or order < 1:
        raise ValueError(f"order must be 1 or more; got {order!r}")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number, 0 or more; got {seed!r}")
    check_numbers(eps=eps, atol=atol, rtol=rtol)
    skipped_ids = chosen_ids(skip, [check.id for check in CHECKS])
    name = name_of(fn)
    arguments = Arguments(fn, name, inputs, wrt, names)
    order, seed = int(order), int(seed)
    call = Call(fn, name, arguments.values, arguments.places)
    # An op stays recognisable as one, for the checks that depend on how it was declared.
    known = isinstance(fn, Op) or (isinstance(fn, Hashable) and fn in TABLE)
    function = fn if known and call.plain else call
    domains = arguments.domains(domain)
    # Points out of the domain are tried too, and what is not finite is found by looking.
    with np.errstate(all="ignore"), warnings.catch_warnings(), no_grad():
        warnings.simplefilter("ignore", RuntimeWarning)
        problem = Problem(name, function, arguments.arrays, arguments.labels)
        if function is call:
            problem.outputs.names[:] = call.output_names
        run = Run(problem, order, rtol, atol, seed, domain=domains, eps=eps, skip=skipped_ids)
        findings, passed, skipped = execute(run)
    given: dict[str, tuple[Any, Any]] = {
        "order": (order, 1),
        "eps": (eps, None),
        "atol": (atol, None),
        "rtol": (rtol, None),
        "wrt": (wrt, None),
        "domain": (domain, None),
        "names": (names, None),
        "skip": (sorted(skipped_ids), []),
        "strict": (strict, False),
    }
    options = {key: value for key, (value, usual) in given.items() if value != usual}
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
        skipped=skipped,
        function=fn,
        inputs=arguments.values,
        options={**options, "seed": seed},
    )
    if raise_exception and (report.verdict == "fail" or (strict and not report)):
        raise GradcheckError(report)
    return report
