"""Thousands of furnished rooms: nothing intersects, chairs face the table, all proportions of chance are right."""

import functools
import itertools
import math

import numpy as np
import pytest
from floor_plans import boxes, intersect
from scipy.stats import binomtest, chisquare, kstest

from cnsr.scenes.archviz_layout import (
    CHAIR_TURN,
    HIGH,
    LOW,
    WALL_GAP,
    Model,
    arrange_dining,
    arrange_living,
    as_made,
    redrawn,
)
from cnsr.scenes.datasets import RANDOMIZERS
from cnsr.scenes.furniture.catalog import PIECES

NAMES = ("archviz", "archviz_parametric")
STANDING = ("dining_table", "chair", "sofa", "armchair", "coffee_table", "rug", "teapot")


@functools.cache
def rooms(name, count):
    rng = np.random.default_rng(17)
    return [boxes(RANDOMIZERS[name].geometry(rng).geometry) for _ in range(count)]


@pytest.fixture(scope="module", params=NAMES)
def layouts(request):
    return rooms(request.param, 1000)


def of_kind(room, kind):
    return [box for box in room if box.kind == kind]


def share(rooms, condition):
    return sum(map(condition, rooms)), len(rooms)


def check_apart(room):
    for one, other in itertools.combinations(room, 2):
        kinds = {one.kind, other.kind}
        if kinds == {"mirror", "mirror_frame"}:
            continue  # made to fit
        if "teapot" in kinds and kinds & {"dining_table", "coffee_table"}:
            continue  # stands on it: see below
        assert not intersect(one, other), f"{one.piece.name} and {other.piece.name}"
    for box in room:
        low, high = box.border().min(axis=0), box.border().max(axis=0)
        assert (low >= (LOW[0], LOW[2])).all()
        assert (high <= (HIGH[0] + 1e-9, HIGH[2] + 1e-9)).all()
        assert box.low >= 0
        assert box.high < HIGH[1]
        if box.kind in STANDING:
            assert (high <= np.array((HIGH[0], HIGH[2])) - WALL_GAP + 1e-9).all(), "clear of mirror and window, too"
            assert box.high < 1.2, "cameras start at 1.4 and above"


def test_nothing_intersects_a_wall_or_another_piece(layouts):
    for room in layouts:
        check_apart(room)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_intersects_in_ten_thousand_rooms(name):
    for room in rooms(name, 10_000):
        check_apart(room)
        check_chairs(room)
        check_teapot(room)


def test_the_check_would_find_pieces_that_intersect(layouts):
    for room in layouts[:50]:
        for box in of_kind(room, "chair") + of_kind(room, "sofa"):
            for other in room:
                moved = type(box)(**{**vars(box), "center": other.center + 0.4 * other.half * (1, -1)})
                if other is not box and box.low < other.high and other.low < box.high:
                    assert intersect(moved, other)


def check_chairs(room):
    for chair in of_kind(room, "chair"):
        (table,) = of_kind(room, "dining_table")
        ahead = chair.center + np.linspace(0, 1.2, 25)[:, None] * chair.front
        assert table.covers(ahead).any()
        # Off the direction across the table's edge, or to its middle where it is as wide as deep.
        angle = math.atan2(*chair.front) - math.atan2(*table.front)
        inward = table.center - chair.center
        if table.half[0] < 1.3 * table.half[1]:
            off = math.atan2(*chair.front) - math.atan2(*inward)
        else:
            off = angle if inward @ table.front > 0 else angle + math.pi
        assert abs(math.remainder(off, 2 * math.pi)) <= CHAIR_TURN + 1e-9
        assert np.hypot(*inward) < 1.35


def test_chairs_face_the_table(layouts):
    for room in layouts:
        check_chairs(room)


def check_teapot(room):
    (teapot,) = of_kind(room, "teapot")
    tables = [box for kind in ("dining_table", "coffee_table") for box in of_kind(room, kind)]
    below = [table for table in tables if table.covers(teapot.center[None]).any()]
    if not below:
        assert teapot.low == 0
        assert len(tables) < 2, "on the floor only where a table is missing"
        return
    (table,) = below
    assert teapot.low == pytest.approx(table.low + table.piece.top(table.parameters), abs=1e-9)
    assert table.covers(teapot.border()).all(), "wholly on the table"


def test_the_teapot_stands_on_a_surface(layouts):
    for room in layouts:
        check_teapot(room)
    full = [room for room in layouts if of_kind(room, "dining_table") and of_kind(room, "coffee_table")]
    on_coffee_table = [of_kind(room, "teapot")[0].low < 0.6 for room in full]
    assert binomtest(sum(on_coffee_table), len(full)).pvalue > 1e-3
    bare = [room for room in layouts if not of_kind(room, "coffee_table") and of_kind(room, "dining_table")]
    assert 0.3 < np.mean([of_kind(room, "teapot")[0].low == 0 for room in bare]) < 0.7


@pytest.mark.parametrize("kind", ["dining_table", "coffee_table"])
def test_table_tops_are_flat_where_the_teapot_may_stand(kind):
    rng = np.random.default_rng(2)
    for piece in PIECES.values():
        for parameters in (piece.defaults, piece.draw(rng)) if piece.kind == kind else ():
            positions = np.concatenate([mesh.positions for mesh in piece.build(parameters).values()])
            near = positions[np.hypot(positions[:, 0], positions[:, 2]) < 0.25]
            assert near[:, 1].max() == pytest.approx(piece.top(parameters), abs=2e-3)


def test_what_stands_on_the_rug_stands_on_its_pile(layouts):
    for room in layouts:
        for rug in of_kind(room, "rug"):
            assert rug.low == 0
            (table,) = of_kind(room, "coffee_table")
            assert table.low == pytest.approx(rug.high)
            assert rug.covers(table.border()).all()
            for kind in ("sofa", "armchair"):
                (seat,) = of_kind(room, kind)
                assert seat.low in (0, pytest.approx(rug.high))


