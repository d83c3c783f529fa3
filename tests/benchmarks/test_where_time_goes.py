"""Where the time of a cached and of an executed run goes; nothing here has a goal of its own."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from graph_shapes import chain, write_graph
from measure import line, sized, title
from shares import shares

from zencache import Repository

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

SIZES = sized((50, 5_000), (50,))


@pytest.mark.parametrize("size", SIZES)
def test_where_the_time_of_a_run_goes(tmp_path: Path, size: int) -> None:
    module = write_graph(tmp_path, "zencache", chain(size))
    repository = Repository(tmp_path)
    bound = module.graph(0)
    for _ in range(2):
        check(bound.run(repository=repository))
    told("cached", size, shares(lambda: check(bound.run(repository=repository)), rounds=1000 // size + 2))
    if size == 50:
        new = (module.graph(seed) for seed in itertools.count(1_000_000, 1_000_000))
        told("executed", size, shares(lambda: check(next(new).run(repository=repository)), rounds=5))


def told(what: str, size: int, parts: dict[str, float]) -> None:
    whole = sum(parts.values())
    title(f"where a step of {size:,} {what} ones spends its time")
    for part, seconds in sorted(parts.items(), key=lambda row: -row[1]):
        line(part, seconds / size, "all of it", whole / size)


def check(run: Any) -> None:
    assert run.status == "completed"
