"""Post-execution views: what a run, a step of a run and an artifact look like afterwards."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from zencache import drawing, lineage
from zencache.artifact_view import RecordedArtifact
from zencache.entity import Artifact, Execution, PipelineRun, Status
from zencache.exceptions import NotFoundError, nearest
from zencache.stores import Stores
from zencache.why import Why, why


class Run:
    """One invocation of a pipeline."""

    def __init__(self, stores: Stores, run: PipelineRun, executions: Sequence[Execution] | None = None):
        self._stores = stores
        self._run = run
        self._executions = executions

    @property
    def stores(self) -> Stores:
        """The stores that it is recorded in."""
        return self._stores

    @property
    def record(self) -> PipelineRun:
        """The recorded facts behind this view."""
        return self._run

    @property
    def name(self) -> str:
        """Its name: made from the pipeline's and the time unless it was given one."""
        return self._run.name

    @property
    def pipeline(self) -> str:
        """The name of its pipeline."""
        return self._run.pipeline

    @property
    def status(self) -> str:
        """``completed``, ``failed``, ``running`` or ``canceled``."""
        return self._run.status.value

    @property
    def started(self) -> datetime:
        """When it began, in UTC."""
        return self._run.started

    @property
    def duration(self) -> float:
        """Seconds from start to end; 0.0 while it runs."""
        return self._run.duration

    @property
    def saved(self) -> float:
        """Seconds that its cached steps took when they were executed."""
        return self._run.saved

    @property
    def options(self) -> Mapping[str, Any]:
        """What ``run()`` was called with."""
        return self._run.options

    @property
    def facts(self) -> Mapping[str, str]:
        """Host, user, versions and git commit."""
        return self._run.facts

    @functools.cached_property
    def steps(self) -> Steps:
        """Its steps in wiring order, by name, position or slot; those never reached are ``skipped``."""
        executions = self._executions
        if executions is None:
            executions = self._stores.metadata.read.executions_of_run(self._run.id)
        latest = {execution.node: execution for execution in executions}
        wired = {row["name"]: row for row in self._run.definition.get("steps", [])}
        views: dict[str, StepView] = {}
        for name in wired or latest:
            if name in latest:
                views[name] = StepView(self._stores, self, latest[name])
            elif self._run.status is not Status.RUNNING:
                skipped = Execution(0, wired[name]["step"], name, self.name, Status.SKIPPED)
                views[name] = StepView(self._stores, self, skipped)
        return Steps(views, {row["slot"]: name for name, row in wired.items() if row.get("slot")})

    def lineage(self) -> lineage.LineageGraph:
        """What its steps took and made, as a graph that other formats are drawn from."""
        return lineage.draw_run(self._stores.metadata.read, self._run)

    def parents_of(self, step: str) -> list[str]:
        """The names of the steps that a step of this run takes its inputs from or waits for."""
        for row in self._run.definition.get("steps", []):
            if row["name"] == step:
                return list(dict.fromkeys([*(source for source, _ in row["inputs"].values()), *row["after"]]))
        if self._run.definition or step not in self.steps:
            return []
        # Another tool's run: the artifacts tell.
        taken = {artifact.id for artifact in self.steps[step].execution.inputs.values()}
        makers = {a.id: name for name, view in self.steps.items() for a in view.execution.outputs.values()}
        return [name for name in self.steps if name in {makers[id_] for id_ in taken & makers.keys()}]

    def __repr__(self) -> str:
        return f"<run {self.name}: {self.status}>"

    def _repr_html_(self) -> str:
        steps = self.steps
        boxes = [
            drawing.Box(
                name,
                (name, f"{drawing.state_text(view.status)} {view.duration:.2f}s" if view.id else "○ skipped"),
                state=view.status,
                about="\n".join((view.reason, view.error)),
            )
            for name, view in steps.items()
        ]
        arrows = [(parent, name) for name in steps for parent in self.parents_of(name)]
        rows = [
            (
                name,
                drawing.state_text(view.status),
                f"{view.duration:.3f}s",
                view.error or view.reason,
                ", ".join(f"{parameter}={value!r:.60}" for parameter, value in view.parameters.items()),
            )
            for name, view in steps.items()
        ]
        label = f"Run {self.name} of {self.pipeline}: {self.status}"
        facts = (
            f"begun {self.started:%Y-%m-%d %H:%M} UTC",
            f"took {self.duration:.2f}s",
            f"saved {self.saved:.1f}s",
        )
        table = drawing.table(("step", "status", "duration", "why", "parameters"), rows)
        return drawing.page(label, facts, drawing.graph(boxes, arrows, label=label), table)


class Steps(Mapping[str, "StepView"]):
    """The steps of a run: a read-only mapping in wiring order that also takes a position or a slot."""

    def __init__(self, views: Mapping[str, StepView], slots: Mapping[str, str]):
        self._views = views
        self._slots = slots

    def __getitem__(self, key: str | int) -> StepView:
        if isinstance(key, int):
            return list(self._views.values())[key]
        name = key if key in self._views else self._slots.get(key, key)
        try:
            return self._views[name]
        except KeyError:
            raise StepNotFound(
                f"The run has no step `{key}`.", hint=nearest(str(key), [*self._views, *self._slots])
            ) from None

    def __contains__(self, key: object) -> bool:
        return key in self._views or key in self._slots

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        return f"<steps {', '.join(f'{name}: {view.status}' for name, view in self._views.items())}>"


