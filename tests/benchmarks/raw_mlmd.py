"""What any step cache on ML Metadata has to ask and write, with the stock client, one call after another."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto

_TYPES = ("pipeline", "pipeline_run", "node", "execution_cache")


class RawLoop:
    """A graph of steps in the fewest facts: type, state, inputs, output, pipeline and run.

    Nothing is computed, checked, logged or kept beside that, no key, no digest, no parameter, so it is
    the least that the calls themselves cost.

    Args:
        parents: of each step the steps whose output it takes; a chain if it is not given.
        wal: SQLite's write-ahead log, instead of the journal mode that the stock client leaves as it is.
        whole: what zencache records of a cached step, in the one put that it takes TFX: its key, decision,
            duration and source, its node, and that its output belongs to the run.
    """

    def __init__(
        self,
        database: Path,
        length: int,
        *,
        wal: bool,
        parents: Sequence[Sequence[int]] | None = None,
        whole: bool = False,
    ):
        if wal:
            connection = sqlite3.connect(database)  # before the client opens it: never both at once
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
            connection.close()
        config = proto.ConnectionConfig()
        config.sqlite.filename_uri = str(database)
        self._store = metadata_store.MetadataStore(config)
        self._parents = parents or [[index - 1] if index else [] for index in range(length)]
        self._types = {name: self._context_type(name) for name in _TYPES}
        self._step_types = [
            self._store.put_execution_type(proto.ExecutionType(name=f"step_{index}"))
            for index in range(length)
        ]
        self._artifact_type = self._store.put_artifact_type(proto.ArtifactType(name="Integer"))
        self._whole = whole
        self._runs = 0
        self._keys: list[str] = []
        self._artifacts: list[int] = []
        self.execute()

    def run(self) -> None:
        """One run in which every step is cached: four reads and one put for each."""
        store, contexts = self._store, self._contexts()
        made: list[int] = []
        for index, key in enumerate(self._keys):
            context = store.get_context_by_type_and_name("execution_cache", key)
            (source,) = store.get_executions_by_context(context.id)
            events = store.get_events_by_execution_ids([source.id])
            outputs = [event.artifact_id for event in events if event.type == proto.Event.OUTPUT]
            (artifact,) = store.get_artifacts_by_id(outputs)
            made.append(artifact.id)
            edges = self._inputs(index, made)
            execution = self._execution(index, proto.Execution.CACHED)
            put_into = contexts
            if self._whole:
                _put_facts(execution, key, source.id)
                edges.append((artifact, _event("output", proto.Event.OUTPUT)))
                put_into = [*contexts, proto.Context(type_id=self._types["node"], name=f"chain.step_{index}")]
            else:
                edges.append((None, _event("output", proto.Event.OUTPUT, artifact.id)))
            store.put_execution(execution, edges, put_into, reuse_context_if_already_exist=True)

    def inserts(self) -> None:
        """What such a run writes, in one call and without a read: MLMD's own inserts and nothing else."""
        edges = []
        for index, artifact in enumerate(self._artifacts):
            events = [event for _, event in self._inputs(index, self._artifacts)]
            events.append(_event("output", proto.Event.OUTPUT, artifact))
            edges += [(index, None, event) for event in events]
        executions = [self._execution(index, proto.Execution.CACHED) for index in range(len(self._keys))]
        self._store.put_lineage_subgraph(
            executions, [], self._contexts(), edges, reuse_context_if_already_exist=True
        )

    def execute(self, values: Path | None = None) -> None:
        """One run in which no step is cached: a look-up, a put when it starts and one when it has ended.

        Args:
            values: a folder in which each value is saved before it is recorded, durably and at once.
        """
        store, contexts = self._store, self._contexts()
        self._keys = [
            hashlib.sha256(b"%d %d" % (self._runs, index)).hexdigest() for index in range(len(self._parents))
        ]
        self._artifacts = []
        for index, key in enumerate(self._keys):
            assert store.get_context_by_type_and_name("execution_cache", key) is None
            running = self._execution(index, proto.Execution.RUNNING)
            inputs = self._inputs(index, self._artifacts)
            execution_id, _, _ = store.put_execution(
                running, inputs, contexts, reuse_context_if_already_exist=True
            )
            if values is not None:
                save_durably(values / key, b"%d" % index)
            uri = f"/objects/{self._runs}/{index}"
            artifact = proto.Artifact(type_id=self._artifact_type, uri=uri, state=proto.Artifact.LIVE)
            complete = self._execution(index, proto.Execution.COMPLETE)
            complete.id = execution_id
            cache = proto.Context(type_id=self._types["execution_cache"], name=key)
            edges = [(artifact, _event("output", proto.Event.OUTPUT))]
            _, (made,), _ = store.put_execution(
                complete, edges, [*contexts, cache], reuse_context_if_already_exist=True
            )
            self._artifacts.append(made)

    def _inputs(self, index: int, made: Sequence[int]) -> list[Any]:
        above = enumerate(self._parents[index])
        return [(None, _event(f"x{place}", proto.Event.INPUT, made[node])) for place, node in above]

    def _execution(self, index: int, state: int) -> Any:
        return proto.Execution(type_id=self._step_types[index], last_known_state=state)

    def _contexts(self) -> list[Any]:
        self._runs += 1
        return [
            proto.Context(type_id=self._types["pipeline"], name="chain"),
            proto.Context(type_id=self._types["pipeline_run"], name=f"chain-{self._runs}"),
        ]

    def _context_type(self, name: str) -> int:
        return int(self._store.put_context_type(proto.ContextType(name=name)))


def _put_facts(execution: Any, key: str, source_id: int) -> None:
    execution.name = f"{uuid.uuid4().hex}/step"
    properties = execution.custom_properties
    properties["zencache_cache_key"].string_value = key
    properties["zencache_decision"].string_value = '{"outcome":"HIT","reason":"SAME_KEY","level":"default"}'
    properties["zencache_duration"].double_value = 0.001
    properties["zencache_source_execution"].int_value = source_id


def _event(name: str, kind: int, artifact_id: int | None = None) -> Any:
    event = proto.Event(type=kind, artifact_id=artifact_id)
    event.path.steps.add().key = name
    event.path.steps.add().index = 0
    return event


def save_durably(path: Path, value: bytes) -> None:
    """A small file that is whole or not there, also after a power cut."""
    path.parent.mkdir(exist_ok=True)
    staged = path.with_suffix(".new")
    with staged.open("wb") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    staged.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
