"""Eight processes on one project, a thousand small runs: none fails, none is lost, none is recorded twice.

How many runs: the environment variable ``ZENCACHE_TEST_RUNS``, 400 unless it says another number.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import mixed_load
import pytest
from audit import assert_sound
from metadata_servers import metadata_url

from zencache import Repository

PROCESSES = 8
RUNS = int(os.environ.get("ZENCACHE_TEST_RUNS", "400")) // PROCESSES


@pytest.mark.benchmark
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["sqlite", "mysql", "postgresql", "grpc"])
def test_many_runs_of_eight_processes(project: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with metadata_url(kind, project) as url:
        monkeypatch.setenv("ZENCACHE_METADATA", url)
        Repository().get_runs()  # makes the database
        started = time.perf_counter()
        processes = [
            subprocess.Popen(
                [sys.executable, mixed_load.__file__, "work", str(seed), str(RUNS)],
                stderr=subprocess.PIPE,
                text=True,
            )
            for seed in range(PROCESSES)
        ]
        said = [process.communicate()[1] for process in processes]
        took = time.perf_counter() - started
        assert [process.returncode for process in processes] == [0] * PROCESSES, said
        print(f"{kind}: {PROCESSES * RUNS} runs in {took:.1f} s, {PROCESSES * RUNS / took:.0f} a second")

        repository = Repository()
        runs = repository.get_runs(limit=None)
        assert len(runs) == PROCESSES * RUNS
        assert {run.status for run in runs} == {"completed"}
        executions = repository.store.get_executions()
        assert len(executions) == 3 * PROCESSES * RUNS
        complete = [e for e in executions if e.last_known_state == e.COMPLETE]
        keys = Counter(e.custom_properties["zencache_cache_key"].string_value for e in complete)
        assert [key for key, count in keys.items() if count > 1] == [], "single flight"
        assert_sound()
