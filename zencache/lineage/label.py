"""What stands in the boxes and on the arrows of a lineage graph, in whatever format it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zencache.entity import Artifact, Execution
from zencache.visible import shortened, visible

if TYPE_CHECKING:
    from zencache.lineage.graph import LineageGraph


def artifact_label(artifact: Artifact) -> list[str]:
    """Lines: type and id, the beginning of its digest or where it lies, and its state if it is not live."""
    where = artifact.uri if artifact.is_external else artifact.digest.partition(":")[2][:12]
    gone = [] if artifact.state == "LIVE" else [visible(artifact.state.lower())]
    return [
        visible(f"{artifact.type} {artifact.id}"),
        *([shortened(visible(where), 60)] if where else []),
        *gone,
    ]


def execution_label(execution: Execution, reuses: int = 0) -> list[str]:
    """Lines: the step, its run, how it ended, and how often others did the very same."""
    ended = str(execution.status) + (f", and {reuses} more like it" if reuses else "")
    return [visible(execution.node), visible(execution.run), ended]


def parameter_text(execution: Execution) -> str:
    """``epochs=3, rate=0.5``, each value shortened."""
    return ", ".join(
        f"{visible(name)}={shortened(visible(repr(value)), 60)}"
        for name, value in execution.parameters.items()
    )


def sorted_edges(graph: LineageGraph) -> list[tuple[str, str, tuple[str, ...]]]:
    """``(from, to, names)`` of each arrow, its ends as ``a1`` for an artifact and ``e1`` for an execution."""
    return [
        (
            f"{'e' if edge.is_output else 'a'}{edge.execution_id if edge.is_output else edge.artifact_id}",
            f"{'a' if edge.is_output else 'e'}{edge.artifact_id if edge.is_output else edge.execution_id}",
            tuple(visible(name) for name in edge.names),
        )
        for edge in graph.edges
    ]
