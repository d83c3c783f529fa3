"""Who decides whether the cache is used, and who shares its results."""

import itertools
import uuid
from pathlib import Path

import pytest

from zencache import ConfigurationError, DeclarationError, Repository, Run, pipeline, step
from zencache.events import DidHit, DidMiss, WillExecute
from zencache.testing import capture_events

pytestmark = pytest.mark.usefixtures("project")

SWITCH = (None, True, False)
ENVIRONMENT = (None, "1", "0")
ANY = object()

# From the strongest level to the weakest: run, pipeline, step, environment -> is it cached, who said so.
PRECEDENCE = [
    ((True, ANY, ANY, ANY), (True, "run")),
    ((False, ANY, ANY, ANY), (False, "run")),
    ((None, False, ANY, ANY), (False, "pipeline")),
    ((None, ANY, True, ANY), (True, "step")),
    ((None, ANY, False, ANY), (False, "step")),
    ((None, True, None, ANY), (True, "pipeline")),
    ((None, None, None, "1"), (True, "environment")),
    ((None, None, None, "0"), (False, "environment")),
    ((None, None, None, None), (True, "default")),
]


def said(*levels) -> tuple[bool, str]:
    """What the first row that fits says."""
    return next(
        result
        for row, result in PRECEDENCE
        if all(wanted is ANY or wanted is level for wanted, level in zip(row, levels, strict=True))
    )


def draw() -> str:
    return uuid.uuid4().hex


def constant() -> str:
    return "always the same"


def effect() -> None:
    """Exists for its effect."""


def run_of(function, run=None, in_pipeline=None, in_step=None) -> Run:
    """A run of a pipeline of this one step, with what each level says about caching."""
    declared = step(enable_cache=in_step)(function)

    @pipeline(enable_cache=in_pipeline)
    def single():
        declared()

    return single().run(enable_cache=run)


@pytest.fixture
def environment(monkeypatch):
    def set_to(value):
        if value is not None:
            monkeypatch.setenv("ZENCACHE_ENABLE_CACHE", value)

    return set_to


@pytest.mark.parametrize(
    ("run", "in_pipeline", "in_step", "in_environment"),
    list(itertools.product(SWITCH, SWITCH, SWITCH, ENVIRONMENT)),
)
def test_the_strongest_level_that_says_something_decides(
    run, in_pipeline, in_step, in_environment, environment
):
    cached, level = said(run, in_pipeline, in_step, in_environment)
    run_of(draw)
    environment(in_environment)
    with capture_events() as happened:
        view = run_of(draw, run, in_pipeline, in_step).steps["draw"]
    (decided,) = [event for event in happened if isinstance(event, DidHit | DidMiss)]
    assert (view.is_cached, view.execution.decision.level) == (cached, level)
    assert (decided.decision.is_hit, decided.decision.level) == (cached, level)
    assert any(isinstance(event, WillExecute) for event in happened) is not cached


@pytest.mark.parametrize("in_step", [None, False])
@pytest.mark.parametrize(
    ("run", "in_pipeline", "in_environment"), list(itertools.product((None, True), (None, True), (None, "1")))
)
def test_no_level_but_its_own_turns_the_cache_of_a_step_without_outputs_on(
    run, in_pipeline, in_step, in_environment, environment
):
    run_of(effect, in_step=True)
    environment(in_environment)
    view = run_of(effect, run, in_pipeline, in_step).steps["effect"]
    assert view.status == "completed"


@pytest.mark.parametrize(
    ("run", "in_pipeline", "in_environment"), list(itertools.product(SWITCH, SWITCH, ENVIRONMENT))
)
def test_a_step_without_outputs_that_turns_its_cache_on_is_a_step_like_any_other(
    run, in_pipeline, in_environment, environment
):
    cached, level = said(run, in_pipeline, True, in_environment)
    run_of(effect, in_step=True)
    environment(in_environment)
    view = run_of(effect, run, in_pipeline, in_step=True).steps["effect"]
    assert (view.is_cached, view.execution.decision.level) == (cached, level)


def test_a_step_without_outputs_says_why_it_ran():
    run_of(effect)
    assert run_of(effect).steps["effect"].reason == "a step without outputs runs for its effect"


def test_a_step_whose_cache_is_off_says_so():
    run_of(draw)
    assert run_of(draw, in_step=False).steps["draw"].reason == "caching is off"


def test_a_level_that_says_off_for_the_pipeline_turns_off_every_step():
    @step(enable_cache=True)
    def stubborn() -> int:
        return 1

    @step
    def plain(x: int) -> int:
        return x

    @pipeline(enable_cache=False)
    def uncached():
        plain(stubborn())

    uncached().run()
    assert {view.status for view in uncached().run().steps.values()} == {"completed"}


def test_the_run_turns_on_what_the_pipeline_turned_off():
    @step(enable_cache=False)
    def reluctant() -> int:
        return 1

    @pipeline(enable_cache=False)
    def uncached():
        reluctant()

    uncached().run()
    assert uncached().run(enable_cache=True).steps["reluctant"].is_cached


