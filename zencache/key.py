"""Labelled fingerprints of everything that can change a step's result, and the cache key over them.

The key is SHA-256 over rows of identity and fingerprint, sorted. Labels are for people; an identity holds
no module name, path or time, so that a key is the same wherever the same code runs on the same content.
"""

from __future__ import annotations

import importlib.metadata
import sys
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from zencache.declaration import Declaration
from zencache.digest import fingerprint
from zencache.entity import Acceptance, Artifact, Decision
from zencache.exceptions import ConfigurationError, MaterializerError, ZencacheError
from zencache.fingerprint import (
    FileFingerprints,
    FoundFile,
    Sighting,
    code_of,
    is_user_code,
    value_fingerprint,
)
from zencache.fingerprint.namespace import is_installed
from zencache.materializer import (
    BaseMaterializer,
    by_name,
    find,
    name_of,
    type_by_name,
    user_materializers,
)
from zencache.policy import CachePolicy
from zencache.redaction import redacted

KEY_SCHEMA = 1
CODE = "code"  # label of all code together; that of one unit is "code: <unit>"
_FILES_SHOWN = 100  # files of one input that are told apart
_VALUE_SHOWN = 80  # characters; what is longer is told by its fingerprint alone
_SHOWN = 16  # hex digits of a part's fingerprint that are kept with an execution, to be compared later


@dataclass(frozen=True, slots=True)
class CacheKey:
    """A cache key, 64 hex digits, and what it was made of.

    Args:
        hex: the key.
        parts: label -> fingerprint of each of its parts.
        values: label -> what a part was, in short, for those of which a fingerprint says nothing to people.
        files: the external files whose content counts, as they were seen.
    """

    hex: str
    parts: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Sighting, ...] = ()


@dataclass(slots=True)
class _Parts:
    """Parts of a key while they are collected: rows for the hash, labels for people."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    files: list[Sighting] = field(default_factory=list)

    def add(self, label: str, fingerprint: str, value: str = "") -> None:
        """A part whose label is the same everywhere, so that it can be the identity too."""
        self.rows.append((label, fingerprint))
        self.show(label, fingerprint, value)

    def show(self, label: str, fingerprint: str, value: str = "") -> None:
        free, count = label, 2
        while free in self.labels:
            free, count = f"{label} ({count})", count + 1
        self.labels[free] = fingerprint[:_SHOWN]
        if value:
            self.values[free] = redacted(value)

    def see(self, label: str, seen: Sighting) -> None:
        """The external files of an input, whose content the input's part holds already."""
        self.files.append(seen)
        if len(seen.files) > _FILES_SHOWN:
            digest = seen.digest
            whole = FoundFile(seen.place, "", digest.hash, digest.size)
            self.values[label] = redacted(f"{seen.url}, {len(seen.files)} files of {whole}")
            return
        for file in seen.files:
            if file.name:
                self.values[f"{label}: {file.name}"] = str(file)
            else:
                self.values[label] = redacted(f"{seen.url}, {file}")

    def copy(self) -> _Parts:
        return _Parts(list(self.rows), dict(self.labels), dict(self.values))

    def key(self) -> CacheKey:
        return CacheKey(fingerprint(sorted(self.rows)), self.labels, self.values, tuple(self.files))


