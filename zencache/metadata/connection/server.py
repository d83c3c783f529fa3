"""A metadata store in a database server: sessions end, servers are started anew, transactions meet."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from zencache.exceptions import ConfigurationError, MetadataStoreError
from zencache.metadata.connection.contract import Connection, StoreAway
from zencache.metadata.connection.stock import open_stock_store

# What MLMD and PostgreSQL say while another process is making the tables.
_MAKING = (
    "concurrent connection to the empty database",
    "already exists",  # a table, an index, or the key of one in PostgreSQL's own catalogue
    "tuple concurrently updated",
    "deadlock detected",
)
_HALF_MADE = "no schema_version can be found"
_CONNECT_TIMEOUT = 5.0  # seconds in which a server has to accept a connection


class ServerConnection(Connection):
    """What MariaDB, MySQL and PostgreSQL have in common."""

    patience = 20.0
    attempts = 30
    reopenings = 8
    server = "database server"
    hint = "Check the server and its log, and run again: what had finished is reused."

    def _open_database(self, config: Any, make: Callable[[Any], Any] | None = None) -> Any:
        """Open the database, with an error that tells apart what MLMD reports alike."""
        config.retry_options.max_num_retries = 1
        self._check_reachable()
        until = time.monotonic() + self.patience
        while True:
            try:
                return open_stock_store(config, self, make)
            except MetadataStoreError as error:
                is_being_made = any(said in str(error.__cause__) for said in _MAKING)
                if not is_being_made or time.monotonic() >= until:
                    is_half_made = _HALF_MADE in str(error.__cause__)
                    raise (self._half_made() if is_half_made else self._refused(error)) from error.__cause__
            time.sleep(random.uniform(0.05, 0.25))  # another process is making the tables

    def _check_reachable(self) -> None:
        """A name that is unknown and a port that nobody listens on: MLMD does not say which it was."""
        host, port = self.address.host, self.address.port
        if self.address.options.get("socket"):
            return
        try:
            socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT).close()
        except OSError as error:
            raise StoreAway(
                f"No {self.server} answers: {error.strerror or error}.",
                facts={"metadata": self.url, "host": host, "port": port},
                hint="Start it, or correct the host and port of the URL (ZENCACHE_METADATA).",
            ) from error

    def _half_made(self) -> MetadataStoreError:
        """MLMD notes the version last; MariaDB and MySQL make each table for good, whatever comes after."""
        return MetadataStoreError(
            "The database has only a part of the tables of ML Metadata: whoever made them was killed.",
            facts={"metadata": self.url, "database": self.address.path},
            hint="Nothing is recorded in it yet. Drop it, create it anew, and run again.",
        )

    def _refused(self, error: MetadataStoreError) -> MetadataStoreError:
        """The server is there and does not let us in. While it starts, it does the same: hence "away"."""
        return StoreAway(
            f"The {self.server} does not open the database: {self._said(_cause(error))}.",
            facts={
                "metadata": self.url,
                "user": self.address.user,
                "password": "given" if self.address.secret else "none",
                "database": self.address.path,
            },
            hint=(
                "Check user, password and database (it has to exist), that the user may create tables in "
                "it, and that they are those of the installed ml-metadata."
            ),
        )


def tls_file(path: str, option: str, shown: str) -> str:
    """The path of a certificate or key that can be read."""
    file = Path(path).expanduser()
    with suppress(OSError):
        file.read_bytes()
        return str(file)
    raise ConfigurationError(
        "A file for TLS cannot be read.", facts={"metadata": shown, option: path}, hint="Give a PEM file."
    )


def _cause(error: Exception) -> Exception:
    return error.__cause__ if isinstance(error.__cause__, Exception) else error