@pytest.mark.parametrize(
    ("text", "cached"),
    [("0", False), ("false", False), ("NO", False), ("off", False), ("1", True), ("True", True), ("", True)],
)
def test_the_environment_is_understood_in_the_usual_spellings(text, cached, monkeypatch):
    run_of(draw)
    monkeypatch.setenv("ZENCACHE_ENABLE_CACHE", text)
    assert run_of(draw).steps["draw"].is_cached is cached


def test_an_environment_that_is_neither_on_nor_off_is_an_error(monkeypatch):
    monkeypatch.setenv("ZENCACHE_ENABLE_CACHE", "maybe")
    with pytest.raises(ConfigurationError, match="ZENCACHE_ENABLE_CACHE"):
        run_of(draw)


@pytest.mark.parametrize("wrong", ["no", 0, 1])
def test_a_switch_that_is_no_bool_is_an_error(wrong):
    with pytest.raises(DeclarationError, match="enable_cache"):
        step(enable_cache=wrong)(draw)
    with pytest.raises(DeclarationError, match="enable_cache"):
        pipeline(enable_cache=wrong)
    with pytest.raises(DeclarationError, match="enable_cache"):
        run_of(draw, run=wrong)


@pytest.mark.parametrize(
    "off",
    [{"run": False}, {"in_pipeline": False}, {"in_step": False}, {"in_environment": "0"}],
    ids=lambda off: next(iter(off)),
)
def test_with_the_cache_off_a_step_is_recorded_and_later_look_ups_find_the_newest(off, monkeypatch):
    off = dict(off)
    first = run_of(draw).steps["draw"].output.read()
    with monkeypatch.context() as patched:
        if "in_environment" in off:
            patched.setenv("ZENCACHE_ENABLE_CACHE", off.pop("in_environment"))
        uncached = run_of(draw, **off)
    second = uncached.steps["draw"].output.read()
    assert second != first
    last = run_of(draw).steps["draw"]
    assert last.is_cached
    assert last.output.read() == second
    assert last.source_run.name == uncached.name


def test_the_first_result_of_all_is_recorded_with_the_cache_off():
    value = run_of(draw, run=False).steps["draw"].output.read()
    assert run_of(draw).steps["draw"].output.read() == value


def test_with_the_cache_off_two_nodes_with_one_key_both_run():
    drawing = step(draw)

    @pipeline
    def twice():
        drawing()
        drawing()

    run = twice().run(enable_cache=False)
    assert [view.status for view in run.steps.values()] == ["completed", "completed"]
    assert run.steps["draw"].output.read() != run.steps["draw_2"].output.read()


@pytest.mark.parametrize(("function", "below"), [(draw, "completed"), (constant, "cached")])
def test_a_step_that_runs_anew_and_gives_the_same_lets_the_steps_below_it_hit(function, below):
    source = step(enable_cache=False)(function)

    @step
    def measure(text: str) -> int:
        return len(text)

    @pipeline
    def measuring():
        measure(source())

    measuring().run()
    again = measuring().run()
    assert again.steps[function.__name__].status == "completed"
    assert again.steps["measure"].status == below


@pytest.mark.parametrize("version", ["2", 2, ""])
def test_another_cache_version_runs_the_step_anew_and_the_old_one_is_still_there(version):
    def run_version(cache_version):
        versioned = step(cache_version=cache_version)(draw)

        @pipeline
        def single():
            versioned()

        return single().run().steps["draw"]

    assert run_version("1").status == "completed"
    assert run_version(version).status == "completed"
    assert run_version("1").is_cached
    assert run_version(version).is_cached


@pipeline
def one_slot(source):
    source()


class TestSharing:
    def test_pipelines_of_other_names_share(self):
        drawing = step(draw)

        @pipeline(name="another pipeline")
        def other():
            drawing()

        run_of(draw)
        assert other().run().steps["draw"].is_cached

    def test_slots_of_other_names_share(self):
        drawing = step(draw)

        @pipeline
        def other_slot(origin):
            origin()

        one_slot(drawing()).run()
        assert other_slot(drawing()).run().steps["origin"].is_cached

    def test_nodes_of_other_numbers_share(self):
        @step
        def double(x: int) -> int:
            return 2 * x

        @pipeline
        def twice():
            double(1)
            double(2)

        @pipeline
        def once():
            double(2)

        twice().run()
        assert once().run().steps["double"].is_cached

    def test_steps_of_other_names_do_not_share(self):
        run_of(draw)
        renamed = step(name="other name")(draw)
        assert one_slot(renamed).run().steps["source"].status == "completed"

    def test_repositories_with_other_stores_do_not_share(self, tmp_path):
        bound = one_slot(step(draw))
        bound.run()
        elsewhere = Repository(metadata=str(tmp_path / "other.db"), artifacts=str(tmp_path / "other"))
        assert bound.run(repository=elsewhere).steps["source"].status == "completed"

    def test_projects_with_the_same_stores_share(self, tmp_path):
        stores = {"metadata": str(tmp_path / "shared.db"), "artifacts": str(tmp_path / "shared")}
        bound = one_slot(step(draw))
        for name, status in (("a", "completed"), ("b", "cached")):
            folder = tmp_path / name
            folder.mkdir()
            assert bound.run(repository=Repository(folder, **stores)).steps["source"].status == status


