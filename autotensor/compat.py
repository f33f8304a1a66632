"""Custom ops as other libraries write them: for code that is brought here as it is.

- `Function`: a class with ``forward(ctx, ...)`` and ``backward(ctx, ...)``, as PyTorch's.
- `primitive`, `defvjp`, `defjvp`: functions that make vjps, as HIPS autograd's.

New code is shorter with `autotensor.custom_op`, which also keeps no more than its rules name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.array import Tensor
from autotensor.dispatch import apply, holds_tracked, owned, unwrap
from autotensor.engine.modes import WRITE, in_rule, mode, recording
from autotensor.engine.primitive import Op
from autotensor.engine.rules import any_tensor, own, read_only
from autotensor.engine.several import Cotangents

__all__ = ["Context", "Function", "defjvp", "defvjp", "primitive"]

# -- forward(ctx, ...), backward(ctx, ...) --------------------------------------------------------


class Context:
    """What `Function.forward` leaves for `Function.backward`: the ``ctx`` of one call.

    Any attribute may be set. What is computed in `forward` is a constant to a second derivative,
    which would be wrong, so reading it raises then: save inputs and outputs, and compute the rest
    again in `backward`.

    Attributes
    ----------
    needs_input_grad : tuple of bool
        Whether a gradient is asked for, per argument of ``apply``.
    saved_tensors : tuple
        What was saved: arrays, or Tensors where the pass is itself differentiated.
    """

    needs_input_grad: tuple[bool, ...]

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Any, ...] = ()
        self._constant: tuple[Any, ...] = ()

    def save_for_backward(self, *arrays: Any) -> None:
        """Keep arrays for `backward`, where they are ``ctx.saved_tensors``."""
        self._saved = arrays

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say that outputs carry no gradient."""
        self._constant = outputs

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        return tuple(map(read_only, self._saved))


class _Reading(Context):
    """The context that `backward` gets: that of the call, its arrays as the pass needs them.

    `known` are the inputs and outputs of the call, arrays, with what stands for each in this pass.
    """

    def __init__(self, context: Context, known: Sequence[tuple[Any, Any]], name: str) -> None:
        super().__init__(context.needs_input_grad)
        vars(self).update(_context=context, _known=known, _name=name)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        saved = self._context._saved
        return tuple(self._found(v, f"saved_tensors[{i}]") for i, v in enumerate(saved))

    def __getattr__(self, name: str) -> Any:
        return self._found(getattr(self._context, name), name)

    def _found(self, value: Any, what: str) -> Any:
        for array, stands_for in self._known:
            if value is array:
                return read_only(stands_for)
        if mode.get() & WRITE and _holds_numbers(value):
            raise errors.untraced_rule(f"ctx.{what}, computed in forward")
        recorded = any(isinstance(s, Tensor) and s.requires_grad for _, s in self._known)
        if recorded and _holds_numbers(value):
            raise errors.saved_intermediate(self._name, what)
        return read_only(value)


def _holds_numbers(value: Any) -> bool:
    """Whether there are numbers in `value` that may have been computed."""
    if isinstance(value, Mapping):
        return any(map(_holds_numbers, value.values()))
    if isinstance(value, (tuple, list, set)):
        return any(map(_holds_numbers, value))
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind in "fcO"
    if isinstance(value, FunctionType):
        return any(_holds_numbers(cell.cell_contents) for cell in value.__closure__ or ())
    if isinstance(value, (type, ModuleType)):
        return False
    return isinstance(value, (float, complex)) or _holds_numbers(getattr(value, "__dict__", ()))


