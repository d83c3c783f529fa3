"""Bytes on any fsspec URL: content-addressed, immutable, verified when read."""

from __future__ import annotations

from pathlib import Path

from zencache.artifact_store.contract import ArtifactStore, StoredObject, hash_files
from zencache.artifact_store.local import LocalArtifactStore
from zencache.artifact_store.manifest import MANIFEST, PAYLOAD
from zencache.exceptions import ConfigurationError

__all__ = ["MANIFEST", "PAYLOAD", "ArtifactStore", "StoredObject", "hash_files", "open_artifact_store"]


def open_artifact_store(url: str) -> ArtifactStore:
    """The artifact store at a path or an fsspec URL (``memory://cache``, ``s3://bucket/cache``).

    Raises:
        ConfigurationError: no fsspec file system has that protocol, or the path is a file.
    """
    protocol, separator, rest = url.partition("://")
    if not separator or protocol in ("file", "local"):
        return LocalArtifactStore(_local_root(rest if separator else url))
    import fsspec  # not at the top: a local store, the usual one, does not need it and starts sooner

    from zencache.artifact_store.remote import RemoteArtifactStore

    try:
        filesystem, root = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise ConfigurationError(
            f"The artifact store cannot be opened: {error}.",
            facts={"artifacts": url},
            hint="Use a path or a URL that fsspec knows; s3, gs and az need their package installed.",
        ) from error
    return RemoteArtifactStore(filesystem, root)


def _local_root(path: str) -> Path:
    root = Path(path).expanduser().absolute()
    if root.exists() and not root.is_dir():
        raise ConfigurationError(
            "The artifact store is not a folder.", facts={"artifacts": root}, hint="Name a folder, or a URL."
        )
    return root