TRAINING = """
import sys
from dataclasses import dataclass
from zencache import BaseStepConfig, Output, pipeline, step

SCALE = 3

class Config(BaseStepConfig):
    factor: int = 2

@dataclass
class Model:
    weight: int

def scaled(x):
    return x * SCALE

@step
def source(config: Config) -> Output(x=int, y=int):
    return scaled(config.factor), 1

@step
def fit(x: int, y: int) -> Model:
    return Model(x + y)

@step
def score(model: Model) -> int:
    assert type(model) is Model
    return model.weight

@pipeline
def training():
    score(fit(*source()))

def main():
    run = training().run()
    print(*(view.status for view in run.steps.values()), run.steps["score"].output.read())

if __name__ == "__main__":
    main()
"""

EXECUTED = "completed completed completed 7"
CACHED = "cached cached cached 7"


class TestFreshProcesses:
    def test_the_same_script_is_cached_the_second_time(self, run_script):
        assert run_script(TRAINING).stdout.strip() == EXECUTED
        assert run_script(TRAINING).stdout.strip() == CACHED

    def test_a_module_that_ran_as_main_is_cached_when_it_is_imported(self, run_script, project):
        (project / "training_module.py").write_text(TRAINING)
        ran = run_script(
            "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-m', 'training_module']))"
        )
        assert ran.stdout.strip() == EXECUTED
        imported = run_script("import training_module; training_module.main()")
        assert imported.stdout.strip() == CACHED

    def test_a_module_that_was_imported_is_cached_when_it_runs_as_main(self, run_script, project):
        (project / "training_module.py").write_text(TRAINING)
        assert run_script("import training_module; training_module.main()").stdout.strip() == EXECUTED
        assert run_script(TRAINING).stdout.strip() == CACHED

    def test_the_same_code_in_a_module_of_another_name_is_cached(self, run_script, project):
        for name in ("one_name", "package/another_name"):
            file = project / f"{name}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(TRAINING)
        assert run_script("import one_name; one_name.main()").stdout.strip() == EXECUTED
        moved = run_script("from package import another_name; another_name.main()")
        assert moved.stdout.strip() == CACHED

    @pytest.mark.parametrize("seed", ["0", "1"])
    def test_the_seed_of_hashes_does_not_count(self, run_script, seed):
        source = """
            from zencache import pipeline, step

            WORDS = {"a", "b", "c", "d", "e"}

            @step
            def count(options: dict[str, set[str]]) -> int:
                return len(options["words"] & WORDS)

            @pipeline
            def counting():
                count(options={"words": {"a", "b", "x", "y", "z"}})

            print(counting().run().steps["count"].status)
            """
        assert run_script(source, env={"PYTHONHASHSEED": "123"}).stdout.strip() == "completed"
        assert run_script(source, env={"PYTHONHASHSEED": seed}).stdout.strip() == "cached"

    def test_the_environment_switches_the_cache_off_for_a_whole_process(self, run_script):
        run_script(TRAINING)
        again = run_script(TRAINING, env={"ZENCACHE_ENABLE_CACHE": "0"})
        assert again.stdout.strip() == EXECUTED

    def test_a_comment_does_not_count_and_code_does(self, run_script):
        run_script(TRAINING)
        commented = TRAINING.replace("return x + y", "return x + y  # a sum")
        commented = commented.replace("    return x * SCALE", "    # scaled\n\n    return (x * SCALE)")
        assert run_script(commented).stdout.strip() == CACHED
        helper = run_script(TRAINING.replace("x * SCALE", "x + SCALE"))
        assert helper.stdout.strip() == "completed completed completed 6"
        last = run_script(TRAINING.replace("return model.weight", "return model.weight + 0"))
        assert last.stdout.strip() == "cached cached completed 7"


def test_two_stores_are_needed_for_a_hit(tmp_path):
    """The artifacts of a result lie in another store: what cannot be read is not a hit."""
    metadata = str(tmp_path / "shared.db")
    bound = one_slot(step(draw))
    bound.run(repository=Repository(metadata=metadata, artifacts=str(tmp_path / "one")))
    other = Repository(metadata=metadata, artifacts=str(tmp_path / "two"))
    run = bound.run(repository=other)
    assert run.steps["source"].status == "completed"
    assert Path(run.steps["source"].output.uri).is_relative_to(tmp_path / "two")
    assert bound.run(repository=other).steps["source"].is_cached
