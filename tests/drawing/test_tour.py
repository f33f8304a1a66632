"""The tour's model as text, whole: forward, and with its backward pass."""

from pathlib import Path

import pytest

import autotensor as at
from autotensor.__main__ import Exercise


@pytest.mark.parametrize("backward", [False, True])
def test_the_text_of_the_tour(backward):
    exercise = Exercise(0)
    loss = exercise.loss(*exercise.batch())
    # Without values, which differ in their last digits between machines.
    g = at.graph(loss, backward=backward, show="shape dtype scope")
    name = "tour_backward.txt" if backward else "tour.txt"
    assert g.to_text(ascii=False) + "\n" == Path(__file__).with_name(name).read_text("utf-8")
