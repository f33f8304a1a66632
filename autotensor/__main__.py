"""The tour: train, check, draw. ``python -m autotensor`` runs it, and so does ``make demo``.

``python -m autotensor gradcheck`` is a command of its own, in `autotensor.checking.command`.

It uses autotensor as anybody would, through its public names only. tqdm and matplotlib (the extra
``tour``) make it prettier; it runs without them.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

import numpy as np
from numpy.typing import NDArray

import autotensor as at
from autotensor.checking.command import main as gradcheck_command

INPUTS, OUTPUTS, BATCH = 10, 2, 512
EVERY, PER_LINE = 100, 10  # a loss is shown every so many steps, so many to a line
INSTALL = "pip install 'autotensor[tour]'"


class Exercise:
    """Find a linear map from examples: 512 fresh points a step, labelled by the map sought."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.w_real = rng.uniform(size=(OUTPUTS, INPUTS))
        self.b_real = rng.uniform(size=OUTPUTS)
        self.w = at.tensor(rng.uniform(size=(OUTPUTS, INPUTS)), requires_grad=True, name="w")
        self.b = at.tensor(np.zeros(OUTPUTS), requires_grad=True, name="b")
        self.dense = at.nn.Dense(INPUTS, OUTPUTS)
        self.dense.weight, self.dense.bias = self.w, self.b
        self.model = at.nn.Sequential(self.dense, at.nn.Relu())
        self.mse = at.nn.MSE()

    def batch(self, size: int = BATCH) -> tuple[at.Tensor, at.Tensor]:
        """Draw points (size, 10) and their labels (size, 2)."""
        x = self.rng.uniform(size=(size, INPUTS))
        return at.tensor(x, name="x"), at.tensor(x @ self.w_real.T + self.b_real, name="y")

    def loss(self, x: at.Tensor, y: at.Tensor) -> at.Tensor:
        """Compare the prediction for x with the labels y."""
        return self.mse(self.model(x), y)


def train(exercise: Exercise, optimizer: at.optim.Optimizer, steps: int) -> NDArray[np.float64]:
    """Train, with a progress bar where tqdm is there; return the loss of every step."""
    losses = np.empty(steps)
    tqdm = optional("tqdm")
    bar = tqdm.tqdm(total=steps, file=sys.stdout, unit=" steps", mininterval=0.5) if tqdm else None
    for step in range(steps):
        loss = exercise.loss(*exercise.batch())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[step] = loss.item()
        done = step + 1
        if bar and (done % EVERY == 0 or done == steps):
            bar.set_postfix_str(f"loss {losses[step]:.2e}", refresh=False)
            bar.update(done - bar.n)
    if bar:
        bar.close()
    return losses


def summarize(exercise: Exercise, optimizer: at.optim.Optimizer, losses: NDArray[Any]) -> None:
    """Print how the loss fell, and what was learned beside what was to be learned."""
    columns = [f"+{k * EVERY}" for k in range(PER_LINE)]
    say(f"\n  Loss every {EVERY} steps\n    step  " + " ".join(f"{c:>7}" for c in columns))
    for first in range(0, len(losses), EVERY * PER_LINE):
        shown = losses[first : first + EVERY * PER_LINE : EVERY]
        say(f"  {first:>6,}  " + " ".join(f"{loss:.1e}" for loss in shown))
    say("\n  In the end")
    w, b = exercise.w.numpy(), exercise.b.numpy()
    w_error, b_error = np.abs(w - exercise.w_real), np.abs(b - exercise.b_real)
    field("loss", f"{losses[-1]:.2e}, from {losses[0]:.2e} in the first step")
    field("lr", f"{optimizer.lr:g}")
    field("w", array_text(w, "{: .4f}"))
    field("b", array_text(b, "{: .4f}"))
    field("|w - w_real|", array_text(w_error, "{:.0e}"))
    field("|b - b_real|", array_text(b_error, "{:.0e}"))
    field("at most", f"{w_error.max():.1e} in w, {b_error.max():.1e} in b")


@at.custom_op(x=lambda g, x: g / (1 + np.exp(-x)))
def softplus(x: Any) -> Any:
    """log(1 + exp(x)), computed so that it does not overflow."""
    return np.logaddexp(x, 0.0)


