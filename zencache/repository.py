"""The two stores of a project, and what can be asked of them afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from zencache.doctor import Finding, examine
from zencache.entity import Artifact, Execution, Pin, Quarantine, Status
from zencache.exceptions import ConfigurationError, NotFoundError, nearest
from zencache.exchange import Carried, carry
from zencache.gc import GcReport, Limits, gc
from zencache.lineage import LineageGraph, draw_lineage
from zencache.pin import pin, pins, unpin
from zencache.pipeline_view import PipelineView
from zencache.project import Project
from zencache.purge import PurgeReport, purge
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
            ``memory://``, ``mysql://user:password@host/database``, ``postgresql://...``, ``grpc://host:port``,
            ``grpcs://...``.
        artifacts: path or fsspec URL of the artifact store.
        mode: ``"r"`` writes to neither store: everything can be asked and planned, nothing run.
        local_cache: a folder in which copies of remote objects are kept, checked whenever they are read.
        local_cache_size: bytes that the copies may have, or a text such as ``"20 GB"``.
        read_from: a repository that others share. What this one does not have is looked for there, and
            brought here when it is found.
        require_signatures: public keys (``ed25519:...``), or files of them: only what their owners have
            signed is believed. Without it, every record is.
        signing_key: file of the private key with which what is recorded is signed; see
            :meth:`zencache.signing.SigningKey.create`.

    Raises:
        ConfigurationError: a setting is wrong.
        MetadataStoreError: the metadata store cannot be opened.

    Example::

        run = Repository().get_pipeline("mnist_pipeline").runs[-1]
        run.steps["tf_evaluator"].output.read()
    """

    def get_pipelines(self) -> list[PipelineView]:
        """All pipelines that have run, oldest first."""
        return [PipelineView(self, name) for name in self.stores.metadata.read.pipelines()]

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
        return PipelineView(self, name)

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

    def pin(self, target: ArtifactView | Run, reason: str = "") -> Pin:
        """Keep the bytes of an artifact, or of everything that a run made, reused or took.

        Raises:
            ArtifactMissing: the bytes of the artifact are gone already.
        """
        return pin(target, reason, project=self)

    def unpin(self, target: ArtifactView | Run) -> Pin:
        """Take a pin back.

        Raises:
            NotFoundError: the artifact or run is not pinned itself.
        """
        return unpin(target, project=self)

    def pins(self) -> list[Pin]:
        """The pins that hold, oldest first."""
        return pins(self)

    def gc(
        self,
        *,
        older_than: timedelta | str | None = None,
        keep_last: int | None = None,
        max_count: int | None = None,
        max_bytes: int | str | None = None,
        pipeline: str | None = None,
        step: str | None = None,
        grace: timedelta | str = "1h",
        dry_run: bool = True,
    ) -> GcReport:
        """Remove the bytes of what has not been used for long; their lineage stays. A dry run by default.

        Args:
            older_than: what was not used for this time goes: a timedelta, or a text such as ``"30d"``.
            keep_last: what the last completed runs of each pipeline used stays, this many of them, and what
                is newer than they; given alone, everything else goes.
            max_count: at most so many objects stay; those used longest ago go.
            max_bytes: at most so much stays: bytes, or a text such as ``"10GB"``.
            pipeline, step: only what no other pipeline used, or no other step made.
            grace: what was written within this time stays, since a run may be about to record it.
            dry_run: whether to tell only what would be done.

        Raises:
            ConfigurationError: a limit makes no sense, or there is none.
            NotFoundError: there is no such pipeline or step.
            ArtifactStoreError: bytes could not be deleted; what was deleted until then is recorded.

        Example::

            print(repo.gc(older_than="30d", keep_last=3))
            repo.gc(older_than="30d", keep_last=3, dry_run=False)
        """
        limits = Limits.parse(older_than, max_count, max_bytes, keep_last, pipeline, step, grace)
        if pipeline is not None:
            self.get_pipeline(pipeline)
        if step is not None and step not in (known := self.stores.metadata.read.steps()):
            raise NotFoundError(
                f"No execution is of a step `{step}`.",
                facts={"metadata": self.metadata_url},
                hint=nearest(step, known),
            )
        return gc(limits, dry_run=dry_run, project=self)

    def purge(
        self,
        derived_from: ArtifactView,
        *,
        include_itself: bool = False,
        even_pinned: bool = False,
        dry_run: bool = True,
    ) -> PurgeReport:
        """Remove the bytes of everything that came from an artifact's content. A dry run by default.

        Lineage stays. External files are named and not touched. Bytes that another step made as well, of
        something else, stay. What runs that go on meanwhile make of it is removed as far as they have
        recorded it; quarantine the artifact first, and no run takes it or what came of it from the cache.

        Args:
            derived_from: the artifact; others of the same content count as it.
            include_itself: whether its own bytes go, too.
            even_pinned: whether pins do not count.
            dry_run: whether to tell only what would be done.

        Raises:
            ConfigurationError: some of it is pinned; nothing is removed.
        """
        return purge(
            derived_from,
            include_itself=include_itself,
            even_pinned=even_pinned,
            dry_run=dry_run,
            project=self,
        )

    def doctor(
        self, *, mend: bool = False, deep: bool = False, grace: timedelta | str = "1h"
    ) -> list[Finding]:
        """Look for what crashes and hands have left in both stores; empty if all is well.

        Args:
            mend: whether to mend it as well; each finding says what that does.
            deep: whether to read every byte of every object, not only sizes.
            grace: what is younger may belong to a running run, and is left alone.

        Example::

            for finding in repo.doctor():
                print(finding)
        """
        return examine(mend=mend, deep=deep, grace=grace, project=self)

    def push(
        self,
        other: Repository,
        *,
        run: str | Run | Iterable[str | Run] | None = None,
        artifacts: Iterable[ArtifactView | int] | None = None,
        dry_run: bool = False,
    ) -> Carried:
        """Carry cache entries to another repository, with their bytes, verified, and their lineage.

        Args:
            other: where to.
            run: only what these runs made or took from the cache; all entries unless given.
            artifacts: only the entries that made these; artifacts or their ids.
            dry_run: only tell what would be carried.

        Raises:
            NotFoundError: there is no such run.
            ReadOnlyError: the other is only read.
            ConfigurationError: both are the same repository.

        Example::

            team = Repository(metadata="/team/metadata.db", artifacts="s3://team/cache")
            print(Repository().push(team, run="nightly-7").entries)
        """
        return carry(self, other, run=run, artifacts=artifacts, dry_run=dry_run)

    def pull(
        self,
        other: Repository,
        *,
        run: str | Run | Iterable[str | Run] | None = None,
        artifacts: Iterable[ArtifactView | int] | None = None,
        dry_run: bool = False,
    ) -> Carried:
        """Carry cache entries of another repository here: :meth:`push` the other way round."""
        return carry(other, self, run=run, artifacts=artifacts, dry_run=dry_run)

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
