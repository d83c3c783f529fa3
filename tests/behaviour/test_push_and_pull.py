"""Entries are carried between repositories, with bytes and lineage, and again without doubling anything."""

import json
import os
import signal
import subprocess
import sys

import pytest

from zencache import Repository, events, pipeline, step
from zencache.artifact_store import open_artifact_store
from zencache.cli import main
from zencache.exceptions import ConfigurationError, NotFoundError, ReadOnlyError
from zencache.testing import capture_events


@step
def numbers(start: int = 0) -> list:
    return [start, start + 1, start + 2]


@step
def total(values: list) -> int:
    return sum(values)


@pipeline
def adding(start: int = 0):
    total(values=numbers(start=start))


def at(name, **options):
    return Repository(metadata=f"{name}/metadata.db", artifacts=f"{name}/artifacts", **options)


def executed(repository, **arguments):
    with capture_events() as happened:
        run = adding(**arguments).run(repository=repository)
    assert run.steps["total"].output.read() == 3 * arguments.get("start", 0) + 3
    return [event.step for event in happened if isinstance(event, events.WillExecute)]


@pytest.fixture
def mine(project):
    repository = at("mine")
    adding().run(repository=repository, run_name="first")
    adding(start=1).run(repository=repository, run_name="second")
    return repository


def counts(repository):
    store = repository.store
    return len(store.get_executions()), len(store.get_artifacts()), len(store.get_contexts())


def test_what_is_pushed_hits_there(mine):
    carried = mine.push(at("team"))
    assert carried.entries == ("first/numbers", "first/total", "second/numbers", "second/total")
    assert (carried.objects, carried.there, carried.refused) == (4, 0, {})
    assert carried.size > 0
    assert executed(at("team")) == executed(at("team"), start=1) == []


def test_what_is_pulled_hits_here_and_the_other_is_not_written(mine):
    other = at("new")
    assert len(other.pull(at("mine", mode="r")).entries) == 4
    assert executed(other) == []
    made = other.get_runs()[-1].steps["total"].output
    assert [one.producer_step.name for one in made.upstream()] == ["numbers"]


def test_carrying_again_in_any_direction_changes_nothing(mine):
    team = at("team")
    mine.push(team)
    before, before_mine = counts(team), counts(mine)
    for carried in (mine.push(team), team.push(mine), mine.pull(team), team.pull(mine)):
        assert (carried.entries, carried.objects, carried.there) == ((), 0, 4)
    third = at("third")
    team.push(third)
    mine.push(third)
    assert (counts(team), counts(mine), counts(third)) == (before, before_mine, before)


def test_a_run_that_was_cached_carries_what_it_took(mine):
    adding().run(repository=mine, run_name="cached")
    carried = mine.push(at("team"), run="cached")
    assert carried.entries == ("first/numbers", "first/total")
    assert executed(at("team")) == []
    assert executed(at("team"), start=1) == ["numbers", "total"]


def test_one_artifact_carries_its_entry_and_the_facts_above_it(mine):
    artifact = mine.get_run("second").steps["total"].output
    carried = mine.push(at("team"), artifacts=[artifact])
    assert carried.entries == ("second/total",)
    assert carried.objects == 1
    there = at("team").executions(step="total")[0].output
    assert [one.producer_step.name for one in there.upstream()] == ["numbers"]
    mine.push(at("team"), run="second")
    assert executed(at("team"), start=1) == []
    assert len(at("team").executions(step="numbers", status="completed")) == 1


def test_a_dry_run_tells_the_same_and_carries_nothing(mine, project):
    told = mine.push(at("team"), dry_run=True)
    assert told.is_dry_run
    assert not (project / "team").exists() or not list((project / "team").rglob("payload"))
    done = mine.push(at("team"))
    assert (told.entries, told.objects, told.size) == (done.entries, done.objects, done.size)


