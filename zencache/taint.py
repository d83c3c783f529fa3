"""What is quarantined, and everything that came of it: no look-up gives it out."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from zencache import lineage
from zencache.entity import Artifact, Quarantine
from zencache.metadata import MetadataStore


class Taint:
    """Quarantined content and its descendants, as one run sees them.

    Content is told by its digest, so that the same bad data is known again when a step makes it anew.
    Descendants are found by walking down from every artifact of such content when the first look-up is
    made; what the run itself makes of them is added as it goes. Without a quarantine this is one read.
    """

    def __init__(self, metadata: MetadataStore, *, read_only: bool = False):
        self._metadata = metadata
        self._read_only = read_only

    @functools.cached_property
    def _active(self) -> dict[str, Quarantine]:
        """Digest -> quarantine."""
        return {one.digest: one for one in self._metadata.read.quarantines() if not one.is_lifted}

    @functools.cached_property
    def _ids(self) -> dict[int, Quarantine]:
        """Id of an artifact that is quarantined, or came of one that is -> quarantine."""
        found: dict[int, Quarantine] = {}
        for one in self._active.values():
            starts = self._metadata.read.quarantined(one)
            edges = lineage.downstream(self._metadata.read, starts)
            tainted = {*starts, *(edge.artifact_id for edge in edges if edge.is_output)}
            found |= dict.fromkeys(tainted - found.keys(), one)
        return found

    def of(self, artifacts: Iterable[Artifact]) -> Quarantine | None:
        """The quarantine that one of some artifacts falls under, if there is one."""
        if not self._active:
            return None
        for artifact in artifacts:
            found = self._active.get(artifact.digest) or self._ids.get(artifact.id)
            if found is not None:
                return found
        return None

    def spread(self, inputs: Iterable[Artifact], outputs: Iterable[Artifact]) -> Quarantine | None:
        """Note what a step made: of tainted inputs, tainted outputs.

        Returns:
            The quarantine of what was made, if its very content is quarantined.
        """
        if not self._active:
            return None
        taken, made = list(inputs), list(outputs)
        for artifact in (*taken, *made):
            one = self._active.get(artifact.digest)
            if one is not None and artifact.id not in self._ids and not self._read_only:
                self._metadata.put_in_quarantine(one, artifact)
                self._ids[artifact.id] = one
        source = self.of(taken)
        if source is not None:
            self._ids |= {artifact.id: source for artifact in made}
        return next((self._active[a.digest] for a in made if a.digest in self._active), None)
