"""Generators that know their own derivative: the attributions are still those of one backward pass per output."""

import pytest
import torch
from architectures import COPY, DIRECT, GQN, GRU, PIXEL, POOL, UNET

from cnsr.attribution import generators
from cnsr.attribution.attributor import Attributor
from cnsr.attribution.outputs import Patch, whole_image
from cnsr.config import load_config
from cnsr.models import gqn, registry, unet_derivative, winograd
from cnsr.models.gqn_derivative import GQNDerivative
from cnsr.models.model import SceneModel
from cnsr.models.unet import Unet
from cnsr.models.unet_derivative import UnetDerivative

TOWER = POOL | {"type": "Tower"}
SMALL = {"render_size": 8}
FIRST = PIXEL | {"output_passes": ["direct"], "query_passes": ["normal", "id"], "override_sample": True}


@pytest.fixture
def derived(monkeypatch):
    """Let an attribution fail that does not use a derivative, and let none be too few outputs for one."""
    monkeypatch.setattr(generators, "_wholly", lambda *_: pytest.fail("went through the graph"))
    monkeypatch.setattr(gqn, "FEWEST_OUTPUTS", 1)


@pytest.mark.usefixtures("derived")
class TestUnet:
    @pytest.mark.parametrize(("left", "top"), [(0, 0), (61, 62), (0, 31), (33, 0), (20, 39), (61, 8)])
    def test_patches_anywhere(self, left, top, make_model, make_scene, agrees):
        model, config = make_model([POOL], [UNET])
        scene = make_scene(config)
        agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", left, top, 3, 2))

    @pytest.mark.parametrize("place", [(0, 30, 64, 1), (63, 0, 1, 64)])
    def test_all_rows_and_columns(self, place, make_model, make_scene, agrees):
        model, config = make_model([POOL], [UNET])
        scene = make_scene(config, views=1)
        agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", *place))

    @pytest.mark.parametrize("place", [0, 77, 126])
    def test_larger_images_have_windows_at_more_levels(self, place, make_model, make_scene, agrees):
        model, config = make_model([POOL], [UNET | {"render_size": 128}])
        scene = make_scene(config, views=1)
        agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", place, 126 - place, 2, 1))

    @pytest.mark.parametrize("left", [0, 101])
    def test_the_deepest_image_may_have_an_odd_size(self, left, make_model, make_scene, agrees):
        model, config = make_model([POOL], [UNET | {"render_size": 192}])
        scene = make_scene(config, views=1)
        agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", left, 190, 2, 1))

    @pytest.mark.parametrize("encoder", [POOL, TOWER])
    @pytest.mark.parametrize("keys", [{"representations": []}, {"query_passes": []}])
    def test_generators_that_know_less(self, keys, encoder, make_model, make_scene, agrees):
        model, config = make_model([encoder], [UNET | keys])
        scene = make_scene(config)
        agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", 7, 0, 2, 1))

    @pytest.mark.parametrize("encoders", [[TOWER], [POOL, TOWER | {"representation_dim": 5}], [POOL, POOL]])
    @pytest.mark.parametrize("settings", [{"end_relu": True}, {"loss": ["l1"], "end_relu": False}])
    def test_maps_and_several_encoders(self, encoders, settings, make_model, make_scene, agrees):
        made = UNET | {"representations": [*range(len(encoders))], "settings": settings}
        model, config = make_model(encoders, [made])
        scene = make_scene(config)
        agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", 7, 60, 2, 3))

    def test_wide_networks_use_fewer_multiplications(self, make_model, make_scene, agrees, monkeypatch):
        class Wide(Unet):
            def __init__(self, config, place):
                super().__init__(config, place, channels=(16, 16, 20, 20, 16, 16, 16))

        monkeypatch.setitem(registry.GENERATORS, "Unet", Wide)
        monkeypatch.setattr(unet_derivative, "_FEWEST_CHANNELS", 16)
        monkeypatch.setattr(winograd, "FEWEST_TILES", 1)
        taken = []
        transposed = winograd.transposed
        monkeypatch.setattr(winograd, "transposed", lambda *given: taken.append(given[2]) or transposed(*given))
        model, config = make_model([POOL], [UNET])
        scene = make_scene(config)
        for left, top in ((0, 0), (61, 30)):
            agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", left, top, 3, 2))
        assert set(taken) == {False, True}

    @pytest.mark.parametrize("keys", [{}, {"detach": True}])
    def test_a_chain_is_followed_to_its_start(self, keys, make_model, make_scene, agrees):
        first = FIRST | {"render_size": 64} | keys
        model, config = make_model([POOL], [first, UNET | {"query_passes": ["direct", "position"]}])
        scene = make_scene(config)
        agrees(model, scene, Attributor(model, scene), Patch(1, "beauty", 40, 11, 2, 2))

    def test_a_copy_is_what_it_copies(self, make_model, make_scene, agrees):
        model, config = make_model([POOL], [UNET, COPY | {"query_passes": ["normal", "id"], "render_size": 64}])
        scene = make_scene(config)
        agrees(model, scene, Attributor(model, scene), Patch(1, "beauty", 5, 6, 2, 2))

    @pytest.mark.parametrize("size", [32, 128])
    def test_buffers_of_another_size(self, size, make_model, make_scene, agrees):
        model, config = make_model([POOL], [UNET])
        scene = make_scene(config, size=size)
        agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", 12, 13, 2, 2))


