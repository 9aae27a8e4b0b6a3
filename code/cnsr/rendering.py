"""Python face of the native path tracer.

Conventions:

* Images are float32 [H, W, C], linear, row 0 at the top; matrices of views are world-to-camera.
* What a camera ray that hits nothing leaves in a buffer is 0, except in ``shadows`` and ``ao``, where it is 1.
* Surfaces are two-sided: normals are turned to the side that the camera (or the mirrored ray) comes from. They are
  averaged over a pixel's samples like colors, without normalisation.
* A grid emits from its front only, a sphere to both sides; meshes cannot emit. Grids and spheres of an emissive
  material light the scene wherever they are listed; ``hide_lights`` concerns those under ``lights``. Hidden lights
  block nothing: scattered rays see them shine, and what lies behind them.
* Texture coordinates run from 0 to 1 over a grid; seen from its front v points up (on floors and ceilings: to -z) and
  u to the right. The largest component of a grid's normal names the component of ``size`` that has no meaning; v
  carries the extent along y (floors and ceilings: z), u that of the remaining axis. On spheres u is the longitude,
  1/2 at +z, and v the latitude, 0 at the pole -y.
* ``near`` and ``far`` are clipping planes of the camera rays.
* The error of a view is its estimated relative standard error: with Var the variance of a pixel's mean,
  sqrt(mean of Var over all pixels) / mean over all pixels, of the luminance (Rec. 709) of beauty.
"""

from __future__ import annotations

import importlib
import math
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnsr.buffers import BUFFERS
from cnsr.errors import RenderError, SceneError
from cnsr.json_faults import dotted
from cnsr.scenes import description
from cnsr.scenes.assets import AssetCache, TextureData, resolve_asset, resolve_mesh
from cnsr.scenes.bounds import Bounds, scene_bounds
from cnsr.scenes.camera import pose_from_view_matrix, view_matrix
from cnsr.scenes.meshes import MeshData
from cnsr.scenes.view_files import ViewFile, read_view

if TYPE_CHECKING:
    from types import ModuleType

SceneLike: TypeAlias = "Path | str | Mapping[str, Any] | description.Scene | LoadedScene"
Progress: TypeAlias = Callable[[float], object]

_LARGEST_SIZE = 16384
_LARGEST_SAMPLES = 2**31 - 1
MAX_SAMPLES = 2**14
"""Samples a pixel at most that adaptive rendering takes, unless told otherwise."""

_UINT64 = 2**64 - 1
# Native meshes and textures that no scene shows any more are kept up to this many bytes of their arrays.
_CACHE_BYTES = 2**30


@dataclass(frozen=True)
class Camera:
    """Where a view is taken from; the rest of the camera is the scene's.

    Attributes:
        position: world position.
        lookat: world position of the middle of the image.
    """

    position: Sequence[float]
    lookat: Sequence[float]


@dataclass(frozen=True)
class LoadedScene:
    """A scene that is ready to be rendered. Belongs to the tracer that loaded it.

    Attributes:
        description: what was loaded.
        source: what messages call it.
        file: what was read, if it was a file.
    """

    description: description.Scene
    source: str
    native: Any = field(repr=False)
    file: ViewFile | None = field(default=None, repr=False)


@dataclass(frozen=True)
class View:
    """A rendered view.

    Attributes:
        buffers: float32 [H, W, C] by name, in the order that was asked for; float16 if asked for.
        view_matrix: world-to-camera matrix, float64 [4, 4]; the camera looks along its own -z.
        pose: the same column by column, float64 [16]: what networks see.
        samples: samples a pixel.
        dropped: how many samples of all pixels were left out because they were not finite.
        error: estimated relative standard error, of views that were rendered with a target for it; infinite where a
            single sample tells nothing.
    """

    buffers: dict[str, NDArray[Any]]
    view_matrix: NDArray[np.float64]
    pose: NDArray[np.float64]
    samples: int
    dropped: int
    error: float | None = None


