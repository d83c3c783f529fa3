"""A repository with ``mode="r"`` is asked and planned with, and written by nobody."""

import os
from pathlib import Path

import pytest

from zencache import Repository, pipeline, step
from zencache.artifact_store import ArtifactStore
from zencache.exceptions import ConfigurationError, MetadataStoreError, ReadOnlyError

SHARED = """
from zencache import Repository, pipeline, step

@step
def numbers() -> list:
    return [1, 2, 3]

@step
def total(values: list, extra: int = 0) -> int:
    return sum(values) + extra

@pipeline
def adding(extra: int = 0):
    total(values=numbers(), extra=extra)

def team(**options):
    return Repository(metadata="team/metadata.db", artifacts="team/artifacts", **options)
"""

ASKS = (
    SHARED
    + """
import os, sys
repository = team(mode="r")
print(repository.mode, [one.name for one in repository.get_pipelines()], len(repository.get_runs()))
run = repository.get_runs()[-1]
s = run.steps["total"]
print(s.status, s.output.read(), [a.type for a in s.output.upstream()], s.why() is not None)
print([str(planned.prediction) for planned in adding().plan(repository=repository)])
print([str(planned.prediction) for planned in adding(extra=1).plan(repository=repository)])
print(repository.stats().runs)
try:
    adding().run(repository=repository)
except Exception as error:
    print(type(error).__name__, error)
"""
)


@step
def one() -> int:
    return 1


@pipeline
def single():
    one()


def everything(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Each file and folder, and what a write would change about it."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        stat = path.stat()
        found[str(path.relative_to(folder))] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found


def locked(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def unlocked(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def team(project, run_forked):
    run_forked(SHARED + "adding().run(repository=team())")
    yield project / "team"
    unlocked(project / "team")


def test_a_shared_cache_that_may_not_be_written_is_asked_and_planned_with(team, run_obeying_modes):
    locked(team)
    before = everything(team)
    lines = run_obeying_modes(ASKS).stdout.splitlines()
    assert lines[0] == "r ['adding'] 1"
    assert lines[1].startswith("completed 6 ['JsonValue']")
    assert lines[2:4] == ["['HIT', 'HIT']", "['HIT', 'MISS']"]
    assert lines[5].startswith("ReadOnlyError A pipeline cannot run in a repository that is only read")
    assert everything(team) == before


def test_reading_leaves_no_trace_where_it_could(team, run_forked):
    before = everything(team)
    run_forked(ASKS)
    assert everything(team) == before


def test_what_others_record_meanwhile_is_seen(team, run_forked):
    done = run_forked(
        SHARED
        + """
import subprocess, sys, pathlib
repository = team(mode="r")
print(len(repository.get_runs()))
for extra in (1, 2):
    code = pathlib.Path(__file__).read_text().split("import subprocess")[0]
    pathlib.Path("other.py").write_text(code + f"adding(extra={extra}).run(repository=team())")
    subprocess.run([sys.executable, "other.py"], check=True)
    print(len(repository.get_runs()), repository.get_runs()[-1].steps["total"].output.read())
"""
    )
    assert done.stdout.splitlines() == ["1", "2 7", "3 8"]


def test_what_a_process_that_still_writes_has_recorded_is_seen(team, run_forked):
    done = run_forked(
        SHARED
        + """
writer = team()
adding(extra=5).run(repository=writer)          # keeps the file open, with a log beside it
print(len(team(mode="r").get_runs()))
"""
    )
    assert done.stdout.splitlines() == ["2"]


WRITES = (
    *("stage", "publish", "publish_all", "set_aside"),
    *("write_file", "write_record", "remove", "delete", "alone"),
)


@pytest.mark.parametrize("where", ["sqlite", "memory"])
def test_nothing_that_a_reader_can_call_writes(project, monkeypatch, where):
    urls = (
        {"metadata": "memory://team", "artifacts": "memory://team"}
        if where == "memory"
        else {"metadata": "team.db", "artifacts": "team"}
    )
    writable = Repository(**urls)
    single().run(repository=writable)
    reader = Repository(**urls, mode="r")
    inner = reader.stores.artifacts._artifacts
    for name in WRITES:
        monkeypatch.setattr(type(inner), name, _must_not_be_called, raising=True)
    run = reader.get_runs()[-1]
    assert run.steps["one"].output.read() == 1
    assert run.steps["one"].output.downstream() == []
    assert [str(planned.prediction) for planned in single().plan(repository=reader)] == ["HIT"]
    assert run.lineage().to_mermaid()
    artifact = run.steps["one"].output
    for write in (
        lambda: single().run(repository=reader),
        lambda: reader.quarantine(artifact, "bad"),
        lambda: reader.stores.artifacts.write_file("x", b""),
        lambda: reader.stores.artifacts.write_record("x"),
    ):
        with pytest.raises(ReadOnlyError):
            write()
    assert len(writable.get_runs()) == 1


def test_every_way_to_write_to_an_artifact_store_is_refused(project):
    single().run(repository=Repository(metadata="team.db", artifacts="team"))
    store = Repository(metadata="team.db", artifacts="team", mode="r").stores.artifacts
    reading = {"verify", "open", "uri", "read_file", "read_record", "names", "examine", "used", "changed"}
    public = {name for name in vars(ArtifactStore) if not name.startswith("_")}
    writing = public - reading - {"url", "room", "opening"}
    assert writing == {*WRITES}
    arguments = {"stage": (), "write_file": ("x", b""), "publish_all": ([("x", {})],)}
    options = {"delete": {"before": 0.0}}
    for name in writing:
        with pytest.raises(ReadOnlyError, match="only read"):
            getattr(store, name)(*arguments.get(name, ("x",)), **options.get(name, {}))


def test_a_store_that_is_not_there_is_not_made(project):
    reader = Repository(metadata="none.db", artifacts="none", mode="r")
    with pytest.raises(MetadataStoreError, match="no metadata store to read"):
        reader.get_runs()
    assert [str(planned.prediction) for planned in single().plan(repository=reader)] == ["MISS"]
    assert sorted(os.listdir(project)) == ["pyproject.toml"]


@pytest.mark.parametrize("mode", ["w", "", "R", None, 0])
def test_another_mode_is_a_clear_error(project, mode):
    with pytest.raises(ConfigurationError, match='"rw" or "r"'):
        Repository(mode=mode)


def _must_not_be_called(*_args, **_options):
    raise AssertionError("this writes")
