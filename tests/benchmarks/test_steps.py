"""What a trivial step costs, cached and executed, in pipelines of 1 to 5,000 steps of three shapes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from graph_shapes import SHAPES, chain, write_graph
from measure import Call, interleaved, line, sized, title
from raw_mlmd import RawLoop
from replay import Replay
from result import Goal

from zencache import Repository

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]

SIZES = sized((1, 10, 50, 500, 5_000), (1, 10, 50))
CACHED_ROUNDS = {1: 25, 10: 25, 50: 15, 500: 5, 5_000: 3}
EXECUTED_ROUNDS = {1: 15, 10: 9, 50: 11, 500: 2, 5_000: 1}
GOAL_SIZE = 50  # steps, for which the goals are said
GOALS = {  # held against the loop as the stock client runs it, and against what a record cannot do without
    "cached": {name: Goal(1 / 3) for name in ("raw calls, stock journal", "the same facts, stock journal")},
    "executed": {"the same requests, and the value saved": Goal(2)},
}
LENGTHS = sized((100, 1_000), (20, 60))
SAME = Goal(1.3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)  # the small ones first, in a process that holds nothing of the large
def test_a_step(tmp_path: Path, shape: str, size: int) -> None:
    parents = SHAPES[shape](size)
    ours, joblib, plain = (write_graph(tmp_path, kind, parents) for kind in ("zencache", "joblib", "plain"))
    repository = Repository(tmp_path)
    wal = RawLoop(tmp_path / "wal.db", size, wal=True, parents=parents)
    seeds = itertools.count(1_000_000, 1_000_000)

    def run(bound: Any, status: str) -> float:
        started = time.perf_counter()
        run = bound.run(repository=repository)
        seconds = time.perf_counter() - started
        assert {step.status for step in run.steps.values()} == {status}
        return seconds

    bound = ours.graph(0)
    run(bound, "completed")
    database = tmp_path / ".zencache" / "metadata.db"
    same = Replay(database, tmp_path / "replay")
    executed: dict[str, Call] = {
        "zencache": lambda: same.record(lambda: run(ours.graph(next(seeds)), "completed")),
        "joblib.Memory": lambda: joblib.graph(next(seeds)),
        "raw calls, WAL": wal.execute,
        "raw calls, WAL, and the value saved": lambda: wal.execute(tmp_path / "values"),
        "the same requests, and the value saved": lambda: same.play(values=True),
    }
    cached: dict[str, Call] = {
        "zencache": lambda: run(bound, "cached"),
        "zencache, bound anew": lambda: ours.graph(0).run(repository=repository),
        "joblib.Memory": lambda: joblib.graph(0),
        "plain call": lambda: plain.graph(0),
        "raw calls, WAL": wal.run,
        "raw inserts, one call": wal.inserts,
    }
    if size < 5_000 or shape == "chain":
        stock = RawLoop(tmp_path / "stock.db", size, wal=False, parents=parents)
        executed["raw calls, stock journal"] = stock.execute
        cached["raw calls, stock journal"] = stock.run
        whole = RawLoop(tmp_path / "whole.db", size, wal=False, parents=parents, whole=True)
        cached["the same facts, stock journal"] = whole.run
    joblib.graph(0)

    told(shape, "executed", interleaved(executed, EXECUTED_ROUNDS[size], warm=size < 5_000), size)
    told(shape, "cached", interleaved(cached, CACHED_ROUNDS[size]), size)


def test_a_step_costs_the_same_however_many_there_are(tmp_path: Path) -> None:
    repository = Repository(tmp_path)  # to open it anew costs each pipeline the same
    bound = {
        size: write_graph(tmp_path, "zencache", chain(size)).graph().copy(f"of_{size}") for size in LENGTHS
    }
    for one in bound.values():
        assert one.run(repository=repository).status == "completed"
    seconds = interleaved(
        {str(size): partial(one.run, repository=repository) for size, one in bound.items()}, rounds=9
    )
    title("a cached step of a long chain")
    few, many = LENGTHS
    line("zencache", seconds[str(many)] / many, f"{few} steps", seconds[str(few)] / few, SAME, at=many)


def told(shape: str, kind: str, seconds: Mapping[str, float], size: int) -> None:
    """Lines of seconds per step, each of zencache's against each of the others'."""
    title(f"{shape}, {kind}, a step")
    goals = GOALS[kind] if size == GOAL_SIZE else {}
    for than in (name for name in seconds if not name.startswith("zencache")):
        line("zencache", seconds["zencache"] / size, than, seconds[than] / size, goals.get(than), at=size)
    if "zencache, bound anew" in seconds:
        line("zencache, bound anew", seconds["zencache, bound anew"] / size, at=size)
