"""What benchmarks find is kept, judged by its goal, and told on a page that hides nothing."""

from __future__ import annotations

import importlib
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "tests" / "benchmarks"


@pytest.fixture(autouse=True)
def of_benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def found():
    """Two benchmarks, one of which missed a goal."""
    result = importlib.import_module("result")
    steps = [
        result.Result("chain, cached, a step", "zencache", 2e-4, than, theirs, "s", goal, 50)
        for than, theirs, goal in (
            ("raw calls, WAL", 4e-4, result.Goal(1 / 3)),
            ("joblib.Memory", 1e-4, None),
        )
    ]
    start = result.Result("start-up", "zencache --help", 0.2, goal=result.Goal(0.3, of="ours"))
    peak = result.Result("peak memory", "steps: test_a_step", 9e7, unit="B")
    return {
        "steps": result.Benchmark("steps", "failed", 3.0, "2026-01-02T03:04:05", {}, {}, [*steps, peak]),
        "start_up": result.Benchmark("start_up", "passed", 1.0, "2026-01-03T03:04:05", {}, {}, [start]),
    }


def test_results_come_back_as_they_were_saved(tmp_path, found):
    for benchmark in found.values():
        benchmark.save(tmp_path)
    assert importlib.import_module("result").read(tmp_path) == found


def test_a_goal_is_met_by_less_and_missed_by_more(found):
    assert [one.is_missed for one in found["steps"].results] == [True, False, False]
    assert [one.is_missed for one in found["start_up"].results] == [False]


def test_the_page_shows_ratios_and_missed_goals_and_says_what_was_not_measured(tmp_path, found):
    importlib.import_module("page").write_page(found, tmp_path)
    page = (tmp_path / "benchmarks.md").read_text()
    assert "2026-01-02 to 2026-01-03" in page
    assert re.search(r"\| raw calls, WAL \| ≤ 0.333 \| 0.50 \| \*\*missed\*\* \|", page)
    assert re.search(r"\| ≤ 300.00 ms \| 200.00 ms \| met \|", page)
    assert "| 50 | **200.0 µs** | 400.0 µs (0.50) | 100.0 µs (2.00) |" in page
    assert "| `steps` | 90 MB | 3 s |" in page
    assert "Not measured on this machine: a step in a store." in page
    assert "{{" not in page
    assert (tmp_path / "images" / "benchmarks-cached.svg").stat().st_size > 0


def test_a_history_that_was_grown_is_one_that_zencache_reads(tmp_path):
    repository = importlib.import_module("grown").long_history(tmp_path / "long", 150, written=50)
    with sqlite3.connect(tmp_path / "long" / "metadata.db") as connection:  # nobody has opened it yet
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert len(repository.get_runs(limit=None)) == 3
    assert len(repository.executions(limit=None)) == 150
    last = repository.get_runs()[-1].steps["step_002"]
    assert [artifact.producer_step.name for artifact in last.output.upstream()] == ["step_000", "step_001"]


def test_every_benchmark_can_be_run_by_its_name():
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = re.sub(r"\s", "", shown)
    assert [p.stem for p in BENCHMARKS.glob("test_*.py") if p.stem.removeprefix("test_") not in names] == []
