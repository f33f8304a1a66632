"""Checking derivatives: `gradcheck`, and the numerical reference it rests on.

What is checked: `arguments` (what users pass), `containers` (nested ones, and their leaves),
`layout` (arrays as one real vector and back), `problem` (a function of Tensors at a point),
`domains` (coordinates of sets that inputs stay in), `elsewhere` (other inputs), `observed` (a
recorded call whose rules are watched), `run` (what the checks share).

The reference, pure NumPy and of use by itself: `flat` (a function of arrays as one of real
vectors), `numerical` (derivatives by differences, with error bars), `ladder` (slopes over several
steps made into one), `noise`, `kinks` (derivatives that are fair where there is none).

The checks, in the order of `checks`: `structure`, `precision` (what rules return), `conduct`
(what they do), `values` (rule against reference), `neighbourhood` (away from the point),
`variants` (other layouts, shapes, single outputs), `second` (symmetry). `verdict` compares entry
by entry, `opinions` and `rounding` look again at what seems wrong.

Around them: `check` (`gradcheck`), `of_ops` (`op.check`), `report`, `source` (the line that
repeats a run), `notebook` (heat maps), `command`, `plugin` (pytest), `strategies` and `property`
(inputs from hypothesis; loaded when they are first used, because hypothesis is).
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
