"""Look-up and record: the two verbs on cache entries."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from zencache import artifact_value, transfer
from zencache.artifact_store import ArtifactStore
from zencache.entity import Artifact, CacheEntry, Decision, Outcome, Quarantine
from zencache.exceptions import ArtifactDamaged, ArtifactMissing, ArtifactUnusable
from zencache.metadata import MetadataStore
from zencache.owner import Owner
from zencache.policy import Level, Reason
from zencache.signing import entry_problem
from zencache.taint import Taint

_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (ArtifactMissing, Reason.ARTIFACT_MISSING),
    (ArtifactDamaged, Reason.ARTIFACT_DAMAGED),
)


class Cache:
    """The entries of a metadata store whose bytes lie in an artifact store, as one run sees them."""

    def __init__(
        self,
        metadata: MetadataStore,
        artifacts: ArtifactStore,
        *,
        read_only: bool = False,
        read_from: Cache | None = None,
    ):
        """A cache; what ``read_from``, that of others, has and this one does not is brought here."""
        self._metadata = metadata
        self._artifacts = artifacts
        self._read_only = read_only
        self._read_from = read_from
        self._unasked: set[str] = set()
        self._ahead: dict[str, CacheEntry] = {}
        self._refused: dict[int, Reason] = {}  # artifacts that this run could not use
        self._taint = Taint(metadata, read_only=read_only)

    def ask_ahead(self, cache_keys: Iterable[str], *, nodes: Iterable[str] = ()) -> None:
        """Fetch the entries of keys that will probably be asked for, all in one batch.

        A key counts only when it is computed and equal, so a wrong guess costs nothing but its row.

        Args:
            nodes: names of node contexts that will be written to, found in the same call.
        """
        wanted = set(cache_keys) - {""}
        self._ahead.update(self._metadata.read.entries(sorted(wanted), nodes=nodes))
        self._unasked |= wanted - self._ahead.keys()

    def lookup(
        self,
        cache_key: str,
        level: Level,
        *,
        inputs: Collection[Artifact] = (),
        expires_in: timedelta | None = None,
        classes: Mapping[str, Iterable[Any]] | None = None,
    ) -> Decision:
        """Whether a step with this key can be skipped: its newest entry whose artifacts are all there.

        Args:
            cache_key: the key of the step in this run.
            level: who turned the cache on; the decision carries it.
            inputs: what the step takes; if one of them is tainted, it runs whatever its key is.
            expires_in: age from which on an entry is not used.
            classes: by output, those that the step declares and that therefore need not be found by name.
        """
        quarantine = self._taint.of(inputs)
        if quarantine is not None:
            return Decision(Outcome.MISS, Reason.QUARANTINED, level, detail=f"an input: {quarantine.reason}")
        known = classes or {}
        decision = self._lookup_here(cache_key, level, expires_in, known)
        if decision.is_hit or self._read_from is None:
            return decision
        return self._lookup_there(self._read_from, cache_key, decision, expires_in, known)

    def _lookup_here(
        self,
        cache_key: str,
        level: Level,
        expires_in: timedelta | None,
        known: Mapping[str, Iterable[Any]],
    ) -> Decision:
        entry = self._ahead.get(cache_key) or self._metadata.read.entries([cache_key]).get(cache_key)
        if entry is None:
            return Decision(Outcome.MISS, Reason.NO_ENTRY, level)
        problem = self._problem(entry, expires_in, known)
        if problem is None:
            return Decision(Outcome.HIT, Reason.SAME_KEY, level, entry)
        self._ahead.pop(cache_key, None)
        for older in self._metadata.read.all_entries(cache_key):
            if older.execution_id != entry.execution_id and not self._problem(older, expires_in, known):
                return Decision(Outcome.HIT, Reason.SAME_KEY, level, older)
        return Decision(Outcome.MISS, problem[0], level, detail=problem[1])

    def _lookup_there(
        self,
        others: Cache,
        cache_key: str,
        missed: Decision,
        expires_in: timedelta | None,
        known: Mapping[str, Iterable[Any]],
    ) -> Decision:
        """What others have is brought here, bytes first, and then looked up as one's own."""
        if self._unasked:
            others.ask_ahead(self._unasked)
            self._unasked.clear()
        found = others.lookup(cache_key, missed.level, expires_in=expires_in, classes=known)
        if found.entry is None:
            is_told = missed.reason is Reason.NO_ENTRY and found.reason is not Reason.NO_ENTRY
            return found.with_detail(f"in {others._metadata.url}") if is_told else missed
        if self._read_only:  # the ids of their artifacts mean something else here
            outputs = {name: replace(artifact, id=0) for name, artifact in found.entry.outputs.items()}
            entry = replace(found.entry, outputs=outputs)
            return replace(found, entry=entry).with_detail(f"from {others._metadata.url}")
        try:
            places = (others._metadata, others._artifacts), (self._metadata, self._artifacts)
            transfer.bring(*places, [found.entry.execution_id])
        except ArtifactUnusable as error:
            seen = Decision(Outcome.MISS, reason_of(error), missed.level, detail=error.message)
            return seen.with_detail(f"in {others._metadata.url}")
        self._ahead.pop(cache_key, None)
        for id_, reason in list(self._refused.items()):
            if reason is not Reason.CANNOT_LOAD:  # its bytes may be here again, and are looked at
                del self._refused[id_]
        here = self._lookup_here(cache_key, missed.level, expires_in, known)
        return here.with_detail(f"brought from {others._metadata.url}") if here.is_hit else here

    def record(self, entry: CacheEntry) -> None:
        """Remember an entry that this run has made, for its further nodes with the same key."""
        self._ahead[entry.cache_key] = entry

    def forget(self, artifacts: Collection[int]) -> None:
        """What was read of some artifacts, by id, does not hold any more: the next look-up reads it anew."""
        for key in [k for k, e in self._ahead.items() if any(a.id in artifacts for a in e.outputs.values())]:
            del self._ahead[key]

    def restore(self, artifacts: Iterable[Artifact]) -> None:
        """What was removed and has been made again is live again: the same bytes lie at its address."""
        for artifact in artifacts:
            for one in self._metadata.read.artifacts_by_uri(artifact.uri):
                if one.state == "DELETED" and one.tombstone is not None and one.object == artifact.object:
                    self._metadata.mark_artifact(one, "LIVE")

    def spread(self, inputs: Iterable[Artifact], outputs: Iterable[Artifact]) -> Quarantine | None:
        """Note what a step of this run made of what it took: of tainted inputs, tainted outputs.

        Returns:
            The quarantine of the content that was made, if that is bad content made anew.
        """
        return self._taint.spread(inputs, outputs)

    def invalidate(self, artifact: Artifact, error: Exception) -> None:
        """The bytes of an artifact cannot be used: no look-up shall find it again.

        Damaged bytes are moved aside, so that the same content can be published in their place. An
        artifact whose bytes are right but which cannot be loaded here stays for those who can.
        """
        self.forget([artifact.id])
        self._refused[artifact.id] = reason_of(error)
        if self._read_only or not isinstance(error, ArtifactUnusable):
            return
        if isinstance(error, ArtifactDamaged):
            self._artifacts.set_aside(artifact.object)
        if artifact.id and not artifact.is_lost and artifact.tombstone is None:
            self._metadata.mark_artifact(artifact, "DELETED", is_lost=True)

    def _problem(
        self, entry: CacheEntry, expires_in: timedelta | None, classes: Mapping[str, Iterable[Any]]
    ) -> tuple[Reason, str] | None:
        """Why an entry cannot be used, or None. Nothing but sizes is read here."""
        age = timedelta(seconds=time.time() - entry.finished)
        if expires_in is not None and age >= expires_in:
            return Reason.EXPIRED, f"it is {age} old, and holds for {expires_in}"
        unsigned = entry_problem(self._metadata.trust, entry)
        if unsigned:
            return Reason.NOT_SIGNED, unsigned
        lost = next((name for name in classes if name not in entry.outputs), None)
        if lost is not None:
            return Reason.ARTIFACT_MISSING, f"output `{lost}` is not recorded"
        for name, artifact in entry.outputs.items():
            quarantine = self._taint.of([artifact])
            if quarantine is not None:
                return Reason.QUARANTINED, f"output `{name}`: {quarantine.reason}"
            if artifact.id in self._refused:
                return self._refused[artifact.id], f"output `{name}` could not be used in this run"
            if artifact.tombstone is not None:
                if not self._is_back(artifact):
                    return Reason.ARTIFACT_REMOVED, f"output `{name}` was {artifact.tombstone}"
            elif artifact.state != "LIVE" and not artifact.is_lost:
                return Reason.ARTIFACT_MISSING, f"output `{name}` is {artifact.state} in the metadata store"
            if artifact.is_external:
                continue  # its bytes are its owner's, and what they are now is part of the key
            try:
                self._artifacts.verify(artifact.object)
            except ArtifactUnusable as error:
                self.invalidate(artifact, error)
                return reason_of(error), f"output `{name}`: {error.message}"
            if artifact.state != "LIVE" and not self._read_only:
                self._metadata.mark_artifact(artifact, "LIVE")  # its bytes are back
            lost = artifact_value.lost_class(artifact, classes.get(name, ()))
            if lost is not None:
                return Reason.CANNOT_LOAD, f"output `{name}`: `{lost}` is not there any more"
        return None

    def _is_back(self, artifact: Artifact) -> bool:
        """Whether the bytes of an artifact that was removed on purpose are there, and stay.

        While it is marked, its bytes may go at any moment, unless whoever marked it is certainly dead.
        """
        assert artifact.tombstone is not None
        owner = Owner.parse(artifact.tombstone.owner)
        if artifact.state != "DELETED" and (owner is None or not owner.is_dead):
            return False
        try:
            self._artifacts.verify(artifact.object)
        except ArtifactUnusable:
            return False
        return True


def reason_of(error: Exception) -> Reason:
    """The reason that stands for what was found when an artifact was opened or loaded."""
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return Reason.CANNOT_LOAD
