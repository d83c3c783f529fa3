"""Pins: artifacts and runs whose bytes shall stay, whatever a garbage collection would remove."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone

from zencache.entity import Pin
from zencache.environment import environment_facts
from zencache.exceptions import ArtifactMissing, NotFoundError
from zencache.metadata import Survey
from zencache.project import Project
from zencache.view import ArtifactView, Run


def pin(target: ArtifactView | Run, reason: str, *, project: Project) -> Pin:
    """Keep the bytes of an artifact, or of everything that a run made, reused or took.

    Raises:
        ArtifactMissing: the bytes of the artifact have been removed, or are being removed.
    """
    facts = environment_facts(project.root)
    kind, name = _named(target)
    made = Pin(kind, name, reason.strip(), f"{facts['user']} on {facts['host']}", datetime.now(timezone.utc))
    metadata = project.stores.metadata
    metadata.put_pin(made)
    # Who removes bytes marks them first, and then looks at the pins: one of the two sees the other.
    if isinstance(target, ArtifactView) and metadata.read.doomed([target.id]):
        metadata.put_pin(replace(made, is_lifted=True))
        raise ArtifactMissing(
            "The bytes of the artifact are gone already, so that they cannot be kept.",
            facts={"artifact": target.id, "uri": target.uri},
            hint="Run the pipeline again, and pin what it makes.",
        )
    return made


def unpin(target: ArtifactView | Run, *, project: Project) -> Pin:
    """Take a pin back.

    Raises:
        NotFoundError: the artifact or run is not pinned itself.
    """
    kind, name = _named(target)
    for one in pins(project):
        if (one.kind, one.target) == (kind, name):
            lifted = replace(one, is_lifted=True)
            project.stores.metadata.put_pin(lifted)
            return lifted
    raise NotFoundError(f"This {kind} is not pinned.", facts={kind: name}, hint=_of_run(target))


def pins(project: Project) -> list[Pin]:
    """The pins that hold, oldest first."""
    return [one for one in project.stores.metadata.read.pins() if not one.is_lifted]


def pinned(held: Iterable[Pin], survey: Survey) -> dict[int, Pin]:
    """Id of an artifact -> the pin that keeps it, its run's or its own."""
    found: dict[int, Pin] = {}
    of_runs = {one.target: one for one in held if one.kind == "run"}
    if of_runs:
        for edge in survey.edges:
            use = survey.uses.get(edge.execution_id)
            if use is not None and use.run in of_runs:
                found[edge.artifact_id] = of_runs[use.run]
    own = {one.target: one for one in held if one.kind == "artifact"}
    return found | {id_: own[str(id_)] for id_ in survey.artifacts if str(id_) in own}


def _named(target: ArtifactView | Run) -> tuple[str, str]:
    return ("run", target.name) if isinstance(target, Run) else ("artifact", str(target.id))


def _of_run(target: ArtifactView | Run) -> str | None:
    return None if isinstance(target, Run) else "It may be kept by the pin of a run: see `zencache pins`."
