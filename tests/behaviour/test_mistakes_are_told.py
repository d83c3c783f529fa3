"""What people do wrong by hand is told, or does what they meant; it never passes silently."""

import datetime
import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from inspection import statuses

from zencache import (
    BaseMaterializer,
    BaseStepConfig,
    DeclarationError,
    Output,
    Repository,
    StepFailed,
    TrainingPipeline,
    pipeline,
    step,
)
from zencache.cli import main

pytestmark = pytest.mark.usefixtures("project")


@step
def one(x: int = 1) -> int:
    return x


@step
def anything(x) -> str:
    return repr(x)


class TestWhatAStepIsGiven:
    @pytest.mark.parametrize(
        "put", [lambda h: [h], lambda h: {"a": h}, lambda h: ({"a": [h]},), lambda h: {"a": {"b": (1, h)}}]
    )
    def test_an_output_inside_of_a_container_is_refused(self, put):
        @pipeline
        def wiring():
            anything(put(one()))

        with pytest.raises(DeclarationError, match=r"given inside of a container") as caught:
            wiring()
        assert caught.value.facts["step"] == "anything"

    @pytest.mark.parametrize("write", [lambda h: f"out/{h}.csv", str, "{}".format, lambda h: "%s" % h])  # noqa: UP031
    def test_an_output_is_no_text_while_the_pipeline_is_wired(self, write):
        @pipeline
        def wiring():
            anything(write(one()))

        with pytest.raises(DeclarationError, match="has no value yet"):
            wiring()

    def test_a_list_that_holds_itself_is_refused(self):
        around: list = []
        around.append({"a": around})

        @pipeline
        def wiring():
            anything(around)

        with pytest.raises(DeclarationError, match="holds itself"):
            wiring()

    @pytest.mark.parametrize("key", [(1,), b"k", datetime.date(2020, 1, 1), frozenset({1}), (1, ("a",))])
    def test_a_dict_with_keys_that_json_does_not_have_is_a_parameter(self, key):
        @pipeline
        def wiring():
            anything({"deep": [{key: 3}]})

        assert statuses(wiring().run()) == {"anything": "completed"}
        assert statuses(wiring().run()) == {"anything": "cached"}

    def test_a_config_of_a_derived_class_is_refused_not_cut(self):
        class Config(BaseStepConfig):
            rate: float = 1.0

            def scaled(self):
                return self.rate

        class Derived(Config):
            def scaled(self):
                return 2 * self.rate

        @step
        def configured(config: Config) -> float:
            return config.scaled()

        with pytest.raises(DeclarationError, match="The config is of another class"):
            configured(Derived())


class TestWhatIsMadeInAFunction:
    def test_a_materializer(self):
        class Point:
            def __init__(self, x):
                self.x = x

        class PointMaterializer(BaseMaterializer):
            types = (Point,)

            def save(self, value, directory):
                (directory / "x").write_text(str(value.x))

            def load(self, directory, type):
                return type(int((directory / "x").read_text()))

        @step
        def make() -> Point:
            return Point(3)

        @step
        def use(p: Point) -> int:
            return p.x

        @pipeline
        def points():
            use(make())

        first, second = points().run(), points().run()
        assert statuses(first) == {"make": "completed", "use": "completed"}
        assert statuses(second) == {"make": "cached", "use": "cached"}
        assert first.steps["make"].output.read().x == second.steps["use"].output.read() == 3

    def test_the_steps_of_a_pipeline_that_is_copied(self):
        @step
        def load() -> Output(data=list):
            return [1]

        @step
        def train(data: list) -> Output(model=float):
            return 1.0

        @step
        def train_otherwise(data: list) -> Output(model=float):
            return 2.0

        first = TrainingPipeline(name="Pipeline A")
        first.add_datasource(load())
        first.add_trainer(train())
        first.run()
        second = Repository().get_pipeline_by_name("Pipeline A").copy("Pipeline B")
        second.add_trainer(train_otherwise())
        assert statuses(second.run()) == {"load": "cached", "train_otherwise": "completed"}


class TestSteps:
    def test_one_that_exits_has_failed(self):
        @step
        def leaving() -> int:
            sys.exit(0)

        @pipeline
        def exiting():
            leaving()
            one()

        with pytest.raises(StepFailed, match="SystemExit: 0") as caught:
            exiting().run()
        assert isinstance(caught.value.__cause__, SystemExit)
        (run,) = Repository().get_runs()
        assert statuses(run) == {"leaving": "failed", "one": "completed"}

    def test_a_signal_whose_handler_exits_cancels_the_run(self):
        @step
        def told_to_end() -> int:
            signal.raise_signal(signal.SIGTERM)
            return 1

        @pipeline
        def ending():
            told_to_end()

        def handler(number, frame):
            sys.exit(3)

        before = signal.signal(signal.SIGTERM, handler)
        try:
            with pytest.raises(SystemExit):
                ending().run()
        finally:
            signal.signal(signal.SIGTERM, before)
        (run,) = Repository().get_runs()
        assert (run.status, statuses(run)) == ("canceled", {"told_to_end": "canceled"})

    def test_one_that_stops_an_iteration_fails_with_that(self):
        @step
        def stopping() -> int:
            return next(iter(()))

        @pipeline
        def flow():
            stopping()

        with pytest.raises(StepFailed, match="StopIteration") as caught:
            flow().run()
        assert type(caught.value.__cause__) is StopIteration

    def test_the_place_of_a_failure_is_told(self):
        @step
        def dividing() -> float:
            return 1 / 0

        @pipeline
        def breaking():
            dividing()

        for _ in range(2):  # the second one meets the first one's lease
            with pytest.raises(StepFailed) as caught:
                breaking().run()
            file, _, line = caught.value.facts["place"].rpartition(":")
            assert (file, int(line)) == (__file__, dividing.entrypoint.__code__.co_firstlineno + 2)
            assert caught.value.__cause__.__context__ is None

    def test_a_plan_expects_what_a_completed_execution_took(self):
        @step
        def working(x: int) -> int:
            if x < 0:
                raise ValueError
            return x

        @pipeline
        def flow(x: int):
            working(x)

        took = flow(1).run().steps["working"].duration
        with pytest.raises(StepFailed):
            flow(-1).run()
        assert flow(2).plan()["working"].seconds == pytest.approx(took, abs=1e-6)

    def test_what_only_changed_its_declared_type_says_so(self):
        def flow(annotation):
            @step
            def use(x: annotation) -> float:
                return 1.0

            @pipeline
            def flow():
                use(one())

            return flow()

        flow(int).run()
        why = str(flow(float).run().steps["use"].why())
        assert "input x: the same content, declared or loaded as another type" in why


