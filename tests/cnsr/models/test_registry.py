from typing import get_args

import pytest

from cnsr.config import GeneratorConfig, RepresentationConfig
from cnsr.models.registry import ENCODERS, GENERATORS


def types_of(model):
    return set(get_args(model.model_fields["type"].annotation))


def test_every_type_that_a_config_can_name_has_a_network():
    assert set(ENCODERS) == types_of(RepresentationConfig)
    assert set(GENERATORS) == set().union(*map(types_of, GeneratorConfig.__subclasses__()))


@pytest.mark.parametrize("network", [*ENCODERS.values(), *GENERATORS.values()])
def test_networks_are_complete(network):
    assert not network.__abstractmethods__
