"""What crashes and hands have left in the stores: found, told in one line each, and mended when asked to."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path

from zencache import recovery, tenant
from zencache.artifact_store import ArtifactStore
from zencache.cache import Cache
from zencache.digest import Digest
from zencache.entity import Artifact, Status
from zencache.exceptions import ArtifactDamaged, ArtifactUnusable, ZencacheError
from zencache.metadata import Survey
from zencache.owner import Owner
from zencache.project import Project
from zencache.quantity import parse_age
from zencache.removal import dead_removals, finish_dead_removals
from zencache.settings import FOLDER

_MEMORIES = ("files.json", "sources.jsonl")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Args:
        what: in words.
        where: the run, execution, artifact, object or file.
        mending: what mending does, or did.
        is_mended: whether that was done.
        error: why it could not be done; empty as a rule.
    """

    what: str
    where: str
    mending: str
    is_mended: bool = False
    error: str = ""

    def __str__(self) -> str:
        done = f"could not be mended: {self.error}" if self.error else self.mending
        return f"{self.what}: {self.where} -> {'mended: ' if self.is_mended else ''}{done}"


_Found = Iterator[tuple[Finding, Callable[[], object]]]


def examine(
    *, mend: bool = False, deep: bool = False, grace: timedelta | str = "1h", project: Project
) -> list[Finding]:
    """Look for what is wrong in both stores and in the project's folder.

    Args:
        mend: whether to mend it as well. No bytes that a recorded artifact may be made of are lost.
        deep: read every byte of every object, not only sizes.
        grace: what is younger than this and may belong to a running run is left alone.

    Raises:
        ConfigurationError: ``grace`` is no length of time.
        MetadataStoreError, ArtifactStoreError: a store cannot be read at all.
    """
    examination = _Examination(project, deep, parse_age("grace", grace).total_seconds())
    findings = []
    with project.stores.artifacts.alone("gc") if mend else nullcontext():
        for check in examination.checks():
            for finding, act in check():
                findings.append(_mended(finding, act) if mend and finding.mending else finding)
    return findings


def _mended(finding: Finding, act: Callable[[], object]) -> Finding:
    try:
        act()
    except (ZencacheError, OSError, sqlite3.Error) as error:
        return replace(finding, error=str(error).splitlines()[0])
    return replace(finding, is_mended=True)


