"""A training pipeline is wired by the names of outputs and inputs, and can be changed until it has run."""

import pytest

from zencache import (
    BaseStepConfig,
    CachePolicy,
    DeclarationError,
    Output,
    Repository,
    StepFailed,
    TrainingPipeline,
    step,
)

pytestmark = pytest.mark.usefixtures("project")


class TrainerConfig(BaseStepConfig):
    epochs: int = 1


@step
def importer(size: int = 4) -> Output(X=list, y=list):
    return list(range(size)), [2 * x for x in range(size)]


@step
def halves(X: list, y: list) -> Output(X_train=list, X_test=list, y_train=list, y_test=list):
    return X[::2], X[1::2], y[::2], y[1::2]


@step
def scaler(X_train: list, X_test: list) -> Output(X_train=list, X_test=list):
    return [x / 10 for x in X_train], [x / 10 for x in X_test]


@step
def trainer(config: TrainerConfig, X_train: list, y_train: list) -> dict:
    return {"seen": X_train, "epochs": config.epochs}


@step
def evaluator(model: dict, X_test: list) -> float:
    return sum(X_test) + model["epochs"]


@step
def deployer(output: float, place: str = "here"):
    """Deploys nothing."""


@step
def one_list() -> list:
    return [1, 2]


@step
def mean(values: list) -> dict:
    return {"mean": sum(values) / len(values), "epochs": 0}


def full(name: str = "Pipeline A") -> TrainingPipeline:
    pipeline = TrainingPipeline(name=name)
    pipeline.add_datasource(importer())
    pipeline.add_split(halves())
    pipeline.add_preprocesser(scaler())
    pipeline.add_trainer(trainer(config=TrainerConfig(epochs=2)))
    pipeline.add_evaluator(evaluator())
    pipeline.add_deployment(deployer())
    return pipeline


def small() -> TrainingPipeline:
    pipeline = TrainingPipeline("small")
    pipeline.add_datasource(one_list())
    pipeline.add_trainer(mean())
    return pipeline


class TestWiring:
    def test_runs_its_slots_in_their_order(self):
        run = full().run()
        assert list(run.steps) == ["importer", "halves", "scaler", "trainer", "evaluator", "deployer"]
        assert [view.status for view in run.steps.values()] == ["completed"] * 6

    def test_an_input_takes_the_latest_earlier_output_of_its_name(self):
        run = full().run()
        assert run.steps["trainer"].output.read() == {"seen": [0.0, 0.2], "epochs": 2}
        nodes = full().steps
        assert nodes["trainer"].inputs == {"X_train": ("scaler", "X_train"), "y_train": ("halves", "y_train")}

    def test_a_single_input_that_is_left_takes_the_output_of_the_nearest_slot_before_it(self):
        assert full().steps["evaluator"].inputs["model"] == ("trainer", "output")
        assert small().run().steps["mean"].output.read()["mean"] == 1.5

    def test_the_nearest_slot_is_one_that_has_an_output(self):
        @step
        def looks(output: dict):
            """Only looks."""

        @step
        def deploys(model: dict):
            """Takes what the trainer gave."""

        pipeline = small()
        pipeline.add_evaluator(looks())
        pipeline.add_deployment(deploys())
        assert pipeline.steps["deploys"].inputs == {"model": ("mean", "output")}

    def test_what_is_configured_is_not_wired(self):
        pipeline = full()
        pipeline.add_evaluator(evaluator(X_test=[100]))
        assert "X_test" not in pipeline.steps["evaluator"].inputs
        assert pipeline.run().steps["evaluator"].output.read() == 102

    def test_a_default_is_kept_where_no_output_has_its_name(self):
        assert full().steps["deployer"].parameters == {"place": "here"}

    def test_slots_may_be_filled_in_any_order_and_are_known_by_their_names(self):
        pipeline = TrainingPipeline("small")
        pipeline.add_trainer(mean)
        pipeline.add_datasource(one_list)
        run = pipeline.run()
        assert list(run.steps) == ["one_list", "mean"]
        assert run.steps["trainer"].name == "mean"

    def test_the_deployment_waits_for_the_evaluator(self):
        @step
        def refuses(model: dict) -> str:
            raise ValueError("not good enough")

        @step
        def deploys(seen: dict):
            """Must not happen."""

        @step
        def named(values: list) -> Output(seen=dict):
            return ({},)

        pipeline = small()
        pipeline.add_trainer(named())
        pipeline.add_evaluator(refuses())
        pipeline.add_deployment(deploys())
        with pytest.raises(StepFailed, match="not good enough"):
            pipeline.run(run_name="refused")
        assert Repository().get_run("refused").steps["deployment"].status == "skipped"

    def test_one_step_may_stand_in_two_slots(self):
        @step
        def add_one(values: list) -> list:
            return [value + 1 for value in values]

        pipeline = small()
        pipeline.add_split(add_one())
        pipeline.add_preprocesser(add_one())
        run = pipeline.run()
        assert list(run.steps) == ["one_list", "add_one", "add_one_2", "mean"]
        assert run.steps["mean"].output.read()["mean"] == 3.5


