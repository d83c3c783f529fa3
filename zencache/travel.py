"""How a body travels to a worker in another process, and how the worker proves that it runs the same code.

A function of a module travels by its name: the worker imports the module. What is defined in ``__main__`` or
in a notebook travels by value (cloudpickle). A worker that lives long may have imported a module before it
was edited, so it compares the code that the step reaches with what the cache key was made of. If that
differs, it imports the modules anew; if it still differs, it refuses, and the body is sent once more with
all of the user's code by value, which is compared as well: a function may import inside of its body.
"""

from __future__ import annotations

import dataclasses
import importlib
import io
import linecache
import os
import pickle
import sys
import threading
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle

from zencache.artifact_store import ArtifactStore
from zencache.body import Body, InputUnreadable, Outcome, Source
from zencache.class_annotation import is_class
from zencache.declaration import Declaration
from zencache.exceptions import OtherCode, WorkerError, error_text
from zencache.fingerprint import FileFingerprints, code_of, is_user_code, unobserve, was_observed
from zencache.materializer import (
    BaseMaterializer,
    by_name,
    find,
    json_value,
    register,
    type_by_name,
    user_materializers,
)
from zencache.policy import CachePolicy
from zencache.resource import Surroundings
from zencache.stores import artifact_store_at

_importing = threading.Lock()
_sending = threading.Lock()
# What dataclasses tells by identity, and cloudpickle would make anew for a class that travels by value.
_SENTINELS = {id(dataclasses.MISSING): "MISSING", id(dataclasses.KW_ONLY): "KW_ONLY"}
_Unit = tuple[str, str, tuple[str, ...]]  # label, content, labels of what it refers to


@dataclass(frozen=True, slots=True)
class Proof:
    """What code a step reaches in modules that a worker imports by itself.

    Args:
        sources: what the step's policy names as its code beside the function.
        units: each reachable unit; ``None`` if code does not count.
        modules: the user's modules that they are in.
    """

    sources: tuple[Any, ...] = ()
    units: frozenset[_Unit] | None = None
    modules: tuple[str, ...] = ()


def proof_of(step: Declaration, policy: CachePolicy) -> Proof:
    """What a worker has to find when it is asked to execute a step."""
    if not policy.include_code:
        return Proof()
    sources = tuple(policy.source_dependencies)
    units, labels = _units(step, sources)
    return Proof(sources, units, tuple(sorted(_modules(labels))))


def pack(body: Body, proof: Proof, *, by_value: bool = False) -> bytes:
    """A body as bytes that a worker makes a body of.

    Args:
        by_value: whether code of the user's modules travels, too, instead of the names of the modules.

    Raises:
        WorkerError: something that the step uses cannot be sent.
    """
    surroundings = body.surroundings
    parcel = _Parcel(
        step=replace(body.step, cache_policy=None),
        node=body.node,
        sources={argument: _portable(source) for argument, source in body.sources.items()},
        materializers=tuple(_materializers(body.step)),
        paths=body.paths,
        parameters=body.parameters,
        pipeline=surroundings.pipeline,
        artifacts=surroundings.artifacts.opening,
        beam_pipeline_args=surroundings.beam_pipeline_args,
        proof=proof,
    )
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, frozenset(proof.modules) if by_value else frozenset())
    try:
        with _sent_by_value(proof.modules if by_value else ()):
            pickler.dump(parcel)
    except Exception as error:
        raise WorkerError(
            f"A step cannot be sent to a worker: {error_text(error)}.",
            facts={"step": body.node},
            hint="Create inside the step what cannot be pickled, or move the step to a module that "
            "the workers can import, or use threads.",
        ) from error
    paths = tuple(path for path in sys.path if path and os.path.isdir(path))
    return pickle.dumps((proof.modules, paths, pickler.texts, buffer.getvalue()))


@contextmanager
def _sent_by_value(modules: Iterable[str]) -> Iterator[None]:
    """Inside of the block cloudpickle takes some modules for what no worker can import."""
    with _sending:
        there = [sys.modules[name] for name in modules if name in sys.modules]
        mine = [
            module for module in there if module.__name__ not in cloudpickle.list_registry_pickle_by_value()
        ]
        for module in mine:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in mine:
                cloudpickle.unregister_pickle_by_value(module)


def execute(packed: bytes) -> bytes:
    """On a worker: execute the body that :func:`pack` sent; for :func:`unpack_outcome`. Never raises."""
    try:
        outcome = _unpack(packed)()
    except BaseException as error:  # also while it is unpacked: a pool would break of it
        outcome = Outcome(error=error)
    raised = outcome.error
    told = None if raised is None else (_pickled(raised), type(raised).__name__, error_text(raised))
    answer: bytes = cloudpickle.dumps((replace(outcome, error=None), told, os.getpid()))
    return answer