class _Examination:
    def __init__(self, project: Project, deep: bool, grace: float):
        self._project = project
        self._metadata = project.stores.metadata
        self._artifacts: ArtifactStore = project.stores.artifacts
        self._deep = deep
        self._before = time.time() - grace

    @cached_property
    def _survey(self) -> Survey:
        """As it was after what dead processes left was mended."""
        return self._metadata.read.survey()

    def checks(self) -> Iterator[Callable[[], _Found]]:
        """Each check, in the order in which they do not hide each other's findings."""
        yield self._memories
        yield self._journal
        if not self._metadata.exists:
            return
        yield self._dead_processes
        yield self._runs_left
        yield self._leases
        yield self._dead_removals
        yield self._pointers
        yield self._set_aside  # before what this examination sets aside itself
        yield self._bytes
        yield self._texts
        yield self._orphans

    def _memories(self) -> _Found:
        """What the project remembers of files and sources."""
        for name in _MEMORIES:
            file = self._project.root / FOLDER / name
            problem = _unreadable(file)
            if problem:
                what = f"A memory file is damaged ({problem})"
                yield Finding(what, str(file), "delete it: it is made anew"), file.unlink

    def _journal(self) -> _Found:
        url = self._metadata.url
        try:
            mode = self._metadata.journal_mode()
        except sqlite3.Error as error:
            yield Finding(f"The database cannot be opened ({error})", url, ""), _nothing
            return
        if mode not in ("", "wal"):
            what = f"The database is in {mode} mode, so that readers and writers wait for each other"
            yield Finding(what, url, "switch to WAL"), partial(self._metadata.journal_mode, "wal")

    def _dead_processes(self) -> _Found:
        """Notes and staging folders of processes that are taken for dead, and folders of nobody."""
        sweep = recovery.Sweep(self._artifacts)
        owners = dict(sweep.owners())
        clear = partial(recovery.clear_dead_runs, self._artifacts, self._metadata, "")
        is_any_running = False
        for name, owner in owners.items():
            death, notes = sweep.death(owner), sweep.notes(owner)
            where = f"staging/{name}"
            if death and self._artifacts.names(where):  # an empty folder is what a run leaves that ended well
                what = "A process died" if owner.is_here else "A process on another machine is silent"
                runs = f" with {len(notes)} run(s)" if notes else ""
                yield (
                    Finding(f"{what}{runs}", where, "cancel what it left running, clear its staging"),
                    clear,
                )
            is_any_running |= bool(notes) and not death
        for name in self._artifacts.names("staging"):
            folder = f"staging/{name}"
            if self._artifacts.changed(folder) >= self._before:
                continue
            if name not in owners:
                yield (
                    Finding("Nobody's staging folder", folder, "delete it"),
                    partial(self._artifacts.remove, folder),
                )
            elif not owners[name].is_here and not is_any_running and not sweep.notes(owners[name]):
                # Of a worker, perhaps: it may be alive as long as any run is.
                what = "A staging folder of a process on another machine, and no run is on its way"
                yield Finding(what, folder, "delete it"), partial(self._artifacts.remove, folder)

    def _runs_left(self) -> _Found:
        """Runs and executions that nobody will end any more."""
        survey = self._survey
        noted = recovery.noted_runs(self._artifacts)
        for run in survey.runs.values():
            is_old = run.started.timestamp() < self._before
            if run.status is Status.RUNNING and is_old and run.name not in noted and run.pipeline:
                what = "A run is said to be running, and no process runs it"
                yield Finding(what, run.name, "cancel it"), partial(self._metadata.cancel_run, run.name)
        for id_, use in survey.uses.items():
            run_of = survey.runs.get(use.run)
            ended = run_of is not None and run_of.status is not Status.RUNNING
            is_left = use.status is Status.RUNNING and bool(use.run) and use.when < self._before
            if is_left and (ended or run_of is None):
                where = f"execution {id_}, {use.node} in {use.run}"
                finding = Finding("A step is said to be running in a run that has ended", where, "cancel it")
                yield finding, partial(self._metadata.cancel_executions, [id_])

    def _leases(self) -> _Found:
        """Leases that nobody will end: runs take them over by themselves, after a wait at most."""
        leases = self._metadata.leases
        for lease in leases.unreadable():
            where = f"generation {lease.generation} of {lease.cache_key}"
            finding = Finding("A lease cannot be read", where, "let it say that nobody holds it")
            yield finding, partial(leases.retire, lease)
        for lease in leases.held():
            owner, run = Owner.parse(lease.owner), self._metadata.read.run(lease.run)
            has_died = owner is not None and owner.is_dead
            if has_died or owner is None or run is None or run.status is not Status.RUNNING:
                what = "A process that has died" if has_died else "A run that is not running"
                finding = Finding(f"{what} holds the lease of a cache key", lease.cache_key, "end it")
                yield finding, partial(leases.release, lease)

    def _dead_removals(self) -> _Found:
        survey = self._survey
        marked = dead_removals(survey)
        if marked:
            where = "artifacts " + ", ".join(str(one.id) for one in marked[:20])
            finding = Finding(
                "A removal of bytes ended in the middle",
                where,
                "live again where bytes are there, else deleted",
            )
            yield finding, partial(finish_dead_removals, survey, self._project)

    def _pointers(self) -> _Found:
        survey = self._survey
        complete = [id_ for id_, use in survey.uses.items() if use.status is Status.COMPLETED]
        for key in self._metadata.wrong_pointers(complete):
            finding = Finding(
                "A cache key points to no complete execution", key, "point it to its newest complete one"
            )
            yield finding, partial(self._metadata.repoint, key)

    def _bytes(self) -> _Found:
        """Records without objects: gone, of wrong size, changed by hand; and the other way round."""
        seen: dict[Digest, ArtifactUnusable | None] = {}
        made_again = {one.object for one in self._survey.artifacts.values() if one.state == "LIVE"}
        for artifact in self._survey.artifacts.values():
            if not artifact.digest or artifact.is_external or artifact.state not in ("LIVE", "DELETED"):
                continue
            if artifact.object not in seen:
                seen[artifact.object] = self._problem(artifact, deep=self._deep and artifact.state == "LIVE")
            problem = seen[artifact.object]
            where = f"artifact {artifact.id}, {self._artifacts.uri(artifact.object)}"
            if artifact.state == "LIVE" and problem is not None:
                what = "damaged" if isinstance(problem, ArtifactDamaged) else "missing"
                detail = problem.message.partition(": ")[2].rstrip(".")
                aside = ", set them aside" if what == "damaged" else ""
                finding = Finding(
                    f"The bytes of an artifact are {what} ({detail})",
                    where,
                    f"mark it, so that its step runs again{aside}",
                )
                yield finding, partial(self._cache().invalidate, artifact, problem)
            elif artifact.state == "DELETED" and problem is None:
                if not artifact.is_lost and (artifact.tombstone is None or artifact.object in made_again):
                    continue
                finding = Finding("The bytes of a deleted artifact are there again", where, "mark it live")
                yield finding, partial(self._metadata.mark_artifact, artifact, "LIVE")

    def _problem(self, artifact: Artifact, *, deep: bool) -> ArtifactUnusable | None:
        try:
            if deep:
                self._artifacts.open(artifact.object)
            else:
                self._artifacts.verify(artifact.object)
        except ArtifactUnusable as error:
            return error
        return None

    def _cache(self) -> Cache:
        return Cache(self._metadata, self._artifacts)

    def _texts(self) -> _Found:
        """Texts that the metadata store refers to and that cannot be read."""
        for reference in sorted(self._survey.records):
            try:
                self._artifacts.read_record(reference)
            except ArtifactUnusable as error:
                what = f"{error.message.rstrip('.')}: a text that is too long for MLMD"
                yield Finding(what, reference, ""), _nothing

    def _orphans(self) -> _Found:
        """Objects without records, unless another metadata store may know them."""
        others = tenant.others(self._artifacts, self._metadata)
        survey = self._survey
        known = {self._artifacts.uri(a.object) for a in survey.artifacts.values() if a.object.hash}
        root = self._artifacts.uri(Digest("blake3:" + "0" * 64, 0)).rpartition("/objects/")[0]
        for folder in self._artifacts.names("objects"):
            for name in self._artifacts.names(f"objects/{folder}"):
                path = f"objects/{folder}/{name}"
                if f"{root}/{path}" in known or self._artifacts.changed(path) >= self._before:
                    continue
                mending = "" if others else "delete it"
                what = "An object that no artifact refers to"
                if others:
                    what += f" here; perhaps one of {others[0]} does"
                yield (
                    Finding(what, path, mending),
                    partial(self._artifacts.remove, path),
                )

    def _set_aside(self) -> _Found:
        for name in self._artifacts.names("damaged"):
            path = f"damaged/{name}"
            if self._artifacts.changed(path) < self._before:
                yield (
                    Finding("A damaged object was set aside", path, "delete it"),
                    partial(self._artifacts.remove, path),
                )


def _nothing() -> None:
    """Where there is nothing to mend with."""


def _unreadable(file: Path) -> str:
    """What is wrong with a file of JSON, or of JSON lines; empty if nothing is, or there is none."""
    try:
        text = file.read_text(encoding="utf-8")
        for line in text.splitlines() if file.suffix == ".jsonl" else [text]:
            json.loads(line)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return str(error).splitlines()[0]
    return ""
