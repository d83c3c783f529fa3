"""The URL of a metadata store, taken apart; what is shown of it never holds a password."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from zencache.exceptions import ConfigurationError, nearest

_ALIASES = {"mariadb": "mysql", "postgres": "postgresql"}
_PORTS = {"mysql": 3306, "postgresql": 5432}
_TLS_FILES = ("ca", "cert", "key")
_OPTIONS = {
    "mysql": (*_TLS_FILES, "socket"),
    "postgresql": (*_TLS_FILES, "sslmode", "passfile"),
    "grpc": ("timeout", "max_message_mb"),
    "grpcs": (*_TLS_FILES, "timeout", "max_message_mb"),
}
_SECRET = re.compile(r"//.*@", re.DOTALL)
_KNOWN = (
    "sqlite:///relative/path, sqlite:////absolute/path, a plain path, memory://, "
    "mysql://user:password@host/database, postgresql://user:password@host/database, grpc://host:port "
    "or grpcs://host:port"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a metadata store is.

    Attributes:
        kind: ``sqlite``, ``memory``, ``mysql``, ``postgresql``, ``grpc`` or ``grpcs``.
        url: as it is shown and noted, without a password or token.
        secret_url: with them; only to open the same store again. It is not in the ``repr``.
        path: of the SQLite file, absolute; the name of a store in memory; the name of a database.
        secret: the password or token in the URL; empty if there is none.
        options: what stands behind the question mark.
    """

    kind: str
    url: str
    path: str = ""
    secret_url: str = field(default="", repr=False)
    host: str = ""
    port: int = 0
    user: str = ""
    secret: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """The same for the same store and the same user with the same secret."""
        if self.kind == "sqlite":
            return os.path.realpath(self.path)
        return self.secret_url or self.url


def parse_address(url: str) -> Address:
    """The parts of a metadata URL.

    Raises:
        ConfigurationError: it is not understood.

    >>> parse_address("mysql://me:secret@db.example/cache").url
    'mysql://me@db.example:3306/cache'
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _sqlite(str(Path(url).expanduser().absolute()))
    kind = _ALIASES.get(scheme, scheme)
    if kind == "memory":
        return Address("memory", f"memory://{rest}", rest, secret_url=url)
    if kind == "sqlite":
        if not rest.startswith("/") or rest == "/":
            raise ConfigurationError(
                "An SQLite URL names a file after three slashes, or four for an absolute path.",
                facts={"metadata": url},
                hint="For example sqlite:///metadata.db or sqlite:////data/metadata.db.",
            )
        return _sqlite(str(Path(rest[1:]).expanduser().absolute()))
    if kind in _OPTIONS:
        return _server(kind, url)
    raise ConfigurationError(
        f"There is no metadata store for `{scheme}://`.",
        facts={"metadata": without_secret(url)},
        hint=f"Use {_KNOWN}.",
    )


def without_secret(url: str) -> str:
    """A URL, even one that cannot be parsed, without what stands before the ``@``."""
    return _SECRET.sub("//", url)


def _sqlite(path: str) -> Address:
    return Address("sqlite", f"sqlite:///{path}", path, secret_url=f"sqlite:///{path}")


def _server(kind: str, url: str) -> Address:
    parts_fit = False
    with suppress(ValueError):  # whose text may hold what was taken for a port: a part of a password
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        parts_fit = True
    if not parts_fit:
        raise _wrong(
            "The port is not a number from 1 to 65535, or the URL is not formed well.",
            url,
            hint="Characters such as / @ : # ? % in a user's name or password are written as %2F %40 ...",
        )
    if not host:
        raise _wrong("The URL of a metadata server names its host.", url)
    path = unquote(parts.path.removeprefix("/"))
    user, secret = unquote(parts.username or ""), unquote(parts.password or "")
    options = _options(kind, parts.query, url)
    if kind in ("grpc", "grpcs"):
        if path or port is None:
            hint = f"For example {kind}://{host}:8236."
            raise _wrong("The URL of a gRPC server is a host and a port.", url, hint)
        user, secret = "", secret or user  # a token, as ://token@host or ://:token@host
    elif not re.fullmatch(r"[^/\\`'\"\0]+", path):
        hint = f"For example {kind}://{host}/zencache."
        raise _wrong("The URL names one database after the host.", url, hint)
    port = port or _PORTS[kind]
    if any(character in user + secret for character in "\0\r\n"):
        raise _wrong("A user's name or password has a control character in it.", url)
    shown_host = f"[{host}]" if ":" in host else host
    whose = f"{quote(user, safe='')}@" if user else ""
    shown = f"{kind}://{whose}{shown_host}:{port}" + (f"/{path}" if path else "")
    return Address(kind, shown, path, url, host, port, user, secret, options)


def _options(kind: str, query: str, url: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS[kind]:
            raise _wrong(f"A `{kind}` URL has no option `{name}`.", url, nearest(name, _OPTIONS[kind]))
    return options


def _wrong(message: str, url: str, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(message, facts={"metadata": without_secret(url)}, hint=hint or f"Use {_KNOWN}.")
