"""Clearing what dead processes left: RUNNING executions become CANCELED, their staging folders go.

A run whose steps execute leaves a note beside its process's staging folder,
``staging/<owner>/<run>.run``, and takes it away when it ends. A note of a process that is certainly
dead is worked off by the next run, whichever pipeline that is of.
"""

from __future__ import annotations

import json
from urllib.parse import quote, unquote

from zencache import events, tenant
from zencache.artifact_store import ArtifactStore
from zencache.metadata import MetadataStore
from zencache.owner import Owner, this_process

_STAGING = "staging"
NOTE = ".run"


class RunNote:
    """The note of one run of this process, so that others clear what the run leaves if the process dies."""

    def __init__(self, artifacts: ArtifactStore, metadata: MetadataStore, run: str) -> None:
        self._artifacts = artifacts
        self._metadata = metadata
        self._run = run
        self._is_left = False

    def leave(self) -> None:
        """Before the first body of the run starts; once it is there, nothing happens."""
        if self._is_left:
            return
        tenant.sign(self._artifacts, self._metadata)
        note = json.dumps({"run": self._run, "metadata": self._metadata.url})
        self._artifacts.write_file(_note_path(self._run), note.encode())
        self._is_left = True

    def take_away(self) -> None:
        """The run has ended, and is recorded."""
        if self._is_left:
            self._artifacts.remove(_note_path(self._run))
            self._is_left = False


def clear_dead_runs(artifacts: ArtifactStore, metadata: MetadataStore, run: str) -> None:
    """Work off the notes and staging folders of processes that are certainly dead."""
    for name in artifacts.names(_STAGING):
        owner = Owner.parse(name)
        if owner is None or not owner.is_dead:
            continue
        folder = f"{_STAGING}/{name}"
        others = 0
        for entry in artifacts.names(folder):
            if not entry.endswith(NOTE):
                artifacts.remove(f"{folder}/{entry}")
            elif not _work_off(artifacts, metadata, f"{folder}/{entry}", run):
                others += 1
        if not others:
            artifacts.remove(folder)


def noted_runs(artifacts: ArtifactStore) -> set[str]:
    """The names of the runs of which a process has left a note."""
    return {
        unquote(entry.removesuffix(NOTE))
        for name in artifacts.names(_STAGING)
        for entry in artifacts.names(f"{_STAGING}/{name}")
        if entry.endswith(NOTE)
    }


def _work_off(artifacts: ArtifactStore, metadata: MetadataStore, path: str, run: str) -> bool:
    """Whether a note is done with; one about another metadata store is for its own runs."""
    try:
        note = json.loads(artifacts.read_file(path))
        dead_run, its_metadata = note["run"], note["metadata"]
        if not isinstance(dead_run, str):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        dead_run, its_metadata = None, metadata.url
    if its_metadata != metadata.url:
        return False
    if dead_run is not None:
        canceled = metadata.cancel_run(dead_run)
        events.emit(events.DidClearRun(run, dead_run, canceled))
    artifacts.remove(path)
    return True


def _note_path(run: str) -> str:
    return f"{_STAGING}/{this_process()}/{quote(run, safe='')}{NOTE}"
