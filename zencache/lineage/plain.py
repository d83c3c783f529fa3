"""A lineage graph as plain values, which any JSON writer takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zencache.lineage.graph import LineageGraph


def to_json(graph: LineageGraph) -> dict[str, Any]:
    """The graph as dicts, lists, texts and numbers; a value that JSON has no form for is its ``repr``."""
    places = graph.code_places()
    return {
        "start": graph.start,
        "artifacts": [
            {
                "id": artifact.id,
                "type": artifact.type,
                "uri": artifact.uri,
                "digest": artifact.digest,
                "size": artifact.size,
                "state": artifact.state,
                "properties": _plain(artifact.properties),
            }
            for artifact in graph.artifacts.values()
        ],
        "executions": [
            {
                "id": execution.id,
                "step": execution.step,
                "name": execution.node,
                "run": execution.run,
                "pipeline": graph.runs[execution.run].pipeline if execution.run in graph.runs else "",
                "status": execution.status.value,
                "started": execution.started.isoformat() if execution.started else None,
                "duration": execution.duration,
                "parameters": _plain(execution.parameters),
                "code": places[execution.id],
                "cache_key": execution.cache_key,
                "error": execution.error or None,
                "reuses": graph.reuses.get(execution.id, 0),
            }
            for execution in graph.executions.values()
        ],
        "edges": [
            {
                "execution": edge.execution_id,
                "artifact": edge.artifact_id,
                "kind": "output" if edge.is_output else "input",
                "names": list(edge.names),
            }
            for edge in graph.edges
        ],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "items") and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    return repr(value)
