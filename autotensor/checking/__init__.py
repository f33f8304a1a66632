"""Checking derivatives: `gradcheck`, and the numerical reference it rests on.

- `layout`: arrays as one real vector and back.
- `numerical`: derivatives by differences, with error bars. Pure NumPy, of use by itself.
- `problem`: a function of Tensors at a point.
- `verdict`: rule against reference, entry by entry.
- `checks`: the list of checks.
- `report`: what was found, as text.
- `check`: `gradcheck`.
"""

from autotensor.checking.check import gradcheck as gradcheck
from autotensor.checking.report import GradcheckError as GradcheckError
from autotensor.checking.report import GradcheckReport as GradcheckReport

__all__ = ["GradcheckError", "GradcheckReport", "gradcheck"]
