"""Names and folders of any letters, also where the locale has only ASCII."""

import subprocess
import sys

import pytest

PIPELINES = """
from pathlib import Path
from zencache import ExternalFile, pipeline, step

@step
def 读取(größe: int, file: Path) -> dict:
    return {"naïve": ["é"] * größe, "text": file.read_text(encoding="utf-8")}

@pipeline
def größte(größe: int = 2):
    读取(größe, ExternalFile("grüße und ☃.txt"))
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
LATIN = {"PYTHONIOENCODING": "latin-1"}


@pytest.fixture
def folder(project, monkeypatch):
    """A project with a space and other letters than ASCII in its path, and such files in it."""
    folder = project / "mein projekt ☃"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    (folder / "pipelines.py").write_text(PIPELINES, encoding="utf-8")
    (folder / "grüße und ☃.txt").write_text("grüße", encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def zencache(monkeypatch):
    """``zencache(*arguments, environment={})``: the command in a process of its own; code and streams."""

    def zencache(*arguments, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        done = subprocess.run([sys.executable, "-m", "zencache", *arguments], capture_output=True)
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("ascii", "replace")

    return zencache


def test_a_folder_with_spaces_and_letters_is_a_project_as_any_other(folder, zencache):
    code, _, said = zencache("run", "pipelines.py", "--run-name", "the first ☃", environment={})
    assert code == 0, said
    code, shown, _ = zencache("show", "the first ☃", environment={})
    assert code == 0
    assert "completed" in shown
    assert "读取" in shown


def test_letters_that_the_output_does_not_have_are_escaped(folder, zencache):
    assert zencache("run", "pipelines.py", environment=LATIN)[0] == 0
    code, shown, _ = zencache("show", "latest", environment=LATIN)
    assert code == 0
    assert r"\u8bfb\u53d6" in shown


def test_in_a_locale_that_has_not_the_letters_of_the_folder_one_message_says_what_to_set(folder, zencache):
    code, shown, said = zencache("runs", environment=ASCII)
    assert (code, shown) == (2, "")
    assert said.startswith("Error: A path has letters that Python cannot read in this locale.")
    assert "hint: Set PYTHONUTF8=1" in said


def test_in_a_locale_that_has_not_the_letters_of_an_argument_one_message_says_what_to_set(project, zencache):
    code, shown, said = zencache("show", "größte", environment=ASCII)
    assert (code, shown) == (2, "")
    assert "has letters that Python cannot read in this locale. Set PYTHONUTF8=1" in said
    assert "Traceback" not in said
