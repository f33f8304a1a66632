"""`custom_op` and `register`: the ways users declare an op, of their own function or of NumPy's.

Both read what was given by name and make the `Op` that a declarator would make, its rules guarded.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.engine.op_source import op_source
from autotensor.engine.primitive import BOUND, NO_RULE, RESERVED, TABLE, Op
from autotensor.engine.rules import Guarded, Part, own, read_only

__all__ = ["custom_op", "guarded", "register"]

_FORMS = ("vjp", "jvp", "jvps", "elementwise", "linear", "nondiff")
# What else may be said, as of a built-in op.
_FACTS = (
    *("complex", "singular", "selects", "domain", "cases", "name", "jointly", "aliases"),
    "source",
)
_lock = threading.Lock()


def custom_op(*misplaced: Any, **given: Any) -> Callable[[Callable[..., Any]], Op]:
    """Make the decorated function an op, by a rule for each argument that has a gradient.

    A rule is a function of plain NumPy, and its parameter names say what it needs: the cotangent
    `g`, then the function's own arguments by name, ``out`` for the result, ``shape`` for the shape
    of the argument. Nothing else is kept. Derivatives of every order follow, in both modes, where
    the rule uses what has derivatives itself.

    Parameters
    ----------
    **rules : callable
        One per argument that can have a gradient, by its name. An argument without one takes
        anything but a tensor that requires grad.
    vjp : callable, optional
        One rule for all arguments instead, run once for all that need it. It returns a tuple in
        the order of the arguments, None where there is no gradient, or a dict by name.
    jvp : callable or dict of callables, optional
        Forward rules, of the tangent `t` in the place of `g`, for a single argument or by name. An
        argument without one has its rule transposed.
    elementwise : bool
        The function acts entry by entry, with broadcasting. A rule is then the partial derivative,
        and takes no `g`. Where input is complex the function must be holomorphic.
    linear : bool
        The function is linear, in all arguments together or in each alone: it is its own jvp.
    nondiff : str or sequence of str
        Arguments by which no gradient is wanted: a tensor that requires grad is taken there as a
        constant. All else that cannot have a gradient, as int, str, None and arrays of these, may
        be given in any place.
    source : str, optional
        What `autotensor.source` writes for the function, in place of an import: an expression of
        its arguments, ``"np.logaddexp(x, 0)"``, or a whole ``def``; it may use ``np`` alone.
    complex, singular, selects, domain, cases, name
        Facts, as of a built-in op.

    Returns
    -------
    A decorator, which returns the op: call it like the function, with arrays or Tensors.

    Raises
    ------
    DeclarationError
        For a rule of an argument that is not there, one that asks for a name that is not there, and
        other declarations that cannot be meant.

    Notes
    -----
    The function may return a tuple. `g` is then one too, named like it, with zeros for results that
    have no cotangent and None for what is no float or complex array; a forward rule returns one.

    The function and its rules see arrays that are read-only; what they return is copied where it is
    a view, or an array that they hold and may write to again. Arrays are copied when they are kept,
    also in tuples, lists and dicts; an object of another kind is kept as it is, so what is written
    to its attributes before `backward` changes the gradient.

    A rule that calls what has no derivative, such as most of SciPy, works for the first derivative.
    A second one, and forward mode without `jvp`, raise and name its line. What it takes out of a
    Tensor by ``.numpy()`` or ``.detach()`` is a constant there.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> @at.custom_op(x=lambda g, x: g / (1 + np.exp(-x)))
    ... def softplus(x):
    ...     return np.logaddexp(x, 0.0)
    >>> softplus(np.array([0.0]))
    array([0.69314718])
    >>> at.grad(softplus)(0.0)
    np.float64(0.5)

    One rule for both arguments, and two results:

    >>> @at.custom_op(vjp=lambda g, x, y: (g[0] * np.cos(y), g[1] - g[0] * x * np.sin(y)))
    ... def project(x, y):
    ...     return x * np.cos(y), y
    >>> at.grad(lambda x, y: project(x, y)[0], argnums=1)(2.0, 0.5)
    np.float64(-0.958851077208406)
    """
    forms = [key for key in given if callable(given[key]) or key in ("vjp", "jvp", "jvps")]
    if misplaced or not forms:
        raise errors.bad_declaration(
            "custom_op", "give it a rule per argument, @at.custom_op(x=lambda g, x: ...)"
        )

    def declare(function: Callable[..., Any]) -> Op:
        name = _name(function)
        if not callable(function) or isinstance(function, (np.ufunc, type, Op)):
            raise errors.bad_declaration(
                name,
                "custom_op decorates a Python function, @classmethod stands above it; "
                "at.register() is for what is there already",
            )
        params, facts = _parameters(name, function)
        reserved = [p for p in params if p in RESERVED]
        if reserved:
            raise errors.bad_declaration(
                name,
                f"its argument {reserved[0]!r} has a name that means something else in a rule; "
                f"rename it ({', '.join(sorted(RESERVED))} are taken)",
            )
        return _declare(guarded(function), name, params, {**facts, **given})

    return declare


def register(
    function: Any, *, override: bool = False, signature: str | None = None, **given: Any
) -> Op:
    """Give an existing function of NumPy or SciPy a derivative.

    Rules and options are those of `custom_op`, and the function is then an op like the built-in
    ones, wherever it is called.

    Parameters
    ----------
    function : ufunc or function
        What NumPy dispatches, ``np.f`` or a ufunc of SciPy, then takes Tensors. Another function
        converts its arguments to arrays itself, as most of SciPy's do: call the op that is
        returned instead.
    override : bool
        Replace the rule that the function has.
    signature : str, optional
        Its arguments, as ``"v, z"`` or ``"a, axis=None"``. By default those of the function itself;
        those of a ufunc are x, y, z in the order of its inputs, and the one input of a ufunc may
        have any name. Only a signature allows options that no rule names: without one, a call that
        gives them raises where a gradient is needed.
    **given
        As for `custom_op`.

    Returns
    -------
    Op

    Raises
    ------
    DeclarationError
        As for `custom_op`; and if the function has a rule and `override` is not set.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> from autotensor.engine.primitive import TABLE
    >>> op = at.register(np.heaviside, y=lambda x: x == 0, elementwise=True)
    >>> at.grad(lambda y: np.heaviside(0.0, y))(0.5)
    np.float64(1.0)
    >>> del TABLE[np.heaviside]  # for this example only
    """
    name = _name(function)
    if not callable(function) or isinstance(function, Op):
        raise errors.bad_declaration(name, "at.register needs a function; ops have a rule already")
    if not isinstance(signature, (str, NoneType)):
        raise errors.bad_declaration(name, 'signature= is a text: signature="a, axis=None"')
    if signature is not None:
        params = [part.partition("=")[0].strip("[]*") for part in signature.split(", ")]
        facts: dict[str, Any] = {"signature": signature}
    elif isinstance(function, np.ufunc):
        params, facts = _of_ufunc(function, name, given), {}
    else:
        params, facts = _parameters(name, function)
        facts["checked"] = [p for p in params if p not in given]
    if isinstance(function, np.ufunc):
        facts["broadcasts"] = function.signature is None
    runs = function if _is_numpys(function) else guarded(function)
    with _lock:
        known = TABLE.get(function)
        if known is not None and not override:
            raise errors.declared_twice(name)
        op = _declare(runs, name, params, {**facts, **given})
        if isinstance(known, Op):
            if op.inputs != known.inputs:
                raise errors.bad_declaration(
                    name, f"a rule that replaces its own is for {', '.join(known.inputs)}"
                )
            op.aliases = known.aliases | op.aliases
            op.views, op.constants = known.views, known.constants
            # In place, since operators and methods hold the op.
            vars(known).update(vars(op))
            return known
        TABLE[function] = op
    return op


def _declare(function: Any, name: str, params: Sequence[str], given: Mapping[str, Any]) -> Op:
    """The op, from everything that was given by name."""
    facts = dict(given)
    taken = [key for key in (*_FORMS, *_FACTS) if key in params and key in given]
    if taken:
        raise errors.bad_declaration(
            name, f"{taken[0]!r} is both an argument of it and an option here; rename the argument"
        )
    rules = {key: facts.pop(key) for key in list(facts) if key in params}
    forms = {key: facts.pop(key) for key in _FORMS if key in facts}
    nondiff = forms.get("nondiff", ())
    nondiff = (nondiff,) if isinstance(nondiff, str) else nondiff
    if not isinstance(nondiff, (tuple, list, set, frozenset)):
        raise errors.bad_declaration(name, 'nondiff= names arguments: nondiff="mask"')
    inner = {"signature", "defaults", "keywords", "checked", "broadcasts"}
    for key in (*(key for key in facts if key not in inner and key not in _FACTS), *nondiff):
        if key not in params:
            raise errors.unknown_argument(name, key, params)
    contradicted = [key for key in rules if key in nondiff]
    if contradicted:
        raise errors.bad_declaration(
            name, f"{contradicted[0]!r} has a rule and is in nondiff=; drop one"
        )
    kind = "rule"
    if forms.get("elementwise") or forms.get("linear"):
        kind = "elementwise" if forms.get("elementwise") else "linear"
        if forms.get("elementwise") and forms.get("linear"):
            raise errors.bad_declaration(name, "give elementwise=True or linear=True, not both")
    vjp = forms.get("vjp")
    if vjp is not None:
        if rules or kind == "elementwise":
            other = f"the rule for {next(iter(rules))!r}" if rules else "elementwise=True"
            raise errors.bad_declaration(name, f"give vjp= or {other}, not both")
        if {*"[*"} & {*facts.get("signature", "")}:
            raise errors.bad_declaration(name, "vjp= is for arguments that are no sequence")
        order = [p for p in params if p not in nondiff and p not in BOUND]
        rules = _parts(vjp, name, order, facts.get("defaults", {}))
    else:
        rules = {key: _guard(rule, name, key) for key, rule in rules.items()}
    if not rules:
        raise errors.bad_declaration(name, "give it a rule per argument, x=lambda g, x: ...")
    jvps = forms.get("jvp", forms.get("jvps")) or {}
    if callable(jvps):
        if len(rules) > 1:
            raise errors.bad_declaration(
                name, f"give the jvp by argument: jvp={{{next(iter(rules))!r}: lambda t, ...: ...}}"
            )
        jvps = {next(iter(rules)): jvps}
    if not isinstance(jvps, Mapping):
        raise errors.bad_declaration(
            name, "jvp= is a function, lambda t, x: ..., or a dict of such"
        )
    jvps = {key: _guard(jvp, name, key) for key, jvp in jvps.items()}
    if kind == "elementwise":
        facts.setdefault("broadcasts", True)
    if kind == "linear":
        facts["jointly"] = facts.get("jointly", _jointly(name, rules))
    facts.setdefault("name", name)
    if "source" in facts:
        known = facts.get("defaults", {}), facts.get("keywords", ())
        facts["source"] = op_source(facts["name"], facts["source"], params, *known)
    op = Op(
        function,
        kind,
        facts.pop("signature", ", ".join(params)),
        rules,
        jvps=jvps,
        joint=vjp is not None and len(rules) > 1,
        nondiff=tuple(nondiff),
        users=True,
        **facts,
    )
    asked = {n.removeprefix("arg_") for names in op.keeps.values() for n in names}
    op.checked -= asked | {*op.inputs, *nondiff}
    if vjp is not None and "shape" in next(iter(rules.values())).asks and len(rules) > 1:
        raise errors.bad_declaration(name, "a rule for all has no one 'shape': ask for x, x.shape")
    return op


def _guard(rule: Any, op: str, argument: str) -> Guarded:
    if not callable(rule):
        raise errors.bad_declaration(op, NO_RULE.format(argument))
    return Guarded(rule, op, argument)


def _parts(
    vjp: Any, name: str, order: Sequence[str], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """A rule for each argument, by the rule for all."""
    if not callable(vjp):
        raise errors.bad_declaration(name, NO_RULE.format("all arguments"))
    whole = Guarded(vjp, name, ", ".join(order))
    fewer = [p for p in order if p not in defaults or isinstance(defaults[p], (float, complex))]
    return {argument: Part(whole, argument, order, fewer) for argument in order}


def _jointly(name: str, rules: Mapping[str, Any]) -> bool:
    """Whether a linear op is so in all arguments together, or else in each alone.

    The derivative by one argument of an op that is linear in each alone is linear in all others, so
    the rule needs them; that of one that is linear in all together is constant.
    """
    others = [{*rules} - {key} for key in rules]
    named = [{*rule.asks} & {*rules, "out"} for rule in rules.values()]
    if any(named) and named != others:
        raise errors.bad_declaration(
            name,
            "linear=True is for what is linear in all arguments together, when no rule names one "
            "(nor out),\nor in each alone, when each rule names all the others; leave it out here, "
            "or ask for 'shape' if that is what a rule needs",
        )
    return not any(named)


def _parameters(name: str, function: Any) -> tuple[list[str], dict[str, Any]]:
    """The arguments of a function, and facts about them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise errors.bad_declaration(
            name, 'its arguments cannot be read; give them: signature="a, axis=None"'
        ) from None
    starred = [p for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if starred:
        raise errors.bad_declaration(
            name, "an op names its arguments: write out what is in *args and **kwargs"
        )
    return [p.name for p in parameters], {
        "defaults": {p.name: p.default for p in parameters if p.default is not p.empty},
        "keywords": [p.name for p in parameters if p.kind is p.KEYWORD_ONLY],
    }


def _of_ufunc(ufunc: np.ufunc, name: str, given: Mapping[str, Any]) -> list[str]:
    """The names of the inputs of a ufunc."""
    rules = [key for key in given if key not in (*_FORMS, *_FACTS)]
    if ufunc.nin == 1:
        if len(rules) > 1:
            raise errors.unknown_argument(name, rules[1], rules[:1])
        return rules or ["x"]
    names = ["x", "y", "z"][: ufunc.nin]
    if ufunc.nin > 3 or any(key not in names for key in rules):
        raise errors.bad_declaration(
            name,
            f"it has {ufunc.nin} inputs: "
            + (f"call them {', '.join(names)}, or " if ufunc.nin <= 3 else "")
            + 'give the names you use, in order: signature="v, z"',
        )
    return names


def _is_numpys(function: Any) -> bool:
    module = getattr(function, "__module__", None) or ""
    return isinstance(function, np.ufunc) or module.partition(".")[0] == "numpy"


def _name(function: Any) -> str:
    inner = function.func if isinstance(function, functools.partial) else function
    return str(getattr(inner, "__name__", None) or type(inner).__name__)


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with arrays that are read-only, since others keep them, and results of its own."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return own(function(*map(read_only, args), **{k: read_only(v) for k, v in kwargs.items()}))

    functools.update_wrapper(call, function)
    call.__name__ = _name(function)
    return call
