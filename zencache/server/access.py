"""Who may ask, and who may write: bearer tokens, and nothing for whoever has none."""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from zencache.exceptions import ConfigurationError

_SCHEME = "bearer "
_SHORTEST = 16  # characters


class Access(Enum):
    """What a token allows."""

    NONE = 0
    READ = 1
    WRITE = 2


@dataclass(frozen=True, slots=True)
class Tokens:
    """Files with a token a line: of those who may write, and of those who may only read.

    A changed file counts from the next call on, so that a token is given or taken back without a restart.
    A file that cannot be read any more lets nobody in.

    Raises:
        ConfigurationError: a file cannot be read, is empty, or holds something that is no token.
    """

    writers: Path | None = None
    readers: Path | None = None

    def __post_init__(self) -> None:
        for file in (self.writers, self.readers):
            if file is not None and not _read(file):
                raise ConfigurationError(
                    "A token file has no token in it.",
                    facts={"file": file},
                    hint="Write one a line, for example from `openssl rand -hex 32`.",
                )

    @property
    def are_asked_for(self) -> bool:
        return self.writers is not None or self.readers is not None

    def access_of(self, authorization: str) -> Access:
        """What the ``authorization`` header of a call allows."""
        if not self.are_asked_for:
            return Access.WRITE
        if not authorization.lower().startswith(_SCHEME):
            return Access.NONE
        given = _digest(authorization[len(_SCHEME) :].strip())
        for file, access in ((self.writers, Access.WRITE), (self.readers, Access.READ)):
            if file is not None and _holds(_current(file), given):
                return access
        return Access.NONE


_known: dict[Path, tuple[tuple[int, int, int], frozenset[bytes]]] = {}
_reading = threading.Lock()


def _current(file: Path) -> frozenset[bytes]:
    """The digests of the tokens in a file as it is now."""
    with _reading:
        try:
            stat = os.stat(file)
            state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if file not in _known or _known[file][0] != state:
                _known[file] = (state, _read(file))
            return _known[file][1]
        except (OSError, ConfigurationError):
            return frozenset()


def _read(file: Path) -> frozenset[bytes]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"A token file cannot be read: {error.strerror if isinstance(error, OSError) else error}.",
            facts={"file": file},
        ) from error
    tokens = [line for line in lines if line and not line.startswith("#")]
    for token in tokens:
        if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigurationError(
                "A line of a token file is no token.",
                facts={"file": file, "line": lines.index(token) + 1},
                hint=f"A token has at least {_SHORTEST} ASCII characters, no space: `openssl rand -hex 32`.",
            )
    return frozenset(_digest(token) for token in tokens)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _holds(tokens: frozenset[bytes], given: bytes) -> bool:
    """In a time that does not tell how much of a token was right."""
    return sum(hmac.compare_digest(token, given) for token in tokens) > 0
