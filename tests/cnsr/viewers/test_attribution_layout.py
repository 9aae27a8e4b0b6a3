from hypothesis import given
from hypothesis import strategies as st

from cnsr.viewers.attribution_layout import SMALLEST_EDGE, TOP_IMAGES, attribution_layout


@given(st.floats(500, 4000), st.floats(500, 3000), st.integers(1, 9), st.floats(0, 12), st.floats(50, 220))
def test_everything_fits_and_fills_one_direction(width, height, observations, gap, texts):
    sizes = attribution_layout(width, height, observations, gap, texts)
    across = TOP_IMAGES * sizes.top + (TOP_IMAGES - 1) * gap
    below = 2 * observations * sizes.below + (2 * observations - 1) * gap
    down = sizes.top + sizes.below + sizes.plots + texts
    smallest = min(sizes.top, sizes.below) == SMALLEST_EDGE
    assert across <= width + 1e-6
    assert smallest or below <= width + 1e-6
    assert smallest or down <= height + 1e-6
    assert smallest or across > width - 1 or down > height - 1
