"""The OBJ reader and the cutting of polygons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnsr.scenes.meshes import MeshData, format_obj, parse_obj
from cnsr.scenes.obj_statements import MeshError

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def corners(mesh, array):
    """Values of an array at each triangle's corners: what does not depend on the numbering of vertices."""
    return array[mesh.triangles]


def areas(mesh):
    a, b, c = np.moveaxis(corners(mesh, mesh.positions.astype(float)), 1, 0)
    return np.cross(b - a, c - a) / 2


def test_triangles_without_normals_stay_flat():
    mesh = parse_obj(SQUARE + "f 1 2 3\nf 1 3 4\n", "name")
    assert mesh.normals is None
    assert mesh.uvs is None
    assert mesh.key == "name"
    assert (mesh.positions.dtype, mesh.triangles.dtype) == (np.float32, np.uint32)
    np.testing.assert_array_equal(corners(mesh, mesh.positions)[1], [(0, 0, 0), (1, 1, 0), (0, 1, 0)])
    assert len(mesh.positions) == 4
    assert mesh.nbytes == 4 * 12 + 2 * 12


@pytest.mark.parametrize("face", ["1 2 3 4", "-4 -3 -2 -1", "1/ 2/ 3/ 4/", "1// 2// 3// 4//", "1 2 \\\n3 4"])
def test_polygons_are_cut_and_indices_may_count_backwards(face):
    mesh = parse_obj(f"{SQUARE}f {face}\n", "")
    np.testing.assert_allclose(areas(mesh).sum(axis=0), (0, 0, 1))
    assert len(mesh.triangles) == 2


def test_a_vertex_with_several_normals_and_texture_coordinates_is_split():
    text = SQUARE + "vt 0 0\nvt 1 0\nvn 0 0 2\nvn 0 3 0\nf 1/1/1 2/1/1 3/2/1\nf 1/2/2 3/2/2 4/1/2\n"
    mesh = parse_obj(text, "")
    assert len(mesh.positions) == 6
    np.testing.assert_array_equal(corners(mesh, mesh.normals), [[(0, 0, 1)] * 3, [(0, 1, 0)] * 3])
    np.testing.assert_array_equal(corners(mesh, mesh.uvs), [[(0, 0), (0, 0), (1, 0)], [(1, 0), (1, 0), (0, 0)]])


def test_faces_without_normals_beside_others_get_their_own():
    text = SQUARE + "vn 1 0 0\nvn 0 0 0\nf 1//1 2//1 3//1\nf 1 3 4\nf 1//2 4 3\nf 1 1 1\n"
    mesh = parse_obj(text, "")
    expected = [[(1, 0, 0)] * 3, [(0, 0, 1)] * 3, [(0, 0, -1)] * 3, [(0, 1, 0)] * 3]
    np.testing.assert_array_equal(corners(mesh, mesh.normals), expected)


def test_missing_texture_coordinates_are_zero_beside_others():
    mesh = parse_obj(SQUARE + "vt 0.5\nf 1/1 2/1 3/1\nf 1 3 4\n", "")
    np.testing.assert_array_equal(corners(mesh, mesh.uvs), [[(0.5, 0)] * 3, [(0, 0)] * 3])


