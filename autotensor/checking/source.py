"""Functions and arguments as Python source, for the line that reproduces a run.

Source that would not give the same value back, byte for byte, is no source: such a value is named
by the place in the report where it is kept.
"""

import ast
import functools
import inspect
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from autotensor.checking.containers import children
from autotensor.checking.layout import Array

__all__ = ["name_of", "source_of", "source_of_function"]

_SHOWN = 64  # arrays with more entries are not written out, unless they are simple
_FEW = 8  # equal entries, written out one by one
_WIDEST = 80  # of a lambda


def name_of(fn: Callable[..., Any]) -> str:
    """What a report calls a function, in a few words.

    Examples
    --------
    >>> import functools
    >>> name_of(functools.partial(np.sum, axis=0))
    'partial of sum'
    """
    if isinstance(fn, functools.partial):
        return f"partial of {name_of(fn.func)}"
    name = getattr(fn, "__name__", None) or getattr(fn, "name", None)
    if not isinstance(name, str):
        return type(fn).__name__
    if name == "<lambda>":
        code = inspect.unwrap(getattr(fn, "function", fn)).__code__
        file = code.co_filename.replace("\\", "/").rpartition("/")[2]
        return f"<lambda> of {file}:{code.co_firstlineno}"
    return name


def source_of_function(fn: Callable[..., Any], kept: str) -> str:
    """Write an expression for a function; `kept` where there is none.

    A function that is defined inside another one goes by its bare name.

    Examples
    --------
    >>> source_of_function(np.linalg.norm, "report.function")
    'np.linalg.norm'
    """
    if isinstance(fn, functools.partial):
        parts = [source_of_function(fn.func, f"{kept}.func")]
        parts += [source_of(a, f"{kept}.args[{i}]") for i, a in enumerate(fn.args)]
        parts += [f"{k}={source_of(v, f'{kept}.keywords[{k!r}]')}" for k, v in fn.keywords.items()]
        return f"functools.partial({', '.join(parts)})"
    for prefix, place in (
        ("np", "numpy"),
        ("np.linalg", "numpy.linalg"),
        ("at.nn", "autotensor.nn"),
    ):
        for name in dict.fromkeys((getattr(fn, "__name__", ""), getattr(fn, "name", ""))):
            if name and getattr(sys.modules.get(place), str(name), None) is fn:
                return f"{prefix}.{name}"
    inner = getattr(fn, "function", fn)  # of an op
    name, module = getattr(inner, "__qualname__", ""), getattr(inner, "__module__", None)
    if getattr(inner, "__name__", "") == "<lambda>":
        return (inner is fn and _lambda_source(fn)) or kept
    if "<locals>." in name and "." not in name.rpartition("<locals>.")[2]:
        return name.rpartition(".")[2]
    found: Any = sys.modules.get(module or "")
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is fn:
        return name if module == "__main__" else f"{module}.{name}"
    # A module that is none, such as a doctest's, has its names all the same.
    own = getattr(inspect.unwrap(inner), "__globals__", {})
    return name if name and own.get(name) is fn else kept


def _lambda_source(fn: Any) -> str | None:
    """The text of a lambda, if it can be found and is short."""
    code = fn.__code__
    try:
        lines, _ = inspect.findsource(code)
        tree = ast.parse("".join(lines))
    except (OSError, SyntaxError):
        return None
    spots = set(code.co_positions())
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            body = node.body
            spot = body.lineno, body.end_lineno, body.col_offset, body.end_col_offset
            if node.lineno == code.co_firstlineno and spot in spots:
                text = ast.unparse(node)
                return text if len(text) <= _WIDEST else None
    return None


