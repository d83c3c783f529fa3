"""A run whose steps are all cached costs less than the bare metadata calls that it cannot do without."""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from chain import load, write_chain
from measure import in_process, interleaved, line, process_seconds, title
from raw_mlmd import RawLoop

from zencache import Repository

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

LENGTH = 50


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return write_chain(tmp_path, LENGTH)


def project(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


def test_a_warm_run_costs_less_than_the_raw_calls(tmp_path: Path, script: Path) -> None:
    module = load(script)
    bound = module.chain()
    folder, closed = project(tmp_path, "project"), project(tmp_path, "closed")
    kept = Repository(folder)
    bound.run(repository=kept)
    bound.run(repository=Repository(closed))
    raw = {
        "raw calls, WAL": RawLoop(tmp_path / "wal.db", LENGTH, wal=True).run,
        "raw calls, stock journal": RawLoop(tmp_path / "stock.db", LENGTH, wal=False).run,
    }
    ours = {
        "run()": lambda: check(bound.run(repository=Repository(folder))),
        "run(), no result of it kept": lambda: check(bound.run(repository=Repository(closed))),
        "bind and run()": lambda: check(module.chain().run(repository=Repository(folder))),
    }
    seconds = interleaved({**ours, **raw}, rounds=25)
    last = bound.run(repository=kept)
    assert all(step.is_cached for step in last.steps.values())

    title(f"{LENGTH} cached steps, SQLite, in one process")
    ratios = {
        (what, name): line(what, seconds[what], name, seconds[name], "< 1, hope 1/3")
        for name in raw
        for what in ours
    }
    hope = ratios["run()", "raw calls, WAL"] - 1 / 3
    print(f"  distance of run() to 1/3 of the raw calls in WAL: {hope:+.3f}")
    assert all(ratio < 1 for ratio in ratios.values()), ratios


def test_the_hundredth_run_costs_the_same_as_the_second(tmp_path: Path, script: Path) -> None:
    old, young = project(tmp_path, "old"), project(tmp_path, "young")
    runs = in_process(script, old, 105)
    assert [cached for _, cached in runs] == [0] + [LENGTH] * 104
    in_process(script, young, 1)
    aged = project(tmp_path, "aged")
    in_process(script, aged, 99)

    def next_run(folder: Path) -> float:
        """The next run of a project, by a process that knows nothing yet."""
        copy = folder.with_name("copy")
        shutil.copytree(folder, copy)
        ((seconds, cached),) = in_process(script, copy, 1)
        assert cached == LENGTH
        shutil.rmtree(copy)
        return float(seconds)

    apart = interleaved({"second": lambda: next_run(young), "hundredth": lambda: next_run(aged)}, rounds=9)

    title(f"history: {LENGTH} cached steps, the hundredth run and the second")
    first_ones, last_ones = (median(s for s, _ in runs[part]) for part in (slice(1, 8), slice(98, 105)))
    within = line("one process, runs 99-105", last_ones, "runs 2-8", first_ones, "<= 1.25")
    fresh = line("a process each, run 100", apart["hundredth"], "run 2", apart["second"], "<= 1.25")
    assert within <= 1.25
    assert fresh <= 1.25


def test_a_fresh_process_starts_quickly(tmp_path: Path, script: Path) -> None:
    folder = project(tmp_path, "project")
    in_process(script, folder, 1)
    declare = "from zencache import BaseStepConfig, Output, pipeline, step"
    seconds = interleaved(
        {
            "python": lambda: process_seconds("-c", "pass"),
            "import": lambda: process_seconds("-c", "import zencache"),
            "declare": lambda: process_seconds("-c", declare),
            "mlmd": lambda: process_seconds("-c", "from ml_metadata.metadata_store import metadata_store"),
            "run": lambda: process_seconds(script, folder, 1),
        },
        rounds=9,
    )

    title("a process of its own")
    line("import zencache", seconds["import"], "bare Python", seconds["python"], "< 0.5 s")
    line(declare, seconds["declare"], "bare Python", seconds["python"], "< 0.5 s")
    line(f"script with {LENGTH} cached steps", seconds["run"], "importing ml_metadata", seconds["mlmd"])
    assert seconds["import"] - seconds["python"] < 0.5
    assert seconds["declare"] - seconds["python"] < 0.5


def check(run: Any) -> None:
    assert run.status == "completed"
