"""Processes that publish, run and clean up are killed at random moments; an audit finds nothing amiss.

How many are killed: the environment variable ``ZENCACHE_TEST_KILLS``, 500 unless it says another number.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mixed_load
import pytest
from audit import assert_sound

KILLS = int(os.environ.get("ZENCACHE_TEST_KILLS", "500"))
AT_ONCE = 4


@pytest.mark.slow
@pytest.mark.timeout(60 + 3 * KILLS)
def test_whoever_is_killed_nothing_is_wrong_lost_or_stuck(project: Path) -> None:
    command = [sys.executable, mixed_load.__file__, "kill", str(KILLS), str(AT_ONCE), "1"]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == 0, killed.stderr[-2000:]
    assert_sound()
