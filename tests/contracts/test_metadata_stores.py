"""What every metadata store remembers, run on every kind of them."""

import time
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from metadata_servers import KINDS, metadata_url

from zencache.artifact_store import open_artifact_store
from zencache.digest import digest_bytes
from zencache.entity import Artifact, Decision, Execution, Outcome, PipelineRun, Status
from zencache.materializer import ArtifactType
from zencache.metadata import MetadataStore
from zencache.policy import Level, Reason

MISS = Decision(Outcome.MISS, Reason.NO_ENTRY, Level.DEFAULT)
KEY = "a" * 64


@pytest.fixture(params=KINDS)
def metadata(request, tmp_path):
    with metadata_url(request.param, tmp_path) as url:
        yield MetadataStore(url, open_artifact_store(str(tmp_path / "artifacts")))


def new_run(metadata, name="run", pipeline="pipe"):
    run = PipelineRun(0, name, pipeline, Status.RUNNING, datetime.now(timezone.utc), definition={"steps": []})
    return metadata.begin_run(run, {"train": "Process"})


def execution(run="run", node="train", key=KEY, **facts):
    return Execution(0, "train", node, run, Status.RUNNING, cache_key=key, decision=MISS, **facts)


def artifact(content=b"x", **facts):
    digest = digest_bytes(content)
    return Artifact(
        0, "Dataset", f"/store/{digest.hex}", digest.hash, digest, "m:M", "builtins:list", **facts
    )


def completed(writer, node="train", key=KEY, content=b"x", inputs=None, duration=1.5):
    registered = writer.register(execution(writer.run.name, node, key, inputs=inputs or {}))
    done = replace(registered, status=Status.COMPLETED, duration=duration, finished=time.time())
    types = {"output": ArtifactType("Dataset", "Dataset")}
    return writer.complete(done, {"output": artifact(content)}, types)


def test_nothing_is_written_before_there_is_something_to_tell(metadata):
    new_run(metadata)
    assert metadata.read.runs() == []


def test_an_entry_is_found_by_its_key_and_only_by_its_key(metadata):
    made = completed(new_run(metadata))
    (found,) = metadata.read.entries([KEY, "b" * 64]).values()
    assert (found.cache_key, found.execution_id, found.duration) == (KEY, made.id, 1.5)
    assert found.outputs == made.outputs
    assert metadata.read.entries(["b" * 64]) == {}
    assert metadata.read.entries([]) == {}


def test_the_newest_entry_of_a_key_is_found_first_and_the_older_ones_are_kept(metadata):
    writer = new_run(metadata)
    first, second = completed(writer, content=b"1"), completed(writer, node="train_2", content=b"2")
    assert metadata.read.entries([KEY])[KEY].execution_id == second.id
    assert [entry.execution_id for entry in metadata.read.all_entries(KEY)] == [second.id, first.id]


def test_an_execution_that_did_not_complete_is_no_entry(metadata):
    writer = new_run(metadata)
    registered = writer.register(execution())
    assert metadata.read.entries([KEY]) == {}
    writer.end(replace(registered, status=Status.FAILED, error="ValueError: no"), "trace")
    assert metadata.read.entries([KEY]) == {}
    assert metadata.read.all_entries(KEY) == []
    (failed,) = metadata.read.executions_of_run(writer.run.id)
    assert (failed.status, failed.error) == (Status.FAILED, "ValueError: no")


def test_hits_are_recorded_with_their_source_and_do_not_become_entries(metadata):
    made = completed(new_run(metadata, "first"))
    writer = new_run(metadata, "second")
    hits = [
        replace(execution("second", node), status=Status.CACHED, source_id=made.id, outputs=made.outputs)
        for node in ("train", "train_2")
    ]
    writer.hits(hits)
    read = metadata.read.executions_of_run(writer.run.id)
    assert [(e.node, e.status, e.source_id) for e in read] == [
        ("train", Status.CACHED, made.id),
        ("train_2", Status.CACHED, made.id),
    ]
    assert all(e.outputs == made.outputs for e in read)
    assert [entry.execution_id for entry in metadata.read.all_entries(KEY)] == [made.id]


def test_one_artifact_under_two_names_keeps_both(metadata):
    writer = new_run(metadata)
    made = completed(writer)
    given = made.outputs["output"]
    reader = completed(writer, node="read", key="c" * 64, inputs={"a": given, "b": given})
    (read,) = metadata.read.executions_by_id([reader.id])
    assert read.inputs == {"a": given, "b": given}


