"""A registered execution while its body is executed: who executes it, how often, and what comes of it."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from zencache import events
from zencache.artifact_store import ArtifactStore
from zencache.body import Body, Outcome
from zencache.entity import Execution, Status
from zencache.exceptions import ArtifactUnusable, OtherCode, WorkerError, WorkerLost
from zencache.key import CacheKey
from zencache.lease import Claim
from zencache.wiring import Node
from zencache.workers import Workers


@dataclass(slots=True)
class Attempt:
    """A registered execution while its body is executed.

    ``ended`` is done when it has ended, for those that want the same key.
    """

    node: Node
    execution: Execution
    key: CacheKey
    body: Body
    workers: Workers
    claim: Claim
    started: float
    ended: Future[None] = field(default_factory=Future)
    tries: int = 1
    refused: OtherCode | None = None  # why the code of a worker was not taken

    def submit(self) -> Future[Any]:
        """Have the body executed, by value once a worker has refused its code."""
        return self.workers.submit(self.body, by_value=self.refused is not None)

    def outcome(self, future: Future[Any]) -> Outcome:
        """What came of the body; a worker's output that this process does not see is an error, too."""
        outcome = self.workers.outcome(self.node.name, future)
        if outcome.error is not None or self.workers.is_here:
            return outcome
        return replace(outcome, error=_unseen(outcome, self.body.surroundings.artifacts))

    def try_again(self, error: BaseException | None) -> bool:
        """Whether the body is executed once more: a worker has other code, or the step asks for it."""
        if isinstance(error, OtherCode) and self.refused is None:
            self.refused = error
            return True
        if not isinstance(error, Exception) or _is_refusal(error) or self.tries > self.node.step.retries:
            return False
        self.tries += 1
        self.execution = replace(self.execution, tries=self.tries)
        most = self.node.step.retries + 1
        events.emit(events.WillRetry(self.execution.run, self.node.name, error, self.tries, most))
        return True

    def cause(self, error: BaseException) -> BaseException:
        """Why it failed for good: what a worker first refused comes before what followed from it."""
        return (self.refused or error) if _is_refusal(error) else error

    def completed(self, outcome: Outcome, not_kept: str) -> Execution:
        """The execution, whose body gave its outputs."""
        here = self.workers.is_here
        return replace(
            self.execution,
            status=Status.COMPLETED,
            duration=time.perf_counter() - self.started if here else outcome.seconds,
            not_kept=not_kept,
            finished=time.time(),
        )

    def close(self) -> None:
        """It has ended: who waits for its key decides now."""
        self.claim.drop()
        self.ended.set_result(None)


def _is_refusal(error: BaseException) -> bool:
    """Whether a worker would say the same each time."""
    return isinstance(error, WorkerError) and not isinstance(error, WorkerLost)


def _unseen(outcome: Outcome, artifacts: ArtifactStore) -> WorkerError | None:
    """What is wrong if a worker wrote its outputs where this process does not see them."""
    for name, (artifact, _) in outcome.saved.items():
        if artifact.is_external or artifact.id:
            continue
        try:
            artifacts.verify(artifact.object)
        except ArtifactUnusable as error:
            return WorkerError(
                "A worker wrote an output that cannot be seen here.",
                facts={"output": name, "uri": artifact.uri, "because": error.message},
                hint="Use an artifact store that every worker reaches under the same path or URL.",
            )
    return None