class PathTracer:
    """Renders scenes on one device. Meshes and textures are shared by all scenes that show them.

    Args:
        device: "cpu".
        threads: how many threads render; 0 is one for each CPU. Images do not depend on it.

    Raises:
        RenderError: the native renderer is not built, or the device is not there.
    """

    def __init__(self, device: str = "cpu", threads: int = 0) -> None:
        _check_device(device)
        self.device = device
        self.threads = _whole("threads", threads, 0, 4096)
        self._native = _native_module()
        self._device = self._native.Device()
        self._assets = AssetCache()
        self._meshes = _Shared(self._make_mesh)
        self._textures = _Shared(self._make_texture)

    def load_scene(self, scene: SceneLike, like: LoadedScene | None = None) -> LoadedScene:
        """Return a scene made ready for `render`.

        Args:
            scene: a scene file, its decoded JSON, or its description. Loaded scenes are returned as they are.
            like: a scene file loaded before, of which `scene` may be another view: then they share what they can.

        Raises:
            SceneError: it is not a scene, or a mesh or texture is missing or damaged.
        """
        if isinstance(scene, LoadedScene):
            return scene
        if isinstance(scene, description.Scene):
            return self._load(scene, "scene")
        if isinstance(scene, Mapping):
            return self._load(description.parse_scene(dict(scene)), "scene")
        file = read_view(Path(scene), None if like is None else like.file)
        if like is not None and file.scene.materials is like.description.materials:  # no two empty dicts are one
            return LoadedScene(file.scene, os.fspath(scene), like.native, file)
        return replace(self._load(file.scene, os.fspath(scene)), file=file)

    def bounds(self, scene: SceneLike) -> Bounds:
        """Return the box around a scene (see ``scene_bounds``). Raises ``SceneError``, see `load_scene`."""
        loaded = self.load_scene(scene).description
        return scene_bounds(loaded, lambda name: self._mesh_data(name, loaded.folder))

    def render(
        self,
        scene: SceneLike,
        size: int = 64,
        samples: int = 64,
        seed: int = 0,
        view: int = 0,
        buffers: Sequence[str] = ("beauty",),
        camera: Camera | tuple[Sequence[float], Sequence[float]] | None = None,
        clamp: float | None = 25.0,
        next_event_estimation: bool = True,
        progress: Progress | None = None,
        target_error: float | None = None,
        max_samples: int | None = None,
    ) -> View:
        """Render one view of a scene.

        Args:
            scene: what `load_scene` takes, or what it returned.
            size: width and height in pixels.
            samples: samples a pixel.
            seed: of the random numbers, together with `view` and the pixel.
            view: number of the view, so that several views of one seed have independent noise.
            buffers: names of what to render (see ``cnsr.buffers``); only these cost rays.
            camera: position and look-at in place of the scene's own.
            clamp: largest indirect radiance of one sample (in its largest channel); None for no limit.
            next_event_estimation: whether lights are sampled; False, for validation, leaves finding them to chance.
            progress: called now and then with the share that is done, 1.0 at the end. What it raises stops the
                rendering.
            target_error: render until the error (see above) is at most this. The number of samples starts at `samples`
                and doubles until then; what comes out is what rendering with ``View.samples`` samples gives
                (sums are added up in another order, whose rounding hardly ever shows). None renders `samples` samples.
                How honest the estimate is: ``docs/conventions.md``, "Noise".
            max_samples: with `target_error`: samples a pixel at most; None is ``MAX_SAMPLES``, or `samples` if that is
                more.

        Raises:
            RenderError: a request that makes no sense.
            SceneError: see `load_scene`.
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        quality = self._quality(size, samples, buffers, clamp, next_event_estimation, target_error, max_samples)
        loaded = self.load_scene(scene)
        return self._render([_Order(loaded, camera, seed, view)], quality, progress)[0]

    def render_views(
        self,
        scenes: Iterable[SceneLike],
        size: int = 64,
        samples: int = 64,
        seeds: int | Sequence[int] = 0,
        buffers: Sequence[str] = ("beauty",),
        views: int | Sequence[int] = 0,
        cameras: Sequence[Camera | tuple[Sequence[float], Sequence[float]] | None] | None = None,
        clamp: float | None = 25.0,
        next_event_estimation: bool = True,
        progress: Progress | None = None,
        target_error: float | None = None,
        max_samples: int | None = None,
        half: bool = False,
    ) -> list[View]:
        """Render one view of each of many small scenes, in parallel over scenes.

        The result is that of `render` for each scene. Arguments are those of `render`, where `seeds` and `views` may
        give one number for all or one a scene, and `cameras` one a scene. With `target_error`, each view takes as many
        samples as it needs. With `half`, images are half floats: the nearest ones; what they cannot hold becomes the
        largest.

        Raises:
            RenderError: a request that makes no sense.
            SceneError: see `load_scene`.
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        quality = self._quality(size, samples, buffers, clamp, next_event_estimation, target_error, max_samples, half)
        loaded = [self.load_scene(scene) for scene in scenes]
        each = zip(
            loaded,
            _one_each("cameras", cameras, len(loaded)),
            _one_each("seeds", seeds, len(loaded)),
            _one_each("views", views, len(loaded)),
            strict=True,
        )
        return self._render([_Order(*order) for order in each], quality, progress)

    def _quality(
        self,
        size: int,
        samples: int,
        buffers: Sequence[str],
        clamp: float | None,
        next_event_estimation: bool,
        target_error: float | None,
        max_samples: int | None,
        half: bool = False,
    ) -> Any:
        names = _buffer_names(buffers)
        samples = _whole("samples", samples, 1, _LARGEST_SAMPLES)
        target, most = _adaptivity(target_error, max_samples, samples, names)
        try:
            limit = math.inf if clamp is None else float(clamp)
        except (TypeError, ValueError):
            limit = math.nan
        if not limit > 0.0:
            raise RenderError(f"clamp: expected a number larger than 0, or None for no limit, found {clamp!r}")
        return self._native.Quality(
            size=_whole("size", size, 1, _LARGEST_SIZE),
            samples=samples,
            buffers=names,
            clamp=limit,
            next_event_estimation=next_event_estimation,
            target_error=target,
            max_samples=most,
            half=half,
        )

    def _render(self, orders: Sequence[_Order], quality: Any, progress: Progress | None) -> list[View]:
        matrices = [order.view_matrix() for order in orders]
        native_orders = [self._native_order(order, matrix) for order, matrix in zip(orders, matrices, strict=True)]
        try:
            rendered = self._native.render(native_orders, quality, self.threads, progress)
        except MemoryError:
            raise RenderError("not enough memory for images of this size; render smaller or fewer ones") from None
        return [
            View(images, matrix, pose_from_view_matrix(matrix), samples, dropped, error)
            for (images, dropped, samples, error), matrix in zip(rendered, matrices, strict=True)
        ]

    def _native_order(self, order: _Order, matrix: NDArray[np.float64]) -> Any:
        own = order.scene.description.camera
        return self._native.ViewOrder(
            scene=order.scene.native,
            camera=self._native.Camera(order.place()[0], matrix, own.fov, own.near, own.far),
            seed=_whole("seed", order.seed, -(2**63), _UINT64) & _UINT64,
            view=_whole("view", order.view, 0, _UINT64),
        )

    def _load(self, scene: description.Scene, source: str) -> LoadedScene:
        builder = self._native.SceneBuilder(self._device, scene.bounces, scene.hide_lights)
        indices: dict[str, int] = {}
        for name, material in scene.materials.items():
            indices[name] = len(indices)
            builder.add_material(
                material.color,
                material.emission,
                material.roughness,
                material.ior,
                self._texture(material.texture, scene.folder, source, name) if material.texture else None,
                material.texture_frequency,
                material.id,
            )
        for part, is_light in (("lights", True), ("geometry", False)):
            for index, shape in enumerate(getattr(scene, part)):
                self._add(builder, shape, indices[shape.material], is_light, scene.folder, f"{source}: {part}[{index}]")
        return LoadedScene(scene, source, builder.finish())

    def _add(
        self, builder: Any, shape: description.Object, material: int, is_light: bool, folder: Path | None, where: str
    ) -> None:
        match shape:
            case description.Grid():
                builder.add_grid(shape.transform, shape.position, shape.normal, shape.size, material, is_light, where)
            case description.Sphere():
                builder.add_sphere(shape.transform, shape.position, shape.radius, material, is_light, where)
            case description.MeshFile():
                try:
                    mesh = self._meshes.get(self._mesh_data(shape.filename, folder))
                except SceneError as error:
                    raise SceneError(f"{where}.filename: {error}") from None
                builder.add_mesh(shape.transform, mesh, material, is_light, where)

    def _mesh_data(self, name: str, folder: Path | None) -> MeshData:
        return self._assets.mesh(resolve_mesh(name, folder))

    def _texture(self, name: str, folder: Path | None, source: str, material: str) -> Any:
        try:
            return self._textures.get(self._assets.texture(resolve_asset(name, folder)))
        except SceneError as error:
            raise SceneError(f"{source}: {dotted(('materials', material, 'texture'))}: {error}") from None

    def _make_mesh(self, mesh: MeshData) -> Any:
        return self._native.Mesh(self._device, mesh.positions, mesh.normals, mesh.uvs, mesh.triangles)

    def _make_texture(self, texture: TextureData) -> Any:
        return self._native.Texture(texture.pixels)


