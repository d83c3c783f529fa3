"""An artifact store in a folder of this machine."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG

import filelock

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
from zencache.artifact_store.manifest import MANIFEST, PAYLOAD, Manifest, address
from zencache.digest import Digest, digest_file
from zencache.exceptions import ArtifactDamaged, ArtifactMissing, ArtifactStoreError, ArtifactUnusable
from zencache.owner import this_process
from zencache.permission import file_mode, folder_mode, make_file, make_folder, sealed_mode

_LARGEST_MANIFEST = 1 << 29  # bytes: of some million files
_LARGEST_FILE = 1 << 30  # bytes, of a record or a note
_PATIENCE = 600.0  # seconds that one waits to be alone
_AT_ONCE = 8  # threads that wait for the disk; a file system writes what many wait for together

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
        self._staged: dict[str, int] = {}  # open while it is written into, so that its inode stays its own

    @contextmanager
    def stage(self) -> Iterator[Path]:
        staged = f"{self.root}/staging/{this_process()}/{uuid.uuid4().hex}"
        directory = f"{staged}/{PAYLOAD}"
        try:
            with writing(self.url, directory):
                make_folder(staged, self.root)
                make_folder(directory, self.root)
                self._staged[directory] = os.open(staged, os.O_RDONLY | os.O_DIRECTORY)
            yield Path(directory)
        finally:
            opened = self._staged.pop(directory, None)
            if opened is not None:
                os.close(opened)
            if os.path.lexists(staged):
                shutil.rmtree(staged, ignore_errors=True)

    def publish(self, directory: Path, known: Mapping[str, Digest] | None = None) -> StoredObject:
        self._check_not_swept(directory)
        staged = os.path.dirname(directory)
        with writing(self.url, staged):
            manifest = Manifest.of(hash_files(directory, known))
            target = self.uri(manifest.digest)
            if not os.path.exists(target):
                self.room.claim(self, manifest.digest.size)
            with open(f"{staged}/{MANIFEST}", "wb") as list_of_files:
                list_of_files.write(manifest.dump())
                list_of_files.flush()
                _begin_to_write_back(list_of_files.fileno())
            mode = folder_mode(self.root)
            sealed = sealed_mode(mode)
            files = [f"{directory}/{path}" for path in manifest.files]
            in_threads(lambda file: _seal(file, sealed), files, at_once=_AT_ONCE)
            _seal(f"{staged}/{MANIFEST}", sealed)
            self._own_folders(directory, manifest.files, mode)
            make_folder(os.path.dirname(target), self.root)
            self._make_visible(staged, target, manifest)
            self._manifests[manifest.digest.hash] = manifest
            for path in (MANIFEST, *(f"{PAYLOAD}/{path}" for path in manifest.files)):
                file = f"{target}/{path}"
                self._verified[file] = _state(file)
        return StoredObject(manifest.digest, target)

    def publish_all(self, staged: Sequence[tuple[Path, Mapping[str, Digest]]]) -> list[StoredObject]:
        return in_threads(lambda one: self.publish(*one), staged, at_once=_AT_ONCE)

    def _check_not_swept(self, directory: Path) -> None:
        """Another machine may have taken this process for dead, and the step made the folder anew."""
        opened = self._staged.get(str(directory))
        try:
            is_swept = opened is not None and not os.path.samestat(
                os.fstat(opened), os.lstat(directory.parent)
            )
        except OSError:
            is_swept = True
        if is_swept:
            raise ArtifactStoreError(
                "The folder that a step wrote its output into was cleared away meanwhile.",
                facts={"folder": directory.parent},
                hint="Another machine has not heard of this process for minutes, and took it for dead; or "
                "somebody deleted it. Run again.",
            )

    @staticmethod
    def _own_folders(directory: Path, files: Iterable[str], mode: int) -> None:
        """Folders inside of an object, which a step may have made, have the rights of the store."""
        folders = {""}
        for file in files:
            folder = os.path.dirname(file)
            while folder not in folders:
                folders.add(folder)
                folder = os.path.dirname(folder)
        for folder in folders:
            os.chmod(f"{directory}/{folder}", mode)

    def _make_visible(self, staged: str, target: str, manifest: Manifest) -> None:
        for _ in range(10):
            try:
                os.rename(staged, target)
            except OSError:
                if not os.path.exists(target):
                    raise
            else:
                _sync_folder(os.path.dirname(target))
                return
            try:
                self.open(manifest.digest)
                # Who deletes old objects looks at this time after having taken the object away.
                _touch(f"{target}/{MANIFEST}")
            except ArtifactUnusable:
                self.set_aside(manifest.digest)
            except FileNotFoundError:
                continue
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
                status = os.lstat(f"{target}/{PAYLOAD}/{path}")
            except (OSError, ValueError) as error:
                raise unusable(ArtifactMissing, digest, target, f"{path}: {_said(error)}") from error
            if not S_ISREG(status.st_mode):
                raise unusable(ArtifactDamaged, digest, target, f"{path} is no file but a link or a device")
            if status.st_size != expected.size:
                problem = f"{path} has {status.st_size} bytes, expected {expected.size}"
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
        for path in _paths_below(f"{target}/{PAYLOAD}"):
            if path not in files:
                raise unusable(ArtifactDamaged, digest, target, f"{path} does not belong to it")

    def _manifest(self, digest: Digest, target: str) -> Manifest:
        file = f"{target}/{MANIFEST}"
        try:
            state = _state(file)
            manifest = self._manifests.get(digest.hash)
            if manifest is not None and self._verified.get(file) == state:
                return manifest
            payload = _read_regular(file, _LARGEST_MANIFEST)
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
            make_folder(aside.parent, self.root)
            with suppress(FileNotFoundError):
                target.rename(aside)
                os.utime(aside)

    def examine(self, digest: Digest) -> ObjectState | None:
        return _examine(self._path(digest))

    def delete(self, digest: Digest, *, before: float) -> Deletion:
        target = self._path(digest)
        found = _examine(target)
        if found is None:
            return Deletion(0)
        if found.changed >= before:
            return Deletion(0, is_recent=True)
        # What lies in staging is swept if its process dies, and a rename is all or nothing.
        aside = self.root / "staging" / str(this_process()) / uuid.uuid4().hex
        with writing(self.url, target):
            aside.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.rename(aside)
            except FileNotFoundError:  # somebody else was faster
                return Deletion(0)
            taken = _examine(aside)
            if taken is not None and taken.changed >= before:  # published between the look and the rename
                with suppress(OSError):  # and once more since: then it is there
                    aside.rename(target)
                shutil.rmtree(aside, ignore_errors=True)
                return Deletion(0, is_recent=True)
            shutil.rmtree(aside)
        return Deletion(found.size)

    def used(self) -> int:
        state = _examine(self.root / "objects")
        return state.size if state is not None else 0

    def changed(self, path: str) -> float:
        try:
            return os.stat(self.root / path).st_mtime
        except OSError:
            return 0.0

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        path = self.root / f"{what}.lock"
        with writing(self.url, path):
            make_folder(self.root)
            make_file(path)
        try:
            # Some versions set the mode at each use.
            lock = filelock.FileLock(path, timeout=_PATIENCE, mode=file_mode(self.root)).acquire()
        except filelock.Timeout as error:
            raise ArtifactStoreError(
                f"Another {what} has been at work for more than {_PATIENCE / 60:.0f} minutes.",
                facts={"store": self.url, "lock": path},
                hint="Wait for it, or end the process that holds the lock file open.",
            ) from error
        except OSError as error:
            raise ArtifactStoreError(
                f"The artifact store could not be locked: {error.strerror or error}.",
                facts={"store": self.url, "lock": path},
            ) from error
        with lock:
            yield

    def _freshen(self, path: str, payload: bytes) -> bool:
        try:
            if self.read_file(path) != payload:
                return False
            _touch(self.root / path)
        except OSError:
            return False
        return True

    def uri(self, digest: Digest) -> str:
        return f"{self.root}/{address(digest)}"

    def _path(self, digest: Digest) -> Path:
        return self.root / address(digest)

    def write_file(self, path: str, payload: bytes) -> None:
        target = self.root / path
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        with writing(self.url, target):
            make_folder(target.parent, self.root)
            try:
                make_file(partial)
                partial.write_bytes(payload)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)

    def read_file(self, path: str) -> bytes:
        return _read_regular(str(self.root / path), _LARGEST_FILE)

    def remove(self, path: str) -> None:
        target = self.root / path
        with writing(self.url, target):
            if not target.is_dir():
                target.unlink(missing_ok=True)
                return
            # In one step: whoever still writes into it shall not find half of it.
            aside = self.root / "staging" / str(this_process()) / uuid.uuid4().hex
            with suppress(OSError):
                make_folder(aside.parent, self.root)
                target.rename(aside)
                target = aside
            shutil.rmtree(target, ignore_errors=True)

    def names(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(self.root / path))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ArtifactStoreError(
                f"The artifact store could not be listed: {error.strerror or error}.",
                facts={"store": self.url, "path": self.root / path},
                hint="Give this user the right to read there, and look at the disk.",
            ) from error


def _state(path: str) -> _FileState:
    stat = os.stat(path)
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _examine(folder: Path) -> ObjectState | None:
    """The size of all files below a folder, and when its manifest, or else itself, was written."""
    try:
        changed = os.stat(folder).st_mtime
        size = 0
        for parent, _, names in os.walk(folder):
            size += sum(os.lstat(f"{parent}/{name}").st_size for name in names)
        with suppress(FileNotFoundError):
            changed = os.stat(folder / MANIFEST).st_mtime
    except OSError:  # somebody deletes it just now
        return None
    return ObjectState(size, changed)


def _paths_below(folder: str, above: str = "") -> Iterator[str]:
    """Whatever is in a folder and in those inside of it, but for these folders themselves."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _paths_below(entry.path, f"{above}{entry.name}/")
            else:
                yield f"{above}{entry.name}"


def _touch(path: str | Path) -> None:
    """Set a file's time to now; that of another user's file stays as it is."""
    with suppress(PermissionError):
        os.utime(path)


def _read_regular(path: str, largest: int) -> bytes:
    """A whole small file; OSError for a pipe or a device, which might never end, and for a large one."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file", path)
        if status.st_size > largest:
            raise OSError(errno.EFBIG, f"it has more than {largest >> 20} MB", path)
        return file.read(status.st_size)


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _seal(path: str, mode: int) -> None:
    """Make a file read-only and its bytes durable, so that a record never outlives what it describes."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(handle, mode)
        os.fsync(handle)
    finally:
        os.close(handle)


def _begin_to_write_back(handle: int) -> None:
    """Let the disk begin with a small file now: the next fsync waits for it, too, and its own finds it done.

    To tell Linux that a file is not needed soon is the one call for that which Python has (posix_fadvise(2)).
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # a file system that takes no advice
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def _sync_folder(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
