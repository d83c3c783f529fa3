"""Garbage collection beside runs, twice at once, killed at any step: no wrong bytes, and runs end right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from inspection import files_in_staging, mlmd_states, statuses, unsound_objects

from zencache import Repository, pipeline, removal, step
from zencache.events import DidFinish, DidHit, WillExecute, listening
from zencache.metadata import Reader

ARTIFACTS = Path(".zencache") / "artifacts"

PIPELINES = """
import numpy as np
from zencache import Repository, pipeline, step

@step
def loaded(n: int = 10) -> np.ndarray:
    return np.arange(n)

@step
def doubled(x: np.ndarray) -> np.ndarray:
    return x * 2

@step
def total(x: np.ndarray) -> float:
    return float(x.sum())

@pipeline
def working(n: int = 10):
    total(doubled(loaded(n=n)))
"""

KILLED = """
import os, signal, shutil, sys
from zencache import Repository, gc
from zencache.artifact_store import local
from zencache.metadata import MetadataStore

where, owner = sys.argv[1], None
def killing(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
def after(kind, name, count=1):
    real, calls = getattr(kind, name), []
    def call(*args, **kwargs):
        done = real(*args, **kwargs)
        calls.append(1)
        return killing() if len(calls) == count else done
    setattr(kind, name, call)

if where == "before marking": MetadataStore.condemn = killing
if where == "marked": after(MetadataStore, "condemn")
if where == "looked again": after(gc._Collection, "_used_since")
if where == "taken away":
    real_rmtree = shutil.rmtree
    def rmtree(path, *args, **kwargs):
        is_object = f"~{os.getpid()}~" in str(path) and os.path.exists(os.path.join(path, "manifest.json"))
        return killing() if is_object else real_rmtree(path, *args, **kwargs)
    local.shutil.rmtree = rmtree
if where == "one deleted": after(local.LocalArtifactStore, "delete")
if where == "all deleted": after(local.LocalArtifactStore, "delete", 3)
if where == "buried": after(MetadataStore, "bury")
Repository().gc(keep_last=0, grace="0s", dry_run=False)
"""
PLACES = ["before marking", "marked", "looked again", "taken away", "one deleted", "all deleted", "buried"]


@step
def loaded(n: int = 10) -> np.ndarray:
    return np.arange(n)


@step
def doubled(x: np.ndarray) -> np.ndarray:
    return x * 2


@step
def total(x: np.ndarray) -> float:
    return float(x.sum())


@step(enable_cache=False)
def shown(x: np.ndarray) -> float:
    return float(x.max())


@pipeline
def working(n: int = 10):
    total(doubled(loaded(n=n)))


@pipeline
def showing(n: int = 10):
    shown(doubled(loaded(n=n)))


def collect(**limits):
    return Repository().gc(**{"keep_last": 0, "grace": "0s", "dry_run": False, **limits})


def audit() -> None:
    """What is said to be live is there, byte for byte; nothing is left half done."""
    repository = Repository()
    assert unsound_objects(ARTIFACTS) == []
    assert files_in_staging(ARTIFACTS) == []
    assert "RUNNING" not in [state for _, state in mlmd_states(repository.store)]
    for artifact in repository.artifacts():
        assert artifact.state in ("LIVE", "DELETED")
        if artifact.state == "LIVE":
            artifact.read()


@pytest.mark.parametrize("place", PLACES)
def test_killed_at_each_step(run_forked, project, place):
    run_forked(PIPELINES + "working().run()")

    killed = run_forked(KILLED, place, check=False)

    assert killed.returncode == -9, killed.stderr
    assert unsound_objects(ARTIFACTS) == []
    again = run_forked(PIPELINES + "print(working().run().steps['total'].output.read())")
    assert float(again.stdout) == 90.0
    told = set(statuses(Repository().get_runs()[-1]).values())
    if place in ("before marking", "marked", "looked again"):
        assert told == {"cached"}
    elif place in ("all deleted", "buried"):
        assert told == {"completed"}
    else:  # some bytes are gone, and which is chance: several are deleted at a time
        assert "completed" in told
    collect(older_than="30d")  # finishes what the killed one began
    audit()
    assert collect().kept == ()
    audit()


@pytest.mark.parametrize("place", PLACES)
def test_killed_and_finished_by_the_next_one(run_forked, project, place):
    run_forked(PIPELINES + "working().run()")
    run_forked(KILLED, place, check=False)

    report = collect()

    assert report.kept == ()
    assert {artifact.state for artifact in Repository().artifacts()} == {"DELETED"}
    assert not list((ARTIFACTS / "objects").glob("*/*"))
    audit()


@pytest.mark.parametrize("step_name", ["loaded", "doubled", "total"])
def test_a_hit_that_is_deleted_before_it_is_recorded(project, step_name):
    first = working().run()

    def delete(event):
        if isinstance(event, DidHit) and event.step == step_name and not done:
            done.append(collect())

    done: list = []
    with listening(delete):
        run = working().run()

    assert len(done[0].removed) == 3
    assert run.status == "completed"
    assert run.steps["total"].output.read() == first.steps["total"].output.read()
    for view in run.steps.values():
        view.output.read()
    audit()


def test_a_hit_that_is_deleted_before_the_step_below_reads_it(project):
    showing().run()
    done: list = []

    def delete(event):
        if isinstance(event, DidFinish) and event.step == "doubled" and not done:
            done.append(collect())

    with listening(delete):
        run = showing().run()

    assert len(done[0].removed) == 3
    assert statuses(run) == {"loaded": "completed", "doubled": "completed", "shown": "completed"}
    assert run.steps["shown"].output.read() == 18.0
    audit()


def test_what_a_running_run_uses_stays(project):
    showing().run()
    kept: list = []

    def delete(event):
        if isinstance(event, WillExecute):
            kept.append(collect(max_bytes=0))

    with listening(delete):
        run = showing().run()

    assert {one.why.partition(" by ")[0] for one in kept[0].kept} == {"in use"}
    assert run.name in kept[0].kept[0].why
    assert statuses(run) == {"loaded": "cached", "doubled": "cached", "shown": "completed"}
    audit()


def test_a_use_while_it_was_choosing_is_seen_before_bytes_go(project, monkeypatch):
    working().run()
    survey = Reader.survey

    def and_then_a_run(self):
        found = survey(self)
        working().run()
        return found

    monkeypatch.setattr(Reader, "survey", and_then_a_run)
    report = collect()

    assert {one.why for one in report.kept} == {"used just now"}
    assert set(statuses(working().run()).values()) == {"cached"}
    audit()


def test_a_pin_while_it_was_choosing_is_seen_before_bytes_go(project, monkeypatch):
    run = working().run()
    survey = Reader.survey

    def and_then_a_pin(self):
        found = survey(self)
        pins.append(Repository().pins())
        return found

    real = removal.remove
    pins: list = []

    def pinned_first(*args, **options):
        Repository().pin(run.steps["total"].output, "just in time")
        return real(*args, **options)

    monkeypatch.setattr(Reader, "survey", and_then_a_pin)
    monkeypatch.setattr("zencache.gc.remove", pinned_first)
    report = collect()
    assert pins == [[]]
    assert [one.why for one in report.kept] == ["pinned: artifact 3 (just in time)"]
    audit()


def test_the_same_bytes_published_while_they_are_being_deleted(project):
    store = Repository().stores.artifacts
    for _ in range(2):
        began = time.time() - 0.5
        with store.stage() as directory:
            (directory / "x").write_text("same")
            stored = store.publish(directory)
        time.sleep(1)
    assert store.delete(stored.digest, before=began).is_recent  # publishing it again made it recent
    store.verify(stored.digest)
    assert store.delete(stored.digest, before=time.time() + 1).freed > 0
    assert store.examine(stored.digest) is None
    assert store.delete(stored.digest, before=time.time() + 1).freed == 0


def test_two_at_once(run_forked, project):
    run_forked(PIPELINES + "[working(n).run() for n in range(1, 8)]")
    collecting = "Repository().gc(keep_last=0, grace='0s', dry_run=False)"
    script = f"from zencache import Repository\nprint({collecting}.freed)"
    both = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    freed = [int(one.communicate(timeout=100)[0]) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert min(freed) == 0  # nothing is counted twice
    assert max(freed) > 0
    assert {artifact.state for artifact in Repository().artifacts()} == {"DELETED"}
    audit()


LOOP = """
import json, random, sys, time
seed, seconds = int(sys.argv[1]), float(sys.argv[2])
random.seed(seed)
end = time.time() + seconds
runs = 0
while time.time() < end:
    n = random.randint(1, 5)
    run = working(n).run()
    assert run.steps["total"].output.read() == sum(range(n)) * 2.0, n
    runs += 1
print(runs)
"""
COLLECTING = """
import random, sys, time
from zencache import Repository
end = time.time() + float(sys.argv[1])
freed = 0
while time.time() < end:
    freed += Repository().gc(max_count=random.randint(0, 3), grace="2s", dry_run=False).freed
    time.sleep(random.random() / 10)
print(freed)
"""


@pytest.mark.slow
def test_in_a_loop_beside_pipelines_in_other_processes(project):
    seconds = os.environ.get("ZENCACHE_TEST_SECONDS", "20")
    Path("loop.py").write_text(PIPELINES + textwrap.dedent(LOOP))
    Path("collecting.py").write_text(COLLECTING)
    processes = [
        subprocess.Popen(
            [sys.executable, *arguments, seconds], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for arguments in (["loop.py", "1"], ["loop.py", "2"], ["collecting.py"], ["collecting.py"])
    ]
    told = [process.communicate(timeout=110) for process in processes]
    for process, (_, stderr) in zip(processes, told, strict=True):
        assert process.returncode == 0, stderr[-3000:]
    print(json.dumps([stdout.strip() for stdout, _ in told]))
    assert sum(int(stdout) for stdout, _ in told[2:]) > 0
    audit()
