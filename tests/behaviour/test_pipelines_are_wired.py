"""The body of a pipeline wires steps: what goes where, under which name and in which order."""

import ast
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zencache import (
    BaseStepConfig,
    DeclarationError,
    Output,
    Pipeline,
    Repository,
    Run,
    StepFailed,
    UnfingerprintableError,
    pipeline,
    step,
)
from zencache.events import Event, WillExecute
from zencache.testing import capture_events

pytestmark = pytest.mark.usefixtures("project")


class TrainerConfig(BaseStepConfig):
    epochs: int = 1
    rate: float = 0.5


@dataclass
class Scaler:
    """Data that can be called, as the models of most frameworks can."""

    factor: float

    def __call__(self, x: float) -> float:
        return x * self.factor


@step
def importer_mnist() -> Output(X_train=np.ndarray, y_train=np.ndarray, X_test=np.ndarray, y_test=np.ndarray):
    X = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
    return X[:4], np.array([0, 1, 0, 1]), X[4:], np.array([0, 1])


@step
def normalizer(X_train: np.ndarray, X_test: np.ndarray) -> Output(
    X_train_normed=np.ndarray, X_test_normed=np.ndarray
):
    return X_train / 255, X_test / 255


@step
def tf_trainer(config: TrainerConfig, X_train: np.ndarray, y_train: np.ndarray) -> dict[str, float]:
    return {"weight": float(X_train.sum() + y_train.sum()) * config.epochs, "rate": config.rate}


@step
def tf_evaluator(X_test: np.ndarray, y_test: np.ndarray, model: dict[str, float]) -> float:
    return float(X_test.sum() + y_test.sum()) * model["weight"]


@pipeline
def mnist_pipeline(importer, normalizer, trainer, evaluator):
    X_train, y_train, X_test, y_test = importer()
    X_train_normed, X_test_normed = normalizer(X_train=X_train, X_test=X_test)
    model = trainer(X_train=X_train_normed, y_train=y_train)
    evaluator(X_test=X_test_normed, y_test=y_test, model=model)


@pipeline
def mnist(epochs: int = 1):
    X_train, y_train, *_ = importer_mnist()
    tf_trainer(X_train, y_train, epochs=epochs)


def in_slots(**changes) -> Pipeline:
    steps = {
        "importer": importer_mnist(),
        "normalizer": normalizer(),
        "trainer": tf_trainer(config=TrainerConfig(epochs=1)),
        "evaluator": tf_evaluator(),
    }
    return mnist_pipeline(**{**steps, **changes})


@step
def one() -> int:
    return 1


@step
def plus(a: int, b: int = 10) -> int:
    return a + b


@step
def first() -> int:
    return 1


@step
def second() -> int:
    return 2


@step
def note() -> None:
    """Exists for its effect, of which there is none here."""


def executed(happened: list[Event]) -> list[str]:
    """The names of the steps whose functions were called, in that order."""
    return [event.step for event in happened if isinstance(event, WillExecute)]


def order_of(bound: Pipeline) -> list[str]:
    with capture_events() as happened:
        bound.run()
    return executed(happened)


def statuses(run: Run) -> dict[str, str]:
    return {name: view.status for name, view in run.steps.items()}


