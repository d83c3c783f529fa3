"""How much an artifact store may hold: a quota that is cheap to check, and so an approximate one."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from zencache.exceptions import QuotaExceeded
from zencache.quantity import show_bytes

if TYPE_CHECKING:
    from zencache.artifact_store.contract import ArtifactStore

USAGE = "usage.json"
_TRUSTED = 600.0  # seconds for which a count holds, whatever others write meanwhile
_NEAR = 0.9  # share of the quota above which others' writing counts more
_TRUSTED_NEAR = 30.0
_claiming = threading.Lock()  # objects that one step made are published at the same time


class Unlimited:
    """No quota."""

    def claim(self, store: ArtifactStore, size: int) -> None:
        """Anything goes."""


class Quota(Unlimited):
    """At most so many bytes of objects.

    How many there are is counted once in ten minutes, or in half a minute where little room is left, and
    remembered in the store, with what was written since. Before anything is refused it is counted anew. So
    processes that write at the same time may go beyond the quota by what they write between two counts.
    """

    def __init__(self, limit: int):
        self._limit = limit

    def claim(self, store: ArtifactStore, size: int) -> None:
        """Make sure that there is room for so many bytes more, and remember them.

        Raises:
            QuotaExceeded: there is none.
        """
        with _claiming:
            self._claim(store, size)

    def _claim(self, store: ArtifactStore, size: int) -> None:
        used, counted = _remembered(store)
        trusted = _TRUSTED if used + size < _NEAR * self._limit else _TRUSTED_NEAR
        if used + size > self._limit or not 0 <= time.time() - counted < trusted:
            used, counted = store.used(), time.time()
        if used + size > self._limit:
            raise QuotaExceeded(
                "The quota of the artifact store leaves no room for what a step made.",
                facts={
                    "store": store.url,
                    "used": show_bytes(used),
                    "quota": show_bytes(self._limit),
                    "needed": show_bytes(size),
                },
                hint="Free some with `zencache gc`, or raise the quota; what had finished is reused.",
            )
        store.write_file(USAGE, json.dumps({"bytes": used + size, "counted": counted}).encode())


def _remembered(store: ArtifactStore) -> tuple[int, float]:
    """Bytes, and when they were counted; long ago if nothing is remembered."""
    try:
        found = json.loads(store.read_file(USAGE))
        return int(found["bytes"]), float(found["counted"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0.0
