"""What any step cache on ML Metadata has to ask and write, with the stock client, one call after another."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto

_TYPES = ("pipeline", "pipeline_run", "execution_cache")


class RawLoop:
    """A chain of cached steps in the fewest facts: type, state, input, output, pipeline and run.

    Nothing is computed, checked, logged or kept beside that, no key, no digest, no parameter, so it is
    the least that the calls themselves cost.
    """

    def __init__(self, database: Path, length: int, *, wal: bool):
        if wal:
            connection = sqlite3.connect(database)  # before the client opens it: never both at once
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
            connection.close()
        config = proto.ConnectionConfig()
        config.sqlite.filename_uri = str(database)
        self._store = metadata_store.MetadataStore(config)
        self._types = {name: self._context_type(name) for name in _TYPES}
        self._keys = [hashlib.sha256(b"%d" % index).hexdigest() for index in range(length)]
        self._step_types = [
            self._store.put_execution_type(proto.ExecutionType(name=f"step_{index}"))
            for index in range(length)
        ]
        self._runs = 0
        self._execute()

    def run(self) -> None:
        """One run in which every step is cached."""
        store, contexts = self._store, self._contexts()
        before: Any = None
        for type_id, key in zip(self._step_types, self._keys, strict=True):
            context = store.get_context_by_type_and_name("execution_cache", key)
            (source,) = store.get_executions_by_context(context.id)
            events = store.get_events_by_execution_ids([source.id])
            made = [event.artifact_id for event in events if event.type == proto.Event.OUTPUT]
            (artifact,) = store.get_artifacts_by_id(made)
            edges = [(None, _event("value", proto.Event.INPUT, before.id))] if before else []
            edges.append((None, _event("output", proto.Event.OUTPUT, artifact.id)))
            execution = proto.Execution(type_id=type_id, last_known_state=proto.Execution.CACHED)
            store.put_execution(execution, edges, contexts, reuse_context_if_already_exist=True)
            before = artifact

    def _execute(self) -> None:
        """The run that fills the cache."""
        store, contexts = self._store, self._contexts()
        artifact_type = store.put_artifact_type(proto.ArtifactType(name="Integer"))
        for index, (type_id, key) in enumerate(zip(self._step_types, self._keys, strict=True)):
            artifact = proto.Artifact(
                type_id=artifact_type, uri=f"/objects/{index}", state=proto.Artifact.LIVE
            )
            execution = proto.Execution(type_id=type_id, last_known_state=proto.Execution.COMPLETE)
            cache = proto.Context(type_id=self._types["execution_cache"], name=key)
            edges = [(artifact, _event("output", proto.Event.OUTPUT))]
            store.put_execution(execution, edges, [*contexts, cache], reuse_context_if_already_exist=True)

    def _contexts(self) -> list[Any]:
        self._runs += 1
        return [
            proto.Context(type_id=self._types["pipeline"], name="chain"),
            proto.Context(type_id=self._types["pipeline_run"], name=f"chain-{self._runs}"),
        ]

    def _context_type(self, name: str) -> int:
        return int(self._store.put_context_type(proto.ContextType(name=name)))


def _event(name: str, kind: int, artifact_id: int | None = None) -> Any:
    event = proto.Event(type=kind, artifact_id=artifact_id)
    event.path.steps.add().key = name
    event.path.steps.add().index = 0
    return event
