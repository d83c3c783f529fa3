"""What source texts said, remembered in a file between processes.

The file has a line per text: ``["<key>","<checksum>",{"<proof>":<answer>,...}]``, the last used last. A key
is a digest of everything that an answer depends on beside the proof: the text, Python and zencache. So a
line is never out of date, only unused, and what is damaged is as good as not there.
"""

from __future__ import annotations

import json
import os
import stat
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from blake3 import blake3

from zencache.permission import make_file

_LIMIT = 4 << 20  # bytes of the file; what was not used for the longest time is dropped first
_ABANDONED = 3600  # seconds after which a file that a killed process was writing is removed
_DIGEST = 32  # hex digits
_KEY = slice(2, 2 + _DIGEST)
_CHECKSUM = slice(_KEY.stop + 3, _KEY.stop + 3 + _DIGEST)
_CONTENT = slice(_CHECKSUM.stop + 2, -1)


class Page:
    """What is known of one text: answers by the proof of the code that they are about."""

    def __init__(self, recalled: dict[str, Any] | None = None, noted: Callable[[], None] = lambda: None):
        self._recalled = recalled or {}
        self._learnt: dict[str, Callable[[], Any]] = {}
        self._noted = noted

    def recall(self, proof: str) -> Any:
        """The answer as it was remembered, which may be anything; None if there is none."""
        return self._recalled.get(proof)

    def learn(self, proof: str, tell: Callable[[], Any]) -> None:
        """Remember what ``tell`` says when the memory is saved, as JSON; None to remember nothing."""
        self._learnt[proof] = tell
        self._noted()

    def learnt(self) -> dict[str, Any]:
        told = {proof: tell() for proof, tell in list(self._learnt.items())}
        return {proof: answer for proof, answer in told.items() if answer is not None}


class Memory:
    """The pages that a process has read from files or learnt itself."""

    def __init__(self) -> None:
        self._lines: dict[bytes, bytes] = {}
        self._pages: dict[str, Page] = {}
        self._loaded: dict[Path, tuple[int, ...]] = {}
        self._saved: dict[Path, int] = {}
        self._changes = 0
        self._lock = threading.RLock()

    def page(self, key: str) -> Page:
        """What is known under a key, 32 hex digits."""
        with self._lock:
            page = self._pages.get(key)
            if page is None:
                recalled = _content(self._lines.pop(key.encode(), b""))
                page = self._pages[key] = Page(recalled, self._note)
            return page

    def load(self, file: Path) -> None:
        """Read a file, unless it is as it was when it was last read."""
        with self._lock:
            state = _state(file)
            if state is not None and self._loaded.get(file) != state:
                self._lines |= _lines(file)
                self._loaded[file] = state

    def save(self, file: Path) -> None:
        """Add to a file what this process has learnt; that it cannot be written only costs time."""
        with self._lock:
            if self._saved.get(file, 0) == self._changes or not file.parent.is_dir():
                return
            self._saved[file] = self._changes
            lines = _lines(file)
            for key, page in self._pages.items():
                before = lines.pop(key.encode(), b"")
                answers = (_content(before) or {}) | page.learnt()
                if answers:
                    lines[key.encode()] = _line(key, answers)
        with suppress(OSError):
            _write(file, lines)

    def _note(self) -> None:
        self._changes += 1


def _state(file: Path) -> tuple[int, ...] | None:
    """The state of a file that is fit to be read."""
    try:
        found = file.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_size > 2 * _LIMIT:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _lines(file: Path) -> dict[bytes, bytes]:
    """The lines of a file by their keys, the last used last. They are checked when they are needed."""
    if _state(file) is None:
        return {}
    try:
        content = file.read_bytes()
    except OSError:
        return {}
    return {line[_KEY]: line for line in content.split(b"\n") if line}


def _line(key: str, answers: dict[str, Any]) -> bytes:
    content = json.dumps(answers, separators=(",", ":")).encode()
    return b'["%b","%b",%b]' % (key.encode(), _checksum(key.encode(), content), content)


def _content(line: bytes) -> dict[str, Any] | None:
    """The answers of a line, if it is one that was written whole."""
    content = line[_CONTENT]
    if not content or line[_CHECKSUM] != _checksum(line[_KEY], content):
        return None
    try:
        answers = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answers if isinstance(answers, dict) else None


def _checksum(key: bytes, content: bytes) -> bytes:
    return blake3(key + content).hexdigest(_DIGEST // 2).encode()


def _write(file: Path, lines: dict[bytes, bytes]) -> None:
    """Replace a file as a whole: a reader sees the old one or the new one."""
    kept: list[bytes] = []
    size = 0
    for line in reversed(lines.values()):
        if size + len(line) < _LIMIT:
            size += len(line) + 1
            kept.append(line)
    _remove_abandoned(file)
    partial = _partial(file, uuid.uuid4().hex[:8])
    try:
        make_file(partial)
        partial.write_bytes(b"".join([line + b"\n" for line in reversed(kept)]))
        os.replace(partial, file)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _remove_abandoned(file: Path) -> None:
    for partial in file.parent.glob(_partial(file, "*").name):
        with suppress(OSError):
            if partial.stat().st_mtime < time.time() - _ABANDONED:
                partial.unlink()


def _partial(file: Path, token: str) -> Path:
    return file.with_name(f".{file.name}.{token}")
