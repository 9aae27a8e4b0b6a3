"""Our scenes in Mitsuba 3, an independent renderer: what its images must agree with.

`docs/renderer.md` ("Proven against Mitsuba") says which of its conventions differ, and how this translation meets them.
"""

from __future__ import annotations

import functools
import importlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cnsr.scenes.assets import AssetCache, load_mesh, load_texture, resolve_asset, resolve_mesh
from cnsr.scenes.camera import view_matrix
from cnsr.scenes.description import Camera, Grid, Material, MeshFile, Object, Scene, Sphere
from cnsr.scenes.furniture.catalog import FurnitureMesh
from cnsr.scenes.meshes import format_obj

Floats = npt.NDArray[np.float64]
Dict = dict[str, Any]
Integrator = Literal["path", "volpath"]

OLDEST_LLVM = 17
"""Older ones end the whole process: they cannot compile Mitsuba's kernels for CPUs with AVX-512."""

WITHOUT_ROULETTE = 1_000_000
# How much smaller the sphere is that shines inwards, lest it coincide with the one that shines outwards.
_INNER = 1 - 1e-5


class MitsubaMissingError(Exception):
    """Mitsuba is not installed; the message says how to install it."""


def load_mitsuba(variant: str | None = None) -> Any:
    """Return the module, set to a variant.

    Args:
        variant: None for ``llvm_ad_rgb`` where LLVM is there, else ``scalar_rgb``.

    Raises:
        MitsubaMissingError: it is not installed, or `variant` needs an LLVM that is not.
    """
    try:
        mitsuba = importlib.import_module("mitsuba")
    except ImportError:
        raise MitsubaMissingError("Mitsuba is not installed: pip install -r requirements-reference.txt") from None
    if variant == "scalar_rgb" or (variant is None and not _has_llvm(mitsuba)):
        mitsuba.set_variant("scalar_rgb")
    elif _has_llvm(mitsuba):
        mitsuba.set_variant("llvm_ad_rgb")
    else:
        raise MitsubaMissingError(f"{variant} needs LLVM {OLDEST_LLVM} or newer: apt-get install libllvm19")
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


def _has_llvm(mitsuba: Any) -> bool:
    try:
        mitsuba.set_variant("llvm_ad_rgb")
    except ImportError:
        return False
    return bool(importlib.import_module("drjit").detail.llvm_version()[0] >= OLDEST_LLVM)


def translate(
    mitsuba: Any,
    scene: Scene,
    size: int,
    integrator: Integrator = "volpath",
    sampler: str = "independent",
    samples: int = 16,
    aovs: str = "",
    inner_light: bool = False,
) -> Dict:
    """Return the dictionary that Mitsuba's ``load_dict`` takes.

    Args:
        mitsuba: the module, as of `load_mitsuba`.
        scene: of ours.
        size: width and height of the image.
        integrator: "volpath" lets light pass hidden lights as ours does; to "path", which is faster, they are black
            spheres and rectangles that the camera does not see.
        sampler: Mitsuba's name of it.
        samples: a pixel.
        aovs: further buffers, as Mitsuba's integrator ``aov`` takes them ("" for none).
        inner_light: whether sphere lights shine inwards, too, as ours do; only for lights that are not hidden.
    """
    sums: Dict = {
        "type": integrator,
        "max_depth": scene.bounces,
        "rr_depth": WITHOUT_ROULETTE,
        "hide_emitters": scene.hide_lights,
    }
    if aovs:
        sums = {"type": "aov", "aovs": aovs, "image": sums}
    result: Dict = {
        "type": "scene",
        "integrator": sums,
        "sensor": _sensor(mitsuba, scene.camera, size, sampler, samples),
    }
    for number, (shape, is_light) in enumerate(
        [*((one, True) for one in scene.lights), *((one, False) for one in scene.geometry)]
    ):
        material = scene.materials[shape.material]
        passable = is_light and scene.hide_lights and integrator == "volpath"
        name = f"object{number}"
        result[name] = _shape(mitsuba, shape, material, scene.folder)
        result[name]["bsdf"] = {"type": "null"} if passable else _bsdf(mitsuba, material, shape, scene.folder)
        if isinstance(shape, Sphere) and material.emits and inner_light:
            result[f"{name}_inside"] = _shape(mitsuba, shape, material, scene.folder, _INNER) | {
                "flip_normals": True,
                "bsdf": result[name]["bsdf"],
            }
    return result


