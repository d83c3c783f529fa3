"""Lineage on the command line: lists, trees, exports, completion, and what is said of wrong names."""

import errno
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from zencache import Repository, StepFailed, pipeline, step
from zencache.cli import main
from zencache.metadata import schema


@step
def importer(size: int) -> list[int]:
    return list(range(size))


@step
def doubler(X: list[int]) -> list[int]:
    return [2 * x for x in X]


@step
def trainer(X: list[int], Y: list[int], rate: float) -> float:
    if rate < 0:
        raise ValueError("the rate is negative")
    return sum(X) * rate + sum(Y)


@pipeline
def training(size: int = 3, rate: float = 0.5):
    X = importer(size)
    trainer(X, doubler(X), rate)


def cli(*arguments, code=0):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def error_of(*arguments):
    result = cli(*arguments, code=2)
    assert result.stdout == ""
    assert len(re.findall(r"^Error: ", result.stderr, re.MULTILINE)) == 1
    return result.stderr


def rows_of(*arguments):
    return json.loads(cli(*arguments, "--json").stdout)


@pytest.fixture
def runs(project):
    training().run(run_name="first")
    training(rate=2.0).run(run_name="second")
    with pytest.raises(StepFailed):
        training(rate=-1.0).copy("other").run(run_name="failed")
    return {run.name: run for run in Repository().get_runs()}


class TestPipelines:
    def test_are_listed_newest_first_with_their_last_run(self, runs):
        assert rows_of("pipelines") == [
            {"name": "other", "runs": 1, "last run": "failed", "status": "failed"},
            {"name": "training", "runs": 2, "last run": "second", "status": "completed"},
        ]
        assert re.search(r"^ training +2 +second +completed", cli("pipelines").stdout, re.MULTILINE)

    def test_are_none_at_first(self, project):
        assert cli("pipelines").stdout == "No pipeline has run yet.\n"


class TestArtifacts:
    def test_are_listed_newest_first_with_what_made_them(self, runs):
        rows = rows_of("artifacts")
        assert [row["made by"] for row in rows] == [
            "second/trainer",
            "first/trainer",
            "first/doubler",
            "first/importer",
        ]
        assert re.search(r"^ +\d+ +Float +second/trainer", cli("artifacts").stdout, re.MULTILINE)

    def test_are_filtered(self, runs):
        def found(*filters):
            return [row["made by"] for row in rows_of("artifacts", *filters)]

        assert found("--type", "Float") == ["second/trainer", "first/trainer"]
        assert found("--step", "doubler") == ["first/doubler"]
        assert found("--pipeline", "other") == ["first/doubler", "first/importer"]
        assert found("--limit", "1") == ["second/trainer"]

    def test_are_filtered_by_property(self, runs):
        store = Repository().store
        (model,) = store.get_artifacts_by_id([runs["first"].steps["trainer"].output.id])
        model.custom_properties["stage"].string_value = "a=b"
        store.put_artifacts([model])
        (row,) = rows_of("artifacts", "--property", "stage=a=b")
        assert (row["id"], row["properties"]) == (model.id, {"stage": "a=b"})
        assert cli("artifacts", "--property", "stage=c").stdout == "No artifact is like that.\n"
        assert "NAME=VALUE" in error_of("artifacts", "--property", "stage")

    @pytest.mark.parametrize(
        ("filters", "offered"),
        [
            (("--type", "Flaot"), "`Float`"),
            (("--step", "trianer"), "`trainer`"),
            (("--pipeline", "trainng"), "`training`"),
        ],
    )
    def test_of_what_does_not_exist_offer_the_nearest(self, runs, filters, offered):
        assert offered in error_of("artifacts", *filters)


