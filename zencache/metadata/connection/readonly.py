"""A connection that only reads: what would write raises, and a SQLite file is opened so that it cannot."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from zencache.exceptions import MetadataStoreError, ReadOnlyError
from zencache.metadata.connection.address import Address
from zencache.metadata.connection.contract import Connection
from zencache.metadata.connection.sqlite import SqliteConnection
from zencache.metadata.connection.stock import open_stock_store

T = TypeVar("T")
_State = tuple[tuple[int, int, int, int] | None, ...]


def _refusal(url: str) -> ReadOnlyError:
    return ReadOnlyError(
        "This repository is only read.",
        facts={"metadata": url},
        hint='Open it without mode="r", or use a repository of your own that reads from it.',
    )


class ReadOnlyConnection(Connection):
    """Another connection, to be read."""

    def __init__(self, connection: Connection):
        super().__init__(connection.address)
        self._connection = connection

    @property
    def store(self) -> Any:
        return self._connection.store

    @property
    def exists(self) -> bool:
        return self._connection.exists

    def read(self, call: Callable[[Any], T]) -> T:
        return self._connection.read(call)

    def write(
        self, call: Callable[[Any], T], found: Callable[[Any], T | None] | None = None, *, once: bool = False
    ) -> T:
        raise _refusal(self.url)


class ReadOnlySqlite(SqliteConnection):
    """A SQLite file of which nothing is written: no row, no lock file, no ``-wal`` or ``-shm`` beside it.

    While others write, the file has a ``-wal`` beside it, and SQLite's own locks do what is needed.
    Without one it is opened as immutable, since SQLite would make that file; as soon as the file changes or
    gets a log, it is opened anew.
    """

    def __init__(self, address: Address):
        super().__init__(address)
        self._state: _State | None = None

    def write(
        self, call: Callable[[Any], T], found: Callable[[Any], T | None] | None = None, *, once: bool = False
    ) -> T:
        raise _refusal(self.url)

    def _open(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2 as proto

        if not self.exists:
            raise MetadataStoreError(
                "There is no metadata store to read.",
                facts={"metadata": self.url},
                hint="Check the path, or run a pipeline there first.",
            )
        self._state = self._state_now()
        config = proto.ConnectionConfig()
        config.sqlite.connection_mode = proto.SqliteMetadataSourceConfig.READONLY
        config.retry_options.max_num_retries = 1
        if self._has_log:
            config.sqlite.filename_uri = f"file:{quote(str(self.path))}?mode=ro"
            try:
                return open_stock_store(config, self)
            except MetadataStoreError:
                if os.path.getsize(f"{self.path}-wal"):
                    raise  # an empty one that a dead process left says nothing
        config.sqlite.filename_uri = f"file:{quote(str(self.path))}?immutable=1"
        return open_stock_store(config, self)

    def _is_stale(self) -> bool:
        return self._state is None or self._state_now() != self._state

    @property
    def _has_log(self) -> bool:
        return os.path.exists(f"{self.path}-wal")

    def _state_now(self) -> _State:
        """What tells a change: of the file, and of its log unless it has one, where SQLite sees to it."""
        file = _state_of(str(self.path))
        if self._has_log:
            return (file and (file[0], 0, 0, 0)), (0, 0, 0, 0)
        return file, None


def _state_of(path: str) -> tuple[int, int, int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