class Function:
    """An op written as a class, as ``torch.autograd.Function`` is.

    A subclass has two static methods. ``forward(ctx, *args)`` gets the arguments of ``apply`` with
    read-only arrays for Tensors, and returns an array or a tuple. ``backward(ctx, *grads)`` gets a
    cotangent per output, zeros where there is none, and returns a gradient per argument of
    `forward`, None for those that need none.

    Forward mode transposes `backward`. That and second derivatives run it on Tensors, so it has to
    be written with NumPy functions on what `forward` was given and returned: reading anything else
    that was computed there raises then.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> class Exp(at.compat.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         y = np.exp(x)
    ...         ctx.save_for_backward(y)
    ...         return y
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (y,) = ctx.saved_tensors
    ...         return g * y
    >>> at.grad(at.grad(Exp.apply))(0.0)
    np.float64(1.0)
    """

    _op: Op

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._op = _op_of(cls)

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Compute the value; to be written."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Compute the gradients; to be written."""
        raise NotImplementedError

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call the op.

        Raises
        ------
        NoRuleError
            If a Tensor inside a list or tuple requires grad: `backward` returns none for it.
        """
        tensors = [a for a in args if isinstance(a, Tensor)]
        for i, a in enumerate(args):
            if not isinstance(a, Tensor) and recording() and holds_tracked((a,)):
                raise errors.no_rule(cls.__name__, str(i), (), "Pass each Tensor as an argument")
        call = FunctionCall(cls, args)
        made = apply(cls._op, (tensors, call), {}) if tensors else unwrap(call(tensors))
        return made if call.several or not isinstance(made, tuple) else made[0]


class FunctionCall:
    """One call of a `Function`."""

    def __init__(self, function: type[Function], args: tuple[Any, ...]) -> None:
        self.function = function
        # Copies, since what is kept of them must not change.
        self.args = tuple(None if isinstance(a, Tensor) else read_only(owned(a)) for a in args)
        self.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.context = Context(
            tuple([isinstance(a, Tensor) and a.requires_grad and recording() for a in args])
        )

    def __call__(self, arrays: Sequence[Any]) -> Any:
        args = list(self.args)
        self.given = [read_only(a) for a in arrays]
        for i, array in zip(self.places, self.given, strict=True):
            args[i] = array
        made = self.function.forward(self.context, *args)
        self.several = isinstance(made, (tuple, list))
        self.results = list(made) if self.several else [made]
        if any(isinstance(v, Tensor) and v.requires_grad for v in self.results):
            raise errors.not_one_array(self.function.__name__, "Tensor of another graph")
        # What is returned is apart from what the context keeps of it; a Tensor is a constant.
        apart = [
            Tensor(np.array(v)[()], None)
            if any(v is c for c in self.context._constant)
            else v.copy()
            if isinstance(v, np.ndarray)
            else unwrap(v)
            for v in self.results
        ]
        return tuple(apart) if self.several or isinstance(apart[0], Tensor) else apart[0]

    def gradients(self, g: Cotangents | Any, inputs: Sequence[Any], out: Any) -> list[Any]:
        name = self.function.__name__
        several = isinstance(g, Cotangents) and not g.node.alone
        grads = read_only(g) if several else (read_only(g),)
        outs = out if isinstance(out, tuple) else (out,)
        known = [
            *zip(self.given, inputs, strict=True),
            *zip(self.results, outs, strict=True),
            *zip(self.args, self.args, strict=True),
        ]
        reading = _Reading(self.context, known, name)
        with in_rule():
            found = self.function.backward(reading, *grads)
        found = own(found, arrays=not any_tensor((*grads, *inputs, *outs)))
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        names = [str(i) for i in range(len(self.args))]
        while len(found) > len(names) and found[-1] is None:  # for defaults that were not given
            found.pop()
        if len(found) != len(names):
            raise errors.gradient_count(name, f"{len(found)} gradients", names)
        for i, (gradient, needed) in enumerate(
            zip(found, self.context.needs_input_grad, strict=True)
        ):
            if gradient is None and needed:
                raise errors.no_gradient_for(name, str(i), [n for n in names if n != str(i)])
        for i, array in zip(self.places, inputs, strict=True):
            _check_shape(found[i], array, name, i)
        return [found[i] for i in self.places]


def _op_of(cls: type[Function]) -> Op:
    def rule(g: Any, inputs: Any, call: Any, out: Any, i: int) -> Any:
        if not isinstance(g, Cotangents):
            return call.gradients(g, inputs, out)[i]
        if g.found is None:
            g.found = call.gradients(g, inputs, out)
        return g.found[i]

    return Op(
        lambda inputs, call: call(inputs),
        "rule",
        "[inputs], call",
        {"inputs": rule},
        joint=True,
        users=True,
        name=cls.__name__,
    )


# -- primitive, defvjp, defjvp --------------------------------------------------------------------


class _Primitive:
    """A function whose derivatives `defvjp` and `defjvp` give, argument by argument."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.vjps: dict[int, Any] = {}
        self.jvps: dict[int, Any] = {}
        self.op = self._op()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tensors = [a for a in args if isinstance(a, Tensor)]
        if recording():
            for i, a in enumerate(args):
                if holds_tracked((a,)) and (i not in self.vjps or not isinstance(a, Tensor)):
                    raise errors.no_rule(
                        self.op.name, str(i), (), f"Give it one with defvjp({self.op.name}, ...)"
                    )
            for name, value in kwargs.items():
                if holds_tracked((value,)):
                    raise errors.no_rule(self.op.name, name, (), "Pass it by position")
        places = tuple(i for i, a in enumerate(args) if isinstance(a, Tensor))
        rest = tuple(None if i in places else a for i, a in enumerate(args))
        if not tensors:
            return self.function(*args, **kwargs)
        given = (tensors, rest, {k: unwrap(v) for k, v in kwargs.items()}, places)
        return apply(self.op, given, {})

    def _op(self) -> Op:
        def compute(inputs: Any, rest: Any, options: Any, places: Any) -> Any:
            return self.function(*_filled(rest, places, map(read_only, inputs)), **options)

        def rule(
            g: Any, inputs: Any, rest: Any, options: Any, places: Any, out: Any, i: int
        ) -> Any:
            args = _filled(rest, places, map(read_only, inputs))
            out, g = read_only(out), read_only(g)
            pull = self.vjps[places[i]](out, *args, **options)
            made = own(pull(g), arrays=not any_tensor((g, out, *args)))
            _check_shape(made, inputs[i], self.op.name, places[i])
            return made

        def push(
            t: Any, inputs: Any, rest: Any, options: Any, places: Any, out: Any, i: int
        ) -> Any:
            args = _filled(rest, places, map(read_only, inputs))
            maker = self.jvps[places[i]]
            return t if maker == "same" else own(maker(t, read_only(out), *args, **options))

        return Op(
            compute,
            "rule",
            "[inputs], rest, options, places",
            {"inputs": rule},
            jvps={"inputs": push} if self.jvps else None,
            users=True,
            name=getattr(self.function, "__name__", "primitive"),
        )


