"""What users pass to `gradcheck`, made uniform: arguments, their leaves, and options for each."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from autotensor.array import Tensor
from autotensor.checking.containers import is_inexact, leaves, replaced
from autotensor.checking.domains import NAMES
from autotensor.checking.layout import Array

__all__ = ["Arguments", "check_numbers", "chosen_ids"]


class Arguments:
    """The arguments of one call, and which of their arrays are differentiated.

    Parameters
    ----------
    fn, name
        The function, and what to call it.
    inputs
        As given to `gradcheck`: the only argument, or a list or tuple of all.
    wrt, names
        As given to `gradcheck`.

    Attributes
    ----------
    values
        One for each argument, with arrays in place of Tensors, copied.
    names
        One for each argument.
    places
        Which leaves are differentiated, as counted over all leaves of all arguments.
    arrays, labels, owners
        Of these leaves: the values, what to call them, the positions of their arguments.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str,
        inputs: Any,
        wrt: Any = None,
        names: Sequence[str] | None = None,
    ) -> None:
        alone = not isinstance(inputs, (list, tuple)) or hasattr(inputs, "_fields")
        if alone and isinstance(inputs, (float, complex)):
            inputs = np.asarray(inputs)
        self.values: list[Any] = [_as_arrays(a) for a in ([inputs] if alone else inputs)]
        self.names = _names(fn, len(self.values), names)
        found = [
            (label, owner, leaf)
            for owner, (given, value) in enumerate(zip(self.names, self.values, strict=True))
            for label, leaf in leaves(value, given)
        ]
        inexact = [k for k, (_, _, leaf) in enumerate(found) if is_inexact(leaf)]
        if not inexact:
            raise _nothing(name, found)
        self.places = inexact if wrt is None else self._chosen(wrt, found, inexact)
        self.arrays: list[Array] = [found[k][2] for k in self.places]
        self.labels = [found[k][0] for k in self.places]
        self.owners = [found[k][1] for k in self.places]

    def _chosen(self, wrt: Any, found: list[tuple[str, int, Any]], inexact: list[int]) -> list[int]:
        """Places of the leaves that `wrt` names, by position, name of argument, or label."""
        wanted = [wrt] if isinstance(wrt, (int, str)) else list(wrt)
        chosen = []
        for one in wanted:
            whole = [
                k
                for k in inexact
                if one in (found[k][0], self.names[found[k][1]])
                or (isinstance(one, int) and one in (found[k][1], found[k][1] - len(self.names)))
            ]
            if not whole:
                there = ", ".join(
                    f"{i} ({self.names[i]!r})" for i in sorted({found[k][1] for k in inexact})
                )
                raise ValueError(
                    f"wrt={wrt!r} names an argument that is no float or complex array; "
                    f"those are: {there}"
                )
            chosen += whole
        if not chosen:
            raise ValueError("wrt is empty: leave it out to differentiate by every array")
        return sorted(set(chosen))

    def domains(self, domain: Any) -> list[Any]:
        """The domain of each differentiated leaf: a word, a callable, or None.

        Raises
        ------
        ValueError
            For a word that is none, a name that no argument has, or a sequence of another length.
        """
        if isinstance(domain, Mapping):
            unknown = [k for k in domain if k not in self.names and k not in self.labels]
            if unknown:
                raise ValueError(
                    f"domain names {unknown[0]!r}, and the arguments are {', '.join(self.names)}"
                )
            each = [
                domain.get(label, domain.get(self.names[owner]))
                for label, owner in zip(self.labels, self.owners, strict=True)
            ]
        elif isinstance(domain, (list, tuple)):
            if len(domain) != len(self.values):
                raise ValueError(
                    f"domain has {len(domain)} items for {len(self.values)} arguments; "
                    "write None for an argument without one"
                )
            each = [domain[owner] for owner in self.owners]
        else:
            each = [domain] * len(self.places)
        for one in each:
            if not (one is None or callable(one) or one in NAMES):
                raise ValueError(
                    f"domain must be a function or one of {', '.join(NAMES)}; got {one!r}"
                )
        return each


def _as_arrays(value: Any) -> Any:
    """`value` with arrays of its own in place of Tensors that can be differentiated."""
    return replaced(value, map(_as_array, _flat(value)), lambda leaf: True)


def _flat(value: Any) -> Iterable[Any]:
    return (leaf for _, leaf in leaves(value, ""))


def _as_array(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return leaf.numpy().copy() if leaf.dtype.kind in "fc" else leaf
    if is_inexact(leaf):
        return np.array(leaf)
    return np.asarray(leaf) if isinstance(leaf, np.generic) else leaf


def _names(fn: Callable[..., Any], count: int, names: Sequence[str] | None) -> list[str]:
    """What to call the arguments: x, or x0, x1 … where neither user nor function says."""
    if names is not None:
        given = [names] if isinstance(names, str) else list(names)
        if len(given) != count or not all(isinstance(n, str) for n in given):
            raise ValueError(f"names must be {count} strings, one for each argument; got {names!r}")
        return given
    if isinstance(fn, np.ufunc) and count <= 2:
        return ["x", "y"][:count]
    try:
        parameters = list(inspect.signature(getattr(fn, "function", fn)).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    found = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(found) >= count:
        return found[:count]
    return ["x"] if count == 1 else [f"x{i}" for i in range(count)]


def _nothing(name: str, found: list[tuple[str, int, Any]]) -> ValueError:
    """The error where no leaf is a float or complex array, with what to write instead."""
    text = f"there is nothing to differentiate in the inputs of {name}"
    for label, _, leaf in found:
        if isinstance(leaf, (np.ndarray, Tensor)) and leaf.dtype.kind in "iub":
            return ValueError(f"{text}: {label} is {leaf.dtype}. Use {label}.astype(float).")
    if any(isinstance(leaf, (int, float, complex)) for _, _, leaf in found):
        return ValueError(
            f"{text}: Python numbers are passed on as they are,\n"
            "each as an argument of its own. Write np.array([1.0, 2.0]) for an array."
        )
    return ValueError(f"{text}: give float or complex arrays, such as np.array([1.0, 2.0])")


def check_numbers(**options: Any) -> None:
    """Raise for a tolerance or step that is no number, or negative."""
    for key, value in options.items():
        if value is None:
            continue
        if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
            raise TypeError(f"{key} must be a number; got {type(value).__name__}")
        if not 0 <= value < np.inf or (key == "eps" and value == 0):
            raise ValueError(f"{key} must be positive and finite; got {value!r}")


def chosen_ids(skip: Collection[str] | str, valid: Sequence[str]) -> frozenset[str]:
    """Ids of checks, as a set.

    Raises
    ------
    ValueError
        For an id that is none; it lists those that are.
    """
    ids = frozenset([skip] if isinstance(skip, str) else skip)
    unknown = sorted(ids.difference(valid), key=str)
    if unknown:
        raise ValueError(f"skip names no check: {unknown[0]!r}. The checks are {' '.join(valid)}.")
    return ids
