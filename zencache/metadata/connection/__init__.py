"""Open connections to metadata stores, a module for each kind: opened, guarded, and opened anew."""

from __future__ import annotations

import collections
import os
import threading
import weakref

from zencache.metadata.connection.address import Address, parse_address
from zencache.metadata.connection.contract import Connection
from zencache.metadata.connection.memory import MemoryConnection
from zencache.metadata.connection.mysql import MysqlConnection
from zencache.metadata.connection.postgresql import PostgresqlConnection
from zencache.metadata.connection.readonly import ReadOnlyConnection, ReadOnlySqlite
from zencache.metadata.connection.remote import GrpcConnection
from zencache.metadata.connection.sqlite import SqliteConnection

__all__ = ["Address", "Connection", "SqliteConnection", "connect", "connect_to_read", "parse_address"]

_KINDS: dict[str, type[Connection]] = {
    "memory": MemoryConnection,
    "sqlite": SqliteConnection,
    "mysql": MysqlConnection,
    "postgresql": PostgresqlConnection,
    "grpc": GrpcConnection,
    "grpcs": GrpcConnection,
}

# One connection for each database in a process: SQLite's locks belong to the process.
_connections: weakref.WeakValueDictionary[tuple[int, str], Connection] = weakref.WeakValueDictionary()
# The last few stay open, so that the next run finds types and pages where they were.
_kept: collections.deque[Connection] = collections.deque(maxlen=4)
_opening = threading.RLock()


def connect(url: str) -> Connection:
    """The connection of this process to a metadata store.

    Args:
        url: ``sqlite:///relative``, ``sqlite:////absolute``, a path, ``memory://[name]``,
            ``mysql://user:password@host:port/database``, ``postgresql://...``, ``grpc://host:port`` or
            ``grpcs://host:port``.

    Raises:
        ConfigurationError: the URL is not understood.
        MetadataStoreError: it cannot be opened: a folder, not a database, not MLMD's, no permission.
    """
    address = parse_address(url)
    key = (os.getpid(), address.identity)
    with _opening:
        connection = _connections.get(key)
        if connection is None:
            connection = _connections[key] = _KINDS[address.kind](address)
            if not isinstance(connection, MemoryConnection):
                _kept.append(connection)
        return connection


def connect_to_read(url: str) -> Connection:
    """A connection to a metadata store that neither writes to it nor makes it.

    Raises:
        ConfigurationError, MetadataStoreError: as :func:`connect`.
    """
    address = parse_address(url)
    return ReadOnlySqlite(address) if address.kind == "sqlite" else ReadOnlyConnection(connect(url))


def _after_fork() -> None:
    """A child must not close what it inherited: the parent's session would be ended with it."""
    global _opening
    _opening = threading.RLock()
    for connection in list(_connections.values()):
        connection.abandon()


os.register_at_fork(after_in_child=_after_fork)
