"""The generators of a model, run one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import cast

import torch
from torch import Tensor, nn

from cnsr.buffers import BUFFERS
from cnsr.config import Config, GeneratorConfig
from cnsr.models.generator import Generator, Given
from cnsr.models.inputs import join_representations, network_input, target_image
from cnsr.models.registry import build_generator


class GeneratorChain(nn.Module):
    """All generators of a config; each may replace buffers that later ones read.

    Attributes:
        generators: in the config's order, which is the order in which they run.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.configs: tuple[GeneratorConfig, ...] = config.model.generators
        dimensions = [encoder.representation_dim for encoder in config.model.representations]
        made: list[Generator] = []
        for generator in self.configs:
            taken = sum(dimensions[index] for index in generator.representations)
            made.append(build_generator(generator, config.model.pose_dim, taken, made))
        self.generators = nn.ModuleList(made)

    def forward(
        self, queries: Mapping[str, Tensor], poses: Tensor, representations: Sequence[Tensor], iteration: int
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor], list[Tensor]]:
        """Run all generators with known targets, as in training.

        Args:
            queries: {pass: [B, C, H, W]}, inputs and targets.
            poses: [B, V].
            representations: [B, R_i, h_i, w_i] of each encoder.
            iteration: of the training, for annealed losses.

        Returns:
            The linear images of each generator by output pass, every term by name (``generator0_logl1``), and those
            terms that are to be minimized (not those of generators with ``discard_loss``).
        """
        seen, outputs = dict(queries), list[dict[str, Tensor]]()
        terms: dict[str, Tensor] = {}
        minimized: list[Tensor] = []
        for index, (generator, config) in enumerate(self._pairs()):
            target = target_image(queries, config.output_passes, config.render_size)
            step = generator.training_step(_given(seen, poses, representations, config), target, iteration)
            terms |= {f"generator{index}_{name}": value for name, value in {**step.losses, **step.notes}.items()}
            if not config.discard_loss:
                minimized += step.losses.values()
            outputs.append(_by_pass(step.image, config))
            if config.override_train:
                seen |= _handed_on(outputs[-1], config)
        return outputs, terms, minimized

    def sample(
        self,
        queries: Mapping[str, Tensor],
        poses: Tensor,
        representations: Sequence[Tensor],
        *,
        only: Collection[int] | None = None,
        size: int | None = None,
        copies: bool = False,
    ) -> list[dict[str, Tensor]]:
        """Return each generator's linear images by output pass, targets being unknown; arguments as for `forward`.

        Args:
            queries: as for `forward`.
            poses: as for `forward`.
            representations: as for `forward`.
            only: generators to run, by index; the others make no images. `dependencies` says which are needed.
            size: edge of the images in place of each generator's `render_size`, for generators that are `pointwise`.
            copies: all scenes are copies of one, and get the same latent variables.
        """
        seen, outputs = dict(queries), list[dict[str, Tensor]]()
        for index, (generator, config) in enumerate(self._pairs()):
            if only is not None and index not in only:
                outputs.append({})
                continue
            given = _given(seen, poses, representations, config, size, copies)
            outputs.append(_by_pass(generator.sample(given), config))
            if config.override_sample:
                seen |= _handed_on(outputs[-1], config)
        return outputs

    def view(
        self,
        index: int,
        queries: Mapping[str, Tensor],
        poses: Tensor,
        representations: Sequence[Tensor],
        *,
        only: Collection[int] | None = None,
        copies: bool = False,
    ) -> Given:
        """Return what `sample` gives to generator `index`; arguments as there. Generators before it run."""
        seen = dict(queries)
        for earlier, (generator, config) in enumerate(islice(self._pairs(), index)):
            if only is None or earlier in only:
                image = generator.sample(_given(seen, poses, representations, config, copies=copies))
                if config.override_sample:
                    seen |= _handed_on(_by_pass(image, config), config)
        return _given(seen, poses, representations, self.configs[index], copies=copies)

    def dependencies(self, index: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Return on what the images of generator `index` depend in `sample`.

        Returns:
            The generators in their order, itself the last one, and the query passes, in the table's order, which they
            read and which none of them replaces before.
        """
        wanted, needed = set(self.configs[index].query_passes), [index]
        for earlier in range(index - 1, -1, -1):
            config = self.configs[earlier]
            if config.override_sample and wanted & set(config.output_passes):
                wanted = wanted - set(config.output_passes) | set(config.query_passes)
                needed.insert(0, earlier)
        return tuple(needed), tuple(name for name in BUFFERS if name in wanted)

    def initialize_outputs(self, queries: Mapping[str, Tensor]) -> None:
        """Let each generator adapt to its targets among `queries` before the first training step."""
        for generator, config in self._pairs():
            generator.initialize_output(target_image(queries, config.output_passes, config.render_size))

    def _pairs(self) -> Iterator[tuple[Generator, GeneratorConfig]]:
        return zip(cast("list[Generator]", list(self.generators)), self.configs, strict=True)


def _given(
    buffers: Mapping[str, Tensor],
    poses: Tensor,
    representations: Sequence[Tensor],
    config: GeneratorConfig,
    size: int | None = None,
    copies: bool = False,
) -> Given:
    scenes, size = len(poses), size or config.render_size
    return Given(
        buffers=network_input(buffers, config.query_passes, size)
        if config.query_passes
        else poses.new_zeros(scenes, 0, size, size),
        pose=poses,
        representation=join_representations([representations[index] for index in config.representations])
        if config.representations
        else poses.new_zeros(scenes, 0, 1, 1),
        copies=copies,
    )


def _by_pass(image: Tensor, config: GeneratorConfig) -> dict[str, Tensor]:
    widths = [BUFFERS[name].channels for name in config.output_passes]
    return dict(zip(config.output_passes, torch.split(image, widths, dim=1), strict=True))


def _handed_on(images: Mapping[str, Tensor], config: GeneratorConfig) -> dict[str, Tensor]:
    return {name: image.detach() if config.detach else image for name, image in images.items()}