class StepNotFound(NotFoundError, KeyError):
    """A run has no step of that name."""

    __str__ = NotFoundError.__str__


class Artifacts(dict[str, "ArtifactView"]):
    """The inputs or the outputs of a step in a run, by name."""

    def __init__(self, views: Mapping[str, ArtifactView], step: StepView, *, of: str):
        super().__init__(views)
        self._step = step
        self._of = of

    def __missing__(self, name: str) -> ArtifactView:
        is_output = self._of == "outputs"
        message = (
            f"The step has no output `{name}` in this run."
            if is_output
            else f"The step has no input `{name}` in this run."
        )
        step = self._step
        facts = {"run": step.run.name, "step": step.name, "status": step.status}
        raise ArtifactNotFound(message, facts=facts, hint=nearest(str(name), self))


class ArtifactNotFound(NotFoundError, KeyError):
    """A step has no input or output of that name in a run."""

    __str__ = NotFoundError.__str__


class StepView:
    """A step of a run."""

    def __init__(self, stores: Stores, run: Run, execution: Execution):
        self._stores = stores
        self.run = run
        self.execution = execution

    @property
    def id(self) -> int:
        """Its id in the metadata store; 0 for a step that was skipped."""
        return self.execution.id

    @property
    def name(self) -> str:
        """Its name in the pipeline: that of the step, with ``_2``, ``_3`` behind it when used again."""
        return self.execution.node

    @property
    def step_name(self) -> str:
        """The declared name of the step; the name differs from it where a step is used again."""
        return self.execution.step

    @property
    def status(self) -> str:
        """``completed``, ``cached``, ``failed``, ``running``, ``canceled`` or ``skipped``."""
        return self.execution.status.value

    @property
    def is_cached(self) -> bool:
        """Whether its result was taken from the cache."""
        return self.execution.status is Status.CACHED

    @property
    def duration(self) -> float:
        """Seconds that it took in this run."""
        return self.execution.duration

    @property
    def parameters(self) -> dict[str, Any]:
        """Its parameters and those of its config, defaults included."""
        return dict(self.execution.parameters)

    @property
    def beam_pipeline_args(self) -> list[str]:
        """The options of the Beam pipeline that it was provided with, if it ran and takes one."""
        return list(self.execution.beam_pipeline_args)

    @property
    def cache_key(self) -> str:
        """The SHA-256 over all that can change its result, in 64 hex digits."""
        return self.execution.cache_key

    @property
    def error(self) -> str:
        """What it raised, if it failed; else empty."""
        return self.execution.error

    @property
    def tries(self) -> int:
        """How often its function was called: more than once if ``@step(retries=...)`` tried it again."""
        return self.execution.tries

    @property
    def last_success(self) -> StepView | None:
        """The last execution of the step before this one that was completed; None if there is none."""
        read = self._stores.metadata.read
        before = [
            execution
            for execution in read.executions_of_type(self.step_name)
            if execution.status is Status.COMPLETED and (not self.id or execution.id < self.id)
        ]
        if not before:
            return None
        return StepView(self._stores, run_named(self._stores, before[-1].run), before[-1])

    @property
    def reason(self) -> str:
        """Why it was taken from the cache, or was not."""
        if self.execution.status is Status.SKIPPED:
            return self.run.record.skipped.get(self.name, "")
        return str(self.execution.decision) if self.execution.decision else ""

    def why(self) -> Why:
        """Why it was taken from the cache, or was not; printed, it tells part by part.

        What differs from the nearest earlier execution of the step is named by the labels of the cache
        key: a code unit, a parameter with both values, an input with what produced it, a file, a package.
        """
        others = {name: view.execution for name, view in self.run.steps.items()}
        return why(self._stores.metadata.read, self.run.record, self.execution, others)

    @property
    def inputs(self) -> dict[str, ArtifactView]:
        """Its input artifacts by name."""
        taken = self.execution.inputs.items()
        return Artifacts({name: ArtifactView(self._stores, one) for name, one in taken}, self, of="inputs")

    @property
    def outputs(self) -> dict[str, ArtifactView]:
        """Its output artifacts by name."""
        made = self.execution.outputs.items()
        return Artifacts(
            {name: ArtifactView(self._stores, one, self) for name, one in made}, self, of="outputs"
        )

    @property
    def output(self) -> ArtifactView:
        """Its only output.

        Raises:
            NotFoundError: it has none, or several.
        """
        outputs = self.outputs
        if len(outputs) != 1:
            raise NotFoundError(
                f"The step has {len(outputs)} outputs in this run.",
                facts={"step": self.name, "status": self.status, "outputs": ", ".join(outputs) or None},
                hint='Take one by its name: `.outputs["..."]`.' if outputs else None,
            )
        return next(iter(outputs.values()))

    @property
    def parent_steps(self) -> list[StepView]:
        """The steps of this run that it takes inputs from or waits for."""
        return [self.run.steps[name] for name in self.run.parents_of(self.name) if name in self.run.steps]

    @property
    def source_run(self) -> Run:
        """The run in which its outputs were made: another one if it was cached."""
        if not self.is_cached:
            return self.run
        if self.execution.source_id is None:  # another tool's: the artifacts tell
            makers = [artifact.producer_step for artifact in self.outputs.values()]
            return next((maker.run for maker in makers if maker is not None), self.run)
        for source in self._stores.metadata.read.executions_by_id([self.execution.source_id]):
            return run_of(self._stores, source)
        return self.run

    def __repr__(self) -> str:
        return f"<step {self.name}: {self.status}>"


