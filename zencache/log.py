"""The log lines of a run, on the logger ``zencache``."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO

from zencache import events
from zencache.exceptions import error_text
from zencache.visible import visible

logger = logging.getLogger("zencache")
_NEWLINE = "\n"


if TYPE_CHECKING:
    _TextHandler = logging.StreamHandler[TextIO]
else:  # it takes no parameter at run time before Python 3.11
    _TextHandler = logging.StreamHandler


_PLAIN = logging.Formatter("%(message)s")


class _StderrHandler(_TextHandler):
    """Shows lines on stderr, whatever stderr is at that moment, unless something else shows them there."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(_PLAIN)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """StreamHandler sets it; ours is always the current one."""

    def emit(self, record: logging.LogRecord) -> None:
        others = [handler for handler in logger.handlers if handler is not self]
        root = logging.getLogger().handlers if logger.propagate else []
        shown = any(
            getattr(h, "stream", None) in (sys.stderr, sys.stdout) and h.level <= record.levelno for h in root
        )
        if not others and not shown:
            super().emit(record)

    @property
    def is_alone(self) -> bool:
        """Whether nobody but this handler, as it was made, would see a record of the logger."""
        return (
            logger.handlers == [self]
            and not (logger.propagate and logging.root.handlers)
            and not (logger.filters or self.filters or self.level)
            and self.formatter is _PLAIN
            and logging.getLogRecordFactory() is logging.LogRecord
            and all(
                _is_of_logging(method) for method in (logger.makeRecord, logger.handle, logger.callHandlers)
            )
        )

    def show(self, line: str) -> bool:
        """Write a line as :meth:`emit` writes that of a record; whether that went well."""
        self.acquire()
        try:
            self.stream.write(line + self.terminator)
            self.stream.flush()
        except Exception:
            return False
        finally:
            self.release()
        return True


def _is_of_logging(method: Any) -> bool:
    """Whether nobody has put something else in its place, as Sentry does to see every record."""
    return getattr(method, "__globals__", None) is vars(logging)


def configure() -> None:
    """Send the lines of runs to stderr, unless the application has configured this logger."""
    if not logger.handlers and logger.level == logging.NOTSET:
        logger.addHandler(_StderrHandler())
        logger.setLevel(logging.INFO)


def _info(text: str, *arguments: object) -> None:
    """As ``logger.info`` for the lines of every step, without a search of the stack for who says them.

    Where nobody would see more of a record than its line, none is made.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    ours = logger.handlers[0] if logger.handlers else None
    if isinstance(ours, _StderrHandler) and ours.is_alone and ours.show(text % arguments):
        return
    record = logger.makeRecord(
        logger.name, logging.INFO, __file__, 0, text, arguments, None, log_event.__name__
    )
    logger.handle(record)


def log_event(event: events.Event) -> None:
    """The line of an event, if it has one."""
    match event:
        case events.WillDecide(step=step):
            _info("Step `%s` has started.", step)
        case events.DidHit(step=step):
            _info("Using cached version of `%s`.", step)
        case events.WillWait(step=step, owner=owner, owner_run=run):
            logger.info(
                "Step `%s` is being executed by run `%s` on %s; waiting for its result.", step, run, owner
            )
        case events.DidTakeOver(step=step, owner=owner, owner_run=run, because=because):
            logger.warning("Step `%s` is taken over from run `%s` on %s: %s.", step, run, owner, because)
        case events.DidLoseLease(step=step):
            logger.warning(
                "The result of `%s` came too late and is not kept: another run has taken the step over.", step
            )
        case events.DidFinish(step=step, duration=duration):
            _info("Step `%s` has finished in %.3fs.", step, duration)
        case events.DidFail(step=step, error=error):
            logger.error("Step `%s` has failed: %s", step, visible(error_text(error), keep=_NEWLINE))
        case events.WillRetry(step=step, error=error, tries=tries, of=of):
            text = visible(error_text(error), keep=_NEWLINE)
            logger.warning("Step `%s` is tried again (%d of %d), for it failed: %s", step, tries, of, text)
        case events.DidSkip(step=step, because=because):
            logger.warning("Step `%s` is skipped: %s.", step, because)
        case events.DidFindUnusable(step=step, output=output, error=error):
            problem = str(error).splitlines()[0]
            logger.warning("The cached output `%s` of `%s` cannot be used: %s", output, step, problem)
        case events.WillRecordUnsigned(because=because):
            logger.warning("What this run records will not be reused here: %s.", because)
        case events.DidVerify(step=step, differences=differences) if differences:
            logger.warning("Step `%s` does not give the same result twice: %s.", step, "; ".join(differences))
        case events.DidGiveQuarantined(step=step, reason=reason):
            logger.warning("Step `%s` has given quarantined content again: %s", step, reason)
        case events.DidNotKeep(step=step, because=because):
            logger.warning("The result of `%s` is not kept for later runs: %s.", step, because)
        case events.DidClearRun(dead_run=dead_run, canceled=canceled):
            steps = "step is" if canceled == 1 else "steps are"
            rest = f"{canceled} running {steps} canceled" if canceled else "none of its steps was running"
            logger.warning("Pipeline run `%s` had died; %s.", dead_run, rest)
        case events.DidRun(run=run, status=status, duration=duration):
            rest = f", {event.failed} failed" if event.failed else ""
            rest += f", {event.skipped} skipped" if event.skipped else ""
            logger.info(
                "Pipeline run `%s` %s in %.1fs (%d cached, %d executed%s, saved %.1fs).",
                run,
                {"completed": "has finished", "canceled": "was canceled"}.get(status, f"has {status}"),
                duration,
                event.cached,
                event.executed,
                rest,
                event.saved,
            )
