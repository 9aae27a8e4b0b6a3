"""Random scenes are pure functions of their place in the dataset; one factor can change alone."""

import hashlib

import pytest
from scipy.stats import chisquare

from cnsr.scenes.datasets import RANDOMIZERS
from cnsr.scenes.description import scene_json
from cnsr.scenes.randomizer import Factor, draw_batch

ROOM = RANDOMIZERS["room"]


def draw(index=0, seed=5, split="train", size=4, views=3, partitioned=True, randomizer=ROOM):
    return draw_batch(randomizer, seed, split, index, size, views, partitioned)


def factors_of(scene):
    """The text of lighting, geometry and materials of a drawn scene. A lamp's mesh hangs where its light is."""
    contents = scene.contents
    lights = {light["material"] for light in contents.lights}
    lamps = [item for item in contents.geometry if item["material"].startswith("lamp_")]
    return {
        Factor.LIGHTING: repr((contents.lights, lamps, [contents.materials[name] for name in sorted(lights)])),
        Factor.GEOMETRY: repr([item for item in contents.geometry if item not in lamps]),
        Factor.MATERIAL: repr({name: one for name, one in contents.materials.items() if name not in lights}),
    }


def all_differ(texts):
    """Whether all texts of one factor differ, but for those of empty rooms, one in 32."""
    filled = [text for text in texts if text != repr(ROOM.surroundings().geometry)]
    return len(set(filled)) == len(filled) > len(texts) / 2


@pytest.mark.parametrize("name", RANDOMIZERS)
def test_a_partitioned_batch_varies_one_factor_and_keeps_the_others_to_the_last_bit(name):
    for index in range(6):
        batch = draw(index, size=5, randomizer=RANDOMIZERS[name])
        factors = [factors_of(scene) for scene in batch.scenes]
        for factor in Factor:
            texts = [one[factor] for one in factors]
            # Even white objects stand in walls of different colors.
            assert all_differ(texts) if factor is batch.factor else len(set(texts)) == 1


def test_other_batches_share_nothing():
    scenes = [scene for index in range(3) for scene in draw(index, partitioned=False).scenes]
    scenes += draw(0, partitioned=False, split="test").scenes
    scenes += draw(0, partitioned=False, seed=6).scenes
    for factor in Factor:
        assert all_differ([factors_of(scene)[factor] for scene in scenes])
    assert draw(partitioned=False).factor is None


def test_views_and_their_seeds_always_differ():
    batch = draw(size=6)
    cameras = [camera for scene in batch.scenes for camera in scene.cameras]
    seeds = [seed for scene in batch.scenes for seed in scene.seeds]
    assert len(set(cameras)) == len(set(seeds)) == 18
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_the_varied_factor_is_uniform_over_batches_and_depends_on_nothing_else():
    factors = [draw(index, size=0).factor for index in range(300)]
    assert chisquare([factors.count(factor) for factor in Factor]).pvalue > 1e-3
    assert factors[:20] == [draw(index, size=1, views=1).factor for index in range(20)]
    assert factors != [draw(index, size=0, seed=6).factor for index in range(300)]


@pytest.mark.parametrize("partitioned", [False, True])
def test_fewer_scenes_or_views_are_the_beginning_of_more(partitioned):
    large, small = draw(partitioned=partitioned), draw(size=2, views=1, partitioned=partitioned)
    for ours, theirs in zip(small.scenes, large.scenes[:2], strict=True):
        assert ours.json(0) == theirs.json(0)
    assert small.factor == large.factor


def test_the_text_of_a_view_is_the_canonical_one():
    for scene in draw(randomizer=RANDOMIZERS["manymanyroom"]).scenes:
        for view, described in enumerate(scene.scenes):
            assert scene.json(view) == scene_json(described)


def test_large_seeds_are_told_apart():
    texts = {draw(seed=seed, size=1, views=1).scenes[0].json(0) for seed in (0, 2**31, 2**32, 2**63 - 1)}
    assert len(texts) == 4


def test_the_same_seed_gives_what_it_always_gave():
    # Changing this hash changes every dataset that users draw; numbers are rounded, since libm may differ.
    batch = draw(index=7, size=3, views=2)
    numbers = [
        round(x, 6) for scene in batch.scenes for camera in scene.cameras for x in (*camera.position, *camera.lookat)
    ]
    numbers += [seed for scene in batch.scenes for seed in scene.seeds]
    numbers += [round(x, 6) for scene in batch.scenes for light in scene.contents.lights for x in light["position"]]
    digest = hashlib.sha256(repr((batch.factor, numbers)).encode()).hexdigest()[:16]
    assert digest == "5ddef2cd6a42f355"
