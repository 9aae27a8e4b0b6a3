"""Cutting polygons into triangles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnsr.scenes.polygons import cut_polygon, cut_polygons


def area_of(outline, triangles):
    return sum(np.cross(outline[b] - outline[a], outline[c] - outline[a]) / 2 for a, b, c in triangles)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1), (2, 1, 0)])
@pytest.mark.parametrize("turn", range(8))
def test_concave_polygons_are_cut_inside_in_any_plane(axes, turn):
    # An arrow with a deep notch; each corner has its turn to be the first.
    outline = np.array([(0, 0), (4, 0), (4, 1), (1, 1), (1, 3), (4, 3), (4, 4), (0, 4)], dtype=float)
    outline = np.roll(np.concatenate([outline, np.full((8, 1), 7.0)], axis=1), turn, axis=0)[:, axes]
    triangles = cut_polygon(outline)
    assert len(triangles) == 6
    total = area_of(outline, triangles)
    pieces = [area_of(outline, [triangle]) for triangle in triangles]
    assert np.abs(total).sum() == pytest.approx(10)
    # All pieces face the same way, so that they cover the polygon without overlap.
    assert all(piece @ total >= 0 for piece in pieces)
    assert sum(np.linalg.norm(piece) for piece in pieces) == pytest.approx(10)


def test_polygons_without_area_or_that_cross_themselves_still_end():
    assert len(cut_polygon(np.zeros((6, 3)))) == 4
    bow = np.array([(0, 0, 0), (1, 1, 0), (1, 0, 0), (0, 1, 0), (-1, 0, 0)], dtype=float)
    assert len(cut_polygon(bow)) == 3


def star(corners, seed):
    """A simple polygon around the origin, as a flat outline [N, 3]."""
    generator = np.random.default_rng(seed)
    angles = np.sort(generator.uniform(0, 2 * np.pi, corners))
    radii = generator.uniform(0.2, 1.0, corners)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles), np.zeros(corners)], axis=-1)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(3, 9), st.integers(0, 10**6)), min_size=1, max_size=8))
def test_many_polygons_are_cut_as_each_alone(shapes):
    outlines = [star(*shape) for shape in shapes]
    sizes = np.array([len(outline) for outline in outlines])
    points = np.concatenate(outlines)
    corners = np.random.default_rng(0).permutation(len(points))  # points in any order, corners that name them
    shuffled = np.empty_like(points)
    shuffled[corners] = points
    starts = np.cumsum(sizes) - sizes
    expected = [start + np.array(cut_polygon(outline)) for start, outline in zip(starts, outlines, strict=True)]
    np.testing.assert_array_equal(cut_polygons(shuffled, corners, sizes), np.concatenate(expected))


@pytest.mark.parametrize("corners", [5, 50, 2000])
def test_large_polygons_are_covered_exactly(corners):
    # The many-cornered ones would take hours if each corner were held against all others for each cut.
    outline = star(corners, corners)
    pieces = np.array([area_of(outline, [triangle])[2] for triangle in cut_polygon(outline)])
    following = np.roll(outline, -1, axis=0)
    area = (outline[:, 0] * following[:, 1] - outline[:, 1] * following[:, 0]).sum() / 2
    assert len(pieces) == corners - 2
    assert (pieces >= 0).all()
    assert pieces.sum() == pytest.approx(area)
