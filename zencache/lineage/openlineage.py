"""A lineage graph as OpenLineage events, for catalogues that read that standard (https://openlineage.io)."""

from __future__ import annotations

import functools
import importlib.metadata
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zencache.entity import Artifact, Execution, PipelineRun, Status

if TYPE_CHECKING:
    from zencache.lineage.graph import LineageGraph

_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
# Facet -> the version of its schema. A facet of one's own is described by the schema of any facet.
_FACETS = {
    "DatasetVersionDatasetFacet": "1-0-1",
    "DatasourceDatasetFacet": "1-0-1",
    "ErrorMessageRunFacet": "1-0-1",
    "ExecutionParametersRunFacet": "1-0-0",
    "JobTypeJobFacet": "2-0-4",
    "LifecycleStateChangeDatasetFacet": "1-0-1",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "OwnershipDatasetFacet": "1-0-1",
    "OwnershipJobFacet": "1-0-1",
    "ParentRunFacet": "1-2-0",
    "ProcessingEngineRunFacet": "1-1-1",
    "SourceCodeLocationJobFacet": "1-1-0",
}
_ENDS = {
    Status.COMPLETED: "COMPLETE",
    Status.CACHED: "COMPLETE",
    Status.FAILED: "FAIL",
    Status.CANCELED: "ABORT",
}


def to_openlineage(graph: LineageGraph, namespace: str = "zencache") -> list[dict[str, Any]]:
    """RunEvents in the order of their times: a START and an end for each run and each execution.

    The job of a run is its pipeline, that of an execution ``pipeline.step``, whose parent is the run. A
    cached execution is COMPLETE; the facet ``zencache`` says that it was cached, and why. Identifiers are
    made from names and times, so that the same history gives the same events.
    """
    events: list[dict[str, Any]] = []
    for run in graph.runs.values():
        events += _events_of_run(run, namespace)
    for id_, execution in graph.executions.items():
        events += _events_of_execution(graph, id_, execution, namespace)
    return sorted(events, key=lambda event: str(event["eventTime"]))


def _events_of_run(run: PipelineRun, namespace: str) -> list[dict[str, Any]]:
    job = {"namespace": namespace, "name": run.pipeline, "facets": _job_facets(run, "PIPELINE")}
    facets = {"processing_engine": _engine(run)}
    events = [_event("START", run.started, _run_id(run), job, facets)]
    if run.status in _ENDS and run.ended is not None:
        events.append(_event(_ENDS[run.status], run.ended, _run_id(run), job, facets))
    return events


def _events_of_execution(
    graph: LineageGraph, id_: int, execution: Execution, namespace: str
) -> list[dict[str, Any]]:
    run = graph.runs.get(execution.run)
    name = f"{run.pipeline}.{execution.node}" if run else execution.node
    job = {"namespace": namespace, "name": name, "facets": _job_facets(run, "STEP", execution)}
    facets: dict[str, Any] = {"zencache": _cache_facet(execution)}
    if run is not None:
        facets["parent"] = _facet(
            "ParentRunFacet",
            run={"runId": _run_id(run)},
            job={"namespace": namespace, "name": run.pipeline},
        )
        facets["processing_engine"] = _engine(run)
    if execution.parameters:
        facets["executionParameters"] = _facet(
            "ExecutionParametersRunFacet",
            parameters=[{"key": key, "value": repr(value)} for key, value in execution.parameters.items()],
        )
    inputs = [_dataset(graph.artifacts[i]) for i in graph.ends(id_, is_output=False)]
    outputs = [_output(graph.artifacts[i], run) for i in graph.ends(id_, is_output=True)]
    started = execution.started or (run.started if run else None)
    if started is None:  # not written by zencache, and without a time of its own
        return []
    run_id = _run_id(run, execution)
    events = [_event("START", started, run_id, job, facets, inputs)]
    if execution.status in _ENDS:
        if execution.error:
            facets = facets | {"errorMessage": _error(execution)}
        ended = started + timedelta(seconds=execution.duration)
        events.append(_event(_ENDS[execution.status], ended, run_id, job, facets, inputs, outputs))
    return events


def _event(
    kind: str,
    time: datetime,
    run_id: str,
    job: dict[str, Any],
    facets: dict[str, Any],
    inputs: list[dict[str, Any]] | None = None,
    outputs: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": time.isoformat(timespec="milliseconds"),
        "run": {"runId": run_id, "facets": facets},
        "job": job,
        "inputs": inputs or [],
        "outputs": outputs or [],
        "producer": _producer(),
        "schemaURL": _EVENT,
    }


