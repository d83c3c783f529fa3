"""Rows through a Beam step cost what Beam costs, zencache holds none of them, and a cached run reads none.

How many rows: the environment variable ``ZENCACHE_BENCHMARK_ROWS``, 200,000 unless it says another number.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from statistics import median
from typing import Any

import beam_rows
import pytest
from measure import in_process, line, sized, title
from result import Goal

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

SCRIPT = Path(beam_rows.__file__)
ROWS = int(os.environ.get("ZENCACHE_BENCHMARK_ROWS", sized("200000", "20000")))
ROUNDS = 3 if ROWS <= 500_000 else 1
KINDS = ["parquet", "tfrecord"]
TIME = Goal(1.1 if ROWS >= 5_000_000 else 1.25)
CACHED = Goal(1.0, of="ours")
READ = Goal(0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_cost_what_beam_costs(tmp_path: Path, kind: str) -> None:
    count = itertools.count()
    found: dict[str, list[dict[str, Any]]] = {"bare": [], "zencache": []}
    for round_ in range(ROUNDS):
        for what in sorted(found, reverse=bool(round_ % 2)):  # each is first as often as it is second
            folder = tmp_path / str(next(count))
            folder.mkdir()
            found[what].append(in_process(SCRIPT, what, kind, ROWS, folder))
    assert {one["status"] for one in found["zencache"]} == {"completed"}
    seconds = {what: median(one["seconds"] for one in measured) for what, measured in found.items()}
    peak = {what: median(one["peak"] for one in measured) for what, measured in found.items()}
    again = in_process(SCRIPT, "cached", kind, ROWS, folder_of(tmp_path))
    largest = max(again["shards"])

    title(f"Beam: {ROWS:,} rows to {kind}")
    line("with zencache", seconds["zencache"], "bare Beam", seconds["bare"], TIME)
    line("peak memory with zencache", peak["zencache"], "bare Beam", peak["bare"], unit="B")
    line("cached run, its stores opened for it", again["run"], "bare Beam", seconds["bare"], CACHED)
    read = max(again["asked"], again["disk"])
    line("read by the cached run", read, "the largest shard", largest, READ, unit="B")
    assert again["status"] == "cached"


@pytest.mark.parametrize("kind", KINDS)
def test_zencache_holds_none_of_the_rows(tmp_path: Path, kind: str) -> None:
    peaks = {}
    for rows in (ROWS // 5, ROWS):
        folder = tmp_path / str(rows)
        folder.mkdir()
        found = in_process(SCRIPT, "own part", kind, rows, folder)
        peaks[rows] = found["peak"]
    few, many = peaks.values()
    title("Beam in another process: memory of zencache's own part")
    line(f"{ROWS:,} rows to {kind}", many, "a fifth of them", few, Goal(1.1), unit="B")


def folder_of(tmp_path: Path) -> Path:
    """A project that a run with zencache left."""
    return next(path for path in sorted(tmp_path.iterdir()) if (path / ".zencache").is_dir())
