"""Why a step ran, or did not: the parts of its cache key that differ, and what two runs differ in."""

import importlib
import json
import shutil
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest
from blake3 import blake3
from click.testing import CliRunner

from zencache import (
    BaseStepConfig,
    CachePolicy,
    ExternalFile,
    NotFoundError,
    Output,
    Repository,
    StepFailed,
    pipeline,
    step,
)
from zencache.cli import main

pytestmark = pytest.mark.usefixtures("project")


class Config(BaseStepConfig):
    epochs: int = 1
    rate: float = 0.1


@step
def load(size: int) -> list:
    return list(range(size))


@step
def normalize(X: list) -> list:
    return [x + 1 for x in X]


@step
def train(config: Config, X: list) -> float:
    return sum(X) * config.epochs * config.rate


@pipeline
def training(size: int = 3, epochs: int = 1):
    train(Config(epochs=epochs), normalize(load(size)))


def single(function, *args, **options):
    """A bound pipeline, always of one name, of one step."""

    @pipeline(name="single", **options)
    def wired():
        function(*args)

    return wired()


def why(pipeline_instance, name, **options):
    return pipeline_instance.run(**options).steps[name].why()


def digest(text):
    """The beginning of a file's digest, as it is shown."""
    return blake3(text.encode()).hexdigest()[:8]


def texts(told):
    return [difference.text for difference in told.differences]