class TestSlotStyle:
    def test_only_the_trainer_and_what_is_below_it_run_again_for_another_config(self):
        in_slots().run()
        again = in_slots(trainer=tf_trainer(config=TrainerConfig(epochs=2))).run()
        assert statuses(again) == {
            "importer_mnist": "cached",
            "normalizer": "cached",
            "tf_trainer": "completed",
            "tf_evaluator": "completed",
        }

    def test_outputs_reach_the_inputs_they_were_given_to(self):
        run = in_slots().run()
        weight = sum(range(16)) / 255 + 2
        assert run.steps["tf_trainer"].output.read() == {"weight": pytest.approx(weight), "rate": 0.5}
        accuracy = (sum(range(16, 24)) / 255 + 1) * weight
        assert run.steps["tf_evaluator"].output.read() == pytest.approx(accuracy)

    def test_a_slot_names_its_step_in_the_run(self):
        run = in_slots().run()
        assert run.steps["trainer"].name == "tf_trainer"
        assert run.steps["importer"].name == "importer_mnist"

    def test_slots_take_steps_that_are_not_called(self):
        run = in_slots(importer=importer_mnist, normalizer=normalizer, evaluator=tf_evaluator).run()
        assert run.status == "completed"

    def test_slots_are_given_by_position_as_well(self):
        bound = mnist_pipeline(importer_mnist(), normalizer(), tf_trainer(), tf_evaluator())
        assert bound.run().steps["trainer"].parameters == {"epochs": 1, "rate": 0.5}

    def test_slots_have_defaults(self):
        @pipeline
        def single(trainer=one):
            trainer()

        assert single().run().steps["trainer"].name == "one"
        assert single().replace(trainer=second).run().steps["trainer"].name == "second"

    def test_a_missing_slot_is_an_error_that_names_it(self):
        with pytest.raises(DeclarationError, match="evaluator"):
            mnist_pipeline(importer=importer_mnist(), normalizer=normalizer(), trainer=tf_trainer())

    def test_an_unknown_slot_offers_the_nearest(self):
        with pytest.raises(DeclarationError, match="Did you mean `trainer`"):
            in_slots(trianer=tf_trainer())


class TestDirectStyle:
    def test_arguments_of_the_pipeline_become_parameters_of_its_steps(self):
        run = mnist(epochs=2).run()
        assert run.steps["tf_trainer"].parameters == {"epochs": 2, "rate": 0.5}

    def test_defaults_of_the_pipeline_hold(self):
        assert mnist().run().steps["tf_trainer"].parameters["epochs"] == 1

    def test_positions_hold_as_well(self):
        assert mnist(3).run().steps["tf_trainer"].parameters["epochs"] == 3

    def test_it_shares_its_steps_with_the_slot_style(self):
        in_slots().run()
        assert mnist().run().steps["importer_mnist"].is_cached


class TestInputs:
    def test_handles_go_to_parameters_by_position_and_by_name(self):
        @pipeline
        def adding():
            a, b = first(), second()
            plus(a, b)
            plus(b=a, a=b)
            plus(a, b=b)

        run = adding().run()
        assert [run.steps[name].output.read() for name in ("plus", "plus_2", "plus_3")] == [3, 3, 3]
        assert run.steps["plus_2"].inputs["a"].read() == 2
        assert run.steps["plus_2"].inputs["b"].read() == 1

    def test_an_int_is_a_parameter_and_not_an_artifact(self):
        @pipeline
        def adding():
            plus(one(), b=3)

        view = adding().run().steps["plus"]
        assert view.parameters == {"b": 3}
        assert list(view.inputs) == ["a"]

    def test_defaults_of_a_step_are_parameters(self):
        @pipeline
        def adding():
            plus(one())

        assert adding().run().steps["plus"].parameters == {"b": 10}

    def test_one_parameter_is_an_output_here_and_a_value_there(self):
        @pipeline
        def adding():
            plus(1, 2)
            plus(one(), 2)

        run = adding().run()
        assert run.steps["plus"].parameters == {"a": 1, "b": 2}
        assert run.steps["plus_2"].parameters == {"b": 2}
        assert run.steps["plus"].output.read() == run.steps["plus_2"].output.read() == 3

    @pytest.mark.parametrize(
        "wire",
        [
            lambda X, y: tf_trainer(X, y, epochs=3),
            lambda X, y: tf_trainer(X_train=X, y_train=y, epochs=3),
            lambda X, y: tf_trainer(TrainerConfig(epochs=3), X, y),
            lambda X, y: tf_trainer(X, y, config=TrainerConfig(epochs=3)),
            lambda X, y: tf_trainer(X, y, config=TrainerConfig(rate=0.5), epochs=3),
        ],
        ids=["fields by name", "all by name", "config first", "config by name", "field over config"],
    )
    def test_a_config_is_given_whole_or_field_by_field(self, wire):
        @pipeline
        def training():
            X, y, *_ = importer_mnist()
            wire(X, y)

        view = training().run().steps["tf_trainer"]
        assert view.parameters == {"epochs": 3, "rate": 0.5}
        assert list(view.inputs) == ["X_train", "y_train"]

    def test_a_config_of_before_is_changed_field_by_field(self):
        configured = tf_trainer(config=TrainerConfig(epochs=2, rate=0.1))

        @pipeline
        def training(trainer):
            X, y, *_ = importer_mnist()
            trainer(X, y, epochs=5)

        view = training(configured).run().steps["trainer"]
        assert view.parameters == {"epochs": 5, "rate": 0.1}

    def test_a_config_reaches_the_step_whole(self):
        @pipeline
        def training():
            X, y, *_ = importer_mnist()
            tf_trainer(X, y, epochs=4, rate=0.25)

        assert training().run().steps["tf_trainer"].output.read()["rate"] == 0.25


