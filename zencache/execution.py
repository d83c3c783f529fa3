"""The life of one execution: decide, register, have its body executed, record, emit."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

from zencache import events
from zencache.artifact_store import ArtifactStore
from zencache.attempt import Attempt
from zencache.body import Body, InputUnreadable, Outcome, is_failure, traceback_text
from zencache.cache import Cache
from zencache.call import flags_of
from zencache.entity import CacheEntry, Decision, Execution, Lease, PipelineRun, Status
from zencache.exceptions import (
    ArtifactStoreUnreachable,
    MetadataStoreError,
    ZencacheError,
    error_text,
)
from zencache.fingerprint import FileFingerprints
from zencache.given import GivenValues
from zencache.hit import Hits
from zencache.key import CacheKey, KeyMaker
from zencache.lease import LeaseLost, Leases, LeaseTaken
from zencache.metadata import MetadataStore, RunWriter
from zencache.options import CacheOptions
from zencache.policy import Reason
from zencache.recovery import RunNote
from zencache.reproduction import reproduce
from zencache.resource import Surroundings
from zencache.scheduler import Pending, after
from zencache.upstream import InputUnusable, Upstream
from zencache.wiring import Node
from zencache.workers import Here, Workers


class StepError(Exception):
    """A step's own failure, as the scheduler sees it; ``__cause__`` is what was raised."""