@pytest.fixture
def modules(project, monkeypatch):
    """``modules(name=source, ...)`` writes modules into the project and imports all of its modules anew."""
    monkeypatch.syspath_prepend(str(project))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two edits may be made within one second

    def forget():
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(project)):
                del sys.modules[name]

    def write(**sources):
        forget()
        for name, source in sources.items():
            if source is None:
                (project / f"{name}.py").unlink()
            else:
                (project / f"{name}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        return importlib.import_module("flow")

    yield write
    forget()


FLOW = """
    from helpers import stripped
    from zencache import pipeline, step

    @step
    def clean(word: str) -> str:
        return stripped(word)

    @pipeline
    def cleaning(word: str = " a "):
        clean(word)
    """

HELPERS = """
    def stripped(word):
        return word.strip()
    """


class TestParts:
    def test_a_parameter_with_both_values(self):
        first = training().run()
        told = why(training(epochs=2), "train")
        assert texts(told) == ["parameter epochs: 1 -> 2"]
        assert told.differences[0].label == "parameter epochs"
        assert told.differences[0].follows_from == ""
        assert told.compared_with == first.name
        assert told.status == "completed"

    def test_a_parameter_that_is_new(self):
        @step(name="measure")
        def before(size: int) -> int:
            return size

        @step(name="measure")
        def after(size: int, unit: str = "cm") -> int:
            return size

        single(before, 1).run()
        assert "parameter unit: (none) -> 'cm'" in texts(why(single(after, 1), "measure"))

    DEFAULTS = """
        from configs import Config
        from zencache import pipeline, step

        def half(n):
            return n // 2

        @step
        def clean(config: Config = Config(epochs=2), n: int = 6, *, scale: float = 1.0, how=half) -> float:
            return how(n) * scale * config.epochs

        @pipeline
        def cleaning():
            clean()
        """

    CONFIGS = """
        from zencache import BaseStepConfig

        class Config(BaseStepConfig):
            epochs: int = 1
        """

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ("n: int = 6", "n: int = 8", "parameter n: 6 -> 8"),
            ("scale: float = 1.0", "scale: float = 2.0", "parameter scale: 1.0 -> 2.0"),
            ("Config(epochs=2)", "Config(epochs=3)", "parameter epochs: 2 -> 3"),
        ],
    )
    def test_a_default_of_the_steps_own_once(self, modules, old, new, told):
        first = modules(flow=self.DEFAULTS, configs=self.CONFIGS).cleaning().run()
        assert first.steps["clean"].output.read() == 6.0
        edited = modules(flow=self.DEFAULTS.replace(old, new)).cleaning()
        assert edited.plan()["clean"].reasons == (told,)
        assert texts(why(edited, "clean")) == [told]

    def test_the_code_of_a_default_by_its_name(self, modules):
        modules(flow=self.DEFAULTS, configs=self.CONFIGS).cleaning().run()
        edited = modules(flow=self.DEFAULTS.replace("n // 2", "n // 3")).cleaning()
        assert "code: flow.half" in texts(why(edited, "clean"))

    def test_a_default_that_is_given_nevertheless_does_not_count(self, modules):
        given = self.DEFAULTS.replace("clean()\n", "clean(n=4)\n")
        modules(flow=given, configs=self.CONFIGS).cleaning().run()
        edited = modules(flow=given.replace("n: int = 6", "n: int = 8")).cleaning().run()
        assert edited.steps["clean"].is_cached

    def test_a_default_that_other_code_relies_on_counts_as_code(self, modules):
        source = self.DEFAULTS.replace(
            "return how(n)", "return (clean.entrypoint(n=2) if n > 2 else 1) + how(n)"
        )
        source = source.replace("clean()\n", "clean(scale=1.0)\n")
        before = modules(flow=source, configs=self.CONFIGS).cleaning().run().steps["clean"]
        edited = modules(flow=source.replace("scale: float = 1.0", "scale: float = 2.0")).cleaning()
        told = why(edited, "clean")
        assert texts(told) == ["code: flow.clean (2)"]
        assert before.output.read() != Repository().get_runs()[-1].steps["clean"].output.read()

    def test_a_long_value_is_shown_in_short(self):
        @step
        def length(word: str) -> int:
            return len(word)

        single(length, "a").run()
        (text,) = texts(why(single(length, "b" * 5000), "length"))
        assert text.startswith("parameter word: 'a' -> 'bbb")
        assert len(text) < 200

    def test_a_helper_in_another_module_by_its_name(self, modules):
        modules(flow=FLOW, helpers=HELPERS).cleaning().run()
        told = why(modules(helpers=HELPERS.replace("strip()", "lstrip()")).cleaning(), "clean")
        assert texts(told) == ["code: helpers.stripped"]

    def test_the_step_itself_by_its_name(self, modules):
        modules(flow=FLOW, helpers=HELPERS).cleaning().run()
        edited = FLOW.replace("return stripped(word)", "return stripped(word) + '!'")
        assert texts(why(modules(flow=edited).cleaning(), "clean")) == ["code: flow.clean"]

    def test_a_constant_by_its_name(self, modules):
        source = "SIGNS = {' ', '.'}\n\ndef stripped(word):\n    return word.strip(''.join(sorted(SIGNS)))\n"
        modules(flow=FLOW, helpers=source).cleaning().run()
        told = why(modules(helpers=source.replace("'.'", "','")).cleaning(), "clean")
        assert texts(told) == ["code: helpers.SIGNS"]

    def test_a_helper_that_is_new_is_named_as_new(self, modules):
        modules(flow=FLOW, helpers=HELPERS).cleaning().run()
        source = (
            "def trimmed(word):\n    return word.strip()\n\ndef stripped(word):\n    return trimmed(word)\n"
        )
        told = texts(why(modules(helpers=source).cleaning(), "clean"))
        assert sorted(told) == ["code: helpers.stripped", "code: helpers.trimmed (new)"]

    def test_an_edited_method_by_its_name(self, modules):
        source = """
            class Cleaner:
                def first(self, word):
                    return word.strip()

                def second(self, word):
                    return word.lower()

            def stripped(word):
                return Cleaner().second(Cleaner().first(word))
            """
        modules(flow=FLOW, helpers=source).cleaning().run()
        told = texts(why(modules(helpers=source.replace("lower", "upper")).cleaning(), "clean"))
        assert "code: helpers.Cleaner.second" in told
        assert "code: helpers.Cleaner.first" not in told

    def test_a_module_that_was_renamed_shows_only_what_else_changed(self, modules):
        modules(flow=FLOW, helpers=HELPERS).cleaning().run()
        renamed = modules(helpers=None, tools=HELPERS, flow=FLOW.replace("helpers", "tools"))
        assert renamed.cleaning().run().steps["clean"].is_cached
        assert texts(why(renamed.cleaning(" b "), "clean")) == ["parameter word: ' a ' -> ' b '"]

    def test_a_script_that_was_edited_and_is_imported_now_shows_one_edit(self, run_forked):
        source = """
            from zencache import Repository, pipeline, step

            @step
            def one() -> int:
                return 1

            @pipeline
            def ones():
                one()

            if __name__ == "__main__":
                ones().run()
            """
        run_forked(source)
        name = "script_1"
        edited = run_forked(f"""
            import pathlib
            file = pathlib.Path("{name}.py")
            file.write_text(file.read_text().replace("return 1", "return 2"))
            import {name}
            print(*{name}.ones().run().steps["one"].why().differences, sep="\\n")
            """)
        assert "code: script_1.one" in edited.stdout
        assert "(new)" not in edited.stdout
        assert "(gone)" not in edited.stdout

    def test_a_module_of_classes_with_methods_of_one_name_that_was_renamed_shows_only_what_else_changed(
        self, modules
    ):
        source = """
            class Left:
                def apply(self, word):
                    return word.lstrip()

            class Right:
                def apply(self, word):
                    return word.rstrip()

            def stripped(word):
                return Left().apply(Right().apply(word))
            """
        modules(flow=FLOW, helpers=source).cleaning().run()
        renamed = modules(helpers=None, tools=source, flow=FLOW.replace("helpers", "tools"))
        assert renamed.cleaning().run().steps["clean"].is_cached
        assert texts(why(renamed.cleaning(" b "), "clean")) == ["parameter word: ' a ' -> ' b '"]

    def test_an_input_from_a_step_that_ran(self):
        training().run()
        told = why(training(size=4), "normalize")
        assert texts(told) == ["input X: from load, which ran"]
        assert told.follows_from == ("load",)

    def test_an_input_from_a_step_another_of_whose_results_is_used(self):
        training(size=3).run()
        training(size=4).run()
        training(size=3).run()

        @step(name="normalize")
        def other(X: list) -> list:
            return [x - 1 for x in X]

        @pipeline(name="training")
        def edited(size):
            train(Config(), other(load(size)))

        told = why(edited(4), "normalize")
        assert "input X: from load, another of whose results is used" in texts(told)
        assert any(text.startswith("code: ") for text in texts(told))

    def test_a_given_value(self):
        import numpy as np

        @step
        def total(X: np.ndarray) -> float:
            return float(X.sum())

        single(total, np.ones(3)).run()
        told = why(single(total, np.ones(4)), "total")
        assert texts(told) == ["input X: other content was given"]
        assert told.follows_from == ()

    def test_an_external_file(self, project):
        @step
        def read(path: str) -> str:
            return Path(path).read_text()

        (project / "data.csv").write_text("1")
        single(read, ExternalFile("data.csv")).run()
        (project / "data.csv").write_text("2")
        told = why(single(read, ExternalFile("data.csv")), "read")
        one, two = digest("1"), digest("2")
        assert texts(told) == [f"input path: data.csv, 1 byte ({one}) -> data.csv, 1 byte ({two})"]

    def test_external_files_of_a_glob_each_by_its_name(self, project):
        @step
        def read(paths: list[Path]) -> int:
            return len(paths)

        for name in "abc":
            (project / f"{name}.csv").write_text("1")
        single(read, ExternalFile("*.csv")).run()
        (project / "a.csv").write_text("12")
        (project / "b.csv").unlink()
        (project / "d.csv").write_text("1")
        told = why(single(read, ExternalFile("*.csv")), "read")
        assert texts(told) == [
            f"input paths: a.csv: 1 byte ({digest('1')}) -> 2 bytes ({digest('12')})",
            "input paths: b.csv (gone)",
            "input paths: d.csv (new)",
        ]
        assert told.follows_from == ()

    def test_more_external_files_than_one_reads_are_told_together(self, project):
        @step
        def read(paths: list[Path]) -> int:
            return len(paths)

        for number in range(101):
            (project / f"{number}.csv").write_text("1")
        single(read, ExternalFile("*.csv")).run()
        (project / "101.csv").write_text("123")
        (text,) = texts(why(single(read, ExternalFile("*.csv")), "read"))
        assert text.startswith("input paths: *.csv, 101 files of 101 bytes (")
        assert ") -> *.csv, 102 files of 104 bytes (" in text

    def test_a_remote_file(self):
        import fsspec

        @step
        def read(url: str) -> str:
            return url

        filesystem = fsspec.filesystem("memory")
        try:
            filesystem.pipe("why/a.csv", b"1")
            single(read, ExternalFile("memory://why/a.csv")).run()
            filesystem.pipe("why/a.csv", b"1234")
            (text,) = texts(why(single(read, ExternalFile("memory://why/a.csv")), "read"))
        finally:
            filesystem.rm("why", recursive=True)
        assert text.startswith("input url: memory://why/a.csv, 1 byte (")
        assert "-> memory://why/a.csv, 4 bytes (" in text

    def test_a_given_value_in_the_place_of_a_file(self, project):
        @step
        def read(path: Path) -> int:
            return 1

        (project / "data.csv").write_text("1")
        single(read, ExternalFile("data.csv")).run()
        told = why(single(read, Path("data.csv")), "read")
        assert texts(told) == ["input path: other content was given"]

    def test_a_file_that_a_policy_names(self, project):
        @step(cache_policy=CachePolicy(file_dependencies=["a.txt", "folder/*.txt"]))
        def read() -> int:
            return 1

        (project / "folder").mkdir()
        for name in ("a.txt", "folder/b.txt"):
            (project / name).write_text("1")
        single(read).run()
        (project / "a.txt").write_text("2")
        changed = f"1 byte ({digest('1')}) -> 1 byte ({digest('2')})"
        assert texts(why(single(read), "read")) == [f"file a.txt: {changed}"]
        (project / "folder" / "b.txt").write_text("2")
        assert texts(why(single(read), "read")) == [f"file folder/*.txt: b.txt: {changed}"]
        (project / "folder" / "c.txt").write_text("2")
        assert texts(why(single(read), "read")) == ["file folder/*.txt: c.txt (new)"]
        (project / "folder" / "b.txt").unlink()
        assert texts(why(single(read), "read")) == ["file folder/*.txt: b.txt (gone)"]

    def test_a_package(self, monkeypatch):
        import importlib.metadata

        @step(cache_policy=CachePolicy(package_dependencies="numpy"))
        def count() -> int:
            return 1

        single(count).run()
        real = importlib.metadata.version
        monkeypatch.setattr(
            importlib.metadata, "version", lambda name: "99" if name == "numpy" else real(name)
        )
        assert texts(why(single(count), "count")) == [f"package numpy: {real('numpy')} -> 99"]

    def test_what_a_cache_func_gives(self):
        said = ["monday"]
        policy = CachePolicy(cache_func=lambda: said[0])

        @step(cache_policy=policy)
        def count() -> int:
            return 1

        # What the function returns counts, and so does what it is made of: here only the former changes.
        single(count).run()
        said[0] = "tuesday"
        assert texts(why(single(count), "count")) == ["cache_func: 'monday' -> 'tuesday'"]
        said[0] = "wednesday" * 100
        assert texts(why(single(count), "count")) == ["cache_func"]

    def test_what_was_recorded_without_values_by_its_name(self, project):
        """As earlier versions did."""

        said = ["monday"]

        @step(cache_policy=CachePolicy(file_dependencies="a.txt", cache_func=lambda: said[0]))
        def read(path: str) -> int:
            return 1

        for name in ("a.txt", "b.txt"):
            (project / name).write_text("1")
        single(read, ExternalFile("b.txt")).run()
        store = Repository().store
        executions = store.get_executions()
        for execution in executions:
            del execution.custom_properties["zencache_key_values"]
        store.put_executions(executions)
        said[0] = "tuesday"
        for name in ("a.txt", "b.txt"):
            (project / name).write_text("2")
        told = why(single(read, ExternalFile("b.txt")), "read")
        assert texts(told) == ["input path: other content was given", "file a.txt", "cache_func"]

    def test_a_cache_version(self):
        def run_of(version):
            @step(cache_version=version)
            def count() -> int:
                return 1

            return why(single(count), "count")

        run_of("1")
        assert texts(run_of("2")) == ["cache_version: '1' -> '2'"]
        assert texts(run_of(None)) == ["cache_version: '2' -> None"]

    def test_several_parts_each_on_its_own(self):
        training().run()
        told = why(training(size=4, epochs=2), "train")
        assert texts(told) == ["parameter epochs: 1 -> 2", "input X: from normalize, which ran"]
        assert told.follows_from == ()


