"""Compare `autotensor.gradcheck` with the gradient checkers of every peer that is installed.

All judge the same corpora: the wrong rules and the right but awkward derivatives of
``tests/checking``. A peer gets each op in its own way of declaring one, made of the same NumPy
code. What a checker cannot be given is left out of its count, and the table says how many it saw.
Run it with ``python -m benchmarks.checkers``; ``--write`` puts the table into the README.
"""

import argparse
import copy
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import autotensor as at
from benchmarks import boxes
from tests.checking.right_cases import RIGHT
from tests.checking.wrong_rules import WRONG, Wrong

README = Path(__file__).resolve().parents[1] / "README.md"
MARKERS = re.compile(r"(<!-- checkers: [^>]*-->\n)(.*?)(<!-- /checkers -->)", re.DOTALL)

# A checker that compares whole Jacobians is not given larger ones: it would need gigabytes.
WHOLE = 30_000_000

# Structural ids whose mistakes take arrays that can be written to, and a layout in memory.
MEMORY = {"G02", "G08", "G09", "G18"}
# PyTorch sums a gradient over broadcast axes by itself.
RIGHT_IN_TORCH = {"sum over broadcast axis missing"}
# It is autotensor that raises, before anything reaches a peer.
OURS = {"plain arrays at order 2"}


@dataclass(frozen=True)
class Case:
    """One case of a corpus, as checkers take it."""

    name: str
    inputs: list[Any]
    order: int
    wrong: Wrong | None
    function: Callable[..., Any]
    options: dict[str, Any]

    @property
    def size(self) -> int:
        """How many entries the Jacobian has."""
        function = self.wrong.parts()[0] if self.wrong else self.function
        out = function(*copy.deepcopy(self.inputs))
        outputs = out if isinstance(out, tuple) else (out,)
        return boxes.size(boxes.split(self.inputs)[0]) * boxes.size(outputs)


def cases() -> list[Case]:
    """All cases, the wrong ones first; what they remember is new."""
    found = [
        Case(name, wrong.inputs, wrong.order, wrong, wrong.function(), {})
        for name, wrong in WRONG.items()
    ]
    for name, (function, inputs, options) in RIGHT.items():
        arrays = inputs if isinstance(inputs, list) else [np.asarray(inputs)]
        options = dict(options)
        order = options.pop("order", 1)
        found.append(Case(name, arrays, order, None, function, options))
    return found


@dataclass(frozen=True)
class Checker:
    """A checker: how it judges, and which cases it can be given."""

    name: str
    package: str
    judge: Callable[[Case], str]  # "ok", "fail" or "inconclusive"
    takes: Callable[[Case], bool]


def by_autotensor(case: Case) -> str:
    return at.gradcheck(
        case.function, case.inputs, order=case.order, raise_exception=False, **case.options
    ).verdict


def box_of(library: Any, case: Case) -> tuple[Callable[..., Any], list[Any]]:
    """The op of a case as an op of another library, and the arrays to give it."""
    arrays, among = boxes.split(case.inputs)
    wrong = case.wrong
    if wrong is None or wrong.order > 1 or wrong.within is not None:
        return library.nested(boxes.flat(among(case.function)), arrays), arrays
    return library.plain(boxes.Parts(wrong, case.inputs, among), arrays), arrays


def by_torch(case: Case, **options: Any) -> str:
    import torch

    function, arrays = box_of(boxes.Torch, case)
    inputs = [torch.tensor(np.array(a, order="C"), requires_grad=True) for a in arrays]
    if case.wrong and case.wrong.jvps:
        options["check_forward_ad"] = True
    return "ok" if torch.autograd.gradcheck(function, inputs, **options) else "fail"


def by_torch_twice(case: Case) -> str:
    import torch

    function, arrays = box_of(boxes.Torch, case)
    inputs = [torch.tensor(np.array(a, order="C"), requires_grad=True) for a in arrays]
    return "ok" if torch.autograd.gradgradcheck(function, inputs) else "fail"


def by_jax(case: Case) -> str:
    from jax.test_util import check_grads

    function, arrays = box_of(boxes.Jax, case)
    check_grads(function, tuple(arrays), case.order, modes=["rev"])
    return "ok"


def by_autograd(case: Case) -> str:
    from autograd.test_util import check_grads

    function, arrays = box_of(boxes.Autograd, case)
    forward = case.order == 1 and case.wrong is not None and case.wrong.jvps
    modes = ["fwd", "rev"] if forward else ["rev"]
    every = tuple(range(len(arrays)))  # by default it looks at the first argument alone
    check_grads(function, every, modes, case.order)(*[np.array(a)[()] for a in arrays])
    return "ok"


