"""Adding up gradients."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

import autotensor as at
from autotensor import gradients
from autotensor.gradients import sum_gradients


def test_threads_that_share_a_leaf_add_to_it_in_turns(monkeypatch):
    def add(old, g):
        assert gradients._LOCK.locked()
        return sum_gradients(old, g)

    monkeypatch.setattr(gradients, "sum_gradients", add)
    w = at.tensor([1.0, 2.0], requires_grad=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: (w * 1.0).sum().backward(), range(100)))
    assert w.grad.tolist() == [100.0, 100.0]


def test_a_gradient_that_is_one_number_seen_many_times_can_be_written_to():
    first = sum_gradients(None, np.broadcast_to(1.0, (2, 2)))
    first[0, 0] = 5.0
    assert first.tolist() == [[5.0, 1.0], [1.0, 1.0]]


def test_a_sum_leaves_the_gradient_it_adds_to_alone():
    first = at.tensor([1.0])
    total = sum_gradients(first, np.array([2.0]))
    assert (first.tolist(), total.tolist()) == ([1.0], [3.0])
