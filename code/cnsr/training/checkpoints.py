"""Checkpoints: everything that an exact resume needs, in one file, written whole or not at all.

A file is what ``torch.save`` makes of a dict of tensors, numbers, strings, lists and dicts, so that it can be read
with ``weights_only=True``. `Checkpoint` lists what is in it. Published checkpoints, which hold less, are read too.
"""

from __future__ import annotations

import io
import pickletools
import platform
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from cnsr import __version__
from cnsr.config import Config
from cnsr.errors import CheckpointError
from cnsr.files import atomic_path
from cnsr.models.model import SceneModel
from cnsr.training.misfits import differing_settings, misfits
from cnsr.training.published import weights_of, without_repeats

_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # start of the files of PyTorch before 1.6
# What `torch.load` takes for data; it decides itself, and this only lets the message name what it refuses.
_DATA = (
    *("torch ", "torch._utils ", "torch._tensor ", "torch.storage ", "torch.serialization ", "torch.nn.parameter "),
    *("torch.cuda ", "torch.sparse ", "torch.cuda.sparse ", "collections OrderedDict", "collections Counter"),
    *("_codecs encode", "__builtin__ set", "builtins set", "__builtin__ bytearray", "builtins bytearray"),
)


class DamagedCheckpointError(CheckpointError):
    """A file is cut off or its content was changed; an older checkpoint may do."""


def current_versions() -> dict[str, str]:
    """Return what a checkpoint says about the software that made it."""
    return {"cnsr": __version__, "torch": str(torch.__version__), "python": platform.python_version()}


@dataclass(frozen=True)
class Checkpoint:
    """State of a training run between two iterations.

    Attributes:
        iteration: how many iterations are done; it sets the slope of the partition masks.
        model_state: weights by the names of published checkpoints.
        optimizer_state: of Adam, or ``None`` (weights alone).
        ema_state: averaged weights by parameter name, where the run keeps an average.
        random_states: generator states of torch by device type.
        pending: what is to go into the next line of the log.
        seed: of the run; decides the order of batches.
        config: all settings, as plain JSON values.
        versions: of the software that made the file.
    """

    iteration: int
    model_state: dict[str, Tensor]
    optimizer_state: dict[str, Any] | None = None
    ema_state: dict[str, Tensor] | None = None
    random_states: dict[str, Tensor] | None = None
    pending: dict[str, Any] | None = None
    seed: int | None = None
    config: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=current_versions)


def checkpoint_path(folder: Path, job_name: str, iteration: int) -> Path:
    """Return where the checkpoint of an iteration lies."""
    return folder / f"{job_name}_{iteration}.pt"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `path`, whole or not at all.

    Raises:
        StorageError: it could not be written; what stood at `path` still stands there.
    """
    content = {entry.name: getattr(checkpoint, entry.name) for entry in fields(checkpoint)}
    save_content(path, {name: value for name, value in content.items() if value is not None})


def save_content(path: Path, content: dict[str, Any]) -> None:
    """Write what ``torch.save`` makes of `content` to `path`, whole or not at all. Raises ``StorageError``."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        _save(content, file)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the checkpoint at `path`, with its tensors on the CPU.

    Nothing in the file is ever run: anything but tensors and plain values is refused.

    Raises:
        DamagedCheckpointError: the file is cut off or was changed.
        CheckpointError: there is none, it is no checkpoint, or it holds code.
    """
    legacy = False
    try:
        with path.open("rb") as file:
            legacy = file.read(len(_LEGACY)) == _LEGACY
            _inspect(path, file)
            file.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about protocols of pickles; what matters is said below
                content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such checkpoint{_neighbors(path)}") from error
    except IsADirectoryError as error:
        raise CheckpointError(f"{path}: is a folder; name a checkpoint in it") from error
    except PermissionError as error:
        raise CheckpointError(f"{path}: permission denied") from error
    except CheckpointError:
        raise
    # torch.load answers foreign bytes with whatever its parser stumbled on, a KeyError as soon as an OSError.
    except Exception as error:
        if legacy:
            raise DamagedCheckpointError(f"{path}: is cut off or damaged; use an older checkpoint") from error
        raise CheckpointError(f"{path}: is no checkpoint (not a file of torch.save with plain values)") from error
    return _interpret(path, content)


def load_weights(model: nn.Module, checkpoint: Checkpoint, source: Path | str, averaged: bool = False) -> None:
    """Put the weights of `checkpoint`, read from `source`, into `model`.

    Args:
        model: network of the config that the checkpoint was made with.
        checkpoint: where the weights come from.
        source: what messages call the checkpoint.
        averaged: take the moving average of the weights where there is one: better to predict with, useless to
            go on training from.

    Raises:
        CheckpointError: layers are missing, left over, or of another shape; the first ones are named.
    """
    config = model.representation.config if isinstance(model, SceneModel) else None
    weights = _own_weights(checkpoint, config, source)
    faults = misfits(weights, model.state_dict())
    if faults and config is not None and (settings := differing_settings(weights, config)) is not None:
        raise CheckpointError(f"{source}: does not fit the config: {faults[0]}: {settings}")
    averages = checkpoint.ema_state if averaged else None
    if averages is not None and not faults:
        faults = misfits(averages, dict(model.named_parameters()))
    if faults:
        more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise CheckpointError(f"{source}: does not fit the config: {'; '.join(faults[:3])}{more}")
    model.load_state_dict(weights)
    if averages is not None:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(averages[name])


def _own_weights(checkpoint: Checkpoint, config: Config | None, source: Path | str) -> dict[str, Tensor]:
    """Return the weights without those that a published file holds twice."""
    if config is None:
        return checkpoint.model_state
    try:
        return without_repeats(checkpoint.model_state, config)
    except CheckpointError as error:
        raise CheckpointError(f"{source}: {error}") from error


def _save(content: dict[str, Any], file: IO[bytes]) -> None:
    """Write `content` to `file`; an ``OSError`` below torch's own complaint comes out as such."""
    try:
        torch.save(content, file)
    except RuntimeError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise cause from None


