"""The one shape that data has between a reader and a loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cnsr.datasets.stored import FACTORS as FACTORS


@dataclass
class Batch:
    """B scenes, each with N observed views and one view to be predicted (the query). All tensors are float32.

    Attributes:
        observations: {pass: [B, N, C, H, W]}, linear scene-referred values, row 0 at the top.
        observation_poses: [B, N, 16], the 4x4 world-to-camera matrix flattened column by column.
        queries: {pass: [B, C, H, W]}, the buffers that a generator is given and those it is to predict.
        query_poses: [B, 16].
        factor: index into ``stored.FACTORS`` of what differs between the scenes; ``None`` where they are independent.
        name: the file or origin, for messages.

    Raises:
        ValueError: the leading dimensions of the tensors disagree.
    """

    observations: dict[str, Tensor]
    observation_poses: Tensor
    queries: dict[str, Tensor]
    query_poses: Tensor
    factor: int | None
    name: str

    def __post_init__(self) -> None:
        scenes, views = self.observation_poses.shape[:2]
        for name, buffer in self.observations.items():
            if buffer.shape[:2] != (scenes, views):
                raise ValueError(
                    f"observations[{name!r}] is {tuple(buffer.shape)}, poses are of {scenes} x {views} views"
                )
        for name, buffer in (*self.queries.items(), ("poses", self.query_poses)):
            if buffer.shape[0] != scenes:
                raise ValueError(f"queries[{name!r}] is {tuple(buffer.shape)}, observations are of {scenes} scenes")

    @property
    def scene_count(self) -> int:
        """B."""
        return self.observation_poses.shape[0]

    @property
    def view_count(self) -> int:
        """N, the number of observations of each scene."""
        return self.observation_poses.shape[1]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Return the batch with its tensors on `device`."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory, from where a GPU copies without stopping the program."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(
            observations={name: change(buffer) for name, buffer in self.observations.items()},
            observation_poses=change(self.observation_poses),
            queries={name: change(buffer) for name, buffer in self.queries.items()},
            query_poses=change(self.query_poses),
            factor=self.factor,
            name=self.name,
        )
