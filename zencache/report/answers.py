"""The questions that the page asks, and their answers: a server and a written page share them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from zencache.entity import Artifact, Execution
from zencache.exceptions import ArtifactStoreError, NotFoundError
from zencache.report import document
from zencache.report.document import Document, Maker
from zencache.report.preview import LARGEST, preview_of
from zencache.report.summary import Summaries, history_length, is_metric
from zencache.report.text_preview import number_of
from zencache.repository import Repository
from zencache.view import Run

_LONGEST_PAGE = 2_000  # runs in one answer
_HISTORY = 1_000  # runs in one history
_USES = 30  # steps that made or took an artifact, in each direction
_CLEAR, _LINEAGE = 60, 400  # artifacts of one lineage graph, unless and if it is told how far it goes


class Answers:
    """What is asked of a repository. Each question is a method; nothing is ever changed.

    Raises:
        NotFoundError: what a question is about does not exist.
        ZencacheError: a store does not answer.
    """

    def __init__(self, repository: Repository, *, largest: int = LARGEST):
        self.repository = repository
        self._read = repository.stores.metadata.read
        self._summaries = Summaries(repository)
        self._largest = largest
        self._numbers: dict[str, float | None] = {}

    def questions(self) -> Mapping[str, Callable[..., Document]]:
        """Every question by its name."""
        return {
            "project": self.project,
            "runs": self.runs,
            "run": self.run,
            "step": self.step,
            "artifact": self.artifact,
            "preview": self.preview,
            "metric": self.metric,
            "lineage": self.lineage,
            "compare": self.compare,
            "history": self.history,
        }

    def project(self) -> Document:
        """Where the two stores lie, and the pipelines in them."""
        return {
            "metadata": _without_password(self.repository.metadata_url),
            "artifacts": _without_password(self.repository.artifacts_url),
            "pipelines": [pipeline.name for pipeline in self.repository.get_pipelines()],
        }

    def runs(self, pipeline: str | None = None, before: str | None = None, limit: int = 100) -> Document:
        """A page of the list of runs, the newest first."""
        limit = max(1, min(limit, _LONGEST_PAGE))
        found = self.repository.get_runs(pipeline, limit, before=before)
        return {
            "runs": [document.run_row(run) for run in reversed(found)],
            "has_more": len(found) == limit,
        }

    def run(self, name: str) -> Document:
        return document.run_document(self.repository, self.repository.get_run(name))

    def step(self, run: str, name: str) -> Document:
        return document.step_document(self.repository, self.repository.get_run(run).steps[name])

    def artifact(self, id: int) -> Document:
        """An artifact, who made and took it, and its neighbours up and down."""
        found = self._artifact(id)
        edges = self._read.edges_of_artifacts([id])
        uses = {
            is_output: {edge.execution_id: edge.names for edge in edges if edge.is_output is is_output}
            for is_output in (True, False)
        }
        graph = self.repository.lineage(id, depth=1)
        takers = {edge.execution_id for edge in graph.edges if edge.artifact_id == id and not edge.is_output}
        makers = {edge.execution_id for edge in graph.edges if edge.artifact_id == id and edge.is_output}
        above = {e.artifact_id for e in graph.edges if e.execution_id in makers and not e.is_output} - {id}
        below = {e.artifact_id for e in graph.edges if e.execution_id in takers and e.is_output} - {id}
        kept = [id, *sorted(above)[:_USES], *sorted(below)[-_USES:]]
        named = self._makers(kept)
        neighbours = self._read.artifacts_by_id(kept)

        def rows(ids: Iterable[int]) -> list[Document]:
            return [
                {**document.artifact_row(neighbours[i]), **document.maker_row(named.get(i))}
                for i in sorted(ids)
                if i in neighbours
            ]

        return {
            **document.artifact_row(found),
            **document.maker_row(named.get(id)),
            "materializer": found.materializer,
            "properties": {name: document.shown(value) for name, value in found.properties.items()},
            "is_metric": is_metric(found),
            "quarantine": self._quarantine(found),
            "made_by": self._uses(uses[True]),
            "taken_by": self._uses(uses[False]),
            "upstream": rows(above),
            "downstream": rows(below),
        }

    def _quarantine(self, artifact: Artifact) -> str:
        """Why its content is said to be bad; empty if nobody says so."""
        for one in self.repository.quarantines():
            if one.digest == artifact.digest and not one.is_lifted:
                return one.reason or "no reason given"
        return ""

    def _uses(self, names: Mapping[int, tuple[str, ...]]) -> Document:
        # The first made it; of the rest, which reused or took it, the last are the most telling.
        ids = sorted(names)
        shown = ids if len(ids) <= _USES else [ids[0], *ids[1 - _USES :]]
        executions = self._read.brief_executions(shown)
        return {"count": len(ids), "steps": [document.use_row(e, names[e.id]) for e in executions]}

    def _makers(self, artifact_ids: Iterable[int]) -> dict[int, Maker]:
        """Artifact -> the execution that made it, which is the first that it came out of."""
        first: dict[int, tuple[int, str]] = {}
        for edge in self._read.edges_of_artifacts(artifact_ids):
            if edge.is_output:
                known = first.get(edge.artifact_id)
                if known is None or edge.execution_id < known[0]:
                    first[edge.artifact_id] = (edge.execution_id, ", ".join(edge.names))
        wanted = {execution_id for execution_id, _ in first.values()}
        executions: dict[int, Execution] = {e.id: e for e in self._read.brief_executions(wanted)}
        return {
            artifact_id: Maker(executions[execution_id], output)
            for artifact_id, (execution_id, output) in first.items()
            if execution_id in executions
        }

    def preview(self, id: int) -> Document:
        return preview_of(self.repository, self._artifact(id), largest=self._largest)

    def metric(self, id: int) -> Document:
        """The number that an artifact is, over the last runs of the pipeline that it belongs to."""
        maker = self._makers([id]).get(id)
        run = self._read.run(maker.execution.run) if maker is not None else None
        if maker is None or run is None:
            return {"step": "", "output": "", "pipeline": "", "points": []}
        points = []
        for earlier in self._last_runs(run.pipeline, len(run.definition.get("steps", []))):
            artifact = self._summaries.of(earlier).metrics.get((maker.execution.node, maker.output))
            value = self._number(artifact) if artifact is not None else None
            if artifact is not None and value is not None:
                points.append({**document.run_row(earlier), "artifact": artifact.id, "value": value})
        return {
            "step": maker.execution.node,
            "output": maker.output,
            "pipeline": run.pipeline,
            "points": points,
        }

    def _last_runs(self, pipeline: str, steps: int) -> list[Run]:
        return self.repository.get_runs(pipeline, history_length(steps))

    def _number(self, artifact: Artifact) -> float | None:
        if artifact.digest not in self._numbers:
            try:
                directory = self.repository.stores.artifacts.open(artifact.object)
                value = json.loads((directory / "value.json").read_bytes())
            except (ArtifactStoreError, OSError, ValueError):
                return None
            self._numbers[artifact.digest] = number_of(value)
        return self._numbers[artifact.digest]

    def lineage(self, id: int, depth: int | None = None) -> Document:
        """What an artifact was made of and what came of it, as far as is told and can be drawn.

        Args:
            depth: how many steps far in each direction; as far as is clear unless given.
        """
        most = _CLEAR if depth is None else _LINEAGE
        reach: int | None = 1
        graph = self.repository.lineage(id, reach)
        while reach is not None and reach != depth:
            farther = min(2 * reach, depth or 2 * reach)
            found = self.repository.lineage(id, farther)
            if len(found) > most:
                break
            # Where nothing more came along, there is nothing more.
            reach, graph = (None if len(found) == len(graph) else farther), found
        return document.lineage_document(graph, self._makers(graph.artifacts), reach)

    def compare(self, a: str, b: str) -> Document:
        runs = [self.repository.get_run(name) for name in (a, b)]
        return document.comparison_document(self.repository.compare(*runs), runs)

    def history(self, pipeline: str) -> Document:
        """Time spent and saved in the runs of a pipeline, oldest first, and the steps of its last ones."""
        runs = self.repository.get_runs(pipeline, _HISTORY)
        steps = len(runs[-1].record.definition.get("steps", [])) if runs else 0
        counted = {run.name for run in runs[-history_length(steps) :]}
        return {
            "pipeline": pipeline,
            "runs": [
                {
                    **document.run_row(run),
                    "counts": self._summaries.of(run).counts if run.name in counted else None,
                }
                for run in runs
            ],
        }

    def _artifact(self, id: int) -> Artifact:
        found = self._read.artifacts_by_id([id])
        if id not in found:
            raise NotFoundError(
                "There is no such artifact.", facts={"id": id, "metadata": self.repository.metadata_url}
            )
        return found[id]


def _without_password(url: str) -> str:
    """A URL that may be shown: what stands before an ``@`` in its host is left out."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else url
