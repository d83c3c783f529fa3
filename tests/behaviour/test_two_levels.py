"""Read from the team's cache, write to one's own: what others have run is brought here, and hits."""

import shutil

import numpy as np
import pytest

from zencache import CachePolicy, Repository, events, pipeline, step
from zencache.artifact_store import open_artifact_store
from zencache.exceptions import ConfigurationError, MetadataStoreError
from zencache.stores import _artifact_store
from zencache.testing import capture_events

LONG = "x" * 5000


@step
def numbers(note: str = LONG) -> np.ndarray:
    return np.arange(5)


@step
def double(values: np.ndarray) -> np.ndarray:
    return values * 2


@step
def total(values: np.ndarray, extra: int = 0) -> int:
    return int(values.sum()) + extra


@pipeline
def adding(extra: int = 0):
    total(values=double(values=numbers()), extra=extra)


def team(**options):
    return Repository(metadata="team/metadata.db", artifacts="team/artifacts", **options)


def mine(**options):
    _artifact_store.cache_clear()
    options = {"read_from": team(mode="r"), **options}
    return Repository(metadata="mine/metadata.db", artifacts="mine/artifacts", **options)


def run(repository, **arguments):
    with capture_events() as happened:
        done = adding(**arguments).run(repository=repository)
    return done, [event.step for event in happened if isinstance(event, events.WillExecute)]


@pytest.fixture
def ran_there(project):
    adding().run(repository=team())
    return project


