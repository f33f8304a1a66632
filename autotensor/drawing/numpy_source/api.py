"""`at.source`."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.array import Tensor, name_of
from autotensor.drawing.callers import arrays_in, variables_of
from autotensor.drawing.labels import clean
from autotensor.drawing.numpy_source.printing import text
from autotensor.drawing.numpy_source.program import program
from autotensor.drawing.numpy_source.rewriting import alive
from autotensor.drawing.numpy_source.simplify import simplify as simplified
from autotensor.drawing.tracing import Pass, parents_of, trace
from autotensor.engine.graph import Leaf, Made, Node, reachable
from autotensor.engine.modes import enable_grad, tracing_all
from autotensor.transforms import open_alias

__all__ = ["source", "source_of"]


def source(
    target: Any,
    wrt: Any = None,
    *,
    names: Mapping[str, Tensor] | None = None,
    simplify: bool = True,
) -> Any:
    """Write a computation and its gradient as NumPy source.

    Parameters
    ----------
    target : Tensor or callable
        A scalar loss, whose graph is written as it was recorded; or a function that returns one,
        and then the result of `source` is to be called like the function.
    wrt : Tensor or sequence of Tensors; int, str, or sequence of them, optional
        What to differentiate by: tensors of the graph; of a function positions or names of its
        arguments. By default all leaves that require grad, or the first argument.
    names : mapping from str to Tensor, optional
        What to call tensors, as for `autotensor.graph`.
    simplify : bool
        Merge equal calls, drop what changes nothing, and write what is used once where it is used.
        Else every call of the engine has a line, and its numbers come out bit for bit (with one
        thread of BLAS, which otherwise may add in another order from run to run).

    Returns
    -------
    str
        The text of a module that runs by itself: ``exec`` defines ``value_and_grad``, whose
        arguments are the leaves by name, in the order of their creation (of a function, its own
        arguments first). It returns the value and one gradient per `wrt`. A constant array that has
        no name and is too long to be written out is an argument too. A callable that returns such
        a text, where `target` is a function.

    Raises
    ------
    TypeError
        If `target` or one of `wrt` is neither, or the graph has what cannot be written.
    ShapeError
        If the loss is no scalar.
    NoGradientError
        If nothing below requires grad, or one of `wrt` is not there.
    GraphFreedError
        After a ``backward()`` that freed the graph: call it with ``retain_graph=True``.

    Notes
    -----
    What a function does besides calling NumPy with Tensors is not seen: branches taken, loops and
    what left the graph (``t.numpy()``, ``t.item()``) are as they were in this call. Ops of your own
    are imported; where that is not possible, because they stand in ``__main__`` or in a function,
    the text says what ``exec`` is to be given. Numbers, strings and other arguments that are no
    arrays are written into it. The backward pass is run, so hooks are called; nothing is freed and
    no ``.grad`` changes. The text has no ``np.errstate``: it may warn where the engine does not.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> x = at.tensor([1.0, 2.0], requires_grad=True)
    >>> print(at.source(np.sum(np.exp(x) * x)))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def value_and_grad(x):
        v1 = np.exp(x)          # (2,)
        value = np.sum(v1 * x)  # ()
        d_x = v1 + x * v1       # (2,)
        return value, d_x
    >>> print(at.source(lambda t: np.tanh(t) ** 2)(0.5))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def value_and_grad(t):
        v1 = np.tanh(t)               # ()
        value = v1 ** 2               # ()
        d_t = 2 * v1 * (1 - v1 * v1)  # ()  grad of tanh
        return value, d_t
    """
    for name, tensor in (names or {}).items():
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"names= is a dict from names to Tensors; {name!r} has a {type(tensor).__name__}"
            )
    if isinstance(target, Tensor):
        space = sys._getframe(1).f_locals
        found = list(variables_of(space)), arrays_in(space)
        return _of_loss(target, wrt, dict(names or {}), found, simplify)
    if not callable(target):
        raise TypeError(
            f"at.source() writes a Tensor or a function; got {type(target).__name__}. An ndarray "
            "has no graph: pass the Tensor that the computation returned."
        )

    @functools.wraps(target)
    def written(*args: Any, **kwargs: Any) -> str:
        return _of_call(target, wrt, dict(names or {}), simplify, args, kwargs)

    return written


def _of_loss(
    loss: Tensor,
    wrt: Any,
    given: dict[str, Tensor],
    found: tuple[Sequence[tuple[str, Any]], dict[int, str]],
    short: bool,
) -> str:
    several = wrt if isinstance(wrt, (tuple, list)) else () if wrt is None else (wrt,)
    for value in several:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"at.source(loss, wrt=...) takes tensors of the graph; got {type(value).__name__}"
            )
    variables, arrays = found
    names = {tensor._node: name for name, tensor in reversed(variables) if tensor._node}
    if loss._node is None or not loss.requires_grad:
        raise errors.nothing_to_differentiate()
    order = reachable([loss._node])
    reached = set(order)
    names |= {node: own for node in _all_below([loss._node]) if (own := name_of(node))}
    names |= {tensor._node: name for name, tensor in given.items() if tensor._node}
    nodes = [tensor._node for tensor in several]
    for tensor, node in zip(several, nodes, strict=True):
        if node not in reached:
            raise errors.NoGradientError(
                f"the loss does not depend on {tensor.name or f'a tensor of shape {tensor.shape}'}"
                ", of which wrt= asks for the gradient."
            )
    if wrt is None:
        nodes = [node for node in reversed(order) if isinstance(node, Leaf)]
    return _written(loss, nodes, names, arrays, (), short)


def _of_call(
    function: Callable[..., Any],
    wrt: Any,
    given: dict[str, Tensor],
    short: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> str:
    arguments = _bound(function, args, kwargs)
    wrt = 0 if wrt is None else wrt
    chosen = [
        [*arguments][w] if isinstance(w, int) and w < len(arguments) else w
        for w in (wrt if isinstance(wrt, (tuple, list)) else (wrt,))
    ]
    missing = [name for name in chosen if name not in arguments]
    if missing:
        raise TypeError(
            f"no argument {missing[0]!r} to differentiate by: it has {', '.join(arguments)}"
        )
    opened: dict[str, Any] = {}
    with enable_grad(), tracing_all():
        for name, value in arguments.items():
            if name in chosen:
                if not _is_array(value) and not isinstance(value, (int, float, complex, list)):
                    raise TypeError(
                        f"at.source() differentiates by arrays; {name!r} is a "
                        f"{type(value).__name__}. Pass its arrays as arguments of their own."
                    )
                opened[name] = open_alias(value.numpy() if isinstance(value, Tensor) else value)
            else:
                opened[name] = _opened(value)
        leaves = dict(_leaves(opened))
        loss = _called(function, args, kwargs, opened)
    if not isinstance(loss, Tensor):
        raise errors.not_a_tensor_output("source", loss)
    space = _captured(function)
    captured = list(variables_of(space))
    names: dict[Any, str] = {t._node: name for name, t in reversed(captured) if t._node}
    names |= {tensor._node: name for name, tensor in given.items() if tensor._node}
    names |= {node: name for name, node in leaves.items()}
    nodes = [leaves[name] for name in chosen]
    parameters = [(node, name) for name, node in leaves.items()]
    return _written(loss, nodes, names, arrays_in(space), parameters, short)


def _opened(value: Any) -> Any:
    """An argument with Tensors in place of its arrays, which are arguments of the text."""
    if _is_array(value):
        data = value.numpy() if isinstance(value, Tensor) else np.array(value)
        return Tensor(data[()], Leaf(data.shape, data.dtype))
    if type(value) in (tuple, list):
        return type(value)(map(_opened, value))
    return {key: _opened(v) for key, v in value.items()} if type(value) is dict else value


def _leaves(values: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Leaf]]:
    """The leaves of Tensors among arguments, with names; of those in a list, like ``xs_0``."""
    for name, value in values.items():
        if isinstance(value, Tensor):
            yield f"{before}{name}", value._leaf()
        elif type(value) in (tuple, list):
            yield from _leaves(dict(enumerate(value)), f"{before}{name}_")
        elif type(value) is dict:
            yield from _leaves(value, f"{before}{name}_")


def _is_array(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray, np.generic))


def _bound(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of a call, by the names that the function, or else this one, has for them."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return {f"x{i}": value for i, value in enumerate(args)} | kwargs
    parameters = inspect.signature(function).parameters
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            found |= {f"{name}{i}": v for i, v in enumerate(value)}
        elif parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        else:
            found[name] = value
    return found


def _called(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], opened: Any
) -> Any:
    positional = [*opened.values()][: len(args)]
    return function(*positional, **{name: opened[name] for name in kwargs})


def _captured(function: Any) -> dict[str, Any]:
    """What a function finds in its closure and among the globals that it names."""
    function = inspect.unwrap(function)
    if not inspect.isfunction(function):
        return {}
    space = inspect.getclosurevars(function)
    return {**space.globals, **space.nonlocals}


def _all_below(roots: Sequence[Any]) -> list[Any]:
    found, stack = set(roots), list(roots)
    while stack:
        parents = set(parents_of(stack.pop())) - found
        stack += parents
        found |= parents
    return list(found)


def _written(
    loss: Tensor,
    nodes: Sequence[Any],
    names: dict[Any, str],
    arrays: Mapping[int, str],
    parameters: Sequence[tuple[Any, str]],
    short: bool,
) -> str:
    if loss.size != 1:
        raise errors.not_scalar_output("source", loss.shape)
    for node in _all_below([loss._node or loss._leaf()]):
        known = node.notes and "array" in node.notes and node.notes["array"]()
        if id(known) in arrays:
            names.setdefault(node, arrays[id(known)])
    run = trace([loss], set(nodes), whole=True) if loss.requires_grad else Pass({}, {}, [], 0)
    return source_of(run, loss, nodes, names, parameters, short)


def source_of(
    run: Pass,
    loss: Tensor,
    nodes: Sequence[Any],
    names: Mapping[Any, str],
    parameters: Sequence[tuple[Any, str]] = (),
    short: bool = True,
) -> str:
    """The source of a pass that was traced.

    Parameters
    ----------
    run : the backward pass of `loss`.
    nodes : those whose gradients are returned.
    names : of nodes.
    parameters : the arguments that come first; all leaves where there are none.
    short : whether to simplify.
    """
    names = dict(names)
    root: Any = loss._node or loss._leaf()
    gradients = []
    for node in nodes:
        found = run.gradients.get(node)
        if found is None:
            found = Tensor(np.zeros(node.shape, node.dtype)[()], None)
            found._leaf().notes = {"value": found._data}
        gradients.append(found._node)
    made = [n for n in _all_below(gradients) if isinstance(n, Made) and n.number > run.start]
    labels = {
        node: f"grad of {clean(owner.op.name)}" if isinstance(owner, Node) else ""
        for node, owner in run.owners(made).items()
    }
    for pull in run.pulls:
        computed = isinstance(pull.g, Tensor) and isinstance(pull.g._node, Made)
        if computed and pull.node in names:
            names.setdefault(pull.g._node, f"d_{names[pull.node]}")
    names.setdefault(root, "value")
    for node, gradient in zip(nodes, gradients, strict=True):
        if isinstance(gradient, Made):
            names.setdefault(gradient, f"d_{names.get(node, 'x')}")
    written = program([root, *gradients], labels, names)
    written = simplified(written, names) if short else alive(written)
    if not parameters:
        outside = [c.node for c in written.calls if c.function is None and c.value is None]
        both = {
            *(n for n in outside if isinstance(n, Leaf)),
            *(n for n in nodes if isinstance(n, Leaf)),
        }
        parameters = [
            (node, names.get(node) or name_of(node) or ("x" if node.requires_grad else "constant"))
            for node in sorted(both, key=lambda node: node.number)
        ]
    return text(written, names, parameters, inline=short)
