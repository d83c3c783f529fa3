"""Components below a condition run where it holds, are skipped where it does not, and a plan knows it."""

import ast
from pathlib import Path

import pytest

from zencache import DeclarationError, Repository, StepFailed, pipeline, step, tfx
from zencache.tfx.dsl.components import InputArtifact, OutputArtifact, OutputDict, Parameter, component
from zencache.tfx.dsl.experimental.conditionals import conditional
from zencache.tfx.dsl.placeholders import logical_and, logical_not, logical_or
from zencache.tfx.types import Artifact, Property, PropertyType
from zencache.tfx.types.standard_artifacts import Model, ModelBlessing, PushedModel, String

pytestmark = pytest.mark.usefixtures("project")


class Verdict(Artifact):
    TYPE_NAME = "Verdict"
    PROPERTIES = {"grade": Property(type=PropertyType.INT)}  # noqa: RUF012 - as TFX users write it


@component
def Train(model: OutputArtifact[Model], seed: Parameter[int] = 0):
    (Path(model.uri) / "model.txt").write_text(str(seed))


@component
def Evaluate(
    model: InputArtifact[Model],
    blessing: OutputArtifact[ModelBlessing],
    verdict: OutputArtifact[Verdict],
    loss: Parameter[float] = 0.1,
) -> OutputDict(measured=float, about=dict[str, int]):
    (Path(blessing.uri) / "said.txt").write_text(str(loss))
    (Path(verdict.uri) / "said.txt").write_text(str(loss))
    blessing.set_int_custom_property("blessed", int(loss < 0.5))
    blessing.set_int_custom_property("current_model_id", model.id)
    verdict.grade = int(loss * 10)
    return {"measured": loss, "about": {"rows": 3}}


@component
def Push(model: InputArtifact[Model], pushed: OutputArtifact[PushedModel]):
    (Path(pushed.uri) / "model.txt").write_text((Path(model.uri) / "model.txt").read_text())


@component
def Announce(pushed: InputArtifact[PushedModel], text: OutputArtifact[String]):
    text.value = "pushed"


@component
def Report(text: OutputArtifact[String], pushed: InputArtifact[PushedModel] = None):
    text.value = "nothing is pushed" if pushed is None else "pushed"


def blessed(evaluate):
    return evaluate.outputs["blessing"].future()[0].custom_property("blessed") == 1


def pushing(loss=0.1, seed=0, condition=blessed):
    train = Train(seed=seed)
    evaluate = Evaluate(model=train.outputs["model"], loss=loss)
    with tfx.dsl.Cond(condition(evaluate)):
        push = Push(model=train.outputs["model"])
    announce = Announce(pushed=push.outputs["pushed"])
    report = Report(pushed=push.outputs["pushed"])
    return tfx.dsl.Pipeline(pipeline_name="pushing", components=[announce, report, push, evaluate, train])


def statuses(run):
    return {name: step.status for name, step in run.steps.items()}


def test_what_a_condition_keeps_from_running_is_skipped_with_what_needs_it(caplog):
    run = pushing(loss=0.9).run()
    assert statuses(run) == {
        "Train": "completed",
        "Evaluate": "completed",
        "Push": "skipped",
        "Announce": "skipped",
        "Report": "completed",
    }
    assert run.status == "completed"
    assert run.steps["Report"].output.read().value == "nothing is pushed"
    assert "2 skipped" in caplog.text


def test_the_reason_is_recorded_and_logged(caplog):
    pushing(loss=0.9).run()
    steps = Repository().get_runs()[-1].steps
    said = "`Evaluate.blessing.blessed == 1` does not hold"
    assert steps["Push"].reason == said
    assert str(steps["Push"].why()) == f"Push: skipped, because {said}"
    assert steps["Announce"].reason == "it needs `Push`, which is skipped"
    assert f"Step `Push` is skipped: {said}." in caplog.text
    assert "Step `Push` has started" not in caplog.text


def test_what_a_condition_lets_run_is_cached_as_any_other():
    assert set(statuses(pushing().run()).values()) == {"completed"}
    assert set(statuses(pushing().run()).values()) == {"cached"}
    assert pushing(loss=0.9).run().steps["Push"].status == "skipped"
    assert set(statuses(pushing().run()).values()) == {"cached"}


def test_a_plan_agrees_with_the_run():
    predictions = lambda plan: {step.name: step.prediction.value for step in plan}  # noqa: E731
    first = pushing(loss=0.9).plan()
    assert first["Push"].prediction == "UNKNOWN"
    assert first["Push"].reasons == ("runs only if `Evaluate.blessing.blessed == 1`",)
    pushing(loss=0.9).run()
    pushing(loss=0.9).run()
    assert predictions(pushing(loss=0.9).plan()) == {
        "Train": "HIT",
        "Evaluate": "HIT",
        "Push": "SKIP",
        "Announce": "SKIP",
        "Report": "HIT",
    }
    pushing(loss=0.2).run()
    assert set(predictions(pushing(loss=0.2).plan()).values()) == {"HIT"}
    assert "SKIP" in str(pushing(loss=0.9).plan())
    assert "SKIP" in pushing(loss=0.9).plan()._repr_html_()


