"""Strategies for hypothesis: inputs of ops that shrink to what a person can work out by hand.

Shapes are small, and values are whole numbers and halves before they are anything else, so that the
failing input that hypothesis ends with has few entries and short numbers. Needs hypothesis, which
autotensor does not install: ``pip install hypothesis``.

    >>> from hypothesis import find
    >>> from autotensor.checking import strategies
    >>> find(strategies.arrays(), lambda x: x.size > 1 and x.sum() > 2)
    array([0., 3.])
"""

import importlib.util

if importlib.util.find_spec("hypothesis") is None:
    raise ModuleNotFoundError(
        "the strategies and property_test need hypothesis: pip install hypothesis",
        name="hypothesis",
    )

from autotensor.checking.strategies.calls import Expression as Expression
from autotensor.checking.strategies.calls import broadcastable_arrays as broadcastable_arrays
from autotensor.checking.strategies.calls import einsums as einsums
from autotensor.checking.strategies.calls import expressions as expressions
from autotensor.checking.strategies.calls import gufunc_arrays as gufunc_arrays
from autotensor.checking.strategies.shapes import axes as axes
from autotensor.checking.strategies.shapes import broadcastable_shapes as broadcastable_shapes
from autotensor.checking.strategies.shapes import gufunc_shapes as gufunc_shapes
from autotensor.checking.strategies.shapes import indices as indices
from autotensor.checking.strategies.shapes import shapes as shapes
from autotensor.checking.strategies.values import arrays as arrays
from autotensor.checking.strategies.values import dtypes as dtypes
from autotensor.checking.strategies.values import layouts as layouts
from autotensor.checking.strategies.values import orthogonal as orthogonal
from autotensor.checking.strategies.values import permutations as permutations
from autotensor.checking.strategies.values import positive as positive
from autotensor.checking.strategies.values import simplex as simplex
from autotensor.checking.strategies.values import spd as spd
from autotensor.checking.strategies.values import unit as unit
from autotensor.checking.strategies.values import well_conditioned as well_conditioned

__all__ = [
    "Expression",
    "arrays",
    "axes",
    "broadcastable_arrays",
    "broadcastable_shapes",
    "dtypes",
    "einsums",
    "expressions",
    "gufunc_arrays",
    "gufunc_shapes",
    "indices",
    "layouts",
    "orthogonal",
    "permutations",
    "positive",
    "shapes",
    "simplex",
    "spd",
    "unit",
    "well_conditioned",
]
