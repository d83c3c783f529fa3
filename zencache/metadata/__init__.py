"""The metadata store: everything that zencache knows of ML Metadata, and the only importer of protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zencache.entity import Acceptance, Artifact, PipelineRun, Quarantine
from zencache.metadata import schema
from zencache.metadata.codec import Records
from zencache.metadata.connection import connect, parse_url
from zencache.metadata.reading import Reader
from zencache.metadata.writing import (
    RunWriter,
    cancel_run,
    mark_artifact,
    put_acceptance,
    put_in_quarantine,
    put_quarantine,
)

__all__ = ["MetadataStore", "Reader", "RunWriter", "parse_url", "value_id"]

value_id = schema.value_id


class MetadataStore:
    """Facts about runs, executions and artifacts, in ML Metadata.

    Args:
        url: see :func:`zencache.metadata.connection.connect`.
        records: where text lies that is too long for ML Metadata; the artifact store.
    """

    def __init__(self, url: str, records: Records):
        self._connection = connect(url)
        self._records = records
        self.url = self._connection.url
        self.read = Reader(self._connection, records)

    @property
    def exists(self) -> bool:
        """Whether there is anything to read yet; asking does not make it."""
        return self._connection.exists

    @property
    def stock(self) -> Any:
        """The stock ``ml_metadata.MetadataStore``, for any question that MLMD itself answers."""
        return self._connection.store

    def begin_run(self, run: PipelineRun, steps: Mapping[str, str | None]) -> RunWriter:
        """The writer of a new run. Nothing is written before there is something to tell.

        Args:
            run: what is known of it when it begins.
            steps: the name of each of its steps -> its MLMD system type, such as ``Train``, if it has one.
        """
        context = self._connection.read(
            lambda store: store.get_context_by_type_and_name(schema.PIPELINE, run.pipeline)
        )
        return RunWriter(self._connection, self._records, run, steps, context)

    def cancel_run(self, run_name: str) -> int:
        """Mark what the dead process of a run left RUNNING as CANCELED; the number of its steps."""
        return cancel_run(self._connection, self._records, run_name)

    def put_acceptance(self, acceptance: Acceptance) -> None:
        """Record that an edit of a step is harmless, or change what was recorded of it."""
        put_acceptance(self._connection, acceptance)

    def put_quarantine(self, quarantine: Quarantine) -> Quarantine:
        """Record that some content is bad, or change what was recorded of it."""
        return put_quarantine(self._connection, quarantine)

    def put_in_quarantine(self, quarantine: Quarantine, artifact: Artifact) -> None:
        """Record that an artifact has the content of a quarantine."""
        put_in_quarantine(self._connection, quarantine, artifact)

    def mark_artifact(self, artifact: Artifact, state: str, *, is_lost: bool = False) -> None:
        """Set the MLMD state of an artifact, and whether its bytes were only not found."""
        mark_artifact(self._connection, artifact, state, is_lost=is_lost)
