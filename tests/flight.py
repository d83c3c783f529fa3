"""Processes that want the same new step at the same time, and what came of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zencache import Repository

# The body notes that it runs, and goes on while there is a file `hold` and for `SECONDS`: no part of its key.
SCRIPT = """
import json, os, signal, sys, time
from pathlib import Path
from zencache import StepFailed, events, pipeline, step

signal.signal(signal.SIGINT, signal.default_int_handler)

@step
def slow(number: int = 1) -> int:
    with open("executed", "a") as file:
        file.write(f"{os.getpid()}\\n")
    while Path("hold").exists():
        time.sleep(0.01)
    time.sleep(float(os.environ.get("SECONDS", "0")))
    if Path("fail").exists():
        Path("fail").unlink()
        raise ValueError("as it was told")
    return number

@pipeline
def flight():
    slow()

def listen(event):
    if isinstance(event, events.Event):
        with open(f"events-{os.getpid()}", "a") as file:
            file.write(type(event).__name__ + "\\n")

def main():
    with events.listening(listen):
        try:
            view = flight().run().steps["slow"]
        except StepFailed as error:
            print(json.dumps(["failed", str(error)]))
        else:
            print(json.dumps([view.status, view.output.read()]))
"""
MAIN = "\nmain()\n"


class Flight:
    """Starts processes that run the same pipeline, in the working directory."""

    def __init__(self) -> None:
        self._children: list[subprocess.Popen[str]] = []

    def start(self, before: str = "", **env: str) -> subprocess.Popen[str]:
        """A process that wants the step; ``before`` is code of its own, in front of its run."""
        script = Path(f"flight_{len(self._children)}.py")
        script.write_text("from flight_script import *\nimport flight_script\n" + before + MAIN)
        if not Path("flight_script.py").exists():
            Path("flight_script.py").write_text(SCRIPT)
        child = subprocess.Popen(
            [sys.executable, str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
        )
        self._children.append(child)
        return child

    def wait_for(self, child: subprocess.Popen[str], event: str) -> None:
        """Wait until an event of this name has happened in a process."""
        self.wait_until(lambda: event in self.events(child), child)

    @staticmethod
    def wait_until(condition: Callable[[], bool], child: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            if child.poll() is not None or time.monotonic() > deadline:
                child.kill()
                raise AssertionError(f"it never came so far: {child.communicate()}")
            time.sleep(0.005)

    @staticmethod
    def events(child: subprocess.Popen[str]) -> list[str]:
        file = Path(f"events-{child.pid}")
        return file.read_text().splitlines() if file.exists() else []

    def stop(self) -> None:
        """End what is left."""
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.communicate()


def result(child: subprocess.Popen[str]) -> list[Any]:
    """``[status of the step, its output]`` of a process, when it has ended."""
    stdout, stderr = child.communicate(timeout=90)
    assert child.returncode == 0, stderr
    return list(json.loads(stdout.splitlines()[-1]))


def executed() -> list[int]:
    """The processes that have begun to execute the body, in order."""
    file = Path("executed")
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def states() -> Counter[str]:
    """How many executions are in which state, as the stock client sees it."""
    return Counter(e.State.Name(e.last_known_state) for e in Repository().store.get_executions())


def held() -> list[str]:
    """The keys whose newest lease says that somebody holds it, as the stock client sees it."""
    newest: dict[str, tuple[int, str]] = {}
    for context in Repository().store.get_contexts_by_type("zencache_lease"):
        key, generation, state, _ = context.name.split(".")
        newest[key] = max(newest.get(key, (0, "")), (int(generation), state))
    return [key for key, (_, state) in newest.items() if state == "held"]


def assert_nothing_blocks(child: subprocess.Popen[str]) -> None:
    """A run that comes later than all this is a hit, and waits for nobody."""
    assert result(child)[0] == "cached"
    assert "WillWait" not in Flight.events(child)
