"""The value and the gradient of a computation as NumPy source.

`program` makes calls in a row of a graph and its traced backward pass, `simplify` shortens them,
`literals` writes values and `printing` writes the function.
"""

from autotensor.drawing.numpy_source.api import source as source

__all__ = ["source"]