class TestReasons:
    def test_the_first_execution_ever(self):
        told = why(training(), "load")
        assert told.reason == "no execution of this step is recorded before it"
        assert told.differences == ()
        assert told.compared_with == ""

    def test_the_first_run_of_a_pipeline_is_compared_with_another_pipelines_execution_of_the_step(self):
        first = training(size=3).run()

        @pipeline
        def other():
            load(5)

        told = why(other(), "load")
        assert texts(told) == ["parameter size: 3 -> 5"]
        assert told.compared_with == first.name

    def test_a_hit_names_the_run_that_made_it(self):
        first = training().run()
        training().run()
        told = why(training(), "load")
        assert told.status == "cached"
        assert told.reason.startswith(f"same key: made by run {first.name} in ")
        assert told.differences == ()

    @pytest.mark.parametrize(
        ("level", "switches"),
        [
            ("run", {"run": False}),
            ("pipeline", {"in_pipeline": False}),
            ("step", {"in_step": False}),
            ("environment", {}),
        ],
    )
    def test_caching_that_is_off_names_the_level(self, level, switches, monkeypatch):
        if level == "environment":
            monkeypatch.setenv("ZENCACHE_ENABLE_CACHE", "0")

        @step(enable_cache=switches.get("in_step"))
        def count() -> int:
            return 1

        bound = single(count, enable_cache=switches.get("in_pipeline"))
        bound.run(enable_cache=switches.get("run"))
        told = why(bound, "count", enable_cache=switches.get("run"))
        assert told.reason == f"caching is off at the level of the {level}"
        assert str(told) == f"count: completed, because caching is off at the level of the {level}"

    def test_a_step_without_outputs(self):
        @step
        def announce() -> None:
            pass

        assert why(single(announce), "announce").reason == "a step without outputs runs for its effect"

    def test_a_refresh(self):
        training().run()
        assert why(training(), "load", refresh="load").reason == "a refresh was asked for"

    def test_an_entry_that_has_expired_with_its_age(self):
        @step(cache_policy=CachePolicy(expires_in=timedelta(microseconds=1)))
        def count() -> int:
            return 1

        single(count).run()
        reason = why(single(count), "count").reason
        assert reason.startswith("the entry has expired (it is ")
        assert "holds for 0:00:00.000001" in reason

    def test_an_artifact_that_is_missing_by_its_output(self):
        run = training().run()
        shutil.rmtree(run.steps["load"].output.uri)
        reason = why(training(), "load").reason
        assert reason.startswith("an artifact is missing (output `output`")

    def test_an_artifact_that_is_damaged_by_its_output(self):
        run = training().run()
        (payload,) = [
            path
            for path in Path(run.steps["load"].output.uri).rglob("*")
            if path.is_file() and path.name != "manifest.json"
        ]
        payload.chmod(0o644)
        payload.write_bytes(payload.read_bytes() + b" ")
        reason = why(training(), "load").reason
        assert reason.startswith("an artifact is damaged (output `output`")

    def test_a_step_that_failed_and_one_that_was_skipped(self):
        @step
        def broken() -> int:
            raise ValueError("no")

        @step
        def below(x: int) -> int:
            return x

        @pipeline
        def breaking():
            below(broken())

        with pytest.raises(StepFailed):
            breaking().run(run_name="broken run")
        steps = Repository().get_run("broken run").steps
        assert steps["broken"].why().status == "failed"
        assert steps["broken"].why().reason == "no execution of this step is recorded before it"
        told = steps["below"].why()
        assert (told.status, told.differences) == ("skipped", ())

    def test_a_step_that_was_skipped_names_the_step_that_failed(self):
        @step
        def broken() -> int:
            raise ValueError("no")

        @pipeline
        def breaking():
            normalize(broken())

        with pytest.raises(StepFailed):
            breaking().run(run_name="broken run")
        assert "broken" in Repository().get_run("broken run").steps["normalize"].why().reason

    def test_a_step_that_failed_before_it_was_decided(self):
        @step(cache_policy=CachePolicy(file_dependencies="nowhere.txt"))
        def count() -> int:
            return 1

        with pytest.raises(StepFailed, match=r"nowhere\.txt"):
            single(count).run(run_name="broken run")
        told = Repository().get_run("broken run").steps["count"].why()
        assert (told.status, told.reason) == ("failed", "it failed before it was decided")

    def test_a_step_that_runs_again_after_it_failed_says_that_it_failed(self, project):
        @step
        def fragile() -> int:
            if not Path("ready").exists():
                raise ValueError("not ready")
            return 1

        with pytest.raises(StepFailed):
            single(fragile).run()
        (project / "ready").touch()
        assert "failed" in why(single(fragile), "fragile").reason

    def test_a_change_after_a_failure_is_compared_with_the_execution_that_failed(self):
        @step
        def divide(by: int) -> float:
            return 1 / by

        with pytest.raises(StepFailed):
            single(divide, 0).run()
        assert texts(why(single(divide, 2), "divide")) == ["parameter by: 0 -> 2"]

    def test_what_follows_from_a_step_names_it_once(self):
        @step(name="split")
        def halves(size: int) -> Output(a=int, b=int):
            return size, -size

        @step
        def join(a: int, b: int) -> int:
            return a + b

        @pipeline
        def joining(size):
            join(*halves(size))

        joining(1).run()
        told = why(joining(2), "join")
        assert texts(told) == ["input a: from split, which ran", "input b: from split, which ran"]
        assert told.follows_from == ("split",)
        assert str(told).count("it follows from split") == 1

    def test_what_the_key_cannot_follow_is_told(self):
        @step
        def dynamic(name: str) -> int:
            return int(getattr(1, name))

        told = why(single(dynamic, "real"), "dynamic")
        (sentence,) = told.untracked
        assert sentence.startswith("`getattr` with a computed name in ")
        assert f"  untracked: {sentence}" in str(told)

    def test_what_the_key_cannot_follow_is_told_of_a_hit_too(self):
        @step
        def dynamic(name: str) -> int:
            return int(getattr(1, name))

        single(dynamic, "real").run()
        told = why(single(dynamic, "real"), "dynamic")
        assert told.status == "cached"
        assert len(told.untracked) == 1

    def test_printed_it_begins_with_the_decision_and_has_a_line_for_each_difference(self):
        first = training().run()
        lines = str(why(training(size=4), "normalize")).splitlines()
        assert lines == [
            "normalize: completed, because no entry has this key",
            f"  compared with run {first.name}",
            "  input X: from load, which ran",
            "  nothing of its own changed: it follows from load",
        ]

    def test_it_is_told_long_afterwards_about_any_run(self):
        training().run(run_name="first")
        training(epochs=2).run(run_name="second")
        training(epochs=3).run(run_name="third")
        told = Repository().get_run("second").steps["train"].why()
        assert texts(told) == ["parameter epochs: 1 -> 2"]
        assert told.compared_with == "first"


