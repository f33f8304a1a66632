"""What is checked: a function of Tensors at one point, with its gradients and its derivative."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autotensor.array import Tensor
from autotensor.checking.flat import Flat
from autotensor.checking.layout import Array, Layout
from autotensor.checking.observed import Observed
from autotensor.engine.graph import Leaf
from autotensor.engine.modes import enable_grad, no_grad, recording
from autotensor.engine.reverse import reverse
from autotensor.transforms import jvp, vjp

__all__ = ["Problem"]

_FEW = 64  # outputs of which each is asked which inputs it depends on

# What is not finite is found by looking at it, and said in the report.
_SILENT = functools.partial(np.errstate, all="ignore")


class Problem:
    """A function of some arrays, all of which are differentiated.

    Parameters
    ----------
    name
        What the report calls it.
    function
        Takes one Tensor per array, returns a Tensor or a tuple of them.
    arrays
        The point.
    names
        What the report calls the inputs.
    output_names
        What the report calls the outputs.

    Attributes
    ----------
    inputs, outputs
        The layouts of the inputs and of those outputs that are float or complex.
    value
        The value at the point, as one real vector.
    refused
        What the function raised because it writes to its arguments, which ops get read-only; then
        there are no outputs.
    below
        Where this is a gradient, the problem that it is the gradient of.

    Raises
    ------
    TypeError
        If the function returns something that is no Tensor.
    ValueError
        If it returns nothing that could have a derivative.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        arrays: Sequence[Array],
        names: Sequence[str],
        output_names: Sequence[str] | None = None,
    ) -> None:
        self.below: Problem | None = None
        self.name = name
        self.function = function
        self.arrays = [np.array(a) for a in arrays]
        self.inputs = Layout(self.arrays, names)
        self.refused: ValueError | None = None
        values: tuple[Array, ...] = ()
        try:
            with _SILENT():
                values = self.evaluate(*[a.copy() for a in self.arrays])
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            self.refused = error
        if not values and self.refused is None:
            raise ValueError(f"{name} returns no float or complex array: there is nothing to check")
        if output_names is None:
            output_names = (
                ["output"] if len(values) == 1 else [f"output{i}" for i in range(len(values))]
            )
        self.outputs = Layout(values, output_names)
        self.value = self.outputs.pack(values)

    @property
    def eps(self) -> float:
        """Precision of the least precise array among inputs and outputs."""
        return max(float(np.finfo(d).eps) for d in self.inputs.dtypes + self.outputs.dtypes)

    def traceless(self) -> float:
        """What leaves no trace beside the largest output, nor beside how it is rounded."""
        y = np.abs(self.value)
        return float(self.eps**4 * np.max(y, initial=0.0, where=np.isfinite(y)))

    def evaluate(self, *arrays: Array) -> tuple[Array, ...]:
        """Run the function on arrays."""
        results = self._differentiable(*[Tensor(a if a.ndim else a[()], None) for a in arrays])
        return tuple([r.numpy() if isinstance(r, Tensor) else np.asarray(r) for r in results])

    def pullback(self, arrays: Sequence[Array] | None = None) -> Callable[[Array], Array]:
        """Give the map from a cotangent to the gradient, both as real vectors."""
        with _SILENT(), no_grad():
            _, pull = vjp(self._differentiable, *(self.arrays if arrays is None else arrays))

        def gradient(g: Array) -> Array:
            with _SILENT():
                return self.inputs.pack(pull(*self.outputs.unpack(g, own_dtypes=True)))

        return gradient

    def observed(self, arrays: Sequence[Array]) -> Observed:
        """Record a call on these very arrays, its rules watched."""
        return Observed(self._differentiable, arrays)

    def push(self, u: Array) -> Array:
        """Carry a tangent forward; both are real vectors."""
        tangents = self.inputs.unpack(u, own_dtypes=True)
        with _SILENT(), no_grad():
            return self.outputs.pack(jvp(self._differentiable, self.arrays, tangents)[1])

    def derivative(self, g: Array) -> "Problem":
        """Give the problem one order up: the gradient as a function of the inputs and of g."""
        count = len(self.arrays)

        def gradient(*args: Any) -> Any:
            if recording():
                return vjp(self._differentiable, *args[:count])[1](*args[count:])
            return self._gradient(args[:count], args[count:])

        above = Problem(
            self.name,
            gradient,
            self.arrays + self.outputs.unpack(g, own_dtypes=True),
            self.inputs.names + [f"g_{name}" for name in self.outputs.names],
            [f"grad_{name}" for name in self.inputs.names],
        )
        above.below = self
        return above

    def _gradient(self, primals: Sequence[Tensor], cotangents: Sequence[Tensor]) -> tuple[Any, ...]:
        """What `vjp` gives, of constants: a reference asks for it thousands of times."""
        leaves = [Leaf(x.shape, x.dtype, requires_grad=True) for x in primals]
        with enable_grad():
            results = self._differentiable(
                *[Tensor(x._data, leaf) for x, leaf in zip(primals, leaves, strict=True)]
            )
        seeds: dict[Any, Any] = {}
        for result, given in zip(results, cotangents, strict=True):
            if result.requires_grad:
                root, g = result._node, given._data
                g = g if g.dtype == result.dtype else g.astype(result.dtype)
                seeds[root] = seeds[root] + g if root in seeds else g
        found = reverse(seeds, set(leaves))
        zeros = [None if leaf in found else np.zeros(leaf.shape, leaf.dtype)[()] for leaf in leaves]
        return tuple(
            [Tensor(found.get(leaf, zero), None) for leaf, zero in zip(leaves, zeros, strict=True)]
        )

    def absorbed(self) -> Array:
        """How much of each output may be lost where large terms cancel: 0 unless it is a gradient.

        A gradient of <g, f> is made of terms of the size |g f| / |x|, of which nothing may be left:
        what is as small as their rounding is not there for differences to see.
        """
        if self.below is None:
            return np.zeros(self.outputs.size)
        f, count = self.below, len(self.below.arrays)
        point = self.arrays[:count]
        g = np.abs(f.outputs.pack(self.arrays[count:]))
        with _SILENT():
            terms = np.abs(f.outputs.pack(f.evaluate(*point))) * g
            if 0 < len(g) <= _FEW:
                pull = f.pullback(point)
                affects = np.stack([pull(e) != 0 for e in np.eye(len(g))], axis=1).astype(float)
                # A derivative may itself be lost: outputs that share an input belong together.
                affects = (affects @ affects.T @ affects > 0).astype(float)
            else:
                affects = np.ones((f.inputs.size, len(g)))
            lost: Array = self.eps * (affects @ terms) / Flat(f.evaluate, point).scales()[0]
            return lost

    def _differentiable(self, *tensors: Any) -> tuple[Any, ...]:
        """Run the function, always to a tuple, without outputs that cannot have a derivative."""
        result = self.function(*tensors)
        results = result if isinstance(result, (tuple, list)) else (result,)
        arrays = [r for r in results if hasattr(r, "dtype")]
        if not arrays:
            raise TypeError(f"{self.name} must return a Tensor or a tuple of Tensors")
        return tuple([r for r in arrays if r.dtype.kind in "fc"])
