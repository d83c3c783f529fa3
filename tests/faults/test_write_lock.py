"""The lock file beside a SQLite file: held by somebody else, deleted, inherited by a child."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from inspection import mlmd_runs, statuses

from zencache import Repository, pipeline, step
from zencache.exceptions import MetadataStoreError
from zencache.metadata.connection import sqlite

HOLD = """
import fcntl, sys, time
held = open(sys.argv[1], "a")
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""
FORKED = """
import os, signal, sys, time
from zencache import pipeline, step

@step
def one(n: int) -> int:
    return n

@pipeline
def counting(n: int):
    one(n)

counting(0).run()
if os.fork() == 0:
    time.sleep(60)       # a child that has inherited all that was open, and does nothing with it

from ml_metadata.metadata_store.metadata_store import MetadataStore
MetadataStore.put_lineage_subgraph = lambda *a, **o: os.kill(os.getpid(), signal.SIGKILL)  # in a write
counting(1).run()
"""


@step
def one(n: int) -> int:
    return n


@pipeline
def counting(n: int):
    one(n)


def lock_file(project) -> str:
    return str(project / ".zencache" / "metadata.db.lock")


def held_elsewhere(project, seconds: float) -> subprocess.Popen:
    arguments = [sys.executable, "-c", HOLD, lock_file(project), str(seconds)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_run_waits_for_a_lock_that_another_process_holds(project):
    counting(0).run()
    with held_elsewhere(project, 0.5) as holder:
        started = time.monotonic()
        assert statuses(counting(1).run()) == {"one": "completed"}
        assert holder.wait(5) == 0
    assert time.monotonic() - started > 0.3


def test_a_lock_that_is_never_released_ends_the_run_with_what_to_do(project, monkeypatch):
    monkeypatch.setattr(sqlite, "_LOCK_TIMEOUT", 0.2)
    counting(0).run()
    with held_elsewhere(project, 60) as holder:
        with pytest.raises(MetadataStoreError, match="has been writing for more than") as caught:
            counting(1).run()
        holder.kill()
    assert lock_file(project) in str(caught.value)
    assert "end the process" in caught.value.hint
    assert statuses(counting(1).run()) == {"one": "completed"}


def test_a_lock_file_that_was_deleted_is_not_locked_any_more(project):
    """Who comes later locks the new file: a process that has the old one open must do so, too."""
    repository = Repository()
    counting(0).run(repository=repository)
    os.unlink(lock_file(project))
    with held_elsewhere(project, 0.5) as holder:
        assert statuses(counting(1).run(repository=repository)) == {"one": "completed"}
        assert holder.wait(5) == 0


def test_a_child_that_outlives_its_killed_parent_holds_no_lock(project, monkeypatch):
    monkeypatch.setattr(sqlite, "_LOCK_TIMEOUT", 5.0)
    (project / "forked.py").write_text(FORKED)
    command = [sys.executable, "forked.py"]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        assert process.wait(60) == -signal.SIGKILL
        assert statuses(counting(2).run()) == {"one": "completed"}
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    assert mlmd_runs(Repository().store)[-1] == "completed"
