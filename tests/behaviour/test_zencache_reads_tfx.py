"""What TFX writes is found by zencache's own readers, in a file that both have written to."""

import json
import subprocess
import sys

import pytest

from zencache import Repository
from zencache.exceptions import MaterializerError

pytestmark = pytest.mark.slow  # they start the real TFX


@pytest.fixture
def repo(shared):
    return Repository(metadata=str(shared.database), artifacts=str(shared.artifacts))


@pytest.fixture
def runs(repo):
    """Of the TFX pipeline: one that ran, one that was cached, one whose last node failed."""
    return repo.get_pipeline("adding").runs


def test_pipelines_of_both_are_listed(repo):
    assert {pipeline.name for pipeline in repo.get_pipelines()} == {"adding", "counting", "sharing"}


def test_runs_have_pipeline_status_and_duration(repo, runs):
    assert [run.status for run in runs] == ["completed", "completed", "failed"]
    assert {run.pipeline for run in runs} == {"adding"}
    assert all(0 < run.duration < 60 for run in runs)
    assert [repo.get_run(run.name).status for run in runs] == [run.status for run in runs]
    assert {run.name for run in runs} < {run.name for run in repo.get_runs(limit=None)}


def test_a_pipeline_that_both_ran_has_the_runs_of_both(repo):
    runs = repo.get_pipeline("counting").runs
    assert [len(run.steps) for run in runs] == [3, 3, 2]
    assert list(runs[-1].steps) == ["Resolver", "Measure"]


def test_steps_are_named_by_their_nodes(runs):
    assert {name: step.step_name for name, step in runs[0].steps.items()} == {
        "MakeNumbers": "__main__.MakeNumbers",
        "AddUp": "__main__.AddUp",
        "second": "__main__.AddUp",
        "Check": "__main__.Check",
    }


def test_steps_have_status_parameters_inputs_outputs_and_parents(runs):
    steps = runs[0].steps
    assert steps["MakeNumbers"].parameters == {"count": 4}
    assert steps["second"].parameters == {"scale": 2.5}
    assert {name: set(step.inputs) for name, step in steps.items()} == {
        "MakeNumbers": set(),
        "AddUp": {"numbers"},
        "second": {"numbers"},
        "Check": {"total"},
    }
    assert steps["AddUp"].inputs["numbers"].id == steps["MakeNumbers"].output.id
    assert [parent.name for parent in steps["Check"].parent_steps] == ["AddUp"]
    assert [step.status for step in runs[2].steps.values()] == ["cached"] * 3 + ["failed"]


def test_a_cached_step_leads_to_the_run_that_made_its_output(runs):
    cached = runs[1].steps["AddUp"]
    assert cached.is_cached
    assert cached.source_run.name == runs[0].name
    assert cached.output.producer_step.id == runs[0].steps["AddUp"].id


def test_why_says_that_another_tool_recorded_it(runs):
    assert (
        str(runs[1].steps["AddUp"].why())
        == "AddUp: cached, because another tool recorded it, without a reason"
    )


def test_properties_of_an_artifact_are_shown_declared_and_custom_ones(runs):
    artifact = runs[0].steps["MakeNumbers"].output
    assert artifact.properties["span"] == 7
    assert artifact.properties["colour"] == "blue"
    assert artifact.properties["tfx_version"]
    assert (artifact.type, artifact.digest, artifact.state) == ("Numbers", "", "LIVE")
    assert artifact.uri in repr(artifact)


def test_reading_its_value_says_where_its_bytes_lie(runs):
    artifact = runs[0].steps["MakeNumbers"].output
    with pytest.raises(MaterializerError, match="not made by zencache") as error:
        artifact.read()
    assert artifact.uri in str(error.value)
    assert artifact.state == "LIVE"


def test_executions_and_artifacts_are_filtered(repo, runs):
    assert {step.name for step in repo.executions(pipeline="adding", status="failed")} == {"Check"}
    assert {step.name for step in repo.executions(step="__main__.AddUp")} == {"AddUp", "second"}
    assert [a.id for a in repo.artifacts(type="Numbers")] == [runs[0].steps["MakeNumbers"].output.id]
    assert len(repo.artifacts(type="Total", pipeline="adding")) == 2
    assert len(repo.artifacts(properties={"span": 7})) == 1


def test_every_execution_is_listed_in_its_run(repo):
    listed = repo.executions()
    assert [step.id for step in listed] == sorted(e.id for e in repo.store.get_executions())
    assert all(step.id in {other.id for other in step.run.steps.values()} for step in listed)


def test_lineage_crosses_from_one_tool_to_the_other(repo):
    made = repo.get_pipeline("counting").runs[0].steps["make_numbers"].output
    measured = repo.get_pipeline("counting").runs[-1].steps["Measure"].output
    assert measured.id in {artifact.id for artifact in made.downstream()}
    assert [artifact.id for artifact in measured.upstream()] == [made.id]
    assert "Measure" in {step.name for step in made.consumers}
    graph = repo.lineage(made)
    assert {"make_numbers", "Measure", "add_up"} <= {e.node for e in graph.executions.values()}
    assert all(edge.names and all(edge.names) for edge in graph.edges)


def test_what_tfx_took_is_as_it_was_afterwards(repo):
    made = repo.get_pipeline("counting").runs[0].steps["make_numbers"].output
    assert made.read().tolist() == [0, 1, 2, 3]
    assert made.producer_step.name == "make_numbers"


def test_two_runs_are_compared_by_parameters_and_inputs(repo, runs):
    assert repo.compare(runs[0], runs[1]).first_difference is None
    compared = repo.compare(runs[1], runs[2])
    assert [
        (step.step, [str(d) for d in step.differences]) for step in compared.steps if step.differences
    ] == [("Check", ["parameter word: 'good' -> 'bad'"])]


def test_a_run_of_tfx_and_one_of_zencache_are_compared_without_an_error(repo):
    counting = repo.get_pipeline("counting").runs
    assert repo.compare(counting[0], counting[-1]).first_difference.step == "Resolver"


def test_the_command_line_shows_it(shared, runs):
    def zencache(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "zencache", *arguments],
            cwd=shared.folder,
            env={"ZENCACHE_METADATA": str(shared.database), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert runs[0].name in {row["name"] for row in json.loads(zencache("runs", "--json"))}
    shown = json.loads(zencache("show", runs[2].name, "--json"))
    assert [step["step"] for step in shown["steps"]] == list(runs[2].steps)
    assert "Check" in zencache("diff", runs[1].name, runs[2].name)
