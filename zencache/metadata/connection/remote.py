"""A metadata store behind MLMD's own gRPC protocol: `zencache serve`, or MLMD's server."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any

from zencache.exceptions import ConfigurationError, MetadataStoreError
from zencache.metadata.connection.contract import Connection
from zencache.metadata.connection.stock import open_stock_store

TOKEN_VARIABLE = "ZENCACHE_TOKEN"
TLS_VARIABLES = {"ca": "ZENCACHE_TLS_CA", "cert": "ZENCACHE_TLS_CERT", "key": "ZENCACHE_TLS_KEY"}
_TIMEOUT = 60.0  # seconds for one call; the stock client waits for ever
_MESSAGE_MB = 64
_MB = 1024 * 1024


class GrpcConnection(Connection):
    """A server that speaks MLMD's protocol; plain with ``grpc://``, over TLS with ``grpcs://``."""

    patience = 20.0
    attempts = 30
    reopenings = 4
    _given: tuple[str | None, ...] = ()

    def _open(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2

        from zencache.metadata.connection.channel import RemoteStore

        address = self.address
        config = metadata_store_pb2.MetadataStoreClientConfig()
        config.host = f"[{address.host}]" if ":" in address.host else address.host
        config.port = address.port
        config.client_timeout_sec = self._number("timeout", _TIMEOUT)
        config.channel_arguments.max_receive_message_length = int(
            self._number("max_message_mb", _MESSAGE_MB) * _MB
        )
        is_secure = address.kind == "grpcs"
        if is_secure:
            config.ssl_config.SetInParent()
            ca, cert, key = (self._pem(name) for name in TLS_VARIABLES)
            if bool(cert) != bool(key):
                raise ConfigurationError(
                    "A client certificate takes its key, and a key its certificate.",
                    facts={"metadata": self.url, "given": "certificate" if cert else "key"},
                    hint=f"Set {TLS_VARIABLES['cert']} and {TLS_VARIABLES['key']}, or ?cert= and ?key=.",
                )
            if ca:
                config.ssl_config.custom_ca = ca
            if cert:
                config.ssl_config.server_cert, config.ssl_config.client_key = cert, key
        token = self._token()
        self._given = _given()
        if token and not is_secure and not _is_loopback(address.host):
            raise ConfigurationError(
                "A token would travel where others can read it.",
                facts={"metadata": self.url},
                hint="Use grpcs:// and a server with TLS: `zencache serve --tls-cert --tls-key`.",
            )
        return open_stock_store(config, self, lambda config: RemoteStore(config, token))

    def _is_stale(self) -> bool:
        """The environment names another token or certificate than when the channel was opened."""
        return self._given != _given()

    def _token(self) -> str:
        token = self.address.secret or os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token.isascii() or not token.isprintable():
            raise ConfigurationError(
                "A token has characters that cannot be sent.",
                facts={"metadata": self.url, "from": "the URL" if self.address.secret else TOKEN_VARIABLE},
                hint="A token is made of letters, digits and ASCII punctuation.",
            )
        return token

    def _pem(self, name: str) -> str:
        option, variable = self.address.options.get(name), TLS_VARIABLES[name]
        path = option or os.environ.get(variable)
        if not path:
            return ""
        try:
            text = Path(path).expanduser().read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise self._bad_pem(name, path, error) from error
        if "-----BEGIN" not in text:
            raise self._bad_pem(name, path, ValueError("it is not in PEM form"))
        return text

    def _bad_pem(self, name: str, path: str, error: Exception) -> ConfigurationError:
        reason = error.strerror if isinstance(error, OSError) else error
        return ConfigurationError(
            f"A file for TLS cannot be used: {reason}.",
            facts={"metadata": self.url, name: path},
            hint=f"Give a PEM file in {TLS_VARIABLES[name]} or behind ?{name}= in the URL.",
        )

    def _number(self, name: str, default: float) -> float:
        given = self.address.options.get(name)
        if given is None:
            return default
        try:
            number = float(given)
        except ValueError:
            number = 0.0
        if not 0 < number < 2000:
            raise ConfigurationError(
                f"The option `{name}` of a metadata URL is a positive number.",
                facts={"metadata": self.url, "found": given},
            )
        return number

    def _was_undone(self, error: Exception) -> bool:
        """Besides aborted transactions: what a server that is busy did not begin with."""
        from ml_metadata import errors

        return super()._was_undone(error) or (
            isinstance(error, errors.ResourceExhaustedError) and "oncurrent" in str(error)
        )

    def _forget(self) -> None:
        with self._guard:
            if self._store is not None and self._pid == os.getpid():
                self._store.close()
            super()._forget()

    def _failure(self, error: Exception) -> MetadataStoreError:
        from ml_metadata import errors

        where = f"{self.address.host}:{self.address.port}"
        facts = {"metadata": self.url, "server said": self._said(error)}
        for kind, message, hint in (
            (
                errors.UnauthenticatedError,
                "The metadata server does not know who is asking.",
                f"Set {TOKEN_VARIABLE} to a token that the server has in its --token-file.",
            ),
            (
                errors.PermissionDeniedError,
                "The metadata server does not allow this.",
                f"The token is for reading only. To record runs, set {TOKEN_VARIABLE} to one that may write.",
            ),
            (
                errors.UnavailableError,
                f"The metadata server at {where} cannot be reached.",
                "Start it with `zencache serve`, or correct host and port. If it uses TLS: a grpcs:// URL, "
                f"{TLS_VARIABLES['ca']} for its certificate, and {TLS_VARIABLES['cert']} and "
                f"{TLS_VARIABLES['key']} if it asks for yours.",
            ),
            (
                errors.ResourceExhaustedError,
                "The metadata server refused a call: it has a limit on calls at a time and on their size.",
                "Try again when it is less busy, or raise --max-concurrent or --max-message-mb of `zencache "
                "serve`, and ?max_message_mb= in the URL.",
            ),
            (
                errors.DeadlineExceededError,
                "The metadata server did not answer in time.",
                "Look at the server; ?timeout= in the URL gives it more seconds.",
            ),
        ):
            if isinstance(error, kind):
                return MetadataStoreError(message, facts=facts, hint=hint)
        return MetadataStoreError(
            f"The metadata server at {where} reported an error.",
            facts=facts,
            hint="Look at the server's log, and check that its ml-metadata is as new as yours.",
        )


def _given() -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) for name in (TOKEN_VARIABLE, *TLS_VARIABLES.values()))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
