"""A metadata path that cannot be used is one clear MetadataStoreError, and what lies there is not touched."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest
from inspection import statuses

from zencache import MetadataStoreError, Repository, pipeline, step

SCRIPT = """
import json, sys
from zencache import Repository, ZencacheError, pipeline, step

@step
def one() -> int:
    return 1

@step
def two(x: int) -> int:
    return x + 1

@pipeline
def counting():
    two(one())

try:
    run = counting().run(repository=Repository(metadata=sys.argv[1], artifacts="artifacts"))
except ZencacheError as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error), "hint": error.hint}))
else:
    print(json.dumps({name: view.status for name, view in run.steps.items()}))
"""


@step
def one() -> int:
    return 1


@step
def two(x: int) -> int:
    return x + 1


@pipeline
def counting():
    two(one())


def refused(metadata: Path | str) -> MetadataStoreError:
    """The error of a run on this metadata path; it says where, and what to do."""
    with pytest.raises(MetadataStoreError) as error:
        counting().run(repository=Repository(metadata=metadata))
    assert str(metadata) in str(error.value)
    assert error.value.hint
    assert not Path(".zencache/artifacts/objects").exists()
    return error.value


def test_a_folder(project):
    folder = project / "folder"
    folder.mkdir()

    assert "it is a folder" in str(refused(folder))

    assert list(folder.iterdir()) == []


def test_a_folder_named_by_the_environment(project, monkeypatch):
    monkeypatch.setenv("ZENCACHE_METADATA", f"sqlite:///{project}")

    with pytest.raises(MetadataStoreError, match="it is a folder"):
        counting().run()


@pytest.mark.parametrize(
    "content",
    [b"accuracy: 0.97\n", b"\0" * 5000, b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["text", "zeros", "head"],
)
def test_a_file_that_is_no_database_is_refused_and_stays_as_it_is(project, content):
    file = project / "notes.txt"
    file.write_bytes(content)

    refused(file)

    assert file.read_bytes() == content


def test_an_empty_file_becomes_the_metadata_store(project):
    file = project / "empty.db"
    file.touch()

    run = counting().run(repository=Repository(metadata=file))

    assert statuses(run) == {"one": "completed", "two": "completed"}


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_of_another_program_is_refused_and_stays_as_it_is(project, journal):
    file = project / "orders.db"
    database = sqlite3.connect(file)
    database.execute(f"PRAGMA journal_mode={journal}")
    database.executescript(
        "CREATE TABLE orders (id INTEGER, name TEXT); INSERT INTO orders VALUES (1, 'tea'), (2, 'milk');"
    )
    database.close()
    before = hashlib.sha256(file.read_bytes()).hexdigest()

    error = refused(file)

    assert "orders" in str(error)
    assert "something else" in str(error)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    database = sqlite3.connect(file)
    try:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("orders",)]
        assert database.execute("SELECT * FROM orders").fetchall() == [(1, "tea"), (2, "milk")]
        assert database.execute("PRAGMA journal_mode").fetchone() == (journal,)
    finally:
        database.close()


def test_a_database_of_a_newer_ml_metadata_is_refused(project, run_script):
    run_script(SCRIPT, "metadata.db")
    database = sqlite3.connect(project / "metadata.db")
    database.execute("UPDATE MLMDEnv SET schema_version = 999")
    database.commit()
    database.close()

    answer = json.loads(run_script(SCRIPT, "metadata.db").stdout)

    assert answer["error"] == "MetadataStoreError"
    assert "999" in answer["text"]
    assert "ml-metadata" in answer["hint"]


def test_a_damaged_metadata_store_is_one_clear_error(project, run_script):
    run_script(SCRIPT, "metadata.db")
    file = project / "metadata.db"
    database = sqlite3.connect(file)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    content = bytearray(file.read_bytes())
    for page in range(2 * 4096, len(content), 4096):  # every page but those of the schema
        content[page : page + 4096] = b"\xa5" * 4096
    file.write_bytes(content)

    answer = json.loads(run_script(SCRIPT, "metadata.db").stdout)

    assert answer["error"] == "MetadataStoreError"
    assert str(file) in answer["text"]
    assert answer["hint"]


def test_a_missing_folder_is_made(project):
    counting().run(repository=Repository(metadata=project / "new" / "deep" / "metadata.db"))

    assert (project / "new" / "deep" / "metadata.db").is_file()


def test_a_missing_folder_that_cannot_be_made_because_a_file_is_in_its_place(project):
    (project / "file").write_text("mine")

    refused(project / "file" / "deep" / "metadata.db")

    assert (project / "file").read_text() == "mine"


def test_a_lock_file_that_cannot_be_made(project):
    (project / "metadata.db.lock").mkdir()

    assert "lock" in str(refused(project / "metadata.db"))


@pytest.mark.parametrize(
    ("where", "mode"),
    [
        ("folder/metadata.db", 0o000),
        ("folder/metadata.db", 0o400),
        ("folder", 0o000),
        ("folder", 0o500),
    ],
    ids=["unreadable file", "read-only file", "unreadable folder", "read-only folder"],
)
def test_what_may_not_be_read_and_written(project, run_script, run_obeying_modes, where, mode):
    (project / "folder").mkdir()
    run_script(SCRIPT, "folder/metadata.db")
    try:
        (project / where).chmod(mode)
        done = run_obeying_modes(SCRIPT, "folder/metadata.db", check=False)
    finally:
        (project / where).chmod(0o700)

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["error"] == "MetadataStoreError"
    assert str(project / "folder" / "metadata.db") in answer["text"]
    assert answer["hint"]
    assert json.loads(run_script(SCRIPT, "folder/metadata.db").stdout) == {"one": "cached", "two": "cached"}


@pytest.mark.parametrize("mode", [0o000, 0o500], ids=["unreadable", "read-only"])
def test_a_missing_folder_that_may_not_be_made(project, run_obeying_modes, mode):
    closed = project / "closed"
    closed.mkdir()
    try:
        closed.chmod(mode)
        done = run_obeying_modes(SCRIPT, "closed/deep/metadata.db", check=False)
    finally:
        closed.chmod(0o700)

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["error"] == "MetadataStoreError"
    assert str(closed / "deep" / "metadata.db") in answer["text"]
    assert answer["hint"]
    assert list(closed.iterdir()) == []
