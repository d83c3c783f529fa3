"""A metadata store in the memory of this process."""

from __future__ import annotations

from typing import Any

from zencache.metadata.connection.contract import Connection
from zencache.metadata.connection.stock import open_stock_store


class MemoryConnection(Connection):
    """A metadata store that lives as long as this process uses it."""

    def _open(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2

        config = metadata_store_pb2.ConnectionConfig()
        config.fake_database.SetInParent()
        return open_stock_store(config, self)

    def _forget(self) -> None:
        """Kept whatever happens: its data would go with it."""
