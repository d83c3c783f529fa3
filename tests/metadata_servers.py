"""Metadata stores of a test's own, of every kind.

``ZENCACHE_TEST_MYSQL`` and ``ZENCACHE_TEST_POSTGRESQL`` name the database servers for them.

Each is the URL of a database of a user who may create others, such as ``mysql://root@127.0.0.1:3306/test``.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from zencache.server import MetadataServer, Tokens

MYSQL, POSTGRESQL = "ZENCACHE_TEST_MYSQL", "ZENCACHE_TEST_POSTGRESQL"
USUAL = "CHARACTER SET latin1 COLLATE latin1_swedish_ci"
EXACT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"

SERVED = ("mysql", "mysql-usual-collation", "postgresql", "grpcs")
KINDS = ["memory", "sqlite", "grpc", *(pytest.param(kind, marks=pytest.mark.slow) for kind in SERVED)]


@contextmanager
def metadata_url(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a new and empty metadata store of a kind; a folder is where it may have files."""
    with ExitStack() as opened:
        if kind == "memory":
            yield f"memory://{secrets.token_hex(8)}"
        elif kind == "sqlite":
            yield f"sqlite:///{folder}/metadata.db"
        elif kind == "postgresql":
            yield opened.enter_context(postgresql_database())
        elif kind == "grpc":
            yield opened.enter_context(serving(f"sqlite:///{folder}/served.db")).url
        elif kind == "grpc-process":
            yield opened.enter_context(serving_elsewhere(f"sqlite:///{folder}/served.db"))
        elif kind == "grpcs":
            yield opened.enter_context(serving_securely(f"sqlite:///{folder}/served.db", folder))
        else:
            yield opened.enter_context(mysql_database(EXACT if kind == "mysql" else USUAL))


@contextmanager
def serving(metadata: str, **options: Any) -> Iterator[MetadataServer]:
    """A server in threads of this process, stopped in the end."""
    server = MetadataServer(metadata, port=0, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop(grace=5)


@contextmanager
def serving_elsewhere(metadata: str) -> Iterator[str]:
    """The URL of ``zencache serve`` in a process of its own, ended as a user ends it."""
    process = serve_in_a_process(metadata)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[3]
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0, "the server ended badly"


def serve_in_a_process(metadata: str, port: int = 0) -> subprocess.Popen[str]:
    """``zencache serve``, which says in a line where it listens."""
    command = [sys.executable, "-m", "zencache", "serve", "--metadata", metadata, "--port", str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@contextmanager
def serving_securely(metadata: str, folder: Path) -> Iterator[str]:
    """The URL of a server that asks for a client's certificate and for a token."""
    certificates = make_certificates(folder)
    token = secrets.token_hex(32)
    (folder / "tokens").write_text(f"{token}\n")
    files = {"ca": "ca.pem", "cert": "client.pem", "key": "client.key"}
    options = "&".join(f"{name}={certificates / file}" for name, file in files.items())
    with serving(
        metadata,
        tls_cert=certificates / "server.pem",
        tls_key=certificates / "server.key",
        client_ca=certificates / "ca.pem",
        tokens=Tokens(folder / "tokens"),
    ) as server:
        yield f"{server.url.replace('://', f'://{token}@')}?{options}"


def make_certificates(folder: Path) -> Path:
    """A folder with a CA (``ca.pem``) and what it signed for a server on this machine and for a client."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl: the certificates for TLS cannot be made")
    made = folder / "certificates"
    made.mkdir()

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=made, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test CA"
    )
    for name, about in (
        ("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ("client", "basicConstraints=CA:FALSE"),
    ):
        (made / f"{name}.ext").write_text(f"{about}\n")
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext"),
        )
    return made


@contextmanager
def mysql_database(collation: str = EXACT) -> Iterator[str]:
    """The URL of a new and empty database, which is dropped in the end."""
    url, name = _server(MYSQL), _name()
    with mysql_session() as session:
        session.execute(f"CREATE DATABASE {name} {collation}")
        try:
            yield urlunsplit(url._replace(path=f"/{name}"))
        finally:
            session.execute(f"DROP DATABASE {name}")


@contextmanager
def mysql_session() -> Iterator[Any]:
    """A cursor on the server."""
    pymysql = pytest.importorskip("pymysql", reason="pymysql is not installed: pip install 'zencache[test]'")
    url = _server(MYSQL)
    session = pymysql.connect(
        host=url.hostname,
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        autocommit=True,
    )
    try:
        yield session.cursor()
    finally:
        session.close()


@contextmanager
def postgresql_database() -> Iterator[str]:
    """The URL of a new and empty database, which is dropped in the end."""
    url, name = _server(POSTGRESQL), _name()
    with postgresql_session() as session:
        session.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        try:
            yield urlunsplit(url._replace(path=f"/{name}"))
        finally:
            session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def postgresql_session(database: str = "") -> Iterator[Any]:
    """A connection to the server, in a database of its own or another one."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'zencache[test]'")
    url = _server(POSTGRESQL)
    dbname = database or url.path.removeprefix("/") or "postgres"
    with psycopg.connect(
        host=url.hostname,
        port=url.port or 5432,
        user=url.username,
        password=url.password,
        dbname=dbname,
        autocommit=True,
    ) as session:
        yield session


@contextmanager
def user_with_password(url: str, password: str) -> Iterator[str]:
    """The URL of a database for a new user, who has a password and every right there."""
    parts, name = urlsplit(url), f"u{secrets.token_hex(8)}"
    database = parts.path.removeprefix("/")
    if parts.scheme == "mysql":
        with mysql_session() as session:
            session.execute(f"CREATE USER {name} IDENTIFIED BY '{password}'")
            session.execute(f"GRANT ALL ON {database}.* TO {name}")
            try:
                yield urlunsplit(
                    parts._replace(netloc=f"{name}:{password}@{parts.hostname}:{parts.port or 3306}")
                )
            finally:
                session.execute(f"DROP USER {name}")
        return
    with postgresql_session() as session:
        session.execute(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{password}'")
        try:
            yield urlunsplit(
                parts._replace(netloc=f"{name}:{password}@{parts.hostname}:{parts.port or 5432}")
            )
        finally:
            cut_sessions(url)
            with postgresql_session(database) as inside:
                inside.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
            session.execute(f"DROP ROLE {name}")


def cut_sessions(url: str) -> int:
    """End every session with a database as its server can: how many there were."""
    parts = urlsplit(url)
    name = parts.path.removeprefix("/")
    if parts.scheme == "mysql":
        with mysql_session() as session:
            session.execute("SELECT id FROM information_schema.processlist WHERE db = %s", [name])
            ids = [row[0] for row in session.fetchall()]
            for id_ in ids:
                session.execute(f"KILL {int(id_)}")
        return len(ids)
    with postgresql_session() as session:
        found = session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        return len(found.fetchall())


def _server(variable: str) -> Any:
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"no server: {variable} is not set")
    return urlsplit(url)


def _name() -> str:
    return f"zencache_test_{secrets.token_hex(8)}"
