"""One invocation of a pipeline: from its first log line to its last record."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from zencache import events, recovery, scheduler
from zencache.declaration import check_name
from zencache.entity import LATEST, PipelineRun, Status
from zencache.environment import environment_facts
from zencache.exceptions import (
    DeclarationError,
    ReadOnlyError,
    StepFailed,
    ZencacheError,
    error_text,
    last_line,
)
from zencache.execution import RunExecution, StepError
from zencache.lease import Leases
from zencache.metadata import MetadataStore
from zencache.options import CacheOptions
from zencache.output import execution_base
from zencache.plan import Plan, make_plan
from zencache.project import Project
from zencache.redaction import redacted_flags
from zencache.resource import merged
from zencache.stores import Stores
from zencache.view import Run
from zencache.wiring import Node
from zencache.workers import Workers


def invoke(
    pipeline: str,
    nodes: Sequence[Node],
    definition: Mapping[str, Any],
    *,
    project: Project,
    options: CacheOptions,
    run_name: str | None,
    workers: Workers,
    beam_pipeline_args: tuple[str, ...] = (),
) -> Run:
    """Run a pipeline's nodes and record it.

    Raises:
        StepFailed: a step raised; chained to what it raised.
        DeclarationError: the name of the run is taken.
        ConfigurationError: what a step is to be provided with cannot be had, or workers cannot be used.
        ReadOnlyError: the repository is only read.
    """
    if project.mode == "r":
        raise ReadOnlyError(
            "A pipeline cannot run in a repository that is only read: nothing could be recorded.",
            facts={"pipeline": pipeline, "metadata": project.metadata_url},
            hint="Run it in one of your own that reads from this: Repository(read_from=...).",
        )
    for node in nodes:
        for resource in node.step.resources.values():
            resource.check(merged(beam_pipeline_args, node.step.beam_pipeline_args))
    started = time.perf_counter()
    metadata, artifacts = project.stores.metadata, project.stores.artifacts
    workers.check(artifacts)
    project.prepare()
    run = _new_run(pipeline, definition, project, options, run_name, beam_pipeline_args)
    events.emit(events.WillRun(run.name, pipeline, len(nodes)))
    if metadata.trust.drawback:
        events.emit(events.WillRecordUnsigned(run.name, metadata.trust.drawback))
    recovery.clear_dead_runs(artifacts, metadata, run.name)
    writer = metadata.begin_run(run, {node.step.name: execution_base(node.step) for node in nodes})
    cache = project.stores.cache()
    execution = RunExecution(
        nodes,
        metadata=metadata,
        artifacts=artifacts,
        writer=writer,
        cache=cache,
        options=options,
        facts=run.facts,
        files=project.files,
        workers=workers,
        leases=Leases(metadata, run.name, project.lease_expiry),
        beam_pipeline_args=beam_pipeline_args,
    )
    cache.ask_ahead(writer.last_keys(), nodes=writer.node_names([node.name for node in nodes]))
    ending = _Ending(run, execution, project, len(nodes), started)
    failures: dict[str, Exception] = {}
    waiting: Mapping[str, Iterable[str]] = {node.name: node.upstream for node in nodes}
    while waiting:
        try:
            failures |= scheduler.run(
                waiting,
                execution.visit,
                lambda step, cause: execution.skip(step, f"it needs `{cause}`, which failed"),
                is_failure=lambda error: isinstance(error, StepError),
            )
        except BaseException as error:
            # The run is recorded as ended if that is still possible; what broke it is what the user sees.
            with suppress(ZencacheError):
                execution.cancel(error)
            with suppress(ZencacheError):
                metadata.cancel_run(run.name)
                ending.record(Status.FAILED if isinstance(error, Exception) else Status.CANCELED, 0)
            raise
        ending.record(Status.FAILED if failures else Status.COMPLETED, len(failures))
        waiting = dict.fromkeys(execution.take_lost(), ())
    if failures:
        raise _step_failed(run.name, failures, nodes) from next(iter(failures.values())).__cause__
    return Run(project.stores, writer.recorded)


class _Ending:
    """How a run's end is recorded, whichever end it takes."""

    def __init__(
        self, run: PipelineRun, execution: RunExecution, project: Project, steps: int, started: float
    ):
        self._run = run
        self._project = project
        self._execution = execution
        self._steps = steps
        self._started = started

    def record(self, status: Status, failed: int) -> None:
        executions = self._execution.executions.values()
        cached = [execution for execution in executions if execution.status is Status.CACHED]
        saved = sum(e.decision.entry.duration for e in cached if e.decision and e.decision.entry)
        duration = time.perf_counter() - self._started
        ended = replace(
            self._run,
            status=status,
            ended=datetime.now(timezone.utc),
            duration=duration,
            saved=saved,
            skipped=self._execution.skipped,
        )
        self._execution.finish(ended)
        self._project.remember()
        events.emit(
            events.DidRun(
                self._run.name,
                self._run.pipeline,
                status.value,
                duration,
                saved,
                cached=len(cached),
                executed=sum(execution.status is Status.COMPLETED for execution in executions),
                failed=failed,
                skipped=self._steps - len(executions),
            )
        )


