"""The project's own meshes: closed, turned outward, of the right size; and the teapot's patches."""

import numpy as np
import pytest
import trimesh
from scipy.integrate import trapezoid

from cnsr.scenes import teapot
from cnsr.scenes.assets import ASSETS, load_mesh
from cnsr.scenes.meshes import format_obj, parse_obj
from cnsr.scenes.primitives import CYLINDER_SEGMENTS, PRIMITIVES, TEAPOT_LENGTH, write_primitives

MESHES = {name: make() for name, make in PRIMITIVES.items()}
CLOSED = ("cube", "dodecahedron", "cylinder")


def solid(mesh):
    """Join vertices that differ in normal or texture coordinates only."""
    joined = trimesh.Trimesh(np.round(mesh.positions.astype(float), 5), mesh.triangles, process=False)
    joined.merge_vertices(merge_tex=True, merge_norm=True)
    return joined


@pytest.mark.parametrize("name", PRIMITIVES)
def test_shipped_files_are_the_generated_ones(name):
    shipped = load_mesh(ASSETS / "meshes" / f"{name}.obj")
    made = parse_obj(format_obj(MESHES[name], ""), "")
    np.testing.assert_array_equal(shipped.triangles, made.triangles)
    for ours, theirs in ((shipped.positions, made.positions), (shipped.normals, made.normals), (shipped.uvs, made.uvs)):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_the_command_writes_all_of_them_with_credit(tmp_path):
    write_primitives(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == set(PRIMITIVES)
    assert "Martin Newell, via three.js (MIT license" in (tmp_path / "teapot.obj").read_text()[:400]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_each_rests_on_the_floor_is_centered_and_about_1_across(name):
    mesh = MESHES[name]
    low, high = mesh.positions.min(axis=0), mesh.positions.max(axis=0)
    assert low[1] == pytest.approx(0, abs=1e-6)
    assert 0.5 < high[1] <= 1 + 1e-6
    assert 0.9 < max(high - low) <= 1.2 + 1e-6
    np.testing.assert_allclose((low + high)[[0, 2]], 0, atol=1e-5)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_normals_are_unit_vectors_on_the_side_that_triangles_face(name):
    mesh = MESHES[name]
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-6)
    a, b, c = np.moveaxis(mesh.positions.astype(float)[mesh.triangles], 1, 0)
    faces = np.cross(b - a, c - a)
    areas = np.linalg.norm(faces, axis=1)
    assert areas.min() > 0, "no triangle is degenerate"
    agreement = (faces[:, None] * mesh.normals[mesh.triangles]).sum(axis=-1) / areas[:, None]
    assert agreement.min() > 0.3


