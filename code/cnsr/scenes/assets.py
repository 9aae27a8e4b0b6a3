"""Meshes and textures of scenes: where they lie, reading them, and a cache by content."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnsr.errors import SceneError
from cnsr.scenes.furniture.catalog import FurnitureMesh, furniture_mesh
from cnsr.scenes.furniture.storage import FurnitureStorage
from cnsr.scenes.meshes import MeshData, parse_obj
from cnsr.scenes.obj_statements import MeshError

ASSETS = Path(__file__).resolve().parents[1] / "assets"
"""The project's own meshes and textures; scene files name them relative to this folder."""

# Paths of the system are no longer.
_LONGEST_NAME = 4096
_PHOTOS = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class TextureData:
    """An image as an array.

    Attributes:
        pixels: linear RGB, float32 [H, W, 3], row 0 at the top.
        key: hash of the content that it was read from.
    """

    pixels: NDArray[np.float32]
    key: str

    @property
    def nbytes(self) -> int:
        """Size of the pixels."""
        return self.pixels.nbytes


def resolve_asset(name: str, folder: Path | None) -> Path:
    """Return the file that a scene calls `name`: beside the scene file first, then among the project's assets.

    Args:
        name: absolute, or relative to either place.
        folder: folder of the scene file; None if the scene is not from a file.

    Raises:
        SceneError: there is no such file; the message names all places.
    """
    places = [root / name for root in (folder, ASSETS) if root is not None]
    if Path(name).is_absolute():
        places = [Path(name)]
    for place in places:
        try:
            if place.is_file():
                return place
        except (OSError, ValueError):  # a name that no file can have
            continue
    looked_for = " and ".join(_shown(str(place)) for place in places)
    raise SceneError(f"there is no file '{_shown(name)}'; looked for {looked_for}")


def resolve_mesh(name: str, folder: Path | None) -> Path | FurnitureMesh:
    """Return the file that a scene calls `name` or, where there is none, the furniture of that name.

    Args:
        name: as for ``resolve_asset``, or a name of ``cnsr.scenes.furniture.catalog``.
        folder: as for ``resolve_asset``.

    Raises:
        SceneError: there is neither; the message names all places, or what is wrong with the name of the furniture.
    """
    try:
        return resolve_asset(name, folder)
    except SceneError:
        made = furniture_mesh(name)
        if made is None:
            raise
        return made


def _shown(name: str) -> str:
    """Return a name as it fits into a line for people: files may be called anything, scenes may ask for more."""
    text = name if name.isprintable() else repr(name)[1:-1]
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."


def load_mesh(path: Path) -> MeshData:
    """Read an OBJ mesh.

    Raises:
        SceneError: the file is missing, is no OBJ, or holds no usable mesh; names the file and the line.
    """
    return _decode_mesh(path, _read(path, "mesh"))


def load_texture(path: Path) -> TextureData:
    """Read an image: EXR as it is (linear), PNG and JPEG from sRGB to linear. Alpha is ignored.

    Raises:
        SceneError: the file is missing, damaged, of another kind, or holds values that are negative or not finite.
    """
    return _decode_texture(path, _read(path, "texture"))


_Asset = TypeVar("_Asset", MeshData, TextureData)


class AssetCache:
    """Meshes and textures by content, so that scenes which use the same file share one copy.

    A file is hashed once and then known by path, size and time of change; a file that changed is read anew. When
    all arrays together exceed `capacity` bytes, those that were not used for longest are forgotten. Threads may
    share a cache.

    Args:
        capacity: bytes of arrays at most.
        storage: where furniture that was made is kept for other processes; by default in the user's cache folder.
    """

    def __init__(self, capacity: int = 2**30, storage: FurnitureStorage | None = None) -> None:
        self._capacity = capacity
        self._storage = storage or FurnitureStorage()
        self._keys: dict[tuple[str, int, int], str] = {}
        self._assets: OrderedDict[str, Any] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def mesh(self, source: Path | FurnitureMesh) -> MeshData:
        """Return the mesh of an OBJ file or a piece of furniture. Raises ``SceneError`` like ``load_mesh``."""
        if isinstance(source, FurnitureMesh):
            return self._furniture(source)
        return self._get(source, "mesh", _decode_mesh)

    def texture(self, path: Path) -> TextureData:
        """Return the texture of the image at `path`. Raises ``SceneError`` like ``load_texture``."""
        return self._get(path, "texture", _decode_texture)

    def _get(self, path: Path, kind: str, decode: Callable[[Path, bytes], _Asset]) -> _Asset:
        with self._lock:
            stamp = _stamp(path, kind)
            asset = self._assets.get(self._keys.get(stamp, ""))
            if asset is None:
                content = _read(path, kind)
                key = _hash(kind, content)
                asset = self._assets.get(key)
                if asset is None:
                    asset = decode(path, content)
                    self._keep(asset)
                self._keys[stamp] = key
            self._assets.move_to_end(asset.key)
            self._forget()
            return asset

    def _furniture(self, mesh: FurnitureMesh) -> MeshData:
        with self._lock:
            asset: MeshData | None = self._assets.get(mesh.key)
            if asset is None:
                for made in self._storage.meshes(mesh).values():  # the other parts will be asked for next
                    self._keep(made)
                asset = self._assets[mesh.key]
            self._assets.move_to_end(mesh.key)
            self._forget()
            return asset

    def _keep(self, asset: MeshData | TextureData) -> None:
        if asset.key not in self._assets:
            self._assets[asset.key] = asset
            self._bytes += asset.nbytes

    def _forget(self) -> None:
        while self._bytes > self._capacity and len(self._assets) > 1:
            _, forgotten = self._assets.popitem(last=False)
            self._bytes -= forgotten.nbytes


