"""Recording a run in the metadata store: every verb is one transaction, and batches where it can be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from zencache.entity import Acceptance, Artifact, Execution, PipelineRun, Quarantine, Status
from zencache.materializer import ArtifactType
from zencache.metadata import codec, schema
from zencache.metadata.codec import Records
from zencache.metadata.connection import Connection


class RunWriter:
    """Writes what happens in one run.

    The contexts of the pipeline and of the run go with every write, whole: a context that is put with
    its id is replaced in the same transaction, and one without is created in it.

    Args:
        steps: the name of each step of the run -> its MLMD system type, such as ``Train``, if it has one.

    Attributes:
        previous_run: the name of the pipeline's last run before this one; empty if there was none.
    """

    def __init__(
        self,
        connection: Connection,
        records: Records,
        run: PipelineRun,
        steps: Mapping[str, str | None],
        pipeline: Any,
    ):
        self._connection = connection
        self._records = records
        self._pipeline = pipeline
        self._pipeline_id: int | None = None if pipeline is None else pipeline.id
        self.previous_run = codec.get_text(pipeline.custom_properties, schema.LAST_RUN) if pipeline else ""
        self._run = replace(run, previous=self.previous_run)
        self._steps = steps
        self._type_ids: Mapping[str, int] | None = None
        self._names: dict[str, int] = {}
        self._run_context: Any = None

    @property
    def run(self) -> PipelineRun:
        return self._run

    @property
    def is_recorded(self) -> bool:
        return self._run.id != 0

    def register(self, execution: Execution) -> Execution:
        """Record that a step's body starts, with its inputs."""
        (recorded,) = self._put(
            [self._proto(execution)], [], self._input_edges([execution]), [execution.node]
        )
        return replace(execution, id=recorded)

    def complete(
        self, execution: Execution, outputs: Mapping[str, Artifact], types: Mapping[str, ArtifactType]
    ) -> Execution:
        """Record success: state, outputs, events and, if it is kept, the cache entry, in one transaction.

        An output that is recorded already, as one that was resolved, is only pointed to, as TFX does it.
        """
        from ml_metadata.proto import metadata_store_pb2 as proto

        new = {name: artifact for name, artifact in outputs.items() if not artifact.id}
        protos = [
            codec.put_artifact(
                proto.Artifact(),
                artifact,
                schema.artifact_type_id(self._connection, types[name]),
                types[name].properties,
            )
            for name, artifact in new.items()
        ]
        edges: list[tuple[int, int | None, Any]] = [
            (0, index, codec.put_event(proto.Event(), [name], "OUTPUT")) for index, name in enumerate(new)
        ]
        edges += [
            (0, None, codec.put_event(proto.Event(), [name], "INTERNAL_OUTPUT", artifact.id))
            for name, artifact in outputs.items()
            if artifact.id
        ]
        execution_proto = self._proto(execution)

        def put(store: Any) -> list[int]:
            contexts = self._contexts([execution.node])
            if not execution.not_kept:
                contexts.append(self._cache_context(store, execution))
            return self._send(store, [execution_proto], protos, contexts, edges)[1]

        artifact_ids = self._connection.write(put)
        recorded = {
            name: replace(artifact, id=artifact_id)
            for (name, artifact), artifact_id in zip(new.items(), artifact_ids, strict=True)
        }
        return replace(execution, outputs={name: recorded.get(name, outputs[name]) for name in outputs})

    def end(self, execution: Execution, traceback: str = "") -> None:
        """Record that a step failed or was canceled."""
        edges = [] if execution.id else self._input_edges([execution])
        self._put([self._proto(execution, traceback)], [], edges, [execution.node])

    def hits(self, executions: Sequence[Execution]) -> list[Execution]:
        """Record cached executions, all of them in two calls."""
        from ml_metadata.proto import metadata_store_pb2 as proto

        protos = [self._proto(execution) for execution in executions]
        edges = self._input_edges(executions)
        for index, execution in enumerate(executions):
            for name, artifact in execution.outputs.items():
                edges.append((index, None, codec.put_event(proto.Event(), [name], "OUTPUT", artifact.id)))
        execution_ids = self._put(protos, [], edges, [])
        nodes = self._node_ids([execution.node for execution in executions])
        outputs = {(a.id, self._run.id) for execution in executions for a in execution.outputs.values()}
        for execution in executions:  # what another node made becomes this node's output, too
            if not self._is_of_same_node(execution):
                outputs |= {(a.id, nodes[execution.node]) for a in execution.outputs.values()}
        attributions = [proto.Attribution(artifact_id=a, context_id=c) for a, c in sorted(outputs)]
        associations = [
            proto.Association(execution_id=id_, context_id=nodes[execution.node])
            for id_, execution in zip(execution_ids, executions, strict=True)
        ]
        self._connection.write(
            lambda store: store.put_attributions_and_associations(attributions, associations)
        )
        return [replace(e, id=id_) for e, id_ in zip(executions, execution_ids, strict=True)]

    def finish(self, run: PipelineRun, *, write: bool = True) -> None:
        """The run has ended. ``write=False`` when the next write will carry this with it."""
        self._run = replace(run, id=self._run.id)
        if write:
            self._put([], [], [], [])

    def value(self, artifact: Artifact, artifact_type: ArtifactType, external_id: str) -> Artifact:
        """Record an artifact that no step made: a value that was given to the pipeline."""
        from ml_metadata import errors
        from ml_metadata.proto import metadata_store_pb2 as proto

        type_id = schema.artifact_type_id(self._connection, artifact_type)
        empty = proto.Artifact(external_id=external_id)
        recorded = codec.put_artifact(empty, artifact, type_id, artifact_type.properties)
        try:
            (artifact_id,) = self._connection.write(lambda store: store.put_artifacts([recorded]))
        except errors.AlreadyExistsError:  # another run was faster: the same value is the same artifact
            (found,) = self._connection.read(lambda store: store.get_artifacts_by_external_ids([external_id]))
            artifact_id = found.id
        return replace(artifact, id=artifact_id)

    def _put(
        self, executions: Sequence[Any], artifacts: Sequence[Any], edges: Sequence[Any], nodes: Sequence[str]
    ) -> list[int]:
        def put(store: Any) -> list[int]:
            return self._send(store, executions, artifacts, self._contexts(nodes), edges)[0]

        return self._connection.write(put)

    def _send(
        self,
        store: Any,
        executions: Sequence[Any],
        artifacts: Sequence[Any],
        contexts: Sequence[Any],
        edges: Any,
    ) -> tuple[list[int], list[int]]:
        """One transaction. It joins every context to every execution and artifact that it is given."""
        from ml_metadata import errors
        from ml_metadata.proto import metadata_store_pb2 as proto

        execution_ids, artifact_ids, context_ids = store.put_lineage_subgraph(
            executions, artifacts, contexts, edges, reuse_context_if_already_exist=True
        )
        is_new = not self.is_recorded
        self._pipeline_id, run_id = context_ids[:2]
        self._run = replace(self._run, id=run_id)
        if is_new:
            parent = proto.ParentContext(child_id=run_id, parent_id=self._pipeline_id)
            with suppress(errors.AlreadyExistsError):  # recorded before an interrupt hid it from us
                store.put_parent_contexts([parent])
        return execution_ids, artifact_ids

    def _contexts(self, nodes: Sequence[str]) -> list[Any]:
        from ml_metadata.proto import metadata_store_pb2 as proto

        type_ids = schema.context_type_ids(self._connection)
        pipeline = proto.Context(type_id=type_ids[schema.PIPELINE], name=self._run.pipeline)
        if self._pipeline is not None:  # it is replaced, with what another tool recorded of it
            pipeline.CopyFrom(self._pipeline)
        elif self._pipeline_id is not None:
            pipeline.id = self._pipeline_id
        pipeline.custom_properties[schema.LAST_RUN].string_value = self._run.name
        if self._run_context is None:
            run = proto.Context(type_id=type_ids[schema.PIPELINE_RUN])
            self._run_context = codec.put_run_facts(run, self._run, self._records)
        codec.put_run_state(self._run_context, self._run)
        if self.is_recorded:
            self._run_context.id = self._run.id
        return [pipeline, self._run_context, *(self._node_context(node) for node in nodes)]

    def _node_context(self, node: str) -> Any:
        from ml_metadata.proto import metadata_store_pb2 as proto

        name = self._node_name(node)
        type_id = schema.context_type_ids(self._connection)[schema.NODE]
        return proto.Context(type_id=type_id, name=name, external_id=schema.node_id(name))

    def _node_ids(self, nodes: Sequence[str]) -> dict[str, int]:
        """Node -> context id: one call, and one more if some are new."""
        from ml_metadata import errors

        known = self._connection.type_ids
        contexts = {node: self._node_context(node) for node in nodes}

        def find(store: Any) -> list[Any]:
            try:
                return list(store.get_contexts_by_external_ids([c.external_id for c in contexts.values()]))
            except errors.NotFoundError:
                return []

        if any((schema.NODE, context.name) not in known for context in contexts.values()):
            known.update({(schema.NODE, context.name): context.id for context in self._connection.read(find)})
            missing = [c for c in contexts.values() if (schema.NODE, c.name) not in known]
            if missing:
                ids = self._connection.write(lambda store: self._create_contexts(store, missing))
                known.update({(schema.NODE, c.name): id_ for c, id_ in zip(missing, ids, strict=True)})
        return {node: known[schema.NODE, context.name] for node, context in contexts.items()}

    def _create_contexts(self, store: Any, contexts: Sequence[Any]) -> list[int]:
        _, _, ids = store.put_lineage_subgraph([], [], contexts, [], reuse_context_if_already_exist=True)
        return list(ids)

    def _cache_context(self, store: Any, execution: Execution) -> Any:
        """The context of the cache key, pointing to this execution as its newest entry."""
        from ml_metadata import errors
        from ml_metadata.proto import metadata_store_pb2 as proto

        context = proto.Context(
            type_id=schema.context_type_ids(self._connection)[schema.EXECUTION_CACHE],
            name=execution.cache_key,
            external_id=schema.entry_id(execution.cache_key),
        )
        try:
            (found,) = store.get_contexts_by_external_ids([context.external_id])
            context.id = found.id
        except errors.NotFoundError:
            pass
        pointer = {
            "execution": execution.id,
            "duration": execution.duration,
            "finished": time.time(),
            "node": self._node_name(execution.node),
        }
        context.custom_properties[schema.ENTRY].string_value = json.dumps(pointer)
        return context

    def _proto(self, execution: Execution, traceback: str = "") -> Any:
        from ml_metadata.proto import metadata_store_pb2 as proto

        if self._type_ids is None:
            self._type_ids = schema.execution_type_ids(self._connection, self._steps)
        filled = proto.Execution(type_id=self._type_ids[execution.step])
        if execution.id:
            filled.id = execution.id
        return codec.put_execution(
            filled,
            execution,
            records=self._records,
            attempt=self._attempt(execution),
            traceback=traceback,
        )

    def _attempt(self, execution: Execution) -> int:
        """A node is recorded again in one run when the bytes of its hit turn out to be damaged."""
        if not execution.id:
            self._names[execution.node] = self._names.get(execution.node, 0) + 1
        return self._names[execution.node]

    def _is_of_same_node(self, execution: Execution) -> bool:
        """Whether a cached execution takes what the same node of the same pipeline made."""
        entry = execution.decision.entry if execution.decision else None
        return entry is not None and entry.node == self._node_name(execution.node)

    def _node_name(self, node: str) -> str:
        return f"{self._run.pipeline}.{node}"

    def _input_edges(self, executions: Sequence[Execution]) -> list[tuple[int, None, Any]]:
        from ml_metadata.proto import metadata_store_pb2 as proto

        edges: list[tuple[int, None, Any]] = []
        for index, execution in enumerate(executions):
            names: dict[int, list[str]] = {}
            for name, artifact in execution.inputs.items():
                names.setdefault(artifact.id, []).append(name)
            for artifact_id, input_names in names.items():
                edges.append((index, None, codec.put_event(proto.Event(), input_names, "INPUT", artifact_id)))
        return edges


