"""`Tensor`: an array and the node that made it.

This is the tensor as data: its value, its place in the graph, its gradient, its text. What NumPy
does with it (operators, methods, protocols) is attached by `autotensor.operators`.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar, final

import numpy as np

from autotensor import errors
from autotensor.engine.graph import Leaf, Made, Node
from autotensor.engine.memory import solid
from autotensor.engine.modes import RULE, TRACE, WRITE, enable_grad, mode, no_grad, recording

__all__ = ["Handle", "Tensor", "attach", "name_of"]

F = TypeVar("F", bound=Callable[..., Any])


@final
class Tensor:
    """An array with a gradient. Made by `autotensor.tensor` and by every op on a Tensor.

    All of NumPy's functions, operators and methods that have a rule work on it; see
    ``help(autotensor)``. A Tensor owns its memory: nothing outside can change its value. Only
    an array that it adopted, by ``at.tensor(a, copy=False)``, has another owner.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> x = at.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = np.sum(x**2)
    >>> y.backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_data", "_node", "_place")

    _data: Any
    _node: Node | Leaf | None
    _place: Any  # None, or the memory that views share; see autotensor.storage

    def __init__(self, data: Any, node: Node | Leaf | None) -> None:
        self._data = data
        self._node = node
        self._place = None

    # -- the array -------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape  # type: ignore[no-any-return]

    @shape.setter
    def shape(self, value: Any) -> None:
        raise AttributeError(f"the shape of a tensor cannot be set: write x = x.reshape({value})")

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self._data.size  # type: ignore[no-any-return]

    @property
    def itemsize(self) -> int:
        return self._data.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self._data.nbytes  # type: ignore[no-any-return]

    def numpy(self) -> np.ndarray[Any, Any]:
        """The value as a read-only array, a snapshot: later writes to the tensor leave it alone.

        Nothing of NumPy writes to it but ``np.add.at`` and its like, which heed no array's flag.
        """
        data: Any = np.asarray(self._out("numpy()"))
        return np.asarray(memoryview(data).toreadonly())

    def item(self, *args: Any) -> Any:
        """One entry as a Python number; see `numpy.ndarray.item`."""
        return self._out("item()").item(*args)

    def tolist(self) -> Any:
        """The value as nested lists of Python numbers."""
        return self._out("tolist()").tolist()

    def detach(self) -> Tensor:
        """A constant with the same value, outside the graph; a write to one leaves the other."""
        if mode.get() & TRACE:
            given = (self._node or self._leaf(),)
            return Tensor(self._data, Made(np.asarray, given, {}, None, self.shape, self.dtype))
        return Tensor(self._data, None)

    # -- the graph -------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        node = self._node
        return node is not None and node.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if isinstance(self._node, Node):
            if value:
                return
            raise errors.requires_grad_of_result()
        if value and self.dtype.kind not in "fc":
            raise errors.no_dtype_for_grad(self.dtype)
        if self._node is not None or value:
            self._leaf().requires_grad = bool(value)
            if self._place is not None:
                self._place.adopt(self)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor."""
        return not isinstance(self._node, Node)

    @property
    def name(self) -> str | None:
        """What errors and pictures call this tensor."""
        return name_of(self._node)

    @name.setter
    def name(self, value: str | None) -> None:
        if isinstance(self._node, Node):
            _notes(self._node)["name"] = value
        else:
            self._leaf().name = value

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` calls have added up, or None.

        Only leaves have one, and tensors on which `retain_grad` was called.
        """
        node = self._node
        if isinstance(node, Leaf):
            return node.grad  # type: ignore[no-any-return]
        if node is None:
            return None
        if node.notes is None or "grad" not in node.notes:
            warnings.warn(errors.non_leaf_grad(self.name), UserWarning, stacklevel=2)
            _notes(node).setdefault("grad", None)
        return node.notes["grad"]  # type: ignore[index,no-any-return]

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                value = Tensor(np.array(value, dtype=self.dtype)[()], None)
            if value.shape != self.shape:
                raise errors.seed_shape(value.shape, self.shape, "gradient")
            if value.dtype != self.dtype:
                value = value.astype(self.dtype)
        if isinstance(self._node, Node):
            _notes(self._node)["grad"] = value
        else:
            self._leaf().grad = value

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor in ``.grad``, though it is not a leaf."""
        node = self._node
        if not isinstance(node, Node) or (node.notes and "retain" in node.notes):
            return
        notes = _notes(node)
        notes["retain"], notes["grad"] = True, None

    def register_hook(self, function: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call `function` with this tensor's gradient in every backward pass.

        The gradient is a Tensor; what the function returns, unless None, takes its place.

        Returns
        -------
        Handle
            Its ``remove()`` takes the hook away.

        Raises
        ------
        NoGradientError
            If this tensor does not require grad.

        Examples
        --------
        >>> import autotensor as at
        >>> x = at.tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_hook(lambda g: 10 * g)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([20., 40.])
        """
        node = self._node
        if node is None or not node.requires_grad:
            raise errors.NoGradientError("register_hook() needs a tensor that requires grad.")
        shape, dtype = node.shape, node.dtype

        def hook(g: Any) -> Any:
            recorded = isinstance(g, Tensor)
            given = g if recorded else Tensor(solid(g), None)
            with enable_grad() if recorded else no_grad():
                result = function(given)
            if result is None:
                return g
            if not isinstance(result, Tensor):
                result = Tensor(np.array(result)[()], None)
            if result.shape != shape:
                raise errors.seed_shape(result.shape, shape, "hook's gradient")
            if result.dtype != dtype:
                result = result.astype(dtype)
            return result if recorded else result._data

        return _add_hook(node, hook)

    def _leaf(self) -> Leaf:
        """The leaf of a tensor that no recorded op made, itself made when it is first needed."""
        if self._node is None:
            self._node = Leaf(self._data.shape, self._data.dtype)
            if self._place is not None:
                self._place.adopt(self)
        return self._node  # type: ignore[return-value]

    # -- leaving the graph -----------------------------------------------------------------------

    def _leave(self, way: str, instead: str) -> Any:
        """The array, for a way out of the graph that a gradient does not survive."""
        if self.requires_grad and recording():
            raise errors.lost_gradient(way, self.shape, self.name, instead)
        return self._out(way)

    def _out(self, way: str) -> Any:
        """The array, for a way out that is none in a rule of which the text is wanted."""
        if mode.get() & RULE:
            raise errors.untraced_rule(way)
        return self._data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        self._leave(
            "converting to an ndarray",
            "np.stack for several tensors, x.numpy() for values,\n"
            "op = at.register(f, ...) in place of a function f that converts its arguments",
        )
        if mode.get() & WRITE:
            raise errors.untraced_array()
        data = self.numpy()
        if copy or (dtype is not None and data.dtype != dtype):
            return np.array(data, dtype=dtype)
        return data

    def __float__(self) -> float:
        return float(self._leave("float()", "x.item() for the value, np functions to go on"))

    def __int__(self) -> int:
        return int(self._leave("int()", "x.item() for the value, np functions to go on"))

    def __complex__(self) -> complex:
        return complex(self._leave("complex()", "x.item() for the value, np functions to go on"))

    def __index__(self) -> int:
        return operator.index(self._out("operator.index()"))

    def __bool__(self) -> bool:
        return bool(self._out("bool()"))

    def __reduce__(self) -> Any:
        if isinstance(self._node, Node):
            raise errors.not_a_leaf(self.shape, self.name)
        return _rebuild, (self.numpy(), self.requires_grad, self.name)

    # -- text ------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        data = np.asarray(self._data)
        text = np.array2string(data, separator=", ", prefix="tensor(")
        facts = [text if data.size else f"[], shape={data.shape}"]
        if data.dtype not in (np.float64, np.bool_, np.int64):
            facts.append(f"dtype={data.dtype}")
        if self.name:
            facts.append(f"name={self.name!r}")
        if isinstance(self._node, Node):
            facts.append(f"op={self._node.op.name}")
        elif self.requires_grad:
            facts.append("requires_grad=True")
        return f"tensor({', '.join(facts)})"

    def __format__(self, spec: str) -> str:
        return format(self._data[()] if self.ndim == 0 else self._data, spec) if spec else str(self)

    # -- the sequence ----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self._data)))

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self._data == getattr(value, "_data", value)))

    # -- attached by autotensor.operators and autotensor.transforms ------------------------------

    __hash__ = object.__hash__

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

        T: Tensor
        mT: Tensor
        real: Tensor
        imag: Tensor

        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...


