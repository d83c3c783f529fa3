"""The stock client over a gRPC channel that carries a bearer token, as the stock one cannot."""

from __future__ import annotations

from typing import Any, NamedTuple

import grpc
from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store

_NAME = "authorization"


class RemoteStore(metadata_store.MetadataStore):  # type: ignore[misc]  # ml_metadata has no types
    """The stock client, with a token on every call.

    Args:
        config: a ``MetadataStoreClientConfig``.
        token: empty for none.
    """

    def __init__(self, config: Any, token: str):
        self._token = token
        super().__init__(config)
        self._max_num_retries = 1  # it would sleep for two seconds; whoever calls retries sooner

    def _get_channel(self, config: Any) -> Any:
        self._grpc_timeout_sec = config.client_timeout_sec
        most = config.channel_arguments.max_receive_message_length
        options = [
            ("grpc.max_receive_message_length", most),
            ("grpc.max_send_message_length", most),
            # One channel a client: else a channel that waits for its next attempt is used again.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.keepalive_time_ms", 60_000),
        ]
        target = f"{config.host}:{config.port}"
        if config.HasField("ssl_config"):
            tls = config.ssl_config
            credentials = grpc.ssl_channel_credentials(
                *(text.encode() or None for text in (tls.custom_ca, tls.client_key, tls.server_cert))
            )
            self._channel = grpc.secure_channel(target, credentials, options=options)
        else:
            self._channel = grpc.insecure_channel(target, options=options)
        if not self._token:
            return self._channel
        return grpc.intercept_channel(self._channel, _Bearer(self._token))

    def _call_method(self, method_name: str, request: Any, response: Any) -> None:
        try:
            super()._call_method(method_name, request, response)
        except ValueError as error:  # the channel was closed by another thread that found it broken
            raise errors.make_exception(str(error), _UNAVAILABLE) from error

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def __repr__(self) -> str:
        return f"<metadata store at {self._config.host}:{self._config.port}>"


_UNAVAILABLE = grpc.StatusCode.UNAVAILABLE.value[0]


class _Call(NamedTuple):
    """What an interceptor may change of a call; gRPC gives no class for it."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _Bearer(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    def __init__(self, token: str):
        self._token = token

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        metadata = [*(details.metadata or ()), (_NAME, f"Bearer {self._token}")]
        call = _Call(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, None
        )
        return continuation(call, request)