def cancel_run(connection: Connection, records: Records, run_name: str) -> int:
    """Record that a run ended without a word: what it left RUNNING is CANCELED. Returns how many steps.

    Only the state is written, under a mask: a put without one would wipe every other fact. A run that
    ended between being recorded and being put below its pipeline is put there.
    """
    run = connection.read(lambda store: store.get_context_by_type_and_name(schema.PIPELINE_RUN, run_name))
    if run is None or codec.get_run(run, records).status is not Status.RUNNING:
        return 0
    executions = connection.read(lambda store: store.get_executions_by_context(run.id))
    running = [e for e in executions if e.last_known_state == e.State.Value("RUNNING")]
    for execution in running:
        execution.last_known_state = execution.State.Value("CANCELED")
    run.custom_properties[schema.STATUS].string_value = Status.CANCELED.value

    def put(store: Any) -> None:
        if running:
            store.put_executions(running, field_mask_paths=["last_known_state"])
        store.put_contexts([run], field_mask_paths=[f"custom_properties.{schema.STATUS}"])

    connection.write(put)
    _put_below_pipeline(connection, run)
    return len(running)


def _put_below_pipeline(connection: Connection, run: Any) -> None:
    from ml_metadata.proto import metadata_store_pb2 as proto

    if connection.read(lambda store: store.get_parent_contexts_by_context(run.id)):
        return
    name = codec.get_text(run.custom_properties, schema.PIPELINE_OF_RUN)
    parent = connection.read(lambda store: store.get_context_by_type_and_name(schema.PIPELINE, name))
    if parent is not None:
        link = proto.ParentContext(child_id=run.id, parent_id=parent.id)
        connection.write(lambda store: store.put_parent_contexts([link]))


