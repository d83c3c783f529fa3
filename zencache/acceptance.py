"""Accepting an edit: the user's word that a change of code is harmless keeps the entries of the old code."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from zencache.entity import Acceptance, Status
from zencache.environment import environment_facts
from zencache.exceptions import ConfigurationError, NotFoundError, nearest
from zencache.key import CODE, KeyMaker
from zencache.origin import load_step
from zencache.policy import CachePolicy
from zencache.provenance import require_signed_definition
from zencache.repository import Repository


def accept(step: str, reason: str, *, repository: Repository) -> Acceptance:
    """Let the recorded results of a step hold for its code as it is now.

    The code is found where the last run of the step recorded it. What is accepted is this very code
    instead of the one that the last execution with another code had; a further edit counts again.

    Args:
        step: the declared name of the step, or its name in a pipeline.
        reason: why the edit is harmless.
        repository: where the step's executions are recorded.

    Raises:
        NotFoundError: no such step is recorded, or its code is not found any more.
        ConfigurationError: there is no reason, or no edit to accept.
    """
    if not reason.strip():
        raise ConfigurationError("An edit is accepted for a reason.", hint='Give one: --reason "...".')
    row = _last_use(step, repository)
    declaration = load_step(row).declaration
    policy = declaration.cache_policy or CachePolicy()
    now = KeyMaker(repository.files).code(declaration, policy)
    old = _last_other_code(declaration.name, now, repository)
    facts = environment_facts(repository.root)
    acceptance = Acceptance(
        step=declaration.name,
        new=now,
        old=old,
        reason=reason.strip(),
        by=f"{facts['user']} on {facts['host']}",
        when=datetime.now(timezone.utc),
    )
    repository.stores.metadata.put_acceptance(acceptance)
    return acceptance


def acceptances(repository: Repository) -> list[Acceptance]:
    """Every acceptance, oldest first, revoked ones too."""
    return repository.stores.metadata.read.acceptances()


def revoke(step: str, *, repository: Repository) -> list[Acceptance]:
    """Take back every acceptance of a step; its edits count again.

    Raises:
        NotFoundError: there is none.
    """
    found = [one for one in acceptances(repository) if one.step == step and not one.is_revoked]
    if not found:
        known = {one.step for one in acceptances(repository) if not one.is_revoked}
        raise NotFoundError(f"No edit of step `{step}` is accepted.", hint=nearest(step, known))
    for one in found:
        repository.stores.metadata.put_acceptance(replace(one, is_revoked=True))
    return found


def _last_use(step: str, repository: Repository) -> dict[str, str]:
    """The row of a step in the definition of the last pipeline that ran with it."""
    known: set[str] = set()
    for run in reversed(repository.get_runs(limit=None)):
        for row in run.record.definition.get("steps", []):
            if step in (row["name"], row["step"]):
                require_signed_definition(repository.stores.metadata, run.record)
                return dict(row)
            known.add(row["step"])
    raise NotFoundError(f"No run of a step `{step}` is recorded.", hint=nearest(step, known))


def _last_other_code(step: str, now: str, repository: Repository) -> str:
    for execution in reversed(repository.stores.metadata.read.executions_of_type(step)):
        code = execution.key_parts.get(CODE)
        if execution.status is Status.COMPLETED and code and code != now:
            return code
    raise ConfigurationError(
        "There is no edit to accept: every recorded result of the step was made by its code as it is now.",
        facts={"step": step},
    )
