"""``@step``: a function becomes a step, which a pipeline can use and the cache can skip."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, overload

from zencache.binding import check_parameter, config_values, copied, place, unknown_argument
from zencache.declaration import BaseStepConfig, Declaration, caller_scope, check_options, declare
from zencache.exceptions import DeclarationError
from zencache.policy import CachePolicy
from zencache.wiring import active_wiring


class Step:
    """A function with declared inputs and outputs. Immutable: configuring it gives a copy.

    Inside the body of a pipeline a call wires the step; outside, a call with parameters or a config
    returns a configured copy.

    Attributes:
        name: the name that keys and execution types use.
        entrypoint: the undecorated function.
    """

    def __init__(self, declaration: Declaration):
        self.declaration = declaration
        self.configured: Mapping[str, Any] = {}
        self.slot: str | None = None
        self.runs_after: tuple[Any, ...] = ()
        self.origin: Step | None = None
        self.__doc__ = declaration.function.__doc__

    @property
    def name(self) -> str:
        """Its name in keys and in the record: that of the function unless it was given another."""
        return self.declaration.name

    @property
    def entrypoint(self) -> Callable[..., Any]:
        """The undecorated function, for unit tests."""
        return self.declaration.function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        wiring = active_wiring()
        if wiring is not None:
            return wiring.add(self, args, kwargs)
        return self._configure(args, kwargs)

    def after(self, *others: Any) -> Step:
        """This step, run only after others: steps, or outputs of steps, with which it shares no data.

        Inside the body of a pipeline it holds for every use of this step in it.
        """
        wiring = active_wiring()
        if wiring is not None:
            wiring.order(self, others)
            return self
        return self._copy(runs_after=(*self.runs_after, *others))

    def in_slot(self, slot: str) -> Step:
        """A copy that stands in a pipeline's parameter."""
        return self._copy(slot=slot)

    def _configure(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Step:
        declaration = self.declaration
        configured = dict(self.configured)
        config_name, config_class = declaration.config or (None, BaseStepConfig)
        configs = [*args, *(value for argument, value in kwargs.items() if argument == config_name)]
        if any(not isinstance(config, config_class) for config in configs) or (configs and not config_name):
            raise DeclarationError(
                "Outside of a pipeline a step takes parameters by name, or its config.",
                facts={
                    "step": self.name,
                    "expected": config_class.__name__ if config_name else None,
                    "found": ", ".join(type(config).__name__ for config in configs),
                },
                hint=f"To call the function itself: `{self.entrypoint.__name__}.entrypoint(...)`.",
            )
        configured.update(config_values(configs, config_class, self.name))
        for argument, value in kwargs.items():
            if argument == config_name:
                continue
            if argument not in declaration.arguments and argument not in declaration.config_fields:
                raise unknown_argument(declaration, self.name, argument)
            if argument in declaration.arguments:
                check_parameter(declaration, self.name, argument, value)
            configured[argument] = value
        return self._copy(configured={name: copied(v, self.name, name) for name, v in configured.items()})

    def _copy(self, **changes: Any) -> Step:
        step = copy.copy(self)
        step.origin = self
        step.__dict__.update(changes)
        return step

    if not TYPE_CHECKING:  # a type checker knows what there is

        def __getattr__(self, name: str) -> NoReturn:
            if name != "run":
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise DeclarationError(
                "A step runs in a pipeline, not by itself.",
                facts={"step": self.name},
                hint=f"To call the function itself: `{self.entrypoint.__name__}.entrypoint(...)`.",
            )

    def __repr__(self) -> str:
        return f"<step {self.name} at {place(self.entrypoint)}>"


def check_step(slot: str, step: Any) -> None:
    """Raise unless what is given for a slot is a step."""
    if not isinstance(step, Step):
        raise DeclarationError(
            "A slot takes a step.",
            facts={"slot": slot, "found": f"{type(step).__name__} {step!r:.60}"},
            hint="Give a function decorated with @step, or a configured one.",
        )


@overload
def step(function: Callable[..., Any], /) -> Step: ...


@overload
def step(
    *,
    name: str | None = None,
    enable_cache: bool | None = None,
    cache_version: str | None = None,
    cache_policy: CachePolicy | None = None,
    materializers: Any = None,
    beam_pipeline_args: Sequence[str] | None = None,
    retries: int = 0,
) -> Callable[[Callable[..., Any]], Step]: ...


def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    enable_cache: bool | None = None,
    cache_version: str | None = None,
    cache_policy: CachePolicy | None = None,
    materializers: Any = None,
    beam_pipeline_args: Sequence[str] | None = None,
    retries: int = 0,
    **unknown: Any,
) -> Any:
    """Make a function a step. Works bare and with options.

    Args:
        name: name of the step; that of the function unless given.
        enable_cache: whether its result may be taken from the cache; ``None`` leaves it to other levels.
        cache_version: any text; a new one makes the step run anew.
        cache_policy: what makes its cache key, beside what always does, and how long an entry holds.
        materializers: how its outputs become files: a :class:`BaseMaterializer` class or instance, or a
            dict of them by output name.
        beam_pipeline_args: options of the Beam pipeline that a parameter annotated ``beam.Pipeline``
            receives; those of the pipeline and of the run go before them.
        retries: how often it is tried again when it raises, or its worker dies. No part of its key.

    Raises:
        DeclarationError: the function cannot be a step.

    Example::

        @step
        def normalizer(X: np.ndarray) -> np.ndarray:
            return X / 255
    """
    check_options(
        "@step",
        unknown,
        (
            "name",
            "enable_cache",
            "cache_version",
            "cache_policy",
            "materializers",
            "beam_pipeline_args",
            "retries",
        ),
    )
    scope = caller_scope(1)

    def decorate(decorated: Callable[..., Any]) -> Step:
        if isinstance(decorated, Step):
            raise DeclarationError(
                "The function is a step already.",
                facts={"step": decorated.name},
                hint="Take one `@step` away; `.entrypoint` is the undecorated function.",
            )
        return Step(
            declare(
                decorated,
                name=name,
                enable_cache=enable_cache,
                cache_version=cache_version,
                cache_policy=cache_policy,
                materializers=materializers,
                beam_pipeline_args=beam_pipeline_args,
                retries=retries,
                scope=scope,
            )
        )

    return decorate(function) if function is not None else decorate
