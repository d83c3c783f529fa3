"""The Python blocks of the README and the docs pass mypy and pyright, as a user's program would."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What checkers say of blocks that do a thing on purpose, or use what other packages declare too narrowly.
# `Output(...)` is a call, which is no type to them: that rule is switched off for all.
ON_PURPOSE = {
    ("cache-control", "expires"),  # a mistyped option, to show the error
    ("why-did-my-step-run", "scaled"),  # a function that is edited
    ("why-did-my-step-run", "step"),  # of a comparison that has found a difference
    ("pipelines-that-last", "add_trainer"),  # of a copy that might be of either kind
}
ONLY_MYPY = {
    ("what-is-not-tracked", "method"),
    ("beam", "Partition"),
    ("beam", "dict"),
}
ONLY_PYRIGHT = {
    ("beam", "PValue"),
    ("beam", "PCollection"),
    ("beam", "dict"),
    ("beam", "WithTypeHints"),
    ("beam", "unbound"),
    ("external-data", "list"),  # what fsspec.open gives
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder with each block as a file, named after its page."""
    folder = tmp_path_factory.mktemp("programs")
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for number, code in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            (folder / f"{page.stem.replace('-', '_')}__{number}.py").write_text(code, encoding="utf-8")
    return folder


def unexpected(found: list[tuple[str, str]], expected: set[tuple[str, str]]) -> list[str]:
    """Errors that are not expected, and expectations that came to nothing. ``found``: (file, message)."""
    pages = [(Path(file).stem.rpartition("__")[0].replace("_", "-"), message) for file, message in found]
    problems = [
        f"{page}: {message}"
        for page, message in pages
        if not any(page == where and fragment in message for where, fragment in expected)
    ]
    return problems + [
        f"{where}: no error says `{fragment}`"
        for where, fragment in sorted(expected)
        if not any(page == where and fragment in message for page, message in pages)
    ]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_mypy_accepts_the_examples(programs):
    flags = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", "--cache-dir=cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *flags, "--disable-error-code=valid-type", "--output=json", "."],
        cwd=programs,
        capture_output=True,
        text=True,
    )
    assert not done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    found = [(row["file"], row["message"]) for row in rows if row["severity"] == "error"]
    assert unexpected(found, ON_PURPOSE | ONLY_MYPY) == []


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(not importlib.util.find_spec("basedpyright"), reason="basedpyright is not installed")
def test_pyright_accepts_the_examples(programs):
    off = dict.fromkeys(["reportInvalidTypeForm", "reportMissingModuleSource"], False)
    rules = {"typeCheckingMode": "standard", **off}
    (programs / "pyrightconfig.json").write_text(json.dumps(rules))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson", "."],
        cwd=programs,
        capture_output=True,
        text=True,
    )
    said = json.loads(done.stdout)
    assert said["summary"]["filesAnalyzed"] > 20
    found = [(row["file"], row["message"]) for row in said["generalDiagnostics"]]
    assert unexpected(found, ON_PURPOSE | ONLY_PYRIGHT) == []
