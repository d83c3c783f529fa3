"""What all tests share: a project of one's own, a logger as it was, and scripts in processes of their own."""

from __future__ import annotations

import compileall
import itertools
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from forking import ScriptServer

_SETTINGS = (
    "ZENCACHE_METADATA",
    "ZENCACHE_ARTIFACTS",
    "ZENCACHE_ENABLE_CACHE",
    "ZENCACHE_LOCAL_CACHE",
    "ZENCACHE_LOCAL_CACHE_SIZE",
    "ZENCACHE_SIGNING_KEY",
    "ZENCACHE_QUOTA",
    "ZENCACHE_LEASE_EXPIRY",
)

# Thousands of processes import zencache, so it is compiled now. They write no bytecode of what tests make:
# Python takes that for up to date if the source has the same size and was written within the same second.
compileall.compile_dir(Path(__file__).parent.parent / "zencache", quiet=2)
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

RunScript = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, which is the working directory: both stores will lie in its ``.zencache``."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


_SERVERS = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("mysql", "postgresql", "grpc")]


@pytest.fixture(params=["sqlite", *_SERVERS])
def metadata_url(
    request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The URL of an empty metadata store that several processes share: the project's, for all of them."""
    with ExitStack() as opened:
        url = f"sqlite:///{project}/.zencache/metadata.db"
        if request.param != "sqlite":
            import metadata_servers

            url = opened.enter_context(metadata_servers.metadata_url(request.param, project))
        monkeypatch.setenv("ZENCACHE_METADATA", url)
        yield url


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
    """``run_script(source, *args, check=True, env=None, timeout=100)``: a text as a script, in a process.

    The project is its working directory. With ``check`` a script that fails fails the test, and what it
    printed is shown.
    """
    count = itertools.count(1)

    def run_script(
        source: str,
        *args: Any,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        timeout: float = 100,
    ) -> subprocess.CompletedProcess[str]:
        script = project / f"script_{next(count)}.py"
        script.write_text(textwrap.dedent(source), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script), *map(str, args)],
            cwd=project,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            pytest.fail(f"The script ended with {done.returncode}.\n{done.stdout}\n{done.stderr}")
        return done

    return run_script


@pytest.fixture(scope="session")
def _script_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptServer]:
    server = ScriptServer(tmp_path_factory.mktemp("script_server"))
    yield server
    server.close()


@pytest.fixture
def run_forked(project: Path, _script_server: ScriptServer) -> RunScript:
    """As ``run_script``, for the many short scripts of a file: the process finds zencache imported."""
    count = itertools.count(1)

    def run_forked(source: str, *args: Any, check: bool = True) -> subprocess.CompletedProcess[str]:
        script = project / f"script_{next(count)}.py"
        script.write_text(textwrap.dedent(source), encoding="utf-8")
        done = _script_server.run(project, script, [str(one) for one in args])
        if check and done.returncode:
            pytest.fail(f"The script ended with {done.returncode}.\n{done.stdout}\n{done.stderr}")
        return done

    return run_forked
