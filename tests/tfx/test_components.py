"""Components are steps: one cache, one history, artifacts by reference, and a pipeline may mix both."""

import os
from pathlib import Path

import pytest
from adding import AddUp, MakeNumbers, Numbers, Report, Total, adding

from zencache import DeclarationError, Repository, StepFailed, pipeline, step, tfx
from zencache.exceptions import PropertyError
from zencache.tfx.dsl.components import InputArtifact, OutputArtifact, OutputDict, Parameter, component
from zencache.tfx.types import standard_artifacts


def statuses(run):
    return {name: step.status for name, step in run.steps.items()}


def test_components_run_in_the_order_of_their_data(project):
    run = adding(project).run()
    assert list(run.steps) == ["MakeNumbers", "AddUp", "Report"]
    assert run.steps["Report"].output.read().value == "3.0 of 3, 1.0 on average ['', 'n']"


def test_the_second_run_is_cached_and_gives_the_same_artifacts(project):
    first, second = adding(project).run(), adding(project).run()
    assert set(statuses(second).values()) == {"cached"}
    for name in first.steps:
        for output, artifact in first.steps[name].outputs.items():
            assert second.steps[name].outputs[output].id == artifact.id


def test_the_properties_of_an_artifact_come_back_exactly(project):
    adding(project).run()
    numbers = adding(project).run().steps["MakeNumbers"].output.read()
    assert type(numbers) is Numbers
    assert (numbers.span, numbers.share, numbers.about) == (7, 0.1234567890123, {"by": ["me"]})
    assert numbers.colour == ""
    assert not numbers.has_property("colour")
    assert numbers.get_string_custom_property("owner") == "ann"


def test_a_changed_property_is_a_changed_input(project):
    first = adding(project).run()
    second = adding(project, span=8).run()
    assert statuses(second) == {"MakeNumbers": "completed", "AddUp": "completed", "Report": "cached"}
    before, after = (run.steps["MakeNumbers"].output for run in (first, second))
    assert before.digest != after.digest
    assert before.uri == after.uri, "the files are stored once"


def test_a_changed_parameter_reruns_what_is_below_it_and_nothing_else(project):
    adding(project).run()
    assert statuses(adding(project, scale=2.0).run()) == {
        "MakeNumbers": "cached",
        "AddUp": "completed",
        "Report": "completed",
    }


def test_a_plan_agrees_with_the_run(project):
    adding(project).run()
    assert [one.prediction.value for one in adding(project, scale=2.0).plan()] == ["HIT", "MISS", "UNKNOWN"]
    assert [one.prediction.value for one in adding(project).plan()] == ["HIT", "HIT", "HIT"]


def test_the_reason_of_a_rerun_names_the_parameter(project):
    adding(project).run()
    why = str(adding(project, scale=2.0).run().steps["AddUp"].why())
    assert "parameter scale: 1.0 -> 2.0" in why


def test_an_input_is_read_only(project):
    numbers = adding(project).run().steps["MakeNumbers"].output.read()
    assert {file.stat().st_mode & 0o222 for file in Path(numbers.uri).iterdir()} == {0}


def test_enable_cache_false_runs_everything(project):
    adding(project).run()
    assert set(statuses(adding(project, enable_cache=False).run()).values()) == {"completed"}


def test_a_remote_artifact_store_gives_a_verified_local_copy(project):
    metadata = str(project / "metadata.db")
    repository = Repository(metadata=metadata, artifacts="memory://components")
    adding(project).run(repository=repository)
    run = adding(project, scale=3.0).run(repository=repository)
    assert statuses(run)["MakeNumbers"] == "cached"
    numbers = run.steps["MakeNumbers"].output
    assert numbers.uri.startswith("memory://")
    assert sorted(os.listdir(numbers.read().uri)) == ["0.txt", "1.txt", "2.txt"]


