"""What a scene file may hold, and what is said about one that is wrong."""

import copy
import json
import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cnsr.errors import SceneError
from cnsr.scenes.description import Scene, load_scene, parse_scene, scene_json

MINIMAL = {
    "seed": 17,
    "bounces": 4,
    "hide_lights": True,
    "camera": {"position": [0, 1, 2], "lookat": [0, 0, 0], "fov": 75, "near": 0.01, "far": 100},
    "materials": {
        "white": {"color": [1, 1, 1], "emission": [0, 0, 0], "roughness": 1, "id": 0},
        "lamp": {"color": [0, 0, 0], "emission": [9, 9, 9], "roughness": 1, "id": 1},
    },
    "lights": [
        {
            "type": "sphere",
            "transform": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
            "material": "lamp",
            "position": [0, 2, 0],
            "radius": 0.125,
        }
    ],
    "geometry": [
        {
            "type": "grid",
            "transform": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
            "material": "white",
            "position": [0, 0, 0],
            "normal": [0, 1, 0],
            "size": [6, 0, 6],
        },
        {
            "type": "file",
            "transform": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 2, 3, 1]],
            "material": "white",
            "filename": "meshes/teapot.obj",
        },
    ],
}


def changed(*changes):
    """Return MINIMAL with (path, value) changes; a path is of keys and indices, and `...` removes what is there."""
    data = copy.deepcopy(MINIMAL)
    for path, value in changes:
        target = data
        for key in path[:-1]:
            target = target[key]
        if value is ...:
            del target[path[-1]]
        else:
            target[path[-1]] = value
    return data


def message_of(data):
    with pytest.raises(SceneError) as caught:
        parse_scene(data, "room.json")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_scene_holds_what_the_file_says_with_documented_defaults():
    scene = parse_scene(MINIMAL)
    assert scene.camera.fov == 75.0
    assert scene.lights[0].radius == 0.125
    assert scene.geometry[1].transform[3] == (1.0, 2.0, 3.0, 1.0)
    white = scene.materials["white"]
    assert (white.ior, white.texture, white.texture_frequency) == (15.0, "", (1.0, 1.0))
    assert not white.emits
    assert scene.materials["lamp"].emits
    assert scene.folder is None


def test_keys_that_only_the_published_renderer_knew_are_ignored_at_scene_and_object_level():
    data = changed((("cache",), True), (("top_level_acceleration",), "bvh"))
    data["geometry"][0] |= {"cache": {"any": ["thing"]}, "top_level_acceleration": None}
    data["lights"][0]["cache"] = 1
    assert parse_scene(data) == parse_scene(MINIMAL)
    assert "cache" not in scene_json(parse_scene(data))
    assert "camera.cache: unknown key" in message_of(changed((("camera", "cache"), 1)))


def test_a_file_knows_its_folder_and_scenes_survive_pickling(tmp_path):
    path = tmp_path / "view.json"
    path.write_text(json.dumps(MINIMAL), encoding="utf-8-sig")  # with the byte order mark that Windows editors add
    scene = load_scene(path)
    assert scene.folder == tmp_path
    again = pickle.loads(pickle.dumps(scene))
    assert again == scene
    assert again.folder == tmp_path


def test_canonical_text_reads_back_exactly_and_does_not_change(scene_data):
    scene = parse_scene(scene_data)
    text = scene_json(scene)
    assert parse_scene(json.loads(text)) == scene
    assert scene_json(parse_scene(json.loads(text))) == text
    assert text.endswith("}\n")
    assert text.count("\n") == 1