class TestChanging:
    def test_adding_again_before_running_replaces(self):
        pipeline = full()
        pipeline.add_trainer(trainer(epochs=5))
        assert pipeline.run().steps["trainer"].parameters == {"epochs": 5}

    def test_planning_does_not_keep_it_from_being_changed(self):
        pipeline = full()
        assert "MISS" in str(pipeline.plan())
        pipeline.add_trainer(trainer(epochs=7))
        assert pipeline.run().steps["trainer"].parameters == {"epochs": 7}

    def test_after_it_has_run_adding_raises_and_says_to_copy(self):
        pipeline = full()
        pipeline.run()
        with pytest.raises(DeclarationError, match=r"has run cannot be changed(.|\n)*copy\("):
            pipeline.add_trainer(trainer(epochs=5))
        assert pipeline.run().steps["trainer"].parameters == {"epochs": 2}

    def test_a_run_that_failed_is_a_run(self):
        @step
        def fails(values: list) -> int:
            raise ValueError("no")

        pipeline = small()
        pipeline.add_trainer(fails())
        with pytest.raises(StepFailed):
            pipeline.run()
        with pytest.raises(DeclarationError, match="copy"):
            pipeline.add_trainer(mean())

    def test_a_run_that_never_began_is_none(self):
        pipeline = small()
        with pytest.raises(DeclarationError, match="refresh"):
            pipeline.run(refresh="nobody")
        pipeline.add_trainer(mean())
        assert pipeline.run().status == "completed"

    def test_a_copy_can_be_changed_and_reuses_every_step_above(self):
        pipeline = full()
        pipeline.run()
        copy = pipeline.copy("Pipeline B")
        copy.add_trainer(trainer(epochs=3))
        run = copy.run()
        assert run.pipeline == copy.name == "Pipeline B"
        assert [run.steps[name].is_cached for name in ("importer", "halves", "scaler", "trainer")] == [
            True,
            True,
            True,
            False,
        ]
        assert pipeline.run().steps["trainer"].parameters == {"epochs": 2}

    def test_its_options_are_those_of_a_pipeline(self):
        pipeline = TrainingPipeline("small", enable_cache=False, cache_policy=CachePolicy(expires_in="7d"))
        pipeline.add_datasource(one_list())
        pipeline.add_trainer(mean())
        pipeline.run()
        assert [view.status for view in pipeline.run().steps.values()] == ["completed", "completed"]
        assert pipeline.copy("b").run(enable_cache=True).steps["mean"].is_cached


def ambiguous_nearest() -> TrainingPipeline:
    pipeline = small()
    pipeline.add_datasource(importer())
    return pipeline


def two_left() -> TrainingPipeline:
    @step
    def wants_two(a: list, b: list) -> int:
        return 0

    pipeline = small()
    pipeline.add_trainer(wants_two())
    return pipeline


def another_type() -> TrainingPipeline:
    @step
    def judges(model: dict) -> float:
        return 1.0

    @step
    def deploys(model: dict):
        """Would be given a number."""

    pipeline = small()
    pipeline.add_evaluator(judges())
    pipeline.add_deployment(deploys())
    return pipeline


def only(slot: str, given) -> TrainingPipeline:
    pipeline = TrainingPipeline("small")
    getattr(pipeline, f"add_{slot}")(given)
    return pipeline


def needy_datasource() -> TrainingPipeline:
    pipeline = small()
    pipeline.add_datasource(mean())
    return pipeline


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (
            ambiguous_nearest,
            ["`X` of the datasource `importer`", "`y` of the datasource `importer`", "`values`"],
        ),
        (two_left, ["`a` and `b`", "`output` of the datasource `one_list`"]),
        (
            another_type,
            ["`output` of the evaluator `judges`", "`output` of the trainer `mean`", "Output(model="],
        ),
        (lambda: only("datasource", one_list()), ["has no trainer", "add_trainer"]),
        (lambda: only("trainer", mean()), ["has no datasource", "slots: trainer"]),
        (lambda: TrainingPipeline("empty"), ["has no datasource", "slots: none"]),
        (needy_datasource, ["The datasource needs `values`"]),
    ],
    ids=["two outputs", "two inputs", "another type", "no trainer", "no datasource", "empty", "needy"],
)
def test_slots_that_do_not_fit_together_are_an_error_before_anything_runs(declare, says):
    pipeline = declare()
    for use in (pipeline.plan, pipeline.run, lambda: pipeline.steps):
        with pytest.raises(DeclarationError) as error:
            use()
        for part in says:
            assert part in str(error.value)
    assert Repository().get_runs() == []


@pytest.mark.parametrize("given", [mean.entrypoint, TrainerConfig(), "mean", None])
def test_a_slot_takes_only_a_step(given):
    with pytest.raises(DeclarationError, match=r"takes a step(.|\n)*trainer"):
        TrainingPipeline("small").add_trainer(given)


def test_an_unknown_parameter_is_an_error_where_the_step_is_configured():
    with pytest.raises(DeclarationError, match="Did you mean `epochs`"):
        TrainingPipeline("small").add_trainer(trainer(epoch=2))


def test_an_unknown_slot_offers_the_nearest():
    pipeline = TrainingPipeline("small")
    with pytest.raises(DeclarationError, match="Did you mean `add_preprocesser`"):
        pipeline.add_preprocessor(scaler())
    assert not hasattr(pipeline, "add_nothing")
    assert not hasattr(pipeline, "other")


@pytest.mark.parametrize("name", ["", "a/b", None])
def test_a_name_that_is_not_possible_is_an_error(name):
    with pytest.raises(DeclarationError, match="name"):
        TrainingPipeline(name)


def test_an_option_that_makes_no_sense_is_an_error():
    with pytest.raises(DeclarationError, match="enable_cache"):
        TrainingPipeline("small", enable_cache="no")
    with pytest.raises(DeclarationError, match="cache_policy"):
        TrainingPipeline("small", cache_policy="7d")
