"""Every call to the system below the folder of an artifact store fails once: the audit of remote ones."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from inspection import files_in_staging, unsound_objects

from zencache import Repository, ZencacheError, events, pipeline, step
from zencache.owner import Owner
from zencache.stores import _artifact_store
from zencache.testing import capture_events

CALLS = (
    "chmod",
    "fsync",
    "listdir",
    "lstat",
    "mkdir",
    "open",
    "rename",
    "replace",
    "rmdir",
    "scandir",
    "stat",
    "unlink",
    "utime",
)


@step
def first(
    note: str = "x" * 5000,
) -> np.ndarray:  # longer than MLMD holds, so that it lies in the artifact store
    return np.arange(3)


@step
def second(values: np.ndarray) -> int:
    return int(values.sum())


@pipeline
def two():
    second(values=first())


def repository(project, number):
    """As a new process would open it, on folders of its own."""
    _artifact_store.cache_clear()
    return Repository(metadata=project / f"metadata-{number}.db", artifacts=project / f"artifacts-{number}")


def failing_once(patch, folder, at):
    """The ``at``-th of CALLS on a path below a folder fails; the list that is returned grows with each."""
    made, lock = [], threading.RLock()

    def wrapped(name, real):
        def call(*args, **options):
            if any(isinstance(arg, str | Path) and str(arg).startswith(str(folder)) for arg in args):
                with lock:
                    made.append(name)
                    if len(made) == at:
                        raise OSError(errno.EIO, "the disk failed on purpose")
            return real(*args, **options)

        return call

    for name in CALLS:
        patch.setattr(os, name, wrapped(name, getattr(os, name)))
    return made


def executed(repository):
    with capture_events() as happened:
        run = two().run(repository=repository)
    assert run.steps["second"].output.read() == 3
    return [event.step for event in happened if isinstance(event, events.WillExecute)]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("state", ["cold", "warm", "made again"])
def test_any_call_may_fail_once(project, state):
    at, calls = 0, 1
    while at <= calls:  # the first time nothing fails
        artifacts = project / f"artifacts-{at}"
        if state != "cold":
            two().run(repository=repository(project, at))
        with pytest.MonkeyPatch.context() as patch:
            opened = repository(project, at)
            made = failing_once(patch, artifacts, at)
            with suppress(ZencacheError):
                two().run(repository=opened, refresh=state == "made again")
        if at == 0:
            calls = len(made)
            assert calls > 5
        fresh = repository(project, at)
        executed(fresh)
        assert executed(fresh) == [], (at, made[at - 1])
        assert unsound_objects(artifacts) == [], (at, made[at - 1])
        if files_in_staging(artifacts):  # the cleaning up failed: others do it once this process has ended
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Owner, "is_dead", True)
                executed(fresh)
            assert files_in_staging(artifacts) == [], (at, made[at - 1])
        at += 1
