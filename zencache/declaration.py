"""What a step declares: its outputs, its parameters and options, read from a signature."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict

from zencache import resource
from zencache.class_annotation import is_class
from zencache.exceptions import DeclarationError, MaterializerError, nearest
from zencache.fingerprint import observe
from zencache.materializer import BaseMaterializer, json_value, name_of
from zencache.policy import CachePolicy
from zencache.resource import Resource

SINGLE_OUTPUT = "output"
DERIVED = "derived"
IMPLIED = "zencache_"  # begins the names of resources that no parameter receives
_PLAIN = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class BaseStepConfig(BaseModel):
    """Base of a step's configuration: a pydantic model whose fields are parameters of the step.

    A field that the model does not have is an error, and so is one of the wrong type.

    >>> class TrainerConfig(BaseStepConfig):
    ...     epochs: int = 1
    >>> TrainerConfig(epochs=2).epochs
    2
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, protected_namespaces=())


def Output(*unnamed: NoReturn, **types_by_name: Any) -> Any:  # noqa: N802 - reads as a type, and is spelled so since ZenML
    """Declare several named outputs of a step: ``-> Output(model=keras.Model, accuracy=float)``.

    The result is a :class:`typing.NamedTuple` class. A step returns its values in this order, as a
    plain tuple or as an instance of the class.

    >>> Output(a=int, b=str)._fields
    ('a', 'b')
    """
    given: tuple[Any, ...] = unnamed
    if given:
        raise DeclarationError(
            "An output has no name.",
            facts={"found": ", ".join(getattr(one, "__name__", repr(one)) for one in given)},
            hint="Give each one: `-> Output(a=..., b=...)`. A single one needs none: `-> float`.",
        )
    if not types_by_name:
        raise DeclarationError("`Output()` names no output.", hint="Leave the annotation out instead.")
    return typing.NamedTuple("Output", list(types_by_name.items()))


@dataclass(frozen=True)  # without slots: it can be referred to weakly
class Declaration:
    """A step as it was declared.

    Args:
        name: the name that keys and execution types use.
        function: what the user wrote, undecorated.
        arguments: name -> annotation of everything that can be given, without the config.
        defaults: name -> default, of the arguments that have one and of the fields of a config that has one.
        outputs: output name -> annotation; empty if the step declares none.
        several: whether the function returns a tuple of its outputs.
        config: name of the parameter that takes the config, and its class.
        resources: parameter -> what the run provides for it.
        references: the outputs that the function writes in place: parameters that receive an artifact.
        by_name: whether the function returns a dict of those of its outputs that it does not write in place,
            as TFX components do.
        values: output -> annotation of a value that it returns so, and that is kept in a value artifact of
            the class that ``outputs`` says.
        base: the MLMD system type of its executions; ``DERIVED`` if that follows from its outputs.
        beam_pipeline_args: options of the Beam pipeline that it is provided with.
        made_by: what makes it again in another process, and with which arguments, where no variable of a
            module holds it: that of an importer or a resolver.
        retries: how often it is tried again when it raises, or its worker dies.
    """

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    defaults: Mapping[str, Any]
    outputs: Mapping[str, Any]
    several: bool
    config: tuple[str, type[BaseModel]] | None = None
    enable_cache: bool | None = None
    cache_version: str | None = None
    cache_policy: CachePolicy | None = None
    materializers: Mapping[str, BaseMaterializer] = field(default_factory=dict)
    resources: Mapping[str, Resource] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    by_name: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    base: str | None = DERIVED
    beam_pipeline_args: tuple[str, ...] = ()
    made_by: tuple[Callable[..., Any], Mapping[str, Any]] | None = None
    retries: int = 0

    @property
    def config_fields(self) -> Mapping[str, Any]:
        return self.config[1].model_fields if self.config else {}

    def __hash__(self) -> int:
        return id(self.function)


