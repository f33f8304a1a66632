"""The README is true: its examples run, and its list of ops is the table's.

``python -m tests.test_readme`` writes the list anew.
"""

import doctest
import re
from pathlib import Path

import numpy as np

import autotensor as at
from tests import rules

README = Path(__file__).resolve().parents[1] / "README.md"
BETWEEN = re.compile(r"(<!-- ops: [^>]*-->\n)(.*?)(<!-- /ops -->)", re.DOTALL)


def op_list():
    """The names of what has a derivative, by where they are found."""
    names: dict[str, list[str]] = {"NumPy": [], "`at.nn`": []}
    for _, entry in rules.entries():
        function = entry.function
        name = next((n for n, f in vars(np).items() if f is function), None)
        if name is not None:
            names["NumPy"].append(entry.name if vars(np).get(entry.name) is function else name)
        elif vars(at.nn).get(entry.name) is entry:
            names["`at.nn`"].append(entry.name)
    lines = [
        f"- {where}: {' '.join(f'`{n}`' for n in sorted(found))}" for where, found in names.items()
    ]
    return (
        "\n".join([*lines, "- Indexing and slicing of every kind: basic, integer, boolean"]) + "\n"
    )


def test_the_list_of_ops_is_that_of_the_table():
    assert BETWEEN.search(README.read_text()).group(2) == op_list()


def test_the_examples_run():
    failures, tried = doctest.testfile(str(README), module_relative=False)
    assert tried > 10
    assert failures == 0


if __name__ == "__main__":
    text = README.read_text()
    README.write_text(BETWEEN.sub(lambda m: m.group(1) + op_list() + m.group(3), text))
