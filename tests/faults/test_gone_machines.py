"""What a machine leaves that is switched off is cleared by others; one that is slow loses nothing by it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from flight import Flight, assert_nothing_blocks, executed, held, result, states
from inspection import files_in_staging, mlmd_runs, unsound_objects

from zencache import Repository, pipeline, step
from zencache.artifact_store import open_artifact_store
from zencache.exceptions import ArtifactStoreError

ARTIFACTS = Path(".zencache") / "artifacts"
# As on another machine, where nobody can see whether the process lives.
ELSEWHERE = """
from zencache import owner
owner._host = lambda: "elsewhere.0"
"""


@step
def loaded() -> np.ndarray:
    return np.arange(10)


@pipeline
def working():
    loaded()


@pytest.fixture
def flight(project):
    flight = Flight()
    yield flight
    flight.stop()


@pytest.fixture
def away(flight):
    """A process of another machine, in the middle of a step."""
    Path("hold").touch()
    child = flight.start(ELSEWHERE)
    flight.wait_until(lambda: len(executed()) == 1, child)
    return child


def note() -> Path:
    (found,) = ARTIFACTS.glob("staging/*/*.run")
    return found


def silent_for(seconds: float) -> None:
    """As if the last word of the other machine was so long ago."""
    written = note().stat().st_mtime - seconds
    os.utime(note(), (written, written))


def kill(child) -> None:
    child.kill()
    child.wait()


def test_a_machine_that_is_gone_is_cleared_up_after(away):
    kill(away)
    (note().parent / "half-written").mkdir()
    silent_for(301)  # five times the expiry of a lease, which is 60 s
    working().run()
    assert mlmd_runs(Repository().store) == ["canceled", "completed"]
    assert states() == {"CANCELED": 1, "COMPLETE": 1}
    assert files_in_staging(ARTIFACTS) == []


def test_a_machine_that_was_heard_of_is_left_alone(away):
    kill(away)
    silent_for(200)
    working().run()
    assert mlmd_runs(Repository().store) == ["running", "completed"]
    assert note().exists()


def test_the_clock_of_this_machine_does_not_count(away, monkeypatch):
    kill(away)
    monkeypatch.setattr("time.time", lambda: 9e9)
    working().run()
    assert note().exists()


@pytest.mark.slow
def test_a_long_step_on_another_machine_says_that_it_lives(flight):
    Path("hold").touch()
    child = flight.start(ELSEWHERE, ZENCACHE_LEASE_EXPIRY="1")
    flight.wait_until(lambda: len(executed()) == 1, child)
    silent_for(30)
    before = note().stat().st_mtime
    flight.wait_until(lambda: note().stat().st_mtime > before, child)
    working().run()
    assert mlmd_runs(Repository().store)[0] == "running"
    Path("hold").unlink()
    assert result(child) == ["completed", 1]
    assert list(ARTIFACTS.glob("staging/*/*.run")) == []


def test_the_result_of_one_that_was_wrongly_taken_for_dead_is_as_good_as_any(away, flight):
    silent_for(301)
    working().run()
    assert states() == {"CANCELED": 1, "COMPLETE": 1}
    Path("hold").unlink()
    assert result(away) == ["completed", 1]
    assert states() == {"COMPLETE": 2}
    assert mlmd_runs(Repository().store) == ["completed", "completed"]
    assert unsound_objects(ARTIFACTS) == []
    assert held() == []
    assert_nothing_blocks(flight.start())


def test_what_is_written_into_a_folder_that_was_swept_is_not_published(project):
    store = open_artifact_store("artifacts")
    with store.stage() as directory:
        (directory / "first").write_text("1")
        store.remove(f"staging/{directory.parent.parent.name}/{directory.parent.name}")
        directory.mkdir(parents=True)  # as a library does that makes the folders of each file
        (directory / "second").write_text("2")
        with pytest.raises(ArtifactStoreError, match="cleared away meanwhile"):
            store.publish(directory)
    assert not Path("artifacts/objects").exists()


def test_the_doctor_tells_and_mends_it(away):
    kill(away)
    silent_for(301)
    assert any("is silent with 1 run(s)" in str(one) for one in Repository().doctor())
    assert Repository().doctor(mend=True)
    assert Repository().doctor() == []
    assert mlmd_runs(Repository().store) == ["canceled"]


def test_the_doctor_clears_what_workers_left_when_no_run_is_on_its_way(away):
    folder = ARTIFACTS / "staging" / "elsewhere.0~1~2" / "half-written"
    folder.mkdir(parents=True)
    assert not any("1~2" in str(one) for one in Repository().doctor(grace="0s"))
    kill(away)
    silent_for(301)
    Repository().doctor(mend=True, grace="0s")
    Repository().doctor(mend=True, grace="0s")
    assert not folder.exists()
    assert Repository().doctor(grace="0s") == []