def test_a_run_is_read_back_with_all_that_is_said_of_it(metadata):
    writer = new_run(metadata)
    completed(writer)
    ended = replace(
        writer.run, status=Status.COMPLETED, ended=datetime.now(timezone.utc), duration=2.25, saved=1.5
    )
    writer.finish(ended)
    assert metadata.read.run("run") == replace(ended, id=writer.run.id)
    assert [run.name for run in metadata.read.runs("pipe")] == ["run"]
    assert metadata.read.runs("other") == []
    assert metadata.read.run("other") is None
    assert metadata.read.pipelines() == ["pipe"]


def test_the_next_run_of_a_pipeline_knows_the_keys_of_the_last(metadata):
    writer = new_run(metadata, "first")
    completed(writer)
    assert new_run(metadata, "second").run.previous == "first"
    assert new_run(metadata, "other", pipeline="other").run.previous == ""
    assert metadata.read.keys_of_run("first") == [KEY]
    assert metadata.read.keys_of_run("") == metadata.read.keys_of_run("gone") == []


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, 2**31 - 1, 2**31, 2**70, True, False, None, 0.5, 0.1 + 0.2, 1e-300, 1e22, float("inf")),
        *("", "a", "nul\0byte", "ü" * 3000, "back\\slash", [1, [2]], {"a": None}, (1, {2}), b"\0"),
        *("\\'); DROP TABLE Artifact; --", "\x1b1", "\\" * 1990, "'\"`;--", "%5C", "日本語😀"),
    ],
)
def test_parameters_come_back_exactly(metadata, value):
    writer = new_run(metadata)
    writer.register(execution(parameters={"p": value}))
    (read,) = metadata.read.executions_of_run(writer.run.id)
    assert read.parameters == {"p": value}
    assert type(read.parameters["p"]) is type(value)


def test_long_texts_come_back_whole(metadata):
    parts = {f"code: module.function_{i}": "0" * 16 for i in range(500)}
    writer = new_run(metadata)
    writer.register(execution(key_parts=parts))
    (read,) = metadata.read.executions_of_run(writer.run.id)
    assert read.key_parts == parts


def test_a_value_given_to_pipelines_is_one_artifact_for_ever(metadata):
    first = new_run(metadata).value(artifact(b"v"), ArtifactType("Dataset", "Dataset"), "zencache:value:1")
    second = new_run(metadata).value(artifact(b"v"), ArtifactType("Dataset", "Dataset"), "zencache:value:1")
    assert first == second
    assert metadata.read.value_artifacts(["zencache:value:1", "zencache:value:2"]) == {
        "zencache:value:1": first
    }


def test_the_state_of_an_artifact_changes_and_nothing_else(metadata):
    made = completed(new_run(metadata)).outputs["output"]
    metadata.mark_artifact(made, "DELETED")
    assert metadata.read.artifacts_by_id([made.id]) == {made.id: replace(made, state="DELETED")}


def test_what_a_dead_run_left_running_is_canceled_and_nothing_else_changes(metadata):
    writer = new_run(metadata)
    done = completed(writer)
    left = writer.register(execution(node="train_2", parameters={"p": 1}))
    assert metadata.cancel_run("run") == 1
    assert metadata.cancel_run("run") == metadata.cancel_run("never was") == 0
    states = {e.id: (e.status, dict(e.parameters)) for e in metadata.read.executions_of_run(writer.run.id)}
    assert states == {done.id: (Status.COMPLETED, {}), left.id: (Status.CANCELED, {"p": 1})}
    run = metadata.read.run("run")
    assert run is not None
    assert (run.status, run.pipeline) == (Status.CANCELED, "pipe")


def test_a_database_that_is_deleted_while_it_is_open_is_made_anew(tmp_path):
    metadata = MetadataStore(str(tmp_path / "metadata.db"), open_artifact_store(str(tmp_path / "artifacts")))
    completed(new_run(metadata))
    for file in tmp_path.glob("metadata.db*"):
        file.unlink()
    assert metadata.read.entries([KEY]) == {}
    completed(new_run(metadata))
    assert list(metadata.read.entries([KEY])) == [KEY]
