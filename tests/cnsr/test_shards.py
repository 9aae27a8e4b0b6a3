import argparse

import pytest

from cnsr.shards import Shard, parse_shard


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_index_is_in_one_shard(count):
    shards = [Shard(number, count) for number in range(1, count + 1)]
    assert [sum(shard.holds(index) for shard in shards) for index in range(30)] == [1] * 30
    held = [sum(shard.holds(index) for index in range(30)) for shard in shards]
    assert max(held) - min(held) <= 1


def test_shards_are_read():
    assert parse_shard("1/1") == Shard()
    assert parse_shard("03/16") == Shard(3, 16)


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "1/-4", "1/4/2", "/4", "a/b", "1.0/4", "", "٣/4", "1/0", "0/0"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        parse_shard(text)
    hint = "; let the job array count from 1 (--array=1-N)" if text.startswith("0/") else ""
    assert str(caught.value) == f"expected K/N with 1 ≤ K ≤ N, such as 1/8, found {text!r}{hint}"
