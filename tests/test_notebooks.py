"""The notebooks run from top to bottom, and use nothing but public names."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import autotensor as at

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def images(notebook):
    """How many PNG images the outputs hold, by cell."""
    return [
        sum("image/png" in output.get("data", {}) for output in cell.outputs)
        for cell in code_cells(notebook)
    ]


def test_there_are_notebooks():
    assert NOTEBOOKS


@each_notebook
def test_it_runs_and_plots_what_is_committed(path, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(at.__file__).parents[1]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))  # no start-up files of whoever runs the tests
    monkeypatch.delenv("MPLBACKEND", raising=False)
    committed = read(path)
    ran = NotebookClient(read(path), timeout=120).execute()
    assert images(ran) == images(committed)
    assert sum(images(ran)) > 0
    streams = [
        output.name for cell in code_cells(ran) for output in cell.outputs if "name" in output
    ]
    assert "stderr" not in streams


@each_notebook
def test_it_uses_public_names_only(path):
    for cell in code_cells(read(path)):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                assert all(not alias.name.startswith("autotensor.") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("autotensor")
            elif isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_"), node.attr
                if isinstance(node.value, ast.Name) and node.value.id == "at":
                    assert node.attr in at.__all__, node.attr


@each_notebook
def test_it_is_committed_with_light_outputs(path):
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert path.stat().st_size < 250_000
