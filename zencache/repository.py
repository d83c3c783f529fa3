"""The two stores of a project, and what can be asked of them afterwards."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from zencache.artifact_store import ArtifactStore, open_artifact_store
from zencache.exceptions import NotFoundError, nearest
from zencache.metadata import MetadataStore
from zencache.settings import FOLDER, find_settings, make_folder
from zencache.view import ArtifactView, PipelineView, Run, StepView


class Repository:
    """The metadata store and the artifact store of a project.

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

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        metadata: str | os.PathLike[str] | None = None,
        artifacts: str | os.PathLike[str] | None = None,
    ):
        settings = find_settings(path, _text(metadata), _text(artifacts))
        self.root: Path = settings.root
        default = str(settings.root / FOLDER)
        if settings.metadata.startswith(default) or settings.artifacts.startswith(default):
            make_folder(settings.root)
        self.artifact_store: ArtifactStore = _artifact_store(settings.artifacts, os.getpid())
        self.metadata_store: MetadataStore = MetadataStore(settings.metadata, self.artifact_store)

    @property
    def metadata_url(self) -> str:
        """Where the metadata lies, for example ``sqlite:////home/me/project/.zencache/metadata.db``."""
        return self.metadata_store.url

    @property
    def artifacts_url(self) -> str:
        """Where the bytes lie: a path or an fsspec URL."""
        return self.artifact_store.url

    @property
    def store(self) -> Any:
        """The stock ``ml_metadata.MetadataStore``: ask MLMD anything."""
        return self.metadata_store.stock

    def get_pipelines(self) -> list[PipelineView]:
        """All pipelines that have run, oldest first."""
        return [PipelineView(self, name) for name in self.metadata_store.read.pipelines()]

    def get_pipeline(self, name: str) -> PipelineView:
        """A pipeline by its name.

        Raises:
            NotFoundError: none of that name has run.
        """
        known = self.metadata_store.read.pipelines()
        if name not in known:
            raise NotFoundError(
                f"No pipeline `{name}` has run.",
                facts={"metadata": self.metadata_url},
                hint=nearest(name, known),
            )
        return PipelineView(self, name)

    get_pipeline_by_name = get_pipeline

    def get_runs(self, pipeline: str | None = None, limit: int | None = 20) -> list[Run]:
        """The last runs, of one pipeline or of all; oldest first, so that ``[-1]`` is the latest."""
        runs = self.metadata_store.read.runs(pipeline)
        return [Run(self, run) for run in (runs if limit is None else runs[max(0, len(runs) - limit) :])]

    def get_run(self, name: str) -> Run:
        """A run by its name.

        Raises:
            NotFoundError: there is none.
        """
        run = self.metadata_store.read.run(name)
        if run is None:
            known = [other.name for other in self.metadata_store.read.runs()]
            raise NotFoundError(
                f"There is no run `{name}`.", facts={"metadata": self.metadata_url}, hint=nearest(name, known)
            )
        return Run(self, run)

    def executions(
        self, status: str | None = None, step: str | None = None, pipeline: str | None = None
    ) -> list[StepView]:
        """Executions of steps, oldest first, filtered by status, step name and pipeline name."""
        runs = {run.name: Run(self, run) for run in self.metadata_store.read.runs(pipeline)}
        return [
            StepView(self, runs[execution.run], execution)
            for execution in self.metadata_store.read.executions_of_type(step)
            if execution.run in runs and status in (None, execution.status.value)
        ]

    def artifacts(
        self, type: str | None = None, pipeline: str | None = None, step: str | None = None
    ) -> list[ArtifactView]:
        """Artifacts, oldest first, filtered by type and by the pipeline or step that made them."""
        found = self.metadata_store.read.artifacts(type)
        if pipeline is not None or step is not None:
            made = {
                artifact.id
                for execution in self.executions(step=step, pipeline=pipeline)
                for artifact in execution.execution.outputs.values()
            }
            found = [artifact for artifact in found if artifact.id in made]
        return [ArtifactView(self, artifact) for artifact in found]

    def __repr__(self) -> str:
        return f"<repository {self.metadata_url}, {self.artifacts_url}>"


@functools.lru_cache(maxsize=16)
def _artifact_store(url: str, pid: int) -> ArtifactStore:
    """One for each URL in a process, so that what has been verified once is remembered."""
    return open_artifact_store(url)


def _text(url: str | os.PathLike[str] | None) -> str | None:
    return None if url is None else os.fspath(url)
