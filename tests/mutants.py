"""Rules with one small mistake each, made by machine from the source of the declarations.

A *part* is a piece of source that belongs to rules: the lambda for one argument, a composite, or a
function that either of them calls. A *mutant* is a part with one expression replaced. To install
one, the declarations of its module are run again in a copy of its namespace, into a rule table of
their own, and what the entries there hold takes the place of what the live entries hold.
"""

import ast
import collections
import contextlib
import dataclasses
import functools
import importlib
import inspect
import itertools
from unittest import mock

from autotensor.engine import primitive

DECLARATORS = {"elementwise", "selection", "linear", "rule"}

TERMS = (ast.Add, ast.Sub)
FACTORS = (ast.Mult, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv)
ORDERED = (ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv, ast.Mod)
COMMUTATIVE = ("np.hypot", "np.maximum", "np.minimum", "np.multiply", "max", "min")
OTHER_SIGN = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
OTHER_TEST = {
    ast.Lt: (ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
# Results whose sign is not flipped: it means nothing there, or is dropped as a minus anyway.
UNSIGNED = (ast.Compare, ast.BoolOp, ast.Tuple, ast.JoinedStr, ast.UnaryOp)


@dataclasses.dataclass(frozen=True)
class Part:
    """Source that belongs to the rules of `functions`, which are keys of the rule table."""

    name: str
    source: ast.AST
    declarations: "Declarations"
    functions: tuple

    def mutants(self):
        """All mutants of the part, by name."""
        found, times = {}, collections.Counter()
        for parent, field, key, old in _sites(self.source):
            variants = {_text(new): new for new in (*_variants(old), *_in(parent, field, old))}
            for text, new in variants.items():
                name = f"{self.name}: {_text(old)} -> {text}"
                times[name] += 1
                name += f" ({times[name]})" if times[name] > 1 else ""
                found[name] = Mutant(self, parent, field, key, old, new)
        return found


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A part in which `new` stands in the place of `old`: item `key` of the `field` of `parent`."""

    part: Part
    parent: ast.AST
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
        """Within, the live rule table has the mistake in it."""
        try:
            self._put(self.new)
            table, _ = self.part.declarations.run()
        finally:
            self._put(self.old)
        with contextlib.ExitStack() as undo:
            for function, entry in table.items():
                undo.enter_context(mock.patch.dict(vars(primitive.TABLE[function]), vars(entry)))
            yield

    def _put(self, node):
        if self.key is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.key] = node


class Declarations:
    """The statements of a module that declare ops, and those that define what the rules call."""

    def __init__(self, module):
        self.module = module
        body = ast.parse(inspect.getsource(module)).body
        self.defined = {name: statement for statement in body for name in _defines(statement)}
        reached = {s: self._reached(s) for s in body if _declarators(s) or _is_composite(s)}
        self.statements = [s for s in body if any(s in below for below in reached.values())]
        _, self.origins = self.run()
        self.functions = {
            s: tuple(f for f, origin in self.origins.items() if s in reached[origin])
            for s in self.statements
        }

    def _reached(self, statement):
        """`statement`, and what defines the functions that its rules call, directly or not."""
        found, pending = [], [statement]
        while pending:
            s = pending.pop()
            if s not in found:
                found.append(s)
                pending += [self.defined[name] for name in _names(s) if name in self.defined]
        return found

    def run(self):
        """The rule table that the statements make, and for each of its keys the statement."""
        namespace, origins = dict(vars(self.module)), {}
        with mock.patch.object(primitive, "TABLE", {}) as table:
            for statement in self.statements:
                tree = ast.fix_missing_locations(ast.Module([statement], []))
                exec(compile(tree, self.module.__file__, "exec"), namespace)
                origins |= {function: statement for function in table if function not in origins}
        return table, origins

    def parts(self):
        for statement in self.statements:
            declared = [f for f, origin in self.origins.items() if origin is statement]
            for name, source in _sources(statement, declared):
                yield Part(name, source, self, self.functions[statement])


@functools.cache
def parts():
    """All parts of the rules of autotensor."""
    rules = [r for entry in primitive.TABLE.values() for r in rules_of(entry)]
    names = sorted({r.__module__ for r in rules if r.__module__.startswith("autotensor.")})
    modules = [importlib.import_module(name) for name in names]
    return [part for module in modules for part in Declarations(module).parts()]


def rules_of(entry):
    """The rules of an entry of the table: those of an op, or the function of a composite."""
    match entry:
        case primitive.Op():
            return entry.rules.values()
        case primitive.Composite():
            return [entry.run]
    return []


def _declarators(statement):
    """The calls of declarators in a statement of a module."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return []
    calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return [c for c in calls if isinstance(c.func, ast.Name) and c.func.id in DECLARATORS]


def _is_composite(statement):
    decorators = getattr(statement, "decorator_list", ())
    return any(ast.unparse(d).startswith("composite(") for d in decorators)


def _defines(statement):
    """The names that a statement gives to a function, a class or an op."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, ast.Assign) and _declarators(statement):
        return [target.id for target in statement.targets]
    return []


def _names(statement):
    """The names that the rules in a statement use: not those of the function declared."""
    calls = _declarators(statement)
    sources = [a for c in calls for a in (*c.args[1:], *(k.value for k in _keywords(c)))]
    nodes = [node for source in sources or [statement] for node in ast.walk(source)]
    return sorted({node.id for node in nodes if isinstance(node, ast.Name)})


def _keywords(call):
    """The keywords of a declaration, but for the functions that the one declared is made of."""
    return [k for k in call.keywords if k.arg not in ("compute", "source")]


def _sources(statement, declared):
    """``(name, source)`` of each part in a statement that declares the functions given."""
    if isinstance(statement, ast.FunctionDef):
        yield statement.name, statement
    elif isinstance(statement, ast.ClassDef):
        methods = [s for s in statement.body if isinstance(s, ast.FunctionDef)]
        yield from ((f"{statement.name}.{method.name}", method) for method in methods)
    for call in _declarators(statement):
        entries = [primitive.TABLE[function] for function in declared]
        rules = dict(zip(entries[0].params, call.args[1:], strict=False))
        for keyword in _keywords(call):
            rules[keyword.arg] = keyword.value
            if keyword.arg == "jvps":
                forward = zip(keyword.value.keys, keyword.value.values, strict=True)
                rules |= {f"{key.value}-jvp": value for key, value in forward}
        for argument, source in rules.items():
            if isinstance(source, ast.Lambda):
                yield f"{'/'.join(entry.name for entry in entries)}-{argument}", source


def _sites(parent):
    """All nodes below `parent`, each with where it stands.

    Decorators are no part of a rule, and ``keepdims=True`` is dropped as a whole or not at all.
    """
    for field, value in ast.iter_fields(parent):
        constant_keyword = isinstance(parent, ast.keyword) and isinstance(value, ast.Constant)
        if field == "decorator_list" or constant_keyword:
            continue
        for key, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield parent, field, key, child
                yield from _sites(child)


def _variants(node):
    """What may stand in the place of `node` by mistake."""
    match node:
        case ast.BinOp(a, op, b):
            if isinstance(op, TERMS + FACTORS):
                yield from (a, b)
            if isinstance(op, ORDERED):
                yield ast.BinOp(b, op, a)
            if type(op) in OTHER_SIGN:
                yield ast.BinOp(a, OTHER_SIGN[type(op)](), b)
        case ast.AugAssign(target, _, value):
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
        case ast.Call():
            yield from _calls(node)


def _calls(call):
    """A call with two arguments swapped, without a keyword, or left out altogether."""
    function, args, keywords = call.func, call.args, call.keywords
    name = ast.unparse(function)
    for i, (a, b) in enumerate(itertools.pairwise(args)):
        if name not in COMMUTATIVE and not isinstance(b, ast.Starred):
            yield ast.Call(function, [*args[:i], b, a, *args[i + 2 :]], keywords)
    for k in keywords:
        if k.arg != "strict":  # it checks, it does not compute
            yield ast.Call(function, args, [other for other in keywords if other is not k])
    if isinstance(function, ast.Attribute) and not name.startswith(("np.", "math.")):
        yield function.value
    elif args and not isinstance(args[0], ast.Starred):
        yield args[0]


def _in(parent, field, node):
    """What may stand in the place of `node` because of where that is."""
    is_result = isinstance(parent, ast.Lambda | ast.Return) and isinstance(node, ast.expr)
    if is_result and not isinstance(node, UNSIGNED) and not _text(node).startswith("all("):
        yield ast.UnaryOp(ast.USub(), node)
    if field in ("test", "ifs") and not isinstance(node, ast.Compare | ast.UnaryOp):
        yield ast.UnaryOp(ast.Not(), node)


def _text(node):
    return " ".join(ast.unparse(node).split())
