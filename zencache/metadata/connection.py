"""One open connection to a metadata store: how it is opened, guarded, and opened anew."""

from __future__ import annotations

import collections
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import filelock

from zencache.exceptions import ConfigurationError, MetadataStoreError

T = TypeVar("T")

_LOCK_TIMEOUT = 60.0  # seconds that a writer waits for another process's transaction
_ATTEMPTS = 5
_BACK_OFF = 0.005  # seconds, times the number of the attempt

# One connection for each database in a process: SQLite's locks belong to the process.
_connections: weakref.WeakValueDictionary[tuple[int, str], Connection] = weakref.WeakValueDictionary()
# The last few SQLite files stay open, so that the next run finds types and pages where they were.
_kept: collections.deque[Connection] = collections.deque(maxlen=4)
_opening = threading.RLock()


def connect(url: str) -> Connection:
    """The connection of this process to a metadata store.

    Args:
        url: ``sqlite:///relative``, ``sqlite:////absolute``, a path, or ``memory://[name]``.

    Raises:
        ConfigurationError: the URL is not understood.
        MetadataStoreError: it cannot be opened: a folder, not a database, not MLMD's, no permission.
    """
    scheme, path = parse_url(url)
    key = (os.getpid(), f"memory://{path}" if scheme == "memory" else os.path.realpath(path))
    with _opening:
        connection = _connections.get(key)
        if connection is None:
            connection = MemoryConnection(path) if scheme == "memory" else SqliteConnection(Path(path))
            _connections[key] = connection
            if isinstance(connection, SqliteConnection):
                _kept.append(connection)
        return connection


