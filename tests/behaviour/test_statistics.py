"""What steps and runs cost, and how much of it caching saved, as the runs themselves said it."""

import json
import time

import numpy as np
import pytest

from zencache import Repository, StepFailed, pipeline, step


@step
def made() -> np.ndarray:
    time.sleep(0.05)
    return np.arange(1000)


@step
def summed(data: np.ndarray, factor: int) -> float:
    if factor < 0:
        raise ValueError("negative")
    return float(data.sum() * factor)


@pipeline
def adding(factor: int = 1):
    summed(made(), factor)


@pytest.fixture
def runs(project):
    adding().run(run_name="first")
    adding().run(run_name="second")
    with pytest.raises(StepFailed):
        adding(factor=-1).run(run_name="third")
    return {run.name: run for run in Repository().get_runs()}


def step_tallies():
    return {tally.name: tally for tally in Repository().stats().steps}


def test_steps_are_counted_the_dearest_first(runs):
    # On a machine that is busy, the failing step may be the dearest.
    steps = Repository().stats().steps
    assert [tally.seconds for tally in steps] == sorted([tally.seconds for tally in steps], reverse=True)
    counted = {tally.name: (tally.hits, tally.misses, tally.failures) for tally in steps}
    assert counted == {"made": (2, 1, 0), "summed": (1, 1, 1)}
    dear = step_tallies()["made"]
    assert dear.seconds >= 0.05
    assert dear.hit_rate == pytest.approx(2 / 3)


def test_what_a_hit_saved_is_what_its_source_took(runs):
    source = runs["first"].steps["made"].duration
    assert step_tallies()["made"].saved == pytest.approx(2 * source, rel=1e-4)


def test_bytes_are_those_of_what_was_made(runs):
    assert step_tallies()["made"].bytes == runs["first"].steps["made"].output.size


def test_runs_agree_with_what_they_said_of_themselves(runs):
    counted = {tally.name: tally for tally in Repository().stats().runs}
    assert list(counted) == ["first", "second", "third"]
    assert counted["second"].saved == pytest.approx(runs["second"].saved, rel=1e-4)
    assert (counted["first"].misses, counted["second"].hits, counted["third"].failures) == (2, 2, 1)


def test_the_total_is_the_sum(runs):
    stats = Repository().stats()
    assert (stats.total.hits, stats.total.misses, stats.total.failures) == (3, 2, 1)
    assert stats.total.bytes == sum(tally.bytes for tally in stats.steps)


def test_a_pipeline_and_the_last_runs_are_counted_alone(runs):
    @pipeline
    def other():
        made()

    other().run(run_name="fourth")
    assert [tally.name for tally in Repository().stats(pipeline="other").runs] == ["fourth"]
    last = Repository().stats(last=2)
    assert [tally.name for tally in last.runs] == ["third", "fourth"]
    saved = {tally.name: tally.saved for tally in last.steps}
    assert saved["made"] == pytest.approx(2 * runs["first"].steps["made"].duration, rel=1e-4)


def test_nothing_has_run_yet(project):
    stats = Repository().stats()
    assert (stats.steps, stats.runs, stats.total.hit_rate) == ((), (), 0.0)


def test_the_command_line_says_the_same(runs, capsys):
    from click.testing import CliRunner

    from zencache.cli import main

    done = CliRunner().invoke(main, ["stats", "--json"])
    told = json.loads(done.output)
    assert told["total"]["hits"] == 3
    assert sorted(row["name"] for row in told["steps"]) == ["made", "summed"]
    shown = CliRunner().invoke(main, ["stats"]).output
    assert "made" in shown
    assert "3 hits, 2 misses, 1 failure" in shown
