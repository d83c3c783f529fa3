"""A step that does not return what it declares fails by name, and nothing that had finished is lost."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from inspection import files_in_staging, mlmd_states, statuses, unsound_objects

from zencache import (
    ArtifactDamaged,
    BaseMaterializer,
    MaterializerError,
    Output,
    OutputError,
    Repository,
    StepFailed,
    pipeline,
    step,
)


class Unknown:
    """A type that no materializer is for."""


class Sealed:
    """What :class:`OneWayMaterializer` saves."""


class OneWayMaterializer(BaseMaterializer):
    """Its author forgot that files have to be read again."""

    types = (Sealed,)

    def save(self, value: Any, directory: Path) -> None:
        (directory / "sealed").write_text("x")

    def load(self, directory: Path, type: type) -> Any:
        raise ZeroDivisionError("no way back")


class Mute(Exception):
    """Cannot be shown: an error in the error."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@step
def before() -> int:
    return 1


@step
def wrong_type(x: int) -> int:
    return "three"  # type: ignore[return-value]


@step
def wrong_member(x: int) -> list[int]:
    return [1, 2, "three"]  # type: ignore[list-item]


@step
def nothing(x: int) -> float:
    pass  # type: ignore[return-value]


@step
def too_few(x: int) -> Output(a=int, b=int, c=int):
    return 1, 2


@step
def too_many(x: int) -> Output(a=int, b=int):
    return 1, 2, 3


@step
def one_of_two(x: int) -> Output(a=int, b=int):
    return 1


@step
def wrong_second(x: int) -> Output(a=int, b=int):
    return 1, "two"


@step
def undeclared(x: int):
    return 5


@step
def no_materializer(x: int) -> Any:
    return Unknown()


@step
def no_materializer_inside(x: int) -> list:
    return [1, Unknown()]


# step: what is raised, and what its text has to say
RESULTS = {
    wrong_type: (OutputError, ["wrong_type", "output", "int", "str", "'three'"]),
    wrong_member: (OutputError, ["wrong_member", "list[int]", "'three'"]),
    nothing: (OutputError, ["nothing", "float", "None"]),
    too_few: (OutputError, ["too_few", "3: a, b, c", "2 values"]),
    too_many: (OutputError, ["too_many", "2: a, b", "3 values"]),
    one_of_two: (OutputError, ["one_of_two", "2: a, b", "one int"]),
    wrong_second: (OutputError, ["wrong_second", "output: b", "int", "'two'"]),
    undeclared: (OutputError, ["undeclared", "declares no output", "int"]),
    no_materializer: (MaterializerError, ["no_materializer", "output: output", "Unknown", "Pickle"]),
    no_materializer_inside: (MaterializerError, ["value[1]", "Unknown", "PickleMaterializer"]),
}


def bind(bad: Any) -> Any:
    @pipeline
    def results():
        bad(before())

    return results()


@pytest.mark.parametrize("bad", RESULTS, ids=lambda bad: bad.name)
def test_the_run_fails_naming_the_step_and_is_chained_to_what_was_wrong(project, bad):
    kind, facts = RESULTS[bad]

    with pytest.raises(StepFailed) as failed:
        bind(bad).run()

    assert failed.value.step == bad.name
    assert list(failed.value.failures) == [bad.name]
    cause = failed.value.__cause__
    assert type(cause) is kind
    assert cause is failed.value.failures[bad.name]
    for fact in facts:
        assert fact in str(cause)
        assert fact in str(failed.value)
    assert cause.hint


@pytest.mark.parametrize("bad", RESULTS, ids=lambda bad: bad.name)
def test_the_failure_is_in_mlmd_and_what_ran_before_hits_next_time(project, bad):
    for _ in range(2):
        with pytest.raises(StepFailed):
            bind(bad).run()

    repository = Repository()
    first, second = repository.get_runs()
    assert first.status == second.status == "failed"
    assert statuses(first) == {"before": "completed", bad.name: "failed"}
    assert statuses(second) == {"before": "cached", bad.name: "failed"}
    store = repository.store
    assert [s for name, s in mlmd_states(store) if name == bad.name] == ["FAILED", "FAILED"]
    for execution in store.get_executions_by_type(bad.name):
        recorded = execution.custom_properties["zencache_error"].string_value
        assert recorded.startswith(RESULTS[bad][0].__name__)
        assert RESULTS[bad][1][0] in recorded
        events = store.get_events_by_execution_ids([execution.id])
        assert [event.Type.Name(event.type) for event in events] == ["INPUT"]
    assert second.steps[bad.name].outputs == {}
    artifacts = project / ".zencache" / "artifacts"
    assert unsound_objects(artifacts) == []
    assert files_in_staging(artifacts) == []


def test_an_error_in_the_body_is_the_cause_and_its_traceback_is_kept(project):
    @step
    def broken(x: int) -> int:
        return {}["no such key"]

    with pytest.raises(StepFailed, match="broken") as failed:
        bind(broken).run()

    assert type(failed.value.__cause__) is KeyError
    assert "no such key" in str(failed.value)
    view = Repository().get_runs()[-1].steps["broken"]
    assert view.error == "KeyError: 'no such key'"
    (execution,) = Repository().store.get_executions_by_type("broken")
    assert 'return {}["no such key"]' in execution.custom_properties["zencache_traceback"].string_value


