"""Each step logs what happened to it: to stderr, unless the application takes logging into its own hands."""

import logging
import re

import pytest

from zencache import Repository, StepFailed, pipeline, step

pytestmark = pytest.mark.usefixtures("project")

SECONDS = r"\d+\.\d{3}s"


@step
def importer() -> int:
    return 1


@step
def normalizer(x: int, factor: int = 2) -> int:
    return x * factor


@pipeline
def scaling(factor: int = 2):
    normalizer(importer(), factor=factor)


SCRIPT = """
from zencache import pipeline, step

@step
def importer() -> int:
    return 1

@pipeline
def importing():
    importer()

importing().run(run_name=__import__("sys").argv[1])
"""

LINES_OF_SCRIPT = [
    r"Step `importer` has started\.",
    rf"Step `importer` has finished in {SECONDS}\.",
    r"Pipeline run `one` has finished in \d+\.\ds \(0 cached, 1 executed, saved 0\.0s\)\.",
]


def check_lines(text: str, patterns: list[str]) -> None:
    lines = text.splitlines()
    assert len(lines) == len(patterns), text
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)


def test_a_step_that_runs_has_started_and_has_finished(capsys):
    scaling().run(run_name="one")
    output = capsys.readouterr()
    assert output.out == ""
    check_lines(
        output.err,
        [
            r"Step `importer` has started\.",
            rf"Step `importer` has finished in {SECONDS}\.",
            r"Step `normalizer` has started\.",
            rf"Step `normalizer` has finished in {SECONDS}\.",
            r"Pipeline run `one` has finished in \d+\.\ds \(0 cached, 2 executed, saved 0\.0s\)\.",
        ],
    )


def test_a_cached_step_has_started_uses_its_cached_version_and_has_finished(capsys):
    scaling().run()
    capsys.readouterr()
    scaling(factor=3).run(run_name="two")
    check_lines(
        capsys.readouterr().err,
        [
            r"Step `importer` has started\.",
            r"Using cached version of `importer`\.",
            rf"Step `importer` has finished in {SECONDS}\.",
            r"Step `normalizer` has started\.",
            rf"Step `normalizer` has finished in {SECONDS}\.",
            r"Pipeline run `two` has finished in \d+\.\ds \(1 cached, 1 executed, saved \d+\.\ds\)\.",
        ],
    )


def test_the_last_line_counts_what_failed_and_what_was_skipped(capsys):
    @step
    def broken(x: int) -> int:
        raise ValueError("no such thing")

    @pipeline
    def breaking():
        normalizer(broken(importer()))

    with pytest.raises(StepFailed):
        breaking().run(run_name="three")
    lines = capsys.readouterr().err.splitlines()
    assert lines[-3] == "Step `broken` has failed: ValueError: no such thing"
    assert lines[-2] == "Step `normalizer` is skipped: it needs `broken`, which failed."
    assert re.fullmatch(
        r"Pipeline run `three` has failed in .*s \(0 cached, 1 executed, 1 failed, 1 skipped, saved 0.0s\)\.",
        lines[-1],
    )


def test_a_step_used_twice_is_called_by_its_own_name(capsys):
    @pipeline
    def twice():
        importer()
        importer()

    twice().run()
    assert "Using cached version of `importer_2`." in capsys.readouterr().err.splitlines()


def test_the_lines_go_to_a_stderr_that_is_no_terminal_in_a_fresh_process(run_script):
    done = run_script(SCRIPT, "one")
    assert done.stdout == ""
    check_lines(done.stderr, LINES_OF_SCRIPT)


@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_never_twice_with_basic_config(run_script, stream):
    configured = (
        f"import logging, sys; logging.basicConfig(stream=sys.{stream}, level=logging.INFO)\n" + SCRIPT
    )
    done = run_script(configured, "one")
    printed = done.stdout + done.stderr
    assert printed.count("Step `importer` has started.") == 1
    assert f"INFO:zencache:{'Step `importer` has started.'}" in getattr(done, stream)


def test_never_twice_with_basic_config_after_the_first_run(run_script):
    done = run_script(
        SCRIPT + "import logging; logging.basicConfig()\nimporting().run(run_name='again')\n", "one"
    )
    assert done.stderr.count("Using cached version of `importer`.") == 1


def test_once_with_basic_config_that_shows_warnings_only(run_script):
    configured = "import logging; logging.basicConfig(level=logging.WARNING)\n" + SCRIPT
    assert run_script(configured, "one").stderr.count("Step `importer` has started.") == 1


def test_on_stderr_as_well_when_the_application_logs_to_a_file(run_script, project):
    configured = "import logging; logging.basicConfig(filename='app.log', level=logging.INFO)\n" + SCRIPT
    check_lines(run_script(configured, "one").stderr, LINES_OF_SCRIPT)
    assert (project / "app.log").read_text().count("Step `importer` has started.") == 1


def test_once_after_many_runs_in_one_process(capsys):
    for _ in range(3):
        scaling().run()
    capsys.readouterr()
    scaling().run()
    assert capsys.readouterr().err.count("Step `importer` has started.") == 1


