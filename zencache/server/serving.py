"""The server itself: where it listens, with which certificates and limits, and how it ends."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from zencache.exceptions import ConfigurationError
from zencache.metadata.connection import connect
from zencache.server.access import Tokens

HOST = "127.0.0.1"
PORT = 8236
MAX_MESSAGE_MB = 64
MAX_CONCURRENT = 64
GRACE = 30.0  # seconds that calls in flight have to end
_THREADS = 8  # the store answers one call at a time
_WATCH = 5.0  # seconds between looks at the store
_MB = 1024 * 1024

logger = logging.getLogger("zencache.server")


class MetadataServer:
    """Offers one metadata store to the stock ``ml_metadata`` client and to zencache.

    Args:
        metadata: URL of any metadata store.
        host, port: where to listen; port 0 for any that is free.
        tls_cert, tls_key: PEM files of the server; with them it speaks TLS only.
        client_ca: PEM file; only clients with a certificate that it signed get in. Takes TLS.
        tokens: who may ask and write; whoever reaches it, unless given.
        max_message_mb: the largest request and answer.
        max_concurrent: calls at a time; more are refused at once.
        allow_insecure: listen beyond this machine without TLS, or without asking who it is.

    Raises:
        ConfigurationError: the options do not fit, or the extra ``server`` is not installed.
        MetadataStoreError: the metadata store cannot be opened.

    Example::

        server = MetadataServer("sqlite:///metadata.db", port=0)
        server.start()
        repository = Repository(metadata=server.url)
        server.stop()
    """

    def __init__(
        self,
        metadata: str,
        *,
        host: str = HOST,
        port: int = PORT,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        client_ca: Path | None = None,
        tokens: Tokens | None = None,
        max_message_mb: int = MAX_MESSAGE_MB,
        max_concurrent: int = MAX_CONCURRENT,
        allow_insecure: bool = False,
    ):
        self._tokens = tokens or Tokens()
        self._is_secure = tls_cert is not None
        self.host, self.port = host, port
        if bool(tls_cert) != bool(tls_key) or (client_ca and not tls_cert):
            raise ConfigurationError(
                "TLS takes a certificate and its key; a CA for clients takes both.",
                hint="Give --tls-cert and --tls-key.",
            )
        asks = client_ca is not None or self._tokens.are_asked_for
        if not _is_loopback(host) and not allow_insecure and not (self._is_secure and asks):
            raise ConfigurationError(
                "Others would reach the server, and it would not "
                + ("ask who they are." if self._is_secure else "keep what they say from being read."),
                facts={"host": host, "TLS": self._is_secure, "tokens or client certificates": asks},
                hint="Give --tls-cert, --tls-key and --token-file or --client-ca; or --allow-insecure in a "
                "network where everybody may read and change the cache.",
            )
        if self._tokens.are_asked_for and not self._is_secure and not _is_loopback(host):
            logger.warning("Tokens travel where others can read them: there is no TLS.")
        self._connection = connect(metadata)
        self._credentials = _Credentials.read(tls_cert, tls_key, client_ca)
        self._options = [
            ("grpc.max_receive_message_length", max_message_mb * _MB),
            ("grpc.max_send_message_length", max_message_mb * _MB),
            # Else a second server would share the port, and calls go to either.
            ("grpc.so_reuseport", 0),
            ("grpc.max_connection_idle_ms", 600_000),
            ("grpc.http2.max_ping_strikes", 0),
        ]
        self._max_concurrent = max_concurrent
        self._server: Any = None
        self._health: Any = None
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        """What clients on this machine take for ``metadata=``."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"grpc{'s' if self._is_secure else ''}://{name}:{self.port}"

    @property
    def metadata_url(self) -> str:
        """The store that is offered, without its password."""
        return self._connection.url

    def start(self) -> None:
        """Listen and answer, in threads of this process."""
        self._connection.read(_ping)  # a store that does not open is an error now, not in each call
        try:
            import grpc
            from grpc_health.v1 import health, health_pb2_grpc
        except (ImportError, TypeError) as error:  # TypeError: made for another protobuf
            raise ConfigurationError(
                "The packages that serving takes are not installed.",
                facts={"missing": error},
                hint='Run pip install "zencache[server]".',
            ) from error
        from zencache.server.service import metadata_service

        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="zencache-serve"),
            options=self._options,
            maximum_concurrent_rpcs=self._max_concurrent,
        )
        self._server.add_generic_rpc_handlers((metadata_service(self._connection, self._tokens),))
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._set_health(True)
        self.port = self._listen(grpc)
        self._server.start()
        threading.Thread(target=self._watch, name="zencache-serve-health", daemon=True).start()

    def stop(self, grace: float = GRACE) -> None:
        """Take no more calls, and wait for those in flight, some seconds at most."""
        self._stopping.set()
        if self._server is not None:
            self._health.enter_graceful_shutdown()
            self._server.stop(grace).wait()

    def _listen(self, grpc: Any) -> int:
        name = f"[{self.host}]" if ":" in self.host else self.host
        with contextlib.suppress(RuntimeError):
            if self._credentials is None:
                port = self._server.add_insecure_port(f"{name}:{self.port}")
            else:
                port = self._server.add_secure_port(f"{name}:{self.port}", self._credentials.of(grpc))
            if port:
                return int(port)
        raise ConfigurationError(
            f"The server cannot listen: {_why_not(self.host, self.port)}.",
            facts={"host": self.host, "port": self.port},
            hint="Give another --port (0 for any that is free), or another --host.",
        )

    def _watch(self) -> None:
        """Tell health checks when the store behind this server does not answer."""
        was_well = True
        while not self._stopping.wait(_WATCH):
            try:
                self._connection.read(_ping)
                is_well = True
            except Exception:
                is_well = False
            if is_well != was_well and not self._stopping.is_set():
                logger.warning("The store %s.", "answers again" if is_well else "does not answer")
                self._set_health(is_well)
            was_well = is_well

    def _set_health(self, is_well: bool) -> None:
        from grpc_health.v1 import health_pb2

        from zencache.server.service import SERVICE

        states = health_pb2.HealthCheckResponse
        state = states.SERVING if is_well else states.NOT_SERVING
        for service in ("", SERVICE):
            self._health.set(service, state)


