"""What all tests share: a project of one's own, a logger as it was, and scripts in processes of their own."""

from __future__ import annotations

import itertools
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

_SETTINGS = ("ZENCACHE_METADATA", "ZENCACHE_ARTIFACTS", "ZENCACHE_ENABLE_CACHE")

RunScript = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, which is the working directory: both stores will lie in its ``.zencache``."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _logger_as_it_was() -> Iterator[None]:
    """The first run of a process configures the logger; no test shall see that another one ran."""
    logger = logging.getLogger("zencache")
    before = (list(logger.handlers), logger.level, logger.propagate, logger.disabled)
    yield
    logger.handlers[:], level, logger.propagate, logger.disabled = before
    logger.setLevel(level)


@pytest.fixture
def run_script(project: Path) -> RunScript:
    """``run_script(source, *args, check=True, env=None)``: a text as a script, in a process of its own.

    The project is its working directory. With ``check`` a script that fails fails the test, and what it
    printed is shown.
    """
    count = itertools.count(1)

    def run_script(
        source: str, *args: Any, check: bool = True, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        script = project / f"script_{next(count)}.py"
        script.write_text(textwrap.dedent(source), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script), *map(str, args)],
            cwd=project,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=100,
        )
        if check and done.returncode:
            pytest.fail(f"The script ended with {done.returncode}.\n{done.stdout}\n{done.stderr}")
        return done

    return run_script
