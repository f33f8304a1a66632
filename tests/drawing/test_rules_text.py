"""Rules as they are written."""

import numpy as np
import pytest

import autotensor as at
from autotensor.drawing.rules_text import rule_text
from autotensor.engine.primitive import TABLE, Op


@pytest.mark.parametrize(
    ("function", "argument", "text"),
    [
        (np.add, "x", "g"),
        (np.subtract, "y", "-g"),
        (np.multiply, "x", "g * y"),
        (np.sin, "x", "g * np.cos(x)"),
        (np.divide, "y", "g * (-out / y)"),
        (np.where, "y", "where(condition == 0, g, 0)"),
        (np.stack, "arrays", "_layer(g, i, axis)"),
        (np.matmul, "x", "_matmul_x(g, y, shape)"),
    ],
)
def test_rules_of_the_table(function, argument, text):
    assert rule_text(TABLE[function], argument) == text


def test_every_rule_has_a_text():
    for op in TABLE.values():
        if isinstance(op, Op):
            for argument in op.inputs:
                assert "source is not" not in rule_text(op, argument), (op.name, argument)


def test_rules_of_users_with_and_without_a_closure():
    factor = 3.0
    scaled = at.custom_op(x=lambda g, x: g * factor * x, y=lambda g: (g, g)[0])(
        lambda x, y: x * x * factor / 2 + y
    )
    assert rule_text(scaled, "x") == "g * factor * x"
    assert rule_text(scaled, "y") == "(g, g)[0]"


def test_a_rule_without_its_source():
    space = {"at": at}
    exec("op = at.custom_op(x=lambda g: g)(lambda x: x)", space)
    assert rule_text(space["op"], "x") == "(a lambda whose source is not there)"
