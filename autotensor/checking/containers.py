"""Lists, tuples, dicts and namedtuples of arrays: their leaves with labels, and back again.

What is no such container is a leaf. A container is rebuilt as what it was, so that a function gets
a namedtuple where it was given one.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autotensor.array import Tensor
from autotensor.checking.layout import Array

__all__ = ["Call", "children", "is_inexact", "leaves", "replaced"]


def children(tree: Any) -> list[tuple[str, Any]] | None:
    """Pairs of suffix, as one would write it, and child; None for what is no container."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(f".{name}", getattr(tree, name)) for name in tree._fields]
    if isinstance(tree, (list, tuple)):
        return [(f"[{i}]", child) for i, child in enumerate(tree)]
    if isinstance(tree, dict):
        return [(f"[{key!r}]", child) for key, child in tree.items()]
    return None


def leaves(tree: Any, label: str) -> Iterator[tuple[str, Any]]:
    """Pairs of label and leaf, in order.

    Examples
    --------
    >>> list(leaves({"w": [1.0, 2.0], "b": None}, "params"))
    [("params['w'][0]", 1.0), ("params['w'][1]", 2.0), ("params['b']", None)]
    """
    inner = children(tree)
    if inner is None:
        yield label, tree
    else:
        for suffix, child in inner:
            yield from leaves(child, label + suffix)


def replaced(tree: Any, new: Iterator[Any], chosen: Callable[[Any], bool]) -> Any:
    """`tree` with the next item of `new` for each leaf that is chosen; the rest stays as it is.

    Examples
    --------
    >>> replaced({"w": [1.0, "a"], "b": 2.0}, iter("xy"), lambda leaf: type(leaf) is float)
    {'w': ['x', 'a'], 'b': 'y'}
    """
    inner = children(tree)
    if inner is None:
        return next(new) if chosen(tree) else tree
    found = [replaced(child, new, chosen) for _, child in inner]
    if all(a is b for a, (_, b) in zip(found, inner, strict=True)):
        return tree
    if isinstance(tree, dict):
        result = copy.copy(tree)
        result.update(zip(tree, found, strict=True))
        return result
    if isinstance(tree, list):
        rebuilt = copy.copy(tree)
        rebuilt[:] = found
        return rebuilt
    return type(tree)._make(found) if hasattr(tree, "_make") else type(tree)(found)


def is_inexact(leaf: Any) -> bool:
    """Whether this is an array or Tensor that can be differentiated."""
    return isinstance(leaf, (np.ndarray, Tensor)) and leaf.dtype.kind in "fc"


class Call:
    """A function of nested arguments, seen as one of some of their leaves, to a flat tuple.

    Parameters
    ----------
    fn, name
        The function, and what to call it.
    arguments
        Those it is called with.
    places
        Which leaves of the arguments take part: as counted over all leaves in order.

    Attributes
    ----------
    output_names
        Labels of the outputs that can have a derivative, of the latest call.
    """

    def __init__(
        self, fn: Callable[..., Any], name: str, arguments: Sequence[Any], places: Sequence[int]
    ) -> None:
        self.fn = fn
        self.name = name
        self.arguments = list(arguments)
        self.places = frozenset(places)
        self.plain = len(places) == len(self.arguments) and not any(map(children, self.arguments))
        self.output_names: list[str] = ["output"]

    def __call__(self, *tensors: Any) -> tuple[Any, ...]:
        result = self.fn(*(tensors if self.plain else self.completed(tensors)))
        if isinstance(result, Tensor) and result.dtype.kind in "fc":
            return (result,)
        labelled = list(leaves(result, "output"))
        if isinstance(result, (tuple, list)) and not hasattr(result, "_fields"):
            labelled = [
                pair
                for i, part in enumerate(result)
                for pair in leaves(part, f"output{i}" if len(result) > 1 else "output")
            ]
        found = [(label, leaf) for label, leaf in labelled if is_inexact(leaf)]
        if not any(isinstance(leaf, Tensor) for _, leaf in labelled):
            raise _no_tensor(self.name, result)
        self.output_names = [label for label, _ in found]
        # An array beside Tensors is a constant; if it does depend on x, its gradient 0 is wrong.
        return tuple([x if isinstance(x, Tensor) else _constant(x) for _, x in found])

    def completed(self, new: Sequence[Any]) -> list[Any]:
        """The arguments with new leaves at the places that take part."""
        count, source = iter(range(10**9)), iter(new)
        rebuilt: list[Any] = replaced(
            self.arguments, source, lambda leaf: next(count) in self.places
        )
        return rebuilt


def _constant(a: Array) -> Tensor:
    return Tensor(np.array(a)[()], None)


def _no_tensor(name: str, result: Any) -> TypeError:
    found = next((leaf for _, leaf in leaves(result, "") if leaf is not None), None)
    if found is None:
        return TypeError(f"{name} must return a Tensor or Tensors in containers; it returned none")
    return TypeError(
        f"{name} must return a Tensor or Tensors in containers; "
        f"it returned {type(found).__name__}.\n"
        "It leaves the graph on the way, by x.item(), x.numpy() or float(x) for instance:\n"
        "apply NumPy functions to the Tensor itself and return what they give."
    )
