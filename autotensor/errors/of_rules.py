"""What is wrong with a rule, or with the declaration of an op."""

# ruff: noqa: D103 - the texts say what they are for

from __future__ import annotations

from collections.abc import Sequence

from autotensor.errors.kinds import (
    DeclarationError,
    DtypeError,
    LostGradientError,
    NoRuleError,
    ShapeError,
)

__all__ = [
    "bad_declaration",
    "bad_tangent",
    "declared_twice",
    "gradient_count",
    "gradient_dtype",
    "gradient_shape",
    "gradient_type",
    "no_gradient_for",
    "not_one_array",
    "rule_not_differentiable",
    "saved_intermediate",
    "unknown_argument",
    "unknown_rule_name",
]


def gradient_shape(op: str, name: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> ShapeError:
    extra = len(got) - len(wanted)
    fits = extra >= 0 and all(
        a == b or b == 1 for a, b in zip(got[max(extra, 0) :], wanted, strict=False)
    )
    if fits:
        ones = tuple(i + extra for i, n in enumerate(wanted) if n == 1 and got[i + extra] != 1)
        axes = tuple(range(extra)) + ones
        hint = f"The argument was broadcast: sum over axes {axes}."
    else:
        hint = f"Return an array of shape {wanted}."
    return ShapeError(
        f"the rule of {op} for argument {name!r} returned shape {got}, but the argument has "
        f"shape {wanted}.\n{hint}"
    )


def gradient_type(op: str, name: str, got: object) -> LostGradientError:
    return LostGradientError(
        f"the rule of {op} for argument {name!r} returned {type(got).__name__}; "
        "a rule returns an array of the argument's shape."
    )


def bad_tangent(op: str, name: str, got: str, wanted: tuple[int, ...]) -> LostGradientError:
    return LostGradientError(
        f"the jvp of {op} for argument {name!r} returned {got}; a jvp returns an array of the "
        f"result's shape {wanted}, or a tuple of such for several results."
    )


def rule_not_differentiable(
    op: str, name: str, where: str = "", cause: BaseException | None = None
) -> NoRuleError:
    why = f": {str(cause).partition('. ')[0]}" if cause else ""
    return NoRuleError(
        f"the rule of {op} for argument {name!r}{where} left NumPy on Tensors, so it has no "
        f"derivative of its own{why}.\nWrite it with NumPy functions and operators on its "
        "arguments, give a jvp= for forward mode, or differentiate once only."
    )


def not_one_array(op: str, got: str) -> LostGradientError:
    return LostGradientError(
        f"{op} returned a {got}; only an array, a number, or without elementwise=True and "
        "linear=True a tuple of them, can carry a gradient."
    )


def no_gradient_for(op: str, argument: str, given: Sequence[str]) -> LostGradientError:
    return LostGradientError(
        f"the rule of {op} returned no gradient for argument {argument!r}, which requires grad "
        f"here; it returned one for {', '.join(given) or 'none'}.\n"
        "None is for an argument that cannot have a gradient; where it is zero, return zeros."
    )


def gradient_count(op: str, got: str, order: Sequence[str]) -> DeclarationError:
    return DeclarationError(
        f"the rule of {op} returned {got} for its {len(order)} arguments. Return a tuple in the "
        f"order {', '.join(order)}, with None where there is no gradient,\nor a dict by name, or "
        "name arguments without gradient in nondiff=."
    )


def saved_intermediate(op: str, what: str) -> NoRuleError:
    return NoRuleError(
        f"{op}: ctx.{what} was computed in forward, so a second derivative would take it as "
        "constant.\nSave inputs and outputs only, and compute it from them in backward."
    )


def gradient_dtype(op: str, dtype: object, wanted: object) -> DtypeError:
    return DtypeError(f"the rule of {op} returned dtype {dtype}; its argument has dtype {wanted}.")


def unknown_rule_name(op: str, rule: str, name: str, valid: Sequence[str]) -> DeclarationError:
    return DeclarationError(
        f"the rule of {op} for {rule!r} asks for {name!r}, which {op} does not have. "
        f"Valid names: {', '.join(valid)}."
    )


def unknown_argument(op: str, argument: str, valid: Sequence[str]) -> DeclarationError:
    return DeclarationError(
        f"{op} has no argument {argument!r} to give a rule to. "
        f"Its arguments: {', '.join(valid) or 'none'}."
    )


def declared_twice(op: str) -> DeclarationError:
    return bad_declaration(op, "it has a rule already; at.register(..., override=True) replaces it")


def bad_declaration(op: str, reason: str) -> DeclarationError:
    return DeclarationError(f"{op}: {reason}")
