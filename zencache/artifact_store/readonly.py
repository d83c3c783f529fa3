"""An artifact store that is only read: whatever would write to it raises."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

from zencache.artifact_store.contract import ArtifactStore, Deletion, ObjectState, StoredObject
from zencache.digest import Digest
from zencache.exceptions import ReadOnlyError


class ReadOnlyArtifactStore(ArtifactStore):
    """Another artifact store, to be read."""

    def __init__(self, artifacts: ArtifactStore):
        self._artifacts = artifacts
        self.url = artifacts.url

    def verify(self, digest: Digest) -> None:
        self._artifacts.verify(digest)

    def open(self, digest: Digest) -> Path:
        return self._artifacts.open(digest)

    def uri(self, digest: Digest) -> str:
        return self._artifacts.uri(digest)

    def read_file(self, path: str) -> bytes:
        return self._artifacts.read_file(path)

    def names(self, path: str) -> list[str]:
        return self._artifacts.names(path)

    def examine(self, digest: Digest) -> ObjectState | None:
        return self._artifacts.examine(digest)

    def used(self) -> int:
        return self._artifacts.used()

    def changed(self, path: str) -> float:
        return self._artifacts.changed(path)

    def alone(self, what: str) -> AbstractContextManager[None]:
        self._refuse()

    def delete(self, digest: Digest, *, before: float) -> Deletion:
        self._refuse()

    def stage(self) -> AbstractContextManager[Path]:
        self._refuse()

    def publish(self, directory: Path, known: Mapping[str, Digest] | None = None) -> StoredObject:
        self._refuse()

    def set_aside(self, digest: Digest) -> None:
        self._refuse()

    def write_file(self, path: str, payload: bytes) -> None:
        self._refuse()

    def write_record(self, text: str) -> str:
        self._refuse()

    def remove(self, path: str) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ReadOnlyError(
            "This repository is only read.",
            facts={"store": self.url},
            hint='Open it without mode="r", or use a repository of your own that reads from it.',
        )
