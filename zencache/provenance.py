"""Whether a record that was reached without a look-up is signed by somebody whose signature is accepted."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from zencache.entity import Artifact, Execution, PipelineRun, Status
from zencache.exceptions import SignatureError
from zencache.metadata import MetadataStore
from zencache.signing import Trust, entry_statement, value_statement

_HINT = (
    "Add the public key of whoever wrote it to `require_signatures`, if you trust them as you trust your own "
    "code; or run the pipeline again."
)


def require_signed(metadata: MetadataStore, artifacts: Collection[Artifact]) -> None:
    """Raise SignatureError unless each of some artifacts is signed, if that is asked for."""
    problems = unsigned(metadata, artifacts)
    for artifact in artifacts:
        if artifact.id in problems:
            raise SignatureError(
                f"The record of an artifact is not believed: {problems[artifact.id]}.",
                facts={"artifact": artifact.id, "type": artifact.type, "uri": artifact.uri},
                hint=_HINT,
            )


def unsigned(metadata: MetadataStore, artifacts: Iterable[Artifact]) -> dict[int, str]:
    """Why artifacts are not believed, by id, for those that are not; none if no signature is asked for.

    One is believed if its own record is signed, or that of an execution that made it.
    """
    trust = metadata.trust
    if not trust.is_required:
        return {}
    problems: dict[int, str] = {}
    left: dict[int, Artifact] = {}
    for artifact in artifacts:
        problem = trust.problem(value_statement(artifact), artifact.signature)
        if problem:
            problems[artifact.id] = problem
            left[artifact.id] = artifact
    edges = [edge for edge in metadata.read.edges_of_artifacts(left) if edge.is_output]
    for execution in metadata.read.executions_by_id({edge.execution_id for edge in edges}):
        if execution.status is not Status.COMPLETED:
            continue  # a cached one only points to what another made
        mine = {one.id: one for one in execution.outputs.values()}
        problem = execution_problem(trust, execution)
        for id_ in mine.keys() & problems.keys():
            if problem:
                problems[id_] = problem
            elif value_statement(mine[id_]) == value_statement(left[id_]):
                del problems[id_]
    return problems


def execution_problem(trust: Trust, execution: Execution) -> str:
    """Why what is recorded of an execution's artifacts is not believed; empty if it is."""
    statement = entry_statement(execution.cache_key, execution.finished, execution.inputs, execution.outputs)
    return trust.problem(statement, execution.signature)


def require_signed_definition(metadata: MetadataStore, run: PipelineRun) -> None:
    """Raise SignatureError unless the definition of a run is signed, if that is asked for: it names code."""
    problem = metadata.definition_problem(run)
    if problem:
        raise SignatureError(
            f"The definition of the pipeline is not believed: {problem}.",
            facts={"pipeline": run.pipeline, "run": run.name},
            hint=_HINT,
        )
