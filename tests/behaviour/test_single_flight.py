"""The same new step, wanted by many at once, is executed once; the others wait, say so, and hit."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flight import Flight, assert_nothing_blocks, executed, held, result, states
from inspection import files_in_staging

from zencache import Repository, StepFailed, pipeline, step
from zencache.events import DidHit, DidMiss, WillWait, listening
from zencache.testing import capture_events


@step
def numbers(count: int = 3) -> list:
    with Path("calls").open("a") as file:
        file.write(f"{count}\n")
    while Path("hold").exists():
        time.sleep(0.01)
    return list(range(count))


@step
def total(numbers: list) -> int:
    return sum(numbers)


@pipeline
def adding():
    total(numbers())


@pytest.fixture
def flight(metadata_url: str) -> Iterator[Flight]:
    flight = Flight()
    yield flight
    flight.stop()


def calls():
    """The calls of the body of `numbers`, which goes on as long as there is a file `hold`."""
    return Path("calls").read_text().split() if Path("calls").exists() else []


def in_threads(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def when_waiting(happened, count):
    """Wait until so many runs say that they wait."""
    deadline = time.monotonic() + 60
    while sum(isinstance(event, WillWait) for event in happened) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_eight_processes_execute_it_once(flight):
    Path("hold").touch()
    children = [flight.start() for _ in range(8)]
    for child in children:
        flight.wait_until(lambda child=child: {"WillWait", "WillExecute"} & set(flight.events(child)), child)
    Path("hold").unlink()

    results = [result(child) for child in children]

    assert sorted(results) == [["cached", 1]] * 7 + [["completed", 1]]
    assert len(executed()) == 1
    assert states() == {"COMPLETE": 1, "CACHED": 7}
    assert held() == []
    assert files_in_staging(Path(".zencache/artifacts")) == []  # of those who did not get the lease, too
    assert_nothing_blocks(flight.start())


def test_many_threads_execute_it_once(metadata_url):
    runs = []
    happened = []

    def work():
        with listening(happened.append):
            runs.append(adding().run())

    Path("hold").touch()
    threads = in_threads(8, work)
    when_waiting(happened, 7)
    Path("hold").unlink()
    for thread in threads:
        thread.join()

    assert calls() == ["3"]
    assert sorted(run.steps["numbers"].status for run in runs) == ["cached"] * 7 + ["completed"]
    assert sorted(run.steps["total"].status for run in runs) == ["cached"] * 7 + ["completed"]
    assert {run.steps["total"].output.read() for run in runs} == {3}
    assert states() == {"COMPLETE": 2, "CACHED": 14}


def test_who_waits_says_for_whom(flight):
    Path("hold").touch()
    owner = flight.start()
    flight.wait_for(owner, "WillExecute")
    waiter = flight.start("import logging\nlogging.basicConfig(level=logging.INFO)\n")
    flight.wait_for(waiter, "WillWait")
    Path("hold").unlink()

    _, log = waiter.communicate(timeout=60)
    result(owner)

    (line,) = [line for line in log.splitlines() if "waiting for its result" in line]
    run = next(run for run in Repository().get_runs() if run.steps["slow"].status == "completed")
    assert run.name in line
    assert f"process {owner.pid}" in line
    (cached,) = [
        e for e in Repository().store.get_executions() if e.State.Name(e.last_known_state) == "CACHED"
    ]
    decision = json.loads(cached.custom_properties["zencache_decision"].string_value)
    assert (decision["outcome"], decision["reason"]) == ("HIT", "SAME_KEY")
    assert f"for run `{run.name}` on " in decision["detail"]
    assert flight.events(waiter).index("WillWait") < flight.events(waiter).index("DidHit")
    assert "DidMiss" not in flight.events(waiter)


def test_when_the_step_of_the_owner_raises_the_next_one_executes_it(flight):
    Path("hold").touch()
    Path("fail").touch()
    owner = flight.start()
    flight.wait_for(owner, "WillExecute")
    waiters = [flight.start() for _ in range(3)]
    for waiter in waiters:
        flight.wait_for(waiter, "WillWait")
    Path("hold").unlink()

    assert result(owner)[0] == "failed"
    assert sorted(result(waiter) for waiter in waiters) == [["cached", 1]] * 2 + [["completed", 1]]
    assert len(executed()) == 2
    assert states() == {"FAILED": 1, "COMPLETE": 1, "CACHED": 2}
    assert held() == []
    assert_nothing_blocks(flight.start())


def test_a_step_that_fails_again_and_again_is_tried_again_and_again(metadata_url):
    def run() -> str:
        try:
            return failing().run().steps["difficult"].status
        except StepFailed:
            return "failed"

    @step
    def difficult() -> int:
        tries = Path("tries")
        count = int(tries.read_text()) + 1 if tries.exists() else 1
        tries.write_text(str(count))
        if count < 40:
            raise ValueError("not yet")
        return 1

    @pipeline
    def failing():
        difficult()

    assert [run() for _ in range(41)] == ["failed"] * 39 + ["completed", "cached"]
    generations = [context.name.split(".")[1] for context in leases()]
    assert sorted(map(int, generations)) == list(range(1, 81))


def test_a_refresh_and_a_bypass_wait_for_nobody_and_hold_up_nobody(metadata_url):
    happened = []
    Path("hold").touch()
    (thread,) = in_threads(1, lambda: happened.append(adding().run()))
    while not calls():
        time.sleep(0.005)
    others = []
    more = in_threads(1, lambda: others.append(adding().run(refresh="numbers")))
    more += in_threads(1, lambda: others.append(adding().run(enable_cache=False)))
    while len(calls()) < 3:
        time.sleep(0.005)
    Path("hold").unlink()
    for one in (thread, *more):
        one.join()

    assert calls() == ["3"] * 3
    assert [run.steps["numbers"].status for run in (*happened, *others)] == ["completed"] * 3
    assert held() == []
    assert adding().run().steps["numbers"].is_cached


def test_two_nodes_with_one_key_in_one_run(metadata_url):

    @pipeline
    def twice():
        numbers().after(numbers())

    with capture_events() as happened:
        run = twice().run()

    assert sorted(view.status for view in run.steps.values()) == ["cached", "completed"]
    assert calls() == ["3"]
    assert not [event for event in happened if isinstance(event, WillWait)]


def test_steps_with_other_parameters_do_not_wait(metadata_url):
    @step
    def other_numbers(count: int = 4) -> list:
        return list(range(count))

    @pipeline
    def other():
        total(other_numbers())

    Path("hold").touch()
    (thread,) = in_threads(1, lambda: adding().run())
    while not calls():
        time.sleep(0.005)
    with capture_events() as happened:
        run = other().run()
    Path("hold").unlink()
    thread.join()

    assert run.steps["total"].output.read() == 6
    assert not [event for event in happened if isinstance(event, WillWait)]


def test_a_run_inside_of_a_step_waits_for_nobody(flight):
    """Its caller holds a lease, and two who hold one and wait could wait for each other."""
    Path("hold").touch()
    owner = flight.start()
    flight.wait_for(owner, "WillExecute")
    inside = flight.start(
        """
