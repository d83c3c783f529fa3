"""A metadata store in MariaDB or MySQL."""

from __future__ import annotations

import getpass
from typing import Any

from zencache.exceptions import MetadataStoreError
from zencache.metadata.connection.server import ServerConnection, tls_file


class MysqlConnection(ServerConnection):
    """A database of a MariaDB or MySQL server.

    Its usual collations take ``Train``, ``train`` and ``train `` for one name. Where they do, a name that
    meets another one of this kind is an error; a database with a binary collation has no such case.
    """

    server = "MariaDB or MySQL server"

    def _open(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2

        from zencache.metadata.connection.folding import ExactStore

        address, options = self.address, self.address.options
        config = metadata_store_pb2.ConnectionConfig()
        mysql = config.mysql
        # The client takes "localhost" for a socket in the file system, whatever the port says.
        mysql.host = "127.0.0.1" if address.host == "localhost" else address.host
        mysql.port = address.port
        mysql.user = address.user or getpass.getuser()
        mysql.password = address.secret
        mysql.database = address.path
        mysql.skip_db_creation = True
        if options.get("socket"):
            mysql.socket = options["socket"]
            mysql.host = ""
        for option in ("ca", "cert", "key"):
            if options.get(option):
                setattr(mysql.ssl_options, option, tls_file(options[option], option, self.url))
        if options.get("ca"):
            mysql.ssl_options.verify_server_cert = True
        return self._open_database(config, lambda config: ExactStore(config, self._names_meet))

    def _names_meet(self, wanted: str, found: str) -> MetadataStoreError:
        return MetadataStoreError(
            "The database takes two names for the same.",
            facts={"metadata": self.url, "name": repr(wanted), "taken for": repr(found)},
            hint=(
                "Give another name, or a database that tells them apart, made with: CREATE DATABASE "
                "zencache CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin (MySQL 8: utf8mb4_0900_bin)."
            ),
        )
