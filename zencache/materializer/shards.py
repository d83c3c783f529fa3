"""What the content of sharded files is: which worker wrote which of them does not count."""

from __future__ import annotations

import re
from collections.abc import Mapping

from zencache.digest import Digest, fingerprint

_SHARD = re.compile(r"-\d{5}-of-\d{5}")  # as Beam numbers them


def content_of(files: Mapping[str, Digest]) -> str | None:
    """Text that identifies files whatever the order of their shards; ``None`` if none of them is a shard.

    >>> a, b = Digest("blake3:a", 1), Digest("blake3:b", 1)
    >>> one = content_of({"x-00000-of-00002": a, "x-00001-of-00002": b})
    >>> one == content_of({"x-00000-of-00002": b, "x-00001-of-00002": a})
    True
    """
    if not any(_SHARD.search(path) for path in files):
        return None
    return fingerprint(
        sorted((_SHARD.sub("", path), digest.hash, digest.size) for path, digest in files.items())
    )