class TestValues:
    @staticmethod
    def summing() -> tuple:
        @step
        def total(table: pd.DataFrame, weights: np.ndarray) -> float:
            return float(table["x"].to_numpy() @ weights)

        @pipeline
        def weighing(table: pd.DataFrame, weights: np.ndarray):
            total(table, weights)

        return weighing, pd.DataFrame({"x": [1.0, 2.0]}), np.array([1.0, 10.0])

    def test_an_array_and_a_frame_become_artifacts(self):
        weighing, table, weights = self.summing()
        view = weighing(table, weights).run().steps["total"]
        assert view.output.read() == 21.0
        assert view.parameters == {}
        assert view.inputs["weights"].read().tolist() == [1.0, 10.0]
        pd.testing.assert_frame_equal(view.inputs["table"].read(), table)

    def test_equal_content_is_one_artifact_and_a_hit(self):
        weighing, table, weights = self.summing()
        before = weighing(table, weights).run().steps["total"]
        after = weighing(table.copy(), weights.copy()).run().steps["total"]
        assert after.is_cached
        assert after.inputs["table"].id == before.inputs["table"].id
        assert after.inputs["weights"].id == before.inputs["weights"].id

    def test_equal_content_in_two_steps_is_one_artifact(self):
        weighing, table, weights = self.summing()

        @step
        def largest(weights: np.ndarray) -> float:
            return float(weights.max())

        @pipeline
        def maximum():
            largest(weights.copy())

        summed = weighing(table, weights).run().steps["total"]
        found = maximum().run().steps["largest"]
        assert found.inputs["weights"].id == summed.inputs["weights"].id
        assert found.inputs["weights"].producer_step is None

    @pytest.mark.parametrize(
        "weights", [np.array([1.0, 11.0]), np.array([1, 10]), np.array([1, 10], np.float32)], ids=repr
    )
    def test_other_content_or_another_dtype_is_a_miss(self, weights):
        weighing, table, known = self.summing()
        weighing(table, known).run()
        assert not weighing(table, weights).run().steps["total"].is_cached

    def test_a_value_is_a_default_of_a_configured_step(self):
        weights = np.array([1.0, 10.0])

        @step
        def total(weights: np.ndarray) -> float:
            return float(weights.sum())

        @pipeline
        def adding(summer):
            summer()

        assert adding(total(weights=weights)).run().steps["summer"].output.read() == 11.0

    def test_a_file_becomes_an_artifact_and_keeps_its_name(self):
        @step
        def first_line(file: Path) -> str:
            return f"{file.name}: {file.read_text()}"

        @pipeline
        def reading(file: Path):
            first_line(file)

        given = Path("data.csv")
        given.write_text("one")
        before = reading(given).run().steps["first_line"]
        assert before.output.read() == "data.csv: one"
        assert list(before.inputs) == ["file"]
        assert reading(given).run().steps["first_line"].is_cached
        given.write_text("two")
        assert reading(given).run().steps["first_line"].output.read() == "data.csv: two"

    def test_a_file_that_does_not_exist_is_an_error_that_names_the_step(self):
        @step
        def first_line(file: Path) -> str:
            return file.read_text()

        @pipeline
        def reading(file: Path):
            first_line(file)
            note()

        with pytest.raises((DeclarationError, StepFailed), match="first_line"):
            reading(Path("nowhere.csv")).run()

    def test_a_model_that_can_be_called_becomes_an_artifact(self):
        @step
        def apply(scaler: Scaler) -> float:
            return scaler(2.0)

        @pipeline
        def scaling():
            apply(Scaler(factor=3.0))

        view = scaling().run().steps["apply"]
        assert view.output.read() == 6.0
        assert view.parameters == {}
        assert view.inputs["scaler"].read() == Scaler(factor=3.0)


