"""The main job on a small data set: scene JSON, path-traced EXR files, training, prediction of rooms never seen.

``sh quickstart.sh`` sets up and calls this. Everything goes into one folder; a second run reuses what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from cnsr import cli
from cnsr.config import CONFIG_FOLDER, Config, load_config
from cnsr.errors import ConfigError
from cnsr.files import make_folder, write_text
from cnsr.quickstart.phases import Timings, run_script

_ROOT = CONFIG_FOLDER.parent
_SCENES_SHOWN = 5


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="quickstart.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--out_folder", type=Path, default=_ROOT / "quickstart", help="where everything goes")
    parser.add_argument("--config", default="room_quickstart.json", help="what to make and train")
    parser.add_argument("--seed", type=int, default=0, help="of scenes and training; another one wants another folder")
    parser.add_argument("--size", type=int, default=400, help="training batches")
    parser.add_argument("--testing_size", type=int, default=12, help="test batches")
    parser.add_argument("--setup_seconds", type=float, default=0.0, help=argparse.SUPPRESS)
    return parser.parse_args()


def _own_config(name: str, seed: int, folder: Path) -> Path:
    """Write a copy of the config `name` into `folder`, with `seed` and the data folders there.

    Raises:
        ConfigError: `folder` was made with another config or seed.
    """
    base = load_config(name)
    settings = base.model_dump(mode="json")
    settings |= {"seed": seed, "train_data_dir": "data/train", "test_data_dir": "data/test"}
    text = json.dumps(settings, indent=4) + "\n"
    path = folder / f"{base.job_name}.json"
    if path.is_file() and path.read_text() != text:
        raise ConfigError(f"{path}: this folder was made with other settings; name another one with --out_folder")
    write_text(path, text)
    return path


def main() -> int:
    """Do all phases that are not done yet; return the exit status."""
    arguments = _parse()
    start = time.monotonic()
    out = arguments.out_folder.resolve()
    make_folder(out)
    path = _own_config(arguments.config, arguments.seed, out)
    config = load_config(path)
    sizes = {"train": arguments.size, "test": arguments.testing_size}
    timings = Timings(out / "timings.json")
    if arguments.setup_seconds > 0:
        timings.add("set-up", arguments.setup_seconds)

    _describe_scenes(path, out, sizes, timings)
    _render(path, out, sizes, timings)
    checkpoint = _train(path, config, out, timings)
    with timings.phase("evaluation", lambda: True):
        # PyTorch takes seconds to import; the phases above are the work of other processes.
        from cnsr.quickstart.report import report

        scores = report(config, checkpoint, out / "result.png", _SCENES_SHOWN)

    scenes = sizes["train"] * config.batch_size + sizes["test"] * config.test_batch_size
    summary = {
        "seconds": {**timings.seconds, "total": sum(timings.seconds.values())},
        "seconds_of_this_run": time.monotonic() - start + arguments.setup_seconds,
        "views_per_second": scenes * config.views_per_scene / timings.seconds["rendering"],
        "seed": arguments.seed,
        "iterations": config.iterations,
        "training_scenes": sizes["train"] * config.batch_size,
        **scores,
    }
    write_text(out / "summary.json", json.dumps(summary, indent=4) + "\n")
    _print_summary(summary, out, path)
    return 0


def _missing(folder: Path, pattern: str, sizes: dict[str, int]) -> bool:
    """Tell whether a split of `folder` holds fewer batches than `sizes` asks for."""
    return any(len(list((folder / split).glob(pattern))) < count for split, count in sizes.items())


def _describe_scenes(config: Path, out: Path, sizes: dict[str, int], timings: Timings) -> None:
    folder = out / "json"
    with timings.phase("describing scenes", lambda: _missing(folder, "batch*", sizes)) as work:
        if work:
            run_script(
                "create-dataset-json-files.py",
                *("--config", config, "--out_folder", folder),
                *("--size", str(sizes["train"]), "--testing_size", str(sizes["test"])),
            )


def _render(config: Path, out: Path, sizes: dict[str, int], timings: Timings) -> None:
    with timings.phase("rendering", lambda: _missing(out / "data", "batch*.exr", sizes)) as work:
        for split in sizes if work else ():
            run_script(
                "generate-dataset.py",
                *("--config", config, "--in_folder", out / "json" / split, "--out_folder", out / "data" / split),
            )


def _train(path: Path, config: Config, out: Path, timings: Timings) -> Path:
    """Return the last checkpoint."""
    last = out / "checkpoints" / f"{config.job_name}_{config.iterations}.pt"
    with timings.phase("training", lambda: not last.is_file()) as work:
        if work:
            # The logs for TensorBoard go to runs/ in the working directory.
            run_script("train-gqn.py", "--config", path, "--out_folder", last.parent, folder=out)
    return last


def _print_summary(summary: dict[str, Any], out: Path, config: Path) -> None:
    folder = Path(os.path.relpath(out))
    longer = f"--config {folder / config.name} --out_folder {folder / 'checkpoints'}"
    longer += f" --iterations {2 * summary['iterations']}"
    swapped, baseline = summary["swapped_psnr"], summary["baseline_psnr"]
    print(f"""
On rooms never seen in training: PSNR {summary["psnr"]:.2f} dB, SSIM {summary["ssim"]:.3f}.
With another room's representation: {swapped:.2f} dB. Always the mean image: {baseline:.2f} dB.
The picture is {folder / "result.png"}, all figures are in {folder / "summary.json"}.

What to try next:
  see how the training went:   .venv/bin/tensorboard --logdir {folder / "runs"}
  train on, twice as long:     .venv/bin/python code/train-gqn.py {longer}
  make the real data set:      see "How each task is done" in README.md""")


if __name__ == "__main__":
    cli.run(main)
