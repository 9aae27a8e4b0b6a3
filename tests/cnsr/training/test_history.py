import pytest
import torch

from cnsr.errors import CheckpointError
from cnsr.training.checkpoints import Checkpoint, checkpoint_path, save_checkpoint
from cnsr.training.history import Start, find_checkpoints, find_start, set_aside, stats_path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def put(folder, config, iteration, job_name=None, **changes):
    path = checkpoint_path(folder, job_name or config.job_name, iteration)
    settings = config.model_dump(mode="json") | changes
    save_checkpoint(path, Checkpoint(iteration, {"a": torch.ones(1)}, config=settings, seed=config.seed))
    return path


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_checkpoints_of_a_job_are_found_in_the_order_of_iterations(tiny, folder):
    config = tiny(job_name="a.b")
    for iteration in (1000, 20, 3):
        put(folder, config, iteration)
    put(folder, config, 5, job_name="a.b_2")
    put(folder, config, 7, job_name="aXb")
    (folder / "a.b_x.pt").touch()
    assert [iteration for iteration, _ in find_checkpoints(folder, "a.b")] == [3, 20, 1000]
    assert find_checkpoints(folder / "nowhere", "a.b") == []


def test_an_empty_folder_starts_at_the_beginning(tiny, folder):
    assert find_start(tiny(), folder) == Start()
    assert Start().iteration == 0


def test_the_newest_checkpoint_is_gone_on_from(tiny, folder):
    put(folder, tiny(), 9)
    newest = put(folder, tiny(), 10)
    start = find_start(tiny(), folder)
    assert (start.path, start.iteration, start.notes) == (newest, 10, ())


def test_fresh_starts_at_the_beginning(tiny, folder):
    put(folder, tiny(), 9)
    assert find_start(tiny(), folder, fresh=True) == Start()


def test_a_damaged_newest_checkpoint_is_told_and_passed_over(tiny, folder):
    older = put(folder, tiny(), 9)
    newest = put(folder, tiny(), 10)
    newest.write_bytes(newest.read_bytes()[:500])
    start = find_start(tiny(), folder)
    assert start.path == older
    assert start.notes == (f"warning: {newest}: is cut off or damaged; use an older checkpoint",)


def test_a_checkpoint_of_other_networks_says_how_to_go_on(tiny, folder):
    put(folder, tiny(), 9)
    with pytest.raises(CheckpointError) as caught:
        find_start(tiny(network={"layers": 5}), folder)
    assert str(caught.value) == (
        f"{folder / 'tiny_9.pt'}: was made with other settings: model.generators[0].settings.layers 2 (checkpoint) vs "
        "5 (config); with --fresh training starts over, or choose another job_name"
    )


def test_a_named_checkpoint_is_used_and_a_newer_one_mentioned(tiny, folder):
    older, newest = put(folder, tiny(), 9), put(folder, tiny(), 10)
    start = find_start(tiny(), folder, older)
    assert start.path == older
    assert start.notes == (f"note: {newest} is there too; without --checkpoint, training goes on from it",)


def test_changed_steering_is_told(tiny, folder):
    put(folder, tiny(), 9)
    assert find_start(tiny(learning_rate=0.5), folder).notes == (
        "warning: training goes on with other settings than before: learning_rate 0.001 (checkpoint) vs 0.5 (config)",
    )


def test_going_on_moves_nothing(tiny, folder):
    for iteration in (9, 10):
        put(folder, tiny(), iteration)
    stats_path(folder, "tiny").write_text("")
    before = names(folder)
    assert set_aside(folder, "tiny", find_start(tiny(), folder)) is None
    assert names(folder) == before


def test_starting_over_keeps_all_earlier_attempts(tiny, folder):
    put(folder, tiny(), 4, job_name="other")
    for attempt in (1, 2):
        put(folder, tiny(), 9)
        stats_path(folder, "tiny").write_text(f"{attempt}")
        assert set_aside(folder, "tiny", Start()) == folder / "old" / f"tiny.{attempt}"
    assert names(folder) == [
        "old/tiny.1/tiny.stats.jsonl",
        "old/tiny.1/tiny_9.pt",
        "old/tiny.2/tiny.stats.jsonl",
        "old/tiny.2/tiny_9.pt",
        "other_4.pt",
    ]
    assert (folder / "old/tiny.1/tiny.stats.jsonl").read_text() == "1"


def test_going_back_moves_what_came_after_and_copies_the_statistics(tiny, folder):
    paths = [put(folder, tiny(), iteration) for iteration in (8, 9, 10)]
    stats_path(folder, "tiny").write_text("all")
    set_aside(folder, "tiny", find_start(tiny(), folder, paths[1]))
    assert names(folder) == [
        "old/tiny.1/tiny.stats.jsonl",
        "old/tiny.1/tiny_10.pt",
        "tiny.stats.jsonl",
        "tiny_8.pt",
        "tiny_9.pt",
    ]


def test_starting_from_elsewhere_moves_all_but_that(tiny, folder, tmp_path):
    put(folder, tiny(), 9)
    elsewhere = put(tmp_path / "elsewhere", tiny(), 50)
    set_aside(folder, "tiny", find_start(tiny(), folder, elsewhere))
    assert names(folder) == ["old/tiny.1/tiny_9.pt"]
    assert elsewhere.exists()
    beside = put(folder, tiny(), 3, job_name="before")
    set_aside(folder, "tiny", find_start(tiny(), folder, beside))
    assert beside.exists()
