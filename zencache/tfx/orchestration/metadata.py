"""Where the metadata of a pipeline lies."""

from zencache.tfx.connection import (
    ConnectionConfig,
    mysql_metadata_connection_config,
    sqlite_metadata_connection_config,
)

__all__ = ["ConnectionConfig", "mysql_metadata_connection_config", "sqlite_metadata_connection_config"]
