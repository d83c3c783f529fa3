"""Removing bytes while their lineage stays: marked first, looked at again, deleted, and then told of.

The order is what makes it safe beside runs, and safe to be killed at any moment. An artifact that is marked
is no hit for anybody. A run that took it as a hit before has recorded that, which is seen when it is looked
at again; or it will, and then sees the mark. Whoever publishes the same bytes makes the object recent, and a
recent object stays. What is marked and was left behind by a killed process is finished, or live again, with
the next removal; a look-up on the same host finds it at once if its bytes are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from zencache.artifact_store import USAGE, in_threads
from zencache.digest import Digest
from zencache.entity import Artifact, Tombstone
from zencache.environment import environment_facts
from zencache.metadata import Survey
from zencache.owner import Owner, this_process
from zencache.project import Project

_MARKED = "MARKED_FOR_DELETION"
_LONGEST = timedelta(hours=1)  # of a batch on another host, of which nobody knows whether it lives
_BATCH = 200  # objects between two looks: what a killed process leaves marked
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Doomed:
    """An object that shall go, with every artifact that refers to it and has not been removed yet.

    Args:
        object: digest and size of its bytes.
        artifacts: of that object.
        why: the rule that it falls under, in words.
    """

    object: Digest
    artifacts: tuple[Artifact, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of it: ``freed`` bytes, or the reason why it stays, in ``kept``."""

    doomed: Doomed
    freed: int
    kept: str = ""


def remove(
    doomed: Sequence[Doomed],
    command: str,
    *,
    project: Project,
    before: float,
    spared: Callable[[Sequence[Doomed]], dict[str, str]],
) -> list[Removed]:
    """Remove the bytes of objects.

    Args:
        doomed: the objects.
        command: what removes them, for the tombstones: ``gc`` or ``purge``.
        before: objects that were published since then, in seconds since the epoch, stay.
        spared: called when some are marked: digest -> why an object must stay after all.

    Raises:
        ArtifactStoreError: bytes could not be deleted. What was deleted until then is recorded.
    """
    facts = environment_facts(project.root)
    by = f"{command} of {facts['user']} on {facts['host']}"
    removed: list[Removed] = []
    for batch in _batches(doomed):
        removed += _remove(batch, by, project, before, spared)
    project.stores.artifacts.remove(USAGE)  # what is remembered for the quota is counted anew
    return removed


def _remove(
    batch: Sequence[Doomed],
    by: str,
    project: Project,
    before: float,
    spared: Callable[[Sequence[Doomed]], dict[str, str]],
) -> list[Removed]:
    metadata, artifacts = project.stores.metadata, project.stores.artifacts
    for why in dict.fromkeys(one.why for one in batch):
        tombstone = Tombstone(why, by, datetime.now(timezone.utc), str(this_process()))
        metadata.condemn(_ids(one for one in batch if one.why == why), tombstone)
    removed: list[Removed] = []
    try:
        kept = spared(batch)
        removed += [Removed(one, 0, kept[one.object.hash]) for one in batch if one.object.hash in kept]
        going = [one for one in batch if one.object.hash not in kept]
        deletions = in_threads(lambda one: artifacts.delete(one.object, before=before), going)
        for one, deletion in zip(going, deletions, strict=True):
            removed.append(Removed(one, deletion.freed, "just written" if deletion.is_recent else ""))
    finally:
        known = {one.doomed.object.hash: not one.kept for one in removed}
        # Where something was raised, the bytes themselves tell how far it came.
        gone = [
            one
            for one in batch
            if (known[h] if (h := one.object.hash) in known else artifacts.examine(one.object) is None)
        ]
        metadata.bury(_ids(gone))
        metadata.pardon(set(_ids(batch)) - set(_ids(gone)))
    return removed


def dead_removals(survey: Survey) -> list[Artifact]:
    """The artifacts that a process has marked that died in the middle."""
    return [
        artifact
        for artifact in survey.artifacts.values()
        if artifact.state == _MARKED and artifact.tombstone is not None and _is_left(artifact.tombstone)
    ]


def finish_dead_removals(survey: Survey, project: Project) -> int:
    """What a process that died in the middle left marked is live again, or told of as deleted; how many."""
    left = dead_removals(survey)
    gone = {a.id for a in left if project.stores.artifacts.examine(a.object) is None}
    project.stores.metadata.bury(gone)
    project.stores.metadata.pardon({artifact.id for artifact in left} - gone)
    return len(left)


def _is_left(tombstone: Tombstone) -> bool:
    owner = Owner.parse(tombstone.owner)
    if owner is None or owner.is_dead or owner == this_process():
        return True
    return datetime.now(timezone.utc) - tombstone.when > _LONGEST


def _ids(doomed: Iterable[Doomed]) -> list[int]:
    return [artifact.id for one in doomed for artifact in one.artifacts]


def _batches(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
