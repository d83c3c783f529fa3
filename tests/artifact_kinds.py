"""The kinds of artifact store that tests run on, and the servers behind them.

S3 (moto) and SFTP (asyncssh) are served by this process, the others at an address from the environment:

=======================  ====================================================================
``ZENCACHE_TEST_S3``      endpoint, such as ``http://127.0.0.1:9000``; moto is started without it
``ZENCACHE_TEST_AZURE``   blob endpoint of azurite, ``http://127.0.0.1:10000/devstoreaccount1``
``ZENCACHE_TEST_GCS``     endpoint of an emulator of Google Cloud Storage
``ZENCACHE_TEST_WEBDAV``  base URL of a WebDAV server
=======================  ====================================================================
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

OBJECT_STORES = ("s3", "azure", "gcs")
# Of the remote ones the everyday tests take the one that needs nothing but a package.
REMOTE_KINDS = (
    "s3",
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("azure", "gcs", "webdav", "sftp")),
)
KINDS = ("local", "memory", *REMOTE_KINDS)
_PACKAGES = {"s3": "s3fs", "azure": "adlfs", "gcs": "gcsfs", "webdav": "webdav4", "sftp": "sshfs"}
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_BUCKET = f"zencache-{uuid.uuid4().hex[:8]}"

# Each is long-lived on purpose: pytest-xdist gives every worker a process, which ends with them.
_served: dict[str, Server] = {}


@dataclass(frozen=True)
class Server:
    """Where a kind of store is served.

    Args:
        base: the URL that stores lie below.
        environment: what this and other processes need to reach it.
    """

    base: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def new_url(self) -> str:
        return f"{self.base}/{uuid.uuid4().hex[:12]}"


def serve(kind: str) -> Server:
    """The server of a kind, or a skip that says what is missing. Its environment is set for this process."""
    package = _PACKAGES[kind]
    if not find_spec(package):
        pytest.skip(f"no store on {kind}: the package {package} is not installed")
    if kind not in _served:
        _served[kind] = {
            "s3": _s3, "azure": _azure, "gcs": _gcs, "webdav": _webdav, "sftp": _sftp
        }[kind]()  # fmt: skip
    return _served[kind]


def url_of(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new, empty store of a kind, which this test can reach."""
    if kind == "local":
        return str(tmp_path / "store")
    if kind == "memory":
        return f"memory://{uuid.uuid4().hex}"
    server = serve(kind)
    with reachable(server, monkeypatch):
        return server.new_url()


@contextmanager
def reachable(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import fsspec.config

    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    conf: dict[str, dict[str, object]] = {}
    fsspec.config.set_conf_env(conf)  # which fsspec itself does only when it is imported
    for protocol, options in conf.items():
        monkeypatch.setitem(fsspec.config.conf, protocol, options)
    yield


def _address(variable: str, how: str) -> str:
    address = os.environ.get(variable)
    if not address:
        pytest.skip(f"{variable} is not set: {how}")
    return address.rstrip("/")


def _s3() -> Server:
    import boto3

    endpoint = os.environ.get("ZENCACHE_TEST_S3") or _moto()
    environment = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID", "testing"),
        "AWS_SECRET_ACCESS_KEY": os.environ.get("AWS_SECRET_ACCESS_KEY", "testing"),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=_BUCKET)
    client.close()
    return Server(f"s3://{_BUCKET}", environment)


def _moto() -> str:
    if not find_spec("moto"):
        pytest.skip("no store on s3: ZENCACHE_TEST_S3 is not set, and moto[server] is not installed")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def _azure() -> Server:
    import fsspec

    endpoint = _address("ZENCACHE_TEST_AZURE", "npx azurite --disableTelemetry --skipApiVersionCheck")
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={_AZURITE_KEY};"
        f"BlobEndpoint={endpoint};"
    )
    fsspec.filesystem("az", connection_string=connection).mkdir(_BUCKET)
    return Server(f"az://{_BUCKET}", {"AZURE_STORAGE_CONNECTION_STRING": connection})


def _gcs() -> Server:
    import httpx

    endpoint = _address("ZENCACHE_TEST_GCS", "pip install gcp-storage-emulator, and start it --in-memory")
    httpx.post(f"{endpoint}/storage/v1/b", json={"name": _BUCKET}).raise_for_status()
    environment = {
        "STORAGE_EMULATOR_HOST": endpoint,
        "FSSPEC_GS_TOKEN": "anon",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # asks over gRPC with TLS, which emulators do not speak
    }
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # read once, when gcsfs is imported
    return Server(f"gs://{_BUCKET}", environment)


def _webdav() -> Server:
    base = _address("ZENCACHE_TEST_WEBDAV", "nginx with its dav and dav_ext modules, for example")
    return Server("webdav://zencache-tests", {"FSSPEC_WEBDAV_BASE_URL": base})


def _sftp() -> Server:
    """An SFTP server in a thread of this process, which lets in ``me`` with the password ``open-sesame``."""
    import tempfile

    import asyncssh

    class Door(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("me", "open-sesame")

    root = tempfile.mkdtemp(prefix="zencache-sftp-")
    ready: list[int] = []
    is_up = threading.Event()

    async def listen() -> None:
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Door,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=root),
        )
        ready.append(server.get_port())
        is_up.set()
        await asyncio.Event().wait()

    logging.getLogger("asyncssh").setLevel(logging.ERROR)
    threading.Thread(target=lambda: asyncio.run(listen()), daemon=True).start()
    assert is_up.wait(30), "the SFTP server did not start"
    return Server(f"ssh://me:open-sesame@127.0.0.1:{ready[0]}", {"FSSPEC_SSH_KNOWN_HOSTS": "null"})
