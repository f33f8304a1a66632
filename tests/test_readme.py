"""The README is true: its examples run, and what is generated in it is up to date.

``python -m tests.test_readme`` writes the list, and the table of conventions, anew.
"""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

import autotensor as at
from tests import kinks, rules

README = Path(__file__).resolve().parents[1] / "README.md"


def between(name):
    """What is between the markers of that name, and the markers."""
    return re.compile(rf"(<!-- {name}: [^>]*-->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)


def op_list():
    """The names of what has a derivative, by where they are found."""
    names: dict[str, list[str]] = {"NumPy": [], "`np.linalg`": [], "`at.nn`": []}
    for _, entry in rules.entries():
        function = entry.function
        name = next((n for n, f in vars(np).items() if f is function), None)
        if name is not None:
            names["NumPy"].append(entry.name if vars(np).get(entry.name) is function else name)
        elif vars(np.linalg).get(entry.name) is function:
            names["`np.linalg`"].append(entry.name)
        elif entry.name in at.nn.__all__:
            names["`at.nn`"].append(entry.name)
    lines = [
        f"- {where}: {' '.join(f'`{n}`' for n in sorted(found))}" for where, found in names.items()
    ]
    return (
        "\n".join([*lines, "- Indexing and slicing of every kind: basic, integer, boolean"]) + "\n"
    )


GENERATED = {"ops": op_list, "kinks": kinks.table}


@pytest.mark.parametrize("name", GENERATED)
def test_what_is_generated_is_up_to_date(name):
    assert between(name).search(README.read_text()).group(2) == GENERATED[name]()


def test_the_examples_run():
    failures, tried = doctest.testfile(str(README), module_relative=False)
    assert tried > 10
    assert failures == 0


if __name__ == "__main__":
    text = README.read_text()
    for name, generate in GENERATED.items():
        new = generate()
        text = between(name).sub(lambda m, new=new: m.group(1) + new + m.group(3), text)
    README.write_text(text)
