"""``python -m autotensor gradcheck package.module:op``: a gradient check from the command line."""

import argparse
import ast
import difflib
import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from autotensor.checking.check import gradcheck
from autotensor.checking.domains import NAMES
from autotensor.checking.layout import Array

__all__ = ["main"]

_USAGE = 3
_EXITS = {"ok": 0, "fail": 1, "inconclusive": 2}
_EPILOG = """\
examples:
  python -m autotensor gradcheck mypackage.ops:softplus --shape 3,4 --order 2
  python -m autotensor gradcheck numpy:matmul --shape 3,4 --shape 4,2
  python -m autotensor gradcheck numpy:sum --shape 3,4 --set axis=0
  python -m autotensor gradcheck numpy:log --shape 5 --domain positive

exit status: 0 if all is well, 1 if a derivative is wrong, 2 if that cannot be told, 3 if the
command makes no sense or the function raises
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(_USAGE, f"{self.prog}: {message}\n(--help says more)\n")


class _UsageError(Exception):
    """What the user has to change; the text says so."""


def main(argv: Sequence[str]) -> int:
    """Check an op; return the exit code."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        fn = _named(options.op)
        keywords = dict(_assignment(text) for text in options.set)
        shapes = options.shape or [(3, 4)] * _required(fn, keywords)
        inputs = _inputs(shapes, options)
    except _UsageError as error:
        parser.error(str(error))
    fn = functools.partial(fn, **keywords) if keywords else fn
    domains = options.domain * len(shapes) if len(options.domain) == 1 else options.domain
    try:
        report = gradcheck(
            fn,
            inputs,
            order=options.order,
            domain=domains or None,
            seed=options.seed,
            rtol=options.rtol,
            atol=options.atol,
            raise_exception=False,
        )
    except Exception as error:  # whatever the function raises is the user's to mend
        parser.error(f"{options.op} with shapes {shapes} raised {type(error).__name__}: {error}")
    sys.stdout.write(f"{report}\n")
    return _EXITS[report.verdict]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m autotensor gradcheck",
        description="Check the derivatives of an op or a function at random inputs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("op", metavar="package.module:op", help="where it is; the current folder is searched too")
    add(
        "--shape",
        action="append",
        type=_shape,
        metavar="N,M",
        help="of an input, once for each; '()' for a scalar (3,4 for each argument it requires)",
    )
    add("--order", type=int, default=1, help="highest order of derivative (%(default)s)")
    add(
        "--domain",
        action="append",
        choices=NAMES,
        default=[],
        help="set the inputs lie in, once for all or once for each",
    )
    add("--low", type=float, help="least value of the inputs, which are then uniform")
    add("--high", type=float, help="largest value of the inputs")
    add("--dtype", default="float64", help="of the inputs (%(default)s)")
    add("--seed", type=int, default=0, help="of inputs and directions (%(default)s)")
    add("--rtol", type=float, help="relative tolerance beside the error bar")
    add("--atol", type=float, help="absolute tolerance beside the error bar")
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a keyword argument of the op, in Python",
    )
    return parser


def _shape(text: str) -> tuple[int, ...]:
    numbers = text.strip("()[] ").rstrip(",")
    try:
        shape = tuple(int(n) for n in numbers.split(",")) if numbers else ()
    except ValueError:
        shape = (-1,)
    if any(n < 0 for n in shape):
        raise argparse.ArgumentTypeError(f"{text!r} is no shape; write 3,4 or () for a scalar")
    return shape


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise _UsageError(f"--set {text}: write NAME=VALUE, such as axis=0")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _named(op: str) -> Callable[..., Any]:
    """What stands at package.module:name."""
    place, colon, name = op.partition(":")
    if not (place and colon and name):
        raise _UsageError(f"{op!r}: write package.module:op, such as numpy:tanh")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(place)
    except ModuleNotFoundError as error:
        missing = error.name or place
        if place != missing and not place.startswith(f"{missing}."):
            raise _UsageError(
                f"{place} needs the module {missing}, which is not installed"
            ) from error
        raise _UsageError(
            f"there is no module {missing} here; looked in {os.getcwd()} too"
        ) from error
    except Exception as error:
        raise _UsageError(f"importing {place} raised {type(error).__name__}: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            near = _near(part, found)
            raise _UsageError(f"{place} has no {name}{f'; did you mean {near}?' if near else ''}")
        found = getattr(found, part)
    if not callable(found):
        raise _UsageError(f"{op} is no function but {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def _near(name: str, owner: Any) -> str:
    return next(iter(difflib.get_close_matches(name, dir(owner), 1)), "")


def _required(fn: Callable[..., Any], keywords: dict[str, Any]) -> int:
    """How many positional arguments a function needs."""
    if isinstance(fn, np.ufunc):
        return fn.nin
    try:
        parameters = inspect.signature(getattr(fn, "function", fn)).parameters.values()
    except (TypeError, ValueError):
        return 1
    needed = [
        p
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        and p.default is p.empty
        and p.name not in keywords
    ]
    return len(needed) or 1


def _inputs(shapes: Sequence[tuple[int, ...]], options: argparse.Namespace) -> list[Array]:
    """Random inputs: normal, or uniform between bounds, or of their domain."""
    try:
        dtype = np.dtype(options.dtype)
    except TypeError:
        raise _UsageError(f"--dtype {options.dtype}: no such dtype in NumPy") from None
    if dtype.kind not in "fc":
        raise _UsageError(f"--dtype {options.dtype} has no derivatives; use a float or complex one")
    if len(options.domain) not in (0, 1, len(shapes)):
        raise _UsageError(f"{len(options.domain)} times --domain for {len(shapes)} inputs")
    if options.domain and (options.low is not None or options.high is not None):
        raise _UsageError("--low and --high go without --domain")
    domains = (options.domain or [None]) * len(shapes)
    rng = np.random.default_rng(options.seed)
    return [
        _drawn(rng, shape, domain, options.low, options.high, dtype)
        for shape, domain in zip(shapes, domains, strict=False)
    ]


def _drawn(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    domain: str | None,
    low: float | None,
    high: float | None,
    dtype: np.dtype[Any],
) -> Array:
    if domain in ("spd", "orthogonal") and (len(shape) < 2 or shape[-1] != shape[-2]):
        raise _UsageError(f"--domain {domain} needs a square --shape such as 3,3; got {shape}")
    if domain == "simplex" and not shape:
        raise _UsageError("--domain simplex needs a --shape with an axis, such as 5; got ()")
    x = rng.normal(size=shape)
    if dtype.kind == "c":
        x = x + 1j * rng.normal(size=shape)
    if low is not None or high is not None:
        low = low if low is not None else min(0.0, high - 1 if high is not None else 0.0)
        high = high if high is not None else max(1.0, low + 1)
        if not low < high:
            raise _UsageError(f"--low {low:g} is not below --high {high:g}")
        x = rng.uniform(low, high, size=shape)
    elif domain == "positive":
        x = np.exp(rng.normal(size=shape))
    elif domain == "unit":
        x = rng.uniform(0.05, 0.95, size=shape)
    elif domain == "simplex":
        weights = np.exp(rng.normal(size=shape))
        x = weights / weights.sum(-1, keepdims=True)
    elif domain == "spd":
        x = x @ x.conj().swapaxes(-1, -2) / shape[-1] + 0.5 * np.eye(shape[-1])
    elif domain == "orthogonal":
        x = np.linalg.qr(x)[0]
    return x.astype(dtype)