def parse_url(url: str) -> tuple[str, str]:
    """``(scheme, path)`` of a metadata URL; the path of an SQLite file is absolute.

    >>> parse_url("sqlite:////data/metadata.db")
    ('sqlite', '/data/metadata.db')
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "sqlite", str(Path(url).expanduser().absolute())
    if scheme == "memory":
        return scheme, rest
    if scheme == "sqlite":
        if not rest.startswith("/") or rest == "/":
            raise ConfigurationError(
                "An SQLite URL names a file after three slashes, or four for an absolute path.",
                facts={"metadata": url},
                hint="For example sqlite:///metadata.db or sqlite:////data/metadata.db.",
            )
        return scheme, str(Path(rest[1:]).expanduser().absolute())
    raise ConfigurationError(
        f"There is no metadata store for `{scheme}://`.",
        facts={"metadata": url},
        hint="Use sqlite:///relative/path, sqlite:////absolute/path, a plain path, or memory://.",
    )


class Connection:
    """Calls to one stock ``ml_metadata.MetadataStore``, one at a time."""

    def __init__(self, url: str):
        self.url = url
        self.type_ids: dict[tuple[str, str], int] = {}
        self._guard = threading.RLock()
        self._store: Any = None
        self._pid = 0

    @property
    def store(self) -> Any:
        """The stock client. It is opened anew after an error that leaves it unusable, or a fork."""
        with self._guard:
            if self._store is None or self._pid != os.getpid() or self._is_stale():
                self._forget()
                self._store = self._open()
                self._pid = os.getpid()
            return self._store

    @property
    def exists(self) -> bool:
        """Whether the database has been made."""
        return True

    def read(self, call: Callable[[Any], T]) -> T:
        """Call with the stock client; an error becomes a MetadataStoreError, a broken client a new one."""
        from ml_metadata import errors

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._guard:
                    return call(self.store)
            except (errors.AlreadyExistsError, errors.NotFoundError):
                raise
            except errors.AbortedError as error:
                if attempt == _ATTEMPTS:
                    raise self._failure(error) from error
                time.sleep(_BACK_OFF * attempt)
            except (errors.InternalError, errors.FailedPreconditionError, errors.UnavailableError) as error:
                self._forget()
                if attempt >= 2:
                    raise self._failure(error) from error
            except errors.StatusError as error:
                raise self._failure(error) from error
        raise AssertionError("unreachable: every attempt returns, raises or is followed by another")

    def write(self, call: Callable[[Any], T]) -> T:
        """As :meth:`read`, for calls that change something."""
        return self.read(call)

    def _open(self) -> Any:
        raise NotImplementedError

    def _is_stale(self) -> bool:
        """Whether the open client no longer speaks to the database of this URL."""
        return False

    def _forget(self) -> None:
        with self._guard:
            self._store = None
            self.type_ids.clear()

    def _failure(self, error: Exception) -> MetadataStoreError:
        return MetadataStoreError(
            f"The metadata store did not answer: {_first_line(error)}.",
            facts={"metadata": self.url},
            hint="Check that its disk has space and that its file can be read and written.",
        )


class MemoryConnection(Connection):
    """A metadata store that lives as long as this process uses it."""

    def __init__(self, name: str):
        super().__init__(f"memory://{name}")

    def _open(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2

        config = metadata_store_pb2.ConnectionConfig()
        config.fake_database.SetInParent()
        return _stock_store(config, self.url)

    def _forget(self) -> None:
        """Kept whatever happens: its data would go with it."""


class SqliteConnection(Connection):
    """A SQLite file in WAL mode, with a lock file around its creation and around every write.

    MLMD begins its transactions as readers, so two writers meet in a deadlock that SQLite answers at
    once with an error and the stock client with two seconds of sleep: hence our own lock.
    """

    def __init__(self, path: Path):
        super().__init__(f"sqlite:///{path}")
        self.path = path
        self._lock = filelock.FileLock(f"{path}.lock", timeout=_LOCK_TIMEOUT, thread_local=False)
        self._inode: tuple[int, int] | None = None

    @property
    def exists(self) -> bool:
        return os.path.exists(self.path)

    def write(self, call: Callable[[Any], T]) -> T:
        with self._guard, self._locked():
            return self.read(call)

    def _locked(self) -> Any:
        try:
            return self._lock.acquire()
        except filelock.Timeout as error:
            raise MetadataStoreError(
                f"Another process has been writing for more than {_LOCK_TIMEOUT:.0f} s.",
                facts={"metadata": self.url, "lock": self._lock.lock_file},
                hint="Wait for it, or end the process that holds the lock file open.",
            ) from error
        except OSError as error:
            raise self._cannot_open(f"its lock file cannot be written ({error.strerror})") from error

    def _open(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2

        self._check_path()
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(self.path)
        config.retry_options.max_num_retries = 1
        with self._locked():
            if not _is_open_here(self.path):
                self._check_content()
            store = _stock_store(config, self.url)
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
            self.path.parent.mkdir(parents=True, exist_ok=True)
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


def _stock_store(config: Any, url: str) -> Any:
    from ml_metadata import errors
    from ml_metadata.metadata_store import metadata_store

    try:
        with _untouched_root_logger():
            return metadata_store.MetadataStore(config)
    except (RuntimeError, errors.StatusError) as error:
        raise MetadataStoreError(
            f"The metadata store cannot be opened: {_first_line(error)}.",
            facts={"metadata": url, "expected": "a database with the schema of the installed ml-metadata"},
            hint="Give another database, or install the ml-metadata version that made this one.",
        ) from error


def _first_line(error: Exception) -> str:
    """What a client says, without the query behind it, which holds the user's values."""
    text = next(iter(str(error).splitlines()), "").partition(" query:")[0]
    return text[:200] or type(error).__name__


@contextmanager
def _untouched_root_logger() -> Iterator[None]:
    """The stock client logs through absl, which gives a root logger without handlers one of its own.

    That would make a later ``logging.basicConfig`` of the application do nothing.
    """
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        yield
    finally:
        for handler in set(root.handlers) - set(before):
            root.removeHandler(handler)
