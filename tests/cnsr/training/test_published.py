"""Published checkpoints: every architecture in every form, and the ways in which their names can be written."""

import collections

import pytest
import torch
from architectures import ARCHITECTURES, COPY, GQN, PIXEL, POOL, UNET, NarrowUnet, model_config
from hypothesis import given
from hypothesis import strategies as st
from state_equality import same

from cnsr.buffers import BUFFERS
from cnsr.errors import CheckpointError
from cnsr.models import registry
from cnsr.models.model import SceneModel
from cnsr.models.unet import Unet
from cnsr.training.checkpoints import Checkpoint, DamagedCheckpointError, load_weights, read_checkpoint
from cnsr.training.published import in_published_order, plain_name, published_content, without_repeats


@pytest.fixture(autouse=True)
def _narrow_unet(monkeypatch):
    monkeypatch.setitem(registry.GENERATORS, "Unet", NarrowUnet)


FORMS = [(split, wrapped) for split in (False, True) for wrapped in (False, True)]


def images(config, model, seed=3):
    """What a model makes of random views."""
    generator = torch.Generator().manual_seed(seed)
    observed = {
        name: torch.rand(2, 2, BUFFERS[name].channels, 64, 64, generator=generator)
        for name in config.observation_passes
    }
    queries = {name: torch.rand(2, BUFFERS[name].channels, 64, 64, generator=generator) for name in config.query_passes}
    poses = torch.randn(2, 3, 16, generator=generator)
    torch.manual_seed(seed)
    with torch.inference_mode():
        representations = model.encode(observed, poses[:, :2], iteration=1000)
        return list(model.predict_each(queries, poses[:, 2], representations))


def agree(config, tmp_path, split, wrapped, legacy=False):
    """Whether a model and one with the weights of its published file make the same images."""
    path = tmp_path / "published.pt"
    torch.manual_seed(1)
    model = SceneModel(config)
    content = published_content(1000, model.state_dict(), None, split, wrapped)
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    other = SceneModel(config)
    before = images(config, other)
    checkpoint = read_checkpoint(path)
    load_weights(other, checkpoint, path)
    expected = images(config, model)
    assert not same(before, expected)
    return checkpoint.iteration == 1000 and same(images(config, other), expected)


@pytest.mark.parametrize(("split", "wrapped"), FORMS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_published_files_of_every_architecture_load_in_every_form(tmp_path, name, split, wrapped):
    assert agree(model_config(tmp_path, *ARCHITECTURES[name]), tmp_path, split, wrapped)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_files_of_old_versions_of_torch_load(tmp_path, name):
    assert agree(model_config(tmp_path, *ARCHITECTURES[name], empty_partition=True), tmp_path, True, True, legacy=True)


@pytest.mark.slow
def test_published_files_of_a_whole_unet_load(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.GENERATORS, "Unet", Unet)
    assert agree(model_config(tmp_path, [POOL], [UNET]), tmp_path, split=True, wrapped=True)


def test_a_file_as_published_programs_wrote_it_loads(tmp_path):
    """Ordered dicts with their metadata, parameters that want gradients, entries of other programs beside them."""
    config = model_config(tmp_path, [POOL], [PIXEL])
    model = SceneModel(config)
    state = collections.OrderedDict(
        (name.replace("generators.0.", "generators.0.module."), torch.nn.Parameter(value))
        for name, value in model.state_dict().items()
    )
    state._metadata = model.state_dict()._metadata
    path = tmp_path / "published.pt"
    torch.save(
        {
            "iteration": torch.tensor(70),
            "model_state": state,
            "scheduler": {"milestones": collections.Counter([3]), "last": 1.5},
            "config": {"model": {"representations": [{"aggregation_func": "Mean"}]}},
            "seed": "seven",
            "versions": [1, 2],
        },
        path,
    )
    checkpoint = read_checkpoint(path)
    assert (checkpoint.iteration, checkpoint.config, checkpoint.seed, checkpoint.versions) == (70, None, None, {})
    assert not any(value.requires_grad for value in checkpoint.model_state.values())
    other = SceneModel(config)
    load_weights(other, checkpoint, path)
    assert same(dict(other.state_dict()), dict(model.state_dict()))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_a_file_of_an_old_version_of_torch_that_is_cut_off_is_damaged(tmp_path, share):
    path = tmp_path / "old.pt"
    content = published_content(1, SceneModel(model_config(tmp_path, [POOL], [PIXEL])).state_dict(), None)
    torch.save(content, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DamagedCheckpointError, match=r"old\.pt: is cut off or damaged; use an older checkpoint$"):
        read_checkpoint(path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precision_become_the_models(tmp_path, dtype):
    config = model_config(tmp_path, [POOL], [PIXEL])
    state = {name: value.to(dtype) for name, value in SceneModel(config).state_dict().items()}
    other = SceneModel(config)
    load_weights(other, Checkpoint(1, state), "x.pt")
    assert all(value.dtype == torch.float32 for value in other.state_dict().values())
    assert same(dict(other.state_dict()), {name: value.float() for name, value in state.items()})


@pytest.mark.parametrize("iteration", [5, 5.0, torch.tensor(5), torch.tensor([5])])
def test_iterations_are_counts_in_any_type(tmp_path, iteration):
    torch.save({"iteration": iteration, "model_state": {}}, tmp_path / "x.pt")
    assert read_checkpoint(tmp_path / "x.pt").iteration == 5


def test_a_whole_network_instead_of_its_weights_is_refused(tmp_path):
    torch.save({"iteration": 1, "model_state": torch.nn.Linear(1, 1)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"refused, since it would run code \(torch\.nn\.modules\.linear\.Linear"):
        read_checkpoint(tmp_path / "x.pt")


NAMES = [
    "representation.representations.0.deltas",
    "representation.representations.1.conv_list.0.weight",
    "generator.generators.0.down_block1.model.0.weight",
    "generator.generators.12.inference.3.forget.bias",
    "generator.generators.2.generator.0.reset.weight",
]


@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["module", "_orig_mod"])), max_size=4),
    st.sampled_from(["whole", "without part", "without list"]),
)
def test_wrappers_and_missing_beginnings_leave_our_names(name, wrappers, beginning):
    part, listed, index, *rest = name.split(".")
    words = {"whole": [part, listed], "without part": [listed], "without list": []}[beginning]
    words = [*words, index, *rest]
    for place, wrapper in wrappers:
        words.insert(place, wrapper)
    # Without the list's name, only the state in which it stands tells an encoder from a generator.
    states = [part] if beginning == "without list" else [part, None]
    assert {plain_name(".".join(words), state) for state in states} == {name}


