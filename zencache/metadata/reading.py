"""Asking the metadata store: cache entries by key, runs, executions and artifacts."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from zencache.entity import Acceptance, Artifact, CacheEntry, Edge, Execution, PipelineRun, Quarantine
from zencache.metadata import codec, schema
from zencache.metadata.codec import Records
from zencache.metadata.connection import Connection
from zencache.metadata.foreign import (
    Membership,
    Place,
    foreign_execution,
    foreign_run,
    is_our_run,
    unlinked_pipeline,
)

_CHUNK = 5_000  # ids asked for in one call
_FIRST_PAGE = 50
_MANY = 20  # runs by name, above which all are listed
_PAGE = 500  # executions or artifacts in memory at a time, where all of them are gone through


class Reader:
    """Every look-up goes by indexed ids, many at once, so that its cost does not grow with history."""

    def __init__(self, connection: Connection, records: Records):
        self._connection = connection
        self._records = records

    def entries(self, cache_keys: Sequence[str]) -> dict[str, CacheEntry]:
        """The newest entry of each key that has one: three calls for any number of keys."""
        contexts = self._contexts_by_external_ids([schema.entry_id(key) for key in cache_keys])
        pointers = {context.name: _pointer(context) for context in contexts}
        found = {key: pointer for key, pointer in pointers.items() if pointer is not None}
        outputs = self._edges([execution_id for execution_id, _, _, _ in found.values()])
        return {
            key: CacheEntry(key, execution_id, duration, finished, outputs[execution_id][1], node)
            for key, (execution_id, duration, finished, node) in found.items()
        }

    def all_entries(self, cache_key: str) -> list[CacheEntry]:
        """Every entry of one key, newest first; for when the newest turns out to be unusable."""
        contexts = self._contexts_by_external_ids([schema.entry_id(cache_key)])
        if not contexts:
            return []
        executions = self._call(lambda store: store.get_executions_by_context(contexts[0].id))
        complete = [e for e in executions if e.last_known_state == e.State.Value("COMPLETE")]
        complete.sort(key=lambda e: (e.last_update_time_since_epoch, e.id), reverse=True)
        edges = self._edges([e.id for e in complete])
        return [
            CacheEntry(
                cache_key,
                e.id,
                e.custom_properties[schema.DURATION].double_value,
                e.last_update_time_since_epoch / 1000,
                edges[e.id][1],
            )
            for e in complete
        ]

    def last_run(self, pipeline: str) -> str:
        """The name of the last run of a pipeline; empty if there is none."""
        context = self._context(schema.PIPELINE, pipeline)
        return codec.get_text(context.custom_properties, schema.LAST_RUN) if context else ""

    def keys_of_run(self, run: str) -> list[str]:
        """The cache keys that a run had: what to ask for ahead of the next one of its pipeline."""
        context = self._context(schema.PIPELINE_RUN, run) if run else None
        if context is None:
            return []
        executions = self._call(lambda store: store.get_executions_by_context(context.id))
        return [codec.get_text(execution.custom_properties, schema.CACHE_KEY) for execution in executions]

    def acceptances(self) -> list[Acceptance]:
        """Every acceptance of an edit, oldest first, revoked ones too."""
        contexts = self._call(lambda store: store.get_contexts_by_type(schema.ACCEPTANCE))
        return [codec.get_acceptance(context) for context in sorted(contexts, key=lambda c: c.id)]

    def quarantines(self) -> list[Quarantine]:
        """Every quarantine, oldest first, lifted ones too."""
        contexts = self._call(lambda store: store.get_contexts_by_type(schema.QUARANTINE))
        return [codec.get_quarantine(context) for context in sorted(contexts, key=_id)]

    def quarantined(self, quarantine: Quarantine) -> list[int]:
        """The ids of the artifacts that are known to have the content of a quarantine."""
        found = self._call(lambda store: store.get_artifacts_by_context(quarantine.id))
        return sorted(artifact.id for artifact in found)

    def artifacts_by_uri(self, uri: str) -> list[Artifact]:
        """The artifacts at one address, oldest first: in a content-addressed store, of the same bytes."""
        found = self._call(lambda store: store.get_artifacts_by_uri(uri)) if uri else []
        return [codec.get_artifact(proto) for proto in sorted(found, key=_id)]

    def artifacts_of_pipeline(self, pipeline: str, artifact_type: str) -> list[Artifact]:
        """The artifacts of a type that the runs of a pipeline made, or took from the cache; oldest first."""
        parent = self._context(schema.PIPELINE, pipeline)
        contexts = [parent, *self._run_contexts(pipeline)] if parent is not None else []
        found = {
            proto.id: proto
            for context in contexts
            for proto in self._call(functools.partial(_artifacts_of_context, context_id=context.id))
            if proto.type == artifact_type
        }
        return [codec.get_artifact(proto) for _, proto in sorted(found.items())]

    def value_artifacts(self, external_ids: Sequence[str]) -> dict[str, Artifact]:
        """Artifacts of values given to pipelines, by external id."""
        from ml_metadata import errors

        try:
            found = self._call(lambda store: store.get_artifacts_by_external_ids(external_ids))
        except errors.NotFoundError:
            return {}
        return {proto.external_id: codec.get_artifact(proto) for proto in found}

    def pipelines(self) -> list[str]:
        """The names of all pipelines, oldest first."""
        contexts = self._call(lambda store: store.get_contexts_by_type(schema.PIPELINE))
        return [context.name for context in sorted(contexts, key=lambda c: c.id)]

    def artifact_types(self) -> list[str]:
        """The names of all artifact types, in alphabetical order."""
        return sorted(kind.name for kind in self._call(lambda store: store.get_artifact_types()))

    def steps(self) -> list[str]:
        """The names of all steps that have an execution, in alphabetical order."""
        return sorted(kind.name for kind in self._call(lambda store: store.get_execution_types()))

    def runs(
        self, pipeline: str | None = None, last: int | None = None, before: str | None = None
    ) -> list[PipelineRun]:
        """The runs of one pipeline or of all, or the last of them, or the last before one; oldest first."""
        contexts = self._run_contexts(pipeline)
        if before is not None:
            end = self._context(schema.PIPELINE_RUN, before)
            contexts = [context for context in contexts if end is not None and context.id < end.id]
        return [
            self._run(c) for c in (contexts if last is None else contexts[max(0, len(contexts) - last) :])
        ]

    def run_names(self, pipeline: str | None = None) -> list[str]:
        """The names of the runs of one pipeline or of all, oldest first: cheaper than the runs."""
        return [context.name for context in self._run_contexts(pipeline)]

    def _run_contexts(self, pipeline: str | None) -> list[Any]:
        if pipeline is None:
            contexts = self._call(lambda store: store.get_contexts_by_type(schema.PIPELINE_RUN))
        else:
            parent = self._context(schema.PIPELINE, pipeline)
            if parent is None:
                return []
            contexts = self._call(lambda store: store.get_children_contexts_by_context(parent.id))
            contexts = [context for context in contexts if context.type == schema.PIPELINE_RUN]
            if schema.LAST_RUN not in parent.custom_properties:  # not of zencache, which links every run
                contexts += self._runs_without_parents(pipeline)
        return sorted(contexts, key=_id)

    def _runs_without_parents(self, pipeline: str) -> list[Any]:
        """Runs of a pipeline that its writer did not put below it, as old versions of TFX did not."""
        runs = self._call(lambda store: store.get_contexts_by_type(schema.PIPELINE_RUN))
        foreign = [run for run in runs if not is_our_run(run)]
        return [run for run in foreign if unlinked_pipeline(self._connection, run.id) == pipeline]

    def run(self, name: str) -> PipelineRun | None:
        context = self._context(schema.PIPELINE_RUN, name) if name else None
        return self._run(context) if context else None

    def _run(self, context: Any) -> PipelineRun:
        run = codec.get_run(context, self._records)
        return run if is_our_run(context) else foreign_run(self._connection, run)

    def runs_by_name(self, names: Collection[str]) -> dict[str, PipelineRun]:
        """Runs by name, those that there are: one call each, or one for all where many are wanted."""
        if len(names) > _MANY:
            contexts = [context for context in self._run_contexts(None) if context.name in names]
            return {context.name: self._run(context) for context in contexts}
        found = {name: self.run(name) for name in sorted(names)}
        return {name: run for name, run in found.items() if run is not None}

    def execution_ids_of_run(self, run_id: int) -> list[int]:
        """The ids of the executions of a run, oldest first."""
        return sorted(proto.id for proto in self._call(lambda s: s.get_executions_by_context(run_id)))

    def executions_of_run(self, run_id: int) -> list[Execution]:
        """The executions of a run, in the order in which they were recorded."""
        return self._executions(lambda store: store.get_executions_by_context(run_id), run_id=run_id)

    def executions_by_id(self, execution_ids: Iterable[int]) -> list[Execution]:
        return self._by_id(execution_ids, Membership(self._connection))

    def _by_id(self, execution_ids: Iterable[int], membership: Membership) -> list[Execution]:
        wanted = sorted(set(execution_ids))
        if not wanted:
            return []
        return self._executions(lambda store: store.get_executions_by_id(wanted), membership)

    def brief_executions(
        self, execution_ids: Iterable[int], membership: Membership | None = None
    ) -> list[Execution]:
        """Executions by id, oldest first, without their artifacts, key parts and facts."""
        protos = self._in_chunks(execution_ids, lambda store, ids: store.get_executions_by_id(ids))
        ordered = sorted(protos, key=_id)
        places = self._places(ordered, membership)
        return [self._execution(proto, places.get(proto.id), brief=True) for proto in ordered]

    def brief_executions_of_run(self, run_id: int) -> list[Execution]:
        """The executions of a run, without artifacts, key parts and facts."""
        protos = self._call(lambda store: store.get_executions_by_context(run_id))
        return [codec.get_execution(proto, self._records, brief=True) for proto in sorted(protos, key=_id)]

    def executions_of_type(self, step: str) -> list[Execution]:
        """All executions of a step, oldest first."""
        return self._executions(lambda store: store.get_executions_by_type(step))

    def newest_executions(self) -> Iterator[list[Execution]]:
        """Every execution, the newest first, a page at a time."""
        membership = Membership(self._connection)
        for ids in self._pages(lambda store, **options: store.get_executions(**options)):
            yield self._by_id(ids, membership)[::-1]

    def oldest_executions(self) -> Iterator[list[Execution]]:
        """Every execution, the oldest first, a page at a time, without artifacts, key parts and facts."""
        newest = self._newest_id(lambda store, **options: store.get_executions(**options))
        membership = Membership(self._connection)
        for start in range(1, newest + 1, _PAGE):
            yield self.brief_executions(range(start, min(start + _PAGE, newest + 1)), membership)

    def newest_artifacts(self, artifact_type: str | None = None) -> Iterator[list[Artifact]]:
        """Every artifact, or those of a type, the newest first, a page at a time."""
        if artifact_type is not None:
            protos = self._call(lambda store: store.get_artifacts_by_type(artifact_type))
            yield [codec.get_artifact(proto) for proto in sorted(protos, key=_id, reverse=True)]
            return
        for ids in self._pages(lambda store, **options: store.get_artifacts(**options)):
            yield [artifact for _, artifact in sorted(self.artifacts_by_id(ids).items(), reverse=True)]

    def _pages(self, listing: Callable[..., Any]) -> Iterator[range]:
        """Ranges of ids from the newest down, short ones first: often the last few are all that is wanted.

        MLMD's own paging reads a list from its beginning.
        """
        end, length = self._newest_id(listing), _FIRST_PAGE
        while end > 0:
            yield range(max(1, end - length + 1), end + 1)
            end, length = end - length, min(2 * length, _PAGE)

    def _newest_id(self, listing: Callable[..., Any]) -> int:
        from ml_metadata import ListOptions, OrderByField

        newest = ListOptions(limit=1, order_by=OrderByField.ID, is_asc=False)
        return max(
            (row.id for row in self._call(lambda store: listing(store, list_options=newest))), default=0
        )

    def artifacts_by_id(self, artifact_ids: Iterable[int]) -> dict[int, Artifact]:
        protos = self._in_chunks(artifact_ids, lambda store, ids: store.get_artifacts_by_id(ids))
        return {proto.id: codec.get_artifact(proto) for proto in protos}

    def edges_of_artifacts(self, artifact_ids: Iterable[int]) -> list[Edge]:
        """Every execution that took or made one of some artifacts."""
        return _as_edges(self._in_chunks(artifact_ids, lambda s, ids: s.get_events_by_artifact_ids(ids)))

    def edges_of_executions(self, execution_ids: Iterable[int]) -> list[Edge]:
        """Every artifact that one of some executions took or made."""
        return _as_edges(self._in_chunks(execution_ids, lambda s, ids: s.get_events_by_execution_ids(ids)))

    def _in_chunks(self, ids: Iterable[int], call: Callable[..., Any]) -> Iterator[Any]:
        """Rows by id, in ascending order of the ids, some thousands in a call."""
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            yield from self._call(functools.partial(call, ids=chunk))

    def _executions(
        self, call: Callable[[Any], Any], membership: Membership | None = None, run_id: int | None = None
    ) -> list[Execution]:
        protos = sorted(self._call(call), key=lambda e: e.id)
        edges = self._edges([proto.id for proto in protos])
        places = self._places(protos, membership, run_id)
        return [
            self._execution(
                proto, places.get(proto.id), inputs=edges[proto.id][0], outputs=edges[proto.id][1]
            )
            for proto in protos
        ]

    def _places(
        self, protos: Sequence[Any], membership: Membership | None = None, run_id: int | None = None
    ) -> dict[int, Place]:
        """Where the executions belong that zencache did not record."""
        foreign = [proto.id for proto in protos if not codec.is_ours(proto)]
        if not foreign:
            return {}
        return (membership or Membership(self._connection)).places(foreign, run_id)

    def _execution(self, proto: Any, place: Place | None, *, brief: bool = False, **sides: Any) -> Execution:
        if place is None:
            return codec.get_execution(proto, self._records, brief=brief, **sides)
        return foreign_execution(proto, place=place, **sides)

    def _edges(
        self, execution_ids: Sequence[int]
    ) -> dict[int, tuple[dict[str, Artifact], dict[str, Artifact]]]:
        """``(inputs, outputs)`` by name for each execution: two calls for any number of them."""
        edges: dict[int, tuple[dict[str, Artifact], dict[str, Artifact]]] = {
            id_: ({}, {}) for id_ in execution_ids
        }
        if not execution_ids:
            return edges
        found = self.edges_of_executions(execution_ids)
        artifacts = self.artifacts_by_id(edge.artifact_id for edge in found)
        for edge in found:
            artifact = artifacts.get(edge.artifact_id)
            if artifact is not None:
                side = edges[edge.execution_id][edge.is_output]
                for name in edge.names:
                    side[_free_name(side, name, artifact)] = artifact
        return edges

    def _context(self, type_name: str, name: str) -> Any:
        return self._call(lambda store: store.get_context_by_type_and_name(type_name, name))

    def _contexts_by_external_ids(self, external_ids: Sequence[str]) -> list[Any]:
        from ml_metadata import errors

        if not external_ids:
            return []
        try:
            return list(self._call(lambda store: store.get_contexts_by_external_ids(list(external_ids))))
        except errors.NotFoundError:
            return []

    def _call(self, call: Callable[[Any], Any]) -> Any:
        return self._connection.read(call)


def _as_edges(events: Iterable[Any]) -> list[Edge]:
    return [edge for event in events if (edge := codec.get_edge(event)) is not None]


def _free_name(side: Mapping[str, Artifact], name: str, artifact: Artifact) -> str:
    """The name, with a number behind it where another tool gave the same one to several artifacts."""
    free, count = name, 1
    while free in side and side[free].id != artifact.id:
        count += 1
        free = f"{name}_{count}"
    return free


def _artifacts_of_context(store: Any, context_id: int) -> Any:
    return store.get_artifacts_by_context(context_id)


def _id(proto: Any) -> int:
    return int(proto.id)


def _pointer(context: Any) -> tuple[int, float, float, str] | None:
    """Execution id, duration, time and node of the newest entry, to which the context of a key points."""
    try:
        found = json.loads(codec.get_text(context.custom_properties, schema.ENTRY))
        node = str(found.get("node", ""))
        return int(found["execution"]), float(found["duration"]), float(found["finished"]), node
    except (AttributeError, ValueError, KeyError, TypeError):
        return None