def test_a_component_takes_the_cache_options_of_a_step(project):
    @component(enable_cache=False, cache_version="2")
    def Always(total: OutputArtifact[Total]):
        (Path(total.uri) / "total.txt").write_text("1")

    tfx.dsl.Pipeline("always", components=[Always()]).run()
    again = tfx.dsl.Pipeline("always", components=[Always()]).run()
    assert again.steps["Always"].status == "completed"
    with pytest.raises(DeclarationError, match="`enable_cache` is True, False or None"):
        component(enable_cache="no")(Always.entrypoint)


def test_with_id_lets_a_pipeline_use_a_component_twice(project):
    made = MakeNumbers(count=2)
    pipe = tfx.dsl.Pipeline(
        "twice",
        components=[
            made,
            AddUp(numbers=made.outputs["numbers"]),
            AddUp(numbers=made.outputs["numbers"], scale=2.0).with_id("second"),
        ],
    )
    run = tfx.orchestration.LocalDagRunner().run(pipe)
    assert list(run.steps) == ["MakeNumbers", "AddUp", "second"]
    assert run.steps["second"].step_name == "AddUp"


# -- mixing


@step
def double(numbers: list[str]) -> list:
    return [2 * int(Path(file).read_text()) for file in numbers]


@step
def biggest(numbers: list, mean: float = 0.0) -> int:
    return max(numbers)


@component
def Halve(number: int, half: OutputArtifact[standard_artifacts.Float]):
    half.value = number / 2


@pipeline
def mixed(count: int = 3):
    made = MakeNumbers(count=count)
    added = AddUp(numbers=made.outputs["numbers"])
    numbers = double(made.outputs["numbers"])
    Halve(number=biggest(numbers, mean=added.outputs["mean"]))


def test_components_stand_beside_steps_in_the_body_of_a_pipeline(project):
    run = mixed().run()
    assert run.steps["double"].output.read() == [0, 2, 4]
    assert run.steps["Halve"].output.read().value == 2.0
    assert set(statuses(mixed().run()).values()) == {"cached"}


def test_a_step_stands_among_components(project):
    made = MakeNumbers()
    doubled = component(double)(numbers=made.outputs["numbers"])
    run = tfx.dsl.Pipeline("mixing", components=[made, doubled]).run()
    assert run.steps["double"].output.read() == [0, 2, 4]
    assert statuses(mixed().run())["double"] == "cached", "the key is the step's own"


def test_a_component_can_be_given_for_a_slot(project):
    @pipeline
    def slots(maker):
        double(maker().outputs["numbers"])

    assert slots(MakeNumbers).run().steps["double"].output.read() == [0, 2, 4]


# -- importer and resolver


@component
def ReadAll(numbers: InputArtifact[Numbers], text: OutputArtifact[standard_artifacts.String]):
    text.value = f"{numbers.span}: " + " ".join(
        sorted(file.read_text() for file in Path(numbers.uri).iterdir())
    )


def importing(folder, reimport=False, span=1):
    imported = tfx.dsl.Importer(
        source_uri=str(folder), artifact_type=Numbers, reimport=reimport, properties={"span": span}
    ).with_id("numbers")
    return tfx.dsl.Pipeline("importing", components=[imported, ReadAll(numbers=imported.outputs["result"])])


@pytest.fixture
def source(project):
    folder = project / "source"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    return folder


def test_an_importer_refers_to_files_and_copies_nothing(source):
    run = importing(source).run()
    imported = run.steps["numbers"].output
    assert imported.uri == str(source)
    assert imported.properties["is_external"] == 1
    assert run.steps["ReadAll"].output.read().value == "1: a"
    assert statuses(importing(source).run()) == {"numbers": "cached", "ReadAll": "cached"}


def test_changed_files_and_properties_run_what_takes_an_imported_artifact(source):
    importing(source).run()
    (source / "b.txt").write_text("b")
    assert importing(source).run().steps["ReadAll"].output.read().value == "1: a b"
    assert importing(source, span=2).run().steps["ReadAll"].output.read().value == "2: a b"
    (source / "b.txt").unlink()
    assert set(statuses(importing(source).run()).values()) == {"cached"}


