"""What people type: each command does its work, says it on stdout, and errors are one message on stderr."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zencache import Repository
from zencache.cli import main

TRAINING = '''
"""Two steps."""
from zencache import pipeline, step

@step
def importer(size: int) -> list[int]:
    return list(range(size))

@step
def trainer(X: list[int], rate: float) -> float:
    return sum(X) * rate

@pipeline
def training(size: int = 3, rate: float = 0.5, label: str = "none"):
    trainer(importer(size=size), rate=rate)
'''

BROKEN = """
from zencache import pipeline, step

@step
def broken() -> int:
    raise ValueError("no such thing")

@pipeline
def breaking():
    broken()
"""

PROGRAM = str(Path(sys.executable).parent / "zencache")


@pytest.fixture
def training(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file with one pipeline function; the modules that loading it leaves behind are taken away."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = project / "training.py"
    file.write_text(TRAINING)
    yield file
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(project)):
            del sys.modules[name]


def cli(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result


def error_of(*arguments: str, code: int) -> str:
    """What a command that fails says on stderr; it says nothing on stdout."""
    result = cli(*arguments, code=code)
    assert result.stdout == ""
    assert "Traceback" not in result.output
    assert len(re.findall(r"^Error: ", result.stderr, re.MULTILINE)) == 1
    return result.stderr


def latest():
    return Repository().get_runs()[-1]


class TestInit:
    def test_makes_the_folder_here_and_says_where_both_stores_are(self, project):
        (project / "pyproject.toml").unlink()
        result = cli("init")
        assert f"{project}/.zencache/metadata.db" in result.stdout
        assert f"{project}/.zencache/artifacts" in result.stdout
        assert (project / ".zencache" / "metadata.db").is_file()
        assert (project / ".zencache" / ".gitignore").read_text() == "*\n"

    def test_makes_a_project_below_another_one(self, project, monkeypatch):
        inner = project / "inner"
        inner.mkdir()
        monkeypatch.chdir(inner)
        cli("init")
        assert Repository().root == inner
        monkeypatch.chdir(project)
        assert Repository().root == project

    def test_takes_a_folder(self, project):
        (project / "other").mkdir()
        cli("init", "other")
        assert (project / "other" / ".zencache" / "metadata.db").is_file()

    def test_again_changes_nothing(self, training):
        cli("init")
        cli("run", "training.py")
        cli("init")
        assert len(Repository().get_runs()) == 1

    def test_of_a_folder_that_does_not_exist_is_wrong_usage(self, project):
        assert "nowhere" in error_of("init", "nowhere", code=2)


class TestRun:
    def test_runs_the_only_pipeline_of_a_file_and_prints_the_name_of_the_run(self, training):
        result = cli("run", "training.py")
        assert result.stdout.strip() == latest().name
        assert latest().steps["trainer"].output.read() == 1.5

    def test_runs_the_pipeline_that_is_named(self, training):
        training.write_text(TRAINING + "\nbound = training(size=5).copy('five')\n")
        cli("run", "training.py:bound")
        assert latest().pipeline == "five"
        cli("run", "training.py:training")
        assert latest().pipeline == "training"

    def test_binds_parameters_as_json_or_as_text(self, training):
        cli("run", "training.py", "--param", "size=4", "--param", "rate=0.25", "--param", "label=a b=c")
        assert latest().steps["importer"].parameters == {"size": 4}
        assert latest().steps["trainer"].parameters == {"rate": 0.25}

    def test_names_the_run(self, training):
        assert cli("run", "training.py", "--run-name", "mine").stdout == "mine\n"

    def test_uses_the_cache_of_what_ran_before(self, training):
        cli("run", "training.py")
        result = cli("run", "training.py")
        assert "Using cached version of `importer`." in result.stderr
        assert [view.status for view in latest().steps.values()] == ["cached", "cached"]

    def test_shares_the_cache_with_the_script_itself(self, training, run_script):
        run_script(TRAINING + "\ntraining().run()\n")
        cli("run", "training.py")
        assert [view.status for view in latest().steps.values()] == ["cached", "cached"]

    def test_without_the_cache(self, training):
        cli("run", "training.py")
        cli("run", "training.py", "--no-cache")
        assert [view.status for view in latest().steps.values()] == ["completed", "completed"]

    def test_imports_what_lies_beside_the_file(self, training):
        (training.parent / "sub").mkdir()
        (training.parent / "sub" / "beside_it.py").write_text("SIZE = 7\n")
        (training.parent / "sub" / "main.py").write_text(
            "import beside_it\n" + TRAINING.replace("size: int = 3", "size: int = beside_it.SIZE")
        )
        cli("run", "sub/main.py")
        assert latest().steps["importer"].parameters == {"size": 7}

    def test_that_fails_ends_with_1_and_names_the_step(self, training):
        training.write_text(BROKEN)
        assert "Step `broken` failed: ValueError: no such thing" in error_of("run", "training.py", code=1)
        assert latest().status == "failed"

    @pytest.mark.parametrize(
        ("target", "says"),
        [
            ("nowhere.py", "no such file"),
            ("training.py:trainng", "Did you mean `training`"),
            ("nowhere.py:training", "no such file"),
        ],
    )
    def test_of_what_does_not_exist_is_wrong_usage(self, training, target, says):
        assert says in error_of("run", target, code=2)

    def test_of_a_file_with_several_pipelines_names_them(self, training):
        training.write_text(TRAINING + BROKEN)
        message = error_of("run", "training.py", code=2)
        assert "training, breaking" in message
        assert "training.py:training" in message

    def test_of_a_file_without_a_pipeline_is_wrong_usage(self, training):
        training.write_text("x = 1\n")
        assert "no pipeline" in error_of("run", "training.py", code=2)

    @pytest.mark.parametrize("param", ["size", "=3"])
    def test_with_a_parameter_that_is_no_pair_is_wrong_usage(self, training, param):
        assert "NAME=VALUE" in error_of("run", "training.py", "--param", param, code=2)

    def test_with_an_unknown_parameter_offers_the_nearest(self, training):
        message = error_of("run", "training.py", "--param", "sise=3", code=2)
        assert "Did you mean `size`" in message

    def test_with_a_parameter_of_the_wrong_type_is_wrong_usage(self, training):
        message = error_of("run", "training.py", "--param", "size=many", code=2)
        assert "expected: int" in message

    def test_of_a_file_that_cannot_be_imported_is_one_message_that_says_where(self, project):
        (project / "wrong.py").write_text("import a_module_that_is_not_there\n")
        done = typed("run", "wrong.py", cwd=project)
        assert "Traceback" not in done.stderr
        assert "a_module_that_is_not_there" in done.stderr
        assert "wrong.py" in done.stderr
        assert done.returncode in (1, 2)

    def test_debug_shows_the_traceback(self, training):
        training.write_text(BROKEN)
        plain = typed("run", "training.py", cwd=training.parent)
        debug = typed("--debug", "run", "training.py", cwd=training.parent)
        assert (plain.returncode, debug.returncode) == (1, 1)
        assert "Traceback" not in plain.stderr
        assert 'raise ValueError("no such thing")' in debug.stderr

    def test_debug_does_not_change_the_exit_code(self, project):
        done = typed("--debug", "run", "nowhere.py", cwd=project)
        assert "Traceback" in done.stderr
        assert done.returncode == 2


class TestRuns:
    def test_are_none_at_first(self, project):
        assert cli("runs").stdout == "No pipeline has run yet.\n"
        assert json.loads(cli("runs", "--json").stdout) == []

    def test_are_listed_newest_first(self, training):
        for name in ("one", "two", "three"):
            cli("run", "training.py", "--run-name", name)
        listed = cli("runs").stdout
        assert re.findall(r"^ (one|two|three) .*training.*completed", listed, re.MULTILINE) == [
            "three",
            "two",
            "one",
        ]

    def test_parse_as_json(self, training):
        cli("run", "training.py", "--run-name", "one")
        (row,) = json.loads(cli("runs", "--json").stdout)
        assert row["name"] == "one"
        assert row["pipeline"] == "training"
        assert row["status"] == "completed"
        assert row["duration"] > 0
        assert row["saved"] == 0

    def test_are_limited(self, training):
        for name in ("one", "two", "three"):
            cli("run", "training.py", "--run-name", name)
        rows = json.loads(cli("runs", "--limit", "2", "--json").stdout)
        assert [row["name"] for row in rows] == ["three", "two"]

    def test_are_filtered_by_pipeline(self, training):
        training.write_text(TRAINING + "\nbound = training().copy('other')\n")
        cli("run", "training.py:training", "--run-name", "one")
        cli("run", "training.py:bound", "--run-name", "two")
        rows = json.loads(cli("runs", "--pipeline", "other", "--json").stdout)
        assert [row["name"] for row in rows] == ["two"]

    def test_in_a_pipe_are_one_line_each(self, training):
        training.write_text(TRAINING.replace("def training(", "def a_pipeline_with_quite_a_long_name("))
        cli("run", "training.py")
        done = typed("runs", cwd=training.parent)
        (line,) = [line for line in done.stdout.splitlines() if latest().name in line]
        assert " completed " in line

    def test_with_a_limit_of_none_at_all_is_wrong_usage(self, project):
        assert "--limit" in error_of("runs", "--limit", "0", code=2)


class TestShow:
    @pytest.fixture(autouse=True)
    def _two_runs(self, training):
        cli("run", "training.py", "--run-name", "first-run")
        cli("run", "training.py", "--run-name", "second-run", "--param", "rate=2")

    @pytest.mark.parametrize("name", ["second-run", "sec", "latest"])
    def test_takes_a_name_the_beginning_of_one_or_latest(self, name):
        shown = cli("show", name).stdout
        assert shown.startswith("Run second-run of training: completed in ")
        assert re.search(r"^ importer +cached .*same key", shown, re.MULTILINE)
        assert re.search(r"^ trainer +completed", shown, re.MULTILINE)

    def test_parses_as_json(self):
        shown = json.loads(cli("show", "second-run", "--json").stdout)
        assert (shown["name"], shown["status"]) == ("second-run", "completed")
        assert [(row["step"], row["status"]) for row in shown["steps"]] == [
            ("importer", "cached"),
            ("trainer", "completed"),
        ]
        assert shown["steps"][1]["parameters"] == {"rate": 2}
        assert Path(shown["steps"][1]["outputs"]["output"]).exists()

    def test_of_an_ambiguous_beginning_is_wrong_usage_and_names_some(self, training):
        cli("run", "training.py", "--run-name", "second-thought")
        message = error_of("show", "second", code=2)
        assert "second-run" in message
        assert "second-thought" in message

    def test_of_a_name_that_begins_another_takes_the_whole_name(self, training):
        cli("run", "training.py", "--run-name", "second-run-again")
        assert cli("show", "second-run").stdout.startswith("Run second-run of")

    def test_of_an_unknown_name_offers_the_nearest(self):
        assert "Did you mean `first-run`" in error_of("show", "first-rum", code=2)

    def test_of_a_failed_run_shows_the_error(self, training):
        training.write_text(BROKEN)
        cli("run", "training.py", "--run-name", "broken-run", code=1)
        shown = cli("show", "broken-run").stdout
        assert "broken failed: ValueError: no such thing" in shown
        (row,) = json.loads(cli("show", "broken-run", "--json").stdout)["steps"]
        assert (row["status"], row["error"]) == ("failed", "ValueError: no such thing")


def test_show_latest_without_any_run_is_wrong_usage(project):
    assert "no run `latest`" in error_of("show", "latest", code=2)


class TestExample:
    def test_lists_them(self, project):
        listed = cli("example", "list").stdout
        assert "mnist_caching" in listed
        assert "taxi" in listed

    def test_lists_them_as_json(self, project):
        rows = json.loads(cli("example", "list", "--json").stdout)
        about = {row["name"]: row["about"] for row in rows}
        assert "skip" in about["mnist_caching"]

    @pytest.mark.parametrize("name", ["mnist_caching", "caching"])
    def test_pulls_one_by_both_of_its_names(self, project, name):
        assert f"zencache_examples/{name}" in cli("example", "pull", name).stdout
        assert (project / "zencache_examples" / name / "run.py").is_file()
        assert (project / "zencache_examples" / name / "README.md").is_file()

    def test_does_not_overwrite_what_was_pulled(self, project):
        cli("example", "pull", "caching")
        file = project / "zencache_examples" / "caching" / "run.py"
        file.write_text("mine")
        assert "pulled already" in error_of("example", "pull", "caching", code=2)
        assert file.read_text() == "mine"

    def test_says_what_one_takes_before_it_runs(self, project, monkeypatch):
        installed = importlib.util.find_spec
        without = lambda name: None if name in ("keras", "apache_beam") else installed(name)  # noqa: E731
        monkeypatch.setattr("zencache.examples.importlib.util.find_spec", without)
        message = error_of("example", "run", "taxi", code=2)
        assert "missing: apache_beam, keras\n" in message
        assert 'pip install "zencache[examples]"' in message

    @pytest.mark.parametrize("command", ["pull", "run"])
    def test_that_does_not_exist_offers_the_nearest(self, project, command):
        assert "Did you mean `caching`" in error_of("example", command, "cachin", code=2)


class TestTheProgram:
    def test_is_installed_as_zencache(self, project):
        done = typed("--version", cwd=project)
        assert done.returncode == 0, done.stderr
        assert re.search(r"\d+\.\d+", done.stdout)

    def test_is_a_module_as_well(self, project):
        command = [sys.executable, "-m", "zencache", "--version"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True)
        assert re.search(r"\d+\.\d+", done.stdout)

    def test_helps(self, project):
        shown = cli("--help").stdout
        for command in ("init", "run", "runs", "show", "example"):
            assert re.search(rf"^  {command} ", shown, re.MULTILINE)
        assert "..." not in shown.partition("Commands:")[2], "a sentence is cut off"

    @pytest.mark.parametrize("arguments", [["rnu"], ["run"], ["show"], ["runs", "--wrong"], ["example", "x"]])
    def test_says_what_is_wrong_with_what_was_typed(self, project, arguments):
        error_of(*arguments, code=2)

    @pytest.mark.parametrize("command", [["runs"], ["show", "latest"], ["init"]])
    def test_says_in_one_message_that_a_setting_is_wrong(self, project, monkeypatch, command):
        monkeypatch.setenv("ZENCACHE_METADATA", "oracle://host/db")
        assert "oracle://" in error_of(*command, code=2)

    def test_says_in_one_message_that_the_metadata_is_no_database(self, project):
        (project / "notes.txt").write_text("not a database, but long enough to be read as a header\n" * 10)
        done = typed("runs", cwd=project, env={"ZENCACHE_METADATA": "notes.txt"})
        assert done.returncode == 2
        assert done.stderr.startswith("Error: ")
        assert "notes.txt" in done.stderr
        assert "Traceback" not in done.stderr


def typed(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, as a person types it."""
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commands_of_the_example_text_work_as_typed(project):
    """Pull, change into the folder, `git init`, `zencache init`: all but the run itself."""
    (project / "pyproject.toml").unlink()
    shell = """
        set -e
        zencache example pull caching
        cd zencache_examples/caching
        git init
        zencache init
    """
    path = os.pathsep.join([str(Path(PROGRAM).parent), os.environ["PATH"]])
    environment = {
        **os.environ,
        "PATH": path,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    done = subprocess.run(["sh", "-c", shell], cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pulled = project / "zencache_examples" / "caching"
    assert (pulled / ".zencache" / "metadata.db").is_file()
    assert f"{pulled}/.zencache/metadata.db" in done.stdout
    status = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=pulled,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(status.stdout.split()[1::2]) == ["README.md", "run.py", "run_beam.py"]
