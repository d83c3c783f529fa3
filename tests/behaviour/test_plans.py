"""A plan says what a run would do, why, and how long it takes; it changes nothing and agrees with the run."""

import json
import shutil
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from zencache import (
    CachePolicy,
    ConfigurationError,
    DeclarationError,
    ExternalFile,
    NotFoundError,
    Repository,
    ZencacheError,
    pipeline,
    step,
)
from zencache.cli import main
from zencache.plan import Prediction

pytestmark = pytest.mark.usefixtures("project")
HIT, MISS, UNKNOWN = Prediction.HIT, Prediction.MISS, Prediction.UNKNOWN


@step
def load(size: int) -> list[int]:
    return list(range(size))


@step
def scale(X: list[int], factor: int) -> list[int]:
    return [x * factor for x in X]


@step
def announce(X: list[int]) -> None:
    """Exists for its effect."""


@pipeline
def training(size: int = 3, factor: int = 2):
    announce(scale(load(size), factor))


def single(function, **options):
    """A bound pipeline, always of one name, of one step without inputs."""

    @pipeline(name="single", **options)
    def wired():
        function()

    return wired()


def predictions(plan) -> dict[str, str]:
    return {planned.name: str(planned.prediction) for planned in plan}


def contents(folder):
    """Every file below a folder with its bytes, and every folder.

    SQLite's ``-shm`` is left out: it is the index that the open connections of a database share in memory,
    and nobody who opens the database reads anything from it.
    """
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if not path.name.endswith("-shm")
    }


