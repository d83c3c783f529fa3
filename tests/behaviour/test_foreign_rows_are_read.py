"""Whatever anybody put into the metadata store, however odd, no reader of zencache fails."""

import pytest
from ml_metadata.proto import metadata_store_pb2 as proto

from zencache import Repository, metadata, pipeline, step
from zencache.metadata import foreign

State = proto.Execution.State


@pytest.fixture
def repo(project):
    return Repository()


@pytest.fixture
def put(repo):
    """Writes rows with the stock client."""
    store = repo.store

    class Put:
        def context(self, kind, name, parent=None):
            type_id = store.put_context_type(proto.ContextType(name=kind))
            (id_,) = store.put_contexts([proto.Context(type_id=type_id, name=name)])
            if parent is not None:
                store.put_parent_contexts([proto.ParentContext(child_id=id_, parent_id=parent)])
            return id_

        def execution(self, kind="trains", contexts=(), state=State.COMPLETE, **fields):
            type_id = store.put_execution_type(proto.ExecutionType(name=kind))
            row = proto.Execution(type_id=type_id, last_known_state=state, **fields)
            (id_,) = store.put_executions([row])
            links = [proto.Association(execution_id=id_, context_id=context) for context in contexts]
            store.put_attributions_and_associations([], links)
            return id_

        def artifact(self, **fields):
            type_id = store.put_artifact_type(proto.ArtifactType(name="Thing"))
            (id_,) = store.put_artifacts([proto.Artifact(type_id=type_id, uri="/somewhere", **fields)])
            return id_

        def event(self, execution, artifact, *path, kind=proto.Event.OUTPUT):
            row = proto.Event(execution_id=execution, artifact_id=artifact, type=kind)
            for part in path:
                row.path.steps.add(**({"key": part} if isinstance(part, str) else {"index": part}))
            (known,) = store.get_executions_by_id([execution])
            store.put_execution(known, [(None, row)], [])  # accepts artifacts that are not there, too

    return Put()


def test_an_execution_without_any_context_is_listed_in_a_run_without_a_name(repo, put):
    put.execution()
    put.execution("tests", name="by hand/really", state=State.UNKNOWN)
    first, second = repo.executions()
    assert (first.name, first.status, first.run.name, first.run.pipeline) == ("trains", "completed", "", "")
    assert (second.name, second.status) == ("by hand/really", "running")
    assert [step.name for step in first.run.steps.values()] == ["trains"]
    assert first.source_run is first.run


def test_the_pipeline_of_a_run_that_nobody_linked_is_that_of_its_executions(repo, put):
    above, run = put.context("pipeline", "old"), put.context("pipeline_run", "r1")
    put.execution(contexts=[above, run, put.context("node", "old.Trainer")])
    put.context("pipeline_run", "empty")
    (found,) = repo.get_pipeline("old").runs
    assert (found.name, found.pipeline, list(found.steps)) == ("r1", "old", ["Trainer"])
    assert [(r.name, r.pipeline, r.status) for r in repo.get_runs()] == [
        ("r1", "old", "completed"),
        ("empty", "", "running"),
    ]
    assert len(repo.get_run("empty").steps) == 0


def test_a_node_that_was_tried_again_counts_with_its_last_try(repo, put):
    above = put.context("pipeline", "p.q")
    run = put.context("pipeline_run", "r1", above)
    flaky, other = put.context("node", "p.q.flaky"), put.context("node", "p.q.other")
    put.execution(contexts=[above, run, flaky], state=State.FAILED)
    put.execution(contexts=[above, run, other])
    assert repo.get_run("r1").status == "failed"
    put.execution(contexts=[above, run, flaky])
    found = repo.get_run("r1")
    assert found.status == "completed"
    assert {name: step.status for name, step in found.steps.items()} == {
        "flaky": "completed",
        "other": "completed",
    }
    put.execution(contexts=[above, run, other], state=State.NEW)
    assert repo.get_run("r1").status == "running"