def unpack_outcome(packed: bytes) -> Outcome:
    """What :func:`execute` gave. An exception that cannot travel comes as one of its name and message."""
    outcome: Outcome
    outcome, told, pid = pickle.loads(packed)
    if told is None:
        return outcome
    error = _unpickled(*told)
    if pid != os.getpid() and outcome.traceback:
        error.__cause__ = WorkerTraceback(outcome.traceback)
        if isinstance(error, InputUnreadable):
            error.error.__cause__ = error.__cause__
    return replace(outcome, error=error)


class WorkerTraceback(Exception):
    """The cause of an exception that a worker sent: where it was raised, as text."""

    def __str__(self) -> str:
        return f"on a worker:\n\n{self.args[0]}"


@dataclass(frozen=True, slots=True)
class _Parcel:
    step: Declaration
    node: str
    sources: Mapping[str, Source]
    materializers: tuple[type[BaseMaterializer], ...]
    paths: Mapping[str, Any]
    parameters: Mapping[str, Any]
    pipeline: str
    artifacts: tuple[Any, ...]
    beam_pipeline_args: tuple[str, ...]
    proof: Proof = field(default_factory=Proof)

    def body(self, artifacts: ArtifactStore) -> Body:
        for materializer in self.materializers:
            if "types" in vars(materializer):
                register(materializer)
        surroundings = Surroundings(
            self.pipeline, artifacts, None, FileFingerprints(), beam_pipeline_args=self.beam_pipeline_args
        )
        return Body(self.step, self.node, self.sources, self.paths, self.parameters, surroundings)


def _portable(source: Source) -> Source:
    """An input with the classes that a script or a notebook defines, which no worker finds by their names."""
    artifact = source.artifact
    if source.materializer is None and artifact.materializer.startswith("__main__:"):
        materializer = by_name(artifact.materializer)
        made = materializer.__new__(materializer)
        if artifact.configuration:
            vars(made).update(json_value.loads(artifact.configuration))
        source = replace(source, materializer=made)
    if artifact.python_type.startswith("__main__:"):
        types = [candidate for candidate in source.candidates if is_class(candidate)]
        kind = type_by_name(artifact.python_type, types)
        source = replace(source, candidates=(*source.candidates, kind))
    return source


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Functions of steps by the names of their steps; the text of functions that travel by value goes along.

    Code keeps the name of its file, which tells whose it is and where its text is found; from 3.1.3 on,
    cloudpickle drops it.

    Attributes:
        texts: the name of a file, or of a cell -> its text.
    """

    def __init__(self, file: io.BytesIO, by_value: frozenset[str]):
        super().__init__(file, protocol=pickle.DEFAULT_PROTOCOL)
        self.texts: dict[str, str] = {}
        self._by_value = by_value

    def reducer_override(self, obj: Any) -> Any:
        name = _SENTINELS.get(id(obj))
        if name is not None:
            return getattr, (dataclasses, name)
        if isinstance(obj, CodeType):
            return _code_of_file, (obj.co_filename, *self.dispatch_table[CodeType](obj))
        if isinstance(obj, FunctionType) and is_user_code(obj):
            if obj.__module__ not in self._by_value and _is_named_step(obj):
                return _function_of_step, (obj.__module__, obj.__qualname__)
            filename = obj.__code__.co_filename
            if filename not in self.texts:
                self.texts[filename] = "".join(linecache.getlines(filename, obj.__globals__))
        return super().reducer_override(obj)


def _code_of_file(filename: str, make: Callable[..., CodeType], arguments: tuple[Any, ...]) -> CodeType:
    return make(*arguments).replace(co_filename=filename)


def _is_named_step(function: FunctionType) -> bool:
    """Whether a function is that of a step which its module holds under the function's name."""
    if function.__module__ in (None, "__main__") or "<" in function.__qualname__:
        return False
    try:
        return _function_of_step(function.__module__, function.__qualname__, imported=True) is function
    except (AttributeError, KeyError):
        return False


def _function_of_step(module: str, qualname: str, *, imported: bool = False) -> Callable[..., Any]:
    found: Any = sys.modules[module] if imported else importlib.import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    return typing.cast("Callable[..., Any]", found.declaration.function)


# -- on the worker


def _unpack(packed: bytes) -> Body:
    modules, paths, texts, parcel = pickle.loads(packed)
    with _importing:
        sys.path += [path for path in paths if path not in sys.path]
        for name, text in texts.items():
            if not os.path.exists(name):
                linecache.cache.setdefault(name, (len(text), None, text.splitlines(True), name))
        # What was imported before anything noted the state of its file may be older than the file.
        _forget(name for name in modules if not _is_known(sys.modules.get(name)))
        unpacked = _checked(parcel)
        if unpacked is None:
            old = _forget(modules)
            try:
                unpacked = _checked(parcel)
            finally:
                if unpacked is None:
                    sys.modules.update(old)
        if unpacked is None:
            raise _other_code(parcel)
    return unpacked.body(artifact_store_at(*unpacked.artifacts))


