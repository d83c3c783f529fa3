"""A pipeline that has run: its runs, its definition, and copies that can be changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from zencache.condition import Condition
from zencache.declaration import check_name
from zencache.definition import TRAINING, StepDefinition, step_definitions
from zencache.entity import PipelineRun
from zencache.exceptions import DeclarationError, NotFoundError
from zencache.pipeline_function import Pipeline
from zencache.project import Project
from zencache.recording import Recording
from zencache.step_function import Step
from zencache.training import RecordedSlots, TrainingPipeline
from zencache.view import Run
from zencache.wiring import Handle, Node, wiring

_CHANGING = ("run", "plan", "replace")


class PipelineView:
    """A pipeline that has run at least once. It is immutable: a copy can be changed, and run.

    Example::

        pipeline_a = Repository().get_pipeline_by_name("Pipeline A")
        pipeline_b = pipeline_a.copy("Pipeline B")
        pipeline_b.add_trainer(trainer(epochs=10))
        pipeline_b.run()
    """

    def __init__(self, project: Project, name: str):
        self._project = project
        self._stores = project.stores
        self.name = name

    @property
    def runs(self) -> list[Run]:
        """All of its runs, oldest first."""
        return [Run(self._stores, run) for run in self._stores.metadata.read.runs(self.name)]

    @property
    def definition(self) -> Mapping[str, Any]:
        """The definition that its last run recorded, as it lies in the metadata store."""
        return dict(self._last_run.definition)

    @property
    def steps(self) -> dict[str, StepDefinition]:
        """Step name -> how the last run recorded the step, in wiring order."""
        return {step.name: step for step in step_definitions(self.definition)}

    def copy(self, name: str) -> Pipeline | TrainingPipeline:
        """A pipeline of another name with the steps and options of the last run.

        It runs in the stores that it is recorded in, unless ``run`` is given others.
        The steps are loaded when the copy is first planned or run: one that has been replaced by then
        need not exist any more. The log names each that has changed since.

        Returns:
            A :class:`TrainingPipeline`, whose slots ``add_*`` fills anew, if it was one; else a
            :class:`Pipeline`, whose slots ``replace`` fills anew.

        Raises:
            DeclarationError: the name is not possible.
            NotFoundError: the definition is gone, or was recorded by another version of zencache.
        """
        check_name("pipeline", name)
        recording = Recording(self._stores, self._last_run)
        if recording.definition.shape == TRAINING:
            return _training_copy(name, recording, self._project)
        return _copy(name, recording, {}, self._project)

    @property
    def _last_run(self) -> PipelineRun:
        read = self._stores.metadata.read
        run = read.run(read.last_run(self.name))
        if run is None:
            raise NotFoundError("The pipeline has no run any more.", facts={"pipeline": self.name})
        return run

    def __getattr__(self, name: str) -> Any:
        if name in _CHANGING or name.startswith("add_"):
            _refuse(vars(self).get("name", ""), name)
        raise AttributeError(f"'PipelineView' object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


class RecordedPipelineError(DeclarationError, AttributeError):
    """A recorded pipeline cannot be changed or run, only copied."""

    __str__ = DeclarationError.__str__


def _refuse(pipeline: str, what: str) -> NoReturn:
    raise RecordedPipelineError(
        "A recorded pipeline is immutable.",
        facts={"pipeline": pipeline, "asked for": what},
        hint=f'Take a copy: `pipeline_b = pipeline.copy("...")`, then `pipeline_b.{what}(...)`.',
    )


def _training_copy(name: str, recording: Recording, project: Project) -> TrainingPipeline:
    slots = {step.slot or "": step for step in recording.definition.steps}
    slot_of = {step.name: slot for slot, step in slots.items()}

    def load(wanted: Collection[str]) -> dict[str, Step]:
        loaded = recording.load([slots[slot] for slot in wanted], lambda slot: f".add_{slot}(...)")
        return {slot_of[node]: step for node, step in loaded.items()}

    after = {slot: tuple(slot_of[node] for node in step.after) for slot, step in slots.items()}
    options = recording.options
    return TrainingPipeline.from_record(
        name,
        RecordedSlots(after, load),
        enable_cache=options.pipeline,
        cache_policy=options.policy,
        project=project,
    )


def _copy(name: str, recording: Recording, replaced: Mapping[str, Step], project: Project) -> Pipeline:
    """The recorded graph with other steps in some of its slots, wired when it is first needed."""
    options = recording.options
    return Pipeline(
        name,
        lambda: _wired(recording, replaced),
        enable_cache=options.pipeline,
        cache_policy=options.policy,
        beam_pipeline_args=recording.definition.beam_pipeline_args,
        slots=[step.slot for step in recording.definition.steps if step.slot],
        rewire=lambda more: _copy(name, recording, {**replaced, **more}, project),
        project=project,
    )


def _wired(recording: Recording, replaced: Mapping[str, Step]) -> tuple[Node, ...]:
    """The calls of the pipeline's body once more, as they were recorded."""
    definitions = recording.definition.steps
    kept = [step for step in definitions if step.slot not in replaced]
    loaded = recording.load(kept, lambda slot: f".replace({slot}=...)")
    given = {
        step.name: recording.arguments(step, step.given, loaded.get(step.name) or replaced[step.slot or ""])
        for step in definitions
    }
    made: dict[str, _Made] = {}
    with wiring() as current:
        for definition in definitions:
            inputs = {
                argument: made[node].output(output, definition)
                for argument, (node, output) in definition.inputs.items()
            }
            said = {**inputs, **given[definition.name]}
            step = loaded.get(definition.name) or replaced[definition.slot or ""]
            # Another step may name its inputs differently, as long as the body gave them by position.
            names = tuple(step.declaration.arguments)[: len(definition.positional)]
            by_position = definition.name not in loaded or names == definition.positional
            args = [said.pop(argument) for argument in definition.positional if by_position]
            in_slot = step.in_slot(definition.slot) if definition.slot else step
            own_name = definition.name if definition.is_named else None
            conditions = tuple(_condition(condition, made, definition) for condition in definition.conditions)
            handles = current.add(in_slot, tuple(args), said, node=own_name, conditions=conditions)
            made[definition.name] = one = _Made(definition, handles)
            if definition.beam_pipeline_args:
                current.provide(one.node, definition.beam_pipeline_args)
        for definition in definitions:
            if definition.after:
                others = tuple(made[other].node for other in definition.after)
                current.order(made[definition.name].node, others)
        return current.nodes()


