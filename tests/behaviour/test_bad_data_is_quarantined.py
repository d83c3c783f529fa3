"""Quarantined content, and what came of it, is given out by no look-up until the quarantine is lifted."""

import json
import logging

import numpy as np
import pytest
from click.testing import CliRunner

from zencache import ConfigurationError, NotFoundError, Output, Repository, pipeline, step
from zencache.cli import main
from zencache.testing import capture_events

bad = {"data": [1, 2, 3]}


@step(enable_cache=True)
def importer() -> np.ndarray:
    return np.array(bad["data"])


@step
def cleaned(data: np.ndarray) -> np.ndarray:
    return data * 2


@step
def trained(data: np.ndarray) -> float:
    return float(data.mean())


@step
def described() -> Output(title=str, size=int):
    return "a report", 3


@step
def reported(title: str, score: float) -> str:
    return f"{title}: {score}"


@pipeline
def training(importer, cleaned, trained):
    trained(cleaned(importer()))


@pipeline
def reporting():
    title, _ = described()
    reported(title, trained(cleaned(importer())))


def bound():
    return training(importer(), cleaned(), trained())


def ran(run) -> dict:
    return {name: view.status for name, view in run.steps.items()}


@pytest.fixture
def dataset(project):
    run = bound().run()
    return run.steps["importer"].output


class TestQuarantine:
    def test_blocks_the_step_that_made_it_and_all_that_came_of_it(self, dataset):
        Repository().quarantine(dataset, "half of the labels are wrong")
        run = bound().run()
        assert set(ran(run).values()) == {"completed"}
        assert "half of the labels are wrong" in run.steps["importer"].reason
        assert "quarantined" in run.steps["trained"].reason

    def test_leaves_alone_what_did_not_come_of_it(self, dataset):
        reporting().run()
        Repository().quarantine(dataset, "bad")
        assert ran(reporting().run()) == {
            "described": "cached",
            "importer": "completed",
            "cleaned": "completed",
            "trained": "completed",
            "reported": "completed",
        }

    def test_of_something_in_the_middle_leaves_what_is_above_it(self, dataset):
        middle = Repository().get_runs()[-1].steps["cleaned"].output
        Repository().quarantine(middle, "rounded wrongly")
        assert ran(bound().run()) == {"importer": "cached", "cleaned": "completed", "trained": "completed"}

    def test_holds_as_long_as_the_same_content_is_made_again(self, dataset, caplog):
        Repository().quarantine(dataset, "bad")
        with caplog.at_level(logging.WARNING, logger="zencache"):
            for _ in range(3):
                assert set(ran(bound().run()).values()) == {"completed"}
        assert "Step `importer` has given quarantined content again: bad" in caplog.text

    def test_ends_by_itself_when_the_data_is_mended(self, dataset, monkeypatch):
        Repository().quarantine(dataset, "bad")
        monkeypatch.setitem(bad, "data", [4, 5, 6])
        assert set(ran(bound().run()).values()) == {"completed"}
        assert set(ran(bound().run()).values()) == {"cached"}

    def test_holds_for_what_was_made_of_it_without_a_look_up(self, dataset):
        Repository().quarantine(dataset, "bad")
        bound().run(enable_cache=False)
        assert set(ran(bound().run()).values()) == {"completed"}

    def test_holds_for_equal_content_that_another_pipeline_was_given(self, dataset):
        Repository().quarantine(dataset, "bad")

        @pipeline
        def given():
            trained(cleaned(np.array([1, 2, 3])))

        for _ in range(2):
            assert ran(given().run()) == {"cleaned": "completed", "trained": "completed"}

    def test_is_predicted_by_a_plan(self, dataset):
        Repository().quarantine(dataset, "bad")
        plan = bound().plan()
        assert [step.prediction.value for step in plan] == ["MISS", "UNKNOWN", "UNKNOWN"]
        assert "quarantined" in str(plan)

    def test_keeps_two_equal_steps_of_one_run_from_sharing(self, dataset):
        @pipeline
        def twice():
            cleaned(np.array([1, 2, 3]))
            cleaned(np.array([1, 2, 3]))

        Repository().quarantine(dataset, "bad")
        planned = [step.prediction.value for step in twice().plan()]
        assert planned == ["MISS", "MISS"]
        assert set(ran(twice().run()).values()) == {"completed"}

    def test_deletes_nothing(self, dataset):
        Repository().quarantine(dataset, "bad")
        assert dataset.read().tolist() == [1, 2, 3]
        assert dataset.state == "LIVE"

    def test_is_lifted(self, dataset):
        repo = Repository()
        repo.quarantine(dataset, "bad")
        assert repo.lift_quarantine(dataset).is_lifted
        assert set(ran(bound().run()).values()) == {"cached"}

    def test_is_listed_with_its_reason_and_by_whom(self, dataset):
        repo = Repository()
        repo.quarantine(dataset, "bad")
        repo.quarantine(dataset, "very bad")
        repo.lift_quarantine(dataset)
        (one,) = repo.quarantines()
        assert (one.digest, one.reason, one.is_lifted) == (dataset.digest, "very bad", True)
        assert " on " in one.by

    def test_can_be_asked_of_mlmd(self, dataset):
        repo = Repository()
        repo.quarantine(dataset, "bad")
        (context,) = repo.store.get_contexts_by_type("zencache_quarantine")
        assert [artifact.id for artifact in repo.store.get_artifacts_by_context(context.id)] == [dataset.id]
        assert context.custom_properties["zencache_reason"].string_value == "bad"

    def test_needs_a_reason(self, dataset):
        with pytest.raises(ConfigurationError, match="for a reason"):
            Repository().quarantine(dataset, "  ")

    def test_that_is_not_there_cannot_be_lifted(self, dataset):
        with pytest.raises(NotFoundError, match="not quarantined"):
            Repository().lift_quarantine(dataset)

    def test_costs_a_run_without_one_no_walk(self, dataset, monkeypatch):
        monkeypatch.setattr("zencache.lineage.downstream", lambda *_: pytest.fail("walked"))
        with capture_events():
            bound().run()


