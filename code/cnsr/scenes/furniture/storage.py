"""The folder in which meshes that were made are kept for the next process.

Each file holds all parts of one piece with one set of parameters. It is named by a hash of these and of the source that
made it, so that nothing is ever out of date. The folder is a convenience: where it cannot be written, or a file in it
is damaged, meshes are simply made.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from cnsr.errors import StorageError
from cnsr.files import atomic_path, user_cache_folder
from cnsr.scenes.furniture.catalog import FurnitureMesh
from cnsr.scenes.meshes import MeshData

CAPACITY = 2 * 2**30
"""Bytes of files that are kept; the oldest go first. Random rooms ask for new pieces without end."""

_ARRAYS = {"positions": np.float32, "normals": np.float32, "uvs": np.float32, "triangles": np.uint32}
_SUFFIX = ".npz"
# How many bytes are written between two looks at all files.
_STRIDE = 64 * 2**20


class FurnitureStorage:
    """Meshes of furniture in a folder. Several processes may share it.

    Args:
        folder: where; by default ``furniture`` in the user's cache folder.
        capacity: bytes of files at most, but for some 64 MiB and for what other processes write meanwhile.
    """

    def __init__(self, folder: Path | None = None, capacity: int = CAPACITY) -> None:
        self.folder = user_cache_folder() / "furniture" if folder is None else folder
        self._capacity = capacity
        self._written = 0

    def meshes(self, mesh: FurnitureMesh) -> dict[str, MeshData]:
        """Return all parts of the piece that `mesh` belongs to: those in the folder, else made and put there."""
        path = self.folder / f"{mesh.piece.name}.{mesh.piece_key}{_SUFFIX}"
        found = self._read(path, mesh)
        if found is None:
            found = mesh.make()
            self._write(path, found)
        return found

    def _read(self, path: Path, mesh: FurnitureMesh) -> dict[str, MeshData] | None:
        parts = {}
        try:
            with np.load(path, allow_pickle=False) as file:
                for part in mesh.piece.parts:
                    arrays = {name: file[f"{part}.{name}"] for name in _ARRAYS}
                    if any(arrays[name].dtype != kind for name, kind in _ARRAYS.items()):
                        return None
                    parts[part] = MeshData(key=mesh.piece.mesh(part, mesh.parameters).key, **arrays)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return parts

    def _write(self, path: Path, meshes: dict[str, MeshData]) -> None:
        arrays = {f"{part}.{name}": getattr(mesh, name) for part, mesh in meshes.items() for name in _ARRAYS}
        try:
            with atomic_path(path) as temporary:
                np.savez(temporary, **arrays)
        except StorageError:
            return
        self._written += path.stat().st_size
        if self._written >= min(_STRIDE, self._capacity):
            self._written = 0
            self._forget()

    def _forget(self) -> None:
        """Remove the oldest files until the others fit."""
        files = []
        for file in self.folder.glob(f"*{_SUFFIX}"):
            try:
                status = file.stat()
            except FileNotFoundError:  # another process removed it
                continue
            files.append((status.st_mtime_ns, file.name, status.st_size))
        left = sum(size for _, _, size in files)
        for _, name, size in sorted(files):
            if left <= self._capacity:
                return
            (self.folder / name).unlink(missing_ok=True)
            left -= size
