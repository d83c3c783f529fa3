"""Recording a run in the metadata store: every verb is one transaction, and batches where it can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from zencache.entity import Artifact, Execution, Lease, PipelineRun, Status
from zencache.materializer import ArtifactType
from zencache.metadata import codec, schema
from zencache.metadata.codec import Records
from zencache.metadata.connection import Connection
from zencache.metadata.contexts import RunContexts
from zencache.metadata.leasing import LeaseLost, LeaseTaken, find_contexts, lease_context
from zencache.signing import Trust, entry_statement, value_statement

T = TypeVar("T")


class RunWriter:
    """Writes what happens in one run.

    Args:
        steps: the name of each step of the run -> its MLMD system type, such as ``Train``, if it has one.
        trust: with which key its records are signed.
    """

    def __init__(
        self,
        connection: Connection,
        records: Records,
        run: PipelineRun,
        steps: Mapping[str, str | None],
        pipeline: Any,
        trust: Trust,
    ):
        self._connection = connection
        self._trust = trust
        self._records = records
        self._contexts = RunContexts(connection, records, run, pipeline, trust)
        self._steps = steps
        self._type_ids: Mapping[str, int] | None = None
        self._names: dict[str, int] = {}
        self._registered: dict[int, Any] = {}  # what was said of an execution that has not ended

    @property
    def run(self) -> PipelineRun:
        return self._contexts.run

    @property
    def recorded(self) -> PipelineRun:
        """The run as it reads in the metadata store, once it has ended."""
        return self._contexts.recorded

    def last_keys(self) -> list[str]:
        """The cache keys that the last run of the pipeline had: what to ask for ahead."""
        return self._contexts.last_keys()

    def node_names(self, nodes: Iterable[str]) -> list[str]:
        """The names of the contexts of some nodes."""
        return [self._contexts.node_name(node) for node in nodes]

    def register(self, execution: Execution) -> Execution:
        """Record that a step's body starts, with its inputs, and take the lease that it asks for with it.

        Raises:
            LeaseTaken: that generation of the lease exists; nothing is recorded.
        """
        execution_proto, edges = self._proto(execution), self._input_edges([execution])
        lease = execution.lease

        def put(store: Any) -> Execution:
            held = None if lease is None else held_now(store)
            if held is not None:
                assert lease is not None
                if held.token != lease.token:
                    raise LeaseTaken(held)
                if (known := found(store)) is not None:
                    return known
            contexts = self._contexts.of([execution.node])
            if lease is not None:
                contexts.append(lease_context(self._connection, lease))
            (execution_id,), _, ids = self._send(store, [execution_proto], [], contexts, edges)
            taken = None if lease is None else replace(lease, id=ids[-1])
            return replace(execution, id=execution_id, lease=taken)

        def found(store: Any) -> Execution | None:
            ids = self._known_ids(store, [execution_proto])
            if ids is None or lease is None:
                return None if ids is None else replace(execution, id=ids[0])
            held = held_now(store)
            return None if held is None else replace(execution, id=ids[0], lease=replace(lease, id=held.id))

        def held_now(store: Any) -> Lease | None:
            assert lease is not None
            ids = [schema.lease_id(lease.cache_key, lease.generation)]
            return next(map(codec.get_lease, find_contexts(store, ids).values()), None)

        try:
            registered = self._unique(put, found)
        except LeaseTaken:
            self._names[execution.node] -= 1
            raise
        execution_proto.id = registered.id
        self._registered[registered.id] = execution_proto
        return registered

    def complete(
        self, execution: Execution, outputs: Mapping[str, Artifact], types: Mapping[str, ArtifactType]
    ) -> Execution:
        """Record success: state, outputs, events and, if it is kept, the cache entry, in one transaction.

        An output that is recorded already, as one that was resolved, is only pointed to, as TFX does it.

        Args:
            execution: as it is now, with the time at which it ``finished``: its entry's age counts from then.
            outputs, types: what it made, by name.

        Raises:
            LeaseLost: another run has taken the execution's lease over; nothing is recorded.
        """
        new = {name: artifact for name, artifact in outputs.items() if not artifact.id}
        protos = [self._new_artifact(execution, name, one, types[name]) for name, one in new.items()]
        external_ids = [artifact.external_id for artifact in protos]
        edges = _output_edges(outputs)
        execution = self._signed(execution, outputs)
        execution_proto = self._proto(execution)

        def put(store: Any) -> list[int]:
            last = self._last_contexts(execution, list(new) if len(new) == len(outputs) else None)
            there = find_contexts(store, [context.external_id for context in last])
            if execution.lease is not None and self._has_ended(execution.lease, there):
                ids = found(store)
                if ids is not None:
                    return ids
            for context in last:
                if context.external_id in there:
                    context.id = there[context.external_id].id
            contexts = [*self._contexts.of([execution.node]), *last]
            return self._send(store, [execution_proto], protos, contexts, edges)[1]

        def found(store: Any) -> list[int] | None:
            (known,) = store.get_executions_by_id([execution.id])
            if known.last_known_state != execution_proto.last_known_state:
                return None
            self._contexts.adopt(store)
            artifacts = store.get_artifacts_by_external_ids(external_ids) if new else []
            ids = {artifact.external_id: artifact.id for artifact in artifacts}
            return [ids[external_id] for external_id in external_ids]

        artifact_ids = self._unique(put, found)
        recorded = {
            name: replace(artifact, id=artifact_id)
            for (name, artifact), artifact_id in zip(new.items(), artifact_ids, strict=True)
        }
        return replace(execution, outputs={name: recorded.get(name, outputs[name]) for name in outputs})

    def _new_artifact(
        self, execution: Execution, name: str, artifact: Artifact, artifact_type: ArtifactType
    ) -> Any:
        from ml_metadata.proto import metadata_store_pb2 as proto

        type_id = schema.artifact_type_id(self._connection, artifact_type)
        empty = proto.Artifact(external_id=schema.output_id(execution.id, name))
        return codec.put_artifact(empty, artifact, type_id, artifact_type.properties)

    def _last_contexts(self, execution: Execution, outputs: list[str] | None) -> list[Any]:
        """What an execution that has completed is put into for good: its lease's end and its key's entry.

        Args:
            outputs: the names of its outputs, if it made all of them.
        """
        contexts = []
        if execution.lease is not None:
            contexts.append(lease_context(self._connection, execution.lease.ended))
        if not execution.not_kept:
            contexts.append(self._contexts.entry(execution, outputs))
        return contexts

    def _signed(self, execution: Execution, outputs: Mapping[str, Artifact]) -> Execution:
        if self._trust.is_indifferent:
            return execution
        for artifact in outputs.values():
            self._trust.note(value_statement(artifact))
        if execution.not_kept:
            return execution
        statement = entry_statement(execution.cache_key, execution.finished, execution.inputs, outputs)
        return replace(execution, signature=self._trust.sign(statement))

    def end(self, execution: Execution, traceback: str = "") -> None:
        """Record that a step failed or was canceled, and release its lease if it still has it."""
        edges = [] if execution.id else self._input_edges([execution])
        execution_proto = self._proto(execution, traceback)

        def put(store: Any) -> list[int]:
            contexts = self._contexts.of([execution.node])
            if execution.lease is not None:
                ended = lease_context(self._connection, execution.lease.ended)
                if not find_contexts(store, [ended.external_id]):
                    contexts.append(ended)
            return self._send(store, [execution_proto], [], contexts, edges)[0]

        self._unique(put, lambda store: self._known_ids(store, [execution_proto]))

    def hits(self, executions: Sequence[Execution]) -> list[Execution]:
        """Record cached executions, all of them in two calls."""
        from ml_metadata.proto import metadata_store_pb2 as proto

        protos = [self._proto(execution) for execution in executions]
        edges = self._input_edges(executions)
        for index, execution in enumerate(executions):
            for name, artifact in execution.outputs.items():
                edges.append((index, None, codec.put_event(proto.Event(), [name], "OUTPUT", artifact.id)))
        execution_ids = self._put(protos, [], edges, [])
        nodes = self._contexts.node_ids([execution.node for execution in executions])
        outputs = {(a.id, self.run.id) for execution in executions for a in execution.outputs.values()}
        for execution in executions:  # what another node made becomes an output of this one, too
            if not self._is_of_same_node(execution):
                around = (nodes[execution.node], self._contexts.pipeline_id)
                outputs |= {(a.id, id_) for a in execution.outputs.values() for id_ in around if id_}
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
        self._contexts.run = replace(run, id=self.run.id)
        if write:
            self._put([], [], [], [])

    def reopen(self) -> None:
        """The run goes on after it was recorded as ended."""
        self._contexts.run = replace(self.run, status=Status.RUNNING, ended=None)

    def value(self, artifact: Artifact, artifact_type: ArtifactType, external_id: str) -> Artifact:
        """Record an artifact that no step made: a value that was given to the pipeline."""
        from ml_metadata import errors
        from ml_metadata.proto import metadata_store_pb2 as proto

        type_id = schema.artifact_type_id(self._connection, artifact_type)
        artifact = replace(artifact, signature=self._trust.sign(value_statement(artifact)))
        empty = proto.Artifact(external_id=external_id)
        recorded = codec.put_artifact(empty, artifact, type_id, artifact_type.properties)
        try:
            (artifact_id,) = self._connection.write(lambda store: store.put_artifacts([recorded]))
        except errors.AlreadyExistsError:  # another run was faster: the same value is the same artifact
            (found,) = self._connection.read(lambda store: store.get_artifacts_by_external_ids([external_id]))
            artifact_id = found.id
        return replace(artifact, id=artifact_id)

    def _has_ended(self, lease: Lease, found: Mapping[str, Any]) -> bool:
        """Whether the holder of a lease has ended it, by this very call, whose answer was lost.

        Raises:
            LeaseLost: somebody else has.
        """
        context = found.get(schema.lease_id(lease.cache_key, lease.generation + 1))
        if context is None:
            return False
        other = codec.get_lease(context)
        if other.token == lease.token:
            return True
        raise LeaseLost(other)

    def _unique(self, put: Callable[[Any], T], found: Callable[[Any], T | None]) -> T:
        """Write what can be there only once.

        Args:
            put: looks at what is there, and writes.
            found: what ``put`` would have returned if it has been carried out, and None if it has not. It is
                asked when an answer was lost, and when something of the same name turns out to be there.
        """
        from ml_metadata import errors

        def again(store: Any) -> T:
            result = found(store)
            return put(store) if result is None else result

        try:
            return self._connection.write(put, found)
        except errors.AlreadyExistsError:
            return self._connection.write(again, found)

    def _put(
        self, executions: Sequence[Any], artifacts: Sequence[Any], edges: Sequence[Any], nodes: Sequence[str]
    ) -> list[int]:
        def put(store: Any) -> list[int]:
            return self._send(store, executions, artifacts, self._contexts.of(nodes), edges)[0]

        return self._unique(put, lambda store: self._known_ids(store, executions))

    def _known_ids(self, store: Any, executions: Sequence[Any]) -> list[int] | None:
        """The ids of executions, if the write whose answer was lost was applied: their names are unique."""
        names = [execution.name for execution in executions]
        run_id = self._contexts.adopt(store)
        if run_id is None or not names:  # what has no executions in it may be repeated
            return None
        known = {e.name: e for e in store.get_executions_by_context(run_id)}
        states = [known[name].last_known_state for name in names if name in known]
        if states != [execution.last_known_state for execution in executions]:
            return None
        return [known[name].id for name in names]

    def _send(
        self,
        store: Any,
        executions: Sequence[Any],
        artifacts: Sequence[Any],
        contexts: Sequence[Any],
        edges: Any,
    ) -> tuple[list[int], list[int], list[int]]:
        """One transaction; the ids of executions, artifacts and contexts.

        It joins every context to every execution and artifact that it is given.
        """
        execution_ids, artifact_ids, context_ids = store.put_lineage_subgraph(
            executions, artifacts, contexts, edges, reuse_context_if_already_exist=True
        )
        self._contexts.take_ids(store, context_ids)
        return execution_ids, artifact_ids, context_ids

    def _proto(self, execution: Execution, traceback: str = "") -> Any:
        from ml_metadata.proto import metadata_store_pb2 as proto

        if self._type_ids is None:
            schema.register_at_once(self._connection, self._steps)
            self._type_ids = schema.execution_type_ids(self._connection, self._steps)
        if execution.cache_key:
            self._contexts.note_key(execution.cache_key)
        filled = self._registered.pop(execution.id, None)
        if filled is None:
            filled = proto.Execution(type_id=self._type_ids[execution.step], id=execution.id or None)
            attempt = self._attempt(execution)
            codec.put_execution_facts(filled, execution, records=self._records, attempt=attempt)
        return codec.put_execution_state(filled, execution, records=self._records, traceback=traceback)

    def _attempt(self, execution: Execution) -> int:
        """A node is recorded again in one run when the bytes of its hit turn out to be damaged."""
        if not execution.id:
            self._names[execution.node] = self._names.get(execution.node, 0) + 1
        return self._names[execution.node]

    def _is_of_same_node(self, execution: Execution) -> bool:
        """Whether a cached execution takes what the same node of the same pipeline made."""
        entry = execution.decision.entry if execution.decision else None
        return entry is not None and entry.node == self._contexts.node_name(execution.node)

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


def _output_edges(outputs: Mapping[str, Artifact]) -> list[tuple[int, int | None, Any]]:
    """Events of one execution: new artifacts are meant by their places, recorded ones by their ids."""
    from ml_metadata.proto import metadata_store_pb2 as proto

    new = [name for name, artifact in outputs.items() if not artifact.id]
    edges: list[tuple[int, int | None, Any]] = [
        (0, place, codec.put_event(proto.Event(), [name], "OUTPUT")) for place, name in enumerate(new)
    ]
    edges += [
        (0, None, codec.put_event(proto.Event(), [name], "INTERNAL_OUTPUT", artifact.id))
        for name, artifact in outputs.items()
        if artifact.id
    ]
    return edges