def plan(pipeline: str, nodes: Sequence[Node], *, project: Project, options: CacheOptions) -> Plan:
    """What :func:`invoke` would do now. A metadata store that is not there yet is not made."""
    stores = project.stores
    if not stores.metadata.exists:
        empty = MetadataStore(f"memory://{secrets.token_hex(8)}", stores.artifacts)
        stores = Stores(empty, stores.artifacts, stores.read_from)
    order = scheduler.order({node.name: node.upstream for node in nodes})
    return make_plan(pipeline, nodes, order, options, stores, project.files)


def _step_failed(run: str, failures: Mapping[str, Exception], nodes: Sequence[Node]) -> StepFailed:
    step, first = next(iter(failures.items()))
    causes = {name: error.__cause__ or error for name, error in failures.items()}
    cause = first.__cause__ or first
    function = next(node.step.function for node in nodes if node.name == step)
    return StepFailed(
        f"Step `{step}` failed: {error_text(cause)}",
        step=step,
        failures=causes,
        facts={
            "run": run,
            "place": last_line(cause, function),
            "also failed": ", ".join(list(failures)[1:]) or None,
        },
        hint="What had finished is reused when you run the pipeline again.",
    )


def _new_run(
    pipeline: str,
    definition: Mapping[str, Any],
    project: Project,
    options: CacheOptions,
    run_name: str | None,
    beam_pipeline_args: tuple[str, ...],
) -> PipelineRun:
    return PipelineRun(
        id=0,
        name=_run_name(project, pipeline, run_name),
        pipeline=pipeline,
        status=Status.RUNNING,
        started=datetime.now(timezone.utc),
        definition=definition,
        options={
            "enable_cache": options.run,
            "pipeline_enable_cache": options.pipeline,
            "refresh": sorted(options.refresh),
            **({"beam_pipeline_args": redacted_flags(beam_pipeline_args)} if beam_pipeline_args else {}),
        },
        facts=environment_facts(project.root),
    )


def _run_name(project: Project, pipeline: str, given: str | None) -> str:
    """The name of the run: the one given, or the pipeline's name and the time."""
    if given is not None:
        name = check_name("run", given)
        if name == LATEST:
            raise DeclarationError(
                f"A run cannot be called `{LATEST}`, which means the last one.",
                facts={"pipeline": pipeline},
                hint="Give another `run_name`, or none.",
            )
        if project.stores.metadata.read.run(name) is not None:
            raise DeclarationError(
                f"There is a run `{name}` already.",
                facts={"metadata": project.metadata_url},
                hint="Give another `run_name`, or none.",
            )
        return name
    return f"{pipeline}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
