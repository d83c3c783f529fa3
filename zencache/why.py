"""Why a step ran: the parts of its cache key held against those of the nearest earlier execution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zencache.entity import Execution, PipelineRun, Status
from zencache.key import CODE
from zencache.metadata import Reader
from zencache.policy import Level, Reason

_RUNS_BACK = 50  # runs of the pipeline that are asked before any execution of the step will do


@dataclass(frozen=True, slots=True)
class Difference:
    """One labelled part of two cache keys that differs.

    Args:
        label: of the part, e.g. ``"parameter epochs"``.
        text: the part with what it was and what it is, e.g. ``"parameter epochs: 1 -> 2"``.
        follows_from: the step of the same run whose running again explains it; empty for a cause.
    """

    label: str
    text: str
    follows_from: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Why:
    """Why a step was taken from the cache, or was not.

    Args:
        step: its name in the run.
        status: what became of it.
        reason: the reason of the decision, in words.
        differences: what differs from the nearest earlier execution, causes first.
        compared_with: the run of that execution; empty if there is none.
        untracked: what the cache key could not follow.
        not_kept: why its result is not used by later runs; empty as a rule.
    """

    step: str
    status: str
    reason: str
    differences: tuple[Difference, ...] = ()
    compared_with: str = ""
    untracked: tuple[str, ...] = ()
    not_kept: str = ""

    @property
    def follows_from(self) -> tuple[str, ...]:
        """The steps above that explain it, if nothing of its own changed."""
        if any(not difference.follows_from for difference in self.differences):
            return ()
        return tuple(dict.fromkeys(difference.follows_from for difference in self.differences))

    def __str__(self) -> str:
        lines = [f"{self.step}: {self.status}, because {self.reason}"]
        if self.compared_with:
            lines.append(f"  compared with run {self.compared_with}")
        lines += [f"  {difference}" for difference in self.differences]
        if self.follows_from:
            lines.append(f"  nothing of its own changed: it follows from {', '.join(self.follows_from)}")
        lines += [f"  untracked: {sentence}" for sentence in self.untracked]
        lines += [f"  not kept for later runs: {self.not_kept}"] if self.not_kept else []
        return "\n".join(lines)


def why(read: Reader, run: PipelineRun, execution: Execution, others: Mapping[str, Execution]) -> Why:
    """Explain one execution of a run.

    Args:
        read: the metadata store.
        run: the run it belongs to.
        execution: what is to be explained.
        others: node -> execution of the same run, to tell which inputs come from steps that ran.
    """
    told = Why(
        execution.node,
        execution.status.value,
        reason_text(execution),
        untracked=execution.untracked,
        not_kept=execution.not_kept,
    )
    if execution.status is Status.CACHED and execution.source_id is not None:
        for source in read.executions_by_id([execution.source_id]):
            made = f"{told.reason}: made by run {source.run} in {source.duration:.3f}s"
            return replace(told, reason=made, untracked=source.untracked)
    if execution.node in run.skipped and execution.status is Status.SKIPPED:
        return replace(told, reason=run.skipped[execution.node])
    if execution.status is Status.SKIPPED:  # recorded before runs said why
        failed = [node for node in _above(run.definition, execution.node) if _has_failed(others.get(node))]
        return replace(told, reason=f"{', '.join(failed)} above it failed") if failed else told
    if execution.decision is None or execution.decision.reason is not Reason.NO_ENTRY:
        return told
    earlier = nearest_earlier(read, run, execution)
    if earlier is None:
        return replace(told, reason="no execution of this step is recorded before it")
    if earlier.cache_key == execution.cache_key:
        return replace(told, reason=_no_entry_of(earlier), compared_with=earlier.run)
    statuses = {node: other.status for node, other in others.items()}
    found = differences(execution, earlier, sources_of(run.definition, execution.node), statuses)
    return replace(told, differences=found, compared_with=earlier.run)


def _no_entry_of(earlier: Execution) -> str:
    """Why the last execution with the same key is no entry."""
    if earlier.not_kept:
        return f"the result of its last execution with this key was not kept: {earlier.not_kept}"
    ended = "was canceled" if earlier.status is Status.CANCELED else earlier.status.value
    return f"its last execution with this key {ended}"


def _above(definition: Mapping[str, Any], node: str) -> list[str]:
    """Every step that a step waits for, directly or not, the nearest first."""
    rows = {row["name"]: row for row in definition.get("steps", [])}
    found: dict[str, None] = {}
    waiting = [node]
    while waiting:
        row = rows.get(waiting.pop(0))
        if row is not None:
            direct = [*(source for source, _ in row["inputs"].values()), *row["after"]]
            waiting += [other for other in direct if other not in found]
            found.update(dict.fromkeys(direct))
    return list(found)


def _has_failed(execution: Execution | None) -> bool:
    return execution is not None and execution.status in (Status.FAILED, Status.CANCELED)


def reason_text(execution: Execution) -> str:
    """The reason of a decision in words, with the level that made it where a level did."""
    decision = execution.decision
    if execution.is_foreign:
        return "another tool recorded it, without a reason"
    if decision is None:
        return (
            "it was never decided"
            if execution.status is Status.SKIPPED
            else "it failed before it was decided"
        )
    if decision.reason is Reason.CACHE_OFF and decision.level is not Level.DEFAULT:
        return f"caching is off at the level of the {decision.level.value}"
    return str(decision)


def nearest_earlier(read: Reader, run: PipelineRun, execution: Execution) -> Execution | None:
    """The last execution of this node in an earlier run of the pipeline, else the last of its step.

    That of a cached one is the execution that it was taken from.
    """
    name = run.previous
    for _ in range(_RUNS_BACK):
        previous = read.run(name) if name else None
        if previous is None:
            break
        for candidate in reversed(read.executions_of_run(previous.id)):
            if candidate.node == execution.node and candidate.cache_key:
                return with_parts(read, [candidate])[0]
        name = previous.previous
    before = [
        candidate
        for candidate in read.executions_of_type(execution.step)
        if candidate.key_parts and (not execution.id or candidate.id < execution.id)
    ]
    return before[-1] if before else None


def with_parts(read: Reader, executions: Sequence[Execution]) -> list[Execution]:
    """The executions, cached ones with the key parts of their source."""
    wanted = [e.source_id for e in executions if e.source_id is not None and not e.key_parts]
    sources = {source.id: source for source in read.executions_by_id(wanted)}
    return [
        replace(e, key_parts=source.key_parts, key_values=source.key_values) if source else e
        for e, source in ((e, sources.get(e.source_id or 0)) for e in executions)
    ]


_SCRIPT = "code: __main__."


def sources_of(definition: Mapping[str, Any], node: str) -> dict[str, str]:
    """Argument -> the step that it comes from, of one node of a recorded pipeline."""
    for row in definition.get("steps", []):
        if row["name"] == node:
            return {argument: source for argument, (source, _) in row["inputs"].items()}
    return {}


def differences(
    now: Execution, before: Execution, sources: Mapping[str, str], statuses: Mapping[str, Status | None]
) -> tuple[Difference, ...]:
    """The parts in which two executions differ, causes first.

    Args:
        now, before: executions with their key parts.
        sources: argument of ``now`` -> the step that it comes from.
        statuses: step -> what became of it in the run of ``now``; None if it will run.
    """
    found = []
    differing = _differing(now.key_parts, before.key_parts)
    same = _same_as_script(differing, now.key_parts, before.key_parts)
    for label in differing:
        if label == CODE or label in same.values():  # told unit by unit
            continue
        kind, _, name = label.partition(" ")
        if kind == "parameter":
            old, new = _shown(before.parameters, name), _shown(now.parameters, name)
            found.append(Difference(label, f"{label}: {old} -> {new}"))
        elif kind == "input" and name in sources:
            is_same = (name in now.inputs and name in before.inputs) and (
                now.inputs[name].digest == before.inputs[name].digest
            )
            found.append(
                Difference(label, f"{label}: the same content, declared or loaded as another type")
                if is_same
                else _input_difference(label, sources[name], statuses)
            )
        elif kind == "input":
            found += _given_differences(label, now.key_values, before.key_values)
        elif label in same:
            found.append(Difference(label, label))
        elif label not in before.key_parts:
            found.append(Difference(label, f"{label} (new)"))
        elif label not in now.key_parts:
            found.append(Difference(label, f"{label} (gone)"))
        else:
            found.append(_value_difference(label, now.key_values, before.key_values))
    if not found and now.cache_key != before.cache_key:
        found.append(Difference("code", "code: the order in which it is reached"))
    return tuple(sorted(found, key=lambda difference: bool(difference.follows_from)))


def _input_difference(label: str, source: str, statuses: Mapping[str, Status | None]) -> Difference:
    if statuses.get(source) is Status.CACHED:
        return Difference(
            label, f"{label}: from {source}, another of whose results is used", follows_from=source
        )
    return Difference(label, f"{label}: from {source}, which ran", follows_from=source)


def _given_differences(label: str, now: Mapping[str, str], before: Mapping[str, str]) -> list[Difference]:
    """What was given for an input: file by file where they are recorded, for a value only that it differs."""
    rows = sorted(row for row in {**before, **now} if row == label or row.startswith(f"{label}: "))
    if not (now.keys() & set(rows) and before.keys() & set(rows)):
        return [Difference(label, f"{label}: other content was given")]
    found = []
    for row in rows:
        if row not in before or row not in now:
            found.append(Difference(row, f"{row} ({'new' if row in now else 'gone'})"))
        elif before[row] != now[row]:
            found.append(_value_difference(row, now, before))
    return found


def _value_difference(label: str, now: Mapping[str, str], before: Mapping[str, str]) -> Difference:
    """A part with what it was and what it is, if both were recorded."""
    old, new = before.get(label), now.get(label)
    is_told = old is not None and new is not None and old != new
    return Difference(label, f"{label}: {old} -> {new}" if is_told else label)


def _differing(now: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    """Labels whose fingerprints differ. A unit that only moved to another module is the same unit."""
    labels = [label for label in {**now, **before} if now.get(label) != before.get(label)]
    gone = _units((label for label in labels if label not in now), before)
    new = _units((label for label in labels if label not in before), now)
    moved = {label for unit in gone.keys() & new.keys() for label in (*gone[unit], *new[unit])}
    return [label for label in labels if label not in moved]


def _same_as_script(
    labels: Iterable[str], now: Mapping[str, str], before: Mapping[str, str]
) -> dict[str, str]:
    """New label -> gone label of one unit, whose file was a script on one side and imported on the other."""
    gone = [label for label in labels if label not in now]
    found = {}
    for label in labels:
        if label in before or label not in now:
            continue
        for other in gone:
            script, module = (label, other) if label.startswith(_SCRIPT) else (other, label)
            if script.startswith(_SCRIPT) and module.endswith(f".{script.removeprefix(_SCRIPT)}"):
                found[label] = other
    return found


def _units(labels: Iterable[str], parts: Mapping[str, str]) -> dict[tuple[str, str], list[str]]:
    """Last name and fingerprint of a code unit -> labels."""
    units: dict[tuple[str, str], list[str]] = {}
    for label in labels:
        if label.startswith("code: "):
            units.setdefault((label.rpartition(".")[2], parts[label]), []).append(label)
    return units


def _shown(parameters: Mapping[str, Any], name: str) -> str:
    return f"{parameters[name]!r:.80}" if name in parameters else "(none)"


@dataclass(frozen=True, slots=True)
class StepComparison:
    """One step of two runs. ``differences`` are from the first run to the second."""

    step: str
    statuses: tuple[str, str]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, step by step in wiring order."""

    runs: tuple[str, str]
    steps: tuple[StepComparison, ...]

    @property
    def first_difference(self) -> StepComparison | None:
        """The first step whose cache key differs: where two runs part."""
        return next((step for step in self.steps if step.differences), None)

    def __str__(self) -> str:
        first = self.first_difference
        if first is None:
            return f"{self.runs[0]} and {self.runs[1]} are the same in every step."
        lines = [f"{self.runs[0]} and {self.runs[1]} first differ in {first.step}:"]
        for step in self.steps:
            lines += [f"  {step.step}: {difference}" for difference in step.differences]
        return "\n".join(lines)