class TestImpact:
    def test_is_everything_that_came_of_it(self, dataset):
        reporting().run()
        found = Repository().impact(dataset)
        assert [artifact.type for artifact in found.artifacts] == ["Array", "Float", "String"]
        assert {step.name for step in found.steps} == {"cleaned", "trained", "reported"}
        assert found.pipelines == ("training", "reporting")
        assert len(found.runs) == 2

    def test_counts_the_same_bytes_made_again(self, dataset):
        bound().run(refresh=True)
        found = Repository().impact(dataset)
        assert len(found.same) == 2
        assert len(found.artifacts) == 4

    def test_of_a_leaf_is_nothing(self, dataset):
        found = Repository().impact(Repository().get_runs()[-1].steps["trained"].output)
        assert (found.artifacts, found.steps, found.runs) == ((), (), ())


class TestTheCommandLine:
    def typed(self, *arguments, code=0):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == code, done.output
        return done.output

    def test_tells_the_impact(self, dataset):
        assert "2 artifacts came of it, in 1 runs of training" in self.typed("impact", "latest/importer")
        told = json.loads(self.typed("impact", str(dataset.id), "--json"))
        assert [one["made by"] for one in told["artifacts"]] == ["trained", "cleaned"]

    def test_quarantines_lists_and_lifts(self, dataset):
        assert "Nothing is quarantined" in self.typed("quarantine")
        assert "half of the labels" in self.typed(
            "quarantine", "latest/importer", "--reason", "half of the labels"
        )
        assert set(ran(bound().run()).values()) == {"completed"}
        (listed,) = json.loads(self.typed("quarantine", "--json"))
        assert (listed["digest"], listed["lifted"]) == (dataset.digest, False)
        self.typed("quarantine", "latest/importer", "--lift")
        assert set(ran(bound().run()).values()) == {"cached"}

    def test_refuses_what_makes_no_sense(self, dataset):
        assert "--reason" in self.typed("quarantine", "latest/importer", code=2)
        assert "Name the artifact" in self.typed("quarantine", "--lift", code=2)
        assert "no artifact `nothing`" in self.typed("impact", "nothing", code=2)
