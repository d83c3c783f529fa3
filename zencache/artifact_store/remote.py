"""An artifact store on any other fsspec file system: objects are uploaded, and read through a local copy."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zencache.artifact_store.contract import ArtifactStore, StoredObject, hash_files, unusable, writing
from zencache.artifact_store.manifest import MANIFEST, PAYLOAD, Manifest, address
from zencache.digest import Digest, HashingFile
from zencache.exceptions import ArtifactDamaged, ArtifactMissing, ArtifactStoreError, ArtifactUnusable

_CHUNK = 1 << 22  # bytes read at a time


class RemoteArtifactStore(ArtifactStore):
    """Payload first, manifest last: where no rename is atomic, the manifest makes an object visible."""

    def __init__(self, filesystem: Any, root: str):
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self.url = filesystem.unstrip_protocol(self._root)
        self._local = Path(tempfile.mkdtemp(prefix="zencache-"))
        weakref.finalize(self, shutil.rmtree, self._local, ignore_errors=True)
        self._manifests: dict[str, Manifest] = {}

    @contextmanager
    def stage(self) -> Iterator[Path]:
        directory = self._local / "staging" / uuid.uuid4().hex
        with writing(self.url, directory):
            directory.mkdir(parents=True)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def publish(self, directory: Path, known: Mapping[str, Digest] | None = None) -> StoredObject:
        with writing(self.url, directory):
            manifest = Manifest.of(hash_files(directory, known))
            target = self._path(manifest.digest)
            if not self._is_intact(manifest.digest):
                for path in manifest.files:
                    destination = f"{target}/{PAYLOAD}/{path}"
                    self._filesystem.makedirs(destination.rpartition("/")[0], exist_ok=True)
                    self._filesystem.put_file(str(directory / path), destination)
                self._filesystem.makedirs(target, exist_ok=True)
                self._filesystem.pipe_file(f"{target}/{MANIFEST}", manifest.dump())
        return StoredObject(manifest.digest, self.uri(manifest.digest))

    def _is_intact(self, digest: Digest) -> bool:
        """Whether an object is there and every byte of it is right."""
        try:
            self.verify(digest)
            for path, expected in self._manifests[digest.hash].files.items():
                if self._fetch(f"{self._path(digest)}/{PAYLOAD}/{path}", None) != expected:
                    return False
        except (ArtifactUnusable, OSError):
            return False
        return True

    def verify(self, digest: Digest) -> None:
        target = self._path(digest)
        manifest = self._read_manifest(digest)
        for path, expected in manifest.files.items():
            try:
                size = self._filesystem.info(f"{target}/{PAYLOAD}/{path}")["size"]
            except OSError as error:
                raise unusable(ArtifactMissing, digest, self.uri(digest), f"{path}: {error}") from error
            if size != expected.size:
                problem = f"{path} has {size} bytes, expected {expected.size}"
                raise unusable(ArtifactDamaged, digest, self.uri(digest), problem)

    def _read_manifest(self, digest: Digest) -> Manifest:
        try:
            payload = self._filesystem.cat_file(f"{self._path(digest)}/{MANIFEST}")
        except OSError as error:
            raise unusable(ArtifactMissing, digest, self.uri(digest), f"{MANIFEST}: {error}") from error
        try:
            manifest = Manifest.parse(payload, digest)
        except ValueError as error:
            raise unusable(ArtifactDamaged, digest, self.uri(digest), error) from error
        self._manifests[digest.hash] = manifest
        return manifest

    def open(self, digest: Digest) -> Path:
        local = self._local / address(digest) / PAYLOAD
        if local.is_dir() and self._copy_is_right(local, digest):
            return local
        manifest = self._read_manifest(digest)
        partial = self._local / "fetching" / uuid.uuid4().hex
        try:
            partial.mkdir(parents=True)
            for path, expected in manifest.files.items():
                self._fetch_verified(digest, path, expected, partial / path)
            shutil.rmtree(local, ignore_errors=True)
            local.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # another thread was faster
                partial.rename(local)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return local

    def _copy_is_right(self, local: Path, digest: Digest) -> bool:
        manifest = self._manifests.get(digest.hash)
        try:
            # Hashed in threads; a file that somebody added to it counts as well.
            return manifest is not None and hash_files(local, None) == manifest.files
        except (OSError, ArtifactStoreError):
            return False

    def _fetch_verified(self, digest: Digest, path: str, expected: Digest, destination: Path) -> None:
        try:
            found = self._fetch(f"{self._path(digest)}/{PAYLOAD}/{path}", destination)
        except OSError as error:
            raise unusable(ArtifactMissing, digest, self.uri(digest), f"{path}: {error}") from error
        if found != expected:
            problem = f"{path} has digest {found.hash}, expected {expected.hash}"
            raise unusable(ArtifactDamaged, digest, self.uri(digest), problem)

    def _fetch(self, source: str, destination: Path | None) -> Digest:
        """Hash a remote file while reading it, and copy it if a destination is given."""
        if destination is not None:
            destination.parent.mkdir(parents=True, exist_ok=True)
        with (
            self._filesystem.open(source, "rb") as remote,
            open(destination or "/dev/null", "wb") as file,
        ):
            sink = HashingFile(file)
            while chunk := remote.read(_CHUNK):
                sink.write(chunk)
        return sink.digest

    def set_aside(self, digest: Digest) -> None:
        target = self._path(digest)
        aside = f"{self._root}/damaged/{target.rpartition('/')[2]}-{uuid.uuid4().hex[:8]}"
        with writing(self.url, aside), suppress(FileNotFoundError):
            # The manifest goes first: without it the object does not exist, whatever comes after.
            self._filesystem.rm_file(f"{target}/{MANIFEST}")
        with writing(self.url, aside), suppress(FileNotFoundError):
            self._filesystem.mv(target, aside, recursive=True)

    def uri(self, digest: Digest) -> str:
        return str(self._filesystem.unstrip_protocol(self._path(digest)))

    def _path(self, digest: Digest) -> str:
        return f"{self._root}/{address(digest)}"

    def write_file(self, path: str, payload: bytes) -> None:
        target = f"{self._root}/{path}"
        with writing(self.url, target):
            self._filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._filesystem.pipe_file(target, payload)

    def read_file(self, path: str) -> bytes:
        return bytes(self._filesystem.cat_file(f"{self._root}/{path}"))

    def remove(self, path: str) -> None:
        with writing(self.url, path), suppress(FileNotFoundError):
            self._filesystem.rm(f"{self._root}/{path}", recursive=True)

    def names(self, path: str) -> list[str]:
        try:
            rows = self._filesystem.ls(f"{self._root}/{path}", detail=False)
        except FileNotFoundError:
            return []
        return sorted(row.rstrip("/").rpartition("/")[2] for row in rows)