def check(seed: int) -> None:
    """Compare derivatives of the whole model, and of an op of our own, with finite differences."""
    exercise = Exercise(seed)
    x, y = exercise.batch(size=8)

    def model(w: at.Tensor, b: at.Tensor) -> at.Tensor:
        exercise.dense.weight, exercise.dense.bias = w, b
        return exercise.loss(x, y)

    say("  The whole model, in w and b:")
    say(indent(str(at.gradcheck(model, [exercise.w.numpy(), exercise.b.numpy()])), "    "))
    say("  softplus, an op declared in this very file by its value and one line of derivative:")
    say(indent(str(at.gradcheck(softplus, [np.linspace(-3.0, 3.0, 7)])), "    "))


def draw(seed: int, picture: Path, page: Path) -> None:
    """Draw the graph of one step here and in `picture`, with its backward pass in `page`."""
    exercise = Exercise(seed)
    loss = exercise.loss(*exercise.batch())
    graph = at.graph(loss)
    say(indent(str(graph), "  "))
    graph.save(picture)
    at.graph(loss, backward=True).save(page)
    say("\n  Its gradient as NumPy:\n")
    say(indent(at.source(loss, wrt=[exercise.w, exercise.b]).rstrip(), "    "))


def plot(curves: dict[str, NDArray[Any]], path: Path) -> bool:
    """Plot the losses if matplotlib is there; say whether it was."""
    figure_module = optional("matplotlib.figure")
    if figure_module is None:
        return False
    figure = figure_module.Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for (label, losses), color in zip(curves.items(), ("#c44e52", "#4c72b0"), strict=True):
        axes.plot(range(1, len(losses) + 1), losses, color=color, linewidth=1.5, label=label)
    axes.set_yscale("log", nonpositive="mask")
    axes.margins(x=0)
    axes.set_xlabel("step")
    axes.set_ylabel("mean squared error")
    axes.set_title("Learning a linear map through a Relu", loc="left", fontweight="bold")
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path)
    return True


def optional(name: str) -> Any:
    """Import a module of the extra ``tour``; None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def say(text: str = "") -> None:
    """Print at once, so that the lines stay in order with those of the progress bar."""
    print(text, flush=True)


def heading(text: str) -> None:
    """Print the title of a part of the tour."""
    say(f"\n{text}\n{'-' * len(text)}")


def field(name: str, text: str) -> None:
    """Print a name and a text of one or more lines beside it."""
    say(f"  {name:<14}" + indent(text, " " * 16).lstrip(" "))


def array_text(array: NDArray[Any], form: str) -> str:
    """Write an array with `form` for its entries, a row to a line."""
    return np.array2string(array, max_line_width=99, formatter={"float_kind": form.format})


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, and make the folder for the pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m autotensor",
        description="A tour: train a small model twice, check its gradients, draw its graph.",
        epilog="To check an op: python -m autotensor gradcheck --help",
    )
    parser.add_argument("--steps", type=int, default=10_000, help="steps of training (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (%(default)s)")
    parser.add_argument(
        "--out", type=Path, default="autotensor-tour", help="folder for the pictures (%(default)s)"
    )
    options = parser.parse_args(argv)
    if options.steps < 1:
        parser.error(f"--steps must be at least 1, got {options.steps}")
    if options.seed < 0:
        parser.error(f"--seed must be at least 0, got {options.seed}")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out: {error}")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tour, or the command that is named; return the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["gradcheck"]:
        return gradcheck_command(argv[1:])
    options = arguments(argv)
    say("autotensor: a tour in four parts")
    if optional("tqdm") is None:
        say(f"(tqdm is not installed, so there is no progress bar: {INSTALL})")

    curves = {}
    optimizers = {"SGD": (at.optim.SGD, 0.01), "Adam": (at.optim.Adam, 0.001)}
    for number, (name, (kind, lr)) in enumerate(optimizers.items(), 1):
        heading(f"{number}. Learn a linear map through a Relu with {name}")
        exercise = Exercise(options.seed)
        optimizer = kind(exercise.model.parameters(), lr)
        losses = train(exercise, optimizer, options.steps)
        summarize(exercise, optimizer, losses)
        curves[f"{name}, lr {lr:g}"] = losses

    heading("3. Check derivatives against finite differences")
    check(options.seed)

    heading("4. Draw the graph of one step")
    graph_path, page_path = options.out / "graph.svg", options.out / "graph.html"
    loss_path = options.out / "loss.png"
    draw(options.seed, graph_path, page_path)
    say(f"\nThe graph as a picture:  {graph_path}")
    say(f"Its backward pass too:   {page_path}")
    if plot(curves, loss_path):
        say(f"The losses as curves:    {loss_path}")
    else:
        say(f"(matplotlib is not installed, so the losses are not plotted: {INSTALL})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
