"""Checking derivatives: `gradcheck`, and the numerical reference it rests on.

- `layout`: arrays as one real vector and back.
- `flat`: a function of arrays as one of real vectors.
- `ladder`: slopes over several steps, made into one derivative.
- `numerical`: derivatives by differences, with error bars. Pure NumPy, of use by itself.
- `kinks`: derivatives that are fair where there is none.
- `problem`: a function of Tensors at a point.
- `domains`: coordinates of sets that the inputs stay in.
- `containers`: nested arguments and results, and their leaves.
- `arguments`: what users pass to `gradcheck`.
- `rounding`: how much of a gradient may be rounding.
- `verdict`: rule against reference, entry by entry.
- `report`: what was found, as text; `source` writes the line that repeats a run, and `notebook`
  draws heat maps.
- `structure`: the checks of what a rule returns and leaves alone.
- `values`: the checks against the reference.
- `neighbourhood`: the same, away from the point.
- `second`: the symmetry of second derivatives.
- `checks`: the list of checks, in their order.
- `check`: `gradcheck`.
- `of_ops`: `op.check`.
- `command`: the same from the command line; `plugin`: from pytest.
- `strategies`, `property`: inputs from hypothesis, and tests of an op at many of them. They are
  loaded when they are first used, because hypothesis is.
"""

import importlib as _importlib
import typing as _typing

from autotensor.checking.check import gradcheck as gradcheck
from autotensor.checking.report import GradcheckError as GradcheckError
from autotensor.checking.report import GradcheckReport as GradcheckReport

if _typing.TYPE_CHECKING:
    from autotensor.checking import strategies as strategies
    from autotensor.checking.property import property_test as property_test

__all__ = ["GradcheckError", "GradcheckReport", "gradcheck", "property_test", "strategies"]


def __getattr__(name: str) -> _typing.Any:
    if name in ("strategies", "property_test"):  # the first says so where hypothesis is missing
        strategies = _importlib.import_module("autotensor.checking.strategies")
        if name == "strategies":
            return strategies
        return _importlib.import_module("autotensor.checking.property").property_test
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
