"""What a step's cache policy lets count: each option, right and wrong, and whose policy holds."""

import math
import sys
import threading
import time
import types
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from zencache import (
    BaseStepConfig,
    CachePolicy,
    ConfigurationError,
    DeclarationError,
    NotFoundError,
    Repository,
    StepFailed,
    UnfingerprintableError,
    ZencacheError,
    pipeline,
    step,
)

pytestmark = pytest.mark.usefixtures("project")
OPTIONS = {
    "ignored_inputs": "x",
    "file_dependencies": "data.csv",
    "source_dependencies": math,
    "package_dependencies": "numpy",
    "expires_in": "7d",
    "cache_func": time.time,
    "include_code": False,
    "include_parameters": False,
    "verify": 0.5,
}


def draw() -> str:
    return uuid.uuid4().hex


def single(function, *args, **options):
    """A bound pipeline, always of one name, of one step."""

    @pipeline(name="single", **options)
    def wired():
        function(*args)

    return wired()


def status(function, *args, **options) -> str:
    """What becomes of a step in a run of a pipeline of this one step."""
    (view,) = single(function, *args, **options).run().steps.values()
    return view.status


def drawing(**policy):
    """A step that gives another result each time it executes, with a policy."""
    return step(cache_policy=CachePolicy(**policy))(draw)


class TestOptions:
    @pytest.mark.parametrize(("name", "value"), OPTIONS.items())
    def test_each_is_taken_by_its_name_and_kept(self, name, value):
        kept = getattr(CachePolicy(**{name: value}), name)
        assert kept in (value, (value,), timedelta(days=7))

    def test_none_need_be_given(self):
        assert CachePolicy() == CachePolicy(ignored_inputs=(), expires_in=None, cache_func=None)

    @pytest.mark.parametrize("name", ["ignored_inputs", "file_dependencies", "package_dependencies"])
    def test_one_text_and_several_in_any_order_are_the_same(self, name):
        assert CachePolicy(**{name: "a"}) == CachePolicy(**{name: ["a"]}) == CachePolicy(**{name: ("a", "a")})
        assert CachePolicy(**{name: ["b", "a"]}) == CachePolicy(**{name: {"a", "b"}})

    def test_a_path_is_a_file_dependency(self):
        assert CachePolicy(file_dependencies=Path("a")) == CachePolicy(file_dependencies="a")

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("90s", timedelta(seconds=90)),
            ("30m", timedelta(minutes=30)),
            ("12h", timedelta(hours=12)),
            ("7d", timedelta(days=7)),
            (" 2 w ", timedelta(weeks=2)),
            ("1.5h", timedelta(minutes=90)),
            (timedelta(days=1), timedelta(days=1)),
            (None, None),
        ],
    )
    def test_an_expiry_is_a_timedelta_or_a_text(self, text, expected):
        assert CachePolicy(expires_in=text).expires_in == expected

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *[("ignored_inputs", wrong) for wrong in (3, None, {"x": 1}, [1], [""], "")],
            *[("file_dependencies", wrong) for wrong in (3, None, [None], [["a"]])],
            *[("package_dependencies", wrong) for wrong in (math, None, [math])],
            *[("expires_in", wrong) for wrong in (7, 7.0, "7", "d", "7 days", "-1d", "0s", "", True)],
            *[("expires_in", wrong) for wrong in (timedelta(0), timedelta(days=-1), "1h30m")],
            *[("cache_func", wrong) for wrong in (3, "monday", {})],
            *[("include_code", wrong) for wrong in (1, None, "no")],
            *[("include_parameters", wrong) for wrong in (0, None, "yes")],
            *[("verify", wrong) for wrong in (-0.1, 1.1, True, "0.5", None, math.nan)],
        ],
        ids=repr,
    )
    def test_a_value_that_makes_no_sense_is_an_error_that_shows_it(self, name, value):
        with pytest.raises(ConfigurationError, match=name) as raised:
            CachePolicy(**{name: value})
        assert raised.value.facts["found"] == repr(value) or name == "expires_in"
        assert raised.value.facts["expected"]

    def test_an_expiry_beyond_all_bounds_is_an_error_of_configuration(self):
        with pytest.raises(ConfigurationError):
            CachePolicy(expires_in="99999999999999d")

    @pytest.mark.parametrize("wrong", [{"a": 1}, [{"a": 1}], "json", None])
    def test_a_source_dependency_that_is_no_code_is_an_error(self, wrong):
        with pytest.raises(ConfigurationError, match="source_dependencies"):
            CachePolicy(source_dependencies=wrong)

    @pytest.mark.parametrize(
        ("wrong", "right"),
        [
            ("ignored_input", "ignored_inputs"),
            ("file_dependency", "file_dependencies"),
            ("expires", "expires_in"),
            ("cache_fn", "cache_func"),
            ("includes_code", "include_code"),
        ],
    )
    def test_an_unknown_option_of_a_policy_is_an_error_with_the_nearest_name(self, wrong, right):
        with pytest.raises(ConfigurationError, match=f"no option `{wrong}`") as raised:
            CachePolicy(**{wrong: 1})
        assert f"`{right}`" in raised.value.hint

    def test_options_are_given_by_name(self):
        with pytest.raises(ConfigurationError, match="takes its options by name") as raised:
            CachePolicy("7d")
        assert raised.value.facts == {"found": "'7d'"}

    @pytest.mark.parametrize(
        ("decorator", "wrong", "right"),
        [
            (step, "cache_polcy", "cache_policy"),
            (step, "enable_caching", "enable_cache"),
            (step, "version", "cache_version"),
            (step, "materializer", "materializers"),
            (pipeline, "enable_caches", "enable_cache"),
            (pipeline, "cachepolicy", "cache_policy"),
        ],
    )
    def test_an_unknown_option_of_a_decorator_is_an_error_with_the_nearest_name(
        self, decorator, wrong, right
    ):
        with pytest.raises(DeclarationError, match=f"no option `{wrong}`") as raised:
            decorator(**{wrong: 1})
        assert f"`{right}`" in raised.value.hint

    @pytest.mark.parametrize("decorator", [step, pipeline])
    @pytest.mark.parametrize("wrong", ["7d", {"expires_in": "7d"}, CachePolicy])
    def test_what_is_no_policy_is_an_error(self, decorator, wrong):
        with pytest.raises(DeclarationError, match="takes a CachePolicy"):
            decorator(cache_policy=wrong)(draw)

    def test_a_policy_cannot_be_changed(self):
        policy = CachePolicy()
        with pytest.raises(AttributeError):
            policy.include_code = False


