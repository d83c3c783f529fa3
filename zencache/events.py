"""What happens in a run, as values: logs, progress, reports and tests all listen to the same events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zencache.entity import Decision


@dataclass(frozen=True, slots=True)
class Event:
    """Something that will happen or did happen; ``run`` is the name of the run it belongs to."""

    run: str


@dataclass(frozen=True, slots=True)
class WillRun(Event):
    pipeline: str
    steps: int


@dataclass(frozen=True, slots=True)
class WillDecide(Event):
    step: str


@dataclass(frozen=True, slots=True)
class DidHit(Event):
    step: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class DidMiss(Event):
    step: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class WillWait(Event):
    """Another run executes a step with the same key; its result will be taken when it is there.

    ``owner`` is the process that executes it, as ``host (process 42)``, and ``owner_run`` its run.
    """

    step: str
    owner: str
    owner_run: str


@dataclass(frozen=True, slots=True)
class DidTakeOver(Event):
    """Another run had begun to execute a step with the same key, and died: this run executes it."""

    step: str
    owner: str
    owner_run: str
    because: str


@dataclass(frozen=True, slots=True)
class DidLoseLease(Event):
    """Another run took over a step that this one executed: what it made is not recorded."""

    step: str
    error: Exception


@dataclass(frozen=True, slots=True)
class WillExecute(Event):
    step: str


@dataclass(frozen=True, slots=True)
class DidPublish(Event):
    step: str
    output: str
    uri: str
    size: int


@dataclass(frozen=True, slots=True)
class DidNotKeep(Event):
    """The result of a step is used in this run and does not become a cache entry."""

    step: str
    because: str


@dataclass(frozen=True, slots=True)
class DidFinish(Event):
    step: str
    duration: float
    cached: bool


@dataclass(frozen=True, slots=True)
class DidFail(Event):
    step: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class WillRetry(Event):
    """A step raised, or its worker died: its try number ``tries``, of at most ``of``, comes."""

    step: str
    error: BaseException
    tries: int
    of: int


@dataclass(frozen=True, slots=True)
class DidSkip(Event):
    """A step does not run in this run; ``because`` says why, as the second half of a sentence."""

    step: str
    because: str


@dataclass(frozen=True, slots=True)
class DidFindUnusable(Event):
    """A hit whose bytes turned out to be missing, damaged or unloadable when they were read."""

    step: str
    output: str
    error: Exception


@dataclass(frozen=True, slots=True)
class WillRecordUnsigned(Event):
    """Signatures are required here, and what this run records will have no accepted one."""

    because: str


@dataclass(frozen=True, slots=True)
class DidVerify(Event):
    """A hit was executed again; ``differences`` is empty if it gave the same."""

    step: str
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DidGiveQuarantined(Event):
    """A step ran and gave content that is quarantined; ``reason`` is what is wrong with it."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class DidClearRun(Event):
    """A run whose process had died was cleared: its running executions are canceled now."""

    dead_run: str
    canceled: int


@dataclass(frozen=True, slots=True)
class DidRun(Event):
    pipeline: str
    status: str
    duration: float
    saved: float
    cached: int
    executed: int
    failed: int
    skipped: int


Listener = Callable[[Event], None]
_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("zencache_listeners", default=())


def emit(event: Event) -> None:
    """Give an event to every listener of the current context."""
    for listener in _listeners.get():
        listener(event)


@contextmanager
def listening(*listeners: Listener) -> Iterator[None]:
    """Add listeners for the length of a ``with`` block."""
    token = _listeners.set(_listeners.get() + listeners)
    try:
        yield
    finally:
        _listeners.reset(token)
