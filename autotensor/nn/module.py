"""Module: an object that finds the parameters in its own attributes."""

from collections.abc import Iterable
from typing import Any

from autotensor.array import Tensor

__all__ = ["Module"]


class Module:
    """Base of everything with parameters: a layer, a loss, a whole network.

    A subclass sets its parameters and sub-modules as attributes and writes its own ``__call__``;
    nothing stands between the caller and that method. A parameter is a leaf Tensor that requires
    grad, found among the attributes of the module, of its sub-modules, and in lists, tuples and
    dicts of either.

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
        seen = set()
        stack: list[tuple[str, object]] = [("", self)]
        while stack:
            path, value = stack.pop()
            children: Iterable[tuple[object, object]]
            if isinstance(value, Tensor):
                if value.requires_grad and value.is_leaf and id(value) not in seen:
                    seen.add(id(value))
                    value.name = value.name or path
                    found.append((path, value))
                continue
            if isinstance(value, Module):
                children = vars(value).items()
            elif isinstance(value, dict):
                children = value.items()
            elif isinstance(value, list | tuple):
                children = enumerate(value)
            else:
                continue
            if id(value) not in seen:
                seen.add(id(value))
                prefix = path and path + "."
                stack.extend([(f"{prefix}{key}", child) for key, child in children][::-1])
        return found

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