def declare(
    function: Callable[..., Any],
    *,
    name: str | None,
    enable_cache: bool | None,
    cache_version: str | None,
    cache_policy: CachePolicy | None,
    materializers: Any,
    beam_pipeline_args: Any,
    retries: Any,
    scope: Mapping[str, Any],
) -> Declaration:
    """Read a step function. ``scope`` holds the local names at the place of its definition.

    Raises:
        DeclarationError: the signature cannot be that of a step, or an option is wrong.
    """
    observe()
    step_name = name if name is not None else getattr(function, "__name__", "")
    _check_function(function, step_name)
    hints = annotations_of(function, step_name, scope)
    resources = _resources(function, hints, step_name)
    arguments, defaults, config = _arguments(function, hints, step_name, resources)
    outputs, several = _outputs(hints.get("return"), step_name)
    declaration = Declaration(
        name=check_name("step", step_name),
        function=function,
        arguments=arguments,
        defaults=defaults,
        outputs=outputs,
        several=several,
        config=config,
        enable_cache=check_switch(enable_cache, step_name),
        cache_version=None if cache_version is None else str(cache_version),
        cache_policy=check_policy(cache_policy),
        resources=resources,
        beam_pipeline_args=resource.check_flags(beam_pipeline_args, f"step {step_name}"),
        retries=check_retries(retries, step_name),
    )
    check_ignored(declaration)
    given = _materializers(materializers, declaration)
    _asked_for.update({(declaration.name, name_of(one)): one for one in given.values() if one.runs_code})
    return replace(declaration, materializers=given)


def check_name(kind: str, name: Any) -> str:
    """A name that MLMD, a file name and a command line can carry; or an error that says why not."""
    if not isinstance(name, str) or not name.strip():
        raise DeclarationError(f"A {kind} needs a name.", facts={"found": repr(name)}, hint="Give `name=`.")
    if name == "<lambda>":
        raise DeclarationError(f"A lambda has no name to call the {kind} by.", hint="Give `name=`.")
    bad = sorted({character for character in name if character in "/#\\" or not character.isprintable()})
    if bad or len(name.encode()) > 100:
        raise DeclarationError(
            f"A {kind} cannot have this name.",
            facts={"name": repr(name), "expected": "at most 100 bytes, printable, without / # \\"},
            hint="Choose a shorter or simpler one with `name=`.",
        )
    return name


def _check_function(function: Any, name: str) -> None:
    if not callable(function) or inspect.isclass(function) or not hasattr(function, "__qualname__"):
        raise DeclarationError(
            "`@step` decorates a function.",
            facts={"found": f"{type(function).__name__} {function!r}"},
            hint="Write `@step` above a `def`, or call `step(function)`.",
        )
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise DeclarationError(
            "A step is a plain function: not async, and not a generator.",
            facts={"step": name},
            hint="Return the values instead of yielding them; run the event loop inside the step.",
        )


def check_switch(enable_cache: Any, name: str) -> bool | None:
    if enable_cache is not None and not isinstance(enable_cache, bool):
        raise DeclarationError(
            "`enable_cache` is True, False or None.",
            facts={"step": name, "found": repr(enable_cache)},
            hint="None leaves it to the other levels.",
        )
    return enable_cache


def check_retries(retries: Any, name: str) -> int:
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise DeclarationError(
            "`retries` is a number of times, 0 or more.",
            facts={"step": name, "found": repr(retries)},
            hint="`retries=2` tries a step that raises up to three times in all.",
        )
    return retries


def check_policy(policy: Any) -> CachePolicy | None:
    if policy is not None and not isinstance(policy, CachePolicy):
        raise DeclarationError(
            "`cache_policy` takes a CachePolicy.",
            facts={"found": repr(policy)},
            hint='For example `CachePolicy(expires_in="7d")`.',
        )
    return policy


