"""``op.check(...)``: `gradcheck` of an op at the arguments of a call."""

import inspect
from typing import Any

import numpy as np

from autotensor.array import Tensor
from autotensor.checking.check import gradcheck
from autotensor.checking.report import GradcheckReport
from autotensor.engine.primitive import Op

__all__ = ["check_op"]

_OPTIONS = {*inspect.signature(gradcheck).parameters} - {"fn", "inputs"}


def check_op(op: Op, *args: Any, **kwargs: Any) -> GradcheckReport:
    """Check an op at the arguments of a call: both orders, and both modes.

    The arguments that have a rule are differentiated, Python numbers among them.

    Parameters
    ----------
    op : Op
    *args, **kwargs
        Those of the call; keyword arguments that are options of `gradcheck` go there, unless the op
        has an argument of that name. ``order`` is 2 if not given.

    Returns
    -------
    GradcheckReport

    Raises
    ------
    GradcheckError
        If a derivative is wrong; carries the report.
    ValueError
        If no argument that has a rule is a float or complex array.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> bool(at.nn.relu.check(np.array([-1.0, 0.0, 2.0])))
    True
    """
    options = {k: kwargs.pop(k) for k in _OPTIONS if k in kwargs and k not in op.params}
    names = _names(op, len(args)) + list(kwargs)
    given = [*args, *kwargs.values()]
    differentiable = [op.aliases.get(name, name) in op.inputs for name in names]
    arrays = [_arrays(v) if ruled else None for v, ruled in zip(given, differentiable, strict=True)]
    if not any(arrays):
        raise ValueError(
            f"there is nothing to check in this call of {op.name}: give float or complex arrays "
            f"for {', '.join(op.inputs)}, such as np.array([1.0, 2.0])"
        )

    def call(*chosen: Any) -> Any:
        rest = iter(chosen)
        values = []
        for value, parts in zip(given, arrays, strict=True):
            found = [next(rest) for _ in parts or ()]
            values.append(value if not parts else found if _is_list(value) else found[0])
        made = op(*values[: len(args)], **dict(zip(kwargs, values[len(args) :], strict=True)))
        return [v for v in made if isinstance(v, Tensor)] if isinstance(made, tuple) else made

    call.__name__ = op.name
    inputs = [array for parts in arrays for array in parts or ()]
    called = [
        f"{name}[{i}]" if _is_list(value) else name
        for name, value, parts in zip(names, given, arrays, strict=True)
        for i in range(len(parts or ()))
    ]
    return gradcheck(call, inputs, **{"order": 2, "names": called, **options})


def _names(op: Op, count: int) -> list[str]:
    """The argument that each of `count` positional ones is."""
    if not op.variadic:
        return list(op.params[:count])
    leading = op.params.index(str(op.sequence))
    return [*op.params[:leading], *[str(op.sequence)] * (count - leading)]


def _is_list(value: Any) -> bool:
    """Whether `value` is a list or tuple of arrays."""
    return isinstance(value, (list, tuple)) and any(np.ndim(v) for v in value)


def _arrays(value: Any) -> list[Any] | None:
    """The float or complex arrays that an argument is, one unless it is a list of them; or None."""
    parts = [
        v.numpy() if isinstance(v, Tensor) else np.asarray(v)
        for v in (value if _is_list(value) else [value])
    ]
    return parts if all(v.dtype.kind in "fc" for v in parts) else None