CONDITIONS = {
    "a value that is returned": (lambda e: e.outputs["measured"].future()[0].value < 0.5, True),
    "a value without a position": (lambda e: e.outputs["measured"].future().value >= 0.5, False),
    "an item of a value": (lambda e: e.outputs["about"].future().value["rows"] == 3, True),
    "a declared property": (lambda e: e.outputs["verdict"].future().property("grade") > 0, True),
    "a custom property that is not set": (
        lambda e: e.outputs["verdict"].future().custom_property("other") == 1,
        False,
    ),
    "a place": (lambda e: e.outputs["verdict"].future().uri != "", True),
    "two placeholders": (
        lambda e: e.outputs["measured"].future().value <= e.outputs["measured"].future().value,
        True,
    ),
    "and": (lambda e: logical_and(blessed(e), e.outputs["measured"].future().value > 0.5), False),
    "or": (lambda e: logical_or(blessed(e), e.outputs["measured"].future().value > 0.5), True),
    "not": (lambda e: logical_not(blessed(e)), False),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_reads(name):
    condition, holds = CONDITIONS[name]
    run = pushing(condition=condition).run()
    assert run.steps["Push"].status == ("completed" if holds else "skipped")
    text = run.record.definition["steps"][2]["conditions"]
    assert pushing(condition=condition).plan()["Push"].prediction == ("HIT" if holds else "SKIP"), text


def test_a_condition_reads_as_python():
    train = Train()
    evaluate = Evaluate(model=train.outputs["model"]).with_id("evaluate")
    both = logical_and(
        logical_or(blessed(evaluate), logical_not(blessed(evaluate))),
        evaluate.outputs["measured"].future().value < 0.5,
    )
    text = repr(both)
    ast.parse(text, mode="eval")
    assert text == (
        "(evaluate.blessing.blessed == 1 or not evaluate.blessing.blessed == 1) "
        "and evaluate.measured.value < 0.5"
    )


def test_blocks_stand_inside_of_each_other_and_every_condition_counts():
    def nested(loss):
        train = Train()
        evaluate = Evaluate(model=train.outputs["model"], loss=loss)
        large = conditional.Cond(evaluate.outputs["measured"].future().value > 0.05)
        with large, tfx.dsl.Cond(blessed(evaluate)):
            push = Push(model=train.outputs["model"])
        return tfx.dsl.Pipeline(pipeline_name="nested", components=[train, evaluate, push])

    assert nested(0.1).run().steps["Push"].status == "completed"
    assert nested(0.01).run().steps["Push"].status == "skipped"
    assert nested(0.9).run().steps["Push"].status == "skipped"


@step
def tell(model: list[Path]) -> str:
    return model[0].read_text()


def test_in_the_body_of_a_pipeline_steps_are_conditional_as_well():
    @pipeline
    def body(loss: float):
        model = Train().outputs["model"]
        evaluate = Evaluate(model=model, loss=loss)
        with tfx.dsl.Cond(blessed(evaluate)):
            tell(model)
        tell(model)

    run = body(0.9).run()
    assert statuses(run) == {
        "Train": "completed",
        "Evaluate": "completed",
        "tell": "skipped",
        "tell_2": "completed",
    }
    assert body(0.1).run().steps["tell"].is_cached


def test_a_copy_has_the_conditions():
    pushing(loss=0.9).run()
    copy = Repository().get_pipeline("pushing").copy("again")
    assert copy.plan()["Push"].prediction == "SKIP"
    assert copy.run().steps["Push"].reason == "`Evaluate.blessing.blessed == 1` does not hold"


def test_a_value_that_is_damaged_is_made_again_before_a_condition_reads_it():
    condition = CONDITIONS["a value that is returned"][0]
    run = pushing(condition=condition).run()
    file = Path(run.steps["Evaluate"].outputs["measured"].read().uri)
    file.chmod(0o644)
    file.write_text("0.9")
    again = pushing(condition=condition).run()
    assert again.steps["Evaluate"].status == "completed"
    assert again.steps["Push"].is_cached


def test_what_is_below_a_failed_component_is_skipped_because_of_that():
    @component
    def Fail(text: OutputArtifact[String]):
        raise RuntimeError("no")

    def failing():
        fail = Fail()
        with tfx.dsl.Cond(fail.outputs["text"].future().value == "yes"):
            train = Train()
        return tfx.dsl.Pipeline(pipeline_name="failing", components=[fail, train])

    with pytest.raises(StepFailed):
        failing().run()
    assert Repository().get_runs()[-1].steps["Train"].reason == "it needs `Fail`, which failed"


def test_a_condition_that_cannot_be_evaluated_fails_its_component():
    with pytest.raises(StepFailed, match=r"Step `Push` failed: .*A condition cannot be evaluated") as raised:
        pushing(condition=lambda e: e.outputs["verdict"].future().custom_property("other") > 1).run()
    assert raised.value.step == "Push"


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda e: tfx.dsl.Cond(True), "A condition is no comparison"),
        (lambda e: tfx.dsl.Cond(e.outputs["measured"].future()), "A condition is no comparison"),
        (lambda e: bool(e.outputs["measured"].future().value > 0.5), "not known while the pipeline is built"),
        (lambda e: e.outputs["measured"].future() > 0.5, "does not say what of an artifact it means"),
        (lambda e: e.outputs["measured"].future()[1], "An output is one artifact"),
        (lambda e: e.outputs["verdict"].future().value, "An artifact of files has no value"),
        (lambda e: e.outputs["verdict"].future().property("grad"), "Did you mean `grade`"),
        (lambda e: e.outputs["measured"].future().value == [1], "cannot be"),
        (lambda e: tfx.dsl.Channel(type=Model).future(), "reads an output of a component"),
        (lambda e: logical_and(blessed(e), 1), "A condition is no comparison"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(build, said):
    evaluate = Evaluate(model=Train().outputs["model"])
    with pytest.raises(DeclarationError, match=said):
        build(evaluate)


def test_a_condition_over_a_component_outside_of_the_pipeline_is_refused():
    train = Train()
    evaluate = Evaluate(model=train.outputs["model"])
    with tfx.dsl.Cond(blessed(evaluate)):
        push = Push(model=train.outputs["model"])
    with pytest.raises(DeclarationError, match="not in the pipeline"):
        tfx.dsl.Pipeline(pipeline_name="outside", components=[train, push])


@component
def UseModel(text: OutputArtifact[String], model: InputArtifact[Model] = None):
    text.value = "none" if model is None else (Path(model.uri) / "model.txt").read_text()


def resolving(loss, seed):
    train = Train(seed=seed)
    evaluate = Evaluate(model=train.outputs["model"], loss=loss)
    latest = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=Model),
        model_blessing=tfx.dsl.Channel(type=ModelBlessing),
    ).with_id("latest_blessed_model_resolver")
    latest.add_upstream_node(evaluate)
    use = UseModel(model=latest.outputs["model"])
    return tfx.dsl.Pipeline(pipeline_name="resolving", components=[train, evaluate, latest, use])