def check_options(where: str, unknown: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise for the first option that a decorator or a method does not have, offering the nearest name."""
    for name in unknown:
        raise DeclarationError(f"`{where}` has no option `{name}`.", hint=nearest(name, known))


def check_ignored(declaration: Declaration) -> None:
    known = [*declaration.arguments, *declaration.config_fields]
    for name in declaration.cache_policy.ignored_inputs if declaration.cache_policy else ():
        if name not in known:
            raise DeclarationError(
                f"`ignored_inputs` names no input or parameter of the step: `{name}`.",
                facts={"step": declaration.name},
                hint=nearest(name, known),
            )


def annotations_of(function: Callable[..., Any], name: str, scope: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations of a function, evaluated; ``scope`` holds the local names where it is defined.

    Raises:
        DeclarationError: one of them is a text that names nothing.
    """
    raw = dict(getattr(function, "__annotations__", {}))
    if not any(isinstance(annotation, str) for annotation in raw.values()):
        return raw
    try:
        closure = inspect.getclosurevars(function).nonlocals
        return typing.get_type_hints(function, localns={**scope, **closure}, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise DeclarationError(
            f"An annotation cannot be read: {error}.",
            facts={"step": name},
            hint="Import the type where the step is defined, not only for the type checker.",
        ) from error


def _resources(function: Callable[..., Any], hints: Mapping[str, Any], name: str) -> dict[str, Resource]:
    """What a run provides: by the parameter that receives it, or unnamed, to read an input with it."""
    resources: dict[str, Resource] = {}
    for parameter in _signature(function, name).parameters.values():
        annotation = hints.get(parameter.name)
        found = resource.find(annotation)
        if found is not None and parameter.default not in (parameter.empty, None):
            raise DeclarationError(
                "A parameter that the run provides has a default.",
                facts={"step": name, "parameter": str(parameter)},
                hint="Leave it out, or write `= None`.",
            )
        if found is not None:
            resources[parameter.name] = found
    for annotation in hints.values():
        needed = resource.implied(annotation)
        if needed is not None and needed not in resources.values():
            resources[f"{IMPLIED}{type(needed).__name__}"] = needed
    return resources


def _arguments(
    function: Callable[..., Any], hints: Mapping[str, Any], name: str, provided: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any], tuple[str, type[BaseModel]] | None]:
    arguments: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    config: tuple[str, type[BaseModel]] | None = None
    for parameter in _signature(function, name).parameters.values():
        annotation = hints.get(parameter.name, Any)
        if parameter.name in provided:
            continue
        if parameter.kind not in _PLAIN:
            raise DeclarationError(
                "A step's inputs have names: `*args`, `**kwargs` and positional-only ones are not possible.",
                facts={"step": name, "parameter": str(parameter)},
                hint="Write each input out as a parameter, or take a list.",
            )
        if is_class(annotation) and issubclass(annotation, BaseStepConfig):
            if config is not None:
                raise DeclarationError(
                    "A step takes one config.",
                    facts={"step": name, "second": parameter.name},
                    hint="Make one config of them: a config may derive from another.",
                )
            config = (parameter.name, annotation)
            if isinstance(parameter.default, annotation):
                defaults.update({f: getattr(parameter.default, f) for f in annotation.model_fields})
            continue
        arguments[parameter.name] = annotation
        if parameter.default is not parameter.empty:
            defaults[parameter.name] = parameter.default
    for field_name in config[1].model_fields if config else ():
        if field_name in arguments:
            raise DeclarationError(
                "A field of the config has the name of another parameter.",
                facts={"step": name, "name": field_name},
                hint="Rename one of them.",
            )
    check_argument_names([*arguments, *(config[1].model_fields if config else ())], name)
    return arguments, defaults, config


def check_argument_names(names: Iterable[str], step: str) -> None:
    """Raise unless each name can be that of a property in MLMD, beside zencache's own."""
    for name in names:
        if name.startswith("zencache_") or len(name.encode()) > 200:
            raise DeclarationError(
                "A parameter cannot have this name.",
                facts={"step": step, "name": name, "expected": "at most 200 bytes, not zencache_…"},
                hint="Rename it.",
            )


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError as error:  # of some functions that are written in C
        raise DeclarationError(
            "The function does not say what it takes.",
            facts={"step": name, "found": repr(function)},
            hint="Write a function around it that names its inputs.",
        ) from error


def _outputs(annotation: Any, name: str) -> tuple[dict[str, Any], bool]:
    """Output name -> annotation, and whether the function returns a tuple of them."""
    if annotation is None or annotation is type(None):
        return {}, False
    if is_class(annotation) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        fields = typing.get_type_hints(annotation, include_extras=True)
        return {output: fields.get(output, Any) for output in annotation._fields}, True
    members = typing.get_args(annotation) if typing.get_origin(annotation) is tuple else ()
    names = [_annotated_name(member) for member in members]
    if names and all(names):
        if len(set(names)) < len(names):
            raise DeclarationError(
                "Two outputs have one name.",
                facts={"step": name, "outputs": ", ".join(map(str, names))},
                hint="Give each its own name.",
            )
        return {str(n): typing.get_args(m)[0] for n, m in zip(names, members, strict=True)}, True
    single = _annotated_name(annotation)
    return {single or SINGLE_OUTPUT: typing.get_args(annotation)[0] if single else annotation}, False


def _annotated_name(annotation: Any) -> str | None:
    metadata = getattr(annotation, "__metadata__", ())
    return next((item for item in metadata if isinstance(item, str)), None)


_asked_for: dict[tuple[str, str], BaseMaterializer] = {}


def asked_for_by_name(name: str) -> list[tuple[str, BaseMaterializer]]:
    """``(step, materializer)`` of each step of this program that asks for one of this name that runs code."""
    return [(step, one) for (step, asked), one in list(_asked_for.items()) if asked == name]


def _materializers(given: Any, declaration: Declaration) -> dict[str, BaseMaterializer]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        given = dict.fromkeys(declaration.outputs, given)
    chosen: dict[str, BaseMaterializer] = {}
    for output, materializer in given.items():
        if output not in declaration.outputs:
            raise DeclarationError(
                "A materializer is given for an output that the step does not declare.",
                facts={"step": declaration.name, "found": output, "outputs": ", ".join(declaration.outputs)},
                hint=nearest(output, declaration.outputs) or "Annotate what the step returns.",
            )
        instance = materializer() if isinstance(materializer, type) else materializer
        if not isinstance(instance, BaseMaterializer):
            raise DeclarationError(
                "`materializers` takes a BaseMaterializer: a class or an instance, or a dict of them.",
                facts={"step": declaration.name, "output": output, "found": repr(materializer)},
                hint="Derive from BaseMaterializer, with `save` and `load`.",
            )
        chosen[output] = instance
        _check_configuration(instance, declaration.name, output)
    return chosen


def _check_configuration(materializer: BaseMaterializer, step: str, output: str) -> None:
    """A configured materializer is recorded with what it saves, so that it can be made again to load it."""
    try:
        configuration = json_value.dumps(vars(materializer))
    except MaterializerError as error:
        raise DeclarationError(
            "A materializer is configured with something that cannot be recorded.",
            facts={
                "step": step,
                "output": output,
                "materializer": type(materializer).__name__,
                **error.facts,
            },
            hint="Configure it with numbers, texts and containers of them.",
        ) from error
    if len(configuration.encode()) > 2000:
        raise DeclarationError(
            "The configuration of a materializer is too long to be recorded.",
            facts={"step": step, "output": output, "materializer": type(materializer).__name__},
            hint="Configure it with less, for example with the path of a file.",
        )


def caller_scope(depth: int) -> dict[str, Any]:
    """The local names of a caller, for annotations that are written as text."""
    frame: types.FrameType | None = sys._getframe(depth + 1)
    return dict(frame.f_locals) if frame is not None and frame.f_locals is not frame.f_globals else {}
