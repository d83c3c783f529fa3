"""``@pipeline``: a function that wires steps becomes a pipeline, which can run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, overload

from zencache import drawing, events, log, scheduler
from zencache.binding import place
from zencache.declaration import check_name, check_options, check_policy
from zencache.definition import FUNCTION, definition_of
from zencache.exceptions import DeclarationError, nearest
from zencache.fingerprint import load_memory, observe
from zencache.invocation import invoke, plan
from zencache.key import check_fingerprints
from zencache.options import CacheOptions, refreshed
from zencache.origin import stop_while_imported
from zencache.plan import Plan
from zencache.policy import CachePolicy, check_environment
from zencache.progress import showing_progress
from zencache.project import Project
from zencache.resource import check_flags, merged
from zencache.settings import project_folder
from zencache.step_function import Step, check_step
from zencache.view import Run
from zencache.wiring import Node, active_wiring, wiring
from zencache.workers import Here, Workers


class Pipeline:
    """A graph of steps. Immutable: ``copy`` and ``replace`` return new ones.

    Attributes:
        name: its name; runs are listed under it.
        steps: node name -> what is known of the step, in wiring order.
    """

    def __init__(
        self,
        name: str,
        nodes: Sequence[Node] | Callable[[], Sequence[Node]],
        *,
        enable_cache: bool | None = None,
        cache_policy: CachePolicy | None = None,
        beam_pipeline_args: Sequence[str] | None = None,
        slots: Iterable[str] | None = None,
        rewire: Callable[[Mapping[str, Step]], Pipeline] | None = None,
        shape: str = FUNCTION,
        project: Project | None = None,
    ):
        """
        Args:
            nodes: the graph, or what makes it when it is first needed.
            slots: the names that ``rewire`` takes; those of the nodes unless given.
            rewire: slot -> other step, to the pipeline with those in their places.
            shape: what is made of it when it is copied from its record.
            project: the stores that it runs in; those of the project at that time unless given.
        """
        self._name = check_name("pipeline", name)
        self._wire = nodes if callable(nodes) else lambda: nodes
        self._options = CacheOptions(pipeline=enable_cache, policy=cache_policy)
        self._beam_pipeline_args = check_flags(beam_pipeline_args, f"pipeline {name}")
        self._slots = slots
        self._rewire = rewire
        self._shape = shape
        self._project = project
        if not callable(nodes):
            _ = self._nodes  # what is wrong is said now

    @functools.cached_property
    def _nodes(self) -> tuple[Node, ...]:
        nodes = tuple(self._wire())
        if not nodes:
            raise DeclarationError(
                "The pipeline has no steps.",
                facts={"pipeline": self.name},
                hint="Call steps in the body of its function.",
            )
        observe()
        scheduler.check_order({node.name: node.upstream for node in nodes})
        load_memory(project_folder())
        check_fingerprints((n.step, self._options.policy_of(n.step), n.name, n.parameters) for n in nodes)
        return nodes

    @property
    def name(self) -> str:
        """Its name in the record: that of the function unless it was given another."""
        return self._name

    @property
    def steps(self) -> dict[str, Node]:
        """Its steps by their names, in wiring order."""
        return {node.name: node for node in self._nodes}

    def copy(self, name: str) -> Pipeline:
        """A pipeline of another name with the same steps."""
        rewire = self._rewire
        renamed = None if rewire is None else lambda steps: rewire(steps).copy(name)
        options = self._options
        return Pipeline(
            name,
            self._nodes if "_nodes" in vars(self) else lambda: self._nodes,
            enable_cache=options.pipeline,
            cache_policy=options.policy,
            beam_pipeline_args=self._beam_pipeline_args,
            slots=self._slots,
            rewire=renamed,
            project=self._project,
        )

    def replace(self, **steps: Step) -> Pipeline:
        """A pipeline with other steps in some of its slots.

        Raises:
            DeclarationError: there is no such slot, or what is given is not a step.
        """
        for slot, step in steps.items():
            check_step(slot, step)
        slots = {node.slot for node in self._nodes if node.slot} if self._slots is None else set(self._slots)
        if self._rewire is None or not slots:
            raise DeclarationError(
                "The pipeline has no slots.",
                facts={"pipeline": self.name},
                hint="Give its function parameters that take steps.",
            )
        for slot in steps:
            if slot not in slots:
                raise DeclarationError(
                    f"The pipeline has no slot `{slot}`.",
                    facts={"pipeline": self.name},
                    hint=nearest(slot, slots),
                )
        return self._rewire(steps)

    def run(
        self,
        *,
        run_name: str | None = None,
        enable_cache: bool | None = None,
        refresh: bool | str | Iterable[str] | None = None,
        repository: Project | None = None,
        executor: Executor | int | None = None,
        beam_pipeline_args: Sequence[str] | None = None,
        **unknown: NoReturn,
    ) -> Run:
        """Run the pipeline: each step is taken from the cache, or executed and recorded.

        Args:
            run_name: name of the run; made from the pipeline's name and the time unless given.
            enable_cache: decides for every step whether its result may come from the cache.
            refresh: steps that run anew, and are recorded: ``True`` for all, or names of steps or slots;
                ``"trainer+"`` also means all below.
            repository: the stores to use; those of the project unless given.
            executor: what executes the steps, independent ones at the same time: any
                :class:`concurrent.futures.Executor`, which stays open, or a number of processes on this
                machine; one step at a time in this process unless given.
            beam_pipeline_args: options of the pipelines that Beam steps receive, such as
                ``["--runner=FlinkRunner"]``. An option given here replaces that of the pipeline, and one
                of the pipeline that of the step. They are recorded, and no part of a cache key.

        Raises:
            StepFailed: a step raised, or its worker was lost. Steps that do not depend on it have finished,
                and the next run reuses everything that did.
            DeclarationError: ``run_name`` is taken, ``refresh`` names no step, or there is no such option.
            ConfigurationError: ``executor`` is none, is shut down, or cannot reach the artifact store.
            MetadataStoreError, ArtifactStoreError: a store cannot be used.
        """
        check_options("run()", unknown, _options_of(Pipeline.run))
        stop_while_imported()
        options = self._run_options(enable_cache, refresh)
        log.configure()
        with _opened(executor) as workers, showing_progress(), events.listening(log.log_event):
            return invoke(
                self.name,
                self._nodes,
                self.definition(),
                project=repository or self._project or Project(),
                options=options,
                run_name=run_name,
                workers=workers,
                beam_pipeline_args=merged(
                    check_flags(beam_pipeline_args, "the run"), self._beam_pipeline_args
                ),
            )

    def plan(
        self,
        *,
        enable_cache: bool | None = None,
        refresh: bool | str | Iterable[str] | None = None,
        repository: Project | None = None,
        **unknown: NoReturn,
    ) -> Plan:
        """What :meth:`run` with the same arguments would do now, and why. It changes nothing.

        Returns:
            For each step ``HIT``, ``MISS`` with reasons, or ``UNKNOWN`` if it depends on a step that will
            run, and the time to expect from recorded durations. ``print`` shows it as a table.

        Raises:
            DeclarationError: ``refresh`` names no step, or there is no such option.
            MetadataStoreError, NotFoundError: as :meth:`run`.
        """
        check_options("plan()", unknown, _options_of(Pipeline.plan))
        options = self._run_options(enable_cache, refresh)
        return plan(self.name, self._nodes, project=repository or self._project or Project(), options=options)

    def definition(self) -> dict[str, Any]:
        """The pipeline as it is recorded: its steps, how they are configured, and what goes where."""
        return definition_of(self._nodes, self._options, self._shape, self._beam_pipeline_args)

    def _run_options(
        self, enable_cache: bool | None, refresh: bool | str | Iterable[str] | None
    ) -> CacheOptions:
        check_switch(enable_cache)
        check_environment()
        return replace(self._options, run=enable_cache, refresh=refreshed(self._nodes, refresh))

    def __repr__(self) -> str:
        if "_nodes" not in vars(self):  # to show it must not import what it is made of
            return f"<pipeline {self.name}>"
        return f"<pipeline {self.name}: {', '.join(self.steps)}>"

    def _repr_html_(self) -> str:
        boxes = [
            drawing.Box(
                node.name,
                (node.name, ", ".join(f"{name}={value!r}" for name, value in node.parameters.items())),
            )
            for node in self._nodes
        ]
        arrows = [(source, node.name) for node in self._nodes for source in node.upstream]
        label = f"Pipeline {self.name}"
        return drawing.page(label, (), drawing.graph(boxes, arrows, label=label))


class PipelineFunction:
    """A function whose body wires steps. Calling it binds its arguments and returns a pipeline.

    It never runs anything: that is :meth:`Pipeline.run`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        enable_cache: bool | None,
        policy: Any,
        beam_pipeline_args: Any = None,
    ):
        functools.update_wrapper(self, function)
        self.name = check_name("pipeline", name)
        self.entrypoint = function
        self.enable_cache = enable_cache
        self.cache_policy = check_policy(policy)
        self.beam_pipeline_args = check_flags(beam_pipeline_args, f"pipeline {self.name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Pipeline:
        try:
            bound = inspect.signature(self.entrypoint).bind(*args, **kwargs)
        except TypeError as error:
            raise DeclarationError(
                f"The arguments do not fit the pipeline: {error}.",
                facts={"pipeline": self.name, "place": place(self.entrypoint)},
                hint=self._hint(kwargs),
            ) from error
        bound.apply_defaults()
        return self._bind(bound)

    def _bind(self, bound: inspect.BoundArguments) -> Pipeline:
        if active_wiring() is not None:
            raise DeclarationError(
                "A pipeline is called in the body of another one.",
                facts={"pipeline": self.name, "place": place(self.entrypoint)},
                hint="Call its steps there, or run the two one after the other.",
            )
        arguments = inspect.BoundArguments(bound.signature, dict(bound.arguments))
        for name, value in arguments.arguments.items():
            if isinstance(value, Step):
                arguments.arguments[name] = value.in_slot(name)
        with wiring() as current:
            self.entrypoint(*arguments.args, **arguments.kwargs)
            nodes = current.nodes()

        def rewire(steps: Mapping[str, Step]) -> Pipeline:
            changed = inspect.BoundArguments(bound.signature, {**bound.arguments, **steps})
            return self._bind(changed)

        return Pipeline(
            self.name,
            nodes,
            enable_cache=self.enable_cache,
            cache_policy=self.cache_policy,
            beam_pipeline_args=self.beam_pipeline_args,
            rewire=rewire,
        )

    def _hint(self, kwargs: Mapping[str, Any]) -> str | None:
        known = list(inspect.signature(self.entrypoint).parameters)
        unknown = [name for name in kwargs if name not in known]
        return nearest(unknown[0], known) if unknown else f"It takes: {', '.join(known)}."

    if not TYPE_CHECKING:  # a type checker knows what there is

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_") or name == "name" or not hasattr(Pipeline, name):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise DeclarationError(
                f"A pipeline function has no `{name}`: calling it gives the pipeline that has.",
                facts={"pipeline": self.name, "place": place(self.entrypoint)},
                hint=f"Write `{self.entrypoint.__name__}(...).{name}`.",
            )

    def __repr__(self) -> str:
        return f"<pipeline function {self.name} at {place(self.entrypoint)}>"