def test_scenes_are_immutable():
    scene = parse_scene(MINIMAL)
    with pytest.raises(ValidationError, match="frozen"):
        scene.seed = 3


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("bounces",), 0, "bounces: expected greater than or equal to 1, found 0"),
        (("bounces",), 2.5, "bounces: expected a valid integer, found 2.5"),
        (("seed",), True, "seed: expected a valid integer, found true"),
        (("seed",), ..., "seed: missing; expected seed of the rendering's samples"),
        (("hide_lights",), 1, "hide_lights: expected a valid boolean, found 1"),
        (("camera",), 3, "camera: expected an object {...}, found 3"),
        (("camera", "fov"), 180, "camera.fov: expected less than 180, found 180"),
        (("camera", "fov"), 0, "camera.fov: expected greater than 0, found 0"),
        (("camera", "fov"), "75", 'camera.fov: expected a valid number, found "75"'),
        (("camera", "fov"), ..., "camera.fov: missing; expected vertical field of view in degrees"),
        (("camera", "near"), -1, "camera.near: expected greater than or equal to 0, found -1"),
        (("camera", "near"), 100, "camera: expected 'near' to be less than 'far'"),
        (("camera", "lookat"), [0, 1, 2], "camera: expected 'lookat' to differ from 'position'"),
        (("camera", "lookat"), [0, 1], "camera.lookat[2]: missing, there are too few items"),
        (("camera", "lookat"), [0, 1, 2, 3], "camera.lookat: expected at most 3 items, not 4"),
        (("camera", "position", 1), math.nan, "camera.position[1]: expected a finite number, found NaN"),
        (("camera", "position", 1), math.inf, "camera.position[1]: expected"),
        (("camera", "position", 1), 2e18, "camera.position[1]: expected less than or equal to 1000000000000000000"),
        (("camera", "posiiton"), [0, 0, 0], 'camera.posiiton: unknown key "posiiton"; did you mean "position"?'),
        (("fog",), 1, 'fog: unknown key "fog"; expected one of "seed", "bounces", "hide_lights", "camera"'),
        (("materials",), [], "materials: expected an object {...}, found []"),
        (("materials", "white", "color", 0), -0.5, "materials.white.color[0]: expected greater than or equal to 0"),
        (("materials", "white", "roughness"), 1.01, "materials.white.roughness: expected less than or equal to 1"),
        (("materials", "white", "ior"), 0.5, "materials.white.ior: expected greater than or equal to 1, found 0.5"),
        (("materials", "white", "id"), -1, "materials.white.id: expected greater than or equal to 0, found -1"),
        (("materials", "white", "emission"), ..., "materials.white.emission: missing; expected linear RGB"),
        (("materials", "white", "ruoghness"), 1, 'unknown key "ruoghness"; did you mean "roughness"?'),
        (("lights", 0, "radius"), 0, "lights[0].radius: expected greater than 0, found 0"),
        (("lights", 0, "radius"), ..., "lights[0].radius: missing"),
        (("lights", 0, "material"), "white", "lights[0].material: expected a material that emits light"),
        (("lights", 0, "material"), "lam", 'lights[0].material: unknown material "lam"; did you mean "lamp"?'),
        (("geometry",), {}, "geometry: expected a list [...], found {}"),
        (("geometry", 0), None, "geometry[0]: expected an object {...}, found null"),
        (("geometry", 0, "type"), "gird", 'geometry[0].type: unknown type "gird"; did you mean "grid"?'),
        (("geometry", 0, "type"), ..., 'geometry[0].type: missing; expected one of "grid", "sphere", "file"'),
        (("geometry", 0, "size", 0), -6, "geometry[0].size[0]: expected greater than or equal to 0, found -6"),
        (("geometry", 0, "normal"), [0, 0, 0], "geometry[0].normal: expected a direction that is not zero"),
        (("geometry", 0, "material"), 3, "geometry[0].material: expected a valid string, found 3"),
        (("geometry", 1, "filename"), "", "geometry[1].filename: "),
        (("geometry", 1, "radius"), 1, 'geometry[1].radius: unknown key "radius"; expected one of "type"'),
        (("geometry", 1, "transform", 0, 3), 1, "geometry[1].transform: expected the last column to be 0, 0, 0, 1"),
        (("geometry", 1, "transform", 1, 1), 0, "geometry[1].transform: expected a matrix that can be inverted"),
        (("geometry", 1, "transform", 3, 0), math.nan, "geometry[1].transform[3][0]: expected a finite number"),
        (("geometry", 1, "transform"), [[1, 0, 0, 0]], "geometry[1].transform[1]: missing"),
    ],
)
def test_each_fault_is_named_with_its_place_and_what_was_expected(path, value, expected):
    message = message_of(changed((path, value)))
    assert message.startswith("room.json: ")
    assert expected in message
    assert message.count(";") <= 3, "only this fault is reported"


def test_all_faults_come_at_once_material_names_too():
    message = message_of(
        changed(
            (("camera", "fov"), 200),
            (("seed",), ...),
            (("geometry", 0, "material"), "whit"),
            (("geometry", 1, "tranform"), []),
        )
    )
    assert "camera.fov: expected less than 180" in message
    assert "seed: missing" in message
    assert 'geometry[0].material: unknown material "whit"; did you mean "white"?' in message
    assert 'geometry[1].tranform: unknown key "tranform"; did you mean "transform"?' in message


def test_unknown_materials_in_a_scene_that_is_right_otherwise_are_all_named_once():
    message = message_of(changed((("geometry", 0, "material"), "x"), (("geometry", 1, "material"), "y")))
    assert message == (
        'room.json: geometry[0].material: unknown material "x"; expected one of "white", "lamp"; '
        'geometry[1].material: unknown material "y"; expected one of "white", "lamp"'
    )


def test_a_file_without_materials_says_so():
    assert "there is no material at all" in message_of(changed((("materials",), {})))


def test_endless_faults_are_cut():
    data = changed()
    data["camera"] |= {f"key{number}": 1 for number in range(200)}
    assert message_of(data).endswith("; and 150 more")


