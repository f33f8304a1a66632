"""Whole calls: arrays that fit together, subscripts with operands, random functions with inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autotensor.checking.layout import Array
from autotensor.checking.strategies.shapes import Shape, broadcastable_shapes, gufunc_shapes, shapes
from autotensor.checking.strategies.values import arrays

__all__ = ["Expression", "broadcastable_arrays", "einsums", "expressions", "gufunc_arrays"]

# With a bounded slope and no kink, so that no nesting of them overflows.
_ONE = (
    "np.sin({})",
    "(2 * {})",
    "({} + 0.5)",
    "np.tanh({})",
    "np.cos({})",
    "np.arctan({})",
    "np.exp(-np.square({}))",
    "np.log1p(np.square({}))",
    "np.sqrt(1 + np.square({}))",
    "{}[::-1]",
    "np.sum({}, keepdims=True)",
    "np.mean({}, axis=0, keepdims=True)",
)
_TWO = ("({} + {})", "({} * {})", "({} - {})", "({} / (1 + np.square({})))")


def _of_shapes(
    given: st.SearchStrategy[tuple[Shape, ...]], options: dict[str, Any]
) -> st.SearchStrategy[tuple[Array, ...]]:
    return given.flatmap(lambda found: st.tuples(*[arrays(shape, **options) for shape in found]))


def broadcastable_arrays(count: int = 2, **options: Any) -> st.SearchStrategy[tuple[Array, ...]]:
    """Some arrays that broadcast together; the options are those of `arrays`.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(broadcastable_arrays(domain="positive"), lambda pair: True)
    (array(1.), array(1.))
    """
    return _of_shapes(broadcastable_shapes(count), options)


def gufunc_arrays(signature: str, **options: Any) -> st.SearchStrategy[tuple[Array, ...]]:
    """Inputs of a generalized ufunc; the options are those of `arrays`.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(gufunc_arrays("(m,k),(k)->(m)"), lambda pair: True)
    (array([[0.]]), array([0.]))
    """
    return _of_shapes(gufunc_shapes(signature), options)


@st.composite
def einsums(draw: st.DrawFn, /, *, most: int = 3, **options: Any) -> tuple[str, tuple[Array, ...]]:
    """Subscripts for `numpy.einsum` and their operands; the options are those of `arrays`.

    Letters may stand for a diagonal, be summed in one operand or across some, and be broadcast;
    the result may be left to NumPy's convention.

    Examples
    --------
    >>> from hypothesis import find
    >>> subscripts, operands = find(einsums(), lambda call: True)
    >>> float(np.einsum(subscripts, *operands))
    0.0
    """
    count = draw(st.integers(1, most))
    letters = st.sampled_from("ijkl")
    terms = draw(
        st.lists(st.lists(letters, max_size=3).map("".join), min_size=count, max_size=count)
    )
    used = sorted(set("".join(terms)))
    sides = {letter: draw(st.integers(1, 3)) for letter in used}
    subscripts = ",".join(terms)
    if draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(used), unique=True)) if used else []
        subscripts += "->" + "".join(chosen)
    shapes_of = [tuple(sides[letter] for letter in term) for term in terms]
    return subscripts, tuple(draw(arrays(shape, **options)) for shape in shapes_of)


@dataclass(frozen=True, eq=False)
class Expression:
    """A random function of NumPy ops, and a point to call it at.

    Attributes
    ----------
    source
        Its text, in the variables x, y …
    inputs
        An array for each variable.
    """

    source: str
    inputs: tuple[Array, ...]

    @property
    def __name__(self) -> str:
        return f"{{{self.source}}}"

    def __call__(self, *values: Any) -> Any:
        names = dict(zip("xyzuvw", values, strict=False))
        return eval(self.source, {"np": np}, names)


@st.composite
def expressions(draw: st.DrawFn, *, variables: int = 2, depth: int = 3) -> Expression:
    """Random functions of NumPy ops, smooth and defined everywhere, with inputs of one shape.

    Parameters
    ----------
    variables : int
        How many inputs, at most 6.
    depth : int
        How many ops are nested at most.

    Examples
    --------
    >>> from hypothesis import find
    >>> found = find(expressions(), lambda expression: True)
    >>> found
    Expression(source='x', inputs=(array([0.]), array([0.])))
    >>> import autotensor as at
    >>> bool(at.gradcheck(found, found.inputs, order=2))
    True
    """
    leaves = st.sampled_from("xyzuvw"[:variables])

    def text(left: int) -> str:
        arity = draw(st.integers(0, 2)) if left else 0
        if not arity:
            return str(draw(leaves))
        form: str = draw(st.sampled_from((_ONE, _TWO)[arity - 1]))
        return form.format(*[text(left - 1) for _ in range(arity)])

    source = text(depth)
    shape = draw(shapes(max_dims=2))
    return Expression(source, tuple(draw(arrays(shape)) for _ in range(variables)))
