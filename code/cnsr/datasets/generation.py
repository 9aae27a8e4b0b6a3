"""From folders of scene JSON files to a rendered data set, one EXR file a batch.

Every view's random seed follows from its scene file and its place alone, so that neither the order nor interruptions
nor the number of threads, processes or machines change a byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from cnsr.config import Config
from cnsr.datasets.batch_jobs import OtherOriginError, is_finished
from cnsr.datasets.claims import Claims
from cnsr.datasets.manifest import NAME, Manifest, RenderSettings, check_folder, scene_seed
from cnsr.datasets.scene_files import BatchFiles, batch_files, batch_folders
from cnsr.datasets.work import Engine, Reporter, Summary, Work
from cnsr.errors import DatasetError
from cnsr.files import make_folder, storage_error
from cnsr.shards import Shard


def generate(
    engine: Engine,
    config: Config,
    in_folder: Path,
    out_folder: Path,
    settings: RenderSettings,
    reporter: Reporter,
    overwrite: bool = False,
    shard: Shard | None = None,
) -> Summary:
    """Render every batch of `in_folder` that `out_folder` does not hold yet, by `engine`.

    Batches whose scene files are broken are reported and counted; the others are rendered. Any number of runs may
    have the same `out_folder` at once: each batch is rendered by one of them, and all return when all is done.

    Args:
        engine: what renders: ``Pipeline`` in this process, ``Cluster`` on others.
        config: described in ``dataset.json``.
        in_folder: holds batch000000000/scene0000/view000.json and so on.
        out_folder: where batch000000000.exr and so on are written; it is made if need be.
        settings: of the pixels.
        reporter: is told how far the run is.
        overwrite: delete the batches in `out_folder` first.
        shard: the share of the batches, by their number, that this run has to see to; all by default.

    Raises:
        DatasetError: `in_folder` holds no batches, or `out_folder` holds batches of other scenes or settings, or
            other runs are in the folder that is to be overwritten.
        StorageError: a file could not be written; finished batches stay.
        RenderError: the renderer failed.
        ClusterError: see ``cnsr.datasets.cluster``.
    """
    in_folder, out_folder = in_folder.resolve(), out_folder.resolve()
    folders = batch_folders(in_folder)
    make_folder(out_folder)
    with Claims(out_folder) as claims:
        if overwrite:
            with claims.alone():
                _remove([*out_folder.glob("batch*.exr"), out_folder / NAME])
        check_folder(out_folder, settings)
        claims.sweep()
        summary = Summary()
        own = [folder for folder in folders if shard is None or shard.holds(_number(folder))]
        pending = _pending(own, out_folder, settings, summary, reporter)
        if pending or not (out_folder / NAME).exists():
            _describe(config, in_folder, out_folder, settings, folders)
        reporter.begin(sum(files.view_count for files in pending))
        if pending:
            engine.render(Work(pending, out_folder, settings, claims, reporter, summary))
    return summary


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix("batch"))


def _pending(
    folders: Sequence[Path], out_folder: Path, settings: RenderSettings, summary: Summary, reporter: Reporter
) -> list[BatchFiles]:
    """Return the batches that are still to be rendered; count those that are finished, report those that never will."""
    pending = []
    for folder in reporter.checked(folders):
        try:
            files = batch_files(folder)
            if is_finished(files, out_folder, settings):
                summary.present += 1
            else:
                pending.append(files)
        except OtherOriginError:
            raise
        except DatasetError as error:
            reporter.fault(str(error))
            summary.broken += 1
    return pending


def _describe(
    config: Config, in_folder: Path, out_folder: Path, settings: RenderSettings, folders: Sequence[Path]
) -> None:
    for folder in folders:
        with suppress(DatasetError):
            first = batch_files(folder)
            break
    else:
        return  # nothing will be rendered
    excluded = {"train_data_dir", "test_data_dir"}  # they differ between machines
    Manifest(
        render=settings,
        batches=len(folders),
        scenes_per_batch=len(first.views),
        views_per_scene=len(first.views[0]),
        seed=scene_seed(in_folder),
        config=config.model_dump(mode="json", exclude=excluded),
    ).write(out_folder)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(path, error) from error
