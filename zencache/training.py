"""``TrainingPipeline``: a pipeline of named slots, which are wired by the names of outputs and inputs."""

from __future__ import annotations

import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from zencache import events
from zencache.binding import place, type_text
from zencache.declaration import check_name, check_policy
from zencache.definition import TRAINING
from zencache.exceptions import DeclarationError, nearest
from zencache.origin import stop_while_imported
from zencache.pipeline_function import Pipeline, check_switch
from zencache.plan import Plan
from zencache.policy import CachePolicy
from zencache.project import Project
from zencache.step_function import Step, check_step
from zencache.view import Run
from zencache.wiring import Handle, Node, wiring

SLOTS = ("datasource", "split", "preprocesser", "trainer", "evaluator", "deployment")
_NEEDED = ("datasource", "trainer")


@dataclass(frozen=True, slots=True)
class RecordedSlots:
    """The slots of a recorded pipeline, whose steps are loaded when they are needed.

    Args:
        after: slot -> the slots that its step was told to wait for.
        load: the steps of some slots; called with those that nobody has replaced.
    """

    after: Mapping[str, tuple[str, ...]]
    load: Callable[[Collection[str]], Mapping[str, Step]]


class TrainingPipeline:
    """A pipeline of up to six slots: datasource, split, preprocesser, trainer, evaluator and deployment.

    Only a datasource and a trainer are needed. An input of a slot's step takes the latest earlier output
    of its name. A single input that is left takes the output of the nearest slot before it that has one.
    What is configured is not wired. The deployment also waits for the evaluator, so that an evaluator
    that raises keeps a model from being deployed.

    ``add_*`` changes the pipeline in place until it has run. One that has run is changed by ``copy``.

    Args:
        name: its name; runs are listed under it.
        enable_cache, cache_policy: as those of ``@pipeline``.

    Raises:
        DeclarationError: the name or an option is wrong.

    Example::

        training_pipeline = TrainingPipeline(name="Pipeline A")
        training_pipeline.add_datasource(importer())
        training_pipeline.add_preprocesser(normalizer())
        training_pipeline.add_trainer(trainer(epochs=2))
        training_pipeline.run()
    """

    def __init__(
        self, name: str, *, enable_cache: bool | None = None, cache_policy: CachePolicy | None = None
    ):
        self.name = check_name("pipeline", name)
        check_switch(enable_cache)
        self._enable_cache = enable_cache
        self._cache_policy = check_policy(cache_policy)
        self._steps: dict[str, Step] = {}
        self._recorded: RecordedSlots | None = None
        self._project: Project | None = None
        self._bound: Pipeline | None = None
        self._has_run = False

    @classmethod
    def from_record(
        cls,
        name: str,
        recorded: RecordedSlots,
        *,
        enable_cache: bool | None,
        cache_policy: CachePolicy | None,
        project: Project,
    ) -> TrainingPipeline:
        """A pipeline whose slots are filled from a record, as far as ``add_*`` does not fill them anew."""
        pipeline = cls(name, enable_cache=enable_cache, cache_policy=cache_policy)
        pipeline._recorded = recorded
        pipeline._project = project
        return pipeline

    def add_datasource(self, step: Step) -> None:
        """Where the data comes from: it takes nothing that it is not configured with."""
        self._add("datasource", step)

    def add_split(self, step: Step) -> None:
        """What parts the data, for example into training and test data."""
        self._add("split", step)

    def add_preprocesser(self, step: Step) -> None:
        """What makes the data fit for training."""
        self._add("preprocesser", step)

    def add_trainer(self, step: Step) -> None:
        """What makes the model."""
        self._add("trainer", step)

    def add_evaluator(self, step: Step) -> None:
        """What judges the model."""
        self._add("evaluator", step)

    def add_deployment(self, step: Step) -> None:
        """What brings the model to where it is used; it waits for the evaluator."""
        self._add("deployment", step)

    @property
    def steps(self) -> dict[str, Node]:
        """Step name -> what is known of the step, in wiring order.

        Raises:
            DeclarationError: the pipeline is not complete, or its slots do not fit together.
        """
        return self._bind().steps

    def copy(self, name: str) -> TrainingPipeline:
        """A pipeline of another name with the same steps, which has not run."""
        copied = TrainingPipeline(name, enable_cache=self._enable_cache, cache_policy=self._cache_policy)
        copied._steps = dict(self._steps)
        copied._recorded = self._recorded
        copied._project = self._project
        return copied

    def run(self, **options: Any) -> Run:
        """Run the pipeline, which cannot be changed from then on.

        Args:
            options: those of :meth:`Pipeline.run`.

        Raises:
            DeclarationError: the pipeline is not complete, or its slots do not fit together.
            StepFailed: a step raised.
            NotFoundError, ConfigurationError: the code of a recorded step is gone, or cannot be imported.
        """
        stop_while_imported()
        bound = self._bind()
        with events.listening(self._note):
            return bound.run(**options)

    def plan(self, **options: Any) -> Plan:
        """What :meth:`run` with the same options would do now, and why. It changes nothing.

        Raises:
            DeclarationError, NotFoundError, ConfigurationError: as :meth:`run`.
        """
        return self._bind().plan(**options)

    def _add(self, slot: str, step: Step) -> None:
        check_step(slot, step)
        if self._has_run:
            raise DeclarationError(
                "A pipeline that has run cannot be changed.",
                facts={"pipeline": self.name, "slot": slot},
                hint=f'Change a copy: `pipeline_b = pipeline.copy("..."); pipeline_b.add_{slot}(...)`.',
            )
        self._steps[slot] = step
        self._bound = None

    def _note(self, event: events.Event) -> None:
        if isinstance(event, events.WillRun) and event.pipeline == self.name:
            self._has_run = True

    def _bind(self) -> Pipeline:
        if self._bound is None:
            steps, after = self._filled()
            self._bound = Pipeline(
                self.name,
                _wired(self.name, steps, after),
                enable_cache=self._enable_cache,
                cache_policy=self._cache_policy,
                shape=TRAINING,
                project=self._project,
            )
        return self._bound

    def _filled(self) -> tuple[dict[str, Step], dict[str, tuple[str, ...]]]:
        """The step of each slot, and what recorded ones were told to wait for."""
        if self._recorded is None:
            return self._steps, {}
        waiting = {slot: after for slot, after in self._recorded.after.items() if slot not in self._steps}
        return {**self._recorded.load(list(waiting)), **self._steps}, waiting

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("add_"):
            raise AttributeError(f"'TrainingPipeline' object has no attribute {name!r}")
        raise SlotNotFound(
            f"A training pipeline has no `{name}`.",
            facts={"pipeline": vars(self).get("name")},
            hint=nearest(name, [f"add_{slot}" for slot in SLOTS]),
        )

    def __repr__(self) -> str:
        filled = [slot for slot in SLOTS if slot in {*self._steps, *(self._recorded or _NOTHING).after}]
        return f"<training pipeline {self.name}: {', '.join(filled) or 'empty'}>"


