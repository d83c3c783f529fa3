"""A release is not tagged as long as a line of its check-list does not hold."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "release.py"


@pytest.fixture(scope="module")
def release():
    spec = importlib.util.spec_from_file_location("release", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A project whose version 1.2.0 is ready, committed."""
    (tmp_path / "zencache").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "zencache" / "__init__.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("version: 1.2.0\ndate-released: 2026-03-04\n")
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n\n## 1.2.0 - 2026-03-04\n\n- More.\n")
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "somebody")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "ready"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def tags(checkout):
    return subprocess.run(["git", "tag"], cwd=checkout, capture_output=True, text=True).stdout.split()


@pytest.fixture
def performed(release, checkout, monkeypatch, capsys):
    """``performed(...)``: the exit code and what was said, without the building and without .ci/run."""

    def holds(root):
        return iter(())

    def performed(*arguments):
        quick = [check for check in release.CHECKS if check is not release.wheel_and_sdist_work_by_themselves]
        monkeypatch.setattr(release, "CHECKS", quick)
        monkeypatch.setattr(release, "everything_passes", holds)
        return release.main(list(arguments), checkout), capsys.readouterr().out

    return performed


def test_a_dry_run_tags_nothing(performed, checkout):
    code, said = performed()
    assert code == 0
    assert "NO" not in said
    assert tags(checkout) == []


def test_what_is_ready_is_tagged(performed, checkout):
    assert performed("--tag")[0] == 0
    assert tags(checkout) == ["v1.2.0"]


def test_a_version_is_tagged_once(performed, checkout):
    performed("--tag")
    code, said = performed("--tag")
    assert code == 1
    assert "v1.2.0 exists" in said


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("zencache/__init__.py", '__version__ = "1.1.0"\n', "zencache/__init__.py has 1.1.0"),
        ("CITATION.cff", "title: zencache\n", "CITATION.cff has None"),
        ("CITATION.cff", "version: 1.2.0\ndate-released: 2026-01-01\n", "has the date 2026-01-01"),
        ("CHANGELOG.md", "## Unreleased\n", "no heading `## 1.2.0"),
        ("CHANGELOG.md", "## Unreleased\n\n## 1.2.0 - 2026-03-04\n", "nothing stands below"),
        (
            "CHANGELOG.md",
            "## Unreleased\n\n- Late.\n\n## 1.2.0 - 2026-03-04\n\n- More.\n",
            "entries under Unreleased",
        ),
        ("new.py", "", "not committed"),
    ],
)
def test_what_is_not_ready_is_told_and_not_tagged(performed, checkout, file, text, told):
    (checkout / file).write_text(text)
    code, said = performed("--tag")
    assert code == 1
    assert told in said
    assert tags(checkout) == []
