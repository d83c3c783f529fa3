"""Ten thousand small artifacts, written, verified and read; and a folder of as many files."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from graph_shapes import load
from measure import Call, interleaved, line, sized, title

from zencache import Repository, pipeline, step

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]

STEPS, OUTPUTS = sized((100, 100), (10, 20))
ARTIFACTS = STEPS * OUTPUTS
ROUNDS = 2
OUTPUT = """
from zencache import Output, pipeline, step

@step
def many(seed: int, index: int) -> Output({types}):
    return tuple({{"seed": seed, "of": index, "number": n}} for n in range({outputs}))

@pipeline
def artifacts(seed: int = 0):
    for index in range({steps}):
        many(seed=seed, index=index)
"""


@step
def folder_of_files(count: int, seed: int) -> Path:
    folder = Path("files")
    folder.mkdir(exist_ok=True)
    for index in range(count):
        (folder / f"{index}.json").write_text(json.dumps({"seed": seed, "number": index}))
    return folder


@pipeline
def folders(count: int, seed: int):
    folder_of_files(count=count, seed=seed)


def test_ten_thousand_small_artifacts(tmp_path: Path) -> None:
    script = tmp_path / "many_artifacts.py"
    types = ", ".join(f"output_{index}=dict" for index in range(OUTPUTS))
    script.write_text(OUTPUT.format(types=types, outputs=OUTPUTS, steps=STEPS))
    module = load(script)
    repository = Repository(tmp_path)
    seeds = itertools.count(1_000_000)
    bound = module.artifacts(0)
    last = bound.run(repository=repository)
    values = [artifact.read() for one in last.steps.values() for artifact in one.outputs.values()]
    assert len(values) == ARTIFACTS
    files: list[Path] = []

    def written() -> None:
        """New files each time: what was replaced would make the next ones dear, ours too (ext4)."""
        folder = tmp_path / f"plain_{next(seeds)}"
        folder.mkdir()
        files[:] = [folder / f"{index}.json" for index in range(ARTIFACTS)]
        for path, value in zip(files, values, strict=True):
            save(path, value)

    def read() -> None:
        fresh = Repository(tmp_path).get_run(last.name)
        found = [artifact.read() for one in fresh.steps.values() for artifact in one.outputs.values()]
        assert len(found) == ARTIFACTS

    written()
    calls: dict[str, Call] = {
        "written": lambda: check(module.artifacts(next(seeds)).run(repository=repository), "completed"),
        "files": written,
        "cached": lambda: check(bound.run(repository=repository), "cached"),
        "stat": lambda: [os.stat(path) for path in files],
        "read": read,
        "files read and hashed": lambda: [hashlib.sha256(path.read_bytes()).digest() for path in files],
    }
    seconds = {what: found / ARTIFACTS for what, found in interleaved(calls, ROUNDS).items()}
    title(f"{ARTIFACTS:,} small artifacts of {STEPS} steps, each")
    line("executed run", seconds["written"], "a file written with fsync and rename", seconds["files"])
    line("cached run, sizes verified", seconds["cached"], "stat of a file", seconds["stat"])
    line("read, verified", seconds["read"], "a file read and hashed", seconds["files read and hashed"])


def test_a_folder_of_ten_thousand_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    repository = Repository(tmp_path)
    seeds = itertools.count(1_000_000)
    bound = folders(ARTIFACTS, 0)
    check(bound.run(repository=repository), "completed")
    calls: dict[str, Call] = {
        "executed": lambda: check(folders(ARTIFACTS, next(seeds)).run(repository=repository), "completed"),
        "bare": lambda: folder_of_files.entrypoint(ARTIFACTS, next(seeds)),
        "cached": lambda: check(bound.run(repository=repository), "cached"),
    }
    seconds = interleaved(calls, ROUNDS)
    title(f"a folder of {ARTIFACTS:,} files as one artifact")
    line("executed run", seconds["executed"], "files written, without fsync", seconds["bare"])
    line("cached run", seconds["cached"], "files written, without fsync", seconds["bare"])


def save(path: Path, value: Any) -> None:
    staged = path.with_suffix(".new")
    with staged.open("w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    staged.rename(path)


def check(run: Any, status: str) -> None:
    assert {one.status for one in run.steps.values()} == {status}