class TestWhosePolicyHolds:
    def test_that_of_the_pipeline_for_a_step_that_has_none(self):
        plain = step(draw)
        fleeting = CachePolicy(expires_in=timedelta(microseconds=1))
        assert status(plain, cache_policy=fleeting) == "completed"
        assert status(plain, cache_policy=fleeting) == "completed"
        assert status(plain) == "cached"

    def test_that_of_the_step_where_both_have_one(self):
        own = drawing(expires_in="1d")
        fleeting = CachePolicy(expires_in=timedelta(microseconds=1))
        assert status(own, cache_policy=fleeting) == "completed"
        assert status(own, cache_policy=fleeting) == "cached"

    def test_a_policy_of_a_pipeline_may_ignore_what_only_some_of_its_steps_have(self):
        @step
        def with_seed(seed: int) -> str:
            return draw()

        @step
        def without() -> str:
            return draw()

        @pipeline(cache_policy=CachePolicy(ignored_inputs="seed"))
        def mixed(seed):
            with_seed(seed)
            without()

        mixed(1).run()
        assert [view.status for view in mixed(2).run().steps.values()] == ["cached", "cached"]

    def test_a_copy_of_a_pipeline_keeps_its_policy(self):
        fleeting = CachePolicy(expires_in=timedelta(microseconds=1))
        bound = single(step(draw), cache_policy=fleeting)
        bound.run()
        assert bound.copy("other").run().steps["draw"].status == "completed"

    def test_an_empty_policy_is_the_same_as_none(self):
        status(step(draw))
        assert status(drawing()) == "cached"


