"""How long a garbage collection takes where the history is long."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from history import write_history
from measure import line, sized, title

from zencache.artifact_store.manifest import address

EXECUTIONS = sized(10_000, 2_500)
T = TypeVar("T")


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_gc_of_a_long_history(tmp_path: Path) -> None:
    repository = write_history(tmp_path, executions=EXECUTIONS)
    artifacts = repository.artifacts()
    for one in artifacts:
        folder = tmp_path / "artifacts" / address(one.artifact.object) / "payload"
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(b"x" * 1000)
    title(f"cleaning up: {EXECUTIONS:,} executions, {len(artifacts):,} artifacts")
    foretold = timed("dry run", lambda: repository.gc(keep_last=1, grace="0s"))
    done = timed("deleting", lambda: repository.gc(keep_last=1, grace="0s", dry_run=False))
    timed("doctor", repository.doctor)
    assert done.freed == foretold.freed > 0


def timed(what: str, call: Callable[[], T]) -> T:
    began = time.perf_counter()
    returned = call()
    line(what, time.perf_counter() - began)
    return returned
