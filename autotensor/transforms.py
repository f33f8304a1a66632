"""Derivatives of tensors and of functions: `backward`, `grad`, `value_and_grad`, `vjp`, `jvp`.

A transform opens a fresh *alias* of each input, an identity node above the caller's node. Its own
walk stops at the alias, so nested derivatives cannot be confused and outer ones are not lost.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autotensor import anomaly, errors
from autotensor.array import Tensor, attach
from autotensor.dispatch import apply
from autotensor.engine.forward import forward
from autotensor.engine.graph import Leaf, Node, reachable
from autotensor.engine.modes import TRACE, enable_grad, mode, no_grad, recording, unwatched
from autotensor.engine.primitive import linear, same
from autotensor.engine.reverse import reverse
from autotensor.gradients import deposit, sum_gradients

__all__ = ["backward", "grad", "jvp", "open_alias", "value_and_grad", "vjp"]


def _alias(x: Any) -> Any:
    return x


_ALIAS = linear(_alias, same, signature="x", name="alias", cases=[{"x": (2,)}])


def backward(
    tensors: Any,
    gradients: Any = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Add the gradients of `tensors` to ``.grad`` of every leaf below them that requires grad.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensors
        The roots. Several are walked in one pass, as if their sum were.
    gradients : array, None, or sequence of them, optional
        For each root the cotangent to start from, of its shape; None, for a root of size 1, is 1.
    retain_graph : bool
        Keep what the nodes hold, so that the graph can be walked again.
    create_graph : bool
        Record the pass itself, so that the gradients can be differentiated. Implies `retain_graph`.

    Raises
    ------
    ShapeError
        For a root that is no scalar and has no gradient, or one of the wrong shape.
    NoGradientError
        If no leaf below requires grad.
    GraphFreedError
        If an earlier pass has freed what this one needs.
    InPlaceError
        If an adopted array that the gradient needs was written to.

    Notes
    -----
    No ``.grad`` is changed when an error is raised: they are set when the pass is complete.

    Examples
    --------
    >>> import autotensor as at
    >>> w = at.tensor([1.0, -2.0], requires_grad=True)
    >>> at.backward([(w * w).sum(), 3 * w], [None, [1.0, 1.0]])
    >>> w.grad
    tensor([ 5., -1.])
    """
    roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if isinstance(tensors, Tensor) or gradients is None:
        gradients = [gradients] * len(roots)
    if not roots:
        raise errors.nothing_to_differentiate()
    if len(gradients) != len(roots):
        raise ValueError(f"{len(roots)} tensors, but {len(gradients)} gradients")
    seeds: dict[Any, Any] = {}
    for root, gradient in zip(roots, gradients, strict=True):
        if not isinstance(root, Tensor):
            raise TypeError(f"backward() needs Tensors; got {type(root).__name__}")
        if not root.requires_grad:
            raise errors.nothing_to_differentiate()
        seed = _seed(root, gradient, create_graph)
        seeds[root._node] = seeds[root._node] + seed if root._node in seeds else seed
    watch = anomaly.watch()
    if create_graph:
        with unwatched(), enable_grad():
            deposit(reverse(seeds, wrap=Tensor, watch=watch))
    else:
        deposit(reverse(seeds, free=not retain_graph, watch=watch))


def _seed(root: Tensor, gradient: Any, create_graph: bool) -> Any:
    """The cotangent to start from: an array, or a Tensor where the pass is recorded."""
    if gradient is None:
        if root.size != 1:
            raise errors.non_scalar(root.shape)
        if root.dtype.kind == "c":
            raise errors.complex_root(root.dtype)
        one = root.dtype.type(1) if root.ndim == 0 else np.ones(root.shape, root.dtype)
        return Tensor(one, None) if create_graph else one
    if isinstance(gradient, Tensor):
        gradient = gradient if create_graph else gradient._data
    else:
        gradient = np.array(gradient)[()]
    if gradient.shape != root.shape:
        raise errors.seed_shape(gradient.shape, root.shape, "gradient")
    if gradient.dtype != root.dtype:
        if gradient.dtype.kind == "c" and root.dtype.kind != "c":
            raise errors.complex_seed(gradient.dtype, root.dtype)
        gradient = gradient.astype(root.dtype)
    return Tensor(gradient, None) if create_graph and not isinstance(gradient, Tensor) else gradient


