"""The command line: what it prints, how it exits, what it says of mistakes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autotensor.__main__ import main

ROOT = Path(__file__).resolve().parents[2]

MODULE = """\
import autotensor as at
import numpy as np

@at.custom_op(x=lambda g, x: g / (1 + np.exp(-x)))
def right(x):
    return np.logaddexp(x, 0.0)

@at.custom_op(x=lambda g, x: g)
def wrong(x):
    return np.logaddexp(x, 0.0)

class Space:
    @staticmethod
    def inner(x, y):
        return x * y

def edge(x):
    return np.log(x * 0)

def spread(x, *, axis):
    assert x.dtype == np.float32
    return np.sum(np.exp(x), axis=axis)

number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    (tmp_path / "ops_of_mine.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    (tmp_path / "needy.py").write_text("import not_there_at_all\n", encoding="utf-8")
    yield
    for name in ("ops_of_mine", "broken", "needy"):
        sys.modules.pop(name, None)


def gradcheck(*words):
    return main(["gradcheck", *words])


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["ops_of_mine:right", "--shape", "3,4", "--order", "2"], 0, "ok: right  (order 2"),
        (["ops_of_mine:right"], 0, "144 entries"),
        (["ops_of_mine:wrong", "--shape", "2"], 1, "FAILED: wrong "),
        (["ops_of_mine:edge", "--shape", "2"], 2, "INCONCLUSIVE: edge "),
        (["ops_of_mine:Space.inner"], 0, "288 entries"),
        (["ops_of_mine:spread", "--dtype", "float32", "--set", "axis=0"], 0, "float32, 48 entries"),
        (["numpy:matmul", "--shape", "3,4", "--shape", "4,2"], 0, "ok: matmul"),
        (["numpy:tanh", "--shape", "()"], 0, "1 entries"),
        (["numpy:tanh", "--shape", "(5,)", "--dtype", "complex128"], 0, "complex128"),
        (["numpy:linalg.norm", "--shape", "5"], 0, "ok: norm"),
        (["numpy:log", "--shape", "5", "--domain", "positive"], 0, "ok: log"),
        (["numpy:tanh", "--shape", "5", "--seed", "7"], 0, "seed 7"),
    ],
)
def test_the_exit_code_is_the_verdict(words, code, text, capsys):
    assert gradcheck(*words) == code
    assert text in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "the following arguments are required: package.module:op"),
        (["numpy"], "'numpy': write package.module:op, such as numpy:tanh"),
        (["nowhere.at_all:op"], "there is no module nowhere here; looked in "),
        (["numpy:tanhh"], "numpy has no tanhh; did you mean tanh?"),
        (["ops_of_mine:number"], "ops_of_mine:number is no function but int"),
        (["broken:op"], "importing broken raised ZeroDivisionError"),
        (["needy:op"], "needy needs the module not_there_at_all, which is not installed"),
        (["numpy:tanh", "--shape", "a"], "'a' is no shape; write 3,4 or () for a scalar"),
        (["numpy:tanh", "--shape=-2"], "'-2' is no shape"),
        (["numpy:tanh", "--domain", "negative"], "invalid choice: 'negative'"),
        (["numpy:tanh", "--dtype", "int64"], "--dtype int64 has no derivatives"),
        (["numpy:tanh", "--dtype", "real"], "--dtype real: no such dtype in NumPy"),
        (["numpy:tanh", "--set", "axis"], "--set axis: write NAME=VALUE"),
        (["numpy:tanh", "--low", "2", "--high", "1"], "--low 2 is not below --high 1"),
        (["numpy:tanh", "--low", "2", "--domain", "unit"], "--low and --high go without --domain"),
        (["numpy:tanh", "--domain", "spd", "--shape", "3,4"], "needs a square --shape"),
        (["numpy:tanh", "--domain", "simplex", "--shape", "()"], "needs a --shape with an axis"),
        (["numpy:add", "--domain", "unit", "--domain", "unit", "--shape", "2"], "2 times --domain"),
        (["numpy:tanh", "--order", "0"], "order must be 1 or more"),
        (["numpy:tanh", "--oder", "0"], "unrecognized arguments: --oder"),
        (["numpy:matmul", "--shape", "3,4", "--shape", "3,4"], "raised ValueError: matmul"),
    ],
)
def test_mistakes_are_named_and_exit_with_3(words, text, capsys):
    with pytest.raises(SystemExit) as stopped:
        gradcheck(*words)
    assert stopped.value.code == 3
    printed = capsys.readouterr()
    assert text in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def point(capsys):
    """The only input of the check, and the line that has it."""
    line = capsys.readouterr().out.rpartition("reproduce:  ")[2]
    return eval(re.search(r"\[(np.array\(.*?\))\]", line).group(1), {"np": np}), line


@pytest.mark.parametrize(
    ("words", "low", "high"),
    [
        (["--low", "2", "--high", "2.5"], 2, 2.5),
        (["--low", "7"], 7, 8),
        (["--high", "-7"], -8, -7),
        (["--low", "-5"], -5, 1),
    ],
)
def test_inputs_lie_between_their_bounds(words, low, high, capsys):
    gradcheck("ops_of_mine:wrong", "--shape", "40", *words)
    x, _ = point(capsys)
    assert low <= x.min() < low + (high - low) / 4
    assert high >= x.max() > high - (high - low) / 4


@pytest.mark.parametrize("domain", ["positive", "unit", "spd", "simplex", "orthogonal"])
def test_inputs_lie_in_their_domain(domain, capsys):
    gradcheck("ops_of_mine:wrong", "--domain", domain, "--shape", "3,3")
    x, line = point(capsys)
    inside = {
        "positive": lambda: np.all(x > 0),
        "unit": lambda: np.all((x > 0) & (x < 1)),
        "spd": lambda: np.all(np.linalg.eigvalsh(x) > 0) and np.allclose(x, x.T),
        "simplex": lambda: np.all(x > 0) and np.allclose(x.sum(-1), 1),
        "orthogonal": lambda: np.allclose(x @ x.T, np.eye(3)),
    }
    assert inside[domain]()
    assert f"domain=['{domain}']" in line


def test_help_has_examples_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as stopped:
        gradcheck("--help")
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "python -m autotensor gradcheck mypackage.ops:softplus --shape 3,4 --order 2" in text
    assert "exit status: 0 if all is well, 1 if a derivative is wrong, 2 if" in text


def test_the_help_of_the_tour_names_the_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m autotensor gradcheck --help" in capsys.readouterr().out


def test_as_a_user_would():
    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "autotensor", "gradcheck", *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    wrong, misspelt = run("ops_of_mine:wrong", "--shape", "2"), run("ops_of_mine:rong")
    assert (wrong.returncode, misspelt.returncode) == (1, 3)
    assert wrong.stdout.startswith("gradcheck FAILED: wrong")
    assert "ops_of_mine has no rong; did you mean wrong?" in misspelt.stderr
