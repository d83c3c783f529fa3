"""Look-up and recording cost the same in a store of a thousand executions and of a million.

A million is measured if ``ZENCACHE_BENCHMARK_MILLION`` is set: it takes 4 GB of disk and some minutes.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graph_shapes import chain, write_graph
from grown import long_history
from measure import Call, interleaved, line, sized, title
from result import Goal, shown

from zencache import Repository

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

STEPS = 50
FIRST = 1_000
SIZES = sized((FIRST, 10_000, 100_000), (FIRST, 10_000))
if os.environ.get("ZENCACHE_BENCHMARK_MILLION"):
    SIZES = (*SIZES, 1_000_000)
GOALS = {10_000: Goal(1.3), 100_000: Goal(1.3), 1_000_000: Goal(2)}
ROUNDS = 9


def test_a_step_in_a_store_of_many_executions(tmp_path: Path) -> None:
    bound = write_graph(tmp_path, "zencache", chain(STEPS)).graph
    stores = {size: store_of(tmp_path, size) for size in SIZES}
    questions: dict[str, Callable[[Repository], Any]] = {
        "cached run: looked up and recorded": lambda store: check(named(bound(0)).run(repository=store)),
        "plan: looked up": lambda store: named(bound(0)).plan(repository=store),
        "executed run: looked up and recorded": lambda store: check(
            named(bound(next(seeds))).run(repository=store)
        ),
        "stock client: look-up of the same keys": ask_for_keys,
    }
    seeds = itertools.count(1_000_000, 1_000_000)
    for store in stores.values():
        check(named(bound(0)).run(repository=store))

    title("a step in a store of many executions")
    for what, ask in questions.items():
        calls: dict[str, Call] = {str(size): asked(ask, store) for size, store in stores.items()}
        seconds = interleaved(calls, ROUNDS)
        for size in SIZES[1:]:
            goal = GOALS[size] if what != "stock client: look-up of the same keys" else None
            ours, theirs = (seconds[str(n)] / STEPS for n in (size, FIRST))
            line(what, ours, f"{FIRST:,} executions", theirs, goal, at=size)


def store_of(folder: Path, size: int) -> Repository:
    """A store of so many executions: a thousand written by zencache, and copies of them."""
    project = folder / str(size)
    started = time.perf_counter()
    repository = long_history(project, size, written=FIRST)
    megabytes = (project / "metadata.db").stat().st_size / 1e6
    print(f"  {size:,} executions: {megabytes:,.0f} MB, written in {shown(time.perf_counter() - started)}")
    return repository


def named(bound: Any) -> Any:
    """The pipeline under a name that has a part of the history."""
    return bound.copy("pipeline_00")


def asked(ask: Callable[[Repository], Any], store: Repository) -> Call:
    def seconds() -> float:
        started = time.perf_counter()
        ask(store)
        return time.perf_counter() - started

    return seconds


def ask_for_keys(store: Repository) -> None:
    """As many look-ups as there are steps, of keys that no execution has."""
    for index in range(STEPS):
        key = hashlib.sha256(b"%d" % index).hexdigest()
        assert store.store.get_context_by_type_and_name("execution_cache", key) is None


def check(run: Any) -> None:
    assert run.status == "completed"
