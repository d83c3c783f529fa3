"""The nouns that travel: frozen facts about artifacts, executions and runs, and the decision about a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from zencache.digest import Digest
from zencache.policy import Level, Reason

LATEST = "latest"  # what people call the last run; no run has this name


@dataclass(frozen=True, slots=True)
class Signature:
    """Somebody's word for a record.

    Args:
        by: the public key, ``ed25519:`` and 44 characters.
        value: 64 bytes, in base 64.
    """

    by: str
    value: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is told of an artifact whose bytes were removed on purpose: bytes go, lineage stays.

    Args:
        why: the rule that it fell under, in words.
        by: who removed it: command, user and host.
        when: in UTC.
        owner: the process that did it, as :class:`zencache.owner.Owner` writes it.
    """

    why: str
    by: str
    when: datetime
    owner: str = ""

    def __str__(self) -> str:
        return f"removed by {self.by} on {self.when:%Y-%m-%d %H:%M} UTC: {self.why}"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A typed, immutable value at a URI.

    Args:
        id: its id in the metadata store; 0 while it is not recorded.
        type: the name of its MLMD artifact type.
        uri: absolute address of the stored object.
        digest: digest of the content, which is what cache keys below it are made of.
        object: digest and size of the stored bytes, by which they are found and verified. It differs
            from ``digest`` where the bytes are not a faithful picture of the content.
        materializer: ``module:qualname`` of what loads it.
        python_type: ``module:qualname`` of the value's type.
        configuration: exact JSON of what the materializer was configured with, if it was.
        content_properties: what counts as its content beside its bytes, by name.
        state: the MLMD state, ``LIVE`` while it can be used.
        is_lost: whether it is ``DELETED`` only because a look-up did not find its bytes, so that it counts
            again when they are back, as when a store was not mounted.
        properties: everything else that was recorded about it.
        signature: somebody's word for a value that was given to a pipeline; what a step made is covered
            by the signature of its execution.
        tombstone: while it is ``DELETED``, or ``MARKED_FOR_DELETION``, because its bytes were removed on
            purpose.
    """

    id: int
    type: str
    uri: str
    digest: str
    object: Digest
    materializer: str
    python_type: str
    configuration: str = ""
    content_properties: Mapping[str, Any] = field(default_factory=dict)
    state: str = "LIVE"
    is_lost: bool = False
    properties: Mapping[str, Any] = field(default_factory=dict)
    signature: Signature | None = None
    tombstone: Tombstone | None = None

    @property
    def size(self) -> int:
        return self.object.size

    @property
    def is_external(self) -> bool:
        """Whether its bytes lie outside of the artifact store, where nobody but their owner keeps them."""
        return not self.materializer


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A user's word that an edit of a step's code is harmless: entries of the old code hold for the new.

    Args:
        step: the step's declared name.
        new, old: fingerprints of its code, 64 hex digits each.
        reason: why it is harmless, in the user's words.
        by: user and host.
        when: in UTC.
        is_revoked: whether it has been taken back.
        signature: whose word it is.
    """

    step: str
    new: str
    old: str
    reason: str
    by: str
    when: datetime
    is_revoked: bool = False
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A user's word that some content is bad: neither it nor what came of it is given out by a look-up.

    Args:
        id: its id in the metadata store; 0 while it is not recorded.
        digest: digest of the content.
        reason: what is wrong with it, in the user's words.
        by: user and host.
        when: in UTC.
        is_lifted: whether it has been taken back.
    """

    id: int
    digest: str
    reason: str
    by: str
    when: datetime
    is_lifted: bool = False


@dataclass(frozen=True, slots=True)
class Pin:
    """A user's word that the bytes of an artifact, or of all artifacts of a run, shall stay.

    Args:
        kind: ``artifact`` or ``run``.
        target: id of the artifact, or name of the run.
        reason: why, in the user's words; may be empty.
        by: user and host.
        when: in UTC.
        is_lifted: whether it has been taken back.
    """

    kind: str
    target: str
    reason: str
    by: str
    when: datetime
    is_lifted: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.target}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A successful execution that can be reached by its cache key.

    Args:
        cache_key: 64 hex digits.
        execution_id: the execution that made the outputs.
        duration: seconds its step took.
        finished: when it was completed, in seconds since the epoch.
        outputs: output name -> artifact.
        node: ``<pipeline>.<node>`` of that execution; empty if that is not known.
        inputs: input name -> artifact.
        signature: whose word all this is.
    """

    cache_key: str
    execution_id: int
    duration: float
    finished: float
    outputs: Mapping[str, Artifact]
    node: str = ""
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    signature: Signature | None = None


