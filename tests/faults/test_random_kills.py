"""Processes that publish, run and clean up are killed at random moments; an audit finds nothing amiss.

How many are killed: the environment variable ``ZENCACHE_TEST_KILLS``, 500 unless it says another number, and
60 for each metadata server, which takes longer to open.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mixed_load
import pytest
from audit import assert_sound
from metadata_servers import metadata_url

from zencache import Repository

KILLS = int(os.environ.get("ZENCACHE_TEST_KILLS", "500"))
AT_ONCE = 4


@pytest.mark.slow
@pytest.mark.timeout(60 + 3 * KILLS)
def test_whoever_is_killed_nothing_is_wrong_lost_or_stuck(project: Path) -> None:
    processes_are_killed(KILLS, within=0.6)
    assert_sound()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["mysql", "postgresql", "grpc-process"])
def test_the_same_with_a_metadata_server(project: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with metadata_url(kind, project) as url:
        monkeypatch.setenv("ZENCACHE_METADATA", url)
        Repository().get_runs()  # makes the database, which MariaDB cannot do in one transaction
        processes_are_killed(60, within=2.0)
        assert_sound()


def processes_are_killed(kills: int, within: float) -> None:
    """That many, each at a random moment of its first seconds."""
    command = [sys.executable, mixed_load.__file__, "kill", str(kills), str(AT_ONCE), "1", str(within)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == 0, killed.stderr[-2000:]