class TestNames:
    def test_a_step_used_again_gets_a_number_behind_its_name(self):
        @pipeline
        def adding():
            plus(plus(plus(one())))

        run = adding().run()
        assert list(run.steps) == ["one", "plus", "plus_2", "plus_3"]
        assert run.steps["plus_3"].output.read() == 31
        assert [view.step_name for view in run.steps.values()] == ["one", "plus", "plus", "plus"]

    def test_a_number_that_is_taken_is_passed_over(self):
        @step(name="plus_2")
        def taken() -> int:
            return 5

        @pipeline
        def adding():
            taken()
            plus(1)
            plus(2)

        assert list(adding().steps) == ["plus_2", "plus", "plus_3"]

    def test_a_step_has_the_name_it_was_given(self):
        @step(name="Größe ermitteln")
        def size() -> int:
            return 1

        @pipeline(name="My pipeline")
        def sizing():
            size()

        assert size.name == "Größe ermitteln"
        run = sizing().run()
        assert list(run.steps) == ["Größe ermitteln"]
        assert run.pipeline == "My pipeline"
        assert [found.name for found in Repository().get_pipelines()] == ["My pipeline"]

    def test_two_steps_of_one_name_are_an_error_that_says_where_both_are(self):
        def other() -> int:
            return 2

        @pipeline
        def confusing():
            one()
            step(name="one")(other)()

        with pytest.raises(DeclarationError, match="one name") as error:
            confusing()
        assert error.value.facts["first"] != error.value.facts["second"]
        assert "test_pipelines_are_wired.py" in error.value.facts["second"]

    def test_two_nodes_with_one_key_execute_once(self):
        @pipeline
        def twice():
            plus(1, 2)
            plus(1, 2)
            plus(1, 3)

        with capture_events() as happened:
            run = twice().run()
        assert executed(happened) == ["plus", "plus_3"]
        assert statuses(run) == {"plus": "completed", "plus_2": "cached", "plus_3": "completed"}
        assert run.steps["plus_2"].output.id == run.steps["plus"].output.id

    def test_a_cache_version_tells_two_uses_of_one_function_apart(self):
        def draw() -> int:
            return 1

        @pipeline
        def twice():
            step(draw)()
            step(cache_version="2")(draw)()

        with capture_events() as happened:
            twice().run()
        assert executed(happened) == ["draw", "draw_2"]


