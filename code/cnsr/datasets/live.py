"""Batches that are rendered while training: random scenes, drawn and path traced by whoever asks for them."""

from __future__ import annotations

import itertools
import os

from torch.utils.data import get_worker_info

from cnsr.config import Config
from cnsr.datasets.rendered import stored_batch, view_seed
from cnsr.datasets.source import ALL, Needs, Share, Split
from cnsr.datasets.stored import StoredBatch, cleaned
from cnsr.rendering import PathTracer
from cnsr.scenes.datasets import randomizer
from cnsr.scenes.randomizer import draw_batch

TEST_BATCHES = 16
"""How many test batches there are; training batches never end."""


class LiveSource:
    """Renders batch i of a dataset, the same whenever and wherever it is asked for.

    Its pixels are those that ``create-dataset-json-files.py`` and ``generate-dataset.py`` make with the same seed.

    Args:
        config: names the dataset, the passes, sizes and numbers of scenes, views and samples.
        split: of the dataset.
        seed: of the scenes, at least 0.
        share: which scenes of each batch to render; it changes nothing about them.
    """

    def __init__(self, config: Config, split: Split, seed: int, share: Share = ALL) -> None:
        self.share = share
        self._config = config
        self._split: Split = split
        self._seed = seed
        self._randomizer = randomizer(config.dataset)
        self._tracer: PathTracer | None = None

    @classmethod
    def open(cls, config: Config, split: Split, seed: int, share: Share = ALL) -> LiveSource:
        """Return the source, after a look whether this machine can render.

        Raises:
            RenderError: the renderer is not built.
        """
        source = cls(config, split, seed, share)
        PathTracer(threads=1)
        return source

    @property
    def size(self) -> int:
        """Pixels along an edge: the config's largest `render_size`."""
        return self._config.render_size

    @property
    def count(self) -> int | None:
        """``TEST_BATCHES``, or ``None`` for training."""
        return None if self._split == "train" else TEST_BATCHES

    def read(self, index: int) -> StoredBatch:
        """Draw and render batch `index`; half floats, as if it came from a file."""
        config, training = self._config, self._split == "train"
        scenes = self.share.of(Needs.of(config, self._split).scenes)
        drawn = draw_batch(
            self._randomizer,
            self._seed,
            self._split,
            index,
            scenes.stop,
            config.views_per_scene,
            partitioned=training and config.latent_separation,
        )
        name = f"batch{index:09d}"
        places = itertools.product(scenes, range(config.views_per_scene))
        seeds = [view_seed(drawn.scenes[scene].seeds[view], name, scene, view) for scene, view in places]
        if self._tracer is None:
            self._tracer = PathTracer(threads=_threads(self.share.neighbors))
        views = self._tracer.render_views(
            [view for scene in scenes for view in drawn.scenes[scene].scenes],
            size=config.render_size,
            samples=config.samples_per_pixel,
            seeds=seeds,
            buffers=config.passes,
            half=True,
        )
        factor = None if drawn.factor is None else int(drawn.factor)
        return cleaned(stored_batch(views, len(scenes), factor, f"{config.dataset}/{self._split}/{name}"))

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_tracer": None}  # every process has its own


def _threads(trainers: int) -> int:
    """Return the fair share of the CPUs for one of the processes that render for so many that train; 0 is all."""
    worker = get_worker_info()
    renderers = trainers * (worker.num_workers if worker is not None else 1)
    return 0 if renderers == 1 else max(1, len(os.sched_getaffinity(0)) // renderers)
