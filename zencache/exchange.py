"""Entries carried from one repository to another, some or all of them: what `push` and `pull` do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from zencache.artifact_store import ArtifactStore
from zencache.digest import Digest
from zencache.entity import Execution, Status
from zencache.exceptions import ArtifactUnusable, ConfigurationError, ReadOnlyError
from zencache.metadata import MetadataStore
from zencache.project import Project
from zencache.stores import Stores
from zencache.taint import Taint
from zencache.transfer import bring, objects_of
from zencache.view import ArtifactView, Run, run_named


@dataclass(frozen=True, slots=True)
class Carried:
    """What was carried, or would be.

    Args:
        entries: ``RUN/STEP`` of each entry that the target did not have.
        objects: how many objects it did not have.
        size: their bytes.
        there: how many of the entries it had already.
        refused: ``RUN/STEP`` -> why it cannot be carried: its bytes are gone or damaged, or quarantined.
        is_dry_run: whether nothing was carried.
    """

    entries: tuple[str, ...]
    objects: int
    size: int
    there: int
    refused: Mapping[str, str]
    is_dry_run: bool = False


def carry(
    source: Project,
    target: Project,
    *,
    run: str | Run | Iterable[str | Run] | None = None,
    artifacts: Iterable[ArtifactView | int] | None = None,
    dry_run: bool = False,
) -> Carried:
    """Carry entries with their bytes and their lineage from one repository to another.

    Each entry is carried by itself: bytes, verified, then facts. So it may be killed and called again, and
    calling it twice changes nothing.

    Args:
        run: only what these runs made or took from the cache; names or runs.
        artifacts: only the entries that made these; artifacts or their ids.
        dry_run: only tell what would be carried.

    Raises:
        NotFoundError: there is no such run.
        ReadOnlyError: the target is only read.
        ConfigurationError: both are the same repository.
    """
    if target.mode == "r" and not dry_run:
        raise ReadOnlyError(
            "Nothing can be carried to a repository that is only read.",
            facts={"metadata": target.metadata_url},
            hint='Open it without mode="r".',
        )
    if source.metadata_url == target.metadata_url:
        raise ConfigurationError(
            "Both repositories have the same metadata store.", facts={"metadata": source.metadata_url}
        )
    taint = Taint(source.stores.metadata, read_only=True)
    entries: list[str] = []
    refused: dict[str, str] = {}
    new: dict[Digest, None] = {}
    there = 0
    for execution in _chosen(source.stores, run, artifacts):
        name = f"{execution.run}/{execution.node}"
        quarantine = taint.of(execution.outputs.values())
        if quarantine is not None:
            refused[name] = f"it is quarantined: {quarantine.reason}"
            continue
        lacking = _lacking(target.stores.artifacts, objects_of([execution]))
        if not lacking and _has(target.stores, execution):
            there += 1
            continue
        try:
            if dry_run:
                for digest in lacking:
                    source.stores.artifacts.verify(digest)
            else:
                target.prepare()
                bring(_places(source.stores), _places(target.stores), [execution.id])
        except ArtifactUnusable as error:
            refused[name] = error.message
            continue
        entries.append(name)
        new.update(dict.fromkeys(lacking))
    size = sum(digest.size for digest in new)
    return Carried(tuple(entries), len(new), size, there, refused, dry_run)


def _places(stores: Stores) -> tuple[MetadataStore, ArtifactStore]:
    return stores.metadata, stores.artifacts


def _chosen(
    stores: Stores,
    run: str | Run | Iterable[str | Run] | None,
    artifacts: Iterable[ArtifactView | int] | None,
) -> Iterator[Execution]:
    """The executions that are entries, oldest first."""
    read = stores.metadata.read
    if run is None and artifacts is None:
        for page in read.oldest_executions():
            yield from read.executions_by_id([one.id for one in page if _is_entry(one)])
        return
    ids: set[int] = set()
    runs = [run] if isinstance(run, str | Run) else list(run or ())
    for one in runs:
        view = run_named(stores, one) if isinstance(one, str) else one
        for execution in read.executions_of_run(view.record.id):
            ids.add(execution.source_id or execution.id)
    wanted = [one if isinstance(one, int) else one.id for one in artifacts or ()]
    for edge in read.edges_of_artifacts(wanted):
        if edge.is_output:
            ids.add(edge.execution_id)
    yield from (one for one in read.executions_by_id(sorted(ids)) if _is_entry(one))


def _is_entry(execution: Execution) -> bool:
    return execution.status is Status.COMPLETED and bool(execution.cache_key) and not execution.not_kept


def _has(stores: Stores, execution: Execution) -> bool:
    """Whether a repository has an entry of this key with the same outputs."""
    if not stores.metadata.exists:
        return False
    made = {name: artifact.digest for name, artifact in execution.outputs.items()}
    return any(
        {name: artifact.digest for name, artifact in entry.outputs.items()} == made
        for entry in stores.metadata.read.all_entries(execution.cache_key)
    )


def _lacking(artifacts: ArtifactStore, digests: Iterable[Digest]) -> list[Digest]:
    missing = []
    for digest in digests:
        try:
            artifacts.verify(digest)
        except ArtifactUnusable:
            missing.append(digest)
    return missing
