"""An artifact store in a folder of this machine."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from zencache.artifact_store.contract import (
    ArtifactStore,
    StoredObject,
    hash_files,
    in_threads,
    unusable,
    writing,
)
from zencache.artifact_store.manifest import MANIFEST, PAYLOAD, Manifest, address
from zencache.digest import Digest, digest_file
from zencache.exceptions import ArtifactDamaged, ArtifactMissing, ArtifactStoreError, ArtifactUnusable
from zencache.owner import this_process

_FileState = tuple[int, int, int, int]


class LocalArtifactStore(ArtifactStore):
    """Objects are staged on the same file system and appear by one rename."""

    def __init__(self, root: Path):
        self.root = root
        self.url = str(root)
        self._manifests: dict[str, Manifest] = {}
        # What this process has verified or written, by the state in which it saw the file. Any change
        # of a file's content changes its ctime, which no user can set.
        self._verified: dict[str, _FileState] = {}

    @contextmanager
    def stage(self) -> Iterator[Path]:
        owner = self.root / "staging" / str(this_process())
        directory = owner / uuid.uuid4().hex / PAYLOAD
        with writing(self.url, directory):
            directory.mkdir(parents=True)
        try:
            yield directory
        finally:
            shutil.rmtree(directory.parent, ignore_errors=True)

    def publish(self, directory: Path, known: Mapping[str, Digest] | None = None) -> StoredObject:
        staged = directory.parent
        with writing(self.url, staged):
            manifest = Manifest.of(hash_files(directory, known))
            in_threads(_seal, [directory / path for path in manifest.files])
            (staged / MANIFEST).write_bytes(manifest.dump())
            _seal(staged / MANIFEST)
            target = self._path(manifest.digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._make_visible(staged, target, manifest)
            self._manifests[manifest.digest.hash] = manifest
            for path in manifest.files:
                file = f"{target}/{PAYLOAD}/{path}"
                self._verified[file] = _state(file)
        return StoredObject(manifest.digest, str(target))

    def _make_visible(self, staged: Path, target: Path, manifest: Manifest) -> None:
        for _ in range(10):
            try:
                staged.rename(target)
            except OSError:
                if not target.exists():
                    raise
            else:
                _sync_folder(target.parent)
                return
            try:
                self.open(manifest.digest)
            except ArtifactUnusable:
                self.set_aside(manifest.digest)
            else:
                return
        raise ArtifactStoreError(
            "An object could not be replaced: another process keeps writing a damaged one.",
            facts={"path": target},
        )

    def verify(self, digest: Digest) -> None:
        target = self.uri(digest)
        manifest = self._manifest(digest, target)
        for path, expected in manifest.files.items():
            try:
                size = os.stat(f"{target}/{PAYLOAD}/{path}").st_size
            except OSError as error:
                raise unusable(ArtifactMissing, digest, target, f"{path}: {error.strerror}") from error
            if size != expected.size:
                problem = f"{path} has {size} bytes, expected {expected.size}"
                raise unusable(ArtifactDamaged, digest, target, problem)

    def open(self, digest: Digest) -> Path:
        self.verify(digest)
        target = self.uri(digest)
        for path, expected in self._manifests[digest.hash].files.items():
            file = f"{target}/{PAYLOAD}/{path}"
            try:
                state = _state(file)
                if self._verified.get(file) == state:
                    continue
                found = digest_file(Path(file))
            except OSError as error:
                raise unusable(ArtifactMissing, digest, target, f"{path}: {error.strerror}") from error
            if found != expected:
                problem = f"{path} has digest {found.hash}, expected {expected.hash}"
                raise unusable(ArtifactDamaged, digest, target, problem)
            self._verified[file] = state
        self._check_nothing_more(digest, target)
        return Path(target, PAYLOAD)

    def _check_nothing_more(self, digest: Digest, target: str) -> None:
        """A folder that is read as a whole must not hold what somebody wrote into it afterwards."""
        files = self._manifests[digest.hash].files
        payload = f"{target}/{PAYLOAD}"
        for folder, _, names in os.walk(payload):
            for name in names:
                path = os.path.relpath(f"{folder}/{name}", payload)
                if path not in files:
                    raise unusable(ArtifactDamaged, digest, target, f"{path} does not belong to it")

    def _manifest(self, digest: Digest, target: str) -> Manifest:
        file = f"{target}/{MANIFEST}"
        try:
            state = _state(file)
            manifest = self._manifests.get(digest.hash)
            if manifest is not None and self._verified.get(file) == state:
                return manifest
            payload = Path(file).read_bytes()
        except OSError as error:
            raise unusable(ArtifactMissing, digest, target, f"{MANIFEST}: {error.strerror}") from error
        try:
            manifest = Manifest.parse(payload, digest)
        except ValueError as error:
            raise unusable(ArtifactDamaged, digest, target, error) from error
        self._manifests[digest.hash] = manifest
        self._verified[file] = state
        return manifest

    def set_aside(self, digest: Digest) -> None:
        target = self._path(digest)
        aside = self.root / "damaged" / f"{target.name}-{uuid.uuid4().hex[:8]}"
        with writing(self.url, aside):
            aside.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                target.rename(aside)

    def uri(self, digest: Digest) -> str:
        return f"{self.root}/{address(digest)}"

    def _path(self, digest: Digest) -> Path:
        return self.root / address(digest)

    def write_file(self, path: str, payload: bytes) -> None:
        target = self.root / path
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        with writing(self.url, target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                partial.write_bytes(payload)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)

    def read_file(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def remove(self, path: str) -> None:
        target = self.root / path
        if target.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)

    def names(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(self.root / path))
        except (FileNotFoundError, NotADirectoryError):
            return []


def _state(path: str) -> _FileState:
    stat = os.stat(path)
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _seal(path: Path) -> None:
    """Make a file read-only and its bytes durable, so that a record never outlives what it describes."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(handle, 0o444)
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
