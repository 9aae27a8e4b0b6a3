"""Meshes of furniture are found by scenes, and kept in memory and on disk."""

import os
import subprocess
import sys

import numpy as np
import pytest

from cnsr.errors import SceneError
from cnsr.rendering import PathTracer
from cnsr.scenes.assets import AssetCache, load_mesh, resolve_mesh
from cnsr.scenes.furniture import catalog, storage
from cnsr.scenes.furniture.catalog import PIECES, furniture_mesh
from cnsr.scenes.furniture.storage import FurnitureStorage

NAME = "furniture/mirror/glass.obj?width=0.7"
MESH = furniture_mesh(NAME)
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


@pytest.fixture
def builds(monkeypatch):
    """Count how often pieces are made."""
    made = []
    make = catalog.FurnitureMesh.make

    def counted(self):
        made.append(self.filename)
        return make(self)

    monkeypatch.setattr(catalog.FurnitureMesh, "make", counted)
    return made


def equal(one, other):
    return one.key == other.key and all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes()
        and getattr(one, name).shape == getattr(other, name).shape
        for name in ("positions", "normals", "uvs", "triangles")
    )


def test_a_second_process_reads_what_the_first_one_made(tmp_path, builds):
    first = FurnitureStorage(tmp_path).meshes(MESH)
    second = FurnitureStorage(tmp_path).meshes(MESH)
    assert builds == [NAME]
    assert equal(first["glass"], second["glass"])
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("mirror.")


def test_files_of_all_parts_are_one_and_differ_by_parameters(tmp_path, builds):
    place = FurnitureStorage(tmp_path)
    lamp = PIECES["lamp"]
    shade, metal = (lamp.mesh(part, lamp.defaults) for part in lamp.parts)
    assert equal(place.meshes(shade)["metal"], place.meshes(metal)["metal"])
    assert len(builds) == 1
    place.meshes(furniture_mesh("furniture/lamp/shade.obj?height=0.2"))
    assert len(list(tmp_path.iterdir())) == 2


def test_other_source_makes_other_files(tmp_path, builds, monkeypatch):
    FurnitureStorage(tmp_path).meshes(MESH)
    monkeypatch.setattr(catalog, "source_version", lambda: "another")
    FurnitureStorage(tmp_path).meshes(MESH)
    assert len(builds) == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign", "incomplete", "wrong type"])
def test_damaged_files_are_made_anew(tmp_path, builds, damage):
    place = FurnitureStorage(tmp_path)
    expected = place.meshes(MESH)["glass"]
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    with np.load(file) as arrays:
        arrays = dict(arrays)
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "cut":
            file.write_bytes(content[: len(content) // 2])
        case "flipped":
            content[200] ^= 0xFF
            file.write_bytes(content)
        case "foreign":
            file.write_text("hello")
        case "incomplete":
            del arrays["glass.uvs"]
            np.savez(file, **arrays)
        case "wrong type":
            np.savez(file, **{name: array.astype(np.float64) for name, array in arrays.items()})
    assert equal(FurnitureStorage(tmp_path).meshes(MESH)["glass"], expected)
    assert len(builds) == 2
    assert equal(FurnitureStorage(tmp_path).meshes(MESH)["glass"], expected)
    assert len(builds) == 2


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    place = FurnitureStorage(tmp_path / "file" / "furniture")
    assert len(place.meshes(MESH)["glass"].triangles) > 0


def test_the_oldest_files_go_first(tmp_path):
    names = [furniture_mesh(f"furniture/mirror/glass.obj?width={width}") for width in (0.6, 0.7, 0.81, 0.9)]
    FurnitureStorage(tmp_path).meshes(names[0])
    (first,) = tmp_path.iterdir()
    size = first.stat().st_size
    os.utime(first, (0, 0))
    place = FurnitureStorage(tmp_path, capacity=3 * size)
    for name in names[1:]:
        place.meshes(name)
    assert len(list(tmp_path.iterdir())) == 3
    assert not first.exists()
    assert storage.CAPACITY >= 2**30


def test_scenes_find_files_first_and_then_furniture(tmp_path):
    assert resolve_mesh(NAME, tmp_path) == MESH
    assert resolve_mesh("furniture/rug/pile.obj", None).piece is PIECES["rug"]
    own = tmp_path / "furniture" / "rug" / "pile.obj"
    own.parent.mkdir(parents=True)
    own.write_text(TRIANGLE)
    assert resolve_mesh("furniture/rug/pile.obj", tmp_path) == own
    with pytest.raises(SceneError, match="unknown piece of furniture"):
        resolve_mesh("furniture/rog/pile.obj", tmp_path)
    with pytest.raises(SceneError, match=r"there is no file 'pile\.obj'; looked for"):
        resolve_mesh("pile.obj", tmp_path)


def test_the_cache_in_memory_holds_all_parts(tmp_path, builds):
    cache = AssetCache(storage=FurnitureStorage(tmp_path / "none"))
    chair = PIECES["chair_upholstered"]
    meshes = [cache.mesh(chair.mesh(part, chair.defaults)) for part in chair.parts]
    assert len(builds) == 1
    assert [cache.mesh(chair.mesh(part, chair.defaults)) for part in chair.parts] == meshes
    small = AssetCache(capacity=1, storage=FurnitureStorage(tmp_path / "none"))
    for part, mesh in zip(chair.parts, meshes, strict=True):
        assert equal(small.mesh(chair.mesh(part, chair.defaults)), mesh)


def scene_of(filename):
    identity = np.eye(4).tolist()
    white = {"color": [0.5] * 3, "emission": [0.0] * 3, "roughness": 1.0, "id": 1}
    return {
        "seed": 0,
        "bounces": 2,
        "hide_lights": True,
        "camera": {"position": [0.0, 0.0, 2.0], "lookat": [0.0, 0.0, 0.0], "fov": 40.0, "near": 0.01, "far": 9.0},
        "materials": {"white": white, "light": white | {"emission": [5.0] * 3, "id": 2}},
        "lights": [
            {"type": "sphere", "transform": identity, "material": "light", "position": [0, 0, 4.0], "radius": 0.5}
        ],
        "geometry": [{"type": "file", "transform": identity, "material": "white", "filename": filename}],
    }


def test_the_renderer_shows_furniture_by_name():
    view = PathTracer(threads=1).render(scene_of(NAME), size=33, samples=1, buffers=("depth", "normal"))
    assert view.buffers["depth"][16, 16, 0] == pytest.approx(2.0 - 0.012, abs=2e-3)
    np.testing.assert_allclose(view.buffers["normal"][16, 16], (0, 0, 1), atol=1e-4)


def test_a_faulty_name_is_told_with_its_place_in_the_scene():
    with pytest.raises(SceneError) as caught:
        PathTracer(threads=1).load_scene(scene_of("furniture/rug/pile.obj?width=9"))
    assert str(caught.value).startswith('scene: geometry[0].filename: "furniture/rug/pile.obj?width=9": width: ')


def test_the_command_makes_the_same_files_in_every_run(tmp_path):
    def command(*arguments, cache):
        environment = os.environ | {"CNSR_CACHE": str(tmp_path / cache)}
        arguments = [sys.executable, "-m", "cnsr.scenes.furniture", *arguments]
        return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout

    assert command(cache="a") == f"{len(PIECES)} pieces of furniture in {tmp_path / 'a' / 'furniture'}\n"
    command(cache="b")
    files = sorted((tmp_path / "a" / "furniture").iterdir())
    assert len(files) == len(PIECES)
    for file in files:
        assert file.read_bytes() == (tmp_path / "b" / "furniture" / file.name).read_bytes()
    piece = PIECES["mirror"]
    (kept,) = (tmp_path / "a" / "furniture").glob("mirror.*")
    assert kept.name.split(".")[1] == piece.mesh("glass", piece.defaults).piece_key


@pytest.mark.slow
def test_the_command_exports_obj_files(tmp_path):
    arguments = [sys.executable, "-m", "cnsr.scenes.furniture", "--export", str(tmp_path)]
    subprocess.run(arguments, capture_output=True, check=True)
    for piece in PIECES.values():
        built = piece.build(piece.defaults)
        for part in piece.parts:
            read = load_mesh(tmp_path / piece.name / f"{part}.obj")
            assert len(read.triangles) == len(built[part].triangles)
            corners = built[part].positions[built[part].triangles]
            np.testing.assert_allclose(read.positions[read.triangles], corners, atol=2e-6)