def _check_shape(gradient: Any, argument: Any, op: str, place: int) -> None:
    shape = getattr(gradient, "shape", argument.shape)
    if shape != argument.shape:
        raise errors.gradient_shape(op, str(place), shape, argument.shape)


def _filled(rest: Sequence[Any], places: Sequence[int], inputs: Any) -> list[Any]:
    args = list(rest)
    for place, value in zip(places, inputs, strict=True):
        args[place] = value
    return args


def primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function one whose derivatives are given by `defvjp`; also a decorator.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> from autotensor.compat import defvjp, primitive
    >>> @primitive
    ... def softplus(x):
    ...     return np.logaddexp(x, 0.0)
    >>> defvjp(softplus, lambda ans, x: lambda g: g / (1 + np.exp(-x)))
    >>> at.grad(softplus)(0.0)
    np.float64(0.5)
    """
    return _Primitive(function)


def defvjp(
    function: Any, *vjpmakers: Callable[..., Any] | None, argnums: Sequence[int] | None = None
) -> None:
    """Give a `primitive` its vjps, ``lambda ans, *args: lambda g: ...``, one per argument.

    None says that the gradient is zero. `argnums` are the arguments they are for, if not the first.

    Raises
    ------
    DeclarationError
        If `function` is no `primitive`, or there are more or fewer argnums than makers.
    """
    for i, maker in _by_argnum(function, "defvjp", vjpmakers, argnums):
        function.vjps[i] = maker or (lambda ans, *args, _i=i, **_: lambda g: _zeros(args[_i]))
    function.op = function._op()


def defjvp(
    function: Any,
    *jvps: Callable[..., Any] | str | None,
    argnums: Sequence[int] | None = None,
) -> None:
    """Give a `primitive` its forward rules, ``lambda g, ans, *args: ...``, one per argument.

    ``"same"`` passes the tangent on, None says that it is zero. Without them the vjps are
    transposed.

    Raises
    ------
    DeclarationError
        As `defvjp`; and if an argument has a vjp and would have no jvp.
    """
    for i, jvp in _by_argnum(function, "defjvp", jvps, argnums):
        function.jvps[i] = jvp or (lambda g, ans, *args, **_: _zeros(ans))
    if {*function.vjps} - {*function.jvps}:
        missing = ", ".join(map(str, sorted({*function.vjps} - {*function.jvps})))
        raise errors.bad_declaration(function.op.name, f"no jvp for argument {missing}")
    function.op = function._op()


def _by_argnum(function: Any, what: str, rules: Any, argnums: Any) -> list[tuple[int, Any]]:
    if not isinstance(function, _Primitive):
        raise errors.bad_declaration(what, "it needs a function decorated with @primitive")
    places = range(len(rules)) if argnums is None else argnums
    if len(rules) != len(places):
        raise errors.bad_declaration(what, f"{len(rules)} rules for {len(places)} argnums")
    return list(zip(places, rules, strict=True))


def _zeros(value: Any) -> Any:
    return np.zeros(np.shape(value))
