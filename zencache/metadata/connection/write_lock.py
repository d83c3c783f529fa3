"""One writer at a time in a file of metadata, whichever process it is in."""

from __future__ import annotations

import fcntl
import os
import random
import time
from contextlib import suppress
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_FIRST_PAUSE = 0.0005  # seconds between two looks at a lock that another process holds; it grows
_LONGEST_PAUSE = 0.02  # seconds


class WriteLock:
    """An advisory ``flock(2)`` on a file that stays open: to take and to release it are a few system calls.

    A thread may take it several times; several threads must not use it at once. It works beside the lock of
    another process that opens and locks the file by the same call, and goes with its process.

    Args:
        path: the lock file; made, if it is not there, for its owner only.
        timeout: seconds that one waits for it.
    """

    def __init__(self, path: Path, timeout: float):
        self.path = path
        self._timeout = timeout
        self._handle = -1
        self._depth = 0

    def take(self) -> None:
        """Wait for it.

        Raises:
            TimeoutError: another process has held it all the time.
            OSError: the file cannot be opened, or its file system has no locks.
        """
        if self._depth == 0:
            self._take()
        self._depth += 1

    def release(self) -> None:
        """Leave it to others, if it was taken no more often than released."""
        self._depth -= 1
        if self._depth == 0:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def abandon(self) -> None:
        """In a child process: leave the file to the parent, and with it the lock that the parent may have."""
        self._close()
        self._depth = 0

    def _take(self) -> None:
        until = time.monotonic() + self._timeout
        pause = _FIRST_PAUSE
        while True:
            if self._handle < 0:
                self._handle = os.open(self.path, _FLAGS, 0o600)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise TimeoutError from None
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            except BaseException:
                self._close()
                raise
            if self._is_in_place():
                return
            self._close()  # somebody deleted the file: who comes now locks another one

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._handle), os.stat(self.path))
        except OSError:
            return False

    def _close(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):
                os.close(handle)

    def __del__(self) -> None:
        self._close()
