"""The whole network: observations of a scene in, radiance of a view that nobody rendered out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnsr.config import Config
from cnsr.datasets.batch import Batch
from cnsr.models.chain import GeneratorChain
from cnsr.models.initialization import initialize
from cnsr.models.representation import Representation


@dataclass(frozen=True)
class ModelOutput:
    """Result of a training step's forward pass.

    Attributes:
        loss: scalar to be minimized, float32.
        terms: scalars to log, detached: every loss term (``generator0_logl1``, ``partition``), the partitions' shares
            (``lighting_percentage``, ...) and ``absolute_rsize``. Loss terms of generators with ``discard_loss`` are
            here, but not in `loss`.
        images: {output pass: [B, C, S, S]} of each generator, linear, detached.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    images: tuple[dict[str, Tensor], ...]


class SceneModel(nn.Module):
    """Encoders and generators of a config.

    Weights are drawn from PyTorch's global generator: call ``torch.manual_seed`` before. The names of parameters are
    those of published checkpoints (``representation.representations.0.conv1.weight``).

    Raises:
        ConfigError: a loss of the config needs weights that are not there.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.representation = Representation(config)
        self.generator = GeneratorChain(config)
        initialize(self, config.model.initialization)

    def forward(self, batch: Batch, iteration: int) -> ModelOutput:
        """Return loss, terms and predictions of a training batch.

        The batch's factor selects the partition that keeps its own values, if the config separates. Works under
        bf16 autocast: representation mixing, SSIM, logarithms and all losses stay float32.
        """
        representations = self.encode(batch.observations, batch.observation_poses, iteration, batch.factor)
        outputs, terms, minimized = self.generator(batch.queries, batch.query_poses, representations, iteration)
        price = self.representation.partition_loss()
        if price is not None:
            terms["partition"] = price
            minimized.append(price)
        terms |= self.representation.statistics()
        return ModelOutput(
            loss=torch.stack(minimized).sum(),
            terms={name: value.detach() for name, value in terms.items()},
            images=tuple({name: image.detach() for name, image in made.items()} for made in outputs),
        )

    def compile_networks(self, graphs: bool) -> None:
        """Let PyTorch compile each encoder and each generator, when it is first called (``torch.compile``).

        Args:
            graphs: start the kernels of a GPU as graphs (``reduce-overhead``), since starting them one by one takes
                the host longer than they take. What a network returns is then overwritten in the next step, each of
                which must begin with ``torch.compiler.cudagraph_mark_step_begin()``.
        """
        for network in (*self.representation.representations, *self.generator.generators):
            network.compile(mode="reduce-overhead" if graphs else "default")

    def encode(
        self,
        observations: Mapping[str, Tensor],
        observation_poses: Tensor,
        iteration: int | None = None,
        factor: int | None = None,
    ) -> tuple[Tensor, ...]:
        """Return the scenes' representations, [B, R, h, w] in float32 for each encoder.

        Args:
            observations: {pass: [B, N, C, H, W]}; N may be any number from 1 on.
            observation_poses: [B, N, 16].
            iteration: sets the slope of the partition masks; ``None`` is the end of the schedule.
            factor: the only factor in which the scenes differ (training); ``None`` aggregates each scene alone.
        """
        result: tuple[Tensor, ...] = self.representation(observations, observation_poses, iteration, factor)
        return result

    def predict(
        self, queries: Mapping[str, Tensor], query_poses: Tensor, representations: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Return the linear image [B, C, S, S] of every output pass, S being its generator's ``render_size``.

        Where two generators write the same pass, the later one counts; `predict_each` keeps both. Arguments as there.
        """
        images: dict[str, Tensor] = {}
        for made in self.predict_each(queries, query_poses, representations):
            images |= made
        return images

    def predict_each(
        self, queries: Mapping[str, Tensor], query_poses: Tensor, representations: Sequence[Tensor]
    ) -> tuple[dict[str, Tensor], ...]:
        """Return each generator's linear images {output pass: [B, C, S, S]}, in the order of the generators.

        Targets among `queries` are not used. Generators with latent variables draw them from their prior, with
        torch's global random numbers.

        Args:
            queries: {pass: [B, C, H, W]}, the generators' query passes.
            query_poses: [B, 16].
            representations: what `encode` returned.
        """
        return tuple(self.generator.sample(queries, query_poses, representations))

    def initialize_outputs(self, batch: Batch) -> None:
        """Set the last biases of generators with ``initial_output: "log_mean"`` to the mean target of `batch`.

        To be called before the first step of a fresh model; other generators stay as they are.
        """
        self.generator.initialize_outputs(batch.queries)