def _run_id(run: PipelineRun | None, execution: Execution | None = None) -> str:
    """Runs of one name in two metadata stores began at different times."""
    began = f"{run.name}/{run.started.isoformat()}" if run else ""
    part = f"{execution.id}/{execution.run}/{execution.node}" if execution else ""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"zencache:{began}:{part}"))


@functools.cache
def _version() -> str:
    return importlib.metadata.version("zencache")


def _producer() -> str:
    return f"urn:zencache:{_version()}"


def _facet(name: str, /, **fields: Any) -> dict[str, Any]:
    url = f"{_SPEC}/facets/{_FACETS[name]}/{name}.json#/$defs/{name}"
    return {"_producer": _producer(), "_schemaURL": url, **fields}


def _cache_facet(execution: Execution) -> dict[str, Any]:
    decision = execution.decision
    return {
        "_producer": _producer(),
        "_schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunFacet",
        "status": execution.status.value,
        "run": execution.run,
        "cacheKey": execution.cache_key,
        "reason": str(decision) if decision else "",
    }


def _engine(run: PipelineRun) -> dict[str, Any]:
    version = run.facts.get("zencache", _version())
    return _facet("ProcessingEngineRunFacet", version=version, name="zencache")


def _error(execution: Execution) -> dict[str, Any]:
    return _facet("ErrorMessageRunFacet", message=execution.error, programmingLanguage="python")


def _job_facets(run: PipelineRun | None, kind: str, execution: Execution | None = None) -> dict[str, Any]:
    facets = {
        "jobType": _facet("JobTypeJobFacet", processingType="BATCH", integration="ZENCACHE", jobType=kind)
    }
    if run is None:
        return facets
    if user := run.facts.get("user"):
        facets["ownership"] = _facet("OwnershipJobFacet", owners=[{"name": f"user:{user}", "type": "RUNNER"}])
    rows = {row.get("name"): row for row in run.definition.get("steps", [])}
    file = str(rows.get(execution.node, {}).get("file", "")) if execution else ""
    commit = run.facts.get("commit", "")
    if Path(file).is_absolute() and commit and commit.isalnum():
        facets["sourceCodeLocation"] = _facet(
            "SourceCodeLocationJobFacet", type="git", url=Path(file).as_uri(), version=commit
        )
    return facets


def _dataset(artifact: Artifact) -> dict[str, Any]:
    namespace, name = dataset_name(artifact)
    facets = {"dataSource": _facet("DatasourceDatasetFacet", name=artifact.type)}
    if artifact.digest:
        facets["version"] = _facet("DatasetVersionDatasetFacet", datasetVersion=artifact.digest)
    if artifact.state == "DELETED":
        facets["lifecycleStateChange"] = _facet(
            "LifecycleStateChangeDatasetFacet", lifecycleStateChange="DROP"
        )
    return {"namespace": namespace, "name": name, "facets": facets}


def _output(artifact: Artifact, run: PipelineRun | None) -> dict[str, Any]:
    made = _dataset(artifact)
    if run is not None and (user := run.facts.get("user")):
        made["facets"]["ownership"] = _facet(
            "OwnershipDatasetFacet", owners=[{"name": f"user:{user}", "type": "RUNNER"}]
        )
    made["outputFacets"] = {
        "outputStatistics": _facet("OutputStatisticsOutputDatasetFacet", size=artifact.size)
    }
    return made


def dataset_name(artifact: Artifact) -> tuple[str, str]:
    """Namespace and name of an artifact, by the standard's rules for where it lies.

    https://openlineage.io/docs/spec/naming: a local file is in the namespace ``file``, an object of a
    bucket in that of the bucket.
    """
    scheme, separator, _ = artifact.uri.partition("://")
    if not separator:
        return "file", artifact.uri or f"{artifact.type}/{artifact.id}"
    try:
        parts = urlsplit(artifact.uri)
    except ValueError:
        return scheme, artifact.uri
    if scheme == "file":
        return "file", parts.path
    return f"{scheme}://{parts.netloc}", artifact.uri.partition("://")[2][len(parts.netloc) :].lstrip(
        "/"
    ) or "/"
