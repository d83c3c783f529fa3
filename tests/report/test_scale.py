"""500 steps in a run, 10,000 runs in the list, 100,000 executions in the store: the page stays quick."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from zencache import Repository
from zencache.entity import PipelineRun, Status

pytestmark = pytest.mark.timeout(600)

HISTORY = Path(__file__).parent.parent / "benchmarks" / "history.py"


def _write_history(folder, **options):
    spec = importlib.util.spec_from_file_location("long_history", HISTORY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_history(folder, **options)


@pytest.fixture(scope="module")
def long_history(tmp_path_factory):
    return _write_history(tmp_path_factory.mktemp("long"), executions=100_000)


@pytest.fixture(scope="module")
def command(long_history):
    """The URL that `zencache ui` serves on, in a process of its own."""
    settings = {
        "ZENCACHE_METADATA": long_history.metadata_url,
        "ZENCACHE_ARTIFACTS": long_history.artifacts_url,
    }
    program = [sys.executable, "-m", "zencache", "ui", "--no-open", "--port", "0"]
    with subprocess.Popen(
        program, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True
    ) as process:
        yield re.search(r"http://\S+", process.stdout.readline())[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.benchmark
def test_the_first_view_of_100_000_executions(command, open_page):
    url = command
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        page = open_page(url)
        page.wait_for_selector(".rows .run-row")
        times.append(time.perf_counter() - begin)
        page.wait_for_function("() => document.querySelector('.bar .hint').textContent === '2,000 runs'")
    print(f"first view: {', '.join(f'{took:.3f}' for took in times)} s   goal: <= 1 s")
    page.wait_for_function("() => document.querySelector('.bar .hint').textContent === '2,000 runs'")
    begin = time.perf_counter()
    page.click(".rows .run-row")
    page.wait_for_selector(".steps a")
    print(f"a run of 50 steps: {time.perf_counter() - begin:.3f} s")
    assert page.locator(".steps a").count() == 50


@pytest.mark.slow
def test_10_000_runs_are_scrolled_and_filtered_smoothly(tmp_path, serve, open_page):
    repository = Repository(tmp_path, metadata=tmp_path / "m.db", artifacts=tmp_path / "a")
    started = datetime(2026, 1, 1, tzinfo=timezone.utc)
    for number in range(10_000):
        run = PipelineRun(
            0,
            f"run-{number:05}",
            f"pipeline_{number % 7}",
            Status.RUNNING,
            started + timedelta(minutes=number),
        )
        writer = repository.stores.metadata.begin_run(run, {})
        ended = PipelineRun(
            0,
            run.name,
            run.pipeline,
            Status.COMPLETED,
            run.started,
            ended=run.started,
            duration=1.0,
            saved=2.0,
        )
        writer.finish(ended)
    page = open_page(serve(repository))
    page.wait_for_function(
        "() => document.querySelector('.bar .hint')?.textContent === '10,000 runs'", timeout=60_000
    )
    assert page.locator(".rows .run-row").count() < 60, "only what is in sight is in the document"
    slowest = page.evaluate(
        """async () => {
            const rows = document.querySelector('.rows');
            const frame = () => new Promise(done => requestAnimationFrame(done));
            let slowest = 0;
            for (let i = 0; i < 60; i++) {
                const begin = performance.now();
                rows.scrollTop = i * 9000;
                await frame();
                await frame();
                slowest = Math.max(slowest, performance.now() - begin);
            }
            return slowest;
        }"""
    )
    print(f"slowest of 60 jumps through the list: {slowest:.0f} ms")
    assert slowest < 250
    begin = time.perf_counter()
    page.fill(".filters .search", "run-00007")
    page.wait_for_function("() => document.querySelectorAll('.rows .run-row').length === 1")
    print(f"filtered in {time.perf_counter() - begin:.3f} s")
    assert page.inner_text(".rows .run-name a") == "run-00007"
    page.fill(".filters .search", "")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.wait_for_function("() => document.activeElement.dataset.run === 'run-00000'")


@pytest.mark.slow
def test_a_run_of_500_steps_is_drawn_and_walked(tmp_path, serve, open_page):
    repository = _write_history(tmp_path, executions=1000, steps=500, pipelines=1)
    run = repository.get_runs()[-1]
    page = open_page(serve(repository))
    page.wait_for_selector(".rows .run-row")
    begin = time.perf_counter()
    page.click(".rows .run-row")
    page.wait_for_selector(".steps li:nth-child(500)", state="attached")
    took = time.perf_counter() - begin
    print(f"500 steps: {took:.3f} s")
    nodes = "() => document.querySelector('.graph-canvas')._cyreg.cy.nodes().length"
    assert page.evaluate(nodes) == 500
    begin = time.perf_counter()
    page.check(".toggle input")
    print(f"with artifacts: {time.perf_counter() - begin:.3f} s")
    assert page.evaluate(nodes) == 1000
    page.keyboard.press("/")
    page.keyboard.type("step_4")
    assert page.locator(".steps li:visible").count() == 100
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#panel-title').textContent === 'step_400'")
    assert run.steps["step_400"].status in page.inner_text(".panel").replace("executed", "completed")