def _checked(parcel: bytes) -> _Parcel | None:
    """What was sent, or ``None`` if the code that is imported here is other code."""
    try:
        unpacked: _Parcel = pickle.loads(parcel)
    except (ImportError, AttributeError) as error:
        raise WorkerError(
            f"A worker cannot import the code of a step: {error_text(error)}.",
            facts={"worker": _place()},
            hint="Install or copy the module to where the worker finds it, in the version used here.",
        ) from error
    return None if _differences(unpacked) else unpacked


def _differences(parcel: _Parcel) -> list[str]:
    """The labels of the units that are other ones here."""
    expected = parcel.proof.units
    if expected is None:
        return []
    found, _ = _units(parcel.step, parcel.proof.sources)
    return sorted({label for label, _, _ in found ^ expected})


def _other_code(parcel: bytes) -> OtherCode:
    unpacked: _Parcel = pickle.loads(parcel)
    differences = _differences(unpacked)
    shown = ", ".join(differences[:5]) + (" ..." if len(differences) > 5 else "")
    return OtherCode(
        "A worker has other code than the run that asks it.",
        facts={"step": unpacked.node, "differs": shown, "worker": _place()},
        hint="Bring the worker's files up to date, or restart this process if they were edited meanwhile.",
    )


def _forget(modules: Iterable[str]) -> dict[str, ModuleType]:
    """Take the user's modules out of what is imported; who holds them keeps them."""
    importlib.invalidate_caches()
    linecache.checkcache()
    old = {name: sys.modules.pop(name) for name in modules if name in sys.modules}
    for module in old.values():
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            unobserve(file)
    return old


def _is_known(module: ModuleType | None) -> bool:
    file = getattr(module, "__file__", None)
    return not isinstance(file, str) or was_observed(file)


def _place() -> str:
    return f"process {os.getpid()} on {os.uname().nodename}"


# -- what code a step reaches


def _units(step: Declaration, sources: tuple[Any, ...]) -> tuple[frozenset[_Unit], set[str]]:
    """The units that do not travel by value, and the labels of all."""
    extra = [*([step.config[1]] if step.config else []), *sources, *_classes(step)]
    units = code_of(step.function, extra=extra, with_defaults=False).units
    labels = [unit.label for unit in units]
    found = frozenset(
        (unit.label, unit.content, tuple(labels[place] for place in unit.links))
        for unit in units
        if not unit.label.startswith("__main__.")
    )
    return found, set(labels)


def _classes(step: Declaration) -> list[type]:
    """The user's classes that loading and saving may use."""
    annotations = [*step.outputs.values(), *step.arguments.values()]
    kinds = [kind for annotation in annotations for kind in _members(annotation)]
    kinds += [type(materializer) for materializer in step.materializers.values()]
    kinds += _materializers(step)
    return [kind for kind in dict.fromkeys(kinds) if is_user_code(kind)]


def _materializers(step: Declaration) -> list[type[BaseMaterializer]]:
    """The user's materializers that may save an output: any of them where only the value can decide."""
    found = [find(annotation) for annotation in step.outputs.values()]
    chosen = [kind for kind in found if kind is not None]
    chosen += user_materializers() if None in found else []
    return [kind for kind in dict.fromkeys(chosen) if is_user_code(kind)]


def _members(annotation: Any) -> Iterator[type]:
    if is_class(annotation):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _members(argument)


def _modules(labels: Iterable[str]) -> set[str]:
    """The user's modules that labels such as ``package.module.function`` name, with their packages."""
    names: set[str] = set()
    for label in labels:
        parts = label.partition(" ")[0].split(".")
        names |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    modules = {name: sys.modules.get(name) for name in names - {"__main__"}}
    return {name for name, module in modules.items() if module is not None and is_user_code(module)}


def _pickled(error: BaseException) -> bytes:
    """An exception as bytes; empty if it does not come back from them."""
    try:
        pickled: bytes = cloudpickle.dumps(error)
        return pickled if isinstance(pickle.loads(pickled), type(error)) else b""
    except Exception:
        return b""


def _unpickled(pickled: bytes, name: str, text: str) -> BaseException:
    with suppress(Exception):
        error = pickle.loads(pickled)
        if isinstance(error, BaseException):
            return error
    stand_in: BaseException = type(name, (Exception,), {})(text.partition(": ")[2])
    return stand_in
