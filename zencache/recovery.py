"""Clearing what dead processes left: RUNNING executions become CANCELED, their staging folders go.

A run whose steps execute leaves a note beside its process's staging folder, ``staging/<owner>/<run>.run``,
writes it again as long as it lives, and takes it away when it ends. A note of a process that is certainly
dead is worked off by the next run, whichever pipeline that is of. So is one of another machine that nobody
has written for a while: its process may still live, and then finds its folder gone, and records its own end.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import uuid
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, unquote

from zencache import events, tenant
from zencache.artifact_store import ArtifactStore
from zencache.exceptions import ArtifactStoreError, ZencacheError
from zencache.metadata import MetadataStore
from zencache.owner import Owner, this_process

logger = logging.getLogger("zencache")

_STAGING = "staging"
NOTE = ".run"
_EXPIRIES = 5  # of its leases, after which a process of another machine is taken for dead


class RunNote:
    """The note of one run of this process, so that others clear what the run leaves if the process dies.

    Args:
        expiry: seconds after which the note is written again.
    """

    def __init__(self, artifacts: ArtifactStore, metadata: MetadataStore, run: str, expiry: float) -> None:
        self._artifacts = artifacts
        self._metadata = metadata
        self._run = run
        self._expiry = expiry
        self._pulse: _Pulse | None = None

    def leave(self) -> None:
        """Before the first body of the run starts; once it is there, nothing happens."""
        if self._pulse is not None:
            return
        tenant.sign(self._artifacts, self._metadata)
        note = json.dumps({"run": self._run, "metadata": self._metadata.url, "expiry": self._expiry})
        pulse = _Pulse(self._artifacts, _note_path(self._run), note.encode(), self._expiry)
        pulse.start()
        self._pulse = pulse

    def fall_silent(self) -> None:
        """The run is over, and perhaps not recorded: then the note stays."""
        if self._pulse is not None:
            self._pulse.stop()

    def take_away(self) -> None:
        """The run has ended, and is recorded. A note that stays does no harm."""
        if self._pulse is None:
            return
        self._pulse.stop()
        self._pulse = None
        try:
            self._artifacts.remove(_note_path(self._run))
        except ArtifactStoreError as error:
            logger.debug("The note of a run could not be removed: %s", error.message)


class _Pulse:
    """Writes a file again and again. It does not refer to the metadata store, which would stay open."""

    def __init__(self, artifacts: ArtifactStore, path: str, payload: bytes, interval: float) -> None:
        self._artifacts = artifacts
        self._path = path
        self._payload = payload
        self._interval = interval
        self._ended = threading.Event()
        self._writing = threading.Lock()

    def start(self) -> None:
        self._artifacts.write_file(self._path, self._payload)
        threading.Thread(target=self._run, name="zencache-note", daemon=True).start()

    def stop(self) -> None:
        """It is not written any more, once this has returned."""
        self._ended.set()
        with self._writing:
            pass

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            with self._writing:
                if self._ended.is_set():
                    return
                try:
                    self._artifacts.write_file(self._path, self._payload)
                except ZencacheError as error:  # who takes this process for dead does no harm
                    logger.debug("The note of a run could not be written again: %s", error.message)


@dataclass(frozen=True, slots=True)
class _Note:
    """What a note says; a run of None if it cannot be read."""

    run: str | None
    metadata: str = ""
    expiry: float | None = None


class Sweep:
    """One look at the processes that have left something in an artifact store."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def owners(self) -> list[tuple[str, Owner]]:
        """The processes, with the names of their folders."""
        parsed = [(name, Owner.parse(name)) for name in self._artifacts.names(_STAGING)]
        return [(name, owner) for name, owner in parsed if owner is not None]

    def death(self, owner: Owner) -> str:
        """Why a process is taken for dead, or empty. One on this machine is so only if it is certain."""
        if owner.is_here:
            return "its process has died" if owner.is_dead else ""
        silence = self.silence(owner)
        if silence is None or silence[0] <= silence[1]:
            return ""
        return f"nothing has been heard of it for {silence[0]:.0f}s"

    def silence(self, owner: Owner) -> tuple[float, float] | None:
        """Seconds since a process has written a note, and how many it may; None if it has none that tells.

        By the clock of the artifact store alone, which this very look is written to.
        """
        folder = f"{_STAGING}/{owner}"
        heard, patience = 0.0, 0.0
        for entry in self.notes(owner):
            expiry = _read_note(self._artifacts, f"{folder}/{entry}").expiry
            if expiry is not None:
                heard = max(heard, self._artifacts.changed(f"{folder}/{entry}"))
                patience = max(patience, _EXPIRIES * expiry)
        return (self._now - heard, patience) if heard else None

    def notes(self, owner: Owner) -> list[str]:
        """Those of the runs of a process that are on their way, or were when it died."""
        return [entry for entry in self._artifacts.names(f"{_STAGING}/{owner}") if entry.endswith(NOTE)]

    @cached_property
    def _now(self) -> float:
        path = f"{_STAGING}/{this_process()}/{uuid.uuid4().hex}"
        self._artifacts.write_file(path, b"now")
        try:
            return self._artifacts.changed(path)
        finally:
            self._artifacts.remove(path)


def clear_dead_runs(artifacts: ArtifactStore, metadata: MetadataStore, run: str) -> None:
    """Work off the notes and staging folders of processes that are taken for dead."""
    sweep = Sweep(artifacts)
    for name, owner in sweep.owners():
        if sweep.death(owner):
            _clear(artifacts, metadata, f"{_STAGING}/{name}", run)


def _clear(artifacts: ArtifactStore, metadata: MetadataStore, folder: str, run: str) -> None:
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
    note = _read_note(artifacts, path)
    if note.run is not None:
        if note.metadata != metadata.url:
            return False
        canceled = metadata.cancel_run(note.run)
        events.emit(events.DidClearRun(run, note.run, canceled))
    artifacts.remove(path)
    return True


def _read_note(artifacts: ArtifactStore, path: str) -> _Note:
    try:
        note = json.loads(artifacts.read_file(path))
        run, metadata, expiry = note["run"], note["metadata"], note.get("expiry")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _Note(None)
    if not isinstance(run, str):
        return _Note(None)
    is_told = isinstance(expiry, int | float) and math.isfinite(expiry) and expiry > 0
    return _Note(run, metadata, expiry if is_told else None)


def _note_path(run: str) -> str:
    return f"{_STAGING}/{this_process()}/{quote(run, safe='')}{NOTE}"
