"""The two stores of a project, and what can be asked of them afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zencache.entity import Artifact, Execution, Quarantine, Status
from zencache.exceptions import ConfigurationError, NotFoundError, nearest
from zencache.lineage import LineageGraph, draw_lineage
from zencache.pipeline_view import PipelineView
from zencache.project import Project
from zencache.quarantine import Impact, impact, lift, quarantine, quarantines
from zencache.statistics import Statistics, statistics
from zencache.view import ArtifactView, Run, StepView, run_named, run_of
from zencache.why import Comparison, compare

RECORDED = tuple(status.value for status in Status if status is not Status.SKIPPED)


class Repository(Project):
    """The metadata store and the artifact store of a project, and what can be asked of them.

    Args:
        path: the project's folder; found above the working directory unless given.
        metadata: URL or path of the metadata store: ``sqlite:///relative``, ``sqlite:////absolute``,
            ``memory://``.
        artifacts: path or fsspec URL of the artifact store.

    Raises:
        ConfigurationError: a setting is wrong.
        MetadataStoreError: the metadata store cannot be opened.

    Example::

        run = Repository().get_pipeline("mnist_pipeline").runs[-1]
        run.steps["tf_evaluator"].output.read()
    """

    def get_pipelines(self) -> list[PipelineView]:
        """All pipelines that have run, oldest first."""
        return [PipelineView(self.stores, name) for name in self.stores.metadata.read.pipelines()]

    def get_pipeline(self, name: str) -> PipelineView:
        """A pipeline by its name.

        Raises:
            NotFoundError: none of that name has run.
        """
        known = self.stores.metadata.read.pipelines()
        if name not in known:
            raise NotFoundError(
                f"No pipeline `{name}` has run.",
                facts={"metadata": self.metadata_url},
                hint=nearest(name, known),
            )
        return PipelineView(self.stores, name)

    get_pipeline_by_name = get_pipeline

    def get_runs(
        self,
        pipeline: str | None = None,
        limit: int | None = 20,
        *,
        before: str | None = None,
        status: str | None = None,
    ) -> list[Run]:
        """The last runs, of one pipeline or of all; oldest first, so that ``[-1]`` is the latest.

        Args:
            pipeline: the name of a pipeline.
            limit: how many at most; None for all.
            before: the name of a run; only those before it, for the next page of a long list.
            status: ``completed``, ``failed``, ``running`` or ``canceled``.

        Raises:
            NotFoundError: there is no run of the name that is given as ``before``.
            ConfigurationError: no run can have that status.
        """
        if before is not None:
            self.get_run(before)
        read = self.stores.metadata.read
        if status is None:
            return [Run(self.stores, run) for run in read.runs(pipeline, limit, before)]
        possible = [one for one in RECORDED if one != Status.CACHED.value]
        if status not in possible:
            raise ConfigurationError(
                f"No run has the status `{status}`.", hint=nearest(str(status), possible)
            )
        found = [run for run in read.runs(pipeline, before=before) if run.status.value == status]
        last = found if limit is None else found[max(0, len(found) - limit) :]
        return [Run(self.stores, run) for run in last]

    def get_run(self, name: str) -> Run:
        """A run by its name.

        Raises:
            NotFoundError: there is none.
        """
        return run_named(self.stores, name)

    def executions(
        self,
        status: str | None = None,
        step: str | None = None,
        pipeline: str | None = None,
        *,
        limit: int | None = None,
    ) -> list[StepView]:
        """Executions of steps, oldest first, filtered by status, step name and pipeline name.

        Args:
            status: ``completed``, ``cached``, ``failed``, ``running`` or ``canceled``.
            step: the declared name of the step.
            pipeline: the name of the pipeline.
            limit: only the last so many; the history is read backwards, and no further than needed.

        Raises:
            ConfigurationError: no execution can have that status.
        """
        if status is not None and status not in RECORDED:
            raise ConfigurationError(
                f"No execution has the status `{status}`.", hint=nearest(str(status), RECORDED)
            )
        runs: dict[str, Run] = {}
        found: list[StepView] = []
        for execution in self._newest_executions(step, pipeline):
            if status is not None and execution.status.value != status:
                continue
            if step is not None and execution.step != step:
                continue
            run = runs[execution.run] if execution.run in runs else run_of(self.stores, execution)
            if run.record.id:
                runs[execution.run] = run
            if pipeline is not None and run.pipeline != pipeline:
                continue
            if limit is not None and len(found) >= limit:
                break
            found.append(StepView(self.stores, run, execution))
        return found[::-1]

    def _newest_executions(self, step: str | None, pipeline: str | None) -> Iterator[Execution]:
        read = self.stores.metadata.read
        if step is not None:
            yield from reversed(read.executions_of_type(step))
        elif pipeline is not None:
            for run in reversed(read.runs(pipeline)):
                yield from reversed(read.executions_of_run(run.id))
        else:
            for page in read.newest_executions():
                yield from page

    def artifacts(
        self,
        type: str | None = None,
        pipeline: str | None = None,
        step: str | None = None,
        *,
        properties: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[ArtifactView]:
        """Artifacts, oldest first, filtered by type and by the pipeline or step that gave them.

        Args:
            type: name of the artifact type.
            pipeline, step: names; what the cache gave to a run of theirs counts as well.
            properties: only artifacts with these properties and values. A value may be given as text, which
                is what most are recorded as.
            limit: only the last so many, or the last that the pipeline or step gave; the history is read
                backwards, and no further than needed.
        """
        wanted = dict(properties or {})
        found: dict[int, Artifact] = {}
        for artifact in self._newest_artifacts(type, pipeline, step):
            if type is not None and artifact.type != type:
                continue
            if any(name not in artifact.properties for name in wanted):
                continue
            if any(not _is_same(artifact.properties[name], value) for name, value in wanted.items()):
                continue
            if limit is not None and len(found) >= limit:
                break
            found[artifact.id] = artifact
        return [ArtifactView(self.stores, artifact) for _, artifact in sorted(found.items())]

    def _newest_artifacts(
        self, type: str | None, pipeline: str | None, step: str | None
    ) -> Iterator[Artifact]:
        if pipeline is None and step is None:
            for page in self.stores.metadata.read.newest_artifacts(type):
                yield from page
            return
        seen: set[int] = set()
        for execution in self._newest_executions(step, pipeline):
            if step is not None and pipeline is not None:
                run = self.stores.metadata.read.run(execution.run)
                if run is None or run.pipeline != pipeline:
                    continue
            for artifact in execution.outputs.values():
                if artifact.id not in seen:
                    seen.add(artifact.id)
                    yield artifact

    def lineage(
        self,
        artifact: ArtifactView | int | Run,
        depth: int | None = None,
        *,
        direction: str | None = None,
    ) -> LineageGraph:
        """What an artifact was made of and what came of it, as a graph that other formats are drawn from.

        Args:
            artifact: one of :meth:`artifacts`, of a step's outputs, or its id in the metadata store; or a
                run, for the graph of what its steps took and made, where nothing else counts.
            depth: how many executions to cross in each direction; all unless given.
            direction: only ``"upstream"`` or only ``"downstream"``; both unless given.

        Example::

            print(repo.lineage(run.steps["trainer"].output).to_mermaid())

        Raises:
            NotFoundError: there is no artifact of that id.
            ConfigurationError: ``depth`` is not a positive whole number, or there is no such direction.
        """
        if direction not in (None, "upstream", "downstream"):
            raise ConfigurationError(
                "A direction is `upstream` or `downstream`.", facts={"found": repr(direction)}
            )
        if isinstance(artifact, Run):
            return artifact.lineage()
        start = artifact if isinstance(artifact, int) else artifact.id
        up, down = direction != "downstream", direction != "upstream"
        graph = draw_lineage(self.stores.metadata.read, start, depth, up=up, down=down)
        if start not in graph.artifacts:
            raise NotFoundError(
                "There is no such artifact.", facts={"id": start, "metadata": self.metadata_url}
            )
        return graph

    def impact(self, artifact: ArtifactView) -> Impact:
        """What would be tainted if an artifact is bad: :func:`zencache.quarantine.impact`."""
        return impact(artifact, project=self)

    def quarantine(self, artifact: ArtifactView, reason: str) -> Quarantine:
        """Mark an artifact's content as bad: no look-up gives out it or what came of it.

        Raises:
            ConfigurationError: there is no reason, or the artifact has no digest.
        """
        return quarantine(artifact, reason, project=self)

    def lift_quarantine(self, artifact: ArtifactView) -> Quarantine:
        """Take a quarantine back.

        Raises:
            NotFoundError: the artifact is not quarantined.
        """
        return lift(artifact, project=self)

    def quarantines(self) -> list[Quarantine]:
        """Every quarantine, oldest first, lifted ones too."""
        return quarantines(self)

    def stats(self, pipeline: str | None = None, last: int | None = None) -> Statistics:
        """What steps and runs cost, and how much caching saved.

        Args:
            pipeline: only the runs of this pipeline.
            last: only so many of the last runs.

        Example::

            dearest = Repository().stats().steps[0]
            print(dearest.name, dearest.seconds, dearest.saved)
        """
        return statistics(self.stores.metadata.read, pipeline, last)

    def compare(self, run_a: Run | str, run_b: Run | str) -> Comparison:
        """Two runs, or runs of two names, held against each other: the first step that differs, and in what.

        Raises:
            NotFoundError: there is no such run.
        """
        one, other = (self.get_run(run) if isinstance(run, str) else run for run in (run_a, run_b))
        sides = tuple([view.execution for view in run.steps.values()] for run in (one, other))
        return compare(self.stores.metadata.read, (one.record, other.record), (sides[0], sides[1]))

    def __repr__(self) -> str:
        return f"<repository {self.metadata_url}, {self.artifacts_url}>"


def _is_same(recorded: Any, wanted: Any) -> bool:
    return bool(recorded == wanted) or str(recorded) == str(wanted)
