"""Local copies of remote objects: checked when they are read, shared by processes, bounded in size.

Laid out as an artifact store in a folder, and beside it ``using/<owner>/<object>``: a note for each object
that a living process has opened, which is not removed to make room.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import filelock

from zencache.artifact_store.contract import StoredObject, writing
from zencache.artifact_store.local import LocalArtifactStore
from zencache.digest import Digest
from zencache.exceptions import ArtifactUnusable
from zencache.owner import Owner, this_process

_LOW_WATER = 0.9  # of the limit: down to there room is made, so that it is not made at every object
_LOCK_TIMEOUT = 30.0  # seconds


class LocalCopies(LocalArtifactStore):
    """A folder of copies.

    Args:
        root: the folder.
        limit: bytes of payload that are kept; what living processes use may exceed it. None for no limit.
    """

    def __init__(self, root: Path, limit: int | None = None):
        super().__init__(root)
        self._limit = limit
        self._lock = filelock.FileLock(root / "lock", timeout=_LOCK_TIMEOUT)
        self._size: int | None = None  # what this process believes is kept
        self._noted: set[tuple[int, str]] = set()
        self._swept = False

    def find(self, digest: Digest) -> Path | None:
        """The payload of a copy, every byte checked; None if there is none, or none that is right."""
        if not self._path(digest).exists():
            return None
        self._use(digest)
        try:
            return self.open(digest)
        except ArtifactUnusable:
            self.set_aside(digest)
            self.remove("damaged")
            return None

    def publish(self, directory: Path, known: Mapping[str, Digest] | None = None) -> StoredObject:
        self._sweep()
        stored = super().publish(directory, known)
        self._use(stored.digest)
        if self._limit is not None:
            self._size = self._measure() if self._size is None else self._size + stored.digest.size
            if self._size > self._limit:
                self._make_room()
        return stored

    def _use(self, digest: Digest) -> None:
        """Note that this process uses a copy, and that it was used now."""
        if self._limit is None and not (self.root / "using").exists():
            return
        name = self._path(digest).name
        with suppress(OSError):  # the time of use is only for making room
            os.utime(self._path(digest))
        if (os.getpid(), name) in self._noted:
            return
        with suppress(OSError, filelock.Timeout), self._lock:
            note = self.root / "using" / str(this_process()) / name
            note.parent.mkdir(parents=True, exist_ok=True)
            note.touch()
            self._noted.add((os.getpid(), name))

    def _make_room(self) -> None:
        """Remove what was used longest ago and is used by nobody."""
        assert self._limit is not None
        with writing(self.url, self.root), self._lock:
            kept = self._copies()
            size = sum(bytes_ for _, _, bytes_ in kept)
            used = self._in_use()
            for _, path, bytes_ in sorted(kept):
                if size <= self._limit * _LOW_WATER:
                    break
                if path.name not in used:
                    gone = self.root / "damaged" / f"{path.name}-{os.getpid()}"
                    gone.parent.mkdir(exist_ok=True)
                    with suppress(OSError):  # by one rename, so that nobody sees half of it
                        path.rename(gone)
                        shutil.rmtree(gone, ignore_errors=True)
                        size -= bytes_
            self._size = size

    def _copies(self) -> list[tuple[float, Path, int]]:
        """When it was last used, where it lies, and its bytes, of each copy."""
        found = []
        for path in (self.root / "objects").glob("*/*"):
            with suppress(OSError):
                size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
                found.append((path.stat().st_mtime, path, size))
        return found

    def _measure(self) -> int:
        return sum(size for _, _, size in self._copies())

    def _in_use(self) -> set[str]:
        used: set[str] = set()
        for name in self.names("using"):
            owner = Owner.parse(name)
            if owner is not None and owner.is_dead:
                self.remove(f"using/{name}")
            else:
                used |= set(self.names(f"using/{name}"))
        return used

    def _sweep(self) -> None:
        """Remove what processes that are certainly dead were fetching."""
        if self._swept:
            return
        self._swept = True
        for name in self.names("staging"):
            owner = Owner.parse(name)
            if owner is not None and owner.is_dead:
                self.remove(f"staging/{name}")