@pytest.mark.parametrize("name", PRIMITIVES)
def test_texture_coordinates_fill_the_unit_square(name):
    uvs = MESHES[name].uvs
    np.testing.assert_allclose(uvs.min(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(uvs.max(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("name", CLOSED)
def test_solids_are_closed_with_the_topology_of_a_sphere(name):
    mesh = solid(MESHES[name])
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.euler_number == 2


def test_volumes_are_those_of_geometry():
    edge = 2 / (3**0.5 * (1 + 5**0.5))  # of the dodecahedron in a sphere of diameter 1
    prism = CYLINDER_SEGMENTS / 2 * np.sin(2 * np.pi / CYLINDER_SEGMENTS) * 0.25
    assert solid(MESHES["cube"]).volume == pytest.approx(1)
    assert solid(MESHES["dodecahedron"]).volume == pytest.approx((15 + 7 * 5**0.5) / 4 * edge**3, rel=1e-4)
    assert solid(MESHES["cylinder"]).volume == pytest.approx(prism, rel=1e-4)
    assert prism == pytest.approx(np.pi / 4, rel=2e-3)


def test_the_dodecahedron_is_regular_and_stands_on_a_face():
    mesh = MESHES["dodecahedron"]
    faces = mesh.positions.reshape(12, 5, 3)
    edges = np.linalg.norm(faces - np.roll(faces, 1, axis=1), axis=-1)
    np.testing.assert_allclose(edges, edges[0, 0], rtol=1e-5)
    assert (np.abs(faces[..., 1]).max(axis=1) < 1e-6).sum() == 1


def test_the_cylinder_is_smooth_around_and_sharp_at_its_ends():
    mesh = MESHES["cylinder"]
    side = np.abs(mesh.normals[:, 1]) < 0.5
    np.testing.assert_allclose(mesh.normals[side][:, [0, 2]], 2 * mesh.positions[side][:, [0, 2]], atol=1e-6)
    np.testing.assert_allclose(np.abs(mesh.normals[~side]), np.tile((0, 1, 0), (len(mesh.normals) - side.sum(), 1)))


def test_body_and_lid_of_the_teapot_are_one_closed_surface():
    pieces = solid(MESHES["teapot"]).split(only_watertight=False)
    body = max(pieces, key=lambda piece: piece.volume)
    assert body.is_watertight
    assert body.is_winding_consistent
    assert body.euler_number == 2
    assert body.volume == pytest.approx(revolved_volume(), rel=0.015)
    assert len(pieces) == 3, "and besides only the handle and the spout"


def revolved_volume():
    """Volume of lid and body from their profiles by Cavalieri: area of the cross-section times height."""
    t = np.linspace(0, 1, 2001)
    bernstein = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=-1)
    volume = 0.0
    for part in ("lid", "body"):
        # The curve u = const where a quarter turn begins lies in the plane y = 0.
        for curve in teapot.parts()[part][0, :, 0]:
            points = bernstein @ curve
            radius, height = np.hypot(points[:, 0], points[:, 1]), points[:, 2]
            volume += trapezoid(np.pi * radius**2, height)
    points = MESHES["teapot"].positions
    scale = (points[:, 1].max() - points[:, 1].min()) / 3.15
    # Quarters with handles of 0.56 radii instead of 0.5523 bulge by a few thousandths.
    return abs(volume) * scale**3


def test_handle_and_spout_are_tubes_turned_outward():
    t = np.linspace(0, 1, 9)
    for part in ("handle", "spout"):
        patches = teapot.parts()[part]
        # The first section of each; the spout's second turns over its lip.
        points, normals = zip(*(teapot.evaluate(patch, t, t) for patch in patches[:, 0]), strict=True)
        middle = np.concatenate(points).mean(axis=0)
        assert min(((p - middle) * n).sum(axis=-1).min() for p, n in zip(points, normals, strict=True)) > 0


def test_patches_meet_along_their_edges():
    for name, patches in teapot.parts().items():
        np.testing.assert_allclose(patches[:, :, 3], np.roll(patches, -1, axis=0)[:, :, 0], atol=1e-12, err_msg=name)
        np.testing.assert_allclose(patches[:, :-1, :, 3], patches[:, 1:, :, 0], atol=1e-12, err_msg=name)


def test_there_are_32_patches_with_the_points_of_the_original():
    patches = np.concatenate([part.reshape(-1, 4, 4, 3) for part in teapot.parts().values()])
    assert len(patches) == 32
    points = {tuple(point) for point in np.round(patches.reshape(-1, 3), 5)}
    # Control points of the original data, by its number: 5, 76, 130, 195, 286 (bottom), 173 (spout).
    for point in [
        (1.3375, -0.749, 2.53125),
        (-1.12, 2, 0.9),
        (-3, -0.3, 2.25),
        (3.45, -0.15, 2.5125),
        (0.798, -1.425, 0),
    ]:
        assert point in points
    assert (-0.0, 0.0, 3.15) in points


def test_normals_are_those_of_the_surface_by_finite_differences():
    step = 1e-6
    inner = np.linspace(0.05, 0.95, 7)
    for patches in teapot.parts().values():
        for patch in patches.reshape(-1, 4, 4, 3):
            _, normals = teapot.evaluate(patch, inner, inner)
            along_u = teapot.evaluate(patch, inner + step, inner)[0] - teapot.evaluate(patch, inner - step, inner)[0]
            along_v = teapot.evaluate(patch, inner, inner + step)[0] - teapot.evaluate(patch, inner, inner - step)[0]
            expected = np.cross(along_u, along_v)
            expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
            np.testing.assert_allclose(normals, expected, atol=1e-5)


def test_normals_at_the_poles_point_up_and_down():
    mesh = MESHES["teapot"]
    for vertex, expected in ((mesh.positions[:, 1].argmax(), 1), (mesh.positions[:, 1].argmin(), -1)):
        np.testing.assert_allclose(mesh.normals[vertex], (0, expected, 0), atol=1e-4)


def test_the_teapot_is_as_long_as_it_says_and_its_spout_points_along_x():
    points = MESHES["teapot"].positions
    assert np.ptp(points[:, 0]) == pytest.approx(TEAPOT_LENGTH, rel=1e-5)
    # The spout's tip is higher than the handle's far end.
    assert points[points[:, 0].argmax(), 1] > points[points[:, 0].argmin(), 1]
