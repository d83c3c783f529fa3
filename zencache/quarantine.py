"""Bad data: what came of it, and keeping look-ups from giving it out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone

from zencache import lineage
from zencache.entity import Artifact, Quarantine
from zencache.environment import environment_facts
from zencache.exceptions import ConfigurationError, NotFoundError
from zencache.project import Project
from zencache.view import ArtifactView, Run, StepView, steps_of


@dataclass(frozen=True, slots=True)
class Impact:
    """What would be tainted if an artifact is bad; each list oldest first.

    Args:
        same: the artifact, and every other of the very same bytes.
        artifacts: what came of them, directly or not.
        steps: the executions that took one of all these as an input.
        runs: the runs of those executions.
    """

    same: tuple[ArtifactView, ...]
    artifacts: tuple[ArtifactView, ...]
    steps: tuple[StepView, ...]
    runs: tuple[Run, ...]

    @property
    def pipelines(self) -> tuple[str, ...]:
        """The names of the pipelines of those runs."""
        return tuple(dict.fromkeys(run.pipeline for run in self.runs))


def impact(artifact: ArtifactView, *, project: Project) -> Impact:
    """What came of an artifact, and of every other artifact of the same bytes.

    Example::

        for model in impact(dataset, project=repository).artifacts:
            print(model.type, model.uri)
    """
    read = project.stores.metadata.read
    same = same_content(artifact.artifact, project)
    starts = {one.id for one in same}
    edges = lineage.downstream(read, starts)
    below = read.artifacts_by_id({edge.artifact_id for edge in edges if edge.is_output} - starts)
    steps = steps_of(project.stores, read.executions_by_id({edge.execution_id for edge in edges}))
    runs = {step.run.name: step.run for step in steps}
    return Impact(
        same=tuple(ArtifactView(project.stores, one) for one in same),
        artifacts=tuple(ArtifactView(project.stores, below[id_]) for id_ in sorted(below)),
        steps=tuple(steps),
        runs=tuple(sorted(runs.values(), key=lambda run: run.record.id)),
    )


def quarantine(artifact: ArtifactView, reason: str, *, project: Project) -> Quarantine:
    """Keep every look-up from giving out an artifact's content, and what came or will come of it.

    Steps that made it or take it run each time until the quarantine is lifted; nothing is deleted.

    Raises:
        ConfigurationError: there is no reason, or the artifact has no digest to tell its content by.
    """
    if not reason.strip():
        raise ConfigurationError("Content is quarantined for a reason.", hint='Give one: --reason "...".')
    if not artifact.digest:
        raise ConfigurationError(
            "Only content with a digest can be quarantined; this artifact was not made by zencache.",
            facts={"artifact": artifact.id, "uri": artifact.uri},
        )
    facts = environment_facts(project.root)
    metadata = project.stores.metadata
    placed = metadata.put_quarantine(
        Quarantine(
            id=0,
            digest=artifact.digest,
            reason=reason.strip(),
            by=f"{facts['user']} on {facts['host']}",
            when=datetime.now(timezone.utc),
        )
    )
    known = set(metadata.read.quarantined(placed))
    for one in same_content(artifact.artifact, project):
        if one.id not in known:
            metadata.put_in_quarantine(placed, one)
    return placed


def lift(artifact: ArtifactView, *, project: Project) -> Quarantine:
    """Take a quarantine back: what it blocked can be hit again.

    Raises:
        NotFoundError: the content is not quarantined.
    """
    for one in quarantines(project):
        if one.digest == artifact.digest and not one.is_lifted:
            return project.stores.metadata.put_quarantine(replace(one, is_lifted=True))
    raise NotFoundError(
        "The artifact is not quarantined.", facts={"artifact": artifact.id, "digest": artifact.digest}
    )


def quarantines(project: Project) -> list[Quarantine]:
    """Every quarantine, oldest first, lifted ones too."""
    return project.stores.metadata.read.quarantines()


def same_content(artifact: Artifact, project: Project) -> list[Artifact]:
    """An artifact and every other of the same content at the same address, oldest first."""
    found = {one.id: one for one in project.stores.metadata.read.artifacts_by_uri(artifact.uri)}
    same = {id_: one for id_, one in found.items() if one.digest == artifact.digest and artifact.digest}
    return [one for _, one in sorted({**same, artifact.id: artifact}.items())]
