"""The contract of a resource: something that a run provides for a parameter of a step."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

from zencache.artifact_store import ArtifactStore
from zencache.fingerprint import FileFingerprints
from zencache.metadata import MetadataStore


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the steps of one run are called in.

    Args:
        pipeline: its name.
        artifacts: where outputs are staged and published.
        metadata: what is recorded; ``None`` on a worker, which does not see it.
        files: fingerprints of external files.
        beam_pipeline_args: what the run and the pipeline say, merged.
    """

    pipeline: str
    artifacts: ArtifactStore
    metadata: MetadataStore | None
    files: FileFingerprints
    beam_pipeline_args: tuple[str, ...] = ()


class Resource(abc.ABC):
    """Something that a run provides: neither an input nor a parameter, and no part of the cache key.

    Attributes:
        takes_flags: whether ``beam_pipeline_args`` are for it, and recorded of a step that takes it.
        needs_metadata: whether it can be provided only where the metadata store is open: where the run is,
            and not on a worker.
    """

    takes_flags: ClassVar[bool] = False
    needs_metadata: ClassVar[bool] = False

    @abc.abstractmethod
    def check(self, flags: Sequence[str]) -> None:
        """Raise, before anything runs, unless it can be provided with these options.

        Raises:
            ConfigurationError: an option is wrong, or a package is missing.
        """

    @abc.abstractmethod
    def provide(self, surroundings: Surroundings, flags: Sequence[str]) -> AbstractContextManager[Any]:
        """What the parameter receives. Leaving the block without an error completes what was begun."""