def attach(name: str, value: Any) -> None:
    """Make `value` an attribute of Tensor; for the layers above that complete it."""
    setattr(Tensor, name, value)


class Handle:
    """Removes the hook that `Tensor.register_hook` set."""

    __slots__ = ("_hooks", "_key")
    _keys = count()

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self._hooks = hooks
        self._key = next(self._keys)
        hooks[self._key] = hook

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._hooks.pop(self._key, None)


def name_of(node: Node | Leaf | None) -> str | None:
    """The name that the tensor of `node` was given."""
    if isinstance(node, Leaf):
        return node.name
    return node.notes.get("name") if node is not None and node.notes else None


def _notes(node: Node | Leaf) -> dict[str, Any]:
    if node.notes is None:
        node.notes = {}
    return node.notes


def _add_hook(node: Node | Leaf, hook: Callable[[Any], Any]) -> Handle:
    return Handle(_notes(node).setdefault("hooks", {}), hook)


def _rebuild(data: Any, requires_grad: bool, name: str | None) -> Tensor:
    # A copy of what was unpickled without one, from buffers that others may write to.
    tensor = Tensor((data if data.flags.owndata else data.copy("K"))[()], None)
    if requires_grad or name is not None:
        leaf = tensor._leaf()
        leaf.requires_grad, leaf.name = requires_grad, name
    return tensor