class RunExecution:
    """Executes the nodes of one run, in whatever order it is given them. Bodies may run elsewhere."""

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        metadata: MetadataStore,
        artifacts: ArtifactStore,
        writer: RunWriter,
        cache: Cache,
        options: CacheOptions,
        facts: Mapping[str, str],
        files: FileFingerprints,
        workers: Workers,
        leases: Leases,
        beam_pipeline_args: tuple[str, ...] = (),
    ):
        self._nodes = {node.name: node for node in nodes}
        self._writer = writer
        self._cache = cache
        self._options = options
        self._facts = facts
        self._run = writer.run.name
        self._files = files
        self._leases = leases
        self._note = RunNote(artifacts, metadata, self._run, leases.expiry)
        self._surroundings = Surroundings(
            writer.run.pipeline, artifacts, metadata, files, beam_pipeline_args=beam_pipeline_args
        )
        self._given = GivenValues(metadata, artifacts, files, writer)
        self._keys = KeyMaker(files, metadata.acceptances())
        self._keys.prepare((node.step, options.policy_of(node.step)) for node in nodes)
        self._workers = workers
        workers.prepare((node.step, options.policy_of(node.step)) for node in nodes)
        self._running: dict[str, Attempt] = {}  # by cache key
        self.executions: dict[str, Execution] = {}
        self.skipped: dict[str, str] = {}  # node -> why it does not run
        self._hits = Hits(metadata, writer, cache, self.executions)
        self._upstream = Upstream(self._nodes, self.executions, self.skipped, self._given, self._surroundings)

    def visit(self, name: str) -> Pending | None:
        """Decide about a node, and run it unless it is a hit, or its conditions do not hold.

        Raises:
            StepError: the step failed. What is pending may raise it, too.
        """
        return self._begin(self._nodes[name], time.perf_counter())

    def skip(self, name: str, because: str) -> None:
        """A node does not run in this run."""
        self.skipped[name] = because
        events.emit(events.DidSkip(self._run, name, because))

    def _begin(self, node: Node, started: float) -> Pending | None:
        unusable = None
        try:
            because = self._upstream.not_run(node)
        except InputUnusable as found:
            unusable = found
        except ZencacheError as error:
            self._end(self._begun(node, datetime.now(timezone.utc)), error, started)
            raise StepError(node.name) from error
        if unusable is not None:
            again = partial(self._begin, node, started)
            pending = self._decide_again(unusable)
            return again() if pending is None else pending.then(again)
        if because:
            self.skip(node.name, because)
            return None
        events.emit(events.WillDecide(self._run, node.name))
        return self._advance(node, started)

    def _advance(self, node: Node, started: float) -> Pending | None:
        while True:
            try:
                return self._decide_and_run(node, started)
            except InputUnusable as found:
                unusable = found
            except LeaseTaken as taken:
                lease = taken.lease
                break
            pending = self._decide_again(unusable)
            if pending is not None:
                return pending.then(partial(self._advance, node, started))
        return self._wait(node, lease)

    def _decide_again(self, unusable: InputUnusable) -> Pending | None:
        """A hit could not be read: its producer is decided once more, without the entry that lied."""
        producer = unusable.producer
        events.emit(events.DidFindUnusable(self._run, producer, unusable.output, unusable.error))
        self._hits.discard(producer, unusable.artifact, unusable.error)
        return self.visit(producer)

    def _wait(self, node: Node, lease: Lease) -> Pending | None:
        """Another run executes this very step: look now and then, and decide once nobody does."""
        pause = self._leases.look(node.name, lease)
        if pause is None:
            return self._advance(node, time.perf_counter())
        return Pending(after(pause), partial(self._wait, node, lease))

    def _decide_and_run(self, node: Node, started: float) -> Pending | None:
        begun = partial(self._begun, node, datetime.now(timezone.utc))
        workers = self._workers_of(node)
        try:
            inputs = self._upstream.inputs(node)
            begun = partial(begun, inputs=inputs)
            policy = self._options.policy_of(node.step)
            key = self._keys.key(node.step, node.parameters, inputs, policy, self._given.files(node))
            same = self._running.get(key.hex)
            if same is not None and self._options.bypass(node) is None:
                return Pending(same.ended, partial(self._advance, node, started))
            decision = self._options.decide(self._cache, node, key.hex, inputs.values())
            decision = self._leases.told(self._keys.told(decision, node.step), node.name)
            body = self._upstream.body(node, inputs)
            if decision.entry is not None and random.random() < policy.verify:
                decision = self._verify(body, decision, key)
            begun = partial(begun, cache_key=key.hex, decision=decision)
            if not decision.is_hit and workers.is_here:
                body.prepare()
        except (MetadataStoreError, ArtifactStoreUnreachable):
            raise  # the whole run: every other step would meet it, too
        except InputUnreadable as unreadable:
            self._upstream.require_own(node, unreadable)
            self._end(begun(), unreadable.error, started)
            raise StepError(node.name) from unreadable.error
        except ZencacheError as error:  # an input or a policy of this step, before its body
            self._end(begun(), error, started)
            raise StepError(node.name) from error
        if decision.entry is not None:
            events.emit(events.DidHit(self._run, node.name, decision))
            self._finish(self._take(begun, decision.entry, started))
            return None
        claim = self._leases.claim(node.name, key.hex, decision)
        execution = begun(
            key_parts=key.parts,
            key_values=key.values,
            facts=self._facts,
            untracked=self._keys.untracked.get(node.step.name, ()),
            beam_pipeline_args=flags_of(node.step, self._surroundings),
            lease=claim.lease,
        )
        return self._execute(Attempt(node, execution, key, body, workers, claim, started))

    def _begun(
        self, node: Node, started: datetime, status: Status = Status.RUNNING, **decided: Any
    ) -> Execution:
        return Execution(
            id=0,
            step=node.step.name,
            node=node.name,
            run=self._run,
            status=status,
            parameters=node.parameters,
            started=started,
            **decided,
        )

    def _workers_of(self, node: Node) -> Workers:
        """Who executes the body: this process, if what it is provided with is there only."""
        needed = any(resource.needs_metadata for resource in node.step.resources.values())
        return Here() if needed else self._workers

    def _verify(self, body: Body, decision: Decision, key: CacheKey) -> Decision:
        """A sampled hit is executed again and compared; it stays a hit, and its record says what was seen."""
        assert decision.entry is not None
        found = reproduce(body.step, body.node, body.load(), decision.entry.outputs, self._surroundings)
        changed = self._changed_files(key)
        if changed:
            return decision.with_detail(f"executed again, but {changed}")
        events.emit(events.DidVerify(self._run, body.node, found))
        seen = "it gives another result each time: " + "; ".join(found) if found else "it gave the same"
        return decision.with_detail(f"executed again, {seen}")

    def _take(self, begun: Callable[..., Execution], entry: CacheEntry, started: float) -> Execution:
        """Use what an earlier execution made. Recorded later, together with the run's other hits."""
        taken = begun(
            status=Status.CACHED,
            source_id=entry.execution_id,
            outputs=entry.outputs,
            duration=time.perf_counter() - started,
        )
        self._hits.add(taken)
        return taken

    def _execute(self, attempt: Attempt) -> Pending:
        """Register the execution, which takes its lease, and have its body executed."""
        self._note.leave()
        self.record_hits()
        claim, node = attempt.claim, attempt.node.name
        self._upstream.require_spared(attempt.node, attempt.execution.inputs, self._hits.lost)
        try:
            attempt.execution = self._writer.register(attempt.execution)
        except BaseException:
            claim.drop()
            raise
        self._running[attempt.key.hex] = attempt
        if attempt.execution.decision is not None:
            events.emit(events.DidMiss(self._run, node, attempt.execution.decision))
        claim.hold(attempt.execution.lease)
        events.emit(events.WillExecute(self._run, node))
        return self._submit(attempt)

    def _submit(self, attempt: Attempt) -> Pending:
        future = attempt.submit()
        return Pending(future, lambda: self._conclude(attempt, attempt.outcome(future)))

    def _conclude(self, attempt: Attempt, outcome: Outcome) -> Pending | None:
        """Record what came of a body; or try again, if it failed and the step asks for that."""
        node, error = attempt.node, outcome.error
        if isinstance(error, InputUnreadable):
            return self._conclude_unreadable(attempt, error)
        if attempt.try_again(error):
            return self._submit(attempt)
        if error is not None:
            error = attempt.cause(error)
            self._end(attempt.execution, error, attempt.started, outcome.traceback)
            self._close(attempt)
            if not is_failure(error):
                raise error
            raise StepError(node.name) from error
        for output, (artifact, _) in outcome.saved.items():
            events.emit(events.DidPublish(self._run, node.name, output, artifact.uri, artifact.size))
        taken_over = None
        try:
            self._complete(attempt, outcome)
        except LeaseLost as lost:
            self._refuse(attempt.execution, lost)
            taken_over = lost.lease
        self._close(attempt)
        return None if taken_over is None else self._wait(node, taken_over)

    def _conclude_unreadable(self, attempt: Attempt, unreadable: InputUnreadable) -> Pending | None:
        """A worker could not load an input: if that is so here, too, its producer is decided again."""
        node, started = attempt.node, attempt.started
        artifact = attempt.execution.inputs[unreadable.argument]
        try:
            error = self._upstream.unreadable_elsewhere(node, artifact, unreadable)
        except InputUnusable as unusable:
            self._writer.end(
                replace(attempt.execution, status=Status.CANCELED, error=error_text(unreadable.error))
            )
            self._close(attempt)
            again = partial(self._advance, node, started)
            made_anew = unusable.artifact.id != artifact.id  # for another step that takes it, meanwhile
            pending = None if made_anew else self._decide_again(unusable)
            return again() if pending is None else pending.then(again)
        self._end(attempt.execution, error, started)
        self._close(attempt)
        raise StepError(node.name) from error

    def _complete(self, attempt: Attempt, outcome: Outcome) -> None:
        """Record that a body gave its outputs, and the cache entry."""
        execution = attempt.completed(outcome, self._changed_files(attempt.key))
        outputs = {name: artifact for name, (artifact, _) in outcome.saved.items()}
        types = {name: artifact_type for name, (_, artifact_type) in outcome.saved.items()}
        execution = self._writer.complete(execution, outputs, types)
        if execution.decision is not None and execution.decision.reason is Reason.ARTIFACT_REMOVED:
            self._cache.restore(execution.outputs.values())
        quarantine = self._cache.spread(execution.inputs.values(), execution.outputs.values())
        if quarantine is not None:
            events.emit(events.DidGiveQuarantined(self._run, execution.node, quarantine.reason))
        if execution.not_kept:
            events.emit(events.DidNotKeep(self._run, execution.node, execution.not_kept))
        else:
            self._cache.record(
                CacheEntry(
                    execution.cache_key,
                    execution.id,
                    execution.duration,
                    execution.finished,
                    execution.outputs,
                    inputs=execution.inputs,
                    signature=execution.signature,
                )
            )
        self._finish(execution)

    def _changed_files(self, key: CacheKey) -> str:
        """Why the key does not tell what a step has read: files that changed while it ran, or empty."""
        changed = self._files.changed_since(key.files)
        return f"{changed} while the step ran" if changed else ""

    def _finish(self, execution: Execution) -> None:
        self.executions[execution.node] = execution
        cached = execution.status is Status.CACHED
        events.emit(events.DidFinish(self._run, execution.node, execution.duration, cached))

    def _end(self, execution: Execution, error: BaseException, started: float, traceback: str = "") -> None:
        """Record that the step raised, or was interrupted."""
        ended = replace(
            execution,
            status=Status.FAILED if is_failure(error) else Status.CANCELED,
            duration=time.perf_counter() - started,
            error=error_text(error),
        )
        self.executions[execution.node] = ended
        events.emit(events.DidFail(self._run, execution.node, error))
        self._writer.end(ended, traceback or traceback_text(error))

    def _refuse(self, execution: Execution, lost: LeaseLost) -> None:
        """Record that what an execution made came too late; the node will be decided once more."""
        events.emit(events.DidLoseLease(self._run, execution.node, lost))
        self._writer.end(replace(execution, status=Status.CANCELED, error=error_text(lost)))

    def _close(self, attempt: Attempt) -> None:
        """The attempt has ended: who waits for its key decides now."""
        if self._running.get(attempt.key.hex) is attempt:
            del self._running[attempt.key.hex]
        attempt.close()

    def record_hits(self) -> None:
        """Record the hits since the last time, all in one batch."""
        self._hits.record()

    def take_lost(self) -> list[str]:
        """The nodes whose hits are being removed, as was seen after they were recorded: to visit again."""
        return self._hits.take_lost()

    def cancel(self, error: BaseException) -> None:
        """The run ends now: what is running is canceled, and what may still come of it is not recorded."""
        self._note.fall_silent()
        self._workers.cancel()
        attempts = list(self._running.values())
        self._running.clear()
        try:
            for attempt in attempts:
                self._end(attempt.execution, error, attempt.started)
        finally:  # whether or not that can be recorded: this process does not hold their keys any more
            for attempt in attempts:
                attempt.claim.drop()

    def finish(self, run: PipelineRun) -> None:
        """Record that the run has ended, together with the hits that are not recorded yet."""
        try:
            self._writer.finish(run, write=self._hits.are_recorded)
            self.record_hits()
        except BaseException:
            self._note.fall_silent()
            raise
        self._note.take_away()
