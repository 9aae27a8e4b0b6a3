"""Going from scene to scene: numbers that tell scenes apart, observations that can be repeated."""

import pytest

from cnsr.errors import SceneError
from cnsr.viewers.tour import Tour, first_scene
from cnsr.viewers.walk_scenes import SceneSupply


@pytest.fixture
def supply(config):
    return SceneSupply(config, seed=3)


def test_random_scenes_come_in_the_order_of_the_dataset(supply):
    tour = Tour(supply)
    for index in range(3):
        assert tour.scene.number == index
        assert tour.next_number == index + 1
        assert tour.scene.description == supply.random_scene(index, 0).description
        tour.go_on()


def test_a_scene_to_begin_with_uses_up_no_random_one(supply):
    first = supply.random_scene(5, 0).description
    tour = Tour(supply, (first, "my.json"))
    assert tour.scene.description is first
    assert (tour.scene.title, tour.scene.number) == ("my.json", 0)
    tour.go_on()
    assert (tour.scene.title, tour.scene.number) == ("room 0", 1)


def test_observations_are_counted_anew_in_every_scene(supply):
    tour = Tour(supply)
    tour.observe_anew()
    tour.observe_anew()
    entered = supply.random_scene(7, tour.next_number)
    tour.enter(entered)
    tour.observe_anew()
    assert tour.scene.description is entered.description
    assert tour.scene.observations == supply.with_new_observations(entered, 1).observations


def test_a_scene_that_cannot_be_drawn_leaves_the_one_before(supply, monkeypatch):
    def failing(*_):
        raise SceneError("chair.obj: is missing")

    tour = Tour(supply)
    before = tour.scene
    monkeypatch.setattr(supply, "random_scene", failing)
    with pytest.raises(SceneError):
        tour.go_on()
    assert tour.scene is before
    assert tour.next_number == 1


def test_without_a_file_there_is_no_first_scene(tracer):
    assert first_scene(None, tracer) is None