class Outcome(str, Enum):
    HIT = "hit"
    MISS = "miss"


@dataclass(frozen=True, slots=True)
class Lease:
    """One generation of the claim on a cache key: who executes its step, or that nobody does.

    Generations of a key are counted from 1, and each is made only once. So the number is a fencing token:
    who holds one and finds that the next exists has been overtaken.

    Args:
        cache_key: 64 hex digits.
        generation: its number.
        token: random hex digits by which the holder knows it for its own.
        owner: the process that holds it, as :class:`zencache.owner.Owner` writes it.
        run: the name of the run that holds it.
        expiry: seconds without a heartbeat after which it may be taken over.
        beat: how often the holder has said since that it is alive.
        is_released: whether this generation only says that the one before it has ended.
        id: its id in the metadata store; 0 while it is not recorded.
    """

    cache_key: str
    generation: int
    token: str
    owner: str = ""
    run: str = ""
    expiry: float = 0.0
    beat: int = 0
    is_released: bool = False
    id: int = 0

    @property
    def ended(self) -> Lease:
        """The generation that says that this one has ended."""
        return Lease(self.cache_key, self.generation + 1, self.token, run=self.run, is_released=True)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a step is taken from the cache, why, and at which level that was decided.

    ``entry`` is what was found, on a hit; ``detail`` names the artifact or file behind a reason.
    """

    outcome: Outcome
    reason: Reason
    level: Level
    entry: CacheEntry | None = None
    detail: str = ""

    @property
    def is_hit(self) -> bool:
        return self.outcome is Outcome.HIT

    def with_detail(self, detail: str) -> Decision:
        """The same decision, with one more thing to tell of it."""
        return replace(self, detail="; ".join(filter(None, (self.detail, detail))))

    def __str__(self) -> str:
        return self.reason.value + (f" ({self.detail})" if self.detail else "")


class Status(str, Enum):
    """How far an execution or a run has come."""

    COMPLETED = "completed"
    CACHED = "cached"
    FAILED = "failed"
    RUNNING = "running"
    CANCELED = "canceled"
    SKIPPED = "skipped"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Execution:
    """One occurrence of a step in a run.

    ``key_parts`` maps the label of each part of the cache key to the part's fingerprint, ``key_values``
    those of some to what they were, in short; a cached execution has none of its own: those of
    ``source_id``, which it was taken from, are the same. ``duration`` is in seconds. ``tries`` counts how
    often its function was called. ``untracked`` says what the key could not follow, ``not_kept`` why a
    completed one is no cache entry. ``beam_pipeline_args`` are the options of the Beam pipeline that it was
    provided with, if it takes one. ``finished`` is when it was completed, in seconds since the
    epoch. ``is_foreign``: another tool recorded it, such as TFX, so that there is
    neither key nor decision; ``run`` may be empty. ``lease`` is what a running one holds, if it holds one.
    """

    id: int
    step: str
    node: str
    run: str
    status: Status
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cache_key: str = ""
    key_parts: Mapping[str, str] = field(default_factory=dict)
    key_values: Mapping[str, str] = field(default_factory=dict)
    decision: Decision | None = None
    duration: float = 0.0
    started: datetime | None = None
    source_id: int | None = None
    error: str = ""
    tries: int = 1
    untracked: tuple[str, ...] = ()
    not_kept: str = ""
    beam_pipeline_args: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    is_foreign: bool = False
    finished: float = 0.0
    signature: Signature | None = None
    lease: Lease | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """An execution took an artifact, or made it (``is_output``), under some names."""

    execution_id: int
    artifact_id: int
    is_output: bool
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One invocation of a pipeline. ``duration`` and ``saved`` are in seconds.

    ``previous`` is the name of the pipeline's run before it; empty if there was none. ``signature`` is
    somebody's word for its definition. ``skipped`` says of steps that were not reached why,
    once it has ended.
    """

    id: int
    name: str
    pipeline: str
    status: Status
    started: datetime
    ended: datetime | None = None
    duration: float = 0.0
    saved: float = 0.0
    previous: str = ""
    definition: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    signature: Signature | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def planned(cls, pipeline: str, *, previous: str) -> PipelineRun:
        """A run that has not begun."""
        return cls(0, "", pipeline, Status.RUNNING, datetime.now(timezone.utc), previous=previous)
