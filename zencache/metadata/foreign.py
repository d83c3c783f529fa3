"""What other tools recorded, such as TFX: where their executions belong, and how their runs went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from zencache.entity import PipelineRun, Status
from zencache.metadata import codec, schema
from zencache.metadata.connection import Connection

_QUESTIONS = 500
_OVER = (Status.COMPLETED, Status.CACHED, Status.FAILED, Status.CANCELED)


@dataclass(frozen=True, slots=True)
class Place:
    """The run, pipeline and node of an execution; empty where no context tells."""

    run: str = ""
    pipeline: str = ""
    node: str = ""


class Membership:
    """Which contexts the executions are in whose names do not say it.

    MLMD has no index from executions to contexts. Asked for one execution it reads through all
    memberships in the database, which takes 6 ms where there are 100,000 executions; going through all
    contexts takes as long as some 600 such questions, however large the database is. So single
    executions are asked for, and after ``_QUESTIONS`` of them every context is gone through, once.

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
        runs = [run for run in self._of_type(schema.PIPELINE_RUN) if not is_ours(run)]
        for context in [*runs, *self._of_type(schema.NODE)]:
            for execution in executions_of(self._connection, context.id):
                self._all.setdefault(execution.id, []).append(context)

    def _of_type(self, name: str) -> list[Any]:
        return list(self._connection.read(lambda store: store.get_contexts_by_type(name)))


def is_ours(run: Any) -> bool:
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
    ended = _time(max(execution.last_update_time_since_epoch for execution in executions))
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


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
