"""Eight processes on one project, many small runs: none fails, none is lost, none is recorded twice.

It prints how many runs a second that is, and how many eight processes manage right before on a store of the
same kind by the stock client's bare calls. The thousand is a benchmark.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import mixed_load
import pytest
import raw_load
from audit import assert_sound
from metadata_servers import metadata_url

from zencache import Repository

PROCESSES = 8
KINDS = ["sqlite", "mysql", "postgresql", "grpc-process"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "runs",
    [
        pytest.param(96, marks=[pytest.mark.slow, pytest.mark.timeout(300)]),
        pytest.param(1000, marks=[pytest.mark.benchmark, pytest.mark.timeout(1200)]),
    ],
)
def test_many_runs_of_eight_processes(
    project: Path, monkeypatch: pytest.MonkeyPatch, kind: str, runs: int
) -> None:
    raw, given_up = raw_runs_a_second(kind, project, runs)
    with metadata_url(kind, project) as url:
        monkeypatch.setenv("ZENCACHE_METADATA", url)
        Repository().get_runs()  # makes the database
        own, _ = runs_a_second(runs, lambda seed, count: [mixed_load.__file__, "work", seed, count])
        print(
            f"\n{kind}: {runs} runs of three steps in {PROCESSES} processes, {own:.1f} a second; "
            f"bare calls of the stock client {raw:.1f} ({given_up} of them given up and done again); "
            f"ratio {own / raw:.2f}"
        )
        repository = Repository()
        recorded = repository.get_runs(limit=None)
        assert len(recorded) == runs
        assert {run.status for run in recorded} == {"completed"}
        store = repository.store
        types = (*store.get_context_types(), *store.get_execution_types(), *store.get_artifact_types())
        names = Counter((type(one).__name__, one.name) for one in types)
        assert [name for name, count in names.items() if count > 1] == [], "a type is made once"
        executions = store.get_executions()
        assert len(executions) == 3 * runs
        complete = [e for e in executions if e.last_known_state == e.COMPLETE]
        keys = Counter(e.custom_properties["zencache_cache_key"].string_value for e in complete)
        assert [key for key, count in keys.items() if count > 1] == [], "single flight"
        assert_sound()


def raw_runs_a_second(kind: str, project: Path, runs: int) -> tuple[float, int]:
    """What the stock client manages on a store of the same kind, and how many calls it gave up."""
    folder = project / "raw"
    folder.mkdir()
    with metadata_url(kind, folder) as url:
        subprocess.run([sys.executable, raw_load.__file__, "make", url], check=True)
        return runs_a_second(runs, lambda seed, count: [raw_load.__file__, "work", url, seed, count])


def runs_a_second(runs: int, script: Callable[[str, str], list[str]]) -> tuple[float, int]:
    """From the moment at which all processes are ready; and the sum of the numbers that they print."""
    with ExitStack() as opened:
        # A pipe that nobody empties would stop who writes to it, and who waits for a step of that one.
        said = [opened.enter_context(open(f"stderr-{number}", "w+")) for number in range(PROCESSES)]
        processes = [
            subprocess.Popen(
                [sys.executable, *script(str(number), str(runs // PROCESSES))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said[number],
                text=True,
            )
            for number in range(PROCESSES)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.wait()
        started = time.perf_counter()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate()[0] for process in processes]
        took = time.perf_counter() - started
        failed = [
            Path(file.name).read_text()[-2000:]
            for file, one in zip(said, processes, strict=True)
            if one.returncode
        ]
        assert failed == []
        return runs / took, sum(int(number) for text in told for number in text.split())