class TestIgnoredInputs:
    def test_a_parameter_does_not_count_and_is_recorded(self):
        @step(cache_policy=CachePolicy(ignored_inputs="verbose"))
        def count(size: int, verbose: bool = False) -> int:
            return size

        single(count, 3).run()
        view = single(count, 3, True).run().steps["count"]
        assert view.is_cached
        assert view.parameters == {"size": 3, "verbose": True}
        assert status(count, 4, True) == "completed"

    def test_a_default_that_does_not_count_may_change(self):
        def run_with(default):
            def work(workers=default) -> str:
                return uuid.uuid4().hex

            ignoring = step(cache_policy=CachePolicy(ignored_inputs="workers"))(work)

            @pipeline
            def working():
                ignoring()

            return working().run().steps["work"]

        assert run_with(1).status == "completed"
        assert run_with(8).is_cached

    def test_a_field_of_the_config_does_not_count(self):
        class Config(BaseStepConfig):
            size: int = 1
            workers: int = 1

        @step(cache_policy=CachePolicy(ignored_inputs=["workers"]))
        def count(config: Config) -> str:
            return draw()

        status(count, Config())
        assert status(count, Config(workers=8)) == "cached"
        assert status(count, Config(size=2)) == "completed"

    def test_an_input_does_not_count_and_is_recorded(self):
        @step(enable_cache=False)
        def noise() -> str:
            return draw()

        @step(cache_policy=CachePolicy(ignored_inputs="x"))
        def constant(x: str) -> int:
            return 1

        @pipeline
        def noisy():
            constant(noise())

        noisy().run()
        steps = noisy().run().steps
        assert steps["constant"].is_cached
        assert steps["constant"].inputs["x"].digest == steps["noise"].output.digest

    def test_a_name_that_the_step_does_not_have_is_an_error_with_the_nearest(self):
        with pytest.raises(DeclarationError, match="`verbos`") as raised:

            @step(cache_policy=CachePolicy(ignored_inputs="verbos"))
            def count(verbose: bool) -> int:
                return 1

        assert "verbose" in raised.value.hint


class TestWhatCounts:
    def test_without_parameters_none_of_them_counts(self):
        @step(cache_policy=CachePolicy(include_parameters=False))
        def count(size: int) -> str:
            return draw()

        status(count, 1)
        assert status(count, 2) == "cached"

    def test_without_code_no_edit_counts_and_a_cache_version_still_does(self):
        def versions(**options):
            policy = CachePolicy(include_code=False)

            @step(name="count", cache_policy=policy, **options)
            def one() -> int:
                return 1

            @step(name="count", cache_policy=policy, **options)
            def two() -> int:
                return 2

            return one, two

        one, two = versions()
        assert status(one) == "completed"
        assert status(two) == "cached"
        assert status(versions(cache_version="2")[1]) == "completed"

    def test_with_code_an_edit_counts(self):
        @step(name="count")
        def one() -> int:
            return 1

        @step(name="count")
        def two() -> int:
            return 2

        assert status(one) == "completed"
        assert status(two) == "completed"
        assert status(one) == "cached"

    def test_a_source_dependency_counts_though_nothing_refers_to_it(self):
        def before():
            return 1

        def after():
            return 2

        status(drawing(source_dependencies=[before]))
        assert status(drawing(source_dependencies=[before])) == "cached"
        assert status(drawing(source_dependencies=after)) == "completed"

    def test_a_class_and_a_module_are_source_dependencies(self):
        class Before:
            size = 1

        class After:
            size = 2

        module = types.ModuleType("user_module")
        exec("def helper():\n    return 1", vars(module))
        for dependency in (Before, After, module):
            assert status(drawing(source_dependencies=dependency)) == "completed"
            assert status(drawing(source_dependencies=dependency)) == "cached"
        exec("def helper():\n    return 2", vars(module))
        assert status(drawing(source_dependencies=module)) == "completed"

    def test_the_order_of_source_dependencies_does_not_count(self):
        def one():
            return 1

        def two():
            return 2

        status(drawing(source_dependencies=[one, two]))
        assert status(drawing(source_dependencies=[two, one])) == "cached"

    def test_the_order_of_all_other_options_does_not_count(self, project):
        for name in ("a.txt", "b.txt"):
            (project / name).write_text(name)
        options = {
            "file_dependencies": ["a.txt", "b.txt"],
            "package_dependencies": ["numpy", "click"],
            "expires_in": "1d",
            "cache_func": dict,
        }
        status(drawing(**options))
        turned = {
            name: value[::-1] if isinstance(value, list) else value
            for name, value in reversed(options.items())
        }
        assert status(drawing(**turned)) == "cached"

    def test_the_order_of_decorator_options_does_not_count(self):
        policy = CachePolicy(expires_in="1d")
        status(step(cache_policy=policy, cache_version="1", enable_cache=True, name="draw")(draw))
        assert status(step(name="draw", enable_cache=True, cache_version="1", cache_policy=policy)(draw)) == (
            "cached"
        )


