"""Purging: the bytes of everything that came from one content go, wherever it went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zencache import lineage, quarantine
from zencache.entity import Artifact
from zencache.exceptions import ConfigurationError
from zencache.gc import Collected
from zencache.pin import pinned, pins
from zencache.project import Project
from zencache.removal import Doomed, remove
from zencache.view import ArtifactView

_ROUNDS = 10  # runs beside it may make more of the same; then they are told of instead


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What a purge removed, or would remove.

    Args:
        is_dry_run: whether nothing was changed.
        removed: the objects whose bytes go; ``artifacts`` of each are ids in the metadata store.
        kept: objects that stay, and why: the same bytes came from elsewhere, too.
        external: addresses of files outside of the artifact store, which are their owner's to delete.
        pinned: what keeps some of them, in words; a purge is refused because of it.
        freed: bytes.
    """

    is_dry_run: bool
    removed: tuple[Collected, ...]
    kept: tuple[Collected, ...]
    external: tuple[str, ...]
    pinned: tuple[str, ...]
    freed: int


def purge(
    derived_from: ArtifactView,
    *,
    include_itself: bool,
    even_pinned: bool,
    dry_run: bool,
    project: Project,
) -> PurgeReport:
    """Remove the bytes of all that came from an artifact, and from every other of the same content.

    Raises:
        ConfigurationError: some of it is pinned; nothing is removed.
        ArtifactStoreError: bytes could not be deleted; what was deleted until then is recorded.
    """
    if dry_run:
        found = _Derived(derived_from, include_itself, project)
        examine = project.stores.artifacts.examine
        sizes = {one.object.hash: examine(one.object) for one in found.doomed}
        removed = tuple(
            _collected(one, state.size if (state := sizes[one.object.hash]) else 0) for one in found.doomed
        )
        freed = sum(one.size for one in removed)
        return PurgeReport(True, removed, found.kept, found.external, found.pinned, freed)
    done: list[Collected] = []
    with project.stores.artifacts.alone("gc"):
        for _ in range(_ROUNDS):
            found = _Derived(derived_from, include_itself, project)
            if found.pinned and not even_pinned:
                raise ConfigurationError(
                    "Some of it is pinned, so that nothing was purged.",
                    facts={"pinned": "; ".join(found.pinned)},
                    hint="Unpin it, or purge what is pinned as well (even_pinned, --even-pinned).",
                )
            if not found.doomed:
                break
            removed_now = remove(
                found.doomed, "purge", project=project, before=math.inf, spared=lambda batch: {}
            )
            done += [_collected(one.doomed, one.freed) for one in removed_now]
    freed = sum(one.size for one in done)
    return PurgeReport(False, tuple(done), found.kept, found.external, found.pinned, freed)


class _Derived:
    """What came from some content, as the metadata store knows it now."""

    def __init__(self, start: ArtifactView, include_itself: bool, project: Project):
        read = project.stores.metadata.read
        same = quarantine.same_content(start.artifact, project)
        starts = {one.id for one in same}
        edges = lineage.downstream(read, starts)
        below = read.artifacts_by_id({edge.artifact_id for edge in edges if edge.is_output} - starts)
        wanted = list(below.values()) + (same if include_itself else [])
        self.external = tuple(dict.fromkeys(one.uri for one in wanted if one.is_external))
        survey = read.survey()
        held = pinned(pins(project), survey)
        derived = starts | below.keys()
        objects = {one.object.hash for one in wanted if not one.is_external and one.digest}
        groups: dict[str, list[Artifact]] = {}
        for _, one in sorted(survey.artifacts.items()):
            if one.object.hash in objects and not one.is_external and not _is_gone(one):
                groups.setdefault(one.object.hash, []).append(one)
        self.doomed: list[Doomed] = []
        self.kept: tuple[Collected, ...] = ()
        self.pinned: tuple[str, ...] = ()
        why = f"it came from artifact {start.id}, {start.digest[:19]}…"
        for group in groups.values():
            elsewhere = [one.id for one in group if one.id not in derived]
            keepers = [str(held[one.id]) for one in group if one.id in held]
            if starts.intersection(one.id for one in group) and not include_itself:
                self._keep(group, "the artifact itself")
            elif elsewhere:
                self._keep(group, f"artifact {elsewhere[0]}, of the same bytes, did not come from it")
            else:
                self.doomed.append(Doomed(group[0].object, tuple(group), why))
                self.pinned = tuple(dict.fromkeys((*self.pinned, *keepers)))

    def _keep(self, group: Sequence[Artifact], why: str) -> None:
        ids = tuple(one.id for one in group)
        self.kept += (Collected(group[0].object.hash, ids, group[0].object.size, why),)


def _is_gone(artifact: Artifact) -> bool:
    return artifact.state == "DELETED" and artifact.tombstone is not None


def _collected(one: Doomed, size: int) -> Collected:
    return Collected(one.object.hash, tuple(artifact.id for artifact in one.artifacts), size, one.why)
