"""The cost of a step does not depend on how many others its pipeline has."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

import pytest
from chain import load, write_chain
from measure import interleaved, line, shown, title

from zencache import Repository

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

LENGTHS = (100, 300, 1000)


def test_a_chain_of_a_thousand_cached_steps_is_linear(tmp_path: Path) -> None:
    bound: dict[int, Any] = {}
    repositories: dict[int, Repository] = {}  # kept: to open them anew costs each length the same
    bind: dict[int, float] = {}
    cold: dict[int, float] = {}
    for length in LENGTHS:
        module = load(write_chain(tmp_path, length))
        folder = tmp_path / f"project_{length}"
        folder.mkdir()
        repositories[length] = Repository(folder)
        started = time.perf_counter()
        bound[length] = module.chain()
        bind[length] = time.perf_counter() - started
        started = time.perf_counter()
        bound[length].run(repository=repositories[length])
        cold[length] = time.perf_counter() - started

    def warm(length: int) -> None:
        run = bound[length].run(repository=repositories[length])
        assert run.status == "completed"

    def bind_again(length: int) -> None:
        load(tmp_path / f"chain_of_{length}.py").chain()

    seconds = interleaved({str(n): functools.partial(warm, n) for n in LENGTHS}, rounds=9)
    again = interleaved({str(n): functools.partial(bind_again, n) for n in LENGTHS}, rounds=3)
    last = bound[1000].run(repository=repositories[1000])
    assert sum(step.is_cached for step in last.steps.values()) == 1000

    title("chains, per step")
    for length in LENGTHS:
        print(
            f"  {length:5d} steps: cached {shown(seconds[str(length)] / length)}, "
            f"cold {shown(cold[length] / length)}, first bind {shown(bind[length] / length)}, "
            f"import and bind again {shown(again[str(length)] / length)}"
        )
    per_step = {length: seconds[str(length)] / length for length in LENGTHS}
    line("cold, 1,000 steps", cold[1000] / 1000, "100 steps", cold[100] / 100)
    line("import and bind, 1,000 steps", again["1000"] / 1000, "100 steps", again["100"] / 100)
    line("cached, 300 steps", per_step[300], "100 steps", per_step[100], "<= 1.3")
    ratio = line("cached, 1,000 steps", per_step[1000], "100 steps", per_step[100], "<= 1.3")
    assert ratio <= 1.3
