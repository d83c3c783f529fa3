"""Pages on which one program is run, edited and run again: each command says what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUN = ROOT / "examples" / "mnist_caching" / "run.py"


UNFINISHED = """
from zencache import pipeline, step
@step
def trainer(X: list, y: list) -> int: ...
@pipeline
def training():
    trainer(X=[1])
"""


def page(name):
    """``(language, text)`` of each block of code, in order."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def told(text):
    """What a command said, without what differs between machines and moments."""
    text = re.sub(r"\d+\.\d{3}s|about \d+\.\ds", "TIME", text)
    text = re.sub(r"\b\d\.\d{4}\b", "SECONDS", text)
    text = re.sub(r"(?<=  )[\d,]+x", "TIMES", text)
    text = re.sub(r"\b\w+-\d{8}-\d{6}-[0-9a-f]{8}\b", "RUN", text)
    lines = [re.sub(r"(?<=\S) {2,}", "  ", line).rstrip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(" ──")]


class Reader:
    """Does in a folder what a page says: edits the program, and runs commands."""

    def __init__(self, program: Path, environment: dict[str, str]):
        self.program = program
        self.environment = {**os.environ, **environment}

    def edits(self, diff: str) -> None:
        old, new = (re.findall(rf"^\{sign}(.*)$", diff, re.MULTILINE) for sign in "-+")
        text = self.program.read_text(encoding="utf-8")
        assert text.count("\n".join(old)) == 1
        self.program.write_text(text.replace("\n".join(old), "\n".join(new)), encoding="utf-8")

    def runs(self, command: str) -> str:
        first, *rest = shlex.split(command)
        done = subprocess.run(
            [sys.executable, *(["-m", "zencache"] if first == "zencache" else []), *rest],
            cwd=self.program.parent,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def follows(self, blocks, shown=lambda said: said, names=None):
        """Compare what each command of the page says with what the page shows of it."""
        for language, text in blocks:
            if language == "diff":
                self.edits(text)
            if language == "console":
                for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                    for name, find in (names or {}).items():
                        if f" {name} " in command:
                            command = command.replace(name, find(self))
                    assert told(shown(self.runs(command))) == told(expected)


def test_getting_started(project):
    blocks = page("getting-started.md")
    (program, _) = [text for language, text in blocks if language == "python"]
    (project / "pipelines.py").write_text(program)
    reader = Reader(project / "pipelines.py", {})
    reader.runs("python pipelines.py")
    reader.follows(blocks)


@pytest.mark.slow
def test_the_commands_of_getting_started_answer(project):
    blocks = page("getting-started.md")
    (program, _) = [text for language, text in blocks if language == "python"]
    (project / "pipelines.py").write_text(program)
    reader = Reader(project / "pipelines.py", {})
    reader.runs("python pipelines.py")
    lines = [line for language, text in blocks if language == "bash" for line in text.splitlines()]
    asked = [line.partition("#")[0].strip() for line in lines if line.startswith("zencache ")]
    said = {
        command: reader.runs(command) for command in asked if command not in ("zencache init", "zencache ui")
    }
    assert list(said) == [
        "zencache runs",
        "zencache show latest",
        "zencache why latest train",
        "zencache lineage latest/train",
    ]
    assert said["zencache runs"].count("completed") == 3
    assert said["zencache show latest"].count("cached") == 3
    assert "same key" in said["zencache why latest train"]
    assert "epochs=20" in said["zencache lineage latest/train"]


def test_what_a_plan_prints_on_the_page_on_why(project):
    blocks = page("why-did-my-step-run.md")
    program = next(text for language, text in blocks if language == "python")
    (project / "pipelines.py").write_text(program.partition("training().run()")[0])
    reader = Reader(project / "pipelines.py", {})
    reader.runs("zencache run pipelines.py")
    reader.follows(blocks)


def test_the_error_that_the_page_on_errors_begins_with(project):
    blocks = page("troubleshooting.md")
    (shown,) = [text for language, text in blocks if language == "text"]
    (project / "pipelines.py").write_text("\n" * 18 + UNFINISHED)  # its step stands where the page says
    command = [sys.executable, "-m", "zencache", "run", "pipelines.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.replace(f"{project}/", "") == shown


def test_the_code_on_the_page_on_mnist_is_that_of_the_example():
    source = RUN.read_text(encoding="utf-8")
    excerpts = [text for language, text in page("mnist.md") if language == "py"]
    assert len(excerpts) > 5
    assert [text for text in excerpts if text not in source] == []


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_mnist_example(project):
    shutil.copy(RUN, project)
    # Whatever digits this machine has downloaded, those of the package are used.
    reader = Reader(project / "run.py", {"KERAS_HOME": str(project / "keras")})

    def table(said: str) -> str:
        return said if "compared with" in said else said[said.index(" step ") : said.index("Accuracy")]

    def first_of_the_last_three(reader: Reader) -> str:
        code = "from zencache import Repository; print(Repository().get_runs(limit=3)[0].name)"
        return reader.runs(f"python -c {shlex.quote(code)}").strip()

    reader.follows(page("mnist.md"), shown=table, names={"mnist": first_of_the_last_three})