class TestOrder:
    def test_steps_are_listed_in_wiring_order(self):
        @pipeline
        def wired():
            b, a = second(), first()
            note()
            plus(a, b)

        bound = wired()
        assert list(bound.steps) == ["second", "first", "note", "plus"]
        assert list(bound.run().steps) == ["second", "first", "note", "plus"]

    def test_steps_run_in_wiring_order_where_nothing_else_is_said(self):
        @pipeline
        def wired():
            second()
            first()
            note()

        assert order_of(wired()) == ["second", "first", "note"]

    def test_a_handle_waits_for_another(self):
        @pipeline
        def wired():
            a, b = first(), second()
            a.after(b)

        assert order_of(wired()) == ["second", "first"]

    def test_after_gives_the_handle_back(self):
        @pipeline
        def wired():
            b = second()
            plus(first().after(b), b)

        assert wired().run().steps["plus"].output.read() == 3

    def test_all_outputs_of_a_step_wait_for_another(self):
        @pipeline
        def wired():
            a = importer_mnist()
            b = second()
            X, *_ = a.after(b)
            assert X.output == "X_train"

        assert order_of(wired()) == ["second", "importer_mnist"]

    def test_a_step_without_outputs_waits_and_is_waited_for(self):
        @pipeline
        def wired():
            a = first()
            noted = note()
            noted.after(second())
            a.after(noted)

        assert order_of(wired()) == ["second", "note", "first"]

    def test_a_step_waits_inside_the_body(self):
        @pipeline
        def wired():
            first()
            second()
            first.after(second)

        assert order_of(wired()) == ["second", "first"]

    def test_a_step_in_a_slot_waits_inside_the_body(self):
        @pipeline
        def wired(a, b):
            a()
            b()
            a.after(b)

        assert order_of(wired(first(), second())) == ["second", "first"]

    def test_a_step_waits_for_several(self):
        @pipeline
        def wired():
            a = first()
            b, c = second(), one()
            a.after(b, c)

        bound = wired()
        assert order_of(bound) == ["second", "one", "first"]

    def test_a_step_configured_outside_waits(self):
        @pipeline
        def wired(a, b):
            a()
            b()

        assert order_of(wired(a=first.after(second), b=second)) == ["second", "first"]

    def test_a_step_configured_outside_waits_for_a_configured_step(self):
        @pipeline
        def wired(a, b):
            a()
            b()

        later = plus(a=1)
        assert order_of(wired(a=first().after(later), b=later)) == ["plus", "first"]

    def test_after_outside_gives_a_copy(self):
        first.after(second)

        @pipeline
        def wired():
            first()
            second()

        assert order_of(wired()) == ["first", "second"]

    def test_what_a_step_waits_for_are_its_parents(self):
        @pipeline
        def wired():
            plus(one()).after(second())

        run = wired().run()
        assert [parent.name for parent in run.steps["plus"].parent_steps] == ["one", "second"]

    def test_what_a_step_waits_for_does_not_count_for_its_key(self):
        @pipeline
        def wired(ordered: bool):
            b = second()
            a = first()
            if ordered:
                a.after(b)

        wired(ordered=False).run()
        assert wired(ordered=True).run().steps["first"].is_cached

    def test_after_a_step_of_no_use_here_is_an_error(self):
        @pipeline
        def wired():
            first().after(second)

        with pytest.raises(DeclarationError, match="not used in this pipeline") as error:
            wired()
        assert error.value.facts["found"] == "second"


class TestStepsAreImmutable:
    def test_configuring_gives_a_copy(self):
        configured = tf_trainer(epochs=7)
        assert configured is not tf_trainer
        again = configured(rate=0.1)

        @pipeline
        def training(trainer):
            X, y, *_ = importer_mnist()
            trainer(X, y)

        parameters = [
            training(trainer).run().steps["trainer"].parameters for trainer in (tf_trainer, configured, again)
        ]
        assert parameters == [
            {"epochs": 1, "rate": 0.5},
            {"epochs": 7, "rate": 0.5},
            {"epochs": 7, "rate": 0.1},
        ]

    def test_what_was_given_may_change_afterwards(self):
        @step
        def size(names: list[str]) -> int:
            return len(names)

        @pipeline
        def sizing(sizer):
            sizer()

        names = ["a", "b"]
        configured = size(names=names)
        bound = sizing(configured)
        names.append("c")
        assert bound.run().steps["sizer"].output.read() == 2
        assert sizing(configured).run().steps["sizer"].parameters == {"names": ["a", "b"]}

    def test_standing_in_a_slot_leaves_the_step_as_it_was(self):
        in_slots(trainer=tf_trainer)

        @pipeline
        def training():
            X, y, *_ = importer_mnist()
            tf_trainer(X, y)

        assert "trainer" not in training().run().steps

    def test_the_function_itself_is_the_entrypoint(self):
        X, Y = np.array([255.0]), np.array([51.0])
        normed, other = normalizer.entrypoint(X, Y)
        assert (normed.item(), other.item()) == (1.0, 0.2)
        assert normalizer.__doc__ == normalizer.entrypoint.__doc__

    def test_outside_of_a_pipeline_data_by_position_is_an_error_that_names_the_entrypoint(self):
        with pytest.raises(DeclarationError, match=r"normalizer\.entrypoint"):
            normalizer(np.zeros(1), np.zeros(1))