def _neighbors(path: Path) -> str:
    names = sorted(file.name for file in path.parent.glob("*.pt")) if path.parent.is_dir() else []
    return f"; the folder holds {', '.join(names[-5:])}" if names else ""


def _inspect(path: Path, file: IO[bytes]) -> None:
    """Refuse files that are cut off, changed, or hold code, before torch looks at them."""
    file.seek(0)
    start = file.read(4)
    if not start:
        raise DamagedCheckpointError(f"{path}: is empty")
    if start != b"PK\x03\x04":
        file.seek(0)
        _refuse_code(path, file.read(1 << 20))
        return
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            program = archive.read(pickles[0]) if pickles else b""
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError) as error:
        raise DamagedCheckpointError(f"{path}: is cut off or damaged; use an older checkpoint") from error
    if damaged is not None:
        raise DamagedCheckpointError(f"{path}: is damaged (checksum of {damaged}); use an older checkpoint")
    _refuse_code(path, program)


def _refuse_code(path: Path, program: bytes) -> None:
    """Refuse a pickle that asks for anything which `torch.load` would not allow, naming it."""
    for name in _imported(program):
        if not name.startswith(_DATA):
            raise CheckpointError(f"{path}: refused, since it would run code ({name.replace(' ', '.')})")


def _imported(program: bytes) -> list[str]:
    """Return what the pickles in `program` import, as ``module name``. Nothing is run."""
    found: list[str] = []
    strings: list[str] = []
    stream = io.BytesIO(program)
    try:
        while stream.tell() < len(program):  # files of old versions of torch are several pickles in a row
            for operation, argument, _ in pickletools.genops(stream):
                if isinstance(argument, str):
                    strings.append(argument)
                if operation.name in ("GLOBAL", "INST"):
                    found.append(str(argument))
                elif operation.name == "STACK_GLOBAL":
                    found.append(" ".join(strings[-2:]))
    except Exception:  # foreign bytes: from here on this is no pickle, and torch.load will say so
        return found
    return found


def _interpret(path: Path, content: object) -> Checkpoint:
    """Check the entries and bring those of published files to our names."""
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: is no checkpoint (it holds a {type(content).__name__}, not a dict)")
    try:
        weights = weights_of(content)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: is no checkpoint ({error})") from error
    iteration = _count(content.get("iteration"))
    if iteration is None:
        raise CheckpointError(f"{path}: is no checkpoint (iteration is {content.get('iteration')!r}, not a count)")
    versions = content.get("versions")
    if not isinstance(versions, Mapping) or "cnsr" not in versions:
        # Another program's entries may be called like ours and mean something else.
        moments = content.get("optimizer_state")
        return Checkpoint(iteration, weights, moments if isinstance(moments, dict) else None, versions={})
    rest = {entry.name: content.get(entry.name) for entry in fields(Checkpoint) if entry.name not in _CHECKED}
    for name, value in rest.items():
        wanted = int if name == "seed" else dict
        if value is not None and not isinstance(value, wanted):
            raise CheckpointError(f"{path}: is no checkpoint ({name} is a {type(value).__name__})")
    return Checkpoint(iteration, weights, **rest, versions=dict(versions))


_CHECKED = {"iteration", "model_state", "versions"}


def _count(value: object) -> int | None:
    """Return the count that `value` is; some programs count in tensors, or in floats."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
