"""The rule table: which functions are ops, and how each one is differentiated.

An op is declared in one statement, by one of five declarators:

=============  =========================================  =====================================
declarator     you write, per differentiable argument     the engine derives
=============  =========================================  =====================================
`elementwise`  the partial derivative                     vjp ``g * d``, jvp ``t * d``
`selection`    the mask of entries taken                  vjp ``g * m``, jvp ``t * m``
`linear`       the vjp                                    jvp: the op applied to the tangents
`rule`         the vjp, perhaps the jvp                   a missing jvp, by transposing the vjp
`constant`     nothing: the name                          a result that carries no gradient
=============  =========================================  =====================================

`composite` registers an ordinary Python function of other ops under a NumPy function's name.

A rule is a function of plain NumPy. **Its parameter names say what it needs**, and only that is
kept alive until the backward pass: the op's argument names give their values, ``out`` the result,
``shape`` the shape of the argument being differentiated, ``i`` its place in a sequence of inputs,
``shapes`` the shapes of all inputs, ``g`` the cotangent, ``t`` the tangent. An argument of the op
that has one of these names is read as ``arg_shape`` and so on.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from autotensor import errors
from autotensor.engine.plan import Plan, same

__all__ = [
    "TABLE",
    "Composite",
    "Constant",
    "Op",
    "composite",
    "constant",
    "elementwise",
    "linear",
    "op_of",
    "rule",
    "same",
    "selection",
]

Rule = Callable[..., Any]
F = TypeVar("F", bound=Callable[..., Any])

_STARRED = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
NO_RULE = "the rule for {!r} must be a Python function of plain parameters"
BOUND = ("self", "cls")  # first arguments of methods
RESERVED = frozenset({"g", "t", "out", "shape", "shapes", "i"})
# Signatures are read at import, and `literal_eval` takes its time.
_LITERALS = {"None": None, "True": True, "False": False, "0": 0, "1": 1, "-1": -1, "'C'": "C"}

TABLE: dict[Hashable, Op | Composite | Constant] = {}


class Op:
    """A function with a derivative, made by a declarator or by `custom_op`.

    Parameters
    ----------
    function : the NumPy function (or a plain function of NumPy calls).
    kind : name of the declarator.
    signature : the function's own parameters, as in a ``def``; ``[x]`` marks a sequence of inputs.
    rules : one per differentiable argument, by name.
    jvps : explicit forward rules, by name.
    jointly : linear in all inputs together (add), not in each alone (matmul).
    reduces : the result has lost the axes that the option ``axis`` names, each of its entries being
        a function of those along these axes.
    views : the result is a view of the input also where both have shape (), as scalars do not show.
    shares : the masks of a selection are fractions, since ties share; else they are boolean.
    singular : a derivative may be infinite where the op is finite, as that of `sqrt` at 0.
    selects : entries of an input may be left out of the result, as by every selection; or the name
        of the option that leaves some out.
    aliases : other names of an argument.
    constants : arguments in which the op is constant by nature, like the condition of `where`.
    name : what errors and pictures call it.
    compute : ``compute(array)``, or of all inputs by position, is `function` of them, but faster.
    broadcasts : the inputs are broadcast, so their cotangents are summed back by the engine.
    users : declared by a user, by `custom_op` or `register`; see engine/rules.py.
    joint : one rule serves all arguments, and is to run once for them.
    nondiff : arguments in which tensors that require grad are let in and get no gradient.
    defaults, keywords : of arguments whose default is no literal; that are given by name only.
    checked : options that no rule names: a call that needs a gradient may not give them.
    cases, domain, complex : what the tests run the rules on, as plain data; see CONTRIBUTING.
    source : how `at.source` writes it: a definition in NumPy alone, NumPy's name, or its functions.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        kind: str,
        signature: str,
        rules: Mapping[str, Rule],
        *,
        jvps: Mapping[str, Rule] | None = None,
        jointly: bool = False,
        reduces: bool = False,
        views: bool = False,
        shares: bool = False,
        singular: bool = False,
        selects: bool | str | None = None,
        aliases: Mapping[str, str] | None = None,
        constants: Sequence[str] = (),
        name: str | None = None,
        compute: Callable[..., Any] | None = None,
        broadcasts: bool | None = None,
        users: bool = False,
        joint: bool = False,
        nondiff: Sequence[str] = (),
        defaults: Mapping[str, Any] | None = None,
        keywords: Sequence[str] = (),
        checked: Sequence[str] = (),
        cases: Sequence[Mapping[str, Any]] = (),
        domain: str | Mapping[str, str] = "real",
        complex: bool | None = None,
        source: str | tuple[Callable[..., Any], ...] = "",
    ) -> None:
        self.function = function
        self.compute = compute or function
        self.__wrapped__ = function
        self.kind = kind
        self.name = self.__name__ = name or function.__name__
        self.__doc__ = function.__doc__
        self.params, self.defaults, self.positional, self.sequence, self.variadic = _parse(
            signature, rules
        )
        unknown = [argument for argument in rules if argument not in self.params]
        if unknown:
            raise errors.unknown_argument(self.name, unknown[0], self.params)
        self.inputs = tuple(p for p in self.params if p in rules)
        self.defaults |= defaults or {}
        self.keywords = frozenset(keywords)
        is_first = self.inputs == self.params[:1] and self.sequence is None
        self.unary = is_first and not self.keywords & {*self.inputs}
        self.source = source
        self.rules = dict(rules)
        self.jvps = dict(jvps or {})
        self.jointly = jointly
        self.reduces = reduces
        self.views = views
        self.singular = singular
        self.shares = shares
        self.selects = kind == "selection" if selects is None else selects
        self.aliases = dict(aliases or {})
        self.constants = tuple(constants)
        self.users, self.joint = users, joint
        self.nondiff = tuple(nondiff)
        self.checked = frozenset(checked)
        self.broadcasts = isinstance(function, np.ufunc) if broadcasts is None else broadcasts
        self.cases = tuple(cases)
        self.domain = (
            dict.fromkeys(self.inputs, domain) if isinstance(domain, str) else dict(domain)
        )
        if complex is None:
            types: Sequence[str] = getattr(function, "types", ("D",))
            complex = any("D" in t.split("->")[0] for t in types)
        self.complex = complex
        self.plans: dict[Any, Plan] = {}
        self.needs = {argument: self.names(argument, r) for argument, r in rules.items()}
        self.keeps = dict(self.needs)
        for argument, forward in self.jvps.items():
            if argument not in self.inputs:
                raise errors.unknown_argument(self.name, argument, self.inputs)
            asked = self.names(argument, forward, "t")
            missing = set(asked) - set(self.needs.get(argument, ()))
            kept = missing & {*self.inputs, "out"}
            self.keeps[argument] += tuple(missing)
            if kept and not users:
                raise errors.bad_declaration(
                    self.name, f"the jvp for {argument!r} asks for {kept}, which its vjp does not"
                )

    # Set by the package: it loads the checks, which stand above the engine, when it is called.
    check: Callable[..., Any]

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the function: arrays give arrays, and types that trace have an ``_apply``."""
        if self.unary and len(args) == 1 and not kwargs and hasattr(args[0], "_apply_to_one"):
            return args[0]._apply_to_one(self, args[0], self.compute)
        found = [*args, *kwargs.values()]
        while found:  # a Tensor may stand in lists, also in an index among them
            x = found.pop()
            if isinstance(x, (list, tuple)):
                found += x
            elif hasattr(x, "_apply"):
                return x._apply(self, args, kwargs)
        return self.function(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A method, where its first argument is ``self``, or ``cls``."""
        if instance is None or self.params[0] not in BOUND:
            return self
        method: Any = functools.partial(self, instance)
        method.__name__, method.__doc__ = self.name, self.__doc__
        method.check = functools.partial(self.check, instance)
        return method

    def names(self, argument: str, rule: Rule, first: str = "g") -> tuple[str, ...]:
        """What `rule` asks for beside `first` (``g`` or ``t``), checked against what there is."""
        names: tuple[str, ...] | None = getattr(rule, "asks", None)
        if names is None:
            code = getattr(rule, "__code__", None)
            if code is None or code.co_kwonlyargcount or code.co_flags & _STARRED:
                raise errors.bad_declaration(self.name, NO_RULE.format(argument))
            names = code.co_varnames[: code.co_argcount]
        if first == "g" and self.kind in ("elementwise", "selection"):
            first = ""
        if first != "".join(n for n in names[:1] if n in ("g", "t")) or {"g", "t"} & {*names[1:]}:
            wanted = f"{first!r} as its first parameter" if first else "no cotangent 'g'"
            raise errors.bad_declaration(self.name, f"the rule for {argument!r} takes {wanted}")
        valid = [f"arg_{p}" if p in RESERVED else p for p in self.params]
        valid += ["out", "shape"] + (["i", "shapes"] if self.sequence else [])
        given = names[1:] if first else names
        for n in given:
            if n not in valid:
                raise errors.unknown_rule_name(self.name, argument, n, valid)
        return given

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name, those of a ``*`` parameter as one tuple."""
        if self.variadic:
            leading = self.params.index(self.sequence)
            bound = dict(zip(self.params, (*args[:leading], args[leading:]), strict=False))
        else:
            bound = dict(zip(self.params, args, strict=False))
        for name, value in kwargs.items():
            bound[self.aliases.get(name, name)] = value
        return bound

    def reduced(self, options: Mapping[str, Any]) -> tuple[Any, bool]:
        """The axes that a call with these options reduced, and whether it kept them."""
        found = (options.get(name, self.defaults[name]) for name in ("axis", "keepdims"))
        return tuple(found)

    def plan(self, mask: int, count: int, complex: bool) -> Plan:
        """The plan for the inputs in the bit mask `mask`, made at its first use."""
        key: Any = -mask if complex else mask
        if self.sequence:
            key = (key, count)
        plan = self.plans.get(key)
        if plan is None:
            plan = self.plans[key] = Plan(self, mask, count, complex)
        return plan

    def slots(self, count: int) -> list[tuple[str, int | None]]:
        """``(argument, place in its sequence or None)`` for each of `count` inputs."""
        if self.sequence is None:
            return [(name, None) for name in self.inputs]
        others = len(self.inputs) - 1
        result: list[tuple[str, int | None]] = []
        for name in self.inputs:
            if name == self.sequence:
                result += [(name, i) for i in range(count - others)]
            else:
                result.append((name, None))
        return result


class Composite:
    """An ordinary function of other ops, run in place of the NumPy function of its name."""

    def __init__(self, function: Any, run: Callable[..., Any], facts: Mapping[str, Any]) -> None:
        self.function = function
        self.run = run
        self.name = function.__name__
        self.inputs: tuple[str, ...] = facts["inputs"]
        self.cases: tuple[Mapping[str, Any], ...] = facts["cases"]
        self.domain = {name: facts.get("domain", "real") for name in self.inputs}
        self.complex: bool = facts.get("complex", True)


class Constant:
    """A function whose result never carries a gradient."""

    def __init__(self, function: Any, complex: bool) -> None:
        self.function = function
        self.name = function.__name__
        self.complex = complex


def op_of(function: Any) -> Op:
    """The op declared for `function`; a TypeError where that is a composite or a constant."""
    entry = TABLE[function]
    if not isinstance(entry, Op):
        raise TypeError(f"{entry.name} is no op")
    return entry


def _parse(
    signature: str, rules: Iterable[str]
) -> tuple[tuple[str, ...], dict[str, Any], int, str | None, bool]:
    """Read a signature: names, defaults, how many go by position, the sequence, ``*`` or not."""
    params: list[str] = []
    defaults: dict[str, Any] = {}
    positional = 0
    sequence, variadic = None, False
    for part in signature.split(", "):
        name, _, default = part.partition("=")
        if name == "/":
            positional = len(params)
            continue
        if name[0] in "[*":
            variadic = name[0] == "*"
            name = sequence = name.strip("[]*")
        if default:
            known = default in _LITERALS
            defaults[name] = _LITERALS[default] if known else ast.literal_eval(default)
        params.append(name)
        if name in rules:
            positional = len(params)
    return tuple(params), defaults, positional, sequence, variadic


def _declare(function: Any, kind: str, signature: str | None, rules: Any, facts: Any) -> Op:
    """Pair positional rules with arguments, pick the facts that are rules by name, and register."""
    if function in TABLE:
        raise errors.declared_twice(function.__name__)
    if signature is None:
        if not isinstance(function, np.ufunc) and not rules:
            raise errors.bad_declaration(
                function.__name__, 'give its arguments: signature="a, axis=None, ..."'
            )
        count = function.nin if isinstance(function, np.ufunc) else len(rules)
        signature = ("x", "x, y")[count - 1]
    names = [p.strip("[]*").partition("=")[0] for p in signature.split(", ")]
    if len(rules) > len(names):
        raise errors.bad_declaration(
            function.__name__, f"{len(rules)} rules for the arguments {', '.join(names)}"
        )
    by_name = {key: facts.pop(key) for key in list(facts) if key in names}
    for key, fact in facts.items():
        if callable(fact) and key != "compute":
            raise errors.unknown_argument(function.__name__, key, names)
    op = Op(function, kind, signature, dict(zip(names, rules, strict=False)) | by_name, **facts)
    TABLE[function] = op
    return op


def elementwise(function: Any, *partials: Rule, signature: str | None = None, **facts: Any) -> Op:
    """Declare an entry-by-entry op by its partial derivatives, one per input.

    A partial takes no cotangent. Where the op is complex it must be holomorphic.

    >>> from autotensor.engine.primitive import TABLE
    >>> import numpy as np, autotensor
    >>> TABLE[np.tanh].needs  # declared as: lambda out: 1 - out * out
    {'x': ('out',)}
    """
    facts.setdefault("broadcasts", True)
    return _declare(function, "elementwise", signature, partials, facts)


def selection(function: Any, *masks: Rule, signature: str | None = None, **facts: Any) -> Op:
    """Declare an op that picks entries by the masks of what it takes, one per input.

    A mask is boolean, or fractional, with ``shares=True``, where ties are shared.
    """
    facts.setdefault("broadcasts", not facts.get("reduces", False))
    return _declare(function, "selection", signature, masks, facts)


def linear(function: Any, *vjps: Rule, signature: str | None = None, **facts: Any) -> Op:
    """Declare an op that is linear in each input alone, or in all at once with ``jointly=True``."""
    return _declare(function, "linear", signature, vjps, facts)


def rule(function: Any, *vjps: Rule, signature: str | None = None, **facts: Any) -> Op:
    """Declare any other op by its vjps; ``jvps={argument: rule}`` where transposing is slow."""
    return _declare(function, "rule", signature, vjps, facts)


def constant(*functions: Any, complex: bool = True) -> None:
    """Declare functions whose results carry no gradient: piecewise constant, integer or boolean.

    ``complex=False`` says that this holds for real input only.
    """
    for function in functions:
        TABLE[function] = Constant(function, complex)


def composite(function: Any, **facts: Any) -> Callable[[F], F]:
    """Register the decorated function of other ops to run in place of NumPy's `function`."""

    def register(run: F) -> F:
        TABLE[function] = Composite(function, run, facts)
        return run

    return register
