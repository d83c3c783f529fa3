"""The body of one execution: load the inputs, call the function, publish the outputs. It may be elsewhere.

Only small facts go in and come out; the bytes go between the artifact store and whoever runs the body.
"""

from __future__ import annotations

import copy
import signal
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zencache import artifact_value
from zencache.call import calling, publish
from zencache.declaration import Declaration
from zencache.entity import Artifact
from zencache.exceptions import ArtifactUnusable, MaterializerError
from zencache.materializer import ArtifactType, BaseMaterializer
from zencache.redaction import redacted
from zencache.resource import Surroundings


@dataclass(frozen=True, slots=True)
class Source:
    """Where an input comes from, and how it is loaded.

    Args:
        artifact: what was recorded of it.
        materializer: the one that a step configured, if its producer did.
        candidates: types that are preferred to importing the recorded one, if they bear its name.
    """

    artifact: Artifact
    materializer: BaseMaterializer | None = None
    candidates: tuple[Any, ...] = ()


class InputUnreadable(Exception):
    """An input could not be loaded; ``__cause__`` is why."""

    def __init__(self, argument: str, error: Exception):
        super().__init__(argument, error)
        self.argument = argument
        self.error = error


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a body.

    Args:
        saved: output -> its artifact, which is not recorded yet, and its type.
        seconds: how long it took.
        error: what it raised, :class:`InputUnreadable` among it; ``None`` if it gave its outputs.
        traceback: of the error, as text.
    """

    saved: Mapping[str, tuple[Artifact, ArtifactType]] = field(default_factory=dict)
    seconds: float = 0.0
    error: BaseException | None = None
    traceback: str = ""


@dataclass(slots=True)
class Body:
    """One use of a step with everything that it is given. Calling it never raises.

    Args:
        step: the step.
        node: its name in the run.
        sources: argument -> where it is loaded from.
        paths: argument -> the path, or the paths, of an external file.
        parameters: field or argument -> value.
        surroundings: where the call takes place.
    """

    step: Declaration
    node: str
    sources: Mapping[str, Source]
    paths: Mapping[str, Any]
    parameters: Mapping[str, Any]
    surroundings: Surroundings
    _loaded: dict[str, Any] | None = None

    def load(self) -> dict[str, Any]:
        """What the function is called with: its own copy of each input, and its parameters.

        Raises:
            InputUnreadable: the bytes of an input cannot be used.
        """
        arguments = {argument: self._load(argument, source) for argument, source in self.sources.items()}
        arguments |= self.paths
        parameters = copy.deepcopy(dict(self.parameters))
        if self.step.config is not None:
            name, config_class = self.step.config
            fields = {field: parameters.pop(field) for field in self.step.config_fields}
            arguments[name] = config_class(**fields)
        return arguments | parameters

    def prepare(self) -> None:
        """Load now what the next call takes; raises as :meth:`load`."""
        self._loaded = self.load()

    def __call__(self) -> Outcome:
        started = time.perf_counter()
        try:
            arguments = self.load() if self._loaded is None else self._loaded
            self._loaded = None
            with calling(self.step, self.node, arguments, self.surroundings) as made:
                saved = publish(made, self.surroundings)
        except BaseException as raised:
            error = _as_raised(raised)
            return Outcome(
                seconds=time.perf_counter() - started, error=error, traceback=traceback_text(error)
            )
        return Outcome(saved, time.perf_counter() - started)

    def _load(self, argument: str, source: Source) -> Any:
        try:
            return artifact_value.load(
                self.surroundings.artifacts,
                source.artifact,
                materializer=source.materializer,
                candidates=source.candidates,
            )
        except (ArtifactUnusable, MaterializerError) as error:
            raise InputUnreadable(argument, error) from error


def _as_raised(error: BaseException) -> BaseException:
    """A StopIteration of the user's as it was raised: a generator turns it into a RuntimeError."""
    cause = error.__cause__
    if type(error) is RuntimeError and isinstance(cause, StopIteration):
        return cause if str(error) == "generator raised StopIteration" else error
    return error


def is_failure(error: BaseException) -> bool:
    """Whether a step failed, as one that calls ``sys.exit`` does; else the program is being ended.

    A signal's handler may call ``sys.exit``, too, and does so wherever the program happens to be.
    """
    if not isinstance(error, SystemExit):
        return isinstance(error, Exception)
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {getattr(handler, "__code__", None) for handler in handlers} - {None}
    return not any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


def traceback_text(error: BaseException) -> str:
    """The traceback of an exception, even of one that cannot be shown; without passwords."""
    try:
        return redacted("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    except Exception:
        return "".join(traceback.format_tb(error.__traceback__))
