"""An artifact store on any other fsspec file system: objects are uploaded, and read through a local copy."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zencache.artifact_store.contract import (
    ArtifactStore,
    Deletion,
    ObjectState,
    StoredObject,
    hash_files,
    in_threads,
    unusable,
    writing,
)
from zencache.artifact_store.copies import LocalCopies
from zencache.artifact_store.filesystem import RemoteFiles
from zencache.artifact_store.manifest import MANIFEST, PAYLOAD, Manifest, address
from zencache.digest import Digest, digest_file
from zencache.exceptions import ArtifactDamaged, ArtifactMissing, ArtifactUnusable

_alone = threading.RLock()


class RemoteArtifactStore(ArtifactStore):
    """Payload first, manifest last: where no rename is atomic, the manifest makes an object visible.

    The address of an object says what bytes it has, so that two writers of one object write the same, and
    whichever comes last changes nothing. A manifest counts only if it describes the object of its address, a
    file only if it has the size and, when it is read, the digest that the manifest says. Nothing depends on
    a listing but the sweeping of what dead runs left.

    Args:
        files: where the objects lie.
        copies: keeps local copies of objects; a folder for the life of this process unless given.
    """

    def __init__(self, files: RemoteFiles, copies: LocalCopies | None = None):
        self._files = files
        self.url = files.url
        self._given_copies = copies
        if copies is None:
            folder = Path(tempfile.mkdtemp(prefix="zencache-"))
            weakref.finalize(self, _remove_own, folder, os.getpid())
            copies = LocalCopies(folder)
        self._copies = copies

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._files, self._given_copies)

    @contextmanager
    def stage(self) -> Iterator[Path]:
        with self._copies.stage() as directory:
            yield directory

    def publish(self, directory: Path, known: Mapping[str, Digest] | None = None) -> StoredObject:
        with writing(self.url, directory):
            manifest = Manifest.of(hash_files(directory, known))
        target = address(manifest.digest)
        if self._is_intact(manifest.digest):
            # Written again: who deletes old objects looks at its time.
            self._files.write(f"{target}/{MANIFEST}", manifest.dump())
        else:
            self.room.claim(self, manifest.digest.size)
            for path, expected in manifest.files.items():
                self._upload(directory / path, f"{target}/{PAYLOAD}/{path}", expected)
            # Last: an object without its manifest does not exist.
            try:
                self._files.write(f"{target}/{MANIFEST}", manifest.dump(), create=True)
            except FileExistsError:  # another writer was faster, or it is damaged
                self._files.write(f"{target}/{MANIFEST}", manifest.dump())
        return StoredObject(manifest.digest, self.uri(manifest.digest))

    def _upload(self, source: Path, path: str, expected: Digest) -> None:
        try:
            self._files.put(source, path, create=True)
        except FileExistsError:
            with self._copies.stage() as scratch, suppress(FileNotFoundError):
                self._files.fetch(path, scratch / "found")
                if digest_file(scratch / "found") == expected:
                    return
            self._files.put(source, path)

    def _is_intact(self, digest: Digest) -> bool:
        """Whether an object is there and every byte of it is right."""
        try:
            with self._copies.stage() as scratch:
                self._fetch_all(self._manifest(digest), scratch)
        except ArtifactUnusable:
            return False
        return True

    def verify(self, digest: Digest) -> None:
        manifest = self._manifest(digest)
        in_threads(lambda path: self._verify_size(manifest, path), list(manifest.files))

    def _verify_size(self, manifest: Manifest, path: str) -> None:
        digest, expected = manifest.digest, manifest.files[path].size
        try:
            size = self._files.size(f"{address(digest)}/{PAYLOAD}/{path}")
        except OSError as error:
            raise unusable(ArtifactMissing, digest, self.uri(digest), f"{path}: {error}") from error
        if size not in (expected, -1):  # -1: a server that does not say
            problem = f"{path} has {size} bytes, expected {expected}"
            raise unusable(ArtifactDamaged, digest, self.uri(digest), problem)

    def _manifest(self, digest: Digest) -> Manifest:
        try:
            payload = self._files.read(f"{address(digest)}/{MANIFEST}")
        except OSError as error:
            raise unusable(ArtifactMissing, digest, self.uri(digest), f"{MANIFEST}: {error}") from error
        try:
            return Manifest.parse(payload, digest)
        except ValueError as error:
            raise unusable(ArtifactDamaged, digest, self.uri(digest), error) from error

    def open(self, digest: Digest) -> Path:
        found = self._copies.find(digest)
        if found is not None:
            return found
        with self._copies.stage() as directory:
            manifest = self._manifest(digest)
            self._fetch_all(manifest, directory)
            self._copies.publish(directory, manifest.files)
        return self._copies.open(digest)

    def _fetch_all(self, manifest: Manifest, directory: Path) -> None:
        in_threads(lambda path: self._fetch_verified(manifest, path, directory), list(manifest.files))

    def _fetch_verified(self, manifest: Manifest, path: str, directory: Path) -> None:
        digest, expected = manifest.digest, manifest.files[path]
        destination = directory / path
        with writing(self._copies.url, destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._files.fetch(f"{address(digest)}/{PAYLOAD}/{path}", destination)
            found = digest_file(destination)
        except OSError as error:
            raise unusable(ArtifactMissing, digest, self.uri(digest), f"{path}: {error}") from error
        if found != expected:
            problem = f"{path} has digest {found.hash}, expected {expected.hash}"
            raise unusable(ArtifactDamaged, digest, self.uri(digest), problem)

    def set_aside(self, digest: Digest) -> None:
        target = address(digest)
        # The manifest goes first: without it the object does not exist, whatever comes after.
        self._files.remove(f"{target}/{MANIFEST}")
        self._files.move(target, f"damaged/{target.rpartition('/')[2]}-{uuid.uuid4().hex[:8]}")

    def examine(self, digest: Digest) -> ObjectState | None:
        target = address(digest)
        sizes = self._files.sizes(target)
        if not sizes:
            return None
        return ObjectState(sum(sizes.values()), self._files.changed(f"{target}/{MANIFEST}"))

    def delete(self, digest: Digest, *, before: float) -> Deletion:
        target = address(digest)
        found = self.examine(digest)
        if found is None:
            return Deletion(0)
        if found.changed >= before:
            return Deletion(0, is_recent=True)
        # The manifest goes first: without it the object does not exist, whatever comes after.
        self._files.remove(f"{target}/{MANIFEST}")
        self._files.remove(target)
        return Deletion(found.size)

    def used(self) -> int:
        return sum(self._files.sizes("objects").values())

    def changed(self, path: str) -> float:
        return self._files.changed(path)

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Two processes at once do no harm; they may undo each other's pardons, which costs a rerun."""
        with _alone:
            yield

    def uri(self, digest: Digest) -> str:
        return f"{self.url}/{address(digest)}"

    def write_file(self, path: str, payload: bytes) -> None:
        self._files.write(path, payload)

    def read_file(self, path: str) -> bytes:
        return self._files.read(path)

    def remove(self, path: str) -> None:
        self._files.remove(path)

    def names(self, path: str) -> list[str]:
        return self._files.names(path)


def _remove_own(folder: Path, pid: int) -> None:
    """A forked process inherits the wish to clean up, but not the folder."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
