"""A run whose steps are all cached costs less than the bare metadata calls that it cannot do without."""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from chain import load, write_chain
from measure import in_process, interleaved, line, title
from raw_mlmd import RawLoop
from result import Goal

from zencache import Repository

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

LENGTH = 50
A_THIRD, LESS, SAME = Goal(1 / 3), Goal(1), Goal(1.25)


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
    for name in raw:
        for what in ours:
            goal = A_THIRD if "stock" in name and what == "run()" else LESS
            line(what, seconds[what], name, seconds[name], goal)


def test_the_hundredth_run_costs_the_same_as_the_second(tmp_path: Path, script: Path) -> None:
    histories = [in_process(script, project(tmp_path, f"old_{index}"), 105) for index in range(5)]
    for runs in histories:
        assert [cached for _, cached in runs] == [0] + [LENGTH] * 104
    young = project(tmp_path, "young")
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
    first_ones, last_ones = (
        median(seconds for runs in histories for seconds, _ in runs[part])
        for part in (slice(1, 8), slice(98, 105))
    )
    line("one process, runs 99-105, of five", last_ones, "runs 2-8", first_ones, SAME)
    line("a process each, run 100", apart["hundredth"], "run 2", apart["second"], SAME)


def check(run: Any) -> None:
    assert run.status == "completed"