class ArtifactView(RecordedArtifact):
    """An artifact: its facts, its value on demand, what made it and what came of it."""

    def __init__(self, stores: Stores, artifact: Artifact, step: StepView | None = None):
        super().__init__(stores, artifact)
        self._step = step

    @property
    def is_cached(self) -> bool:
        """Whether the step through which it was reached took it from the cache."""
        return self._step is not None and self._step.is_cached

    @property
    def producer_step(self) -> StepView | None:
        """The step, in the run that made it; None for a value that was given to a pipeline."""
        edges = [edge for edge in self._edges() if edge.is_output]
        # The first made it: whoever reused it came later.
        makers = sorted(edge.execution_id for edge in edges)
        found = self._steps_of(makers[:1]) if makers else []
        return found[0] if found else None

    @property
    def producers(self) -> list[StepView]:
        """Every step of every run that it came out of, oldest first; all but the first were cached."""
        return self._steps_of(edge.execution_id for edge in self._edges() if edge.is_output)

    @property
    def consumers(self) -> list[StepView]:
        """Every step of every run that took it as an input, oldest first."""
        return self._steps_of(edge.execution_id for edge in self._edges() if not edge.is_output)

    @property
    def runs(self) -> list[Run]:
        """Every run that made, reused or took it, oldest first."""
        steps = self._steps_of(edge.execution_id for edge in self._edges())
        runs = {view.run.name: view.run for view in steps if view.run.name}
        return sorted(runs.values(), key=lambda run: run.record.id)

    def upstream(
        self, types: str | Iterable[str] | None = None, depth: int | None = None
    ) -> list[ArtifactView]:
        """What it was made of, directly or not, oldest first; it is not among them itself.

        Args:
            types: names of artifact types; only these are returned, the walk goes on through the others.
            depth: how many executions to cross at most; all unless given.

        Raises:
            ConfigurationError: ``depth`` is not a positive whole number.

        Example::

            datasets = model.upstream(types="Dataset")
        """
        edges = lineage.upstream(self._stores.metadata.read, [self.id], depth)
        return self._others((edge.artifact_id for edge in edges if not edge.is_output), types)

    def downstream(
        self, types: str | Iterable[str] | None = None, depth: int | None = None
    ) -> list[ArtifactView]:
        """What came of it, directly or not, oldest first: see :meth:`upstream`."""
        edges = lineage.downstream(self._stores.metadata.read, [self.id], depth)
        return self._others((edge.artifact_id for edge in edges if edge.is_output), types)

    def _others(self, ids: Iterable[int], types: str | Iterable[str] | None) -> list[ArtifactView]:
        wanted = {types} if isinstance(types, str) else None if types is None else set(types)
        found = self._stores.metadata.read.artifacts_by_id(set(ids) - {self.id})
        return [
            ArtifactView(self._stores, artifact)
            for _, artifact in sorted(found.items())
            if wanted is None or artifact.type in wanted
        ]

    def _steps_of(self, execution_ids: Iterable[int]) -> list[StepView]:
        return steps_of(self._stores, self._stores.metadata.read.executions_by_id(execution_ids))


def run_of(stores: Stores, execution: Execution) -> Run:
    """The run that an execution belongs to; a nameless one with it alone where none is recorded."""
    run = stores.metadata.read.run(execution.run)
    if run is not None:
        return Run(stores, run)
    started = execution.started or datetime.fromtimestamp(0, timezone.utc)
    return Run(stores, PipelineRun(0, execution.run, "", execution.status, started), [execution])


def steps_of(stores: Stores, executions: Iterable[Execution]) -> list[StepView]:
    """The views of some executions, each in its run."""
    runs: dict[str, Run] = {}
    views = []
    for execution in executions:
        run = runs[execution.run] if execution.run in runs else run_of(stores, execution)
        if run.record.id:
            runs[execution.run] = run
        views.append(StepView(stores, run, execution))
    return views


def run_named(stores: Stores, name: str) -> Run:
    """A run by its name.

    Raises:
        NotFoundError: there is none.
    """
    run = stores.metadata.read.run(name)
    if run is None:
        known = stores.metadata.read.run_names()
        raise NotFoundError(
            f"There is no run `{name}`.", facts={"metadata": stores.metadata.url}, hint=nearest(name, known)
        )
    return Run(stores, run)
