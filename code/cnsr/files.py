"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnsr.errors import StorageError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EFBIG: "the file would be larger than the system's limit for one file",
    errno.EACCES: "permission denied; choose another folder or change its permissions",
    errno.EPERM: "permission denied; choose another folder or change its permissions",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a file of that name is in the way",
    errno.EISDIR: "a folder of that name is in the way",
}


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return the one-line ``StorageError`` that tells why `path` could not be written."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"cannot write {path}: {reason}")


def user_cache_folder() -> Path:
    """Return the folder for what can be made again: ``CNSR_CACHE``, else ``cnsr`` in the user's cache folder."""
    if own := os.environ.get("CNSR_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "cnsr"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it is synced to disk and renamed to `path`.

    The temporary name starts with a dot and keeps the ending of `path`, since libraries choose formats by it.
    When the body raises, the temporary file is removed and whatever stood at `path` stays as it was.

    Raises:
        StorageError: the file could not be written (any ``OSError`` of the body counts as such).
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _sync(temporary)
        # mkstemp makes files private; a finished file gets what the user's umask says.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
        temporary = None
        _sync(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all. Raises ``StorageError``."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` as UTF-8 with LF line ends to `path`, whole or not at all. Raises ``StorageError``."""
    write_bytes(path, content.encode())


def create_text(path: Path, content: str) -> bool:
    """Write `content` as UTF-8 to a file that appears whole, unless one of that name is there already, which stays.

    Several processes may do this at once: one of them succeeds. Return whether this one did. Raises ``StorageError``.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.tmp{path.suffix}")
    try:
        try:
            with temporary.open("x", encoding="utf-8", newline="") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            return _link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error


def _link(temporary: Path, path: Path) -> bool:
    """Give a file its name, and tell whether it was free. Unlike a rename, this never replaces another file."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    except OSError:  # file systems of memory cards have no links
        try:
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(temporary.read_text(encoding="utf-8"))
        except FileExistsError:
            return False
    return True


def check_folder(path: Path) -> None:
    """Check that files can be made in `path`, or in its nearest existing parent where it is not there yet.

    Nothing is left behind. Raises ``StorageError``.
    """
    try:
        place = path
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir():
            code = errno.EEXIST if place == path else errno.ENOTDIR
            raise OSError(code, os.strerror(code))
        with tempfile.NamedTemporaryFile(dir=place, prefix=".writable."):
            pass
    except OSError as error:
        raise storage_error(path, error) from error


def make_folder(path: Path) -> None:
    """Create `path` with its parents and check that files can be made in it. Raises ``StorageError``."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".writable."):
            pass
    except OSError as error:
        raise storage_error(path, error) from error


def _sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