def test_events_get_sensible_names_whatever_their_path(repo, put):
    made = put.execution()
    things = [put.artifact() for _ in range(7)]
    put.event(made, things[0], "models", 0)
    put.event(made, things[1], "models", 1)
    put.event(made, things[2], "key only")
    put.event(made, things[3])
    put.event(made, things[4], 0)
    put.event(made, things[5], 3)
    put.event(made, 999, "orphan", 0)
    put.event(made, things[6], "a", 0, "b", 0, kind=proto.Event.INPUT)
    (step,) = repo.executions()
    assert {name: artifact.id for name, artifact in step.outputs.items()} == {
        "models": things[0],
        "models[1]": things[1],
        "key only": things[2],
        "output": things[3],
        "output_2": things[4],
        "output[3]": things[5],
    }
    assert {name: artifact.id for name, artifact in step.inputs.items()} == {"a": things[6], "b": things[6]}
    assert len(repo.artifacts()[0].upstream()) == 1
    assert len(repo.lineage(things[6])) == 7


def test_values_of_every_kind_become_python_values(repo, put):
    struct = proto.Value()
    struct.struct_value.update({"layers": [1, 2]})
    unknown = proto.Value()
    unknown.proto_value.type_url = "type.googleapis.com/not.Known"
    text = proto.Value(string_value="[1, 2]")
    put.execution(
        custom_properties={
            "struct": struct,
            "unknown": unknown,
            "list": text,
            "__schema__list__": proto.Value(string_value="{}"),
            "broken": proto.Value(string_value="["),
            "__schema__broken__": proto.Value(string_value="{}"),
            "__internal__": text,
        },
        state=State.FAILED,
    )
    put.artifact(name="the thing")
    (step,) = repo.executions()
    assert step.parameters == {
        "struct": {"layers": [1, 2]},
        "unknown": "type.googleapis.com/not.Known",
        "list": [1, 2],
        "broken": "[",
    }
    assert repo.artifacts()[0].properties == {"name": "the thing"}


def test_the_error_of_a_failed_component_is_shown(repo, put):
    result = proto.Value(string_value='{"code": 1, "resultMessage": "no disk"}')
    put.execution(state=State.FAILED, custom_properties={"__execution_result__": result})
    (step,) = repo.executions()
    assert step.error == "no disk"


def test_damaged_rows_of_zencache_do_not_stop_a_listing(repo):
    @step
    def make() -> int:
        return 1

    @pipeline
    def making():
        make()

    making().run()
    making().run()
    store = repo.store
    first, second = store.get_executions()
    first.custom_properties["zencache_key_parts"].string_value = "{"
    second.custom_properties["zencache_source_execution"].int_value = 999
    store.put_executions([first, second])
    for context in store.get_contexts_by_type("pipeline_run"):
        for name in list(context.custom_properties):
            del context.custom_properties[name]
        store.put_contexts([context])
    runs = repo.get_pipeline("making").runs
    assert [run.status for run in runs] == ["completed", "completed"]
    assert runs[1].steps["make"].source_run.name == runs[1].name
    assert str(runs[1].steps["make"].why())
    assert repo.compare(runs[0], runs[1]).steps[0].step == "make"


def test_an_execution_whose_run_is_gone_is_listed_all_the_same(repo, put):
    key = proto.Value(string_value="0" * 64)
    made = put.execution(name="gone/make", custom_properties={"zencache_cache_key": key})
    put.event(made, put.artifact(), "output", 0)
    (found,) = repo.executions()
    assert (found.name, found.run.name, found.output.producer_step.run.name) == ("make", "gone", "gone")
    assert found.source_run.name == "gone"


def test_many_foreign_executions_are_placed_by_going_through_the_contexts_once(repo, put, monkeypatch):
    for count in range(3):
        above = put.context("pipeline", f"p{count}")
        run = put.context("pipeline_run", f"r{count}", above)
        node = put.context("node", f"p{count}.n")
        for _ in range(2):
            put.execution(contexts=[above, run, node])
    lone = put.execution("alone")
    one_by_one = [(step.id, step.run.name, step.name) for step in repo.executions()]
    monkeypatch.setattr(foreign, "_QUESTIONS", 2)
    monkeypatch.setattr(metadata.reading, "_FIRST_PAGE", 2)
    assert [(step.id, step.run.name, step.name) for step in repo.executions()] == one_by_one
    assert one_by_one[0] == (1, "r0", "n")
    assert one_by_one[-1] == (lone, "", "alone")
