"""The doctor tells what crashes and hands have left, one line each, and mends it when asked to."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from inspection import files_in_staging, mlmd_runs, mlmd_states, statuses, unsound_objects

from zencache import ConfigurationError, Repository, pipeline, step
from zencache.cli import main

ARTIFACTS = Path(".zencache") / "artifacts"

DYING = """
import os, signal
import numpy as np
from zencache import pipeline, step

@step
def loaded() -> np.ndarray:
    return np.arange(10)

@step
def dying(x: np.ndarray) -> float:
    os.kill(os.getpid(), signal.SIGKILL)
    return 1.0

@pipeline
def working():
    dying(loaded())

working().run()
"""


@step
def loaded() -> np.ndarray:
    return np.arange(10)


@step
def total(x: np.ndarray) -> float:
    return float(x.sum())


@pipeline
def working():
    total(loaded())


def found(**options) -> list[str]:
    return [str(one) for one in Repository().doctor(grace="0s", **options)]


def mended(*, count: int = 1, deep: bool = False) -> list[str]:
    """What is found; it is mended, and then nothing is found any more."""
    told = found(deep=deep)
    assert len(told) == count, told
    assert len(found(mend=True, deep=deep)) == count
    assert found(deep=deep) == []
    assert unsound_objects(ARTIFACTS) == []
    return told


def folder_of(artifact) -> Path:
    return Path(artifact.uri)


def test_nothing_is_wrong_after_a_run(project):
    working().run()
    working().run()
    assert found(deep=True) == []


def test_nothing_is_wrong_after_a_run_of_a_process_that_has_ended(run_forked, project):
    run_forked(DYING.replace("os.kill(os.getpid(), signal.SIGKILL)", "pass"))
    assert found() == []


def test_nothing_is_wrong_before_the_first_run(project):
    assert found() == []
    assert not (project / ".zencache").exists()


def test_a_process_that_died(run_forked, project):
    assert run_forked(DYING, check=False).returncode == -9
    died, lease = mended(count=2)
    assert "A process died with 1 run(s)" in died
    assert "holds the lease" in lease
    store = Repository().store
    assert mlmd_runs(store) == ["canceled"]
    assert mlmd_states(store) == [("loaded", "COMPLETE"), ("dying", "CANCELED")]
    assert files_in_staging(ARTIFACTS) == []


def test_a_process_that_died_whose_note_was_deleted(run_forked, project):
    run_forked(DYING, check=False)
    shutil.rmtree(ARTIFACTS / "staging")
    running, lease = mended(count=2)
    assert "A run is said to be running, and no process runs it" in running
    assert "holds the lease" in lease
    assert mlmd_states(Repository().store)[-1] == ("dying", "CANCELED")


def test_a_running_run_is_left_alone(project):
    @step
    def looking() -> list:
        return found()

    @pipeline
    def examined():
        looking()

    assert examined().run().steps["looking"].output.read() == []


def test_a_step_left_running_in_a_run_that_has_ended(project):
    working().run()
    store = Repository().store
    execution = store.get_executions()[-1]
    execution.last_known_state = execution.State.Value("RUNNING")
    store.put_executions([execution], field_mask_paths=["last_known_state"])
    told = found()
    assert any("A step is said to be running in a run that has ended" in line for line in told)
    found(mend=True)
    assert found() == []


def test_nobodys_staging_folder(project):
    working().run()
    (ARTIFACTS / "staging" / "by hand").mkdir(parents=True)
    (told,) = mended()
    assert "by hand" in told


@pytest.mark.parametrize("what", ["folder", "payload", "manifest"])
def test_an_object_that_was_deleted_by_hand(project, what):
    run = working().run()
    folder = folder_of(run.steps["loaded"].output)
    if what == "manifest":
        (folder / "manifest.json").unlink()
    else:
        shutil.rmtree(folder if what == "folder" else folder / "payload")
    (told,) = found()
    assert "missing" in told
    found(mend=True)
    assert Repository().artifacts()[0].state == "DELETED"
    again = working().run()
    assert statuses(again) == {"loaded": "completed", "total": "cached"}
    assert again.steps["loaded"].output.read().tolist() == list(range(10))
    found(mend=True)
    assert found() == []


def test_a_file_that_was_cut(project):
    run = working().run()
    file = folder_of(run.steps["loaded"].output) / "payload" / "array.npy"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1])
    assert "damaged" in found()[0]
    found(mend=True)
    assert "A damaged object was set aside" in mended()[0]
    assert statuses(working().run())["loaded"] == "completed"


def test_a_byte_that_was_changed_is_found_by_reading_all(project):
    run = working().run()
    file = folder_of(run.steps["loaded"].output) / "payload" / "array.npy"
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert found() == []
    (told,) = found(deep=True)
    assert "has digest" in told
    found(mend=True, deep=True)
    assert statuses(working().run())["loaded"] == "completed"
    found(mend=True)
    assert found(deep=True) == []


def test_a_damaged_manifest(project):
    run = working().run()
    manifest = folder_of(run.steps["loaded"].output) / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text("{")
    assert "the manifest cannot be read" in found()[0]
    found(mend=True)
    mended()


def test_an_object_without_a_record(project):
    working().run()
    store = Repository().stores.artifacts
    with store.stage() as directory:
        (directory / "x").write_text("nobody's")
        stored = store.publish(directory)
    assert Repository().doctor() == []  # it is young: a run may be about to record it
    (told,) = mended()
    assert "no artifact refers to" in told
    assert store.examine(stored.digest) is None
    assert set(statuses(working().run()).values()) == {"cached"}


def test_an_object_that_another_metadata_store_may_know_stays(project):
    working().run()
    working().run(repository=Repository(metadata=project / "other.db"))
    Path(".zencache/metadata.db").unlink()
    working().run(enable_cache=False)
    store = Repository().stores.artifacts
    with store.stage() as directory:
        (directory / "x").write_text("the other's")
        stored = store.publish(directory)
    (told,) = found(mend=True)
    assert "other.db" in told
    assert store.examine(stored.digest) is not None


def test_bytes_that_are_back(project):
    run = working().run()
    folder = folder_of(run.steps["loaded"].output)
    folder.rename("elsewhere")
    found(mend=True)
    assert Repository().artifacts()[0].state == "DELETED"
    Path("elsewhere").rename(folder)
    (told,) = mended()
    assert "there again" in told
    assert Repository().artifacts()[0].state == "LIVE"


def test_a_pointer_to_an_execution_that_is_not_complete(project):
    working().run()
    store = Repository().store
    context = store.get_contexts_by_type("execution_cache")[0]
    context.custom_properties["zencache_entry"].string_value = json.dumps({"execution": 999})
    store.put_contexts([context], field_mask_paths=["custom_properties.zencache_entry"])
    (told,) = mended()
    assert context.name in told
    assert set(statuses(working().run()).values()) == {"cached"}


def held_leases() -> list[str]:
    """The keys that somebody holds, by the stock client."""
    newest: dict[str, tuple[int, str]] = {}
    for context in Repository().store.get_contexts_by_type("zencache_lease"):
        key, generation, state, _ = context.name.split(".")
        newest[key] = max(newest.get(key, (0, "")), (int(generation), state))
    return [key for key, (_, state) in newest.items() if state == "held"]


def test_a_lease_whose_holder_has_died(run_forked, project):
    run_forked(DYING, check=False)
    (key,) = held_leases()
    told = found(mend=True)
    assert f"A process that has died holds the lease of a cache key: {key} -> mended: end it" in told
    assert held_leases() == []
    assert found() == []


def test_a_lease_of_a_machine_that_is_gone(project, run_forked):
    elsewhere = "from zencache import owner\nowner._host = lambda: 'elsewhere.0'\n"
    run_forked(elsewhere + DYING, check=False)
    shutil.rmtree(ARTIFACTS / "staging")
    told = found(mend=True)
    assert any("A run that is not running holds the lease" in line for line in told)
    assert held_leases() == []
    assert found() == []


@pytest.mark.parametrize("name", ["x", "a.1.held.b", "²"])
def test_a_lease_that_somebody_has_changed(project, name):
    working().run()
    store = Repository().store
    lease = store.get_contexts_by_type("zencache_lease")[0]
    lease.name = name
    store.put_contexts([lease])
    (told,) = mended()
    assert "A lease cannot be read: generation " in told
    assert set(statuses(working().run(refresh=True)).values()) == {"completed"}


def test_the_lease_of_a_running_step_is_left_alone(project):
    @step
    def looking() -> list:
        return [found(mend=True), held_leases()]

    @pipeline
    def examined():
        looking()

    findings, held = examined().run().steps["looking"].output.read()
    assert findings == []
    assert len(held) == 1


def test_a_removal_that_was_killed(run_forked, project):
    working().run()
    run_forked(
        """
        import os, signal
        from zencache import Repository
        from zencache.artifact_store.local import LocalArtifactStore
        LocalArtifactStore.delete = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)
        Repository().gc(keep_last=0, grace="0s", dry_run=False)
        """,
        check=False,
    )
    (told,) = mended()
    assert "A removal of bytes ended in the middle" in told
    assert {one.state for one in Repository().artifacts()} == {"LIVE"}
    assert set(statuses(working().run()).values()) == {"cached"}


def test_a_text_that_is_gone(project):
    @step
    def long(text: str) -> int:
        return len(text)

    @pipeline
    def reading():
        long("word " * 1000)

    reading().run()
    shutil.rmtree(ARTIFACTS / "records")
    told = found(mend=True)
    assert told
    assert all("a text that is too long for MLMD" in line for line in told)
    assert found() == told  # nobody can write it again


@pytest.mark.parametrize("name", ["files.json", "sources.jsonl"])
def test_a_memory_file_that_cannot_be_read(project, name):
    working().run()
    (project / ".zencache" / name).write_bytes(b"\xff{")
    (told,) = mended()
    assert name in told


def test_a_database_that_is_not_in_wal_mode(run_forked, project):
    run_forked(DYING.replace("os.kill(os.getpid(), signal.SIGKILL)", "pass"))
    database = sqlite3.connect(project / ".zencache" / "metadata.db")
    assert database.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    database.close()
    done = run_forked("from zencache.cli import main\nmain()", "doctor", check=False)
    assert done.returncode == 1
    assert "delete mode" in done.stdout
    assert run_forked("from zencache.cli import main\nmain()", "doctor", "--mend").returncode == 0
    assert run_forked("from zencache.cli import main\nmain()", "doctor").stdout == "Nothing is wrong.\n"


def test_the_command_line(project):
    def typed(*arguments):
        return CliRunner().invoke(main, ["doctor", *arguments])

    working().run()
    assert (typed().exit_code, typed().output) == (0, "Nothing is wrong.\n")
    (ARTIFACTS / "staging" / "by hand").mkdir(parents=True)
    told = typed("--grace", "0s")
    assert told.exit_code == 1
    assert "--mend" in told.output
    (row,) = json.loads(typed("--grace", "0s", "--json").output)
    assert (row["what"], row["is_mended"]) == ("Nobody's staging folder", False)
    assert typed("--grace", "0s", "--mend").exit_code == 0
    assert typed("--grace", "soon").exit_code == 2


def test_refuses_what_makes_no_sense(project):
    with pytest.raises(ConfigurationError, match="`grace`"):
        Repository().doctor(grace="-1h")
