"""Where the metadata of a TFX pipeline lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """A metadata store, by the URL that :class:`zencache.Repository` takes."""

    url: str


def sqlite_metadata_connection_config(metadata_db_uri: str) -> ConnectionConfig:
    """A metadata store in an SQLite file, which is made when it is first used."""
    return ConnectionConfig(str(Path(metadata_db_uri).expanduser().absolute()))


def mysql_metadata_connection_config(
    host: str, port: int, database: str, username: str, password: str
) -> ConnectionConfig:
    """A metadata store in a MySQL database."""
    user = f"{quote(username, safe='')}:{quote(password, safe='')}"
    return ConnectionConfig(f"mysql://{user}@{host}:{port}/{database}")
