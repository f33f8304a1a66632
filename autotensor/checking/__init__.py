"""Checking derivatives: `gradcheck`, and the numerical reference it rests on.

- `layout`: arrays as one real vector and back.
- `flat`: a function of arrays as one of real vectors.
- `ladder`: slopes over several steps, made into one derivative.
- `numerical`: derivatives by differences, with error bars. Pure NumPy, of use by itself.
- `kinks`: derivatives that are fair where there is none.
- `problem`: a function of Tensors at a point.
- `domains`: coordinates of sets that the inputs stay in.
- `verdict`: rule against reference, entry by entry.
- `report`: what was found, as text.
- `structure`: the checks of what a rule returns and leaves alone.
- `values`: the checks against the reference.
- `neighbourhood`: the same, away from the point.
- `second`: the symmetry of second derivatives.
- `checks`: the list of checks, in their order.
- `check`: `gradcheck`.
"""

from autotensor.checking.check import gradcheck as gradcheck
from autotensor.checking.report import GradcheckError as GradcheckError
from autotensor.checking.report import GradcheckReport as GradcheckReport

__all__ = ["GradcheckError", "GradcheckReport", "gradcheck"]
