"""The layout: nothing overlaps, lines run between the boxes, chains are straight."""

import itertools

import pytest
from hypothesis import given

from autotensor.drawing import layers
from autotensor.drawing.layout import layout
from tests.drawing.strategies import graphs


def check(sizes, edges):
    """What holds for every layout; returns it."""
    result = layout(sizes, edges)
    boxes = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for x, y, (w, h) in zip(result.x, result.y, sizes, strict=True)
    ]
    slack = 1e-6
    by_layer = {}
    for box in boxes:
        assert box[0] > -slack
        assert box[1] > -slack
        assert box[2] < result.width + slack
        assert box[3] < result.height + slack
        by_layer.setdefault((box[1] + box[3]) / 2, []).append(box)
    bands = sorted(
        (min(b[1] for b in row), max(b[3] for b in row), sorted(row)) for row in by_layer.values()
    )
    for (_, bottom, _), (top, _, _) in itertools.pairwise(bands):
        assert bottom < top
    for _, _, row in bands:
        for left, right in itertools.pairwise(row):
            assert left[2] + 10 < right[0]
    assert len(result.edges) == len(edges)
    for (source, target), line in zip(edges, result.edges, strict=True):
        left, top, right, _ = boxes[target]
        assert left < line[-1][0] < right
        assert line[-1][1] == pytest.approx(top)
        start = line[0]
        if start[1] == pytest.approx(boxes[source][3]):
            assert boxes[source][0] < start[0] < boxes[source][2]
        else:
            shared = [trunk for number, trunk in result.trunks if edges[number][0] == source]
            assert [start in trunk for trunk in shared] == [True]
        assert all(a[1] <= b[1] + slack for a, b in itertools.pairwise(line))
    return result, boxes, bands


@given(graphs())
def test_any_graph(graph):
    result, _, bands = check(*graph)
    # Lines go sideways only between the layers, and pass the boxes of a layer at a distance.
    for line in [*result.edges, *(trunk for _, trunk in result.trunks)]:
        for (x, y), (x_next, y_next) in itertools.pairwise(line):
            for top, bottom, row in bands:
                if y < bottom - 1e-6 and y_next > top + 1e-6:
                    assert x == x_next
                    passed = [b for b in row if b[0] < x < b[2]]
                    inside = [b for b in passed if b[1] < y_next - 1e-6 and b[3] > y + 1e-6]
                    assert not inside


@given(graphs())
def test_too_many_long_edges_run_straight(graph):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "_WIRES", 3)
        result, _, _ = check(*graph)
    assert sum(len(trunk) // 2 - 1 for _, trunk in result.trunks) <= 3


@given(graphs())
def test_the_same_graph_has_the_same_layout(graph):
    assert layout(*graph) == layout(*graph)


def test_nothing():
    assert layout([], []) == ([], [], [], [], 0.0, 0.0)


def test_a_chain_is_a_straight_line_with_its_leaves_beside_it():
    # As in a network: x1 = f(x0, leaf), x2 = f(x1, leaf) ...
    sizes, edges, last = [(60.0, 40.0)], [], 0
    for _ in range(20):
        leaf, op = len(sizes), len(sizes) + 1
        sizes += [(90.0, 40.0), (60.0, 40.0)]
        edges += [(last, op), (leaf, op)]
        last = op
    result, *_ = check(sizes, edges)
    spine = {round(result.x[i], 6) for i in range(4, len(sizes), 2)}
    assert len(spine) == 1
    assert all(result.x[leaf] > spine.copy().pop() for leaf in range(3, len(sizes), 2))
    for (source, _), line in zip(edges, result.edges, strict=True):
        if source % 2 == 0 and source > 2:
            assert len({x for x, _ in line}) == 1


def test_arguments_arrive_from_left_to_right():
    sizes = [(60.0, 40.0)] * 6
    edges = [(i, 5) for i in (3, 0, 4, 1, 2)]
    result, *_ = check(sizes, edges)
    ends = [line[-1][0] for line in result.edges]
    assert ends == sorted(set(ends))
    # The leaves themselves stand in that order as well, so that no two lines cross.
    starts = [result.x[source] for source, _ in edges]
    assert starts == sorted(starts)


def test_parallel_edges_are_parallel_lines():
    result, *_ = check([(60.0, 40.0)] * 2, [(0, 1), (0, 1)])
    first, second = result.edges
    assert len({x for x, _ in first}) == len({x for x, _ in second}) == 1
    assert second[0][0] - first[0][0] >= 14


def test_a_diamond_has_no_crossing_and_is_centred():
    result, *_ = check([(60.0, 40.0)] * 4, [(0, 1), (0, 2), (1, 3), (2, 3)])
    assert result.x[1] < result.x[0] == result.x[3] < result.x[2]


def test_an_operand_stands_next_to_its_first_use():
    # The leaf 3 is used last only; it is not drawn at the top.
    result, *_ = check([(60.0, 40.0)] * 5, [(0, 1), (1, 2), (2, 4), (3, 4)])
    assert result.y[3] == result.y[2]


def test_an_end_does_not_wait_at_the_bottom():
    # The box 3 is an end too, right below what it is made of; so is the leaf 4 above it.
    result, *_ = check([(60.0, 40.0)] * 8, [(0, 1), (1, 3), (2, 3), (1, 5), (5, 6), (6, 7)])
    assert result.y[3] == result.y[5]
    assert result.y[2] == result.y[1]


def test_turned_edges_keep_the_boxes_beside_in_step():
    # A chain 0, 2, 4 and what stands beside it, 1 beside 2 and 3 beside 4; all edges between the
    # latter run upward.
    sizes = [(60.0, 40.0)] * 5
    edges = [(0, 2), (2, 4), (1, 3), (0, 1)]
    turned, beside = [False, False, True, False], [None, 2, None, 4, None]
    result = layout(sizes, edges, turned, beside)
    assert result.y[1] == result.y[2]
    assert result.y[3] == result.y[4]
    assert min(result.x[1], result.x[3]) > max(result.x[0], result.x[2], result.x[4])


def chain(count):
    return [(i, i + 1) for i in range(count - 1)]


def fan(count):
    return [(i, count - 1) for i in range(count - 1)]


def recurrent(count):
    return [(0, 1)] + [e for i in range(2, count) for e in ((0, i), (i - 1, i))]


def all_joined_at_the_end(count):
    return [*chain(count - 1), *fan(count)]


@pytest.mark.parametrize("make", [chain, fan, recurrent, all_joined_at_the_end])
def test_layouts_of_large_graphs_are_right_too(make):
    check([(60.0, 40.0)] * 2000, make(2000))
