"""What every artifact store does, whatever it lies on."""

from __future__ import annotations

import abc
import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from zencache.artifact_store.room import Unlimited
from zencache.digest import Digest, digest_bytes, digest_file
from zencache.exceptions import ArtifactDamaged, ArtifactMissing, ArtifactStoreError, ArtifactUnusable

T = TypeVar("T")
R = TypeVar("R")
_HINTS = {
    errno.ENOSPC: "Free some space and run again: everything that had finished is reused.",
    errno.EDQUOT: "Raise the quota or free some space and run again: everything that had finished is reused.",
    errno.EROFS: "The file system is read-only. Use another artifact store, or mount it writable.",
    errno.EACCES: "Give this user the right to write there, or use another artifact store.",
    errno.EPERM: "Give this user the right to write there, or use another artifact store.",
}


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An immutable object: the digest of its bytes and its absolute address."""

    digest: Digest
    uri: str


@dataclass(frozen=True, slots=True)
class ObjectState:
    """What lies at the address of an object, be it whole or not.

    Args:
        size: bytes that deleting it frees, its manifest among them.
        changed: when it was last published, seconds since the epoch by the file system's clock; also by a
            step that made the same bytes again and found them there.
    """

    size: int
    changed: float


@dataclass(frozen=True, slots=True)
class Deletion:
    """What deleting an object did: ``freed`` bytes; nothing if it ``is_recent``."""

    freed: int
    is_recent: bool = False


class ArtifactStore(abc.ABC):
    """Content-addressed, immutable objects: ``objects/<aa>/<digest>/{payload/…, manifest.json}``.

    Text too long for the metadata store lies under ``records/``; what is being written, and the notes
    of the processes that write, under ``staging/``.
    """

    url: str
    room: Unlimited = Unlimited()
    # With what :func:`zencache.stores.artifact_store_at` opened it; a password of the URL is in it.
    opening: tuple[Any, ...] = ()

    @abc.abstractmethod
    def stage(self) -> AbstractContextManager[Path]:
        """An empty local folder to write an object into; it is gone when the block ends."""

    @abc.abstractmethod
    def publish(self, directory: Path, known: Mapping[str, Digest] | None = None) -> StoredObject:
        """Make a staged folder an object, visible in one step and complete.

        Args:
            directory: what :meth:`stage` gave. It is used up.
            known: digests of files, by path relative to ``directory``, that were hashed while written.

        Raises:
            ArtifactStoreError: the bytes could not be written; nothing is visible.
            QuotaExceeded: they would be more than the store may hold.
        """

    def publish_all(self, staged: Sequence[tuple[Path, Mapping[str, Digest]]]) -> list[StoredObject]:
        """Make each of several staged folders an object by itself, as :meth:`publish` does.

        Args:
            staged: folders, and the digests of their files.
        """
        return [self.publish(directory, known) for directory, known in staged]

    @abc.abstractmethod
    def verify(self, digest: Digest) -> None:
        """Check, without reading the payload, that an object is there whole.

        Raises:
            ArtifactMissing: the object or one of its files is gone.
            ArtifactDamaged: a file's size or the manifest is not what was recorded.
        """

    @abc.abstractmethod
    def open(self, digest: Digest) -> Path:
        """The local folder of an object's payload, every byte of it checked against its digest.

        The folder is shared and immutable: read it only.

        Raises:
            ArtifactMissing, ArtifactDamaged: as :meth:`verify`, and for bytes that differ.
        """

    @abc.abstractmethod
    def set_aside(self, digest: Digest) -> None:
        """Take an unusable object out of the way, keeping its bytes for whoever wants to look."""

    @abc.abstractmethod
    def examine(self, digest: Digest) -> ObjectState | None:
        """What lies at the address of an object; None if nothing does."""

    @abc.abstractmethod
    def delete(self, digest: Digest, *, before: float) -> Deletion:
        """Delete an object that was last published before a time; one that was published since stays.

        A publish of the same bytes that runs beside it either finds the object and makes it recent, or
        writes it anew. Where a rename is not atomic, two requests lie between looking and deleting.

        Args:
            before: seconds since the epoch.

        Raises:
            ArtifactStoreError: the store could not be written.
        """

    @abc.abstractmethod
    def used(self) -> int:
        """Bytes of all objects, counted one by one."""

    @abc.abstractmethod
    def changed(self, path: str) -> float:
        """When a file or folder below the root was last written, seconds since the epoch; 0.0 without one."""

    @abc.abstractmethod
    def alone(self, what: str) -> AbstractContextManager[None]:
        """Only one process at a time is in a block of this name: where the store can hold a lock, that is.

        Raises:
            ArtifactStoreError: another one stays in it for more than ten minutes.
        """

    @abc.abstractmethod
    def uri(self, digest: Digest) -> str:
        """The absolute address of an object."""

    @abc.abstractmethod
    def write_file(self, path: str, payload: bytes) -> None:
        """Write a small file below the root, whole or not at all."""

    @abc.abstractmethod
    def read_file(self, path: str) -> bytes:
        """Read a small file below the root; FileNotFoundError if there is none."""

    @abc.abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file or a folder below the root; nothing happens if there is none."""

    @abc.abstractmethod
    def names(self, path: str) -> list[str]:
        """The names in a folder below the root; none if there is no such folder."""

    def write_record(self, text: str) -> str:
        """Keep a text under its digest and return the reference by which :meth:`read_record` finds it."""
        payload = text.encode()
        digest = digest_bytes(payload)
        path = _record_path(digest.hash)
        if not self._freshen(path, payload):
            self.write_file(path, payload)
        return digest.hash

    def _freshen(self, path: str, payload: bytes) -> bool:
        """Whether a file is there with this content, and counts as written now; if not, write it."""
        return False

    def read_record(self, reference: str) -> str:
        """The text of a record; ArtifactMissing or ArtifactDamaged if it cannot be had."""
        if re.fullmatch(r"\w{1,20}:[0-9a-f]{64}", reference, re.ASCII) is None:
            raise ArtifactMissing("A reference to a record is none.", facts={"record": f"{reference:.100}"})
        try:
            payload = self.read_file(_record_path(reference))
        except OSError as error:
            raise ArtifactMissing(
                "A record is missing.", facts={"record": reference, "store": self.url}
            ) from error
        if digest_bytes(payload).hash != reference:
            raise ArtifactDamaged("A record is damaged.", facts={"record": reference, "store": self.url})
        return payload.decode("utf-8", "replace")