class TestPipelinesAreImmutable:
    def test_calling_one_never_runs_it(self):
        with capture_events() as happened:
            bound = in_slots()
        assert happened == []
        assert isinstance(bound, Pipeline)
        assert bound.name == "mnist_pipeline"
        assert Repository().get_runs() == []

    def test_a_copy_has_another_name_and_the_same_steps(self):
        bound = in_slots()
        copied = bound.copy("Pipeline B")
        assert (bound.name, copied.name) == ("mnist_pipeline", "Pipeline B")
        assert list(copied.steps) == list(bound.steps)
        bound.run()
        run = copied.run()
        assert run.pipeline == "Pipeline B"
        assert set(statuses(run).values()) == {"cached"}

    def test_another_step_in_a_slot_makes_a_new_pipeline(self):
        bound = in_slots()
        replaced = bound.replace(trainer=tf_trainer(epochs=9))
        assert replaced.name == "mnist_pipeline"
        assert bound.run().steps["trainer"].parameters["epochs"] == 1
        assert replaced.run().steps["trainer"].parameters["epochs"] == 9

    def test_a_slot_takes_a_step_of_another_name(self):
        @step
        def constant(X_train: np.ndarray, y_train: np.ndarray) -> dict[str, float]:
            return {"weight": 0.0}

        run = in_slots().replace(trainer=constant()).run()
        assert run.steps["trainer"].name == "constant"
        assert run.steps["evaluator"].output.read() == 0.0

    def test_replacing_goes_on_from_what_was_replaced_and_copied(self):
        bound = in_slots().replace(trainer=tf_trainer(epochs=2)).copy("Pipeline B")
        changed = bound.replace(normalizer=normalizer())
        assert changed.name == "Pipeline B"
        assert changed.run().steps["trainer"].parameters["epochs"] == 2

    def test_replacing_an_unknown_slot_offers_the_nearest(self):
        with pytest.raises(DeclarationError, match="Did you mean `trainer`"):
            in_slots().replace(trainr=tf_trainer())

    def test_replacing_by_something_else_than_a_step_is_an_error(self):
        with pytest.raises(DeclarationError, match="takes a step"):
            in_slots().replace(trainer=TrainerConfig())

    def test_a_pipeline_without_slots_cannot_be_replaced_in(self):
        with pytest.raises(DeclarationError, match="no slots"):
            mnist().replace(tf_trainer=tf_trainer())

    def test_its_steps_cannot_be_changed_through_the_mapping(self):
        bound = mnist()
        bound.steps.clear()
        assert list(bound.steps) == ["importer_mnist", "tf_trainer"]


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        (lambda: plus(), "missing: a"),
        (lambda: plus(1, 2, 3), "takes 2 inputs, 3 were given"),
        (lambda: plus(1, a=2), "given twice"),
        (lambda: plus(1, c=2), "no input or parameter `c`"),
        (lambda: plus("1"), "found: str '1'"),
        (lambda: tf_trainer(np.zeros(1), np.zeros(1), epoch=2), "Did you mean `epochs`"),
        (lambda: tf_trainer(np.zeros(1), np.zeros(1), epochs="many"), "epochs"),
        (lambda: normalizer([1.0], np.zeros(1)), "expected: numpy.ndarray"),
        (lambda: plus(one(), tf_trainer), "plus"),
    ],
    ids=["missing", "too many", "twice", "unknown", "type", "field", "field type", "data type", "a step"],
)
def test_a_wrong_argument_is_an_error_before_anything_runs(wire, says):
    @pipeline
    def wrong():
        note()
        wire()

    with pytest.raises(DeclarationError) as error:
        wrong()
    assert says in str(error.value)
    assert Repository().get_runs() == []