def compare(
    read: Reader,
    runs: tuple[PipelineRun, PipelineRun],
    executions: tuple[Sequence[Execution], Sequence[Execution]],
) -> Comparison:
    """Hold two runs against each other, from the first to the second."""
    before, now = ({e.node: e for e in with_parts(read, side)} for side in executions)
    statuses: dict[str, Status | None] = {node: execution.status for node, execution in now.items()}
    steps = []
    for node in dict.fromkeys([*now, *before]):
        found: tuple[Difference, ...]
        if node not in now or node not in before:
            found = (Difference("step", f"only in {runs[node in now].name}"),)
        elif now[node].is_foreign and before[node].is_foreign:
            mine, other = (replace(e, key_parts=_recorded_parts(e)) for e in (now[node], before[node]))
            found = differences(mine, other, _makers(executions[1], mine), statuses)
        elif not (now[node].key_parts and before[node].key_parts):
            found = _undecided(node, runs, (before[node], now[node]))
        else:
            found = differences(now[node], before[node], sources_of(runs[1].definition, node), statuses)
        shown = (_status(before, node), _status(now, node))
        steps.append(StepComparison(node, shown, found))
    return Comparison((runs[0].name, runs[1].name), tuple(steps))


def _recorded_parts(execution: Execution) -> dict[str, str]:
    """What another tool recorded of what went into an execution: no key, but parameters and inputs."""
    inputs = {f"input {name}": str(artifact.id) for name, artifact in execution.inputs.items()}
    return {f"parameter {name}": repr(value) for name, value in execution.parameters.items()} | inputs


def _makers(executions: Iterable[Execution], of: Execution) -> dict[str, str]:
    """Input -> the node of the same run that made it, told by the artifacts alone."""
    nodes = {artifact.id: e.node for e in executions for artifact in e.outputs.values()}
    return {name: nodes[artifact.id] for name, artifact in of.inputs.items() if artifact.id in nodes}


def _undecided(
    node: str, runs: tuple[PipelineRun, PipelineRun], sides: tuple[Execution, Execution]
) -> tuple[Difference, ...]:
    """A step that one of two runs never came to has no key to compare."""
    return tuple(
        Difference("status", f"{side.status.value} in {run.name}{', by another tool' * side.is_foreign}")
        for run, side in zip(runs, sides, strict=True)
        if not side.key_parts
    )


def _status(executions: Mapping[str, Execution], node: str) -> str:
    return executions[node].status.value if node in executions else "absent"