class TestWhenTheApplicationHasConfiguredTheLogger:
    def test_by_a_handler_nothing_else_goes_to_stderr(self, capsys):
        records: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = records.append
        logging.getLogger("zencache").addHandler(handler)
        logging.getLogger("zencache").setLevel(logging.INFO)
        scaling().run()
        assert capsys.readouterr().err == ""
        assert records[0].getMessage() == "Step `importer` has started."
        assert {record.name for record in records} == {"zencache"}

    def test_by_a_level_it_is_kept(self, capsys):
        logging.getLogger("zencache").setLevel(logging.WARNING)
        scaling().run()
        assert capsys.readouterr().err == ""
        assert logging.getLogger("zencache").level == logging.WARNING

    def test_by_a_null_handler_all_is_quiet(self, capsys):
        logging.getLogger("zencache").addHandler(logging.NullHandler())
        scaling().run()
        assert capsys.readouterr().err == ""

    def test_after_a_run_its_handler_takes_over(self, capsys):
        scaling().run()
        capsys.readouterr()
        logging.getLogger("zencache").addHandler(logging.NullHandler())
        scaling().run()
        assert capsys.readouterr().err == ""


def test_running_leaves_the_root_logger_alone(run_script):
    source = (
        "import logging; root = logging.getLogger(); before = (root.level, list(root.handlers))\n"
        + SCRIPT
        + "assert (root.level, root.handlers) == before, (root.level, root.handlers)\n"
        + "assert not logging.getLogger('absl').handlers\n"
    )
    assert "AssertionError" not in run_script(source, "one").stderr


def test_opening_the_store_leaves_the_root_logger_alone(run_script):
    done = run_script(
        """
        import logging
        from zencache import Repository
        root = logging.getLogger()
        before = (root.level, list(root.handlers), root.disabled)
        repo = Repository()
        repo.get_runs()
        repo.store.get_executions()
        assert (root.level, list(root.handlers), root.disabled) == before, root.handlers
        logging.getLogger("mine").warning("plain")
        """
    )
    assert done.stderr == "plain\n"


def test_looking_at_runs_logs_nothing(capsys):
    run = scaling().run()
    capsys.readouterr()
    found = Repository().get_run(run.name)
    assert found.steps["normalizer"].output.read() == 2
    assert capsys.readouterr().err == ""


def test_caplog_sees_the_lines(caplog):
    with caplog.at_level(logging.INFO, logger="zencache"):
        scaling().run()
    messages = [record.getMessage() for record in caplog.records if record.name == "zencache"]
    assert messages[0] == "Step `importer` has started."
    assert len(messages) == 5


def test_caplog_sees_the_lines_without_being_told(caplog):
    scaling().run()
    assert "Step `importer` has started." in caplog.messages


def test_binding_a_pipeline_logs_nothing(caplog, capsys):
    scaling()
    assert caplog.records == []
    assert capsys.readouterr().err == ""


SAID_LATER = {
    "a filter of the logger": "logger.addFilter(lambda record: 'has started' not in record.getMessage())",
    "a filter of its handler": "handler.addFilter(lambda record: 'has started' not in record.getMessage())",
    "a formatter": "handler.setFormatter(logging.Formatter('%(levelname)s %(message)s'))",
    "a level of its handler": "handler.setLevel(logging.WARNING)",
    "a level of all loggers": "logging.disable(logging.INFO)",
    "a factory of records": "logging.setLogRecordFactory(Shouting)",
    "a tool that watches all loggers": "logging.Logger.callHandlers = watched",
}
LINES_THEN = {
    "a filter of the logger": ["Using cached version of `importer`."],
    "a filter of its handler": ["Using cached version of `importer`."],
    "a formatter": ["INFO Step `importer` has started.", "INFO Using cached version of `importer`."],
    "a level of its handler": [],
    "a level of all loggers": [],
    "a factory of records": ["STEP `IMPORTER` HAS STARTED.", "USING CACHED VERSION OF `IMPORTER`."],
    "a tool that watches all loggers": [
        "seen: Step `importer` has started.",
        "seen: Using cached version of `importer`.",
    ],
}


@pytest.mark.parametrize("what", SAID_LATER)
def test_what_the_application_says_after_a_run_holds_for_the_next(run_script, what):
    source = f"""
import logging, sys
class Shouting(logging.LogRecord):
    def getMessage(self):
        return super().getMessage().upper()
def watched(logger, record):  # as Sentry does it
    print("seen:", record.getMessage(), file=sys.stderr)
logger = logging.getLogger("zencache")
(handler,) = logger.handlers
{SAID_LATER[what]}
print("then", file=sys.stderr)
importing().run(run_name="two")
"""
    lines = run_script(SCRIPT + source, "one").stderr.partition("then\n")[2].splitlines()
    about_steps = [line for line in lines if "importer" in line.lower() and "finished" not in line.lower()]
    assert about_steps == LINES_THEN[what]
