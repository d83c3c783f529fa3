"""On a terminal: one status line below the output while a step takes long.

The line is wiped before anything else is written to the terminal, and painted only while the output
stands at the beginning of a line, so that a training loop's own progress bar is never broken.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from zencache import events

_PATIENCE = 1.0  # seconds that a step runs, and the terminal is quiet, before the line is painted
_REPAINT = 0.2  # seconds
_WIPE = "\r\x1b[2K"
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class _StatusLine:
    """The line, and what is known of the run: steps that ended, and those that run."""

    def __init__(self, terminal: TextIO):
        self._terminal = terminal
        self._lock = threading.RLock()
        self._is_painted = False
        self._at_line_start = True
        self._last_output = 0.0
        self._ended = 0
        self._steps = 0
        self._running: dict[str, float] = {}

    def listen(self, event: events.Event) -> None:
        match event:
            case events.WillRun(steps=steps):
                self._steps = steps
            case events.WillExecute(step=step):
                self._running[step] = time.monotonic()
            case events.DidFinish(step=step) | events.DidFail(step=step) | events.DidSkip(step=step):
                self._running.pop(step, None)
                self._ended += 1

    def write(self, stream: TextIO, text: str) -> int:
        """Pass on what something else writes to the terminal."""
        with self._lock:
            self.wipe()
            written = stream.write(text)
            if text:
                self._at_line_start = text.endswith("\n")
            self._last_output = time.monotonic()
            return written

    def paint(self) -> None:
        now = time.monotonic()
        with self._lock:
            running = min(self._running.items(), key=lambda item: item[1], default=None)
            others = f" and {len(self._running) - 1} more" if len(self._running) > 1 else ""
            is_quiet = self._at_line_start and now - self._last_output > _PATIENCE
            if running is None or not is_quiet or now - running[1] < _PATIENCE:
                return
            step, since = running
            frame = _FRAMES[int(now / _REPAINT) % len(_FRAMES)]
            self._terminal.write(
                f"{_WIPE}{frame} {step} {now - since:.0f}s{others}, "
                f"{self._ended} of {self._steps} steps done\r"
            )
            self._terminal.flush()
            self._is_painted = True

    def wipe(self) -> None:
        with self._lock:
            if self._is_painted:
                self._terminal.write(_WIPE)
                self._terminal.flush()
                self._is_painted = False


class _Passing:
    """A text stream that wipes the status line before it writes; in all else it is the stream itself."""

    def __init__(self, stream: TextIO, line: _StatusLine):
        self._stream = stream
        self._line = line

    def write(self, text: str) -> int:
        return self._line.write(self._stream, text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def showing_progress() -> Iterator[None]:
    """Show the status line inside the block, if stderr is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    stdout, stderr = sys.stdout, sys.stderr
    line = _StatusLine(stderr)
    stop = threading.Event()

    def repaint() -> None:
        while not stop.wait(_REPAINT):
            line.paint()

    painter = threading.Thread(target=repaint, name="zencache-progress", daemon=True)
    painter.start()
    sys.stderr = _Passing(stderr, line)
    if stdout.isatty():
        sys.stdout = _Passing(stdout, line)
    try:
        with events.listening(line.listen):
            yield
    finally:
        stop.set()
        painter.join()
        line.wipe()
        sys.stdout, sys.stderr = stdout, stderr