class SlotNotFound(DeclarationError, AttributeError):
    """A training pipeline has no slot of that name."""

    __str__ = DeclarationError.__str__


_NOTHING = RecordedSlots({}, lambda slots: {})


@dataclass(frozen=True, slots=True)
class _Made:
    """What an earlier slot gives: its outputs by name, each with its annotation."""

    slot: str
    node: str
    outputs: Mapping[str, tuple[Handle, Any]]

    def told(self, output: str) -> str:
        return f"`{output}` of the {self.slot} `{self.node}`"


def _wired(
    pipeline: str, steps: Mapping[str, Step], after: Mapping[str, tuple[str, ...]]
) -> tuple[Node, ...]:
    for slot in _NEEDED:
        if slot not in steps:
            raise DeclarationError(
                f"The pipeline has no {slot}.",
                facts={"pipeline": pipeline, "slots": ", ".join(s for s in SLOTS if s in steps) or "none"},
                hint=f"Give it one: `.add_{slot}(...)`.",
            )
    earlier: list[_Made] = []
    with wiring() as current:
        for slot in SLOTS:
            if slot in steps:
                step = steps[slot].in_slot(slot)
                handles = current.add(step, (), _inputs(pipeline, slot, step, earlier))
                several = [handles] if isinstance(handles, Handle) else list(handles)
                annotations = step.declaration.outputs
                node = handles.node if isinstance(handles, Handle) else handles.node_
                outputs = {handle.output: (handle, annotations[handle.output]) for handle in several}
                earlier.append(_Made(slot, node, outputs))
        nodes = {made.slot: made.node for made in earlier}
        for slot, others in after.items():
            current.order(nodes[slot], tuple(nodes[other] for other in others if other in nodes))
        if "deployment" in nodes and "evaluator" in nodes:
            current.order(nodes["deployment"], (nodes["evaluator"],))
        return current.nodes()


