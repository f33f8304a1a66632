"""A program as the text of a module."""

from __future__ import annotations

import keyword
import operator
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autotensor.drawing.labels import clean
from autotensor.drawing.numpy_source.literals import (
    index_text,
    literal,
)
from autotensor.drawing.numpy_source.program import Call, Program, Ref, refs_in
from autotensor.drawing.numpy_source.rewriting import function_of
from autotensor.engine.op_source import definition
from autotensor.engine.primitive import Op
from autotensor.errors import UnwritableError
from autotensor.naming import written

__all__ = ["Names", "text"]

_COLUMNS = 100
_WIDEST = 48  # of an expression that takes in another
_ATOM = 20  # binding of what needs no parentheses
# How a call is written, how tightly that binds, and how tightly each operand has to.
_FORMS: dict[Any, tuple[str, int, tuple[int, ...]]] = {
    np.add: ("{} + {}", 10, (10, 11)),
    np.subtract: ("{} - {}", 10, (10, 11)),
    np.multiply: ("{} * {}", 12, (12, 13)),
    np.divide: ("{} / {}", 12, (12, 13)),
    np.matmul: ("{} @ {}", 12, (12, 13)),
    np.negative: ("-{}", 14, (14,)),
    np.power: ("{} ** {}", 16, (17, 14)),
    np.bitwise_and: ("{} & {}", 8, (8, 9)),
    np.bitwise_xor: ("{} ^ {}", 7, (7, 8)),
    np.bitwise_or: ("{} | {}", 6, (6, 7)),
    np.invert: ("~{}", 14, (14,)),
    np.matrix_transpose: ("{}.mT", _ATOM, (_ATOM,)),
    np.transpose: ("{}.T", _ATOM, (_ATOM,)),
    np.real: ("{}.real", _ATOM, (_ATOM,)),
    np.imag: ("{}.imag", _ATOM, (_ATOM,)),
}
for _functions, _sign in {
    (operator.gt, np.greater): ">",
    (operator.ge, np.greater_equal): ">=",
    (operator.lt, np.less): "<",
    (operator.le, np.less_equal): "<=",
    (operator.eq, np.equal): "==",
    (operator.ne, np.not_equal): "!=",
}.items():
    _FORMS |= dict.fromkeys(_functions, (f"{{}} {_sign} {{}}", 4, (6, 6)))

_BUILTINS = ("bool", "complex", "float", "int", "range", "slice")  # which literals are made of
_RESERVED = ("np", "scipy", "value_and_grad", *_BUILTINS)
_UNCALLED = {*_FORMS, operator.getitem}

Text = tuple[str, int]


class Names:
    """Names for results: those of the user as far as they are free, made into identifiers."""

    def __init__(self, taken: Sequence[str]) -> None:
        self.taken = set(taken)
        self.count = 0

    def free(self, wanted: str) -> str:
        """An identifier like `wanted` that nothing else has."""
        name = clean(wanted)
        if not name.isidentifier():
            name = re.sub(r"\W+", "_", name).strip("_") or "x"
            name = f"_{name}" if name[0].isdigit() else name
        name = name if name.isidentifier() and not keyword.iskeyword(name) else "x"
        found, count = name, 1
        while found in self.taken:
            count += 1
            found = f"{name}_{count}"
        self.taken.add(found)
        return found

    def numbered(self, letter: str) -> str:
        """The next free one of ``v1``, ``v2`` and so on."""
        self.count += 1
        while f"{letter}{self.count}" in self.taken:
            self.count += 1
        self.taken.add(f"{letter}{self.count}")
        return f"{letter}{self.count}"


def text(
    program: Program,
    names: Mapping[Any, str],
    parameters: Sequence[tuple[Any, str]],
    *,
    inline: bool,
) -> str:
    """The module with the function ``value_and_grad``.

    Parameters
    ----------
    program : its outputs are what the function returns.
    names : what to call nodes, as the user does.
    parameters : nodes that are arguments, in this order, with names; the values from outside that
        are not among them and have no known value come after them.
    inline : write what is used once into what uses it.
    """
    return _Writing(program, names, parameters, inline).module()


