"""Checking derivatives: `gradcheck`, and the numerical reference it rests on.

- `layout`: arrays as one real vector and back.
- `numerical`: derivatives by differences, with error bars. Pure NumPy, of use by itself.
- `problem`: a function of Tensors at a point.
- `containers`: nested arguments and results, and their leaves.
- `arguments`: what users pass to `gradcheck`.
- `verdict`: rule against reference, entry by entry.
- `report`: what was found, as text; `source` writes the line that repeats a run, and `notebook`
  draws heat maps.
- `structure`: the checks of what a rule returns and leaves alone.
- `values`: the checks against the reference.
- `checks`: the list of checks, in their order.
- `check`: `gradcheck`.
"""

from autotensor.checking.check import gradcheck as gradcheck
from autotensor.checking.report import GradcheckError as GradcheckError
from autotensor.checking.report import GradcheckReport as GradcheckReport

__all__ = ["GradcheckError", "GradcheckReport", "gradcheck"]