def source_of(value: Any, kept: str) -> str:
    """Write an argument as an expression that gives it back; `kept` where there is none.

    Examples
    --------
    >>> source_of({"w": np.array([1, -0.0], np.float32), "n": float("inf")}, "report.inputs[0]")
    "{'w': np.array([1.0, -0.0], np.float32), 'n': np.inf}"
    >>> source_of(np.arange(100.0) ** 2, "report.inputs[0]")
    'report.inputs[0]'
    """
    if isinstance(value, np.ndarray):
        return _array_source(value) or kept
    inner = children(value)
    if inner is not None:
        parts = [source_of(child, kept + suffix) for suffix, child in inner]
        if type(value) is dict:
            return f"{{{', '.join(f'{k!r}: {p}' for k, p in zip(value, parts, strict=True))}}}"
        if type(value) is list:
            return f"[{', '.join(parts)}]"
        if type(value) is tuple:
            return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        return kept
    if isinstance(value, np.dtype):
        return f"np.dtype({value.str!r})"
    if isinstance(value, (float, complex)) and not isinstance(value, np.generic):
        return _number_source(value)
    if isinstance(value, slice):
        return (
            f"slice({', '.join(source_of(v, kept) for v in (value.start, value.stop, value.step))})"
        )
    if value is None or value is Ellipsis or isinstance(value, (bool, int, str, bytes)):
        return repr(value)
    return source_of_function(value, kept) if callable(value) else kept


def _number_source(value: complex) -> str:
    if isinstance(value, complex):
        real, imag = value.real, value.imag
        if not (math.isfinite(real) and math.isfinite(imag)) or 0 in (real, imag):
            return f"complex({_number_source(real)}, {_number_source(imag)})"
        return repr(value)
    if math.isfinite(value):
        return repr(value)
    return "np.nan" if math.isnan(value) else "np.inf" if value > 0 else "-np.inf"


def _array_source(a: Array) -> str | None:
    """The first of some ways to write an array that gives the same one back."""
    if a.dtype.kind not in "biufc" or type(a) is not np.ndarray:
        return None
    builtin = {"float64": "", "complex128": "complex", "int64": "int", "bool": "bool"}
    usual = a.dtype.isnative and a.dtype.name in builtin
    named = f"np.{a.dtype.name}" if a.dtype.isnative else repr(a.dtype.str)
    dtype = "" if usual else f", {named}"
    order = ", order='F'" if a.ndim > 1 and a.flags.fnc else ""
    ways = []
    if not a.size:
        wanted = builtin[a.dtype.name] if usual else named
        ways.append(f"np.zeros({a.shape}{', ' * bool(wanted)}{wanted}{order})")
    elif a.size > _FEW and np.all(a == a.flat[0]):
        ways.append(f"np.full({a.shape}, {_entry(a.flat[0], True)}{dtype}{order})")
    if 0 < a.size <= _SHOWN:
        ways += [f"np.array({_nested(a, few)}{dtype}{order})" for few in (True, False)]
    return next((way for way in ways if _same(eval(way, {"np": np}), a)), None)


def _same(a: Array, b: Array) -> bool:
    """Whether two arrays are the same to the sign of a zero; one NaN is as good as another."""
    if a.dtype != b.dtype or a.shape != b.shape or a.flags.fnc != b.flags.fnc:
        return False
    if a.dtype.kind == "c":
        return _same(a.real, b.real) and _same(a.imag, b.imag)
    known = a == a
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f") and (
        a.dtype.kind != "f" or np.array_equal(np.signbit(a[known]), np.signbit(b[known]))
    )


def _nested(a: Array, few: bool) -> str:
    if a.ndim == 0:
        return _entry(a[()], few)
    return f"[{', '.join(_nested(part, few) for part in a)}]"


def _entry(value: Any, few: bool) -> str:
    """A scalar of NumPy; narrow ones in their own few digits, or exactly."""
    if value.dtype.kind not in "fc":
        return repr(value.item())
    if value.dtype in (np.longdouble, np.clongdouble):
        return f"np.{value.dtype.name}({str(value)!r})"
    if not few:
        return _number_source(value.item())
    if value.dtype.kind == "c":
        return _number_source(complex(float(str(value.real)), float(str(value.imag))))
    return _number_source(float(str(value)))
