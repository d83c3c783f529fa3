"""A metadata store in a SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from zencache.exceptions import MetadataStoreError
from zencache.metadata.connection.address import Address
from zencache.metadata.connection.contract import Connection
from zencache.metadata.connection.stock import open_stock_store
from zencache.metadata.connection.write_lock import WriteLock
from zencache.permission import make_file, make_folder

T = TypeVar("T")

_LOCK_TIMEOUT = 60.0  # seconds that a writer waits for another process's transaction


class SqliteConnection(Connection):
    """A SQLite file in WAL mode, with a lock file around its creation and around every write.

    MLMD begins its transactions as readers, so two writers meet in a deadlock that SQLite answers at
    once with an error and the stock client with two seconds of sleep: hence our own lock.
    """

    def __init__(self, address: Address):
        super().__init__(address)
        self.path = Path(address.path)
        self._lock = WriteLock(Path(f"{self.path}.lock"), _LOCK_TIMEOUT)
        self._inode: tuple[int, int] | None = None

    @property
    def exists(self) -> bool:
        return os.path.exists(self.path)

    def write(
        self, call: Callable[[Any], T], found: Callable[[Any], T | None] | None = None, *, once: bool = False
    ) -> T:
        with self._guard, self._locked():
            return self._call(call, found, once)

    def abandon(self) -> None:
        super().abandon()
        self._lock.abandon()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._lock.take()
        except TimeoutError as error:
            raise MetadataStoreError(
                f"Another process has been writing for more than {_LOCK_TIMEOUT:.0f} s.",
                facts={"metadata": self.url, "lock": self._lock.path},
                hint="Wait for it, or end the process that holds the lock file open.",
            ) from error
        except OSError as error:
            raise self._cannot_open(f"its lock file cannot be locked ({error.strerror})") from error
        try:
            yield
        finally:
            self._lock.release()

    def _open(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2

        self._check_path()
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(self.path)
        config.retry_options.max_num_retries = 1
        with self._locked():
            make_file(self.path)  # SQLite gives the files beside it the same mode
            if not _is_open_here(self.path):
                self._check_content()
            store = open_stock_store(config, self)
        self._inode = self._inode_now()
        return store

    def _is_stale(self) -> bool:
        """Somebody deleted or replaced the file: what is written to the open one would be lost."""
        return self._inode_now() != self._inode

    def _inode_now(self) -> tuple[int, int] | None:
        try:
            stat = os.stat(self.path)
        except OSError:
            return None
        return stat.st_dev, stat.st_ino

    def _check_path(self) -> None:
        if os.path.isdir(self.path):
            raise self._cannot_open("it is a folder", hint="Name a file in that folder, such as metadata.db.")
        try:
            make_folder(self.path.parent)
            make_file(self._lock.path)
        except OSError as error:
            raise self._cannot_open(f"its folder cannot be made ({error.strerror})") from error
        place = self.path if os.path.exists(self.path) else self.path.parent
        if not os.access(place, os.R_OK | os.W_OK):
            raise self._cannot_open("it may not be read and written by this user")

    def _check_content(self) -> None:
        """Switch a new file to WAL; refuse one that is not MLMD's, before MLMD adds its tables to it.

        Python's own SQLite may touch the file only while nothing else in this process has it open:
        two copies of SQLite in one process do not see each other's locks.
        """
        try:
            database = sqlite3.connect(self.path, isolation_level=None)
            try:
                tables = {
                    row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
                }
                if not tables:
                    database.execute("PRAGMA journal_mode=WAL").fetchone()
            finally:
                database.close()
        except sqlite3.DatabaseError as error:
            raise self._cannot_open(str(error)) from error
        if tables and "MLMDEnv" not in tables:
            shown = ", ".join(sorted(tables)[:3])
            raise self._cannot_open(f"it is a database of something else (tables {shown})")

    def _cannot_open(self, problem: str, hint: str | None = None) -> MetadataStoreError:
        return MetadataStoreError(
            f"The metadata store cannot be opened: {problem}.",
            facts={"metadata": self.url, "expected": "a file that ML Metadata made, or a new one"},
            hint=hint or "Give another file, for example with ZENCACHE_METADATA=sqlite:///metadata.db.",
        )


def _is_open_here(path: Path) -> bool:
    """Whether this process has a file open already, through whatever library."""
    try:
        target = os.path.realpath(path)
        return any(os.path.realpath(f"/proc/self/fd/{fd}") == target for fd in os.listdir("/proc/self/fd"))
    except OSError:
        return False
