"""The life of one execution: decide, run, publish, record, emit."""

from __future__ import annotations

import copy
import random
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from zencache import artifact_value, events, recovery
from zencache.artifact_store import ArtifactStore
from zencache.cache import Cache
from zencache.call import Made, calling, flags_of
from zencache.entity import Artifact, CacheEntry, Decision, Execution, PipelineRun, Status
from zencache.exceptions import (
    ArtifactUnusable,
    MaterializerError,
    MetadataStoreError,
    NotFoundError,
    ZencacheError,
    error_text,
)
from zencache.fingerprint import FileFingerprints
from zencache.given import GivenValues
from zencache.key import CacheKey, KeyMaker
from zencache.materializer import ArtifactType, BaseMaterializer
from zencache.metadata import MetadataStore, RunWriter
from zencache.options import CacheOptions
from zencache.reproduction import reproduce
from zencache.resource import Surroundings
from zencache.wiring import Node


class StepError(Exception):
    """A step's own failure, as the scheduler sees it; ``__cause__`` is what was raised."""


class _InputUnusable(Exception):
    """The bytes of an input, a hit of this run, turned out to be unusable when they were read."""

    def __init__(self, producer: str, output: str, artifact: Artifact, error: Exception):
        super().__init__(producer)
        self.producer, self.output, self.artifact, self.error = producer, output, artifact, error


