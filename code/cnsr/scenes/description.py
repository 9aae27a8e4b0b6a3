"""The scene description: what a scene file holds, and every check of it.

A scene file is JSON and describes one view: camera, materials, lights and geometry. Lengths are metres, the world is
right-handed with +y up, images are square. Matrices follow the row-vector convention, ``p' = [p, 1] M``, with the
translation in the last row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from cnsr.errors import SceneError
from cnsr.json_faults import MOST_FAULTS, Fault, faults_of, one_line
from cnsr.json_text import JsonSyntaxError, KeyPath, parse_json

LARGEST = 1e18
"""Numbers of a scene stay within ±LARGEST, so that squares of distances are finite in single precision."""

# |det| of an invertible transform, as a share of the product of its axes' lengths (1 for orthogonal axes).
_SMALLEST_DETERMINANT = 1e-9
# Distance of position and look-at, as a share of their size, below which single precision cannot tell them apart.
_SMALLEST_DISTANCE = 1e-6

_LIMITS = {"strict": True, "allow_inf_nan": False, "le": LARGEST}
Number = Annotated[float, Field(ge=-LARGEST, **_LIMITS)]
NotNegative = Annotated[float, Field(ge=0.0, **_LIMITS)]
Positive = Annotated[float, Field(gt=0.0, **_LIMITS)]
Vector = tuple[Number, Number, Number]
Color = tuple[NotNegative, NotNegative, NotNegative]
Row = tuple[Number, Number, Number, Number]
Text = Annotated[str, Field(strict=True)]
_Ignored = Annotated[None, BeforeValidator(lambda _: None), WithJsonSchema({"description": "accepted and ignored"})]


def _check_direction(direction: tuple[float, float, float]) -> tuple[float, float, float]:
    if math.hypot(*direction) == 0.0:
        raise PydanticCustomError("direction", "expected a direction that is not zero")
    return direction


def _check_transform(rows: tuple[Row, Row, Row, Row]) -> tuple[Row, Row, Row, Row]:
    (a, b, c, x), (d, e, f, y), (g, h, i, z), (_, _, _, w) = rows
    if (x, y, z, w) != (0.0, 0.0, 0.0, 1.0):
        raise PydanticCustomError(
            "transform",
            "expected the last column to be 0, 0, 0, 1 (points are row vectors: the translation is the last row)",
        )
    lengths = math.hypot(a, b, c), math.hypot(d, e, f), math.hypot(g, h, i)
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    if not abs(determinant) > _SMALLEST_DETERMINANT * lengths[0] * lengths[1] * lengths[2]:
        raise PydanticCustomError("transform", "expected a matrix that can be inverted, found a singular one")
    return rows


Direction = Annotated[Vector, AfterValidator(_check_direction)]
Transform = Annotated[tuple[Row, Row, Row, Row], AfterValidator(_check_transform)]


class _Part(BaseModel):
    """A part of a scene: immutable, with no keys but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Camera(_Part):
    """A pinhole camera with a square image."""

    position: Vector = Field(description="world position")
    lookat: Vector = Field(description="world position of the middle of the image")
    fov: Annotated[float, Field(gt=0.0, lt=180.0, strict=True)] = Field(description="vertical field of view in degrees")
    near: NotNegative = Field(description="nearest distance that is seen")
    far: Positive = Field(description="farthest distance that is seen")

    @model_validator(mode="after")
    def _check(self) -> Camera:
        size = max(map(abs, (*self.position, *self.lookat)))
        if not math.dist(self.position, self.lookat) > _SMALLEST_DISTANCE * size:
            raise PydanticCustomError("lookat", "expected 'lookat' to differ from 'position'")
        if not self.near < self.far:
            raise PydanticCustomError("near", "expected 'near' to be less than 'far'")
        return self


