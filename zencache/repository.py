"""The two stores of a project, and what can be asked of them afterwards."""

from __future__ import annotations

from zencache.exceptions import NotFoundError, nearest
from zencache.project import Project
from zencache.view import ArtifactView, PipelineView, Run, StepView, run_named
from zencache.why import Comparison, compare


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

    def get_runs(self, pipeline: str | None = None, limit: int | None = 20) -> list[Run]:
        """The last runs, of one pipeline or of all; oldest first, so that ``[-1]`` is the latest."""
        runs = self.stores.metadata.read.runs(pipeline)
        return [
            Run(self.stores, run) for run in (runs if limit is None else runs[max(0, len(runs) - limit) :])
        ]

    def get_run(self, name: str) -> Run:
        """A run by its name.

        Raises:
            NotFoundError: there is none.
        """
        return run_named(self.stores, name)

    def executions(
        self, status: str | None = None, step: str | None = None, pipeline: str | None = None
    ) -> list[StepView]:
        """Executions of steps, oldest first, filtered by status, step name and pipeline name."""
        runs = {run.name: Run(self.stores, run) for run in self.stores.metadata.read.runs(pipeline)}
        return [
            StepView(self.stores, runs[execution.run], execution)
            for execution in self.stores.metadata.read.executions_of_type(step)
            if execution.run in runs and status in (None, execution.status.value)
        ]

    def artifacts(
        self, type: str | None = None, pipeline: str | None = None, step: str | None = None
    ) -> list[ArtifactView]:
        """Artifacts, oldest first, filtered by type and by the pipeline or step that made them."""
        found = self.stores.metadata.read.artifacts(type)
        if pipeline is not None or step is not None:
            made = {
                artifact.id
                for execution in self.executions(step=step, pipeline=pipeline)
                for artifact in execution.execution.outputs.values()
            }
            found = [artifact for artifact in found if artifact.id in made]
        return [ArtifactView(self.stores, artifact) for artifact in found]

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

