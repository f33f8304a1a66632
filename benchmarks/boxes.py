"""Ops made of plain NumPy code for PyTorch, JAX and autograd, to put their checkers to the test.

`plain` makes an op of a forward function and rules that run on arrays, once differentiable.
`nested` makes one of any function of Tensors: its gradients come from autotensor, and are ops of
the same kind, so that it has derivatives of every order. JAX and autograd do not conjugate the
cotangents of complex arrays, so they get and give them conjugated.
"""

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

import autotensor as at
from tests.checking.wrong_rules import Wrong

__all__ = ["Autograd", "Jax", "Parts", "Torch", "flat", "prepare", "size", "split"]

ARRAY = (np.ndarray, np.generic)


def prepare() -> None:
    """Set float64 and silence for JAX, one thread for PyTorch, and the random state of autograd."""
    np.random.seed(0)  # noqa: NPY002 that is the one autograd's checker draws from
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    if find_spec("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
        logging.getLogger("jax").setLevel(logging.CRITICAL)  # it logs what callbacks raise


def size(arrays: Sequence[Any]) -> int:
    return sum(int(np.prod(np.shape(a))) for a in arrays)


def split(inputs: Sequence[Any]) -> tuple[list[Any], Callable[..., Any]]:
    """The arrays among the inputs, and what makes a function of all one of these alone."""
    where = [i for i, a in enumerate(inputs) if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]

    def among(function: Callable[..., Any]) -> Callable[..., Any]:
        def of_arrays(*arrays: Any) -> Any:
            complete = list(inputs)
            for i, a in zip(where, arrays, strict=True):
                complete[i] = a
            return function(*complete)

        return of_arrays

    return [inputs[i] for i in where], among


def flat(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, several outputs as one vector."""

    def one(*arrays: Any) -> Any:
        result = function(*arrays)
        if isinstance(result, tuple):
            return np.concatenate([np.reshape(r, -1) for r in result])
        return result

    return one


def value_of(function: Callable[..., Any], *arrays: Any) -> Any:
    """What a function of Tensors gives on arrays."""
    result = function(*[at.tensor(a) for a in arrays])
    return result.numpy() if isinstance(result, at.Tensor) else np.asarray(result)


def gradient(function: Callable[..., Any], k: int) -> Callable[..., Any]:
    """The gradient for input k, as a function of the inputs and of the cotangent."""

    def of_all(*args: Any) -> Any:
        return at.vjp(function, *args[:-1])[1](args[-1])[k]

    return of_all


class Parts:
    """Forward and rules of a wrong rule, as functions of the arrays among its inputs.

    ``value(*arrays)``; ``pull(k, g, out, *arrays)`` and ``push(k, t, out, *arrays)`` run the rules
    of the k-th array, and give None where it has none.
    """

    def __init__(self, wrong: Wrong, inputs: Sequence[Any], among: Callable[..., Any]) -> None:
        forward, rules = wrong.parts()
        code = forward.__code__
        names = code.co_varnames[: code.co_argcount]
        defaults = dict(zip(names[::-1], (forward.__defaults__ or ())[::-1], strict=False))
        arrays, _ = split(inputs)
        self.count = len(arrays)
        self.value = among(forward)
        named = among(lambda *args: {**defaults, **dict(zip(names, args, strict=False))})
        kinds = zip(names, inputs, strict=False)
        self.names = [n for n, a in kinds if any(a is array for array in arrays)]

        def run(rules: Any, k: int, g: Any, out: Any, *arrays: Any) -> Any:
            rule = rules.get(self.names[k])
            if rule is None:
                return None
            known = {**named(*arrays), "out": out, "shape": arrays[k].shape}
            asked = rule.__code__.co_varnames[1 : rule.__code__.co_argcount]
            return rule(g, *[known[name] for name in asked])

        self.pull = lambda k, g, out, *xs: run(rules, k, g, out, *xs)
        self.push = lambda k, t, out, *xs: run(wrong.jvps, k, t, out, *xs)


class Torch:
    """``torch.autograd.Function``, which shares memory with NumPy."""

    @staticmethod
    def plain(parts: Parts, arrays: Sequence[Any]) -> Callable[..., Any]:
        import torch

        def of(array: Any) -> Any:
            return torch.from_numpy(np.asarray(array))

        class Op(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *xs: Any) -> Any:
                out = of(parts.value(*[x.detach().numpy() for x in xs]))
                ctx.save_for_backward(*xs, out)
                ctx.save_for_forward(*xs, out)
                return out

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                *xs, out = (x.detach().numpy() for x in ctx.saved_tensors)
                gradients = [
                    parts.pull(k, g.numpy(), out, *xs) if needed else None
                    for k, needed in enumerate(ctx.needs_input_grad)
                ]
                return tuple(of(c) if isinstance(c, ARRAY) else c for c in gradients)

            @staticmethod
            def jvp(ctx: Any, *tangents: Any) -> Any:
                *xs, out = (x.detach().numpy() for x in ctx.saved_tensors)
                return of(sum(parts.push(k, t.numpy(), out, *xs) for k, t in enumerate(tangents)))

        return Op.apply

    @staticmethod
    def nested(function: Callable[..., Any], arrays: Sequence[Any] = ()) -> Callable[..., Any]:
        import torch

        class Op(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *xs: Any) -> Any:
                ctx.save_for_backward(*xs)
                return torch.tensor(value_of(function, *[x.detach().numpy() for x in xs]))

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return tuple(
                    Torch.nested(gradient(function, k))(*ctx.saved_tensors, g) if needed else None
                    for k, needed in enumerate(ctx.needs_input_grad)
                )

        return Op.apply


class Jax:
    """``jax.custom_vjp``, whose code runs in ``jax.pure_callback``."""

    @staticmethod
    def plain(parts: Parts, arrays: Sequence[Any]) -> Callable[..., Any]:
        def pulled(k: int, *args: Any) -> Any:
            *xs, out, g = args
            c = parts.pull(k, _conj(g), out, *xs)
            if c is not None and not isinstance(c, ARRAY):
                raise TypeError("a gradient is an array")  # as custom_vjp would, without callbacks
            return np.zeros_like(xs[k]) if c is None else _conj(c)

        return Jax._op(
            parts.value,
            parts.value(*arrays),
            lambda k, out, g, *xs: Jax._call(lambda *a: pulled(k, *a), xs[k], *xs, out, g),
        )

    @staticmethod
    def nested(function: Callable[..., Any], arrays: Sequence[Any]) -> Callable[..., Any]:
        return Jax._nested(function, value_of(function, *arrays))

    @staticmethod
    def _nested(function: Callable[..., Any], like: Any) -> Callable[..., Any]:
        import jax.numpy as jnp

        def pull(k: int, out: Any, g: Any, *xs: Any) -> Any:
            return jnp.conj(Jax._nested(gradient(function, k), xs[k])(*xs, jnp.conj(g)))

        return Jax._op(lambda *xs: value_of(function, *xs), like, pull)

    @staticmethod
    def _op(value: Callable[..., Any], like: Any, pull: Callable[..., Any]) -> Callable[..., Any]:
        import jax

        def keep(*xs: Any) -> Any:
            out = op(*xs)  # not the callback, which has no derivative of its own
            return out, (xs, out)

        def back(kept: Any, g: Any) -> Any:
            xs, out = kept
            return tuple(pull(k, out, g, *xs) for k in range(len(xs)))

        op = jax.custom_vjp(lambda *xs: Jax._call(value, like, *xs))
        op.defvjp(keep, back)
        return op

    @staticmethod
    def _call(function: Callable[..., Any], like: Any, *xs: Any) -> Any:
        import jax

        shape = jax.ShapeDtypeStruct(np.shape(like), like.dtype)
        return jax.pure_callback(
            lambda *a: np.asarray(function(*[np.array(x) for x in a])), shape, *xs
        )


class Autograd:
    """``primitive`` and ``defvjp`` of HIPS autograd."""

    @staticmethod
    def plain(parts: Parts, arrays: Sequence[Any]) -> Callable[..., Any]:
        def pull(k: int, out: Any, g: Any, *xs: Any) -> Any:
            c = parts.pull(k, _conj(g), out, *xs)
            return np.zeros_like(xs[k]) if c is None else _conj(c)

        def push(k: int, out: Any, t: Any, *xs: Any) -> Any:
            return parts.push(k, t, out, *xs)

        return Autograd._op(parts.value, pull, len(arrays), push)

    @staticmethod
    def nested(function: Callable[..., Any], arrays: Sequence[Any]) -> Callable[..., Any]:
        return Autograd._nested(function, len(arrays))

    @staticmethod
    def _nested(function: Callable[..., Any], count: int) -> Callable[..., Any]:
        import autograd.numpy as anp

        def conj(a: Any) -> Any:
            return anp.conj(a) if anp.iscomplexobj(a) else a

        def pull(k: int, out: Any, g: Any, *xs: Any) -> Any:
            return conj(Autograd._nested(gradient(function, k), count + 1)(*xs, conj(g)))

        return Autograd._op(lambda *xs: value_of(function, *xs)[()], pull, count)

    @staticmethod
    def _op(value: Any, pull: Any, count: int, push: Any = None) -> Callable[..., Any]:
        from autograd.extend import defjvp, defvjp, primitive

        def vjp(k: int) -> Callable[..., Any]:
            return lambda out, *xs: lambda g: pull(k, out, g, *xs)

        def jvp(k: int) -> Callable[..., Any]:
            return lambda t, out, *xs: push(k, out, t, *xs)

        op = primitive(value)
        defvjp(op, *map(vjp, range(count)))
        if push is not None:
            defjvp(op, *map(jvp, range(count)))
        return op


def _conj(c: Any) -> Any:
    return np.conj(c) if isinstance(c, ARRAY) and c.dtype.kind == "c" else c