def test_reimport_makes_a_new_artifact_each_time(source):
    first = importing(source, reimport=True).run().steps["numbers"].output
    again = importing(source, reimport=True).run()
    assert again.steps["numbers"].output.id != first.id
    assert again.steps["ReadAll"].is_cached, "its content is the same"


def test_an_importer_of_nothing_fails_and_names_the_place(source):
    with pytest.raises(StepFailed, match="not there"):
        importing(source / "missing").run()


@component
def Compare(
    total: InputArtifact[Total],
    text: OutputArtifact[standard_artifacts.String],
    before: InputArtifact[Total] = None,
):
    earlier = "nothing" if before is None else (Path(before.uri) / "total.txt").read_text()
    text.value = f"{earlier} -> {(Path(total.uri) / 'total.txt').read_text()}"


def comparing(scale, optional=True):
    latest = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
        total=tfx.dsl.Channel(type=Total),
    ).with_id("latest")
    made = MakeNumbers()
    added = AddUp(numbers=made.outputs["numbers"], scale=scale)
    added.add_upstream_node(latest)
    compared = Compare(total=added.outputs["total"], before=latest.outputs["total"])
    return tfx.dsl.Pipeline("comparing", components=[latest, made, added, compared])


def test_a_resolver_gives_the_latest_artifact_of_the_pipeline(project):
    texts = [comparing(scale).run().steps["Compare"].output.read().value for scale in (1.0, 2.0, 3.0)]
    assert texts == ["nothing -> 3.0", "3.0 -> 6.0", "6.0 -> 9.0"]


def test_a_resolver_is_not_taken_from_the_cache_and_what_takes_the_same_artifact_is(project):
    comparing(1.0).run()
    comparing(1.0).run()
    third = comparing(1.0).run(enable_cache=True)
    assert third.steps["latest"].status == "completed"
    assert third.steps["Compare"].is_cached
    assert third.steps["latest"].output.id == third.steps["AddUp"].outputs["total"].id
    assert third.steps["latest"].output.producer_step.name == "AddUp"


def test_a_required_input_for_which_nothing_is_found_fails_its_component(project):
    latest = tfx.dsl.Resolver(numbers=tfx.dsl.Channel(type=Numbers))
    pipe = tfx.dsl.Pipeline("missing", components=[latest, AddUp(numbers=latest.outputs["numbers"])])
    with pytest.raises(StepFailed, match="Nothing has been found"):
        pipe.run()


# -- what goes wrong when a component runs


def one(factory, **arguments):
    return tfx.dsl.Pipeline("one", components=[factory(**arguments)])


@component
def Careless(total: OutputArtifact[Total], how: Parameter[str]):
    folder = Path(total.uri)
    if how == "link":
        (folder / "link").symlink_to("/etc/hostname")
    elif how == "elsewhere":
        total.uri = str(folder.parent)
    elif how == "gone":
        folder.rmdir()
    elif how == "folder":
        (folder / "empty").mkdir()
    elif how == "property":
        total.colour = "red"
    elif how == "raise":
        (folder / "half").write_text("half")
        raise RuntimeError("half-way")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("nothing", "Nothing was written"),
        ("folder", "Nothing was written"),
        ("link", "symbolic link"),
        ("elsewhere", "changed the `uri`"),
        ("gone", "is gone, or was replaced"),
        ("property", "does not declare: `colour`"),
        ("raise", "half-way"),
    ],
)
def test_an_output_that_is_not_whole_fails_the_component_and_leaves_nothing(project, how, said):
    with pytest.raises(StepFailed, match=said):
        one(Careless, how=how).run()
    store = project / ".zencache" / "artifacts"
    assert list(store.rglob("payload")) == []
    assert Repository().get_runs()[-1].steps["Careless"].status == "failed"


