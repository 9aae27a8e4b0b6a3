from __future__ import annotations

import os
import platform
from dataclasses import replace

import pytest

from cnsr.datasets.process_identity import ProcessIdentity


def test_a_process_knows_itself_again() -> None:
    own = ProcessIdentity.own()
    assert own.pid == os.getpid()
    assert ProcessIdentity.parse(str(own)) == own
    assert own.exists(own) is True


def test_numbers_are_used_again_and_machines_differ() -> None:
    own = ProcessIdentity.own()
    assert replace(own, started=own.started - 1).exists(own) is False
    assert replace(own, pid=2**22 + 1).exists(own) is False  # larger than Linux ever gives
    assert replace(own, space="0123456789ab").exists(own) is None
    assert replace(own, space="").exists(replace(own, space="")) is None


@pytest.mark.parametrize("node", ["node7.cluster.example", "Zoë's Mac", "", "a" * 200])
def test_any_host_name_makes_a_file_name(monkeypatch: pytest.MonkeyPatch, node: str) -> None:
    monkeypatch.setattr(platform, "node", lambda: node)
    own = ProcessIdentity.own()
    assert ProcessIdentity.parse(str(own)) == own
    assert "/" not in str(own)
    assert len(str(own)) < 120


@pytest.mark.parametrize("text", ["", "nobody", "a.b.c.d", "host.1.2", "host.1.2.3.4", "a host.1.2.ab"])
def test_other_names_are_nobody(text: str) -> None:
    assert ProcessIdentity.parse(text) is None
