"""Long texts lie beside the objects as records; without them views know less, and everything still works."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inspection import statuses

from zencache import Repository, StepFailed, pipeline, step

RECORDS = Path(".zencache") / "artifacts" / "records"
STEPS = 12
LONG = "parameter " * 500


@step
def start(text: str) -> int:
    return len(text)


@step
def more(x: int) -> int:
    return x + 1


@step
def guarded(x: int) -> int:
    if Path("fail").exists():
        raise ValueError("x" * 5000)
    return x


@pipeline
def long_one():
    x = start(LONG)
    for _ in range(STEPS):
        x = more(x)
    guarded(x)


RESULT = len(LONG) + STEPS


def garble(file: Path) -> None:
    time.sleep(0.02)  # more than a tick of the clock that stamps files
    file.chmod(0o644)
    file.write_bytes(b"\xff\xfe" + file.read_bytes()[2:])


def shorten(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1])


def empty(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(b"")


def replace_by_other_json(file: Path) -> None:
    file.chmod(0o644)
    file.write_text('{"steps": 5}')


DAMAGES: list[Callable[[Path], Any]] = [Path.unlink, garble, shorten, empty, replace_by_other_json]


def damage_all(damage: Callable[[Path], Any]) -> None:
    """Every record: the definition of the run, the long parameter, the traceback."""
    files = [path for path in RECORDS.rglob("*") if path.is_file()]
    assert len(files) >= 2
    for file in files:
        damage(file)


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_next_run_hits_everything_and_its_views_are_whole(project, damage):
    long_one().run()
    damage_all(damage)

    run = long_one().run()

    assert set(statuses(run).values()) == {"cached"}
    assert list(run.steps) == ["start", "more", *(f"more_{n}" for n in range(2, STEPS + 1)), "guarded"]
    assert run.steps["guarded"].output.read() == RESULT
    assert run.steps["start"].parameters == {"text": LONG}
    assert [step.name for step in run.steps["more_2"].parent_steps] == ["more"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_views_of_the_run_that_lost_its_records_still_answer(project, damage):
    long_one().run()
    damage_all(damage)

    run = Repository().get_runs()[-1]

    assert run.status == "completed"
    assert len(run.steps) == STEPS + 2
    assert set(statuses(run).values()) == {"completed"}
    assert run.steps["guarded"].output.read() == RESULT
    assert run.steps["more"].output.producer_step.name == "more"
    assert LONG.startswith(run.steps["start"].parameters["text"][:1000])
    assert isinstance(run.steps["more_2"].parent_steps, list)
    assert repr(run.steps)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_later_run_with_the_same_text_heals_the_record_for_all(project, damage):
    first = long_one().run()
    damage_all(damage)
    long_one().run()

    again = Repository().get_run(first.name)

    assert list(again.steps) == list(first.steps)
    assert [step.name for step in again.steps["more_2"].parent_steps] == ["more"]
    assert again.steps["start"].parameters == {"text": LONG}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_failed_run_that_lost_its_traceback_keeps_its_error(project, damage):
    Path("fail").touch()
    with pytest.raises(StepFailed):
        long_one().run()
    damage_all(damage)

    run = Repository().get_runs()[-1]

    assert run.status == "failed"
    assert run.steps["guarded"].status == "failed"
    assert run.steps["guarded"].error.startswith("ValueError: xxx")
    Path("fail").unlink()
    healed = long_one().run()
    assert healed.steps["guarded"].status == "completed"
    assert healed.steps["guarded"].output.read() == RESULT


def test_the_whole_folder_of_records_may_be_deleted(project):
    first = long_one().run()
    shutil.rmtree(RECORDS)

    assert set(statuses(Repository().get_run(first.name)).values()) == {"completed"}
    assert set(statuses(long_one().run()).values()) == {"cached"}
    assert RECORDS.is_dir()