def _stamp(path: Path, kind: str) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, kind, error) from None
    return f"{kind} {path.absolute()}", status.st_size, status.st_mtime_ns


def _read(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, kind, error) from None


def _unreadable(path: Path, kind: str, error: OSError) -> SceneError:
    return SceneError(f"{path}: this {kind} cannot be read: {error.strerror or error}")


def _hash(kind: str, content: bytes) -> str:
    return f"{kind}-{hashlib.blake2b(content, digest_size=16).hexdigest()}"


def _decode_mesh(path: Path, content: bytes) -> MeshData:
    try:
        # Names and comments may be in any encoding; what matters is ASCII.
        return parse_obj(content.decode("latin-1"), _hash("mesh", content))
    except MeshError as error:
        raise SceneError(f"{path}: not a usable OBJ mesh: {error}") from None


def _decode_texture(path: Path, content: bytes) -> TextureData:
    kind = path.suffix.lower()
    if kind == ".exr":
        pixels = _read_exr(path)
    elif kind in _PHOTOS:
        pixels = _linear_from_srgb(_read_photo(path, content))
    else:
        raise SceneError(f"{path}: expected a texture of type .exr, {', '.join(_PHOTOS)}, found {path.suffix!r}")
    if not (pixels >= 0.0).all() or not np.isfinite(pixels).all():
        raise SceneError(f"{path}: this texture holds values that are negative or not finite")
    return TextureData(np.ascontiguousarray(pixels, dtype=np.float32), _hash("texture", content))


def _read_exr(path: Path) -> NDArray[np.float32]:
    """Return RGB [H, W, 3] of an EXR image with the channels R, G, B or Y."""
    import OpenEXR  # not needed by scenes without such textures, and slow to load

    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: channel.pixels for name, channel in file.channels().items()}
    except Exception as error:  # of many types, and not documented
        raise SceneError(f"{path}: this texture is damaged or no EXR image ({error})") from None
    names = ["R", "G", "B"] if "R" in channels else ["Y"] * 3
    if not all(name in channels for name in names):
        raise SceneError(f"{path}: expected a texture with channels R, G, B or Y, found {', '.join(channels)}")
    pixels: NDArray[np.float32] = np.stack([channels[name] for name in names], axis=-1).astype(np.float32)
    return pixels


def _read_photo(path: Path, content: bytes) -> NDArray[np.float32]:
    """Return sRGB [H, W, 3] in [0, 1] of a PNG or JPEG image: gray, with alpha, of 1, 8 or 16 bits."""
    import imageio.v3

    # JPEGs of print shops are CMYK, which is left to the library; a PNG's 16 bits would suffer from that.
    ending = path.suffix.lower()
    options: dict[str, Any] = {} if ending == ".png" else {"mode": "RGB"}
    try:
        pixels = np.asarray(imageio.v3.imread(content, extension=ending, plugin="pillow", **options))
    except Exception as error:  # of many types, and not documented
        raise SceneError(f"{path}: this texture is damaged or of another type than its name says ({error})") from None
    largest = np.float32(1.0 if pixels.dtype == np.bool_ else np.iinfo(pixels.dtype).max)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    rgb = pixels[..., :3] if pixels.shape[-1] >= 3 else np.repeat(pixels[..., :1], 3, axis=-1)
    scaled: NDArray[np.float32] = rgb.astype(np.float32) / largest
    return scaled


def _linear_from_srgb(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo the transfer function of sRGB (IEC 61966-2-1)."""
    linear: NDArray[np.float32] = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return linear