class TestLineage:
    def test_tells_step_run_parameters_and_code_of_each_artifact(self, runs):
        told = cli("lineage", "second/trainer", "--upstream").stdout
        model, X, Y = (runs["second"].steps[name].output for name in ("trainer", "importer", "doubler"))
        assert told.splitlines() == [
            f"Float {model.id} output ({model.digest[7:19]}) was made of",
            f"└── trainer in second  rate=2.0  {__name__}:trainer",
            f"    ├── JsonValue {X.id} output ({X.digest[7:19]})",
            f"    │   └── importer in first  size=3  {__name__}:importer  used again 2x",
            f"    └── JsonValue {Y.id} output ({Y.digest[7:19]})",
            f"        └── doubler in first  {__name__}:doubler  used again 2x",
            f"            └── JsonValue {X.id} output ({X.digest[7:19]}) (see above)",
        ]

    def test_goes_down_and_tells_of_failures(self, runs):
        told = cli("lineage", "first/importer", "--downstream").stdout
        assert "was made of" not in told
        assert "doubler in first" in told
        assert "trainer in second  rate=2.0" in told
        assert "trainer in failed  failed  ValueError: the rate is negative  rate=-1.0" in told

    def test_goes_both_ways_unless_told(self, runs):
        told = cli("lineage", "latest/doubler").stdout
        assert "was made of" in told
        assert "went into" in told

    def test_is_limited_by_depth_and_type(self, runs):
        shallow = cli("lineage", "first/trainer", "--upstream", "--depth", "1").stdout
        assert "trainer in first" in shallow
        assert "importer in first" not in shallow
        typed = cli("lineage", "first/importer", "--downstream", "--type", "Float").stdout
        shown = [line for line in typed.splitlines() if "──" in line]
        assert len(shown) == 2
        assert all("Float" in line and "by trainer in" in line for line in shown)
        rows = json.loads(cli("lineage", "first/importer", "--type", "Float", "--json").stdout)
        assert [row["type"] for row in rows["artifacts"]] == ["JsonValue", "Float", "Float"]
        assert "`Float`" in error_of("lineage", "first/importer", "--type", "Flot")
        assert "--depth" in error_of("lineage", "first/importer", "--depth", "0")

    def test_as_json_is_the_graph(self, runs):
        model = runs["first"].steps["trainer"].output
        told = json.loads(cli("lineage", str(model.id), "--json").stdout)
        assert told == json.loads(json.dumps(Repository().lineage(model).to_json()))
        upstream = json.loads(cli("lineage", "first/importer", "--upstream", "--json").stdout)
        assert [row["step"] for row in upstream["executions"]] == ["importer"]

    def test_of_what_nothing_made_or_used_says_so(self, project):
        @step
        def total(X: np.ndarray) -> float:
            return float(X.sum())

        @pipeline
        def given(X: np.ndarray):
            total(X)

        given(np.arange(3)).run(run_name="given")
        start = Repository().get_run("given").steps["total"].inputs["X"]
        assert "nothing: it was given" in cli("lineage", str(start.id)).stdout
        assert "nothing yet" in cli("lineage", "given/total", "--downstream").stdout

    def test_that_is_deep_is_told(self, project):
        @pipeline
        def long():
            X = importer(2)
            for _ in range(60):
                X = doubler(X)

        long().run(run_name="long")
        told = cli("lineage", "long/doubler_60", "--upstream").stdout
        assert re.findall(r"doubler_(\d+) in", told) == [str(number) for number in range(60, 1, -1)]
        assert "importer in long" in told
        narrow = on_a_terminal(["lineage", "long/doubler_60", "--upstream"], cwd=project)
        assert re.findall(r"doubler_(\d+) in", narrow.replace("\n", "")) == [
            str(number) for number in range(60, 1, -1)
        ]

    def test_takes_every_name_that_an_artifact_has(self, runs):
        model = runs["first"].steps["trainer"].output
        digits = model.digest.partition(":")[2]
        for name in (
            str(model.id),
            model.digest,
            digits,
            model.digest[:20],
            digits[:10],
            model.uri,
            "first/trainer",
            "fir/trainer/output",
        ):
            told = json.loads(cli("lineage", name, "--json").stdout)
            assert told["start"] == model.id, name

    def test_of_one_content_under_two_ids_means_the_last(self, runs):
        training().run(run_name="again", refresh=True)
        model = Repository().get_run("again").steps["trainer"].output
        first = runs["first"].steps["trainer"].output
        assert (model.digest, model.id != first.id) == (first.digest, True)
        assert json.loads(cli("lineage", model.digest, "--json").stdout)["start"] == model.id

    def test_of_an_ambiguous_beginning_lists_what_it_may_be(self, runs):
        message = error_of("lineage", "blake3:")
        for artifact in Repository().artifacts():
            assert f"{artifact.id} ({artifact.type}" in message

    @pytest.mark.parametrize(
        ("name", "offered"),
        [
            ("frist/trainer", "`first`"),
            ("lates/trainer", "Did you mean `latest`?"),
            ("latest", "`latest/STEP`"),
            ("first", "`first/STEP`"),
            ("trainer", "`latest/trainer`"),
            ("something", "Name it RUN/STEP"),
            ("first/trianer", "`trainer`"),
            ("first/trainer/outptu", "`output`"),
            ("failed/trainer", "0 outputs"),
            ("999", "no artifact `999`"),
            ("99999999999999999999999", "no artifact"),
            ("../../etc/passwd", "no run `..`"),
            ("/etc/passwd", "no artifact `/etc/passwd`"),
            ("", "no artifact"),
        ],
    )
    def test_of_what_does_not_exist_is_one_clear_message(self, runs, name, offered):
        assert offered in error_of("lineage", name)