def render(mitsuba: Any, loaded: Any, samples: int, seed: int) -> npt.NDArray[np.float32]:
    """Return beauty [H, W, 3] of a scene that ``load_dict`` made."""
    return np.asarray(mitsuba.render(loaded, spp=samples, seed=seed), np.float32)[..., :3]


def _sensor(mitsuba: Any, camera: Camera, size: int, sampler: str, samples: int) -> Dict:
    matrix = view_matrix(camera.position, camera.lookat)
    # Mitsuba's cameras look along their +z, with +x to the left.
    to_world = np.eye(4)
    to_world[:3, :3] = (matrix[:3, :3] * np.array([[-1.0], [1.0], [-1.0]])).T
    to_world[:3, 3] = camera.position
    return {
        "type": "perspective",
        "fov": camera.fov,
        "fov_axis": "y",
        "near_clip": max(camera.near, 1e-6),
        "far_clip": camera.far,
        "to_world": mitsuba.ScalarTransform4f(to_world),
        "sampler": {"type": sampler, "sample_count": samples},
        "film": {
            "type": "hdrfilm",
            "width": size,
            "height": size,
            "rfilter": {"type": "box"},
            "pixel_format": "rgb",
            "component_format": "float32",
        },
    }


def _shape(mitsuba: Any, shape: Object, material: Material, folder: Path | None, scale: float = 1.0) -> Dict:
    match shape:
        case Grid():
            center, edge_u, edge_v, normal = grid_edges(shape)
            area = float(np.linalg.norm(np.cross(edge_u, edge_v)))
            columns = np.stack([edge_u / 2, edge_v / 2, normal, center], axis=1)
            result: Dict = {"type": "rectangle", "to_world": _transform(mitsuba, columns)}
        case Sphere():
            center, radius, axes = _sphere(shape)
            area = 4 * np.pi * radius**2
            # Longitude and latitude are about Mitsuba's z: ours about -y, counted from -z the other way around.
            own = np.stack([-axes[2], axes[0], -axes[1]], axis=1) * radius * scale
            result = {"type": "sphere", "to_world": _transform(mitsuba, np.column_stack([own, center]))}
        case MeshFile():
            path = _mesh_file(shape.filename, folder)
            columns = np.asarray(shape.transform).T[:3]
            flat = load_mesh(path).normals is None
            return {
                "type": "obj",
                "filename": str(path),
                "to_world": _transform(mitsuba, columns),
                "face_normals": flat,
                "flip_tex_coords": False,
            }
    if material.emits:
        result["emitter"] = {"type": "area", "radiance": _rgb(np.asarray(material.emission) / area)}
    return result


def _mesh_file(name: str, folder: Path | None) -> Path:
    """Return the OBJ file of a mesh; of furniture, one that is written for this process."""
    source = resolve_mesh(name, folder)
    return source if isinstance(source, Path) else _written(source)


@functools.cache
def _written(furniture: FurnitureMesh) -> Path:
    path = Path(_own_folder().name) / f"{len(list(Path(_own_folder().name).iterdir()))}.obj"
    path.write_text(format_obj(AssetCache().mesh(furniture), furniture.filename))
    return path


@functools.cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="mitsuba-")


