"""The table of buffers."""

import pytest

from cnsr.buffers import BUFFERS, channel_count


def test_there_are_the_sixteen_buffers_of_the_specification():
    assert tuple(BUFFERS) == (
        *("beauty", "position", "normal", "depth", "id", "albedo", "roughness", "direct"),
        *("indirect", "diffuse", "specular", "mirror", "mirror_hit", "mirror_normal", "shadows", "ao"),
    )


def test_one_channel_names_are_as_files_have_them():
    scalars = {name: buffer.exr_channels for name, buffer in BUFFERS.items() if buffer.channels == 1}
    assert scalars == {
        "depth": ("depth.Z",),
        "id": ("id.Y",),
        "roughness": ("roughness.Y",),
        "shadows": ("shadows.Y",),
        "ao": ("ao.Y",),
    }


def test_channel_names_are_unique_and_as_many_as_channels():
    names = [channel for buffer in BUFFERS.values() for channel in buffer.exr_channels]
    assert len(set(names)) == len(names) == channel_count(BUFFERS)
    assert BUFFERS["beauty"].exr_channels == ("R", "G", "B")


def test_channel_count_adds_up_and_refuses_the_unknown():
    assert channel_count(["position", "normal", "id"]) == 7
    with pytest.raises(KeyError):
        channel_count(["beuty"])
