"""Shares of a work that any number of runs do, such as the tasks of a job array."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """One of `count` shares of the work; `number` counts from 1."""

    number: int = 1
    count: int = 1

    def share(self, length: int) -> range:
        """Return this shard's share of so many things: neighbors, and as many as the other shards have (or one off)."""
        return range((self.number - 1) * length // self.count, self.number * length // self.count)

    def holds(self, index: int) -> bool:
        """Return whether this shard's is the thing of that index, whatever others there are: every `count`-th."""
        return index % self.count == self.number - 1


def parse_shard(text: str) -> Shard:
    """Return the shard that `text` names, such as 1/8; for ``argparse``, whose error it raises."""
    match = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
    if match and 1 <= int(match[1]) <= int(match[2]):
        return Shard(int(match[1]), int(match[2]))
    hint = "; let the job array count from 1 (--array=1-N)" if match and int(match[1]) == 0 else ""
    raise argparse.ArgumentTypeError(f"expected K/N with 1 ≤ K ≤ N, such as 1/8, found {text!r}{hint}")
