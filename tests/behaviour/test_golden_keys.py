"""Cache keys as they were: an edit of zencache that changes one changes it on purpose, and says so.

A key that changes makes every entry of every user a miss. If that is meant, the CHANGELOG says so under
"Cache keys", and the keys below are replaced by what the test shows.
"""

from __future__ import annotations

import json

import pytest

STEPS = '''
"""Steps with one of everything that enters a key."""

import enum
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zencache import BaseStepConfig, CachePolicy, ExternalFile, Output, Repository, pipeline, step

SCALE = 2.5
NAMES = {"a": 1, "b": [2, 3]}


class Mode(enum.Enum):
    FAST = "fast"
    EXACT = "exact"


@dataclass(frozen=True)
class Limits:
    low: float = 0.0
    high: float = 1.0

    def clip(self, values):
        return np.clip(values, self.low, self.high)


class TrainerConfig(BaseStepConfig):
    epochs: int = 1
    rate: float = 0.1


def helper(values):
    return Limits().clip(values) * SCALE


@step
def numbers() -> Output(left=np.ndarray, right=list):
    return np.arange(6.0), [1, "two", (3.5, None)]


@step(cache_version="2")
def scaled(left: np.ndarray, mode: str = Mode.FAST.value) -> np.ndarray:
    return helper(left) if mode == Mode.FAST.value else left


@step
def trained(config: TrainerConfig, values: np.ndarray, names: list) -> dict:
    return {"epochs": config.epochs, "sum": float(values.sum()), "names": len(names) + len(NAMES)}


@step(cache_policy=CachePolicy(ignored_inputs=("word",), file_dependencies=("settings.txt",)))
def read(lines: list[str], word: str = "ignored") -> str:
    return "".join(Path(line).read_text() for line in lines)


@pipeline
def golden():
    left, right = numbers()
    trained(TrainerConfig(epochs=3), values=scaled(left), names=right)
    read(ExternalFile("data-*.csv"), word="x")


if __name__ == "__main__":
    import json

    run = golden().run()
    print(json.dumps({name: step.cache_key for name, step in run.steps.items()}))
'''

KEYS = {
    "numbers": "8994d8e2a633ab58716d2cddfd7368a795dd370723c1525ae895b4d002b594a5",
    "scaled": "934680ca003e1a11948c457485e3e9f207f52343be3062f167c0e33d17586b01",
    "trained": "bd64f09917f75a95b3938d5ac4562ab0266538d10acf99f5dda1979b93cbba33",
    "read": "7295ed033bfd9df6ec46131e78af66631b10a3f656661ad6e0159dfae7076ea3",
}


@pytest.fixture
def keys(project, run_script):
    for name, text in (("data-1.csv", "1,2\n"), ("data-2.csv", "3,4\n"), ("settings.txt", "a = 1\n")):
        (project / name).write_text(text)
    return lambda: json.loads(run_script(STEPS).stdout)


def test_a_key_is_what_it_was_in_every_earlier_release(keys):
    assert keys() == KEYS


def test_every_part_of_these_keys_counts(keys, project):
    before = keys()
    (project / "settings.txt").write_text("a = 2\n")
    after = keys()
    assert {name for name in before if before[name] != after[name]} == {"read"}
