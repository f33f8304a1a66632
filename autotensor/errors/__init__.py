"""The errors about gradients and their texts, in one place, so that a test can hold them to a form.

A text says what happened, to which tensor, and what to write instead, in at most four lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from autotensor.errors.kinds import (
    AutotensorError,
    DeclarationError,
    DtypeError,
    GraphFreedError,
    InPlaceError,
    LostGradientError,
    NoGradientError,
    NonFiniteError,
    NoRuleError,
    RecomputeError,
    ShapeError,
    UnwritableError,
)
from autotensor.errors.of_rules import (  # noqa: F401 - texts are read as errors.X
    bad_declaration,
    bad_tangent,
    declared_twice,
    gradient_count,
    gradient_dtype,
    gradient_shape,
    gradient_type,
    no_gradient_for,
    not_one_array,
    rule_not_differentiable,
    saved_intermediate,
    unknown_argument,
    unknown_rule_name,
)

__all__ = [
    "AutotensorError",
    "DeclarationError",
    "DtypeError",
    "GraphFreedError",
    "InPlaceError",
    "LostGradientError",
    "NoGradientError",
    "NoRuleError",
    "NonFiniteError",
    "RecomputeError",
    "ShapeError",
    "UnwritableError",
]

for _kind in __all__:  # where users import it from, and find it in tracebacks
    globals()[_kind].__module__ = __name__


def called(name: str | None) -> str:
    """``" 'w'"`` for a named tensor, nothing for an unnamed one."""
    return f" {name!r}" if name else ""


def non_scalar(shape: tuple[int, ...]) -> ShapeError:
    size = f"({shape[0]},)" if len(shape) == 1 else f"{shape}"
    one = shape[0] if len(shape) == 1 else shape
    return ShapeError(
        f"backward() needs a scalar; this tensor has shape {size}. Use y.sum().backward() or "
        f"y.mean().backward(),\nor pass a gradient of shape {size}: y.backward(np.ones({one}))."
    )


def not_scalar_output(transform: str, shape: tuple[int, ...]) -> ShapeError:
    return ShapeError(
        f"at.{transform} needs a function with a scalar result; this one returned shape {shape}. "
        "Reduce it with .sum() or .mean(),\nor use at.vjp, which takes a cotangent."
    )


def not_a_tensor_output(transform: str, result: object) -> LostGradientError:
    return LostGradientError(
        f"at.{transform} needs a function that returns a Tensor; this one returned "
        f"{type(result).__name__}.\nWas it converted on the way (float(), .numpy(), .item())?"
    )


def nothing_to_differentiate() -> NoGradientError:
    return NoGradientError(
        "backward() found nothing to differentiate: no leaf of this graph has requires_grad=True. "
        "Set it on the leaves you want,\nw = at.tensor(..., requires_grad=True); "
        "setting it on the loss would not help."
    )


def graph_freed(op: str, shape: tuple[int, ...]) -> GraphFreedError:
    return GraphFreedError(
        "this graph was already used by backward() and what it kept is freed "
        f"(first reached at {op} of shape {shape}).\nPass retain_graph=True the first time, or "
        "compute the loss again. To differentiate a sum, add the losses first."
    )


def seed_shape(got: tuple[int, ...], wanted: tuple[int, ...], what: str) -> ShapeError:
    if len(got) != len(wanted):
        differ = f"it has {len(got)} axes instead of {len(wanted)}"
    else:
        axes = [i for i, (a, b) in enumerate(zip(got, wanted, strict=True)) if a != b]
        plural = "axis" if len(axes) == 1 else "axes"
        differ = f"they differ in {plural} {', '.join(map(str, axes))}"
    return ShapeError(
        f"the {what} has shape {got}, the tensor has shape {wanted}: {differ}. "
        f"Pass np.broadcast_to(..., {wanted}) if that is meant."
    )


def leaf_in_place(name: str | None) -> InPlaceError:
    w = name or "w"
    return InPlaceError(
        f"leaf{called(name)} requires grad and cannot be changed in place while gradients are "
        f"recorded.\nFor an update step: with at.no_grad(): {w} -= lr * {w}.grad. "
        f"To change a value on the way: x = {w}.copy() first."
    )


def adopted_changed(shape: tuple[int, ...], name: str | None) -> InPlaceError:
    return InPlaceError(
        f"the array of shape {shape} that the tensor{called(name)} adopted was written to, through "
        "another view of it,\nand a gradient needs its old values. Write after backward(), or let "
        "at.tensor(..., copy=True) copy it."
    )


def quiet_view(name: str | None, shape: tuple[int, ...]) -> InPlaceError:
    return InPlaceError(
        f"the tensor{called(name)} of shape {shape} is a view, taken under no_grad(), of a tensor "
        "that has a gradient,\nand a write to it would be lost to that gradient. Take the view "
        "again while gradients are recorded, or write under no_grad()."
    )


def write_shape(got: tuple[int, ...], wanted: tuple[int, ...]) -> ShapeError:
    return ShapeError(
        f"a result of shape {got} does not fit in place into a tensor of shape {wanted}. "
        "Write x = x + y instead of x += y."
    )


def write_dtype(got: object, wanted: object) -> DtypeError:
    return DtypeError(
        f"a result of dtype {got} cannot be written in place into a tensor of dtype {wanted}. "
        f"Write x = x + y, or convert first with .astype({got})."
    )


def filled_ndarray() -> LostGradientError:
    return LostGradientError(
        "the destination is a plain ndarray, so the gradient would be lost. Build it with "
        "np.stack([...]) or np.concatenate,\nor start from at.zeros(...) and assign there."
    )


def lost_gradient(way: str, shape: tuple[int, ...], name: str | None, instead: str) -> Exception:
    return LostGradientError(
        f"{way} of the tensor{called(name)} of shape {shape} would lose its gradient. "
        f"Use {instead}."
    )


def copy_of_tracked(shape: tuple[int, ...], name: str | None) -> LostGradientError:
    return LostGradientError(
        f"at.tensor() makes a new leaf, and the tensor{called(name)} of shape {shape} has a graph "
        "that would be lost.\nUse x.copy() to copy it within the graph, or x.detach() to leave it."
    )


def no_dtype_for_grad(dtype: object) -> DtypeError:
    return DtypeError(
        f"requires_grad=True needs a float or complex array; got {dtype}. Use x.astype(float)."
    )


def not_numeric(dtype: object, shape: tuple[int, ...]) -> DtypeError:
    return DtypeError(
        f"a tensor holds numbers or booleans; got an array of dtype {dtype} and shape {shape}. "
        "Are the rows of equal length?"
    )


def requires_grad_of_result() -> LostGradientError:
    return LostGradientError(
        "requires_grad can be changed on leaves only; this tensor is the result of an op. "
        "Use x.detach() for a constant with its value."
    )


def no_rule(name: str, argument: str | None, nearest: Sequence[str], way: str = "") -> NoRuleError:
    of = f" for argument {argument!r}" if argument else ""
    like = f" Nearest with a rule: {', '.join(nearest)}." if nearest else ""
    give = way or "Write it with functions that have one"
    return NoRuleError(
        f"{name} has no derivative{of}. {give},\nor use x.detach() if none is wanted.{like}"
    )


def no_matrix_norm(ord: object) -> NoRuleError:
    return NoRuleError(
        f"np.linalg.norm of a matrix has no derivative for ord={ord!r}, but it has for 'fro' and "
        "None,\nand as a norm of vectors (axis=0, x.ravel()) for every number. "
        "Use x.detach() if no derivative is wanted."
    )


def no_rule_for_option(name: str, option: Sequence[str]) -> NoRuleError:
    what = f"the option {option[0]!r}" if option else "this many arguments"
    return NoRuleError(
        f"{name} has no derivative with {what}, which its declaration does not name. Leave it out: "
        "write np.where(mask, f(x), x) for where=,\nor use x.detach() if no derivative is wanted."
    )


def real_only(name: str, dtype: object) -> NoRuleError:
    return NoRuleError(
        f"{name} has a derivative for real input only; got {dtype}. "
        "Apply it to np.real(x), np.imag(x) or np.abs(x)."
    )


def complex_root(dtype: object) -> DtypeError:
    return DtypeError(
        f"backward() needs a real scalar to ascend; this tensor is {dtype}. Use np.real(y) or "
        "np.abs(y)**2, or pass a gradient: y.backward(1.0)."
    )


def complex_seed(got: object, wanted: object) -> DtypeError:
    return DtypeError(
        f"the gradient passed is {got}, the tensor {wanted}: its imaginary part would be dropped. "
        "Pass its real part."
    )


def no_complex_rule(name: str) -> NoRuleError:
    return NoRuleError(
        f"{name} is constant almost everywhere for real input, but not for complex input, "
        "where it has no rule here. Write it with np.abs and a division."
    )


def not_a_leaf(shape: tuple[int, ...], name: str | None) -> LostGradientError:
    return LostGradientError(
        f"the tensor{called(name)} of shape {shape} is the result of an op: only leaves can be "
        "pickled or deep-copied.\nUse x.copy() to copy it within the graph, "
        "or x.detach() to take its value out."
    )


def non_leaf_grad(name: str | None) -> str:
    h = name or "h"
    return f"{h}.grad is None because {h} is not a leaf; call {h}.retain_grad() before backward()."


def non_finite(op: str, made: str, inputs: str, shapes: str) -> NonFiniteError:
    return NonFiniteError(
        f"{op} made {made}: {inputs}.\n{shapes}Give it input that it is defined for and that does "
        "not overflow: np.clip(x, low, high), or np.where(mask, x, 1), before the call."
    )


def non_finite_pull(op: str, made: str, why: str, masked: str) -> NonFiniteError:
    return NonFiniteError(
        f"the backward pass of {op} made {made}: {why}.\nLeave such entries out by a selection, "
        f"{masked}: an entry that a selection did not take contributes exactly zero."
    )


def non_finite_held(what: str, holds: str) -> str:
    return (
        f"{what} holds {holds}, and what it was made from is freed or was not kept.\nRun the "
        "computation again inside `with at.detect_anomaly():`, which stops where the first is made."
    )


def finite(count: int, all_held: bool) -> str:
    results = "1 result" if count == 1 else f"{count:,} results"
    if all_held:
        return f"no non-finite value in the {results} of this graph, nor in its gradients."
    return (
        f"no non-finite value in what is still held of the {results} of this graph; the rest is "
        "freed or was not kept.\nRun the computation again inside `with at.detect_anomaly():`, "
        "which checks everything."
    )


def recomputed_otherwise(name: str) -> RecomputeError:
    return RecomputeError(
        f"at.checkpoint ran {name} again for the gradient, and it computed or read something else "
        "than the first time.\nLeave what it reads unchanged until backward(), and pass the "
        "Generator that it draws from as an argument."
    )


def untraced_rule(way: str) -> UnwritableError:
    return UnwritableError(
        f"at.source() cannot write a rule that takes numbers out of a Tensor, here by {way}: they "
        "would be those of this call.\nWrite the rule with NumPy functions and operators on its "
        "arguments, or make an op, by custom_op, of what leaves NumPy."
    )


def untraced_array() -> UnwritableError:
    return UnwritableError(
        "at.source() cannot write what converts a Tensor to an ndarray: it would be the one of "
        "this call.\nWrite np.stack([a, b]) for np.array([a, b]), and x for np.asarray(x); "
        "x.numpy() says that its numbers are constants."
    )


def untraced(name: str) -> UnwritableError:
    return UnwritableError(
        f"at.source() cannot write {name} into a Tensor at places that were computed: it reads "
        "them as numbers.\nWrite it with an index, x[index] = v or x[index] += v."
    )
