import pytest
import torch

from cnsr.errors import CheckpointError
from cnsr.training.checkpoints import Checkpoint
from cnsr.training.compatibility import changed_course, check_fits


def checkpoint_of(config, **changes):
    settings = config.model_dump(mode="json") | changes
    return Checkpoint(10, {"a": torch.ones(1)}, config=settings, seed=config.seed)


def test_the_same_config_fits(tiny):
    check_fits(checkpoint_of(tiny()), tiny(), "x.pt")
    assert changed_course(checkpoint_of(tiny()), tiny()) == []


def test_settings_that_change_no_result_are_no_complaint(tiny):
    other = tiny(
        iterations=99, checkpoint_interval=1, test_interval=1, workers=3, logging=True, job_group="b", multi_gpu=False,
        test_batch_size=1, compile=True, train_data_dir="elsewhere",
    )  # fmt: skip
    check_fits(checkpoint_of(tiny()), other, "x.pt")
    assert changed_course(checkpoint_of(tiny()), other) == []


def test_all_differences_of_the_networks_are_named(tiny):
    other = tiny(network={"layers": 3, "loss": ["l1"]}, encoder={"representation_dim": 9}, empty_partition=True)
    with pytest.raises(CheckpointError) as caught:
        check_fits(checkpoint_of(tiny()), other, "x.pt")
    assert str(caught.value) == (
        "x.pt: was made with other settings: "
        "model.representations[0].representation_dim 12 (checkpoint) vs 9 (config); "
        "model.generators[0].settings.loss ['logl1', 'logssim'] (checkpoint) vs ['l1'] (config); "
        "model.generators[0].settings.layers 2 (checkpoint) vs 3 (config); "
        "empty_partition False (checkpoint) vs True (config)"
    )


def test_another_number_or_type_of_networks_is_named(tiny):
    saved = tiny().model_dump(mode="json")["model"]
    two = checkpoint_of(tiny(), model=saved | {"generators": saved["generators"] * 2})
    with pytest.raises(CheckpointError, match=r"model\.generators has 2 entries \(checkpoint\) vs 1 \(config\)"):
        check_fits(two, tiny(), "x.pt")
    tower = checkpoint_of(tiny(), model=saved | {"representations": [saved["representations"][0] | {"type": "Tower"}]})
    with pytest.raises(
        CheckpointError, match=r"settings: model\.representations\[0\]\.type Tower .* vs Pool \(config\)$"
    ):
        check_fits(tower, tiny(), "x.pt")


def test_settings_that_steer_training_are_told_but_fit(tiny):
    other = tiny(learning_rate=0.5, batch_size=2, generator={"override_train": True}, encoder={"gradient_reg": 0.25})
    check_fits(checkpoint_of(tiny()), other, "x.pt")
    assert changed_course(checkpoint_of(tiny()), other) == [
        "batch_size 3 (checkpoint) vs 2 (config)",
        "learning_rate 0.001 (checkpoint) vs 0.5 (config)",
        "model.representations[0].gradient_reg 0.0 (checkpoint) vs 0.25 (config)",
        "model.generators[0].override_train False (checkpoint) vs True (config)",
    ]


def test_another_schedule_of_the_slopes_is_told_but_fits(tiny):
    """It has no weights: it only says how the mask is sharpened, and at the test how sharp the null partition is."""
    schedule = {"start_sigmoid": 6.0, "end_sigmoid": 90.0, "sharpen_sigmoid": 95.0}
    schedule |= {"sharpening": 1000, "final_sharpening": 2000}
    other = tiny(encoder=schedule, generator={"override_sample": True})
    check_fits(checkpoint_of(tiny()), other, "x.pt")
    assert changed_course(checkpoint_of(tiny()), other) == [
        "model.representations[0].start_sigmoid 5.0 (checkpoint) vs 6.0 (config)",
        "model.representations[0].end_sigmoid 100.0 (checkpoint) vs 90.0 (config)",
        "model.representations[0].sharpen_sigmoid 100.0 (checkpoint) vs 95.0 (config)",
        "model.representations[0].sharpening 500000 (checkpoint) vs 1000 (config)",
        "model.representations[0].final_sharpening 100000 (checkpoint) vs 2000 (config)",
        "model.generators[0].override_sample False (checkpoint) vs True (config)",
    ]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"encoder": {"aggregation_func": "max"}}, r"aggregation_func mean \(checkpoint\) vs max \(config\)"),
        ({"encoder": {"render_size": 16}}, r"render_size 8 \(checkpoint\) vs 16 \(config\)"),
        ({"adaptive_separation": False}, r"adaptive_separation True \(checkpoint\) vs False \(config\)"),
        ({"network": {"end_relu": True}}, r"settings\.end_relu False \(checkpoint\) vs True \(config\)"),
    ],
)
def test_what_weights_do_not_show_and_networks_depend_on_is_refused(tiny, changes, named):
    with pytest.raises(CheckpointError, match=named):
        check_fits(checkpoint_of(tiny()), tiny(**changes), "x.pt")


def test_how_weights_once_started_is_told_but_fits(tiny):
    config = tiny()
    other = config.model_copy(update={"model": config.model.model_copy(update={"initialization": "he"})})
    check_fits(checkpoint_of(config), other, "x.pt")
    assert changed_course(checkpoint_of(config), other) == ["model.initialization default (checkpoint) vs he (config)"]


@pytest.mark.parametrize(("seed", "told"), [(7, []), (-1, []), (8, ["seed 7 (checkpoint) vs 8 (config)"])])
def test_seed_matters_only_where_the_config_names_another(tiny, seed, told):
    assert changed_course(checkpoint_of(tiny()), tiny(seed=seed)) == told


def test_settings_of_other_versions_and_published_files_without_settings_fit(tiny):
    saved = tiny().model_dump(mode="json")
    del saved["empty_partition"]
    saved["model"]["generators"][0]["of_a_later_version"] = 3
    check_fits(Checkpoint(1, {}, config=saved), tiny(), "x.pt")
    check_fits(Checkpoint(1, {}), tiny(), "x.pt")
