"""Copying executions, and everything that they were made of, from one metadata store into another.

Each copy is told by its external id, which is made of what was recorded and not of ids: copying again finds
it, from wherever the copy came, and what a killed process has left out is added.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from zencache.digest import fingerprint
from zencache.entity import Artifact
from zencache.metadata import codec, schema
from zencache.metadata.codec import Records
from zencache.metadata.connection import Connection

_TAKEN = ("INPUT", "DECLARED_INPUT")
_MADE = ("OUTPUT", "DECLARED_OUTPUT")
_CHUNK = 1_000


class Transfer:
    """One copying, from a source into a target.

    Args:
        source, target: each a connection, and where long texts lie.
        origin: what is recorded as the place that the copies came from.
    """

    def __init__(self, source: tuple[Connection, Records], target: tuple[Connection, Records], origin: str):
        self._source, self._source_records = source
        self._target, self._target_records = target
        self._origin = origin
        self._executions: dict[int, Any] = {}
        self._artifacts: dict[int, Any] = {}
        self._events: dict[int, list[Any]] = {}
        self._identities: dict[int, str] = {}
        self._runs: dict[int, tuple[str, bool]] = {}

    def copy(self, execution_ids: Iterable[int], uris: Mapping[str, str]) -> dict[int, int]:
        """Copy executions, which shall be found by their cache keys, and all that is above them.

        Args:
            execution_ids: ids in the source, of executions that ran.
            uris: where an object lies in the target's artifact store, by the hash of its digest.

        Returns:
            Id in the source -> id in the target.
        """
        wanted = set(execution_ids)
        self._collect(wanted)
        copied: dict[int, int] = {}
        artifacts: dict[int, int] = {}
        for id_ in sorted(self._executions):  # what is above another was recorded before it
            copied[id_] = self._copy(id_, uris, artifacts)
            if id_ in wanted:
                self._enter(self._executions[id_], copied[id_])
        return copied

    def _collect(self, execution_ids: set[int]) -> None:
        """Read the executions, and the producers of their inputs, and theirs."""
        waiting, seen_artifacts = set(execution_ids), set[int]()
        while waiting:
            for part in _parts(sorted(waiting)):
                for proto in self._ask("get_executions_by_id", part):
                    if proto.id in execution_ids or codec.status_of(proto).value == "completed":
                        self._executions[proto.id] = proto
                for event in self._ask("get_events_by_execution_ids", part):
                    self._events.setdefault(event.execution_id, []).append(event)
            events = [
                event for id_ in waiting & self._executions.keys() for event in self._events.get(id_, [])
            ]
            new = {event.artifact_id for event in events} - seen_artifacts
            seen_artifacts |= new
            taken = {event.artifact_id for event in events if event.Type.Name(event.type) in _TAKEN} & new
            for part in _parts(sorted(new)):
                for proto in self._ask("get_artifacts_by_id", part):
                    self._artifacts[proto.id] = proto
            waiting = set()
            for part in _parts(sorted(taken)):
                for event in self._ask("get_events_by_artifact_ids", part):
                    if event.Type.Name(event.type) in _MADE:
                        waiting.add(event.execution_id)
            waiting -= self._executions.keys()

    def _copy(self, id_: int, uris: Mapping[str, str], artifacts: dict[int, int]) -> int:
        from ml_metadata.proto import metadata_store_pb2 as proto

        original = self._executions[id_]
        identity = self._identity(id_)
        existing = self._find(original, identity)
        if existing is not None:
            self._map_outputs(id_, existing, artifacts, uris)
            return existing
        run, node, contexts = self._contexts_of(original)
        copy = proto.Execution()
        copy.CopyFrom(original)
        copy.ClearField("id")
        copy.ClearField("create_time_since_epoch")
        copy.ClearField("last_update_time_since_epoch")
        copy.type_id = self._execution_type(original)
        copy.name = f"{run}/{node}" if run else f"{original.name or original.id}~{identity[-8:]}"
        copy.external_id = identity
        self._copy_records(copy.custom_properties)
        if schema.ORIGIN not in copy.custom_properties:
            copy.custom_properties[schema.ORIGIN].string_value = self._origin[: schema.MAX_NAME]
        if schema.FINISHED not in copy.custom_properties:
            finished = original.last_update_time_since_epoch
            copy.custom_properties[schema.FINISHED].string_value = str(finished)
        new, edges = self._edges(id_, artifacts, uris)

        def put(store: Any) -> tuple[list[int], list[int], list[int]]:
            return store.put_lineage_subgraph(  # type: ignore[no-any-return]
                [copy], [one for _, one in new], contexts, edges, reuse_context_if_already_exist=True
            )

        (copied,), ids, context_ids = self._target.write(put)
        artifacts.update({old: id_ for (old, _), id_ in zip(new, ids, strict=True)})
        self._link(contexts, context_ids)
        return int(copied)

    def _edges(
        self, id_: int, artifacts: dict[int, int], uris: Mapping[str, str]
    ) -> tuple[list[tuple[int, Any]], list[tuple[int, int | None, Any]]]:
        """The artifacts that are new in the target, and the events of an execution."""
        from ml_metadata.proto import metadata_store_pb2 as proto

        events = self._events.get(id_, [])
        wanted = [e.artifact_id for e in events if e.artifact_id in self._artifacts]
        missing = list(dict.fromkeys(old for old in wanted if old not in artifacts))
        names = {old: self._artifact_identity(old, id_) for old in missing}
        found = self._by_external_ids("get_artifacts_by_external_ids", list(names.values()))
        artifacts.update({old: found[name].id for old, name in names.items() if name in found})
        new = [(old, self._artifact_copy(old, names[old], uris)) for old in missing if old not in artifacts]
        place = {old: index for index, (old, _) in enumerate(new)}
        edges: list[tuple[int, int | None, Any]] = []
        for event in sorted(events, key=lambda e: (e.artifact_id, e.type)):
            if event.artifact_id not in self._artifacts:
                continue
            copy = proto.Event(type=event.type)
            copy.path.CopyFrom(event.path)
            if event.artifact_id in place:
                edges.append((0, place[event.artifact_id], copy))
            else:
                copy.artifact_id = artifacts[event.artifact_id]
                edges.append((0, None, copy))
        return new, edges

    def _artifact_copy(self, id_: int, identity: str, uris: Mapping[str, str]) -> Any:
        from ml_metadata.proto import metadata_store_pb2 as proto

        original = self._artifacts[id_]
        copy = proto.Artifact()
        copy.CopyFrom(original)
        for field in ("id", "create_time_since_epoch", "last_update_time_since_epoch", "name"):
            copy.ClearField(field)
        if original.name:
            copy.custom_properties["name"].string_value = original.name
        copy.type_id = self._artifact_type(original)
        copy.external_id = identity
        copy.uri = _moved(codec.get_artifact(original), uris)
        self._copy_records(copy.custom_properties)
        return copy

    def _map_outputs(
        self, id_: int, existing: int, artifacts: dict[int, int], uris: Mapping[str, str]
    ) -> None:
        """What an execution that is there already took and made is there, too."""
        theirs = {}
        for event in self._target.read(lambda store: store.get_events_by_execution_ids([existing])):
            theirs[_event_key(event)] = event.artifact_id
        for event in self._events.get(id_, []):
            if _event_key(event) in theirs:
                artifacts.setdefault(event.artifact_id, theirs[_event_key(event)])
        made = {e.artifact_id for e in self._events.get(id_, []) if e.Type.Name(e.type) in _MADE}
        self._move([artifacts[old] for old in made & artifacts.keys()], uris)

    def _move(self, ids: Sequence[int], uris: Mapping[str, str]) -> None:
        """Bytes that were not copied the last time lie here now: so says the URI."""
        from ml_metadata.proto import metadata_store_pb2 as proto

        if not ids:
            return
        moved = []
        for found in self._target.read(lambda store: store.get_artifacts_by_id(ids)):
            uri = _moved(codec.get_artifact(found), uris)
            if uri != found.uri or found.state != found.State.Value("LIVE"):
                one = proto.Artifact(id=found.id, type_id=found.type_id, uri=uri)
                one.state = one.State.Value("LIVE")
                moved.append(one)
        if moved:
            self._target.write(lambda store: store.put_artifacts(moved, field_mask_paths=["uri", "state"]))

    def _identity(self, id_: int) -> str:
        """What tells an execution in any store: its run and node, its key, and what it made."""
        if id_ not in self._identities:
            proto = self._executions[id_]
            self._identities[id_] = proto.external_id or identity_of(
                proto, self._events.get(id_, []), self._artifacts
            )
        return self._identities[id_]

    def _artifact_identity(self, id_: int, execution_id: int) -> str:
        original = self._artifacts[id_]
        if original.external_id and not schema.is_local(original.external_id):
            return str(original.external_id)
        made = [e for e in self._events.get(execution_id, []) if e.artifact_id == id_]
        made = [e for e in made if e.Type.Name(e.type) in _MADE]
        if made:
            return (
                f"zencache:artifact:{fingerprint((self._identity(execution_id), str(_event_key(made[0]))))}"
            )
        return f"zencache:artifact:{fingerprint((original.type, original.uri, _digest_of(original)))}"

    def _find(self, original: Any, identity: str) -> int | None:
        """The execution in the target: a copy, or the very one that the source has a copy of."""
        found = self._by_external_ids("get_executions_by_external_ids", [identity])
        if identity in found:
            return int(found[identity].id)
        native = self._target.read(
            lambda store: store.get_execution_by_type_and_name(original.type, original.name)
        )
        if native is None or native.external_id:
            return None
        events = self._target.read(lambda store: store.get_events_by_execution_ids([native.id]))
        ids = sorted({event.artifact_id for event in events})
        artifacts = {one.id: one for one in self._target.read(lambda store: store.get_artifacts_by_id(ids))}
        return int(native.id) if identity_of(native, events, artifacts) == identity else None

    def _contexts_of(self, original: Any) -> tuple[str, str, list[Any]]:
        """Run and node of the copy, and the contexts that it belongs to."""
        contexts, run = [], ""
        name, _, node = original.name.rpartition("/")
        for context in self._read(lambda store: store.get_contexts_by_execution(original.id)):
            if context.type == schema.PIPELINE_RUN:
                copy = self._run_copy(context)
                run = copy.name if context.name == name else run
            elif context.type in (schema.PIPELINE, schema.NODE):
                copy = schema.new_context(self._target, context.type, name=context.name)
                if context.type == schema.NODE:
                    copy.external_id = schema.node_id(context.name)
            else:
                continue
            contexts.append(copy)
        contexts.sort(key=lambda one: (one.type_id, one.name))
        return run, node, contexts

    def _run_copy(self, context: Any) -> Any:
        """The context of a run, under another name if the target has another run of its name."""
        copy = schema.new_context(self._target, schema.PIPELINE_RUN, name=context.name)
        for name, value in context.custom_properties.items():
            if name != schema.PREVIOUS:
                copy.custom_properties[name].CopyFrom(value)
        started = codec.get_text(context.custom_properties, schema.STARTED)
        there = self._target.read(
            lambda store: store.get_context_by_type_and_name(schema.PIPELINE_RUN, context.name)
        )
        if there is not None and codec.get_text(there.custom_properties, schema.STARTED) != started:
            copy.name = f"{context.name}~{fingerprint((context.name, started))[:8]}"
        self._copy_records(copy.custom_properties)
        if schema.ORIGIN not in copy.custom_properties:
            copy.custom_properties[schema.ORIGIN].string_value = self._origin[: schema.MAX_NAME]
        return copy

    def _link(self, contexts: Sequence[Any], ids: Sequence[int]) -> None:
        """Put the copied run below its pipeline."""
        from ml_metadata import errors
        from ml_metadata.proto import metadata_store_pb2 as proto

        run_type, pipeline_type = (
            schema.context_type_id(self._target, kind) for kind in (schema.PIPELINE_RUN, schema.PIPELINE)
        )
        put = [(one.type_id, id_) for one, id_ in zip(contexts, ids, strict=True)]
        links = [
            proto.ParentContext(child_id=run, parent_id=pipeline)
            for kind, run in put
            for other, pipeline in put
            if kind == run_type and other == pipeline_type
        ]
        if links:
            with suppress(errors.AlreadyExistsError):
                self._target.write(lambda store: store.put_parent_contexts(links))

    def _enter(self, original: Any, copied: int) -> None:
        """Let the copy be found by its cache key."""
        from ml_metadata import errors

        key = codec.get_text(original.custom_properties, schema.CACHE_KEY)
        if not key or schema.NOT_KEPT in original.custom_properties:
            return
        finished = codec.finished_of(original)
        duration = original.custom_properties[schema.DURATION].double_value
        pointer: dict[str, Any] = {"execution": copied, "duration": duration, "finished": finished}
        pointer["node"] = ""
        signature = codec.get_signature(original.custom_properties)
        if signature is not None:
            pointer["signature"] = codec.signature_json(signature)

        def put(store: Any) -> None:
            context = schema.new_context(
                self._target, schema.EXECUTION_CACHE, name=key, external_id=schema.entry_id(key)
            )
            with suppress(errors.NotFoundError):
                (found,) = store.get_contexts_by_external_ids([context.external_id])
                context.CopyFrom(found)
            said = codec.get_text(context.custom_properties, schema.ENTRY)
            if not said or json.loads(said).get("finished", 0) < finished:
                context.custom_properties[schema.ENTRY].string_value = json.dumps(pointer)
            (execution,) = store.get_executions_by_id([copied])
            store.put_lineage_subgraph([execution], [], [context], [], reuse_context_if_already_exist=True)

        self._target.write(put)

    def _execution_type(self, original: Any) -> int:
        (kind,) = self._read(lambda store: store.get_execution_types_by_id([original.type_id]))
        return self._type("execution", kind, lambda store, kind: store.put_execution_type(kind, True, True))

    def _artifact_type(self, original: Any) -> int:
        (kind,) = self._read(lambda store: store.get_artifact_types_by_id([original.type_id]))
        return self._type("artifact", kind, lambda store, kind: store.put_artifact_type(kind, True, True))

    def _type(self, family: str, kind: Any, put: Callable[[Any, Any], int]) -> int:
        """The id of a type in the target, made there with its properties and base if need be."""
        key = (f"transferred {family}", kind.name)
        if key not in self._target.type_ids:
            copy = type(kind)()
            copy.CopyFrom(kind)
            copy.ClearField("id")
            self._target.type_ids[key] = self._target.write(lambda store: put(store, copy))
        return self._target.type_ids[key]

    def _copy_records(self, properties: Any) -> None:
        """Text that lies in the source's artifact store is kept in the target's."""
        for value in properties.values():
            text = value.string_value
            if text.startswith(schema.TEXT_OF_RECORD):
                reference = text.removeprefix(schema.TEXT_OF_RECORD)
                self._target_records.write_record(self._source_records.read_record(reference))

    def _by_external_ids(self, call: str, external_ids: list[str]) -> dict[str, Any]:
        from ml_metadata import errors

        if not external_ids:
            return {}
        try:
            found = self._target.read(lambda store: getattr(store, call)(external_ids))
        except errors.NotFoundError:
            return {}
        return {one.external_id: one for one in found}

    def _ask(self, call: str, ids: Sequence[int]) -> Any:
        return self._source.read(lambda store: getattr(store, call)(ids))

    def _read(self, call: Callable[[Any], Any]) -> Any:
        return self._source.read(call)


def identity_of(execution: Any, events: Iterable[Any], artifacts: Mapping[int, Any]) -> str:
    """The external id of an execution that has none: of what it is called, its key, and what it made."""
    made = sorted(
        (
            str(_event_key(event)),
            codec.get_text(artifacts[event.artifact_id].custom_properties, schema.DIGEST),
        )
        for event in events
        if event.artifact_id in artifacts and event.Type.Name(event.type) in _MADE
    )
    key = codec.get_text(execution.custom_properties, schema.CACHE_KEY)
    return f"zencache:execution:{fingerprint((execution.type, execution.name, key, made))}"


def _digest_of(artifact: Any) -> str:
    return codec.get_text(artifact.custom_properties, schema.DIGEST)


def _event_key(event: Any) -> tuple[str, tuple[str, ...]]:
    """What an event is about, in any store."""
    kind = event.Type.Name(event.type).removeprefix("DECLARED_")
    return kind, tuple(step.key or str(step.index) for step in event.path.steps)


def _moved(artifact: Artifact, uris: Mapping[str, str]) -> str:
    """The URI of an artifact whose object lies elsewhere now, with what follows the object's address."""
    uri = uris.get(artifact.object.hash)
    if uri is None or artifact.is_external:
        return artifact.uri
    _, marker, behind = artifact.uri.partition(artifact.object.hash.replace(":", "-"))
    return uri + behind if marker else uri


def _parts(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