class _Writing:
    def __init__(
        self,
        program: Program,
        names: Mapping[Any, str],
        parameters: Sequence[tuple[Any, str]],
        inline: bool,
    ) -> None:
        self.program = program
        self.inline = inline
        self.imports: dict[str, None] = {"import numpy as np": None}
        self.helpers: dict[str, str] = {}
        self.functions: dict[str, Any] = {}
        self.missing: dict[str, None] = {}
        self.names = Names(_RESERVED)
        self.given = names
        self.texts: dict[int, Text] = {}
        self.lines: list[tuple[str, Call]] = []
        self.parameters: list[str] = []
        self.uses = Counter(
            ref.place for call in program.calls for ref in refs_in((call.args, call.options))
        )
        # A function that the text calls is called that, not a value.
        for call in program.calls:
            if call.function is not None and function_of(call) not in _UNCALLED:
                self._called(call)
        of_node = {call.node: i for i, call in enumerate(program.calls) if call.function is None}
        for node, name in parameters:
            self.parameters.append(self.names.free(name))
            if node in of_node:
                self.texts[of_node[node]] = (self.parameters[-1], _ATOM)

    def module(self) -> str:
        outputs = {ref.place for ref in self.program.outputs}
        for place, call in enumerate(self.program.calls):
            if call.function is None:
                if place not in self.texts:
                    self.texts[place] = self._outside(call)
                continue
            expression = self._expression(call)
            named = self.given.get(call.node)
            single = self.uses[place] == 1 and place not in outputs
            short = len(expression[0]) <= _WIDEST
            if self.inline and single and short and (named is None or named[:2] == "d_"):
                self.texts[place] = expression
                continue
            name = self.names.free(named) if named else self.names.numbered("v")
            self.lines.append((f"{name} = {expression[0]}", call))
            self.texts[place] = (name, _ATOM)
        results = ", ".join(self.texts[ref.place][0] for ref in self.program.outputs)
        width = min(max((len(line) for line, _ in self.lines), default=0), 60)
        body, label = [], ""
        for line, call in self.lines:
            comment = "  ".join(
                filter(None, (_shape(call), call.label if call.label != label else ""))
            )
            label = call.label
            line = f"    {line.ljust(width)}"
            if not comment:
                body.append(line.rstrip())
            elif len(line) + len(comment) + 4 > _COLUMNS:  # the comment goes above
                body.append(f"    # {comment}")
                body += _wrapped(line.rstrip())
            else:
                body.append(f"{line}  # {comment}")
        comma = "," if len(self.program.outputs) == 1 else ""
        parts = ["\n".join(self.imports)]
        if self.missing:
            parts[0] += f"\n\n# To be given to exec: {', '.join(self.missing)}"
        parts += self.helpers.values()
        head = f"def value_and_grad({', '.join(self.parameters)}):"
        returned = _wrapped(f"    return {results}{comma}")
        parts.append("\n".join([head, *body, *returned]))
        return "\n\n\n".join(parts) + "\n"

    def _outside(self, call: Call) -> Text:
        if call.value is not None:
            return _signed(literal(call.value))
        name = self.names.free(self.given.get(call.node) or call.node.name or "constant")
        self.parameters.append(name)
        return name, _ATOM

    # -- calls ------------------------------------------------------------------------------------

    def _called(self, call: Call) -> str:
        """What the text calls the function, which it imports or defines as needed."""
        function = call.function
        source = function.source if isinstance(function, Op) else ""
        if isinstance(source, tuple):
            for part in source:
                self._claim(part.__name__, part)
                self.helpers[part.__name__] = definition(part)
            return str(source[-1].__name__)
        if source.startswith("np."):
            return source
        if isinstance(function, Op) and source:
            self._claim(function.name, function)
            self.helpers[function.name] = source.strip("\n")
            return function.name
        target = function.function if isinstance(function, Op) and not function.users else function
        owner = getattr(target, "__self__", None)
        if isinstance(owner, type):  # the `apply` of a class
            target, name = owner, f"{owner.__name__}.{target.__name__}"
        else:
            name = written(target) if not isinstance(target, Op) else _users_name(target)
        if name.startswith("np."):
            return name
        module = _module_of(target)
        if module is not None and module.startswith("scipy"):
            self.imports[f"import {module}"] = None
            return f"{module}.{name.rpartition('.')[2]}"
        root = name.partition(".")[0]
        self._claim(root, target)
        if module is None:
            self.missing[root] = None
        else:
            self.imports[f"from {module} import {root}"] = None
        return name

    def _claim(self, name: str, function: Any) -> None:
        """Note that the text calls `function` by this name, which can be the name of one only."""
        if name in _RESERVED:
            raise UnwritableError(
                f"at.source() cannot write a function that is called {name}, as the text has a use "
                f'of that name.\nCall it otherwise, as by name= in at.custom_op(name="other", ...).'
            )
        if self.functions.setdefault(name, function) is not function:
            raise UnwritableError(
                f"at.source() cannot write two functions that are called {name}.\nCall one of them "
                'otherwise, as by name= in at.custom_op(name="other", ...).'
            )
        self.names.taken.add(name)

    def _expression(self, call: Call) -> Text:
        function = function_of(call)
        if isinstance(call.function, Op) and call.function.source:
            return self._plain(call)
        if function is operator.getitem:
            index = index_text(call.args[1], self._value)
            return f"{self._operand(call.args[0], _ATOM)}[{index}]", _ATOM
        if function is np.reshape and len(call.args) <= 2 and {*call.options} <= {"shape"}:
            shape = call.args[1] if len(call.args) == 2 else call.options["shape"]
            inner = ", ".join(map(str, shape)) if type(shape) in (tuple, list) else str(shape)
            return f"{self._operand(call.args[0], _ATOM)}.reshape({inner or '()'})", _ATOM
        if function is np.astype and len(call.args) + len(call.options) == 2:
            kind = literal(np.dtype([*call.args, *call.options.values()][1]))
            return f"{self._operand(call.args[0], _ATOM)}.astype({kind})", _ATOM
        form = _FORMS.get(function)
        if form is not None and not call.options and len(call.args) == len(form[2]):
            pattern, binding, needed = form
            level = self._level(call)
            texts = [
                self._operand(_typed(value, call), least, level)
                for value, least in zip(call.args, needed, strict=True)
            ]
            return pattern.format(*texts), binding
        return self._plain(call)

    def _plain(self, call: Call) -> Text:
        """A call written as one."""
        level = self._level(call)
        args = [self._value(v, level) for v in call.args]
        args += [f"{name}={self._value(v)}" for name, v in call.options.items()]
        return f"{self._called(call)}({', '.join(args)})", _ATOM

    def _level(self, call: Call) -> int:
        """How short numbers may be: 1 if 2 means what 2.0 does, 2 if np.float64(2) does so too."""
        known = [self.program.calls[ref.place] for ref in refs_in(call.args)]
        if not known and function_of(call) is np.divide:
            return 1
        dtypes = {made.dtype for made in known if made.value is None or made.shape}
        if not any(dtype.kind in "fc" for dtype in dtypes) or call.dtype.kind not in "fcb":
            return 0
        if any(dtype.kind not in "fcb" for dtype in dtypes):
            return 0
        if call.dtype.kind == "c" and not call.shape:
            return 1  # Python's complex takes a scalar of NumPy's for its own
        return 2 if all(dtype.char in "dD?" for dtype in dtypes) else 1

    def _operand(self, value: Any, least: int, level: int = 0) -> str:
        text, binding = self._text(value, level)
        return text if binding >= least else f"({text})"

    def _text(self, value: Any, level: int = 0) -> Text:
        if isinstance(value, Ref):
            made = self.program.calls[value.place]
            plain = level == 2 and self.inline and made.value is not None and not made.shape
            if plain and made.dtype.char in "dD":
                return self._text(made.value.item(), level)
            return self.texts[value.place]
        if level == 2 and self.inline and isinstance(value, (np.float64, np.complex128)):
            value = value.item()
        if type(value) is float and value.is_integer() and level and abs(value) < 1e15:
            return _signed(str(int(value))) if str(value) != "-0.0" else _signed("-0.0")
        return _signed(literal(value))

    def _value(self, value: Any, level: int = 0) -> str:
        """An argument in full, with results and literals in it."""
        if type(value) in (tuple, list) and (any(True for _ in refs_in(value))):
            inner = ", ".join(self._value(v) for v in value)
            if isinstance(value, list):
                return f"[{inner}]"
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        return self._text(value, level)[0]