def test_steps_that_do_not_depend_on_a_failure_finish_and_all_failures_are_listed(project):
    @step
    def fails(x: int) -> int:
        raise ValueError(f"first of {x}")

    @step
    def below(x: int) -> int:
        return x

    @step
    def beside(x: int) -> int:
        return x + 1

    @step
    def fails_too(x: int) -> int:
        raise TypeError(f"second of {x}")

    @pipeline
    def branches():
        start = before()
        below(fails(start))
        fails_too(beside(start))

    with pytest.raises(StepFailed) as failed:
        branches().run()

    assert failed.value.step == "fails"
    assert list(failed.value.failures) == ["fails", "fails_too"]
    assert [type(error) for error in failed.value.failures.values()] == [ValueError, TypeError]
    assert "fails_too" in str(failed.value)
    run = Repository().get_runs()[-1]
    assert statuses(run) == {
        "before": "completed",
        "fails": "failed",
        "below": "skipped",
        "fails_too": "failed",
        "beside": "completed",
    }


def test_a_step_that_failed_runs_again_and_then_is_recorded(project):
    @step
    def needs_a_file(x: int) -> int:
        return x + int(Path("number.txt").read_text())

    with pytest.raises(StepFailed, match="needs_a_file") as failed:
        bind(needs_a_file).run()
    assert type(failed.value.__cause__) is FileNotFoundError
    Path("number.txt").write_text("41")
    run = bind(needs_a_file).run()

    assert statuses(run) == {"before": "cached", "needs_a_file": "completed"}
    assert run.steps["needs_a_file"].output.read() == 42
    assert statuses(bind(needs_a_file).run()) == {"before": "cached", "needs_a_file": "cached"}


def test_one_unusable_output_of_several_leaves_none_of_them_recorded(project):
    @step
    def half(x: int) -> Output(good=int, bad=Any):
        return 7, Unknown()

    with pytest.raises(StepFailed, match="output: bad"):
        bind(half).run()

    assert Repository().get_runs()[-1].steps["half"].outputs == {}
    assert [artifact.read() for artifact in Repository().artifacts()] == [1]


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "a\0b", "\ud800", "\\ ' \" \n %s {}"], ids=["long", "nul", "surrogate", "marks"]
)
def test_any_text_of_an_error_can_be_recorded(project, monkeypatch, text):
    # What a test has logged is sent to the process that reports, which cannot send a lone surrogate.
    monkeypatch.setattr(logging.getLogger("zencache"), "disabled", True)

    @step
    def talks(x: int, text: str) -> int:
        raise ValueError(text)

    @pipeline
    def talking():
        talks(before(), text)

    with pytest.raises(StepFailed, match="talks") as failed:
        talking().run()

    assert type(failed.value.__cause__) is ValueError
    run = Repository().get_runs()[-1]
    assert statuses(run) == {"before": "completed", "talks": "failed"}
    assert run.steps["talks"].error.startswith("ValueError: ")
    if text.isprintable() and len(text) < 1000:
        assert run.steps["talks"].error == f"ValueError: {text}"


def test_an_error_that_cannot_be_shown_fails_its_step_like_any_other(project):
    @step
    def mute(x: int) -> int:
        raise Mute

    with pytest.raises(StepFailed, match="mute") as failed:
        bind(mute).run()

    assert type(failed.value.__cause__) is Mute
    run = Repository().get_runs()[-1]
    assert run.status == "failed"
    assert statuses(run) == {"before": "completed", "mute": "failed"}
    assert "Mute" in run.steps["mute"].error


def sealing_pipeline():
    @step
    def seals(x: int) -> Sealed:
        return Sealed()

    @step
    def opens(x: Sealed) -> int:
        return 1

    @pipeline
    def sealing():
        opens(seals(before()))

    return sealing()


@pytest.mark.parametrize("earlier_runs", [0, 1])
def test_an_output_that_cannot_be_loaded_fails_the_step_that_needs_it(project, earlier_runs):
    for _ in range(earlier_runs):
        with pytest.raises(StepFailed):
            sealing_pipeline().run()
    with pytest.raises(StepFailed) as failed:
        sealing_pipeline().run()

    assert failed.value.step == "opens"
    assert type(failed.value.__cause__) is MaterializerError
    assert "ZeroDivisionError: no way back" in str(failed.value)
    assert "OneWayMaterializer" in str(failed.value)


@pytest.mark.parametrize("earlier_runs", [0, 1])
def test_a_step_whose_input_cannot_be_loaded_is_recorded_as_failed(project, earlier_runs):
    for _ in range(earlier_runs + 1):
        with pytest.raises(StepFailed):
            sealing_pipeline().run()

    run = Repository().get_runs()[-1]
    assert statuses(run)["opens"] == "failed"
    assert "no way back" in run.steps["opens"].error


def test_an_output_damaged_before_its_consumer_reads_it_fails_one_run_and_heals_in_the_next(project):
    @step
    def makes() -> int:
        return 1

    @step
    def vandal(x: int, after: int) -> int:
        if Path("spare").exists():
            return 0
        Path("spare").touch()
        for file in Path(".zencache/artifacts/objects").glob("*/*/payload/*"):
            file.chmod(0o644)
            file.write_text("9\n")
        return 0

    @step
    def reads(x: int, vandalised: int) -> int:
        return x + vandalised

    @pipeline
    def vandalised():
        made = makes()
        reads(made, vandal(made, 1))

    with pytest.raises(StepFailed, match="reads") as failed:
        vandalised().run()
    assert isinstance(failed.value.__cause__, ArtifactDamaged)
    run = vandalised().run()

    assert run.steps["reads"].output.read() == 1
    assert run.steps["makes"].output.read() == 1
    assert unsound_objects(project / ".zencache" / "artifacts") == []
