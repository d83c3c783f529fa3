"""What is declared or wired wrongly is refused before anything runs, saying where it is and what to do."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zencache import (
    BaseStepConfig,
    ConfigurationError,
    DeclarationError,
    Output,
    PickleMaterializer,
    Repository,
    ZencacheError,
    pipeline,
    step,
)


class Unknown:
    """A type that no materializer is for."""


class Uncopyable:
    """The same, and it cannot be copied."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class TrainerConfig(BaseStepConfig):
    epochs: int = 1
    rate: float = 0.1


@step
def source() -> int:
    return 1


@step
def pair() -> Output(left=int, right=int):
    return 1, 2


@step
def effect(x: int) -> None:
    pass


@step
def trainer(config: TrainerConfig, data: int) -> float:
    return config.rate * config.epochs * data


@step
def scaled(data: int, factor: float = 1.0) -> float:
    return data * factor


@step
def unknown_output(data: int) -> Unknown:
    return Unknown()


@step
def anything(data: Any) -> int:
    return 1


@step
def averaged(data: np.ndarray) -> float:
    return float(data.mean())


# name: (what is wrong, what the error has to say)
Case = tuple[Callable[[], Any], list[str]]
CASES: dict[str, Case] = {}


def case(*facts: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Collect a function that declares something wrong."""

    def collect(function: Callable[[], Any]) -> Callable[[], Any]:
        CASES[function.__name__.replace("_", " ")] = (function, list(facts))
        return function

    return collect


def wired(case_function: Callable[[], Any]) -> Callable[[], Any]:
    """The function is the body of a pipeline."""

    def bind() -> Any:
        return pipeline(case_function)()

    bind.__name__ = case_function.__name__
    return bind


# --- wiring


@case("unknown_output", "output", "Unknown", "PickleMaterializer")
@wired
def an_output_type_without_a_materializer():
    unknown_output(source())


@case("anything", "data", "Unknown")
@wired
def a_value_without_a_materializer():
    anything(Unknown())


@case("anything", "data", "Uncopyable")
@wired
def a_value_that_cannot_be_copied():
    anything(Uncopyable())


@case("trainer", "TrainerConfig", "epochs", "many", "integer")
@wired
def a_config_field_of_the_wrong_type():
    trainer(source(), epochs="many")


@case("trainer", "TrainerConfig", "epochs", "many", "integer")
@wired
def a_configured_field_of_the_wrong_type():
    CONFIGURED_WRONGLY(source())


CONFIGURED_WRONGLY = trainer(epochs="many")


@case("trainer", "`epoch`", "Did you mean `epochs`?")
@wired
def an_unknown_config_field():
    trainer(source(), epoch=2)


@case("trainer", "`epoch`", "Did you mean `epochs`?")
def an_unknown_config_field_outside_of_a_pipeline():
    trainer(epoch=2)


@case("trainer", "epochs", "source")
@wired
def an_output_given_for_a_config_field():
    trainer(source(), epochs=source())


@case("trainer", "config")
@wired
def a_config_given_twice():
    trainer(TrainerConfig(), data=source(), config=TrainerConfig(epochs=3))


@case("source", "test_wrong_declarations.py", 'name="..."')
@wired
def two_steps_of_one_name():
    @step(name="source")
    def other() -> int:
        return 2

    source()
    other()


@case("scaled", "missing: data", "test_wrong_declarations.py")
@wired
def a_missing_input():
    scaled(factor=2.0)


@case("trainer", "missing: data")
@wired
def a_missing_input_beside_a_config():
    trainer(TrainerConfig(epochs=2))


@case("source", "scaled", "effect", " -> ", "after")
@wired
def a_cycle_through_after():
    first = source()
    second = scaled(first)
    effect(1).after(second)
    first.after(effect)


@case("source", " -> ", "after")
@wired
def a_step_after_itself():
    first = source()
    first.after(first)


@case("effect")
@wired
def an_after_of_a_step_that_is_not_used():
    source().after(effect)


@case("scaled", "`factr`", "Did you mean `factor`?")
@wired
def an_unknown_argument():
    scaled(source(), factr=2.0)


@case("scaled", "`factr`", "Did you mean `factor`?")
def an_unknown_argument_outside_of_a_pipeline():
    scaled(factr=2.0)


@case("scaled", "2 inputs", "3 were given")
@wired
def too_many_arguments():
    scaled(source(), 2.0, 3.0)


@case("scaled", "data", "twice")
@wired
def an_argument_given_twice():
    scaled(source(), data=source())


@case("scaled", "factor", "float", "str", "'twice'")
@wired
def a_parameter_of_the_wrong_type():
    scaled(source(), factor="twice")


@case("scaled", "factor", "float", "str", "'twice'")
def a_parameter_of_the_wrong_type_outside_of_a_pipeline():
    scaled(factor="twice")


@case("averaged", "data", "ndarray", "list")
@wired
def data_of_the_wrong_type():
    averaged([1.0, 2.0])


@case("pair", "`middle`", "Known: `left`, `right`.")
@wired
def an_unknown_output():
    scaled(pair().middle)


@case("scaled", "data", "pair")
@wired
def all_outputs_given_as_one_input():
    scaled(pair())


@case("scaled", "data", "effect")
@wired
def the_result_of_a_step_without_outputs():
    scaled(effect(1))


@case("no name", "int, float", "Output(a=..., b=...)")
def outputs_without_names():
    Output(int, float)


@case("source", "output", "Output(a=..., b=...)")
@wired
def one_output_unpacked():
    _first, _second = source()


@case("source", "output", "inside a step")
@wired
def an_output_used_as_a_condition():
    if source():
        effect(1)


@case("scaled", "data", "source", "another pipeline")
def an_output_of_another_pipeline():
    kept = []

    @pipeline
    def one():
        kept.append(source())

    @pipeline
    def other():
        scaled(kept[0])

    one()
    other()


@case("inner", "body of another", "one after the other")
@wired
def a_pipeline_in_the_body_of_another():
    @pipeline
    def inner():
        source()

    inner()


@case("no_steps")
def a_pipeline_without_steps():
    @pipeline
    def no_steps():
        pass

    no_steps()


@case("sloted", "Did you mean `trainer`?")
def an_unknown_argument_of_a_pipeline():
    @pipeline
    def sloted(trainer):
        trainer(source())

    sloted(trainr=scaled)


@case("sloted", "trainer")
def a_missing_argument_of_a_pipeline():
    @pipeline
    def sloted(trainer):
        trainer(source())

    sloted()


@case("sloted", "`trainr`", "Did you mean `trainer`?")
def an_unknown_slot():
    @pipeline
    def sloted(trainer):
        trainer(source())

    sloted(trainer=scaled).replace(trainr=scaled)


# --- declaring


@case("enable_cache", "wordy", "'yes'")
def a_switch_that_is_a_text():
    @step(enable_cache="yes")
    def wordy() -> int:
        return 1


@case("enable_cache", "'yes'")
def a_switch_of_a_pipeline_that_is_a_text():
    @pipeline(enable_cache="yes")
    def wordy():
        source()


@case("step", "''")
def an_empty_name():
    @step(name="")
    def named() -> int:
        return 1


@case("step", "'a/b'", "without")
def a_name_with_a_slash():
    @step(name="a/b")
    def named() -> int:
        return 1


@case("pipeline", "100 bytes")
def a_name_of_1000_characters():
    @pipeline(name="x" * 1000)
    def named():
        source()


@case("step", "lambda", "name=")
def a_lambda():
    step(lambda: 1)


@case("decorates a function", "Unknown")
def a_class_as_a_step():
    step(Unknown)


@case("decorates a function", "partial")
def a_partial_as_a_step():
    step(name="part")(functools.partial(print, 1))


@case("decorates a function", "Called")
def an_instance_as_a_step():
    class Called:
        def __call__(self, x: int = 1) -> int:
            return x

    step(name="called")(Called())


@case("does not say what it takes", "max")
def a_function_in_c_without_a_signature():
    step(max)


@case("`run()`", "`refesh`", "Did you mean `refresh`?")
def an_unknown_option_of_a_run():
    pipeline(source_alone)().run(refesh=True)


@case("`plan()`", "`enable_cash`", "Did you mean `enable_cache`?")
def an_unknown_option_of_a_plan():
    pipeline(source_alone)().plan(enable_cash=True)


@case("`refresh`", "3", "trainer+")
def a_refresh_that_is_a_number():
    pipeline(source_alone)().run(refresh=3)


@case("`refresh`", "[3]", "trainer+")
def a_refresh_of_numbers():
    pipeline(source_alone)().plan(refresh=[3])


def source_alone():
    source()


@case("waits", "async")
def an_async_function():
    @step
    async def waits() -> int:
        return 1


@case("yields", "generator")
def a_generator():
    @step
    def yields() -> int:
        yield 1


@case("starred", "*args")
def a_function_of_any_arguments():
    @step
    def starred(*args: int) -> int:
        return 1


@case("twofold", "second")
def two_configs():
    @step
    def twofold(first: TrainerConfig, second: TrainerConfig) -> int:
        return 1


@case("twofold", "epochs")
def a_parameter_named_as_a_config_field():
    @step
    def twofold(config: TrainerConfig, epochs: int) -> int:
        return 1


@case("untyped", "NoSuchType")
def an_annotation_that_means_nothing():
    @step
    def untyped(x: NoSuchType) -> int:  # noqa: F821
        return 1


@case("materialized", "modl", "output")
def a_materializer_for_an_unknown_output():
    @step(materializers={"modl": PickleMaterializer})
    def materialized() -> int:
        return 1


@case("materialized", "output", "BaseMaterializer", "int")
def a_materializer_that_is_none():
    @step(materializers=int)
    def materialized() -> int:
        return 1


@case("source", "already")
def a_step_of_a_step():
    step(source)


@pytest.mark.parametrize("name", list(CASES))
def test_it_is_an_error_that_says_what_is_wrong_and_nothing_is_recorded(project, name):
    declare, facts = CASES[name]

    with pytest.raises(DeclarationError) as refused:
        declare()

    for fact in facts:
        assert fact in str(refused.value)
    assert not (project / ".zencache").exists()


@pytest.mark.parametrize("name", list(CASES))
def test_the_error_says_what_to_do(project, name):
    with pytest.raises(DeclarationError) as refused:
        CASES[name][0]()

    assert refused.value.hint


@pytest.mark.parametrize("field", [{"epochs": "many"}, {"epoch": 2}], ids=["wrong type", "unknown"])
def test_a_config_of_its_own_checks_its_fields(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        TrainerConfig(**field)


def test_a_wrong_switch_of_a_run_is_an_error_and_no_run_is_recorded(project):
    @pipeline
    def fine():
        source()

    with pytest.raises(DeclarationError, match="enable_cache"):
        fine().run(enable_cache="no")  # type: ignore[arg-type]

    assert Repository().get_runs() == []


@pytest.mark.parametrize("run_name", ["", "a/b", "x" * 300, "a\nb", 5])
def test_a_wrong_name_of_a_run_is_an_error_and_no_run_is_recorded(project, run_name):
    @pipeline
    def fine():
        source()

    with pytest.raises(DeclarationError, match="run"):
        fine().run(run_name=run_name)

    assert Repository().get_runs() == []


def test_a_name_of_a_run_that_is_taken_is_an_error_and_the_first_run_stays(project):
    @pipeline
    def fine():
        source()

    fine().run(run_name="once")
    with pytest.raises(DeclarationError, match="once") as refused:
        fine().run(run_name="once")

    assert "run_name" in (refused.value.hint or "")
    assert [(run.name, run.status) for run in Repository().get_runs()] == [("once", "completed")]


def test_a_wrong_switch_in_the_environment_is_an_error_before_anything_is_recorded(project, monkeypatch):
    @pipeline
    def fine():
        source()

    monkeypatch.setenv("ZENCACHE_ENABLE_CACHE", "maybe")
    with pytest.raises(ConfigurationError, match="maybe") as refused:
        fine().run()

    assert "ZENCACHE_ENABLE_CACHE" in str(refused.value)
    assert refused.value.hint
    monkeypatch.delenv("ZENCACHE_ENABLE_CACHE")
    assert Repository().get_runs() == []


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ('[tool.zencache]\nmetdata = "x.db"\n', "metadata"),
        ("[tool.zencache]\nmetadata = 5\n", "metadata = 5"),
        ("[tool.zencache\n", "pyproject.toml"),
        ('[tool]\nzencache = "here"\n', "zencache"),
        ('[tool.zencache]\nlease_expiry = "soon"\n', "lease_expiry = 'soon'"),
        ("[tool.zencache]\nlease_expiry = true\n", "lease_expiry = True"),
    ],
    ids=["unknown key", "number", "no TOML", "no table", "text for a number", "bool for a number"],
)
def test_a_wrong_setting_of_the_project_is_an_error_that_names_the_file(project, text, fact):
    Path("pyproject.toml").write_text(text)

    with pytest.raises(ZencacheError, match=r"pyproject\.toml") as refused:
        Repository()

    assert isinstance(refused.value, ConfigurationError)
    assert fact in str(refused.value)


@pytest.mark.parametrize("seconds", ["soon", "0", "-5", "0.5", "nan", "inf"])
def test_a_wrong_expiry_of_leases_is_an_error_that_says_what_is_expected(project, monkeypatch, seconds):
    monkeypatch.setenv("ZENCACHE_LEASE_EXPIRY", seconds)

    with pytest.raises(ConfigurationError, match="seconds, 1 or more") as refused:
        Repository()

    assert seconds in str(refused.value)
    assert "ZENCACHE_LEASE_EXPIRY" in str(refused.value)


@pytest.mark.parametrize("metadata", ["sqlite://file.db", "sqlite:///", "ftp://host/x", "sqlite:metadata"])
def test_a_wrong_metadata_url_is_an_error_or_a_path(project, metadata):
    if "://" not in metadata:
        assert Repository(metadata=metadata).metadata_url == f"sqlite:///{project / metadata}"
        return
    with pytest.raises(ConfigurationError) as refused:
        Repository(metadata=metadata)

    assert metadata in str(refused.value)
    assert "sqlite:///" in (refused.value.hint or "")


@pytest.mark.parametrize("artifacts", ["nosuch://bucket/x", "pyproject.toml"], ids=["protocol", "file"])
def test_a_wrong_artifacts_url_is_an_error(project, artifacts):
    with pytest.raises(ConfigurationError, match="artifact store") as refused:
        Repository(artifacts=artifacts)

    assert artifacts in str(refused.value)
    assert refused.value.hint
