"""A graph of artifacts and the executions between them, which other formats are drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zencache.entity import Artifact, Edge, Execution
from zencache.lineage.walk import downstream, upstream
from zencache.metadata import Reader


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """What an artifact was made of, and what came of it.

    Args:
        start: id of the artifact that was asked about.
        artifacts: id -> artifact, oldest first.
        executions: id -> execution, oldest first. Executions with the very same inputs and outputs, as a
            step and those that were taken from it have, are one: the first. So are those of one step
            without outputs that had one cache key and one end.
        edges: which execution took and made which artifact, under which name.
        reuses: id of an execution -> how many others had the same inputs and outputs.
    """

    start: int
    artifacts: Mapping[int, Artifact]
    executions: Mapping[int, Execution]
    edges: tuple[Edge, ...]
    reuses: Mapping[int, int]

    def __len__(self) -> int:
        return len(self.artifacts)

    def __repr__(self) -> str:
        return (
            f"<lineage of artifact {self.start}: {len(self.artifacts)} artifacts, "
            f"{len(self.executions)} executions>"
        )


def draw_lineage(read: Reader, start: int, depth: int | None = None) -> LineageGraph:
    """The lineage of an artifact in both directions, each ``depth`` executions far.

    Raises:
        ConfigurationError: ``depth`` is not a positive whole number.
    """
    edges = {*upstream(read, [start], depth), *downstream(read, [start], depth)}
    first = _first_of_same(read, edges)
    kept = sorted(
        (edge for edge in edges if first[edge.execution_id] == edge.execution_id),
        key=lambda edge: (edge.execution_id, edge.is_output, edge.artifact_id),
    )
    reuses = dict.fromkeys(sorted(set(first.values())), -1)
    for one in first.values():
        reuses[one] += 1
    return LineageGraph(
        start=start,
        artifacts=dict(sorted(read.artifacts_by_id({start, *(edge.artifact_id for edge in kept)}).items())),
        executions={execution.id: execution for execution in read.brief_executions(reuses)},
        edges=tuple(kept),
        reuses=reuses,
    )


def _first_of_same(read: Reader, edges: Iterable[Edge]) -> dict[int, int]:
    """Execution -> the first that did the very same.

    Two executions with an output in common are one step and one that was taken from it. Without outputs,
    inputs alone do not tell one step from another, nor a failure from what had no output to give.
    """
    of_execution: dict[int, set[tuple[int, bool]]] = {}
    for edge in edges:
        of_execution.setdefault(edge.execution_id, set()).add((edge.artifact_id, edge.is_output))
    barren = (id for id, own in of_execution.items() if not any(is_output for _, is_output in own))
    facts = {one.id: (one.step, one.cache_key, one.status) for one in read.brief_executions(barren)}
    first: dict[object, int] = {}
    return {
        execution_id: first.setdefault(
            (frozenset(of_execution[execution_id]), facts.get(execution_id)), execution_id
        )
        for execution_id in sorted(of_execution)
    }