class TestExport:
    @pytest.mark.parametrize("format_", ["mermaid", "dot", "json", "openlineage"])
    def test_writes_what_the_library_gives(self, runs, project, format_):
        for what, graph in (
            ("second", runs["second"].lineage()),
            ("latest/doubler", Repository().lineage(runs["first"].steps["doubler"].output)),
        ):
            expected = {
                "mermaid": graph.to_mermaid,
                "dot": graph.to_dot,
                "json": lambda graph=graph: json.dumps(graph.to_json(), indent=2) + "\n",
                "openlineage": lambda graph=graph: "".join(
                    json.dumps(event) + "\n" for event in graph.to_openlineage()
                ),
            }[format_]()
            assert cli("export", what, "--format", format_).stdout == expected
            assert cli("export", what, "--format", format_, "--output", "out").stdout == ""
            assert (project / "out").read_text() == expected

    def test_of_wrong_usage_is_one_clear_message(self, runs, project):
        assert cli("export", "first").stdout == cli("export", "first", "--format", "mermaid").stdout
        assert "mermaid" in error_of("export", "first", "--format", "gif")
        assert "`first`" in error_of("export", "frist", "--format", "dot")
        assert "cannot be written" in error_of("export", "first", "--format", "dot", "--output", "no/where")
        training().run(run_name="first-again")
        assert "first-again" in error_of("export", "fir", "--format", "dot")


class TestHistory:
    def test_runs_are_filtered_by_status(self, runs):
        assert [row["name"] for row in rows_of("runs", "--status", "failed")] == ["failed"]
        assert [row["name"] for row in rows_of("runs", "--status", "completed")] == ["second", "first"]
        assert "'skipped' is not one of" in error_of("runs", "--status", "skipped")
        assert "`training`" in error_of("runs", "--pipeline", "trainin")

    def test_show_tells_when_a_failed_step_last_worked(self, runs):
        shown = cli("show", "failed").stdout
        began = runs["second"].started.strftime("%Y-%m-%d %H:%M")
        assert (
            f"trainer failed: ValueError: the rate is negative\n  It last worked in second, begun {began}"
            in shown
        )
        assert rows_of("show", "failed")["steps"][2]["last_success"] == "second"

    def test_a_step_that_never_worked_has_no_last_success(self, project):
        with pytest.raises(StepFailed):
            training(rate=-1.0).run(run_name="failed")
        view = Repository().get_run("failed").steps["trainer"]
        assert view.last_success is None
        assert "It has not worked before." in cli("show", "failed").stdout

    def test_the_last_success_is_one_before_it(self, runs):
        training(rate=3.0).run(run_name="later")
        assert runs["failed"].steps["trainer"].last_success.run.name == "second"
        assert runs["second"].steps["trainer"].last_success.run.name == "first"
        assert runs["first"].steps["trainer"].last_success is None


