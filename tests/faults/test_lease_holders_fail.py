"""A holder of a lease that dies, stands still or cannot be reached is followed by the next; a late result is
refused, and nothing is left that anybody would have to unlock.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flight import Flight, assert_nothing_blocks, executed, held, result, states

from zencache import MetadataStoreError, Repository, pipeline, step
from zencache.metadata import RunWriter

SHORT = {"ZENCACHE_LEASE_EXPIRY": "1"}
LONGER = {"ZENCACHE_LEASE_EXPIRY": "4"}
# As on another machine, where nobody can see whether the process lives.
ELSEWHERE = """
from zencache import owner
owner._host = lambda: "elsewhere.0"
"""
WITHOUT_HEARTBEAT = """
from zencache.exceptions import MetadataStoreError
from zencache.metadata import LeaseReader
def beat(self, beats):
    Path("no-beat").touch()
    raise MetadataStoreError("The network is down.")
LeaseReader.beat = beat
"""


@pytest.fixture
def flight(metadata_url: str) -> Iterator[Flight]:
    flight = Flight()
    yield flight
    flight.stop()


def decisions(state: str) -> list[str]:
    """What is recorded with the decisions of the executions in a state."""
    found = [e for e in Repository().store.get_executions() if e.State.Name(e.last_known_state) == state]
    return [
        json.loads(e.custom_properties["zencache_decision"].string_value).get("detail", "") for e in found
    ]


def test_a_killed_holder_is_followed_at_once(flight):
    Path("hold").touch()
    owner = flight.start()
    flight.wait_for(owner, "WillExecute")
    waiters = [flight.start() for _ in range(3)]
    for waiter in waiters:
        flight.wait_for(waiter, "WillWait")

    owner.kill()
    owner.wait()
    flight.wait_until(lambda: len(executed()) == 2, waiters[0])
    Path("hold").unlink()

    assert sorted(result(waiter) for waiter in waiters) == [["cached", 1]] * 2 + [["completed", 1]]
    assert len(executed()) == 2
    assert sum(flight.events(waiter).count("DidTakeOver") for waiter in waiters) == 1
    (detail,) = decisions("COMPLETE")
    assert f"process {owner.pid}" in detail
    assert "its process has died" in detail
    assert_nothing_blocks(flight.start())
    assert states() == {"CANCELED": 1, "COMPLETE": 1, "CACHED": 3}
    assert held() == []


def test_a_run_that_comes_after_a_killed_one_waits_for_nobody(flight):
    Path("hold").touch()
    owner = flight.start()
    flight.wait_for(owner, "WillExecute")
    owner.kill()
    owner.wait()
    Path("hold").unlink()

    later = flight.start()

    assert result(later) == ["completed", 1]
    assert "WillWait" not in flight.events(later)
    assert_nothing_blocks(flight.start())


def test_the_result_of_a_holder_that_stood_still_is_refused(flight):
    Path("hold").touch()
    paused = flight.start(**SHORT)
    flight.wait_until(lambda: len(executed()) == 1, paused)
    paused.send_signal(signal.SIGSTOP)
    next_one = flight.start(**SHORT)
    flight.wait_for(next_one, "DidTakeOver")
    Path("hold").unlink()
    assert result(next_one) == ["completed", 1]
    (entry,) = Repository().store.get_contexts_by_type("execution_cache")
    before = entry.custom_properties["zencache_entry"].string_value

    paused.send_signal(signal.SIGCONT)

    assert result(paused) == ["cached", 1]
    assert "DidLoseLease" in flight.events(paused)
    assert executed() == [paused.pid, next_one.pid]
    assert states() == {"CANCELED": 1, "COMPLETE": 1, "CACHED": 1}
    (entry,) = Repository().store.get_contexts_by_type("execution_cache")
    assert entry.custom_properties["zencache_entry"].string_value == before
    assert len(Repository().store.get_executions_by_context(entry.id)) == 1
    (refused,) = [e for e in Repository().store.get_executions() if "zencache_error" in e.custom_properties]
    assert "taken this step over" in refused.custom_properties["zencache_error"].string_value
    assert len(Repository().store.get_artifacts()) == 1
    assert held() == []
    assert_nothing_blocks(flight.start())


@pytest.mark.slow
def test_a_late_result_waits_for_the_one_who_took_over(flight):
    Path("hold").touch()
    paused = flight.start(SECONDS="0.2", **SHORT)
    flight.wait_until(lambda: len(executed()) == 1, paused)
    paused.send_signal(signal.SIGSTOP)
    next_one = flight.start(SECONDS="4.0", **SHORT)
    flight.wait_for(next_one, "DidTakeOver")
    flight.wait_until(lambda: len(executed()) == 2, next_one)
    Path("hold").unlink()
    paused.send_signal(signal.SIGCONT)

    flight.wait_for(paused, "WillWait")

    assert result(next_one) == ["completed", 1]
    assert result(paused) == ["cached", 1]
    assert len(executed()) == 2
    assert_nothing_blocks(flight.start())


@pytest.mark.slow
def test_a_holder_that_fails_late_does_not_disturb_its_successor(flight):
    Path("hold").touch()
    paused = flight.start(**SHORT)
    flight.wait_until(lambda: len(executed()) == 1, paused)
    paused.send_signal(signal.SIGSTOP)
    next_one = flight.start(SECONDS="4.0", **SHORT)
    flight.wait_until(lambda: len(executed()) == 2, next_one)
    Path("fail").touch()
    Path("hold").unlink()
    paused.send_signal(signal.SIGCONT)

    assert result(paused)[0] == "failed"
    assert held() != []  # the successor's, which still runs
    assert result(next_one) == ["completed", 1]
    assert states() == {"FAILED": 1, "COMPLETE": 1}
    assert held() == []
    assert_nothing_blocks(flight.start())


def test_a_dead_holder_on_another_machine_is_followed_when_its_lease_expires(flight):
    Path("hold").touch()
    owner = flight.start(ELSEWHERE, **SHORT)
    flight.wait_for(owner, "WillExecute")
    waiter = flight.start()
    flight.wait_for(waiter, "WillWait")
    owner.kill()
    owner.wait()
    Path("hold").unlink()

    assert result(waiter) == ["completed", 1]
    assert "it has not been heard of for" in decisions("COMPLETE")[0]
    assert_nothing_blocks(flight.start())


@pytest.mark.slow
def test_the_holder_s_promise_counts_and_not_the_expiry_of_who_waits(flight):
    Path("hold").touch()
    owner = flight.start(SECONDS="3.0", ZENCACHE_LEASE_EXPIRY="30")
    flight.wait_for(owner, "WillExecute")
    waiter = flight.start(**SHORT)
    flight.wait_for(waiter, "WillWait")
    Path("hold").unlink()

    assert sorted([result(owner), result(waiter)]) == [["cached", 1], ["completed", 1]]
    assert executed() == [owner.pid]


@pytest.mark.slow
def test_a_heartbeat_keeps_a_lease_much_longer_than_its_expiry(flight):
    owner = flight.start(SECONDS="12.0", **LONGER)
    flight.wait_for(owner, "WillExecute")
    waiter = flight.start(**LONGER)
    flight.wait_for(waiter, "WillWait")

    assert result(owner) == ["completed", 1]
    assert result(waiter) == ["cached", 1]
    assert executed() == [owner.pid]


@pytest.mark.slow
def test_a_holder_whose_heartbeat_cannot_be_recorded_goes_on_and_is_refused(flight):
    Path("hold").touch()
    owner = flight.start(WITHOUT_HEARTBEAT, **SHORT)
    flight.wait_until(Path("no-beat").exists, owner)
    waiter = flight.start(**SHORT)
    flight.wait_until(lambda: len(executed()) == 2, waiter)
    Path("hold").unlink()

    results = [result(owner), result(waiter)]

    assert sorted(results) == [["cached", 1], ["completed", 1]]
    assert states() == {"CANCELED": 1, "COMPLETE": 1, "CACHED": 1}
    assert_nothing_blocks(flight.start())


def test_a_holder_whose_heartbeat_cannot_be_recorded_completes_if_nobody_wants_the_step(flight):
    owner = flight.start(WITHOUT_HEARTBEAT, SECONDS="2.0", **SHORT)

    assert result(owner) == ["completed", 1]
    assert Path("no-beat").exists()
    assert_nothing_blocks(flight.start())


def test_an_end_that_could_not_be_recorded_holds_up_nobody(metadata_url, monkeypatch):
    @step
    def one() -> int:
        return 1

    @pipeline
    def ones():
        one()

    def lost(*args, **options):
        raise MetadataStoreError("The network is down.")

    with monkeypatch.context() as network:
        network.setattr(RunWriter, "complete", lost)
        network.setattr(RunWriter, "end", lost)
        with pytest.raises(MetadataStoreError):
            ones().run()
    assert len(held()) == 1

    assert ones().run().steps["one"].status == "completed"
    assert held() == []


def test_a_record_whose_answer_is_lost_is_made_once(metadata_url, monkeypatch):
    """The call was carried out, and is repeated because nothing came back."""
    from ml_metadata import errors
    from ml_metadata.metadata_store.metadata_store import MetadataStore

    @step
    def one() -> int:
        return 1

    @step
    def two(one: int) -> int:
        return one + 1

    @pipeline
    def adding():
        two(one())

    put, lost = MetadataStore.put_lineage_subgraph, []

    def put_and_lose(self, executions, *args, **options):
        sent = executions[0].SerializeToString(deterministic=True) if executions else None
        answer = put(self, executions, *args, **options)
        if sent is not None and sent not in lost:
            lost.append(sent)
            raise errors.InternalError("the answer is lost")
        return answer

    monkeypatch.setattr(MetadataStore, "put_lineage_subgraph", put_and_lose)

    assert adding().run().steps["two"].output.read() == 2
    assert states() == {"COMPLETE": 2}
    assert len(Repository().store.get_artifacts()) == 2
    assert len(lost) == 4
    assert held() == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_random_kills_and_pauses(flight):
    """Many processes want three steps; some are killed, some stand still: each entry is made once."""
    chance = random.Random()
    seed = chance.randrange(2**32)
    print(f"seed {seed}")
    chance.seed(seed)
    for wave in range(6):
        children = [
            flight.start(REBIND.format(wave=wave), SECONDS=str(chance.uniform(0, 1.5)), **SHORT)
            for _ in range(6)
        ]
        for child in chance.sample(children, 4):
            time.sleep(chance.uniform(0, 1.5))
            child.send_signal(chance.choice([signal.SIGKILL, signal.SIGSTOP]))
        time.sleep(chance.uniform(0, 2))
        for child in children:
            child.send_signal(signal.SIGCONT)
        for child in children:
            _, said = child.communicate(timeout=120)
            assert child.returncode in (0, -signal.SIGKILL), said
        last = flight.start(REBIND.format(wave=wave), **SHORT)
        status, number = result(last)
        assert number == wave
        assert status == "cached" or all(child.returncode for child in children)
    keys = Counter(
        e.custom_properties["zencache_cache_key"].string_value
        for e in Repository().store.get_executions()
        if e.State.Name(e.last_known_state) == "COMPLETE"
    )
    assert set(keys.values()) == {1}
    assert len(keys) == 6
    assert held() == []
    assert "RUNNING" not in states()


REBIND = """
@pipeline
def flight():
    slow(number={wave})

flight_script.flight = flight
"""