def _wrapped(line: str) -> list[str]:
    """An assignment or a return in lines that are not too long, where that can be."""
    if len(line) <= _COLUMNS or "'" in line:  # not within a text
        return [line]
    start, word, expression = line.partition(" = " if " = " in line else "return ")
    wrapped = textwrap.wrap(
        expression,
        _COLUMNS,
        initial_indent=" " * 8,
        subsequent_indent=" " * 8,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [f"{start}{word}(", *wrapped, "    )"]


def _typed(value: Any, call: Call) -> Any:
    """`value`, of NumPy's dtype where Python's complex would take NumPy's scalars for its own."""
    return call.dtype.type(value) if type(value) is complex and not call.shape else value


def _signed(text: str) -> Text:
    return text, 14 if text.startswith("-") else _ATOM


def _shape(call: Call) -> str:
    if call.dtype == object:
        return ""  # several results
    shape = str(call.shape)
    return shape if call.dtype == np.float64 else f"{shape} {call.dtype}"


def _users_name(op: Op) -> str:
    name = getattr(op.function, "__qualname__", op.name)
    return name if name.isidentifier() else op.name


def _module_of(target: Any) -> str | None:
    """The module that `target` can be imported from under its name; None if there is none."""
    function = target.function if isinstance(target, Op) else target
    module = getattr(function, "__module__", None)
    if module is None and isinstance(function, np.ufunc):
        return "scipy.special"
    if module is None or module == "__main__":
        return None
    name = _users_name(target) if isinstance(target, Op) else target.__name__
    found = getattr(sys.modules.get(module), name, None)
    if module.startswith("scipy"):
        return ".".join(part for part in module.split(".") if not part.startswith("_"))
    return module if found is not None else None