class RunExecution:
    """Executes the nodes of one run, in whatever order it is given them."""

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
        beam_pipeline_args: tuple[str, ...] = (),
    ):
        self._nodes = {node.name: node for node in nodes}
        self._metadata = metadata
        self._artifacts = artifacts
        self._writer = writer
        self._cache = cache
        self._options = options
        self._facts = facts
        self._run = writer.run.name
        self._files = files
        self._surroundings = Surroundings(
            writer.run.pipeline, artifacts, metadata, files, beam_pipeline_args=beam_pipeline_args
        )
        self._given = GivenValues(metadata, artifacts, files, writer)
        self._keys = KeyMaker(files, metadata.read.acceptances())
        self._keys.prepare((node.step, options.policy_of(node.step)) for node in nodes)
        self._unrecorded: list[Execution] = []
        self.executions: dict[str, Execution] = {}

    def visit(self, name: str) -> None:
        """Decide about a node, and run it unless it is a hit.

        Raises:
            StepError: the step failed.
        """
        node = self._nodes[name]
        started = time.perf_counter()
        events.emit(events.WillDecide(self._run, name))
        while True:
            try:
                self._decide_and_run(node, started)
            except _InputUnusable as unusable:
                self._decide_again(unusable)
            else:
                return

    def _decide_and_run(self, node: Node, started: float) -> None:
        execution = Execution(
            id=0,
            step=node.step.name,
            node=node.name,
            run=self._run,
            status=Status.RUNNING,
            parameters=node.parameters,
            started=datetime.now(timezone.utc),
        )
        try:
            execution = replace(execution, inputs=self._inputs(node))
            key = self._keys.key(
                node.step,
                node.parameters,
                execution.inputs,
                self._options.policy_of(node.step),
                self._given.files(node),
            )
            decision = self._options.decide(self._cache, node, key.hex, execution.inputs.values())
            decision = self._keys.told(decision, node.step)
            if decision.entry is not None and random.random() < self._options.policy_of(node.step).verify:
                decision = self._verify(node, execution.inputs, decision, key)
            execution = replace(execution, cache_key=key.hex, decision=decision)
            arguments = {} if decision.is_hit else self._arguments(node, execution.inputs)
        except MetadataStoreError:
            raise
        except ZencacheError as error:  # an input or a policy of this step, before its body
            self._end(execution, error, started)
            raise StepError(node.name) from error
        if decision.entry is not None:
            events.emit(events.DidHit(self._run, node.name, decision))
            execution = self._take(execution, decision.entry, started)
        else:
            events.emit(events.DidMiss(self._run, node.name, decision))
            untracked = self._keys.untracked.get(node.step.name, ())
            execution = replace(
                execution,
                key_parts=key.parts,
                key_values=key.values,
                facts=self._facts,
                untracked=untracked,
                beam_pipeline_args=flags_of(node.step, self._surroundings),
            )
            execution = self._execute(node, execution, arguments, key, started)
        self.executions[node.name] = execution
        cached = execution.status is Status.CACHED
        events.emit(events.DidFinish(self._run, node.name, execution.duration, cached))

    def _verify(
        self, node: Node, inputs: Mapping[str, Artifact], decision: Decision, key: CacheKey
    ) -> Decision:
        """A sampled hit is executed again and compared; it stays a hit, and its record says what was seen."""
        assert decision.entry is not None
        arguments = self._arguments(node, inputs)
        found = reproduce(node.step, node.name, arguments, decision.entry.outputs, self._surroundings)
        changed = self._changed_files(key)
        if changed:
            return decision.with_detail(f"executed again, but {changed}")
        events.emit(events.DidVerify(self._run, node.name, found))
        seen = "it gives another result each time: " + "; ".join(found) if found else "it gave the same"
        return decision.with_detail(f"executed again, {seen}")

    def _take(self, execution: Execution, entry: CacheEntry, started: float) -> Execution:
        """Use what an earlier execution made. Recorded later, together with the run's other hits."""
        taken = replace(
            execution,
            status=Status.CACHED,
            source_id=entry.execution_id,
            outputs=entry.outputs,
            duration=time.perf_counter() - started,
        )
        self._unrecorded.append(taken)
        return taken

    def _execute(
        self, node: Node, execution: Execution, arguments: dict[str, Any], key: CacheKey, started: float
    ) -> Execution:
        """Register the execution, call the function, publish what it returns, and record it."""
        if not self._writer.is_recorded:
            recovery.leave_note(self._artifacts, self._metadata, self._run)
        self.record_hits()
        execution = self._writer.register(execution)
        try:
            events.emit(events.WillExecute(self._run, node.name))
            with calling(node.step, node.name, arguments, self._surroundings) as made:
                saved = self._publish(node, made)
        except BaseException as error:
            self._end(execution, error, started)
            if not isinstance(error, Exception):
                raise
            raise StepError(node.name) from error
        execution = replace(
            execution,
            status=Status.COMPLETED,
            duration=time.perf_counter() - started,
            not_kept=self._changed_files(key),
        )
        outputs = {name: artifact for name, (artifact, _) in saved.items()}
        types = {name: artifact_type for name, (_, artifact_type) in saved.items()}
        execution = self._writer.complete(execution, outputs, types)
        quarantine = self._cache.spread(execution.inputs.values(), execution.outputs.values())
        if quarantine is not None:
            events.emit(events.DidGiveQuarantined(self._run, node.name, quarantine.reason))
        if execution.not_kept:
            events.emit(events.DidNotKeep(self._run, node.name, execution.not_kept))
            return execution
        self._cache.record(
            CacheEntry(execution.cache_key, execution.id, execution.duration, time.time(), execution.outputs)
        )
        return execution

    def _changed_files(self, key: CacheKey) -> str:
        """Why the key does not tell what a step has read: files that changed while it ran, or empty."""
        changed = self._files.changed_since(key.files)
        return f"{changed} while the step ran" if changed else ""

    def _end(self, execution: Execution, error: BaseException, started: float) -> None:
        """Record that the step raised, or was interrupted."""
        ended = replace(
            execution,
            status=Status.FAILED if isinstance(error, Exception) else Status.CANCELED,
            duration=time.perf_counter() - started,
            error=error_text(error),
        )
        self.executions[execution.node] = ended
        events.emit(events.DidFail(self._run, execution.node, error))
        self._writer.end(ended, _traceback(error))

    def finish(self, run: PipelineRun) -> None:
        """Record that the run has ended, together with the hits that are not recorded yet."""
        recorded, hits = self._writer.is_recorded, bool(self._unrecorded)
        self._writer.finish(run, write=not hits)
        self.record_hits()
        if recorded:
            recovery.take_note_away(self._artifacts, self._run)

    def record_hits(self) -> None:
        """Record the hits since the last time, all in one batch."""
        if self._unrecorded:
            for execution in self._writer.hits(self._unrecorded):
                self.executions[execution.node] = execution
            self._unrecorded = []

    def _inputs(self, node: Node) -> dict[str, Artifact]:
        """The artifacts that a node takes, by argument."""
        made = {}
        for argument, (source, output) in node.inputs.items():
            artifact = self.executions[source].outputs.get(output)
            if artifact is not None:
                made[argument] = artifact
            elif argument not in node.step.defaults:
                raise NotFoundError(
                    "Nothing has been found for an input.",
                    facts={"step": node.name, "input": argument, "looked for by": source},
                    hint="Run the pipeline that makes it, or give the parameter the default None.",
                )
        return made | self._given.artifacts(node)

    def _arguments(self, node: Node, inputs: Mapping[str, Artifact]) -> dict[str, Any]:
        """What the function is called with: its own copy of each input, and its parameters."""
        step = node.step
        arguments = {argument: self._load(node, argument, artifact) for argument, artifact in inputs.items()}
        parameters = copy.deepcopy(dict(node.parameters))
        if step.config is not None:
            name, config_class = step.config
            arguments[name] = config_class(**{field: parameters.pop(field) for field in step.config_fields})
        return arguments | parameters

    def _load(self, node: Node, argument: str, artifact: Artifact) -> Any:
        materializer: BaseMaterializer | None = None
        candidates = [node.step.arguments.get(argument)]
        source, output = node.inputs.get(argument, (None, ""))
        if artifact.is_external and source is None:
            return self._given.paths(node, argument)
        if source is None:
            candidates.append(type(node.values[argument]))
        else:
            materializer = self._nodes[source].step.materializers.get(output)
            candidates.append(self._nodes[source].step.outputs[output])
        try:
            return artifact_value.load(
                self._artifacts, artifact, materializer=materializer, candidates=candidates
            )
        except (ArtifactUnusable, MaterializerError) as error:
            if source is not None and self.executions[source].status is Status.CACHED:
                raise _InputUnusable(source, output, artifact, error) from error
            raise

    def _decide_again(self, unusable: _InputUnusable) -> None:
        """A hit could not be read: its producer is decided once more, without the entry that lied."""
        producer = unusable.producer
        events.emit(events.DidFindUnusable(self._run, producer, unusable.output, unusable.error))
        self._cache.invalidate(unusable.artifact, unusable.error)
        self._unrecorded = [execution for execution in self._unrecorded if execution.node != producer]
        self.visit(producer)

    def _publish(self, node: Node, made: Mapping[str, Made]) -> dict[str, tuple[Artifact, ArtifactType]]:
        """Write the outputs of a step to the artifact store."""
        saved = {}
        for output, one in made.items():
            artifact, _ = saved[output] = one.publish(self._surroundings)
            events.emit(events.DidPublish(self._run, node.name, output, artifact.uri, artifact.size))
        return saved


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:  # an exception that cannot be shown
        return "".join(traceback.format_tb(error.__traceback__))
