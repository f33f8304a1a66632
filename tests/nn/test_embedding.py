"""Embedding: the rows it reads, where their gradients go, and what it refuses."""

import numpy as np
import pytest

import autotensor as at
from autotensor import nn


@pytest.mark.parametrize("wrap", [np.array, at.tensor, list])
def test_rows_of_the_table(wrap):
    layer = nn.Embedding(5, 2, rng=np.random.default_rng(0))
    out = layer(wrap([[0, 4], [4, 4]]))
    np.testing.assert_array_equal(out.numpy(), layer.weight.numpy()[[[0, 4], [4, 4]]])


def test_rows_read_more_than_once_get_the_sum():
    layer = nn.Embedding(4, 2, dtype=np.float32)
    layer(np.array([1, 1, 3])).sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]
    assert layer.weight.grad.dtype == np.float32


@pytest.mark.parametrize("wrong", [-1, 4])
def test_indices_outside_the_table_are_named(wrong):
    with pytest.raises(ValueError, match=rf"from 0 to 3 here; the one at \[0, 1\] is {wrong}"):
        nn.Embedding(4, 2)(np.array([[0, wrong]]))


def test_a_single_index():
    assert nn.Embedding(4, 2)(np.array(3)).shape == (2,)
    with pytest.raises(ValueError, match="is 4"):
        nn.Embedding(4, 2)(np.array(4))


def test_floats_are_no_indices():
    with pytest.raises(TypeError, match="integers, got float64"):
        nn.Embedding(4, 2)(np.array([0.0]))


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0, 2"):
        nn.Embedding(0, 2)


def test_repr_reads_like_the_call():
    assert repr(nn.Embedding(4, 2)) == "Embedding(4, 2)"