HOSTILE = ["<script>alert(1)<\\script>", "../../etc", "\x1b[2J\x1b]0;owned\x07", "a\nError: b", "\u202egnp"]


class TestHostileNames:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_that_are_typed_are_shown_harmlessly(self, runs, name):
        for arguments in (
            ("show", name),
            ("lineage", name),
            ("artifacts", "--type", name),
            ("artifacts", "--step", name),
            ("artifacts", "--pipeline", name),
            ("export", name, "--format", "dot"),
            ("why", "first", name),
        ):
            result = cli(*arguments, code=2)
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", result.output), arguments

    @pytest.mark.parametrize("name", HOSTILE)
    def test_that_another_program_recorded_are_shown_harmlessly(self, runs, name):
        """MLMD takes any name: one is put on an execution, its run and its artifact."""
        store = Repository().store
        (run,) = (one for one in store.get_contexts_by_type(schema.PIPELINE_RUN) if one.name == "first")
        run.name = name
        store.put_contexts([run])
        executions = store.get_executions_by_context(run.id)
        for execution in executions:
            node = execution.name.rpartition("/")[2]
            execution.name = f"{name}/{node}"
            execution.custom_properties["size"].string_value = name
        store.put_executions(executions)
        for command in (["runs"], ["artifacts"], ["lineage", "1"], ["pipelines"], ["show", "second"]):
            result = CliRunner().invoke(main, command)
            assert result.exit_code in (0, 2), result.output
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", result.output), command


class TestMetadataOfOthers:
    def test_of_a_newer_schema_is_one_clear_error(self, runs, project, run_script):
        # In a process of its own: this one has the file open.
        run_script(
            """
            import sqlite3
            database = sqlite3.connect(".zencache/metadata.db")
            database.execute("UPDATE MLMDEnv SET schema_version = 999")
            database.commit()
            """
        )
        done = typed("runs", cwd=project)
        assert done.returncode == 2
        assert re.fullmatch(r"Error: The metadata store cannot be opened: .*999.*\n(  .*\n)+", done.stderr)
        assert "install the ml-metadata version" in done.stderr

    def test_of_another_application_is_one_clear_error(self, project):
        with closing(sqlite3.connect(project / "other.db")) as database, database:
            database.execute("CREATE TABLE customers (id)")
        before = (project / "other.db").read_bytes()
        done = typed("artifacts", cwd=project, env={"ZENCACHE_METADATA": "other.db"})
        assert done.returncode == 2
        assert "Error: The metadata store cannot be opened: it is a database of something else" in done.stderr
        assert "customers" in done.stderr
        assert (project / "other.db").read_bytes() == before


class TestCompletion:
    @pytest.mark.parametrize(
        ("words", "offered"),
        [
            ("show ", ["latest", "failed", "second", "first"]),
            ("show f", ["failed", "first"]),
            ("why first t", ["trainer"]),
            ("diff first s", ["second"]),
            ("artifacts --type ", ["Float", "JsonValue"]),
            ("artifacts --step d", ["doubler"]),
            ("runs --pipeline ", ["training", "other"]),
            ("runs --status f", ["failed"]),
            ("lineage fi", ["first/"]),
            ("lineage first/", ["first/importer", "first/doubler", "first/trainer"]),
            ("export x --format m", ["mermaid"]),
            ("example run mn", ["mnist_caching"]),
            ("line", ["lineage"]),
        ],
    )
    def test_offers_names_that_the_project_knows(self, runs, project, words, offered):
        assert completed(words, cwd=project) == offered

    def test_makes_no_project_and_shows_no_error(self, project):
        assert completed("show ", cwd=project) == []
        assert not (project / ".zencache").exists()

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_has_a_script_for_each_shell(self, project, shell):
        done = typed(cwd=project, env={"_ZENCACHE_COMPLETE": f"{shell}_source"})
        assert "_ZENCACHE_COMPLETE=" in done.stdout


