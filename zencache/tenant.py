"""Which metadata stores refer to an artifact store: nothing that one of them does not know is garbage."""

from __future__ import annotations

from zencache.artifact_store import ArtifactStore
from zencache.digest import fingerprint
from zencache.metadata import MetadataStore

_FOLDER = "tenants"
_signed: set[tuple[str, str]] = set()  # what this process has left already


def sign(artifacts: ArtifactStore, metadata: MetadataStore) -> None:
    """Leave the address of a metadata store in an artifact store, once."""
    key = (artifacts.url, metadata.url)
    if key in _signed:
        return
    name = f"{fingerprint(metadata.url)[:16]}.txt"
    if name not in artifacts.names(_FOLDER):
        artifacts.write_file(f"{_FOLDER}/{name}", metadata.url.encode())
    _signed.add(key)


def others(artifacts: ArtifactStore, metadata: MetadataStore) -> tuple[str, ...]:
    """The addresses of the other metadata stores whose runs have written to an artifact store."""
    found = []
    for name in artifacts.names(_FOLDER):
        try:
            url = artifacts.read_file(f"{_FOLDER}/{name}").decode("utf-8", "replace")
        except OSError:
            continue
        if url != metadata.url:
            found.append(url)
    return tuple(found)
