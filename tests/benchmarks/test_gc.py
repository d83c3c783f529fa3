"""How long a garbage collection takes where the history is long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from history import write_history

from zencache.artifact_store.manifest import address

EXECUTIONS = 10_000


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_gc_of_a_long_history(tmp_path: Path) -> None:
    repository = write_history(tmp_path, executions=EXECUTIONS)
    artifacts = repository.artifacts()
    for one in artifacts:
        folder = tmp_path / "artifacts" / address(one.artifact.object) / "payload"
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(b"x" * 1000)
    began = time.perf_counter()
    foretold = repository.gc(keep_last=1, grace="0s")
    shown = time.perf_counter() - began
    began = time.perf_counter()
    done = repository.gc(keep_last=1, grace="0s", dry_run=False)
    deleted = time.perf_counter() - began
    began = time.perf_counter()
    repository.doctor()
    examined = time.perf_counter() - began
    assert done.freed == foretold.freed > 0
    print(
        f"\n{EXECUTIONS} executions, {len(artifacts)} artifacts: dry run {shown:.2f}s; "
        f"deleting {len(done.removed)} objects {deleted:.2f}s; doctor {examined:.2f}s"
    )