def open_alias(x: Any) -> Tensor:
    """A fresh alias of `x` that requires grad."""
    if isinstance(x, Tensor):
        if x.dtype.kind not in "fc":
            raise errors.no_dtype_for_grad(x.dtype)
        if x.requires_grad and recording():
            alias: Tensor = apply(_ALIAS, (x,), {})
            alias._data = alias._data  # read, if it is a view that was to be read later
            alias._place = None  # a write to the alias is the function's own affair
            return alias
        data = x._data
        if mode.get() & TRACE:
            leaf = Leaf(data.shape, data.dtype, requires_grad=True)
            leaf.notes = {"call": ((x._node or x._leaf(),), {})}
            return Tensor(data, leaf)
    else:
        data = np.array(x)[()]
        if data.dtype.kind not in "fc":
            raise errors.no_dtype_for_grad(data.dtype)
    return Tensor(data, Leaf(data.shape, data.dtype, requires_grad=True))


def _depends_outside(roots: Any, aliases: Any) -> bool:
    """Whether a tracked value other than the aliases themselves stands below `roots`."""
    if any(isinstance(alias, Node) for alias in aliases):
        return True
    return any(
        node.plan is None and node.requires_grad and node not in aliases
        for node in reachable(roots, aliases)
    )


class _Run:
    """One call of a function on aliases of some of its arguments."""

    def __init__(self, name: str, function: Callable[..., Any], inputs: Sequence[Any]) -> None:
        self.inputs = inputs
        self.aliases = [open_alias(x) for x in inputs]
        # Now, because the function may write to an alias in place, which gives it another node.
        self.nodes: list[Any] = [alias._node for alias in self.aliases]
        self.tensors_in = any(isinstance(x, Tensor) for x in inputs)
        self.outer = recording()
        self.name = name
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        with enable_grad():
            result = self.function(*args, **kwargs)
        self.many = isinstance(result, (tuple, list))
        self.outputs = list(result) if self.many else [result]
        for output in self.outputs:
            if not isinstance(output, Tensor):
                raise errors.not_a_tensor_output(self.name, output)
        self.roots: list[Any] = [o._node if o.requires_grad else None for o in self.outputs]
        reached = [root for root in self.roots if root is not None]
        self.outside = self.outer and _depends_outside(reached, set(self.nodes))
        for node in self.nodes:
            if isinstance(node, Leaf):
                node.requires_grad = False  # for whoever walks here later, it is a constant

    def pull(self, cotangents: Sequence[Any]) -> list[Any]:
        """The cotangents of the inputs, as what the inputs are: arrays or Tensors."""
        record = self.records(cotangents)
        seeds: dict[Any, Any] = {}
        for root, output, g in zip(self.roots, self.outputs, cotangents, strict=True):
            if root is not None:
                seed = _seed(output, g, record)
                seeds[root] = seeds[root] + seed if root in seeds else seed
        watch = anomaly.watch()
        with unwatched(), enable_grad() if record else no_grad():
            found = reverse(seeds, set(self.nodes), wrap=Tensor if record else None, watch=watch)
        return [
            self.give(
                found.get(node, np.zeros(node.shape, node.dtype)), record or isinstance(x, Tensor)
            )
            for node, x in zip(self.nodes, self.inputs, strict=True)
        ]

    def records(self, given: Sequence[Any]) -> bool:
        """Whether a walk with these cotangents or tangents is itself to be differentiated."""
        return recording() and (
            self.outside
            or (self.tensors_in and bool(mode.get() & TRACE))
            or any(isinstance(x, Tensor) and x.requires_grad for x in given)
        )

    def give(self, value: Any, as_tensor: bool) -> Any:
        """`value` as a Tensor, or as the array or scalar that it is."""
        if as_tensor:
            return value if isinstance(value, Tensor) else sum_gradients(None, value)
        # A copy, because the graph may keep the array, and another result may be the same one.
        return np.array(value._data if isinstance(value, Tensor) else value)[()]

    def value(self) -> Any:
        """What the function returned, cut off from the aliases where nothing outside needs them."""
        given = [
            output if self.outside else self.give(output.detach(), self.tensors_in)
            for output in self.outputs
        ]
        return tuple(given) if self.many else given[0]


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0
) -> Callable[..., Any]:
    """A function that returns the value of `function` and its gradient.

    Parameters
    ----------
    function : callable
        Returns a scalar Tensor; written with NumPy functions, operators and methods.
    argnums : int or sequence of int
        The positional arguments to differentiate by.

    Returns
    -------
    callable
        Called like `function`; returns ``(value, gradient)``, with a tuple of gradients where
        `argnums` is a sequence. Arrays and floats give arrays and scalars, Tensors give Tensors. No
        ``.grad`` is touched. A result that depends on a Tensor outside carries its graph.

    Raises
    ------
    ShapeError
        If the result is no scalar.
    LostGradientError
        If the result is no Tensor.
    DtypeError
        If an argument to differentiate by is not of a float or complex dtype.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> at.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    single = not isinstance(argnums, Sequence)
    numbers: Sequence[int] = [argnums] if single else argnums  # type: ignore[list-item,assignment]

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        missing = [n for n in numbers if not -len(args) <= n < len(args)]
        if missing:
            raise TypeError(f"no positional argument {missing[0]} to differentiate by was given")
        inputs = [args[n] for n in numbers]
        if len({n % len(args) for n in numbers}) < len(numbers):
            raise ValueError(f"argnums {argnums} names an argument twice")
        run = _Run("grad", function, inputs)
        opened = list(args)
        for n, alias in zip(numbers, run.aliases, strict=True):
            opened[n] = alias
        run(*opened, **kwargs)
        if run.many:
            raise errors.not_a_tensor_output("grad", tuple(run.outputs))
        if run.outputs[0].size != 1:
            raise errors.not_scalar_output("grad", run.outputs[0].shape)
        gradients = run.pull([None])
        return run.value(), gradients[0] if single else tuple(gradients)

    return differentiated


def grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that returns the gradient of `function`; see `value_and_grad`.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> at.grad(np.tanh)(0.0)
    np.float64(1.0)
    >>> at.grad(at.grad(np.sin))(1.0) == -np.sin(1.0)
    np.True_
    """
    both = value_and_grad(function, argnums)

    @functools.wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
    """The value of `function` at `primals`, and its pullback.

    Returns
    -------
    value : as returned by `function`: a Tensor or a tuple of them (arrays where all primals are).
    pullback : callable
        Takes a cotangent of the value's shape (one per output), returns a tuple with a cotangent of
        each primal. It can be called again.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> value, pullback = at.vjp(np.sin, np.array([0.0, np.pi]))
    >>> pullback(np.array([1.0, 1.0]))
    (array([ 1., -1.]),)
    """
    run = _Run("vjp", function, primals)
    run(*run.aliases)

    def pullback(*cotangents: Any) -> tuple[Any, ...]:
        if len(cotangents) != len(run.outputs):
            raise ValueError(f"{len(run.outputs)} outputs, but {len(cotangents)} cotangents")
        return tuple(run.pull(cotangents))

    return run.value(), pullback


def jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Any, Any]:
    """The value of `function` at `primals`, and its derivative along `tangents`.

    Parameters
    ----------
    function : callable
        Returns a Tensor or a tuple of them.
    primals, tangents : sequences of arrays
        One tangent per primal, of its shape.

    Returns
    -------
    value, tangent : as returned by `function`; arrays where all primals are.

    Raises
    ------
    ShapeError
        For a tangent of the wrong shape.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> at.jvp(np.exp, (0.0,), (2.0,))
    (np.float64(1.0), np.float64(2.0))
    """
    if len(primals) != len(tangents):
        raise ValueError(f"{len(primals)} primals, but {len(tangents)} tangents")
    run = _Run("jvp", function, primals)
    for alias, t in zip(run.aliases, tangents, strict=True):
        shape = t.shape if isinstance(t, Tensor) else np.shape(t)
        if shape != alias.shape:
            raise errors.seed_shape(shape, alias.shape, "tangent")
    run(*run.aliases)
    record = run.records(tangents)
    start = {
        node: _seed(alias, t, record)
        for node, alias, t in zip(run.nodes, run.aliases, tangents, strict=True)
    }
    with unwatched(), enable_grad() if record else no_grad():
        found = forward({r for r in run.roots if r is not None}, start, Tensor, record=record)
    pushed = [
        run.give(found.get(root, np.zeros(y.shape, y.dtype)), record or run.tensors_in)
        for root, y in zip(run.roots, run.outputs, strict=True)
    ]
    return run.value(), tuple(pushed) if run.many else pushed[0]


def _backward_method(
    self: Tensor, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False
) -> None:
    """Add the gradient of this tensor to ``.grad`` of every leaf below it.

    See `autotensor.backward`, which also takes several tensors.
    """
    node = self._node
    special = gradient is not None or create_graph
    if special or node is None or not node.requires_grad or node.shape or node.dtype.kind != "f":
        backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)
    else:
        # The usual loss, without the loops and checks that several roots with seeds need.
        deposit(reverse({node: node.dtype.type(1)}, free=not retain_graph, watch=anomaly.watch()))


attach("backward", _backward_method)
