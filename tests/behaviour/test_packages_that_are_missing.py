"""A feature whose package is not installed says what to install."""

import sys

import pytest
from click.testing import CliRunner

from zencache.cli import main
from zencache.examples import INSTALL


@pytest.mark.parametrize(
    ("url", "package", "to_install"),
    [
        ("s3://bucket/cache", "s3fs", "zencache[s3]"),
        ("az://bucket/cache", "adlfs", "zencache[azure]"),
        ("gs://bucket/cache", "gcsfs", "zencache[gcs]"),
        ("sftp://host/cache", "sshfs", "sshfs"),
        ("webdav://host/cache", "webdav4", "webdav4"),
    ],
)
def test_an_artifact_store_names_its_package(project, run_forked, url, package, to_install):
    done = run_forked(
        """
        import sys
        from zencache import Repository, ZencacheError
        sys.modules[sys.argv[2]] = None
        try:
            Repository(artifacts=sys.argv[1]).get_runs()
        except ZencacheError as error:
            print(error.hint)
        """,
        url,
        package,
    )
    assert done.stdout.strip() == f'pip install "{to_install}"'


MAKE = """
import {package}
from zencache import pipeline, step

@step
def make() -> {annotation}:
    return {value}

@pipeline
def making():
    make()

making().run(run_name="made")
"""
READ = """
import sys
from zencache import Repository, ZencacheError
sys.modules[sys.argv[1]] = None
try:
    Repository().get_run("made").steps["make"].output.read()
except ZencacheError as error:
    print(error.hint)
"""


@pytest.mark.parametrize(
    ("annotation", "value", "to_install"),
    [
        ("pandas.DataFrame", "pandas.DataFrame({'a': [1]})", "zencache[tables]"),
        ("pyarrow.Table", "pyarrow.table({'a': [1]})", "zencache[tables]"),
        ("numpy.ndarray", "numpy.arange(3)", "numpy"),
    ],
)
def test_an_artifact_that_was_made_where_there_was_more_names_what_reading_it_takes(
    project, run_forked, annotation, value, to_install
):
    package = annotation.partition(".")[0]
    run_forked(MAKE.format(package=package, annotation=annotation, value=value))
    assert run_forked(READ, package).stdout.strip() == f'pip install "{to_install}"'


def test_an_ml_metadata_that_cannot_be_imported_is_told_with_the_versions(run_script, project):
    # What protobuf 4 says to the modules of an ml-metadata that was made for protobuf 6.
    broken = project / "google" / "protobuf"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError(\"cannot import name 'runtime_version'\")")
    done = run_script(
        """
        import sys
        from zencache.cli import main
        sys.argv = ["zencache", "runs"]
        main()
        """,
        check=False,
        env={"PYTHONPATH": str(project)},
    )
    assert done.returncode == 2
    assert "Error: ML Metadata cannot be imported: cannot import name 'runtime_version'." in done.stderr
    assert "  protobuf: " in done.stderr
    assert "hint: `pip check`" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_example_is_not_started_without_what_it_imports(project, monkeypatch):
    for name in ("apache_beam", "keras"):  # what is imported by `components.py`, and by `run.py`
        monkeypatch.setitem(sys.modules, name, None)
    for example, missing in (("taxi", "apache_beam, keras"), ("caching", "keras")):
        result = CliRunner().invoke(main, ["example", "run", example])
        assert result.exit_code == 2
        assert f"missing: {missing}\n  hint: {INSTALL}" in result.stderr
        assert INSTALL in CliRunner().invoke(main, ["example", "pull", example]).stdout


def test_an_example_that_has_all_is_pulled_without_a_word_of_installing(project):
    assert "install" not in CliRunner().invoke(main, ["example", "pull", "caching"]).stdout
