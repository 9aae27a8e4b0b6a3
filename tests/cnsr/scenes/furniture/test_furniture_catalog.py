"""Names of furniture in scenes: written, read back, and refused with a place."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnsr.errors import SceneError
from cnsr.scenes.furniture.catalog import PIECES, furniture_mesh

CHAIR = PIECES["chair_slat_back"]


def test_names_hold_what_differs_from_the_defaults_sorted():
    assert CHAIR.filename("wood", CHAIR.defaults) == "furniture/chair_slat_back/wood.obj"
    other = replace(CHAIR.defaults, width=0.45, slats=6, seat_height=0.4512)
    assert CHAIR.filename("wood", other) == "furniture/chair_slat_back/wood.obj?seat_height=0.4512&slats=6&width=0.45"
    with pytest.raises(ValueError, match="chair_slat_back has no part 'shade', only wood"):
        CHAIR.filename("shade", CHAIR.defaults)


@given(st.sampled_from(sorted(PIECES)), st.integers(0, 2**32))
def test_names_read_back(name, seed):
    piece = PIECES[name]
    parameters = piece.draw(np.random.default_rng(seed))
    for part in piece.parts:
        filename = piece.filename(part, parameters)
        read = furniture_mesh(filename)
        assert (read.piece, read.part, read.parameters) == (piece, part, parameters)
        assert read.filename == filename


def test_any_order_and_defaults_may_be_written():
    plain = furniture_mesh("furniture/chair_slat_back/wood.obj")
    assert furniture_mesh("furniture/chair_slat_back/wood.obj?slats=5").key == plain.key
    one = furniture_mesh("furniture/chair_slat_back/wood.obj?slats=6&width=0.45")
    assert furniture_mesh("furniture/chair_slat_back/wood.obj?width=0.4500&slats=6").key == one.key != plain.key


def test_keys_differ_by_part_and_piece():
    keys = [piece.mesh(part, piece.defaults).key for piece in PIECES.values() for part in piece.parts]
    assert len(set(keys)) == len(keys)
    lamp = PIECES["lamp"]
    assert [mesh.key for mesh in lamp.build(lamp.defaults).values()] == [
        lamp.mesh(part, lamp.defaults).key for part in lamp.parts
    ]


@pytest.mark.parametrize("name", ["meshes/cube.obj", "chair.obj", "", "Furniture/rug/pile.obj", "furniture"])
def test_other_names_are_no_furniture(name):
    assert furniture_mesh(name) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("furniture/rog/pile.obj", r'unknown piece of furniture "rog"; did you mean "rug"\?'),
        ("furniture/", r'unknown piece of furniture ""; expected one of "table_tapered", '),
        ("furniture/rug", r'unknown part of rug ""; expected one of "pile.obj", "piping.obj"'),
        ("furniture/rug/pile", r'unknown part of rug "pile"; did you mean "pile.obj"\?'),
        ("furniture/rug/wool.obj", 'unknown part of rug "wool.obj"; '),
        ("furniture/rug/../rug/pile.obj", r'unknown part of rug "../rug/pile.obj"; '),
        ("furniture/rug/pile.obj?deepth=2", r'unknown parameter "deepth"; did you mean "depth"\?'),
        ("furniture/rug/pile.obj?depth", "depth: expected depth=value"),
        ("furniture/rug/pile.obj?depth=1.5&", 'unknown parameter ""; '),
        ("furniture/rug/pile.obj?depth=1.5&depth=1.5", "depth: stands twice"),
        ("furniture/rug/pile.obj?depth=7", 'a number with 4 decimals at most from 1.3 to 2, found "7"'),
        ("furniture/rug/pile.obj?depth=1.50001", 'a number with 4 decimals at most from 1.3 to 2, found "1.50001"'),
        ("furniture/rug/pile.obj?depth=nan", 'depth: expected a number .*, found "nan"'),
        ("furniture/rug/pile.obj?depth=", 'depth: expected a number .*, found ""'),
        ("furniture/rug/pile.obj?depth=15e-1", 'depth: expected a number .*, found "15e-1"'),
        ("furniture/rug/pile.obj?depth=1_5", "depth: expected a number"),
        ("furniture/rug/pile.obj?depth=١", "depth: expected a number"),
        ("furniture/rug/pile.obj?tassels=50.0", 'tassels: expected a whole number from 40 to 70, found "50.0"'),
        ("furniture/rug/pile.obj?tassels=71", 'tassels: expected a whole number from 40 to 70, found "71"'),
        ("furniture/rug/pile.obj?tassels=" + "9" * 10**5, "tassels: expected a whole number from 40 to 70"),
    ],
)
def test_faulty_names_are_refused_in_one_line(name, message):
    with pytest.raises(SceneError, match=message) as caught:
        furniture_mesh(name)
    assert str(caught.value).startswith('"furniture/')
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