def small(case: Case) -> bool:
    return case.size <= WHOLE


def second(case: Case) -> bool:
    """Whether the second derivatives are right, or are what is wrong."""
    return case.order == 2 and (case.wrong is None or "G20" in case.wrong.ids)


def torch_takes(case: Case) -> bool:
    """Whether PyTorch has the dtypes, and what is wrong is so there too."""
    if case.wrong and case.name in RIGHT_IN_TORCH | OURS:
        return False
    return all(a.dtype != np.longdouble for a in boxes.split(case.inputs)[0])


def jax_takes(case: Case) -> bool:
    """Whether JAX has the dtypes, and the mistake does not take memory to write to."""
    if case.wrong and (case.wrong.jvps or case.wrong.ids[0] in MEMORY or case.name in OURS):
        return False
    return all(a.dtype != np.longdouble for a in boxes.split(case.inputs)[0])


def autograd_takes(case: Case) -> bool:
    return not (case.wrong and case.name in OURS)


CHECKERS = [
    Checker("autotensor `gradcheck`", "autotensor", by_autotensor, lambda case: True),
    Checker(
        "PyTorch `gradcheck`",
        "torch",
        by_torch,
        lambda case: (case.wrong is None or case.order == 1) and torch_takes(case) and small(case),
    ),
    Checker(
        "PyTorch `gradcheck`, fast mode",
        "torch",
        lambda case: by_torch(case, fast_mode=True),
        lambda case: (case.wrong is None or case.order == 1) and torch_takes(case),
    ),
    Checker(
        "PyTorch `gradgradcheck`",
        "torch",
        by_torch_twice,
        lambda case: second(case) and torch_takes(case) and small(case),
    ),
    Checker("JAX `check_grads`", "jax", by_jax, jax_takes),
    Checker("autograd `check_grads`", "autograd", by_autograd, autograd_takes),
]


def judged(checker: Checker, case: Case) -> str:
    """The verdict of a checker, "-" where it cannot be given the case; and what it raised."""
    if not checker.takes(case):
        return "-"
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return checker.judge(case)
        except Exception as error:  # whatever a checker raises is its rejection
            return f"fail {type(error).__name__}: {error}"


def table(results: dict[str, dict[str, str]], wrong: set[str]) -> str:
    """One row per checker."""
    lines = [
        "| checker | wrong rules caught | right ones rejected | inconclusive |",
        "|---|---|---|---|",
    ]
    for checker, verdicts in results.items():
        bad = [v for name, v in verdicts.items() if name in wrong and v != "-"]
        good = [v for name, v in verdicts.items() if name not in wrong and v != "-"]
        caught = sum(v.startswith("fail") for v in bad)
        rejected = sum(v.startswith("fail") for v in good)
        unclear = sum(v == "inconclusive" for v in bad + good)
        lines.append(
            f"| {checker} | {caught} of {len(bad)} | {rejected} of {len(good)} | {unclear or '-'} |"
        )
    return "\n".join(lines) + "\n"


def versions() -> str:
    names = ["numpy", *sorted({c.package for c in CHECKERS if find_spec(c.package)})]
    names.remove("autotensor")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checkers", description=__doc__)
    parser.add_argument("--only", help="cases whose name matches this regular expression")
    parser.add_argument("--why", action="store_true", help="print what was raised")
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    options = parser.parse_args(arguments)

    boxes.prepare()
    installed = [checker for checker in CHECKERS if find_spec(checker.package)]
    results: dict[str, dict[str, str]] = {checker.name: {} for checker in installed}
    for checker in installed:
        for case in cases():
            if not re.search(options.only or "", case.name):
                continue
            key = f"{'wrong' if case.wrong else 'right'}: {case.name}"
            results[checker.name][key] = judged(checker, case)
    print_cases(results, why=options.why)
    wrong = {f"wrong: {name}" for name in WRONG}
    text = table(results, wrong)
    print(text)
    if options.write:
        text = f"With {versions()}, from `python -m benchmarks.checkers --write`:\n\n{text}"
        README.write_text(MARKERS.sub(lambda m: m[1] + text + m[3], README.read_text()))


def print_cases(results: dict[str, dict[str, str]], *, why: bool) -> None:
    """One row per case, one column per checker."""
    names = list(next(iter(results.values())))
    print("columns:", ", ".join(results))
    for name in names:
        row = [verdicts[name] for verdicts in results.values()]
        print(f"  {name:<60}" + "".join(f"{v.partition(' ')[0]:>14}" for v in row), flush=True)
        for v in row if why else []:
            if " " in v:
                print("      ", " ".join(v.split())[:200])


if __name__ == "__main__":
    main(sys.argv[1:])
