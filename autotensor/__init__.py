"""Reverse-mode automatic differentiation for people who think in NumPy.

Make a Tensor, write NumPy, call ``backward()``::

    >>> import numpy as np, autotensor as at
    >>> x = at.tensor([0.0, 1.0, 2.0], requires_grad=True)
    >>> loss = np.sum(np.sin(x) * x)
    >>> loss.backward()
    >>> x.grad
    tensor([0.        , 1.38177329, 0.07700375])

There is no second namespace: ``at.exp`` is `numpy.exp`, which works on Tensors as on arrays.
"""

import importlib as _importlib
import types as _types
import typing as _typing

import numpy as _np

from autotensor import nn as nn
from autotensor import operators as _operators  # noqa: F401 - completes Tensor
from autotensor import optim as optim
from autotensor.array import Tensor as Tensor
from autotensor.creation import arange as arange
from autotensor.creation import array as array
from autotensor.creation import asarray as asarray
from autotensor.creation import empty as empty
from autotensor.creation import empty_like as empty_like
from autotensor.creation import eye as eye
from autotensor.creation import full as full
from autotensor.creation import full_like as full_like
from autotensor.creation import linspace as linspace
from autotensor.creation import ones as ones
from autotensor.creation import ones_like as ones_like
from autotensor.creation import tensor as tensor
from autotensor.creation import zeros as zeros
from autotensor.creation import zeros_like as zeros_like
from autotensor.engine.custom import custom_op as custom_op
from autotensor.engine.custom import register as register
from autotensor.engine.modes import detect_anomaly as detect_anomaly
from autotensor.engine.modes import enable_grad as enable_grad
from autotensor.engine.modes import no_grad as no_grad
from autotensor.engine.modes import record_lines as record_lines
from autotensor.engine.modes import record_values as record_values
from autotensor.engine.modes import scope as scope
from autotensor.engine.primitive import TABLE as _TABLE
from autotensor.engine.primitive import Op as _Op
from autotensor.recompute import checkpoint as checkpoint
from autotensor.transforms import backward as backward
from autotensor.transforms import grad as grad
from autotensor.transforms import jvp as jvp
from autotensor.transforms import value_and_grad as value_and_grad
from autotensor.transforms import vjp as vjp

__version__ = "0.1.0"

if _typing.TYPE_CHECKING:
    from autotensor import compat as compat
    from autotensor.checking import GradcheckError as GradcheckError
    from autotensor.checking import GradcheckReport as GradcheckReport
    from autotensor.checking import gradcheck as gradcheck
    from autotensor.drawing import Graph as Graph
    from autotensor.drawing import graph as graph
    from autotensor.drawing import source as source

# These are loaded when they are first used: it halves the time of the import.
_LAZY = {
    "compat": "autotensor",
    "GradcheckError": "autotensor.checking",
    "GradcheckReport": "autotensor.checking",
    "gradcheck": "autotensor.checking",
    "Graph": "autotensor.drawing",
    "graph": "autotensor.drawing",
    "source": "autotensor.drawing",
}
_own = {
    name
    for name, value in globals().items()
    if not name.startswith("_")
    and (value in (nn, optim) or not isinstance(value, _types.ModuleType))
}
_numpy = {
    name: function
    for name, function in vars(_np).items()
    if not name.startswith("_") and callable(function) and function in _TABLE
}
globals().update({name: function for name, function in _numpy.items() if name not in _own})
__all__ = sorted({*_own, *_numpy, *_LAZY})


def __getattr__(name: str) -> _typing.Any:
    if name == "checking":  # a module of its own rather than a name of this one: not in __all__
        return _importlib.import_module("autotensor.checking")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _LAZY[name] == __name__:
        return _importlib.import_module(f"{__name__}.{name}")
    value = globals()[name] = getattr(_importlib.import_module(_LAZY[name]), name)
    return value


def _check(self: _Op, *args: _typing.Any, **kwargs: _typing.Any) -> _typing.Any:
    """Check the derivatives of the op at these arguments; see `autotensor.checking.check_op`."""
    return _importlib.import_module("autotensor.checking.of_ops").check_op(self, *args, **kwargs)


_Op.check = _check


def __dir__() -> list[str]:
    return __all__
