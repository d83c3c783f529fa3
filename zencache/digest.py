"""Digests of bytes and fingerprints of values: what equality means here.

A *digest* is over bytes: BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs) and a size, because a
size can be checked without reading. A *fingerprint* is SHA-256 over the canonical encoding of a value:
every value is written with its type and its length, so that no two different values share an encoding.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

ALGORITHM = "blake3"
_PARALLEL_FROM = 1 << 20  # bytes; below this a second thread costs more than it saves
_WINDOW = 1 << 24  # bytes mapped at once, which count as memory of the process while they are


@dataclass(frozen=True, slots=True)
class Digest:
    """Hash and size of some bytes.

    Args:
        hash: ``"blake3:<64 hex digits>"``.
        size: number of bytes.
    """

    hash: str
    size: int

    @property
    def hex(self) -> str:
        return self.hash.partition(":")[2]

    def __str__(self) -> str:
        return self.hash


def digest_bytes(payload: bytes | bytearray | memoryview) -> Digest:
    """The digest of bytes in memory.

    >>> digest_bytes(b"").hash
    'blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
    """
    view = memoryview(payload)
    threads = blake3.AUTO if view.nbytes >= _PARALLEL_FROM else 1
    return Digest(f"{ALGORITHM}:{blake3(payload, max_threads=threads).hexdigest()}", view.nbytes)


def digest_file(path: Path) -> Digest:
    """The digest of a local file, read once through the page cache; a large one, a part at a time."""
    size = path.stat().st_size
    hasher = blake3(max_threads=blake3.AUTO if size >= _PARALLEL_FROM else 1)
    if size <= _WINDOW:
        hasher.update_mmap(path)
    else:
        with open(path, "rb") as file:
            for start in range(0, size, _WINDOW):
                hasher.update(_mapped(file, start, min(_WINDOW, size - start)))
    return Digest(f"{ALGORITHM}:{hasher.hexdigest()}", size)


def _mapped(file: BinaryIO, start: int, length: int) -> mmap:
    try:
        return mmap(file.fileno(), length, access=ACCESS_READ, offset=start)
    except ValueError as error:
        raise OSError(f"{file.name} became shorter while it was read") from error


def digest_tree(files: Mapping[str, Digest]) -> Digest:
    """The digest of a folder: over its sorted relative paths, sizes and file digests."""
    rows = [(path, digest.size, digest.hash) for path, digest in sorted(files.items())]
    return Digest(digest_bytes(encode(rows)).hash, sum(size for _, size, _ in rows))


class HashingFile:
    """A binary file that is hashed while it is written, so that no byte is read a second time.

    >>> import io
    >>> sink = HashingFile(io.BytesIO())
    >>> _ = sink.write(b"ab")
    >>> sink.digest.size
    2
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._hasher = blake3(max_threads=blake3.AUTO)
        self._size = 0

    def write(self, payload: Any) -> int:
        view = memoryview(payload).cast("B")
        self._hasher.update(view)
        self._size += view.nbytes
        self._file.write(view)
        return view.nbytes

    @property
    def digest(self) -> Digest:
        return Digest(f"{ALGORITHM}:{self._hasher.hexdigest()}", self._size)


def _no_default(value: Any) -> Any:
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} has no canonical encoding")


def encode(value: Any, default: Callable[[Any], Any] = _no_default) -> bytes:
    """The canonical encoding: one type byte, eight bytes of length, then the payload, recursively.

    Only exact built-in types are known. Anything else is given to ``default``, which returns a value
    to encode in its place (as in :func:`json.dumps`) or raises. The order of a dict counts, that of a
    set does not.

    >>> encode([1]) == encode((1,)), encode(1) == encode(True), encode("a") == encode(b"a")
    (False, False, False)
    """
    kind = type(value)
    payload: bytes
    if kind is str:
        tag, payload = b"s", value.encode("utf-8", "surrogatepass")
    elif value is None:
        tag, payload = b"n", b""
    elif kind is bool:
        tag, payload = b"b", b"1" if value else b"0"
    elif kind is int:
        tag, payload = b"i", b"%d" % value if abs(value) < 1 << 64 else hex(value).encode()
    elif kind is float:
        tag, payload = b"f", b"nan" if math.isnan(value) else struct.pack(">d", value)
    elif kind is bytes:
        tag, payload = b"y", value
    elif kind is complex:
        tag, payload = b"c", encode(value.real) + encode(value.imag)
    elif kind is list or kind is tuple:
        tag = b"l" if kind is list else b"t"
        payload = b"".join([encode(item, default) for item in value])
    elif kind is dict:
        tag = b"d"
        payload = b"".join([encode(k, default) + encode(v, default) for k, v in value.items()])
    elif kind is set or kind is frozenset:
        tag = b"S" if kind is set else b"F"
        payload = b"".join(sorted(encode(item, default) for item in value))
    else:
        tag, payload = b"o", encode(default(value), default)
    return tag + struct.pack(">Q", len(payload)) + payload


def fingerprint(value: Any, default: Callable[[Any], Any] = _no_default) -> str:
    """SHA-256, as 64 hex digits, over :func:`encode` of a value."""
    return hashlib.sha256(encode(value, default)).hexdigest()