@overload
def pipeline(function: Callable[..., Any], /) -> PipelineFunction: ...


@overload
def pipeline(
    *,
    name: str | None = None,
    enable_cache: bool | None = None,
    cache_policy: CachePolicy | None = None,
    beam_pipeline_args: Sequence[str] | None = None,
) -> Callable[[Callable[..., Any]], PipelineFunction]: ...


def pipeline(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    enable_cache: bool | None = None,
    cache_policy: CachePolicy | None = None,
    beam_pipeline_args: Sequence[str] | None = None,
    **unknown: Any,
) -> Any:
    """Make a function whose body calls steps a pipeline. Works bare and with options.

    Args:
        name: name of the pipeline; that of the function unless given.
        enable_cache: ``False`` turns caching off for every step; ``True`` is the default of its steps.
        cache_policy: the policy of its steps that have none of their own.
        beam_pipeline_args: options of the pipelines that its Beam steps receive.

    Raises:
        DeclarationError: an option is wrong.

    Example::

        @pipeline
        def mnist(epochs: int = 1):
            X, y = importer()
            trainer(X, y, epochs=epochs)

        mnist(epochs=2).run()
    """
    check_options("@pipeline", unknown, ("name", "enable_cache", "cache_policy", "beam_pipeline_args"))
    check_switch(enable_cache)

    def decorate(decorated: Callable[..., Any]) -> PipelineFunction:
        if not inspect.isfunction(decorated):
            raise DeclarationError(
                "`@pipeline` decorates a function.",
                facts={"found": repr(decorated)},
                hint="Write `@pipeline` above a `def`.",
            )
        return PipelineFunction(
            decorated,
            name if name is not None else decorated.__name__,
            enable_cache,
            cache_policy,
            beam_pipeline_args,
        )

    return decorate(function) if function is not None else decorate


def _opened(executor: Executor | int | None) -> AbstractContextManager[Workers]:
    if executor is None:
        return nullcontext(Here())
    from zencache.executors import opened  # not at the top: most runs do not need what it needs

    return opened(executor)


def _options_of(method: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(method).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def check_switch(enable_cache: Any) -> None:
    if enable_cache is not None and not isinstance(enable_cache, bool):
        raise DeclarationError(
            "`enable_cache` is True, False or None.",
            facts={"found": repr(enable_cache)},
            hint="None leaves it to the other levels.",
        )
