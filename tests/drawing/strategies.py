"""Random graphs, as the layout gets them: sizes of boxes, and edges from smaller to larger ones."""

from hypothesis import strategies as st

WIDTHS = st.sampled_from([48.0, 60.0, 75.5, 200.0])
HEIGHTS = st.sampled_from([30.0, 48.0])


@st.composite
def graphs(draw, most=30):
    count = draw(st.integers(1, most))
    sizes = draw(st.lists(st.tuples(WIDTHS, HEIGHTS), min_size=count, max_size=count))
    edges = [
        (draw(st.integers(0, target - 1)), target)
        for target in range(1, count)
        for _ in range(draw(st.integers(0, 3)))
    ]
    return sizes, edges
