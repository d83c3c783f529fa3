"""The law with workers: a parallel run, cached or fresh, returns what a sequential one returns."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from test_the_law import EDITS, bound, contents, edited, expected_values, memory_repository, programs

from zencache import Repository
from zencache.events import WillExecute
from zencache.testing import capture_events, temporary_repository


def check_the_law(program: Any, edits: Any, executor: Executor, shared: Repository) -> None:
    seen: set[tuple[str, int, str]] = set()
    for edit in [None, *edits, None]:
        program = program if edit is None else edited(program, edit)
        with capture_events() as happened:
            parallel = contents(bound(program).run(repository=shared, executor=executor))
        values = expected_values(program)
        assert parallel == contents(bound(program).run(repository=memory_repository()))
        assert [value for _, _, value in parallel] == values

        # What is new runs once, whichever of the nodes that want it was first.
        combinations = {}
        for (name, inputs, parameter), (node, _, _) in zip(program, parallel, strict=True):
            combinations[node] = (name, parameter, repr([values[i] for i in inputs]))
        ran = [combinations[event.step] for event in happened if isinstance(event, WillExecute)]
        assert sorted(ran) == sorted(set(combinations.values()) - seen)
        seen |= set(combinations.values())


def law(examples: int, executor: Executor, *, on_disk: bool) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(programs(), EDITS)
    def checked(program: Any, edits: Any) -> None:
        if on_disk:
            with temporary_repository() as shared:
                check_the_law(program, edits, executor, shared)
        else:
            check_the_law(program, edits, executor, memory_repository())

    checked()


@pytest.fixture
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_a_run_with_threads_returns_what_a_sequential_one_returns(project, threads):
    law(5, threads, on_disk=False)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_run_with_threads_returns_what_a_sequential_one_returns_100_times(project, threads):
    law(100, threads, on_disk=False)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_run_with_processes_returns_what_a_sequential_one_returns_50_times(project):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        law(50, pool, on_disk=True)
