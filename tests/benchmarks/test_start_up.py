"""A process that uses zencache starts quickly."""

from __future__ import annotations

from pathlib import Path

import pytest
from chain import write_chain
from measure import in_process, interleaved, line, process_seconds, title
from result import Goal

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

STEPS = 50
DECLARE = "from zencache import BaseStepConfig, Output, pipeline, step"
HELP = Goal(0.3, of="ours")
IMPORT = Goal(0.5, of="ours")


def test_a_fresh_process_starts_quickly(tmp_path: Path) -> None:
    script = write_chain(tmp_path, STEPS)
    in_process(script, tmp_path, 1)
    than = {
        "bare Python": ["-c", "pass"],
        "import ml_metadata": ["-c", "from ml_metadata.metadata_store import metadata_store"],
    }
    goals = {
        "zencache --help": (["-m", "zencache", "--help"], HELP),
        "import zencache": (["-c", "import zencache"], IMPORT),
        DECLARE: (["-c", DECLARE], IMPORT),
        f"a script with {STEPS} cached steps": ([str(script), str(tmp_path), "1"], None),
    }
    commands = {**than, **{name: command for name, (command, _) in goals.items()}}
    seconds = interleaved(
        {name: lambda command=command: process_seconds(*command) for name, command in commands.items()},
        rounds=9,
    )
    title("start-up: a process from its start to its end")
    for name, (_, goal) in goals.items():
        other = "import ml_metadata" if "steps" in name else "bare Python"
        line(name, seconds[name], other, seconds[other], goal)
