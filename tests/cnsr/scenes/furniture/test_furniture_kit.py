"""The mesh kit: closed, turned outward, with the areas, volumes, normals and texture lengths of geometry."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from cnsr.scenes.furniture.boxes import Cushion, rounded_box
from cnsr.scenes.furniture.curves import (
    arc_lengths,
    fillet,
    line,
    rounded_rectangle,
    spline,
    superellipse,
    varying,
)
from cnsr.scenes.furniture.solids import lathe, loft, mitered, rod, round_edge, slab, sweep
from cnsr.scenes.furniture.surface import corner_normals, joined, shaded

CIRCLE = superellipse(64, 2.0, 0.1, 0.1)
# A regular 64-gon in place of a circle.
ROUND = 64 / 2 * np.sin(2 * np.pi / 64) / np.pi


def ring():
    return sweep(superellipse(96, 2.0, 1.0, 1.0) @ [(1, 0, 0), (0, 1, 0)], CIRCLE, up=(0, 0, 1), closed=True)


SHAPES = {
    "box": rounded_box((1.0, 0.5, 0.25), 0.05, 3, (3, 2, 1)),
    "nearly a ball": rounded_box((1.0, 1.0, 1.0), 9.0, 8),
    "lathe": lathe([(0, 0), (0.3, 0), (0.2, 0.5), (0.3, 1), (0, 1)]),
    "turned ring": lathe([(1.0, 0), (1.2, 0), (1.2, 0.3), (1.0, 0.3)]),
    "sweep": sweep(spline([(0, 0, 0), (0.3, 0.4, 0.5), (1, 0, 1)], 20), CIRCLE, varying(20, (0, 1), (1, 0.3))),
    "domed": sweep([(0, 0, 0), (1, 0, 0)], CIRCLE, dome=0.1),
    "ring": ring(),
    "loft": loft([(0, 0, 0), (0.1, 0.5, 0.3), (0, 1, 0)], CIRCLE),
    "slab": slab(rounded_rectangle(2, 1, 0.1), round_edge(0.7, 0.75, 0.01)),
    "rod": rod((0, 0, 0), (1, 0.2, 0), 0.02, 1.3),
    "molding": mitered(np.array([(1, -1), (1, 1), (-1, 1), (-1, -1)]), rounded_rectangle(0.1, 0.2, 0.02)),
    "cushion": Cushion((0.6, 0.15, 0.5), 0.04, 0.03, 0.004, seed=0).body(),
    "piping": Cushion((0.6, 0.15, 0.5), 0.04, 0.03, 0.004, seed=0).piping(0.005),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_closed_and_turned_outward(name, solid_volumes):
    shape = SHAPES[name]
    volumes = solid_volumes(shape.positions, shape.triangles)
    assert volumes.min() > 0
    assert volumes.sum() == pytest.approx(shape.volume())
    for same in (shape.mirrored("x"), shape.mirrored("z"), shape.turned("y", 30), shape.moved(1, 2, 3)):
        assert same.volume() == pytest.approx(shape.volume())
        assert same.area() == pytest.approx(shape.area())
    assert np.linalg.norm(shape.area_normals(), axis=1).min() > 0


@pytest.mark.parametrize("name", SHAPES)
def test_every_vertex_is_used(name):
    shape = SHAPES[name]
    np.testing.assert_array_equal(np.unique(shape.triangles), np.arange(len(shape.positions)))
    assert shape.uv_triangles.shape == shape.triangles.shape
    assert shape.uv_triangles.max() < len(shape.uvs)


def rounded_box_volume(size, r):
    core = np.array(size) - 2 * r
    sides = 2 * (core[0] * core[1] + core[1] * core[2] + core[2] * core[0])
    return core.prod() + r * sides + np.pi * r**2 * core.sum() + 4 / 3 * np.pi * r**3


def test_rounded_boxes_have_the_size_volume_and_area_of_geometry():
    size, r = (1.0, 0.5, 0.25), 0.08
    fine = rounded_box(size, r, 12)
    np.testing.assert_allclose(np.ptp(fine.positions, axis=0), size, rtol=1e-12)
    assert fine.volume() == pytest.approx(rounded_box_volume(size, r), rel=3e-4)
    core = np.array(size) - 2 * r
    sides = 2 * (core[0] * core[1] + core[1] * core[2] + core[2] * core[0])
    assert fine.area() == pytest.approx(sides + 2 * np.pi * r * core.sum() + 4 * np.pi * r**2, rel=1e-3)


def test_turned_solids_have_the_volume_of_geometry():
    r, height = 0.3, 0.8
    polygon = 32 / 2 * np.sin(2 * np.pi / 32)
    assert lathe([(0, 0), (r, 0), (r, height), (0, height)]).volume() == pytest.approx(polygon * r**2 * height)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 129)
    half = np.stack([np.cos(angle).round(15), np.sin(angle)], axis=-1)
    assert lathe(half, 128).volume() == pytest.approx(4 / 3 * np.pi, rel=2e-3)
    square = lathe([(1.0, 0), (1.2, 0), (1.2, 0.3), (1.0, 0.3)], 128)
    assert square.volume() == pytest.approx(0.3 * np.pi * (1.2**2 - 1.0), rel=1e-3)


def test_tubes_have_the_volume_of_section_times_length():
    section = np.pi * 0.1**2 * ROUND
    assert sweep([(0, 0, 0), (1, 2, 2)], CIRCLE).volume() == pytest.approx(3 * section)
    assert loft([(0, 0, 0), (5, 2, 1)], CIRCLE).volume() == pytest.approx(2 * section), "sheared, cut level"
    # Pappus: the section's center travels 2π; the ring is a 96-gon.
    assert ring().volume() == pytest.approx(2 * np.pi * section, rel=2e-3)
    domes = SHAPES["domed"].volume() - section
    assert domes == pytest.approx(4 / 3 * np.pi * 0.1**3, rel=0.07)


def test_lofts_are_level_at_both_ends():
    shape = loft([(0.1, 0, 0.2), (0, 1, 0)], CIRCLE, [0.5, 1.0])
    foot = shape.positions[shape.positions[:, 1] == 0.0]
    assert len(foot) == 64 + 1
    assert np.hypot(foot[:, 0] - 0.1, foot[:, 2] - 0.2).max() == pytest.approx(0.05)
    assert shape.positions[:, 1].min() == 0.0


def test_moldings_have_square_miters():
    section = np.array([(0.0, 0.0), (0.1, 0.0), (0.1, 0.2), (0.0, 0.2)])
    frame = mitered(np.array([(1.0, -0.5), (1.0, 0.5), (-1.0, 0.5), (-1.0, -0.5)]), section)
    assert frame.volume() == pytest.approx(0.2 * (2.2 * 1.2 - 2.0 * 1.0))
    np.testing.assert_allclose(np.ptp(frame.positions, axis=0), (2.2, 1.2, 0.2))


def test_slabs_are_boards_of_their_outline():
    board = slab(np.array([(1, -0.5), (1, 0.5), (-1, 0.5), (-1, -0.5)]), [(0, 0.7), (0, 0.75)])
    assert board.volume() == pytest.approx(2 * 1 * 0.05)
    assert board.area() == pytest.approx(2 * 2 * 1 + 2 * 3 * 0.05)
    chamfered = slab(np.array([(1, -0.5), (1, 0.5), (-1, 0.5), (-1, -0.5)]), [(0, 0), (0, 0.1), (0.25, 0.2)])
    upper = chamfered.positions[np.isclose(chamfered.positions[:, 1], 0.2)][:, [0, 2]]
    np.testing.assert_allclose(np.ptp(upper, axis=0), (1.5, 0.5), err_msg="as far from all edges")
    oval = superellipse(64, 2.0, 1.0, 0.5)
    edged = slab(oval, round_edge(0.0, 0.06, 0.02))
    assert np.ptp(edged.positions, axis=0) == pytest.approx((2.0, 0.06, 1.0))


def test_cushions_are_fuller_than_their_box_and_differ_by_seed():
    size = (0.6, 0.15, 0.5)
    cushion = Cushion(size, 0.04, 0.03, 0.0, seed=0)
    assert cushion.body().volume() > 1.1 * rounded_box_volume(size, 0.04)
    low, high = cushion.body().positions.min(axis=0), cushion.body().positions.max(axis=0)
    np.testing.assert_allclose(low, -high, atol=1e-9)
    assert high[1] == pytest.approx(0.075 + 0.03, abs=0.002)
    one, other = (Cushion(size, 0.04, 0.03, 0.004, seed).body().positions for seed in (1, 2))
    assert 1e-4 < np.abs(one - other).max() < 0.03
    # The cords follow the seams of the filled cushion: each touches its skin.
    skin, cord = cushion.body(6, (30, 6, 30)).positions, cushion.piping(0.005).positions
    nearest = np.linalg.norm(cord[::7, None] - skin[None], axis=-1).min(axis=1)
    assert nearest.max() < 0.025


def test_normals_are_smooth_on_curves_and_sharp_at_creases():
    ball = SHAPES["nearly a ball"]
    directions = ball.positions / np.linalg.norm(ball.positions, axis=1, keepdims=True)
    np.testing.assert_allclose(corner_normals(ball), directions[ball.triangles.reshape(-1)], atol=0.06)
    can = lathe([(0, 0), (0.3, 0), (0.3, 1), (0, 1)], 32)
    normals = corner_normals(can)
    flat = np.abs(normals[:, 1]) > 0.5
    np.testing.assert_allclose(np.abs(normals[flat, 1]), 1)
    np.testing.assert_allclose(normals[~flat, 1], 0, atol=1e-12)
    outward = can.positions[can.triangles.reshape(-1)][~flat][:, [0, 2]] / 0.3
    np.testing.assert_allclose(normals[~flat][:, [0, 2]], outward, atol=1e-9)


def test_a_crease_angle_decides_which_edges_are_sharp():
    prism = lathe([(0, 0), (1, 0), (1, 1), (0, 1)], 8)  # edges of 45 degrees around
    sharp, smooth = shaded(prism, "sharp", 44), shaded(prism, "smooth", 46)
    assert len(np.unique(np.round(sharp.normals, 3), axis=0)) == 8 + 2
    assert len(np.unique(np.round(smooth.normals, 3), axis=0)) == 8 + 2
    edge = np.array([1.0, 0.0, 0.0])
    assert np.linalg.norm(smooth.normals - edge, axis=1).min() < 1e-6
    assert np.linalg.norm(sharp.normals - edge, axis=1).min() > 0.3


@pytest.mark.parametrize("name", SHAPES)
def test_shading_keeps_every_triangle_and_looks_to_its_side(name):
    shape = SHAPES[name]
    mesh = shaded(shape, "a key")
    assert mesh.key == "a key"
    np.testing.assert_array_equal(mesh.positions[mesh.triangles], shape.positions.astype(np.float32)[shape.triangles])
    np.testing.assert_array_equal(mesh.uvs[mesh.triangles], shape.uvs.astype(np.float32)[shape.uv_triangles])
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-6)
    faces = shape.area_normals() / np.linalg.norm(shape.area_normals(), axis=1, keepdims=True)
    assert np.einsum("ij,ikj->ik", faces, mesh.normals[mesh.triangles]).min() > 0.5
    np.testing.assert_array_equal(np.unique(mesh.triangles), np.arange(len(mesh.positions)))


def stretch_of_texture(shape):
    """Return, per triangle, the two factors by which lengths in the texture differ from lengths in space."""
    corners, uvs = shape.positions[shape.triangles], shape.uvs[shape.uv_triangles]
    edges = corners[:, 1:] - corners[:, :1]  # [T, 2, 3]
    x = edges[:, 0] / np.linalg.norm(edges[:, 0], axis=1, keepdims=True)
    z = np.cross(edges[:, 0], edges[:, 1])
    y = np.cross(z / np.linalg.norm(z, axis=1, keepdims=True), x)
    flat = np.stack([np.einsum("ijk,ik->ij", edges, axis) for axis in (x, y)], axis=-1)
    return np.linalg.svd(np.linalg.solve(flat, uvs[:, 1:] - uvs[:, :1]), compute_uv=False)


@pytest.mark.parametrize(
    ("shape", "share"),
    [
        (rounded_box((1.0, 0.5, 0.25), 0.02, 3), 0.03),
        (slab(rounded_rectangle(2, 1, 0.1), round_edge(0.7, 0.75, 0.002)), 0.42),
        (sweep([(0, 0, 0), (1, 0, 1)], CIRCLE), 1e-6),
        (lathe([(0, 0), (0.3, 0), (0.3, 1), (0, 1)], 64), 0.01),
    ],
    ids=["box", "slab", "sweep", "lathe"],
)
def test_texture_coordinates_are_metres(shape, share):
    stretch = stretch_of_texture(shape)
    areas = np.linalg.norm(shape.area_normals(), axis=1)
    right = np.abs(stretch - 1).max(axis=1) <= max(share, 1e-6)
    assert areas[right].sum() > 0.97 * areas.sum()


def test_grain_runs_along_boards():
    board = rounded_box((1.0, 0.02, 0.1), 0.002)
    upper = np.flatnonzero(board.area_normals()[:, 1] > 1e-4)
    for triangle in upper:
        x = board.positions[board.triangles[triangle], 0]
        v = board.uvs[board.uv_triangles[triangle], 1]
        np.testing.assert_allclose(np.ptp(x), np.ptp(v), atol=0.002)
    top = slab(rounded_rectangle(2, 1, 0.1), round_edge(0.7, 0.75, 0.002))
    faces = top.area_normals()
    for triangle in np.flatnonzero(np.abs(faces[:, 0]) < 0.1 * np.abs(faces).max(axis=1)):
        v = top.uvs[top.uv_triangles[triangle], 1]
        np.testing.assert_allclose(v, top.positions[top.triangles[triangle], 0])


def test_joining_keeps_all():
    parts = [SHAPES["box"], SHAPES["lathe"].moved(5), SHAPES["ring"].moved(9)]
    both = joined(parts)
    assert both.volume() == pytest.approx(sum(part.volume() for part in parts))
    assert both.area() == pytest.approx(sum(part.area() for part in parts))
    np.testing.assert_array_equal(both.uvs[both.uv_triangles[-1]], parts[-1].uvs[parts[-1].uv_triangles[-1]])


def test_splines_are_those_of_scipy():
    points = np.random.default_rng(1).random((6, 3))
    lengths = arc_lengths(points)
    expected = CubicSpline(lengths, points, bc_type="natural")(np.linspace(0, lengths[-1], 50))
    np.testing.assert_allclose(spline(points, 50), expected, atol=1e-12)
    np.testing.assert_allclose(spline([(0, 0, 0), (1, 2, 3)], 5), line((0, 0, 0), (1, 2, 3), 5), atol=1e-12)


def test_fillets_are_arcs_that_touch_both_edges():
    r = 0.2
    rounded = fillet([(0, 0), (1, 0), (1, 1)], r, 16)
    np.testing.assert_allclose(rounded[[0, -1]], [(0, 0), (1, 1)])
    np.testing.assert_allclose(np.linalg.norm(rounded[1:-1] - (1 - r, r), axis=1), r)
    np.testing.assert_allclose(rounded[[1, -2]], [(1 - r, 0), (1, r)])
    sharp = fillet([(0, 0), (1, 0), (1, 1)], [0, 0, 0])
    np.testing.assert_array_equal(sharp, [(0, 0), (1, 0), (1, 1)])
    tight = fillet([(0, 0), (0.1, 0), (0.1, 1)], 5.0)
    assert np.abs(tight[1:-1] - (0.1, 0)).max() <= 0.045 + 1e-12
    box = rounded_rectangle(2, 1, 0.25, 32)
    x, y = box.T
    area = 0.5 * np.abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    assert area == pytest.approx(2 - (4 - np.pi) * 0.25**2, rel=1e-4)


def test_superellipses_satisfy_their_equation():
    for exponent in (1.7, 2.0, 5.0):
        x, y = np.abs(superellipse(40, exponent, 3.0, 0.5).T)
        np.testing.assert_allclose((x / 3) ** exponent + (y / 0.5) ** exponent, 1)
