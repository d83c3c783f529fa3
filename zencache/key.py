"""Labelled fingerprints of everything that can change a step's result, and the cache key over them.

The key is SHA-256 over the parts, sorted by identity. A part's label is for people; its identity is
what enters the hash, and holds no module name, path or time, so that a key is the same wherever the
same code runs on the same content.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zencache.declaration import Declaration
from zencache.digest import fingerprint
from zencache.entity import Artifact
from zencache.fingerprint import code_of, is_user_code, value_fingerprint
from zencache.materializer import BaseMaterializer, by_name, find, name_of

KEY_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One labelled ingredient of a cache key."""

    label: str
    identity: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class CacheKey:
    """A cache key, 64 hex digits, and the fingerprint of each of its parts by label."""

    hex: str
    parts: Mapping[str, str]


class KeyMaker:
    """Cache keys for the steps of one run. What code says is read once a run, when it starts."""

    def __init__(self) -> None:
        self._of_step: dict[Declaration, tuple[Part, ...]] = {}
        self._of_type: dict[Any, str] = {}
        self._of_materializer: dict[type[BaseMaterializer], str] = {}
        self.untracked: dict[str, tuple[str, ...]] = {}

    def prepare(self, steps: Iterable[Declaration]) -> None:
        """Read the code of all steps now, so that nothing a step does while it runs changes another's key."""
        for step in steps:
            self._step_parts(step)

    def key(
        self, step: Declaration, parameters: Mapping[str, Any], inputs: Mapping[str, Artifact]
    ) -> CacheKey:
        """The cache key of one use of a step.

        Raises:
            UnfingerprintableError: code or a parameter holds a value that has no faithful fingerprint.
        """
        parts = list(self._step_parts(step))
        for name, value in parameters.items():
            label = f"parameter {name}"
            where = f"parameter `{name}` of step `{step.name}`"
            parts.append(Part(label, label, value_fingerprint(value, where=where)))
        for name, artifact in inputs.items():
            label = f"input {name}"
            parts.append(Part(label, label, self._input_fingerprint(step, name, artifact)))
        return _combine(parts)

    def _step_parts(self, step: Declaration) -> tuple[Part, ...]:
        """The parts that do not depend on what the step is given."""
        parts = self._of_step.get(step)
        if parts is None:
            parts = self._of_step[step] = (
                Part("key schema", "key schema", str(KEY_SCHEMA)),
                Part("step", "step", fingerprint(step.name)),
                Part("cache_version", "cache_version", fingerprint(step.cache_version)),
                *self._code_parts(step),
                *(self._output_part(step, name) for name in step.outputs),
            )
        return parts

    def _code_parts(self, step: Declaration) -> Iterable[Part]:
        code = code_of(step.function, extra=[step.config[1]] if step.config else [])
        self.untracked[step.name] = code.untracked
        return (
            Part(f"code: {unit.label}", f"code: {unit.identity}", unit.fingerprint) for unit in code.units
        )

    def _output_part(self, step: Declaration, name: str) -> Part:
        annotation = step.outputs[name]
        override = step.materializers.get(name)
        materializer = type(override) if override is not None else find(annotation)
        written_by = self._materializer_fingerprint(materializer) if materializer else ""
        state = (
            value_fingerprint(vars(override), where=f"materializer of output `{name}`") if override else ""
        )
        facts = (self._type_fingerprint(annotation), written_by, state)
        return Part(f"output {name}", f"output {name}", fingerprint((name, facts)))

    def _input_fingerprint(self, step: Declaration, name: str, artifact: Artifact) -> str:
        declared = self._type_fingerprint(step.arguments.get(name, Any))
        loader = self._materializer_fingerprint(by_name(artifact.materializer))
        qualname = artifact.python_type.partition(":")[2]
        return fingerprint((declared, loader, qualname, artifact.digest))

    def _materializer_fingerprint(self, materializer: type[BaseMaterializer]) -> str:
        known = self._of_materializer.get(materializer)
        if known is None:
            if is_user_code(materializer):
                known = _code_fingerprint(materializer)
            else:
                known = fingerprint((name_of(materializer), materializer.format))
            self._of_materializer[materializer] = known
        return known

    def _type_fingerprint(self, annotation: Any) -> str:
        """A declared type: by its code if it is the user's, else by its name."""
        try:
            known = self._of_type.get(annotation)
        except TypeError:  # an annotation such as Annotated[int, []] cannot be a key
            return _type_text(annotation)
        if known is None:
            known = self._of_type[annotation] = _type_text(annotation)
        return known


def check_fingerprints(uses: Iterable[tuple[Declaration, str, Mapping[str, Any]]]) -> None:
    """Raise UnfingerprintableError unless ``(step, node, parameters)`` can all be fingerprinted."""
    maker = KeyMaker()
    for step, node, parameters in uses:
        maker.prepare([step])
        for name, value in parameters.items():
            value_fingerprint(value, where=f"parameter `{name}` of step `{node}`")


def difference(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The labels of the parts in which two cache keys differ, in a stable order."""
    return [label for label in {**one, **other} if one.get(label) != other.get(label)]


def _combine(parts: list[Part]) -> CacheKey:
    rows = sorted((part.identity, part.fingerprint) for part in parts)
    labelled: dict[str, str] = {}
    for part in parts:
        label, count = part.label, 2
        while label in labelled:
            label, count = f"{part.label} ({count})", count + 1
        labelled[label] = part.fingerprint[:16]
    return CacheKey(fingerprint(rows), labelled)


def _code_fingerprint(source: Any) -> str:
    return fingerprint([(unit.identity, unit.fingerprint) for unit in code_of(source).units])


def _type_text(annotation: Any) -> str:
    arguments = typing.get_args(annotation)
    if arguments:
        members = [_type_text(a) if not isinstance(a, list) else str(a) for a in arguments]
        return f"{_type_text(typing.get_origin(annotation))}[{', '.join(members)}]"
    if isinstance(annotation, type):
        if is_user_code(annotation):
            return f"{annotation.__qualname__} {_code_fingerprint(annotation)}"
        return f"{annotation.__module__}.{annotation.__qualname__}"
    return str(annotation)