def test_damaged_and_quarantined_entries_are_not_carried(mine):
    damaged = mine.get_run("first").steps["total"].output.artifact
    file = open_artifact_store("mine/artifacts").open(damaged.object) / "value.json"
    file.chmod(0o644)
    file.write_bytes(b"4")
    mine.quarantine(mine.get_run("second").steps["numbers"].output, "wrong")
    carried = mine.push(at("team"))
    assert carried.entries == ("first/numbers",)
    assert set(carried.refused) == {"first/total", "second/numbers", "second/total"}
    assert "damaged" in carried.refused["first/total"]
    assert "quarantined: wrong" in carried.refused["second/total"]
    assert executed(at("team")) == ["total"]


PUSH = """
import os, signal, sys
import zencache.artifact_store.local as local
from zencache import Repository
at = lambda name: Repository(metadata=f"{name}/metadata.db", artifacts=f"{name}/artifacts")
from zencache.metadata.connection import Connection
calls = 0
real = Connection.read
def counted(self, call):
    global calls
    if "team" in self.url:
        calls += 1
        if calls == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
    return real(self, call)
Connection.read = counted
at("mine").push(at("team"))
print(calls)
"""


@pytest.mark.slow
def test_a_push_that_is_killed_at_any_call_is_taken_up_again(mine, project):
    (project / "push.py").write_text(PUSH)
    whole = subprocess.run([sys.executable, "push.py", "-1"], capture_output=True, text=True, check=True)
    expected = counts(at("team"))
    calls = int(whole.stdout)
    for at_call in range(2, calls, max(1, calls // 12)):
        (project / "team").rename(project / f"team-{at_call}")
        killed = subprocess.run([sys.executable, "push.py", str(at_call)])
        assert killed.returncode == -signal.SIGKILL
        mine.push(at("team"))
        assert counts(at("team")) == expected
        (project / "check").mkdir(exist_ok=True)
        assert [view.output.read() for view in at("team").executions(status="completed", step="total")] == [
            3,
            6,
        ]
        assert mine.push(at("team")).there == 4


def test_wrong_use_is_a_clear_error(mine):
    with pytest.raises(NotFoundError, match="third"):
        mine.push(at("team"), run="third")
    with pytest.raises(ReadOnlyError):
        mine.push(at("mine", mode="r"))
    with pytest.raises(ConfigurationError, match="same metadata store"):
        mine.push(at("mine"))


@pytest.fixture
def zencache(mine, monkeypatch):
    from click.testing import CliRunner

    monkeypatch.setenv("ZENCACHE_METADATA", os.path.abspath("mine/metadata.db"))
    monkeypatch.setenv("ZENCACHE_ARTIFACTS", os.path.abspath("mine/artifacts"))
    return lambda *arguments: CliRunner().invoke(main, arguments)


TEAM = ("--metadata", "team/metadata.db", "--artifacts", "team/artifacts")


def test_push_and_pull_on_the_command_line(zencache, mine, project):
    said = zencache("push", *TEAM, "--run", "first", "--dry-run")
    assert (said.exit_code, said.output[:29]) == (0, "2 entries would be carried: 2")
    said = zencache("push", *TEAM, "--run", "first", "--json")
    assert json.loads(said.output)["entries"] == ["first/numbers", "first/total"]
    said = zencache("push", *TEAM)
    assert "2 entries carried" in said.output
    assert "2 were there already" in said.output
    adding(start=7).run(repository=at("team"), run_name="theirs")
    (project / "pyproject.toml").write_text(
        '[tool.zencache]\nread_from = { metadata = "team/metadata.db", artifacts = "team/artifacts" }\n'
    )
    assert "2 entries carried" in zencache("pull").output
    assert executed(at("mine", read_from=None), start=7) == []


def test_wrong_use_on_the_command_line(zencache):
    assert zencache("push").exit_code == 2
    assert zencache("push", "--metadata", "x").exit_code == 2
    said = zencache("pull", *TEAM)
    assert said.exit_code == 2
    assert "no metadata store to read" in said.output
    assert zencache("push", *TEAM, "--run", "nosuch").exit_code == 2