def test_lines_are_told_for_files(tmp_path):
    path = tmp_path / "view000.json"
    path.write_text(json.dumps(changed((("camera", "fov"), 200), (("camera", "near"), ...)), indent=2))
    lines = path.read_text().splitlines()
    fov = next(number for number, line in enumerate(lines, 1) if '"fov"' in line)
    camera = next(number for number, line in enumerate(lines, 1) if '"camera"' in line)
    with pytest.raises(SceneError) as caught:
        load_scene(path)
    assert str(caught.value) == (
        f"{path}: camera.fov (line {fov}): expected less than 180, found 200; "
        f"camera.near (line {camera}): missing; expected nearest distance that is seen"
    )


def test_endless_and_odd_names_make_no_endless_or_odd_lines():
    name = "9" * 100_000
    data = changed(
        ((name,), name), (("materials", name), {"color": name}), (("geometry", 0, "material"), "\u2028\ud800")
    )
    message = message_of(data)
    assert len(message) < 3000
    assert len(message.splitlines()) == 1
    assert 'unknown material "\\u2028\\ud800"' in message


def test_values_nested_beyond_all_measure_are_told(tmp_path):
    path = tmp_path / "deep.json"
    for depth in (300, 900, 100_000):
        path.write_text(
            '{"seed":' + "[" * depth + "]" * depth + ',"cache":' + "[" * depth + "]" * depth + ',"cache":1}'
        )
        with pytest.raises(SceneError) as caught:
            load_scene(path)
        assert len(str(caught.value)) < 2000


def test_a_key_that_stands_twice_is_a_fault_with_its_second_line(tmp_path):
    path = tmp_path / "view.json"
    path.write_text(json.dumps(MINIMAL)[:-1] + ',\n"seed": 3}')
    with pytest.raises(SceneError, match=r"view\.json: seed \(line 2\): the key stands twice$"):
        load_scene(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"seed": 1,\n "bounces": }', ":2:13: not valid JSON: expecting value"),
        (b'{"seed": 1,\n "bounces": NaN}', ":2:13: not valid JSON: NaN is no number"),
        (b'{"seed": 1', ":1:11: not valid JSON: expecting ',' delimiter"),
        (b"", ":1:1: not valid JSON: expecting value"),
        (b'{"a": "\xff"}', ": expected JSON in UTF-8, but byte 7 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", ": expected an object {...}, found []"),
    ],
)
def test_broken_files_are_named_with_line_and_column(tmp_path, content, expected):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(SceneError) as caught:
        load_scene(path)
    assert str(caught.value).startswith(str(path))
    assert expected in str(caught.value)


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(SceneError, match=r"no\.json: there is no such scene file"):
        load_scene(tmp_path / "no.json")
    with pytest.raises(SceneError, match="cannot be read: Is a directory"):
        load_scene(tmp_path)


PATHS = [
    (),
    *(
        path
        for path in [
            ("seed",),
            ("camera",),
            ("camera", "position"),
            ("camera", "fov"),
            ("materials",),
            ("materials", "white"),
            ("materials", "white", "color"),
            ("lights",),
            ("lights", 0),
            ("lights", 0, "type"),
            ("lights", 0, "material"),
            ("geometry", 0),
            ("geometry", 0, "normal"),
            ("geometry", 1, "type"),
            ("geometry", 1, "transform"),
            ("geometry", 1, "transform", 2),
            ("geometry", 1, "filename"),
        ]
    ),
]
KEYS = st.sampled_from(["type", "grid", "sphere", "material", "cache", "id", "0", "", "a b", "\n"]) | st.text(
    max_size=3
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 1e308, -0.0, 5e-324, "sphere", "file", "white"])
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), st.none() | KEYS, VALUES), min_size=1, max_size=3))
def test_any_change_gives_a_scene_or_one_line_of_faults(changes):
    data = copy.deepcopy(MINIMAL)
    for path, new_key, value in changes:
        target = data
        try:
            for key in path:
                parent, target = target, target[key]
        except (KeyError, IndexError, TypeError):  # an earlier change took it away
            continue
        if new_key is not None and isinstance(target, dict):
            target[new_key] = value
        elif path and not isinstance(parent, str):  # or put a string there, whose letters stay
            parent[path[-1]] = value
    try:
        scene = parse_scene(data)
    except SceneError as error:
        assert str(error).startswith("scene: ")
        assert str(error).isprintable() or "\n" not in str(error)
    else:
        assert isinstance(scene, Scene)
        assert parse_scene(json.loads(scene_json(scene))) == scene


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage_to_a_file_gives_a_scene_or_an_error_that_names_it(tmp_path_factory, data):
    content = bytearray(json.dumps(MINIMAL, indent=1).encode())
    start = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 20))
    content[start : start + length] = data.draw(
        st.binary(max_size=10) | st.sampled_from([b"NaN", b'"', b"}", b"1e999"])
    )
    path = tmp_path_factory.mktemp("scene") / "view.json"
    path.write_bytes(bytes(content))
    try:
        load_scene(path)
    except SceneError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
