"""Garbage collection: which bytes may go by age, count and size, and what keeps the others."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from zencache import recovery, tenant
from zencache.digest import Digest
from zencache.entity import Artifact, Pin, Status
from zencache.exceptions import ConfigurationError
from zencache.metadata import Survey, Use
from zencache.pin import pinned, pins
from zencache.project import Project
from zencache.quantity import counted, parse_age, parse_bytes, parse_count, show_age, show_bytes
from zencache.removal import Doomed, finish_dead_removals, remove

_RECORDS = "records"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a garbage collection is asked for; an object goes if one of the first three says so.

    Args:
        older_than: age since the last use: since a run made it, took it or was given it by the cache.
        max_count: objects that may stay at most; those that were used longest ago go.
        max_bytes: bytes that may stay at most, of all objects together.
        keep_last: completed runs of each pipeline whose artifacts stay, with everything newer than them.
            Without one of the first three, everything else goes.
        pipeline, step: names; only what no other pipeline used, or no other step made, may go.
        grace: an object that was written so short a time ago stays, since a run may be about to record it.
    """

    older_than: timedelta | None = None
    max_count: int | None = None
    max_bytes: int | None = None
    keep_last: int | None = None
    pipeline: str | None = None
    step: str | None = None
    grace: timedelta = timedelta(hours=1)

    @property
    def is_bounded(self) -> bool:
        """Whether age, count or size say what goes; else all does that the last runs do not keep."""
        return not (self.older_than is None and self.max_count is None and self.max_bytes is None)

    @classmethod
    def parse(
        cls,
        older_than: timedelta | str | None,
        max_count: int | None,
        max_bytes: int | str | None,
        keep_last: int | None,
        pipeline: str | None,
        step: str | None,
        grace: timedelta | str,
    ) -> Limits:
        """Raises ConfigurationError for what makes no sense."""
        return cls(
            None if older_than is None else parse_age("older_than", older_than),
            None if max_count is None else parse_count("max_count", max_count),
            None if max_bytes is None else parse_bytes("max_bytes", max_bytes),
            None if keep_last is None else parse_count("keep_last", keep_last),
            pipeline,
            step,
            parse_age("grace", grace),
        )


@dataclass(frozen=True, slots=True)
class Holding:
    """An object in the artifact store, and who has to do with it.

    Args:
        object: digest and size of its bytes.
        artifacts: those that refer to it and have not been removed, oldest first.
        last_used: seconds since the epoch.
        pipelines: names of the pipelines whose runs used it.
        steps: names of the steps that made it.
        protection: why it must stay; empty if nothing says so.
    """

    object: Digest
    artifacts: tuple[Artifact, ...]
    last_used: float
    pipelines: frozenset[str]
    steps: frozenset[str]
    protection: str = ""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a garbage collection does with one object.

    Args:
        digest: of its bytes.
        artifacts: ids in the metadata store.
        size: bytes; if it was removed, those that this freed.
        why: why it goes, or stays.
    """

    digest: str
    artifacts: tuple[int, ...]
    size: int
    why: str


@dataclass(frozen=True, slots=True)
class GcReport:
    """What a garbage collection removed, or would remove, and what it keeps and why.

    Args:
        is_dry_run: whether nothing was changed.
        removed: the objects, those that were used longest ago first.
        kept: the others.
        records: how many texts nothing refers to any more were removed, or would be.
        freed: bytes, texts included.
        shared_with: other metadata stores whose runs write to the artifact store. What they refer to is
            not known here: an object that they share with this one may go, and texts are left alone.
    """

    is_dry_run: bool
    removed: tuple[Collected, ...]
    kept: tuple[Collected, ...]
    records: int
    freed: int
    shared_with: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the objects that stay."""
        return sum(one.size for one in self.kept)

    def __str__(self) -> str:
        would = "would be removed" if self.is_dry_run else "removed"
        gone = counted(len(self.removed), "object")
        return f"{gone} {would}, {show_bytes(self.freed)}; {len(self.kept)} stay."


