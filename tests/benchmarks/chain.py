"""Chains of trivial steps, each a function of its own in a module of the user's."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

_HEAD = """
import json
import sys
import time

from zencache import Repository, pipeline, step


@step
def step_0() -> int:
    return 0
"""
_STEP = """

@step
def step_{index}(value: int) -> int:
    return value + 1
"""
_TAIL = """

@pipeline
def chain():
    value = step_0()
{body}

def timed(bound, folder):
    started = time.perf_counter()
    run = bound.run(repository=Repository(folder))
    seconds = time.perf_counter() - started
    return seconds, sum(step.is_cached for step in run.steps.values())


if __name__ == "__main__":
    bound = chain()
    print(json.dumps([timed(bound, sys.argv[1]) for _ in range(int(sys.argv[2]))]))
"""


def write_chain(folder: Path, length: int) -> Path:
    """A script that holds a pipeline ``chain`` of ``length`` steps.

    Run with a project folder and a count it runs the pipeline that often, and prints
    ``[[seconds, cached steps], ...]``.
    """
    steps = "".join(_STEP.format(index=index) for index in range(1, length))
    body = "".join(f"    value = step_{index}(value)\n" for index in range(1, length))
    path = folder / f"chain_of_{length}.py"
    path.write_text(_HEAD + steps + _TAIL.format(body=body))
    return path


def load(script: Path) -> Any:
    """The module of a script."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[script.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
