"""Files outside of the artifact store: their content, or what a remote store says of it."""

from __future__ import annotations

import glob
import json
import os
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from zencache.digest import Digest, digest_file, fingerprint
from zencache.exceptions import ConfigurationError, NotFoundError, ZencacheError
from zencache.permission import make_file

_SETTLED = 2_000_000_000  # nanoseconds; a younger change may not show in the time of the next one
_ATTEMPTS = 3
_SHOWN = 8  # hex digits of a file's digest that people are shown
# What stores call a token that changes with the content, the most telling first.
_TOKENS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "crc32c",
    "checksum",
    "VersionId",
    "version_id",
    "generation",
)


@dataclass(frozen=True, slots=True)
class ExternalFile:
    """A file, several files or a folder outside of the artifact store, as the input of a step.

    The input's content counts for the cache: of a local file its bytes, of a remote one what its store
    says of it (ETag, checksum or version). Where it lies does not count, nor when it was written.

    The step's parameter receives the path or paths: a single one if it is annotated ``str`` or
    ``pathlib.Path``, else a list.

    Args:
        url: a path, a glob or an fsspec URL, such as ``"data/*.csv"`` or ``"gs://bucket/data-*.csv"``. A
            relative one is relative to the working directory.

    Example::

        @pipeline
        def training():
            trainer(importer(files=ExternalFile("data/*.csv")))
    """

    url: str

    def __post_init__(self) -> None:
        if isinstance(self.url, os.PathLike):
            object.__setattr__(self, "url", os.fspath(self.url))
        if not isinstance(self.url, str) or not self.url.strip():
            raise ConfigurationError(
                "ExternalFile names a path, a glob or a URL.", facts={"found": repr(self.url)}
            )


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file or folder that a path, glob or URL led to.

    Args:
        path: where it is, as a step can open it.
        name: its name below the part of a pattern that has no wildcard, which counts as the content does;
            empty for a single file, whose name says no more than where it lies.
        content: fingerprint of its content.
        size: bytes.
    """

    path: str
    name: str
    content: str
    size: int

    def __str__(self) -> str:
        """Enough to see that two states differ: the size and the beginning of the digest."""
        digest = self.content.rpartition(":")[2][:_SHOWN]
        return f"{self.size:,} byte{'s' * (self.size != 1)} ({digest})"


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a path, glob or URL led to at one time.

    Args:
        url: as it was given.
        place: the same, absolute: a step may change the working directory.
        files: what was found, sorted by name.
    """

    url: str
    place: str
    files: tuple[FoundFile, ...]

    @property
    def digest(self) -> Digest:
        """Of the files together: over their names and contents."""
        rows = [(file.name, file.content) for file in self.files]
        return Digest(f"sha256:{fingerprint(rows)}", sum(file.size for file in self.files))


class FileFingerprints:
    """Fingerprints of files, remembered by their state, in this process and in a file between processes.

    A file is read again when its inode, size, mtime or ctime differs from when it was last read.
    """

    def __init__(self, memory: Path | None = None):
        self._memory = memory
        self._known: dict[str, list[Any]] | None = None
        self._changed = False
        self._lock = threading.Lock()

    def find(self, url: str) -> Sighting:
        """What a path, glob or URL leads to now.

        Raises:
            NotFoundError: nothing is there.
            ConfigurationError: the URL is not understood, or a file keeps changing while it is read.
        """
        is_local = "://" not in url or url.startswith(("file://", "local://"))
        place = os.path.abspath(os.path.expanduser(url.partition("://")[2] or url)) if is_local else url
        found = self._find_local(place) if is_local else _find_remote(url)
        if not found:
            raise NotFoundError(
                "A file that a step depends on is not there.",
                facts={"file": url, "working directory": Path.cwd() if is_local else None},
                hint="Correct the path, or make the file. A relative one starts at the working directory.",
            )
        return Sighting(url, place, tuple(sorted(found, key=lambda file: file.name)))

    def changed_since(self, sightings: Iterable[Sighting]) -> str:
        """What is not as it was seen, in words; empty if the content of everything is.

        A local file is not read for that if its state says that nobody wrote to it.
        """
        return "; ".join(sentence for before in sightings for sentence in self._changes(before))

    def _changes(self, before: Sighting) -> Iterator[str]:
        then = {file.name: file.content for file in before.files}
        try:
            now = {file.name: file.content for file in self.find(before.place).files}
        except NotFoundError:
            now = {}
        except ZencacheError as error:
            yield f"file {before.url}: {error.message}"
            return
        for name in sorted({*then, *now}):
            if then.get(name) != now.get(name):
                what = "is gone" if name not in now else "is new" if name not in then else "changed"
                yield f"file {before.url}" + (f": {name}" if name else "") + f" {what}"

    def save(self) -> None:
        """Keep what has been learnt for other processes; that it cannot be kept only costs time."""
        with self._lock:
            if not self._changed or self._known is None:
                return
            if self._memory is None or not self._memory.parent.is_dir():
                return
            partial = self._memory.with_name(f".{self._memory.name}.{uuid.uuid4().hex[:8]}")
            with suppress(OSError):
                make_file(partial)
                partial.write_text(json.dumps(self._known, separators=(",", ":")))
                partial.replace(self._memory)
            partial.unlink(missing_ok=True)
            self._changed = False

    def _find_local(self, pattern: str) -> list[FoundFile]:
        if os.path.exists(pattern) or not glob.has_magic(pattern):  # a name may have brackets in it
            return [self._local(pattern, "")] if os.path.exists(pattern) else []
        base = _base(pattern)
        return [self._local(path, os.path.relpath(path, base)) for path in glob.glob(pattern, recursive=True)]

    def _local(self, path: str, name: str) -> FoundFile:
        if not os.path.isdir(path):
            if not os.path.isfile(path):  # reading a pipe or a device may never end
                raise ConfigurationError(
                    "What a step depends on is neither a file nor a folder.",
                    facts={"path": path},
                    hint="For a pipe, a device or a service there are `cache_func` and `enable_cache=False`.",
                )
            digest = self._digest(path)
            return FoundFile(path, name, digest.hash, digest.size)
        files, empty = _below(path)
        digests = [(file.relative_to(path).as_posix(), self._digest(str(file))) for file in files]
        content = fingerprint([(relative, digest.hash) for relative, digest in digests] + empty)
        return FoundFile(path, name, f"folder:{content}", sum(digest.size for _, digest in digests))

    def _digest(self, path: str) -> Digest:
        try:
            return self._digest_or_raise(path)
        except OSError as error:
            error.filename = path
            _cannot_read(error)

    def _digest_or_raise(self, path: str) -> Digest:
        for _ in range(_ATTEMPTS):
            before = _state(path)
            known = self._remembered().get(path)
            if known is not None and known[:4] == before:
                return Digest(known[4], before[1])
            digest, now = digest_file(Path(path)), time.time_ns()
            if _state(path) == before:
                if max(before[2:]) < now - _SETTLED:
                    with self._lock:
                        self._remembered()[path] = [*before, digest.hash]
                        self._changed = True
                return digest
        raise ConfigurationError(
            "A file keeps changing while it is read.",
            facts={"file": path},
            hint="Wait until it is written, or give the step a copy of it.",
        )

    def _remembered(self) -> dict[str, list[Any]]:
        if self._known is None:
            self._known = {}
            if self._memory is not None:
                with suppress(OSError, ValueError):
                    self._known = _checked(json.loads(self._memory.read_text()))
        return self._known


