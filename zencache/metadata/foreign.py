"""What other tools recorded, such as TFX: where their executions belong, and how their runs went."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from zencache.entity import Artifact, Execution, PipelineRun, Status
from zencache.metadata import codec, schema
from zencache.metadata.connection import Connection

_QUESTIONS = 400
_SCHEMA_OF = "__schema__"  # TFX: a property of this and a name says that the name's text is JSON
_RESULT = "__execution_result__"  # TFX: what an executor said in the end


@dataclass(frozen=True, slots=True)
class Place:
    """The run, pipeline and node of an execution; empty where no context tells."""

    run: str = ""
    pipeline: str = ""
    node: str = ""


class Membership:
    """Which contexts the executions are in whose names do not say it.

    MLMD has no index from executions to contexts. Asked for one execution it reads through all
    memberships in the database: 1.8 ms where there are 20,000 executions. Going through all contexts took
    as long as 370 such questions at 3,000 executions, and 520 at 20,000. So single executions are asked
    for, and after ``_QUESTIONS`` of them every context is gone through, once.

    Keep one for as long as one question of a user is answered: what is written meanwhile may be missed.
    """

    def __init__(self, connection: Connection):
        self._connection = connection
        self._asked = 0
        self._all: dict[int, list[Any]] | None = None
        self._pipelines: list[Any] = []

    def places(self, execution_ids: Sequence[int], run_id: int | None = None) -> dict[int, Place]:
        """Execution id -> its place; an execution of several runs is given the one of ``run_id``."""
        self._asked += len(execution_ids)
        if self._all is None and self._asked > _QUESTIONS:
            self._walk()
        return {id_: _place(self._contexts(id_), run_id) for id_ in execution_ids}

    def _contexts(self, execution_id: int) -> list[Any]:
        from ml_metadata import errors

        if self._all is None:
            try:
                return list(self._connection.read(lambda s: s.get_contexts_by_execution(execution_id)))
            except errors.NotFoundError:
                return []
        found = self._all.get(execution_id, [])
        above = [p for p in self._pipelines if any(c.name.startswith(f"{p.name}.") for c in found)]
        return [*above, *found]

    def _walk(self) -> None:
        self._pipelines = self._of_type(schema.PIPELINE)
        self._all = {}
        runs = [run for run in self._of_type(schema.PIPELINE_RUN) if not is_our_run(run)]
        for context in [*runs, *self._of_type(schema.NODE)]:
            for execution in executions_of(self._connection, context.id):
                self._all.setdefault(execution.id, []).append(context)

    def _of_type(self, name: str) -> list[Any]:
        return list(self._connection.read(lambda store: store.get_contexts_by_type(name)))


def is_our_run(run: Any) -> bool:
    """Whether zencache recorded this run."""
    return schema.PIPELINE_OF_RUN in run.custom_properties


def executions_of(connection: Connection, context_id: int) -> list[Any]:
    """The rows of the executions of a context, oldest first."""
    found = connection.read(lambda store: store.get_executions_by_context(context_id))
    return sorted(found, key=lambda execution: int(execution.id))


def _place(contexts: Iterable[Any], run_id: int | None) -> Place:
    named: dict[str, list[Any]] = {schema.PIPELINE_RUN: [], schema.PIPELINE: [], schema.NODE: []}
    for context in sorted(contexts, key=lambda context: (context.id != run_id, context.id)):
        if context.type in named:
            named[context.type].append(context.name)
    run, node = (next(iter(named[kind]), "") for kind in (schema.PIPELINE_RUN, schema.NODE))
    above = [name for name in named[schema.PIPELINE] if node.startswith(f"{name}.")]
    # A node is called `<pipeline>.<node>`, and a pipeline's name may have a dot in it, too.
    pipeline = max(above, key=len, default="" if node else next(iter(named[schema.PIPELINE]), ""))
    return Place(run, pipeline, node.removeprefix(f"{pipeline}.") if pipeline else node)


def foreign_run(connection: Connection, run: PipelineRun) -> PipelineRun:
    """A run of which no more than a name and a time is recorded, with what its executions tell."""
    executions = executions_of(connection, run.id)
    statuses = [codec.status_of(execution) for execution in executions]
    nodes: list[str] = [str(execution.id) for execution in executions]
    pipeline = _pipeline_above(connection, run.id) or _pipeline_of(connection, run.id, executions)
    if Status.FAILED in statuses or Status.CANCELED in statuses:  # it counts unless it was tried again
        places = Membership(connection).places([execution.id for execution in executions], run.id)
        nodes = [places[execution.id].node or str(execution.id) for execution in executions]
    last = dict(zip(nodes, statuses, strict=True)).values()
    status = next(
        (bad for bad in (Status.RUNNING, Status.FAILED, Status.CANCELED) if bad in last),
        Status.COMPLETED if executions else Status.RUNNING,
    )
    if status is Status.RUNNING:
        return replace(run, pipeline=pipeline, status=status)
    ended = codec.time_of(max(execution.last_update_time_since_epoch for execution in executions))
    seconds = max(0.0, (ended - run.started).total_seconds())
    return replace(run, pipeline=pipeline, status=status, ended=ended, duration=seconds)


def unlinked_pipeline(connection: Connection, run_id: int) -> str:
    """The pipeline of a run that nobody put below one; empty if it has one above it, or none at all."""
    if _pipeline_above(connection, run_id):
        return ""
    return _pipeline_of(connection, run_id, executions_of(connection, run_id))


def _pipeline_above(connection: Connection, run_id: int) -> str:
    parents = connection.read(lambda store: store.get_parent_contexts_by_context(run_id))
    names = [p.name for p in sorted(parents, key=lambda p: int(p.id)) if p.type == schema.PIPELINE]
    return next(iter(names), "")


def _pipeline_of(connection: Connection, run_id: int, executions: Sequence[Any]) -> str:
    """The pipeline that an execution of the run names."""
    if not executions:
        return ""
    first = executions[0].id
    return Membership(connection).places([first], run_id)[first].pipeline


def foreign_execution(
    proto: Any,
    *,
    place: Place,
    inputs: Mapping[str, Artifact] | None = None,
    outputs: Mapping[str, Artifact] | None = None,
) -> Execution:
    """The execution of a row that another tool wrote, where its contexts put it."""
    status = codec.status_of(proto)
    seconds = (proto.last_update_time_since_epoch - proto.create_time_since_epoch) / 1000
    error = codec.get_json(proto.custom_properties, _RESULT).get("resultMessage", "")
    return Execution(
        id=proto.id,
        step=proto.type,
        node=place.node or proto.name or proto.type,
        run=place.run,
        status=status,
        parameters=_foreign_parameters(proto),
        duration=0.0 if status is Status.RUNNING else max(0.0, seconds),
        started=codec.time_of(proto.create_time_since_epoch),
        error=str(error) if status is Status.FAILED else "",
        inputs=inputs or {},
        outputs=outputs or {},
        is_foreign=True,
    )


def _foreign_parameters(proto: Any) -> dict[str, Any]:
    """What another tool recorded of an execution: declared properties and custom ones alike."""
    found: dict[str, Any] = {}
    for properties in (proto.properties, proto.custom_properties):
        for name in sorted(properties):
            if not name.startswith((schema.PREFIX, "__")):
                found[name] = codec.value_of(properties[name])
                if f"{_SCHEMA_OF}{name}__" in proto.custom_properties:
                    with suppress(TypeError, ValueError):
                        found[name] = json.loads(found[name])
    return found