def gc(limits: Limits, *, dry_run: bool, project: Project) -> GcReport:
    """Remove the bytes of what exceeds some limits and what nothing protects; lineage stays.

    Raises:
        ConfigurationError: there is nothing that it shall do.
        ArtifactStoreError: bytes could not be deleted; what was deleted until then is recorded.
    """
    if not limits.is_bounded and limits.keep_last is None:
        raise ConfigurationError(
            "A garbage collection needs to know what may go.",
            hint="Say how old, how many or how large: older_than, max_count, max_bytes or keep_last "
            "(on the command line --older-than and so on).",
        )
    if dry_run:
        return _Collection(limits, project).report()
    with project.stores.artifacts.alone("gc"):
        recovery.clear_dead_runs(project.stores.artifacts, project.stores.metadata, "")
        return _Collection(limits, project).carry_out()


def holdings(survey: Survey, held: Iterable[Pin] = (), *, keep_last: int | None = None) -> list[Holding]:
    """The objects that a metadata store refers to, those that were used longest ago first."""
    keepers = _Keepers(survey, held, keep_last)
    groups: dict[str, list[Artifact]] = {}
    for _, artifact in sorted(survey.artifacts.items()):
        is_gone = artifact.state == "DELETED" and artifact.tombstone is not None
        if artifact.digest and not artifact.is_external and not is_gone:
            groups.setdefault(artifact.object.hash, []).append(artifact)
    uses: dict[int, list[tuple[Use, bool]]] = {}
    for edge in survey.edges:
        uses.setdefault(edge.artifact_id, []).append((survey.uses[edge.execution_id], edge.is_output))
    found = []
    for group in groups.values():
        own = [use for artifact in group for use in uses.get(artifact.id, ())]
        times = [survey.created[artifact.id] for artifact in group] + [use.when for use, _ in own]
        runs = [survey.runs[use.run] for use, _ in own if use.run in survey.runs]
        holding = Holding(
            object=group[0].object,
            artifacts=tuple(group),
            last_used=max(times),
            pipelines=frozenset(run.pipeline for run in runs) or frozenset([""]),
            steps=frozenset(use.step for use, is_output in own if is_output) or frozenset([""]),
            protection=keepers.why(group, [use for use, _ in own]),
        )
        found.append(holding)
    return sorted(found, key=lambda one: (one.last_used, one.artifacts[0].id))


class _Keepers:
    """What protects artifacts: pins, runs that are running, and the last runs of each pipeline."""

    def __init__(self, survey: Survey, held: Iterable[Pin], keep_last: int | None):
        self._pinned = pinned(held, survey)
        self._running = {name for name, run in survey.runs.items() if run.status is Status.RUNNING}
        self._last = _last_runs(survey, keep_last) if keep_last else {}

    def why(self, artifacts: Iterable[Artifact], uses: Sequence[Use]) -> str:
        for artifact in artifacts:
            if artifact.id in self._pinned:
                return f"pinned: {self._pinned[artifact.id]}"
        for use in uses:
            if use.run in self._running or (not use.run and use.status is Status.RUNNING):
                return f"in use by {use.run or use.step}, which is running"
        for use in uses:
            if use.run in self._last:
                return self._last[use.run]
        return ""


def _last_runs(survey: Survey, keep_last: int) -> dict[str, str]:
    """Name of a run -> why it counts: the last completed runs of each pipeline, and all newer ones."""
    kept: dict[str, str] = {}
    completed: dict[str, int] = {}
    for name, run in reversed(list(survey.runs.items())):
        if completed.get(run.pipeline, 0) < keep_last:
            kept[name] = f"one of the last runs of {run.pipeline}: {name}"
            is_complete = run.status is Status.COMPLETED
            completed[run.pipeline] = completed.get(run.pipeline, 0) + is_complete
    return kept