@component
def Returns(how: Parameter[str]) -> OutputDict(count=int, word=str | None):
    return {
        "fine": {"count": 1, "word": None},
        "nothing": None,
        "too few": {"count": 1},
        "too many": {"count": 1, "word": "a", "other": 1},
        "wrong type": {"count": "one", "word": "a"},
        "none": {"count": None, "word": "a"},
        "no dict": [1, "a"],
    }[how]


def test_an_optional_value_may_be_none(project):
    outputs = one(Returns, how="fine").run().steps["Returns"].outputs
    assert outputs["count"].read().value == 1
    assert outputs["word"].read().value is None


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("nothing", "other than a dict"),
        ("too few", "other than a dict"),
        ("too many", "other than a dict"),
        ("no dict", "other than a dict"),
        ("wrong type", "wrong type"),
        ("none", "wrong type"),
    ],
)
def test_a_component_returns_what_it_declares(project, how, said):
    with pytest.raises(StepFailed, match=said):
        one(Returns, how=how).run()


@pytest.mark.parametrize("how", ["damaged", "deleted"])
def test_an_output_that_is_damaged_afterwards_is_made_again_and_named(project, how):
    first = adding(project).run()
    file = Path(first.steps["MakeNumbers"].output.read().uri) / "1.txt"
    file.parent.chmod(0o755)
    if how == "deleted":
        file.unlink()
    else:
        file.chmod(0o644)
        file.write_text("1234")
    again = adding(project).run()
    assert statuses(again) == {"MakeNumbers": "completed", "AddUp": "cached", "Report": "cached"}
    assert "1.txt" in str(again.steps["MakeNumbers"].why())


def test_a_file_that_was_added_to_an_input_is_seen_by_no_other_component(project):
    first = adding(project).run()
    folder = Path(first.steps["MakeNumbers"].output.read().uri)
    (folder / "99.txt").write_text("99")
    again = adding(project, scale=2.0).run()
    assert again.steps["Report"].output.read().value == "6.0 of 3, 1.0 on average ['', 'n']"
    assert again.steps["MakeNumbers"].status == "completed"
    assert "damaged" in again.steps["MakeNumbers"].reason


def test_a_copy_runs_in_the_same_stores(project):
    adding(project).run()
    copied = adding(project).copy("adding again")
    assert set(statuses(copied.run()).values()) == {"cached"}


def test_one_of_several_artifact_types_can_be_taken(project):
    @step
    def either(data: Numbers | Total) -> str:
        return data.type_name

    @pipeline
    def choosing():
        either(MakeNumbers().outputs["numbers"])

    assert choosing().run().steps["either"].output.read() == "Numbers"


# -- properties


def test_a_property_takes_only_values_of_its_type():
    numbers = Numbers()
    for name, value in [("span", 1.0), ("span", True), ("share", 1), ("about", object()), ("colour", 1)]:
        with pytest.raises(PropertyError, match=f"wrong type: `{name}`"):
            setattr(numbers, name, value)
    with pytest.raises(AttributeError, match="no property `colors`"):
        _ = numbers.colors


def test_examples_have_splits():
    examples = standard_artifacts.Examples()
    examples.uri = "/data"
    examples.splits = ["train", "eval"]
    assert examples.split_names == '["train", "eval"]'
    assert examples.path(split="train") == "/data/Split-train"
    with pytest.raises(ValueError, match="no split `test`"):
        examples.path(split="test")
    with pytest.raises(ValueError, match="cannot have this name"):
        examples.splits = ["-train"]


def test_an_annotated_value_artifact_is_one_class():
    metrics = tfx.dsl.standard_annotations.Metrics
    kind = standard_artifacts.Float.annotate_as(metrics)
    assert kind is standard_artifacts.Float.annotate_as(metrics)
    assert kind.TYPE_NAME == "Float_Metrics"
    assert kind.TYPE_ANNOTATION is metrics


# -- wiring