class Material(_Part):
    """How a surface reflects and emits light (``docs/conventions.md``, "Light")."""

    color: Color = Field(description="albedo, linear RGB")
    emission: Color = Field(description="linear RGB; radiance is emission / area of the light")
    roughness: Annotated[float, Field(ge=0.0, le=1.0, strict=True)] = Field(
        description="0.05 and below: mirror-like, 1: diffuse"
    )
    ior: Annotated[float, Field(ge=1.0, **_LIMITS)] = Field(15.0, description="index of refraction of the reflection")
    texture: Text = Field("", description="file name of an image that scales the color; none if empty")
    texture_frequency: tuple[Number, Number] = Field((1.0, 1.0), description="repetitions of the texture along u, v")
    id: Annotated[int, Field(ge=0, le=2**24, strict=True)] = Field(description="label of the 'id' buffer")

    @property
    def emits(self) -> bool:
        """Whether surfaces of this material are lights."""
        return max(self.emission) > 0.0


class _Shape(_Part):
    """What all objects have."""

    type: str
    transform: Transform = Field(description="4x4, row vectors: p' = [p, 1] M, translation in the last row")
    material: Text = Field(description="name of one of the materials")
    cache: _Ignored = Field(None, exclude=True, repr=False)
    top_level_acceleration: _Ignored = Field(None, exclude=True, repr=False)


class Grid(_Shape):
    """A rectangle, seen from both sides; it emits on the side of its normal."""

    type: Literal["grid"]
    position: Vector = Field(description="center")
    normal: Direction = Field(description="direction that the rectangle faces, of any length but zero")
    size: tuple[NotNegative, NotNegative, NotNegative] = Field(
        description="full extents along x, y, z of the two axes in its plane"
    )


class Sphere(_Shape):
    """A sphere."""

    type: Literal["sphere"]
    position: Vector = Field(description="center")
    radius: Positive


class MeshFile(_Shape):
    """A mesh: an OBJ file beside the scene file or among the project's own assets, or a piece of furniture by name."""

    type: Literal["file"]
    filename: Annotated[str, Field(strict=True, min_length=1)]


Object = Annotated[Grid | Sphere | MeshFile, Field(discriminator="type")]


Seed = Annotated[int, Field(ge=-(2**63), lt=2**63, strict=True, description="seed of the rendering's samples")]


class OwnOfView(_Part):
    """What differs between the views of one scene."""

    camera: Camera
    seed: Seed


class Scene(_Part):
    """One view of a scene. Raises pydantic's ``ValidationError``; see ``parse_scene`` for errors for people."""

    seed: Seed
    bounces: Annotated[int, Field(ge=1, le=1024, strict=True)] = Field(description="number of path vertices at most")
    hide_lights: Annotated[bool, Field(strict=True)] = Field(description="whether lights are invisible to the camera")
    camera: Camera
    materials: dict[Text, Material] = Field(description="materials by name")
    lights: tuple[Object, ...] = Field(description="objects with an emissive material")
    geometry: tuple[Object, ...]
    cache: _Ignored = Field(None, exclude=True, repr=False)
    top_level_acceleration: _Ignored = Field(None, exclude=True, repr=False)

    _folder: Path | None = PrivateAttr(None)

    @property
    def folder(self) -> Path | None:
        """Folder of the file that the scene was read from; relative names of meshes and textures start there."""
        return self._folder

    @model_validator(mode="after")
    def _check_materials(self) -> Scene:
        emits = {name: material.emits for name, material in self.materials.items()}
        uses = (
            ((part, index), one.material)
            for part, objects in (("lights", self.lights), ("geometry", self.geometry))
            for index, one in enumerate(objects)
        )
        faults = [
            InitErrorDetails(
                type=PydanticCustomError("material", "{message}", {"message": fault.message}),
                loc=fault.path,
                input=None,
            )
            for fault in _material_faults(emits, uses)
        ]
        if faults:
            raise ValidationError.from_exception_data("Scene", faults)
        return self


def parse_scene(data: Mapping[str, Any], source: str = "scene", folder: Path | None = None) -> Scene:
    """Return the scene that JSON-like `data` describes.

    Args:
        data: the decoded JSON object.
        source: what error messages call it.
        folder: where relative names of meshes and textures start.

    Raises:
        SceneError: it is not a scene; the one line names all faults by dotted paths.
    """
    return _parse(data, source, folder, text=None)