def _inputs(pipeline: str, slot: str, step: Step, earlier: list[_Made]) -> dict[str, Handle]:
    """Where each input of a slot's step comes from."""
    declaration = step.declaration
    found: dict[str, Handle] = {}
    left: list[str] = []
    for argument in declaration.arguments:
        if argument in step.configured:
            continue
        of_that_name = [made.outputs[argument] for made in earlier if argument in made.outputs]
        if of_that_name:
            found[argument] = of_that_name[-1][0]
        elif argument not in declaration.defaults:
            left.append(argument)
    facts = {"pipeline": pipeline, "slot": slot, "step": step.name, "place": place(step.entrypoint)}
    makers = [made for made in earlier if made.outputs]
    if left and not makers:
        raise DeclarationError(
            f"The {slot} needs {_several(left)}, and no slot before it has an output.",
            facts=facts,
            hint="Configure the step with it, or give it a default.",
        )
    if len(left) > 1:
        raise DeclarationError(
            f"It is ambiguous what the {slot} takes for {_several(left)}: no earlier output has their names.",
            facts={**facts, "earlier outputs": _offered(makers)},
            hint="Only one input may have a name of its own. Rename the others, or configure them.",
        )
    if left:
        found[left[0]] = _nearest_output(left[0], facts, makers, declaration.arguments[left[0]])
    return found


def _nearest_output(argument: str, facts: Mapping[str, Any], makers: list[_Made], annotation: Any) -> Handle:
    """The output of the nearest slot before, for the one input that no earlier output has the name of."""
    maker = makers[-1]
    slot = facts["slot"]
    if len(maker.outputs) > 1:
        raise DeclarationError(
            f"It is ambiguous what the {slot} takes for `{argument}`: "
            f"{' or '.join(maker.told(output) for output in maker.outputs)}.",
            facts=facts,
            hint=f"Give one of them the name `{argument}`, or the input the name of one of them.",
        )
    ((output, (handle, given)),) = maker.outputs.items()
    if _is_other(given, annotation):
        fitting = [
            made.told(name)
            for made in reversed(makers[:-1])
            for name, (_, type_) in made.outputs.items()
            if not _is_other(type_, annotation)
        ]
        aside = f", and {fitting[0]} is not the nearest" if fitting else ""
        raise DeclarationError(
            f"It is ambiguous what the {slot} takes for `{argument}`: "
            f"the nearest output, {maker.told(output)}, is of another type{aside}.",
            facts={**facts, "expected": type_text(annotation), "found": type_text(given)},
            hint=f"Give the output that is meant the name of the input: `-> Output({argument}=...)`.",
        )
    return handle


def _is_other(given: Any, wanted: Any) -> bool:
    """Whether a value of one annotation is certainly none of another."""
    kinds = [typing.get_origin(annotation) or annotation for annotation in (given, wanted)]
    if not all(isinstance(kind, type) and kind is not object for kind in kinds):
        return False
    if all(issubclass(kind, int | float | complex) for kind in kinds):
        return False
    if any(getattr(kind, "_is_protocol", False) for kind in kinds):
        return False
    return not (issubclass(kinds[0], kinds[1]) or issubclass(kinds[1], kinds[0]))


def _several(names: Collection[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _offered(makers: list[_Made]) -> str:
    return ", ".join(made.told(output) for made in makers for output in made.outputs)
