"""The tour: it reaches its marks, draws its pictures, and runs without its extra."""

import re
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from autotensor.__main__ import main, softplus

PNG = b"\x89PNG\r\n\x1a\n"
NUMBER = r"(\d\.\d+e[+-]\d+)"


def hide(monkeypatch, *names):
    """Make modules look as if they were not installed."""
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture(scope="module")
def full_tour(tmp_path_factory):
    """What a user gets who types the command: its output and its folder."""
    folder = tmp_path_factory.mktemp("tour")
    command = [sys.executable, "-m", "autotensor"]
    run = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return run.stdout, folder / "autotensor-tour"


def parts(text):
    """The text of each numbered part."""
    return dict(re.findall(r"\n(\d)\. .*\n-+\n((?:.|\n)*?)(?=\n\d\. |\Z)", text))


def test_sgd_lowers_the_loss_a_thousandfold(full_tour):
    last, first = re.search(f"loss +{NUMBER}, from {NUMBER}", parts(full_tour[0])["1"]).groups()
    assert float(first) > 1000 * float(last)


def test_adam_finds_the_weights(full_tour):
    w_error, b_error = re.search(
        f"at most +{NUMBER} in w, {NUMBER} in b", parts(full_tour[0])["2"]
    ).groups()
    assert float(w_error) < 1e-2
    assert float(b_error) < 1e-2


@pytest.mark.parametrize("part", ["1", "2"])
def test_a_loss_every_hundred_steps_and_the_end(full_tour, part):
    text = parts(full_tour[0])[part]
    rows = re.findall(r"^ +([\d,]+)((?:  ?\d\.\de[+-]\d+)+)$", text, re.MULTILINE)
    assert [row[0] for row in rows] == ["0", *(f"{k},000" for k in range(1, 10))]
    assert all(len(row[1].split()) == 10 for row in rows)
    for name in ("loss", "lr", "w", "b", r"\|w - w_real\|", r"\|b - b_real\|"):
        assert re.search(rf"^  {name}  +[\[\d]", text, re.MULTILINE), name
    assert "10000/10000" in text  # the progress bar, with the loss
    assert re.search(r"steps/s, loss \d\.\d+e", text)


def test_both_gradient_checks_are_ok(full_tour):
    assert len(re.findall("gradcheck ok: (?:model|softplus)", parts(full_tour[0])["3"])) == 2


def test_the_graph_is_shown_and_saved(full_tour):
    text, folder = full_tour
    assert all(word in parts(text)["4"] for word in ("loss", "relu", "inner(x, w)", "- y"))
    labels = {e.text for e in ET.parse(folder / "graph.svg").iter() if e.tag.endswith("text")}
    assert {"w", "b", "x", "y", "relu"} <= labels
    page = (folder / "graph.html").read_text(encoding="utf-8")
    assert '"title":"grad of w' in page


def test_the_gradient_is_printed_as_numpy_that_runs(full_tour):
    source = parts(full_tour[0])["4"].split("Its gradient as NumPy:\n")[1].split("The graph")[0]
    assert len(source.strip().split("\n")) <= 15
    space = {}
    exec(textwrap.dedent(source), space)
    x, y = np.ones((512, 10)), np.zeros((512, 2))
    loss, d_w, d_b = space["value_and_grad"](np.ones((2, 10)), np.zeros(2), x, y)
    assert (loss, d_w.tolist(), d_b.tolist()) == (100.0, [[10.0] * 10] * 2, [10.0] * 2)


def test_the_curves_are_saved(full_tour):
    assert (full_tour[1] / "loss.png").read_bytes().startswith(PNG)


def test_a_seed_gives_the_same_numbers_again(tmp_path, capsys):
    def losses(seed):
        assert main(["--steps", "20", "--seed", seed, "--out", str(tmp_path)]) == 0
        return re.findall("loss  .*", capsys.readouterr().out)

    assert losses("1") == losses("1") != losses("2")


def test_the_shortest_tour(tmp_path, capsys):
    assert main(["--steps", "1", "--out", str(tmp_path / "deep" / "folder")]) == 0
    assert (tmp_path / "deep" / "folder" / "loss.png").exists()
    assert "1/1" in capsys.readouterr().out


def test_without_the_extra_it_says_so_and_runs(tmp_path, capsys, monkeypatch):
    hide(monkeypatch, "tqdm", "matplotlib", "matplotlib.figure")
    assert main(["--steps", "150", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "tqdm is not installed" in text
    assert "matplotlib is not installed" in text
    assert text.count("pip install 'autotensor[tour]'") == 2
    assert "steps/s" not in text
    assert re.search(r"^ +0  \d\.\de-\d+ \d\.\de-\d+$", text, re.MULTILINE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "graph.html",
        "graph.svg",
    ]


def test_the_text_needs_no_unicode_terminal(tmp_path, capsys, monkeypatch):
    hide(monkeypatch, "tqdm", "matplotlib", "matplotlib.figure")
    main(["--steps", "1", "--out", str(tmp_path)])
    before_graph = capsys.readouterr().out.split("4. Draw")[0]
    assert before_graph.isascii()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--steps", "0", "--steps must be at least 1, got 0"),
        ("--seed", "-1", "--seed must be at least 0, got -1"),
        ("--out", __file__, "--out: "),
    ],
)
def test_bad_options_are_named(option, value, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main([option, value])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_softplus_does_not_overflow():
    assert softplus(1000.0) == 1000.0
