"""The order in the layers: small graphs that can be drawn without a crossing are."""

import pytest
from hypothesis import given

from autotensor.drawing.layers import Layers
from tests.drawing.strategies import graphs


def downward(boxes, edges):
    return Layers(boxes, edges, [False] * len(edges), [None] * boxes)


@pytest.mark.parametrize(
    "edges",
    [
        # The first walk alone does not find it,
        [(0, 1), (0, 4), (2, 4)],
        # nor does sorting without regard to where in a box an edge arrives,
        [(0, 2), (1, 2), (0, 4), (2, 5), (3, 5)],
        # nor sorting without swapping neighbours.
        [(1, 2), (0, 2), (1, 3), (2, 3), (4, 5), (1, 5), (1, 7)],
    ],
)
def test_no_crossing_where_none_is_needed(edges):
    assert downward(1 + max(map(max, edges)), edges).crossings() == 0


def test_crossings_are_counted():
    # Of two leaves, one op takes both in this order and one in the other: one pair must cross.
    assert downward(4, [(0, 2), (1, 2), (1, 3), (0, 3)]).crossings() >= 1
    # Two arguments of one op in the order of their arrival do not cross.
    assert downward(3, [(1, 2), (0, 2)]).crossings() == 0


@given(graphs())
def test_every_point_is_in_its_layer_once(graph):
    sizes, edges = graph
    layers = downward(len(sizes), edges)
    found = [point for layer in layers.layers for point in layer]
    assert sorted(found) == list(range(len(layers.layer)))
    for number, layer in enumerate(layers.layers):
        assert [layers.layer[point] for point in layer] == [number] * len(layer)
        assert [layers.place[point] for point in layer] == list(range(len(layer)))
    for source, target in edges:
        assert layers.layer[source] < layers.layer[target]
    for point, below in enumerate(layers.down):
        assert {layers.layer[p] - layers.layer[point] for p, _, _ in below} <= {1}