def test_seats_face_the_coffee_table(layouts):
    for room in layouts:
        for table in of_kind(room, "coffee_table"):
            (sofa,), (armchair,) = of_kind(room, "sofa"), of_kind(room, "armchair")
            for seat, most in ((sofa, 1e-9), (armchair, math.radians(9))):
                inward = table.center - seat.center
                off = math.atan2(*seat.front) - math.atan2(*inward)
                assert abs(math.remainder(off, 2 * math.pi)) <= most + 1e-6
            (rug,) = of_kind(room, "rug")
            turn = math.atan2(*rug.front) - math.atan2(*sofa.front)
            assert abs(math.remainder(turn, 2 * math.pi)) <= math.radians(4.5) + 1e-9


def test_areas_are_there_seven_times_in_eight_on_either_side(layouts):
    for kinds in (("dining_table",), ("sofa", "armchair", "coffee_table", "rug")):
        for kind in kinds:
            count, total = share(layouts, lambda room, kind=kind: len(of_kind(room, kind)))
            assert binomtest(count, total, 0.875).pvalue > 1e-3
    both_absent = share(layouts, lambda room: not of_kind(room, "dining_table") and not of_kind(room, "sofa"))
    assert binomtest(*both_absent, 1 / 64).pvalue > 1e-3
    assert not any(of_kind(room, "chair") for room in layouts if not of_kind(room, "dining_table"))
    full = [room for room in layouts if of_kind(room, "dining_table") and of_kind(room, "sofa")]
    sides = [(of_kind(room, "dining_table")[0].center[1], of_kind(room, "coffee_table")[0].center[1]) for room in full]
    assert all(dining * living < 0 for dining, living in sides)
    assert binomtest(sum(dining > 0 for dining, _ in sides), len(sides)).pvalue > 1e-3


def test_areas_are_turned_by_any_angle_and_stay_near_their_middles(layouts):
    for kind in ("dining_table", "sofa"):
        found = [box for room in layouts for box in of_kind(room, kind)]
        angles = [math.atan2(*box.front) / (2 * math.pi) % 1.0 for box in found]
        assert kstest(angles, "uniform").pvalue > 1e-3
    tables = np.array([box.center for room in layouts for box in of_kind(room, "dining_table")])
    assert np.abs(np.abs(tables[:, 1]) - 1.65).max() < 0.75
    assert 0.9 < tables[:, 0].min() < tables[:, 0].max() < 2.4


def test_all_models_occur_alike_and_chairs_of_a_room_are_alike(layouts):
    for kind in ("dining_table", "chair", "sofa", "coffee_table"):
        names = [name for name, piece in PIECES.items() if piece.kind == kind]
        assert len(names) == {"dining_table": 4, "chair": 3, "sofa": 2, "coffee_table": 2}[kind]
        first = [of_kind(room, kind)[0].piece.name for room in layouts if of_kind(room, kind)]
        assert chisquare([first.count(name) for name in names]).pvalue > 1e-3
    for room in layouts:
        assert len({(box.piece.name, box.parameters) for box in of_kind(room, "chair")}) <= 1


def test_up_to_four_chairs_each_taken_three_times_in_four(layouts):
    counts = [len(of_kind(room, "chair")) for room in layouts if of_kind(room, "dining_table")]
    assert set(counts) == {0, 1, 2, 3, 4}
    assert binomtest(sum(counts), 4 * len(counts), 0.75).pvalue > 1e-3


def test_the_mirror_hangs_in_its_frame_on_the_far_wall(layouts):
    places = []
    for room in layouts:
        (frame,), (mirror,) = of_kind(room, "mirror_frame"), of_kind(room, "mirror")
        np.testing.assert_allclose(frame.front, (-1, 0), atol=1e-12)
        for box in (frame, mirror):
            assert box.border()[:, 0].max() == pytest.approx(3.5)
            assert 0.5 * (box.low + box.high) == pytest.approx(1.4)
        assert frame.half[0] > mirror.half[0]
        assert (frame.parameters.width, frame.parameters.height) == (mirror.parameters.width, mirror.parameters.height)
        places.append(frame.center[1])
    assert kstest((np.array(places) + 2) / 4, "uniform").pvalue > 1e-3


def test_proportions_vary_only_where_they_are_redrawn():
    plain, varied = (rooms(name, 60) for name in NAMES)
    assert all(box.parameters == box.piece.defaults for room in plain for box in room)
    for kind in {piece.kind for piece in PIECES.values()} - {"lamp"}:
        parameters = {box.parameters for room in varied for box in of_kind(room, kind)[:1]}
        assert len(parameters) > 30


@pytest.mark.parametrize("arrange", [arrange_dining, arrange_living])
def test_areas_are_arranged_with_the_largest_and_the_smallest_pieces(arrange):
    rng = np.random.default_rng(8)
    for extreme in (min, max):

        def choose(rng, kind, extreme=extreme):
            models = [redrawn(rng, kind) for _ in range(20)]
            return extreme(models, key=lambda model: np.prod(model.piece.size(model.parameters)))

        for _ in range(20):
            group = boxes([item for placed in arrange(rng, choose) for item in placed.objects()])
            for one, other in itertools.combinations(group, 2):
                assert not intersect(one, other)


def test_nothing_can_stand_on_a_chair():
    with pytest.raises(ValueError, match="nothing can stand on chair_"):
        _ = as_made(np.random.default_rng(0), "chair").top
    assert Model(PIECES["table_oval"], PIECES["table_oval"].defaults).top > 0.7