class TestPredictions:
    def test_before_the_first_run_nothing_hits(self):
        plan = training().plan()
        assert predictions(plan) == {"load": "MISS", "scale": "UNKNOWN", "announce": "MISS"}
        assert plan["load"].reasons == ("no entry has this key",)

    def test_after_a_run_every_step_with_outputs_hits(self):
        training().run()
        plan = training().plan()
        assert predictions(plan) == {"load": "HIT", "scale": "HIT", "announce": "MISS"}
        assert plan["scale"].reasons == ("same key",)

    def test_a_step_below_one_that_will_run_is_unknown_and_names_it(self):
        training().run()
        plan = training(size=4).plan()
        assert plan["load"].prediction is MISS
        assert plan["scale"].prediction is UNKNOWN
        assert plan["scale"].reasons == ("depends on load, which will run",)

    def test_a_step_that_runs_whatever_its_inputs_are_is_a_miss_below_one_that_will_run(self):
        training().run()
        plan = training(size=4).plan()
        assert plan["announce"].prediction is MISS
        assert plan["announce"].reasons == ("a step without outputs runs for its effect",)

    def test_a_miss_says_which_parameter_changed_with_both_values(self):
        training().run()
        assert training(factor=5).plan()["scale"].reasons == ("parameter factor: 2 -> 5",)

    def test_a_miss_names_every_part_that_changed(self):
        training().run()

        @step(name="load", cache_version="2")
        def other_load(size: int) -> list[int]:
            return [*range(size)]

        @pipeline(name="training")
        def edited():
            announce(scale(other_load(7), 2))

        reasons = edited().plan()["load"].reasons
        assert "cache_version: None -> '2'" in reasons
        assert "parameter size: 3 -> 7" in reasons
        assert any(reason.startswith("code: ") and "other_load" in reason for reason in reasons)

    def test_a_value_that_is_given_and_differs_is_named(self):
        @step
        def read(path: str) -> int:
            return len(path)

        @pipeline
        def files(url):
            read(ExternalFile(url))

        for name in ("one", "two"):
            with open(name, "w") as file:
                file.write(name)
        files("one").run()
        assert files("one").plan()["read"].prediction is HIT
        plan = files("two").plan()
        (reason,) = plan["read"].reasons
        assert reason.startswith("input path: one, 3 bytes (")
        assert ") -> two, 3 bytes (" in reason

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"enable_cache": False}, "caching is off at the level of the run"),
            ({"refresh": True}, "a refresh was asked for"),
            ({"refresh": "load+"}, "a refresh was asked for"),
        ],
    )
    def test_what_the_run_is_asked_for_is_a_reason(self, options, reason):
        training().run()
        plan = training().plan(**options)
        assert predictions(plan) == {"load": "MISS", "scale": "MISS", "announce": "MISS"}
        assert plan["load"].reasons == plan["scale"].reasons == (reason,)

    def test_a_refresh_of_one_step_makes_those_below_it_unknown(self):
        training().run()
        plan = training().plan(refresh=["load"])
        assert predictions(plan) == {"load": "MISS", "scale": "UNKNOWN", "announce": "MISS"}

    def test_a_refresh_of_no_step_is_the_same_error_as_of_a_run(self):
        with pytest.raises(DeclarationError, match="names no step") as raised:
            training().plan(refresh="lod")
        assert "load" in raised.value.hint

    def test_the_level_of_the_step_of_the_pipeline_and_of_the_environment_are_reasons(self, monkeypatch):
        @step(enable_cache=False)
        def off() -> int:
            return 1

        @step
        def plain() -> int:
            return 1

        single(plain).run()
        assert single(off).plan()["off"].reasons == ("caching is off at the level of the step",)
        plan = single(plain, enable_cache=False).plan()
        assert plan["plain"].reasons == ("caching is off at the level of the pipeline",)
        monkeypatch.setenv("ZENCACHE_ENABLE_CACHE", "0")
        assert single(plain).plan()["plain"].reasons == ("caching is off at the level of the environment",)

    def test_an_entry_that_has_expired_is_a_miss_that_says_so(self):
        @step(cache_policy=CachePolicy(expires_in=timedelta(microseconds=1)))
        def fleeting() -> int:
            return 1

        single(fleeting).run()
        (reason,) = single(fleeting).plan()["fleeting"].reasons
        assert "expired" in reason

    def test_a_missing_artifact_is_a_miss_that_says_so_and_is_not_marked(self, project):
        run = training().run()
        artifact = run.steps["load"].output
        shutil.rmtree(artifact.uri)
        before = contents(project)
        for _ in range(2):
            plan = training().plan()
            assert plan["load"].prediction is MISS
            assert "an artifact is missing" in plan["load"].reasons[0]
            assert plan["scale"].prediction is UNKNOWN
        assert contents(project) == before
        assert {found.state for found in Repository().artifacts()} == {"LIVE"}
        assert training().run().steps["load"].status == "completed"

    def test_an_artifact_of_another_size_is_a_miss_and_is_not_moved_aside(self, project):
        run = training().run()
        (payload,) = [
            path
            for path in Path(run.steps["load"].output.uri).rglob("*")
            if path.is_file() and path.name != "manifest.json"
        ]
        payload.chmod(0o644)
        payload.write_bytes(payload.read_bytes() + b" ")
        before = contents(project)
        plan = training().plan()
        assert plan["load"].prediction is MISS
        assert "an artifact is damaged" in plan["load"].reasons[0]
        assert contents(project) == before

    def test_two_steps_with_one_new_key_are_a_miss_and_a_hit(self):
        @pipeline
        def twice():
            load(3)
            load(3)

        plan = twice().plan()
        assert predictions(plan) == {"load": "MISS", "load_2": "HIT"}
        assert plan["load_2"].reasons == ("the same key as load, which will run",)
        assert [view.status for view in twice().run().steps.values()] == ["completed", "cached"]

    def test_two_steps_with_one_unusable_entry_are_a_miss_and_a_hit(self):
        @pipeline
        def twice():
            load(3)
            load(3)

        run = twice().run()
        shutil.rmtree(run.steps["load"].output.uri)
        plan = twice().plan()
        assert [view.status for view in twice().run().steps.values()] == ["completed", "cached"]
        assert predictions(plan) == {"load": "MISS", "load_2": "HIT"}

    def test_a_step_whose_key_one_above_of_unknown_inputs_may_turn_out_to_have_is_no_certain_miss(self):
        @step
        def half(x: int) -> list[int]:
            return [x // 2]

        @pipeline(name="halves")
        def warm():
            half(2)

        @pipeline(name="halves")
        def halves():
            scale(half(3), 5)
            scale(half(2), 5)

        warm().run()
        plan = halves().plan()
        assert halves().run().steps["scale_2"].status == "cached"
        assert plan["scale_2"].prediction is not MISS

    def test_the_bound_pipeline_of_another_name_is_planned_from_the_same_entries(self):
        training().run()
        assert training().copy("another").plan()["scale"].prediction is HIT

    def test_a_plan_asks_the_repository_that_it_is_given(self, tmp_path):
        training().run()
        elsewhere = Repository(metadata=str(tmp_path / "other.db"), artifacts=str(tmp_path / "other"))
        assert training().plan(repository=elsewhere)["load"].prediction is MISS
        assert training().plan()["load"].prediction is HIT

    @pytest.mark.parametrize(
        ("policy", "error"),
        [
            ({"file_dependencies": "nowhere.csv"}, NotFoundError),
            ({"package_dependencies": "no-such-package"}, ConfigurationError),
            ({"cache_func": lambda: 1 / 0}, ZencacheError),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_a_policy_that_cannot_be_asked_is_an_error_of_the_plan(self, policy, error):
        @step(cache_policy=CachePolicy(**policy))
        def wrong() -> int:
            return 1

        with pytest.raises(error):
            single(wrong).plan()


class TestExpectedSeconds:
    def test_are_unknown_for_a_step_that_never_ran(self):
        plan = training().plan()
        assert [planned.seconds for planned in plan] == [None, None, None]
        assert plan.seconds == 0.0

    def test_are_those_of_the_last_execution_and_none_for_a_hit(self):
        @step
        def sleep(seconds: float) -> float:
            time.sleep(seconds)
            return seconds

        @pipeline
        def sleeping(first: float = 0.03, second: float = 0.01):
            sleep(first)
            sleep(second)

        durations = {view.name: view.duration for view in sleeping().run().steps.values()}
        plan = sleeping(second=0.02).plan()
        assert plan["sleep"].seconds == 0.0
        assert plan["sleep_2"].seconds == pytest.approx(durations["sleep_2"])
        assert plan.seconds == plan["sleep_2"].seconds
        everything = sleeping().plan(refresh=True)
        assert everything.seconds == pytest.approx(sum(durations.values()))
        assert everything.seconds > 0.04

    def test_of_a_step_that_was_cached_last_are_those_of_its_source(self):
        @step
        def sleep() -> float:
            time.sleep(0.05)
            return 1.0

        single(sleep).run()
        single(sleep).run()
        assert single(sleep).plan(refresh=True)["sleep"].seconds > 0.05

    def test_of_an_unknown_step_are_those_of_its_last_execution(self):
        training().run()
        assert training(size=9).plan()["scale"].seconds > 0


class TestNothingIsChanged:
    def test_when_there_is_a_store(self, project):
        training().run()
        before = contents(project)
        training().plan()
        training(size=5).plan(refresh=["scale"])
        training().plan(enable_cache=False)
        assert contents(project) == before

    def test_when_there_is_no_store_yet(self, project):
        before = contents(project)
        training().plan()
        assert contents(project) == before

    def test_no_store_is_made_when_there_is_none_yet(self, project):
        training().plan()
        assert not (project / ".zencache" / "metadata.db").exists()
        assert not (project / ".zencache" / "artifacts" / "objects").exists()

    def test_with_given_values_and_external_files(self, project):
        import numpy as np

        (project / "data.csv").write_text("1,2\n")

        @step
        def count(rows: np.ndarray, path: str) -> int:
            return len(rows)

        @pipeline
        def counting(length: int):
            count(np.zeros(length), ExternalFile("data.csv"))

        counting(3).run()
        before = contents(project)
        assert counting(3).plan()["count"].prediction is HIT
        plan = counting(4).plan()
        assert plan["count"].reasons == ("input rows: other content was given",)
        (project / "data.csv").write_text("1,3\n")
        plan = counting(3).plan()
        (reason,) = plan["count"].reasons
        assert reason.startswith("input path: data.csv, 4 bytes (")
        (project / "data.csv").write_text("1,2\n")
        assert contents(project) == before
        assert counting(3).run().steps["count"].is_cached

    def test_in_a_process_of_its_own(self, project, run_script):
        source = """
            from zencache import pipeline, step

            @step
            def load(size: int) -> list:
                return list(range(size))

            @pipeline
            def training():
                load(3)

            if __name__ == "__main__":
                training().run()
            """
        run_script(source)
        before = contents(project)
        planned = run_script("from script_1 import training; print(training().plan()['load'].prediction)")
        assert planned.stdout.strip() == "HIT"
        (project / "script_2.py").unlink()
        shutil.rmtree(project / "__pycache__", ignore_errors=True)
        assert contents(project) == before

    def test_a_run_after_a_plan_records_what_it_would_have_recorded(self):
        training().plan()
        assert Repository().get_runs() == []
        assert Repository().executions() == []
        training().run()
        training().plan()
        assert len(Repository().get_runs()) == 1


class TestReading:
    def test_printed_it_is_a_table_with_a_line_for_each_step(self):
        training().run()
        lines = str(training(factor=5).plan()).splitlines()
        assert lines[0].startswith("Plan of training: about ")
        assert [line.split()[0] for line in lines[1:]] == ["load", "scale", "announce"]
        assert [line.split()[1] for line in lines[1:]] == ["HIT", "MISS", "MISS"]
        assert lines[2].endswith("s  parameter factor: 2 -> 5")
        assert len({line.index(line.split()[1]) for line in lines[1:]}) == 1

    def test_a_time_that_is_not_known_is_a_question_mark(self):
        assert "?" in str(training().plan()).splitlines()[1].split()

    def test_it_is_iterated_in_wiring_order(self):
        plan = training().plan()
        assert [planned.name for planned in plan] == ["load", "scale", "announce"]
        assert len(plan) == 3
        assert plan["scale"] is plan.steps[1]
        assert plan.pipeline == "training"

    def test_an_unknown_name_is_an_error_that_offers_the_nearest(self):
        with pytest.raises(KeyError, match="scale"):
            training().plan()["scal"]


SOURCE = """
from zencache import pipeline, step

@step
def load(size: int) -> list:
    return list(range(size))

@step
def total(X: list) -> int:
    return sum(X)

@pipeline
def adding(size: int = 3):
    total(load(size))
"""


@pytest.fixture
def adding(project, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (project / "adding.py").write_text(SOURCE)
    yield project / "adding.py"
    sys.modules.pop("adding", None)


def cli(*arguments, code=0):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result


class TestCommand:
    def test_prints_the_table(self, adding):
        cli("run", "adding.py")
        printed = cli("plan", "adding.py", "--param", "size=4").stdout
        assert printed.startswith("Plan of adding: about ")
        assert "parameter size: 3 -> 4" in printed
        assert "depends on load, which will run" in printed

    def test_prints_json(self, adding):
        cli("run", "adding.py")
        plan = json.loads(cli("plan", "adding.py:adding", "--refresh", "total", "--json").stdout)
        assert plan["pipeline"] == "adding"
        assert [(row["step"], row["prediction"]) for row in plan["steps"]] == [
            ("load", "HIT"),
            ("total", "MISS"),
        ]
        assert plan["steps"][1]["reasons"] == ["a refresh was asked for"]
        assert plan["seconds"] == plan["steps"][1]["seconds"] > 0

    def test_takes_the_switch_of_the_cache(self, adding):
        cli("run", "adding.py")
        plan = json.loads(cli("plan", "adding.py", "--no-cache", "--json").stdout)
        assert {row["prediction"] for row in plan["steps"]} == {"MISS"}

    def test_runs_nothing(self, adding):
        cli("plan", "adding.py")
        assert Repository().get_runs() == []

    def test_of_a_step_that_there_is_not_is_wrong_usage(self, adding):
        result = cli("plan", "adding.py", "--refresh", "nothing", code=2)
        assert "names no step" in result.stderr


# The plan agrees with the run: random pipelines, and what people change between two runs of one. Every node
# has a number of its own among its parameters, so that no two nodes of a pipeline have one key.


def source(number: int, value: int) -> list:
    return [value]


def times(number: int, value: int, X: list) -> list:
    return [x * value for x in X]


def parity(number: int, value: int, X: list) -> list:
    """Gives the same for many inputs, so that what is below it is cut off early."""
    return [(x + value) % 2 for x in X]


def join(number: int, value: int, X: list, Y: list) -> list:
    return [*X, *Y, value]


def effect(number: int, value: int, X: list) -> None:
    """Exists for its effect."""


KINDS = {"source": (source, 0), "times": (times, 1), "parity": (parity, 1), "join": (join, 2)}
KINDS["effect"] = (effect, 1)
SWITCH = st.sampled_from([None, None, None, True, False])
STEPS = {
    (kind, switch): step(name=kind, enable_cache=switch)(function)
    for kind, (function, _) in KINDS.items()
    for switch in (None, True, False)
}
SMALL = st.integers(0, 3)


@st.composite
def programs(draw):
    """A list of ``(kind, inputs as positions before it, parameter, switch)``."""
    nodes = [("source", (), draw(SMALL), draw(SWITCH))]
    for position in range(1, draw(st.integers(2, 6))):
        with_outputs = [p for p in range(position) if nodes[p][0] != "effect"]
        kind = draw(st.sampled_from(sorted(KINDS)))
        inputs = tuple(draw(st.sampled_from(with_outputs)) for _ in range(KINDS[kind][1]))
        nodes.append((kind, inputs, draw(SMALL), draw(SWITCH)))
    return nodes


REFRESH = st.none() | st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=2)
CHANGES = st.lists(
    st.tuples(st.integers(0, 5), SMALL, SWITCH, SWITCH, SWITCH, REFRESH), min_size=1, max_size=4
)


def bound(program, in_pipeline=None):
    @pipeline(name="random", enable_cache=in_pipeline)
    def wired():
        handles = []
        for number, (kind, inputs, value, switch) in enumerate(program):
            handles.append(STEPS[kind, switch](number, value, *(handles[i] for i in inputs)))

    return wired()


def on_random_cases(examples, check, *strategies):
    settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )(given(*strategies)(check))()


def check_agreement(program, changes):
    shared = Repository(metadata=f"memory://{uuid.uuid4().hex}", artifacts=f"memory://{uuid.uuid4().hex}")
    for position, value, switch, in_pipeline, in_run, refresh in [(0, 0, None, None, None, None), *changes]:
        kind, inputs, _, _ = program[position % len(program)]
        program[position % len(program)] = (kind, inputs, value, switch)
        wired = bound(program, in_pipeline)
        names = list(wired.steps)
        again = [names[p % len(names)] + "+" * below for p, below in refresh or ()]
        plan = wired.plan(enable_cache=in_run, refresh=again, repository=shared)
        run = wired.run(enable_cache=in_run, refresh=again, repository=shared)
        assert [planned.name for planned in plan] == list(run.steps)
        for planned in plan:
            happened = run.steps[planned.name].status
            assert happened in {HIT: ["cached"], MISS: ["completed"]}.get(
                planned.prediction, ["cached", "completed"]
            ), f"{planned} but {happened}"
            assert planned.reasons
            assert (planned.seconds == 0.0) is (planned.prediction is HIT)


def test_a_plan_agrees_with_the_run_after_it():
    on_random_cases(26, check_agreement, programs(), CHANGES)


@pytest.mark.slow
def test_a_plan_agrees_with_the_run_after_it_many_times():
    on_random_cases(120, check_agreement, programs(), CHANGES)


# The same for what lies outside of the graph: code, files, policies and entries that have grown too old.

CODE = {"one": lambda x: x + 1, "two": lambda x: x + 2, "again": lambda x: x + 1}


def policied(name, code, version, policy):
    """A step as a process would find it after an edit: of one name, with this code and these options."""
    change = CODE[code]

    def work(x: int, path: str, workers: int = 1) -> int:
        return change(x) + len(Path(path).read_text())

    return step(name=name, cache_version=version, cache_policy=policy)(work)


POLICY = st.fixed_dictionaries(
    {
        "expires_in": st.sampled_from([None, None, timedelta(microseconds=1), timedelta(days=1)]),
        "ignored_inputs": st.sampled_from([(), (), "workers", ("workers", "path"), "x"]),
        "file_dependencies": st.sampled_from([(), "one.txt", "*.txt"]),
        "include_parameters": st.sampled_from([True, True, False]),
    }
)
SITUATION = st.fixed_dictionaries(
    {
        "codes": st.tuples(*[st.sampled_from(sorted(CODE))] * 2),
        "version": st.sampled_from([None, None, "2"]),
        "policies": st.tuples(POLICY, POLICY),
        "workers": st.integers(1, 2),
        "path": st.sampled_from(["one.txt", "two.txt"]),
        "texts": st.tuples(*[st.sampled_from(["", "a", "bb", "cc"])] * 2),
        "refresh": st.sampled_from([(), (), ["upper"], ["lower"], ["upper+"]]),
    }
)


SITUATIONS = st.lists(SITUATION, min_size=2, max_size=5)


def check_agreement_outside(situations, data):
    shared = Repository(metadata=f"memory://{uuid.uuid4().hex}", artifacts=f"memory://{uuid.uuid4().hex}")
    situation = situations[0]
    for other in situations:
        changed = data.draw(st.sets(st.sampled_from(sorted(other)), max_size=2))
        situation = situation | {key: other[key] for key in changed}
        for name, text in zip(("one.txt", "two.txt"), situation["texts"], strict=True):
            Path(name).write_text(text)
        upper, lower = (
            policied(name, code, situation["version"], CachePolicy(**policy))
            for name, code, policy in zip(
                ("upper", "lower"), situation["codes"], situation["policies"], strict=True
            )
        )

        @pipeline(name="outside")
        def wired(upper=upper, lower=lower, situation=situation):
            given = {"path": ExternalFile(situation["path"]), "workers": situation["workers"]}
            lower(upper(1, **given), **given)

        plan = wired().plan(refresh=situation["refresh"], repository=shared)
        run = wired().run(refresh=situation["refresh"], repository=shared)
        seen.update((planned.name, str(planned.prediction)) for planned in plan)
        for planned in plan:
            happened = run.steps[planned.name].status
            assert happened in {HIT: ["cached"], MISS: ["completed"]}.get(
                planned.prediction, ["cached", "completed"]
            ), f"{planned} but {happened}"


seen: set[tuple[str, str]] = set()


def test_a_plan_agrees_with_the_run_after_edits_of_code_files_and_policies():
    on_random_cases(20, check_agreement_outside, SITUATIONS, st.data())


@pytest.mark.slow
def test_a_plan_agrees_with_the_run_after_edits_of_code_files_and_policies_many_times():
    on_random_cases(100, check_agreement_outside, SITUATIONS, st.data())
    assert seen >= {
        ("upper", "HIT"),
        ("upper", "MISS"),
        ("lower", "HIT"),
        ("lower", "MISS"),
        ("lower", "UNKNOWN"),
    }
