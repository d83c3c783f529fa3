"""A step that would write beyond the quota fails with a clear error, and nothing is lost."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from inspection import files_in_staging, statuses, unsound_objects

from zencache import ConfigurationError, Output, QuotaExceeded, Repository, StepFailed, pipeline, step
from zencache.cli import main

ARTIFACTS = Path(".zencache") / "artifacts"


@step
def small() -> np.ndarray:
    return np.arange(10)


@step
def large(x: np.ndarray, n: int = 10_000) -> np.ndarray:
    return np.arange(n)


@pipeline
def working(n: int = 10_000):
    large(small(), n=n)


@pytest.fixture
def quota(project):
    Path("pyproject.toml").write_text('[tool.zencache]\nquota = "50kB"\n')


def test_a_step_that_goes_beyond_it_fails_and_what_had_finished_hits(quota):
    with pytest.raises(StepFailed, match="leaves no room") as failed:
        working().run()
    cause = failed.value.failures["large"]
    assert isinstance(cause, QuotaExceeded)
    assert (cause.facts["quota"], cause.facts["needed"]) == ("50.0 kB", "80.1 kB")
    assert "zencache gc" in cause.hint
    assert len(list((ARTIFACTS / "objects").glob("*/*"))) == 1
    assert [name for name in files_in_staging(ARTIFACTS) if not name.endswith(".run")] == []
    assert unsound_objects(ARTIFACTS) == []
    assert statuses(working(1000).run()) == {"small": "cached", "large": "completed"}


@step
def many() -> Output(**{f"output_{index}": dict for index in range(40)}):
    return tuple({"number": index} for index in range(40))


@pipeline
def making_many():
    many()


def test_outputs_that_one_step_makes_at_once_are_all_counted(quota):
    made = making_many().run().steps["many"].outputs.values()
    assert json.loads((ARTIFACTS / "usage.json").read_text())["bytes"] == sum(one.size for one in made)


def test_a_cached_run_writes_nothing_and_is_not_refused(project, monkeypatch):
    working().run()
    monkeypatch.setenv("ZENCACHE_QUOTA", "1kB")
    assert set(statuses(working().run()).values()) == {"cached"}


def test_bytes_that_are_there_already_need_no_room(project, monkeypatch):
    working().run()
    monkeypatch.setenv("ZENCACHE_QUOTA", "1kB")
    assert set(statuses(working().run(refresh=True)).values()) == {"completed"}


def test_what_gc_frees_can_be_used_at_once(quota):
    working(3000).run()
    with pytest.raises(StepFailed):
        working(4000).run()
    Repository().gc(max_bytes=0, grace="0s", dry_run=False)
    assert working(4000).run().status == "completed"


def test_what_others_wrote_counts_before_anything_is_refused_or_after_a_while(quota, monkeypatch):
    working(3000).run()
    monkeypatch.delenv("ZENCACHE_QUOTA", raising=False)
    assert (ARTIFACTS / "usage.json").exists()
    (ARTIFACTS / "usage.json").write_text('{"bytes": 49999999, "counted": 1e12}')  # wrong, and too much
    assert working(1000).run().status == "completed"


def test_it_is_counted_once_and_then_remembered(quota, monkeypatch):
    counts = []
    store = Repository().stores.artifacts
    used = type(store).used
    monkeypatch.setattr(type(store), "used", lambda self: counts.append(1) or used(self))
    for n in range(10, 15):
        working(n).run()
    assert counts == [1]


@pytest.mark.parametrize("text", ["lots", "-1GB", "50 apples"])
def test_one_that_makes_no_sense_is_refused(project, monkeypatch, text):
    monkeypatch.setenv("ZENCACHE_QUOTA", text)
    with pytest.raises(ConfigurationError, match="setting `quota` is wrong"):
        Repository()
    done = CliRunner().invoke(main, ["runs"])
    assert done.exit_code == 2
    assert "quota" in done.output
