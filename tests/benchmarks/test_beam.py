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
from measure import in_process, line, shown, title

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

SCRIPT = Path(beam_rows.__file__)
ROWS = int(os.environ.get("ZENCACHE_BENCHMARK_ROWS", "200000"))
ROUNDS = 3 if ROWS <= 500_000 else 1
KINDS = ["parquet", "tfrecord"]


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

    title(f"{ROWS:,} rows to {kind}, medians of {ROUNDS}")
    ratio = line("with zencache", seconds["zencache"], "bare Beam", seconds["bare"], "<= 1.1 at 5,000,000")
    with_it, without = (f"{peak[what] / 1e6:.0f} MB" for what in ("zencache", "bare"))
    print(f"  peak memory: {with_it} with zencache, {without} without")
    print(f"  cached run, its stores opened for it: {shown(again['run'])}   goal: < 1 s")
    print(
        f"  bytes read by the cached run: {again['asked']:,} asked for, {again['disk']:,} from disk"
        f"   goal: < {largest // 10:,}   (the largest of {len(again['shards'])} shards: {largest:,})"
    )
    assert again["status"] == "cached"
    assert again["run"] < 1
    assert max(again["asked"], again["disk"]) < largest // 10
    assert ratio <= (1.1 if ROWS >= 5_000_000 else 1.25)


@pytest.mark.parametrize("kind", KINDS)
def test_zencache_holds_none_of_the_rows(tmp_path: Path, kind: str) -> None:
    peaks = {}
    title(f"memory of zencache's own part, {kind}: Beam runs in another process")
    for rows in (ROWS // 5, ROWS):
        folder = tmp_path / str(rows)
        folder.mkdir()
        found = in_process(SCRIPT, "own part", kind, rows, folder)
        peaks[rows] = found["peak"]
        print(f"  {rows:,} rows, {found['bytes'] / 1e6:.1f} MB of files: peak {found['peak'] / 1e6:.0f} MB")
    few, many = peaks.values()
    assert many <= 1.1 * few


def folder_of(tmp_path: Path) -> Path:
    """A project that a run with zencache left."""
    return next(path for path in sorted(tmp_path.iterdir()) if (path / ".zencache").is_dir())
