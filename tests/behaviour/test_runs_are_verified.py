"""Cached steps are executed again and compared, and objects are held against their digests."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from zencache import CachePolicy, pipeline, step
from zencache.events import DidVerify
from zencache.testing import capture_events

PROGRAM = """
import random
from zencache import BaseStepConfig, Output, pipeline, step

class Config(BaseStepConfig):
    factor: float = 2.0

@step
def steady(config: Config, n: int = 2) -> Output(a=int, b=list):
    return n, [n * config.factor]

@step
def shaky(b: list) -> float:
    return random.random() + sum(b)

@step
def effect(x: float):
    pass

@pipeline
def mixed():
    a, b = steady()
    effect(shaky(b))
"""


@pytest.fixture
def program(project):
    file = project / "mixed.py"
    file.write_text(PROGRAM)
    zencache("run", "mixed.py")
    return file


def zencache(*arguments, code=0):
    command = [sys.executable, "-m", "zencache", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == code, done.stderr
    return done.stdout


def verdicts(*arguments, code=0):
    return {
        row["step"]: row["verdict"] for row in json.loads(zencache("verify", "--json", *arguments, code=code))
    }


def test_a_step_that_does_not_give_the_same_twice_is_named(program):
    assert verdicts(code=1) == {"steady": "same", "shaky": "differs"}
    assert "output `output` has digest" in zencache("verify", code=1)


def test_a_cached_run_is_verified_as_one_that_ran(program):
    zencache("run", "mixed.py")
    assert verdicts(code=1) == {"steady": "same", "shaky": "differs"}


def test_a_sample_of_nothing_checks_the_objects_only(program):
    assert verdicts("--sample", "0") == {"steady": "not executed", "shaky": "not executed"}


def test_a_damaged_object_is_named(program):
    shown = json.loads(zencache("show", "latest", "--json"))
    (folder,) = [Path(row["outputs"]["a"]) for row in shown["steps"] if row["step"] == "steady"]
    (file,) = (folder / "payload").iterdir()
    file.chmod(0o644)
    file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])
    assert verdicts("--sample", "0", code=1) == {"steady": "damaged", "shaky": "not executed"}


def test_code_that_has_changed_since_is_not_compared(program):
    program.write_text(PROGRAM.replace("n * config.factor", "n * config.factor + 0"))
    assert verdicts(code=1)["steady"] == "not executed"
    assert "has changed since" in zencache("verify", code=1)


def test_nothing_is_recorded(program):
    before = zencache("runs", "--json")
    zencache("verify", code=1)
    assert zencache("runs", "--json") == before


def test_a_share_of_hits_is_executed_again_during_a_run(project, caplog):
    values = iter([1, 2, 3, 4])

    def next_value():
        return next(values)

    @step(cache_policy=CachePolicy(verify=1.0, include_code=False))
    def shaky() -> int:
        return next_value()

    @step(cache_policy=CachePolicy(verify=1.0))
    def steady() -> int:
        return 7

    @pipeline
    def sampled():
        shaky()
        steady()

    sampled().run()
    with capture_events() as happened, caplog.at_level(logging.WARNING, logger="zencache"):
        run = sampled().run()
    seen = {event.step: event.differences for event in happened if isinstance(event, DidVerify)}
    assert seen["steady"] == ()
    assert len(seen["shaky"]) == 1
    assert "Step `shaky` does not give the same result twice" in caplog.text
    assert {name: view.status for name, view in run.steps.items()} == {"shaky": "cached", "steady": "cached"}
    assert run.steps["shaky"].output.read() == 1
    assert "another result each time" in run.steps["shaky"].reason
    assert "it gave the same" in run.steps["steady"].reason


def test_a_share_of_none_executes_nothing_again(project):
    @step
    def steady() -> int:
        return 7

    @pipeline
    def plain():
        steady()

    plain().run()
    with capture_events() as happened:
        plain().run()
    assert not [event for event in happened if isinstance(event, DidVerify)]
