"""The text of a step's function is shown as it is now, and no other text of any file."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest

from zencache.report.source import source_text

NOW = datetime.now(timezone.utc)
TEXT = """SECRET = "hush"

@step(
    enable_cache=False,
)
def train(rate):
    # of the step
    return rate

def outer():
    def inner():
        return 1
    return inner

class Steps:
    def train(self):
        return "method"
"""


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "steps.py"
    file.write_text(TEXT)
    return file


def test_a_function_is_shown_with_its_decorators_and_comments(tmp_path, file):
    found = source_text(tmp_path, str(file), "train", NOW + timedelta(hours=1))
    assert found["text"].splitlines() == TEXT.splitlines()[2:8]
    assert found["line"] == 3
    assert "hush" not in found["text"]
    assert not found["has_changed"]


def test_a_file_changed_since_is_said_to_be(tmp_path, file):
    assert source_text(tmp_path, str(file), "train", NOW - timedelta(hours=1))["has_changed"]


@pytest.mark.parametrize(
    ("qualname", "last"), [("outer.<locals>.inner", "return 1"), ("Steps.train", '"method"')]
)
def test_functions_inside_of_others_are_found(tmp_path, file, qualname, last):
    assert source_text(tmp_path, str(file), qualname, NOW)["text"].endswith(last)


@pytest.mark.parametrize(
    "qualname", ["SECRET", "Steps", "missing", "", "train.<locals>.x", "train.rate", "."]
)
def test_nothing_but_a_function_is_shown(tmp_path, file, qualname):
    assert source_text(tmp_path, str(file), qualname, NOW) is None


def test_files_outside_of_the_project_are_not_read(tmp_path, file):
    project = tmp_path / "project"
    project.mkdir()
    (project / "link.py").symlink_to(file)
    for path in (str(file), f"{project}/../steps.py", str(project / "link.py"), "/etc/passwd", "", "\0"):
        assert source_text(project, path, "train", NOW) is None


@pytest.mark.parametrize("text", ["def train(:", "\0", "def train():\n" + "(" * 5000, "x" * (2 << 20)])
def test_a_file_that_cannot_be_read_is_not_shown(tmp_path, file, text):
    file.write_text(text)
    assert source_text(tmp_path, str(file), "train", NOW) is None


def test_only_python_files_are_read(tmp_path, file):
    other = tmp_path / "steps.txt"
    os.rename(file, other)
    assert source_text(tmp_path, str(other), "train", NOW) is None