class TestFileDependencies:
    def test_the_content_counts_and_not_the_time(self, project):
        (project / "words.txt").write_text("a")
        reading = drawing(file_dependencies="words.txt")
        assert status(reading) == "completed"
        (project / "words.txt").write_text("a")
        assert status(reading) == "cached"
        (project / "words.txt").write_text("b")
        assert status(reading) == "completed"
        (project / "words.txt").write_text("a")
        assert status(reading) == "cached"

    def test_a_glob_counts_files_that_come_and_go(self, project):
        reading = drawing(file_dependencies="**/*.txt")
        (project / "deep" / "er").mkdir(parents=True)
        for name in ("a.txt", "deep/er/b.txt"):
            (project / name).write_text("a")
            assert status(reading) == "completed"
            assert status(reading) == "cached"
        (project / "a.txt").unlink()
        assert status(reading) == "completed"

    def test_a_folder_counts_with_all_that_is_in_it(self, project):
        (project / "words").mkdir()
        (project / "words" / "a").write_text("a")
        reading = drawing(file_dependencies="words")
        assert status(reading) == "completed"
        (project / "words" / "b").write_text("b")
        assert status(reading) == "completed"
        assert status(reading) == "cached"

    @pytest.mark.parametrize("url", ["nowhere.txt", "*.nothing", "memory://nowhere/at-all.txt"])
    def test_one_that_is_not_there_fails_the_step_and_names_it(self, url):
        with pytest.raises(StepFailed) as raised:
            single(drawing(file_dependencies=url)).run()
        error = raised.value.failures["draw"]
        assert isinstance(error, NotFoundError)
        assert error.facts["file"] == url
        assert "draw" in str(raised.value)

    def test_a_step_above_one_whose_file_is_not_there_has_finished(self):
        @step(cache_policy=CachePolicy(file_dependencies="words.txt"))
        def below(x: str) -> str:
            return x

        @pipeline
        def reading():
            below(step(draw)())

        with pytest.raises(StepFailed):
            reading().run()
        Path("words.txt").touch()
        assert [view.status for view in reading().run().steps.values()] == ["cached", "completed"]

    def test_where_a_file_lies_does_not_count(self, project):
        for folder in ("one", "two"):
            (project / folder).mkdir()
            (project / folder / "words.txt").write_text("a")
        status(drawing(file_dependencies=project / "one" / "words.txt"))
        assert status(drawing(file_dependencies=project / "two" / "words.txt")) == "cached"


class TestPackageDependencies:
    def test_the_installed_version_counts(self, monkeypatch):
        import importlib.metadata

        counting = drawing(package_dependencies="numpy")
        assert status(counting) == "completed"
        assert status(counting) == "cached"
        real = importlib.metadata.version
        monkeypatch.setattr(
            importlib.metadata, "version", lambda name: "99" if name == "numpy" else real(name)
        )
        assert status(counting) == "completed"

    def test_one_that_is_not_installed_fails_the_step_and_names_it(self):
        with pytest.raises(StepFailed, match="`no-such-package` is not installed") as raised:
            single(drawing(package_dependencies="no-such-package")).run()
        error = raised.value.failures["draw"]
        assert isinstance(error, ConfigurationError)
        assert error.facts["step"] == "draw"

    def test_two_spellings_of_a_name_are_one_package(self):
        status(drawing(package_dependencies="ml-metadata"))
        assert status(drawing(package_dependencies="ML_Metadata")) == "cached"


