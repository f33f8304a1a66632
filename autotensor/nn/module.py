"""Module: an object that finds the parameters in its own attributes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any
from weakref import ref

from autotensor.array import Tensor
from autotensor.engine.graph import Node, next_number

__all__ = ["Module"]


# The parameters stand in the source: a call of `*args, **kwargs` costs more than all the rest.
_NOTED = """
def __call__({parameters}):
    _began = _next_number()
    _result = _call({parameters})
    try:
        _node = _result._node
        if _node.calls is None:
            _node.calls = (_began, _name, _ref({self}))
            return _result
    except AttributeError:
        pass
    _note(_result, _began, {self})
    return _result
"""


def _noted(call: FunctionType, owner: str) -> Any:
    """`call` with a note on the node of its result, so that pictures know what it made.

    The note is the creation number at which the call began, which what it made lies above, the name
    of the class that owns `call`, and the module, held weakly.
    """
    code = call.__code__
    names = code.co_varnames[: code.co_argcount]
    special = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
    if (
        code.co_flags & special
        or code.co_kwonlyargcount
        or code.co_posonlyargcount
        or call.__defaults__
        or not names
        or any(name.startswith("_") for name in names)
    ):
        names = ("self", "/", "*args", "**kwargs")
    space = {"_call": call, "_next_number": next_number, "_note": _note, "_ref": ref}
    space["_name"] = owner
    source = _NOTED.format(parameters=", ".join(names), self=names[0]).replace(
        "_call(self, /, ", "_call(self, "
    )
    exec(source, space)
    return functools.wraps(call)(space["__call__"])  # type: ignore[arg-type]


def _note(result: Any, began: int, module: Module) -> None:
    """The same for results that have notes already, and for several."""
    for part in result if isinstance(result, (tuple, list)) else (result,):
        node = part._node if type(part) is Tensor else None
        if isinstance(node, Node) and node.number > began:
            node.calls = (*(node.calls or ()), began, type(module).__name__, ref(module))


class Module:
    """Base of everything with parameters: a layer, a loss, a whole network.

    A subclass sets its parameters and sub-modules as attributes and writes its own ``__call__``;
    nothing stands between the caller and that method but a note for pictures of which ops it
    called. A parameter is a leaf Tensor that requires grad, found among the attributes of the
    module, of its sub-modules, and in lists, tuples and dicts of either.

    Examples
    --------
    >>> import autotensor as at
    >>> class Scale(at.nn.Module):
    ...     def __init__(self):
    ...         self.factor = at.tensor(2.0, requires_grad=True)
    ...
    ...     def __call__(self, x):
    ...         return x * self.factor
    >>> model = at.nn.Sequential(Scale(), Scale())
    >>> [name for name, _ in model.named_parameters()]
    ['layers.0.factor', 'layers.1.factor']
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        call = cls.__dict__.get("__call__")
        if isinstance(call, FunctionType):
            cls.__call__ = _noted(call, cls.__name__)  # type: ignore[method-assign]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """Every parameter once, with its attribute path, in the order of the attributes.

        A parameter reached by several paths has the first of them. A parameter without a name of
        its own takes its path as ``name``, so that graphs and errors show it.

        Returns
        -------
        list of (str, Tensor)
        """
        found = []
        for path, value in self._walk():
            if isinstance(value, Tensor):
                value.name = value.name or path
                found.append((path, value))
        return found

    def named_modules(self) -> list[tuple[str, Module]]:
        """Every module inside this one once, with its attribute path, in the same order.

        Returns
        -------
        list of (str, Module)

        Examples
        --------
        >>> import autotensor as at
        >>> at.nn.Sequential(at.nn.Relu(), at.nn.Relu()).named_modules()
        [('layers.0', Relu()), ('layers.1', Relu())]
        """
        return [(path, value) for path, value in self._walk() if isinstance(value, Module)]

    def _walk(self) -> Iterator[tuple[str, Tensor | Module]]:
        """The parameters and modules among all that the attributes lead to, with their paths."""
        seen = set()
        stack: list[tuple[str, object]] = [("", self)]
        while stack:
            path, value = stack.pop()
            children: Iterable[tuple[object, object]] = ()
            if isinstance(value, Tensor):
                if not value.requires_grad or not value.is_leaf:
                    continue
            elif isinstance(value, Module):
                children = vars(value).items()
            elif isinstance(value, dict):
                children = value.items()
            elif isinstance(value, list | tuple):
                children = enumerate(value)
            else:
                continue
            if id(value) not in seen:
                seen.add(id(value))
                if isinstance(value, Tensor) or (isinstance(value, Module) and value is not self):
                    yield path, value
                prefix = path and path + "."
                stack.extend([(f"{prefix}{key}", child) for key, child in children][::-1])

    def parameters(self) -> list[Tensor]:
        """Every parameter once, in the order of `named_parameters`.

        Returns
        -------
        list of Tensor
        """
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        """Set the ``grad`` of every parameter to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