class TestRuns:
    def test_none_is_called_latest(self):
        @pipeline
        def flow():
            one()

        with pytest.raises(DeclarationError, match="means the last one"):
            flow().run(run_name="latest")


PROGRAM = """
import datetime
from typing import Optional
import pydantic
from zencache import pipeline, step

class Size(pydantic.BaseModel):
    n: int = 0

@step
def show(text: str) -> str:
    return text

@pipeline
def typed(
    fast: bool = False,
    count: Optional[int] = None,
    name: str = "",
    day: datetime.date = datetime.date(2020, 1, 1),
    sizes: list[int] = [],
    plain=False,
    size: Size = Size(),
):
    show(repr((fast, count, name, day.isoformat(), sizes, plain, size.n)))

@pipeline
def broken():
    1 / 0

@pipeline
def strange(rate: float = float("nan")):
    other(rate)

@step
def other(rate: float) -> int:
    return 1
"""


class TestOnTheCommandLine:
    @pytest.fixture(autouse=True)
    def program(self, project):
        (project / "program.py").write_text(PROGRAM)

    @pytest.mark.parametrize(
        ("typed", "place", "value"),
        [
            ("fast=False", 0, False),
            ("fast=no", 0, False),
            ("fast=true", 0, True),
            ("fast=1", 0, True),
            ("count=None", 1, None),
            ("count=null", 1, None),
            ("count=7", 1, 7),
            ("name=2024", 2, "2024"),
            ("name=true", 2, "true"),
            ('name="a b"', 2, "a b"),
            ("name=", 2, ""),
            ("day=2024-02-03", 3, "2024-02-03"),
            ("sizes=[1, 2]", 4, [1, 2]),
            ("plain=no", 5, False),
            ("plain=7", 5, 7),
            ('size={"n": 3}', 6, 3),
        ],
    )
    def test_a_parameter_is_read_as_its_annotation_says(self, typed, place, value):
        done = CliRunner().invoke(main, ["run", "program.py:typed", "--param", typed])
        assert done.exit_code == 0, done.output
        told = eval(Repository().get_runs()[-1].steps["show"].output.read())
        assert (told[place], type(told[place])) == (value, type(value))

    @pytest.mark.parametrize("typed", ["fast=maybe", "count=x", "day=yesterday", "sizes=[a]"])
    def test_one_that_is_no_value_of_that_type_is_an_error(self, typed):
        done = CliRunner().invoke(main, ["plan", "program.py:typed", "--param", typed])
        assert done.exit_code == 2
        assert "A value does not fit the annotation" in done.output
        assert repr(typed.partition("=")[2]) in done.output

    def test_an_error_in_the_body_of_a_pipeline_is_one_message_with_its_line(self):
        done = CliRunner().invoke(main, ["plan", "program.py:broken"])
        assert done.exit_code == 2
        line = PROGRAM.splitlines().index("    1 / 0") + 1
        assert f"program.py:{line}" in done.output
        assert "ZeroDivisionError" in done.output
        assert "Traceback" not in done.output

    def test_statistics_of_a_pipeline_that_is_not_there_are_an_error(self):
        assert CliRunner().invoke(main, ["run", "program.py:typed"]).exit_code == 0
        done = CliRunner().invoke(main, ["stats", "--pipeline", "typde"])
        assert done.exit_code == 2
        assert "`typed`" in done.output

    def test_numbers_that_json_does_not_have_are_texts(self):
        assert CliRunner().invoke(main, ["run", "program.py:strange"]).exit_code == 0
        text = CliRunner().invoke(main, ["show", "latest", "--json"]).output

        def refuse(constant):
            raise AssertionError(constant)

        told = json.loads(text, parse_constant=refuse)
        assert told["steps"][0]["parameters"] == {"rate": "NaN"}

    @pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-"])
    def test_a_run_without_a_terminal_at_all(self, project, closed):
        command = f"{sys.executable} -m zencache run program.py:typed {closed}"
        assert subprocess.run(["bash", "-c", command], cwd=project).returncode == 0
        assert Repository().get_runs()[-1].status == "completed"

    def test_a_disk_that_is_full_for_the_output_is_one_line(self, project):
        command = f"{sys.executable} -m zencache pipelines > /dev/full"
        done = subprocess.run(["bash", "-c", command], cwd=project, capture_output=True, text=True)
        assert done.returncode == 1
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr
