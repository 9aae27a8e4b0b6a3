"""Reading the views of a scene one after another gives what reading each file alone gives."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnsr.errors import SceneError
from cnsr.scenes.description import Scene, load_scene
from cnsr.scenes.view_files import read_view

TRANSFORM = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def view(seed=1, position=(0, 1, 2), color=(1, 1, 1), name="white"):
    return {
        "seed": seed,
        "bounces": 4,
        "hide_lights": True,
        "camera": {"position": position, "lookat": [0, 0, 0], "fov": 75, "near": 0.01, "far": 100},
        "materials": {name: {"color": color, "emission": [0, 0, 0], "roughness": 1, "id": 0}},
        "lights": [],
        "geometry": [{"type": "sphere", "transform": TRANSFORM, "material": name, "position": [0, 0, 0], "radius": 1}],
    }


def result_of(read):
    try:
        scene = read()
    except SceneError as error:
        return str(error)
    assert isinstance(scene, Scene)
    return scene, scene.folder


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_views_of_one_scene_share_all_but_camera_and_seed(write):
    first = read_view(write("view000.json", view()))
    path = write("view001.json", view(seed=-7, position=(3, 1, 0)))
    second = read_view(path, first)
    assert second.scene == load_scene(path)
    assert second.scene.folder == path.parent
    assert second.scene.seed == -7
    assert second.scene.camera.position == (3, 1, 0)
    for part in ("materials", "lights", "geometry"):
        assert getattr(second.scene, part) is getattr(first.scene, part)
    third = write("view002.json", view(seed=2))
    assert read_view(third, second).scene.geometry is first.scene.geometry


@pytest.mark.parametrize(
    "other", [view(color=(1, 1, 0.5)), view(name="gray"), view() | {"bounces": 3}, view() | {"hide_lights": False}]
)
def test_other_scenes_are_read_as_they_are(write, other):
    first = read_view(write("view000.json", view()))
    path = write("view001.json", other)
    second = read_view(path, first)
    assert second.scene == load_scene(path)
    assert second.scene.geometry is not first.scene.geometry


def test_names_start_in_the_folder_of_each_file(write):
    first = read_view(write("one/view.json", view()))
    second = read_view(write("two/view.json", view()), first)
    assert second.scene.folder != first.scene.folder
    assert second.scene.geometry is not first.scene.geometry


@pytest.mark.parametrize("name", ["camera", "seed", '"camera":{}', '\\"seed\\":1', '{"seed":1}'])
def test_materials_may_be_called_like_what_differs(write, name):
    first = read_view(write("view000.json", view(name=name)))
    path = write("view001.json", view(name=name, color=(0, 0, 1), position=(3, 1, 0)))
    assert read_view(path, first).scene == load_scene(path)


BROKEN = [
    ('"seed": 1', '"seed": 1.5'),
    ('"seed": 1', '"seed": 01'),
    ('"seed": 1', '"seed": true'),
    ('"seed": 1', '"seed": 99999999999999999999'),
    ('"seed": 1', '"seed": 1, "seed": 2'),
    ('"fov": 75', '"fov": 200'),
    ('"fov": 75', '"fov": 75, "fov": 75'),
    ('"fov": 75', '"fov": NaN'),
    ('"lookat": [0, 0, 0]', '"lookat": [0, 1, 2]'),
    ('"near": 0.01', '"near": {"a": 1}'),
    ('"near": 0.01, ', ""),
    ('"bounces": 4', '"bounces": true'),
    ('"radius": 1', '"radius": 1, "camera": {}'),
]


@pytest.mark.parametrize(("old", "new"), BROKEN)
def test_faults_are_told_as_of_a_file_alone(write, old, new):
    first = read_view(write("view000.json", view()))
    text = json.dumps(view())
    assert old in text
    path = write("view001.json", text.replace(old, new))
    with pytest.raises(SceneError) as alone:
        load_scene(path)
    with pytest.raises(SceneError) as after:
        read_view(path, first)
    assert str(after.value) == str(alone.value)


@given(
    spans=st.lists(
        st.tuples(st.integers(0, 600), st.integers(0, 12), st.sampled_from(["", "0", '"', "{", "}", ",", "-", "e5"])),
        max_size=2,
    ),
    spaces=st.booleans(),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_edit_reads_as_it_does_alone(write, spans, spaces):
    first = read_view(write("view000.json", view()))
    text = json.dumps(view(seed=5, position=(1, 2, 3)), indent=2 if spaces else None)
    for start, length, new in spans:
        text = text[:start] + new + text[start + length :]
    path = write("view001.json", text)
    assert result_of(lambda: read_view(path, first).scene) == result_of(lambda: load_scene(path))
