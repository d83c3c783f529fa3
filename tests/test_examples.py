"""Each example prints, in an empty project, what lies beside it in `expected.txt`."""

from __future__ import annotations

import ast
import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = sorted(script.parent for script in (ROOT / "examples").glob("*/run.py"))
# Those that show times and accuracies have a check of their own, which `.ci/run` calls.
CHECKED_BY = {"mnist_caching": "check_example.py", "taxi": "check_taxi.py"}
MOVED = {"from_zenml": "migrating-from-zenml.md", "from_tfx": "migrating-from-tfx.md"}
EXTRAS = {"from_zenml": "sklearn", "scikit_learn": "sklearn"}
# Nothing but these differs from one machine and moment to another.
RUN = re.compile(r"\b[\w-]+-\d{8}-\d{6}-[0-9a-f]{8}\b")
SECONDS = re.compile(r"\b\d+\.\d+ ?s\b")

TFX_V1 = """
import runpy, sys, types
from types import SimpleNamespace as names
sys.modules["tensorflow"] = sys.modules["apache_beam"] = None  # not needed, and slow to import
import tfx
from tfx.dsl.component.experimental import annotations
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline

# The SDK has all that the tutorial uses, and not the module `tfx.v1`, which names it.
tfx.v1 = sys.modules["tfx.v1"] = types.ModuleType("tfx.v1")
components = names(component=component, **{name: getattr(annotations, name) for name in annotations.__dict__})
tfx.v1.dsl = names(components=components, Pipeline=Pipeline, io=names(fileio=fileio))
tfx.v1.orchestration = names(LocalDagRunner=LocalDagRunner, metadata=metadata)
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def told(text: str) -> list[str]:
    return [SECONDS.sub("TIME", RUN.sub("RUN", line)).rstrip() for line in text.splitlines()]


def ran(*command: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def code(script: Path) -> list[str]:
    """The lines of a script below its docstring."""
    text = script.read_text(encoding="utf-8")
    end = ast.parse(text).body[0].end_lineno or 0
    return text.splitlines()[end:]


@pytest.mark.slow
@pytest.mark.parametrize("name", [folder.name for folder in FOLDERS if (folder / "expected.txt").is_file()])
def test_an_example_prints_what_is_expected(project, name):
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    printed = ran("-m", "zencache", "example", "run", name, folder=project)
    assert told(printed) == told((ROOT / "examples" / name / "expected.txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_example_has_its_output_compared(folder):
    if check := CHECKED_BY.get(folder.name):
        assert f".ci/{check} <" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    else:
        assert (folder / "expected.txt").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_example_is_on_the_page_of_examples(folder):
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| \[`{folder.name}`\]\(\.\./examples/{folder.name}/", page, re.MULTILINE)


@pytest.mark.parametrize(("name", "page"), MOVED.items(), ids=MOVED)
def test_the_page_shows_what_has_to_be_edited(name, page):
    before, after = (code(ROOT / "examples" / name / script) for script in ("before.py", "run.py"))
    edited = [line for line in difflib.ndiff(before, after) if line[:2] in ("- ", "+ ") and line[2:].strip()]
    shown = re.findall(r"^```diff\n(.*?)^```$", (ROOT / "docs" / page).read_text("utf-8"), re.M | re.S)
    assert [f"{line[0]}{line[2:]}" for line in edited] == "".join(shown).splitlines()


@pytest.mark.slow
def test_the_pipeline_for_tfx_gives_the_same_in_the_real_tfx(project):
    sdk = Path(os.environ.get("ZENCACHE_TEST_TFX_SDK") or Path(sys.prefix) / "tfx-sdk")
    if not (sdk / "tfx").is_dir():
        pytest.skip("no TFX SDK: `python3 .ci/with_venv.py --extra test` installs it")
    example = ROOT / "examples" / "from_tfx"
    ran("-c", TFX_V1, str(example / "before.py"), folder=project, PYTHONPATH=str(sdk))
    theirs = sorted(path.read_text() for path in project.glob("tutorial/root/MyConsumer/hello/*/value"))
    shown = (example / "expected.txt").read_text(encoding="utf-8")
    ours = re.findall(r"'MyConsumer': 'completed'\} (.*)$", shown, re.MULTILINE)
    assert theirs == sorted(ours) != []