def grid_edges(grid: Grid) -> tuple[Floats, Floats, Floats, Floats]:
    """Return center, both edges (u and v, full length) and unit normal of a grid in the world.

    Seen from the front, v points up (floors and ceilings: to -z) and u to the right.
    """
    transform = np.asarray(grid.transform, np.float64)
    normal = np.asarray(grid.normal, np.float64) / np.linalg.norm(grid.normal)
    x, y, z = np.abs(normal)
    axis = 1 if y >= x and y >= z else 2 if z > x else 0
    up = np.array([0.0, 0.0, -1.0]) if axis == 1 else np.array([0.0, 1.0, 0.0])
    v = up - normal * (up @ normal)
    v /= np.linalg.norm(v)
    u = np.cross(v, normal)
    x, y, z = grid.size
    linear = transform[:3, :3]
    edge_u = u * (z if axis == 0 else x) @ linear
    edge_v = v * (z if axis == 1 else y) @ linear
    front = normal @ np.linalg.inv(linear).T
    center = np.asarray(grid.position, np.float64) @ linear + transform[3, :3]
    return center, edge_u, edge_v, front / np.linalg.norm(front)


def _sphere(sphere: Sphere) -> tuple[Floats, float, Floats]:
    """Return center, radius and own axes (rows) of a sphere in the world."""
    transform = np.asarray(sphere.transform, np.float64)
    scale = float(np.linalg.norm(transform[0, :3]))
    center = np.asarray(sphere.position, np.float64) @ transform[:3, :3] + transform[3, :3]
    return center, sphere.radius * scale, transform[:3, :3] / scale


def _transform(mitsuba: Any, columns: Floats) -> Any:
    """Return the affine map [3, 4] as Mitsuba's transform of column vectors."""
    return mitsuba.ScalarTransform4f(np.vstack([columns, [0.0, 0.0, 0.0, 1.0]]))


def _rgb(values: Sequence[float] | Floats) -> Dict:
    return {"type": "rgb", "value": [float(value) for value in values]}


def _bsdf(mitsuba: Any, material: Material, shape: Object, folder: Path | None) -> Dict:
    """Return a blend of Lambert and a conductor of refractive index `ior` without absorption, on both sides.

    Such a conductor reflects by the same Fresnel formula as a dielectric, and nothing enters either of them.
    """
    share = min(max(1 - (material.roughness - 0.05) / 0.95, 0.0), 1.0)
    matt = {"type": "diffuse", "reflectance": _reflectance(mitsuba, material, shape, folder)}
    mirror = {
        "type": "roughconductor",
        "distribution": "ggx",
        "alpha": max(material.roughness**2, 1e-3),
        "eta": material.ior,
        "k": 0.0,
    }
    if share == 0.0:
        return {"type": "twosided", "bsdf": matt}
    if share == 1.0:
        return {"type": "twosided", "bsdf": mirror}
    return {"type": "twosided", "bsdf": {"type": "blendbsdf", "weight": share, "first": matt, "second": mirror}}


def _reflectance(mitsuba: Any, material: Material, shape: Object, folder: Path | None) -> Dict:
    if not material.texture:
        return _rgb(material.color)
    pixels = load_texture(resolve_asset(material.texture, folder)).pixels
    if not (pixels.argmax(2) == pixels[0, 0].argmax()).all() and np.ptp(pixels, axis=2).max() > 0:
        # Ours interpolates colors and takes the largest channel of the result.
        raise ValueError(f"{material.texture}: one channel must be the largest everywhere, else there is no equivalent")
    # Mitsuba's row 0 is at v = 0, ours at the top.
    colors = pixels.max(axis=2)[::-1, :, None] * np.asarray(material.color, np.float32)
    frequency_u, frequency_v = material.texture_frequency
    to_uv = np.diag([frequency_u, frequency_v, 1.0])
    if isinstance(shape, Sphere):
        to_uv[0] = -frequency_u, 0.0, frequency_u
    return {
        "type": "bitmap",
        "data": mitsuba.TensorXf(np.ascontiguousarray(colors, np.float32)),
        "raw": True,
        "filter_type": "bilinear",
        "wrap_mode": "repeat",
        "to_uv": mitsuba.ScalarTransform3f(to_uv),
    }
