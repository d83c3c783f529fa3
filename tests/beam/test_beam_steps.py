"""A step annotated ``beam.Pipeline`` receives one, with the options of run, pipeline and step."""

import signal
import sys

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions

from zencache import ConfigurationError, DeclarationError, Repository, StepFailed, pipeline, step


@step
def count(numbers: beam.Pipeline, up_to: int = 3) -> list:
    options = numbers.options.view_as(DirectOptions)
    with numbers as running:
        running | beam.Create(range(up_to))
    return [options.view_as(StandardOptions).runner, options.direct_num_workers]


@pipeline(beam_pipeline_args=["--direct_num_workers=3"])
def counting(up_to: int = 3):
    count(up_to=up_to)


def test_the_pipeline_runs_in_process_unless_something_else_is_said(project):
    run = counting().run()
    assert run.steps["count"].output.read() == ["FnApiRunner", 3]


def test_an_option_of_the_run_replaces_that_of_the_pipeline_and_changes_no_key(project):
    run = counting().run(beam_pipeline_args=["--direct_num_workers", "2"])
    again = counting().run(beam_pipeline_args=["--direct_num_workers=1"])
    assert run.steps["count"].output.read() == ["FnApiRunner", 2]
    assert again.steps["count"].is_cached


def test_the_options_are_recorded_and_are_no_parameters(project):
    counting().run(beam_pipeline_args=["--direct_num_workers=2"])
    recorded = Repository().get_runs()[-1].steps["count"]
    assert recorded.beam_pipeline_args == ["--direct_num_workers=2"]
    assert recorded.parameters == {"up_to": 3}


def test_the_weakest_options_are_those_of_the_step(project):
    @step(beam_pipeline_args=["--direct_num_workers=1", "--direct_running_mode=multi_threading"])
    def look(numbers: beam.Pipeline | None = None) -> list[str]:
        assert numbers is not None
        options = numbers.options.view_as(DirectOptions)
        return [str(options.direct_num_workers), options.direct_running_mode]

    @pipeline(beam_pipeline_args=["--direct_num_workers=3"])
    def looking():
        look()

    assert looking().run().steps["look"].output.read() == ["3", "multi_threading"]


def test_what_was_built_and_not_run_is_run_when_the_step_returns(project, tmp_path):
    @step
    def write(numbers: beam.Pipeline, folder: str) -> int:
        numbers | beam.Create([1, 2]) | beam.io.WriteToText(f"{folder}/numbers")
        return 0

    @pipeline
    def writing(folder: str):
        write(folder=folder)

    writing(str(tmp_path / "out")).run()
    lines = [line for file in (tmp_path / "out").iterdir() for line in file.read_text().split()]
    assert sorted(lines) == ["1", "2"]


def test_a_bundle_that_raises_fails_the_step_and_the_next_run_executes_it(project):
    @step
    def divide(numbers: beam.Pipeline, by: int) -> int:
        numbers | beam.Create([1]) | beam.Map(lambda row, by: row // by, by)
        return 0

    @pipeline
    def dividing(by: int):
        divide(by=by)

    with pytest.raises(StepFailed, match="ZeroDivisionError"):
        dividing(0).run()
    assert dividing(1).run().steps["divide"].status == "completed"


@pytest.fixture
def _interruptible():
    """A test run in the background of a shell ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_in_a_bundle_cancels_the_run_and_the_next_one_executes_it(project):
    def press(number):
        signal.raise_signal(signal.SIGINT)
        return number

    @step
    def interrupted(numbers: beam.Pipeline) -> list:
        with numbers as running:
            running | beam.Create([1]) | beam.Map(press if not (project / "calm").exists() else float)
        return []

    @pipeline
    def interrupting():
        interrupted()

    with pytest.raises(KeyboardInterrupt):
        interrupting().run()
    run = Repository().get_runs()[-1]
    assert (run.status, run.steps["interrupted"].status) == ("canceled", "canceled")
    (project / "calm").touch()
    assert interrupting().run().steps["interrupted"].status == "completed"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--runer=FnApiRunner"], "Beam knows no option `--runer=FnApiRunner`"),
        (["--runner=FooRunner"], "Beam knows no runner"),
        (["--runner=DaskRunner"], "loses rows"),
        (["--direct_num_workers=many"], "invalid int value"),
    ],
)
def test_options_that_beam_refuses_are_errors_before_anything_runs(project, flags, said):
    with pytest.raises(ConfigurationError, match=said):
        counting().run(beam_pipeline_args=flags)
    assert Repository().get_runs() == []


@pytest.mark.parametrize("flags", ["--runner=FnApiRunner", ["FnApiRunner"], [3]])
def test_options_that_are_no_list_of_options_are_errors(project, flags):
    with pytest.raises(DeclarationError, match="takes a list of options"):
        counting().run(beam_pipeline_args=flags)


def test_the_direct_runner_is_used_with_a_note(project, caplog):
    from zencache.resource.beam_pipeline import RESOURCE

    RESOURCE.check(["--runner=DirectRunner"])
    assert "tries to download" in caplog.text


def test_a_provided_parameter_cannot_be_given(project):
    with pytest.raises(DeclarationError, match="no input or parameter `numbers`"):
        count(numbers=3)


def test_a_provided_parameter_has_no_default(project):
    with pytest.raises(DeclarationError, match="provides has a default"):

        @step
        def wrong(numbers: beam.Pipeline = 3) -> int:
            return 0


def test_without_beam_the_declaration_says_what_to_install(project, monkeypatch):
    from zencache.resource import registry

    monkeypatch.setitem(sys.modules, "zencache.resource.beam_pipeline", None)
    with pytest.raises(ConfigurationError, match=r"zencache\[beam\]"):
        registry.find(beam.Pipeline)


def test_a_pipeline_without_beam_steps_does_not_import_beam(run_script):
    source = """
    import sys
    from zencache import pipeline, step

    @step
    def one() -> int:
        return 1

    @pipeline
    def counting():
        one()

    counting().run()
    print("apache_beam" in sys.modules)
    """
    assert run_script(source).stdout.split() == ["False"]


class Total(beam.CombineFn):
    def create_accumulator(self):
        return 0

    def add_input(self, total, row):
        return total + row

    def merge_accumulators(self, totals):
        return sum(totals)

    def extract_output(self, total):
        return total


class Halve(beam.DoFn):
    def process(self, row):
        yield row // 2


class Halved(beam.PTransform):
    def expand(self, rows):
        return rows | beam.ParDo(Halve())


def test_what_beam_notes_on_the_classes_of_a_step_changes_no_key(project, tmp_path):
    @step
    def total(numbers: beam.Pipeline, target: str) -> int:
        rows = numbers | beam.Create([2, 4]) | Halved() | beam.CombineGlobally(Total())
        rows | beam.io.WriteToText(target)
        return 0

    @pipeline
    def totalling(target: str):
        total(target=target)

    totalling(str(tmp_path / "total")).run()
    assert totalling(str(tmp_path / "total")).run().steps["total"].is_cached
