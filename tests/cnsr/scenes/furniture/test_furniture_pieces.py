"""Every piece, with its defaults and with drawn proportions: closed, outward, of the promised size, standing."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnsr.scenes.furniture.catalog import PIECES
from cnsr.scenes.furniture.piece import fitted

STANDING = {"dining_table", "chair", "sofa", "armchair", "coffee_table"}
FEWEST, MOST = 2000, 30000  # triangles
STRETCH = 0.06
# A flat sheet needs no more.
FEW = {"mirror"}

KINDS = {
    "dining_table": ["table_tapered", "table_round", "table_trestle", "table_oval"],
    "chair": ["chair_slat_back", "chair_ladder_back", "chair_upholstered"],
    "sofa": ["sofa_rolled_arm", "sofa_track_arm"],
    "armchair": ["armchair"],
    "coffee_table": ["coffee_table_round", "coffee_table_rectangular"],
    "rug": ["rug"],
    "lamp": ["lamp"],
    "teapot": ["teapot"],
    "mirror_frame": ["mirror_frame"],
    "mirror": ["mirror"],
}


def check(piece, parameters, solid_volumes, welded):
    """Check all that must hold for every set of parameters."""
    meshes = piece.build(parameters)
    assert tuple(meshes) == piece.parts
    low, high = map(np.array, piece.bounds(parameters))
    everything = np.concatenate([mesh.positions for mesh in meshes.values()])
    np.testing.assert_allclose(everything.min(axis=0), low, atol=1e-6)
    np.testing.assert_allclose(everything.max(axis=0), high, atol=1e-6)
    assert everything.min(axis=0)[1] >= np.float32(low[1]), "nothing below the floor"
    assert piece.size(parameters) == pytest.approx(tuple(high - low))
    triangles = sum(len(mesh.triangles) for mesh in meshes.values())
    assert triangles <= MOST
    assert triangles >= FEWEST or piece.name in FEW
    for part, mesh in meshes.items():
        positions, corners = welded(mesh)
        volumes = solid_volumes(positions, corners)
        assert volumes.min() > 0, f"{part}: turned inside out"
        check_shading(mesh)
    check_stretch(piece, parameters)
    if piece.kind in STANDING:
        check_feet(everything)


def check_shading(mesh):
    assert mesh.positions.dtype == mesh.normals.dtype == mesh.uvs.dtype == np.float32
    assert mesh.triangles.dtype == np.uint32
    assert np.isfinite(mesh.uvs).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)
    a, b, c = np.moveaxis(mesh.positions.astype(float)[mesh.triangles], 1, 0)
    faces = np.cross(b - a, c - a)
    sizes = np.linalg.norm(faces, axis=1)
    assert sizes.min() > 0
    assert np.einsum("ij,ikj->ik", faces / sizes[:, None], mesh.normals[mesh.triangles]).min() > 0.3


def check_stretch(piece, parameters):
    """The fit to the bounds is a matter of some percent."""
    positions = np.concatenate([surface.positions for surface in parameters.shape().values()])
    low, high = map(np.array, piece.bounds(parameters))
    np.testing.assert_allclose((high - low) / np.ptp(positions, axis=0), 1, atol=STRETCH)


def check_feet(positions):
    """It stands: the middle of the piece is among the points on the floor, which lie on all sides of it."""
    feet = positions[positions[:, 1] < 1e-6]
    angles = np.sort(np.arctan2(feet[:, 2], feet[:, 0]))
    gaps = np.diff(np.append(angles, angles[0] + 2 * np.pi))
    assert gaps.max() < 0.95 * np.pi


def test_the_catalog_holds_every_kind():
    assert {kind: [name for name, piece in PIECES.items() if piece.kind == kind] for kind in KINDS} == KINDS
    assert sum(map(len, KINDS.values())) == len(PIECES)


@pytest.mark.parametrize("name", PIECES)
def test_the_default_piece_is_sound(name, solid_volumes, welded):
    check(PIECES[name], PIECES[name].defaults, solid_volumes, welded)


@st.composite
def parameters_of_any_piece(draw):
    """Draw a piece and its parameters, with a liking for the ends of their ranges."""
    piece = PIECES[draw(st.sampled_from(sorted(PIECES)))]
    values = {}
    for one in fields(piece.type):
        low, high = one.metadata["low"], one.metadata["high"]
        if isinstance(one.default, int):
            values[one.name] = draw(st.integers(low, high))
        else:
            share = draw(st.sampled_from((0.0, 1.0)) | st.floats(0.0, 1.0))
            values[one.name] = min(max(round(low + share * (high - low), 4), low), high)
    return piece, piece.type(**values)


@settings(max_examples=45, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parameters_of_any_piece())
def test_every_set_of_parameters_gives_a_sound_piece(solid_volumes, welded, drawn):
    check(*drawn, solid_volumes, welded)


@pytest.mark.slow
@pytest.mark.parametrize("name", PIECES)
def test_many_drawn_pieces_are_sound(name, solid_volumes, welded):
    rng = np.random.default_rng(5)
    for _ in range(60):
        check(PIECES[name], PIECES[name].draw(rng), solid_volumes, welded)


@pytest.mark.parametrize("name", PIECES)
def test_draws_are_within_their_ranges_rounded_and_repeatable(name):
    piece = PIECES[name]
    draws = [piece.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert draws[7] == piece.draw(np.random.default_rng(7))
    for one in fields(piece.type):
        low, high = one.metadata["low"], one.metadata["high"]
        values = [getattr(parameters, one.name) for parameters in draws]
        assert {type(value) for value in values} == {type(one.default)}
        assert low <= min(values) <= low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) <= max(values) <= high
        assert all(round(value, 4) == value for value in values)
        assert low <= one.default <= high


@pytest.mark.parametrize("name", PIECES)
def test_building_twice_gives_the_same_bytes(name):
    piece = PIECES[name]
    one, other = (piece.build(piece.draw(np.random.default_rng(3))) for _ in range(2))
    for part in piece.parts:
        for array in ("positions", "normals", "uvs", "triangles"):
            assert getattr(one[part], array).tobytes() == getattr(other[part], array).tobytes()


@pytest.mark.parametrize("name", PIECES)
def test_every_parameter_changes_the_piece(name):
    """No option is dead: each changes a mesh, or (offsets that the fit undoes aside) the bounds."""
    piece = PIECES[name]
    before = piece.build(piece.defaults)
    for one in fields(piece.type):
        low, high = one.metadata["low"], one.metadata["high"]
        value = low if one.default == high else high
        after = piece.build(replace(piece.defaults, **{one.name: value}))
        assert any(
            before[part].positions.shape != after[part].positions.shape
            or np.abs(before[part].positions - after[part].positions).max() > 5e-4
            for part in piece.parts
        ), one.name


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("dining_table", (0.9, 0.7, 0.75), (2.4, 0.8, 1.4)),
        ("chair", (0.4, 0.8, 0.4), (0.56, 1.15, 0.66)),
        ("sofa", (1.7, 0.75, 0.8), (2.4, 0.95, 1.05)),
        ("armchair", (0.65, 0.75, 0.75), (0.85, 0.95, 0.9)),
        ("coffee_table", (0.6, 0.35, 0.45), (1.3, 0.5, 1.05)),
        ("rug", (1.8, 0.005, 1.2), (3.0, 0.02, 2.1)),
        ("lamp", (0.35, 0.5, 0.35), (0.6, 1.3, 0.6)),
        ("teapot", (0.2, 0.08, 0.12), (0.3, 0.2, 0.2)),
        ("mirror", (0.5, 0.7, 0.005), (1.1, 1.4, 0.02)),
        ("mirror_frame", (0.6, 0.8, 0.03), (1.3, 1.6, 0.06)),
    ],
)
def test_proportions_are_those_of_furniture(kind, low, high):
    rng = np.random.default_rng(0)
    for piece in (piece for piece in PIECES.values() if piece.kind == kind):
        for parameters in [piece.defaults, *(piece.draw(rng) for _ in range(100))]:
            size = np.array(piece.size(parameters))
            assert (size >= low).all(), (piece.name, size)
            assert (size <= high).all(), (piece.name, size)


@pytest.mark.parametrize("name", [name for name, piece in PIECES.items() if piece.top(piece.defaults) is not None])
def test_things_stand_on_table_tops(name):
    """A ray from above into the middle of a table meets it at `top`."""
    piece = PIECES[name]
    for seed in range(3):
        parameters = piece.draw(np.random.default_rng(seed))
        positions = np.concatenate([mesh.positions for mesh in piece.build(parameters).values()])
        # The fan of the top's triangles meets in its middle.
        middle = positions[np.hypot(positions[:, 0], positions[:, 2]) < 0.06]
        assert middle[:, 1].max() == pytest.approx(piece.top(parameters), abs=1e-3)


def test_only_tables_have_a_top():
    assert {piece.kind for piece in PIECES.values() if piece.top(piece.defaults) is not None} == {
        "dining_table",
        "coffee_table",
    }


def test_sitters_look_along_z():
    """What is highest in a chair, its back, is behind the middle."""
    for piece in PIECES.values():
        if piece.kind in ("chair", "armchair", "sofa"):
            positions = np.concatenate([mesh.positions for mesh in piece.build(piece.defaults).values()])
            highest = positions[positions[:, 1] > 0.9 * positions[:, 1].max()]
            assert highest[:, 2].mean() < -0.1, piece.name


def test_a_light_of_the_lamp_fits_into_its_shade():
    piece = PIECES["lamp"]
    rng = np.random.default_rng(0)
    for parameters in [piece.defaults, *(piece.draw(rng) for _ in range(20))]:
        meshes = piece.build(parameters)
        assert max(mesh.positions[:, 1].max() for mesh in meshes.values()) == pytest.approx(parameters.drop)
        shade = meshes["shade"].positions
        at_light = shade[np.abs(shade[:, 1]) < 0.025]
        assert np.hypot(at_light[:, 0], at_light[:, 2]).min() > np.hypot(0.1, 0.1) + 0.01
        assert shade[:, 1].min() < -0.01
        metal = meshes["metal"].positions
        assert metal[:, 1].min() > 0.02, "nothing hangs through the light"
        # Open below: nothing but the wall of the shade at the height of the light.
        low = np.concatenate([shade, metal])
        low = low[low[:, 1] < 0.0]
        assert np.hypot(low[:, 0], low[:, 2]).min() > 0.15


def test_mirrors_face_z_and_fit_their_frames():
    rng = np.random.default_rng(0)
    for _ in range(10):
        frame = PIECES["mirror_frame"].draw(rng)
        mirror = replace(PIECES["mirror"].draw(rng), width=frame.width, height=frame.height)
        glass = PIECES["mirror"].build(mirror)["glass"]
        front = glass.normals[:, 2] > 0.999
        assert glass.positions[front, 2].min() == pytest.approx(0.012)
        assert glass.positions[:, 2].min() == 0.0
        rails = PIECES["mirror_frame"].build(frame)["frame"].positions
        opening = 2 * np.abs(rails[rails[:, 2] < 0.0075, 0]).min()
        assert 0.5 * mirror.width < opening < mirror.width - 0.005, "no gap beside the glass"
        assert rails[:, 2].min() == 0.0
        assert rails[:, 2].max() > 0.02


def test_the_teapot_is_newells():
    mesh = PIECES["teapot"].build(PIECES["teapot"].defaults)["china"]
    points = mesh.positions
    assert points[points[:, 0].argmax(), 1] > points[points[:, 0].argmin(), 1], "the spout's tip, along +x, is higher"
    assert np.ptp(points[:, 0]) == pytest.approx(0.25)
    surfaces = PIECES["teapot"].defaults.shape()
    stretch = [
        np.ptp(fitted(surfaces, PIECES["teapot"].defaults.bounds())["china"].positions, axis=0)[k]
        / np.ptp(surfaces["china"].positions, axis=0)[k]
        for k in range(3)
    ]
    np.testing.assert_allclose(stretch, stretch[0], rtol=2e-3, err_msg="in Blinn's proportions")