class KeyMaker:
    """Cache keys for the steps of one run. What code says is read once a run, when it starts."""

    def __init__(self, files: FileFingerprints | None = None, acceptances: Iterable[Acceptance] = ()) -> None:
        self._files = files or FileFingerprints()
        self._acceptances = {(one.step, one.new): one for one in acceptances if not one.is_revoked}
        self.accepted: dict[str, Acceptance] = {}  # step -> the acceptance by which its code counts
        # By identity: both live as long as the pipeline that is run, and a policy's functions need no hash.
        self._of_step: dict[tuple[int, int], _Parts] = {}
        self._of_type: dict[Any, str] = {}
        self._of_materializer: dict[type[BaseMaterializer], str] = {}
        self.untracked: dict[str, tuple[str, ...]] = {}

    def prepare(self, uses: Iterable[tuple[Declaration, CachePolicy]]) -> None:
        """Read the code of all steps now, so that nothing a step does while it runs changes another's key.

        Raises:
            UnfingerprintableError: code uses a value that has no faithful fingerprint.
        """
        for step, policy in uses:
            self._step_parts(step, policy)

    def code(self, step: Declaration, policy: CachePolicy) -> str:
        """The fingerprint of all code of a step as it counts; empty if code does not count."""
        return self._step_parts(step, policy).labels.get(CODE, "")

    def declared(self, step: Declaration, policy: CachePolicy) -> Mapping[str, str]:
        """The parts of every key of a step, by label, that depend on nothing it is given."""
        return self._step_parts(step, policy).labels

    def told(self, decision: Decision, step: Declaration) -> Decision:
        """A decision that says so if it is a hit only because an edit was accepted."""
        accepted = self.accepted.get(step.name)
        if accepted is None or not decision.is_hit:
            return decision
        return decision.with_detail(f"an edit of its code was accepted: {accepted.reason}")

    def key(
        self,
        step: Declaration,
        parameters: Mapping[str, Any],
        inputs: Mapping[str, Artifact],
        policy: CachePolicy = CachePolicy(),  # noqa: B008 - frozen
        files: Mapping[str, Sighting] = MappingProxyType({}),
    ) -> CacheKey:
        """The cache key of one use of a step.

        Args:
            step, parameters, inputs, policy: what the key is made of.
            files: what the external files among the inputs were seen to be, by argument; for people.

        Raises:
            UnfingerprintableError: code or a parameter holds a value that has no faithful fingerprint.
            NotFoundError, ConfigurationError: a file or a package that the policy names is not there.
            ZencacheError: the ``cache_func`` of the policy raised.
        """
        parts = self._step_parts(step, policy).copy()
        ignored = policy.ignored_inputs
        if policy.include_parameters:
            for name, value in parameters.items():
                if name not in ignored:
                    where = f"parameter `{name}` of step `{step.name}`"
                    parts.add(f"parameter {name}", value_fingerprint(value, where=where))
        for name, artifact in inputs.items():
            if name not in ignored:
                parts.add(f"input {name}", self._input_fingerprint(step, name, artifact))
                if name in files:
                    parts.see(f"input {name}", files[name])
        self._add_outside(parts, step, policy)
        return parts.key()

    def _step_parts(self, step: Declaration, policy: CachePolicy) -> _Parts:
        """The parts that depend neither on what the step is given nor on anything outside of it."""
        at = (id(step), id(policy))
        parts = self._of_step.get(at)
        if parts is None:
            parts = self._of_step[at] = _Parts()
            parts.add("key schema", str(KEY_SCHEMA))
            parts.add("step", fingerprint(step.name))
            parts.add("cache_version", fingerprint(step.cache_version), _in_short(step.cache_version))
            if policy.include_code:
                self._add_code(parts, step, policy)
            for place, name in enumerate(step.outputs):
                parts.add(f"output {name}", self._output_fingerprint(step, name, place))
        return parts

    def _add_code(self, parts: _Parts, step: Declaration, policy: CachePolicy) -> None:
        """One row for all code; a unit is shown by what it says, not by its place among the others."""
        config = [step.config[1]] if step.config else []
        sources = [*config, *policy.source_dependencies]
        code = code_of(step.function, extra=sources, with_defaults=False)
        self.untracked[step.name] = code.untracked
        found = fingerprint([(unit.identity, unit.fingerprint) for unit in code.units])
        accepted = self._acceptances.get((step.name, found))
        if accepted is not None:
            self.accepted[step.name] = accepted
        counted = accepted.old if accepted else found
        parts.rows.append((CODE, counted))
        parts.labels[CODE] = counted
        for unit in code.units:
            parts.show(f"code: {unit.label}", unit.content)

    def _add_outside(self, parts: _Parts, step: Declaration, policy: CachePolicy) -> None:
        """What lies outside of code, parameters and inputs, and is asked anew for each look-up."""
        several = len(policy.file_dependencies) > 1
        for place, url in enumerate(policy.file_dependencies):
            found = self._files.find(url)
            parts.files.append(found)
            # Where a file lies does not count, but which of the policy's it is does.
            content = fingerprint([(file.name, file.content) for file in found.files])
            parts.rows.append((f"file {place}" if several else "file", content))
            for file in found.files:
                label = f"file {url}" + (f": {file.name}" if file.name else "")
                parts.show(label, fingerprint(file.content), str(file))
        for package in policy.package_dependencies:
            version = _version(package, step.name)
            parts.add(f"package {package}", fingerprint(version), version)
        if policy.cache_func is not None:
            try:
                value = policy.cache_func()
            except Exception as error:
                raise ZencacheError(
                    f"The cache_func of a step raised {type(error).__name__}: {error}.",
                    facts={"step": step.name},
                    hint="It is called without arguments before each look-up.",
                ) from error
            where = f"value that the `cache_func` of step `{step.name}` gave"
            parts.add("cache_func", value_fingerprint(value, where=where), _in_short(value))

    def _output_fingerprint(self, step: Declaration, name: str, place: int) -> str:
        annotation = step.outputs[name]
        override = step.materializers.get(name)
        materializer = type(override) if override is not None else find(annotation)
        # Where only the value can decide, every materializer of the user's may be the one that writes it.
        candidates = [materializer] if materializer else user_materializers()
        written_by = [self._materializer_fingerprint(candidate) for candidate in candidates]
        state = (
            value_fingerprint(vars(override), where=f"materializer of output `{name}`") if override else ""
        )
        # What a function returns goes to several outputs by their order.
        order = (place,) if step.several else ()
        return fingerprint((name, self._type_fingerprint(annotation), written_by, state, *order))

    def _input_fingerprint(self, step: Declaration, name: str, artifact: Artifact) -> str:
        declared = self._type_fingerprint(step.arguments.get(name, Any))
        if artifact.is_external:
            return fingerprint((declared, "external", artifact.digest))
        loader = self._materializer_fingerprint(by_name(artifact.materializer))
        qualname = artifact.python_type.partition(":")[2]
        configured = (artifact.configuration,) if artifact.configuration else ()
        code = self._class_fingerprint(artifact.python_type, step.arguments.get(name))
        return fingerprint((declared, loader, qualname, artifact.digest, *configured, *code))

    def _class_fingerprint(self, python_type: str, declared: Any) -> tuple[str, ...]:
        """The code of the user's class that an input is of, where its annotation does not name that."""
        module, _, qualname = python_type.partition(":")
        # A class of that name is taken for it, since a module that moves must not run everything anew.
        if module == "builtins" or getattr(declared, "__qualname__", None) == qualname:
            return ()
        if module not in sys.modules and is_installed(module):  # a cached run needs no TensorFlow
            return ()
        try:
            kind = type_by_name(python_type)
        except MaterializerError:  # not to be had here: then it cannot be loaded either
            return ()
        return (self._type_fingerprint(kind),) if is_user_code(kind) else ()

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
        except TypeError:  # an annotation such as Annotated[int, []] cannot be the key of a dict
            return _type_text(annotation)
        if known is None:
            known = self._of_type[annotation] = _type_text(annotation)
        return known


def check_fingerprints(uses: Iterable[tuple[Declaration, CachePolicy, str, Mapping[str, Any]]]) -> None:
    """Raise UnfingerprintableError unless ``(step, policy, node, parameters)`` can all be fingerprinted."""
    maker = KeyMaker()
    for step, policy, node, parameters in uses:
        maker.prepare([(step, policy)])
        for name, value in parameters.items():
            value_fingerprint(value, where=f"parameter `{name}` of step `{node}`")


def _in_short(value: Any) -> str:
    """A value as people read it; empty if it is too long, or cannot be shown."""
    try:
        shown = redacted(repr(value))
    except Exception:
        return ""
    return shown if len(shown) <= _VALUE_SHOWN else ""


def _version(package: str, step: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigurationError(
            f"The package `{package}` is not installed.",
            facts={"step": step},
            hint="`package_dependencies` takes the names of distributions, as pip lists them.",
        ) from error


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
