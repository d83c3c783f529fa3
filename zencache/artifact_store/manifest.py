"""The manifest of a stored object: which files it has, their sizes and digests.

``manifest.json`` beside ``payload/``::

    {"zencache_object": 1, "digest": "blake3:…", "size": 80, "files": {"data.npy": [80, "blake3:…"]}}

It is written last: an object without a manifest does not exist. Its digest is the address of the
object, so a damaged manifest is found out as surely as a damaged file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from zencache.digest import Digest, digest_bytes, digest_tree

MANIFEST = "manifest.json"
PAYLOAD = "payload"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    digest: Digest
    files: Mapping[str, Digest]

    @classmethod
    def of(cls, files: Mapping[str, Digest]) -> Manifest:
        return cls(digest_tree(files), dict(files))

    def dump(self) -> bytes:
        files = {path: [digest.size, digest.hash] for path, digest in sorted(self.files.items())}
        header = {"zencache_object": _FORMAT, "digest": self.digest.hash, "size": self.digest.size}
        return json.dumps({**header, "files": files}, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, payload: bytes, expected: Digest) -> Manifest:
        """The manifest in ``payload``; ValueError unless it is the one of ``expected``."""
        try:
            files = {path: Digest(hash, size) for path, (size, hash) in json.loads(payload)["files"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"the manifest cannot be read: {error}") from error
        if not all(type(d.size) is int and d.size >= 0 and isinstance(d.hash, str) for d in files.values()):
            raise ValueError("the manifest cannot be read: a size or a digest has the wrong type")
        astray = next((path for path in files if not _is_below(path)), None)
        if astray is not None:
            raise ValueError(f"the manifest names a file outside of its object: {astray[:200]!r}")
        found = digest_tree(files)
        if found != expected:
            raise ValueError(f"the manifest describes {found.hash}, {found.size} bytes")
        return cls(found, files)


def _is_below(path: str) -> bool:
    """Whether a path leads to a file below the folder that it is relative to, and says so in one way only."""
    return "\0" not in path and all(part not in ("", ".", "..") for part in path.split("/"))


def address(digest: Digest) -> str:
    """Where an object lies below the root of an artifact store; for what is no digest, where nothing does."""
    if re.fullmatch(r"\w{1,20}:[0-9a-f]{64}", digest.hash, re.ASCII) is None:
        return f"objects/none/{digest_bytes(digest.hash.encode('utf-8', 'replace')).hex}"
    return f"objects/{digest.hex[:2]}/{digest.hash.replace(':', '-')}"
