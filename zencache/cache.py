"""Look-up and record: the two verbs on cache entries."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

from zencache import artifact_value
from zencache.artifact_store import ArtifactStore
from zencache.entity import Artifact, CacheEntry, Decision, Outcome, Quarantine
from zencache.exceptions import ArtifactDamaged, ArtifactMissing, ArtifactUnusable
from zencache.metadata import MetadataStore
from zencache.policy import Level, Reason
from zencache.taint import Taint

_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (ArtifactMissing, Reason.ARTIFACT_MISSING),
    (ArtifactDamaged, Reason.ARTIFACT_DAMAGED),
)


class Cache:
    """The entries of a metadata store whose bytes lie in an artifact store, as one run sees them."""

    def __init__(self, metadata: MetadataStore, artifacts: ArtifactStore, *, read_only: bool = False):
        self._metadata = metadata
        self._artifacts = artifacts
        self._read_only = read_only
        self._ahead: dict[str, CacheEntry] = {}
        self._refused: dict[int, Reason] = {}  # artifacts that this run could not use
        self._taint = Taint(metadata, read_only=read_only)

    def ask_ahead(self, cache_keys: Iterable[str]) -> None:
        """Fetch the entries of keys that will probably be asked for, all in one batch.

        A key counts only when it is computed and equal, so a wrong guess costs nothing but its row.
        """
        self._ahead.update(self._metadata.read.entries(sorted(set(cache_keys) - {""})))

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
        entry = self._ahead.get(cache_key) or self._metadata.read.entries([cache_key]).get(cache_key)
        if entry is None:
            return Decision(Outcome.MISS, Reason.NO_ENTRY, level)
        known = classes or {}
        problem = self._problem(entry, expires_in, known)
        if problem is None:
            return Decision(Outcome.HIT, Reason.SAME_KEY, level, entry)
        self._ahead.pop(cache_key, None)
        for older in self._metadata.read.all_entries(cache_key):
            if older.execution_id != entry.execution_id and not self._problem(older, expires_in, known):
                return Decision(Outcome.HIT, Reason.SAME_KEY, level, older)
        return Decision(Outcome.MISS, problem[0], level, detail=problem[1])

    def record(self, entry: CacheEntry) -> None:
        """Remember an entry that this run has made, for its further nodes with the same key."""
        self._ahead[entry.cache_key] = entry

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
        for key in [key for key, entry in self._ahead.items() if artifact in entry.outputs.values()]:
            del self._ahead[key]
        self._refused[artifact.id] = reason_of(error)
        if self._read_only or not isinstance(error, ArtifactUnusable):
            return
        if isinstance(error, ArtifactDamaged):
            self._artifacts.set_aside(artifact.object)
        if artifact.id and not artifact.is_lost:
            self._metadata.mark_artifact(artifact, "DELETED", is_lost=True)

    def _problem(
        self, entry: CacheEntry, expires_in: timedelta | None, classes: Mapping[str, Iterable[Any]]
    ) -> tuple[Reason, str] | None:
        """Why an entry cannot be used, or None. Nothing but sizes is read here."""
        age = timedelta(seconds=time.time() - entry.finished)
        if expires_in is not None and age >= expires_in:
            return Reason.EXPIRED, f"it is {age} old, and holds for {expires_in}"
        for name, artifact in entry.outputs.items():
            quarantine = self._taint.of([artifact])
            if quarantine is not None:
                return Reason.QUARANTINED, f"output `{name}`: {quarantine.reason}"
            if artifact.id in self._refused:
                return self._refused[artifact.id], f"output `{name}` could not be used in this run"
            if artifact.state != "LIVE" and not artifact.is_lost:
                return Reason.ARTIFACT_MISSING, f"output `{name}` is {artifact.state} in the metadata store"
            if artifact.is_external:
                continue  # its bytes are its owner's, and what they are now is part of the key
            try:
                self._artifacts.verify(artifact.object)
            except ArtifactUnusable as error:
                self.invalidate(artifact, error)
                return reason_of(error), f"output `{name}`: {error.message}"
            if artifact.is_lost and not self._read_only:
                self._metadata.mark_artifact(artifact, "LIVE")  # its bytes are back
            lost = artifact_value.lost_class(artifact, classes.get(name, ()))
            if lost is not None:
                return Reason.CANNOT_LOAD, f"output `{name}`: `{lost}` is not there any more"
        return None


def reason_of(error: Exception) -> Reason:
    """The reason that stands for what was found when an artifact was opened or loaded."""
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return Reason.CANNOT_LOAD