def _condition(condition: Condition, made: Mapping[str, _Made], definition: StepDefinition) -> Condition:
    """A recorded condition over the steps that stand there now."""

    def place(node: str, output: str) -> tuple[str, str]:
        handle = made[node].output(output, definition)
        return handle.node, handle.output

    return condition.on(place)


class _Made:
    """What a step of a recorded pipeline gives now, perhaps another one in its slot."""

    def __init__(self, definition: StepDefinition, handles: Any):
        self._definition = definition
        several = [handles] if isinstance(handles, Handle) else list(handles)
        self._handles = {handle.output: handle for handle in several}
        self.node: str = handles.node if isinstance(handles, Handle) else handles.node_

    def output(self, name: str, consumer: StepDefinition) -> Handle:
        """The output of a recorded name; that at its place if all of them are called differently now."""
        if name in self._handles:
            return self._handles[name]
        outputs = self._definition.outputs
        if len(outputs) == len(self._handles) and not set(outputs) & set(self._handles):
            return list(self._handles.values())[outputs.index(name)]
        raise DeclarationError(
            f"The step has no output `{name}`, which another one takes.",
            facts={
                "step": self.node,
                "outputs": ", ".join(self._handles) or "none",
                "taken by": consumer.name,
            },
            hint="Give the step in the slot the outputs of the one that it replaces.",
        )
