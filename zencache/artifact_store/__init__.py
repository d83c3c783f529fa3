"""Bytes on any fsspec URL: content-addressed, immutable, verified when read."""

from __future__ import annotations

from pathlib import Path

from zencache.artifact_store.contract import (
    ArtifactStore,
    Deletion,
    ObjectState,
    StoredObject,
    hash_files,
    in_threads,
)
from zencache.artifact_store.local import LocalArtifactStore
from zencache.artifact_store.manifest import MANIFEST, PAYLOAD
from zencache.artifact_store.readonly import ReadOnlyArtifactStore
from zencache.artifact_store.room import USAGE, Quota, Unlimited
from zencache.exceptions import ConfigurationError

__all__ = [
    "MANIFEST",
    "PAYLOAD",
    "USAGE",
    "ArtifactStore",
    "Deletion",
    "ObjectState",
    "Quota",
    "ReadOnlyArtifactStore",
    "StoredObject",
    "Unlimited",
    "hash_files",
    "in_threads",
    "open_artifact_store",
]


def open_artifact_store(
    url: str, *, local_cache: Path | None = None, local_cache_size: int | None = None
) -> ArtifactStore:
    """The artifact store at a path or an fsspec URL (``memory://cache``, ``s3://bucket/cache``).

    Args:
        url: where it is.
        local_cache: a folder in which copies of remote objects are kept; not used for a local store.
        local_cache_size: bytes that the copies may have.

    Raises:
        ConfigurationError: no fsspec file system has that protocol, or the path is a file.
    """
    protocol, separator, rest = url.partition("://")
    if not separator or protocol in ("file", "local"):
        return LocalArtifactStore(_local_root(rest if separator else url))
    # Not at the top: a local store, the usual one, does not need fsspec and starts sooner.
    from zencache.artifact_store.copies import LocalCopies
    from zencache.artifact_store.filesystem import RemoteFiles
    from zencache.artifact_store.remote import RemoteArtifactStore

    copies = LocalCopies(_local_root(str(local_cache)), local_cache_size) if local_cache else None
    return RemoteArtifactStore(RemoteFiles(url), copies)


def _local_root(path: str) -> Path:
    root = Path(path).expanduser().absolute()
    if root.exists() and not root.is_dir():
        raise ConfigurationError(
            "The artifact store is not a folder.", facts={"artifacts": root}, hint="Name a folder, or a URL."
        )
    return root