def mark_artifact(connection: Connection, artifact: Artifact, state: str, *, is_lost: bool = False) -> None:
    """Set the MLMD state of an artifact, and whether its bytes were only not found; nothing else."""
    from ml_metadata.proto import metadata_store_pb2 as proto

    def put(store: Any) -> None:
        (found,) = store.get_artifacts_by_id([artifact.id])
        changed = proto.Artifact(id=artifact.id, type_id=found.type_id)
        changed.state = changed.State.Value(state)
        changed.custom_properties[schema.LOST].bool_value = is_lost
        store.put_artifacts([changed], field_mask_paths=["state", f"custom_properties.{schema.LOST}"])

    connection.write(put)


def put_acceptance(connection: Connection, acceptance: Acceptance) -> None:
    """Record an acceptance, or change the one of the same step and code."""
    _put_context(connection, schema.ACCEPTANCE, lambda context: codec.put_acceptance(context, acceptance))


def put_quarantine(connection: Connection, quarantine: Quarantine) -> Quarantine:
    """Record a quarantine, or change the one of the same content."""
    id_ = _put_context(
        connection, schema.QUARANTINE, lambda context: codec.put_quarantine(context, quarantine)
    )
    return replace(quarantine, id=id_)


def put_in_quarantine(connection: Connection, quarantine: Quarantine, artifact: Artifact) -> None:
    """Record that an artifact has the content of a quarantine."""
    from ml_metadata.proto import metadata_store_pb2 as proto

    attribution = proto.Attribution(artifact_id=artifact.id, context_id=quarantine.id)
    connection.write(lambda store: store.put_attributions_and_associations([attribution], []))


def _put_context(connection: Connection, type_name: str, fill: Callable[[Any], Any]) -> int:
    """Record a context that is told by its name, or replace the one of that name; its id."""
    from ml_metadata.proto import metadata_store_pb2 as proto

    type_id = schema.context_type_ids(connection)[type_name]

    def put(store: Any) -> int:
        context = fill(proto.Context(type_id=type_id))
        known = store.get_context_by_type_and_name(type_name, context.name)
        if known is not None:
            context.id = known.id  # put with its id and without a mask, it is replaced
        return int(store.put_contexts([context])[0])

    return connection.write(put)
