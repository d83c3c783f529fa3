"""A mixed load on one project, by processes that live as long as they are let: a script, run by tests.

    python mixed_load.py work SEED RUNS           # that many small runs, once it is told to
    python mixed_load.py kill KILLS AT_ONCE SEED SECONDS
                                                  # processes that run without end, killed at random moments

What a step returns is known without zencache, and compared at every run: what differs is written to
``wrong.txt`` in the working directory, which is the project.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from zencache import Output, Repository, pipeline, step
from zencache.view import Run

NUMBERS = 40  # different sources; each is one cache key of `source`
FACTORS = 3
LARGE = 200_000  # 1.6 MB, so that some processes die while they write


@step
def source(number: int) -> Output(array=np.ndarray, label=str):  # type: ignore[valid-type]
    size = LARGE if number % 5 == 0 else 10
    return np.arange(size) * (number + 1), f"number {number}"


@step
def scaled(array: np.ndarray, factor: int) -> np.ndarray:
    return array * factor


@step
def summary(array: np.ndarray, label: str) -> dict:  # type: ignore[type-arg]
    return {"label": label, "sum": int(array.sum()), "last": array[-1].item()}


@pipeline
def mixed(number: int, factor: int):  # type: ignore[no-untyped-def]
    array, label = source(number)
    summary(scaled(array, factor), label)


def expected(number: int, factor: int) -> dict[str, object]:
    """What `summary` returns, without zencache."""
    array = np.arange(LARGE if number % 5 == 0 else 10) * (number + 1) * factor
    return {"label": f"number {number}", "sum": int(array.sum()), "last": array[-1].item()}


def run_one(number: int, factor: int) -> Run:
    """One run, its result compared."""
    run: Run = mixed(number, factor).run()
    found = run.steps["summary"].output.read()
    if found != expected(number, factor):
        with Path("wrong.txt").open("a") as file:
            file.write(f"{number} {factor} {found}\n")
    return run


def work(seed: int, runs: int | None) -> None:
    """Runs of random members of the family, some of them beside a clean-up."""
    random.seed(seed)
    done = 0
    while runs is None or done < runs:
        if runs is None and random.random() < 0.1 and hasattr(Repository, "gc"):
            Repository().gc(keep_last=5, dry_run=False)
        run_one(random.randrange(NUMBERS), random.randrange(1, FACTORS + 1))
        done += 1


def work_when_told(seed: int, runs: int) -> None:
    """As ``work``, from the moment on at which all others are ready, too."""
    Repository().get_runs()
    wait_for_the_start()
    work(seed, runs)


def wait_for_the_start() -> None:
    """Say that this process is ready, and wait for a line."""
    print("ready", flush=True)
    sys.stdin.readline()


def kill(kills: int, at_once: int, seed: int, within: float) -> None:
    """Fork processes that work without end, and kill each within some seconds. No store is open here."""
    random.seed(seed)
    alive: dict[int, float] = {}
    started = 0
    try:
        while started < kills or alive:
            while started < kills and len(alive) < at_once:
                started += 1
                pid = os.fork()
                if not pid:
                    _child(seed * 100_000 + started)
                alive[pid] = time.monotonic() + random.uniform(0.005, within)
            time.sleep(0.002)
            for pid in [pid for pid, end in alive.items() if time.monotonic() >= end]:
                del alive[pid]
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
                if not os.WIFSIGNALED(status):
                    said = Path("errors.txt").read_text()
                    raise SystemExit(f"a process ended by itself ({status}): {said}")
    finally:  # those that are left would go on without end
        for pid in alive:
            os.kill(pid, signal.SIGKILL)


def _child(seed: int) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    try:
        work(seed, None)
    except BaseException:
        with Path("errors.txt").open("a") as file:
            file.write(traceback.format_exc() + "\n")
    os._exit(1)


if __name__ == "__main__":
    command, *numbers = sys.argv[1:]
    {"work": work_when_told, "kill": kill}[command](*(float(n) if "." in n else int(n) for n in numbers))
