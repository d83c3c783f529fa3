"""A metadata store in PostgreSQL."""

from __future__ import annotations

import getpass
import re
from typing import Any

from zencache.metadata.connection.server import ServerConnection, tls_file

_SPECIAL = re.compile(r"([\\'\s])")
_UNDONE = ("deadlock detected", "could not serialize", "duplicate key value violates unique constraint")
_TLS = {"ca": "sslrootcert", "cert": "sslcert", "key": "sslkey"}


class PostgresqlConnection(ServerConnection):
    """A database of a PostgreSQL server, which has to exist.

    A backslash in any text ends MLMD's own quoting there, and what follows is taken for SQL. So texts are
    escaped on their way in and out: see :mod:`zencache.metadata.backslash`.
    """

    server = "PostgreSQL server"

    def _open(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2

        from zencache.metadata.backslash import EscapingStore

        address, options = self.address, self.address.options
        config = metadata_store_pb2.ConnectionConfig()
        postgresql = config.postgresql
        postgresql.host = _quoted(address.host)
        postgresql.port = str(address.port)
        postgresql.user = _quoted(address.user or getpass.getuser())
        postgresql.password = _quoted(address.secret)
        postgresql.dbname = _quoted(address.path)
        postgresql.skip_db_creation = True
        if options.get("passfile"):
            postgresql.passfile = _quoted(tls_file(options["passfile"], "passfile", self.url))
        for option, name in _TLS.items():
            if options.get(option):
                path = tls_file(options[option], option, self.url)
                setattr(postgresql.ssloption, name, _quoted(path))
        if options.get("sslmode") or options.get("ca"):
            postgresql.ssloption.sslmode = _quoted(options.get("sslmode") or "verify-full")
        return self._open_database(config, EscapingStore)

    def _was_undone(self, error: Exception) -> bool:
        """Two transactions met, and PostgreSQL ended one of them: MLMD calls that an internal error.

        Two that replace the properties of one context meet as a duplicate key, not as a wait.
        """
        text = str(error)
        return super()._was_undone(error) or any(said in text for said in _UNDONE)


def _quoted(value: str) -> str:
    """A value as libpq reads it from MLMD's connection string, which is put together without quotes."""
    return _SPECIAL.sub(r"\\\1", value)