def test_the_latest_blessed_model_is_resolved():
    def used(loss, seed):
        return resolving(loss, seed).run().steps["UseModel"].output.read().value

    assert used(0.9, 1) == "none"
    assert used(0.1, 2) == "2"
    assert used(0.9, 3) == "2"
    assert used(0.2, 4) == "4"
    assert used(0.1, 2) == "4"  # the model of seed 2 is the same artifact as before, and older


def test_a_resolver_that_makes_no_sense_is_refused():
    strategy = tfx.dsl.experimental.LatestArtifactStrategy
    for build, said in [
        (
            lambda: tfx.dsl.Resolver(
                strategy, {"desired_num_of_artifacts": 2}, m=tfx.dsl.Channel(type=Model)
            ),
            "one",
        ),
        (
            lambda: tfx.dsl.Resolver(strategy, {"count": 2}, m=tfx.dsl.Channel(type=Model)),
            "`config` does not fit",
        ),
        (lambda: tfx.dsl.Resolver(strategy), "no channel"),
    ]:
        with pytest.raises(DeclarationError, match=said):
            build()


def test_a_condition_without_a_block_is_an_error_and_not_ignored():
    train = Train()
    evaluate = Evaluate(model=train.outputs["model"])
    tfx.dsl.Cond(blessed(evaluate))
    push = Push(model=train.outputs["model"])
    with pytest.raises(DeclarationError, match="it has no block") as error:
        tfx.dsl.Pipeline(pipeline_name="pushing", components=[train, evaluate, push])
    assert str(error.value.facts["condition"]) == "Evaluate.blessing.blessed == 1"


def test_a_condition_without_a_block_is_an_error_in_a_body_too():
    @pipeline
    def pushing_in_a_body():
        train = Train()
        tfx.dsl.Cond(blessed(Evaluate(model=train.outputs["model"])))
        Push(model=train.outputs["model"])

    with pytest.raises(DeclarationError, match="it has no block"):
        pushing_in_a_body()


def test_a_condition_may_be_made_before_its_block():
    train = Train()
    evaluate = Evaluate(model=train.outputs["model"], loss=0.9)
    condition = tfx.dsl.Cond(blessed(evaluate))
    with condition:
        push = Push(model=train.outputs["model"])
    run = tfx.dsl.Pipeline(pipeline_name="pushing", components=[train, evaluate, push]).run()
    assert statuses(run)["Push"] == "skipped"
