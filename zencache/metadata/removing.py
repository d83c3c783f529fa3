"""The states of artifacts: live or lost, and marked, pardoned, buried where their bytes are removed.

``LIVE`` -> ``MARKED_FOR_DELETION`` -> ``DELETED``, or back to ``LIVE``. A state is read and changed inside
one write, so that two processes do not answer each other's changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from zencache.entity import Artifact, Tombstone
from zencache.metadata import codec, schema
from zencache.metadata.connection import Connection

_CHUNK = 500  # artifacts in one transaction
_TOLD = [schema.REMOVED_WHY, schema.REMOVED_BY, schema.REMOVED_WHEN, schema.REMOVED_OWNER]


def condemn(connection: Connection, artifact_ids: Iterable[int], tombstone: Tombstone) -> None:
    """Mark artifacts for deletion; those whose removal is told already stay as they are."""

    def change(found: Any, changed: Any) -> bool:
        state = found.State.Name(found.state)
        if state == "DELETED" and codec.get_artifact(found).tombstone is not None:
            return False
        changed.state = changed.State.Value("MARKED_FOR_DELETION")
        changed.custom_properties[schema.LOST].bool_value = False
        codec.put_tombstone(changed, tombstone)
        return True

    _change(connection, artifact_ids, change, [schema.LOST, *_TOLD])


def pardon(connection: Connection, artifact_ids: Iterable[int]) -> None:
    """Marked artifacts are live again."""
    _from_marked(connection, artifact_ids, "LIVE")


def bury(connection: Connection, artifact_ids: Iterable[int]) -> None:
    """The bytes of marked artifacts are gone."""
    _from_marked(connection, artifact_ids, "DELETED")


def mark_artifact(connection: Connection, artifact: Artifact, state: str, *, is_lost: bool = False) -> None:
    """Set the MLMD state of an artifact, and whether its bytes were only not found; nothing else."""
    from ml_metadata.proto import metadata_store_pb2 as proto

    def put(store: Any) -> None:
        (found,) = store.get_artifacts_by_id([artifact.id])
        if is_lost and codec.get_artifact(found).tombstone is not None:
            return  # its bytes were not lost but removed, and that is known already
        changed = proto.Artifact(id=artifact.id, type_id=found.type_id)
        changed.state = changed.State.Value(state)
        changed.custom_properties[schema.LOST].bool_value = is_lost
        store.put_artifacts([changed], field_mask_paths=["state", f"custom_properties.{schema.LOST}"])

    connection.write(put)


def _from_marked(connection: Connection, artifact_ids: Iterable[int], state: str) -> None:
    def change(found: Any, changed: Any) -> bool:
        changed.state = changed.State.Value(state)
        return bool(found.state == found.State.Value("MARKED_FOR_DELETION"))

    _change(connection, artifact_ids, change, [])


def _change(
    connection: Connection,
    artifact_ids: Iterable[int],
    change: Callable[[Any, Any], bool],
    properties: list[str],
) -> None:
    from ml_metadata.proto import metadata_store_pb2 as proto

    paths = ["state", *(f"custom_properties.{name}" for name in properties)]

    def put(store: Any, ids: list[int]) -> None:
        changed = []
        for found in store.get_artifacts_by_id(ids):
            one = proto.Artifact(id=found.id, type_id=found.type_id)
            if change(found, one):
                changed.append(one)
        if changed:
            store.put_artifacts(changed, field_mask_paths=paths)

    wanted = sorted(set(artifact_ids))
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        connection.write(lambda store, ids=chunk: put(store, ids))  # type: ignore[misc]
