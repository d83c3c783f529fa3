"""The answers that docs/lineage.md shows are those that the MNIST example gives."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "lineage.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def told(text):
    """What a command said, without what differs between machines and moments."""
    text = re.sub(r"\d+\.\d+s", "TIME", text)
    text = re.sub(r"(\d{4}-)?\d{2}-\d{2} \d{2}:\d{2}", "WHEN", text)
    text = re.sub(r"\d{4}-\d{2}-\d{2}T[\d:+]+", "WHEN", text)
    text = re.sub(r"(?<=  )\S+ on \S+", "WHO", text)
    text = re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", text)
    text = re.sub(r"\b\d{6,}\b", "SIZE", text)
    text = re.sub(r"^host .*$", "FACTS", text, flags=re.MULTILINE)
    text = re.sub(r"─{3,}", "───", text)
    lines = [re.sub(r"(?<=\S) {2,}", "  ", line).rstrip() for line in text.splitlines()]
    return [line for line in lines if line]


@pytest.mark.slow
def test_the_page_shows_what_the_example_answers(project):
    shutil.copy(ROOT / "examples" / "mnist_caching" / "run.py", project)
    (script,) = blocks("py")
    (project / "questions.py").write_text(script)
    # Whatever digits this machine has downloaded, those of the package are used.
    environment = {**os.environ, "KERAS_HOME": str(project / "keras")}

    def answered(*command):
        done = subprocess.run(
            [sys.executable, *command], cwd=project, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    answered("questions.py")
    consoles = blocks("console")
    assert len(consoles) >= 5
    for block in consoles:
        commands = re.findall(r"^\$ zencache (.*)$", block, re.MULTILINE)
        shown = "".join(f"$ zencache {c}\n{answered('-m', 'zencache', *shlex.split(c))}" for c in commands)
        ordered = sorted if commands[0].startswith("stats") else list  # the dearest first: by the machine
        assert ordered(told(shown)) == ordered(told(block))
    (flowchart,) = blocks("mermaid")
    command = re.search(r"`zencache (export tuesday.*?)`", PAGE)[1]
    assert told(answered("-m", "zencache", *command.split())) == told(flowchart)