@pytest.mark.usefixtures("derived")
class TestGQN:
    @pytest.mark.parametrize("encoders", [[POOL], [TOWER], [POOL, TOWER | {"representation_dim": 5}]])
    @pytest.mark.parametrize("cell", [GQN, GRU])
    def test_patches_anywhere(self, cell, encoders, make_model, make_scene, agrees):
        model, config = make_model(encoders, [cell | {"representations": [*range(len(encoders))]}])
        scene = make_scene(config)
        for left, top in ((0, 0), (13, 14), (5, 7)):
            agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", left, top, 3, 2))

    @pytest.mark.parametrize("encoder", [POOL, TOWER])
    @pytest.mark.parametrize("cell", [GQN, GRU])
    def test_whole_images(self, cell, encoder, make_model, make_scene, agrees):
        model, config = make_model([encoder], [cell | SMALL])
        scene = make_scene(config)
        agrees(model, scene, Attributor(model, scene), whole_image(config, 0, "beauty"))

    @pytest.mark.parametrize("keys", [{"representations": []}, {"query_passes": []}])
    def test_generators_that_know_less(self, keys, make_model, make_scene, agrees):
        model, config = make_model([POOL], [GQN | SMALL | keys])
        scene = make_scene(config)
        agrees(model, scene, Attributor(model, scene), whole_image(config, 0, "beauty"))
        agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", 7, 0))

    @pytest.mark.parametrize("detach", [False, True])
    def test_all_generators_of_a_chain_draw_their_noise(self, detach, make_model, make_scene, agrees):
        first = GRU | {"output_passes": ["direct"], "override_sample": True, "detach": detach}
        between = GQN | {"output_passes": ["indirect"]}
        model, config = make_model([POOL], [first, between, GQN | {"query_passes": ["direct", "id"]}])
        scene = make_scene(config)
        agrees(model, scene, Attributor(model, scene), Patch(2, "beauty", 3, 9, 2, 2))
        agrees(model, scene, Attributor(model, scene), Patch(1, "indirect", 3, 9, 2, 2))

    def test_several_output_passes(self, make_model, make_scene, agrees):
        model, config = make_model([POOL], [GQN | {"output_passes": ["depth", "beauty"], **SMALL}])
        scene = make_scene(config)
        agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", 2, 1, 3, 3))
        agrees(model, scene, Attributor(model, scene), Patch(0, "depth", 0, 0, 8, 8))

    def test_forward_and_backward_are_one(self, make_model, make_scene, monkeypatch):
        model, config = make_model([POOL], [GQN | SMALL])
        scene = make_scene(config)
        whole = whole_image(config, 0, "beauty")
        forward = Attributor(model, scene).attribute(whole)
        monkeypatch.setattr(GQNDerivative, "_forward", lambda *_: pytest.fail("went forward"))
        monkeypatch.setattr(GQNDerivative, "core_inputs", property(lambda _: whole.count))
        backward = Attributor(model, scene).attribute(whole)
        for name, values in forward.queries.items():
            assert torch.allclose(values, backward.queries[name], rtol=1e-4, atol=1e-5 * float(values.max()))


@pytest.mark.usefixtures("derived")
@pytest.mark.parametrize("made", [GQN | SMALL, GRU | SMALL, UNET])
def test_what_knows_the_pose_alone_rests_on_nothing(made, make_model, make_scene):
    model, config = make_model([POOL], [made | {"representations": [], "query_passes": []}])
    attributor = Attributor(model, make_scene(config))
    for patch in (Patch(0, "beauty", 0, 0), Patch(0, "beauty", 0, 0, 8, 8)):
        found = attributor.attribute(patch)
        assert not any(values.any() for values in (*found.observations.values(), *found.representations))
        assert not found.queries


def test_a_generator_behind_a_unet_goes_through_the_graph(make_model, make_scene, agrees):
    first = UNET | {"output_passes": ["direct"], "override_sample": True}
    model, config = make_model([POOL], [first, DIRECT | {"query_passes": ["direct"], "render_size": 64}])
    scene = make_scene(config, views=1)
    agrees(model, scene, Attributor(model, scene), Patch(1, "direct", 0, 63))


