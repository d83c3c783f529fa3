"""Everything that zencache raises, in one tree and in one form.

    ZencacheError
    ├── ConfigurationError     an option, an environment variable or a setting is wrong
    ├── DeclarationError       a step or a pipeline is declared or wired wrongly; raised before anything runs
    │   └── UnfingerprintableError   a value that code or configuration uses has no faithful fingerprint
    ├── MaterializerError      a value cannot become files, or files cannot become the value
    ├── OutputError            a step returned, or wrote, something other than it declared
    ├── PropertyError          an artifact has no such property, or none of that type
    ├── ArtifactStoreError     the artifact store cannot be read or written
    │   ├── ArtifactStoreUnreachable   it does not answer, or refuses
    │   ├── ArtifactUnusable   one artifact's bytes cannot be used
    │   │   ├── ArtifactMissing      they are gone
    │   │   └── ArtifactDamaged      they are not what was recorded
    │   └── QuotaExceeded      the artifact store may not hold more
    ├── ReadOnlyError          a repository that was opened with mode="r" would be written
    ├── MetadataStoreError     the metadata store cannot be opened, read or written
    ├── SignatureError         a record is not signed by anybody whose signature is accepted
    ├── NotFoundError          no pipeline, run, step or artifact of that name
    ├── WorkerError            the workers of an executor cannot execute a step
    │   ├── OtherCode              one has other code than the run
    │   └── WorkerLost             one ended, or was lost, before it gave a result
    └── StepFailed             a step of a run raised; chained to what it raised

Each message is a sentence that says what happened, then the facts, then what to do, then where the docs
say more: the heading of this class in `docs/troubleshooting.md`.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zencache.redaction import redacted

#: The page on errors, as the docs name it; once they are published, its URL.
TROUBLESHOOTING = "troubleshooting"


class ZencacheError(Exception):
    """What went wrong, the facts, what to do about it, and where more is said.

    Passwords of URLs and the like are hidden: see :func:`zencache.redaction.redacted`.

    Args:
        message: one sentence saying what happened.
        facts: label -> value, shown one a line; ``None`` values are left out.
        hint: what the reader can do.

    >>> print(ZencacheError("The key is odd.", facts={"step": "trainer"}, hint="Use an even one."))
    The key is odd.
      step: trainer
      hint: Use an even one.
      docs: troubleshooting#zencacheerror
    """

    def __init__(self, message: str, *, facts: Mapping[str, Any] | None = None, hint: str | None = None):
        self.message = redacted(message)
        self.facts = {
            label: redacted(value) if isinstance(value, str) else value
            for label, value in (facts or {}).items()
            if value is not None
        }
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.text}\n  docs: {self.docs}"

    @property
    def text(self) -> str:
        """The message, the facts and the hint, for where another error or a record quotes this one."""
        lines = [self.message]
        lines += [f"  {label}: {value}" for label, value in self.facts.items()]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    @property
    def docs(self) -> str:
        """Where the docs say more: the page, and the heading of the nearest class of this module."""
        nearest_here = next(kind for kind in type(self).__mro__ if kind.__module__ == __name__)
        return f"{TROUBLESHOOTING}#{nearest_here.__name__.lower()}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.facts, self.hint, self.__dict__)


def _rebuild(
    kind: type[ZencacheError], message: str, facts: dict[str, Any], hint: str | None, state: dict[str, Any]
) -> ZencacheError:
    error = kind.__new__(kind)
    ZencacheError.__init__(error, message, facts=facts, hint=hint)
    error.__dict__.update(state)
    return error


class ConfigurationError(ZencacheError):
    """An option, an environment variable or a setting is wrong."""


class DeclarationError(ZencacheError):
    """A step or a pipeline is declared or wired wrongly; nothing has run."""


class UnfingerprintableError(DeclarationError):
    """A value that code or configuration uses has no faithful fingerprint."""


class MaterializerError(ZencacheError):
    """A value cannot become files, or files cannot become the value."""


class OutputError(ZencacheError):
    """A step returned, or wrote, something other than it declared."""


class PropertyError(ZencacheError, AttributeError, ValueError):
    """An artifact has no such property, or none of that type."""


class ArtifactStoreError(ZencacheError):
    """The artifact store cannot be read or written."""


class ArtifactStoreUnreachable(ArtifactStoreError):
    """The artifact store does not answer, is not there, or refuses."""


class ArtifactUnusable(ArtifactStoreError):
    """The bytes of one artifact cannot be used."""


class ArtifactMissing(ArtifactUnusable):
    """The bytes of an artifact are gone."""


class ArtifactDamaged(ArtifactUnusable):
    """The bytes of an artifact are not what was recorded."""


class QuotaExceeded(ArtifactStoreError):
    """The artifact store may not hold more."""


class ReadOnlyError(ZencacheError):
    """A repository that was opened with ``mode="r"`` would be written."""


class MetadataStoreError(ZencacheError):
    """The metadata store cannot be opened, read or written."""


class SignatureError(ZencacheError):
    """A record is not signed by anybody whose signature is accepted."""


class NotFoundError(ZencacheError, LookupError):
    """No pipeline, run, step or artifact has that name."""


class WorkerError(ZencacheError):
    """The workers of an executor cannot execute a step."""


class OtherCode(WorkerError):
    """A worker does not find the code that the cache key was made of."""


class WorkerLost(WorkerError):
    """A worker ended, or was lost, before it gave a result."""


class StepFailed(ZencacheError):
    """A step of a run raised; chained to what it raised.

    Attributes:
        step: the name of the first step, in wiring order, that failed.
        failures: step name -> exception, for every step that failed, in wiring order.
    """

    step: str
    failures: dict[str, BaseException]

    def __init__(
        self,
        message: str,
        *,
        step: str,
        failures: Mapping[str, BaseException],
        facts: Mapping[str, Any] | None = None,
        hint: str | None = None,
    ):
        super().__init__(message, facts=facts, hint=hint)
        self.step = step
        self.failures = dict(failures)

    @property
    def docs(self) -> str:
        """That of the error of zencache that the step failed with, if it was one."""
        cause = self.failures.get(self.step)
        return cause.docs if isinstance(cause, ZencacheError) else super().docs


def last_line(error: BaseException, function: Callable[..., Any]) -> str | None:
    """``file:line`` of the last line in the file of a function on the way to an error."""
    file = str(getattr(getattr(function, "__code__", None), "co_filename", ""))
    line = line_in(file, error)
    return f"{file}:{line}" if line else None


def line_in(file: str, error: BaseException) -> int | None:
    """The last line in a file on the way to an error."""
    places = traceback.walk_tb(error.__traceback__)
    return next((line for frame, line in reversed([*places]) if frame.f_code.co_filename == file), None)


def error_text(error: BaseException) -> str:
    """``Type: message`` of any exception, even one that cannot say its message; without passwords.

    >>> error_text(ValueError("no"))
    'ValueError: no'
    """
    try:
        message = redacted(error.text if isinstance(error, ZencacheError) else str(error))
    except Exception as unspeakable:
        message = f"its message cannot be shown ({type(unspeakable).__name__})"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint that offers the names nearest to a mistyped one, or lists the few there are.

    >>> nearest("epoch", ["epochs", "lr"])
    'Did you mean `epochs`?'
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if close:
        return "Did you mean " + " or ".join(f"`{match}`" for match in close) + "?"
    if known and len(known) <= 12:
        return "Known: " + ", ".join(f"`{other}`" for other in known) + "."
    return None
