"""Rules with one small mistake each, made by machine from the source of the declarations.

A *part* is a piece of source that belongs to rules: the lambda for one argument, a composite, or a
function that either of them calls. A *mutant* is a part with one expression replaced. To install
one, the declarations of its file are run again in a copy of the module's namespace, into a rule
table of their own; what comes out takes the place of what the live entries hold.
"""

import ast
import collections
import contextlib
import dataclasses
import functools
import importlib
import inspect
from unittest import mock

from autotensor.engine import primitive

DECLARATORS = {"elementwise", "selection", "linear", "rule"}
MODULES = ("elementwise", "activation", "reduction", "shape", "indexing", "linalg", "einsum")
FILES = (*(f"autotensor.ops.{name}" for name in MODULES), "autotensor.transforms")

FACTORS = (ast.Mult, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv)
ORDERED = (ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv, ast.Mod)
OTHER_SIGN = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
OTHER_TEST = {
    ast.Lt: [ast.GtE, ast.LtE],
    ast.LtE: [ast.Gt, ast.Lt],
    ast.Gt: [ast.LtE, ast.GtE],
    ast.GtE: [ast.Lt, ast.Gt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
# What no minus sign can stand before: flipping the sign of these is no mistake anyone makes.
UNSIGNED = (ast.Compare, ast.BoolOp, ast.Tuple, ast.List, ast.JoinedStr, ast.UnaryOp)


@dataclasses.dataclass(frozen=True)
class Part:
    """Source that belongs to the rules of `functions`, the keys of the rule table."""

    file: "File"
    name: str
    source: ast.AST
    functions: tuple


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A part in which `new` stands in the place of `old`: item `key` of the `field` of `holder`."""

    part: Part
    holder: ast.AST
    field: str
    key: int | None
    old: ast.AST
    new: ast.AST

    @property
    def entries(self):
        """The entries of the table that the mistake gets into."""
        return [primitive.TABLE[function] for function in self.part.functions]

    @contextlib.contextmanager
    def installed(self):
        """The live rule table with the mistake in it."""
        with contextlib.ExitStack() as undo:
            try:
                self._put(self.new)
                mutated = self.part.file.declare()
            finally:
                self._put(self.old)
            for function, entry in mutated.items():
                undo.enter_context(mock.patch.dict(vars(primitive.TABLE[function]), vars(entry)))
            yield

    def _put(self, node):
        if self.key is None:
            setattr(self.holder, self.field, node)
        else:
            getattr(self.holder, self.field)[self.key] = node


class File:
    """The declarations of one module, and the functions and classes that their rules use."""

    def __init__(self, module):
        self.module = importlib.import_module(module)
        tree = ast.parse(inspect.getsource(self.module))
        self.uses = {}  # of each statement, the statements that define what its rules use
        self.statements = []
        defined = {name: statement for statement in tree.body for name in _defines(statement)}
        pending = [s for s in tree.body if _declarations(s) or _is_composite(s)]
        while pending:
            statement = pending.pop()
            names = _names(statement)
            self.uses[statement] = [defined[n] for n in sorted(names) if n in defined]
            pending += [s for s in self.uses[statement] if s not in self.uses]
        self.statements = [s for s in tree.body if s in self.uses]
        self.declared = self._declared()
        self.owners = {statement: [] for statement in self.statements}
        for function, statement in self.declared.items():
            for reached in self._below(statement):
                self.owners[reached].append(function)

    def _below(self, statement):
        """`statement` and all that it uses, directly or not."""
        found, pending = [], [statement]
        while pending:
            s = pending.pop()
            if s not in found:
                found.append(s)
                pending += self.uses[s]
        return found

    def _declared(self):
        """For each function that the file declares, the statement that does it."""
        found = {}
        namespace = dict(vars(self.module))
        with mock.patch.object(primitive, "TABLE", {}) as table:
            for statement in self.statements:
                self._run([statement], namespace)
                found |= {function: statement for function in table if function not in found}
        return found

    def declare(self):
        """A rule table with what the file declares, from its source as it is now."""
        with mock.patch.object(primitive, "TABLE", {}) as table:
            self._run(self.statements, dict(vars(self.module)))
        return table

    def _run(self, statements, namespace):
        tree = ast.fix_missing_locations(ast.Module(list(statements), []))
        exec(compile(tree, self.module.__file__, "exec"), namespace)

    def parts(self):
        for statement in self.statements:
            functions = tuple(self.owners[statement])
            declared = [f for f, by in self.declared.items() if by is statement]
            for name, source in _parts(statement, declared):
                yield Part(self, name, source, functions)


def _declarations(statement):
    """The calls of declarators in a statement of a module."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return []
    calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return [c for c in calls if isinstance(c.func, ast.Name) and c.func.id in DECLARATORS]


def _is_composite(statement):
    return any("composite" in ast.unparse(d) for d in getattr(statement, "decorator_list", ()))


def _defines(statement):
    """The names that a statement gives to a function, a class or an op."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, ast.Assign) and _declarations(statement):
        return [target.id for target in statement.targets]
    return []


def _names(statement):
    """The names that the rules in a statement use: all but the function that is declared."""
    calls = _declarations(statement)
    sources = [a for c in calls for a in (*c.args[1:], *(k.value for k in c.keywords))]
    nodes = [node for source in sources or [statement] for node in ast.walk(source)]
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def _parts(statement, declared):
    """``(name, source)`` of each part in a statement that declares the functions given."""
    if isinstance(statement, ast.FunctionDef):
        yield statement.name, statement
    elif isinstance(statement, ast.ClassDef):
        for method in statement.body:
            if isinstance(method, ast.FunctionDef):
                yield f"{statement.name}.{method.name}", method
    for call in _declarations(statement):
        entries = [primitive.TABLE[function] for function in declared]
        name = "/".join(entry.name for entry in entries)
        params = entries[0].params
        rules = dict(zip(params, call.args[1:], strict=False))
        for keyword in call.keywords:
            if keyword.arg == "jvps":
                keys = [key.value for key in keyword.value.keys]
                rules |= {f"{k}-jvp": v for k, v in zip(keys, keyword.value.values, strict=True)}
            rules[keyword.arg] = keyword.value
        for argument, source in rules.items():
            if isinstance(source, ast.Lambda):
                yield f"{name}-{argument}", source


def _sites(parent):
    """All nodes below `parent`, each with where it stands."""
    for field, value in ast.iter_fields(parent):
        if field == "decorator_list":
            continue
        for key, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield parent, field, key, child
                yield from _sites(child)


def _variants(node):
    """What may stand in the place of `node` by mistake."""
    match node:
        case ast.BinOp(a, op, b):
            if isinstance(op, FACTORS):
                yield from (a, b)
            if isinstance(op, ORDERED):
                yield ast.BinOp(b, op, a)
            if type(op) in OTHER_SIGN:
                yield ast.BinOp(a, OTHER_SIGN[type(op)](), b)
        case ast.AugAssign(target, ast.Add() | ast.Mult(), value):
            yield ast.Assign([target], value, lineno=node.lineno)
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.Compare(a, [op], [b]):
            yield from (ast.Compare(a, [other()], [b]) for other in OTHER_TEST[type(op)])
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() | complex() as value):
            yield ast.Constant(value + 1)
        case ast.Attribute(value, "real" | "mT"):
            yield value
        case ast.Call(function, args, keywords):
            yield from _calls(function, args, keywords)


def _calls(function, args, keywords):
    """A call with two arguments swapped, without a keyword, or left out altogether."""
    for i, (a, b) in enumerate(zip(args, args[1:], strict=False)):
        if not isinstance(a, ast.Starred) and not isinstance(b, ast.Starred):
            yield ast.Call(function, [*args[:i], b, a, *args[i + 2 :]], keywords)
    for k in keywords:
        yield ast.Call(function, args, [other for other in keywords if other is not k])
    if isinstance(function, ast.Attribute) and ast.unparse(function.value) not in ("np", "math"):
        yield function.value
    elif args and not isinstance(args[0], ast.Starred):
        yield args[0]


def _variants_here(parent, field, node):
    """What may stand in the place of `node` because of where it stands."""
    if field == "value" and isinstance(parent, ast.Return) or isinstance(parent, ast.Lambda):
        if isinstance(node, ast.expr) and not isinstance(node, UNSIGNED):
            yield ast.UnaryOp(ast.USub(), node)
    if field in ("test", "ifs") and not isinstance(node, (ast.Compare, ast.UnaryOp)):
        yield ast.UnaryOp(ast.Not(), node)


def _text(node):
    return " ".join(ast.unparse(node).split())


@functools.cache
def mutants():
    """All mutants, those of equal text once."""
    found, times = {}, collections.Counter()
    for file in map(File, FILES):
        for part in file.parts():
            for parent, field, key, node in _sites(part.source):
                variants = (*_variants(node), *_variants_here(parent, field, node))
                for text, new in {_text(new): new for new in variants}.items():
                    name = f"{part.name}: {_text(node)} -> {text}"
                    times[name] += 1
                    name += f" ({times[name]})" if times[name] > 1 else ""
                    found[name] = Mutant(part, parent, field, key, node, new)
    return found
