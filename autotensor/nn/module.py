"""Module: an object that finds the parameters in its own attributes."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from types import FunctionType
from typing import Any
from weakref import ref

from autotensor.array import Tensor
from autotensor.engine.graph import next_number

__all__ = ["Module", "Tag", "note_call"]


def _noted(call: FunctionType) -> Any:
    """`call` with a note, on the node of its result, of when it began, for pictures."""

    @functools.wraps(call)
    def noted(self: Module, /, *args: Any, **kwargs: Any) -> Any:
        began = next_number()
        result = call(self, *args, **kwargs)
        for part in result if isinstance(result, (tuple, list)) else (result,):
            note_call(part, began, self)
        return result

    return noted


def note_call(result: Any, began: int, module: Module, ends: Sequence[int] = ()) -> None:
    """Note on the node of `result` that a call of `module`, which began at `began`, returned it.

    The numbers are those that nodes have by their creation.

    Parameters
    ----------
    ends : at which number each of the layers that it called was done.
    """
    if isinstance(result, Tensor):
        node = result._node
        if node is not None and node.plan is not None and node.number > began:
            node.calls = (began, module.tag, ends, node.calls)


class Tag:
    """Stands for a module on the nodes that it returned, which are not to keep it alive.

    Attributes
    ----------
    name : of its class.
    module : calls give the module, or None when it is gone.
    """

    __slots__ = ("module", "name")

    def __init__(self, module: Module) -> None:
        self.name = type(module).__name__
        self.module = ref(module)

    def __reduce__(self) -> Any:
        return type(None), ()  # a copy of a module gets its own


class Module:
    """Base of everything with parameters: a layer, a loss, a whole network.

    A subclass sets its parameters and sub-modules as attributes and writes its own ``__call__``;
    nothing stands between the caller and that method but a note for pictures of which ops it called
    (``class Layer(Module, noted=False)`` goes without, which saves a microsecond). A parameter is a
    leaf Tensor that requires grad, found among the attributes of the module, of its sub-modules,
    and in lists, tuples and dicts of either.

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

    _noted = True  # whether calls are noted, by the class itself or by what `noted` asks for
    _tag: Tag | None = None

    def __init_subclass__(cls, *, noted: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        call = vars(cls).get("__call__")  # one that is inherited is noted, or not, as it was
        if isinstance(call, FunctionType):
            if "_noted" not in vars(cls):
                cls._noted = noted
            if noted:
                cls.__call__ = _noted(call)  # type: ignore[method-assign]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    @property
    def tag(self) -> Tag:
        """What stands for this module on nodes."""
        tag = self._tag
        if tag is None or tag.module() is not self:  # that of what this is a shallow copy of
            tag = Tag(self)
            object.__setattr__(self, "_tag", tag)  # a frozen dataclass is a module too
        return tag

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