class _Collection:
    """One garbage collection, of what a metadata store held when it began."""

    def __init__(self, limits: Limits, project: Project):
        self._limits = limits
        self._project = project
        self._now = time.time()
        self._before = self._now - limits.grace.total_seconds()
        metadata, self._artifacts = project.stores.metadata, project.stores.artifacts
        self._shared = tenant.others(self._artifacts, metadata)
        self._read = metadata.read
        self._survey = self._read.survey() if metadata.exists else Survey({}, {}, {}, {}, (), frozenset())
        self._pins = pins(project) if metadata.exists else []
        self._doomed: list[Doomed] = []
        self._kept: list[Collected] = []
        self._choose()

    def _choose(self) -> None:
        """Which objects shall go, and why the others stay."""
        limits = self._limits
        found = holdings(self._survey, self._pins, keep_last=limits.keep_last)
        count, size = len(found), sum(one.object.size for one in found)
        for one in found:
            age = self._now - one.last_used
            stays = one.protection or self._of_others(one)
            why = "" if stays else self._exceeded(age, count, size)
            if why:
                self._doomed.append(Doomed(one.object, one.artifacts, why))
                count, size = count - 1, size - one.object.size
            else:
                self._keep(one, stays or f"used {show_age(age)} ago")

    def _exceeded(self, age: float, count: int, size: int) -> str:
        limits = self._limits
        if limits.older_than is not None and age >= limits.older_than.total_seconds():
            return f"not used for {show_age(age)}"
        if limits.max_count is not None and count > limits.max_count:
            return f"more than {limits.max_count} objects; others were used later"
        if limits.max_bytes is not None and size > limits.max_bytes:
            return f"more than {show_bytes(limits.max_bytes)}; others were used later"
        if not limits.is_bounded and not limits.keep_last:
            return "nothing was to be kept"
        if not limits.is_bounded:
            return f"of none of the last {limits.keep_last} runs of a pipeline"
        return ""

    def _of_others(self, one: Holding) -> str:
        """Why the filters leave an object alone."""
        for name, wanted, found in (
            ("pipeline", self._limits.pipeline, one.pipelines),
            ("step", self._limits.step, one.steps),
        ):
            if wanted is not None and found != {wanted}:
                other = min(found - {wanted})
                return f"of {name} {other}" if other else f"of no {name}"
        return ""

    def _keep(self, one: Holding | Doomed, why: str) -> None:
        ids = tuple(artifact.id for artifact in one.artifacts)
        self._kept.append(Collected(one.object.hash, ids, one.object.size, why))

    def report(self) -> GcReport:
        """What would be removed; nothing is changed."""
        removed = []
        for one in self._doomed:
            state = self._artifacts.examine(one.object)
            if state is not None and state.changed >= self._before:
                self._keep(one, self._recent)
            else:
                removed.append(_collected(one, state.size if state else 0))
        records = self._unreferenced()
        freed = sum(one.size for one in removed) + sum(records.values())
        return GcReport(True, tuple(removed), tuple(self._kept), len(records), freed, self._shared)

    def carry_out(self) -> GcReport:
        """Remove what shall go."""
        done = remove(self._doomed, "gc", project=self._project, before=self._before, spared=self._used_since)
        for one in done:
            if one.kept:
                self._keep(one.doomed, one.kept)
        finish_dead_removals(self._survey, self._project)
        records = self._unreferenced()
        for path in records:
            self._artifacts.remove(path)
        removed = tuple(_collected(one.doomed, one.freed) for one in done if not one.kept)
        freed = sum(one.size for one in removed) + sum(records.values())
        return GcReport(False, removed, tuple(self._kept), len(records), freed, self._shared)

    @property
    def _recent(self) -> str:
        return f"written less than {show_age(self._limits.grace.total_seconds())} ago"

    def _used_since(self, batch: Sequence[Doomed]) -> dict[str, str]:
        """Object -> why it stays: it was used or pinned while this collection was choosing."""
        object_of = {artifact.id: one.object.hash for one in batch for artifact in one.artifacts}
        kept = {}
        for edge in self._read.edges_of_artifacts(object_of):
            if edge.execution_id not in self._survey.uses:
                kept[object_of[edge.artifact_id]] = "used just now"
        held = pins(self._project)
        if held != self._pins:
            found = pinned(held, self._survey)
            kept |= {object_of[id_]: f"pinned: {found[id_]}" for id_ in object_of if id_ in found}
        return kept

    def _unreferenced(self) -> Mapping[str, int]:
        """Path of each text that nothing refers to -> its bytes."""
        found: dict[str, int] = {}
        if self._shared:
            return found
        known = {reference.partition(":")[2] for reference in self._survey.records}
        for folder in self._artifacts.names(_RECORDS):
            for name in self._artifacts.names(f"{_RECORDS}/{folder}"):
                path = f"{_RECORDS}/{folder}/{name}"
                if name.removesuffix(".txt") not in known and self._artifacts.changed(path) < self._before:
                    found[path] = len(self._artifacts.read_file(path))
        return found


def _collected(one: Doomed, size: int) -> Collected:
    return Collected(one.object.hash, tuple(artifact.id for artifact in one.artifacts), size, one.why)
