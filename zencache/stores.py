"""The two stores of a project, opened."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

from zencache.artifact_store import ArtifactStore, open_artifact_store
from zencache.metadata import MetadataStore


@dataclass(frozen=True, slots=True)
class Stores:
    """Facts in the metadata store, bytes in the artifact store."""

    metadata: MetadataStore
    artifacts: ArtifactStore


def open_stores(metadata_url: str, artifacts_url: str) -> Stores:
    """Open both stores.

    Raises:
        ConfigurationError: a URL is not understood.
        MetadataStoreError: the metadata store cannot be opened.
    """
    artifacts = _artifact_store(artifacts_url, os.getpid())
    return Stores(MetadataStore(metadata_url, artifacts), artifacts)


@functools.lru_cache(maxsize=16)
def _artifact_store(url: str, pid: int) -> ArtifactStore:
    """One for each URL in a process, so that what has been verified once is remembered."""
    return open_artifact_store(url)