@dataclass(frozen=True)
class _Order:
    """One view to render."""

    scene: LoadedScene
    camera: Camera | tuple[Sequence[float], Sequence[float]] | None
    seed: int
    view: int

    def place(self) -> tuple[Sequence[float], Sequence[float]]:
        """Return position and look-at of the camera."""
        if self.camera is None:
            own = self.scene.description.camera
            return own.position, own.lookat
        if isinstance(self.camera, Camera):
            return self.camera.position, self.camera.lookat
        position, lookat = self.camera
        return position, lookat

    def view_matrix(self) -> NDArray[np.float64]:
        """Return the world-to-camera matrix. Raises ``RenderError`` for a camera that looks nowhere."""
        try:
            position, lookat = (np.asarray(point, np.float64) for point in self.place())
            if position.shape != (3,) or lookat.shape != (3,):
                raise ValueError("three numbers each")
            if not (np.abs([position, lookat]) <= description.LARGEST).all():
                raise ValueError(f"numbers within {description.LARGEST:g}")
            return view_matrix(position.tolist(), lookat.tolist())
        except (TypeError, ValueError) as error:
            raise RenderError(f"camera: expected a position and another point to look at ({error})") from None


class _Shared:
    """Native copies of assets by content; those that were not used for longest go when memory runs out."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make
        self._made: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def get(self, asset: MeshData | TextureData) -> Any:
        if asset.key not in self._made:
            self._made[asset.key] = self._make(asset), asset.nbytes
            self._bytes += asset.nbytes
        self._made.move_to_end(asset.key)
        while self._bytes > _CACHE_BYTES and len(self._made) > 1:
            _, (_, nbytes) = self._made.popitem(last=False)
            self._bytes -= nbytes
        return self._made[asset.key][0]


def _native_module() -> ModuleType:
    try:
        return importlib.import_module("cnsr._native")
    except ModuleNotFoundError as error:
        if error.name != "cnsr._native":
            raise
        raise RenderError("the native renderer is not built; run `sh build_renderer.sh`") from None
    except ImportError as error:
        raise RenderError(f"the native renderer cannot be loaded ({error}); run `sh build_renderer.sh`") from None


def _check_device(device: str) -> None:
    if device == "cpu":
        return
    if device.startswith("cuda"):
        raise RenderError(f'device "{device}": this version is built without OptiX; use device="cpu"')
    raise RenderError(f'unknown device "{device}"; expected "cpu"')


def _whole(name: str, value: int, least: int, most: int) -> int:
    """Return `value` as an int, if it is one within bounds."""
    try:
        number = int(value.__index__())
    except AttributeError:
        raise RenderError(f"{name}: expected a whole number, found {value!r}") from None
    if not least <= number <= most:
        raise RenderError(f"{name}: expected a whole number from {least} to {most}, found {value}")
    return number


def _buffer_names(buffers: Sequence[str]) -> list[str]:
    if isinstance(buffers, str):
        raise RenderError(f"buffers: expected a list of names, such as ({buffers!r},), found the text {buffers!r}")
    names = list(dict.fromkeys(buffers))
    if not names:
        raise RenderError("buffers: expected at least one name")
    for name in names:
        if name not in BUFFERS:
            raise RenderError(f"buffers: there is no {name!r}; expected some of {', '.join(BUFFERS)}")
    return names


def _adaptivity(
    target_error: float | None, max_samples: int | None, samples: int, buffers: Sequence[str]
) -> tuple[float, int]:
    """Return target (0 for none) and limit as the native renderer takes them."""
    if target_error is None:
        if max_samples is not None:
            raise RenderError("max_samples: is only of use together with target_error")
        return 0.0, samples
    try:
        target = float(target_error)
    except (TypeError, ValueError):
        target = math.nan
    if not 0.0 < target < math.inf:
        raise RenderError(f"target_error: expected a number larger than 0, found {target_error!r}")
    if "beauty" not in buffers:
        raise RenderError("target_error: is the error of beauty, which is not among the buffers; ask for it, too")
    if max_samples is None:
        return target, max(MAX_SAMPLES, samples)
    return target, _whole("max_samples", max_samples, samples, _LARGEST_SAMPLES)


def _one_each(name: str, values: Any, count: int) -> Sequence[Any]:
    """Return one value for each of `count` scenes; a single one stands for all."""
    if values is None or isinstance(values, int | np.integer):
        return [values] * count
    if len(values) != count:
        raise RenderError(f"{name}: expected one for each of the {count} scenes, found {len(values)}")
    return list(values)
