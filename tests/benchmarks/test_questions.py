"""What is asked of a store with a long history is answered within a second, and which questions grow with it.

Two stores of 1,000 and of 100,000 executions, in runs of 50 steps; in the later ones 40 are hits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from grown import long_history
from measure import interleaved, line, sized, title
from result import Goal, shown

from zencache import Repository

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

SHORT, LONG = 1_000, sized(100_000, 10_000)
WRITTEN = 5_000  # by zencache itself; what is more are copies of it
ASKED = Goal(1.0, of="ours")


def test_questions_of_a_long_history_take_less_than_a_second(tmp_path: Path) -> None:
    repositories = {}
    title("questions of a long history")
    for executions in (SHORT, LONG):
        started = time.perf_counter()
        repositories[executions] = long_history(tmp_path / str(executions), executions, written=WRITTEN)
        print(f"  {executions:,} executions, written in {shown(time.perf_counter() - started)}")
    for what in _questions(repositories[SHORT]):
        seconds = interleaved(
            {str(n): _asked(_questions(repository)[what]) for n, repository in repositories.items()}, rounds=5
        )
        line(what, seconds[str(LONG)], f"{SHORT:,} executions", seconds[str(SHORT)], ASKED, at=LONG)


def _questions(repository: Repository) -> Mapping[str, Callable[[], object]]:
    last = repository.get_runs(limit=1)[0]
    deep = last.steps["step_020"].output
    return {
        "the last 20 runs": lambda: repository.get_runs(),
        "the 20 runs before one": lambda: repository.get_runs(before=last.name),
        "a run and its 50 steps": lambda: list(repository.get_run(last.name).steps.values()),
        "upstream, 20 deep": lambda: _checked(deep.upstream(depth=20), 20),
        "downstream, 20 deep": lambda: deep.downstream(depth=20),
        "the last 20 executions": lambda: repository.executions(limit=20),
        "the last 20 artifacts": lambda: repository.artifacts(limit=20),
        "statistics of the last 20 runs": lambda: repository.stats(last=20),
    }


def _asked(question: Callable[[], object]) -> Callable[[], None]:
    def ask() -> None:
        question()

    return ask


def _checked(found: list[object], expected: int) -> None:
    assert len(found) == expected
