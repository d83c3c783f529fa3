"""A pipeline as it is recorded: its steps, how each is configured, and what goes where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zencache import notation
from zencache.exceptions import NotFoundError
from zencache.fingerprint import ExternalFile
from zencache.options import CacheOptions
from zencache.origin import step_origin
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


@dataclass(frozen=True, slots=True)
class Definition:
    """A recorded pipeline: its shape, its own options, and its steps in wiring order."""

    shape: str
    enable_cache: bool | None
    cache_policy: str | None
    steps: tuple[StepDefinition, ...]


def definition_of(nodes: Iterable[Node], options: CacheOptions, shape: str) -> dict[str, Any]:
    """What is recorded of a pipeline, as JSON can hold it."""
    definition: dict[str, Any] = {"format": _FORMAT, "shape": shape, "steps": [_row(node) for node in nodes]}
    if options.pipeline is not None:
        definition["enable_cache"] = options.pipeline
    if options.policy is not None:
        definition["cache_policy"] = notation.write(options.policy) or ""
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
    return notation.write(value) or [f"{type(value).__qualname__} {value!r:.60}"]
