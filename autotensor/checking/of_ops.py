"""``op.check(...)``: `gradcheck` of an op at the arguments of a call."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

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
    ruled = [op.aliases.get(name, name) in op.inputs for name in names]
    values = [
        np.asarray(v) if rule and isinstance(v, (float, complex)) else v
        for v, rule in zip([*args, *kwargs.values()], ruled, strict=True)
    ]
    wrt = [i for i, rule in enumerate(ruled) if rule and any(map(_is_array, _parts(values[i])))]
    if not wrt:
        raise ValueError(
            f"there is nothing to check in this call of {op.name}: give float or complex arrays "
            f"for {', '.join(op.inputs)}, such as np.array([1.0, 2.0])"
        )

    def call(*given: Any) -> Any:
        return op(*given[: len(args)], **dict(zip(kwargs, given[len(args) :], strict=True)))

    call.__name__ = op.name
    fn = call if kwargs else op  # an op by itself is checked as it was declared, too
    return gradcheck(fn, values, **{"order": 2, "names": names, "wrt": wrt, **options})


def _names(op: Op, count: int) -> list[str]:
    """The argument that each of `count` positional ones is."""
    if not op.variadic:
        return list(op.params[:count])
    leading = op.params.index(str(op.sequence))
    return [*op.params[:leading], *[str(op.sequence)] * (count - leading)]


def _parts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _is_array(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return dtype is not None and dtype.kind in "fc"
