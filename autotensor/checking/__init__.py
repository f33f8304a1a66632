"""Checking derivatives: `gradcheck`, and the numerical reference it rests on.

- `layout`: arrays as one real vector and back.
- `numerical`: derivatives by differences, with error bars. Pure NumPy, of use by itself.
- `problem`: a function of Tensors at a point.
- `verdict`: rule against reference, entry by entry.
- `report`: what was found, as text.
- `structure`: the checks of what a rule returns and leaves alone.
- `values`: the checks against the reference.
- `checks`: the list of checks, in their order.
- `check`: `gradcheck`.
- `of_ops`: `op.check`.
"""

from autotensor.checking.check import gradcheck as gradcheck
from autotensor.checking.report import GradcheckError as GradcheckError
from autotensor.checking.report import GradcheckReport as GradcheckReport

__all__ = ["GradcheckError", "GradcheckReport", "gradcheck"]