def load_scene(path: Path) -> Scene:
    """Read a scene file.

    Raises:
        SceneError: the file is missing or unreadable, is not JSON (with line and column), or does not describe a
            scene (with line and dotted path of every fault).
    """
    path = Path(path)
    return parse_text(path, read_text(path))


def read_text(path: Path) -> str:
    """Return the text of a scene file. Raises ``SceneError`` if there is none."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SceneError(f"{path}: there is no such scene file") from None
    except OSError as error:
        raise SceneError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise SceneError(f"{path}: expected JSON in UTF-8, but byte {error.start} is not UTF-8") from None


def parse_text(path: Path, text: str) -> Scene:
    """Return the scene that the `text` of the file at `path` describes. Raises ``SceneError``, see `load_scene`."""
    try:
        data, duplicates = parse_json(text)
    except JsonSyntaxError as error:
        raise SceneError(f"{path}:{error.line}:{error.column}: {error.message}") from None
    return _parse(data, str(path), path.parent, text, duplicates)


def scene_json(scene: Scene) -> str:
    """Return the canonical text of a scene file: the same scene gives the same bytes; numbers read back exactly."""
    return compact_json(scene.model_dump())


def compact_json(data: object) -> str:
    """Return `data` as JSON without spaces, in the order of its keys, with a line end."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False) + "\n"


def scene_schema() -> dict[str, Any]:
    """Return the JSON Schema of scene files. References between its parts (material names) are beyond a schema."""
    schema = Scene.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Scene file of cnsr"
    return schema


_SHAPES: dict[str, type[BaseModel]] = {"grid": Grid, "sphere": Sphere, "file": MeshFile}


def _model_at(location: KeyPath) -> type[BaseModel]:
    """Return the model whose field is last in one of pydantic's locations."""
    match location:
        case ("camera", _):
            return Camera
        case ("materials", _, _):
            return Material
        case ("lights" | "geometry", int(), tag, _):
            return _SHAPES[str(tag)]
        case _:
            return Scene


def _parse(
    data: object, source: str, folder: Path | None, text: str | None, duplicates: Sequence[KeyPath] = ()
) -> Scene:
    faults = [Fault(path, "the key stands twice") for path in duplicates]
    try:
        scene = Scene.model_validate(data)
    except ValidationError as error:
        faults += faults_of(error, _model_at, tuple(_SHAPES))
        # The check of material names only runs on scenes that are right otherwise; people want it all at once.
        if all(details["type"] != "material" for details in error.errors()):
            faults += _raw_material_faults(data)
    if faults:
        raise SceneError(one_line(source, faults, text))
    scene._folder = folder
    return scene


def _material_faults(emits: Mapping[str, bool], uses: Iterable[tuple[tuple[str, int], str]]) -> Iterator[Fault]:
    """Yield a fault for every use of an unknown material, and for every light whose material does not emit.

    Args:
        emits: whether a material emits, by name.
        uses: (part of the scene, index in it) and material name of every object.
    """
    unknown = 0
    for (part, index), name in uses:
        path = (part, index, "material")
        if name not in emits:
            unknown += 1
            # Finding the name that was meant takes time; faults beyond these are only counted.
            yield Fault.unknown_name(path, "material", name, emits if unknown <= MOST_FAULTS else ())
        elif part == "lights" and not emits[name]:
            yield Fault(path, f"expected a material that emits light, but the emission of '{name}' is 0")


def _raw_material_faults(data: object) -> list[Fault]:
    """Check the use of materials in data that is no valid scene for other reasons, as far as can be told."""
    if not isinstance(data, Mapping) or not isinstance(data.get("materials"), Mapping):
        return []
    emits = {name: True for name in data["materials"] if isinstance(name, str)}
    uses = [
        ((part, index), one["material"])
        for part in ("lights", "geometry")
        if isinstance(data.get(part), list | tuple)
        for index, one in enumerate(data[part])
        if isinstance(one, Mapping) and isinstance(one.get("material"), str)
    ]
    return list(_material_faults(emits, uses))