def everything(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_what_the_team_has_run_hits_here_and_is_here_afterwards(ran_there):
    before = everything(ran_there / "team")
    done, executed = run(mine())
    assert executed == []
    assert [view.status for view in done.steps.values()] == ["cached"] * 3
    assert done.steps["total"].output.read() == 20
    assert everything(ran_there / "team") == before
    for path in (ran_there / "team").rglob("*"):
        path.chmod(0o755)
    (ran_there / "team").rename(ran_there / "gone")
    done, executed = run(mine(read_from=None))
    assert executed == []
    assert done.steps["total"].output.read() == 20
    assert done.steps["total"].output.uri.startswith(str(ran_there / "mine"))


def test_it_says_where_it_came_from(ran_there):
    url = team().metadata_url
    planned = adding().plan(repository=mine())
    assert [str(one.prediction) for one in planned] == ["HIT"] * 3
    assert all(f"from {url}" in one.reasons[0] for one in planned)
    done, _ = run(mine())
    assert f"brought from {url}" in str(done.steps["total"].why())
    done, _ = run(mine())
    assert "brought from" not in str(done.steps["total"].why())


def test_its_lineage_comes_with_it(ran_there):
    done, _ = run(mine())
    made = done.steps["total"].output
    assert [one.type for one in made.upstream()] == [
        one.type for one in team(mode="r").get_runs()[-1].steps["total"].output.upstream()
    ]
    source = made.producer_step
    assert (source.name, source.status, source.parameters) == ("total", "completed", {"extra": 0})
    assert mine().executions(step="numbers")[0].parameters == {"note": LONG}
    original = team(mode="r").get_runs()[-1]
    assert source.run.name == original.name
    assert len(mine().get_runs()) == 2


def test_only_what_is_missed_is_brought_and_what_is_new_is_written_here(ran_there):
    before = everything(ran_there / "team")
    done, executed = run(mine(), extra=1)
    assert executed == ["total"]
    assert done.steps["total"].output.read() == 21
    assert everything(ran_there / "team") == before
    assert [one.steps["total"].parameters for one in team().get_runs()] == [{"extra": 0}]


def test_what_is_here_is_not_asked_for_there(ran_there):
    run(mine())
    repository = mine()
    reads = []
    inner = repository.stores.read_from.metadata.read
    real = inner.entries
    inner.entries = lambda keys: reads.append(keys) or real(keys)
    assert run(repository)[1] == []
    assert reads == []


def test_a_cold_run_asks_the_team_once_for_each_level_at_most(ran_there):
    repository = mine()
    reads = []
    inner = repository.stores.read_from.metadata.read
    real = inner.entries
    inner.entries = lambda keys: reads.append(keys) or real(keys)
    run(repository)
    assert len(reads) <= 3


def test_bringing_the_same_again_doubles_nothing(ran_there):
    run(mine())
    executions, artifacts = len(mine().store.get_executions()), len(mine().store.get_artifacts())
    store = mine()
    for path in (ran_there / "mine" / "artifacts" / "objects").rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(ran_there / "mine" / "artifacts" / "objects")
    done, executed = run(mine())
    assert executed == []
    assert done.steps["total"].output.read() == 20
    assert len(store.store.get_artifacts()) == artifacts
    assert len(store.store.get_executions()) == executions + 3  # the cached ones of the new run


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_damaged_bytes_of_the_team_are_not_brought(ran_there, damage):
    artifact = team().get_runs()[-1].steps["double"].output.artifact
    file = open_artifact_store("team/artifacts").open(artifact.object) / "array.npy"
    file.chmod(0o644)
    if damage == "flip":
        payload = bytearray(file.read_bytes())
        payload[-1] ^= 1
        file.write_bytes(payload)
    else:
        file.unlink()
    done, executed = run(mine())
    assert executed == ["double"]
    assert done.steps["total"].output.read() == 20
    assert f"in {team().metadata_url}" in str(done.steps["double"].why())


def test_the_age_of_an_entry_is_that_of_the_original(ran_there):
    @pipeline(cache_policy=CachePolicy(expires_in="1h"))
    def aging():
        numbers()

    with capture_events() as happened:
        aging().run(repository=mine())
    assert not [event for event in happened if isinstance(event, events.WillExecute)]
    brought = mine().stores.metadata.read
    (key,) = {one.cache_key for one in brought.executions_of_type("numbers")}
    there = team().stores.metadata.read.entries([key])[key].finished
    assert brought.entries([key])[key].finished == pytest.approx(there, abs=0.01)
    assert brought.all_entries(key)[0].finished == pytest.approx(there, abs=0.01)


def test_a_run_of_the_same_name_stays_another_run(project):
    adding().run(repository=team(), run_name="nightly")
    repository = mine()

    @pipeline
    def other():
        total(values=np.arange(2))

    other().run(repository=repository, run_name="nightly")
    run(repository)
    names = [one.name for one in mine().get_runs(limit=None)]
    assert len(names) == len(set(names)) == 3
    assert [one for one in names if one.startswith("nightly~")]
    assert list(mine().get_run("nightly").steps) == ["total"]


def test_values_that_are_given_are_the_same_artifact(project):
    @pipeline
    def given():
        total(values=np.arange(7))

    given().run(repository=team())
    with capture_events() as happened:
        done = given().run(repository=mine())
    assert not [event for event in happened if isinstance(event, events.WillExecute)]
    assert done.steps["total"].inputs["values"].read().tolist() == list(range(7))


def test_it_is_set_in_the_project(ran_there):
    (ran_there / "pyproject.toml").write_text(
        '[tool.zencache]\nread_from = { metadata = "team/metadata.db", artifacts = "team/artifacts" }\n'
    )
    assert run(Repository())[1] == []
    assert Repository().stores.read_from.is_read_only


@pytest.mark.parametrize("read_from", ["team", 3, object()])
def test_what_is_no_repository_cannot_be_read_from(project, read_from):
    with pytest.raises(ConfigurationError, match="is a Repository"):
        mine(read_from=read_from)


@pytest.mark.parametrize(
    "setting", ['"team"', "{}", '{ metadata = "x" }', '{ metadata = 1, artifacts = "x" }', "[]"]
)
def test_a_wrong_setting_is_a_clear_error(project, setting):
    (project / "pyproject.toml").write_text(f"[tool.zencache]\nread_from = {setting}\n")
    with pytest.raises(ConfigurationError, match=r"\[tool.zencache\] is wrong"):
        Repository()


def test_a_team_that_is_not_there_is_one_error_and_nothing_runs(project):
    with capture_events() as happened, pytest.raises(MetadataStoreError, match="no metadata store to read"):
        adding().run(repository=mine())
    assert not [event for event in happened if isinstance(event, events.WillExecute)]
