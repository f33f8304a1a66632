"""Making Tensors: from data, and NumPy's creation functions under their own names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autotensor import errors
from autotensor.array import Tensor
from autotensor.dispatch import holds_tracked, unwrap
from autotensor.engine.adopted import adopt
from autotensor.engine.graph import Leaf
from autotensor.engine.memory import Window
from autotensor.engine.modes import recording

__all__ = [
    "arange",
    "array",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]


def tensor(
    data: Any,
    dtype: Any = None,
    *,
    requires_grad: bool = False,
    copy: bool = True,
    name: str | None = None,
) -> Tensor:
    """A new leaf with the value of `data`.

    Parameters
    ----------
    data : array_like
        Copied, its layout kept. The tensor has its shape.
    dtype : dtype, optional
        Of the result; by NumPy's rules where None.
    requires_grad : bool
        Whether `backward` adds up a gradient for it; float and complex dtypes only.
    copy : bool
        False adopts an ndarray without a copy: it is read-only as long as a tensor or a graph
        uses its memory, writing to the tensor leaves it alone, and a gradient that needs it raises
        if it was written to nevertheless, through another view. This saves memory, not time, for
        finding that out takes a checksum now and one in each walk. A broadcast array is copied.
    name : str, optional
        What errors and pictures call it.

    Raises
    ------
    LostGradientError
        If `data` is a Tensor with a graph: ``x.copy()`` stays in it, ``x.detach()`` leaves it.
    DtypeError
        If `requires_grad` and the dtype is not float or complex; if `data` is not numeric.
    InPlaceError
        Later, from a walk, if an array adopted by ``copy=False`` was written to.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> at.tensor([[1, 2], [3, 4]], float, requires_grad=True, name="w")
    tensor([[1., 2.],
            [3., 4.]], name='w', requires_grad=True)
    >>> a = np.ones(1000)
    >>> x = at.tensor(a, copy=False)
    >>> np.shares_memory(x.numpy(), a), a.flags.writeable
    (True, False)
    >>> del x
    >>> a.flags.writeable
    True
    """
    if isinstance(data, Tensor) and data.requires_grad and recording():
        raise errors.copy_of_tracked(data.shape, data.name)
    given = data._data if isinstance(data, Tensor) else data
    value = (np.array if copy else np.asarray)(given, dtype=dtype)
    if value.dtype.kind not in "fciub":
        raise errors.not_numeric(value.dtype, value.shape)
    if not copy and value.ndim and _is_foreign(value, data):
        if Window(value, value).may_overlap():
            value = value.copy()  # a write to one entry must not reach another
        else:
            value = adopt(value, data if isinstance(data, np.ndarray) else value, name)
    return _leaf_of(value, requires_grad, name)


def _is_foreign(value: Any, data: Any) -> bool:
    """Whether somebody else holds the memory of `value`, which was made of `data`."""
    if isinstance(data, np.ndarray):
        return np.may_share_memory(value, data)
    return not isinstance(data, (Tensor, list, tuple))


def _leaf_of(value: Any, requires_grad: bool, name: str | None) -> Tensor:
    """`value`, an array that nobody else writes to, as a leaf."""
    if requires_grad and value.dtype.kind not in "fc":
        raise errors.no_dtype_for_grad(value.dtype)
    made = value[()] if value.ndim == 0 else value
    leaf = Leaf(value.shape, value.dtype, requires_grad, name) if requires_grad or name else None
    return Tensor(made, leaf)


def asarray(data: Any, dtype: Any = None) -> Tensor:
    """`data` itself where it is a Tensor of that dtype, otherwise a new constant Tensor."""
    if isinstance(data, Tensor):
        return data if dtype is None else _converted(data, dtype)
    return tensor(data, dtype)


def array(data: Any, dtype: Any = None) -> Tensor:
    """A copy of `data` as a Tensor; of a Tensor, and of nested lists of them, within its graph."""
    if isinstance(data, Tensor):
        return _converted(data.copy(), dtype)
    if isinstance(data, (list, tuple)) and _holds_tensor(data):
        return _converted(np.stack([array(item) for item in data]), dtype)
    return tensor(data, dtype)


def _converted(x: Any, dtype: Any) -> Tensor:
    result: Tensor = x if dtype is None or x.dtype == dtype else x.astype(dtype)
    return result


def _holds_tensor(data: Any) -> bool:
    return any(
        isinstance(x, Tensor) or (isinstance(x, (list, tuple)) and _holds_tensor(x)) for x in data
    )


def _creator(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """NumPy's creation `function`, returning a constant Tensor."""

    def create(
        *args: Any, requires_grad: bool = False, name: str | None = None, **kw: Any
    ) -> Tensor:
        if fills and recording() and holds_tracked([*args, *kw.values()]):
            raise errors.no_rule(f"at.{label}", None, ["np.stack", "np.broadcast_to"])
        made = function(*map(unwrap, args), **{k: unwrap(v) for k, v in kw.items()})
        return _leaf_of(made, requires_grad, name)

    label = function.__name__
    fills = label in ("full", "full_like", "arange", "linspace")
    create.__name__ = create.__qualname__ = label
    create.__doc__ = f"`numpy.{label}` as a leaf Tensor; takes `requires_grad` and `name` too."
    return create


zeros = _creator(np.zeros)
ones = _creator(np.ones)
full = _creator(np.full)
empty = _creator(np.empty)
arange = _creator(np.arange)
linspace = _creator(np.linspace)
eye = _creator(np.eye)
zeros_like = _creator(np.zeros_like)
ones_like = _creator(np.ones_like)
full_like = _creator(np.full_like)
empty_like = _creator(np.empty_like)
