"""The metadata store: everything that zencache knows of ML Metadata, and the only importer of protobuf."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from zencache.entity import Acceptance, Artifact, Pin, PipelineRun, Quarantine, Tombstone
from zencache.metadata import judging, mending, removing, schema
from zencache.metadata.codec import Records, definition_text
from zencache.metadata.connection import connect, connect_to_read
from zencache.metadata.leasing import LeaseLost, LeaseReader, LeaseTaken
from zencache.metadata.reading import Reader
from zencache.metadata.survey import Survey, Use
from zencache.metadata.transfer import Transfer
from zencache.metadata.writing import RunWriter
from zencache.signing import Trust, acceptance_statement, definition_statement

__all__ = [
    "LeaseLost",
    "LeaseReader",
    "LeaseTaken",
    "MetadataStore",
    "Reader",
    "RunWriter",
    "Survey",
    "Use",
    "value_id",
]

value_id = schema.value_id


class MetadataStore:
    """Facts about runs, executions and artifacts, in ML Metadata.

    Args:
        url: see :func:`zencache.metadata.connection.connect`.
        records: where text lies that is too long for ML Metadata; the artifact store.
        trust: with which key records are signed, and whose signatures are accepted.
        read_only: whatever would write raises a ReadOnlyError.
    """

    def __init__(self, url: str, records: Records, trust: Trust | None = None, *, read_only: bool = False):
        self.trust = trust or Trust()
        self._connection = connect_to_read(url) if read_only else connect(url)
        self.is_read_only = read_only
        self._records = records
        self.url = self._connection.url
        # With its password, only to open the same store again, as in another process. Never shown.
        self.secret_url = self._connection.address.secret_url
        self.read = Reader(self._connection, records)
        self.leases = LeaseReader(self._connection)

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
        return RunWriter(self._connection, self._records, run, steps, context, self.trust)

    def cancel_run(self, run_name: str) -> int:
        """Mark what the dead process of a run left RUNNING as CANCELED; the number of its steps."""
        return mending.cancel_run(self._connection, self._records, run_name)

    def acceptances(self) -> list[Acceptance]:
        """The acceptances of edits that are believed, oldest first, revoked ones too."""
        return [
            one
            for one in self.read.acceptances()
            if not self.trust.problem(acceptance_statement(one), one.signature)
        ]

    def definition_problem(self, run: PipelineRun) -> str:
        """Why the definition of a run is not believed; empty if it is, or if no signature is asked for."""
        if not self.trust.is_required:
            return ""
        statement = definition_statement(run.name, run.pipeline, definition_text(run))
        return self.trust.problem(statement, run.signature)

    def put_acceptance(self, acceptance: Acceptance) -> None:
        """Record that an edit of a step is harmless, or change what was recorded of it."""
        statement = acceptance_statement(acceptance)
        judging.put_acceptance(self._connection, replace(acceptance, signature=self.trust.sign(statement)))

    def put_quarantine(self, quarantine: Quarantine) -> Quarantine:
        """Record that some content is bad, or change what was recorded of it."""
        return judging.put_quarantine(self._connection, quarantine)

    def put_in_quarantine(self, quarantine: Quarantine, artifact: Artifact) -> None:
        """Record that an artifact has the content of a quarantine."""
        judging.put_in_quarantine(self._connection, quarantine, artifact)

    def put_pin(self, pin: Pin) -> None:
        """Record that some bytes shall stay, or change what was recorded of it."""
        judging.put_pin(self._connection, pin)

    def condemn(self, artifact_ids: Iterable[int], tombstone: Tombstone) -> None:
        """Mark artifacts for deletion: no look-up finds them from now on."""
        removing.condemn(self._connection, artifact_ids, tombstone)

    def pardon(self, artifact_ids: Iterable[int]) -> None:
        """Take back that artifacts are marked for deletion."""
        removing.pardon(self._connection, artifact_ids)

    def bury(self, artifact_ids: Iterable[int]) -> None:
        """Record that the bytes of artifacts that were marked for deletion are gone."""
        removing.bury(self._connection, artifact_ids)

    def cancel_executions(self, execution_ids: Iterable[int]) -> None:
        """Executions that are said to be running are canceled."""
        mending.cancel_executions(self._connection, execution_ids)

    def wrong_pointers(self, complete: Iterable[int]) -> list[str]:
        """The cache keys that point to no execution of those that are complete."""
        return mending.wrong_pointers(self._connection, complete)

    def repoint(self, cache_key: str) -> bool:
        """Let a cache key point to its newest complete execution; whether there is one."""
        return mending.repoint(self._connection, cache_key)

    def journal_mode(self, wanted: str = "") -> str:
        """The journal mode of an SQLite file, after having set the one that is wanted; else empty."""
        return mending.journal_mode(self.url, wanted)

    def mark_artifact(self, artifact: Artifact, state: str, *, is_lost: bool = False) -> None:
        """Set the MLMD state of an artifact, and whether its bytes were only not found."""
        removing.mark_artifact(self._connection, artifact, state, is_lost=is_lost)

    def copy_from(
        self, source: MetadataStore, execution_ids: Iterable[int], uris: Mapping[str, str]
    ) -> dict[int, int]:
        """Copy executions of another store, as cache entries, and all that is above them.

        Args:
            source: the other store.
            execution_ids: of executions that ran, by their ids there.
            uris: where an object lies now, by the hash of its digest.

        Returns:
            Id there -> id here.
        """
        places = (source._connection, source._records), (self._connection, self._records)
        return Transfer(*places, origin=source.url).copy(execution_ids, uris)
