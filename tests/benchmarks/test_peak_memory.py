"""The most memory that a process holds, by what it runs: chains of steps, and an array of 200 MB."""

from __future__ import annotations

from pathlib import Path

import memory_held
import pytest
from measure import in_process, line, sized, title

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

SCRIPT = Path(memory_held.__file__)
MEGABYTES = sized(200, 20)


@pytest.mark.parametrize("steps", sized((50, 5_000), (50,)))
def test_memory_of_steps(steps: int) -> None:
    peaks = {what: in_process(SCRIPT, what, steps) for what in ("zencache", "joblib", "raw", "plain")}
    title("peak memory of a process that runs a chain twice")
    for than, name in (("joblib", "joblib.Memory"), ("raw", "raw calls, WAL"), ("plain", "plain call")):
        line("zencache", peaks["zencache"], name, peaks[than], unit="B", at=steps)


def test_memory_of_an_array() -> None:
    ours, bare = (in_process(SCRIPT, what, MEGABYTES) for what in ("array", "bare array"))
    title(f"peak memory of a process that makes and normalises an array of {MEGABYTES} MB")
    line("zencache, executed and cached", ours, "the bare functions", bare, unit="B")
