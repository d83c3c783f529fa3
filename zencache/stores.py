"""The two stores of a project, opened."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from zencache.artifact_store import ArtifactStore, Quota, ReadOnlyArtifactStore, open_artifact_store
from zencache.cache import Cache
from zencache.metadata import MetadataStore
from zencache.signing import Trust


@dataclass(frozen=True, slots=True)
class Stores:
    """Facts in the metadata store, bytes in the artifact store.

    ``read_from`` are the stores of others, in which a run looks for what these do not have.
    """

    metadata: MetadataStore
    artifacts: ArtifactStore
    read_from: Stores | None = None

    def cache(self, *, read_only: bool = False) -> Cache:
        """What a run or a plan looks up in, one's own entries first."""
        others = self.read_from.cache(read_only=True) if self.read_from else None
        return Cache(self.metadata, self.artifacts, read_only=read_only, read_from=others)

    @property
    def is_read_only(self) -> bool:
        return self.metadata.is_read_only


def open_stores(
    metadata_url: str,
    artifacts_url: str,
    *,
    trust: Trust | None = None,
    read_only: bool = False,
    local_cache: Path | None = None,
    local_cache_size: int | None = None,
    read_from: Stores | None = None,
    quota: int | None = None,
) -> Stores:
    """Open both stores.

    Args:
        trust: how records are signed, and whose signatures are accepted.
        read_only: neither is written, nor made.
        local_cache: where copies of remote objects are kept.
        local_cache_size: bytes that they may have.
        read_from: the stores of others that are looked into.
        quota: bytes that the artifact store may hold.

    Raises:
        ConfigurationError: a URL is not understood.
        MetadataStoreError: the metadata store cannot be opened.
    """
    artifacts = artifact_store_at(artifacts_url, local_cache, local_cache_size, quota)
    if read_only:
        artifacts = ReadOnlyArtifactStore(artifacts)
    return Stores(MetadataStore(metadata_url, artifacts, trust, read_only=read_only), artifacts, read_from)


def artifact_store_at(
    url: str,
    local_cache: Path | None = None,
    local_cache_size: int | None = None,
    quota: int | None = None,
) -> ArtifactStore:
    """The artifact store of a URL: one for each in a process; ConfigurationError if it cannot be opened."""
    return _artifact_store(_absolute(url), os.getpid(), local_cache, local_cache_size, quota)


def _absolute(url: str) -> str:
    """A relative path is that of the working directory of now, also after the process changes it."""
    return url if "://" in url else os.path.abspath(os.path.expanduser(url))


@functools.lru_cache(maxsize=16)
def _artifact_store(
    url: str, pid: int, local_cache: Path | None, local_cache_size: int | None, quota: int | None
) -> ArtifactStore:
    """One for each URL in a process, so that what has been verified once is remembered."""
    store = open_artifact_store(url, local_cache=local_cache, local_cache_size=local_cache_size)
    store.opening = (url, local_cache, local_cache_size, quota)
    if quota is not None:
        store.room = Quota(quota)
    return store