def test_what_says_nothing_about_the_surface_is_skipped():
    text = (
        "# caf\u00c3\u0085\r\nmtllib a.mtl\r\no thing\r\ng one two\r\n"
        "v 0 0 0 1 0.5 0.5 0.5\r\nv 1 0 0\r\nv 1 1 0 # corner\r\n"
        "usemtl red\r\ns off\r\nl 1 2\r\n\r\nf 1 2 3\r\nusemtl blue\r\nf 3 2 1"
    )
    assert len(parse_obj(text, "").triangles) == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_byte_order_marks_of_any_system(end):
    text = "\ufeff" + SQUARE.replace("\n", end) + f"f 1 2 \\{end}3 4{end}"
    assert len(parse_obj(text.encode().decode("latin-1"), "").triangles) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "has no faces"),
        (SQUARE, "has no faces"),
        ("\x00\x01PNG", "line 1: expected an OBJ statement, found "),
        ("hello world", "line 1: expected an OBJ statement, found 'hello world'"),
        ("v 0 a 0", "line 1: expected 3 numbers after 'v', found '0 a 0'"),
        ("v 0 0", "line 1: expected 3 numbers after 'v', found '0 0'"),
        (SQUARE + "f 1 2", "line 5: expected at least 3 corners after 'f', found 2"),
        (SQUARE + "f 1 2 5", "line 5: there is no position 5; 4 stand before this line"),
        (SQUARE + "f 1 2 0", "line 5: there is no position 0"),
        (SQUARE + "f 1 2 -5", "line 5: there is no position -5"),
        (SQUARE + "f 1/1 2/1 3/1", "line 5: there is no texture coordinate 1; 0 stand before this line"),
        (SQUARE + "vn 0 0 1\nf 1//1 2//1 3//2", "line 6: there is no normal 2; 1 stand before this line"),
        (SQUARE + "f 1 2 x", "line 5: expected an index of a position, found 'x'"),
        (SQUARE + "f 1 2 //1", "line 5: expected a corner such as 1, 1/2, 1//3 or 1/2/3, found '//1'"),
        (SQUARE + "f 1 2 3/1/1/1", "line 5: expected a corner such as"),
        (SQUARE + "f 1 2 \\\n3\n\nf 1 2 \\\n 3 9", "line 8: there is no position 9"),
        (SQUARE.replace("\n", "\r\n") + "f 1 2 9", "line 5: there is no position 9"),
        (SQUARE.replace("\n", "\r") + "f 1 2 9", "line 5: there is no position 9"),
        (SQUARE + "f" + " 1" * 10_001, "line 5: expected at most 10000 corners of a face, found 10001"),
        (SQUARE + "f 1 2 " + "9" * 5000, "line 5: expected an index of a position, found '9999999999"),
        (SQUARE + "f 1 2 " + "9" * 4000, "line 5: there is no position 9999999999"),
        (SQUARE + "# \\\nv nan 0 0\nv nan 0 0\nf 1 2 3", "line 7: position 5 is not finite"),
        (SQUARE + "v nan 0 0\nf 1 2 3", "line 5: position 5 is not finite"),
        (SQUARE + "vn inf 0 0\nf 1//1 2//1 3//1", "line 5: normal 1 is not finite"),
        (SQUARE + "vt 1e39 0\nf 1/1 2/1 3/1", "line 5: texture coordinate 1 is not finite"),
    ],
)
def test_damage_is_named_with_its_line(text, expected):
    with pytest.raises(MeshError) as caught:
        parse_obj(text, "")
    assert expected in str(caught.value)


@settings(deadline=None)
@given(st.lists(st.sampled_from([*"vfn /-012.5e#\n\\", "v ", "f ", "vn ", "vt ", "1 2 3\n"]), max_size=60).map("".join))
def test_any_text_is_a_mesh_or_a_mesh_error(text):
    try:
        mesh = parse_obj(SQUARE + text, "")
    except MeshError:
        return
    assert mesh.triangles.max() < len(mesh.positions)
    assert np.isfinite(mesh.positions).all()


FLOATS = st.floats(-1, 1, width=32).map(lambda value: round(value, 4))


@settings(deadline=None, max_examples=50)
@given(st.data(), st.booleans(), st.booleans())
def test_written_meshes_read_back(data, has_normals, has_uvs):
    count = data.draw(st.integers(3, 8))
    rows = st.lists(st.tuples(FLOATS, FLOATS, FLOATS), min_size=count, max_size=count)
    normals = np.array([(*row[:2], 1) for row in data.draw(rows)])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    indices = st.tuples(*[st.integers(0, count - 1)] * 3)
    mesh = MeshData(
        np.array(data.draw(rows), dtype=np.float32),
        normals.astype(np.float32) if has_normals else None,
        np.array(data.draw(rows), dtype=np.float32)[:, :2] if has_uvs else None,
        np.array(data.draw(st.lists(indices, min_size=1, max_size=5)), dtype=np.uint32),
        "key",
    )
    text = format_obj(mesh, "two\nlines")
    again = parse_obj(text, "key")
    assert text.startswith("# two\n# lines\nv ")
    np.testing.assert_allclose(corners(again, again.positions), corners(mesh, mesh.positions), atol=1e-6)
    for ours, theirs in ((again.normals, mesh.normals), (again.uvs, mesh.uvs)):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(corners(again, ours), corners(mesh, theirs), atol=2e-6)
