"""A browser for the tests of the picture, servers for them, and a store that has a bit of everything."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from zencache import Repository
from zencache.report import application

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
NO_BROWSER = (
    "no Chromium here: set ZENCACHE_TEST_CHROMIUM, or install one as `chromium`; the page was not tested"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for all tests."""
    path = os.environ.get("ZENCACHE_TEST_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip(NO_BROWSER)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """``open_page(url, **options)``: a page on which an error, or a request elsewhere, fails the test."""
    problems: list[str] = []
    pages: list[Any] = []

    def open_page(url: str, *, width: int = 1280, height: int = 800, **options: Any) -> Any:
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        pages.append(page)
        home = url.split("/", 3)[2]

        def check(request: Any) -> None:
            is_own = request.url.startswith(("data:", "file:")) or request.url.split("/", 3)[2] == home
            if not is_own:
                problems.append(f"loads {request.url}")

        page.on("request", check)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
        page.set_default_timeout(10_000)
        page.goto(url)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert problems == []


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[Repository], str]]:
    """``serve(repository)``: the URL of a server of it, on a port of its own, until the tests have ended."""
    with ExitStack() as stack:

        def serve(repository: Repository) -> str:
            config = uvicorn.Config(application(repository), port=0, log_level="error", lifespan="off")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)

            def stop() -> None:
                server.should_exit = True
                thread.join(10)

            stack.callback(stop)
            return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"

        yield serve


@pytest.fixture(scope="session")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Four runs of a pipeline with a diamond: fresh, at another rate, the same again, and one that fails."""
    from scoring_pipeline import run_four_times

    folder = tmp_path_factory.mktemp("scoring")
    repository = Repository(folder, metadata=folder / "metadata.db", artifacts=folder / "artifacts")
    run_four_times(repository)
    return repository


@pytest.fixture
def own_scoring(scoring: Repository, tmp_path: Path) -> Repository:
    """A copy of it, to be damaged."""
    folder = tmp_path / "copy"
    shutil.copytree(scoring.root, folder)
    return Repository(folder, metadata=folder / "metadata.db", artifacts=folder / "artifacts")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A run without a browser says so, also where skipped tests are only counted."""
    skipped = [one for one in terminalreporter.stats.get("skipped", []) if NO_BROWSER in str(one.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests skipped: {NO_BROWSER}")
