"""The value and the gradient of a computation as NumPy source.

`program` makes calls in a row of a graph and its traced backward pass, `simplify` shortens them by
`rewriting`, `literals` writes values, `printing` the function, and `api` is what users call.
"""

from autotensor.drawing.numpy_source.api import source as source

__all__ = ["source"]