class _Credentials:
    """The server's certificate with its key, and the CA of the clients."""

    def __init__(self, cert: bytes, key: bytes, client_ca: bytes | None):
        self._cert, self._key, self._client_ca = cert, key, client_ca

    @classmethod
    def read(cls, cert: Path | None, key: Path | None, client_ca: Path | None) -> _Credentials | None:
        if cert is None or key is None:
            return None
        _check_pair(cert, key)
        return cls(_pem(cert), _pem(key), _pem(client_ca) if client_ca else None)

    def of(self, grpc: Any) -> Any:
        return grpc.ssl_server_credentials(
            [(self._key, self._cert)],
            root_certificates=self._client_ca,
            require_client_auth=self._client_ca is not None,
        )


def serve(
    server: MetadataServer, *, ready: Callable[[str], None] = lambda url: None, grace: float = GRACE
) -> None:
    """Serve until SIGTERM or Ctrl-C; calls in flight are finished.

    Args:
        server: not started yet.
        ready: called with the URL when it listens.
    """
    ended = threading.Event()
    with _on_signals(ended.set):
        server.start()
        ready(server.url)
        ended.wait()
        server.stop(grace)


@contextlib.contextmanager
def _on_signals(call: Callable[[], None]) -> Iterator[None]:
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: call()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _ping(store: Any) -> Any:
    return store.get_context_types()


def _pem(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"A file for TLS cannot be read: {error.strerror}.", facts={"file": file}
        ) from error
    if b"-----BEGIN" not in content:
        raise ConfigurationError("A file for TLS is not in PEM form.", facts={"file": file})
    return content


def _check_pair(cert: Path, key: Path) -> None:
    """gRPC would take any two files, and then refuse every client."""
    import ssl

    _pem(cert), _pem(key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            "The certificate and the key do not belong together, or the key has a password.",
            facts={"certificate": cert, "key": key, "reason": error},
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _why_not(host: str, port: int) -> str:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        return error.strerror or str(error)
    return "the address cannot be used"