def test_an_output_of_another_artifact_type_is_refused(project):
    made = MakeNumbers()
    with pytest.raises(DeclarationError, match="another artifact type"):
        tfx.dsl.Pipeline("wrong", components=[made, Compare(total=made.outputs["numbers"])])


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda made: [made, MakeNumbers()], "Two components have one id"),
        (lambda made: [AddUp(numbers=made.outputs["numbers"])], "not in the pipeline"),
        (lambda made: [MakeNumbers], "takes components that have been called"),
        (lambda made: [made, AddUp(numbers=made.outputs["number"])], "no output `number`"),
        (lambda made: [AddUp()], "An input is missing"),
        (lambda made: [MakeNumbers(counts=1)], "no input or parameter `counts`"),
        (lambda made: [MakeNumbers(1)], "by name"),
        (lambda made: [MakeNumbers(count="three")], "does not fit"),
    ],
)
def test_a_pipeline_that_cannot_run_is_refused_when_it_is_built(project, build, said):
    with pytest.raises(DeclarationError, match=said):
        tfx.dsl.Pipeline("wrong", components=build(MakeNumbers()))


def test_components_that_wait_for_each_other_are_refused(project):
    made = MakeNumbers()
    added = AddUp(numbers=made.outputs["numbers"])
    made.add_upstream_node(added)
    with pytest.raises(DeclarationError, match="wait for each other"):
        tfx.dsl.Pipeline("wrong", components=[made, added])


def test_in_a_body_importers_resolvers_and_the_order_of_components_count(source):
    (source / "a.txt").write_text("5")

    @pipeline
    def body():
        numbers = tfx.dsl.Importer(source_uri=str(source), artifact_type=Numbers).outputs["result"]
        latest = tfx.dsl.Resolver(total=tfx.dsl.Channel(type=Total, producer_component_id="AddUp"))
        added = AddUp(numbers=numbers)
        latest.add_upstream_node(added)
        added.with_beam_pipeline_args(["--runner=SomeRunner"])
        Report(
            total=latest.outputs["total"],
            count=added.outputs["count"],
            mean=added.outputs["mean"],
            names=added.outputs["names"],
        )

    bound = body()
    assert list(bound.steps) == ["Importer", "Resolver", "AddUp", "Report"]
    assert bound.steps["Resolver"].after == ("AddUp",)
    assert bound.steps["AddUp"].step.beam_pipeline_args == ("--runner=SomeRunner",)
    assert bound.run().steps["Report"].status == "completed"


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda made: AddUp(numbers=made), r"instead of one of its outputs[\s\S]*outputs\[.numbers.\]"),
        (lambda made: AddUp(numbers=made.outputs), "instead of one of its outputs"),
        (lambda made: AddUp(numbers=[made.outputs["numbers"]]), "Several outputs are given for one input"),
        (lambda made: AddUp(numbers=tfx.dsl.Channel(type=Numbers)), "no component of the pipeline fills"),
        (lambda made: made.outputs.numbers, r"Write `.outputs\[.numbers.\]`"),
        (lambda made: made.outputs.number, "Did you mean `numbers`"),
        (lambda made: made.add_upstream_node("other"), "waits for another component"),
        (lambda made: made.with_id("a/b"), "cannot have this name"),
        (lambda made: made.with_beam_pipeline_args("--runner=x"), "takes a list of options"),
        (lambda made: tfx.dsl.Pipeline("p", components=made), "takes a list of components"),
        (lambda made: tfx.dsl.Pipeline("p", components=[]), "takes a list of components"),
        (lambda made: tfx.dsl.Pipeline("p", components=[made], enable_cache="yes"), "True, False or None"),
        (lambda made: tfx.dsl.Importer(source_uri=None, artifact_type=Numbers), "takes a path or a URL"),
    ],
)
def test_a_slip_of_the_pen_is_refused_where_it_stands(build, said):
    with pytest.raises(DeclarationError, match=said):
        build(MakeNumbers())
