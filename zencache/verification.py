"""Checking a recorded run: its objects against their digests, and its steps against being executed again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zencache import artifact_value
from zencache.declaration import Declaration
from zencache.entity import Artifact, Execution, PipelineRun
from zencache.exceptions import ArtifactUnusable, NotFoundError, ZencacheError
from zencache.given import as_annotated
from zencache.key import KeyMaker
from zencache.materializer import BaseMaterializer
from zencache.origin import load_step
from zencache.policy import CachePolicy
from zencache.provenance import require_signed, require_signed_definition
from zencache.repository import Repository
from zencache.reproduction import reproduce
from zencache.resource import Surroundings
from zencache.view import Run

SAME, DIFFERS, DAMAGED, NOT_EXECUTED = "same", "differs", "damaged", "not executed"


@dataclass(frozen=True, slots=True)
class StepVerification:
    """What was found of one step.

    Args:
        step: its name in the run.
        verdict: ``same``, ``differs`` if it does not give the same result twice, ``damaged`` if the bytes
            of an output are gone or wrong, ``not executed`` if only its objects were checked.
        detail: what differs, or why it was not executed.
    """

    step: str
    verdict: str
    detail: str = ""

    @property
    def is_fine(self) -> bool:
        return self.verdict in (SAME, NOT_EXECUTED)


def verify(
    run: Run, *, repository: Repository, sample: float = 1.0, seed: int | None = None
) -> list[StepVerification]:
    """Check every output object of a run, and execute a share of its steps again, comparing digests.

    Args:
        run: the run.
        repository: where it is recorded.
        sample: share of its steps, from 0.0 to 1.0, that are executed again.
        seed: makes the sample repeatable.

    Returns:
        One row for each step of the run that has outputs, in wiring order.
    """
    choose = random.Random(seed)
    rows = {row["name"]: row for row in run.record.definition.get("steps", [])}
    return [
        _verify_step(
            view.execution, rows.get(name), rows, run.record, repository, is_chosen=choose.random() < sample
        )
        for name, view in run.steps.items()
        if view.execution.outputs
    ]


def _verify_step(
    execution: Execution,
    row: Mapping[str, Any] | None,
    rows: Mapping[str, Mapping[str, Any]],
    run: PipelineRun,
    repository: Repository,
    *,
    is_chosen: bool,
) -> StepVerification:
    for name, artifact in execution.outputs.items():
        if artifact.is_external:
            continue  # it is where its owner keeps it; the key tells whether it has changed
        try:
            repository.stores.artifacts.open(artifact.object)
        except ArtifactUnusable as error:
            return StepVerification(execution.node, DAMAGED, f"output `{name}`: {error.message}")
    if not is_chosen:
        return StepVerification(execution.node, NOT_EXECUTED, "it is not in the sample")
    if row is None:
        return StepVerification(execution.node, NOT_EXECUTED, "the definition of its pipeline is gone")
    try:
        require_signed_definition(repository.stores.metadata, run)
        require_signed(repository.stores.metadata, list(execution.inputs.values()))
        found = _execute_again(execution, row, rows, repository)
    except ZencacheError as error:
        return StepVerification(execution.node, NOT_EXECUTED, error.message)
    return StepVerification(execution.node, DIFFERS if found else SAME, "; ".join(found))


def _execute_again(
    execution: Execution,
    row: Mapping[str, Any],
    rows: Mapping[str, Mapping[str, Any]],
    repository: Repository,
) -> tuple[str, ...]:
    if execution.not_kept:
        raise NotFoundError(f"its result was not kept: {execution.not_kept}")
    step = load_step(row).declaration
    policy = step.cache_policy or CachePolicy()
    keys = KeyMaker(repository.files, repository.stores.metadata.acceptances())
    key = keys.key(step, execution.parameters, execution.inputs, policy)
    if key.hex != execution.cache_key:
        raise NotFoundError("its code, or what else its cache key is made of, has changed since")
    arguments = {
        name: _input(step, execution.node, name, artifact, repository, _maker(row, rows, name))
        for name, artifact in execution.inputs.items()
    }
    parameters = dict(execution.parameters)
    if step.config is not None:
        name, config_class = step.config
        arguments[name] = config_class(**{field: parameters.pop(field) for field in step.config_fields})
    surroundings = Surroundings(
        pipeline="",
        artifacts=repository.stores.artifacts,
        metadata=repository.stores.metadata,
        files=repository.files,
        beam_pipeline_args=execution.beam_pipeline_args,
    )
    return reproduce(step, execution.node, {**arguments, **parameters}, execution.outputs, surroundings)


def _maker(
    row: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], argument: str
) -> BaseMaterializer | None:
    """The materializer that the step that made an input asks for, as its code is now."""
    source, output = row.get("inputs", {}).get(argument, (None, ""))
    if source not in rows:
        return None
    return load_step(rows[source]).declaration.materializers.get(output)


def _input(
    step: Declaration,
    node: str,
    name: str,
    artifact: Artifact,
    repository: Repository,
    materializer: BaseMaterializer | None,
) -> Any:
    if not artifact.is_external:
        return artifact_value.load(
            repository.stores.artifacts,
            artifact,
            materializer=materializer,
            candidates=[step.arguments.get(name)],
        )
    found = repository.files.find(artifact.uri)
    if found.digest.hash != artifact.digest:
        raise NotFoundError(f"the external file of input `{name}` has changed since")
    return as_annotated(step.arguments[name], found, node, name)
