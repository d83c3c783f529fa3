"""One runner per cache key: the same new step, wanted by many runs at once, is executed by one of them.

A run that misses takes the lease of the key in the call that records its execution as running. Who comes
second waits, looks up once more, and hits. The holder says every few seconds that it is alive; one that is
dead, or has not been heard of for as long as it promised, is followed by the next generation of the lease,
which makes its own result too late. A wait is over by itself; there is nothing that anybody could unlock.

The holder of a lease executes a step, and waits for nobody: so no two can wait for each other.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from zencache import events
from zencache.entity import Decision, Lease
from zencache.exceptions import MetadataStoreError
from zencache.metadata import LeaseLost, LeaseReader, LeaseTaken, MetadataStore
from zencache.owner import Owner, this_process
from zencache.policy import Reason

__all__ = ["Claim", "LeaseLost", "LeaseTaken", "Leases", "executing"]

logger = logging.getLogger("zencache")

_BEATS_PER_EXPIRY = 6
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0  # seconds between two looks of one who waits
_PAUSE_PER_WAIT = 0.1  # and that share of the time that it has waited

# A step that is executed whether others execute it or not: what they make would not be taken.
_ALONE = frozenset({Reason.REFRESH, Reason.CACHE_OFF, Reason.NO_OUTPUT, Reason.QUARANTINED})

_is_executing: ContextVar[bool] = ContextVar("zencache_is_executing", default=False)
_own_tokens: set[str] = set()  # of the leases that this process holds, or is about to take


@contextmanager
def executing() -> Iterator[None]:
    """While the function of a step is called: a run inside of it waits for nobody, as its caller may not."""
    before = _is_executing.set(True)
    try:
        yield
    finally:
        _is_executing.reset(before)


class Leases:
    """The leases of one run.

    Args:
        metadata: where they are kept.
        run: the name of the run.
        expiry: seconds without a heartbeat after which another run may take one over.
    """

    def __init__(self, metadata: MetadataStore, run: str, expiry: float):
        self._metadata = metadata
        self._run = run
        self.expiry = expiry
        self._next: dict[str, int] = {}
        self._waits: dict[str, _Wait] = {}
        self._alone: set[str] = set()
        self._decisions: dict[str, Decision] = {}

    def claim(self, node: str, cache_key: str, decision: Decision) -> Claim:
        """The claim of a node that is about to be executed; its lease is None if it needs none."""
        if decision.reason in _ALONE or cache_key in self._alone:
            return Claim(self._metadata, None)
        generation = self._next.get(cache_key, 1)
        token = secrets.token_hex(8)
        lease = Lease(cache_key, generation, token, str(this_process()), self._run, self.expiry)
        wait = self._waits.get(node)
        overtaken: events.Event | None = None
        if wait is not None and wait.holder is not None and wait.death:
            owner = _shown(wait.holder.owner)
            overtaken = events.DidTakeOver(self._run, node, owner, wait.holder.run, wait.death)
        return Claim(self._metadata, lease, overtaken)

    def wait(self, node: str, lease: Lease) -> None:
        """Wait until nobody holds the key of a lease any more, or nobody alive.

        Raises:
            MetadataStoreError: it cannot be asked who holds it.
        """
        while (pause := self.look(node, lease)) is not None:
            time.sleep(pause)

    def look(self, node: str, lease: Lease) -> float | None:
        """One look of :meth:`wait`: seconds until the next one, or None if there is nothing to wait for."""
        if _is_executing.get():
            self._alone.add(lease.cache_key)
            return None
        wait = self._waits.setdefault(node, _Wait(self._metadata.leases, lease))
        if wait.is_over():
            self._next[lease.cache_key] = wait.lease.generation + 1
            return None
        if wait.is_new:
            events.emit(events.WillWait(self._run, node, _shown(wait.lease.owner), wait.lease.run))
        return wait.pause

    def told(self, decision: Decision, node: str) -> Decision:
        """The decision about a node, with whom it has waited for.

        One that is made again for the same reason is as it was at first, when it was told in full.
        """
        before = self._decisions.get(node)
        if before is not None and not decision.is_hit and before.reason is decision.reason:
            decision = before
        self._decisions[node] = decision
        wait = self._waits.get(node)
        if wait is None or wait.holder is None:
            return decision
        holder = f"run `{wait.holder.run}` on {_shown(wait.holder.owner)}"
        waited = f"after waiting {wait.seconds:.1f}s for {holder}"
        if wait.death:
            waited = f"taken over from {holder}: {wait.death}"
        elif not decision.is_hit:
            waited += ", which gave no result"
        return decision.with_detail(waited)


class Claim:
    """What one execution asks for, and keeps alive once it has it.

    The lease is taken by recording the execution with it, and released by recording its end. Leaving the
    block of the claim, or calling ``drop``, ends the heartbeat, whatever has become of these two.

    Args:
        metadata: where it is kept.
        lease: what to ask for; None to execute without one.
        overtaken: what has happened once the lease is taken, if a dead holder had it before.
    """

    def __init__(self, metadata: MetadataStore, lease: Lease | None, overtaken: events.Event | None = None):
        self.lease = lease
        self._overtaken = overtaken
        self._reader = metadata.leases
        self._heart = _heart(metadata)
        if lease is not None:
            _own_tokens.add(lease.token)

    def hold(self, taken: Lease | None) -> None:
        """It has been taken, and recorded: from now on its heart beats."""
        if taken is not None:
            self._heart.add(taken, self._reader)
        if self._overtaken is not None:
            events.emit(self._overtaken)

    def drop(self) -> None:
        """It is not held any more."""
        if self.lease is not None:
            self._heart.remove(self.lease)
            _own_tokens.discard(self.lease.token)

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *error: object) -> None:
        self.drop()


class _Wait:
    """One look after the other at who holds a key.

    Attributes:
        lease: the newest generation.
        holder: the last one that somebody held.
        is_new: whether the last look found another holder than the one before.
        death: why the holder is taken for dead, or empty.
        seconds: how long it has lasted.
        pause: seconds until the next look.
    """

    def __init__(self, leases: LeaseReader, lease: Lease):
        self._leases = leases
        self._began = time.monotonic()
        self._silence = 0.0
        self.lease = lease
        self.holder: Lease | None = None
        self.is_new = False
        self.death = ""
        self.seconds = 0.0
        self.pause = 0.0

    def is_over(self) -> bool:
        """Look once.

        What counts is what the holder promised, and the pauses since it was heard of: no clock of another
        machine, and no time for which this process was stopped itself.
        """
        before = self.lease
        self.lease = self._leases.newest(before.cache_key, before.generation) or replace(
            before, is_released=True
        )
        self.seconds = time.monotonic() - self._began
        if self.lease.is_released:
            return True
        self.is_new = self.holder is None or self.lease.token != self.holder.token
        is_heard = self.is_new or self.lease.beat != before.beat
        self._silence = 0.0 if is_heard else self._silence + self.pause
        self.holder = self.lease
        self.death = _death(self.lease, self._silence)
        longest = max(_FIRST_PAUSE, min(_LONGEST_PAUSE, self.lease.expiry / _BEATS_PER_EXPIRY))
        self.pause = min(longest, max(_FIRST_PAUSE, _PAUSE_PER_WAIT * self.seconds))
        return bool(self.death)


def _death(lease: Lease, silence: float) -> str:
    """Why the holder of a lease is taken for dead, or empty."""
    owner = Owner.parse(lease.owner)
    if owner is not None and owner.is_dead:
        return "its process has died"
    if owner == this_process() and lease.token not in _own_tokens:
        return "it could not record its end"
    if silence > lease.expiry:
        return f"it has not been heard of for {silence:.0f}s"
    return ""


def _shown(owner: str) -> str:
    """
    >>> _shown("lab-1.3f2a~42~777")
    'lab-1 (process 42)'
    """
    parsed = Owner.parse(owner)
    return f"{parsed.host.rpartition('.')[0] or parsed.host} (process {parsed.pid})" if parsed else owner


class _Heart:
    """Says every few seconds that the leases of this process are held: one write for all of them.

    Its thread lives while there are leases, and a few seconds more; steps that take less than one beat cost
    no write. It refers to the metadata store only while there are leases, so that a process that ends
    closes it.
    """

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}
        self._reader: LeaseReader | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._interval = 0.0

    def add(self, lease: Lease, reader: LeaseReader) -> None:
        with self._changed:
            self._reader = reader
            self._leases[lease.token] = lease
            interval = lease.expiry / _BEATS_PER_EXPIRY
            if self._thread is None:
                self._interval = interval
                self._thread = threading.Thread(target=self._run, name="zencache-heartbeat", daemon=True)
                self._thread.start()
            elif interval < self._interval:
                self._interval = interval
                self._changed.notify()

    def remove(self, lease: Lease) -> None:
        with self._changed:
            self._leases.pop(lease.token, None)
            if not self._leases:
                self._reader = None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(self._interval)
                if self._reader is None:
                    self._thread = None
                    return
                for token, lease in self._leases.items():
                    self._leases[token] = replace(lease, beat=lease.beat + 1)
                self._interval = min(lease.expiry for lease in self._leases.values()) / _BEATS_PER_EXPIRY
                beats = {lease.id: lease.beat for lease in self._leases.values()}
                beat = self._reader.beat
            try:
                beat(beats)
            except MetadataStoreError as error:  # who is overtaken because of it is told when it records
                logger.debug("The heartbeat of running steps could not be recorded: %s", error.message)
            del beat


_hearts: dict[tuple[int, str], _Heart] = {}
_making = threading.Lock()


def _heart(metadata: MetadataStore) -> _Heart:
    """One for each metadata store in a process, and a new one after a fork, which takes no thread along."""
    with _making:
        place = (os.getpid(), metadata.url)
        if place not in _hearts:
            _hearts[place] = _Heart()
        return _hearts[place]
