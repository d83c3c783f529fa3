"""Runs, steps, artifacts and comparisons as plain dicts, which JSON can hold whatever users put into them."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from zencache.entity import Artifact, Execution, Status
from zencache.lineage import LineageGraph
from zencache.report.source import source_text
from zencache.repository import Repository
from zencache.view import Run, StepView
from zencache.why import Comparison, with_parts

Document = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Maker:
    """The execution that made an artifact, and the name under which it did."""

    execution: Execution
    output: str


_TEXT = 4_000  # characters of a parameter, an option or an error that a page shows


def run_row(run: Run) -> Document:
    """A run as one row of a list. Times are seconds, moments ISO 8601 in UTC."""
    return {
        "name": run.name,
        "pipeline": run.pipeline,
        "status": run.status,
        "started": run.started.isoformat(timespec="milliseconds"),
        "duration": run.duration,
        "saved": run.saved,
    }


def run_document(repository: Repository, run: Run) -> Document:
    """A run with its graph: steps in wiring order, what goes where, and the artifacts."""
    executions = [step.execution for step in run.steps.values()]
    sources = _sources(repository, executions)
    rows = {row["name"]: row for row in run.record.definition.get("steps", [])}
    steps = [_step_row(run, e, rows.get(e.node, {}), sources) for e in executions]
    # A run in progress has recorded only what it came to; its definition has the rest.
    known = {step["name"] for step in steps}
    waiting = [
        {**_step_row(run, _never_begun(run, row), row, {}), "status": "waiting"}
        for name, row in rows.items()
        if name not in known
    ]
    order = {name: place for place, name in enumerate(rows)}
    steps = sorted([*steps, *waiting], key=lambda step: order.get(step["name"], len(order)))
    artifacts = {
        artifact.id: artifact_row(artifact)
        for execution in executions
        for artifact in (*execution.inputs.values(), *execution.outputs.values())
    }
    return {
        **run_row(run),
        "now": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "previous": run.record.previous,
        "options": {name: shown(value) for name, value in run.options.items() if value not in (None, [])},
        "facts": {name: shown(value) for name, value in run.facts.items()},
        "steps": steps,
        "artifacts": list(artifacts.values()),
    }


def _never_begun(run: Run, row: Mapping[str, Any]) -> Execution:
    return Execution(0, row["step"], row["name"], run.name, Status.RUNNING)


def _sources(repository: Repository, executions: Iterable[Execution]) -> Mapping[int, Execution]:
    """The executions that cached ones were taken from, by their ids."""
    wanted = {execution.source_id for execution in executions if execution.source_id is not None}
    return {found.id: found for found in repository.stores.metadata.read.executions_by_id(wanted)}


def _step_row(
    run: Run, execution: Execution, row: Mapping[str, Any], sources: Mapping[int, Execution]
) -> Document:
    source = sources.get(execution.source_id or 0)
    wired = row.get("inputs", {})
    return {
        "name": execution.node,
        "step": execution.step,
        "status": execution.status.value,
        "duration": execution.duration,
        "started": _moment(execution.started) if execution.id else None,
        "saved": source.duration if source is not None else 0.0,
        "made_by": source.run if source is not None and source.run != run.name else "",
        "after": [str(name) for name in row.get("after", [])],
        "inputs": [
            {
                "name": name,
                "artifact": execution.inputs[name].id if name in execution.inputs else None,
                "from": [str(part) for part in wired[name]] if name in wired else None,
            }
            for name in dict.fromkeys([*wired, *execution.inputs])
        ],
        "outputs": [{"name": name, "artifact": made.id} for name, made in execution.outputs.items()],
    }


def artifact_row(artifact: Artifact) -> Document:
    """What is recorded of an artifact itself."""
    return {
        "id": artifact.id,
        "type": artifact.type,
        "uri": artifact.uri,
        "digest": artifact.digest,
        "size": artifact.size,
        "state": artifact.state,
        "python_type": artifact.python_type,
        "is_external": artifact.is_external,
    }


def step_document(repository: Repository, step: StepView) -> Document:
    """A step of a run: what was given, what was decided and why, and its code."""
    execution = step.execution
    why = step.why()
    rows = {row["name"]: row for row in step.run.record.definition.get("steps", [])}
    row = rows.get(step.name, {})
    module, _, qualname = str(row.get("source", "")).partition(":")
    file = str(row.get("file", ""))
    parts = with_parts(repository.stores.metadata.read, [execution])[0].key_parts
    decision = execution.decision
    return {
        "name": step.name,
        "step": step.step_name,
        "run": step.run.name,
        "status": step.status,
        "duration": step.duration,
        "parameters": [
            {"name": name, "value": shown(value), "type": type(value).__name__}
            for name, value in step.parameters.items()
        ],
        "decision": decision.outcome.value if decision is not None else None,
        "level": decision.level.value if decision is not None else None,
        "why": {
            "reason": why.reason,
            "compared_with": why.compared_with,
            "follows_from": list(why.follows_from),
            "untracked": list(why.untracked),
            "differences": [dataclasses.asdict(difference) for difference in why.differences],
        },
        "error": cut(step.error),
        "cache_key": step.cache_key,
        "key_parts": [{"label": label, "fingerprint": print_} for label, print_ in parts.items()],
        "facts": {name: shown(value) for name, value in execution.facts.items()},
        "code": {
            "module": module,
            "qualname": qualname,
            "file": file,
            "now": source_text(repository.root, file, qualname, execution.started) if file else None,
        },
    }


def comparison_document(comparison: Comparison, runs: Sequence[Run]) -> Document:
    """Two runs held against each other, step by step."""
    first = comparison.first_difference
    return {
        "runs": [run_row(run) for run in runs],
        "first_difference": first.step if first is not None else None,
        "steps": [
            {
                "step": step.step,
                "statuses": list(step.statuses),
                "durations": [_duration(run, step.step) for run in runs],
                "differences": [dataclasses.asdict(difference) for difference in step.differences],
            }
            for step in comparison.steps
        ],
    }


def _duration(run: Run, step: str) -> float | None:
    return run.steps[step].duration if step in run.steps else None


def use_row(execution: Execution, names: Iterable[str]) -> Document:
    """A step of a run that made or took an artifact, and under which name."""
    return {
        "run": execution.run,
        "step": execution.node,
        "status": execution.status.value,
        "name": ", ".join(names),
        "started": _moment(execution.started),
    }


def lineage_document(graph: LineageGraph, makers: Mapping[int, Maker], depth: int | None) -> Document:
    """A graph of artifacts and executions; executions with the same inputs and outputs are one."""
    return {
        "start": graph.start,
        "depth": depth,
        "artifacts": [
            {**artifact_row(artifact), **maker_row(makers.get(artifact.id))}
            for artifact in graph.artifacts.values()
        ],
        "executions": [
            {
                "id": execution.id,
                "run": execution.run,
                "step": execution.node,
                "status": execution.status.value,
                "duration": execution.duration,
                "reuses": graph.reuses.get(execution.id, 0),
            }
            for execution in graph.executions.values()
        ],
        "edges": [
            {
                "execution": edge.execution_id,
                "artifact": edge.artifact_id,
                "is_output": edge.is_output,
                "name": ", ".join(edge.names),
            }
            for edge in graph.edges
        ],
    }


def maker_row(maker: Maker | None) -> Document:
    """What people call an artifact: the step that made it, and the name that it gave it."""
    if maker is None:
        return {"step": "", "output": "", "run": ""}
    return {"step": maker.execution.node, "output": maker.output, "run": maker.execution.run}


def shown(value: Any) -> str:
    """A value as text: JSON if it is that, else as Python shows it."""
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    try:
        return cut(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return cut(repr(value))


def cut(text: str) -> str:
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment is not None else None