class TestCacheFunc:
    def test_what_it_returns_counts_before_each_look_up(self):
        today = ["monday"]

        @step(cache_policy=CachePolicy(cache_func=lambda: today[0]))
        def count() -> str:
            return draw()

        assert status(count) == "completed"
        assert status(count) == "cached"
        today[0] = "tuesday"
        assert status(count) == "completed"
        today[0] = "monday"
        assert status(count) == "cached"

    @pytest.mark.parametrize("wrong", [lambda: 1 / 0, lambda x: x], ids=["raises", "wants arguments"])
    def test_one_that_raises_fails_the_step_and_says_so(self, wrong):
        with pytest.raises(StepFailed, match="The cache_func of a step raised") as raised:
            single(drawing(cache_func=wrong)).run()
        error = raised.value.failures["draw"]
        assert isinstance(error, ZencacheError)
        assert error.facts["step"] == "draw"
        assert isinstance(error.__cause__, ZeroDivisionError | TypeError)

    def test_one_that_raises_does_not_keep_other_steps_from_finishing(self):
        @step
        def other() -> int:
            return 1

        @pipeline
        def mixed():
            drawing(cache_func=lambda: 1 / 0)()
            other()

        with pytest.raises(StepFailed):
            mixed().run(run_name="mixed")
        statuses = {name: view.status for name, view in Repository().get_run("mixed").steps.items()}
        assert statuses == {"draw": "failed", "other": "completed"}

    def test_one_that_returns_what_cannot_be_fingerprinted_fails_the_step(self):
        with pytest.raises(StepFailed, match="no faithful fingerprint") as raised:
            single(drawing(cache_func=threading.Lock)).run()
        assert isinstance(raised.value.failures["draw"], UnfingerprintableError)

    def test_one_that_cannot_be_hashed_is_called_like_any_other(self):
        class Today:
            __hash__ = None

            def __call__(self):
                return "monday"

        assert status(drawing(cache_func=Today())) == "completed"


class TestExpiry:
    @pytest.fixture
    def later(self, monkeypatch):
        """``later(seconds)``: from now on the cache looks at entries as if this much time had gone by."""

        def later(seconds):
            clock = types.SimpleNamespace(time=lambda: time.time() + seconds)
            monkeypatch.setattr(sys.modules["zencache.cache"], "time", clock)

        return later

    def test_an_entry_holds_for_as_long_as_the_policy_says(self, later):
        weekly = drawing(expires_in="7d")
        assert status(weekly) == "completed"
        later(6.9 * 86400)
        assert status(weekly) == "cached"
        later(7.1 * 86400)
        assert status(weekly) == "completed"

    def test_it_does_not_join_the_key(self, later):
        status(drawing(expires_in="7d"))
        assert status(drawing(expires_in="1h")) == "cached"
        later(3700)
        assert status(drawing(expires_in="2h")) == "cached"
        assert status(step(draw)) == "cached"
        assert status(drawing(expires_in="1h")) == "completed"

    def test_a_look_up_does_not_make_an_entry_younger(self, later):
        daily = drawing(expires_in="1d")
        status(daily)
        later(23 * 3600)
        assert status(daily) == "cached"
        later(25 * 3600)
        assert status(daily) == "completed"

    def test_a_step_below_one_that_expired_hits_if_the_result_is_the_same(self):
        @step(cache_policy=CachePolicy(expires_in=timedelta(microseconds=1)))
        def constant() -> int:
            return 1

        @step
        def below(x: int) -> str:
            return draw()

        @pipeline
        def cut_off():
            below(constant())

        cut_off().run()
        assert [view.status for view in cut_off().run().steps.values()] == ["completed", "cached"]