def test_a_circle_is_an_error_that_shows_it():
    @pipeline
    def circular():
        a, b = first(), second()
        a.after(b)
        b.after(a)

    with pytest.raises(DeclarationError, match=r"first -> second -> first|second -> first -> second"):
        circular()


@pytest.mark.parametrize("outside", [False, True], ids=["in the body", "outside"])
def test_a_parameter_that_cannot_be_fingerprinted_is_an_error_that_names_step_and_parameter(outside):
    @step
    def guarded(options: dict) -> int:
        return len(options)

    @pipeline
    def locking(guard):
        guard(options=options)

    options = {"lock": threading.Lock()}
    with pytest.raises(DeclarationError) as error:
        locking(guarded(options=options) if outside else guarded)
    assert "guarded" in str(error.value)
    assert "options" in str(error.value)
    assert "lock" in str(error.value)
    assert issubclass(UnfingerprintableError, DeclarationError)


def test_a_pipeline_without_steps_is_an_error():
    @pipeline
    def empty():
        """Nothing yet."""

    with pytest.raises(DeclarationError, match="no steps"):
        empty()


def test_an_output_of_another_pipeline_is_an_error():
    leaked = []

    @pipeline
    def leaking():
        leaked.append(one())

    @pipeline
    def using():
        plus(leaked[0])

    leaking()
    with pytest.raises(DeclarationError, match="another pipeline"):
        using()


def test_a_pipeline_function_that_was_not_called_says_so():
    @pipeline
    def counting():
        one()

    for name in ("run", "plan", "copy", "steps"):
        with pytest.raises(DeclarationError, match=f"has no `{name}`") as error:
            getattr(counting, name)
        assert error.value.hint == f"Write `counting(...).{name}`."
    assert not hasattr(counting, "rum")


def test_a_step_that_is_to_run_by_itself_says_where_it_runs():
    with pytest.raises(DeclarationError, match="not by itself") as error:
        plus(b=1).run()
    assert error.value.hint == "To call the function itself: `plus.entrypoint(...)`."
    assert not hasattr(plus, "rum")


@pytest.mark.parametrize(
    "decide",
    [
        bool,
        lambda x: x > 3,
        lambda x: x == 1,
        lambda x: x != 1,
        lambda x: x + 1,
        lambda x: 1 - x,
        lambda x: x[0],
        lambda x: 1 in x,
        len,
        float,
    ],
)
def test_deciding_on_an_output_while_wiring_is_an_error(decide):
    @pipeline
    def deciding():
        if decide(one()):
            plus(1)

    with pytest.raises(DeclarationError, match="no value yet"):
        deciding()


def test_the_body_of_a_pipeline_is_not_left_active_by_an_error():
    @pipeline
    def broken():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        broken()
    assert plus(b=1).name == "plus"


@pytest.mark.parametrize(
    "source", ["pipeline(one)", "pipeline(3)", "step(step(len))", "step(3)", "step(int)"]
)
def test_decorating_something_else_than_a_function_is_an_error(source):
    expression = ast.parse(source, mode="eval")
    with pytest.raises(DeclarationError):
        eval(compile(expression, "test", "eval"), {"pipeline": pipeline, "step": step, "one": one})