@pytest.mark.parametrize("made", [GQN, UNET])
def test_memory_says_how_many_at_a_time(made, make_model, make_scene, monkeypatch):
    model, config = make_model([POOL], [made])
    scene = make_scene(config)
    model.eval().requires_grad_(False)
    given = model.generator.view(
        0, scene.queries, scene.query_poses, model.encode(scene.observations, scene.observation_poses)
    )
    derivative = model.generator.generators[0].derivative(given, 100)
    outputs = torch.stack([torch.arange(60) % 3, torch.arange(60) % 16, torch.arange(60) // 4], dim=1)
    lengths = []
    found = []
    for memory in (derivative.least_memory, 2**30):
        parts = list(derivative.gradients(outputs, memory, lambda _: None))
        lengths.append([len(buffers) for buffers, _ in parts])
        found.append([torch.cat(same) for same in zip(*parts, strict=True)])
    assert sum(lengths[0]) == sum(lengths[1]) == 60
    assert max(lengths[0]) < max(lengths[1])
    for few, many in zip(*found, strict=True):
        assert torch.allclose(few, many, rtol=1e-4, atol=1e-5 * float(many.abs().max()))
    taken = []
    through_graph = generators._wholly
    monkeypatch.setattr(generators, "_wholly", lambda *given: taken.append(1) or through_graph(*given))
    Attributor(model, scene, memory=derivative.least_memory).attribute(Patch(0, "beauty", 3, 3, 2, 2))
    assert taken, "half of the memory is less than the derivative needs"


@pytest.mark.parametrize("made", [GQN | {"render_size": 64, "settings": {"state_dim": 2, "downscaling": 16}}, UNET])
def test_large_inputs_come_a_few_outputs_at_a_time(made, make_model, make_scene):
    passes = ["position", "normal", "albedo", "mirror", "mirror_hit", "mirror_normal"]
    lengths = []
    for taken in (passes[:1], passes):
        model, config = make_model([POOL], [made | {"query_passes": taken}])
        scene = make_scene(config)
        model.eval().requires_grad_(False)
        given = model.generator.view(
            0, scene.queries, scene.query_poses, model.encode(scene.observations, scene.observation_poses)
        )
        outputs = torch.zeros(100, 3, dtype=torch.long)
        derivative = model.generator.generators[0].derivative(given, len(outputs))
        memory = derivative.least_memory + 2**21
        lengths.append([len(buffers) for buffers, _ in derivative.gradients(outputs, memory, lambda _: None)])
        assert sum(lengths[-1]) == len(outputs)
        assert max(lengths[-1]) * given.nbytes <= memory
    assert max(lengths[1]) < max(lengths[0])


@pytest.mark.parametrize("made", [GQN | SMALL, UNET])
def test_progress_grows_to_one_and_can_stop(made, make_model, make_scene):
    model, config = make_model([POOL], [made])
    scene = make_scene(config)
    attributor, patch = Attributor(model, scene), Patch(0, "beauty", 0, 0, 8, 8)
    attributor.attribute(patch)  # the encoders' Jacobian is there from now on, and tells nothing
    told = []
    attributor.attribute(patch, told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert len(told) >= 10, "batches are too large to wait for"
    called = iter(range(len(told)))

    def stop(share):
        if next(called) == len(told) - 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attributor.attribute(patch, stop)
    assert model.training


def test_it_can_stop_at_each_pass_through_other_networks(make_model, make_scene):
    """Batches are large, and a pass through encoders or earlier generators takes long for each of their outputs."""
    first = GRU | SMALL | {"output_passes": ["direct"], "override_sample": True}
    model, config = make_model([TOWER], [first, GQN | SMALL | {"query_passes": ["direct"]}])
    patch = whole_image(config, 1, "beauty")
    told = []
    Attributor(model, make_scene(config)).attribute(patch, told.append)
    assert len(told) >= 2 * patch.count
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_the_derivative_is_only_for_single_scenes_on_the_cpu(make_model, make_scene, monkeypatch):
    """On a GPU, copies of the scene carry the gradients: so do they wherever a number of them is asked for."""
    model, config = make_model([POOL], [UNET])
    scene = make_scene(config)
    monkeypatch.setattr(UnetDerivative, "gradients", lambda *_: pytest.fail("not through the graph"))
    Attributor(model, scene, copies=2).attribute(Patch(0, "beauty", 0, 0))


@pytest.mark.slow
@pytest.mark.usefixtures("derived")
@pytest.mark.parametrize("name", ["room_beauty_unet.json", "room_beauty_gqn_buffers.json"])
def test_networks_of_the_real_size(name, make_scene, agrees, monkeypatch):
    monkeypatch.setitem(registry.GENERATORS, "Unet", Unet)
    config = load_config(name)
    model = SceneModel(config)
    scene = make_scene(config)
    for left, top in ((0, 0), (30, 61)):
        agrees(model, scene, Attributor(model, scene), Patch(0, "beauty", left, top, 2, 3))
