"""The shape of the project: which way imports point, how long files are, what an import loads.

The rules are small functions over the source text, so that the second half of each group of tests
can hold them to packages that break the rule.
"""

import ast
import graphlib
import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "autotensor"
MAX_LINES = 400

# A room may import the rooms of the rows above its own, and itself; those that stand in one row do
# not see each other. The package's own __init__ sees everything but the tour.
LAYERS = (
    {"errors"},
    {"engine"},
    {"ops"},
    {"array", "naming"},
    {"traced"},
    {"anomaly", "gradients", "results", "storage"},
    {"dispatch"},
    {"writing"},
    {"creation", "operators"},
    {"replay", "transforms"},
    {"compat", "recompute"},
    {"checking", "drawing", "nn", "optim"},
    {"__init__"},
    {"__main__"},
)
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}

# The modules that users reach as names of the package; what the others hold, it shows by itself.
SHOWN = {"compat", "nn", "optim"}

# What importing autotensor must not load: optional packages, test libraries, what only drawing
# uses, and a costly part of NumPy that NumPy itself loads on use.
HEAVY = {"graphviz", "hypothesis", "matplotlib", "numpy.random", "pytest", "scipy", "tqdm"}


# The rules.


def sources(package: Path) -> dict[str, Path]:
    """Dotted name, relative to the package, of every module ("__init__" for the package itself)."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) > 1:
            parts = parts[:-1]
        names[".".join(parts)] = path
    return names


def imports(package: Path, *, for_types: bool = True) -> dict[str, set[str]]:
    """The modules of the package that each of its modules names in an import, wherever it stands.

    Imports in functions count too, and those under TYPE_CHECKING unless ``for_types`` is False.
    ``from .a import b`` is an import of the module ``a.b`` where there is one, else of ``a``.
    """
    modules = sources(package)
    return {
        name: {
            module
            for target in _targets(path, package, for_types)
            if (module := _resolve(target, modules)) is not None and module != name
        }
        for name, path in modules.items()
    }


def _targets(path: Path, package: Path, for_types: bool) -> Iterator[str]:
    """Absolute dotted names that the imports of one file name, in this package or elsewhere."""
    here = (package.name, *path.relative_to(package).parent.parts)
    statements = deque([ast.parse(path.read_text(encoding="utf-8"))])
    while statements:
        statement = statements.popleft()
        if for_types or not _is_type_checking(statement):
            statements.extend(ast.iter_child_nodes(statement))
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            level = statement.level
            base = here[: len(here) - level + 1] if level else ()
            stem = ".".join((*base, statement.module) if statement.module else base)
            yield from (f"{stem}.{alias.name}" for alias in statement.names)


def _is_type_checking(statement: ast.AST) -> bool:
    """Whether this is ``if TYPE_CHECKING:``."""
    return isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING")


def _resolve(target: str, modules: dict[str, Path]) -> str | None:
    """Turn an absolute dotted name into a module of this package, or None for one of another."""
    package, *parts = target.split(".")
    if package != PACKAGE.name:
        return None
    while parts and ".".join(parts) not in modules:
        parts.pop()
    return ".".join(parts) or "__init__"


def wrong_way(graph: dict[str, set[str]]) -> list[str]:
    """The imports that point up a layer or across one."""
    found = []
    for module, targets in graph.items():
        room = module.partition(".")[0]
        for target in sorted(targets):
            other = target.partition(".")[0]
            if room != other and RANK[other] >= RANK[room]:
                found.append(f"{module} imports {target}")
    return found


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """A cycle of imports, or an empty list."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def too_long(package: Path) -> list[str]:
    """The files with more lines than a reader takes in."""
    lengths = {
        path.relative_to(package).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in package.rglob("*.py")
    }
    return [f"{name}: {lines}" for name, lines in lengths.items() if lines > MAX_LINES]


# Held to autotensor.


def test_every_room_has_its_place_in_the_layers() -> None:
    assert {name.partition(".")[0] for name in sources(PACKAGE)} - set(RANK) == set()


def test_imports_point_one_way() -> None:
    assert wrong_way(imports(PACKAGE)) == []


def test_imports_form_no_cycle() -> None:
    # Two modules of a room may name each other's types: such an import never runs.
    assert cycle(imports(PACKAGE, for_types=False)) == []


def test_files_stay_short() -> None:
    assert too_long(PACKAGE) == []


def test_the_map_names_every_module_of_the_package_and_of_the_engine() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawn = text.partition("## The map")[2].partition("## ")[0]
    engine, rest = drawn.partition("engine/")[2].partition("\n      ops/")[::2]
    own = drawn.partition("engine/")[0] + rest
    for part, folder in ((engine, PACKAGE / "engine"), (own, PACKAGE)):
        files = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
        assert set(re.findall(r"^ +(\w+\.py) ", part, re.MULTILINE)) == files


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").exists()


