"""The command that offers a metadata store to others."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from zencache.cli.group import main

_FILE = click.Path(path_type=Path)


@main.command()
@click.option("--metadata", help="URL of the metadata store to offer; the project's unless given.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8236, show_default=True, type=click.IntRange(0, 65535), help="0 for any that is free."
)
@click.option("--tls-cert", type=_FILE, help="PEM file: the server's certificate; with it, TLS only.")
@click.option("--tls-key", type=_FILE, help="PEM file: the key of that certificate.")
@click.option("--client-ca", type=_FILE, help="PEM file: clients need a certificate that this CA signed.")
@click.option("--token-file", type=_FILE, help="A token a line; clients need one of them.")
@click.option("--read-only-token-file", type=_FILE, help="A token a line; with these, clients may only read.")
@click.option("--max-message-mb", default=64, show_default=True, type=click.IntRange(1, 1024))
@click.option("--max-concurrent", default=64, show_default=True, type=click.IntRange(1, 10_000))
@click.option(
    "--allow-insecure", is_flag=True, help="Let others in without TLS or without asking who they are."
)
def serve(
    metadata: str | None,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    token_file: Path | None,
    read_only_token_file: Path | None,
    max_message_mb: int,
    max_concurrent: int,
    allow_insecure: bool,
) -> None:
    """Offer a metadata store over MLMD's gRPC protocol, to zencache and to the stock ml_metadata client.

    Clients use grpc://HOST:PORT, or grpcs://HOST:PORT where there is TLS, and ZENCACHE_TOKEN. It listens on
    the loopback address unless --host says otherwise, which takes TLS and tokens or client certificates.
    SIGTERM and Ctrl-C end it when the calls in flight are finished.
    """
    from zencache import server
    from zencache.settings import find_settings

    _log_to_stderr()
    offered = server.MetadataServer(
        find_settings(metadata=metadata).metadata,
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        client_ca=client_ca,
        tokens=server.Tokens(token_file, read_only_token_file),
        max_message_mb=max_message_mb,
        max_concurrent=max_concurrent,
        allow_insecure=allow_insecure,
    )
    server.serve(
        offered, ready=lambda url: click.echo(f"Serving {offered.metadata_url} at {url} - end with Ctrl-C.")
    )
    click.echo("Ended.")


def _log_to_stderr() -> None:
    """What the server says of itself, with the time; not what its packages say."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("zencache.server")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
