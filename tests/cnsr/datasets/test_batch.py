from __future__ import annotations

import pytest
import torch

from cnsr.datasets.batch import Batch


def _batch(**changes: object) -> Batch:
    fields: dict[str, object] = {
        "observations": {"beauty": torch.ones(2, 3, 3, 4, 4)},
        "observation_poses": torch.ones(2, 3, 16),
        "queries": {"depth": torch.ones(2, 1, 4, 4)},
        "query_poses": torch.ones(2, 16),
        "factor": 2,
        "name": "here",
    }
    return Batch(**{**fields, **changes})  # type: ignore[arg-type]


def test_moves_as_a_whole() -> None:
    moved = _batch().to("meta")
    tensors = [*moved.observations.values(), moved.observation_poses, *moved.queries.values(), moved.query_poses]
    assert [tensor.device.type for tensor in tensors] == ["meta"] * 4
    assert (moved.factor, moved.name, moved.scene_count, moved.view_count) == (2, "here", 2, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"observations": {"beauty": torch.ones(2, 4, 3, 4, 4)}},
            r"'beauty'\] is \(2, 4, 3, 4, 4\), poses are of 2 x 3",
        ),
        ({"queries": {"depth": torch.ones(3, 1, 4, 4)}}, r"'depth'\] is \(3, 1, 4, 4\), observations are of 2 scenes"),
        ({"query_poses": torch.ones(1, 16)}, r"'poses'\] is \(1, 16\), observations are of 2 scenes"),
    ],
)
def test_tensors_that_disagree_are_an_error(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _batch(**changes)