class TestComparingRuns:
    @pytest.fixture
    def runs(self):
        return [
            training().run(run_name="one"),
            training(epochs=2).run(run_name="two"),
            training(size=4).run(run_name="three"),
        ]

    def test_names_the_first_step_that_differs_and_its_parts(self, runs):
        found = Repository().compare("one", "two")
        assert found.first_difference.step == "train"
        assert [str(d) for d in found.first_difference.differences] == ["parameter epochs: 1 -> 2"]
        assert found.first_difference.statuses == ("completed", "completed")
        assert [(s.step, bool(s.differences)) for s in found.steps] == [
            ("load", False),
            ("normalize", False),
            ("train", True),
        ]

    def test_goes_from_the_first_run_to_the_second(self, runs):
        found = Repository().compare("two", "one")
        assert [str(d) for d in found.first_difference.differences] == ["parameter epochs: 2 -> 1"]

    def test_takes_runs_as_well_as_their_names(self, runs):
        assert Repository().compare(runs[0], runs[1]) == Repository().compare("one", "two")

    def test_what_follows_is_told_apart_from_the_cause(self, runs):
        found = Repository().compare("one", "three")
        assert [(s.step, [d.follows_from for d in s.differences]) for s in found.steps] == [
            ("load", [""]),
            ("normalize", ["load"]),
            ("train", ["normalize"]),
        ]

    def test_a_cached_run_is_the_same_as_the_run_it_was_taken_from(self, runs):
        training().run(run_name="again")
        found = Repository().compare("one", "again")
        assert found.first_difference is None
        assert str(found) == "one and again are the same in every step."
        assert [step.statuses for step in found.steps] == [("completed", "cached")] * 3

    def test_a_cached_run_is_compared_by_the_parts_of_its_source(self, runs):
        training().run(run_name="again")
        found = Repository().compare("two", "again")
        assert [str(d) for d in found.first_difference.differences] == ["parameter epochs: 2 -> 1"]

    def test_a_step_that_only_one_run_has_is_named(self, runs):
        @pipeline(name="training")
        def shorter():
            normalize(load(3))

        shorter().run(run_name="shorter")
        found = Repository().compare("one", "shorter")
        assert found.first_difference.step == "train"
        assert [str(d) for d in found.first_difference.differences] == ["only in one"]
        assert found.first_difference.statuses == ("completed", "absent")
        assert [str(d) for d in Repository().compare("shorter", "one").first_difference.differences] == [
            "only in one"
        ]

    def test_a_step_that_was_skipped_in_one_run_is_said_to_be_skipped(self, project):
        @step
        def fragile() -> list:
            if not Path("ready").exists():
                raise ValueError("not ready")
            return [1]

        @pipeline
        def breaking():
            normalize(fragile())

        with pytest.raises(StepFailed):
            breaking().run(run_name="broken run")
        (project / "ready").touch()
        breaking().run(run_name="good run")
        found = Repository().compare("broken run", "good run")
        (skipped,) = [s for s in found.steps if s.step == "normalize"]
        assert skipped.statuses == ("skipped", "completed")
        assert not any("(new)" in str(difference) for difference in skipped.differences)

    @pytest.mark.parametrize("names", [("one", "tow"), ("tow", "one")])
    def test_an_unknown_run_is_an_error_that_offers_the_nearest(self, runs, names):
        with pytest.raises(NotFoundError, match="tow") as raised:
            Repository().compare(*names)
        assert "two" in raised.value.hint