@step
def calling() -> int:
    return flight().run().steps["slow"].output.read()

@pipeline
def outer():
    calling()

def main():
    with events.listening(listen):
        view = outer().run().steps["calling"]
        print(json.dumps([view.status, view.output.read()]))
"""
    )
    flight.wait_until(lambda: len(executed()) == 2, inside)
    Path("hold").unlink()

    assert result(inside) == ["completed", 1]
    assert result(owner) == ["completed", 1]
    assert "WillWait" not in flight.events(inside)
    assert states() == {"COMPLETE": 3}
    assert_nothing_blocks(flight.start())


def test_an_interrupt_ends_a_wait_at_once(flight):
    Path("hold").touch()
    owner = flight.start()
    flight.wait_for(owner, "WillExecute")
    waiter = flight.start()
    flight.wait_for(waiter, "WillWait")

    waiter.send_signal(signal.SIGINT)
    _, stderr = waiter.communicate(timeout=60)

    assert waiter.returncode != 0
    assert "KeyboardInterrupt" in stderr
    assert owner.poll() is None
    Path("hold").unlink()
    assert result(owner) == ["completed", 1]
    assert sorted(run.status for run in Repository().get_runs()) == ["canceled", "completed"]
    assert held() == []
    assert_nothing_blocks(flight.start())


def test_a_run_that_waits_for_nobody_says_nothing_of_it(metadata_url):
    with capture_events() as first:
        adding().run()
    with capture_events() as second:
        adding().run()

    assert [type(event) for event in first if isinstance(event, DidMiss | DidHit | WillWait)] == [DidMiss] * 2
    assert [type(event) for event in second if isinstance(event, DidMiss | DidHit | WillWait)] == [DidHit] * 2
    assert len(leases()) == 4


def leases():
    return Repository().store.get_contexts_by_type("zencache_lease")


def test_the_expiry_of_a_lease_is_a_setting(metadata_url, monkeypatch):
    def expiries():
        holders = [context.custom_properties["zencache_holder"].string_value for context in leases()]
        return [json.loads(holder)["expiry"] for holder in holders if holder]

    adding().run()
    Path("pyproject.toml").write_text("[tool.zencache]\nlease_expiry = 7\n")
    adding().run(refresh=True)
    assert expiries() == [60, 60]
    total_of_more().run()
    monkeypatch.setenv("ZENCACHE_LEASE_EXPIRY", "5.5")
    total_of_most().run()
    assert expiries() == [60, 60, 7, 7, 5.5, 5.5]


@pipeline
def total_of_more():
    total(numbers(count=4))


@pipeline
def total_of_most():
    total(numbers(count=5))
