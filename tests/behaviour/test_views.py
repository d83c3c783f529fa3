"""What a repository tells about pipelines, runs, steps and artifacts afterwards."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zencache import (
    BaseStepConfig,
    DeclarationError,
    NotFoundError,
    Output,
    Pipeline,
    Repository,
    Run,
    StepFailed,
    pipeline,
    step,
)

pytestmark = pytest.mark.usefixtures("project")


class TrainerConfig(BaseStepConfig):
    epochs: int = 1
    fail: bool = False


@step
def importer() -> Output(X=np.ndarray, y=np.ndarray):
    return np.arange(4.0), np.array([0, 1, 0, 1])


@step
def normalizer(X: np.ndarray) -> Output(X_normed=np.ndarray, largest=float):
    time.sleep(0.02)
    return X / X.max(), float(X.max())


@step
def trainer(config: TrainerConfig, X: np.ndarray, y: np.ndarray, rate: float = 0.5) -> dict[str, float]:
    if config.fail:
        raise ValueError("the loss is not a number")
    return {"weight": float(X @ y) * config.epochs * rate}


@step
def evaluator(model: dict[str, float]) -> float:
    return model["weight"]


@step
def reporter() -> str:
    return "done"


@pipeline
def training(source, scaler, fitter, judge):
    X, y = source()
    X_normed, _ = scaler(X)
    judge(fitter(X_normed, y))
    reporter()


def bound(**parameters) -> Pipeline:
    return training(importer(), normalizer(), trainer(**parameters), evaluator())


def failed_run() -> Run:
    with pytest.raises(StepFailed):
        bound(fail=True).run(run_name="failed")
    return Repository().get_run("failed")


class TestPipelines:
    def test_are_listed_oldest_first(self):
        repo = Repository()
        assert repo.get_pipelines() == []
        for name in ("b", "a", "c"):
            bound().copy(name).run()
        assert [found.name for found in repo.get_pipelines()] == ["b", "a", "c"]

    def test_are_found_by_name(self):
        bound().run(run_name="one")
        repo = Repository()
        assert repo.get_pipeline("training").name == "training"
        assert repo.get_pipeline_by_name("training").runs[-1].name == "one"

    def test_list_their_own_runs_oldest_first(self):
        for number in range(3):
            bound().run(run_name=f"t{number}")
            bound().copy("other").run(run_name=f"o{number}")
        assert [run.name for run in Repository().get_pipeline("training").runs] == ["t0", "t1", "t2"]

    def test_that_do_not_exist_offer_the_nearest(self):
        bound().run()
        with pytest.raises(NotFoundError, match="Did you mean `training`"):
            Repository().get_pipeline("trainning")
        with pytest.raises(LookupError, match="Known: `training`"):
            Repository().get_pipeline("zzz")


class TestRuns:
    def test_are_found_by_name(self):
        run = bound().run(run_name="my run")
        found = Repository().get_run("my run")
        assert (found.name, found.pipeline, found.status) == ("my run", "training", "completed")
        assert run.name == "my run"

    def test_have_a_name_of_their_own_unless_given_one(self):
        names = {bound().run().name for _ in range(3)}
        assert len(names) == 3
        assert all(name.startswith("training-") for name in names)

    def test_that_do_not_exist_offer_the_nearest(self):
        bound().run(run_name="first-run")
        with pytest.raises(NotFoundError, match="Did you mean `first-run`"):
            Repository().get_run("first-rum")

    def test_cannot_have_a_name_that_is_taken(self):
        bound().run(run_name="one")
        with pytest.raises(DeclarationError, match="There is a run `one` already"):
            bound().run(run_name="one")

    def test_are_listed_oldest_first_up_to_a_limit(self):
        repo = Repository()
        assert repo.get_runs() == []
        for number in range(5):
            bound().run(run_name=f"r{number}")
        assert [run.name for run in repo.get_runs()] == ["r0", "r1", "r2", "r3", "r4"]
        assert [run.name for run in repo.get_runs(limit=2)] == ["r3", "r4"]
        assert [run.name for run in repo.get_runs(limit=1)] == ["r4"]
        assert repo.get_runs(limit=0) == []
        assert len(repo.get_runs(limit=None)) == 5

    def test_are_limited_to_twenty_unless_said_otherwise(self):
        @pipeline
        def small():
            reporter()

        for number in range(22):
            small().run(run_name=f"r{number}")
        repo = Repository()
        assert [run.name for run in repo.get_runs()] == [f"r{number}" for number in range(2, 22)]
        assert len(repo.get_pipeline("small").runs) == 22

    def test_are_listed_by_pipeline(self):
        bound().run(run_name="one")
        bound().copy("other").run(run_name="two")
        assert [run.name for run in Repository().get_runs("other")] == ["two"]
        assert [run.name for run in Repository().get_runs(pipeline="training")] == ["one"]

    def test_know_their_duration_and_what_the_cache_saved(self):
        first, second = bound().run(), bound().run()
        assert first.duration >= 0.02
        assert first.saved == 0.0
        assert second.saved == pytest.approx(sum(view.duration for view in first.steps.values()), abs=0.005)
        assert second.saved >= 0.02

    def test_that_failed_say_so(self):
        assert failed_run().status == "failed"
        assert type(failed_status := Repository().get_runs()[-1].status) is str
        assert failed_status == "failed"

    def test_what_run_returns_is_what_the_repository_tells(self):
        returned = bound().run()
        found = Repository().get_run(returned.name)
        assert returned.duration == found.duration
        assert returned.saved == found.saved
        assert [view.id for view in returned.steps.values()] == [view.id for view in found.steps.values()]

    def test_are_the_same_in_another_process(self, run_script):
        run = bound(epochs=3).run(run_name="mine")
        told = run_script(
            """
            from zencache import Repository
            run = Repository().get_pipeline("training").runs[-1]
            s = run.steps["fitter"]
            print(run.name, run.status, list(run.steps), s.parameters, s.output.read(), s.output.digest)
            """
        )
        view = run.steps["trainer"]
        assert told.stdout.strip() == (
            f"mine completed {list(run.steps)} {view.parameters} {view.output.read()} {view.output.digest}"
        )


class TestSteps:
    NAMES = ("importer", "normalizer", "trainer", "evaluator", "reporter")

    def test_are_a_read_only_mapping_in_wiring_order(self):
        steps = bound().run().steps
        assert isinstance(steps, Mapping)
        assert list(steps) == list(self.NAMES)
        assert len(steps) == 5
        assert [name for name, _ in steps.items()] == list(self.NAMES)
        assert [view.name for view in steps.values()] == list(self.NAMES)
        with pytest.raises(TypeError):
            steps["importer"] = None

    def test_are_found_by_name_position_and_slot(self):
        steps = bound().run().steps
        assert steps["trainer"].id == steps[2].id == steps["fitter"].id
        assert steps[0].name == "importer"
        assert steps[-1].name == "reporter"
        assert "fitter" in steps
        assert "trainer" in steps
        assert "nothing" not in steps
        assert steps.get("judge").name == "evaluator"
        assert steps.get("nothing") is None

    def test_a_name_goes_before_a_slot(self):
        @pipeline
        def crossed(reporter, importer):
            reporter()
            importer()

        steps = crossed(reporter=importer(), importer=reporter()).run().steps
        assert steps["importer"].name == "importer"
        assert steps["reporter"].name == "reporter"

    def test_that_do_not_exist_offer_the_nearest(self):
        steps = bound().run().steps
        with pytest.raises(NotFoundError, match="Did you mean `trainer`"):
            steps["trianer"]
        with pytest.raises(KeyError, match="Did you mean `fitter`"):
            steps["fiter"]

    def test_a_position_that_does_not_exist_is_an_index_error(self):
        steps = bound().run().steps
        with pytest.raises(IndexError):
            steps[5]


class TestStatus:
    def test_is_completed_for_what_ran_and_cached_for_what_did_not(self):
        first, second = bound().run(), bound(epochs=2).run()
        assert [view.status for view in first.steps.values()] == ["completed"] * 5
        assert [view.status for view in second.steps.values()] == [
            "cached",
            "cached",
            "completed",
            "completed",
            "cached",
        ]
        assert [view.is_cached for view in second.steps.values()] == [True, True, False, False, True]

    def test_is_failed_for_what_raised_and_skipped_for_what_is_below_it(self):
        assert {name: view.status for name, view in failed_run().steps.items()} == {
            "importer": "completed",
            "normalizer": "completed",
            "trainer": "failed",
            "evaluator": "skipped",
            "reporter": "completed",
        }

    def test_is_running_while_it_runs(self):
        @step
        def observer(x: str) -> list[str]:
            run = Repository().get_runs()[-1]
            return [run.status, *(f"{view.name} {view.status}" for view in run.steps.values())]

        @pipeline
        def observing():
            observer(reporter())

        seen = observing().run().steps["observer"].output.read()
        assert seen == ["running", "reporter completed", "observer running"]

    def test_is_canceled_for_what_was_interrupted(self):
        @step
        def interrupted(x: str) -> str:
            raise KeyboardInterrupt

        @pipeline
        def interrupting():
            interrupted(reporter())
            importer()

        with pytest.raises(KeyboardInterrupt):
            interrupting().run(run_name="canceled")
        run = Repository().get_run("canceled")
        assert run.status == "canceled"
        assert run.steps["interrupted"].status == "canceled"
        assert run.steps["reporter"].status == "completed"
        assert run.steps["importer"].status == "skipped"

    def test_is_a_plain_text(self):
        failed_run()
        bound().run()
        views = [view for run in Repository().get_runs() for view in run.steps.values()]
        assert {view.status for view in views} == {"completed", "cached", "failed", "skipped"}
        assert {type(view.status) for view in views} == {str}

    def test_of_a_step_that_failed_comes_with_its_error(self):
        run = failed_run()
        assert run.steps["trainer"].error == "ValueError: the loss is not a number"
        assert run.steps["trainer"].outputs == {}
        assert run.steps["importer"].error == ""

    def test_of_a_step_that_was_skipped_leaves_everything_else_empty(self):
        view = failed_run().steps["judge"]
        assert (view.outputs, view.inputs, view.parameters, view.duration) == ({}, {}, {}, 0.0)
        assert not view.is_cached
        assert [parent.name for parent in view.parent_steps] == ["trainer"]
        with pytest.raises(NotFoundError, match="0 outputs"):
            _ = view.output


class TestAStep:
    def test_knows_its_parameters_with_defaults_and_config(self):
        run = bound(epochs=3).run()
        assert run.steps["trainer"].parameters == {"rate": 0.5, "epochs": 3, "fail": False}
        assert run.steps["importer"].parameters == {}

    def test_knows_the_parameters_of_a_cached_execution_too(self):
        bound(epochs=3).run()
        assert bound(epochs=3).run().steps["trainer"].parameters == {"rate": 0.5, "epochs": 3, "fail": False}

    @pytest.mark.parametrize(
        "value",
        [
            0.1,
            10**30,
            float("nan"),
            float("inf"),
            float("-inf"),
            None,
            True,
            "",
            "tëxt\n",
            [1, [2.5, None]],
            {"b": 1, "a": {"c": []}},
            (1, 2),
            {1: "a"},
            b"\x00",
            {1},
            [(1, 2)],
        ],
        ids=repr,
    )
    def test_knows_its_parameters_as_they_were_given(self, value):
        @step
        def take(value: Any) -> int:
            return 1

        @pipeline
        def taking():
            take(value=value)

        given = taking().run().steps["take"].parameters["value"]
        assert (type(given), repr(given)) == (type(value), repr(value))

    def test_cannot_be_changed_through_its_parameters(self):
        view = bound(epochs=3).run().steps["trainer"]
        view.parameters["epochs"] = 7
        assert view.parameters["epochs"] == 3

    def test_knows_its_duration(self):
        first, second = bound().run(), bound().run()
        assert 0.02 <= first.steps["normalizer"].duration < 5
        assert 0 <= second.steps["normalizer"].duration < 0.02

    def test_knows_its_inputs_in_the_order_of_its_parameters(self):
        inputs = bound().run().steps["trainer"].inputs
        assert list(inputs) == ["X", "y"]
        assert inputs["y"].read().tolist() == [0, 1, 0, 1]
        assert inputs["X"].producer_step.name == "normalizer"

    def test_knows_its_outputs_in_the_order_of_their_declaration(self):
        for run in (bound().run(), bound().run()):
            outputs = run.steps["normalizer"].outputs
            assert list(outputs) == ["X_normed", "largest"]
            assert outputs["X_normed"].read().tolist() == [0.0, 1 / 3, 2 / 3, 1.0]
            assert outputs["largest"].read() == 3.0

    def test_has_an_output_if_it_has_one(self):
        run = bound().run()
        assert run.steps["evaluator"].output.read() == pytest.approx(2 / 3)
        with pytest.raises(NotFoundError, match="2 outputs") as error:
            _ = run.steps["normalizer"].output
        assert "X_normed, largest" in str(error.value)

    def test_knows_the_steps_before_it(self):
        steps = bound().run().steps
        parents = {name: [parent.name for parent in view.parent_steps] for name, view in steps.items()}
        assert parents == {
            "importer": [],
            "normalizer": ["importer"],
            "trainer": ["normalizer", "importer"],
            "evaluator": ["trainer"],
            "reporter": [],
        }

    def test_knows_the_run_that_made_its_outputs(self):
        first = bound().run(run_name="first")
        second = bound(epochs=2).run(run_name="second")
        third = bound().run(run_name="third")
        assert first.steps["trainer"].source_run.name == "first"
        assert {name: view.source_run.name for name, view in second.steps.items()} == {
            "importer": "first",
            "normalizer": "first",
            "trainer": "second",
            "evaluator": "second",
            "reporter": "first",
        }
        assert third.steps["trainer"].source_run.name == "first"

    def test_knows_the_source_of_a_hit_within_its_own_run(self):
        @pipeline
        def twice():
            reporter()
            reporter()

        run = twice().run()
        assert run.steps["reporter_2"].is_cached
        assert run.steps["reporter_2"].source_run.name == run.name

    def test_knows_the_value_it_was_given(self):
        @step
        def total(X: np.ndarray) -> float:
            return float(X.sum())

        @pipeline
        def adding(X: np.ndarray):
            total(X)

        view = adding(np.arange(3)).run().steps["total"]
        assert view.inputs["X"].read().tolist() == [0, 1, 2]
        assert view.inputs["X"].producer_step is None
        assert view.parent_steps == []


class TestAnArtifact:
    def test_lies_at_its_uri(self):
        artifact = bound().run().steps["importer"].outputs["X"]
        folder = Path(artifact.uri)
        assert folder.is_absolute()
        assert folder.is_relative_to(Path(".zencache/artifacts").absolute())
        assert folder.exists()

    def test_has_a_type(self):
        run = bound().run()
        types = {name: run.steps[name].output.type for name in ("trainer", "evaluator", "reporter")}
        assert types == {"trainer": "JsonValue", "evaluator": "Float", "reporter": "String"}
        assert run.steps["importer"].outputs["X"].type == "Array"

    def test_has_a_digest_of_its_content(self):
        first, second = bound().run(), bound().run(enable_cache=False)
        one, other = (run.steps["importer"].outputs for run in (first, second))
        assert re.fullmatch(r"blake3:[0-9a-f]{64}", one["X"].digest)
        assert one["X"].digest == other["X"].digest
        assert one["X"].digest != one["y"].digest

    def test_has_the_size_of_its_bytes(self):
        artifact = bound().run().steps["importer"].outputs["X"]
        assert 4 * 8 <= artifact.size < 4 * 8 + 1000

    def test_knows_whether_its_step_was_cached(self):
        first, second = bound().run(), bound().run()
        assert first.steps["evaluator"].output.is_cached is False
        assert second.steps["evaluator"].output.is_cached is True

    def test_knows_the_step_that_made_it(self):
        bound().run(run_name="first")
        second = bound(epochs=2).run(run_name="second")
        maker = second.steps["normalizer"].outputs["largest"].producer_step
        assert (maker.name, maker.run.name, maker.status) == ("normalizer", "first", "completed")
        maker = second.steps["trainer"].inputs["X"].producer_step
        assert (maker.name, maker.run.name) == ("normalizer", "first")
        maker = second.steps["trainer"].output.producer_step
        assert (maker.name, maker.run.name) == ("trainer", "second")

    def test_of_a_hit_is_the_one_that_was_made(self):
        first, second = bound().run(), bound().run()
        for name in ("trainer", "evaluator", "reporter"):
            assert second.steps[name].output.id == first.steps[name].output.id
            assert second.steps[name].output.uri == first.steps[name].output.uri


class TestEverything:
    def test_executions_are_listed_oldest_first_and_filtered(self):
        bound().run(run_name="one")
        bound(epochs=2).copy("other").run(run_name="two")
        repo = Repository()
        assert len(repo.executions()) == 10
        assert [view.run.name for view in repo.executions(step="trainer")] == ["one", "two"]
        assert [view.name for view in repo.executions(status="cached")] == [
            "importer",
            "normalizer",
            "reporter",
        ]
        assert [view.run.name for view in repo.executions(step="trainer", pipeline="other")] == ["two"]

    def test_artifacts_are_listed_oldest_first_and_filtered(self):
        bound().run()
        bound(epochs=2).run()
        repo = Repository()
        assert [artifact.read() for artifact in repo.artifacts(type="String")] == ["done"]
        models = [artifact.read()["weight"] for artifact in repo.artifacts(step="trainer")]
        assert models == pytest.approx([2 / 3, 4 / 3])
        assert len(repo.artifacts()) == 9
        assert repo.artifacts(pipeline="training", step="nothing") == []

    def test_the_stock_client_of_mlmd_is_there_to_be_asked(self):
        bound().run(run_name="one")
        store = Repository().store
        assert type(store).__module__.startswith("ml_metadata")
        assert len(store.get_executions_by_type("trainer")) == 1


@pytest.mark.parametrize(
    ("of", "mistyped", "hint"), [("outputs", "X_norm", "`X_normed`"), ("inputs", "x", "Known: `X`.")]
)
def test_a_mistyped_output_or_input_offers_the_nearest(project, of, mistyped, hint):
    views = getattr(bound().run().steps["normalizer"], of)
    with pytest.raises(NotFoundError, match=f"has no {of[:-1]} `{mistyped}`") as error:
        views[mistyped]
    assert hint in error.value.hint
    assert isinstance(error.value, KeyError)
    assert views.get(mistyped) is None
    assert mistyped not in views