def _cannot_read(error: OSError) -> NoReturn:
    raise ConfigurationError(
        f"A file that a step depends on cannot be read: {error.strerror or error}.",
        facts={"file": error.filename},
        hint="Give this user the right to read it.",
    ) from error


def _below(path: str) -> tuple[list[Path], list[tuple[str, str]]]:
    """The files below a folder, sorted, through links as well; and its empty folders, each with no digest."""
    files: list[Path] = []
    empty: list[tuple[str, str]] = []
    for folder, folders, names in os.walk(path, onerror=_cannot_read, followlinks=True):
        here = Path(folder)
        around = {os.path.realpath(each) for each in (here, *here.parents)}
        folders[:] = [name for name in folders if os.path.realpath(here / name) not in around]
        files += [file for name in names if (file := here / name).is_file()]
        if folder != path and not folders and not names:
            empty.append((here.relative_to(path).as_posix(), ""))
    return sorted(files), sorted(empty)


def _state(path: str) -> list[int]:
    stat = os.stat(path)
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _base(pattern: str) -> str:
    """The folder below which names count: the last one before a wildcard."""
    folder = os.path.dirname(pattern)
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder


def _find_remote(url: str) -> list[FoundFile]:
    import fsspec  # not at the top: local files do not need it

    try:
        filesystem, pattern = fsspec.core.url_to_fs(url)
        filesystem.invalidate_cache()  # listings of an earlier look-up in this process may be old
        if filesystem.exists(pattern) or not glob.has_magic(pattern):
            return [_remote(filesystem, pattern, "")] if filesystem.exists(pattern) else []
        base = _base(pattern)
        return [_remote(filesystem, path, os.path.relpath(path, base)) for path in filesystem.glob(pattern)]
    except (ValueError, ImportError, OSError) as error:
        raise ConfigurationError(
            f"A file that a step depends on cannot be reached: {error}.",
            facts={"file": url},
            hint="Check the URL and the credentials; s3, gs and az need their fsspec package installed.",
        ) from error


def _remote(filesystem: Any, path: str, name: str) -> FoundFile:
    info = filesystem.info(path)
    address = filesystem.unstrip_protocol(path)
    if info.get("type") != "directory":
        return FoundFile(address, name, _remote_content(filesystem, path, info), int(info.get("size") or 0))
    below = sorted(filesystem.find(path, detail=True).items())
    contents = [
        (os.path.relpath(file, path), _remote_content(filesystem, file, found)) for file, found in below
    ]
    size = sum(int(found.get("size") or 0) for _, found in below)
    return FoundFile(address, name, f"folder:{fingerprint(contents)}", size)


def _checked(read: Any) -> dict[str, list[Any]]:
    """What was remembered, as far as it has the form that is written."""
    rows = read.items() if isinstance(read, dict) else ()
    return {
        path: row
        for path, row in rows
        if isinstance(row, list) and [type(item) for item in row] == [int, int, int, int, str]
    }


def _remote_content(filesystem: Any, path: str, info: dict[str, Any]) -> str:
    """What the store says of the content; where it says nothing, the content itself."""
    said = [(name, str(info[name])) for name in _TOKENS if info.get(name)]
    if said:
        return fingerprint((info.get("size"), said[0]))
    from blake3 import blake3

    hasher = blake3()
    with filesystem.open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            hasher.update(chunk)
    return f"blake3:{hasher.hexdigest()}"
