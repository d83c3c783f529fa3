"""Asking the metadata store: runs, executions, artifacts, and what people have said of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from zencache.entity import (
    Acceptance,
    Artifact,
    Execution,
    Pin,
    PipelineRun,
    Quarantine,
)
from zencache.metadata import codec, schema
from zencache.metadata.entries import EntryReader
from zencache.metadata.foreign import (
    Membership,
    Place,
    foreign_execution,
    foreign_run,
    is_our_run,
    unlinked_pipeline,
)
from zencache.metadata.survey import Survey, survey

_FIRST_PAGE = 50
_MANY = 20  # runs by name, above which all are listed
_DOOMED = (3, 4)  # the numbers of MLMD's states MARKED_FOR_DELETION and DELETED
_PAGE = 500  # executions or artifacts in memory at a time, where all of them are gone through


class Reader(EntryReader):
    """Every look-up goes by indexed ids, many at once, so that its cost does not grow with history."""

    def last_run(self, pipeline: str) -> str:
        """The name of the last run of a pipeline; empty if there is none."""
        context = self._context(schema.PIPELINE, pipeline)
        return codec.get_text(context.custom_properties, schema.LAST_RUN) if context else ""

    def last_keys(self, pipeline: str) -> list[str]:
        """The cache keys of the last run of a pipeline: what to ask for ahead of the next one."""
        context = self._context(schema.PIPELINE, pipeline)
        if context is None:
            return []
        noted = codec.get_last_keys(context)
        return noted or self.keys_of_run(codec.get_text(context.custom_properties, schema.LAST_RUN))

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

    def pins(self) -> list[Pin]:
        """Every pin, oldest first, lifted ones too."""
        contexts = self._call(lambda store: store.get_contexts_by_type(schema.PIN))
        return [codec.get_pin(context) for context in sorted(contexts, key=_id)]

    def survey(self) -> Survey:
        """All artifacts and who used them when: for what goes through everything."""
        return survey(self._connection)

    def doomed(self, artifact_ids: Collection[int]) -> set[int]:
        """Those of some artifacts that are marked for deletion, or deleted, now."""
        protos = self._in_chunks(artifact_ids, lambda store, ids: store.get_artifacts_by_id(ids))
        return {proto.id for proto in protos if proto.state in _DOOMED}

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


def _artifacts_of_context(store: Any, context_id: int) -> Any:
    return store.get_artifacts_by_context(context_id)


def _id(proto: Any) -> int:
    return int(proto.id)
