"""Ops that a test declares are forgotten after it, so that no other test meets them."""

import pytest

from autotensor.engine.primitive import TABLE


@pytest.fixture(autouse=True)
def table():
    before = set(TABLE)
    yield
    for function in set(TABLE) - before:
        del TABLE[function]
