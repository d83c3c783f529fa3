"""The contexts of one run: of its pipeline, of itself, of its nodes, and of the cache keys that it fills."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from zencache.entity import Execution, PipelineRun
from zencache.metadata import codec, schema
from zencache.metadata.codec import Pointer, Records
from zencache.metadata.connection import Connection
from zencache.metadata.reading import Reader
from zencache.signing import Trust, definition_statement

_TRIES_WITH_NOTE = 3


class RunContexts:
    """What every write of a run is put into.

    The contexts of the pipeline and of the run go with every write. Where there is news of one, it is put
    whole: with its id it is replaced in the same transaction, and without it is created in it. Else it is
    found by its name and left as it is.

    Args:
        run: what is known of it when it begins.
        pipeline: the context of its pipeline, if there is one.
        trust: with which key the definition is signed.

    Attributes:
        run: what is known of it now; it has an id once it is recorded.
        previous_run: the name of the pipeline's last run before this one; empty if there was none.
    """

    def __init__(
        self, connection: Connection, records: Records, run: PipelineRun, pipeline: Any, trust: Trust
    ):
        self._connection = connection
        self._records = records
        self._trust = trust
        self._pipeline = pipeline
        self._pipeline_id: int | None = None if pipeline is None else pipeline.id
        self._run_context: Any = None
        self._told: PipelineRun | None = None  # the run as its context says it
        self._cache_keys: dict[str, None] = {}
        self._tries = 0
        self.previous_run = codec.get_text(pipeline.custom_properties, schema.LAST_RUN) if pipeline else ""
        self.run = replace(run, previous=self.previous_run)

    @property
    def is_recorded(self) -> bool:
        return self.run.id != 0

    @property
    def recorded(self) -> PipelineRun:
        """The run as it reads in the metadata store, once it has ended."""
        return replace(codec.get_run(self._run_context, self._records), id=self.run.id)

    def last_keys(self) -> list[str]:
        """The cache keys that the last run of the pipeline had: what to ask for ahead."""
        noted = codec.get_last_keys(self._pipeline) if self._pipeline is not None else []
        return noted or Reader(self._connection, self._records).keys_of_run(self.previous_run)

    def note_key(self, cache_key: str) -> None:
        """A key that the run has: the next run will ask for it."""
        self._cache_keys[cache_key] = None

    def of(self, nodes: Sequence[str]) -> list[Any]:
        """Those that a write about some nodes is put into.

        All runs of a pipeline note something with it, and where many end at once some would never get in.
        The note only saves calls: a write that has been aborted a few times goes without it.
        """
        has_ended = self.run.ended is not None
        pipeline = schema.new_context(self._connection, schema.PIPELINE, name=self.run.pipeline)
        self._tries += 1
        has_news = has_ended or not self.is_recorded
        may_note = self._pipeline_id is None or self._tries <= _TRIES_WITH_NOTE
        if has_news and may_note:  # else it is found by its name, and left as it is
            if self._pipeline is not None:  # it is replaced, with what another tool recorded of it
                pipeline.CopyFrom(self._pipeline)
            elif self._pipeline_id is not None:
                pipeline.id = self._pipeline_id
            pipeline.custom_properties[schema.LAST_RUN].string_value = self.run.name
            codec.put_last_keys(pipeline, list(self._cache_keys) if has_ended else [])
        return [pipeline, self._run(), *(self._node_context(node) for node in nodes)]

    def _run(self) -> Any:
        if self._told is self.run:
            return schema.new_context(self._connection, schema.PIPELINE_RUN, name=self.run.name)
        if self._run_context is None:
            run = schema.new_context(self._connection, schema.PIPELINE_RUN)
            statement = definition_statement(
                self.run.name, self.run.pipeline, codec.definition_text(self.run)
            )
            signed = replace(self.run, signature=self._trust.sign(statement))
            self._run_context = codec.put_run_facts(run, signed, self._records)
        codec.put_run_state(self._run_context, self.run, self._records)
        if self.is_recorded:
            self._run_context.id = self.run.id
        return self._run_context

    @property
    def pipeline_id(self) -> int | None:
        """The id of the context of its pipeline, once anything is recorded."""
        return self._pipeline_id

    def node_name(self, node: str) -> str:
        """The name of the context of a node."""
        return f"{self.run.pipeline}.{node}"

    def node_ids(self, nodes: Sequence[str]) -> dict[str, int]:
        """Node -> context id: one call, and one more if some are new."""
        from ml_metadata import errors

        known = self._connection.type_ids
        names = {node: self.node_name(node) for node in nodes}

        def unknown() -> list[Any]:
            return [self._node_context(node) for node in nodes if (schema.NODE, names[node]) not in known]

        def find(store: Any) -> list[Any]:
            try:
                return list(store.get_contexts_by_external_ids([c.external_id for c in unknown()]))
            except errors.NotFoundError:
                return []

        while unknown():  # a client that was opened anew knows no ids
            known.update({(schema.NODE, context.name): context.id for context in self._connection.read(find)})
            missing = unknown()
            if missing:
                ids = self._connection.write(partial(self._create_contexts, contexts=missing))
                known.update({(schema.NODE, c.name): id_ for c, id_ in zip(missing, ids, strict=True)})
        return {node: known[schema.NODE, name] for node, name in names.items()}

    def entry(self, execution: Execution, outputs: list[str] | None) -> Any:
        """The context of the cache key, pointing to this execution as its newest entry.

        Args:
            outputs: the names of its outputs, if it made all of them.
        """
        context = schema.new_context(
            self._connection,
            schema.EXECUTION_CACHE,
            name=execution.cache_key,
            external_id=schema.entry_id(execution.cache_key),
        )
        pointer = Pointer(
            execution.id,
            execution.duration,
            execution.finished,
            self.node_name(execution.node),
            execution.signature,
            None if outputs is None else tuple(outputs),
        )
        context.custom_properties[schema.ENTRY].string_value = codec.pointer_text(pointer)
        return context

    def take_ids(self, store: Any, context_ids: Sequence[int]) -> None:
        """What :meth:`of` gave has been put; these are the ids."""
        is_new = not self.is_recorded
        self._tries = 0
        self._pipeline_id, run_id = context_ids[:2]
        if run_id == self.run.id:
            self._told = self.run
        else:
            self.run = replace(self.run, id=run_id)
            self._told = self.run if is_new else None  # another one of its name, of which nothing is told
        if is_new:
            self._put_below_pipeline(store)

    def adopt(self, store: Any) -> int | None:
        """After a lost answer: the id of the run, if it is there, with its place below its pipeline."""
        run = store.get_context_by_type_and_name(schema.PIPELINE_RUN, self.run.name)
        pipeline = store.get_context_by_type_and_name(schema.PIPELINE, self.run.pipeline)
        if run is None or pipeline is None:
            return None
        self._pipeline_id, self.run = pipeline.id, replace(self.run, id=run.id)
        self._put_below_pipeline(store)
        return int(run.id)

    def _put_below_pipeline(self, store: Any) -> None:
        from ml_metadata import errors
        from ml_metadata.proto import metadata_store_pb2 as proto

        parent = proto.ParentContext(child_id=self.run.id, parent_id=self._pipeline_id)
        with suppress(errors.AlreadyExistsError):  # recorded before an interrupt hid it from us
            store.put_parent_contexts([parent])

    def _node_context(self, node: str) -> Any:
        name = self.node_name(node)
        return schema.new_context(self._connection, schema.NODE, name=name, external_id=schema.node_id(name))

    def _create_contexts(self, store: Any, contexts: Sequence[Any]) -> list[int]:
        _, _, ids = store.put_lineage_subgraph([], [], contexts, [], reuse_context_if_already_exist=True)
        return list(ids)