def cli(*arguments, code=0):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result


class TestCommands:
    @pytest.fixture(autouse=True)
    def _runs(self, project):
        training().run(run_name="one")
        training(size=4, epochs=2).run(run_name="two")

    def test_why_prints_what_python_prints(self):
        told = Repository().get_run("two").steps["train"].why()
        assert cli("why", "two", "train").stdout == f"{told}\n"
        assert "parameter epochs: 1 -> 2" in cli("why", "latest", "train").stdout

    def test_why_prints_json(self):
        told = json.loads(cli("why", "two", "normalize", "--json").stdout)
        assert told["status"] == "completed"
        assert told["compared_with"] == "one"
        assert told["follows_from"] == ["load"]
        assert told["differences"] == [
            {"label": "input X", "text": "input X: from load, which ran", "follows_from": "load"}
        ]

    def test_diff_prints_what_python_prints(self):
        printed = cli("diff", "one", "two").stdout
        assert printed == f"{Repository().compare('one', 'two')}\n"
        assert printed.splitlines()[:2] == [
            "one and two first differ in load:",
            "  load: parameter size: 3 -> 4",
        ]

    def test_diff_of_a_run_with_itself_says_that_they_are_the_same(self):
        assert cli("diff", "one", "one").stdout == "one and one are the same in every step.\n"

    def test_diff_prints_json(self):
        found = json.loads(cli("diff", "one", "two", "--json").stdout)
        assert found["runs"] == ["one", "two"]
        assert found["steps"][0]["step"] == "load"
        assert found["steps"][0]["differences"][0]["text"] == "parameter size: 3 -> 4"

    @pytest.mark.parametrize(
        ("arguments", "shown"),
        [
            (("why", "two", "trian"), "train"),
            (("why", "nowhere", "train"), "nowhere"),
            (("diff", "one", "nowhere"), "nowhere"),
            (("diff", "nowhere", "one"), "nowhere"),
        ],
    )
    def test_a_run_or_step_that_there_is_not_is_wrong_usage(self, arguments, shown):
        result = cli(*arguments, code=2)
        assert shown in result.stderr
        assert result.stdout == ""
