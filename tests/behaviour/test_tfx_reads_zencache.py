"""What zencache writes is found by TFX's own readers, in a file that both have written to."""

import re
from pathlib import Path

import pytest

from zencache import Repository

pytestmark = pytest.mark.slow


@pytest.fixture
def repo(shared):
    return Repository(metadata=str(shared.database), artifacts=str(shared.artifacts))


@pytest.fixture
def runs(repo):
    """Those that zencache recorded, by pipeline."""
    return {
        name: [run for run in repo.get_pipeline(name).runs if run.name.startswith(name)]
        for name in ("counting", "sharing")
    }


def test_executions_are_found_by_pipeline_run_and_node(shared, runs):
    found = shared.ask_tfx("""
        from tfx.orchestration.portable.mlmd import execution_lib as lib
        for pipeline in store.get_contexts_by_type("pipeline"):
            for run in store.get_children_contexts_by_context(pipeline.id):
                for node in store.get_contexts_by_type("node"):
                    contexts = [pipeline, run, node]
                    for e in lib.get_executions_associated_with_all_contexts(metadata_handle, contexts):
                        answer[f"{run.name} {node.name}"] = [e.id, e.type, lib.is_execution_successful(e)]
    """)
    for pipeline, of_pipeline in runs.items():
        for run in of_pipeline:
            for step in run.steps.values():
                expected = [step.id, step.step_name, True]
                assert found[f"{run.name} {pipeline}.{step.name}"] == expected


def test_inputs_and_outputs_are_found_by_name_with_type_address_and_state(shared, runs):
    found = shared.ask_tfx("""
        from tfx.orchestration.portable.mlmd import execution_lib as lib
        for e in store.get_executions():
            answer[e.id] = []
            for get in (lib.get_input_artifacts, lib.get_output_artifacts):
                side = get(metadata_handle, e.id)
                facts = {key: [[a.id, a.type_name, a.uri, a.state] for a in side[key]] for key in side}
                answer[e.id].append(facts)
    """)
    for step in [step for of in runs.values() for run in of for step in run.steps.values()]:
        assert found[str(step.id)] == [
            {name: [[a.id, a.type, a.uri, "published"]] for name, a in side.items()}
            for side in (step.inputs, step.outputs)
        ]


def test_live_outputs_of_a_node_are_found_also_where_another_pipeline_made_them(shared, runs):
    found = shared.ask_tfx("""
        from tfx.orchestration.portable.mlmd import store_ext
        for name in ("counting", "sharing"):
            live = store_ext.get_live_output_artifacts_of_node_by_output_key(
                store, pipeline_id=name, node_id="add_up"
            )
            answer[name] = {key: [[a.id for a in run] for run in live[key]] for key in live}
            answer[name + " executions"] = [
                e.id for e in store_ext.get_node_executions(store, pipeline_id=name, node_id="add_up")
            ]
    """)
    for pipeline, of_pipeline in runs.items():
        steps = [run.steps["add_up"] for run in of_pipeline]
        assert found[pipeline] == {"output": [[step.output.id] for step in steps]}
        assert found[f"{pipeline} executions"] == [step.id for step in steps]


def test_a_channel_of_another_pipeline_resolves_to_the_artifact(shared, runs):
    found = shared.ask_tfx("""
        from tfx.orchestration.portable.input_resolution import channel_resolver
        from tfx.proto.orchestration import pipeline_pb2
        for pipeline in ("counting", "sharing"):
            channel = pipeline_pb2.InputSpec.Channel(output_key="output")
            for kind, name in (("pipeline", pipeline), ("node", pipeline + ".make_numbers")):
                query = channel.context_queries.add()
                query.type.name = kind
                query.name.field_value.string_value = name
            channel.artifact_query.type.name = "Array"
            found = channel_resolver.resolve_single_channel(metadata_handle, channel)
            answer[pipeline] = [artifact.id for artifact in found]
    """)
    for pipeline, of_pipeline in runs.items():
        assert set(found[pipeline]) == {run.steps["make_numbers"].output.id for run in of_pipeline}