def completed(words, cwd):
    """What bash would offer, by click's own protocol."""
    parts = ["zencache", *words.split()]
    position = len(parts) if words.endswith(" ") else len(parts) - 1
    done = typed(
        cwd=cwd,
        env={
            "_ZENCACHE_COMPLETE": "bash_complete",
            "COMP_WORDS": f"zencache {words}",
            "COMP_CWORD": str(position),
        },
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


class TestTables:
    @pytest.fixture
    def long_names(self, project):
        @step(name="normalizer_of_the_second_kind_" + "y" * 60)
        def normalizer(X: list[int], a_parameter_with_a_long_name: str) -> list[int]:
            return X

        @pipeline(name="a_pipeline_with_quite_a_long_name_" + "z" * 60)
        def long_pipeline():
            normalizer(importer(3), "a value that is long as well, and has spaces")

        long_pipeline().run(run_name="a-run-of-a-long-name-" + "x" * 70)

    @pytest.mark.parametrize(
        ("command", "columns"),
        [
            (["runs"], ["name", "pipeline", "status", "started", "duration", "saved"]),
            (["pipelines"], ["name", "runs", "last run", "status"]),
            (["artifacts"], ["id", "type", "made by", "size", "state", "digest"]),
            (["show", "latest"], ["step", "status", "duration", "reason", "parameters", "outputs"]),
        ],
        ids=" ".join,
    )
    def test_fit_a_terminal_of_80_columns_and_lose_nothing(self, project, long_names, command, columns):
        shown = on_a_terminal(command, cwd=project)
        table = [line for line in shown.splitlines() if line.strip()]
        if command[0] == "show":
            table = table[next(i for i, line in enumerate(table) if line.startswith(" step")) :]
        assert max(map(len, table)) <= 80
        for column in columns:
            assert column in table[0], shown
        run = Repository().get_runs()[-1]
        starts = [table[0].index(column) for column in columns]
        cells = [
            "".join(line.ljust(80)[start:end].strip(" ") for line in table[2:])
            for start, end in zip(starts, [*starts[1:], 80], strict=True)
        ]
        if command[0] in ("runs", "pipelines"):
            assert run.name in cells[columns.index("name" if command[0] == "runs" else "last run")]
            assert run.pipeline in cells[columns.index("pipeline" if command[0] == "runs" else "name")]
        if command[0] == "artifacts":
            for artifact in Repository().artifacts():
                assert artifact.digest[:19] in cells[-1]
        if command[0] == "show":
            assert all(name in cells[0] for name in run.steps)


def typed(*arguments, cwd, env=None):
    command = [sys.executable, "-m", "zencache", *arguments]
    return subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True)


def on_a_terminal(arguments, cwd: Path, columns: int = 80) -> str:
    """What a command shows on a terminal of so many columns."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(cwd)
        os.environ.update(COLUMNS=str(columns), LINES="40", TERM="dumb")
        os.execv(sys.executable, [sys.executable, "-m", "zencache", *arguments])
    shown = b""
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # which only says that the command has ended
                raise
            break
        if not read:
            break
        shown += read
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, shown
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")


def test_a_run_is_exported_as_a_page_that_loads_nothing(project):
    @step
    def made() -> int:
        return 1

    @pipeline
    def single():
        made()

    single().run(run_name="first")
    done = CliRunner().invoke(main, ["export", "first", "--format", "html", "--output", "run.html"])
    assert done.exit_code == 0, done.output
    page = (project / "run.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert '"made"' in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