def _record_path(reference: str) -> str:
    hex_digits = reference.partition(":")[2]
    return f"records/{hex_digits[:2]}/{hex_digits}.txt"


def hash_files(directory: Path, known: Mapping[str, Digest] | None) -> dict[str, Digest]:
    """The digest of every file below a folder; only those not yet known are read, several at a time."""
    known = known or {}
    files = ["/".join(parts) for parts in sorted(_files_below(str(directory)))]

    def digest_of(file: str) -> Digest:
        digest, path = known.get(file), f"{directory}/{file}"
        return digest if digest and digest.size == os.stat(path).st_size else digest_file(path)

    return dict(zip(files, in_threads(digest_of, files), strict=True))


def _files_below(folder: str, *above: str) -> Iterator[tuple[str, ...]]:
    """The files in a folder and in those inside of it, as the parts of their relative paths.

    Raises:
        ArtifactStoreError: one is a symbolic link.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise ArtifactStoreError("A symbolic link cannot be stored.", facts={"path": entry.path})
            if entry.is_dir():
                yield from _files_below(entry.path, *above, entry.name)
            elif entry.is_file():
                yield *above, entry.name


def in_threads(call: Callable[[T], R], items: Sequence[T], *, at_once: int | None = None) -> list[R]:
    """``[call(item) for item in items]``, in as many threads as there are processors, or so many."""
    if len(items) < 2:
        return [call(item) for item in items]
    most = at_once or os.cpu_count() or 1
    with ThreadPoolExecutor(min(len(items), most), "zencache-files") as threads:
        return list(threads.map(call, items))


def unusable(kind: type[ArtifactUnusable], digest: Digest, uri: str, problem: object) -> ArtifactUnusable:
    """The one form of the error about an object that cannot be used."""
    what = "is missing" if kind is ArtifactMissing else "is damaged"
    return kind(
        f"An artifact {what}: {problem}.",
        facts={"uri": uri, "digest": digest.hash},
        hint="Run the pipeline again: the step that made it will run.",
    )


@contextmanager
def writing(url: str, path: object) -> Iterator[None]:
    """Turn what a file system raises while writing into one clear error."""
    try:
        yield
    except OSError as error:
        raise ArtifactStoreError(
            f"The artifact store could not be written: {error.strerror or error}.",
            facts={"store": url, "path": path},
            hint=_HINTS.get(error.errno or 0),
        ) from error
