"""`property_test`: a gradient check at many inputs, the failing one made small by hypothesis."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Set
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from autotensor.checking.arguments import chosen_ids
from autotensor.checking.check import gradcheck
from autotensor.checking.checks import CHECKS
from autotensor.checking.report import GradcheckError, GradcheckReport
from autotensor.checking.source import name_of

__all__ = ["property_test"]

_BASE = ("G01", "G04", "G05")  # what the other checks rest on; those of numbers, on G15 too
_NEARBY = "G17"  # hypothesis goes there itself
_ALL = frozenset(check.id for check in CHECKS)
_OPTIONS = sorted({*inspect.signature(gradcheck).parameters} - {"fn", "inputs", "raise_exception"})


def property_test(
    *together: st.SearchStrategy[Any], examples: int | None = None, **given: Any
) -> Callable[[Callable[..., Any]], Callable[[], None]]:
    """Make a test of the decorated function: its derivatives, at inputs that hypothesis draws.

    When a derivative is wrong, hypothesis looks for the smallest inputs at which it is, and the
    test raises with the report for these.

    Parameters
    ----------
    *together : strategy
        One strategy that draws all arguments as a tuple, or by name as a dict.
    examples : int, optional
        How many inputs to try; by default what hypothesis is set to.
    **given
        Strategies, one for each argument of the function; and options of `gradcheck`. What is no
        strategy is an option.

    Returns
    -------
    callable
        Takes the function, gives a test without arguments. Inputs at which `gradcheck` is
        inconclusive count as not drawn.

    Raises
    ------
    TypeError
        If there is no strategy, one for an argument that is not there, or an unknown option.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> from autotensor.checking import property_test, strategies
    >>> @property_test(x=strategies.positive(), order=2, examples=20)
    ... def test_entropy(x):
    ...     return np.sum(x * np.log(x))
    >>> test_entropy()

    A wrong rule ends in numbers one can work out:

    >>> @at.custom_op(x=lambda g, x: g * 3 * x)
    ... def square(x):
    ...     return x * x
    >>> test_square = property_test(x=strategies.arrays())(square)
    >>> try:
    ...     test_square()
    ... except at.GradcheckError as error:
    ...     error.report.inputs
    [array([1.])]
    """
    strategies = {k: v for k, v in given.items() if isinstance(v, st.SearchStrategy)}
    options = {k: v for k, v in given.items() if k not in strategies}
    unknown = [k for k in options if k not in _OPTIONS]
    if unknown:
        raise TypeError(
            f"{unknown[0]}={options[unknown[0]]!r} is neither a strategy for an argument nor an "
            f"option of gradcheck; these are {', '.join(_OPTIONS)}"
        )
    if len(together) + bool(strategies) != 1 or not all(
        isinstance(s, st.SearchStrategy) for s in together
    ):
        raise TypeError(
            "property_test needs a strategy for each argument, @property_test(x=arrays()), or one "
            "for all, @property_test(broadcastable_arrays())"
        )
    count: dict[str, Any] = {} if examples is None else {"max_examples": examples}
    source = together[0] if together else st.fixed_dictionaries(strategies)

    def decorate(fn: Callable[..., Any]) -> Callable[[], None]:
        _check_names(fn, strategies)
        search = _Search(fn, options)

        @hypothesis.settings(
            **count,
            deadline=None,
            report_multiple_bugs=False,  # one report; the next bug shows when this one is mended
            phases=[phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.explain],
            suppress_health_check=[*hypothesis.HealthCheck],
        )
        @hypothesis.given(source)
        def each(drawn: Any) -> None:
            search.check(drawn)

        def test() -> None:
            __tracebackhide__ = True
            try:
                # What is wrong at the inputs themselves shows more than what is wrong near them.
                for ids in (_ALL - {_NEARBY}, {*_BASE, "G15", _NEARBY}):
                    search.begin(ids)
                    each()
            except GradcheckError as error:
                small = error
            else:
                return
            # The report of all checks, for the smallest inputs.
            gradcheck(small.report.function, small.report.inputs, **options)
            raise small

        name = name_of(fn)
        test.__name__ = test.__qualname__ = name if name.startswith("test") else f"test_{name}"
        test.__doc__ = getattr(fn, "__doc__", None)
        test.__module__ = str(getattr(fn, "__module__", __name__))
        return test

    return decorate


class _Search:
    """The check of one drawing, which does less once a failure is found.

    Then only the check that failed is of interest: hypothesis tries hundreds of smaller inputs.

    Attributes
    ----------
    only
        The ids of the checks that are run.
    narrowed
        Whether a failure was found.
    """

    def __init__(self, fn: Callable[..., Any], options: dict[str, Any]) -> None:
        self.fn = fn
        self.options = options
        self.begin(_ALL)

    def begin(self, ids: Set[str]) -> None:
        """Run these checks from now on."""
        self.only = ids
        self.narrowed = False

    def check(self, drawn: Any) -> None:
        """Raise if a derivative is wrong at the inputs drawn; have them dropped if unclear."""
        fn, inputs = _call(self.fn, drawn)
        try:
            report = self.run(fn, inputs)
        except GradcheckError as error:
            if not self.narrowed:
                self.narrow(error, fn, inputs)
            raise
        if report.verdict == "inconclusive":
            hypothesis.reject()

    def run(self, fn: Callable[..., Any], inputs: list[Any]) -> GradcheckReport:
        """Run the checks of `only`."""
        skip = chosen_ids(self.options.get("skip", ()), sorted(_ALL))
        return gradcheck(fn, inputs, **{**self.options, "skip": (_ALL - self.only) | skip})

    def narrow(self, error: GradcheckError, fn: Callable[..., Any], inputs: list[Any]) -> None:
        """From now on run the check that failed and what it rests on, if it fails so too."""
        check, finding = error.report.findings[-1]
        within = re.search(r"order \d+, (G\d\d)", finding.title)  # the one that failed in G20
        before = self.only
        self.only = {check, *_BASE, *([within[1]] if within else []), *["G15"] * (check > "G13")}
        self.narrowed = True
        try:
            self.run(fn, inputs)
        except GradcheckError:
            return
        self.only = before


def _check_names(fn: Callable[..., Any], strategies: Mapping[str, Any]) -> None:
    parameters = _parameters(fn)
    if parameters is None or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    unknown = [k for k in strategies if k not in parameters]
    if unknown:
        raise TypeError(
            f"{name_of(fn)} has no argument {unknown[0]!r}, but {', '.join(parameters)}"
        )


def _parameters(fn: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    """The parameters by name; None where names say nothing, as for ufuncs."""
    if isinstance(fn, np.ufunc):
        return None
    try:
        return inspect.signature(getattr(fn, "function", fn)).parameters
    except (TypeError, ValueError):
        return None


def _call(fn: Callable[..., Any], drawn: Any) -> tuple[Callable[..., Any], list[Any]]:
    """What was drawn, as positional arguments; those that go by name only, bound to `fn`."""
    if not isinstance(drawn, Mapping):
        return fn, list(drawn) if isinstance(drawn, (list, tuple)) else [drawn]
    parameters = _parameters(fn)
    if parameters is None:
        return fn, list(drawn.values())
    inputs, named = [], dict(drawn)
    for name, parameter in parameters.items():
        if name not in named or parameter.kind is parameter.KEYWORD_ONLY:
            break
        inputs.append(named.pop(name))
    return functools.partial(fn, **named) if named else fn, inputs
