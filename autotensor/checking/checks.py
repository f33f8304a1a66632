"""The checks, cheap and structural ones first, because their messages are the clearest.

A check looks at a `Run` and returns None if all is well, or a `Finding`. To add one, write the
function in `structure`, `conduct`, `variants` or `values` and put it into `CHECKS` at its place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autotensor.checking import conduct, neighbourhood, second, structure, values, variants
from autotensor.checking.report import Finding, told
from autotensor.checking.run import Run

__all__ = ["CHECKS", "Check", "execute"]


@dataclass(frozen=True, slots=True)
class Check:
    """A check and the id it goes by; `essential` if nothing after it makes sense without it."""

    id: str
    run: Callable[[Run], Finding | None]
    essential: bool = False


def next_order(run: Run) -> Finding | None:
    """G20: the same checks on the rule itself, as a function of the inputs and the cotangent."""
    if run.level >= run.order:
        return Finding("skipped", f"order {run.order} only")
    try:
        problem = run.problem.derivative(run.cotangents[0])
    except Exception as error:
        return Finding("fail", "the gradient cannot be differentiated", told(error))
    held = np.concatenate([run.held, np.zeros(run.problem.outputs.size, bool)])
    domain = [*run.domain, *[None] * len(run.problem.outputs.shapes)]
    above = Run(
        problem,
        run.order,
        *run.given,
        run.seed,
        run.level + 1,
        held,
        domain=domain,
        eps=run.eps,
        skip=run.skip,
    )
    findings, _, _ = execute(above)
    run.evaluations += above.evaluations
    if not any(found.verdict == "fail" for _, found in findings):
        asymmetric = second.symmetric(above, len(run.problem.arrays))
        if asymmetric is not None:
            return asymmetric
    if not findings:
        return None
    check, found = findings[-1]  # the one that failed, if any did
    label = "" if check == "G20" else f"order {above.level}, {check}: "
    return Finding(found.verdict, label + found.title, found.lines)


CHECKS = (
    Check("G01", structure.finite_value, essential=True),
    Check("G02", conduct.inputs_unchanged),
    Check("G03", conduct.deterministic_value),
    Check("G04", structure.every_gradient),
    Check("G05", structure.gradient_shapes),
    Check("G06", structure.gradient_types),
    Check("G07", structure.finite_gradient),
    Check("G08", conduct.writes_nothing),
    Check("G09", conduct.own_memory),
    Check("G10", conduct.deterministic_rule),
    Check("G11", conduct.linear_in_g),
    Check("G12", conduct.no_stale_state),
    Check("G13", conduct.two_graphs),
    Check("G15", values.every_entry),
    Check("G16", values.kinks),
    Check("G14", values.random_directions),
    Check("G17", neighbourhood.nearby_and_far),
    Check("G18", variants.any_layout),
    Check("G19", variants.each_output_alone),
    Check("G21", values.forward_mode),
    Check("G20", next_order),
)


def execute(run: Run) -> tuple[list[tuple[str, Finding]], list[str], dict[str, str]]:
    """Run the checks up to the first that fails; give findings, ids passed, ids skipped and why."""
    findings: list[tuple[str, Finding]] = []
    passed: list[str] = []
    skipped: dict[str, str] = {}
    for check in CHECKS:
        if check.id in run.skip:
            skipped[check.id] = "not wanted"
            continue
        if isinstance(vars(run).get("first"), Exception) and check.id > "G13":
            skipped[check.id] = "there is no gradient"
            continue
        found = check.run(run)
        if found is None:
            passed.append(check.id)
        elif found.verdict == "skipped":
            skipped[check.id] = found.title
        else:
            findings.append((check.id, found))
            if found.verdict == "fail" or check.essential:
                break
    if "reference" in vars(run):
        run.evaluations += run.reference.flat.evaluations
    return findings, passed, skipped
