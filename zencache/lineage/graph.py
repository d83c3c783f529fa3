"""A graph of artifacts and the executions between them, which other formats are drawn from."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zencache.entity import Artifact, Edge, Execution, PipelineRun
from zencache.lineage.dot import to_dot
from zencache.lineage.figure import lineage_page
from zencache.lineage.mermaid import to_mermaid
from zencache.lineage.openlineage import to_openlineage
from zencache.lineage.plain import to_json
from zencache.lineage.walk import downstream, upstream
from zencache.metadata import Reader


@dataclass(frozen=True)
class LineageGraph:
    """What an artifact was made of and what came of it, or what a run took and made.

    Args:
        start: id of the artifact that was asked about; None for the graph of a run.
        artifacts: id -> artifact, oldest first.
        executions: id -> execution, oldest first. Executions with the very same inputs and outputs, as a
            step and those that were taken from it have, are one: the first. So are those of one step
            without outputs that had one cache key and one end.
        edges: which execution took and made which artifact, under which name.
        reuses: id of an execution -> how many others had the same inputs and outputs.
        runs: name -> each run that an execution of the graph is of.
    """

    start: int | None
    artifacts: Mapping[int, Artifact]
    executions: Mapping[int, Execution]
    edges: tuple[Edge, ...]
    reuses: Mapping[int, int]
    runs: Mapping[str, PipelineRun] = field(default_factory=dict)

    def to_mermaid(self) -> str:
        """The text of a Mermaid flowchart."""
        return to_mermaid(self)

    def to_dot(self) -> str:
        """The text of a digraph for Graphviz."""
        return to_dot(self)

    def to_json(self) -> dict[str, Any]:
        """Plain values: ``start``, ``artifacts``, ``executions`` and ``edges``."""
        return to_json(self)

    def to_openlineage(self, namespace: str = "zencache") -> list[dict[str, Any]]:
        """OpenLineage run events of each run and execution: START, then COMPLETE, FAIL or ABORT.

        Args:
            namespace: of the jobs; give one for each metadata store that a catalogue reads.
        """
        return to_openlineage(self, namespace)

    def _repr_html_(self) -> str:
        return lineage_page(self)

    def ends(self, execution_id: int, *, is_output: bool) -> list[int]:
        """The ids of what an execution took, or of what it made."""
        return list(self._ends.get((execution_id, is_output), ()))

    @functools.cached_property
    def _ends(self) -> dict[tuple[int, bool], list[int]]:
        ends: dict[tuple[int, bool], list[int]] = {}
        for edge in self.edges:
            ends.setdefault((edge.execution_id, edge.is_output), []).append(edge.artifact_id)
        return ends

    def code_places(self) -> dict[int, str]:
        """Execution -> where its step is written, ``module:function``; empty where that was not recorded."""
        rows = {
            name: {row["name"]: row.get("source", "") for row in run.definition.get("steps", [])}
            for name, run in self.runs.items()
        }
        return {id_: rows.get(one.run, {}).get(one.node, "") for id_, one in self.executions.items()}

    def __len__(self) -> int:
        return len(self.artifacts)

    def __repr__(self) -> str:
        whose = f"artifact {self.start}" if self.start is not None else ", ".join(self.runs)
        return f"<lineage of {whose}: {len(self.artifacts)} artifacts, {len(self.executions)} executions>"


def draw_lineage(
    read: Reader, start: int, depth: int | None = None, *, up: bool = True, down: bool = True
) -> LineageGraph:
    """The lineage of an artifact, up and down, each ``depth`` executions far.

    Raises:
        ConfigurationError: ``depth`` is not a positive whole number.
    """
    edges = {
        *(upstream(read, [start], depth) if up else ()),
        *(downstream(read, [start], depth) if down else ()),
    }
    first = _first_of_same(read, edges)
    kept = sorted(
        (edge for edge in edges if first[edge.execution_id] == edge.execution_id),
        key=lambda edge: (edge.execution_id, edge.is_output, edge.artifact_id),
    )
    reuses = dict.fromkeys(sorted(set(first.values())), -1)
    for one in first.values():
        reuses[one] += 1
    executions = {execution.id: execution for execution in read.brief_executions(reuses)}
    return LineageGraph(
        start=start,
        artifacts=dict(sorted(read.artifacts_by_id({start, *(edge.artifact_id for edge in kept)}).items())),
        executions=executions,
        edges=tuple(kept),
        reuses=reuses,
        runs=read.runs_by_name({execution.run for execution in executions.values()}),
    )


def draw_run(read: Reader, run: PipelineRun) -> LineageGraph:
    """What the executions of a run took and made, those that were cached or failed among them."""
    ids = read.execution_ids_of_run(run.id)
    edges = read.edges_of_executions(ids)
    executions = read.brief_executions(ids)
    return LineageGraph(
        start=None,
        artifacts=dict(sorted(read.artifacts_by_id(edge.artifact_id for edge in edges).items())),
        executions={execution.id: execution for execution in executions},
        edges=tuple(sorted(edges, key=lambda e: (e.execution_id, e.is_output, e.artifact_id))),
        reuses={},
        runs={run.name: run},
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
