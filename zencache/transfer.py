"""Entries from one repository into another: their bytes, verified, then their facts and lineage."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from zencache.artifact_store import ArtifactStore
from zencache.digest import Digest
from zencache.entity import Execution
from zencache.exceptions import ArtifactDamaged, ArtifactUnusable
from zencache.metadata import MetadataStore


def bring(
    source: tuple[MetadataStore, ArtifactStore],
    target: tuple[MetadataStore, ArtifactStore],
    execution_ids: Iterable[int],
) -> dict[int, int]:
    """Copy executions that ran, as cache entries with the bytes of their outputs, and what they were made of.

    Bytes first: what is recorded is there. Of what stands above the executions only the facts are copied.
    What is there already is left as it is, so that it may be called again after it was killed.

    Returns:
        Id in the source -> id in the target, of all that was copied.

    Raises:
        ArtifactUnusable: bytes are gone or damaged at the source; nothing is recorded.
        ReadOnlyError: the target is only read.
    """
    executions = source[0].read.executions_by_id(list(execution_ids))
    uris = {digest.hash: copy_object(source[1], target[1], digest) for digest in objects_of(executions)}
    return target[0].copy_from(source[0], [execution.id for execution in executions], uris)


def objects_of(executions: Iterable[Execution]) -> list[Digest]:
    """The objects in an artifact store that some executions made."""
    outputs = (artifact for execution in executions for artifact in execution.outputs.values())
    return list(dict.fromkeys(a.object for a in outputs if a.digest and not a.is_external))


def copy_object(source: ArtifactStore, target: ArtifactStore, digest: Digest) -> str:
    """Copy an object, every byte of it checked; its address in the target."""
    try:
        target.verify(digest)
    except ArtifactUnusable:
        payload = source.open(digest)
        with target.stage() as directory:
            shutil.copytree(payload, directory, dirs_exist_ok=True, copy_function=shutil.copyfile)
            stored = target.publish(directory)
        if stored.digest != digest:
            raise ArtifactDamaged(
                "An object changed while it was copied.", facts={"digest": digest.hash, "from": source.url}
            ) from None
    return target.uri(digest)