def fresh_interpreter(code: str) -> object:
    """What the code prints as JSON in an interpreter of its own, where any warning is an error."""
    search_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": search_path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_importing_autotensor_stays_light() -> None:
    code = """
import json, sys
import numpy
before = set(sys.modules)
import autotensor
print(json.dumps([*set(sys.modules).difference(before)]))
"""
    loaded = fresh_interpreter(code)
    assert "autotensor" in loaded
    assert HEAVY & set(loaded) == set()


def test_public_names_are_the_names_in_all() -> None:
    # In a fresh interpreter: another test may have imported a module of the package, and a module
    # that was imported becomes a name of its package.
    code = """
import autotensor, json, types
for name in autotensor.__all__:
    getattr(autotensor, name)  # names that are made on use count too
visible = {name: value for name, value in vars(autotensor).items() if not name.startswith("_")}
modules = [name for name, value in visible.items() if isinstance(value, types.ModuleType)]
print(json.dumps([autotensor.__all__, [*visible], modules]))
"""
    listed, visible, modules = fresh_interpreter(code)
    assert len(listed) == len(set(listed))
    assert set(visible) - set(modules) - set(listed) == set()
    assert set(modules) & set(listed) == SHOWN


# Held to packages that break them.


def make_package(folder: Path, files: dict[str, str]) -> Path:
    """Write a package named like ours with these files (and the __init__ files they need)."""
    package = folder / PACKAGE.name
    for name, text in {"__init__.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        (path.parent / "__init__.py").touch()
    return package


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("engine/graph.py", "from autotensor.array import Tensor", "engine.graph imports array"),
        ("engine/graph.py", "import autotensor.ops", "engine.graph imports ops"),
        ("engine/graph.py", "from .. import array", "engine.graph imports array"),
        ("engine/graph.py", "from ..array import Tensor", "engine.graph imports array"),
        ("engine/graph.py", "import autotensor", "engine.graph imports __init__"),
        ("engine/graph.py", "from autotensor import zeros", "engine.graph imports __init__"),
        ("errors.py", "from autotensor.engine import graph", "errors imports engine"),
        ("ops/shape.py", "def f():\n    import autotensor.nn", "ops.shape imports nn"),
        ("nn/layers.py", "from autotensor.optim import SGD", "nn.layers imports optim"),
        ("array.py", "if TYPE_CHECKING:\n    from .nn import Dense", "array imports nn"),
        ("__init__.py", "from autotensor import __main__", "__init__ imports __main__"),
    ],
)
def test_an_import_the_wrong_way_is_seen(
    tmp_path: Path, file: str, text: str, complaint: str
) -> None:
    rooms = ("array.py", "__main__.py", "engine/", "ops/", "nn/", "optim/")
    empty = {room + "__init__.py" if room.endswith("/") else room: "" for room in rooms}
    package = make_package(tmp_path, {**empty, file: text})
    assert wrong_way(imports(package)) == [complaint]


def test_imports_the_right_way_are_let_through(tmp_path: Path) -> None:
    package = make_package(
        tmp_path,
        {
            "__init__.py": "from autotensor.array import Tensor\nfrom autotensor import nn",
            "array.py": "import numpy\nfrom autotensor.engine.graph import Node",
            "engine/graph.py": "import autotensor.engine.shapes",
            "engine/shapes.py": "from collections import abc",
            "nn/layers.py": "from ..array import Tensor",
            "__main__.py": "import autotensor as at",
        },
    )
    assert wrong_way(imports(package)) == []
    assert cycle(imports(package)) == []
    assert imports(package)["engine.graph"] == {"engine.shapes"}


def test_a_cycle_is_seen(tmp_path: Path) -> None:
    files = {
        "engine/graph.py": "def later():\n    from .reverse import walk",
        "engine/reverse.py": "from autotensor.engine import graph",
    }
    found = cycle(imports(make_package(tmp_path, files), for_types=False))
    assert set(found) == {"engine.graph", "engine.reverse"}


def test_an_import_for_types_makes_no_cycle(tmp_path: Path) -> None:
    files = {
        "engine/graph.py": "if TYPE_CHECKING:\n    from .reverse import Walk",
        "engine/reverse.py": "from autotensor.engine import graph",
    }
    assert cycle(imports(make_package(tmp_path, files), for_types=False)) == []


def test_a_long_file_is_seen(tmp_path: Path) -> None:
    files = {"array.py": "x = 1\n" * (MAX_LINES + 1), "errors.py": "x = 1\n" * MAX_LINES}
    assert too_long(make_package(tmp_path, files)) == [f"array.py: {MAX_LINES + 1}"]
