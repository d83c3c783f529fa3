"""A pipeline as it is recorded: its steps, how each is configured, and what goes where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zencache import notation
from zencache.condition import Condition
from zencache.exceptions import NotFoundError
from zencache.fingerprint import ExternalFile
from zencache.options import CacheOptions
from zencache.origin import step_origin
from zencache.redaction import redacted
from zencache.wiring import Node

FUNCTION, TRAINING = "function", "training"
_FORMAT = 2  # 1 had no configuration: such a pipeline can be looked at, but not made again

# What is recorded of an argument: a notation; None for data, whose artifact is an input of the
# execution; in a list, the description of a value that has no notation.
Said = str | None | list[str]


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step of a recorded pipeline.

    Args:
        name: unique in the pipeline.
        step: the declared name of the step.
        slot: where the pipeline takes it in; None if it is wired directly.
        source: ``module:name`` of what holds it.
        file: where that was when it was recorded.
        inputs: argument -> the step of the pipeline, and its output, that it comes from.
        after: steps that it waits for beside those of ``inputs``.
        outputs: names of its outputs.
        made_by: what makes it again, if that is not the step that lies at ``source``.
        conditions: what has to hold for it to run.
        is_named: whether ``name`` was chosen for it, instead of made from that of the step.
        beam_pipeline_args: options of a Beam pipeline that this use of the step has of its own.
    """

    name: str
    step: str
    slot: str | None
    source: str
    file: str
    inputs: Mapping[str, tuple[str, str]]
    after: tuple[str, ...]
    outputs: tuple[str, ...]
    given: Mapping[str, Said] = field(default_factory=dict, repr=False)
    positional: tuple[str, ...] = field(default=(), repr=False)
    configured: Mapping[str, Said] = field(default_factory=dict, repr=False)
    made_by: Said = field(default=None, repr=False)
    conditions: tuple[Condition, ...] = field(default=(), repr=False)
    is_named: bool = field(default=False, repr=False)
    beam_pipeline_args: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Definition:
    """A recorded pipeline: its shape, its own options, and its steps in wiring order."""

    shape: str
    enable_cache: bool | None
    cache_policy: str | None
    steps: tuple[StepDefinition, ...]
    beam_pipeline_args: tuple[str, ...] = ()


def definition_of(
    nodes: Iterable[Node], options: CacheOptions, shape: str, beam_pipeline_args: Sequence[str] = ()
) -> dict[str, Any]:
    """What is recorded of a pipeline, as JSON can hold it."""
    definition: dict[str, Any] = {"format": _FORMAT, "shape": shape, "steps": [_row(node) for node in nodes]}
    if options.pipeline is not None:
        definition["enable_cache"] = options.pipeline
    if options.policy is not None:
        definition["cache_policy"] = notation.write(options.policy) or ""
    if beam_pipeline_args:
        definition["beam_pipeline_args"] = list(beam_pipeline_args)
    return definition


def read_definition(recorded: Mapping[str, Any], pipeline: str) -> Definition:
    """What :func:`definition_of` recorded.

    Raises:
        NotFoundError: it is gone, or an earlier zencache recorded it, which kept less.
    """
    if recorded.get("format") != _FORMAT:
        raise NotFoundError(
            "The definition of the pipeline is gone."
            if not recorded.get("steps")
            else "The definition of the pipeline was recorded by another version of zencache.",
            facts={"pipeline": pipeline},
            hint="Run the pipeline once more, from the code that declares it.",
        )
    return Definition(
        recorded["shape"],
        recorded.get("enable_cache"),
        recorded.get("cache_policy"),
        step_definitions(recorded),
        tuple(recorded.get("beam_pipeline_args", ())),
    )


def step_definitions(recorded: Mapping[str, Any]) -> tuple[StepDefinition, ...]:
    """The steps of a recorded pipeline, of whatever version."""
    return tuple(
        StepDefinition(
            name=row["name"],
            step=row["step"],
            slot=row.get("slot"),
            source=row.get("source", ""),
            file=row.get("file", ""),
            inputs={argument: (node, output) for argument, (node, output) in row["inputs"].items()},
            after=tuple(row["after"]),
            outputs=tuple(row.get("outputs", ())),
            given=row.get("given", {}),
            positional=tuple(row.get("positional", ())),
            configured=row.get("configured", {}),
            made_by=row.get("made_by"),
            conditions=tuple(Condition(expression) for expression in row.get("conditions", ())),
            is_named=row.get("is_named", False),
            beam_pipeline_args=tuple(row.get("beam_pipeline_args", ())),
        )
        for row in recorded.get("steps", ())
    )


def _row(node: Node) -> dict[str, Any]:
    source, file = step_origin(node.step)
    row: dict[str, Any] = {
        "name": node.name,
        "step": node.step.name,
        "source": source,
        "file": file,
        "slot": node.slot,
        "inputs": {argument: list(handle) for argument, handle in node.inputs.items()},
        "after": list(node.after),
        "outputs": list(node.step.outputs),
    }
    # Most steps have none of these, and each run writes the definition.
    if node.positional:
        row["positional"] = node.given[: node.positional]
    if node.conditions:
        row["conditions"] = [condition.expression for condition in node.conditions]
    if node.is_named:
        row["is_named"] = True
    if node.beam_pipeline_args:
        row["beam_pipeline_args"] = list(node.beam_pipeline_args)
    if node.step.made_by is not None:
        maker, made_with = node.step.made_by
        row["made_by"] = notation.write((maker, dict(made_with))) or [f"{dict(made_with)!r:.200}"]
    for label, arguments in (("given", node.given), ("configured", node.configured)):
        said = _said(node, arguments)
        if said:
            row[label] = said
    return row


def _said(node: Node, arguments: Sequence[str]) -> dict[str, Said]:
    return {argument: _argument(node, argument) for argument in arguments if argument not in node.inputs}


def _argument(node: Node, argument: str) -> Said:
    if argument in node.values and not isinstance(node.values[argument], ExternalFile):
        return None
    value = node.parameters[argument] if argument in node.parameters else node.values[argument]
    said = notation.write(value)
    if said is None or redacted(said) != said:  # a secret is not recorded, and so cannot be given again
        return [f"{type(value).__qualname__} {redacted(repr(value)):.60}"]
    return said