def test_a_component_takes_the_latest_artifact_that_zencache_made(shared, repo, runs):
    made = runs["counting"][-1].steps["make_numbers"].output
    (measure,) = repo.executions(step="__main__.Measure")
    assert measure.inputs["values"].id == made.id
    with open(f"{measure.outputs['size'].uri}/files.txt") as file:
        assert file.read() == "['array.npy']"


def test_lineage_is_walked_up_and_down(shared, runs):
    steps = runs["counting"][0].steps
    top, bottom = steps["make_numbers"].output, steps["add_up"].output
    found = shared.ask_tfx(f"""
        from tfx.orchestration.portable.input_resolution.mlmd_resolver import metadata_resolver
        walk = metadata_resolver.MetadataResolver(store)
        down = walk.get_downstream_artifacts_by_artifact_ids([{top.id}])
        up = walk.get_upstream_artifacts_by_artifact_ids([{bottom.id}])
        answer["down"] = sorted(artifact.id for artifact, _ in down[{top.id}])
        answer["up"] = sorted(artifact.id for artifact, _ in up[{bottom.id}])
    """)
    assert found["down"] == sorted({top.id, *(a.id for a in top.downstream())})
    assert found["up"] == [top.id, bottom.id]


def test_a_cache_entry_is_one_that_tfx_would_use(shared, runs):
    step = runs["counting"][0].steps["make_numbers"]
    found = shared.ask_tfx(f"""
        from tfx.orchestration.portable import cache_utils
        context = store.get_context_by_type_and_name("execution_cache", "{step.cache_key}")
        cached = cache_utils.get_cached_outputs(metadata_handle, context)
        answer.update({{key: [a.uri for a in artifacts] for key, artifacts in cached.items()}})
    """)
    assert found == {"output": [step.output.uri]}


def test_a_failed_step_is_a_failed_execution(make_shared):
    shared = make_shared()
    done = shared.script(
        """
        from zencache import pipeline, step

        @step
        def fails(number: int = 1) -> int:
            raise ValueError("no")

        @pipeline
        def failing():
            fails()

        failing().run()
        """,
        check=False,
    )
    assert "ValueError: no" in done.stderr
    assert shared.ask_tfx("""
        from tfx.orchestration.portable.mlmd import execution_lib
        answer = [execution_lib.is_execution_failed(e) for e in store.get_executions()]
    """) == [True]


def test_external_data_is_told_apart(make_shared):
    shared = make_shared()
    (shared.folder / "data.csv").write_text("1\n")
    shared.script("""
        from zencache import ExternalFile, pipeline, step

        @step
        def read(paths: list) -> str:
            return open(paths[0]).read()

        @pipeline
        def reading():
            read(ExternalFile("data.csv"))

        reading().run()
    """)
    found = shared.ask_tfx("""
        from tfx.orchestration.portable.mlmd import artifact_lib
        ids = [artifact.id for artifact in store.get_artifacts()]
        for artifact in artifact_lib.get_artifacts_by_ids(metadata_handle, ids):
            answer[artifact.type_name] = artifact.is_external
    """)
    assert sorted(found.values()) == [False, True]


def test_neither_cache_is_confused_by_the_other(shared, repo, runs):
    assert [step.status for step in runs["counting"][-1].steps.values()] == ["cached"] * 3
    first, second, _ = repo.get_pipeline("adding").runs
    assert [step.status for step in first.steps.values()] == ["completed"] * 4
    assert [step.status for step in second.steps.values()] == ["cached"] * 4
    names = [context.name for context in repo.store.get_contexts_by_type("execution_cache")]
    assert len(names) == len(set(names))


def test_the_page_about_tfx_shows_what_is_printed(make_shared):
    page = (Path(__file__).parents[2] / "docs" / "tfx-and-mlmd.md").read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shared = make_shared()
    printed = [shared.script(code).stdout for language, code in blocks if language == "py"]
    assert "".join(printed) == "".join(text for language, text in blocks if language == "text")
