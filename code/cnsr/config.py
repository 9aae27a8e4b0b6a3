"""Typed settings of a run, read from a JSON config.

A config is checked whole before anything runs; `ConfigError` names every fault with its dotted path
(``docs/settings.md``). Paths in a config are relative to the folder of the config file.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from cnsr.buffers import BUFFERS
from cnsr.config_checks import contradictions
from cnsr.errors import ConfigError
from cnsr.json_faults import Fault, dotted, faults_of, one_line, quote, unknown_name
from cnsr.json_text import JsonSyntaxError, KeyPath, parse_json

CONFIG_FOLDER = Path(__file__).resolve().parents[2] / "configs"
"""Where bare config names are looked up."""

Dataset = Literal[
    "room",
    "manylightroom",
    "manymaterialroom",
    "manymanyroom",
    "fewmaterialroom",
    "archviz",
    "archviz_parametric",
]

# Keys of published configs whose values follow from the passes.
_DERIVED_KEYS = ("observation_dim", "query_dim", "output_dim")


def _known_pass(name: str) -> str:
    if name not in BUFFERS:
        raise PydanticCustomError("pass", "{message}", {"message": unknown_name("pass", name, BUFFERS)})
    return name


def _file_name(name: str) -> str:
    if not name.strip(".") or not name.isprintable() or set(name) & set("/\\"):
        message = "expected a name that files can have, without slashes"
        raise PydanticCustomError("file_name", "{message}, found {name}", {"message": message, "name": quote(name)})
    return name


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Pass = Annotated[str, AfterValidator(_known_pass)]
FileName = Annotated[str, AfterValidator(_file_name)]
Count = Annotated[int, Field(ge=1)]
Passes = tuple[Pass, ...]


class RepresentationConfig(_Settings):
    """One encoder: what it observes, how large its vector is, how its partition sharpens."""

    type: Literal["Pool", "Pyramid", "Tower"] = "Tower"
    detach: bool = False
    aggregation_func: Literal["mean", "max"] = "mean"
    observation_passes: Annotated[Passes, Field(min_length=1)] = ("beauty",)
    representation_dim: Count = 256
    render_size: Count = 64
    start_sigmoid: Annotated[float, Field(gt=0)] = 5.0
    end_sigmoid: Annotated[float, Field(gt=0)] = 100.0
    sharpen_sigmoid: Annotated[float, Field(gt=0)] = 100.0
    sharpening: Annotated[int, Field(ge=0)] = 500_000
    final_sharpening: Annotated[int, Field(ge=0)] = 100_000
    gradient_reg: Annotated[float, Field(ge=0, le=1)] = 0.0

    @field_validator("aggregation_func", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


class PixelCNNSettings(_Settings):
    """Pixel generator. `initial_output` is ours: ``"log_mean"`` starts the last bias at the mean log radiance."""

    loss: Annotated[
        tuple[Literal["logl1", "l1", "logl2", "logssim", "ssim", "nll", "bce", "vgg"], ...], Field(min_length=1)
    ] = ("logl1", "logssim")
    end_relu: bool = True
    layers: Count = 8
    hidden_units: Count = 512
    propagate_buffers: bool = False
    propagate_representation: bool = True
    propagate_viewpoint: bool = True
    initial_output: Literal["default", "log_mean"] = "default"


class UnetSettings(_Settings):
    """U-Net generator."""

    loss: Annotated[tuple[Literal["logl1", "l1", "logl2", "logssim", "ssim", "nll"], ...], Field(min_length=1)] = (
        "logl1",
        "logssim",
    )
    end_relu: bool = True


class GQNSettings(_Settings):
    """Recurrent latent variable model (Eslami et al. 2018)."""

    cell_type: Literal["LSTM", "GRU"] = "LSTM"
    latent_dim: Count = 3
    state_dim: Count = 128
    core_count: Count = 12
    downscaling: Count = 4
    weight_sharing: bool = False
    upscale_sharing: bool = True


class CopySettings(_Settings):
    """`index` of the earlier generator whose weights are reused."""

    index: Annotated[int, Field(ge=0)] = 0


class NoSettings(_Settings):
    """A generator without settings."""


class GeneratorConfig(_Settings):
    """What all generators have in common; each type adds its `settings`."""

    type: str
    query_passes: Passes = ()
    output_passes: Annotated[Passes, Field(min_length=1)] = ("beauty",)
    representations: tuple[Annotated[int, Field(ge=0)], ...] = (0,)
    render_size: Count = 64
    override_sample: bool = False
    override_train: bool = False
    discard_loss: bool = False
    detach: bool = False


class PixelCNNConfig(GeneratorConfig):
    """Pixel generator."""

    type: Literal["PixelCNN"]
    settings: PixelCNNSettings = PixelCNNSettings()


class UnetConfig(GeneratorConfig):
    """U-Net generator."""

    type: Literal["Unet"]
    settings: UnetSettings = UnetSettings()


class GQNConfig(GeneratorConfig):
    """Recurrent generator."""

    type: Literal["GQN"] = "GQN"
    settings: GQNSettings = GQNSettings()


class SumConfig(GeneratorConfig):
    """Sum of buffers, without weights."""

    type: Literal["Sum"]
    settings: NoSettings = NoSettings()


class CopyConfig(GeneratorConfig):
    """An earlier generator again, with the same weights."""

    type: Literal["Copy"]
    settings: CopySettings = CopySettings()


def _generator_type(value: object) -> str:
    kind = value.get("type", "GQN") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) else "?"


AnyGenerator = Annotated[
    Annotated[PixelCNNConfig, Tag("PixelCNN")]
    | Annotated[UnetConfig, Tag("Unet")]
    | Annotated[GQNConfig, Tag("GQN")]
    | Annotated[SumConfig, Tag("Sum")]
    | Annotated[CopyConfig, Tag("Copy")],
    Discriminator(_generator_type),
]
_GENERATORS: dict[str, type[GeneratorConfig]] = {
    tag.tag: model for model, tag in map(get_args, get_args(get_args(AnyGenerator)[0]))
}
"""The config of each type."""


class ModelConfig(_Settings):
    """The networks: encoders and the chain of generators. `initialization` is ours: ``"he"`` learns faster."""

    pose_dim: Annotated[int, Field(ge=16, le=16)] = 16
    output_pass: Pass = "beauty"
    initialization: Literal["default", "he"] = "default"
    representations: Annotated[tuple[RepresentationConfig, ...], Field(min_length=1)]
    generators: Annotated[tuple[AnyGenerator, ...], Field(min_length=1)]


class Config(_Settings):
    """All settings of a run (``docs/settings.md``). The two data folders are absolute."""

    logging: bool = True
    seed: Annotated[int, Field(ge=-1, lt=2**63)] = -1
    train_data_dir: Path
    test_data_dir: Path
    job_name: FileName
    job_group: str = "Undefined"
    checkpoint_interval: Count = 500
    test_interval: Count = 25
    iterations: Count = 1_000_000
    batch_size: Count = 36
    test_batch_size: Count = 16
    dataset: Dataset = "room"
    cached_dataset: bool = False
    samples_per_pixel: Count = 64
    views_per_scene: Annotated[int, Field(ge=2)] = 5
    random_num_views: bool = True
    latent_separation: bool = False
    adaptive_separation: bool = True
    empty_partition: bool = False
    partition_loss: Annotated[float, Field(ge=0)] = 0.01
    multi_gpu: bool = True
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    workers: Annotated[int, Field(ge=0)] = 2
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    model: ModelConfig

    @property
    def render_size(self) -> int:
        """Pixels along an edge of the rendered images: the largest that any network asks for."""
        parts = (*self.model.representations, *self.model.generators)
        return max(part.render_size for part in parts)

    @property
    def observation_passes(self) -> Passes:
        """Buffers that the encoders see, in table order."""
        names = {name for encoder in self.model.representations for name in encoder.observation_passes}
        return _in_table_order(names)

    @property
    def query_passes(self) -> Passes:
        """Buffers of the query view that generators read, write or aim at, in table order."""
        names = {self.model.output_pass}
        for generator in self.model.generators:
            names.update(generator.query_passes, generator.output_passes)
        return _in_table_order(names)

    @property
    def passes(self) -> Passes:
        """Every buffer that a data set for this config must hold, in table order."""
        return _in_table_order({*self.observation_passes, *self.query_passes})

    def digest(self) -> str:
        """Return a hexadecimal SHA-256 of the settings, without the data folders, which differ between machines."""
        settings = self.model_dump(mode="json", exclude={"train_data_dir", "test_data_dir"})
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def load_config(path: Path | str) -> Config:
    """Read the config at `path`: a path, or the bare name of a file of the project's ``configs`` folder.

    Raises:
        ConfigError: the file is missing, is not JSON, or holds any fault; all faults are named.
    """
    file = _find(Path(path))
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from error
    try:
        data, duplicates = parse_json(text)
    except JsonSyntaxError as error:
        raise ConfigError(f"{file}:{error.line}:{error.column}: {error.message}") from error
    return _validate(data, file.resolve().parent, file.stem, str(path), duplicates, text)


def parse_config(data: dict[str, Any], source: str = "config", folder: Path | None = None) -> Config:
    """Check `data` as a config; relative paths count from `folder` (default: the working directory).

    Raises:
        ConfigError: names every fault, each with its dotted path, after `source`.
    """
    return _validate(data, (folder or Path()).resolve(), Path(source).stem, source)


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    if path.name == str(path) and (CONFIG_FOLDER / path).is_file():
        return CONFIG_FOLDER / path
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name a JSON config file in it")
    known = ", ".join(sorted(file.name for file in CONFIG_FOLDER.glob("*.json")))
    raise ConfigError(f"{path}: no such config; give a path, or one of {known}")


def _validate(
    data: object, folder: Path, stem: str, source: str, duplicates: Sequence[KeyPath] = (), text: str | None = None
) -> Config:
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: a config is a JSON object, not {type(data).__name__}")
    derived: list[KeyPath] = []
    settings: dict[str, Any] = _without_derived(data, (), derived)
    if derived:
        names = ", ".join(map(dotted, derived))
        warnings.warn(f"{source}: ignored, since it follows from the passes: {names}", stacklevel=3)
    settings.setdefault("job_name", stem)
    for split in ("train", "test"):
        name = settings.get(f"{split}_data_dir", f"../datasets/{settings.get('dataset', 'room')}/{split}")
        if isinstance(name, str):
            settings[f"{split}_data_dir"] = str((folder / name).resolve())
    faults = [Fault(path, "the key stands twice") for path in duplicates]
    config = None
    try:
        config = Config.model_validate_json(json.dumps(settings))
    except ValidationError as error:
        faults += faults_of(error, _model_at, tuple(_GENERATORS))
    known = {fault.path for fault in faults}
    faults += [fault for fault in contradictions(settings) if fault.path not in known]
    if faults or config is None:
        raise ConfigError(one_line(source, faults, text))
    return config


def _model_at(location: KeyPath) -> type[BaseModel]:
    """Return the model whose field is last in one of pydantic's locations."""
    match location:
        case ("model", _):
            return ModelConfig
        case ("model", "representations", int(), _):
            return RepresentationConfig
        case ("model", "generators", int(), tag, _):
            return _GENERATORS[str(tag)]
        case ("model", "generators", int(), tag, "settings", _):
            return type(_GENERATORS[str(tag)].model_fields["settings"].default)
        case _:
            return Config


def _without_derived(value: Any, path: KeyPath, found: list[KeyPath]) -> Any:
    """Return a copy of the JSON `value` without `_DERIVED_KEYS`; their paths are appended to `found`."""
    if isinstance(value, dict):
        found += [(*path, key) for key in value if key in _DERIVED_KEYS]
        return {
            key: _without_derived(item, (*path, key), found) for key, item in value.items() if key not in _DERIVED_KEYS
        }
    if isinstance(value, list):
        return [_without_derived(item, (*path, index), found) for index, item in enumerate(value)]
    return value


def _in_table_order(names: set[str]) -> Passes:
    return tuple(name for name in BUFFERS if name in names)