WORDS = st.sampled_from(["", "module", "_orig_mod", "0", "generators", "generator", "inference", "a", "weight"])


@given(st.lists(WORDS, min_size=1, max_size=6), st.sampled_from([None, "representation", "generator"]))
def test_our_names_are_our_names(words, part):
    name = plain_name(".".join(words), part)
    assert plain_name(name, part) == name


@given(st.text(alphabet="abm.1_", min_size=1, max_size=20))
def test_names_that_are_none_of_ours_stay_as_they_are(name):
    assert plain_name(name) == name


def test_a_weight_that_stands_twice_is_refused(tmp_path):
    state = {"generators.0.final.bias": torch.ones(1), "generator.generators.0.module.final.bias": torch.zeros(1)}
    torch.save({"iteration": 1, "model_state": state}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "x.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'x.pt'}: is no checkpoint (generator.generators.0.final.bias is there twice, "
        "once as generator.generators.0.module.final.bias)"
    )


def copied(config):
    """The weights of a model with a Copy of its first generator, written under both indices."""
    state = dict(SceneModel(config).state_dict())
    prefix = "generator.generators.0."
    twice = {f"generator.generators.1.{n.removeprefix(prefix)}": v for n, v in state.items() if n.startswith(prefix)}
    return state, {**state, **{name: value.clone() for name, value in twice.items()}}


def test_shared_weights_may_stand_under_the_copys_index_too(tmp_path):
    config = model_config(tmp_path, [POOL], [PIXEL, COPY])
    state, twice = copied(config)
    assert len(twice) > len(state)
    assert list(without_repeats(twice, config)) == list(state)
    model = SceneModel(config)
    load_weights(model, Checkpoint(3, twice), "x.pt")
    assert same(dict(model.state_dict()), state)


def test_a_copy_with_other_weights_is_refused(tmp_path):
    config = model_config(tmp_path, [POOL], [PIXEL, COPY])
    _, twice = copied(config)
    twice["generator.generators.1.final.bias"] += 1
    model = SceneModel(config)
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, Checkpoint(3, twice), "x.pt")
    assert str(caught.value) == (
        "x.pt: generator.generators.1.final.bias is not the same as generator.generators.0.final.bias, though "
        "model.generators[1] is a Copy with settings.index 0"
    )


def test_steps_that_share_their_weights_may_stand_without_number_or_with_every_number(tmp_path):
    config = model_config(
        tmp_path, [POOL], [GQN | {"settings": {"state_dim": 4, "core_count": 3, "weight_sharing": True}}]
    )
    state = dict(SceneModel(config).state_dict())
    shared = [name for name in state if ".0." in name.partition("generator.generators.0.")[2]]
    assert {name.split(".")[3] for name in shared} == {"inference", "generator", "upsample"}
    bare = {
        name.replace(".inference.0.", ".inference.").replace(".generator.0.", ".generator."): value
        for name, value in state.items()
    }
    bare = {name.replace("upsample.0.", "upsample."): value for name, value in bare.items()}
    assert not set(bare) & set(shared)
    repeated = dict(state)
    for step in "12":
        for name in shared:
            place, _, layer = name.rpartition(".0.")
            repeated[f"{place}.{step}.{layer}"] = state[name].clone()
    for content in (bare, repeated):
        torch.save({"iteration": 1, "model_state": content}, tmp_path / "x.pt")
        model = SceneModel(config)
        load_weights(model, read_checkpoint(tmp_path / "x.pt"), "x.pt")
        assert same(dict(model.state_dict()), state)


def test_steps_with_weights_of_their_own_do_not_fit_a_config_that_shares_them(tmp_path):
    own, shared = ({"state_dim": 4, "core_count": 3, "weight_sharing": sharing} for sharing in (False, True))
    saved = SceneModel(model_config(tmp_path, [POOL], [GQN | {"settings": own}])).state_dict()
    model = SceneModel(model_config(tmp_path, [POOL], [GQN | {"settings": shared}]))
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, Checkpoint(3, dict(saved)), "x.pt")
    assert str(caught.value) == (
        "x.pt: does not fit the config: generator.generators.0.inference.1.forget.weight is not in the config's "
        "networks: model.generators[0].settings.weight_sharing False (checkpoint) vs True (config)"
    )


def test_published_order_is_encoders_then_generators():
    state = {"generator.generators.0.a": 1, "representation.representations.0.b": 2, "generator.generators.1.c": 3}
    assert list(in_published_order(state)) == [
        "representation.representations.0.b", "generator.generators.0.a", "generator.generators.1.c",
    ]  # fmt: skip
    with pytest.raises(CheckpointError, match=r"^final\.bias is of no encoder and of no generator$"):
        in_published_order({"final.bias": torch.ones(1)})
