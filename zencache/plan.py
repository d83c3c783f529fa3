"""What a run would do: the decision about each step, predicted by the code that will take it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from zencache import artifact_value, drawing
from zencache.artifact_store import open_artifact_store
from zencache.entity import Artifact, Decision, Execution, PipelineRun, Status
from zencache.exceptions import ZencacheError, nearest
from zencache.fingerprint import FileFingerprints
from zencache.given import GivenValues
from zencache.key import KeyMaker
from zencache.options import CacheOptions
from zencache.policy import Reason
from zencache.stores import Stores
from zencache.view import StepNotFound
from zencache.why import differences, nearest_earlier, reason_text
from zencache.wiring import Node

# Reasons for which a step runs even if another of the same key ran just before it.
_RUNS_ANYWAY = (Reason.CACHE_OFF, Reason.NO_OUTPUT, Reason.REFRESH, Reason.QUARANTINED)


class Prediction(str, Enum):
    """What is known of a step before the run."""

    HIT = "HIT"
    MISS = "MISS"
    UNKNOWN = "UNKNOWN"
    SKIP = "SKIP"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a plan.

    Args:
        name: its name in the pipeline.
        prediction: HIT, MISS, UNKNOWN if it depends on a step that will run, or SKIP if a condition on it
            does not hold.
        reasons: why, in words.
        seconds: how long it took the last time it ran; 0.0 for a hit, None if it never ran.
    """

    name: str
    prediction: Prediction
    reasons: tuple[str, ...]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``run()`` would do now, step by step in wiring order. ``print`` shows it as a table.

    ``arrows`` are pairs of names: a step, and one that takes its outputs or waits for it.
    """

    pipeline: str
    steps: tuple[PlannedStep, ...]
    arrows: tuple[tuple[str, str], ...] = ()

    @property
    def seconds(self) -> float:
        """The time to expect, as far as it is known: that of every step that will or may run."""
        return sum(step.seconds or 0.0 for step in self.steps)

    def __getitem__(self, name: str) -> PlannedStep:
        for step in self.steps:
            if step.name == name:
                return step
        known = [step.name for step in self.steps]
        raise StepNotFound(f"The plan has no step `{name}`.", hint=nearest(name, known))

    def __iter__(self) -> Iterator[PlannedStep]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        width = max(len(step.name) for step in self.steps)
        lines = [f"Plan of {self.pipeline}: about {self.seconds:.1f}s"]
        for step in self.steps:
            seconds = "       ?" if step.seconds is None else f"{step.seconds:7.3f}s"
            lines.append(
                f"  {step.name:<{width}}  {step.prediction:<7}  {seconds}  {'; '.join(step.reasons)}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        boxes = [
            drawing.Box(
                step.name,
                (step.name, drawing.state_text(step.prediction.value)),
                state=step.prediction.value,
                about="\n".join(step.reasons),
            )
            for step in self.steps
        ]
        rows = [
            (
                step.name,
                drawing.state_text(step.prediction.value),
                "?" if step.seconds is None else f"{step.seconds:.3f}s",
                "; ".join(step.reasons),
            )
            for step in self.steps
        ]
        label = f"Plan of {self.pipeline}"
        picture = drawing.graph(boxes, self.arrows, label=label)
        table = drawing.table(("step", "prediction", "time", "why"), rows)
        return drawing.page(label, (f"about {self.seconds:.1f}s",), picture, table)


def make_plan(
    pipeline: str,
    nodes: Sequence[Node],
    order: Sequence[str],
    options: CacheOptions,
    stores: Stores,
    files: FileFingerprints,
) -> Plan:
    """Predict a run of some nodes, visited in ``order``. Nothing is written to either store.

    Raises:
        NotFoundError, ConfigurationError: a file or a package that a step depends on is not there.
        UnfingerprintableError: code or a parameter holds a value that has no faithful fingerprint.
    """
    with tempfile.TemporaryDirectory(prefix="zencache-") as folder:
        planner = _Planner(pipeline, nodes, options, stores, files, Path(folder))
        for name in order:
            planner.visit(name)
        arrows = tuple((source, node.name) for node in nodes for source in node.upstream)
        return Plan(pipeline, tuple(planner.planned[node.name] for node in nodes), arrows)


class _Planner:
    def __init__(
        self,
        pipeline: str,
        nodes: Sequence[Node],
        options: CacheOptions,
        stores: Stores,
        files: FileFingerprints,
        scratch: Path,
    ):
        self.planned: dict[str, PlannedStep] = {}
        self._nodes = {node.name: node for node in nodes}
        self._options = options
        self._read = stores.metadata.read
        self._cache = stores.cache(read_only=True)
        self._given = GivenValues(stores.metadata, open_artifact_store(str(scratch)), files, None)
        self._keys = KeyMaker(files, stores.metadata.acceptances())
        self._keys.prepare((node.step, options.policy_of(node.step)) for node in nodes)
        self._artifacts = stores.artifacts
        self._outputs: dict[str, Mapping[str, Artifact]] = {}
        self._skipped: set[str] = set()
        self._new_keys: dict[str, str] = {}  # key -> the first step of this plan that will run with it
        last = self._read.last_run(pipeline)
        self._cache.ask_ahead(self._read.last_keys(pipeline))
        self._run = PipelineRun.planned(pipeline, previous=last)

    def visit(self, name: str) -> None:
        node = self._nodes[name]
        conditional = self._conditional(node)
        if conditional is not None:
            self.planned[name] = conditional
            return
        will_run = [
            source
            for source, _ in node.inputs.values()
            if source not in self._outputs and source not in self._skipped
        ]
        if will_run:
            self.planned[name] = self._of_unknown_inputs(node, list(dict.fromkeys(will_run)))
            return
        made = {
            argument: self._outputs[source][output]
            for argument, (source, output) in node.inputs.items()
            if source not in self._skipped
        }
        inputs = made | self._given.artifacts(node)
        policy = self._options.policy_of(node.step)
        key = self._keys.key(node.step, node.parameters, inputs, policy, self._given.files(node))
        decision = self._options.decide(self._cache, node, key.hex, inputs.values())
        decision = self._keys.told(decision, node.step)
        execution = replace(
            self._execution(node, decision),
            cache_key=key.hex,
            key_parts=key.parts,
            key_values=key.values,
            inputs=inputs,
        )
        if decision.entry is not None:
            self._outputs[name] = decision.entry.outputs
            self.planned[name] = PlannedStep(name, Prediction.HIT, (reason_text(execution),), 0.0)
        elif decision.reason not in _RUNS_ANYWAY and key.hex in self._new_keys:
            same = f"the same key as {self._new_keys[key.hex]}, which will run"
            self.planned[name] = PlannedStep(name, Prediction.HIT, (same,), 0.0)
        else:
            self._new_keys.setdefault(key.hex, name)
            self.planned[name] = self._maybe_made_above(node, self._miss(execution, decision))

    def _conditional(self, node: Node) -> PlannedStep | None:
        """What its conditions say of a node: it is skipped, or that is not known; None if it is not."""
        missing = next((source for source in node.needs if source in self._skipped), None)
        unknown: list[str] = []
        because = f"it needs {missing}, which is skipped" if missing is not None else ""
        for condition in node.conditions if missing is None else ():
            waiting = [source for source, _ in condition.sources if source not in self._outputs]
            try:
                if not waiting and not condition.holds(self._made, self._value):
                    because = f"`{condition}` does not hold"
            except ZencacheError as error:
                waiting = [error.message]
            unknown += waiting
        if because:
            self._skipped.add(node.name)
            return PlannedStep(node.name, Prediction.SKIP, (because,), 0.0)
        if not unknown:
            return None
        seconds = self._seconds(nearest_earlier(self._read, self._run, self._execution(node, None)))
        text = " and ".join(f"`{condition}`" for condition in node.conditions)
        return PlannedStep(node.name, Prediction.UNKNOWN, (f"runs only if {text}",), seconds)

    def _made(self, source: str, output: str) -> Artifact | None:
        return self._outputs[source].get(output)

    def _value(self, source: str, output: str, artifact: Artifact) -> Any:
        step = self._nodes[source].step
        return artifact_value.load(
            self._artifacts,
            artifact,
            materializer=step.materializers.get(output),
            candidates=[step.outputs[output]],
        )

    def _maybe_made_above(self, node: Node, missed: PlannedStep) -> PlannedStep:
        """A miss is not certain where a use of the same step, of unknown inputs, comes before it."""
        if self._options.bypass(node) is not None:
            return missed
        for name, planned in self.planned.items():
            if planned.prediction is Prediction.UNKNOWN and self._nodes[name].step.name == node.step.name:
                reason = f"{name}, whose inputs are not known, may have the same key"
                return replace(missed, prediction=Prediction.UNKNOWN, reasons=(*missed.reasons, reason))
        return missed

    def _of_unknown_inputs(self, node: Node, sources: list[str]) -> PlannedStep:
        """A step below one that will run is not known, unless it runs whatever its inputs are."""
        bypass = self._options.bypass(node)
        execution = self._execution(node, bypass)
        seconds = self._seconds(nearest_earlier(self._read, self._run, execution))
        if bypass is not None:
            return PlannedStep(node.name, Prediction.MISS, (reason_text(execution),), seconds)
        reason = f"depends on {', '.join(sources)}, which will run"
        return PlannedStep(node.name, Prediction.UNKNOWN, (reason,), seconds)

    def _miss(self, execution: Execution, decision: Decision) -> PlannedStep:
        earlier = nearest_earlier(self._read, self._run, execution)
        reasons: tuple[str, ...] = (reason_text(execution),)
        if decision.reason is Reason.NO_ENTRY and earlier is not None:
            node = self._nodes[execution.node]
            sources = {argument: source for argument, (source, _) in node.inputs.items()}
            statuses = dict.fromkeys(self._outputs, Status.CACHED)
            found = differences(execution, earlier, sources, statuses)
            reasons = tuple(str(difference) for difference in found) or reasons
        return PlannedStep(execution.node, Prediction.MISS, reasons, self._seconds(earlier))

    def _execution(self, node: Node, decision: Decision | None) -> Execution:
        return Execution(
            0, node.step.name, node.name, "", Status.RUNNING, parameters=node.parameters, decision=decision
        )

    def _seconds(self, earlier: Execution | None) -> float | None:
        """How long the step took when it last ran: that of a cached execution is its source's time."""
        if earlier is None:
            return None
        if earlier.source_id is not None:
            earlier = next(iter(self._read.executions_by_id([earlier.source_id])), earlier)
        elif earlier.status is not Status.COMPLETED:  # until it failed, or was killed
            every = self._read.executions_of_type(earlier.step)
            completed = [one.duration for one in every if one.status is Status.COMPLETED]
            return completed[-1] if completed else None
        return earlier.duration
